// Decimal integers as the protocol writes them: one spelling for each number, so that what was parsed
// can be formatted back to the same bytes. Floating point belongs to the codec.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1::resp {

namespace detail {

/// True for the canonical spelling: an optional '-', then "0" (without sign) or digits that start above 0.
[[nodiscard]] constexpr bool is_canonical_start(std::string_view text) noexcept {
  if (text == "0") return true;
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  return !text.empty() && text.front() >= '1' && text.front() <= '9';
}

template <std::integral Integer>
[[nodiscard]] std::optional<Integer> parse_canonical(std::string_view text) noexcept {
  if (!is_canonical_start(text)) return std::nullopt;
  Integer number{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return number;
}

}  // namespace detail

/// Reads a whole text as a signed integer; nothing unless the text is the canonical spelling of a number
/// in range: no '+', no leading zeros, no "-0", no spaces (Redis: string2ll).
[[nodiscard]] inline std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  return detail::parse_canonical<std::int64_t>(text);
}

/// The same for unsigned integers.
[[nodiscard]] inline std::optional<std::uint64_t> parse_unsigned(std::string_view text) noexcept {
  return detail::parse_canonical<std::uint64_t>(text);
}

/// The canonical decimal text of an integer, without an allocation.
class IntegerText {
 public:
  template <std::integral Integer>
  explicit IntegerText(Integer number) noexcept {
    char* const begin = characters_.data();
    size_ = static_cast<std::size_t>(std::to_chars(begin, begin + characters_.size(), number).ptr - begin);
  }

  [[nodiscard]] std::string_view view() const noexcept { return {characters_.data(), size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::array<char, 20> characters_;  // "-9223372036854775808" is the longest
  std::size_t size_ = 0;
};

/// How many digits `number` has in decimal.
[[nodiscard]] constexpr std::size_t decimal_digits(std::uint64_t number) noexcept {
  std::size_t digits = 1;
  for (; number >= 10'000; number /= 10'000) digits += 4;
  return digits + (number >= 10) + (number >= 100) + (number >= 1'000);
}

}  // namespace replikv::inline v0_1::resp
