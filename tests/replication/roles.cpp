// Masters, replicas, chains and promotions on a simulated network.
#include <replikv/transport/in_process.hpp>

#include <doctest/doctest.h>

#include <tests/replication/cluster.hpp>
#include <tests/replication/refusal.hpp>

using namespace cluster;

TEST_CASE("a chain passes the stream on byte for byte, under the same id and offsets") {
  SimulatedTransport network{21};
  MasterNode master{network, "node0"};
  fill(master.store, 50);
  std::vector<std::unique_ptr<ReplicaNode>> chain;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    chain.push_back(std::make_unique<ReplicaNode>(network, ReplicationOptions{}, 100 + i));
    chain.back()->role->listen(network, "node" + std::to_string(i));
    chain.back()->role->follow(network, "node" + std::to_string(i - 1));
  }
  for (auto& node : chain) REQUIRE(synced(network, *node, *master.role));
  for (int i = 0; i < 100; ++i) master.store.set("n", std::to_string(i));
  for (auto& node : chain) {
    REQUIRE(synced(network, *node, *master.role));
    CHECK(contents(node->store) == contents(master.store));
    CHECK(node->info().history.id == master.role->info().history.id);
  }
}

TEST_CASE("a full resync of the middle of a chain makes its sub-replicas resync too") {
  SimulatedTransport network{22};
  MasterNode first{network, "first"};
  MasterNode second{network, "second", {}, 5};
  first.store.set("from", "first");
  second.store.set("from", "second");
  ReplicaNode middle{network};
  ReplicaNode leaf{network, {}, 3};
  middle.role->listen(network, "middle");
  middle.role->follow(network, "first");
  leaf.role->follow(network, "middle");
  REQUIRE(synced(network, leaf, *first.role));
  middle.role->follow(network, "second");
  REQUIRE(synced(network, leaf, *second.role));
  CHECK(leaf.store.get("from") == "second");
  CHECK(leaf.info().full_resyncs == 2);
}

TEST_CASE("a replica whose master link is down refuses new sub-replicas with NOMASTERLINK") {
  SimulatedTransport network{23};
  ReplicaNode middle{network};
  middle.role->listen(network, "middle");
  ReplicaNode leaf{network, {}, 3};
  leaf.role->follow(network, "middle");
  REQUIRE(network.run_until([&] { return leaf.log.count<LinkDown>() > 0; }, 60s));
  CHECK(leaf.log.all<LinkDown>()[0].why.code == Errc::master_not_ready);
}

TEST_CASE("after a promotion the other replicas continue by partial resync") {
  SimulatedTransport network{24};
  MasterNode master{network, "master"};
  fill(master.store, 100);
  ReplicaNode heir{network};
  ReplicaNode other{network, {}, 3};
  heir.role->listen(network, "heir");
  heir.role->follow(network, "master");
  other.role->follow(network, "master");
  REQUIRE(synced(network, heir, *master.role));
  REQUIRE(synced(network, other, *master.role));
  const Written before = master.store.set("before", "1");
  REQUIRE(synced(network, heir, *master.role));
  REQUIRE(synced(network, other, *master.role));
  master.role.reset();

  ReplicationMaster promoted = std::move(*heir.role).promote();
  CHECK(promoted.info().history.second_id == before.id);
  CHECK(promoted.info().history.id != before.id);
  const Written after = heir.store.set("after", "1");
  CHECK(after.id == promoted.info().history.id);
  other.role->follow(network, "heir");
  REQUIRE(synced(network, other, promoted));
  CHECK(other.info().full_resyncs == 1);
  CHECK(other.info().partial_resyncs == 1);
  CHECK(promoted.info().partial_resyncs_served == 1);
  CHECK(contents(other.store) == contents(heir.store));

  SUBCASE("a token from before the promotion still holds") {
    std::error_code outcome = Errc::timeout;
    other.role->wait_for(before, 0ms, [&outcome](std::error_code error) { outcome = error; });
    CHECK(!outcome);
  }
  SUBCASE("a token the old master gave for a write nobody got is lost, and who was promoted knows it") {
    const Token lost{before.id, after.offset + 1000};
    std::error_code outcome;
    other.role->wait_for(lost, 0ms, [&outcome](std::error_code error) { outcome = error; });
    CHECK(outcome == Errc::timeout);
    ReplicationReplica demoted = std::move(promoted).demote();
    demoted.wait_for(lost, 0ms, [&outcome](std::error_code error) { outcome = error; });
    CHECK(outcome == Errc::history_lost);
  }
}

TEST_CASE("a master pings when it was told to, not at the next occasion") {
  SimulatedTransport network{23};
  MasterNode master{network, "master", {.ping_period = 1'300ms}};
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  const Offset before = master.role->position().offset;
  network.run_for(13s);
  CHECK(master.role->position().offset - before == 10 * std::string_view("*1\r\n$4\r\nping\r\n").size());
}

TEST_CASE("a replica that was behind at a promotion does not call lost what the new master has") {
  std::error_code outcome;  // outlives the nodes: closing one ends its waits
  SimulatedTransport network{24};
  MasterNode master{network, "master"};
  ReplicaNode heir{network};
  ReplicaNode behind{network, {}, 3};
  heir.role->listen(network, "heir");
  heir.role->follow(network, "master");
  behind.role->follow(network, "master");
  REQUIRE(synced(network, heir, *master.role));
  REQUIRE(synced(network, behind, *master.role));
  behind.role->unfollow();
  const Written survivor = master.store.set("survivor", "1");
  REQUIRE(synced(network, heir, *master.role));
  master.role.reset();
  const ReplicationMaster promoted = std::move(*heir.role).promote();
  behind.role->wait_for(survivor, 60s, [&outcome](std::error_code error) { outcome = error; });
  behind.role->follow(network, "heir");
  REQUIRE(synced(network, behind, promoted));
  CHECK(behind.info().partial_resyncs == 1);
  CHECK(behind.store.get("survivor") == "1");
  CHECK(!outcome);  // not decided, and above all not lost
}

TEST_CASE("a demoted master rejoins its successor by partial resync when it had nothing more") {
  SimulatedTransport network{25};
  MasterNode master{network, "master"};
  fill(master.store, 100);
  ReplicaNode heir{network};
  heir.role->listen(network, "heir");
  heir.role->follow(network, "master");
  REQUIRE(synced(network, heir, *master.role));
  ReplicationReplica demoted = std::move(*master.role).demote();
  CHECK_THROWS_AS(master.store.set("x", "1"), Error);
  ReplicationMaster promoted = std::move(*heir.role).promote();
  heir.store.set("after", "1");
  demoted.follow(network, "heir");
  REQUIRE(network.run_until([&] { return demoted.position() == promoted.position(); }, 60s));
  CHECK(demoted.info().full_resyncs == 0);
  CHECK(demoted.info().partial_resyncs == 1);
  CHECK(contents(master.store) == contents(heir.store));
}

TEST_CASE("a demoted master that went its own way gets a full resync") {
  SimulatedTransport network{26};
  MasterNode master{network, "master"};
  ReplicaNode heir{network};
  heir.role->listen(network, "heir");
  heir.role->follow(network, "master");
  REQUIRE(synced(network, heir, *master.role));
  ReplicationMaster promoted = std::move(*heir.role).promote();
  master.store.set("mine", "1");
  heir.store.set("theirs", "1");
  ReplicationReplica demoted = std::move(*master.role).demote();
  demoted.follow(network, "heir");
  REQUIRE(network.run_until([&] { return demoted.info().full_resyncs == 1; }, 60s));
  CHECK(contents(master.store) == Contents{{"theirs", "1"}});
}

TEST_CASE("a replica refuses writes with READONLY and serves reads") {
  SimulatedTransport network{27};
  MasterNode master{network, "master"};
  master.store.set("a", "1");
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  std::error_code error;
  (void)replica.store.set("a", "2", error);
  CHECK(error == Errc::read_only);
  CHECK(error.message() == "READONLY You can't write against a read only replica.");
  CHECK(replica.store.get("a") == "1");
  network.run_for(2s);
  const auto rejected = replica.log.all<WritesRejected>();
  REQUIRE(rejected.size() == 1);
  CHECK(rejected[0].count == 1);
  CHECK(rejected[0].why == Errc::read_only);
}

TEST_CASE("a writable replica keeps its local writes until the next full resync") {
  SimulatedTransport network{28};
  MasterNode master{network, "master", {.backlog_bytes = 16 << 10}};
  master.store.set("a", "1");
  ReplicaNode replica{network, {.read_only = false}};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  const Offset before = replica.role->position().offset;
  replica.store.set("local", "1");
  CHECK(replica.role->position().offset == before);
  network.refuse("master");
  network.cut("master");
  network.run_for(1s);
  fill(master.store, 1000);
  network.refuse("master", false);
  CHECK(replica.store.get("local") == "1");
  REQUIRE(synced(network, replica, *master.role));
  CHECK_FALSE(replica.store.contains("local"));
}

TEST_CASE("writes need as many good replicas as were asked for") {
  SimulatedTransport network{29};
  MasterNode master{network, "master", {.min_replicas_to_write = 1, .min_replicas_max_lag = 5s}};
  std::error_code error;
  (void)master.store.set("a", "1", error);
  CHECK(error == Errc::not_enough_replicas);
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(network.run_until([&] { return master.role->info().good_replicas == 1U; }, 60s));
  CHECK(master.store.set("a", "1"));
  network.stall("master");
  network.run_for(4s);
  CHECK(master.store.set("a", "2"));
  network.run_for(4s);
  (void)master.store.set("a", "3", error);
  CHECK(error == Errc::not_enough_replicas);
  network.stall("master", false);
  network.run_for(3s);
  CHECK(master.store.set("a", "4"));
}

TEST_CASE("both ends give up a silent link, and the replica comes back") {
  SimulatedTransport network{30};
  MasterNode master{network, "master", {.timeout = 20s}};
  ReplicaNode replica{network, {.timeout = 20s}};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  network.run_for(120s);  // heartbeats alone keep a link
  CHECK(replica.log.count<LinkDown>() == 0);
  CHECK(master.role->info().replicas.at(0).lag <= 1100ms);
  network.partition("master");
  network.run_for(10s);
  CHECK(master.role->info().replicas.at(0).lag >= 9s);
  network.run_for(25s);
  CHECK(master.role->info().replicas.empty());
  REQUIRE(replica.log.count<LinkDown>() >= 1);
  CHECK(replica.log.all<LinkDown>()[0].why.code == Errc::link_timeout);
  network.partition("master", false);
  REQUIRE(synced(network, replica, *master.role, 120s));
  CHECK(replica.info().full_resyncs == 1);
}

TEST_CASE("a replica that does not read is dropped at its output limit, and memory is freed") {
  SimulatedTransport network{31};
  MasterNode master{network, "master", {.backlog_bytes = 64 << 10, .output_limit = {.hard_bytes = 4 << 20}}};
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  network.stall("master", Direction::toward_connector);
  for (int i = 0; i < 200 && !master.role->info().replicas.empty(); ++i) {
    fill(master.store, 100, 1000);
    network.run_for(1ms);
  }
  CHECK(master.role->info().replicas.empty());
  REQUIRE(master.log.count<LinkDown>() == 1);
  CHECK(master.log.all<LinkDown>()[0].why.code == Errc::output_limit);
  CHECK(master.role->info().history.backlog_bytes < 1 << 20);
  network.stall("master", Direction::toward_connector, false);
  REQUIRE(synced(network, replica, *master.role));
  CHECK(contents(replica.store) == contents(master.store));
}

TEST_CASE("the soft output limit acts when it is exceeded for long enough") {
  SimulatedTransport network{32};
  MasterNode master{network,
                    "master",
                    {.backlog_bytes = 64 << 10, .output_limit = {.soft_bytes = 1 << 20, .soft_for = 10s}}};
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  network.stall("master", Direction::toward_connector);
  fill(master.store, 5000, 1000);
  network.run_for(5s);
  CHECK(master.role->info().replicas.size() == 1);
  master.store.set("more", "1");
  network.run_for(10s);
  master.store.set("more", "2");
  network.run_for(1s);
  CHECK(master.role->info().replicas.empty());
}

TEST_CASE("passwords: the right one is let in, a wrong or missing one is told so and tried again") {
  SimulatedTransport network{33};
  MasterNode master{network, "master", {.accepts = {{"", "secret"}, {"replicator", "pass"}}}};
  const auto outcome = [&network](std::optional<Credentials> credentials) {
    ReplicaNode replica{network, {.credentials = std::move(credentials)}, 4};
    replica.role->follow(network, "master");
    const bool done =
        network.run_until([&] { return replica.is_up() || replica.log.count<LinkDown>() > 1; }, 60s);
    REQUIRE(done);
    return replica.is_up() ? std::error_code{} : replica.log.all<LinkDown>()[0].why.code;
  };
  CHECK(!outcome(Credentials{"", "secret"}));
  CHECK(!outcome(Credentials{"default", "secret"}));
  CHECK(!outcome(Credentials{"replicator", "pass"}));
  CHECK(outcome(Credentials{"", "wrong"}) == Errc::wrong_password);
  CHECK(outcome(Credentials{"replicator", "secret"}) == Errc::wrong_password);
  CHECK(outcome(Credentials{"nobody", "pass"}) == Errc::wrong_password);
  CHECK(outcome(std::nullopt) == Errc::authentication_required);
}

TEST_CASE("the shrink guard keeps the data when a master comes back empty") {
  SimulatedTransport network{34};
  auto master = std::make_unique<MasterNode>(network, "master");
  fill(master->store, 100);
  ReplicaNode replica{network, {.keep_at_least = 0.5}};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master->role));
  master = nullptr;
  master = std::make_unique<MasterNode>(network, "master", ReplicationOptions{}, 99);
  master->store.set("only", "1");
  REQUIRE(network.run_until([&] { return replica.log.count<SnapshotRefused>() > 0; }, 60s));
  CHECK(replica.store.size() == 100);
  const auto refused = replica.log.all<SnapshotRefused>();
  CHECK(refused[0].keys_held == 100);
  CHECK(refused[0].keys_offered == 1);
  fill(master->store, 60);
  REQUIRE(synced(network, replica, *master->role));
  CHECK(replica.store.size() == 61);
}

TEST_CASE("a master's expired keys are hidden at once and deleted through the stream") {
  SimulatedTransport network{35};
  MasterNode master{network, "master"};
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  master.store.set("short", "1", 10s);
  master.store.set("long", "1", 10h);
  REQUIRE(synced(network, replica, *master.role));
  CHECK(replica.store.contains("short"));
  network.stall("master");
  network.run_for(11s);
  CHECK_FALSE(replica.store.contains("short"));
  CHECK(replica.store.size() == 2);  // hidden, not deleted: that is the master's to do
  CHECK(master.store.size() == 1);
  network.stall("master", false);
  REQUIRE(synced(network, replica, *master.role));
  CHECK(replica.store.size() == 1);
}

TEST_CASE("a callback wait ends in time, with the write or with a time-out") {
  SimulatedTransport network{36};
  MasterNode master{network, "master"};
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  network.set_delay(50ms, 60ms);
  std::optional<std::error_code> in_time;
  std::optional<std::error_code> too_late;
  const Written written = master.store.set("a", "1");
  replica.role->wait_for(written, 1s, [&](std::error_code error) {
    in_time = error;
    CHECK(replica.store.get("a") == "1");
  });
  network.run_for(500ms);
  REQUIRE(in_time);
  CHECK(!*in_time);
  network.stall("master");
  replica.role->wait_for(master.store.set("a", "2"), 1s, [&](std::error_code error) { too_late = error; });
  network.run_for(900ms);
  CHECK(!too_late);
  network.run_for(300ms);
  REQUIRE(too_late);
  CHECK(*too_late == Errc::timeout);
}

TEST_CASE("a store has one role at a time") {
  Strings store;
  ReplicationMaster master{store};
  CHECK_THROWS_AS(ReplicationReplica{store}, Error);
  Strings other;
  CHECK_THROWS_AS((ReplicationMaster{other, store}), Error);
  CHECK_NOTHROW(ReplicationMaster{other});
}

TEST_CASE("a moved-from role says that it has none") {
  Strings store;
  ReplicationMaster master{store};
  ReplicationMaster moved = std::move(master);
  CHECK_THROWS_AS((void)master.info(), Error);
  CHECK(moved.info().role == Role::master);
}

TEST_CASE("in process and inline, a write is on the replicas when it returns") {
  Strings store;
  Strings copy;
  Strings copy_of_copy;
  ReplicationMaster master{store};
  ReplicationReplica replica{copy};
  ReplicationReplica leaf{copy_of_copy};
  InProcessTransport here;
  master.listen(here, "main");
  replica.listen(here, "copy");
  store.set("before", "1");
  replica.follow(here, "main");
  leaf.follow(here, "copy");
  CHECK(copy.get("before") == "1");
  CHECK(copy_of_copy.get("before") == "1");
  const auto written = store.set("name", "haicoder");
  CHECK(copy.get("name") == "haicoder");
  CHECK(copy_of_copy.get("name") == "haicoder");
  CHECK_NOTHROW(leaf.wait_for(written, 0ms));
  CHECK(master.wait(1, 10s) == 1);
  auto promoted = std::move(replica).promote();
  copy.set("name", "new");
  leaf.follow(here, "copy");
  CHECK(copy_of_copy.get("name") == "new");
  CHECK(leaf.info().full_resyncs == 1);
}

TEST_CASE("in the background, a caller waits for its own write from any thread") {
  Strings store;
  Strings copy;
  ReplicationMaster master{store};
  ReplicationReplica replica{copy};
  InProcessTransport here{Delivery::background};
  master.listen(here, "main");
  replica.follow(here, "main");
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 500; ++i) {
        const std::string key = std::to_string(writer) + ":" + std::to_string(i);
        const auto written = store.set(key, "v");
        if (i % 50 == 0) {
          replica.wait_for(written, 60s);
          CHECK(copy.contains(key));
        }
      }
    });
  }
  for (auto& writer : writers) writer.join();
  CHECK(master.wait(1, 60s) == 1);
  CHECK(contents(copy) == contents(store));
}

TEST_CASE("a wait ends when its role does") {
  Strings copy;
  auto replica = std::make_optional<ReplicationReplica>(copy);
  InProcessTransport here{Delivery::background};
  replica->follow(here, "nowhere");
  std::optional<std::error_code> outcome;
  replica->wait_for(Token{ReplicationId{}, Offset{5}}, 1h,
                    [&outcome](std::error_code error) { outcome = error; });
  replica.reset();
  REQUIRE(outcome);
  CHECK(*outcome == Errc::detached);
}

TEST_CASE("objects may be destroyed in any order") {
  Strings store;
  Strings copy;
  auto master = std::make_optional<ReplicationMaster>(store);
  auto replica = std::make_optional<ReplicationReplica>(copy);
  auto here = std::make_optional<InProcessTransport>();
  master->listen(*here, "main");
  replica->follow(*here, "main");
  store.set("a", "1");
  SUBCASE("the transport first") {
    here.reset();
    store.set("a", "2");
    CHECK(copy.get("a") == "1");
  }
  SUBCASE("the master first") {
    master.reset();
    CHECK(copy.get("a") == "1");
  }
  SUBCASE("the replica first") {
    replica.reset();
    copy.set("a", "free again");
    store.set("a", "2");
  }
}

TEST_CASE("options that would make links end or loop for ever are refused with a reason") {
  CHECK(refusal({}) == "");
  CHECK(refusal({.ping_period = 0ms}).find("ping_period") != std::string::npos);
  CHECK(refusal({.ack_period = -1ms}).find("ack_period") != std::string::npos);
  CHECK(refusal({.timeout = 5s}).find("timeout must be longer than ping_period") != std::string::npos);
  CHECK(refusal({.reconnect_delay_min = 2s, .reconnect_delay_max = 1s}).find("reconnect_delay_max") !=
        std::string::npos);
  CHECK(refusal({.keep_at_least = 1.5}).find("keep_at_least") != std::string::npos);
  CHECK(refusal({.replicas_max = 0}).find("replicas_max") != std::string::npos);
}
