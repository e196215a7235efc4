// Chains and changes of role between our nodes and redis-servers: one history under the same offsets in every
// place, and no full resync where that history goes on.
#include <doctest/doctest.h>

#include <algorithm>
#include <tests/interop/contents.hpp>
#include <tests/interop/write_load.hpp>

using namespace interop;

TEST_CASE("redis-server, ours, redis-server: a chain holds the same at the same offset in every place") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  RedisServer head;
  RedisServer tail;
  auto head_client = head.client();
  auto tail_client = tail.client();
  TcpTransport network;
  ReplicaNode middle(network);
  ServerLoad load(head.port(), seed);
  REQUIRE(load.makes(5000));
  middle.role->follow(network, head.address());
  REQUIRE(eventually([&] { return middle.is_up(); }));
  make_replica(tail_client, middle.port());
  REQUIRE(eventually([&] { return link_is_up(tail_client); }));
  REQUIRE(load.makes(10'000));
  load.stop();

  REQUIRE(in_step(middle, head_client));
  REQUIRE(in_step(tail_client, *middle.role));
  REQUIRE(in_step(middle, head_client));
  CHECK(lasting_difference(middle.data, head_client) == "");
  CHECK(lasting_difference(tail_client, head_client) == "");
  CHECK(middle.role->info().full_resyncs == 1);
  CHECK(middle.role->info().full_resyncs_served == 1);
  const std::string info = tail_client.info("replication");
  CHECK(info_field(info, "master_replid") == info_field(head_client.info("replication"), "master_replid"));
  // The head hears from the middle how far it is, the middle from the tail.
  REQUIRE(eventually([&] {
    const auto replicas = middle.role->info().replicas;
    return replicas.size() == 1 && replicas[0].acknowledged == middle.role->position().offset;
  }));
}

TEST_CASE("ours, redis-server, ours: a chain holds the same at the same offset in every place") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  TcpTransport network;
  MasterNode head(network);
  RedisServer middle;
  auto middle_client = middle.client();
  ReplicaNode tail(network);
  StoreLoad load(head.data, seed);
  REQUIRE(load.makes(5000));
  make_replica(middle_client, head.port());
  REQUIRE(eventually([&] { return link_is_up(middle_client); }));
  tail.role->follow(network, middle.address());
  REQUIRE(eventually([&] { return tail.is_up(); }));
  REQUIRE(load.makes(10'000));
  load.stop();

  REQUIRE(in_step(middle_client, *head.role));
  REQUIRE(in_step(tail, middle_client));
  REQUIRE(eventually([&] { return tail.role->position() == head.role->position(); }));
  CHECK(lasting_difference(head.data, middle_client) == "");
  CHECK(lasting_difference(head.data, tail.data) == "");
  CHECK(tail.role->info().full_resyncs == 1);
  CHECK(head.role->info().full_resyncs_served == 1);
  // A write that the application made here is visible at the other end of the chain.
  const Token written = head.store.set("read", "your own write");
  tail.role->wait_for(written, 30s);
  CHECK(tail.store.get("read") == "your own write");
}

TEST_CASE("our replica is promoted: a redis-server and another of ours go on by partial resync") {
  // Nothing may happen between the last look and the promotion: no ping, no key that expires.
  RedisServer old_master({"--repl-ping-replica-period", "3600"});
  RedisServer sibling;
  auto old_client = old_master.client();
  auto sibling_client = sibling.client();
  TcpTransport network;
  ReplicaNode heir(network);
  ReplicaNode other(network);
  heir.role->follow(network, old_master.address());
  other.role->follow(network, old_master.address());
  make_replica(sibling_client, old_master.port());
  ServerLoad load(old_master.port(), chosen_seed(), 1, Expiries::all_far);
  REQUIRE(load.makes(5000));
  load.stop();
  REQUIRE(in_step(heir, old_client));
  REQUIRE(in_step(other, old_client));
  REQUIRE(eventually([&] { return position_of(sibling_client) == position_of(old_client); }));

  const Token last = heir.role->position();
  ReplicationMaster master = std::move(*heir.role).promote();
  CHECK(master.position().id != last.id);
  CHECK(master.info().history.second_id == last.id);
  heir.store.set("written by", "the new master");
  make_replica(sibling_client, heir.port());
  other.role->follow(network, heir.address);
  REQUIRE(in_step(sibling_client, master));
  REQUIRE(eventually([&] { return other.role->position() == master.position(); }));

  CHECK(master.info().full_resyncs_served == 0);
  CHECK(master.info().partial_resyncs_served == 2);
  CHECK(other.role->info().full_resyncs == 1);
  CHECK(lasting_difference(heir.data, sibling_client) == "");
  CHECK(lasting_difference(heir.data, other.data) == "");
  CHECK(sibling_client.command("GET", "written by").text == "the new master");
  const std::string info = sibling_client.info("replication");
  CHECK(info_field(info, "master_replid2") == last.id.text());
  CHECK(info_number(info, "second_repl_offset") == last.offset.next_byte());

  // The old master, which wrote nothing since, joins its former replica by partial resync too.
  make_replica(old_client, heir.port());
  REQUIRE(in_step(old_client, master));
  CHECK(master.info().full_resyncs_served == 0);
  CHECK(lasting_difference(heir.data, old_client) == "");
}

TEST_CASE(
    "a redis-server is promoted: our replica goes on by partial resync, and our old master rejoins by one") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  TcpTransport network;
  MasterNode old_master(network, impatient());
  RedisServer heir;
  auto heir_client = heir.client();
  ReplicaNode other(network);
  make_replica(heir_client, old_master.port());
  other.role->follow(network, old_master.address);
  StoreLoad load(old_master.data, seed, Expiries::all_far);
  REQUIRE(eventually([&] { return link_is_up(heir_client) && other.is_up(); }));
  REQUIRE(load.makes(5000));
  load.stop();
  REQUIRE(in_step(heir_client, *old_master.role));
  REQUIRE(eventually([&] { return other.role->position() == old_master.role->position(); }));

  ReplicationReplica demoted = std::move(*old_master.role).demote();
  const Token last = demoted.position();
  REQUIRE(eventually([&] { return other.role->position() == last && position_of(heir_client) == last; }));
  heir_client.command("REPLICAOF", "NO", "ONE");
  heir_client.command("SET", "written by", "the new master");
  other.role->follow(network, heir.address());
  demoted.follow(network, heir.address());
  REQUIRE(in_step(other, heir_client));
  REQUIRE(eventually([&] { return demoted.position() == position_of(heir_client); }));

  CHECK(stat(heir_client, "sync_full") == 0);
  CHECK(stat(heir_client, "sync_partial_ok") == 2);
  CHECK(stat(heir_client, "sync_partial_err") == 0);
  CHECK(demoted.info().partial_resyncs == 1);
  CHECK(demoted.info().full_resyncs == 0);
  CHECK(other.role->info().history.second_id == last.id);
  CHECK(lasting_difference(old_master.data, heir_client) == "");
  CHECK(lasting_difference(other.data, heir_client) == "");
  CHECK(old_master.store.get("written by") == "the new master");
  std::error_code error;
  old_master.store.set("key", "value", error);
  CHECK(error == Errc::read_only);
  // A token from before the change of master is still good.
  other.role->wait_for(last, 1s);
}

TEST_CASE("a master that wrote on after its replica was promoted has to take a full resync") {
  TcpTransport network;
  MasterNode old_master(network);
  RedisServer heir;
  auto heir_client = heir.client();
  make_replica(heir_client, old_master.port());
  old_master.store.set("shared", "1");
  REQUIRE(in_step(heir_client, *old_master.role));
  heir_client.command("REPLICAOF", "NO", "ONE");
  old_master.store.set("lost", "1");
  heir_client.command("SET", "kept", "1");

  ReplicationReplica demoted = std::move(*old_master.role).demote();
  demoted.follow(network, heir.address());
  REQUIRE(eventually([&] { return demoted.position() == position_of(heir_client); }));
  CHECK(demoted.info().full_resyncs == 1);
  CHECK(demoted.info().partial_resyncs == 0);
  CHECK(stat(heir_client, "sync_partial_err") == 1);
  CHECK(lasting_difference(old_master.data, heir_client) == "");
  CHECK_FALSE(old_master.store.contains("lost"));
}

TEST_CASE(
    "a middle node of ours is promoted: the redis-server behind it and its sub-replicas go on by partial "
    "resync") {
  RedisServer head;
  RedisServer behind;
  auto head_client = head.client();
  auto behind_client = behind.client();
  TcpTransport network;
  ReplicaNode middle(network);
  ReplicaNode last(network);
  middle.role->follow(network, head.address());
  REQUIRE(in_step(middle, head_client));
  make_replica(behind_client, middle.port());
  last.role->follow(network, behind.address());
  ServerLoad load(head.port(), chosen_seed());
  REQUIRE(eventually([&] { return link_is_up(behind_client) && last.is_up(); }));
  REQUIRE(load.makes(3000));
  load.stop();
  REQUIRE(in_step(middle, head_client));
  REQUIRE(in_step(behind_client, *middle.role));
  REQUIRE(in_step(last, behind_client));

  ReplicationMaster master = std::move(*middle.role).promote();
  middle.store.set("written by", "the new master");
  REQUIRE(in_step(behind_client, master));
  REQUIRE(in_step(last, behind_client));
  CHECK(master.info().full_resyncs_served == 1);  // the first
  CHECK(master.info().partial_resyncs_served == 1);
  CHECK(last.role->info().full_resyncs == 1);
  CHECK(last.role->info().partial_resyncs == 1);
  CHECK(lasting_difference(middle.data, last.data) == "");
}

TEST_CASE("WAIT on a redis-server counts our replica, and answers without waiting for its next heartbeat") {
  // With `$EOF:` framing the stream may begin with the second heartbeat only.
  RedisServer server({"--repl-diskless-sync", "no"});
  auto client = server.client();
  TcpTransport network;
  ReplicationOptions options = impatient();
  options.ack_period = 30s;  // so that only the answer to GETACK can tell in time
  ReplicaNode replica(network, options);
  replica.role->follow(network, server.address());
  REQUIRE(in_step(replica, client));
  for (int i = 0; i < 10; ++i) {
    client.command("SET", "key", i);
    CHECK(client.command("WAIT", 1, 20'000).number == 1);
    CHECK(replica.store.get("key") == std::to_string(i));
  }
  CHECK(client.command("WAIT", 2, 20).number == 1);
}
