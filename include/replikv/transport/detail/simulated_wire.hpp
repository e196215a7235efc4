// A link of the simulation: both its ends, the bytes on the way between them, and what may happen to them.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/random.hpp>
#include <replikv/transport/detail/paced_queue.hpp>
#include <replikv/transport/detail/simulated_medium.hpp>
#include <replikv/transport/detail/unsent_bytes.hpp>
#include <replikv/transport/detail/wire_link.hpp>
#include <replikv/transport/transport.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

/// A direction of a simulated link; its two ends are the one that listened and the one that connected.
enum class Direction : std::uint8_t { toward_listener, toward_connector };

namespace detail {

/// What is wrong on the way from one host to another, or to one listening address, for all links there.
struct SimulatedPath {
  bool is_stalled = false;
  std::optional<std::uint64_t> cut_next_link_after;      // bytes
  std::optional<std::uint64_t> corrupt_next_link_after;  // bytes
  std::optional<LinkConditions> conditions;              // else those of the network
};

/// Where a link leads: the machines at its ends and the paths its bytes take.
struct SimulatedRoute {
  std::array<SimulatedMachine*, 2> machines;               // by end
  std::array<std::array<const SimulatedPath*, 2>, 2> way;  // by direction: of the address, of the hosts
};

/// The listener is end 0 and so is the direction toward it; the sender of a direction is the other end.
class SimulatedWire final : public std::enable_shared_from_this<SimulatedWire> {
 public:
  SimulatedWire(std::shared_ptr<SimulatedMedium> medium, const SimulatedRoute& route, std::uint64_t ordinal)
      : medium_(std::move(medium)),
        route_(route),
        ordinal_(ordinal),
        random_(medium_->random_of_link(ordinal)) {
    medium_->note({medium_->now(), ordinal_, name(connector_end), name(listener_end), Traffic::Kind::opened});
  }

  // --- For a WireLink ---------------------------------------------------------------------------------

  void start(std::size_t end, std::weak_ptr<LinkEvents> events);
  void send(std::size_t end, std::span<const SharedBytes> buffers);
  [[nodiscard]] std::size_t unsent_bytes(std::size_t end) const noexcept {
    return paths_[static_cast<std::size_t>(from(end))].unsent.get();
  }
  void close(std::size_t end) noexcept;
  [[nodiscard]] std::string peer_address(std::size_t end) const {
    return name(1 - end).empty() ? "in-process" : name(1 - end);
  }

  // --- Faults -----------------------------------------------------------------------------------------

  /// Loses what is in flight; both ends hear of it, now.
  void cut();

  /// Loses what is in flight and all that follows; only `end` hears of it.
  void sever(std::size_t end);

  /// The computer at `end` is gone. The other end hears of it, or not.
  void lose_end(std::size_t end, bool tells_peer);

  void cut_after(Direction direction, std::uint64_t bytes);
  void corrupt_after(Direction direction, std::uint64_t bytes) { path(direction).corrupt_after = bytes; }

  void shut_down();

  /// The conditions may have changed: what has not left its sender yet travels by the new ones.
  void retime() {
    retime(Direction::toward_listener);
    retime(Direction::toward_connector);
  }

  /// What held bytes back may have ended.
  void resume() {
    schedule(Direction::toward_listener);
    schedule(Direction::toward_connector);
  }

  [[nodiscard]] bool is_open() const noexcept {
    return !is_cut_ && !ends_[listener_end].is_closed && !ends_[connector_end].is_closed;
  }
  [[nodiscard]] std::uint64_t ordinal() const noexcept { return ordinal_; }
  [[nodiscard]] const SimulatedRoute& route() const noexcept { return route_; }

 private:
  struct End {
    std::weak_ptr<LinkEvents> events;
    bool is_started = false;
    bool is_closed = false;  // hears nothing more and sends nothing more
  };

  struct Path {
    PacedQueue in_flight;  // no bytes: the sender has closed
    UnsentBytes unsent;
    std::optional<std::uint64_t> cut_after;
    std::optional<std::uint64_t> corrupt_after;
    std::optional<SimulatedMedium::Key> next_event;

    void lose() noexcept {
      in_flight.clear();
      unsent.clear();
    }
  };

  [[nodiscard]] static constexpr std::size_t receiver_of(Direction direction) noexcept {
    return static_cast<std::size_t>(direction);
  }
  [[nodiscard]] static constexpr Direction from(std::size_t end) noexcept {
    return end == connector_end ? Direction::toward_listener : Direction::toward_connector;
  }
  [[nodiscard]] Path& path(Direction direction) noexcept { return paths_[receiver_of(direction)]; }
  [[nodiscard]] const std::string& name(std::size_t end) const noexcept {
    return route_.machines[end]->name();
  }

  [[nodiscard]] const LinkConditions& conditions(Direction direction) const noexcept;
  [[nodiscard]] bool is_held_back(Direction direction) const noexcept;
  void launch(Direction direction, SharedBytes bytes);
  void retime(Direction direction);
  void schedule(Direction direction);
  void arrive(Direction direction);
  void arrive_bytes(Direction direction);
  [[nodiscard]] std::size_t piece_size(Direction direction, std::size_t available);
  void deliver(Direction direction, Bytes piece);
  void post_writable(std::size_t end);
  void post_cut(std::size_t end);
  void hear_closed(std::size_t end, Errc why);
  void note(std::size_t receiver, Traffic::Kind kind, Bytes bytes, std::error_code why) const {
    medium_->note({medium_->now(), ordinal_, name(1 - receiver), name(receiver), kind, bytes, why});
  }

  template <class Call>
  void tell(std::size_t end, Call&& call);

  std::shared_ptr<SimulatedMedium> medium_;
  SimulatedRoute route_;
  std::uint64_t ordinal_;
  Random random_;
  std::array<End, 2> ends_;
  std::array<Path, 2> paths_;
  bool is_cut_ = false;
  bool is_severed_ = false;
  std::optional<std::size_t> severed_end_;  // that hears of it
};

// --- The ends --------------------------------------------------------------------------------------------

inline void SimulatedWire::start(std::size_t end, std::weak_ptr<LinkEvents> events) {
  assert(!ends_[end].is_started);
  ends_[end].events = std::move(events);
  ends_[end].is_started = true;
  if (is_cut_ || severed_end_ == end) return post_cut(end);
  schedule(from(1 - end));
}

inline void SimulatedWire::send(std::size_t end, std::span<const SharedBytes> buffers) {
  if (is_cut_ || ends_[end].is_closed) return;
  for (const SharedBytes& buffer : buffers) {
    if (buffer.empty()) continue;
    path(from(end)).unsent.add(buffer.size());
    launch(from(end), buffer);
  }
}

inline void SimulatedWire::close(std::size_t end) noexcept {
  if (std::exchange(ends_[end].is_closed, true)) return;
  if (!is_cut_ && !ends_[1 - end].is_closed) launch(from(end), {});
}

// --- The way ---------------------------------------------------------------------------------------------

inline const LinkConditions& SimulatedWire::conditions(Direction direction) const noexcept {
  for (const SimulatedPath* way : route_.way[receiver_of(direction)]) {
    if (way->conditions) return *way->conditions;
  }
  return medium_->conditions;
}

inline bool SimulatedWire::is_held_back(Direction direction) const noexcept {
  const auto& way = route_.way[receiver_of(direction)];
  return is_severed_ || way[0]->is_stalled || way[1]->is_stalled ||
         route_.machines[receiver_of(direction)]->is_paused();
}

inline void SimulatedWire::launch(Direction direction, SharedBytes bytes) {
  path(direction).in_flight.push(std::move(bytes), medium_->now(), conditions(direction), random_);
  schedule(direction);
}

inline void SimulatedWire::retime(Direction direction) {
  Path& way = path(direction);
  way.in_flight.retime(medium_->now(), conditions(direction), random_);
  if (way.next_event) medium_->cancel(*std::exchange(way.next_event, std::nullopt));
  schedule(direction);
}

// One event at a time is scheduled for a direction, that of the next arrival.
inline void SimulatedWire::schedule(Direction direction) {
  Path& way = path(direction);
  if (way.next_event || way.in_flight.empty() || is_held_back(direction)) return;
  if (!ends_[receiver_of(direction)].is_started) return;
  way.next_event = medium_->schedule(nullptr, way.in_flight.next_time(),
                                     [self = shared_from_this(), direction] { self->arrive(direction); });
}

inline void SimulatedWire::arrive(Direction direction) {
  Path& way = path(direction);
  way.next_event.reset();
  const bool is_early = !way.in_flight.empty() && way.in_flight.next_time() > medium_->now();
  if (way.in_flight.empty() || is_early || is_held_back(direction)) return schedule(direction);
  if (ends_[receiver_of(direction)].is_closed) return way.lose();
  if (way.in_flight.front().empty()) {
    way.in_flight.pop();
    return hear_closed(receiver_of(direction), Errc::link_closed);
  }
  arrive_bytes(direction);
  schedule(direction);
}

inline void SimulatedWire::arrive_bytes(Direction direction) {
  Path& way = path(direction);
  const SharedBytes whole = way.in_flight.front();
  const std::size_t size = piece_size(direction, whole.size());
  way.in_flight.front().consume(size);
  if (way.in_flight.front().empty()) way.in_flight.pop();
  const bool is_writable = way.unsent.remove(size);
  if (way.cut_after) *way.cut_after -= size;

  const std::size_t sender = 1 - receiver_of(direction);
  deliver(direction, whole.bytes().first(size));
  if (is_writable && ends_[sender].is_started) post_writable(sender);
  if (way.cut_after == 0U) cut();
}

inline std::size_t SimulatedWire::piece_size(Direction direction, std::size_t available) {
  std::size_t size = available;
  if (const std::size_t chunk = conditions(direction).chunk_bytes_max; chunk != 0) {
    size = std::min(size, static_cast<std::size_t>(1 + random_.below(chunk)));
  }
  if (const auto& left = path(direction).cut_after; left && *left < size) {
    size = static_cast<std::size_t>(*left);
  }
  return size;
}

inline void SimulatedWire::deliver(Direction direction, Bytes piece) {
  auto& corrupt_after = path(direction).corrupt_after;
  std::vector<std::byte> damaged;
  if (corrupt_after && *corrupt_after < piece.size()) {
    damaged.assign(piece.begin(), piece.end());
    damaged[static_cast<std::size_t>(*corrupt_after)] ^= std::byte{1} << random_.below(8);
    piece = damaged;
    corrupt_after.reset();
  } else if (corrupt_after) {
    *corrupt_after -= piece.size();
  }
  const std::size_t receiver = receiver_of(direction);
  note(receiver, Traffic::Kind::bytes, piece, {});
  tell(receiver, [piece](LinkEvents& events) { events.on_bytes(piece); });
}

inline void SimulatedWire::post_writable(std::size_t end) {
  medium_->schedule(route_.machines[end], medium_->now(), [self = shared_from_this(), end] {
    self->tell(end, [](LinkEvents& events) { events.on_writable(); });
  });
}

// --- The end ---------------------------------------------------------------------------------------------

inline void SimulatedWire::cut() {
  if (std::exchange(is_cut_, true)) return;
  for (Path& way : paths_) way.lose();
  for (const std::size_t end : {listener_end, connector_end}) {
    if (ends_[end].is_started) post_cut(end);
  }
}

inline void SimulatedWire::sever(std::size_t end) {
  if (is_cut_ || std::exchange(is_severed_, true)) return;
  severed_end_ = end;
  for (Path& way : paths_) way.in_flight.clear();
  if (ends_[end].is_started) post_cut(end);
}

inline void SimulatedWire::lose_end(std::size_t end, bool tells_peer) {
  ends_[end].is_closed = true;
  if (tells_peer) return cut();
  is_severed_ = true;
  for (Path& way : paths_) way.in_flight.clear();
}

inline void SimulatedWire::cut_after(Direction direction, std::uint64_t bytes) {
  path(direction).cut_after = bytes;
  if (bytes == 0) cut();
}

inline void SimulatedWire::post_cut(std::size_t end) {
  medium_->schedule(route_.machines[end], medium_->now(),
                    [self = shared_from_this(), end] { self->hear_closed(end, Errc::link_cut); });
}

inline void SimulatedWire::shut_down() {
  for (Path& way : paths_) way.lose();
  for (const std::size_t end : {listener_end, connector_end}) hear_closed(end, Errc::shut_down);
}

inline void SimulatedWire::hear_closed(std::size_t end, Errc why) {
  if (std::exchange(ends_[end].is_closed, true)) return;
  note(end, Traffic::Kind::closed, {}, why);
  if (const auto events = ends_[end].events.lock()) events->on_closed(why);
}

template <class Call>
void SimulatedWire::tell(std::size_t end, Call&& call) {
  if (ends_[end].is_closed) return;
  if (const auto events = ends_[end].events.lock()) {
    call(*events);
  } else {
    close(end);
  }
}

}  // namespace detail
}  // namespace replikv::inline v0_1
