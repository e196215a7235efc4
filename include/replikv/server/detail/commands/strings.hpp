// Commands on strings: reading, setting, counting.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <string_view>

namespace replikv::inline v0_1::server::commands {

/// Replies a key's value, or null, and counts the hit or miss.
inline void reply_value(Call& call, std::string_view key) {
  const bool is_there = call.keys.visit(key, [&call](std::string_view value) { call.reply.bulk(value); });
  ++(is_there ? call.server.counts.keyspace_hits : call.server.counts.keyspace_misses);
  if (!is_there) call.reply.null();
}

inline void get(Call& call) { reply_value(call, call[1]); }

inline void set(Call& call) {
  if (call.size() > 3) syntax_error();
  call.keys.set(call[1], call[2], Keyspace::never);
  call.reply.ok();
}

inline void add_strings(detail::CommandTable& table) {
  table.add({"get", 2, "readonly fast", "string", {1, 1, 1}, get});
  table.add({"set", -3, "write denyoom", "string", {1, 1, 1}, set});
}

}  // namespace replikv::inline v0_1::server::commands
