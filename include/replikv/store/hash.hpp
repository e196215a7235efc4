// Where a key lies in the table's hash space: 64 bits, all of them good, and the same with every compiler
// and on every machine. Fast rather than secret: who knows the seed can make keys collide, which costs
// time, never correctness.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace replikv::inline v0_1 {

namespace detail {

__extension__ using Uint128 = unsigned __int128;

// Odd, with as many ones as zeros about, and unrelated to each other: digits of the square roots of
// 2, 3, 5 and 7.
inline constexpr std::uint64_t hash_salt_1 = 0x6a09e667f3bcc909;
inline constexpr std::uint64_t hash_salt_2 = 0xbb67ae8584caa73b;
inline constexpr std::uint64_t hash_salt_3 = 0x3c6ef372fe94f82b;
inline constexpr std::uint64_t hash_salt_4 = 0xa54ff53a5f1d36f1;

/// The product's two halves over each other: every bit of either factor reaches most bits of the result.
[[nodiscard]] constexpr std::uint64_t multiply_fold(std::uint64_t a, std::uint64_t b) noexcept {
  const Uint128 product = Uint128{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <class Word>
[[nodiscard]] std::uint64_t load_word(const char* bytes) noexcept {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  if constexpr (std::endian::native == std::endian::big) {
    std::uint64_t reversed = 0;
    for (std::size_t i = 0; i < sizeof word; ++i) reversed = reversed << 8 | (word >> (8 * i) & 0xff);
    return reversed;
  }
  return word;
}

/// Sixteen bytes a step; the last, short step reads words that overlap.
[[nodiscard]] inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) noexcept {
  const char* next = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = seed ^ hash_salt_1;
  for (; left > 16; next += 16, left -= 16) {
    state = multiply_fold(load_word<std::uint64_t>(next) ^ hash_salt_2,
                          load_word<std::uint64_t>(next + 8) ^ state);
  }
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (left >= 8) {
    first = load_word<std::uint64_t>(next);
    last = load_word<std::uint64_t>(next + left - 8);
  } else if (left >= 4) {
    first = load_word<std::uint32_t>(next);
    last = load_word<std::uint32_t>(next + left - 4);
  } else if (left > 0) {
    first = load_word<std::uint8_t>(next) << 16 | load_word<std::uint8_t>(next + left / 2) << 8 |
            load_word<std::uint8_t>(next + left - 1);
  }
  state = multiply_fold(first ^ hash_salt_3, last ^ state);
  return multiply_fold(state ^ hash_salt_4, bytes.size() ^ hash_salt_2);
}

/// One to one on 64 bits: two rounds of xor-shift and multiply.
[[nodiscard]] constexpr std::uint64_t hash_number(std::uint64_t number, std::uint64_t seed) noexcept {
  number ^= seed;
  number = (number ^ number >> 32) * hash_salt_2;
  number = (number ^ number >> 29) * hash_salt_4;
  return number ^ number >> 32;
}

template <class>
inline constexpr bool always_false = false;

}  // namespace detail

/// The hash of keys, with a seed that is part of the type: strings, numbers, enumerations, and structs
/// that have no padding. For other keys give your Policy a `Hash` with an operator() of your own.
template <std::uint64_t Seed>
struct SeededHash {
  [[nodiscard]] std::uint64_t operator()(std::string_view key) const noexcept {
    return detail::hash_bytes(key, Seed);
  }

  template <class Key>
  requires(!std::is_convertible_v<const Key&, std::string_view>) [[nodiscard]] std::uint64_t operator()(
      const Key& key) const noexcept {
    if constexpr (std::is_integral_v<Key> || std::is_enum_v<Key>) {
      return detail::hash_number(static_cast<std::uint64_t>(key), Seed);
    } else if constexpr (std::is_same_v<Key, double> || std::is_same_v<Key, float>) {
      const double number = key == 0 ? 0.0 : static_cast<double>(key);  // the two zeros are equal
      return detail::hash_number(std::bit_cast<std::uint64_t>(number), Seed);
    } else if constexpr (std::has_unique_object_representations_v<Key>) {
      return detail::hash_bytes({reinterpret_cast<const char*>(&key), sizeof key}, Seed);
    } else {
      static_assert(detail::always_false<Key>,
                    "replikv: this Key needs a hash: give Store a Policy whose Hash has "
                    "std::uint64_t operator()(const Key&) const");
    }
  }
};

}  // namespace replikv::inline v0_1
