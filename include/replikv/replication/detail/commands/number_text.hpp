// Floating point as INCRBYFLOAT reads and writes it: `long double`, at most 17 decimals, no exponent.
// Independent of the process's locale.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1::detail::commands {

/// Reads a whole text as a number or as an infinity; nothing for other texts and for numbers too large. Takes
/// what C's strtold takes, but no spaces (Redis: string2ld).
[[nodiscard]] inline std::optional<long double> parse_float(std::string_view text) noexcept {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.front() == '-' || text.front() == '+') return std::nullopt;
  std::chars_format format = std::chars_format::general;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    if (text.starts_with('-')) return std::nullopt;
    format = std::chars_format::hex;
  }
  long double number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number, format);
  if (error != std::errc{} || stopped != end || std::isnan(number)) return std::nullopt;
  return negative ? -number : number;
}

/// The number in decimal, without trailing zeros (Redis: ld2string, LD_STR_HUMAN); nothing for infinities
/// and for what is not a number.
[[nodiscard]] inline std::optional<std::string> float_text(long double number) {
  constexpr int decimals = 17;
  if (!std::isfinite(number)) return std::nullopt;
  std::array<char, 5'120> characters;  // the largest number has 4933 digits before the point
  const auto [end, error] = std::to_chars(characters.data(), characters.data() + characters.size(), number,
                                          std::chars_format::fixed, decimals);
  if (error != std::errc{}) return std::nullopt;
  std::string text(characters.data(), end);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  if (text == "-0") text = "0";
  return text;
}

}  // namespace replikv::inline v0_1::detail::commands
