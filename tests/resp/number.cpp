#include <replikv/resp/number.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using replikv::resp::decimal_digits;
using replikv::resp::IntegerText;
using replikv::resp::parse_integer;
using replikv::resp::parse_unsigned;

TEST_CASE("parse_integer: canonical numbers of the whole range are read") {
  CHECK(parse_integer("0") == 0);
  CHECK(parse_integer("7") == 7);
  CHECK(parse_integer("-1") == -1);
  CHECK(parse_integer("10") == 10);
  CHECK(parse_integer("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_integer("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("parse_integer: every other spelling is refused") {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {""sv, "-"sv, "+1"sv, "01"sv, "-01"sv, "-0"sv, "00"sv, " 1"sv, "1 "sv, "1\0"sv, "1a"sv, "a"sv, "--1"sv,
        "0x1"sv, "1.0"sv, "9223372036854775808"sv, "-9223372036854775809"sv, "99999999999999999999999"sv}) {
    CAPTURE(text);
    CHECK_FALSE(parse_integer(text));
  }
}

TEST_CASE("parse_unsigned: the range is that of 64 bits, without a sign") {
  CHECK(parse_unsigned("0") == 0U);
  CHECK(parse_unsigned("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const std::string_view text : {"18446744073709551616", "-1", "-0", "", "01"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_unsigned(text));
  }
}

TEST_CASE("IntegerText: formats what parse_integer reads back") {
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{123456}, std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max()}) {
    const IntegerText text(number);
    CHECK(text.view() == std::to_string(number));
    CHECK(text.size() == text.view().size());
    CHECK(parse_integer(text.view()) == number);
  }
  CHECK(IntegerText(std::numeric_limits<std::uint64_t>::max()).view() == "18446744073709551615");
}

TEST_CASE("decimal_digits: counts digits at every power of ten") {
  std::uint64_t power = 1;
  for (std::size_t digits = 1; digits <= 20; ++digits) {
    CAPTURE(digits);
    CHECK(decimal_digits(power) == digits);
    if (digits > 1) CHECK(decimal_digits(power - 1) == digits - 1);
    if (digits < 20) power *= 10;
  }
  CHECK(decimal_digits(0) == 1);
  CHECK(decimal_digits(std::numeric_limits<std::uint64_t>::max()) == 20);
}
