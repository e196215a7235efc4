#include <replikv/core/codec.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace codec_tests {

enum class Colour : std::uint8_t { red = 1, blue = 200 };

struct Point {
  std::int32_t x;
  std::int32_t y;
  friend bool operator==(const Point&, const Point&) = default;
};
struct Nested {
  Point points[2];
  std::array<char, 5> name;
  std::chrono::milliseconds age;
  Colour colour;
};
struct Named {
  const char* name;
  int number;
};
struct Deep {
  int number;
  Named named;
};
struct Viewing {
  std::string_view view;
};
struct Holding {
  std::string text;
};
struct Reference {
  std::uint32_t index;
  Point* point;
};
struct HalfACodec {
  int number;
  std::string text;
};

}  // namespace codec_tests

template <>
struct replikv::Codec<codec_tests::Reference> : replikv::StructCodec<codec_tests::Reference, 9> {};

template <>
struct replikv::Codec<codec_tests::HalfACodec> {
  static void encode(const codec_tests::HalfACodec&, std::string&) {}
};

namespace {

using namespace codec_tests;
using namespace std::string_literals;
using replikv::Codec;

template <class T>
std::string encoded(const T& value) {
  std::string out = "before ";
  Codec<T>::encode(value, out);
  REQUIRE(out.starts_with("before "));
  return out.substr(7);
}

template <class T>
std::optional<T> decoded(std::string_view bytes) {
  T value{};
  if (!Codec<T>::decode(bytes, value)) return std::nullopt;
  return value;
}

TEST_CASE("Codec: a string is its own bytes") {
  CHECK(encoded("a\0b"s) == "a\0b"s);
  CHECK(decoded<std::string>("a\0b"s) == "a\0b"s);
  CHECK(decoded<std::string>("") == "");
}

TEST_CASE_TEMPLATE("Codec: integers are canonical decimal text over their whole range", T, signed char,
                   unsigned char, std::int16_t, std::uint16_t, std::int32_t, std::uint32_t, std::int64_t,
                   std::uint64_t) {
  for (const T value : {std::numeric_limits<T>::min(), T{0}, T{1}, T{42}, std::numeric_limits<T>::max()}) {
    CHECK(encoded(value) == std::to_string(value));
    CHECK(decoded<T>(std::to_string(value)) == value);
  }
  for (const std::string bad :
       {"", " 1", "1 ", "+1", "01", "-0", "-", "00", "0x1", "1.0", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(decoded<T>(bad));
  }
  CHECK_FALSE(decoded<T>("1\0"s));
}

TEST_CASE("Codec: an integer beyond its type is refused") {
  CHECK_FALSE(decoded<std::int8_t>("128"));
  CHECK_FALSE(decoded<std::uint8_t>("256"));
  CHECK_FALSE(decoded<std::uint32_t>("-1"));
  CHECK_FALSE(decoded<std::int64_t>("9223372036854775808"));
}

TEST_CASE("Codec: floating point is the shortest text that reads back equal") {
  CHECK(encoded(0.1) == "0.1");
  CHECK(encoded(0.1F) == "0.1");
  CHECK(encoded(-2.5) == "-2.5");
  for (const double value : {0.1 + 0.2, 1e300, -1e-300, 5e-324, std::numeric_limits<double>::max()}) {
    CHECK(decoded<double>(encoded(value)) == value);
  }
  CHECK(decoded<double>("1e3") == 1000.0);
  for (const char* bad : {"", "x", "1.5 ", " 1.5", "1.5x"}) CHECK_FALSE(decoded<double>(bad));
}

TEST_CASE("Codec: bool is 0 or 1, an enumeration its number") {
  CHECK(encoded(true) == "1");
  CHECK(encoded(false) == "0");
  CHECK(decoded<bool>("1") == true);
  CHECK(decoded<bool>("0") == false);
  CHECK_FALSE(decoded<bool>("2"));
  CHECK_FALSE(decoded<bool>("true"));
  CHECK(encoded(Colour::blue) == "200");
  CHECK(decoded<Colour>("200") == Colour::blue);
  CHECK_FALSE(decoded<Colour>("256"));
}

TEST_CASE("Codec: a plain struct is its memory behind a version byte") {
  CHECK(encoded(Point{1, -1}) == "\x01\x01\x00\x00\x00\xff\xff\xff\xff"s);
  CHECK(decoded<Point>(encoded(Point{7, 8})) == Point{7, 8});
  CHECK_FALSE(decoded<Point>(""));
  CHECK_FALSE(decoded<Point>("\x02\x01\x00\x00\x00\xff\xff\xff\xff"s));   // another version
  CHECK_FALSE(decoded<Point>("\x01\x01\x00\x00\x00\xff\xff\xff"s));       // too short
  CHECK_FALSE(decoded<Point>("\x01\x01\x00\x00\x00\xff\xff\xff\xff."s));  // too long
  CHECK(encoded(Reference{}).front() == '\x09');
}

TEST_CASE("Codec: only structs whose memory means the same elsewhere have one without asking") {
  CHECK(replikv::Encodable<Point>);
  CHECK(replikv::Encodable<Nested>);
  CHECK(replikv::Encodable<Reference>);  // asked
  CHECK_FALSE(replikv::Encodable<Named>);
  CHECK_FALSE(replikv::Encodable<Deep>);
  CHECK_FALSE(replikv::Encodable<Viewing>);
  CHECK_FALSE(replikv::Encodable<Holding>);
  CHECK_FALSE(replikv::Encodable<HalfACodec>);
  CHECK_FALSE(replikv::Encodable<int*>);
}

}  // namespace
