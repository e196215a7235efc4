// Short lists of events out of long ones.
#include <replikv/core/random.hpp>
#include <replikv/testing/cluster.hpp>
#include <replikv/testing/fault.hpp>
#include <replikv/testing/shrink.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <vector>

using namespace std::chrono_literals;
using replikv::testing::shrink;

namespace {

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

bool has(const std::vector<int>& events, int wanted) {
  return std::find(events.begin(), events.end(), wanted) != events.end();
}

}  // namespace

TEST_CASE("shrink: finds the one event that matters, wherever it is") {
  for (const int count : {1, 2, 3, 17, 100}) {
    for (int wanted = 0; wanted < count; ++wanted) {
      CHECK(shrink(numbers(count), [&](const auto& rest) { return has(rest, wanted); }) ==
            std::vector<int>{wanted});
    }
  }
}

TEST_CASE("shrink: keeps events that only matter together, in their order") {
  const auto fails = [](const auto& rest) { return has(rest, 3) && has(rest, 40) && has(rest, 99); };
  CHECK(shrink(numbers(100), fails) == std::vector<int>{3, 40, 99});
}

TEST_CASE("shrink: of what is left, no single event can be spared") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    replikv::Random random(seed);
    std::vector<int> weights;
    for (int i = 0; i < 60; ++i) weights.push_back(static_cast<int>(random.below(20)));
    const auto fails = [](const std::vector<int>& rest) {
      return std::accumulate(rest.begin(), rest.end(), 0) >= 100;
    };
    if (!fails(weights)) continue;
    const auto left = shrink(weights, fails);
    CHECK(fails(left));
    for (std::size_t i = 0; i < left.size(); ++i) {
      auto fewer = left;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      CHECK_FALSE(fails(fewer));
    }
  }
}

TEST_CASE("shrink: takes away what can go only after something behind it has gone") {
  const auto fails = [](const auto& rest) { return has(rest, 5) && (has(rest, 1) || !has(rest, 2)); };
  CHECK(shrink(std::vector<int>{1, 2, 5}, fails) == std::vector<int>{5});
}

TEST_CASE("shrink: what always fails shrinks to nothing, and nothing stays nothing") {
  const auto fails = [](const auto&) { return true; };
  CHECK(shrink(numbers(100), fails).empty());
  CHECK(shrink(std::vector<int>{}, fails).empty());
}

TEST_CASE("shrink: needs far fewer runs than there are events, when few matter") {
  int runs = 0;
  static_cast<void>(shrink(numbers(4096), [&](const auto& rest) {
    ++runs;
    return has(rest, 1234);
  }));
  CHECK(runs < 50);
}

TEST_CASE("shrink: stops when its time is over, with a list that still fails") {
  int runs = 0;
  const auto fails = [&](const auto& rest) {
    ++runs;
    return has(rest, 1234);
  };
  const auto left = shrink(numbers(4096), fails, 0ms);
  CHECK(runs == 0);
  CHECK(left.size() == 4096);
}

TEST_CASE("shrink: of a minute of faults, those are left that lost a write") {
  using replikv::testing::Cluster;
  using replikv::testing::Fault;
  using replikv::testing::FaultMix;
  replikv::Random random(2024);
  FaultMix mix;
  mix.weights.fill(1);
  mix[Fault::Kind::fail_over] = 0;
  mix[Fault::Kind::lose] = 0;
  mix.per_minute = 40;
  auto faults = draw_faults(random, mix, 3, 60s);
  faults.push_back(Fault{.at = 30s, .kind = Fault::Kind::isolate, .node = 0, .lasts = 10s});
  faults.push_back(Fault{.at = 35s, .kind = Fault::Kind::fail_over, .node = 1});
  const auto loses_writes = [](const std::vector<Fault>& events) {
    Cluster<> cluster{{.replicas = 2, .seed = 1, .journal_lines_max = 0}};
    cluster.play(events);
    cluster.after(33s, [&] {
      std::error_code refused;
      if (cluster.node(0).is_running()) cluster.node(0).set("order", "paid", refused);
    });
    cluster.advance(2min);
    return cluster.node(1).is_master() && !cluster.node(1).contains("order");
  };
  REQUIRE(loses_writes(faults));
  const auto left = shrink(faults, loses_writes);
  CHECK(left.size() <= 2);
  CHECK(std::any_of(left.begin(), left.end(),
                    [](const Fault& fault) { return fault.kind == Fault::Kind::fail_over; }));
}
