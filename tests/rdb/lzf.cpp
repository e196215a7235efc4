#include "hex.hpp"
#include <replikv/rdb/lzf.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

using replikv::rdb::lzf_compress;
using replikv::rdb::lzf_decompress;
using replikv::rdb::lzf_decompressed_size;

namespace {

bool decompresses_to(std::string_view compressed, std::string_view expected) {
  std::string out(expected.size(), '?');
  return lzf_decompressed_size(compressed) == expected.size() &&
         lzf_decompress(compressed, out.data(), out.size()) && out == expected;
}

std::string random_text(std::mt19937_64& random, std::size_t size, std::uint64_t letters) {
  std::string text(size, '\0');
  for (auto& character : text) character = static_cast<char>('a' + random() % letters);
  return text;
}

}  // namespace

TEST_CASE("lzf_decompress: what redis-server 7.0.15 compressed") {
  CHECK(decompresses_to(from_hex("01 6161 e0 11 00 01 6161"), std::string(30, 'a')));
}

TEST_CASE("lzf_decompress: literals, short and long copies, copies that feed themselves") {
  CHECK(decompresses_to(from_hex("00 61"), "a"));
  CHECK(decompresses_to(from_hex("03 61626364 40 03"), "abcdabcd"));
  CHECK(decompresses_to(from_hex("01 6162 60 01"), "abababa"));
  CHECK(decompresses_to(from_hex("00 61 e0 ff 00"), std::string(265, 'a')));
  CHECK(decompresses_to("", ""));
}

TEST_CASE("lzf_decompress: cut, too long, too short, before the start: refused") {
  std::string out(100, '?');
  const auto refuses = [&](std::string_view hex, std::size_t size) {
    return !lzf_decompress(from_hex(hex), out.data(), size);
  };
  CHECK(refuses("01 61", 2));         // literals cut
  CHECK(refuses("00 61 20", 4));      // distance missing
  CHECK(refuses("00 61 e0", 10));     // length missing
  CHECK(refuses("00 61 e0 00", 10));  // distance missing
  CHECK(refuses("00 61", 2));         // makes less
  CHECK(refuses("01 6162", 1));       // makes more
  CHECK(refuses("00 61 40 00", 4));   // makes more
  CHECK(refuses("20 00", 3));         // nothing to copy yet
  CHECK(refuses("00 61 20 01", 4));   // one byte before the start
  for (const auto* hex : {"01 61", "00 61 20", "00 61 e0", "00 61 e0 00"}) {
    CAPTURE(hex);
    CHECK_FALSE(lzf_decompressed_size(from_hex(hex)));
  }
}

TEST_CASE("lzf_decompress: random bytes never write outside the output") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string compressed(random() % 40, '\0');
    for (auto& character : compressed)
      character = static_cast<char>(random() % 3 == 0 ? random() : random() % 4);
    const auto size = lzf_decompressed_size(compressed);
    std::string out(size.value_or(20) + 8, '#');
    const bool done = lzf_decompress(compressed, out.data(), out.size() - 8);
    if (!size) CHECK_FALSE(done);
    CHECK(out.substr(out.size() - 8) == "########");
  }
}

TEST_CASE("lzf_compress: what it compresses decompresses to the same") {
  std::mt19937_64 random(12);
  int compressed_count = 0;
  for (int round = 0; round < 2'000; ++round) {
    const std::size_t size = random() % (round % 50 == 0 ? 40'000 : 300);
    const std::string text = random_text(random, size, random() % 5 + 1);
    std::string out = "kept";
    if (!lzf_compress(text, out)) {
      CHECK(out == "kept");
      continue;
    }
    ++compressed_count;
    CHECK(out.size() - 4 <= text.size() - 4);
    REQUIRE(decompresses_to(std::string_view(out).substr(4), text));
  }
  CHECK(compressed_count > 1'000);
}

TEST_CASE("lzf_compress: short and random texts are left alone, runs shrink to little") {
  std::string out;
  CHECK_FALSE(lzf_compress(std::string(20, 'a'), out));
  CHECK(lzf_compress(std::string(21, 'a'), out));
  std::mt19937_64 random(13);
  std::string noise(5'000, '\0');
  for (auto& character : noise) character = static_cast<char>(random());
  out.clear();
  CHECK_FALSE(lzf_compress(noise, out));
  CHECK(out.empty());
  CHECK(lzf_compress(std::string(100'000, 'x'), out));
  CHECK(out.size() < 1'200);
}

TEST_CASE("lzf_compress: matches reach back 8192 bytes and no further") {
  std::mt19937_64 random(14);
  for (const std::size_t gap : {8'100U, 8'192U, 8'193U, 9'000U}) {
    std::string noise(gap, '\0');
    for (auto& character : noise) character = static_cast<char>(random());
    const std::string text = noise + noise + std::string(1'000, 'z');
    std::string out;
    REQUIRE(lzf_compress(text, out));
    CHECK(decompresses_to(out, text));
    CHECK((out.size() < gap * 3 / 2) == (gap <= 8'192));
  }
}
