// One Redis database as the commands of clients see it: keys and values are bytes, whatever the types of the
// store behind it. Writes are refused, streamed and counted like those of the application itself.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/detail/function_ref.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::server {

/// A database. Keys that have expired are not there.
///
/// Errors  writes throw `Error` as a store's do, and then nothing was changed; bytes that are no key or value
///         of the store's types: `Errc::bad_value`
class Keyspace {
 public:
  using OnValue = detail::FunctionRef<void(std::string_view value)>;
  using OnEntry = detail::FunctionRef<void(std::string_view key, std::string_view value)>;
  using OnChange = detail::FunctionRef<void(std::optional<std::string>& value)>;
  using Steps = detail::FunctionRef<void(Keyspace& keys)>;

  /// The expiry of a key that does not expire.
  static constexpr WallTime never = WallTime::max();

  virtual ~Keyspace() = default;

  // --- Reading ------------------------------------------------------------------------------------

  /// Calls `f(value)` without copying the value, which is valid during the call; `f` must not come back to
  /// the keyspace. False, and no call, when the key is not there.
  virtual bool visit(std::string_view key, OnValue f) const = 0;
  [[nodiscard]] bool contains(std::string_view key) const {
    return visit(key, [](std::string_view) {});
  }
  /// `never`, or when the key expires; nothing when it is not there.
  [[nodiscard]] virtual std::optional<WallTime> expires_at(std::string_view key) const = 0;
  /// Keys, with those that have expired and are not deleted yet.
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// As `Store::scan`; inside `atomically` all keys come at once.
  virtual std::uint64_t scan(std::uint64_t cursor, OnEntry f) const = 0;
  [[nodiscard]] virtual WallTime now() const = 0;
  /// Has the memory of keys brought near that will be read or written soon: many at a time, so that the waits
  /// overlap.
  virtual void fetch(std::span<const std::string_view> keys) const noexcept { static_cast<void>(keys); }

  // --- Writing one key ------------------------------------------------------------------------------

  /// Sets value and expiry; a time that has passed removes the key.
  virtual void set(std::string_view key, std::string_view value, WallTime expires_at) = 0;
  /// Sets the value; the expiry, if there is one, stays.
  virtual void replace(std::string_view key, std::string_view value) = 0;
  /// True when the key was there.
  virtual bool erase(std::string_view key) = 0;
  /// True when the key was there and has another expiry now; `never` takes the expiry away.
  virtual bool set_expiry(std::string_view key, WallTime expires_at) = 0;
  /// Calls `f` with the value, or with nothing when the key is not there. What f leaves is what the key has
  /// then, nothing: it is removed; the expiry stays. If f throws nothing happens. `f` must not come back to
  /// the keyspace, and nobody else reads or writes the key meanwhile.
  virtual void update(std::string_view key, OnChange f) = 0;

  // --- Writing many ---------------------------------------------------------------------------------

  /// Sets all at once, without an expiry; of equal keys the last counts.
  virtual void set_many(std::span<const std::pair<std::string_view, std::string_view>> pairs) = 0;
  virtual void clear() = 0;

  // --- Several steps ------------------------------------------------------------------------------

  /// Runs `steps` alone: nobody else reads or writes these keys meanwhile, and no others may be used in it.
  /// What it wrote happens at once when it returns; if it throws, nothing happens.
  virtual void atomically(std::span<const std::string_view> keys, Steps steps) = 0;
  /// The same with all keys.
  virtual void atomically(Steps steps) = 0;
  /// True of what `atomically` hands to its steps: this database is locked, and another one may only be
  /// locked if its number is higher.
  [[nodiscard]] virtual bool is_locked() const noexcept = 0;
};

}  // namespace replikv::inline v0_1::server
