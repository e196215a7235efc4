#include <replikv/core/random.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <ostream>
#include <random>

namespace {

static_assert(std::uniform_random_bit_generator<replikv::Random>);

TEST_CASE("Random: gives SplitMix64's published numbers, everywhere") {
  replikv::Random random(1234567);
  CHECK(random() == 6457827717110365317U);
  CHECK(random() == 3203168211198807973U);
  CHECK(random() == 9817491932198370423U);
}

TEST_CASE("Random: stays below the bound and reaches what is there") {
  replikv::Random random(1);
  unsigned seen = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t number = random.below(5);
    REQUIRE(number < 5);
    seen |= 1U << number;
  }
  CHECK(seen == 0b11111U);
}

TEST_CASE("Random: the system's seeds differ") {
  auto one = replikv::Random::from_system();
  auto other = replikv::Random::from_system();
  CHECK(one() != other());
}

}  // namespace
