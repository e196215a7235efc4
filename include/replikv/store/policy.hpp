// The choices a store makes at compile time. A Policy is a type and part of the store's type, so two
// files that disagree about it do not link.
#pragma once

#include <replikv/fwd.hpp>
#include <replikv/store/hash.hpp>
#include <replikv/store/shard_lock.hpp>

#include <cstddef>

namespace replikv::inline v0_1 {

namespace detail {

inline constexpr std::size_t cache_line_bytes = 64;

}  // namespace detail

/// A lock that never locks, for stores that only one thread touches.
struct NullMutex {
  void lock() noexcept {}
  void unlock() noexcept {}
  void lock_shared() noexcept {}
  void unlock_shared() noexcept {}
};

/// Right for most. Derive from it and change what you must.
struct DefaultPolicy {
  /// A SharedLockable; one a shard.
  using Mutex = ShardLock;

  /// `std::uint64_t operator()(key) const noexcept`, for a `std::string_view` where Key is std::string.
  /// Its highest and its lowest bits must all be good.
  using Hash = SeededHash<0x243f6a8885a308d3>;

  /// 2^shard_bits shards: how many writers may work at once. At most 10.
  static constexpr unsigned shard_bits = 6;

  /// The growth unit: buckets of eight slots in a segment; a power of two. Also what a snapshot holds a
  /// writer up for.
  static constexpr std::size_t segment_buckets = 32;
};

/// One thread, no locks.
struct SingleThreadPolicy : DefaultPolicy {
  using Mutex = NullMutex;
  static constexpr unsigned shard_bits = 0;
};

}  // namespace replikv::inline v0_1
