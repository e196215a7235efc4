#include <replikv/store/hash.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace {

using Hash = replikv::SeededHash<1>;
using OtherHash = replikv::SeededHash<2>;

struct Pair {
  std::uint32_t first;
  std::uint32_t second;
};

TEST_CASE("SeededHash: gives the same numbers with every compiler") {
  CHECK(Hash{}(std::string_view("")) == 0xc17585abb5e463d3U);
  CHECK(Hash{}(std::string_view("replikv")) == 0x4187350566346affU);
  CHECK(Hash{}(std::string_view("a key of more than thirty-two bytes in all")) == 0xfc70a2f10a827162U);
  CHECK(Hash{}(std::uint64_t{2}) == 0x5c512464e0995c81U);
}

TEST_CASE("SeededHash: the seed matters") {
  CHECK(Hash{}(std::string_view("key")) != OtherHash{}(std::string_view("key")));
  CHECK(Hash{}(1) != OtherHash{}(1));
}

TEST_CASE("SeededHash: equal keys of different spelling have one hash") {
  CHECK(Hash{}(std::string("key")) == Hash{}("key"));
  CHECK(Hash{}(0.0) == Hash{}(-0.0));
  CHECK(Hash{}(Pair{1, 2}) == Hash{}(Pair{1, 2}));
  CHECK(Hash{}(Pair{1, 2}) != Hash{}(Pair{2, 1}));
}

/// The worst filling of 64 classes that `bits_from` makes, as a multiple of the average.
template <class Hashes>
double worst_class(const Hashes& hashes, unsigned shift) {
  std::vector<std::size_t> counts(64);
  for (const std::uint64_t hash : hashes) ++counts[hash >> shift & 63];
  std::size_t most = 0;
  for (const std::size_t count : counts) most = std::max(most, count);
  return static_cast<double>(most) * 64.0 / static_cast<double>(hashes.size());
}

TEST_CASE("SeededHash: similar keys spread over the highest, the middle and the lowest bits") {
  for (const std::size_t padding : {0U, 1U, 4U, 10U, 20U, 60U}) {
    CAPTURE(padding);
    std::unordered_set<std::uint64_t> of_texts;
    std::unordered_set<std::uint64_t> of_numbers;
    for (std::uint64_t i = 0; i < 64'000; ++i) {
      of_texts.insert(Hash{}(std::string(padding, 'x') + std::to_string(i)));
      of_numbers.insert(Hash{}(i << padding));
    }
    for (const unsigned shift : {0U, 5U, 15U, 30U, 52U, 58U}) {
      CAPTURE(shift);
      CHECK(worst_class(of_texts, shift) < 1.2);
      if (padding <= 20) CHECK(worst_class(of_numbers, shift) < 1.2);
    }
    CHECK(of_texts.size() == 64'000);
  }
}

TEST_CASE("SeededHash: any bit of a key changes about half of the hash") {
  std::string key = "0123456789abcdefghijklmnopqrstuvwxyz";
  for (std::size_t size = 1; size <= key.size(); ++size) {
    const std::string text = key.substr(0, size);
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      std::string other = text;
      other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << bit % 8);
      const int changed = std::popcount(Hash{}(text) ^ Hash{}(other));
      CAPTURE(size);
      CAPTURE(bit);
      CHECK(changed >= 8);
      CHECK(changed <= 56);
    }
  }
}

}  // namespace
