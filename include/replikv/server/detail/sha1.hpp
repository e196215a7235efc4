// SHA-1, for fingerprints of data sets that are to be those of redis-server. Not for secrets.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail {

using Sha1Digest = std::array<std::uint8_t, 20>;

namespace sha1 {

inline constexpr std::size_t block_bytes = 64;
using State = std::array<std::uint32_t, 5>;

/// Mixes one block of 64 bytes into the state.
inline void mix(State& state, const unsigned char* block) noexcept {
  std::array<std::uint32_t, 80> words;
  for (std::size_t i = 0; i < 16; ++i) {
    words[i] = std::uint32_t{block[4 * i]} << 24 | std::uint32_t{block[4 * i + 1]} << 16 |
               std::uint32_t{block[4 * i + 2]} << 8 | block[4 * i + 3];
  }
  for (std::size_t i = 16; i < words.size(); ++i) {
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint32_t mixed = 0;
    if (i < 20) {
      mixed = ((b & c) | (~b & d)) + 0x5a827999;
    } else if (i < 40) {
      mixed = (b ^ c ^ d) + 0x6ed9eba1;
    } else if (i < 60) {
      mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    } else {
      mixed = (b ^ c ^ d) + 0xca62c1d6;
    }
    const std::uint32_t next = std::rotl(a, 5) + mixed + e + words[i];
    e = std::exchange(d, std::exchange(c, std::rotl(std::exchange(b, std::exchange(a, next)), 30)));
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

}  // namespace sha1

/// The digest of some bytes. O(bytes), no allocation.
///
/// Source  FIPS 180-4
[[nodiscard]] inline Sha1Digest sha1_of(std::string_view bytes) noexcept {
  sha1::State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  std::array<unsigned char, sha1::block_bytes> block{};
  const auto load = [&block](std::string_view from) {
    block.fill(0);
    for (std::size_t i = 0; i < from.size(); ++i) block[i] = static_cast<unsigned char>(from[i]);
  };
  for (; bytes.size() >= sha1::block_bytes; bytes.remove_prefix(sha1::block_bytes)) {
    load(bytes.substr(0, sha1::block_bytes));
    sha1::mix(state, block.data());
  }
  load(bytes);
  block[bytes.size()] = 0x80;
  if (bytes.size() >= sha1::block_bytes - 8) {
    sha1::mix(state, block.data());
    block.fill(0);
  }
  for (std::size_t i = 0; i < 8; ++i) block[63 - i] = static_cast<unsigned char>(bits >> (8 * i) & 0xff);
  sha1::mix(state, block.data());
  Sha1Digest digest;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(state[i / 4] >> (8 * (3 - i % 4)) & 0xff);
  }
  return digest;
}

}  // namespace replikv::inline v0_1::detail
