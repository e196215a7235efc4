// When or how often a key was used, in 16 bits of its entry. Time is counted in writes: what matters to an
// eviction is not how long ago a key was used but how much was written since, and no clock need be asked.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/store/eviction.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace replikv::inline v0_1::detail {

/// What the 16 bits are.
enum class Tracking : std::uint8_t { none, lru, lfu };

[[nodiscard]] constexpr Tracking tracking_of(Eviction eviction) noexcept {
  switch (eviction) {
    case Eviction::allkeys_lru:
    case Eviction::volatile_lru: return Tracking::lru;
    case Eviction::allkeys_lfu:
    case Eviction::volatile_lfu: return Tracking::lfu;
    default: return Tracking::none;
  }
}

/// A shard's time. It ticks 256 times while as many writes come as the shard has keys, and begins anew after
/// 256 such rounds: a key not used for longer looks younger than it is, until somebody uses or evicts it.
///
/// Thread safety  reading: anyone; `count_write`: under the shard's exclusive lock
class AccessClock {
 public:
  [[nodiscard]] std::uint16_t now() const noexcept { return now_.load(std::memory_order_relaxed); }

  void count_write(std::size_t keys) noexcept {
    if (++writes_ < keys >> 8) return;
    writes_ = 0;
    now_.store(static_cast<std::uint16_t>(now() + 1), std::memory_order_relaxed);
  }

  /// A random number. Threads that ask at once may get the same one.
  [[nodiscard]] std::uint64_t chance() noexcept {
    const std::uint32_t next = chance_.load(std::memory_order_relaxed) + 1;
    chance_.store(next, std::memory_order_relaxed);
    return Random(next)();
  }

 private:
  std::uint32_t writes_ = 0;
  std::atomic<std::uint32_t> chance_{0};
  std::atomic<std::uint16_t> now_{0};
};

/// LFU, as Redis does it: a counter that rises ever more seldom the higher it is, and falls by one a round.
/// Above it, eight bits of the round in which that was last done.
class UseCount {
 public:
  static constexpr std::uint8_t of_new_keys = 5;  // Redis: LFU_INIT_VAL; or they would go at once
  static constexpr unsigned log_factor = 10;      // Redis: lfu-log-factor

  explicit constexpr UseCount(std::uint16_t bits) noexcept : bits_(bits) {}
  [[nodiscard]] static constexpr std::uint16_t bits_of(std::uint8_t count, std::uint16_t now) noexcept {
    return static_cast<std::uint16_t>((now & 0xff00) | count);
  }

  /// What is left of it now.
  [[nodiscard]] constexpr std::uint8_t count(std::uint16_t now) const noexcept {
    const unsigned rounds = ((now >> 8) - (bits_ >> 8)) & 0xff;
    const unsigned counted = bits_ & 0xff;
    return static_cast<std::uint8_t>(counted - std::min(counted, rounds));
  }

  /// After one more use.
  [[nodiscard]] std::uint16_t used(AccessClock& clock) const noexcept {
    const std::uint16_t now = clock.now();
    std::uint8_t counted = count(now);
    const unsigned above = counted > of_new_keys ? counted - unsigned{of_new_keys} : 0;
    if (counted < 255 && clock.chance() % (above * log_factor + 1) == 0) ++counted;
    return bits_of(counted, now);
  }

 private:
  std::uint16_t bits_;
};

[[nodiscard]] inline std::uint16_t access_of_new(Tracking tracking, const AccessClock& clock) noexcept {
  return tracking == Tracking::lfu ? UseCount::bits_of(UseCount::of_new_keys, clock.now()) : clock.now();
}

/// Notes one use of an entry. The shard is locked in either way.
template <class Entry>
void note_use(const Entry& entry, Tracking tracking, AccessClock& clock) noexcept {
  const std::uint16_t before = entry.access();
  const std::uint16_t after = tracking == Tracking::lru ? clock.now() : UseCount(before).used(clock);
  if (after != before) entry.set_access(after);  // or readers would take the line from each other
}

/// How much an entry deserves to go; the greatest of some goes.
template <class Entry>
[[nodiscard]] std::uint64_t eviction_score(const Entry& entry, Eviction eviction,
                                           const AccessClock& clock) noexcept {
  switch (eviction) {
    case Eviction::allkeys_lru:
    case Eviction::volatile_lru: return static_cast<std::uint16_t>(clock.now() - entry.access());
    case Eviction::allkeys_lfu:
    case Eviction::volatile_lfu: return 255U - UseCount(entry.access()).count(clock.now());
    case Eviction::volatile_ttl: return ~static_cast<std::uint64_t>(entry.expires_at_ms());
    default: return 0;
  }
}

}  // namespace replikv::inline v0_1::detail
