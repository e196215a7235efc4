// SHA-256: passwords of users are kept as its digests. Not a way to stretch weak passwords; the field has
// chosen it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// The digest of bytes that come in one piece.
///
/// Source  FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3 and 6.2
class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  [[nodiscard]] static Digest of(std::string_view message) noexcept {
    Sha256 hash;
    const std::size_t whole = message.size() / block_bytes;
    for (std::size_t i = 0; i < whole; ++i) hash.add_block(message.substr(i * block_bytes, block_bytes));
    hash.add_end(message.substr(whole * block_bytes), message.size());
    return hash.digest();
  }

  /// In 64 lower-case hexadecimal digits.
  [[nodiscard]] static std::string hex_of(std::string_view message) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(64);
    for (const std::uint8_t byte : of(message)) text.append({digits[byte >> 4], digits[byte & 15]});
    return text;
  }

 private:
  static constexpr std::size_t block_bytes = 64;
  static constexpr std::size_t length_bytes =
      8;  // the message's length in bits, at the end of the last block
  using Word = std::uint32_t;

  // The first 32 bits of the fractions of the cube roots of the first 64 primes.
  static constexpr std::array<Word, 64> constants{
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

  [[nodiscard]] static constexpr Word small_sigma(Word x, int first, int second, int shift) noexcept {
    return std::rotr(x, first) ^ std::rotr(x, second) ^ (x >> shift);
  }
  [[nodiscard]] static constexpr Word big_sigma(Word x, int first, int second, int third) noexcept {
    return std::rotr(x, first) ^ std::rotr(x, second) ^ std::rotr(x, third);
  }

  void add_block(std::string_view block) noexcept {
    std::array<Word, 64> schedule{};
    for (std::size_t i = 0; i < block_bytes; ++i) {
      schedule[i / 4] = schedule[i / 4] << 8 | static_cast<std::uint8_t>(block[i]);
    }
    for (std::size_t i = 16; i < schedule.size(); ++i) {
      schedule[i] = small_sigma(schedule[i - 2], 17, 19, 10) + schedule[i - 7] +
                    small_sigma(schedule[i - 15], 7, 18, 3) + schedule[i - 16];
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (std::size_t i = 0; i < schedule.size(); ++i) {
      const Word first = h + big_sigma(e, 6, 11, 25) + ((e & f) ^ (~e & g)) + constants[i] + schedule[i];
      const Word second = big_sigma(a, 2, 13, 22) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + first;
      d = c, c = b, b = a, a = first + second;
    }
    const std::array<Word, 8> mixed{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state_.size(); ++i) state_[i] += mixed[i];
  }

  // The rest of the message, a one bit, zeros, and the length.
  void add_end(std::string_view rest, std::size_t message_bytes) noexcept {
    std::array<char, 2 * block_bytes> end{};
    rest.copy(end.data(), rest.size());
    end[rest.size()] = static_cast<char>(0x80);
    const std::size_t size = rest.size() + 1 + length_bytes <= block_bytes ? block_bytes : 2 * block_bytes;
    std::uint64_t bits = std::uint64_t{message_bytes} * 8;
    for (std::size_t i = 1; i <= length_bytes; ++i, bits >>= 8) end[size - i] = static_cast<char>(bits & 255);
    for (std::size_t at = 0; at < size; at += block_bytes) add_block({end.data() + at, block_bytes});
  }

  [[nodiscard]] Digest digest() const noexcept {
    Digest bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
    }
    return bytes;
  }

  // The first 32 bits of the fractions of the square roots of the first 8 primes.
  std::array<Word, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

}  // namespace replikv::inline v0_1::detail
