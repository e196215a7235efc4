// Codecs: bytes that were read as a value are written as bytes that read as the same value; integers,
// booleans and enumerations have one spelling, so that equal keys have equal bytes.

#include <replikv/core/codec.hpp>

#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <type_traits>

using fuzz::require;
using replikv::Codec;

namespace {

enum class Colour : std::uint8_t { red, green };
enum class Level : std::int32_t { low = -1, high = 1 };
struct Point {
  std::int32_t x;
  double y;
  Colour colour;
  std::chrono::seconds age;
};

template <class T>
std::string encoded(const T& value) {
  std::string out = "before";
  Codec<T>::encode(value, out);
  require(out.starts_with("before"), "encoding appends");
  return out.substr(6);
}

template <class T>
void check(std::string_view bytes) {
  const fuzz::ExactCopy copy(bytes);
  T value{};
  if (!Codec<T>::decode(copy.text(), value)) return;
  const std::string written = encoded(value);
  T again{};
  require(Codec<T>::decode(written, again), "what was written can be read");
  require(encoded(again) == written, "what was read again is written alike");
  if constexpr (std::floating_point<T>) {
    require((std::isnan(value) && std::isnan(again)) || value == again, "a number comes back");
    require(std::signbit(value) == std::signbit(again), "with its sign");
  } else {
    require(written == bytes, "a value has one spelling");
    if constexpr (std::equality_comparable<T>) require(value == again, "a value comes back");
  }
}

/// Any bits are a number, too.
template <class T>
void check_bits(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(T)));
  if constexpr (std::same_as<T, bool>) return;
  T again{};
  require(Codec<T>::decode(encoded(value), again), "any number can be read");
  if constexpr (std::floating_point<T>) {
    require((std::isnan(value) && std::isnan(again)) || value == again, "any number comes back");
  } else {
    require(value == again, "any number comes back");
  }
}

template <class... Ts>
void check_all(std::uint8_t choice, std::string_view bytes) {
  std::size_t index = 0;
  ((index++ == choice % sizeof...(Ts) ? check<Ts>(bytes) : void()), ...);
}

template <class... Ts>
void check_all_bits(std::string_view bytes) {
  (check_bits<Ts>(bytes), ...);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  const std::string_view bytes = input.rest();
  check_all<std::string, bool, char, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
            std::uint32_t, std::int64_t, std::uint64_t, float, double, long double, Colour, Level, Point>(
      choice, bytes);
  check_all_bits<std::int8_t, std::uint16_t, std::int32_t, std::uint64_t, std::int64_t, float, double>(bytes);
  return 0;
}
