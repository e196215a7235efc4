// CONFIG: parameters read and changed while a node runs.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>

namespace {

using served::BesideRedis;
using served::Served;

TEST_CASE("CONFIG refuses what redis-server refuses, in its words") {
  BesideRedis both;
  both.same({"CONFIG",
             "CONFIG NOPE",
             "CONFIG GET",
             "CONFIG SET",
             "CONFIG SET a",
             "CONFIG SET a b c",
             "CONFIG SET nope 1",
             "CONFIG SET maxmemory 1 nope 2",

             "CONFIG SET maxmemory lots",
             "CONFIG SET maxmemory -1",
             "CONFIG SET maxmemory 1q",
             "CONFIG SET maxmemory-policy some",
             "CONFIG SET timeout x",
             "CONFIG SET timeout -1",
             "CONFIG SET timeout 99999999999",
             "CONFIG SET maxclients 0",
             "CONFIG SET repl-timeout 0",
             "CONFIG SET min-slaves-to-write -1",
             "CONFIG SET replica-read-only maybe",
             "CONFIG SET slave-read-only maybe",
             "CONFIG SET daemonize yes",
             "CONFIG SET databases 3",
             "CONFIG SET dir /tmp",
             "CONFIG SET dbfilename x",
             "CONFIG SET replicaof \"a 1\"",
             "CONFIG SET timeout 1 timeout 2",
             "CONFIG SET notify-keyspace-events KQ",
             "CONFIG SET client-output-buffer-limit \"normal 0\"",
             "CONFIG SET client-output-buffer-limit \"nobody 0 0 0\"",
             "CONFIG SET client-output-buffer-limit \"normal x 0 0\"",
             "CONFIG SET latency-tracking-info-percentiles 101",
             "CONFIG SET latency-tracking-info-percentiles -1",
             "CONFIG SET latency-tracking-info-percentiles x",
             "CONFIG SET latency-tracking-info-percentiles \"50 x\"",
             "CONFIG SET latency-tracking-info-percentiles nan",
             "CONFIG SET latency-tracking-info-percentiles inf",
             "CONFIG REWRITE",
             "CONFIG REWRITE x",
             "CONFIG RESETSTAT x",
             "CONFIG HELP"});
}

TEST_CASE("CONFIG SET and GET of one parameter answer as redis-server does") {
  BesideRedis both;
  for (const char* setting :
       {"maxmemory 100mb",
        "maxmemory 1K",
        "maxmemory 5kb",
        "maxmemory 0",
        "maxmemory-policy ALLKEYS-LRU",
        "maxmemory-policy noeviction",
        "maxmemory-samples 10",
        "timeout 300",
        "maxclients 500",
        "masterauth secret",
        "masteruser someone",
        "replica-priority 7",
        "slave-priority 8",
        "replica-read-only no",
        "slave-read-only yes",
        "replica-serve-stale-data no",
        "min-slaves-to-write 0",
        "min-replicas-max-lag 15",
        "repl-backlog-size 2mb",
        "repl-timeout 120",
        "repl-ping-slave-period 3",
        "repl-diskless-sync-delay 2",
        "replica-announce-ip 10.0.0.1",
        "slave-announce-port 7000",
        "client-output-buffer-limit \"normal 1mb 2mb 3 replica 256mb 64mb 60 pubsub 32mb 8mb 60\"",
        "appendfsync always",
        "hash-max-ziplist-entries 100",
        "lazyfree-lazy-expire YES",
        "tcp-keepalive 10",
        "notify-keyspace-events KEA",
        "notify-keyspace-events gxK",
        "slowlog-log-slower-than -1",
        "slowlog-max-len 5",
        "latency-monitor-threshold 100",
        "latency-tracking NO",
        "latency-tracking yes",
        "latency-tracking-info-percentiles \"0 100 50.5\"",
        "latency-tracking-info-percentiles 50.123456789",
        "latency-tracking-info-percentiles \"99.999 1e1\"",
        "latency-tracking-info-percentiles \"\"",
        "latency-tracking-info-percentiles \"50 99 99.9\""}) {
    both.same("CONFIG SET " + std::string(setting));
    both.same("CONFIG GET " + std::string(setting).substr(0, std::string(setting).find(' ')));
  }
  both.same({"CONFIG GET slave-priority", "CONFIG GET replica-priority", "CONFIG GET SLAVE-PRIORITY",
             "CONFIG GET nope", "CONFIG GET repl-timeo?t", "CONFIG GET replica-announce-i[pq]",
             "CONFIG GET timeout timeout", "CONFIG SET timeout 5 maxclients 600", "CONFIG GET timeout"});
}

TEST_CASE("CONFIG GET knows every parameter that redis-server knows") {
  BesideRedis both;
  auto theirs = both.theirs().client();
  auto ours = both.ours().client();
  const auto their_names = theirs.command("CONFIG", "GET", "*");
  REQUIRE(their_names.items.size() > 300);
  for (std::size_t i = 0; i < their_names.items.size(); i += 2) {
    const std::string name = their_names.items[i].text;
    CAPTURE(name);
    CHECK(ours.command("CONFIG", "GET", name).items.size() == 2);
  }
}

TEST_CASE("CONFIG SET changes all of what it names, or nothing") {
  Served served;
  auto client = served.client();
  CHECK(client.command("CONFIG", "SET", "timeout", "77", "maxmemory", "lots").text.starts_with("ERR"));
  CHECK(client.command("CONFIG", "GET", "timeout").items[1].text == "0");
}

TEST_CASE("parameters act on a node that is in use") {
  Served served;
  auto client = served.client();
  SUBCASE("min-replicas-to-write") {
    client.command("CONFIG", "SET", "min-replicas-to-write", "1");
    CHECK(client.command("SET", "k", "v").text == "NOREPLICAS Not enough good replicas to write.");
    client.command("CONFIG", "SET", "min-replicas-to-write", "0");
    CHECK(client.command("SET", "k", "v").text == "OK");
  }
  SUBCASE("maxmemory, of all databases together") {
    client.command("CONFIG", "SET", "maxmemory", "1");
    CHECK(client.command("SET", "k", "v").text == "OOM command not allowed when used memory > 'maxmemory'.");
    client.command("SELECT", "1");
    CHECK(client.command("SET", "k", "v").text == "OOM command not allowed when used memory > 'maxmemory'.");
    client.command("CONFIG", "SET", "maxmemory", "0");
    CHECK(client.command("SET", "k", "v").text == "OK");
  }
  SUBCASE("repl-backlog-size") {
    client.command("CONFIG", "SET", "repl-backlog-size", "3mb");
    CHECK(served.node.info().history.backlog_bytes_max == 3u << 20);
  }
  SUBCASE("replica-priority") {
    client.command("CONFIG", "SET", "replica-priority", "0");
    CHECK(served.node.info().priority == 0);
  }
  SUBCASE("maxclients") {
    client.command("CONFIG", "SET", "maxclients", "1");
    CHECK(served.client().command("PING").text == "ERR max number of clients reached");
  }
  SUBCASE("requirepass, of those who come from now on") {
    client.command("CONFIG", "SET", "requirepass", "secret");
    CHECK(client.command("PING").text == "PONG");
    auto second = served.client();
    CHECK(second.command("PING").text == "NOAUTH Authentication required.");
    CHECK(second.command("AUTH", "secret").text == "OK");
  }
  SUBCASE("repl-timeout below the ping period keeps idle links alive") {
    CHECK(client.command("CONFIG", "SET", "repl-timeout", "5").text == "OK");
    CHECK(client.command("CONFIG", "SET", "repl-timeout", "1").text == "OK");
  }
}

TEST_CASE("a limit that the stores were made with is shown, and stays until it is set") {
  served::Strings store{{.max_memory = 1 << 20, .eviction = replikv::Eviction::allkeys_lru}};
  replikv::TcpTransport tcp;
  replikv::Node node{store};
  replikv::RedisEndpoint endpoint{node};
  endpoint.listen(tcp, "127.0.0.1:0");
  CHECK(endpoint.configuration("maxmemory") == "1048576");
  CHECK(endpoint.configuration("maxmemory-policy") == "allkeys-lru");
  CHECK(endpoint.configuration("nope") == std::nullopt);
}

}  // namespace
