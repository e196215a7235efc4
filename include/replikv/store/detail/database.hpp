// What replication sees of a store: one Redis database of byte keys and byte values, whatever its
// C++ types are. Store implements it; commands from the stream, snapshots and full resyncs use it.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/store/detail/attachment.hpp>
#include <replikv/store/eviction.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1::detail {

/// The expiry of a key that does not expire: later than any other.
inline constexpr WallTime never = WallTime::max();

/// What happens to a key's expiry when its value is replaced.
struct KeepExpiry {};

/// A value as it stands, with its expiry (`never`: none).
struct Stored {
  std::string value;
  WallTime expires_at = never;
};

/// Whether a call takes the locks it needs or its caller holds them all (`Database::lock`).
enum class Locks : bool { take, held };

/// What a database takes and has given up. Relaxed: numbers of one moment, not of one instant.
struct DatabaseUse {
  std::size_t bytes = 0;        ///< `Store::memory_bytes`
  std::size_t bytes_limit = 0;  ///< 0: none
  Eviction eviction = Eviction::noeviction;
  unsigned eviction_samples = 5;
  std::uint64_t evicted_keys = 0;
  std::uint64_t expired_keys = 0;  ///< deleted for that, here
};

/// A database being built apart from the one that is read, during a full resync. One thread at a time.
class DatabaseLoad {
 public:
  virtual ~DatabaseLoad() = default;

  /// Adds a key. A key that is there already: `Errc::snapshot_corrupt`. Bytes that are no Key or
  /// Value of the store: `Errc::bad_value`.
  [[nodiscard]] virtual std::error_code insert(std::string_view key, std::string_view value,
                                               WallTime expires_at) = 0;
  virtual void reserve(std::size_t keys) = 0;
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
};

/// A walk over a database as it stood at one instant, while it is being written. Ends when destroyed.
class DatabaseSnapshot {
 public:
  virtual ~DatabaseSnapshot() = default;

  /// Keys, and keys with an expiry, at the instant of the snapshot.
  [[nodiscard]] virtual std::size_t keys() const noexcept = 0;
  [[nodiscard]] virtual std::size_t expiring_keys() const noexcept = 0;

  /// Appends some more entries to `out`, encoded for an RDB file (at least one segment's worth; writers
  /// are held up no longer than that takes). False when all have been appended before.
  [[nodiscard]] virtual bool next(std::string& out) = 0;
};

/// One Redis database.
///
/// Commands from a stream see expired keys that are still there as live: their DEL comes in the stream.
/// Thread safety  every call from any thread; `Locks::held` and the calls that say so need `lock`
class Database {
 public:
  virtual ~Database() = default;

  // All shards, in order: BasicLockable.
  virtual void lock() = 0;
  virtual void unlock() = 0;

  /// Has the memory of keys fetched that will be read or changed soon, many at a time: then nobody waits for
  /// it. Without taking locks, nobody but the caller may change the contents until this returns.
  virtual void fetch(std::span<const std::string_view> keys, Locks locks) const noexcept = 0;

  /// Gives the store a role or, with nullptr, takes it away. A second role: `Errc::already_has_role`.
  [[nodiscard]] virtual std::error_code attach(std::shared_ptr<const Attachment> attachment) = 0;
  virtual void detach() noexcept = 0;

  // --- Effects, none of them streamed and none refused ---------------------------------------------

  [[nodiscard]] virtual std::optional<Stored> read(std::string_view key, Locks locks) const = 0;

  /// Sets value and expiry. Bytes that are no Key or Value of this store: `Errc::bad_value`.
  [[nodiscard]] virtual std::error_code assign(std::string_view key, std::string_view value,
                                               WallTime expires_at, Locks locks) = 0;
  /// Sets the value and keeps the expiry, if there is one.
  [[nodiscard]] virtual std::error_code assign(std::string_view key, std::string_view value, KeepExpiry,
                                               Locks locks) = 0;
  /// True when the key was there.
  virtual bool erase(std::string_view key, Locks locks) = 0;
  virtual bool set_expiry(std::string_view key, WallTime expires_at, Locks locks) = 0;
  virtual void clear(Locks locks) = 0;

  /// Expired keys that are still there count.
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  [[nodiscard]] virtual std::size_t expiring() const noexcept = 0;

  [[nodiscard]] virtual DatabaseUse use() const noexcept = 0;
  virtual void limit_memory(std::size_t bytes, Eviction eviction) noexcept = 0;
  virtual void set_eviction_samples(unsigned samples) noexcept = 0;

  // --- Whole contents -------------------------------------------------------------------------------

  /// Exchanges contents with `other` at once; false when the two hold different C++ types, and then
  /// nothing happened. Precondition: both locked, or `&other == this`.
  virtual bool swap_contents(Database& other) = 0;

  [[nodiscard]] virtual std::unique_ptr<DatabaseLoad> begin_load() const = 0;

  /// Replaces the contents by what was loaded; the load holds the old contents afterwards, to be
  /// destroyed when no lock is held. `loaded` came from `begin_load` of this database.
  /// Precondition: locked.
  virtual void adopt(DatabaseLoad& loaded) noexcept = 0;

  /// Begins a snapshot of this instant. Precondition: locked, and no other snapshot is alive.
  [[nodiscard]] virtual std::unique_ptr<DatabaseSnapshot> begin_snapshot() = 0;

  // --- Expiry -----------------------------------------------------------------------------------------

  /// On the node that owns the history: deletes keys that are due and streams their DEL, looking for no
  /// longer than about `budget`. Returns how many were deleted; nothing elsewhere. Takes its own locks.
  virtual std::size_t expire_due(Duration budget) = 0;

  /// No key expires before this; `never` when none has an expiry. A bound, not always exact.
  [[nodiscard]] virtual WallTime next_expiry() const noexcept = 0;

  /// How long keys with an expiry have left, as the mean of some that are quickly found; zero where none is.
  /// Takes its own locks.
  [[nodiscard]] virtual std::chrono::milliseconds mean_time_left() const = 0;
};

}  // namespace replikv::inline v0_1::detail
