// Commands on whole databases, and those that carry keys from one to another.
#pragma once

#include <replikv/replication/detail/whole_databases.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/keys.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

inline void dbsize(Call& call) { call.reply.integer(call.keys.size()); }

/// Throws where one database is locked already and the other is not: it could wait for somebody who waits for
/// the first. EXEC has locked both.
inline void refuse_when_half_locked(const Call& call, const Keyspace& other) {
  if (call.keys.is_locked() != other.is_locked()) {
    throw CommandError("ERR a transaction cannot change more than one database");
  }
}

inline void check_flush_options(const Call& call) {
  const bool is_known =
      call.size() == 1 || (call.size() == 2 && (is_word(call[1], "async") || is_word(call[1], "sync")));
  if (!is_known) syntax_error();
}

inline void flushdb(Call& call) {
  check_flush_options(call);
  call.keys.clear();
  call.reply.ok();
}

inline void flushall(Call& call) {
  check_flush_options(call);
  if (call.keys.is_locked()) {
    for (std::uint32_t i = 0; i < call.server.databases(); ++i) {
      refuse_when_half_locked(call, call.server.database(i));
      call.server.database(i).clear();
    }
  } else {
    detail::clear_databases(*call.server.node, call.client.database, call.words);
  }
  call.reply.ok();
}

inline void swapdb(Call& call) {
  const auto number = [&call](std::size_t i, std::string_view which) {
    const auto parsed = resp::parse_integer(call[i]);
    if (parsed && *parsed == static_cast<std::int32_t>(*parsed)) return *parsed;
    throw CommandError("ERR invalid " + std::string(which) + " DB index");
  };
  const std::int64_t one = number(1, "first");
  const std::int64_t other = number(2, "second");
  const auto databases = static_cast<std::int64_t>(call.server.databases());
  if (one < 0 || one >= databases || other < 0 || other >= databases) {
    throw CommandError("ERR DB index is out of range");
  }
  if (call.keys.is_locked()) throw CommandError("ERR SWAPDB is not allowed here");
  detail::swap_databases(*call.server.node, call.client.database, static_cast<std::uint32_t>(one),
                         static_cast<std::uint32_t>(other));
  call.reply.ok();
}

[[noreturn, gnu::cold]] inline void same_object() {
  throw CommandError("ERR source and destination objects are the same");
}

/// False when there is nothing to copy, or something in its place.
[[nodiscard]] inline bool copy_key(const Keyspace& from, std::string_view source, Keyspace& to,
                                   std::string_view target, bool replaces) {
  const std::optional<std::string> value = value_of(from, source);
  if (!value || (!replaces && to.contains(target))) return false;
  to.set(target, *value, from.expires_at(source).value_or(Keyspace::never));
  return true;
}

inline void move(Call& call) {
  const std::uint32_t from = call.client.database;
  const std::uint32_t target = database_of(call[2], call.server.databases());
  if (target == from) same_object();
  if (call.keys.is_locked()) {
    Keyspace& other = call.server.database(target);
    refuse_when_half_locked(call, other);
    const bool is_moved = copy_key(call.keys, call[1], other, call[1], false) && call.keys.erase(call[1]);
    return call.reply.integer(is_moved ? 1 : 0);
  }
  const bool is_moved = detail::move_key(*call.server.node, from, target, call[1], call.keys.now());
  if (is_moved) {
    call.server.notify(EventClass::generic, "move_from", from, call[1]);
    call.server.notify(EventClass::generic, "move_to", target, call[1]);
  }
  call.reply.integer(is_moved ? 1 : 0);
}

/// The same between two databases: each is locked, the one of the lower number first.
[[nodiscard]] inline bool copy_to_database(Call& call, std::uint32_t number, bool replaces) {
  const std::string_view source = call[1];
  const std::string_view target = call[2];
  Keyspace& other = call.server.database(number);
  refuse_when_half_locked(call, other);
  const bool is_up = call.client.database < number;
  Keyspace& first = is_up ? call.keys : other;
  Keyspace& second = is_up ? other : call.keys;
  const std::string_view first_key = is_up ? source : target;
  const std::string_view second_key = is_up ? target : source;
  bool is_copied = false;
  first.atomically(std::span(&first_key, 1), [&](Keyspace& lower) {
    second.atomically(std::span(&second_key, 1), [&](Keyspace& upper) {
      is_copied = is_up ? copy_key(lower, source, upper, target, replaces)
                        : copy_key(upper, source, lower, target, replaces);
    });
  });
  return is_copied;
}

inline void copy(Call& call) {
  std::uint32_t database = call.client.database;
  bool replaces = false;
  for (std::size_t i = 3; i < call.size(); ++i) {
    if (is_word(call[i], "replace")) {
      replaces = true;
    } else if (is_word(call[i], "db") && i + 1 < call.size()) {
      database = database_of(call[++i], call.server.databases());
    } else {
      syntax_error();
    }
  }
  bool is_copied = false;
  if (database != call.client.database) {
    is_copied = copy_to_database(call, database, replaces);
  } else if (call[1] == call[2]) {
    same_object();
  } else {
    call.atomically([&](Keyspace& keys) { is_copied = copy_key(keys, call[1], keys, call[2], replaces); });
  }
  call.reply.integer(is_copied ? 1 : 0);
}

inline void add_databases(detail::CommandTable& table) {
  table.add({"dbsize", 1, "readonly fast", "keyspace", {}, dbsize});
  table.add({"flushdb", -1, "write", "keyspace dangerous", {}, flushdb});
  table.add({"flushall", -1, "write", "keyspace dangerous", {}, flushall});
  table.add({"swapdb", 3, "write fast", "keyspace dangerous", {}, swapdb});
  table.add({"move", 3, "write fast", "keyspace", {1, 1, 1}, move});
  table.add({"copy", -3, "write denyoom", "keyspace", {1, 2, 1}, copy});
}

}  // namespace replikv::inline v0_1::server::commands
