// What all links of a simulation share: virtual time and the events to come, how the network is, and the
// record of what happened.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/random.hpp>
#include <replikv/transport/detail/simulated_machine.hpp>
#include <replikv/transport/detail/timer_queue.hpp>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace replikv::inline v0_1 {

/// How bytes travel. Each piece draws its own delay; those of one direction of a link keep their order.
struct LinkConditions {
  Duration delay_min = std::chrono::microseconds{100};
  Duration delay_max = std::chrono::milliseconds{1};
  std::size_t chunk_bytes_max = 0;  ///< pieces of 1 to this many bytes; 0: they arrive as they were sent
  std::uint64_t bytes_per_second_max = 0;  ///< for each direction of each link; 0: no limit
};

/// Something that happened on a simulated network.
struct Traffic {
  enum class Kind : std::uint8_t { opened, bytes, closed };

  TimePoint at;
  std::uint64_t link;     ///< its ordinal: 1 for the first that was opened
  std::string_view from;  ///< the host that connected, sent, or was left
  std::string_view to;    ///< the host that accepted, received, or was told
  Kind kind;
  Bytes bytes{};          ///< valid during the call
  std::error_code why{};  ///< of the end
};

namespace detail {

class SimulatedMedium {
 public:
  using Task = std::function<void()>;
  using Key = TimerKey;

  static constexpr TimePoint start = TimePoint{} + std::chrono::hours{1};

  explicit SimulatedMedium(std::uint64_t seed) noexcept : random(seed), seed_(seed) {}

  // --- Time -------------------------------------------------------------------------------------------

  [[nodiscard]] TimePoint now() const noexcept { return now_; }
  void advance_to(TimePoint when) noexcept { now_ = std::max(now_, when); }

  /// An event on a machine, or of the network (nullptr). Nothing when the simulation has ended, or the
  /// machine is gone.
  std::optional<Key> schedule(SimulatedMachine* machine, TimePoint when, Task task) {
    if (is_ended_ || (machine != nullptr && machine->is_gone())) return std::nullopt;
    const std::uint64_t life = machine != nullptr ? machine->life() : 0;
    return events_.add(std::max(when, now_), Event{machine, life, std::move(task)});
  }

  void cancel(const Key& key) { static_cast<void>(events_.extract(key)); }
  void cancel(SimulatedMachine& machine, const Key& key) {
    if (events_.extract(key).empty()) machine.drop_held(key);
  }

  /// Goes to the next event and runs it; false when there is none before `limit` has passed.
  bool step(TimePoint limit) {
    assert(!is_running_ && "a callback must not drive the simulation");
    if (events_.empty() || events_.next_time() > limit) return false;
    now_ = std::max(now_, events_.next_time());
    auto [key, event] = events_.pop();
    run(key, event);
    return true;
  }

  // Under their own keys, so that whoever set them can still cancel them.
  void resume(SimulatedMachine& machine) {
    for (auto& [key, task] : machine.take_held()) {
      events_.put_back(key, Event{&machine, machine.life(), std::move(task)});
    }
  }

  [[nodiscard]] bool is_running() const noexcept { return is_running_; }

  void end() {
    is_ended_ = true;
    const auto events = events_.take_all();
  }

  // --- The network --------------------------------------------------------------------------------------

  Random random;  ///< of what belongs to no link
  LinkConditions conditions;

  /// Numbers for one link, whatever others draw.
  [[nodiscard]] Random random_of_link(std::uint64_t ordinal) const noexcept {
    return Random(Random(seed_ ^ Random(ordinal)())());
  }

  [[nodiscard]] static Duration draw_delay(const LinkConditions& conditions, Random& random) {
    const auto spread = static_cast<std::uint64_t>((conditions.delay_max - conditions.delay_min).count());
    return conditions.delay_min + Duration{static_cast<Duration::rep>(random.below(spread + 1))};
  }

  // --- What happened ------------------------------------------------------------------------------------

  std::function<void(const Traffic&)> observer;

  void note(const Traffic& traffic) {
    fold(static_cast<std::uint64_t>(traffic.at.time_since_epoch().count()));
    fold(traffic.link << 2 | static_cast<std::uint64_t>(traffic.kind));
    fold(traffic.bytes.size());
    fold_text(traffic.to);
    fold_bytes(traffic.bytes);
    fold(static_cast<std::uint64_t>(traffic.why.value()));
    if (observer) observer(traffic);
  }

  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return trace_hash_; }

 private:
  struct Event {
    SimulatedMachine* machine;
    std::uint64_t life;
    Task task;
  };

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

  void run(const Key& key, Event& event) {
    if (event.machine != nullptr) {
      if (event.life != event.machine->life()) return;
      if (event.machine->is_paused()) return event.machine->hold(key, std::move(event.task));
    }
    const Running running(is_running_);
    event.task();
  }

  void fold(std::uint64_t field) noexcept { trace_hash_ = Random(trace_hash_ ^ field)(); }
  void fold_text(std::string_view text) noexcept { fold_bytes(as_bytes(text)); }

  // Eight bytes at a time, read as little-endian on every machine that Redis runs on.
  void fold_bytes(Bytes bytes) noexcept {
    while (!bytes.empty()) {
      std::uint64_t word = 0;
      const std::size_t size = std::min(bytes.size(), sizeof word);
      std::memcpy(&word, bytes.data(), size);
      fold(word);
      bytes = bytes.subspan(size);
    }
  }

  TimePoint now_ = start;
  TimerQueue<Event> events_;
  std::uint64_t seed_;
  std::uint64_t trace_hash_ = 0;
  bool is_running_ = false;
  bool is_ended_ = false;
};

}  // namespace detail
}  // namespace replikv::inline v0_1
