// A network in virtual time: every delay is drawn from a seed, so the same seed gives the same events in
// the same order, and faults happen when a test says so.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/core/random.hpp>
#include <replikv/transport/detail/one_shot.hpp>
#include <replikv/transport/detail/timer_queue.hpp>
#include <replikv/transport/detail/unsent_bytes.hpp>
#include <replikv/transport/detail/wire_link.hpp>
#include <replikv/transport/transport.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

/// A direction of a simulated link; its two ends are the one that listened and the one that connected.
enum class Direction : std::uint8_t { toward_listener, toward_connector };

namespace detail {

class SimulatedEngine;

/// What is wrong on the way to one listening address, for all links that lead there.
struct SimulatedFaults {
  struct Path {
    bool is_stalled = false;
    std::optional<std::uint64_t> cut_next_link_after;  // bytes
  };

  [[nodiscard]] Path& path(Direction direction) { return paths[static_cast<std::size_t>(direction)]; }

  std::array<Path, 2> paths;
  bool is_refused = false;
  bool is_partitioned = false;
};

/// How the network is, for all links.
struct SimulatedNetwork {
  Duration delay_min = std::chrono::microseconds{100};
  Duration delay_max = std::chrono::milliseconds{1};
  std::size_t chunk_bytes_max = 0;         // 0: pieces arrive as they were sent
  std::uint64_t bytes_per_second_max = 0;  // 0: no limit
};

/// Both ends of a simulated link and the bytes between them.
class SimulatedWire final : public std::enable_shared_from_this<SimulatedWire> {
 public:
  SimulatedWire(std::shared_ptr<SimulatedEngine> engine, std::shared_ptr<SimulatedFaults> faults,
                std::uint64_t ordinal);

  void start(std::size_t end, std::weak_ptr<LinkEvents> events);
  void send(std::size_t end, std::span<const SharedBytes> buffers);
  [[nodiscard]] std::size_t unsent_bytes(std::size_t end) const noexcept {
    return path_from(end).unsent.get();
  }
  void close(std::size_t end) noexcept;

  /// Loses what is in flight; both ends hear of it, now.
  void cut();
  void cut_after(Direction direction, std::uint64_t bytes);
  void shut_down();

  [[nodiscard]] bool is_open() const noexcept {
    return !is_cut_ && !ends_[listener_end].is_closed && !ends_[connector_end].is_closed;
  }

  /// A stall may have ended.
  void resume() {
    schedule(Direction::toward_listener);
    schedule(Direction::toward_connector);
  }

  [[nodiscard]] std::uint64_t ordinal() const noexcept { return ordinal_; }
  [[nodiscard]] const SimulatedFaults* faults() const noexcept { return faults_.get(); }

 private:
  struct End {
    std::weak_ptr<LinkEvents> events;
    bool is_started = false;
    bool is_closed = false;  // hears nothing more and sends nothing more
  };

  struct InFlight {
    TimePoint arrives;
    SharedBytes bytes;  // none: the sender has closed
  };

  struct Path {
    std::deque<InFlight> in_flight;
    UnsentBytes unsent;
    TimePoint last_arrival{};
    TimePoint sender_is_free{};  // when the last byte sent so far has left, at limited bandwidth
    std::optional<std::uint64_t> cut_after;
    bool is_scheduled = false;

    void lose() noexcept {
      in_flight.clear();
      unsent.clear();
    }
  };

  // The listener is end 0 and so is the direction toward it; the sender of a direction is the other end.
  [[nodiscard]] static constexpr std::size_t receiver_of(Direction direction) noexcept {
    return static_cast<std::size_t>(direction);
  }
  [[nodiscard]] static constexpr Direction from(std::size_t end) noexcept {
    return end == connector_end ? Direction::toward_listener : Direction::toward_connector;
  }
  [[nodiscard]] Path& path(Direction direction) noexcept { return paths_[receiver_of(direction)]; }
  [[nodiscard]] const Path& path_from(std::size_t end) const noexcept {
    return paths_[receiver_of(from(end))];
  }

  void launch(Direction direction, SharedBytes bytes);
  void schedule(Direction direction);
  void arrive(Direction direction);
  void arrive_bytes(Direction direction, InFlight& next);
  [[nodiscard]] std::size_t piece_size(Direction direction, std::size_t available);
  void post_cut(std::size_t end);
  void hear_closed(std::size_t end, Errc why);

  template <class Call>
  void tell(std::size_t end, Call&& call);

  std::shared_ptr<SimulatedEngine> engine_;
  std::shared_ptr<SimulatedFaults> faults_;
  std::uint64_t ordinal_;
  std::array<End, 2> ends_;
  std::array<Path, 2> paths_;
  bool is_cut_ = false;
};

/// The events to come, ordered by virtual time and, at one time, by the order of their causes.
class SimulatedEngine final : public TransportEngine, public std::enable_shared_from_this<SimulatedEngine> {
 public:
  using Task = std::function<void()>;

  explicit SimulatedEngine(std::uint64_t seed) noexcept : random_(seed) {}

  [[nodiscard]] TimePoint now() const noexcept override { return now_; }
  void post(Task task) override { schedule(now_, std::move(task)); }
  [[nodiscard]] std::unique_ptr<Registration> at(TimePoint when, Task task) override;
  [[nodiscard]] std::unique_ptr<Registration> listen(std::string_view address, AcceptHandler on_link,
                                                     std::string& bound, std::error_code& error) override;
  [[nodiscard]] std::unique_ptr<Registration> connect(std::string_view address,
                                                      ConnectHandler on_done) override;
  void deliver() override {}

  /// Nothing when the engine has shut down.
  std::optional<TimerQueue<Task>::Key> schedule(TimePoint when, Task task) {
    if (is_ended_) return std::nullopt;
    return events_.add(std::max(when, now_), std::move(task));
  }

  bool step();
  bool step_until(TimePoint limit);
  void advance_to(TimePoint when) noexcept { now_ = std::max(now_, when); }
  void shut_down();

  [[nodiscard]] Duration draw_delay();
  [[nodiscard]] std::size_t draw_piece(std::size_t bytes_max);
  void trace(std::uint64_t ordinal, std::uint64_t what, std::uint64_t bytes) noexcept;

  [[nodiscard]] std::shared_ptr<SimulatedFaults> faults(std::string_view address);

  /// Calls `visit(wire)` for each link to `address` (all: nullptr), in order of opening.
  template <class Visit>
  void for_each_wire(const SimulatedFaults* faults, Visit&& visit) {
    const auto wires = wires_;  // a visit may end the link
    for (const auto& [ordinal, wire] : wires) {
      if (faults == nullptr || wire->faults() == faults) visit(*wire);
    }
  }

  void forget(std::uint64_t ordinal) { wires_.erase(ordinal); }

  SimulatedNetwork network;
  [[nodiscard]] std::uint64_t links_opened() const noexcept { return links_opened_; }
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return trace_hash_; }
  [[nodiscard]] std::shared_ptr<SimulatedWire> find_wire(std::uint64_t ordinal) const {
    const auto found = wires_.find(ordinal);
    return found == wires_.end() ? nullptr : found->second;
  }

 private:
  using Attempt = OneShot<ConnectHandler>;
  using Listener = std::shared_ptr<const AcceptHandler>;

  // True for as long as a callback runs, also one that throws.
  class Running {
   public:
    explicit Running(bool& flag) noexcept : flag_(flag) { flag_ = true; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { flag_ = false; }

   private:
    bool& flag_;
  };

  void arrive(const std::string& address, const std::shared_ptr<Attempt>& attempt);
  void answer(const std::shared_ptr<Attempt>& attempt, std::error_code error, std::shared_ptr<Link> link);

  TimePoint now_ = TimePoint{} + std::chrono::hours{1};
  Random random_;
  TimerQueue<Task> events_;
  std::map<std::string, Listener, std::less<>> listeners_;
  std::map<std::string, std::shared_ptr<SimulatedFaults>, std::less<>> faults_;
  std::map<std::uint64_t, std::shared_ptr<SimulatedWire>> wires_;
  std::uint64_t links_opened_ = 0;
  std::uint64_t trace_hash_ = 0;
  std::vector<std::weak_ptr<Attempt>> attempts_;
  bool is_running_ = false;
  bool shut_down_is_due_ = false;
  bool is_shutting_down_ = false;
  bool is_ended_ = false;
};

// ---- SimulatedWire

inline SimulatedWire::SimulatedWire(std::shared_ptr<SimulatedEngine> engine,
                                    std::shared_ptr<SimulatedFaults> faults, std::uint64_t ordinal)
    : engine_(std::move(engine)), faults_(std::move(faults)), ordinal_(ordinal) {}

inline void SimulatedWire::start(std::size_t end, std::weak_ptr<LinkEvents> events) {
  assert(!ends_[end].is_started);
  ends_[end].events = std::move(events);
  ends_[end].is_started = true;
  if (is_cut_) return post_cut(end);
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
  if (ends_[1 - end].is_closed) return engine_->forget(ordinal_);
  if (!is_cut_) launch(from(end), {});
}

inline void SimulatedWire::launch(Direction direction, SharedBytes bytes) {
  Path& way = path(direction);
  way.sender_is_free = std::max(way.sender_is_free, engine_->now());
  if (const auto rate = engine_->network.bytes_per_second_max; rate != 0) {
    const double seconds = static_cast<double>(bytes.size()) / static_cast<double>(rate);
    way.sender_is_free += std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }
  way.last_arrival = std::max(way.last_arrival, way.sender_is_free + engine_->draw_delay());
  way.in_flight.push_back({way.last_arrival, std::move(bytes)});
  schedule(direction);
}

// One event at a time is scheduled for a direction, that of the next arrival.
inline void SimulatedWire::schedule(Direction direction) {
  Path& way = path(direction);
  if (way.is_scheduled || way.in_flight.empty() || faults_->path(direction).is_stalled) return;
  if (!ends_[receiver_of(direction)].is_started) return;
  way.is_scheduled = true;
  engine_->schedule(way.in_flight.front().arrives,
                    [self = shared_from_this(), direction] { self->arrive(direction); });
}

inline void SimulatedWire::arrive(Direction direction) {
  Path& way = path(direction);
  way.is_scheduled = false;
  const bool is_early = !way.in_flight.empty() && way.in_flight.front().arrives > engine_->now();
  if (way.in_flight.empty() || is_early || faults_->path(direction).is_stalled) return schedule(direction);
  if (ends_[receiver_of(direction)].is_closed) return way.lose();
  InFlight& next = way.in_flight.front();
  if (next.bytes.empty()) {
    way.in_flight.pop_front();
    return hear_closed(receiver_of(direction), Errc::link_closed);
  }
  arrive_bytes(direction, next);
  schedule(direction);
}

inline void SimulatedWire::arrive_bytes(Direction direction, InFlight& next) {
  Path& way = path(direction);
  const SharedBytes whole = next.bytes;
  const std::size_t size = piece_size(direction, whole.size());
  next.bytes.consume(size);
  if (next.bytes.empty()) way.in_flight.pop_front();
  const bool is_writable = way.unsent.remove(size);
  if (way.cut_after) *way.cut_after -= size;

  const std::size_t receiver = receiver_of(direction);
  engine_->trace(ordinal_, receiver, size);
  tell(receiver, [&](LinkEvents& events) { events.on_bytes(whole.bytes().first(size)); });
  if (is_writable && ends_[1 - receiver].is_started) {
    tell(1 - receiver, [](LinkEvents& events) { events.on_writable(); });
  }
  if (way.cut_after == 0U) cut();
}

inline std::size_t SimulatedWire::piece_size(Direction direction, std::size_t available) {
  std::size_t size = std::min(available, engine_->draw_piece(available));
  if (const auto& left = path(direction).cut_after; left && *left < size) {
    size = static_cast<std::size_t>(*left);
  }
  return size;
}

inline void SimulatedWire::cut() {
  if (std::exchange(is_cut_, true)) return;
  for (Path& way : paths_) way.lose();
  for (const std::size_t end : {listener_end, connector_end}) {
    if (ends_[end].is_started) post_cut(end);
  }
}

inline void SimulatedWire::cut_after(Direction direction, std::uint64_t bytes) {
  path(direction).cut_after = bytes;
  if (bytes == 0) cut();
}

inline void SimulatedWire::post_cut(std::size_t end) {
  engine_->post([self = shared_from_this(), end] { self->hear_closed(end, Errc::link_cut); });
}

inline void SimulatedWire::shut_down() {
  for (Path& way : paths_) way.lose();
  for (const std::size_t end : {listener_end, connector_end}) hear_closed(end, Errc::shut_down);
}

inline void SimulatedWire::hear_closed(std::size_t end, Errc why) {
  if (std::exchange(ends_[end].is_closed, true)) return;
  engine_->trace(ordinal_, 2 + end, static_cast<std::uint64_t>(why));
  if (ends_[1 - end].is_closed) engine_->forget(ordinal_);
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

// ---- SimulatedEngine

inline std::unique_ptr<Registration> SimulatedEngine::at(TimePoint when, Task task) {
  const auto key = schedule(when, std::move(task));
  if (!key) return registration([] {});
  return registration([self = shared_from_this(), key = *key] { self->events_.extract(key); });
}

inline std::unique_ptr<Registration> SimulatedEngine::listen(std::string_view address, AcceptHandler on_link,
                                                             std::string& bound, std::error_code& error) {
  error.clear();
  if (address.empty()) error = Errc::bad_address;
  if (is_shutting_down_) error = Errc::shut_down;
  if (!error && listeners_.contains(address)) error = Errc::address_in_use;
  if (error) return nullptr;
  bound = address;
  auto listener = std::make_shared<const AcceptHandler>(std::move(on_link));
  listeners_.emplace(bound, listener);
  return registration([self = shared_from_this(), name = bound, listener = std::move(listener)] {
    const auto found = self->listeners_.find(name);
    if (found != self->listeners_.end() && found->second == listener) self->listeners_.erase(found);
  });
}

inline std::unique_ptr<Registration> SimulatedEngine::connect(std::string_view address,
                                                              ConnectHandler on_done) {
  auto attempt = std::make_shared<Attempt>(std::move(on_done));
  if (is_shutting_down_) {
    answer(attempt, Errc::shut_down, nullptr);
  } else {
    std::erase_if(attempts_, [](const auto& held) { return held.expired(); });
    attempts_.push_back(attempt);
  }
  schedule(now_ + draw_delay(), [this, attempt, name = std::string(address)] { arrive(name, attempt); });
  return registration([attempt = std::move(attempt)] { const auto cancelled = attempt->take(); });
}

// The attempt reaches the listening side; its answer travels back.
inline void SimulatedEngine::arrive(const std::string& address, const std::shared_ptr<Attempt>& attempt) {
  if (!attempt->is_pending()) return;
  if (address.empty()) return answer(attempt, Errc::bad_address, nullptr);
  const auto faults = this->faults(address);
  if (faults->is_partitioned) return;  // lost; only the caller's own timeout ends the attempt
  const auto found = listeners_.find(address);
  if (faults->is_refused || found == listeners_.end()) return answer(attempt, Errc::refused, nullptr);

  const Listener listener = found->second;
  const auto wire = std::make_shared<SimulatedWire>(shared_from_this(), faults, ++links_opened_);
  wires_.emplace(wire->ordinal(), wire);
  for (const Direction direction : {Direction::toward_listener, Direction::toward_connector}) {
    auto& cut_after = faults->path(direction).cut_next_link_after;
    if (cut_after) wire->cut_after(direction, *std::exchange(cut_after, std::nullopt));
  }
  answer(attempt, {}, std::make_shared<WireLink<SimulatedWire>>(wire, connector_end));
  (*listener)(std::make_shared<WireLink<SimulatedWire>>(wire, listener_end));
}

inline void SimulatedEngine::answer(const std::shared_ptr<Attempt>& attempt, std::error_code error,
                                    std::shared_ptr<Link> link) {
  schedule(now_ + draw_delay(), [attempt, error, link = std::move(link)] {
    if (const auto on_done = attempt->take()) on_done(error, link);
  });
}

inline bool SimulatedEngine::step() {
  assert(!is_running_ && "a callback must not drive the simulation");
  if (events_.empty()) return false;
  const auto self = shared_from_this();  // a callback may let go of the last other owner
  now_ = std::max(now_, events_.next_time());
  const Task task = events_.pop();
  {
    const Running running(is_running_);
    task();
  }
  if (shut_down_is_due_) shut_down();
  return true;
}

inline bool SimulatedEngine::step_until(TimePoint limit) {
  return !events_.empty() && events_.next_time() <= limit && step();
}

inline void SimulatedEngine::shut_down() {
  shut_down_is_due_ = is_running_;  // a callback destroyed the transport: when it has returned
  if (is_running_ || std::exchange(is_shutting_down_, true)) return;
  for (const auto& held : std::exchange(attempts_, {})) {
    const auto attempt = held.lock();
    const auto on_done = attempt == nullptr ? nullptr : attempt->take();
    if (on_done) on_done(Errc::shut_down, nullptr);
  }
  const auto wires = std::exchange(wires_, {});
  for (const auto& [ordinal, wire] : wires) wire->shut_down();
  while (step_until(now_)) {
  }
  is_ended_ = true;
  const auto events = events_.take_all();
  const auto listeners = std::exchange(listeners_, {});
}

inline Duration SimulatedEngine::draw_delay() {
  const auto spread = static_cast<std::uint64_t>((network.delay_max - network.delay_min).count());
  return network.delay_min + Duration{static_cast<Duration::rep>(random_.below(spread + 1))};
}

inline std::size_t SimulatedEngine::draw_piece(std::size_t bytes_max) {
  if (network.chunk_bytes_max == 0) return bytes_max;
  return static_cast<std::size_t>(1 + random_.below(network.chunk_bytes_max));
}

inline void SimulatedEngine::trace(std::uint64_t ordinal, std::uint64_t what, std::uint64_t bytes) noexcept {
  const auto time = static_cast<std::uint64_t>(now_.time_since_epoch().count());
  for (const std::uint64_t field : {time, ordinal, what, bytes}) {
    trace_hash_ = Random(trace_hash_ ^ field)();
  }
}

inline std::shared_ptr<SimulatedFaults> SimulatedEngine::faults(std::string_view address) {
  const auto found = faults_.find(address);
  if (found != faults_.end()) return found->second;
  return faults_.emplace(std::string(address), std::make_shared<SimulatedFaults>()).first->second;
}

/// Wall time that follows a simulation's clock.
class SimulatedWallClock final : public ClockSource {
 public:
  explicit SimulatedWallClock(const SimulatedEngine& engine) noexcept
      : engine_(engine), start_(engine.now()) {}

  [[nodiscard]] WallTime now() const noexcept override {
    constexpr WallTime at_start{std::chrono::milliseconds{1'704'067'200'000}};  // 2024-01-01 00:00 UTC
    return at_start + std::chrono::floor<std::chrono::milliseconds>(engine_.now() - start_);
  }

 private:
  const SimulatedEngine& engine_;
  TimePoint start_;
};

}  // namespace detail

/// A network of one process in virtual time, for tests. Time passes only in `run_*`, `step` and
/// `advance_to`, and nothing runs elsewhere. Addresses are any names, known to this object only.
///
/// Faults are addressed by the name that was listened on, and hold for all links that lead there, whoever
/// connected; links are also known by their ordinal, 1 for the first that was opened. What was sent but
/// has not arrived counts as unsent.
///
/// Thread safety  none: one thread, and no driving from inside a callback
class SimulatedTransport {
 public:
  explicit SimulatedTransport(std::uint64_t seed)
      : engine_(std::make_shared<detail::SimulatedEngine>(seed)),
        wall_clock_(std::make_unique<detail::SimulatedWallClock>(*engine_)) {}
  SimulatedTransport(SimulatedTransport&&) noexcept = default;
  SimulatedTransport& operator=(SimulatedTransport&&) = delete;

  /// Links close with `Errc::shut_down` on both ends; their callbacks run in this call.
  ~SimulatedTransport() {
    if (engine_ != nullptr) engine_->shut_down();
  }

  [[nodiscard]] std::shared_ptr<TransportEngine> engine() const noexcept { return engine_; }

  // ---- Time

  /// Virtual; begins at one hour.
  [[nodiscard]] TimePoint now() const noexcept { return engine_->now(); }

  /// Wall time that follows `now()`, from the first of January 2024. Lives as long as this object.
  [[nodiscard]] const ClockSource& wall_clock() const noexcept { return *wall_clock_; }

  /// Goes to the next event and runs it. False when none is to come.
  bool step() { return engine_->step(); }

  /// Runs all events up to `when`, which then is now.
  void advance_to(TimePoint when) {
    const auto engine = engine_;  // a callback may destroy this
    while (engine->step_until(when)) {
    }
    engine->advance_to(when);
  }

  void run_for(Duration duration) { advance_to(now() + duration); }

  /// Runs the events that are due now, and what they cause now.
  void run_until_idle() { advance_to(now()); }

  /// Runs until `condition()` holds: true; or for at most `duration_max` of virtual time: false.
  template <class Condition>
  [[nodiscard]] bool run_until(Condition&& condition, Duration duration_max) {
    const auto engine = engine_;  // a callback may destroy this
    const TimePoint limit = engine->now() + duration_max;
    while (!condition()) {
      if (engine->step_until(limit)) continue;
      engine->advance_to(limit);
      return condition();
    }
    return true;
  }

  // ---- The network

  /// How long bytes, closes and attempts to connect are on their way; each draws its own delay, and those
  /// of one direction of a link keep their order. At first 0.1 to 1 ms.
  void set_delay(Duration min, Duration max) {
    assert(Duration::zero() <= min && min <= max);
    engine_->network.delay_min = min;
    engine_->network.delay_max = max;
  }

  /// What is sent arrives in pieces of 1 to `bytes_max` bytes, drawn anew for each. 0: as it was sent.
  void set_chunking(std::size_t bytes_max) { engine_->network.chunk_bytes_max = bytes_max; }

  /// For each direction of each link. 0: no limit.
  void set_bandwidth(std::uint64_t bytes_per_second_max) {
    engine_->network.bytes_per_second_max = bytes_per_second_max;
  }

  // ---- Faults

  /// Attempts to connect fail with `Errc::refused`, as if nobody listened.
  void refuse(std::string_view address, bool on = true) { engine_->faults(address)->is_refused = on; }

  /// Ends all links to `address` with `Errc::link_cut` on both ends; bytes in flight are lost.
  void cut(std::string_view address) { cut_links(engine_->faults(address).get()); }
  void cut_all() { cut_links(nullptr); }

  /// Ends one link likewise. False when there is none.
  bool cut_link(std::uint64_t ordinal) {
    const auto wire = engine_->find_wire(ordinal);
    if (wire != nullptr) wire->cut();
    return wire != nullptr;
  }

  /// Cuts the newest link to `address`, or when there is none, the next one, as soon as exactly `bytes`
  /// more have arrived in this direction.
  void cut_after(std::string_view address, std::uint64_t bytes, Direction direction) {
    const auto faults = engine_->faults(address);
    detail::SimulatedWire* newest = nullptr;
    engine_->for_each_wire(faults.get(), [&](detail::SimulatedWire& wire) {
      if (wire.is_open()) newest = &wire;
    });
    if (newest != nullptr) return newest->cut_after(direction, bytes);
    faults->path(direction).cut_next_link_after = bytes;
  }

  /// Bytes and closes on links to `address` stay in flight and nobody is told: links are half-open. When
  /// it ends they arrive, in order.
  void stall(std::string_view address, Direction direction, bool on = true) {
    const auto faults = engine_->faults(address);
    faults->path(direction).is_stalled = on;
    engine_->for_each_wire(faults.get(), [](detail::SimulatedWire& wire) { wire.resume(); });
  }

  /// Both directions.
  void stall(std::string_view address, bool on = true) {
    stall(address, Direction::toward_listener, on);
    stall(address, Direction::toward_connector, on);
  }

  /// Stalls all links to `address`; attempts to connect that get there meanwhile never complete.
  void partition(std::string_view address, bool on = true) {
    engine_->faults(address)->is_partitioned = on;
    stall(address, on);
  }

  // ---- What happened

  [[nodiscard]] std::uint64_t links_opened() const noexcept { return engine_->links_opened(); }

  /// Folds time, link ordinal, direction and size of every arrival and of every end of a link so far. The
  /// same seed and the same calls give the same hash.
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return engine_->trace_hash(); }

 private:
  void cut_links(const detail::SimulatedFaults* faults) {
    engine_->for_each_wire(faults, [](detail::SimulatedWire& wire) { wire.cut(); });
  }

  std::shared_ptr<detail::SimulatedEngine> engine_;
  std::unique_ptr<const detail::SimulatedWallClock> wall_clock_;
};

static_assert(Transport<SimulatedTransport>);

}  // namespace replikv::inline v0_1
