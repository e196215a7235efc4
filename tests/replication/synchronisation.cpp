// Full and partial resyncs between nodes on a simulated network, with cuts at the worst moments.
#include <doctest/doctest.h>

#include <tests/replication/cluster.hpp>

using namespace cluster;

TEST_CASE("a new replica gets a snapshot and then the stream") {
  SimulatedTransport network{1};
  MasterNode master{network, "master"};
  fill(master.store, 1000);
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  CHECK(contents(replica.store) == contents(master.store));

  master.store.set("later", "1");
  master.store.erase("key:7");
  REQUIRE(synced(network, replica, *master.role));
  CHECK(contents(replica.store) == contents(master.store));
  CHECK(replica.info().full_resyncs == 1);
  CHECK(master.role->info().full_resyncs_served == 1);
  CHECK(replica.info().history.id == master.role->info().history.id);
}

TEST_CASE("writes made while a snapshot is on its way arrive after it, and nothing twice") {
  SimulatedTransport network{2};
  network.set_bandwidth(500'000);
  MasterNode master{network, "master"};
  fill(master.store, 20'000);
  master.store.set("counter", "0");
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  for (int i = 1; i <= 400; ++i) {
    network.run_for(2ms);
    master.store.set("key:" + std::to_string(i * 37 % 20'000), "changed");
    master.store.erase("key:" + std::to_string(i * 41 % 20'000));
    master.store.set("new:" + std::to_string(i), "1");
    master.store.set("counter", std::to_string(i));
  }
  CHECK(replica.store.size() == 0);  // still loading: nothing is shown before it is whole
  REQUIRE(synced(network, replica, *master.role));
  CHECK(contents(replica.store) == contents(master.store));
  CHECK(replica.info().full_resyncs == 1);
}

TEST_CASE("a short link loss costs a partial resync, not a full one") {
  SimulatedTransport network{3};
  MasterNode master{network, "master"};
  fill(master.store, 100);
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  for (int round = 0; round < 10; ++round) {
    network.cut("master");
    master.store.set("round", std::to_string(round));
    REQUIRE(synced(network, replica, *master.role));
    CHECK(replica.store.get("round") == std::to_string(round));
  }
  CHECK(replica.info().full_resyncs == 1);
  CHECK(replica.info().partial_resyncs == 10);
  CHECK(master.role->info().partial_resyncs_served == 10);
}

TEST_CASE("a replica that missed more than the backlog holds gets a full resync, and hears why") {
  SimulatedTransport network{4};
  MasterNode master{network, "master", {.backlog_bytes = 16 << 10}};
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  network.refuse("master");
  network.cut("master");
  network.run_for(1s);
  fill(master.store, 2000);
  network.refuse("master", false);
  REQUIRE(synced(network, replica, *master.role));
  CHECK(contents(replica.store) == contents(master.store));
  CHECK(replica.info().full_resyncs == 2);
  const auto started = master.log.all<FullResyncStarted>();
  REQUIRE(started.size() == 2);
  CHECK(started[1].why.find("asked for byte") != std::string::npos);
}

TEST_CASE("a snapshot cut at any byte leaves the old data whole, and the next one replaces it") {
  for (std::uint64_t bytes = 0; bytes < 9'000; bytes += 97) {
    CAPTURE(bytes);
    SimulatedTransport network{5 + bytes};
    network.set_chunking(64);
    MasterNode old_master{network, "old"};
    old_master.store.set("from", "old");
    MasterNode master{network, "master", {}, 11};
    fill(master.store, 200, 24);
    ReplicaNode replica{network, {.reconnect_delay_min = 1s, .reconnect_delay_max = 1s}};
    replica.role->follow(network, "old");
    REQUIRE(synced(network, replica, *old_master.role));
    network.cut_after("master", bytes, Direction::toward_connector);
    replica.role->follow(network, "master");
    const bool failed = network.run_until(
        [&] { return replica.log.count<LinkDown>() > 1 || replica.info().full_resyncs > 1; }, 60s);
    REQUIRE(failed);
    if (replica.info().full_resyncs == 1) {
      CHECK(contents(replica.store) == Contents{{"from", "old"}});
    }
    REQUIRE(synced(network, replica, *master.role));
    CHECK(contents(replica.store) == contents(master.store));
  }
}

TEST_CASE("a stream cut at any byte loses nothing and applies nothing twice, transactions included") {
  for (std::uint64_t bytes = 0; bytes < 1'200; bytes += 7) {
    CAPTURE(bytes);
    SimulatedTransport network{900 + bytes};
    network.set_chunking(16);
    MasterNode master{network, "master"};
    ReplicaNode replica{network};
    replica.role->follow(network, "master");
    REQUIRE(synced(network, replica, *master.role));
    network.cut_after("master", bytes, Direction::toward_connector);
    for (int i = 0; i < 8; ++i) {
      master.store.increment("n", 1);
      (void)master.store.transaction([i](auto& transaction) {
        transaction.set("left", std::to_string(i));
        transaction.set("right", std::to_string(i));
      });
    }
    for (int steps = 0; steps < 2000 && network.step(); ++steps) {
      const auto left = replica.store.get("left");
      const auto right = replica.store.get("right");
      REQUIRE(left == right);  // never half a transaction
      if (replica.role->position() == master.role->position()) break;
    }
    REQUIRE(synced(network, replica, *master.role));
    CHECK(contents(replica.store) == contents(master.store));
    CHECK(replica.info().full_resyncs == 1);
  }
}

TEST_CASE("replicas that arrive together share one snapshot") {
  SimulatedTransport network{6};
  MasterNode master{network, "master", {.full_resync_delay = 2s}};
  fill(master.store, 500);
  std::vector<std::unique_ptr<ReplicaNode>> replicas;
  for (std::uint64_t i = 0; i < 5; ++i) {
    replicas.push_back(std::make_unique<ReplicaNode>(network, ReplicationOptions{}, i + 20));
    replicas.back()->role->follow(network, "master");
    network.run_for(200ms);
  }
  CHECK(master.role->info().replicas.size() == 5);
  for (const auto& replica : master.role->info().replicas) {
    CHECK(replica.state == ReplicaState::waiting_for_snapshot);
  }
  for (auto& replica : replicas) REQUIRE(synced(network, *replica, *master.role));
  std::vector<Offset> offsets;
  for (auto& replica : replicas) {
    const auto done = replica->log.all<FullResyncDone>();
    REQUIRE(done.size() == 1);
    offsets.push_back(done[0].offset);
    CHECK(contents(replica->store) == contents(master.store));
  }
  CHECK(std::equal(offsets.begin() + 1, offsets.end(), offsets.begin()));
}

TEST_CASE("a replica that comes while a snapshot is under way gets the next one") {
  SimulatedTransport network{7};
  network.set_bandwidth(1'000'000);
  MasterNode master{network, "master"};
  fill(master.store, 20'000, 200);  // more than is made ahead of the network
  ReplicaNode first{network};
  ReplicaNode second{network, {}, 3};
  first.role->follow(network, "master");
  network.run_for(300ms);
  master.store.set("between", "1");
  second.role->follow(network, "master");
  REQUIRE(synced(network, first, *master.role));
  REQUIRE(synced(network, second, *master.role));
  CHECK(contents(first.store) == contents(master.store));
  CHECK(contents(second.store) == contents(master.store));
}

TEST_CASE("a replica that comes while a snapshot is under way gets its own when nobody takes that any more") {
  SimulatedTransport network{8};
  network.set_bandwidth(1'000'000);
  MasterNode master{network, "master", {.ping_period = 50s}};
  fill(master.store, 20'000, 200);
  ReplicaNode first{network};
  ReplicaNode second{network, {}, 3};
  first.role->follow(network, "master");
  network.run_for(300ms);
  second.role->follow(network, "master");
  network.run_for(300ms);
  first.role->unfollow();
  CHECK(synced(network, second, *master.role, 20s));
}

TEST_CASE("several stores of different types are databases of one stream and one snapshot") {
  SimulatedTransport network{8};
  Store<std::string, std::string> names;
  Store<int, double> prices;
  Store<std::string, std::int64_t> counts;
  ReplicationMaster master{names, prices, counts};
  master.listen(network, "master");
  names.set("a", "before");
  prices.set(7, 2.5);
  counts.set("visits", 41);

  Store<std::string, std::string> names_copy;
  Store<int, double> prices_copy;
  Store<std::string, std::int64_t> counts_copy;
  ReplicationReplica replica{names_copy, prices_copy, counts_copy};
  replica.follow(network, "master");
  const auto in_step = [&] { return replica.position() == master.position() && names_copy.size() > 0; };
  REQUIRE(network.run_until(in_step, 60s));
  prices.set(8, 3.5);
  counts.increment("visits", 1);
  names.set("a", "after");
  REQUIRE(network.run_until(in_step, 60s));
  CHECK(names_copy.get("a") == "after");
  CHECK(prices_copy.get(7) == 2.5);
  CHECK(prices_copy.get(8) == 3.5);
  CHECK(counts_copy.get("visits") == 42);
}

TEST_CASE("a partial resync goes on in the database the stream was in") {
  SimulatedTransport network{19};
  Strings first;
  Strings second;
  ReplicationMaster master{first, second};
  master.listen(network, "master");
  Strings first_copy;
  Strings second_copy;
  ReplicationReplica replica{first_copy, second_copy};
  replica.follow(network, "master");
  REQUIRE(network.run_until([&] { return replica.info().full_resyncs == 1; }, 60s));
  second.set("before", "1");
  REQUIRE(network.run_until([&] { return replica.position() == master.position(); }, 60s));
  network.cut("master");
  second.set("after", "1");  // no SELECT: the stream is in database 1 already
  REQUIRE(network.run_until([&] { return replica.position() == master.position(); }, 60s));
  CHECK(replica.info().partial_resyncs == 1);
  CHECK(contents(second_copy) == contents(second));
  CHECK(first_copy.empty());
}

TEST_CASE("databases that no store mirrors are counted and passed on to sub-replicas") {
  SimulatedTransport network{9};
  Store<std::string, std::string> first;
  Store<std::string, std::string> second;
  ReplicationMaster master{first, second};
  master.listen(network, "master");
  ReplicaNode middle{network};
  middle.role->listen(network, "middle");
  middle.role->follow(network, "master");
  REQUIRE(network.run_until([&] { return middle.is_up(); }, 60s));
  Store<std::string, std::string> first_copy;
  Store<std::string, std::string> second_copy;
  ReplicationReplica leaf{first_copy, second_copy};
  leaf.follow(network, "middle");
  REQUIRE(network.run_until([&] { return leaf.info().full_resyncs == 1; }, 60s));
  first.set("a", "1");
  second.set("b", "2");
  REQUIRE(network.run_until([&] { return leaf.position() == master.position(); }, 60s));
  CHECK(contents(middle.store) == Contents{{"a", "1"}});
  CHECK(middle.info().unmirrored == 1);
  CHECK(contents(second_copy) == Contents{{"b", "2"}});
}

TEST_CASE("an unmirrored command is a visible error where that was asked for") {
  SimulatedTransport network{10};
  Store<std::string, std::string> first;
  Store<std::string, std::string> second;
  ReplicationMaster master{first, second};
  master.listen(network, "master");
  ReplicaNode replica{network, {.unmirrored = Unmirrored::fail}};
  replica.role->follow(network, "master");
  REQUIRE(network.run_until([&] { return replica.is_up(); }, 60s));
  second.set("b", "2");
  REQUIRE(network.run_until([&] { return replica.log.count<LinkDown>() > 0; }, 60s));
  CHECK(replica.log.all<LinkDown>()[0].why.code == Errc::not_mirrored);
}

TEST_CASE("the same seed gives the same run") {
  const auto run = [](std::uint64_t seed) {
    SimulatedTransport network{seed};
    network.set_chunking(100);
    MasterNode master{network, "master"};
    fill(master.store, 300);
    ReplicaNode replica{network};
    replica.role->follow(network, "master");
    network.run_for(3s);
    network.cut("master");
    network.run_for(30s);
    return network.trace_hash();
  };
  CHECK(run(77) == run(77));
  CHECK(run(77) != run(78));
}
