// Seeds of runs, and REPLIKV_SEED.
#include <replikv/testing/cluster.hpp>
#include <replikv/testing/seed.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using replikv::testing::Cluster;
using replikv::testing::for_each_seed;
using replikv::testing::seed_of_environment;

namespace {

/// REPLIKV_SEED is this, for as long as the object lives.
class WithSeed {
 public:
  explicit WithSeed(const char* text) {
    if (const char* const before = std::getenv("REPLIKV_SEED")) before_ = before;
    set(text);
  }
  WithSeed(const WithSeed&) = delete;
  WithSeed& operator=(const WithSeed&) = delete;
  ~WithSeed() { set(before_ ? before_->c_str() : nullptr); }

 private:
  static void set(const char* text) {
    text == nullptr ? ::unsetenv("REPLIKV_SEED") : ::setenv("REPLIKV_SEED", text, 1);
  }
  std::optional<std::string> before_;
};

std::vector<std::uint64_t> seeds(std::uint64_t first, std::uint64_t count) {
  std::vector<std::uint64_t> seen;
  for_each_seed(first, count, [&](std::uint64_t seed) { seen.push_back(seed); });
  return seen;
}

}  // namespace

TEST_CASE("REPLIKV_SEED is a decimal number, or nothing") {
  const auto of = [](const char* text) {
    const WithSeed with(text);
    return seed_of_environment();
  };
  CHECK(of(nullptr) == std::nullopt);
  CHECK(of("") == std::nullopt);
  CHECK(of("0") == 0);
  CHECK(of("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const char* text : {"x", "1x", " 1", "-1", "1.5", "0x10", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(of(text), std::invalid_argument);
  }
}

TEST_CASE("REPLIKV_SEED overrides the seed of a cluster") {
  {
    const WithSeed without(nullptr);
    CHECK(Cluster<>{{.seed = 5}}.seed() == 5);
  }
  const WithSeed with("77");
  Cluster<> cluster{{.seed = 5}};
  CHECK(cluster.seed() == 77);
  const auto id = cluster.master().position().id;
  const WithSeed without(nullptr);
  CHECK(Cluster<>{{.seed = 77}}.master().position().id == id);
}

TEST_CASE("for_each_seed: each seed once, in order; that of the environment alone when there is one") {
  {
    const WithSeed without(nullptr);
    CHECK(seeds(10, 3) == std::vector<std::uint64_t>{10, 11, 12});
    CHECK(seeds(10, 0).empty());
  }
  const WithSeed with("42");
  CHECK(seeds(10, 3) == std::vector<std::uint64_t>{42});
}

TEST_CASE("for_each_seed: stops at the seed that fails, and lets its exception out") {
  const WithSeed without(nullptr);
  std::uint64_t last = 0;
  CHECK_THROWS_AS(for_each_seed(1, 100,
                                [&](std::uint64_t seed) {
                                  last = seed;
                                  if (seed == 7) throw std::domain_error("seven");
                                }),
                  std::domain_error);
  CHECK(last == 7);
}
