// A computer of the simulation: its name, its clocks, and whether it runs.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/transport/detail/timer_queue.hpp>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// What runs on one host. Its monotonic clock may drift from the simulation's, its wall clock jump.
class SimulatedMachine {
 public:
  using Task = std::function<void()>;
  using Key = TimerKey;

  enum class State : std::uint8_t {
    running,
    paused,   // keeps its links, does nothing
    crashed,  // the process is gone: whoever connects is refused
    off,      // the computer is gone: nobody gets an answer
  };

  SimulatedMachine(std::string name, TimePoint simulation_start)
      : name_(std::move(name)),
        start_(simulation_start),
        rebased_at_(simulation_start),
        rebased_to_(simulation_start) {}
  SimulatedMachine(const SimulatedMachine&) = delete;
  SimulatedMachine& operator=(const SimulatedMachine&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // --- Clocks: `at` is the simulation's time, everything else this machine's ------------------------

  [[nodiscard]] TimePoint now(TimePoint at) const noexcept {
    return rebased_to_ + scaled(at - rebased_at_, rate_ppm_, nominal_ppm);
  }

  /// The first moment of the simulation at which `now` is `mine` or later, if the rate stays as it is.
  [[nodiscard]] TimePoint when(TimePoint mine) const noexcept {
    if (rate_ppm_ == nominal_ppm) return rebased_at_ + (mine - rebased_to_);
    return rebased_at_ + scaled(mine - rebased_to_, nominal_ppm, rate_ppm_) + Duration{2};
  }

  [[nodiscard]] WallTime wall(TimePoint at) const noexcept {
    constexpr WallTime at_start{std::chrono::milliseconds{1'704'067'200'000}};  // 2024-01-01 00:00 UTC
    return at_start + wall_offset_ + std::chrono::floor<std::chrono::milliseconds>(now(at) - start_);
  }

  void jump_wall(std::chrono::milliseconds by) noexcept { wall_offset_ += by; }

  void set_drift(std::int64_t parts_per_million, TimePoint at) noexcept {
    assert(parts_per_million > -nominal_ppm);
    rebased_to_ = now(at);
    rebased_at_ = at;
    rate_ppm_ = nominal_ppm + parts_per_million;
  }

  // --- Running --------------------------------------------------------------------------------------

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool is_paused() const noexcept { return state_ == State::paused; }
  [[nodiscard]] bool is_gone() const noexcept { return state_ == State::crashed || state_ == State::off; }
  void set_state(State state) noexcept { state_ = state; }

  /// Counts starts: what an earlier life had planned does not happen.
  [[nodiscard]] std::uint64_t life() const noexcept { return life_; }
  void end_life() noexcept {
    ++life_;
    held_.clear();
  }

  /// Keeps what comes due during a pause.
  void hold(Key key, Task task) { held_.emplace_back(key, std::move(task)); }
  void drop_held(const Key& key) {
    std::erase_if(held_, [&key](const auto& held) { return held.first == key; });
  }
  [[nodiscard]] std::vector<std::pair<Key, Task>> take_held() noexcept { return std::exchange(held_, {}); }

 private:
  static constexpr std::int64_t nominal_ppm = 1'000'000;

  // duration * by / of, without overflow for spans of centuries.
  [[nodiscard]] static Duration scaled(Duration duration, std::int64_t by, std::int64_t of) noexcept {
    const std::int64_t count = duration.count();
    return Duration{count / of * by + count % of * by / of};
  }

  std::string name_;
  TimePoint start_;
  TimePoint rebased_at_;  // since then, at this rate
  TimePoint rebased_to_;
  std::int64_t rate_ppm_ = nominal_ppm;
  std::chrono::milliseconds wall_offset_{0};
  State state_ = State::running;
  std::uint64_t life_ = 0;
  std::vector<std::pair<Key, Task>> held_;
};

}  // namespace replikv::inline v0_1::detail
