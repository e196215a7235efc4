// The commands that work on keys whatever they hold: deleting, expiry, renaming, copying, whole databases.
// A source that is not here holds, at the master, what no store can hold; then so does the destination.
#pragma once

#include <replikv/replication/detail/commands/call.hpp>
#include <replikv/replication/detail/commands/dump_payload.hpp>
#include <replikv/replication/detail/locked_databases.hpp>
#include <replikv/resp/number.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail::commands {

/// DEL, UNLINK, GETDEL. A key that is not here may be a list there: nothing is missed.
inline Verdict del(Call& call) {
  if (call.size() == 2) {
    call.current().erase(call[1], call.locks);
    return applied;
  }
  const Locked locked(call);
  for (const std::string_view key : call.arguments.subspan(1)) call.current().erase(key, call.locks);
  return applied;
}

inline Verdict expire(Call& call, TimeUnit unit) {
  for (const std::string_view flag : call.arguments.subspan(3)) {
    if (!is_word(flag, "NX") && !is_word(flag, "XX") && !is_word(flag, "GT") && !is_word(flag, "LT")) {
      return diverged(Reason::malformed);
    }
  }
  const auto expires_at = parse_expiry(call, call[2], unit);
  if (!expires_at) return diverged(Reason::invalid_expiry);
  const bool found = call.current().set_expiry(call[1], *expires_at, call.locks);
  return found ? applied : not_mirrored(Reason::foreign_source);
}
inline Verdict expire_seconds(Call& call) { return expire(call, {true, 1'000}); }
inline Verdict expire_milliseconds(Call& call) { return expire(call, {true, 1}); }
inline Verdict expireat(Call& call) { return expire(call, {false, 1'000}); }
inline Verdict pexpireat(Call& call) { return expire(call, {false, 1}); }

inline Verdict persist(Call& call) {
  const bool found = call.current().set_expiry(call[1], never, call.locks);
  return found ? applied : not_mirrored(Reason::foreign_source);
}

/// A key's place: the number of a database and the key in it.
struct Place {
  std::uint32_t database;
  std::string_view key;

  friend bool operator==(const Place&, const Place&) = default;
};

enum class Source : bool { stays, goes };

// Value and expiry, from any database to any other, bound or not.
inline Verdict transfer(Call& call, Place from, Place to, Source source) {
  const Locked locked(call, from.database, to.database);
  Database* const giver = call.find(from.database);
  Database* const taker = call.find(to.database);
  if (giver == nullptr && taker == nullptr) return not_mirrored(Reason::unbound_database);
  std::optional<Stored> stored;
  if (giver != nullptr) stored = giver->read(from.key, call.locks);
  if (!stored) {
    if (taker != nullptr) taker->erase(to.key, call.locks);
    return not_mirrored(Reason::foreign_source);
  }
  const Verdict verdict = taker != nullptr
                              ? assign_in(call, *taker, to.key, stored->value, stored->expires_at)
                              : not_mirrored(Reason::unbound_database);
  if (source == Source::stays || from == to) return verdict;
  giver->erase(from.key, call.locks);
  return taker != nullptr ? verdict : applied;
}

/// RENAME, RENAMENX.
inline Verdict rename(Call& call) {
  return transfer(call, {call.selected, call[1]}, {call.selected, call[2]}, Source::goes);
}

inline Verdict copy(Call& call) {
  std::uint32_t target = call.selected;
  for (std::size_t i = 3; i < call.size(); ++i) {
    if (is_word(call[i], "REPLACE")) continue;
    if (!is_word(call[i], "DB") || ++i == call.size()) return diverged(Reason::malformed);
    const auto database = parse_database(call[i]);
    if (!database) return diverged(Reason::out_of_range);
    target = *database;
  }
  return transfer(call, {call.selected, call[1]}, {target, call[2]}, Source::stays);
}

inline Verdict move(Call& call) {
  const auto target = parse_database(call[2]);
  if (!target || *target == call.selected) return diverged(Reason::out_of_range);
  return transfer(call, {call.selected, call[1]}, {*target, call[1]}, Source::goes);
}

inline Verdict select(Call& call) {
  const auto database = parse_database(call[1]);
  if (!database) return diverged(Reason::out_of_range);
  call.selected = *database;
  return applied;
}

inline Verdict swapdb(Call& call) {
  const auto one = parse_database(call[1]);
  const auto other = parse_database(call[2]);
  if (!one || !other) return diverged(Reason::out_of_range);
  Database* const first = call.find(*one);
  Database* const second = call.find(*other);
  if (first == nullptr && second == nullptr) return not_mirrored(Reason::unbound_database);
  if (first == nullptr || second == nullptr) return diverged(Reason::half_swapped);
  if (first == second) return applied;
  const Locked locked(call, *one, *other);
  return first->swap_contents(*second) ? applied : diverged(Reason::different_types);
}

[[nodiscard]] inline bool is_flush_option(const Call& call) noexcept {
  return call.size() == 1 || is_word(call[1], "ASYNC") || is_word(call[1], "SYNC");
}

inline Verdict flushdb(Call& call) {
  if (!is_flush_option(call)) return diverged(Reason::malformed);
  call.current().clear(call.locks);
  return applied;
}

inline Verdict flushall(Call& call) {
  if (!is_flush_option(call)) return diverged(Reason::malformed);
  std::optional<LockedDatabases> locked;
  if (call.locks == Locks::take) locked.emplace(call.databases);
  for (Database* database : call.databases) database->clear(Locks::held);
  return applied;
}

/// Reads ttl and options of RESTORE; nothing when they are malformed.
[[nodiscard]] inline std::optional<WallTime> parse_restore_expiry(const Call& call) {
  bool relative = true;
  for (std::size_t i = 4; i < call.size(); ++i) {
    if (is_word(call[i], "REPLACE")) continue;
    if (is_word(call[i], "ABSTTL")) {
      relative = false;
    } else if (!(is_word(call[i], "IDLETIME") || is_word(call[i], "FREQ")) || ++i == call.size() ||
               !resp::parse_unsigned(call[i])) {
      return std::nullopt;
    }
  }
  if (call[2] == "0") return never;
  if (call[2].starts_with('-')) return std::nullopt;
  return parse_expiry(call, call[2], {relative, 1});
}

/// RESTORE, RESTORE-ASKING.
inline Verdict restore(Call& call) {
  const auto expires_at = parse_restore_expiry(call);
  if (!expires_at) return diverged(Reason::malformed);
  DumpPayload payload(call[3]);
  switch (payload.status()) {
    case DumpPayload::Status::unverified:
    case DumpPayload::Status::corrupt: return diverged(Reason::bad_payload);
    case DumpPayload::Status::newer:
    case DumpPayload::Status::foreign:
      call.current().erase(call[1], call.locks);
      return not_mirrored(Reason::foreign_payload);
    case DumpPayload::Status::text: break;
  }
  return assign(call, call[1], payload.text(), *expires_at);
}

}  // namespace replikv::inline v0_1::detail::commands
