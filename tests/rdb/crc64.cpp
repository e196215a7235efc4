#include "hex.hpp"
#include <replikv/rdb/crc64.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>

using replikv::as_bytes;
using replikv::Bytes;
using replikv::rdb::Crc64;

namespace {

std::uint64_t crc_of(std::string_view text) {
  Crc64 crc;
  crc.update(as_bytes(text));
  return crc.value();
}

// The definition, bit by bit.
std::uint64_t slow_crc(std::string_view text) {
  std::uint64_t crc = 0;
  for (const char character : text) {
    crc ^= static_cast<unsigned char>(character);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x95ac9329ac4bc9b5 : 0);
  }
  return crc;
}

}  // namespace

TEST_CASE("Crc64: the check value of Redis") {
  CHECK(crc_of("123456789") == 0xe9c6d914c4b8d9ca);
  CHECK(crc_of("") == 0);
}

TEST_CASE("Crc64: agrees with the definition for every length and alignment") {
  std::mt19937_64 random(7);
  std::string text(1500, '\0');
  for (auto& character : text) character = static_cast<char>(random());
  for (std::size_t size = 0; size + 16 < text.size(); size += size < 600 ? 1 : 37) {
    const std::string_view part = std::string_view(text).substr(size % 16, size);
    CAPTURE(size);
    REQUIRE(crc_of(part) == slow_crc(part));
    REQUIRE(replikv::rdb::detail::crc64_by_tables(0, as_bytes(part)) == slow_crc(part));
  }
}

TEST_CASE("Crc64: pieces give the same as the whole") {
  std::string text(5000, '\0');
  std::mt19937_64 random(8);
  for (auto& character : text) character = static_cast<char>(random());
  for (const std::size_t chunk : {1U, 7U, 255U, 256U, 257U, 1024U}) {
    Crc64 crc;
    for (std::size_t at = 0; at < text.size(); at += chunk)
      crc.update(as_bytes(std::string_view(text).substr(at, chunk)));
    CHECK(crc.value() == slow_crc(text));
  }
}

TEST_CASE("Crc64: verifies a payload that redis-server 7.0.15 dumped") {
  CHECK(crc_of(from_hex("00 03 61 62 63 0a 00")) == 0xe2a272413d30acd9);
}
