// Two clocks that never mix: a monotonic one for time-outs, which transports own, and wall time in
// milliseconds since 1970 for expiry, because that is what PEXPIREAT carries over the wire.
#pragma once

#include <chrono>

namespace replikv::inline v0_1 {

/// Monotonic time: time-outs, heartbeats, lag. In a simulation it is virtual.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Wall time with the resolution of the protocol.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// Where a store's wall time comes from; tests and simulations bring their own.
class ClockSource {
 public:
  virtual ~ClockSource() = default;
  [[nodiscard]] virtual WallTime now() const noexcept = 0;
};

/// The wall clock of a store: the system's, unless it was given a source. The source must outlive it.
class Clock {
 public:
  Clock() = default;
  explicit Clock(const ClockSource& source) noexcept : source_(&source) {}

  [[nodiscard]] WallTime now() const noexcept {
    if (source_ != nullptr) return source_->now();
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }

 private:
  const ClockSource* source_ = nullptr;
};

}  // namespace replikv::inline v0_1
