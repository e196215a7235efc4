// Our replica of a redis-server: the same keys, values and expiries, and the same stream to the byte.
#include <doctest/doctest.h>

#include <tests/interop/contents.hpp>
#include <tests/interop/write_load.hpp>

using namespace interop;

namespace {

// 100 000 keys of every kind that an RDB file encodes in its own way.
void fill(RedisClient& server, Dice& dice) {
  const auto send = [&server] {
    const std::string errors = errors_of(server.flush());
    REQUIRE(errors.empty());
  };
  const std::int64_t now = Clock().now().time_since_epoch().count();
  for (int i = 0; i < 100'000; ++i) {
    const std::string key =
        i % 10 == 0 ? dice.bytes(1 + dice.below(40)) + std::to_string(i) : "fill:" + std::to_string(i);
    if (i % 3 == 0) {
      server.add("SET", key, dice.value(), "PXAT", now + 1'000'000 + i);
    } else {
      server.add("SET", key, i % 7 == 0 ? std::to_string(i * 1000 - 50'000'000) : dice.value());
    }
    if (server.pipelined() == 2000) send();
  }
  for (int i = 0; i < 4; ++i) {
    server.add("SET", "large:" + std::to_string(i), dice.bytes(1 << 20));
    server.add("SET", "compressible:" + std::to_string(i), std::string(1 << 20, static_cast<char>('a' + i)));
  }
  for (const std::string_view number : {"0",
                                        "-1",
                                        "127",
                                        "128",
                                        "-128",
                                        "-129",
                                        "32767",
                                        "32768",
                                        "-32769",
                                        "2147483647",
                                        "2147483648",
                                        "-2147483648",
                                        "-2147483649",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "9223372036854775808",
                                        "007",
                                        "-0",
                                        "+1",
                                        " 1"}) {
    server.add("SET", "integer:" + std::string(number), number);
    server.add("SET", number, "a key that is a number");
  }
  server.add("SET", "", "the key without a name");
  server.add("SET", std::string("\0\r\n\xff", 4), std::string("\0\r\n\xff*1\r\n", 8));
  send();
}

}  // namespace

TEST_CASE("our replica holds what redis-server holds, key by key, while the server is being written") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  for (const std::string diskless : {"yes", "no"}) {
    CAPTURE(diskless);
    RedisServer server({"--repl-diskless-sync", diskless, "--repl-ping-replica-period", "1"});
    auto client = server.client();
    Dice dice(seed);
    fill(client, dice);

    TcpTransport network;
    ReplicaNode replica(network);
    ServerLoad load(server.port(), seed);
    REQUIRE(load.makes(2000));
    replica.role->follow(network, server.address());
    REQUIRE(eventually([&] { return replica.is_up(); }));
    REQUIRE(load.makes(30'000));
    load.stop();

    REQUIRE(in_step(replica, client));
    CHECK(lasting_difference(replica.data, client) == "");
    CHECK(replica.store.size() > 100'000);
    CHECK(replica.role->info().unmirrored == 0);
    CHECK(replica.role->info().full_resyncs == 1);
    CHECK(replica.log.count<Diverged>() == 0);
    CHECK(replica.log.count<LinkDown>() == 0);
    CHECK(info_number(client.info("stats"), "sync_full") == 1);
  }
}

TEST_CASE("several stores are databases 0, 1, 2 of redis-server, through MOVE, COPY and SWAPDB") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  RedisServer server;
  auto client = server.client();
  ServerLoad load(server.port(), seed, 3);
  REQUIRE(load.makes(5000));

  TcpTransport network;
  ReplicaNode replica(network, impatient(), 3);
  replica.role->follow(network, server.address());
  REQUIRE(eventually([&] { return replica.is_up(); }));
  REQUIRE(load.makes(30'000));
  load.stop();

  REQUIRE(in_step(replica, client));
  for (std::size_t database = 0; database < 3; ++database) {
    CAPTURE(database);
    CHECK(replica.data[database].size() > 100);
    CHECK(lasting_difference(replica.data, client, database) == "");
  }
  CHECK(replica.role->info().unmirrored == 0);

  client.command("SELECT", 1);
  client.command("FLUSHDB");
  REQUIRE(in_step(replica, client));
  CHECK(replica.data[1].size() == 0);
  CHECK(replica.data[2].size() > 0);
  client.command("FLUSHALL", "ASYNC");
  REQUIRE(in_step(replica, client));
  CHECK(replica.data[0].size() + replica.data[2].size() == 0);
}

TEST_CASE(
    "a key that expired on redis-server is hidden on our replica at once, and deleted by the server's DEL") {
  RedisServer server({"--enable-debug-command", "yes"});
  auto client = server.client();
  TcpTransport network;
  ReplicaNode replica(network);
  replica.role->follow(network, server.address());
  REQUIRE(in_step(replica, client));

  // So that only a look at the key deletes it.
  REQUIRE_FALSE(client.command("DEBUG", "SET-ACTIVE-EXPIRE", 0).is_error());
  client.command("SET", "short", "lived", "PX", 300);
  client.command("SET", "long", "lived", "PX", 300'000);
  REQUIRE(in_step(replica, client));
  REQUIRE(eventually([&] { return !replica.store.contains("short"); }));
  CHECK(replica.store.get("short") == std::nullopt);
  CHECK_FALSE(replica.store.ttl("short").key_exists);
  CHECK(replica.store.contains("long"));
  std::size_t seen = 0;
  replica.store.for_each([&seen](std::string_view, std::string_view) { ++seen; });
  CHECK(seen == 1);
  CHECK(replica.store.expire_due(1s) == 0);
  CHECK(replica.store.size() == 2);  // it counts until the master deletes it

  CHECK(client.command("GET", "short").is_nil());
  REQUIRE(in_step(replica, client));
  CHECK(replica.store.size() == 1);
}

TEST_CASE("what no store of ours mirrors is counted, and passed on to a redis-server behind us") {
  RedisServer server;
  RedisServer behind;
  auto client = server.client();
  auto behind_client = behind.client();
  TcpTransport network;
  ReplicaNode replica(network);
  replica.role->follow(network, server.address());
  REQUIRE(in_step(replica, client));
  make_replica(behind_client, replica.port());
  REQUIRE(in_step(behind_client, *replica.role));

  client.command("SET", "string", "1");
  client.command("SET", "becomes:list", "1");
  for (int i = 0; i < 10; ++i) {
    client.command("RPUSH", "list", i, i);
    client.command("SADD", "set", i);
    client.command("HSET", "hash", i, i);
    client.command("ZADD", "zset", i, i);
    client.command("XADD", "stream", "*", "i", i);
    client.command("PFADD", "hyperloglog", i);
  }
  client.command("SPOP", "set", 3);
  client.command("RENAME", "list", "becomes:list");
  client.command("SELECT", 7);
  client.command("SET", "elsewhere", "7");
  client.command("SELECT", 0);
  client.command("SET", "last", "word");

  REQUIRE(in_step(replica, client));
  REQUIRE(in_step(behind_client, *replica.role));
  CHECK(replica.role->info().unmirrored >= 60);
  CHECK(replica.log.count<LinkDown>() == 0);
  CHECK(replica.store.get("last") == "word");
  CHECK_FALSE(replica.store.contains("becomes:list"));
  CHECK_FALSE(replica.store.contains("elsewhere"));
  CHECK(replica.store.size() == 2);

  behind_client.command("SELECT", 0);
  CHECK(behind_client.command("DBSIZE").number == client.command("DBSIZE").number);
  CHECK(behind_client.command("LLEN", "becomes:list").number == 20);
  CHECK(behind_client.command("SCARD", "set").number == 7);
  CHECK(behind_client.command("HLEN", "hash").number == 10);
  CHECK(behind_client.command("ZCARD", "zset").number == 10);
  CHECK(behind_client.command("XLEN", "stream").number == 10);
  CHECK(behind_client.command("PFCOUNT", "hyperloglog").number == 10);
  behind_client.command("SELECT", 7);
  CHECK(behind_client.command("GET", "elsewhere").text == "7");
}

TEST_CASE("values of other types in a snapshot are skipped whole and counted, functions and scripts too") {
  RedisServer server;
  auto client = server.client();
  for (int i = 0; i < 300; ++i) {  // past the compact encodings
    client.add("RPUSH", "list", i);
    client.add("SADD", "set", "member:" + std::to_string(i));
    client.add("HSET", "hash", i, std::string(100, 'x'));
    client.add("ZADD", "zset", i, i);
    client.add("XADD", "stream", "*", "i", i);
    client.add("SADD", "small:set", i);
  }
  client.add("RPUSH", "small:list", "a", "1");
  client.add("HSET", "small:hash", "a", "1");
  client.add("ZADD", "small:zset", 1, "a");
  client.add("XGROUP", "CREATE", "stream", "group", "0");
  client.add("XREADGROUP", "GROUP", "group", "consumer", "COUNT", 5, "STREAMS", "stream", ">");
  client.add("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)");
  client.add("SET", "string", "1");
  const auto replies = client.flush();
  REQUIRE(errors_of(replies) == "");

  TcpTransport network;
  ReplicaNode replica(network);
  replica.role->follow(network, server.address());
  REQUIRE(in_step(replica, client));
  CHECK(replica.store.size() == 1);
  CHECK(replica.store.get("string") == "1");
  CHECK(replica.role->info().unmirrored == 9);
}

TEST_CASE("a replica told to mirror everything says so instead of dropping a list") {
  RedisServer server;
  auto client = server.client();
  client.command("SET", "string", "1");
  TcpTransport network;
  ReplicationOptions options = impatient();
  options.unmirrored = Unmirrored::fail;
  ReplicaNode replica(network, options);
  replica.role->follow(network, server.address());
  REQUIRE(in_step(replica, client));

  client.command("RPUSH", "list", "1");
  REQUIRE(eventually([&] { return replica.log.downs(Errc::not_mirrored) > 1; }));  // and tries again
  CHECK(replica.store.get("string") == "1");
  client.command("DEL", "list");
}
