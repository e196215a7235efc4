// How much memory a store may take, and what goes first when that is reached: Redis' maxmemory and its
// policies, by their names. How victims are found is in detail/evictor.hpp.
#pragma once

#include <replikv/core/clock.hpp>

#include <cstddef>
#include <cstdint>

namespace replikv::inline v0_1 {

/// Which keys a store at its limit evicts (Redis: maxmemory-policy). All of them are approximate: the best
/// of some keys taken at random goes. `allkeys`: of all keys; `volatile`: of those that have an expiry.
enum class Eviction : std::uint8_t {
  noeviction,       ///< none: writes that need memory are refused
  allkeys_lru,      ///< the one not used for longest
  allkeys_lfu,      ///< the one used least often
  allkeys_random,   ///< any
  volatile_lru,     ///< as `allkeys_lru`
  volatile_lfu,     ///< as `allkeys_lfu`
  volatile_random,  ///< as `allkeys_random`
  volatile_ttl,     ///< the one that expires first
};

/// True when only keys with an expiry are evicted.
[[nodiscard]] constexpr bool evicts_expiring_only(Eviction eviction) noexcept {
  return eviction >= Eviction::volatile_lru;
}

/// What a store is made with.
struct StoreOptions {
  /// The wall clock; its source must outlive the store.
  Clock clock{};
  /// Redis: maxmemory, in bytes of `Store::memory_bytes`; 0: no limit. See `Store::limit_memory`.
  std::size_t max_memory = 0;
  /// Redis: maxmemory-policy.
  Eviction eviction = Eviction::noeviction;
  /// Redis: maxmemory-samples. Keys looked at for each that is evicted, 1 to 64: more choose better, and
  /// take longer.
  unsigned eviction_samples = 5;
};

}  // namespace replikv::inline v0_1
