// Every command that may come in a stream, by name. Whatever is not listed is never acted on, whoever
// sends it.
#pragma once

#include <replikv/replication/detail/commands/bits.hpp>
#include <replikv/replication/detail/commands/call.hpp>
#include <replikv/replication/detail/commands/foreign.hpp>
#include <replikv/replication/detail/commands/keys.hpp>
#include <replikv/replication/detail/commands/strings.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace replikv::inline v0_1::detail::commands {

/// Whether a command is for the selected database alone, and so for nobody when that is not bound.
enum class Scope : std::uint8_t { selected, any };

struct Command {
  std::string_view name;
  Handler handler;
  std::uint32_t words_min;  // the name included
  std::uint32_t words_max;
  Scope scope;
};

inline constexpr std::uint32_t any_number = std::numeric_limits<std::uint32_t>::max();

[[nodiscard]] constexpr Command on_selected(std::string_view name, Handler handler, std::uint32_t words_min,
                                            std::uint32_t words_max = any_number) noexcept {
  return {name, handler, words_min, words_max, Scope::selected};
}
[[nodiscard]] constexpr Command on_any(std::string_view name, Handler handler, std::uint32_t words_min,
                                       std::uint32_t words_max = any_number) noexcept {
  return {name, handler, words_min, words_max, Scope::any};
}
[[nodiscard]] constexpr Command elsewhere(std::string_view name) noexcept {
  return {name, foreign, 2, any_number, Scope::selected};
}

/// Sorted by name. Source: Redis 6.2 to 7.4, Valkey 8.
inline constexpr std::array table{
    on_selected("APPEND", append, 3, 3),
    on_selected("BITFIELD", bitfield, 2),
    on_selected("BITOP", bitop, 4),
    elsewhere("BLMOVE"),
    elsewhere("BLMPOP"),
    elsewhere("BLPOP"),
    elsewhere("BRPOP"),
    elsewhere("BRPOPLPUSH"),
    elsewhere("BZMPOP"),
    elsewhere("BZPOPMAX"),
    elsewhere("BZPOPMIN"),
    on_any("COPY", copy, 3),
    on_selected("DECR", decr, 2, 2),
    on_selected("DECRBY", decrby, 3, 3),
    on_selected("DEL", del, 2),
    on_any("EVAL", script, 1),
    on_any("EVALSHA", script, 1),
    on_any("EVALSHA_RO", script, 1),
    on_any("EVAL_RO", script, 1),
    on_any("EXEC", ignore, 1),
    on_selected("EXPIRE", expire_seconds, 3),
    on_selected("EXPIREAT", expireat, 3),
    on_any("FCALL", script, 1),
    on_any("FCALL_RO", script, 1),
    on_any("FLUSHALL", flushall, 1, 2),
    on_selected("FLUSHDB", flushdb, 1, 2),
    on_any("FUNCTION", ignore, 1),
    elsewhere("GEOADD"),
    on_selected("GEORADIUS", georadius, 6),
    on_selected("GEORADIUSBYMEMBER", georadiusbymember, 5),
    on_selected("GEOSEARCHSTORE", store_first, 3),
    on_selected("GETDEL", del, 2, 2),
    on_selected("GETEX", getex, 2, 4),
    on_selected("GETSET", set_plainly, 3, 3),
    elsewhere("HDEL"),
    elsewhere("HEXPIRE"),
    elsewhere("HEXPIREAT"),
    elsewhere("HGETDEL"),
    elsewhere("HGETEX"),
    elsewhere("HINCRBY"),
    elsewhere("HINCRBYFLOAT"),
    elsewhere("HMSET"),
    elsewhere("HPERSIST"),
    elsewhere("HPEXPIRE"),
    elsewhere("HPEXPIREAT"),
    elsewhere("HSET"),
    elsewhere("HSETEX"),
    elsewhere("HSETNX"),
    on_selected("INCR", incr, 2, 2),
    on_selected("INCRBY", incrby, 3, 3),
    on_selected("INCRBYFLOAT", incrbyfloat, 3, 3),
    elsewhere("LINSERT"),
    elsewhere("LMOVE"),
    elsewhere("LMPOP"),
    elsewhere("LPOP"),
    elsewhere("LPUSH"),
    elsewhere("LPUSHX"),
    elsewhere("LREM"),
    elsewhere("LSET"),
    elsewhere("LTRIM"),
    on_any("MOVE", move, 3, 3),
    on_selected("MSET", mset, 3),
    on_selected("MSETNX", mset, 3),
    on_any("MULTI", ignore, 1),
    on_selected("PERSIST", persist, 2, 2),
    on_selected("PEXPIRE", expire_milliseconds, 3),
    on_selected("PEXPIREAT", pexpireat, 3),
    on_selected("PFADD", hyperloglog, 2),
    on_selected("PFCOUNT", pfcount, 2),
    on_selected("PFDEBUG", pfdebug, 3),
    on_selected("PFMERGE", hyperloglog, 2),
    on_any("PING", ignore, 1),
    on_selected("PSETEX", psetex, 4, 4),
    on_any("PUBLISH", ignore, 1),
    on_selected("RENAME", rename, 3, 3),
    on_selected("RENAMENX", rename, 3, 3),
    on_any("REPLCONF", ignore, 1),
    on_selected("RESTORE", restore, 4),
    on_selected("RESTORE-ASKING", restore, 4),
    elsewhere("RPOP"),
    elsewhere("RPOPLPUSH"),
    elsewhere("RPUSH"),
    elsewhere("RPUSHX"),
    elsewhere("SADD"),
    on_any("SCRIPT", ignore, 1),
    on_selected("SDIFFSTORE", store_first, 3),
    on_any("SELECT", select, 2, 2),
    on_selected("SET", set, 3),
    on_selected("SETBIT", setbit, 4, 4),
    on_selected("SETEX", setex, 4, 4),
    on_selected("SETNX", set_plainly, 3, 3),
    on_selected("SETRANGE", setrange, 4, 4),
    on_selected("SINTERSTORE", store_first, 3),
    elsewhere("SMOVE"),
    on_selected("SORT", sort, 2),
    elsewhere("SPOP"),
    on_any("SPUBLISH", ignore, 1),
    elsewhere("SREM"),
    on_selected("SUNIONSTORE", store_first, 3),
    on_any("SWAPDB", swapdb, 3, 3),
    on_selected("UNLINK", del, 2),
    elsewhere("XACK"),
    elsewhere("XADD"),
    elsewhere("XAUTOCLAIM"),
    elsewhere("XCLAIM"),
    elsewhere("XDEL"),
    elsewhere("XGROUP"),
    elsewhere("XREADGROUP"),
    elsewhere("XSETID"),
    elsewhere("XTRIM"),
    elsewhere("ZADD"),
    on_selected("ZDIFFSTORE", store_first, 3),
    elsewhere("ZINCRBY"),
    on_selected("ZINTERSTORE", store_first, 3),
    elsewhere("ZMPOP"),
    elsewhere("ZPOPMAX"),
    elsewhere("ZPOPMIN"),
    on_selected("ZRANGESTORE", store_first, 3),
    elsewhere("ZREM"),
    elsewhere("ZREMRANGEBYLEX"),
    elsewhere("ZREMRANGEBYRANK"),
    elsewhere("ZREMRANGEBYSCORE"),
    on_selected("ZUNIONSTORE", store_first, 3),
};
static_assert(std::is_sorted(table.begin(), table.end(),
                             [](const Command& a, const Command& b) { return a.name < b.name; }));

/// Where in the table the names of each first letter begin.
inline constexpr auto letter_begins = [] {
  std::array<std::uint8_t, 27> begins{};
  static_assert(table.size() <= 0xff);
  for (std::size_t letter = 0; letter < begins.size(); ++letter) {
    while (begins[letter] < table.size() && table[begins[letter]].name[0] < static_cast<char>('A' + letter)) {
      ++begins[letter];
    }
  }
  return begins;
}();

/// The command of this name, in any letter case; null when there is none.
[[nodiscard]] constexpr const Command* find_command(std::string_view name) noexcept {
  if (name.empty()) return nullptr;
  const auto letter = static_cast<unsigned char>((static_cast<unsigned char>(name[0]) | 0x20U) - 'a');
  if (letter >= 26) return nullptr;
  for (std::size_t i = letter_begins[letter]; i < letter_begins[letter + 1U]; ++i) {
    if (is_word(name, table[i].name)) return &table[i];
  }
  return nullptr;
}

}  // namespace replikv::inline v0_1::detail::commands
