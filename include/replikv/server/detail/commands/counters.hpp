// Commands that count: a string that spells an integer, or a number with a fraction, and what is added to it.
#pragma once

#include <replikv/replication/detail/commands/number_text.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::server::commands {

inline void increment_by(Call& call, std::int64_t increment) {
  std::int64_t number = 0;
  call.keys.update(call[1], [&number, increment](std::optional<std::string>& value) {
    if (value) number = integer_of(*value);
    if (__builtin_add_overflow(number, increment, &number)) {
      throw CommandError("ERR increment or decrement would overflow");
    }
    value.emplace(resp::IntegerText(number).view());
  });
  call.reply.integer(number);
}

inline void incr(Call& call) { increment_by(call, 1); }
inline void decr(Call& call) { increment_by(call, -1); }
inline void incrby(Call& call) { increment_by(call, integer_of(call[2])); }

inline void decrby(Call& call) {
  const std::int64_t decrement = integer_of(call[2]);
  if (decrement == std::numeric_limits<std::int64_t>::min()) {  // there is no such positive number
    throw CommandError("ERR decrement would overflow");
  }
  increment_by(call, -decrement);
}

/// An argument or a value that must be a number, or `CommandError`.
[[nodiscard]] inline long double float_of(std::string_view text) {
  const auto number = detail::commands::parse_float(text);
  if (!number) throw CommandError("ERR value is not a valid float");
  return *number;
}

/// Source  Redis 7.0 incrbyfloatCommand
inline void incrbyfloat(Call& call) {
  std::string sum;
  call.keys.update(call[1], [&](std::optional<std::string>& value) {
    const long double number = value ? float_of(*value) : 0;
    auto text = detail::commands::float_text(number + float_of(call[2]));
    if (!text) throw CommandError("ERR increment would produce NaN or Infinity");
    sum = *text;
    value = std::move(text);
  });
  call.reply.bulk(sum);
}

inline void add_counters(detail::CommandTable& table) {
  table.add({"incr", 2, "write denyoom fast", "string", {1, 1, 1}, incr});
  table.add({"decr", 2, "write denyoom fast", "string", {1, 1, 1}, decr});
  table.add({"incrby", 3, "write denyoom fast", "string", {1, 1, 1}, incrby});
  table.add({"decrby", 3, "write denyoom fast", "string", {1, 1, 1}, decrby});
  table.add({"incrbyfloat", 3, "write denyoom fast", "string", {1, 1, 1}, incrbyfloat});
}

}  // namespace replikv::inline v0_1::server::commands
