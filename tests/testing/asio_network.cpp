// The same test bodies on the simulated network and on real sockets; and what only sockets do.
#include <replikv/testing/asio_network.hpp>
#include <replikv/testing/cluster.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;
using replikv::Errc;
using replikv::FullResyncDone;
using replikv::LinkDown;
using replikv::PartialResync;
using replikv::Traffic;
using replikv::testing::Cluster;
using replikv::testing::ClusterOptions;
using replikv::testing::SocketNetwork;
using replikv::testing::Topology;

namespace {

/// Options with which little real time is enough.
ClusterOptions quick() {
  ClusterOptions options;
  options.options.ping_period = 100ms;
  options.options.ack_period = 50ms;
  options.options.timeout = 30s;
  options.options.reconnect_delay_min = 5ms;
  options.options.reconnect_delay_max = 20ms;
  return options;
}

ClusterOptions on_sockets() {
  ClusterOptions options = quick();
  options.network = SocketNetwork::make;
  return options;
}

/// Runs a body on both networks.
void on_both(const std::function<void(ClusterOptions)>& body) {
  SUBCASE("simulated") { body(quick()); }
  SUBCASE("sockets") { body(on_sockets()); }
}

template <class... Types>
bool has(Cluster<Types...>& cluster, const typename Cluster<Types...>::NodeType& node, std::string_view key) {
  return cluster.run_until([&] { return node.contains(key); }, 10s);
}

}  // namespace

// ---- One body, two networks -------------------------------------------------------------------------------

TEST_CASE("one body, two networks: a replica that is cut off keeps what it had, and catches up") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    cluster.master().set("stock:7", "3");
    cluster.network().partition(cluster.replica(0));
    cluster.advance(50ms);
    CHECK(has(cluster, cluster.replica(1), "stock:7"));
    CHECK(cluster.replica(1).get("stock:7") == "3");
    CHECK_FALSE(cluster.replica(0).contains("stock:7"));
    cluster.network().heal();
    cluster.settle();
    CHECK(cluster.converged());
    CHECK(cluster.replica(0).get("stock:7") == "3");
  });
}

TEST_CASE("one body, two networks: chains and trees pass everything on") {
  on_both([](ClusterOptions options) {
    for (const Topology& topology : {Topology::chain(3), Topology::tree(6, 2)}) {
      options.topology = topology;
      Cluster<std::string, std::int64_t> cluster{options};
      for (int i = 0; i < 500; ++i) cluster.master().set(std::to_string(i), std::string(1000, 'x'));
      cluster.master().store<1>().increment("visits", 5);
      cluster.settle();
      CHECK(cluster.converged());
      CHECK(cluster.node(3).size() == 500);
    }
  });
}

TEST_CASE("one body, two networks: a cut costs a partial resync") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    cluster.network().cut(cluster.replica(0));
    cluster.master().set("a", "1");
    cluster.settle();
    CHECK(cluster.replica(0).get("a") == "1");
    CHECK(cluster.replica(0).heard<LinkDown>() == 1);
    CHECK(cluster.replica(0).heard<PartialResync>() == 1);
    CHECK(cluster.replica(1).heard<LinkDown>() == 0);
  });
}

TEST_CASE("one body, two networks: a link is cut at the k-th command") {
  on_both([](const ClusterOptions& options) {
    for (std::uint64_t k = 1; k <= 4; ++k) {
      CAPTURE(k);
      Cluster<> cluster{options};
      cluster.master().set("first", "1");
      cluster.settle();
      cluster.network().refuse(cluster.master());
      cluster.cut_at_command(cluster.replica(1), k);
      cluster.master().transaction({"a", "b"}, [](auto& all) {  // MULTI, SET, SET, EXEC
        all.set("a", "1");
        all.set("b", "1");
      });
      CHECK(cluster.run_until([&] { return cluster.replica(1).heard<LinkDown>() > 0; }, 10s));
      CHECK(cluster.replica(1).size() == (k == 4 ? 3 : 1));
      cluster.network().heal();
      cluster.settle();
      CHECK(cluster.converged());
    }
  });
}

TEST_CASE("one body, two networks: a link is cut, and a byte corrupted, exactly where the test says") {
  on_both([](const ClusterOptions& options) {
    std::uint64_t there = 0, back = 0;  // counted until the last link of the cluster has gone
    Cluster<> cluster{options};
    auto& network = cluster.network();
    auto& replica = cluster.replica(0);
    network.set_observer([&](const Traffic& traffic) {
      if (traffic.to == "replica-0") there += traffic.bytes.size();
      if (traffic.from == "replica-0") back += traffic.bytes.size();
    });
    network.refuse(cluster.master());
    for (const bool is_back : {false, true}) {
      there = back = 0;
      const auto downs = replica.heard<LinkDown>();
      is_back ? network.cut_after(replica, cluster.master(), 77)
              : network.cut_after(cluster.master(), replica, 77);
      cluster.master().set("a", std::string(1000, 'x'));
      CHECK(cluster.run_until([&] { return replica.heard<LinkDown>() > downs; }, 10s));
      CHECK((is_back ? back : there) == 77);
      network.refuse(cluster.master(), false);
      cluster.settle();
      network.refuse(cluster.master());
    }
    network.corrupt_after(cluster.master(), replica, 0);
    const auto downs = replica.heard<LinkDown>();
    cluster.master().set("a", "1");
    CHECK(cluster.run_until([&] { return replica.heard<LinkDown>() > downs; }, 10s));
    network.heal();
    cluster.settle();
    CHECK(cluster.converged());
  });
}

TEST_CASE("one body, two networks: the end of a half-open link is heard at one end, and by silence") {
  on_both([](ClusterOptions options) {
    options.options.timeout = 4s;
    Cluster<> cluster{options};
    auto& replica = cluster.replica(0);
    cluster.network().half_open(replica, cluster.master());
    CHECK(cluster.run_until([&] { return replica.heard<PartialResync>() == 1; }, 3s));
    CHECK(cluster.master().heard<LinkDown>() == 0);
    CHECK(cluster.master().info().replicas.size() == 3);
    CHECK(cluster.run_until([&] { return cluster.master().info().replicas.size() == 2; }, 10s));

    cluster.network().half_open(cluster.master(), replica);
    CHECK(cluster.run_until([&] { return cluster.master().info().replicas.size() == 1; }, 3s));
    CHECK(replica.heard<LinkDown>() == 1);
    cluster.settle();
    CHECK(replica.heard<LinkDown>() == 2);
    cluster.master().set("a", "1");
    cluster.settle();
    CHECK(replica.get("a") == "1");
  });
}

TEST_CASE("one body, two networks: one way can be blocked alone") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    auto& replica = cluster.replica(0);
    cluster.network().block(replica, cluster.master());
    const auto written = cluster.master().set("a", "1");
    CHECK(has(cluster, replica, "a"));
    CHECK(has(cluster, cluster.replica(1), "a"));
    const auto behind = [&] {
      unsigned count = 0;
      for (const auto& one : cluster.master().info().replicas)
        count += one.acknowledged < written.offset ? 1U : 0U;
      return count;
    };
    CHECK(cluster.run_until([&] { return behind() == 1; }, 10s));
    cluster.advance(200ms);
    CHECK(behind() == 1);
    cluster.network().block(cluster.master(), replica);
    cluster.master().set("b", "1");
    cluster.advance(100ms);
    CHECK_FALSE(replica.contains("b"));
    cluster.network().heal();
    cluster.settle();
    CHECK(replica.contains("b"));
    CHECK(replica.heard<LinkDown>() == 0);
  });
}

TEST_CASE("one body, two networks: who is blocked does not connect, who is refused is told so") {
  on_both([](ClusterOptions options) {
    options.options.timeout = 1s;  // ends the attempt that got no answer
    Cluster<> cluster{options};
    auto& replica = cluster.replica(0);
    cluster.network().refuse(cluster.master());
    cluster.network().cut(replica);
    CHECK(cluster.run_until([&] { return replica.heard<LinkDown>() >= 3; }, 10s));
    cluster.network().block(cluster.master(), replica);
    cluster.network().refuse(cluster.master(), false);
    cluster.advance(300ms);
    CHECK_FALSE(cluster.is_settled());
    cluster.network().heal();
    cluster.settle();
    CHECK(replica.heard<FullResyncDone>() == 1);
  });
}

TEST_CASE("one body, two networks: one way can be late, slow, and in pieces") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    auto& network = cluster.network();
    auto& replica = cluster.replica(0);
    const auto time_until_it_has = [&](std::string_view key) {
      const auto start = cluster.elapsed();
      CHECK(has(cluster, replica, key));
      return cluster.elapsed() - start;
    };
    network.set_conditions(cluster.master(), replica, {300ms, 300ms, 0, 0});
    cluster.master().set("late", "1");
    CHECK(time_until_it_has("late") >= 300ms);
    network.set_conditions(cluster.master(), replica, {0s, 0s, 0, 100'000});
    cluster.master().set("slow", std::string(40'000, 'x'));
    CHECK(time_until_it_has("slow") >= 400ms);
    network.set_conditions(cluster.master(), replica, {0s, 0s, 3, 0});
    cluster.master().set("crumbs", std::string(10'000, 'x'));
    CHECK(has(cluster, replica, "crumbs"));
    network.set_conditions(cluster.master(), replica, {0s, 0s, 0, 1'000});
    cluster.master().set("never", std::string(1'000'000, 'x'));
    cluster.advance(50ms);
    CHECK_FALSE(replica.contains("never"));
    network.heal();
    CHECK(has(cluster, replica, "never"));
    cluster.settle();
    CHECK(cluster.converged());
    CHECK(replica.heard<LinkDown>() == 0);
  });
}

TEST_CASE("one body, two networks: a replica falls out of a snapshot, and gets it in the end") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    auto& replica = cluster.replica(0);
    replica.stop();
    for (int i = 0; i < 2000; ++i) cluster.master().set(std::to_string(i), std::string(1000, 'x'));
    for (const std::uint64_t bytes : {500U, 100'000U, 1'500'000U}) {
      cluster.network().cut_after(cluster.master(), replica, bytes);
      const auto downs = replica.heard<LinkDown>();
      if (!replica.is_running()) replica.start_empty();
      CHECK(cluster.run_until([&] { return replica.heard<LinkDown>() > downs; }, 10s));
      CHECK(replica.size() == 0);
    }
    cluster.settle();
    CHECK(cluster.converged());
    CHECK(replica.size() == 2000);
  });
}

TEST_CASE("one body, two networks: a node pauses and goes on, crashes and starts again") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    auto& replica = cluster.replica(0);
    replica.pause();
    cluster.master().set("a", "1");
    CHECK(has(cluster, cluster.replica(1), "a"));
    cluster.advance(100ms);
    CHECK_FALSE(replica.contains("a"));
    replica.resume();
    cluster.settle();
    CHECK(replica.contains("a"));
    CHECK(replica.heard<LinkDown>() == 0);

    replica.crash();
    CHECK(cluster.run_until([&] { return cluster.master().info().replicas.size() == 1; }, 10s));
    cluster.master().set("b", "1");
    replica.start();
    CHECK(replica.contains("a"));
    cluster.settle();
    CHECK(replica.contains("b"));

    cluster.master().crash();
    CHECK(cluster.run_until([&] { return replica.heard<LinkDown>() > 0; }, 10s));
    cluster.node(0).start_empty();
    cluster.settle();
    CHECK(replica.size() == 0);
    CHECK(cluster.converged());
  });
}

TEST_CASE("one body, two networks: a failover, and what the old master alone had is lost") {
  on_both([](ClusterOptions options) {
    options.options.timeout = 2s;  // ends the attempt that got no answer
    Cluster<> cluster{options};
    auto& old_master = cluster.master();
    cluster.network().partition(old_master);
    const auto lost = old_master.set("order", "paid");
    cluster.fail_over(cluster.replica(0));
    cluster.network().heal();
    const auto kept = cluster.master().set("other", "1");
    cluster.settle();
    CHECK(cluster.converged());
    CHECK_FALSE(old_master.contains("order"));
    CHECK(cluster.wait_for(cluster.replica(1), lost, 1s) == Errc::timeout);
    CHECK_FALSE(cluster.wait_for(cluster.replica(1), kept, 5s));
    CHECK(cluster.replica(1).heard<PartialResync>() == 1);
  });
}

TEST_CASE("one body, two networks: a wall clock jumps, and times to live follow it") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    cluster.master().set("offer", "tea", 1h);
    cluster.settle();
    cluster.replica(0).jump_wall_clock(2h);
    CHECK_FALSE(cluster.replica(0).contains("offer"));
    CHECK(cluster.replica(1).contains("offer"));
    cluster.master().jump_wall_clock(2h);
    CHECK(cluster.run_until([&] { return cluster.replica(1).size() == 0; }, 10s));
  });
}

TEST_CASE("one body, two networks: the story tells who sent what") {
  on_both([](const ClusterOptions& options) {
    Cluster<> cluster{options};
    cluster.master().set("a", "hello");
    cluster.settle();
    CHECK(cluster.story(1000).find("master -> replica-0") != std::string::npos);
    CHECK(cluster.story(1000).find(R"(\r\nhello\r\n)") != std::string::npos);
  });
}

// ---- Sockets alone ----------------------------------------------------------------------------------------

TEST_CASE("SocketNetwork: time is real, and step waits until there is something") {
  SocketNetwork network(1);
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(network.step(start + 50ms));
  CHECK(std::chrono::steady_clock::now() >= start + 50ms);
  CHECK_FALSE(network.step(start));
}

TEST_CASE("SocketNetwork: each node listens on a port of its own, and keeps it through a restart") {
  Cluster<> cluster{on_sockets()};
  const auto port = [&](std::size_t replica) { return cluster.replica(replica).info().master->port; };
  CHECK(port(0) == port(1));
  const auto before = port(0);
  CHECK(before != 0);
  cluster.node(0).stop();
  cluster.node(0).start();
  cluster.settle();
  CHECK(port(0) == before);
}

TEST_CASE("SocketNetwork: what sockets cannot do, they say") {
  Cluster<> cluster{on_sockets()};
  CHECK_THROWS_WITH_AS(cluster.replica(0).set_drift(100),
                       "replikv: a network of real sockets cannot make clocks drift; use the simulated one",
                       std::logic_error);
  CHECK_THROWS_AS(cluster.replica(0).power_off(), std::logic_error);
  CHECK(cluster.replica(0).is_running());
  CHECK_THROWS_AS(static_cast<void>(cluster.trace_hash()), std::logic_error);
}

TEST_CASE("SocketNetwork: a timer that comes due in a pause can still be cancelled, or waits for its end") {
  SocketNetwork network(1);
  network.add_host("a");
  const auto engine = network.engine("a");
  int fired = 0;
  auto cancelled = engine->at(engine->now() + 1ms, [&] { fired += 100; });
  const auto kept = engine->at(engine->now() + 2ms, [&] { ++fired; });
  network.pause("a");
  const auto limit = network.now() + 20ms;
  while (network.step(limit)) {
  }
  CHECK(fired == 0);
  cancelled.reset();
  network.resume("a");
  while (fired == 0 && network.step(network.now() + 5s)) {
  }
  CHECK(fired == 1);
}

TEST_CASE("SocketNetwork: an attempt to connect gets no answer while either way is blocked, nor later") {
  struct Named : replikv::testing::Member {
    using Member::Member;
  };
  const Named a("a"), b("b");
  for (const bool is_answer : {false, true}) {
    SocketNetwork network(1);
    network.add_host("a");
    network.add_host("b");
    std::string address;
    std::error_code error;
    const auto listener = network.engine("b")->listen(
        network.address("b"), [](std::shared_ptr<replikv::Link>) {}, address, error);
    REQUIRE_FALSE(error);
    is_answer ? network.block(b, a) : network.block(a, b);
    int answers = 0;
    const auto count = [&](std::error_code, std::shared_ptr<replikv::Link>) { ++answers; };
    const auto run = [&] {
      for (const auto limit = network.now() + 50ms; network.step(limit);) {
      }
    };
    const auto lost = network.engine("a")->connect(address, count);
    run();
    network.heal();
    run();
    CHECK(answers == 0);
    const auto found = network.engine("a")->connect(address, count);
    while (answers == 0 && network.step(network.now() + 10s)) {
    }
    CHECK(answers == 1);
  }
}

TEST_CASE("SocketNetwork: nothing of an earlier life happens in a later one, or on its way there") {
  SocketNetwork network(1);
  network.add_host("a");
  const auto engine = network.engine("a");
  int calls = 0;
  engine->post([&] { ++calls; });
  const auto timer = engine->at(engine->now() + 1ms, [&] { ++calls; });
  network.crash("a");
  network.resume("a");
  const auto limit = network.now() + 50ms;
  while (network.step(limit)) {
  }
  CHECK(calls == 0);
  network.engine("a")->post([&] { ++calls; });
  while (calls == 0 && network.step(network.now() + 5s)) {
  }
  CHECK(calls == 1);
}
