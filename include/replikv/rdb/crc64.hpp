// The checksum of RDB files: CRC-64 as Redis computes it (Jones' polynomial ad93d23594c935a9, reflected,
// initial value 0, no final xor). Eight bytes a step with tables; where the processor multiplies without
// carries, sixty-four bytes a step.
#pragma once

#include <replikv/core/bytes.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#include <wmmintrin.h>
#endif

namespace replikv::inline v0_1::rdb {

namespace detail {

inline constexpr std::uint64_t crc64_polynomial = 0x95ac9329ac4bc9b5;  // bit-reversed ad93d23594c935a9

using Crc64Tables = std::array<std::array<std::uint64_t, 256>, 8>;

/// tables[k][b]: what byte b adds to the checksum when k more bytes follow it.
[[nodiscard]] constexpr Crc64Tables make_crc64_tables() noexcept {
  Crc64Tables tables{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::uint64_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? crc64_polynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    for (std::size_t k = 1; k < 8; ++k) {
      const std::uint64_t previous = tables[k - 1][byte];
      tables[k][byte] = tables[0][previous & 0xff] ^ (previous >> 8);
    }
  }
  return tables;
}

inline constexpr Crc64Tables crc64_tables = make_crc64_tables();

/// x to the power `exponent` modulo the polynomial, reflected: bit 63 stands for x to the 0.
[[nodiscard]] constexpr std::uint64_t crc64_power(unsigned exponent) noexcept {
  std::uint64_t power = std::uint64_t{1} << 63;
  for (unsigned i = 0; i < exponent; ++i) power = (power >> 1) ^ ((power & 1) != 0 ? crc64_polynomial : 0);
  return power;
}

[[nodiscard]] inline std::uint64_t load_little_endian_64(const std::byte* bytes) noexcept {
  std::uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&word, bytes, sizeof word);
  } else {
    for (int i = 7; i >= 0; --i) word = word << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return word;
}

[[nodiscard]] inline std::uint64_t crc64_by_tables(std::uint64_t crc, Bytes bytes) noexcept {
  const auto& tables = crc64_tables;
  const std::byte* next = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; next += 8, left -= 8) {
    const std::uint64_t word = crc ^ load_little_endian_64(next);
    crc = tables[7][word & 0xff] ^ tables[6][word >> 8 & 0xff] ^ tables[5][word >> 16 & 0xff] ^
          tables[4][word >> 24 & 0xff] ^ tables[3][word >> 32 & 0xff] ^ tables[2][word >> 40 & 0xff] ^
          tables[1][word >> 48 & 0xff] ^ tables[0][word >> 56];
  }
  for (; left > 0; ++next, --left)
    crc = tables[0][(crc ^ std::to_integer<std::uint64_t>(*next)) & 0xff] ^ crc >> 8;
  return crc;
}

#if defined(__x86_64__)

/// Moves a 128-bit remainder over as many bits as its two factors stand for: the low half holds the
/// higher powers. A product of reflected numbers sits one bit low, hence the exponents less one.
[[nodiscard, gnu::target("pclmul,sse2")]] inline __m128i crc64_fold(__m128i remainder,
                                                                    __m128i factors) noexcept {
  return _mm_xor_si128(_mm_clmulepi64_si128(remainder, factors, 0x00),
                       _mm_clmulepi64_si128(remainder, factors, 0x11));
}

[[nodiscard, gnu::target("pclmul,sse2")]] inline __m128i crc64_load(const std::byte* bytes) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

/// Four remainders side by side, each folded over 64 bytes at a time, then into one.
/// Precondition: at least 64 bytes.
[[nodiscard, gnu::target("pclmul,sse2")]] inline std::uint64_t crc64_by_multiplying(std::uint64_t crc,
                                                                                    Bytes bytes) noexcept {
  constexpr std::uint64_t low_512 = crc64_power(512 + 64 - 1), high_512 = crc64_power(512 - 1);
  constexpr std::uint64_t low_128 = crc64_power(128 + 64 - 1), high_128 = crc64_power(128 - 1);
  const __m128i over_512 = _mm_set_epi64x(static_cast<long long>(high_512), static_cast<long long>(low_512));
  const __m128i over_128 = _mm_set_epi64x(static_cast<long long>(high_128), static_cast<long long>(low_128));
  const std::byte* next = bytes.data();
  std::size_t left = bytes.size() - 64;
  __m128i a = _mm_xor_si128(crc64_load(next), _mm_cvtsi64_si128(static_cast<long long>(crc)));
  __m128i b = crc64_load(next + 16);
  __m128i c = crc64_load(next + 32);
  __m128i d = crc64_load(next + 48);
  for (next += 64; left >= 64; next += 64, left -= 64) {
    a = _mm_xor_si128(crc64_fold(a, over_512), crc64_load(next));
    b = _mm_xor_si128(crc64_fold(b, over_512), crc64_load(next + 16));
    c = _mm_xor_si128(crc64_fold(c, over_512), crc64_load(next + 32));
    d = _mm_xor_si128(crc64_fold(d, over_512), crc64_load(next + 48));
  }
  b = _mm_xor_si128(crc64_fold(a, over_128), b);
  c = _mm_xor_si128(crc64_fold(b, over_128), c);
  d = _mm_xor_si128(crc64_fold(c, over_128), d);
  std::array<std::byte, 16> remainder;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(remainder.data()), d);
  return crc64_by_tables(crc64_by_tables(0, remainder), Bytes(next, left));
}

#endif

[[nodiscard]] inline std::uint64_t crc64_update(std::uint64_t crc, Bytes bytes) noexcept {
#if defined(__x86_64__)
  if (bytes.size() >= 256 && __builtin_cpu_supports("pclmul")) return crc64_by_multiplying(crc, bytes);
#endif
  return crc64_by_tables(crc, bytes);
}

}  // namespace detail

/// A running checksum: the pieces may be cut anywhere; large pieces are several times faster.
class Crc64 {
 public:
  Crc64() = default;

  void update(Bytes bytes) noexcept { value_ = detail::crc64_update(value_, bytes); }

  /// The checksum of everything so far; "123456789" gives e9c6d914c4b8d9ca.
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace replikv::inline v0_1::rdb
