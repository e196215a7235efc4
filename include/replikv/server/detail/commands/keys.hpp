// Commands on keys, whatever they hold: is it there, away with it, another name for it.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::server::commands {

/// Counts a look at a key as INFO does; returns whether it was there.
inline bool note_lookup(Call& call, bool is_there) {
  ++(is_there ? call.server.counts.keyspace_hits : call.server.counts.keyspace_misses);
  return is_there;
}

/// DEL, UNLINK.
inline void del(Call& call) {
  if (call.size() == 2) return call.reply.integer(call.keys.erase(call[1]) ? 1 : 0);
  std::size_t erased = 0;
  call.atomically([&](Keyspace& keys) {
    for (const std::string_view key : call.words.subspan(1)) erased += keys.erase(key) ? 1U : 0U;
  });
  call.reply.integer(erased);
}

/// EXISTS, TOUCH: a key named twice counts twice.
inline void exists(Call& call) {
  std::size_t found = 0;
  for (const std::string_view key : call.words.subspan(1)) {
    found += note_lookup(call, call.keys.contains(key)) ? 1U : 0U;
  }
  call.reply.integer(found);
}

inline void type(Call& call) {
  call.reply.simple(note_lookup(call, call.keys.contains(call[1])) ? "string" : "none");
}

enum class Renamed : std::uint8_t { done, no_source, occupied };

[[nodiscard]] inline Renamed rename_key(Keyspace& keys, std::string_view from, std::string_view to,
                                        bool replaces) {
  const std::optional<std::string> value = value_of(keys, from);
  if (!value) return Renamed::no_source;
  if (!replaces && keys.contains(to)) return Renamed::occupied;
  if (from == to) return Renamed::done;
  const WallTime expires_at = keys.expires_at(from).value_or(Keyspace::never);
  keys.set(to, *value, expires_at);
  keys.erase(from);
  return Renamed::done;
}

[[nodiscard]] inline Renamed rename_key(Call& call, bool replaces) {
  Renamed outcome = Renamed::no_source;
  call.atomically([&](Keyspace& keys) { outcome = rename_key(keys, call[1], call[2], replaces); });
  if (outcome == Renamed::no_source) throw CommandError("ERR no such key");
  return outcome;
}

inline void rename(Call& call) {
  static_cast<void>(rename_key(call, true));
  call.reply.ok();
}
inline void renamenx(Call& call) { call.reply.integer(rename_key(call, false) == Renamed::done ? 1 : 0); }

/// A pattern leads to keys that the command does not name; only for those who may read them all.
inline void check_sort_pattern(Call& call, std::size_t option) {
  const bool is_by = is_word(call[option], "by");
  if (is_by && call[option + 1].find('*') == std::string_view::npos) return;  // leads nowhere
  if (call.server.may_read_any_key(call.client, call.words)) return;
  throw CommandError("ERR " + std::string(is_by ? "BY" : "GET") +
                     " option of SORT denied due to insufficient ACL permissions.");
}

/// Where SORT ... STORE stores; nothing without it. Checks the options on the way.
[[nodiscard]] inline std::optional<std::string_view> sort_target(Call& call, bool may_store) {
  const resp::Arguments words = call.words;
  std::optional<std::string_view> target;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::size_t left = words.size() - i - 1;
    if (is_word(words[i], "asc") || is_word(words[i], "desc") || is_word(words[i], "alpha")) continue;
    if (is_word(words[i], "limit") && left >= 2) {
      static_cast<void>(integer_of(words[i + 1]));
      static_cast<void>(integer_of(words[i + 2]));
      i += 2;
    } else if (is_word(words[i], "store") && left >= 1 && may_store) {
      target = words[++i];
    } else if ((is_word(words[i], "by") || is_word(words[i], "get")) && left >= 1) {
      check_sort_pattern(call, i++);
    } else {
      syntax_error();
    }
  }
  return target;
}

[[noreturn, gnu::cold]] inline void wrong_type() {
  throw CommandError("WRONGTYPE Operation against a key holding the wrong kind of value");
}

/// SORT, SORT_RO. A string cannot be sorted; so there is only the list that is not there, and is empty.
inline void sort(Call& call, bool may_store) {
  const auto target = sort_target(call, may_store);
  if (!target) {
    if (note_lookup(call, call.keys.contains(call[1]))) wrong_type();
    return call.reply.array(0);
  }
  const std::array named{call[1], *target};
  call.keys.atomically(named, [&](Keyspace& keys) {
    if (note_lookup(call, keys.contains(call[1]))) wrong_type();
    keys.erase(*target);
  });
  call.reply.integer(0);
}

/// The keys among SORT's words: what is sorted, and where it goes.
[[nodiscard]] inline std::vector<std::string_view> keys_of_sort(resp::Arguments words) {
  std::vector<std::string_view> keys{words[1]};
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::size_t left = words.size() - i - 1;
    if (is_word(words[i], "limit")) {
      i += 2;
    } else if ((is_word(words[i], "by") || is_word(words[i], "get")) && left >= 1) {
      ++i;
    } else if (is_word(words[i], "store") && left >= 1) {
      keys.resize(1);  // the last one counts
      keys.push_back(words[++i]);
    }
  }
  return keys;
}

inline void add_keys(detail::CommandTable& table) {
  table.add({"del", -2, "write", "keyspace", {1, -1, 1}, del});
  table.add({"unlink", -2, "write fast", "keyspace", {1, -1, 1}, del});
  table.add({"exists", -2, "readonly fast", "keyspace", {1, -1, 1}, exists});
  table.add({"touch", -2, "readonly fast", "keyspace", {1, -1, 1}, exists});
  table.add({"type", 2, "readonly fast", "keyspace", {1, 1, 1}, type});
  table.add({"rename", 3, "write", "keyspace", {1, 2, 1}, rename});
  table.add({"renamenx", 3, "write fast", "keyspace", {1, 2, 1}, renamenx});
  table.add({"sort",
             -2,
             "write denyoom movablekeys",
             "set sortedset list dangerous",
             {1, 1, 1},
             [](Call& call) { sort(call, true); },
             keys_of_sort});
  table.add(
      {"sort_ro", -2, "readonly movablekeys", "set sortedset list dangerous", {1, 1, 1}, [](Call& call) {
         sort(call, false);
       }});
}

}  // namespace replikv::inline v0_1::server::commands
