// A replicated application under Catch2, version 3 or 2: a fixture to start from. The stories are in
// application_test.cpp; clusters are the same under every framework.
#include <replikv/replikv.hpp>
#include <replikv/testing.hpp>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
using replikv::testing::Cluster;

/// A shop's office and its two branches. When a REQUIRE fails, the cluster prints its seed and what happened.
struct Branches {
  Cluster<std::string, std::int64_t> cluster{{.replicas = 2, .seed = 42}};
};

TEST_CASE_METHOD(Branches, "a branch that is cut off keeps what it had") {
  cluster.master().set("headline", "new harvest");
  cluster.settle();
  cluster.network().partition(cluster.replica(0));
  cluster.master().set("headline", "sold out");
  cluster.advance(5s);
  REQUIRE(cluster.replica(0).get("headline") == "new harvest");
  REQUIRE(cluster.replica(1).get("headline") == "sold out");

  cluster.network().heal();
  cluster.settle();
  REQUIRE(cluster.converged());
}

TEST_CASE_METHOD(Branches, "a branch reads its own writes") {
  cluster.network().set_conditions({2s, 3s, 0, 0});
  const auto written = cluster.master().store<1>().increment("visits");
  REQUIRE_FALSE(cluster.wait_for(cluster.replica(0), written, 10s));
  REQUIRE(cluster.replica(0).store<1>().get("visits") == 1);
}

TEST_CASE("all agree when the faults are over") {
  const auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{11}));
  CAPTURE(seed);
  replikv::Random random(seed);
  Cluster<> cluster{{.replicas = 3, .seed = seed}};
  auto mix = replikv::testing::FaultMix::draw(random);    // some kinds of faults, at some rate
  mix[replikv::testing::Fault::Kind::corrupt_after] = 0;  // TCP has a checksum
  cluster.play(draw_faults(random, mix, cluster.size(), 60s));
  for (int i = 0; i < 120; ++i) {
    std::error_code refused;
    if (cluster.node(0).is_running()) cluster.node(0).set("beat", std::to_string(i), refused);
    cluster.advance(1s);
  }
  cluster.fail_over(cluster.node(1));
  cluster.network().heal();
  cluster.settle();
  REQUIRE(cluster.converged());
}
