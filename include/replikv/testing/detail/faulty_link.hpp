// A link of a real transport with everything that may go wrong on the way, so that no proxy is needed.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/random.hpp>
#include <replikv/testing/detail/faulty_host.hpp>
#include <replikv/transport/detail/paced_queue.hpp>
#include <replikv/transport/simulated.hpp>
#include <replikv/transport/transport.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::testing::detail {

class FaultyLink;

/// What is wrong on the way from one host to another.
struct FaultyWay {
  bool is_blocked = false;
  std::optional<LinkConditions> conditions;
  std::optional<std::uint64_t> cut_next_link_after;      // bytes
  std::optional<std::uint64_t> corrupt_next_link_after;  // bytes
};

/// What all links share.
struct FaultyMedium {
  /// As the transport has it.
  static constexpr LinkConditions untouched{Duration::zero(), Duration::zero(), 0, 0};

  explicit FaultyMedium(std::uint64_t seed) noexcept : random(seed) {}

  FaultyWay& way(const std::string& from, const std::string& to) { return ways[{from, to}]; }

  Random random;
  LinkConditions conditions = untouched;
  std::map<std::pair<std::string, std::string>, FaultyWay> ways;
  std::set<std::string> refused;  // hosts
  std::map<std::string, std::string, std::less<>> hosts_by_address;
  std::function<void(const Traffic&)> observer;
  std::map<std::uint64_t, std::shared_ptr<FaultyLink>> links;  // until they are over
  std::uint64_t links_made = 0;
};

/// Either end of a link. The end that connected makes all the faults, for both directions; the one that
/// listened only takes part in the life of its host.
class FaultyLink final : public Link, public LinkEvents, public std::enable_shared_from_this<FaultyLink> {
 public:
  /// The link as its user holds it. `peer`: the host at the other end; none at the end that listened.
  [[nodiscard]] static std::shared_ptr<Link> make(const std::shared_ptr<FaultyMedium>& medium,
                                                  const std::shared_ptr<FaultyHost>& host,
                                                  std::optional<std::string> peer,
                                                  std::shared_ptr<Link> inner) {
    auto link = std::make_shared<FaultyLink>(medium, host, std::move(peer), std::move(inner));
    medium->links.emplace(link->ordinal_, link);
    link->begin_faults();
    return std::shared_ptr<Link>(link.get(), [link](Link*) { link->close(); });
  }

  FaultyLink(std::shared_ptr<FaultyMedium> medium, std::shared_ptr<FaultyHost> host,
             std::optional<std::string> peer, std::shared_ptr<Link> inner)
      : medium_(std::move(medium)),
        host_(std::move(host)),
        makes_faults_(peer.has_value()),
        ordinal_(++medium_->links_made),
        inner_(std::move(inner)),
        peer_address_(inner_->peer_address()),
        out_{host_->name(), peer.value_or("")},
        in_{peer.value_or(""), host_->name()} {
    note(out_, Traffic::Kind::opened, {}, {});
  }

  // --- Link -------------------------------------------------------------------------------------------

  void start(std::weak_ptr<LinkEvents> events) override {
    events_ = std::move(events);
    is_started_ = true;
    if (hears_of_cut_) return post_cut();
    if (inner_ != nullptr) inner_->start(weak_from_this());
  }

  void send(std::span<const SharedBytes> buffers) override {
    if (is_closed_ || inner_ == nullptr) return;
    for (const SharedBytes& buffer : buffers) {
      if (buffer.empty()) continue;
      out_bytes_ += buffer.size();
      push(out_, buffer);
    }
    pump(out_);
    is_full_ = is_full_ || unsent_bytes() > window_bytes / 2;
  }

  [[nodiscard]] std::size_t unsent_bytes() const noexcept override {
    return out_bytes_ + (inner_ == nullptr ? 0 : inner_->unsent_bytes());
  }

  void close() noexcept override {
    if (std::exchange(is_closed_, true)) return;
    if (inner_ == nullptr) return leave();
    if (is_severed_) return;
    push(out_, {});
    pump(out_);
  }

  [[nodiscard]] std::string peer_address() const override { return peer_address_; }

  // --- LinkEvents of the transport's link ---------------------------------------------------------------

  void on_bytes(Bytes bytes) override {
    if (is_closed_ || is_severed_) return;
    push(in_, SharedBytes(std::string(as_text(bytes))));
    pump(in_);
  }

  void on_writable() override { tell_if_writable(); }

  void on_closed(std::error_code why) override {
    why_ended_ = why;
    if (is_closed_ || is_severed_) return leave();
    push(in_, {});
    pump(in_);
  }

  // --- Faults -----------------------------------------------------------------------------------------

  [[nodiscard]] bool joins(const std::string& one, const std::string& other) const noexcept {
    return makes_faults_ &&
           ((out_.from == one && out_.to == other) || (out_.from == other && out_.to == one));
  }
  [[nodiscard]] bool is_open() const noexcept { return inner_ != nullptr && !is_closed_ && !is_severed_; }
  [[nodiscard]] bool is_on(const FaultyHost& host) const noexcept { return host_.get() == &host; }

  /// Ends it for both.
  void cut() {
    if (inner_ == nullptr && is_closed_) return;
    const auto self = shared_from_this();
    lose();
    if (inner_ != nullptr) std::exchange(inner_, nullptr)->close();
    leave();
    hear_of_cut();
  }

  /// Ends it for one host alone.
  void sever(const std::string& host) {
    if (std::exchange(is_severed_, true)) return;
    lose();
    if (host == host_->name()) return hear_of_cut();
    std::exchange(inner_, nullptr)->close();
    if (is_closed_) leave();
  }

  void cut_after(const std::string& from, std::uint64_t bytes) {
    way_from(from).cut_after = bytes;
    if (bytes == 0) cut();
  }
  void corrupt_after(const std::string& from, std::uint64_t bytes) { way_from(from).corrupt_after = bytes; }

  /// The conditions may have changed.
  void retime() {
    for (Path* path : {&out_, &in_}) path->queue.retime(now(), conditions(*path), medium_->random);
    resume();
  }

  /// What held bytes back may have ended.
  void resume() {
    const auto self = shared_from_this();
    pump(out_);
    pump(in_);
  }

  /// Its host is gone: whoever used it here hears nothing more.
  void die() {
    is_closed_ = true;
    lose();
    leave();
  }

 private:
  struct Path {
    std::string from;
    std::string to;
    replikv::detail::PacedQueue queue{};  // no bytes: the sender has closed
    std::optional<std::uint64_t> cut_after{};
    std::optional<std::uint64_t> corrupt_after{};
    std::unique_ptr<Registration> timer{};
  };

  [[nodiscard]] TimePoint now() const noexcept { return host_->engine()->now(); }
  [[nodiscard]] Path& way_from(const std::string& host) noexcept { return host == out_.from ? out_ : in_; }

  void begin_faults() {
    if (!makes_faults_) return;
    for (Path* path : {&out_, &in_}) {
      FaultyWay& way = medium_->way(path->from, path->to);
      if (const auto bytes = std::exchange(way.corrupt_next_link_after, {})) path->corrupt_after = bytes;
      if (const auto bytes = std::exchange(way.cut_next_link_after, {})) cut_after(path->from, *bytes);
    }
  }

  [[nodiscard]] LinkConditions conditions(const Path& path) const {
    if (!makes_faults_) return FaultyMedium::untouched;
    return medium_->way(path.from, path.to).conditions.value_or(medium_->conditions);
  }

  [[nodiscard]] bool is_held_back(const Path& path) const {
    if (&path == &in_ && (host_->is_paused() || !is_started_)) return true;
    return is_severed_ || (makes_faults_ && medium_->way(path.from, path.to).is_blocked);
  }

  // --- On the way ---------------------------------------------------------------------------------------

  void push(Path& path, SharedBytes bytes) {
    path.queue.push(std::move(bytes), now(), conditions(path), medium_->random);
  }

  void pump(Path& path) {
    const auto self = shared_from_this();
    while (!path.queue.empty() && !is_held_back(path)) {
      if (const TimePoint when = path.queue.next_time(); when > now()) return wake_at(path, when);
      if (path.queue.front().empty()) return end(path);
      pass_piece(path);
    }
    if (&path == &out_) tell_if_writable();
  }

  void wake_at(Path& path, TimePoint when) {
    path.timer = host_->engine()->at(when, [weak = weak_from_this(), &path] {
      if (const auto self = weak.lock()) self->pump(path);
    });
  }

  void pass_piece(Path& path) {
    const std::string piece = take_piece(path);
    note(path, Traffic::Kind::bytes, as_bytes(piece), {});
    if (path.cut_after) *path.cut_after -= piece.size();
    if (&path == &out_) {
      out_bytes_ -= piece.size();
      const SharedBytes shared(piece);
      inner_->send({&shared, 1});
    } else if (const auto events = events_.lock()) {
      events->on_bytes(as_bytes(piece));
    } else {
      close();
    }
    if (path.cut_after == 0U) cut();
  }

  [[nodiscard]] std::string take_piece(Path& path) {
    SharedBytes& front = path.queue.front();
    std::size_t size = front.size();
    if (const std::size_t chunk = conditions(path).chunk_bytes_max; chunk != 0)
      size = std::min(size, static_cast<std::size_t>(1 + medium_->random.below(chunk)));
    if (path.cut_after) size = std::min(size, static_cast<std::size_t>(*path.cut_after));
    std::string piece(as_text(front.bytes().first(size)));
    front.consume(size);
    if (front.empty()) path.queue.pop();
    corrupt(path, piece);
    return piece;
  }

  void corrupt(Path& path, std::string& piece) {
    if (!path.corrupt_after) return;
    if (*path.corrupt_after >= piece.size()) {
      *path.corrupt_after -= piece.size();
      return;
    }
    char& byte = piece[static_cast<std::size_t>(*path.corrupt_after)];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << medium_->random.below(8)));
    path.corrupt_after.reset();
  }

  void tell_if_writable() {
    if (!is_full_ || unsent_bytes() > window_bytes / 2) return;
    is_full_ = false;
    host_->post([self = shared_from_this()] {
      if (self->is_closed_) return;
      if (const auto events = self->events_.lock()) events->on_writable();
    });
  }

  // --- The end ------------------------------------------------------------------------------------------

  // One side has closed, and all that it sent before has got to the other.
  void end(Path& path) {
    path.queue.pop();
    if (&path == &in_) {
      leave();
      return hear_closed(why_ended_);
    }
    note(out_, Traffic::Kind::closed, {}, Errc::link_closed);
    if (inner_ != nullptr) inner_->close();
    leave();
  }

  void lose() {
    for (Path* path : {&out_, &in_}) {
      path->queue.clear();
      path->timer.reset();
    }
    out_bytes_ = 0;
  }

  void hear_of_cut() {
    hears_of_cut_ = true;
    if (is_started_) post_cut();
  }
  void post_cut() {
    host_->post([self = shared_from_this()] { self->hear_closed(Errc::link_cut); });
  }

  void hear_closed(std::error_code why) {
    if (std::exchange(is_closed_, true)) return;
    note(in_, Traffic::Kind::closed, {}, why);
    if (const auto events = events_.lock()) events->on_closed(why);
  }

  void leave() noexcept {
    const auto self = shared_from_this();
    lose();
    inner_.reset();
    medium_->links.erase(ordinal_);
  }

  void note(const Path& path, Traffic::Kind kind, Bytes bytes, std::error_code why) const {
    if (!makes_faults_ || !medium_->observer) return;
    medium_->observer({now(), ordinal_, path.from, path.to, kind, bytes, why});
  }

  std::shared_ptr<FaultyMedium> medium_;
  std::shared_ptr<FaultyHost> host_;
  bool makes_faults_;
  std::uint64_t ordinal_;
  std::shared_ptr<Link> inner_;  // none: it is over
  std::string peer_address_;
  std::weak_ptr<LinkEvents> events_;
  Path out_;
  Path in_;
  std::size_t out_bytes_ = 0;  // in out_.queue
  std::error_code why_ended_;
  bool is_started_ = false;
  bool is_closed_ = false;  // its user hears nothing more and sends nothing more
  bool is_severed_ = false;
  bool hears_of_cut_ = false;
  bool is_full_ = false;  // its user waits for on_writable
};

}  // namespace replikv::inline v0_1::testing::detail
