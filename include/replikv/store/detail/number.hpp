// Adding to a value that is a number: one kept as such, or a string that spells a 64-bit integer. An
// overflow, or a result that is no number, is no result.
#pragma once

#include <replikv/resp/number.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace replikv::inline v0_1::detail {

/// Values that `increment` understands.
template <class Value>
concept Incrementable = std::same_as<Value, std::string> ||
    (std::is_arithmetic_v<Value> && !std::same_as<Value, bool>);

/// What such a value counts in, and what is added to it: floating point, or whole numbers with a sign.
template <class Value>
using NumberOf = std::conditional_t<std::same_as<Value, std::string>, std::int64_t, Value>;
template <class Value>
using StepOf = std::conditional_t<std::floating_point<Value>, Value, std::int64_t>;

[[nodiscard]] inline std::optional<std::int64_t> to_number(std::string_view value) noexcept {
  return resp::parse_integer(value);
}
template <class Number>
requires std::is_arithmetic_v<Number>
[[nodiscard]] std::optional<Number> to_number(const Number& value) noexcept { return value; }

template <class Number>
[[nodiscard]] std::optional<Number> add(Number number, StepOf<Number> step) noexcept {
  if constexpr (std::floating_point<Number>) {
    const Number sum = number + step;
    return std::isfinite(sum) ? std::optional(sum) : std::nullopt;
  } else {
    Number sum{};
    return __builtin_add_overflow(number, step, &sum) ? std::nullopt : std::optional(sum);
  }
}

/// The value that holds a number.
template <class Value>
[[nodiscard]] Value from_number(NumberOf<Value> number) {
  if constexpr (std::same_as<Value, std::string>) {
    return std::string(resp::IntegerText(number).view());
  } else {
    return number;
  }
}

}  // namespace replikv::inline v0_1::detail
