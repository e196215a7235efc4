// The faults of a network by name, as a test calls them.
#include <replikv/testing/cluster.hpp>
#include <replikv/testing/network.hpp>
#include <replikv/testing/simulated_network.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using replikv::LinkDown;
using replikv::Traffic;
using replikv::testing::Cluster;
using replikv::testing::SimulatedNetwork;
using replikv::testing::Topology;

namespace {

/// Whether a write comes to a node within five seconds.
bool hears(Cluster<>& cluster, const Cluster<>::NodeType& node) {
  const std::string value = std::to_string(cluster.elapsed().count());
  cluster.master().set("heard", value);
  return cluster.run_until([&] { return node.get("heard") == value; }, 5s);
}

}  // namespace

TEST_CASE("Network: a partition of two nodes leaves the others alone") {
  Cluster<> cluster;
  cluster.network().partition(cluster.replica(0), cluster.master());
  CHECK_FALSE(hears(cluster, cluster.replica(0)));
  CHECK(hears(cluster, cluster.replica(1)));
  cluster.network().partition(cluster.master(), cluster.replica(0), false);
  CHECK(hears(cluster, cluster.replica(0)));
}

TEST_CASE("Network: a partition of a node takes the links to all others") {
  Cluster<> cluster{{.topology = Topology::chain(2)}};
  cluster.network().partition(cluster.replica(0));
  CHECK_FALSE(hears(cluster, cluster.replica(0)));
  CHECK_FALSE(hears(cluster, cluster.replica(1)));
  cluster.network().partition(cluster.replica(0), false);
  CHECK(hears(cluster, cluster.replica(1)));
}

TEST_CASE("Network: a one-way partition lets confirmations through, or writes") {
  Cluster<> cluster;
  cluster.network().block(cluster.replica(0), cluster.master());
  CHECK(hears(cluster, cluster.replica(0)));
  cluster.network().block(cluster.master(), cluster.replica(0));
  CHECK_FALSE(hears(cluster, cluster.replica(0)));
  cluster.network().block(cluster.replica(0), cluster.master(), false);
  CHECK_FALSE(hears(cluster, cluster.replica(0)));
  cluster.network().block(cluster.master(), cluster.replica(0), false);
  CHECK(hears(cluster, cluster.replica(0)));
}

TEST_CASE("Network: a cut of one node ends all its links") {
  Cluster<> cluster;
  cluster.network().cut(cluster.master());
  cluster.settle();
  CHECK(cluster.replica(0).heard<LinkDown>() == 1);
  CHECK(cluster.replica(1).heard<LinkDown>() == 1);
}

TEST_CASE("Network: heal takes back what holds on, and nothing else") {
  Cluster<> cluster;
  auto& network = cluster.network();
  network.partition(cluster.replica(0));
  network.block(cluster.master(), cluster.replica(1));
  network.refuse(cluster.master());
  network.set_conditions(cluster.replica(1), cluster.master(), {10s, 10s, 0, 0});
  network.set_conditions({5ms, 5ms, 0, 0});
  network.cut(cluster.replica(0));
  cluster.replica(1).jump_wall_clock(1h);
  cluster.advance(10s);
  network.heal();
  cluster.settle();
  CHECK(hears(cluster, cluster.replica(0)));
  CHECK(hears(cluster, cluster.replica(1)));
  CHECK(network.conditions().delay_min == 5ms);
  CHECK(cluster.replica(1).wall_time() - cluster.master().wall_time() == 1h);
  CHECK(cluster.replica(0).heard<LinkDown>() >= 1);
}

TEST_CASE("Network: conditions hold everywhere, or for one way") {
  Cluster<> cluster;
  auto& network = cluster.network();
  network.set_conditions({1s, 1s, 0, 0});
  network.set_conditions(cluster.master(), cluster.replica(1), {3s, 3s, 0, 0});
  const auto written_at = cluster.elapsed();
  cluster.master().set("a", "1");
  REQUIRE(cluster.run_until([&] { return cluster.replica(0).contains("a"); }));
  CHECK(cluster.elapsed() - written_at == 1s);
  REQUIRE(cluster.run_until([&] { return cluster.replica(1).contains("a"); }));
  CHECK(cluster.elapsed() - written_at == 3s);
}

TEST_CASE("Network: a reader that is slow enough loses its link, and is helped when it is quick again") {
  Cluster<> cluster{
      {.replicas = 2, .options = {.backlog_bytes = 64 << 10, .output_limit = {256 << 10, 0, 60s}}}};
  auto& network = cluster.network();
  network.set_conditions(cluster.master(), cluster.replica(0), {1ms, 1ms, 0, 1'000});
  for (int i = 0; i < 200; ++i) {
    cluster.master().set(std::to_string(i), std::string(10'000, 'x'));
    cluster.advance(10ms);
  }
  CHECK(cluster.master().heard<LinkDown>() == 1);
  CHECK(cluster.replica(1).size() == 200);
  network.heal();
  cluster.settle();
  CHECK(cluster.converged());
  CHECK(cluster.replica(0).heard<replikv::FullResyncDone>() == 2);
}

TEST_CASE("Network: cut_after and corrupt_after wait for the next link when there is none") {
  Cluster<> cluster;
  auto& network = cluster.network();
  std::uint64_t arrived = 0;
  network.refuse(cluster.master());
  network.cut(cluster.replica(0));
  cluster.advance(1s);
  network.set_observer([&](const Traffic& traffic) {
    if (traffic.kind == Traffic::Kind::bytes && traffic.to == "replica-0") arrived += traffic.bytes.size();
  });
  network.cut_after(cluster.master(), cluster.replica(0), 9);
  network.refuse(cluster.master(), false);
  REQUIRE(cluster.run_until([&] { return arrived == 9; }));
  network.refuse(cluster.master());
  cluster.advance(10s);
  CHECK(arrived == 9);
  network.corrupt_after(cluster.master(), cluster.replica(0), 0);
  network.heal();
  cluster.settle();
  CHECK(cluster.replica(0).heard<LinkDown>() >= 3);
}

TEST_CASE("SimulatedNetwork: a test may speak to nodes by hand, from a host of its own") {
  const auto network = new SimulatedNetwork(1);  // the cluster's
  Cluster<> cluster{{.replicas = 1, .network = [&](std::uint64_t) {
                       return std::unique_ptr<replikv::testing::Network>(network);
                     }}};
  struct Ear : replikv::LinkEvents {
    void on_bytes(replikv::Bytes bytes) override { heard += replikv::as_text(bytes); }
    void on_writable() override {}
    void on_closed(std::error_code) override {}
    std::string heard;
  };
  const auto ear = std::make_shared<Ear>();
  std::shared_ptr<replikv::Link> link;
  const auto attempt = network->transport().host("tester").engine()->connect(
      network->address("master"), [&](std::error_code, std::shared_ptr<replikv::Link> made) {
        link = std::move(made);
        link->start(ear);
        const replikv::SharedBytes ping(std::string("PING\r\n"));
        link->send({&ping, 1});
      });
  cluster.advance(1s);
  CHECK(ear->heard == "+PONG\r\n");
}
