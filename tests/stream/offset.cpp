#include <replikv/stream/offset.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

using replikv::Offset;
using replikv::offset_max;

TEST_CASE("Offset: a new history has written nothing, and its first byte has number 1") {
  CHECK(Offset{}.bytes == 0);
  CHECK(Offset{}.next_byte() == 1);
  CHECK(Offset{41}.next_byte() == 42);
}

TEST_CASE("Offset: compares and adds as the bytes it counts") {
  CHECK(Offset{1} < Offset{2});
  CHECK(Offset{2} == Offset{2});
  CHECK(Offset{5} + 7 == Offset{12});
  CHECK(Offset{12} - Offset{5} == 7);
  CHECK(Offset{5} - Offset{5} == 0);
}

TEST_CASE("Offset: the highest offset taken from a peer leaves room for every length added to it") {
  CHECK(std::numeric_limits<std::uint64_t>::max() - offset_max.bytes > std::uint64_t{1} << 62);
  CHECK(offset_max.bytes <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}
