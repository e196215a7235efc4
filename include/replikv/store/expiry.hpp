// When a key expires, as callers say it, and how long it has left, as callers ask it. Inside a store an
// expiry is always a wall time.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/store/detail/database.hpp>

#include <chrono>
#include <optional>
#include <ratio>

namespace replikv::inline v0_1 {

/// Never, after a while, or at a wall time; converts from durations and wall times. A time that is past
/// removes the key. Times further off than wall time can count are never.
class Expiry {
 public:
  /// Never.
  constexpr Expiry() = default;

  /// After this long from now, rounded up to milliseconds.
  template <class Rep, class Period>
  constexpr Expiry(std::chrono::duration<Rep, Period> after) noexcept : relative_(true) {  // NOLINT
    using Seconds = std::chrono::duration<long double>;
    constexpr std::chrono::milliseconds longest{std::chrono::milliseconds::max() / 2};
    if (Seconds(after) >= Seconds(longest)) {
      relative_ = false;
    } else if (Seconds(after) <= -Seconds(longest)) {
      milliseconds_ = -longest;
    } else {
      milliseconds_ = std::chrono::ceil<std::chrono::milliseconds>(after);
    }
  }

  /// At this wall time.
  constexpr Expiry(WallTime at) noexcept : milliseconds_(at.time_since_epoch()) {}  // NOLINT

  /// The wall time meant, `detail::never` if none.
  [[nodiscard]] constexpr WallTime at(WallTime now) const noexcept {
    if (!relative_) return WallTime(milliseconds_);
    const bool later_than_all = milliseconds_.count() > 0 &&
                                now.time_since_epoch() > std::chrono::milliseconds::max() - milliseconds_;
    if (later_than_all) return detail::never;
    return now + milliseconds_;
  }

  /// True when `at` depends on the time it is asked at.
  [[nodiscard]] constexpr bool is_relative() const noexcept { return relative_; }

 private:
  std::chrono::milliseconds milliseconds_ = detail::never.time_since_epoch();
  bool relative_ = false;
};

/// What is left of a key's life.
struct TimeToLive {
  bool key_exists = false;
  std::optional<std::chrono::milliseconds> left;  ///< nothing: the key does not expire, or is not there

  friend constexpr bool operator==(const TimeToLive&, const TimeToLive&) = default;
};

}  // namespace replikv::inline v0_1
