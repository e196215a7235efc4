// What can happen to a node of a cluster: new roles, new lives, and clocks of its own.
#include <replikv/testing/cluster.hpp>
#include <replikv/testing/node.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using replikv::Errc;
using replikv::FullResyncDone;
using replikv::LinkDown;
using replikv::PartialResync;
using replikv::Promoted;
using replikv::testing::Cluster;
using replikv::testing::Topology;

TEST_CASE("Node: what the first store can do, for short") {
  Cluster<std::int64_t> cluster;
  auto& master = cluster.master();
  std::error_code error;
  CHECK(master.set("a", 1).changed);
  CHECK(master.set("a", 2, error).changed);
  CHECK(master.set("b", 3, 10s).changed);
  CHECK(master.increment("a", 5).value == 7);
  CHECK(master.update("a", [](auto& value) { *value *= 2; }).changed);
  CHECK(master.transaction({"a", "c"}, [](auto& all) { all.set("c", *all.get("a") + 1); }).changed);
  CHECK(master.transaction([](auto& all) { all.set("d", 4); }).changed);
  CHECK(master.expire("c", 20s).changed);
  CHECK(master.get("a") == 14);
  CHECK(master.ttl("b").left == 10s);
  CHECK(master.ttl("c").left == 20s);
  CHECK(master.contains("d"));
  CHECK(master.size() == 4);
  CHECK(master.erase("d").changed);
  cluster.settle();
  CHECK(cluster.replica(1).get("c") == 15);
  CHECK(master.clear().changed);
  CHECK(master.size() == 0);
  CHECK_FALSE(cluster.replica(0).set("a", 1, error));
  CHECK(error == Errc::read_only);
}

// ---- Roles ----------------------------------------------------------------------------------------------

TEST_CASE("Node: a promoted replica takes writes, a demoted master none") {
  Cluster<> cluster{{.replicas = 1}};
  auto& old_master = cluster.master();
  auto& replica = cluster.replica(0);
  old_master.set("a", "1");
  cluster.settle();
  replica.promote();
  CHECK(replica.is_master());
  CHECK(replica.heard<Promoted>() == 1);
  CHECK(replica.set("b", "2").changed);
  old_master.demote();
  CHECK(old_master.is_replica());
  CHECK(old_master.followed() == nullptr);
  CHECK_THROWS_AS(old_master.set("c", "3"), replikv::Error);
  old_master.follow(replica);
  cluster.settle();
  CHECK(old_master.get("b") == "2");
  CHECK(old_master.heard<PartialResync>() == 1);
}

TEST_CASE("Node: a replica that is pointed elsewhere becomes a sub-replica, by partial resync") {
  Cluster<> cluster;
  cluster.replica(1).follow(cluster.replica(0));
  cluster.master().set("a", "1");
  cluster.settle();
  CHECK(cluster.replica(1).get("a") == "1");
  CHECK(cluster.replica(1).followed() == &cluster.replica(0));
  CHECK(cluster.replica(1).heard<PartialResync>() == 1);
  CHECK(cluster.replica(0).info().replicas.size() == 1);
}

TEST_CASE("Node: a replica that follows nobody keeps its data and gets no more") {
  Cluster<> cluster;
  cluster.master().set("a", "1");
  cluster.settle();
  cluster.replica(0).unfollow();
  cluster.master().set("a", "2");
  cluster.advance(1min);
  CHECK(cluster.replica(0).get("a") == "1");
  CHECK(cluster.replica(1).get("a") == "2");
}

// ---- Lives ----------------------------------------------------------------------------------------------

TEST_CASE("Node: a replica starts again with what it had, or with nothing, and is brought in step") {
  for (const bool is_empty : {false, true}) {
    for (const bool crashes : {false, true}) {
      CAPTURE(is_empty);
      CAPTURE(crashes);
      Cluster<> cluster;
      auto& replica = cluster.replica(0);
      cluster.master().set("a", "1");
      cluster.settle();
      crashes ? replica.crash() : replica.stop();
      CHECK_FALSE(replica.is_running());
      cluster.master().set("a", "2");
      cluster.advance(1min);
      CHECK(replica.get("a") == "1");
      is_empty ? replica.start_empty() : replica.start();
      CHECK(replica.is_replica());
      CHECK(replica.lives() == 2);
      CHECK(replica.contains("a") == !is_empty);
      cluster.settle();
      CHECK(cluster.converged());
      CHECK(replica.get("a") == "2");
      CHECK(replica.heard<FullResyncDone>() == 2);
    }
  }
}

TEST_CASE("Node: a master that comes back empty empties its replicas, in front of everybody") {
  Cluster<> cluster;
  cluster.master().set("a", "1");
  cluster.settle();
  const auto id = cluster.master().position().id;
  cluster.master().crash();
  cluster.advance(1min);
  CHECK(cluster.replica(0).get("a") == "1");
  cluster.node(0).start_empty();
  CHECK(cluster.master().position().id != id);
  cluster.settle();
  CHECK_FALSE(cluster.replica(0).contains("a"));
  CHECK(cluster.replica(0).heard<FullResyncDone>() == 2);
}

TEST_CASE("Node: a stopped master that starts again has its data, and a history of its own") {
  Cluster<> cluster;
  cluster.master().set("a", "1");
  cluster.settle();
  const auto id = cluster.master().position().id;
  cluster.node(0).stop();
  cluster.node(0).start();
  CHECK(cluster.master().get("a") == "1");
  CHECK(cluster.master().position().id != id);
  cluster.settle();
  CHECK(cluster.converged());
}

TEST_CASE("Node: what crashes tells nobody but by its links; what loses power not even so") {
  Cluster<> cluster;
  cluster.replica(0).crash();
  cluster.advance(100ms);
  CHECK(cluster.master().info().replicas.size() == 1);
  cluster.replica(1).power_off();
  cluster.advance(30s);
  CHECK(cluster.master().info().replicas.size() == 1);  // for as long as its time-out lasts
  cluster.advance(60s);
  CHECK(cluster.master().info().replicas.empty());
  cluster.replica(0).start();
  cluster.replica(1).start();
  cluster.settle();
  CHECK(cluster.converged());
}

TEST_CASE("Node: a stopped node may still lose power, and starts in the role it had") {
  Cluster<> cluster;
  cluster.node(0).stop();
  cluster.node(0).power_off();
  cluster.node(0).start();
  CHECK(cluster.node(0).is_master());
}

TEST_CASE("Node: a paused replica keeps its link, and has caught up when it goes on") {
  Cluster<> cluster;
  auto& replica = cluster.replica(0);
  replica.pause();
  CHECK(replica.is_running());
  CHECK(replica.is_paused());
  cluster.master().set("a", "1");
  cluster.advance(20s);
  CHECK_FALSE(replica.contains("a"));
  CHECK(cluster.replica(1).contains("a"));
  replica.resume();
  cluster.settle();
  CHECK(replica.get("a") == "1");
  CHECK(replica.heard<LinkDown>() == 0);
}

TEST_CASE("Node: a master that pauses for longer than the time-out is given up, and found again") {
  Cluster<> cluster;
  cluster.master().pause();
  cluster.advance(2min);
  CHECK(cluster.replica(0).heard<LinkDown>() >= 1);
  cluster.node(0).resume();
  cluster.settle();
  CHECK(cluster.replica(0).heard<FullResyncDone>() == 1);  // the history was there
  CHECK(cluster.replica(0).heard<PartialResync>() == 1);
}

// ---- Clocks ---------------------------------------------------------------------------------------------

TEST_CASE("Node: a time to live ends by the master's clock, and on replicas by theirs for readers") {
  Cluster<> cluster;
  auto& master = cluster.master();
  auto& replica = cluster.replica(0);
  master.set("offer", "tea", 60s);
  cluster.advance(59s);
  CHECK(replica.get("offer") == "tea");
  replica.jump_wall_clock(1h);
  CHECK_FALSE(replica.contains("offer"));  // expired for it alone
  CHECK(cluster.replica(1).contains("offer"));
  CHECK(master.contains("offer"));
  replica.jump_wall_clock(-1h);
  CHECK(replica.contains("offer"));
  cluster.advance(1s);
  CHECK_FALSE(master.contains("offer"));
  CHECK_FALSE(cluster.replica(1).contains("offer"));
}

TEST_CASE("Node: when the master's wall clock jumps, what is over by then is deleted everywhere") {
  Cluster<> cluster;
  cluster.master().set("offer", "tea", 60s);
  cluster.settle();
  const auto wall = cluster.master().wall_time();
  cluster.master().jump_wall_clock(2min);
  CHECK(cluster.master().wall_time() == wall + 2min);
  cluster.advance(1s);
  CHECK(cluster.replica(0).size() == 0);  // by a DEL in the stream: its own clock does not say so
  CHECK(cluster.replica(0).wall_time() < wall + 60s);
}

TEST_CASE("Node: a clock that drifts fast ends a time to live early, a slow one late") {
  Cluster<> cluster;
  cluster.master().set_drift(100'000);  // a tenth too fast
  cluster.master().set("a", "1", 110s);
  cluster.advance(99s);
  CHECK(cluster.master().contains("a"));
  cluster.advance(2s);
  CHECK_FALSE(cluster.master().contains("a"));
  cluster.master().set_drift(-100'000);
  cluster.master().set("a", "1", 90s);
  cluster.advance(99s);
  CHECK(cluster.master().contains("a"));
  cluster.advance(2s);
  CHECK_FALSE(cluster.master().contains("a"));
  cluster.settle();
  CHECK(cluster.converged());
}

// ---- Events ---------------------------------------------------------------------------------------------

TEST_CASE("Node: an observer hears its node in all its lives") {
  std::vector<std::string> by_options, by_node;
  const auto into = [](auto& list) {
    return [&list](const replikv::Event& event) {
      if (std::holds_alternative<FullResyncDone>(event)) list.push_back("done");
    };
  };
  Cluster<> cluster{{.replicas = 1, .options = {.observer = into(by_options)}}};
  CHECK(by_options.size() == 2);  // both nodes have these options
  cluster.replica(0).set_observer(into(by_node));
  cluster.replica(0).stop();
  cluster.replica(0).start();
  cluster.settle();
  CHECK(by_node == std::vector<std::string>{"done"});
  CHECK(by_options.size() == 4);
  CHECK(cluster.replica(0).heard<FullResyncDone>() == 2);
  CHECK(cluster.master().heard<FullResyncDone>() == 2);
  CHECK(cluster.replica(0).heard<replikv::Diverged>() == 0);
}
