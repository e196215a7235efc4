// The role of a node, changed by clients while it is in use, between our nodes and redis-servers.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/node_program.hpp>
#include <tests/server/served.hpp>

namespace {

using interop::eventually;
using interop::RedisClient;
using interop::RedisServer;
using served::BesideRedis;
using served::has;
using served::here;
using served::info_field;
using served::is_in_step;
using served::Served;

TEST_CASE("commands about roles are refused in the words of redis-server") {
  BesideRedis both;
  both.same({"REPLICAOF a", "REPLICAOF a b", "REPLICAOF a 65536", "REPLICAOF a -1", "SLAVEOF no one",
             "REPLICAOF NO ONE", "ROLE", "ROLE x", "WAIT", "WAIT x 0", "WAIT 1 x", "WAIT 1 -1", "WAIT 0 0",
             "WAIT -1 0", "WAIT 1 10", "SHUTDOWN nope", "SHUTDOWN ABORT", "SHUTDOWN ABORT NOW",
             "SHUTDOWN SAVE NOSAVE"});
}

TEST_CASE("a replica whose master cannot be reached answers as redis-server's does") {
  BesideRedis both;
  both.same({"SET k v",
             "REPLICAOF 127.0.0.1 1",
             "REPLICAOF 127.0.0.1 1",
             "GET k",
             "SET k w",
             "WAIT 0 0",
             "CONFIG GET replicaof",
             "CONFIG GET slaveof",
             "CONFIG SET replica-serve-stale-data no",
             "GET k",
             "SET k w",
             "PING",
             "ECHO a",
             "INFO nope",
             "CONFIG GET timeout",
             "CONFIG SET replica-read-only no",
             "SET k w",
             "CONFIG SET replica-serve-stale-data yes",
             "SET k w",
             "GET k",
             "REPLICAOF NO ONE",
             "GET k"});
}

TEST_CASE("a node follows a redis-server and becomes a master again, and the other way round") {
  Served node;
  RedisServer redis;
  auto ours = node.client();
  auto theirs = redis.client();
  theirs.command("SET", "a", "1");
  CHECK(ours.command("REPLICAOF", here, redis.port()).text == "OK");
  REQUIRE(has(ours, "a", "1"));
  CHECK(node.stores[0].get("a") == "1");  // the application's own store
  CHECK(ours.command("SET", "a", "2").text == "READONLY You can't write against a read only replica.");

  // Its master knows it by the port that clients use.
  REQUIRE(eventually([&] {
    return info_field(theirs, "replication", "slave0")
               .find("port=" + std::to_string(node.port()) + ",state=online") != std::string::npos;
  }));
  auto role = ours.command("ROLE");
  REQUIRE(role.items.size() == 5);
  CHECK(role.items[0].text == "slave");
  CHECK(role.items[2].number == redis.port());
  CHECK(role.items[3].text == "connected");
  CHECK(ours.command("REPLICAOF", here, redis.port()).text == "OK Already connected to specified master");

  CHECK(ours.command("REPLICAOF", "NO", "ONE").text == "OK");
  CHECK(ours.command("SET", "b", "2").text == "OK");
  CHECK(theirs.command("REPLICAOF", here, node.port()).text == "OK");
  REQUIRE(has(theirs, "b", "2"));
  // It continued the history that they shared.
  CHECK(info_field(ours, "stats", "sync_partial_ok") == "1");
  role = ours.command("ROLE");
  REQUIRE(role.items.size() == 3);
  REQUIRE(eventually([&] { return ours.command("ROLE").items[2].items.size() == 1; }));
  CHECK(ours.command("ROLE").items[2].items[0].items[1].text == std::to_string(redis.port()));
}

TEST_CASE("a node follows a node, in-process writes included") {
  Served first, second;
  auto client = second.client();
  client.command("SLAVEOF", here, first.port());
  first.stores[2].set("k", "v");
  REQUIRE(eventually([&] { return second.stores[2].get("k") == "v"; }));
  CHECK(eventually([&] { return is_in_step(client); }));
}

TEST_CASE("of several ports, a master is told that of the transport over which it is reached") {
  RedisServer redis;
  replikv::TcpTransport other;
  Served node;
  const std::uint16_t first = node.port();
  const std::uint16_t second = served::port_of(node.endpoint.listen(other, "127.0.0.1:0"));
  auto client = node.client();
  auto at_redis = redis.client();
  const auto is_known_by = [&](std::uint16_t port) {
    client.command("REPLICAOF", "NO", "ONE");
    client.command("REPLICAOF", here, redis.port());
    const std::string field = ",port=" + std::to_string(port) + ",";
    return eventually(
        [&] { return info_field(at_redis, "replication", "slave0").find(field) != std::string::npos; });
  };
  CHECK(is_known_by(first));
  node.endpoint.reach_masters_over(other);
  CHECK(is_known_by(second));
  node.endpoint.reach_masters_over(node.tcp);
  CHECK(is_known_by(first));
  const replikv::TcpTransport deaf;
  node.endpoint.reach_masters_over(deaf);
  CHECK(is_known_by(first));
  CHECK(info_field(client, "server", "tcp_port") == std::to_string(first));
  client.command("REPLICAOF", "NO", "ONE");
}

TEST_CASE("the password a master asks for can be given at run time") {
  RedisServer redis({"--requirepass", "secret"});
  Served node;
  auto ours = node.client();
  ours.command("REPLICAOF", here, redis.port());
  ours.command("CONFIG", "SET", "masterauth", "secret");
  CHECK(eventually([&] { return is_in_step(ours); }));
}

TEST_CASE("WAIT counts replicas of both kinds, and answers when the time is over") {
  Served node;
  RedisServer redis;
  auto ours = node.client();
  redis.client().command("REPLICAOF", here, node.port());
  Served second;
  second.client().command("REPLICAOF", here, node.port());
  REQUIRE(eventually([&] { return ours.command("ROLE").items[2].items.size() == 2; }));
  ours.command("SET", "k", "v");
  CHECK(ours.command("WAIT", "2", "0").number == 2);
  CHECK(second.stores[0].get("k") == "v");
  CHECK(redis.client().command("GET", "k").text == "v");

  redis.freeze();
  ours.command("SET", "k", "w");
  const auto began = std::chrono::steady_clock::now();
  CHECK(ours.command("WAIT", "2", "200").number == 1);
  CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(200));
  redis.thaw();
  CHECK(ours.command("WAIT", "2", "60000").number == 2);
}

TEST_CASE("others are served while a client waits, and it goes on with what it sent meanwhile") {
  Served node;
  auto waiting = node.client();
  waiting.add("SET", "k", "v");
  waiting.add("WAIT", "1", "0");
  waiting.add("GET", "k");
  waiting.send_pipeline();
  auto other = node.client();
  REQUIRE(eventually([&] { return info_field(other, "clients", "blocked_clients") == "1"; }));
  Served replica;
  replica.client().command("REPLICAOF", here, node.port());
  CHECK(waiting.read_line() == "+OK");
  CHECK(waiting.read_line() == ":1");
  CHECK(waiting.read_line() == "$1");
}

TEST_CASE("a client that waits when the node becomes a replica is told so") {
  Served node;
  auto waiting = node.client();
  waiting.add("WAIT", "1", "0");
  waiting.send_pipeline();
  auto other = node.client();
  REQUIRE(eventually([&] { return info_field(other, "clients", "blocked_clients") == "1"; }));
  other.command("REPLICAOF", here, "1");
  CHECK(waiting.read_line() ==
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
}

TEST_CASE("a client that leaves while it waits is forgotten") {
  Served node;
  {
    auto waiting = node.client();
    waiting.add("WAIT", "1", "0");
    waiting.send_pipeline();
    auto other = node.client();
    REQUIRE(eventually([&] { return info_field(other, "clients", "blocked_clients") == "1"; }));
  }
  auto other = node.client();
  CHECK(eventually([&] { return info_field(other, "clients", "blocked_clients") == "0"; }));
  CHECK(other.command("WAIT", "1", "10").number == 0);
}

TEST_CASE("CLIENT UNBLOCK ends a WAIT, once") {
  Served node;
  auto waiting = node.client();
  const std::string id = std::to_string(waiting.command("CLIENT", "ID").number);
  auto other = node.client();
  for (const std::string way : {"TIMEOUT", "ERROR"}) {
    waiting.add("WAIT", "1", "0");
    waiting.add("PING");
    waiting.send_pipeline();
    REQUIRE(eventually([&] { return info_field(other, "clients", "blocked_clients") == "1"; }));
    CHECK(other.command("CLIENT", "UNBLOCK", id, way).number == 1);
    CHECK(waiting.read_line() ==
          (way == "TIMEOUT" ? ":0" : "-UNBLOCKED client unblocked via CLIENT UNBLOCK"));
    CHECK(waiting.read_line() == "+PONG");
  }
  // The waits that were given up find nobody to answer when a replica comes.
  Served replica;
  replica.client().command("REPLICAOF", here, node.port());
  CHECK(waiting.command("WAIT", "1", "60000").number == 1);
  CHECK(waiting.command("PING").text == "PONG");
}

TEST_CASE("a role changes inside a transaction, among writes") {
  Served node;
  auto client = node.client();
  client.command("MULTI");
  client.command("SET", "k", "v");
  client.command("REPLICAOF", here, "1");
  client.command("SET", "k", "w");
  client.command("WAIT", "1", "0");
  client.command("SLAVEOF", "NO", "ONE");
  client.command("SET", "l", "w");
  client.command("WAIT", "1", "0");
  const auto replies = client.command("EXEC");
  REQUIRE(replies.items.size() == 7);
  CHECK(replies.items[1].text == "OK");
  CHECK(replies.items[3].is_error());
  CHECK(replies.items[6].number == 0);
  CHECK(client.command("GET", "k").text == "v");
  CHECK(client.command("GET", "l").text == "w");
}

TEST_CASE("what Sentinel sends to promote a node is done as one") {
  Served node;
  auto client = node.client();
  client.command("REPLICAOF", here, "1");
  client.command("MULTI");
  client.command("SLAVEOF", "NO", "ONE");
  client.command("CONFIG", "REWRITE");
  client.command("CLIENT", "KILL", "TYPE", "pubsub");
  const auto replies = client.command("EXEC");
  REQUIRE(replies.items.size() == 3);
  CHECK(replies.items[0].text == "OK");
  CHECK(replies.items[1].text == "ERR The server is running without a config file");
  CHECK(node.node.role() == replikv::Role::master);
}

TEST_CASE("a redis-server hands its role over to a node by FAILOVER") {
  RedisServer redis;
  Served node;
  auto ours = node.client();
  auto theirs = redis.client();
  ours.command("REPLICAOF", here, redis.port());
  REQUIRE(eventually([&] { return is_in_step(ours); }));
  theirs.command("SET", "k", "v");
  CHECK(theirs.command("FAILOVER").text == "OK");
  REQUIRE(
      eventually([&] { return info_field(theirs, "replication", "role") == "slave" && is_in_step(theirs); }));
  CHECK(node.node.role() == replikv::Role::master);
  CHECK(ours.command("SET", "k", "w").text == "OK");
  CHECK(has(theirs, "k", "w"));
  CHECK(info_field(ours, "stats", "sync_full") == "0");
}

TEST_CASE("FAILOVER refuses what it refuses on a redis-server, in its words") {
  BesideRedis both;
  both.same({"FAILOVER", "FAILOVER ABORT", "FAILOVER ABORT TIMEOUT 1", "FAILOVER TO", "FAILOVER TO a",
             "FAILOVER TO a 1", "FAILOVER TO a b", "FAILOVER TIMEOUT 0", "FAILOVER TIMEOUT x",
             "FAILOVER FORCE", "FAILOVER TO a 1 FORCE", "FAILOVER NOPE"});
  Served replica;
  RedisServer their_replica;
  replica.client().command("REPLICAOF", here, both.ours().port());
  their_replica.client().command("REPLICAOF", here, both.theirs().port());
  for (const std::uint16_t port : {both.ours().port(), both.theirs().port()}) {
    RedisClient client(port);
    REQUIRE(eventually([&] { return client.command("ROLE").items[2].items.size() == 1; }));
  }
  both.same({"FAILOVER TO a 1", "FAILOVER TO 127.0.0.1 1 TIMEOUT 5 FORCE", "FAILOVER FORCE TIMEOUT 5",
             "REPLICAOF 127.0.0.1 1", "FAILOVER", "FAILOVER TIMEOUT 5"});
}

TEST_CASE("a node hands its role over to a replica, and no write that was answered is lost") {
  Served node;
  const auto try_with = [&node](RedisClient target) {
    auto client = node.client();
    target.command("REPLICAOF", here, node.port());
    REQUIRE(eventually([&] { return is_in_step(target); }));
    client.command("SET", "k", "v");
    CHECK(client.command("FAILOVER").text == "OK");
    CHECK(info_field(client, "replication", "master_failover_state") == "waiting-for-sync");
    auto writer = node.client();  // whose write waits, and meets a replica then
    CHECK(writer.command("SET", "k", "w").text == "READONLY You can't write against a read only replica.");
    REQUIRE(eventually([&] { return is_in_step(client); }));
    CHECK(eventually(
        [&] { return info_field(client, "replication", "master_failover_state") == "no-failover"; }));
    CHECK(info_field(target, "replication", "role") == "master");
    CHECK(target.command("GET", "k").text == "v");
    CHECK(target.command("SET", "k", "x").text == "OK");
    CHECK(has(client, "k", "x"));
  };
  SUBCASE("a redis-server") {
    RedisServer redis;
    try_with(redis.client());
    auto client = redis.client();
    CHECK(info_field(client, "stats", "sync_full") == "0");
  }
  SUBCASE("another node") {
    Served other;
    try_with(other.client());
    CHECK(other.node.info().full_resyncs_served == 0);
  }
}

TEST_CASE("a failover that finds no successor in time ends, and writes go on") {
  Served node;
  RedisServer redis;
  auto client = node.client();
  redis.client().command("REPLICAOF", here, node.port());
  REQUIRE(eventually([&] { return client.command("ROLE").items[2].items.size() == 1; }));
  client.command("WAIT", "1", "0");
  redis.freeze();
  client.command("SET", "k", "v");
  auto writer = node.client();
  SUBCASE("by its time-out") { CHECK(client.command("FAILOVER", "TIMEOUT", "300").text == "OK"); }
  SUBCASE("when it is asked to") {
    CHECK(client.command("FAILOVER").text == "OK");
    CHECK_THROWS_AS(node.stores[0].set("k", "w"), replikv::Error);  // the application does not wait
    CHECK(client.command("FAILOVER").text == "ERR FAILOVER already in progress.");
    CHECK(client.command("FAILOVER", "ABORT").text == "OK");
  }
  CHECK(writer.command("SET", "k", "w").text == "OK");
  CHECK(info_field(client, "replication", "master_failover_state") == "no-failover");
  redis.thaw();
}

TEST_CASE("a failover is asked of a replica only, which holds the same history") {
  Served node;
  auto client = node.client();
  CHECK(client.command("PSYNC", std::string(40, 'a'), "1", "FAILOVER").text ==
        "ERR PSYNC FAILOVER can't be sent to a master.");
  client.command("REPLICAOF", here, "1");
  CHECK(client.command("PSYNC", std::string(40, 'a'), "1", "FAILOVER").text ==
        "ERR PSYNC FAILOVER replid must match my replid.");
  CHECK(node.node.role() == replikv::Role::replica);
}

TEST_CASE("SHUTDOWN asks whoever made the endpoint") {
  Served node;
  auto client = node.client();
  CHECK(client.command("SHUTDOWN").text.starts_with("ERR Errors trying to SHUTDOWN"));
  std::atomic<bool> asked = false;
  node.endpoint.on_shutdown([&] { asked = true; });
  client.add("SHUTDOWN", "NOSAVE");
  client.send_pipeline();
  CHECK(eventually([&] { return asked.load(); }));
}

}  // namespace
