// Reading the words of commands: options in any letter case, numbers within bounds, expiries.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

/// True when `text` is `word`, in any letter case. `word` is in lower case.
[[nodiscard]] constexpr bool is_word(std::string_view text, std::string_view word) noexcept {
  if (text.size() != word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char letter = text[i];
    if (letter != word[i] && !(letter >= 'A' && letter <= 'Z' && letter - 'A' + 'a' == word[i])) return false;
  }
  return true;
}

/// The database that a word names, or `CommandError`.
[[nodiscard]] inline std::uint32_t database_of(std::string_view text, std::size_t databases) {
  const std::int64_t number = integer_of(text);
  if (number != static_cast<std::int32_t>(number)) {
    throw CommandError("ERR value is out of range, value must between -2147483648 and 2147483647");
  }
  if (number < 0 || static_cast<std::uint64_t>(number) >= databases) {
    throw CommandError("ERR DB index is out of range");
  }
  return static_cast<std::uint32_t>(number);
}

/// How an expiry is written: relative to now or to 1970, in seconds or milliseconds.
struct TimeUnit {
  bool is_relative;
  std::int64_t milliseconds;

  friend constexpr bool operator==(const TimeUnit&, const TimeUnit&) = default;
};

/// The wall time that an argument stands for. One that cannot be counted: `CommandError` with the command's
/// name. Past times are no error here.
[[nodiscard]] inline WallTime expiry_of(std::string_view text, TimeUnit unit, WallTime now,
                                        std::string_view command) {
  std::int64_t at_ms = 0;
  const bool is_far =
      __builtin_mul_overflow(integer_of(text), unit.milliseconds, &at_ms) ||
      (unit.is_relative && __builtin_add_overflow(at_ms, now.time_since_epoch().count(), &at_ms));
  if (is_far) throw CommandError("ERR invalid expire time in '" + std::string(command) + "' command");
  const WallTime at{std::chrono::milliseconds(at_ms)};
  return at == Keyspace::never ? at - std::chrono::milliseconds(1) : at;
}

/// The value of a key, copied; nothing when it is not there.
[[nodiscard]] inline std::optional<std::string> value_of(const Keyspace& keys, std::string_view key) {
  std::optional<std::string> value;
  keys.visit(key, [&value](std::string_view bytes) { value.emplace(bytes); });
  return value;
}

}  // namespace replikv::inline v0_1::server::commands
