// A relay between a replica and its master that damages what it passes on: flips, inserts and drops bytes,
// and cuts links. It knows which damage the protocol can notice: that of a snapshot, which has a checksum.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/transport/simulated.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace fuzz {

enum class Damage : std::uint8_t { flip, insert, drop, cut };

struct Edit {
  std::size_t after;  ///< bytes since the edit before
  Damage damage;
  std::uint8_t value;
};

enum class Toward : std::uint8_t { replica, master };

/// What a master says on one link, followed just so far that a byte of a snapshot is known as one.
class MasterSpeech {
 public:
  void hear(char c) {
    if (part_ == Part::snapshot) return hear_snapshot(c);
    if (part_ == Part::stream) return;
    if (c != '\n') return line_.push_back(c);
    if (line_.starts_with("+CONTINUE")) part_ = Part::stream;
    if (line_.starts_with("$EOF:")) part_ = Part::snapshot;
    is_granted_ = is_granted_ || line_.starts_with("+CONTINUE") || line_.starts_with("+FULLRESYNC");
    if (part_ == Part::snapshot) mark_ = line_.substr(5, 40);
    line_.clear();
  }

  [[nodiscard]] bool is_in_snapshot() const noexcept { return part_ == Part::snapshot; }
  /// PSYNC was answered.
  [[nodiscard]] bool is_granted() const noexcept { return is_granted_; }

 private:
  enum class Part : std::uint8_t { lines, snapshot, stream };

  void hear_snapshot(char c) {
    line_.push_back(c);
    if (line_.ends_with(mark_)) part_ = Part::stream;
  }

  Part part_ = Part::lines;
  bool is_granted_ = false;
  std::string line_;
  std::string mark_;
};

class DamagingRelay {
 public:
  DamagingRelay(replikv::SimulatedTransport& network, std::string_view address, std::string master)
      : engine_(network.engine()), master_(std::move(master)) {
    std::string bound;
    std::error_code error;
    listener_ = engine_->listen(
        address, [this](std::shared_ptr<replikv::Link> link) { accept(std::move(link)); }, bound, error);
  }
  DamagingRelay(const DamagingRelay&) = delete;
  DamagingRelay& operator=(const DamagingRelay&) = delete;

  void add(Toward direction, const Edit& edit) { edits(direction).push_back(edit); }
  void stop() {
    for (auto& all : edits_) all.clear();
  }
  void cut() { pair_.reset(); }

  /// The replica may hold something else than its master, and nobody can know.
  [[nodiscard]] bool is_tainted() const noexcept { return is_tainted_; }

  /// The replica has taken a whole snapshot on the link there is.
  void on_full_resync() noexcept {
    if (pair_ && !pair_->is_damaged) is_tainted_ = false;
  }

 private:
  struct Pair;

  /// One of the two links of a pair: what arrives here goes out on the other.
  struct End final : replikv::LinkEvents {
    End(DamagingRelay& owner, Pair& whole, Toward passes_on) : relay(owner), pair(whole), toward(passes_on) {}
    void on_bytes(replikv::Bytes bytes) override { relay.pass(pair, toward, replikv::as_text(bytes)); }
    void on_writable() override {}
    void on_closed(std::error_code) override { relay.end(pair); }

    DamagingRelay& relay;
    Pair& pair;
    Toward toward;
    std::shared_ptr<replikv::Link> link{};
  };

  struct Pair {
    explicit Pair(DamagingRelay& relay)
        : from_replica(std::make_shared<End>(relay, *this, Toward::master)),
          from_master(std::make_shared<End>(relay, *this, Toward::replica)) {}

    std::shared_ptr<End> from_replica;
    std::shared_ptr<End> from_master;
    std::string waiting{};  // for the link to the master
    MasterSpeech speech{};
    bool is_damaged = false;  // where no checksum tells
    std::unique_ptr<replikv::Registration> connecting{};
  };

  std::deque<Edit>& edits(Toward direction) { return edits_[static_cast<std::size_t>(direction)]; }

  void accept(std::shared_ptr<replikv::Link> link) {
    pair_ = std::make_shared<Pair>(*this);
    pair_->from_replica->link = std::move(link);
    pair_->from_replica->link->start(pair_->from_replica);
    pair_->connecting = engine_->connect(
        master_, [this, weak = std::weak_ptr(pair_)](std::error_code, std::shared_ptr<replikv::Link> to) {
          const auto pair = weak.lock();
          if (!pair) return;
          if (!to) return end(*pair);
          pair->from_master->link = std::move(to);
          pair->from_master->link->start(pair->from_master);
          send(*pair, Toward::master, std::exchange(pair->waiting, {}));
        });
  }

  void end(const Pair& pair) {
    if (pair_.get() == &pair) keep_until_next_ = std::exchange(pair_, nullptr);
    if (!keep_until_next_) return;
    for (const auto& end : {keep_until_next_->from_replica, keep_until_next_->from_master}) {
      if (end->link) end->link->close();
    }
  }

  void pass(Pair& pair, Toward direction, std::string_view bytes) {
    std::string out;
    bool cuts = false;
    for (const char c : bytes) {
      const bool noticed =
          direction == Toward::replica ? pair.speech.is_in_snapshot() : pair.speech.is_granted();
      if (direction == Toward::replica) pair.speech.hear(c);
      auto& queue = edits(direction);
      if (queue.empty() || queue.front().after-- > 0) {
        out.push_back(c);
        continue;
      }
      const Edit edit = queue.front();
      queue.pop_front();
      if (edit.damage == Damage::cut) {
        cuts = true;
        break;
      }
      if (!noticed) pair.is_damaged = is_tainted_ = true;
      if (edit.damage == Damage::insert) out.push_back(static_cast<char>(edit.value));
      if (edit.damage == Damage::insert) out.push_back(c);
      if (edit.damage == Damage::flip)
        out.push_back(static_cast<char>(c ^ static_cast<char>(edit.value | 1)));
    }
    send(pair, direction, std::move(out));
    if (cuts) end(pair);
  }

  static void send(Pair& pair, Toward direction, std::string text) {
    const auto& to = direction == Toward::master ? pair.from_master->link : pair.from_replica->link;
    if (!to) {
      pair.waiting += text;
    } else if (!text.empty()) {
      const std::vector<replikv::SharedBytes> buffers{replikv::SharedBytes(std::move(text))};
      to->send(buffers);
    }
  }

  std::shared_ptr<replikv::TransportEngine> engine_;
  std::string master_;
  std::shared_ptr<Pair> pair_;
  std::shared_ptr<Pair> keep_until_next_;  // an end may be running
  std::array<std::deque<Edit>, 2> edits_;
  bool is_tainted_ = false;
  std::unique_ptr<replikv::Registration> listener_;
};

}  // namespace fuzz
