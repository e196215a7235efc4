// A replicated application under GoogleTest: a fixture to start from. The stories are in
// application_test.cpp; clusters are the same under every framework.
#include <replikv/replikv.hpp>
#include <replikv/testing.hpp>

#include <chrono>
#include <cstdint>
#include <gtest/gtest.h>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
using replikv::testing::Cluster;

/// A shop's office and its two branches. A test that fails prints its seed and what happened.
class Branches : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) GTEST_LOG_(INFO) << cluster.story();
  }

  Cluster<std::string, std::int64_t> cluster{{.replicas = 2, .seed = 42}};
};

TEST_F(Branches, ABranchThatIsCutOffKeepsWhatItHad) {
  cluster.master().set("headline", "new harvest");
  cluster.settle();
  cluster.network().partition(cluster.replica(0));
  cluster.master().set("headline", "sold out");
  cluster.advance(5s);
  EXPECT_EQ(cluster.replica(0).get("headline"), "new harvest");
  EXPECT_EQ(cluster.replica(1).get("headline"), "sold out");

  cluster.network().heal();
  cluster.settle();
  EXPECT_TRUE(cluster.converged());
}

TEST_F(Branches, ABranchReadsItsOwnWrites) {
  cluster.network().set_conditions({2s, 3s, 0, 0});
  const auto written = cluster.master().store<1>().increment("visits");
  EXPECT_EQ(cluster.wait_for(cluster.replica(0), written, 10s), std::error_code());
  EXPECT_EQ(cluster.replica(0).store<1>().get("visits"), 1);
}

/// One test for each seed: --gtest_filter picks one again.
class Seeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, AllAgreeWhenTheFaultsAreOver) {
  replikv::Random random(GetParam());
  Cluster<> cluster{{.replicas = 3, .seed = GetParam()}};
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
  EXPECT_TRUE(cluster.converged()) << cluster.story();
}

INSTANTIATE_TEST_SUITE_P(, Seeds, testing::Range<std::uint64_t>(1, 11));
