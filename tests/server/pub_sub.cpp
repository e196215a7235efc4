// Channels, patterns and messages, here and at replicas; and the events of keys, which are messages too.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <tests/interop/eventually.hpp>
#include <tests/server/beside_clients.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <utility>
#include <vector>

namespace {

using interop::eventually;
using served::BesideRedis;
using served::ClientOfBoth;
using served::Served;

TEST_CASE("subscribing and unsubscribing answer as in redis-server, in both protocols") {
  BesideRedis both;
  for (const std::string_view hello : {"PING", "HELLO 3"}) {
    if (hello != "PING") both.both(hello);
    both.same({"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"});
    both.same({"UNSUBSCRIBE a",
               "PUNSUBSCRIBE a",
               "SUNSUBSCRIBE a",
               "SUBSCRIBE a",
               "SUBSCRIBE a",
               "PSUBSCRIBE p*",
               "SSUBSCRIBE a",
               "PING",
               "PING hello",
               "GET a",
               "CLIENT INFO a",
               "PUBSUB NUMPAT",
               "NOPE",
               "SUBSCRIBE",
               "MULTI",
               "EXEC",
               "SELECT 1",
               "UNSUBSCRIBE",
               "PUNSUBSCRIBE p*",
               "SUNSUBSCRIBE",
               "GET a",
               "PING"});
  }
}

TEST_CASE("several channels in one command are answered one by one") {
  BesideRedis both;
  ClientOfBoth client(both);
  client.send("SUBSCRIBE a b a");
  for (int i = 0; i < 3; ++i) client.next();
  client.send("UNSUBSCRIBE b nowhere");
  for (int i = 0; i < 2; ++i) client.next();
  client.same("RESET");
  client.same("GET a");
}

TEST_CASE("messages reach channels and patterns, and PUBLISH counts them") {
  BesideRedis both;
  ClientOfBoth on_channel(both);
  ClientOfBoth on_pattern(both);
  ClientOfBoth on_all(both);
  on_channel.same("SUBSCRIBE news");
  on_pattern.ours().command("PING");
  on_pattern.same("PSUBSCRIBE n[e]?s");
  on_all.both_hello();
  on_all.same({"PSUBSCRIBE *", "SUBSCRIBE news"});
  both.same({"PUBLISH news \"he\\x00llo\"", "PUBLISH other x", "PUBLISH nowhere"});
  on_channel.next();
  on_pattern.next();
  on_all.next();
  on_all.next();
  on_all.next();
  on_all.same("UNSUBSCRIBE news");
  both.same({"PUBLISH news again", "PUBSUB NUMSUB news other", "PUBSUB NUMSUB", "PUBSUB NUMPAT",
             "PUBSUB CHANNELS", "PUBSUB CHANNELS n*", "PUBSUB CHANNELS x*", "PUBSUB SHARDCHANNELS",
             "PUBSUB SHARDNUMSUB a b", "PUBSUB", "PUBSUB NOPE", "PUBSUB NUMPAT x", "PUBSUB CHANNELS a b"});
}

TEST_CASE("shard channels are another world") {
  BesideRedis both;
  ClientOfBoth on_shard(both);
  ClientOfBoth on_channel(both);
  on_shard.same("SSUBSCRIBE news");
  on_channel.same("SUBSCRIBE news");
  both.same({"SPUBLISH news shard", "PUBLISH news plain", "PUBSUB SHARDCHANNELS", "PUBSUB SHARDCHANNELS x",
             "PUBSUB SHARDNUMSUB news"});
  on_shard.next();
  on_channel.next();
}

TEST_CASE("a RESP3 client may publish to itself and do other things") {
  BesideRedis both;
  ClientOfBoth client(both);
  client.both_hello();
  client.same({"SUBSCRIBE a", "SET k v"});
  client.send("PUBLISH a m");
  client.next_of_each(2);
  client.same("GET k");
}

TEST_CASE("messages published in a transaction are heard after it") {
  Served served;
  auto subscriber = served.client();
  subscriber.command("SUBSCRIBE", "done");
  auto client = served.client();
  client.command("MULTI");
  client.command("PUBLISH", "done", "go");
  client.command("SET", "a", "1");
  CHECK(client.command("EXEC").items[0].number == 1);
  CHECK(subscriber.read_reply().items[2].text == "go");
  CHECK(served.stores[0].get("a") == "1");
}

TEST_CASE("a subscriber who has left is not counted") {
  Served served;
  auto client = served.client();
  {
    auto subscriber = served.client();
    subscriber.command("SUBSCRIBE", "a");
    subscriber.command("PSUBSCRIBE", "*");
    CHECK(client.command("PUBLISH", "a", "m").number == 2);
  }
  CHECK(eventually([&] { return client.command("PUBLISH", "a", "m").number == 0; }));
  CHECK(client.command("PUBSUB", "CHANNELS").items.empty());
}

// --- Replicas --------------------------------------------------------------------------------------------

TEST_CASE("what is published at a master is heard at its replicas, of ours and of redis-server") {
  Served master;
  Served replica;
  interop::RedisServer redis;
  replica.node.replicate_from(replica.tcp, master.address);
  redis.client().command("REPLICAOF", "127.0.0.1", master.port());
  REQUIRE(eventually([&] {
    const auto replicas = master.node.info().replicas;
    return replicas.size() == 2 && std::all_of(replicas.begin(), replicas.end(), [](const auto& each) {
             return each.state == replikv::ReplicaState::online;
           });
  }));
  auto of_replica = replica.client();
  auto of_redis = redis.client();
  of_replica.command("SUBSCRIBE", "news");
  of_replica.command("SSUBSCRIBE", "shard");
  of_redis.command("SUBSCRIBE", "news");
  auto client = master.client();
  const auto before = master.node.position().offset.bytes;
  CHECK(client.command("PUBLISH", "news", "first").number == 0);
  CHECK(master.node.position().offset.bytes > before);
  client.add("MULTI");
  client.add("PUBLISH", "news", "second");
  client.add("SPUBLISH", "shard", "third");
  client.add("EXEC");
  client.flush();
  for (auto* subscriber : {&of_replica, &of_redis}) {
    CHECK(subscriber->read_reply().items[2].text == "first");
    CHECK(subscriber->read_reply().items[2].text == "second");
  }
  CHECK(of_replica.read_reply().items[0].text == "smessage");
  CHECK(master.node.wait(2, std::chrono::seconds(20)) == 2);

  // At a replica it stays there.
  const auto end = replica.node.position();
  CHECK(replica.client().command("PUBLISH", "news", "local").number == 1);
  CHECK(of_replica.read_reply().items[2].text == "local");
  client.command("SET", "a", "1");
  CHECK(master.node.wait(2, std::chrono::seconds(20)) == 2);
  CHECK(replica.node.position().id == end.id);
}

TEST_CASE(
    "what is published at a redis-server is heard at a replica of ours, also from inside a transaction") {
  interop::RedisServer redis;
  Served replica;
  replica.node.replicate_from(replica.tcp, redis.address());
  REQUIRE(eventually([&] {
    const auto info = replica.node.info();
    return info.master && info.master->state == replikv::MasterLinkState::connected;
  }));
  auto subscriber = replica.client();
  subscriber.command("PSUBSCRIBE", "n*");
  auto client = redis.client();
  client.command("PUBLISH", "news", "first");
  client.add("MULTI");
  client.add("SET", "a", "1");
  client.add("PUBLISH", "news", "second");
  client.add("SET", "a", "2");
  client.add("EXEC");
  client.flush();
  CHECK(subscriber.read_reply().items[3].text == "first");
  CHECK(subscriber.read_reply().items[3].text == "second");
  CHECK(replica.stores[0].get("a") == "2");  // told when all of it is there
}

// --- Hostile ---------------------------------------------------------------------------------------------

TEST_CASE("a subscriber that never reads is ended, and nobody else is held up") {
  Served served({.subscriber_output_limit = {1 << 20, 0, {}}});
  auto lazy = served.client();
  lazy.command("SUBSCRIBE", "a");
  auto awake = served.client();
  awake.command("SUBSCRIBE", "b");
  auto client = served.client();
  const std::string message(64'000, 'm');
  CHECK(eventually([&] { return client.command("PUBLISH", "a", message).number == 0; }));
  CHECK(client.command("PUBLISH", "b", "still here").number == 1);
  CHECK(awake.read_reply().items[2].text == "still here");
  for (int i = 0; i < 100; ++i) client.add("PUBLISH", "b", "x");  // more than one turn brings
  client.flush();
  for (int i = 0; i < 100; ++i) awake.read_reply();
}

TEST_CASE("a thousand subscribers to one channel all hear") {
  Served served;
  std::vector<interop::RedisClient> subscribers;
  for (int i = 0; i < 1'000; ++i) {
    subscribers.push_back(served.client());
    subscribers.back().add("SUBSCRIBE", "a");
    subscribers.back().send_pipeline();
  }
  auto client = served.client();
  REQUIRE(eventually([&] { return client.command("PUBSUB", "NUMSUB", "a").items[1].number == 1'000; }));
  CHECK(client.command("PUBLISH", "a", "m").number == 1'000);
  for (auto& subscriber : subscribers) {
    subscriber.read_reply();
    CHECK(subscriber.read_reply().items[2].text == "m");
  }
}

// --- Events of keys --------------------------------------------------------------------------------------

TEST_CASE("events of keys are told as by redis-server") {
  BesideRedis both({.notify_keyspace_events = "KEA"}, {"--notify-keyspace-events", "KEA"});
  ClientOfBoth subscriber(both);
  subscriber.same("PSUBSCRIBE __key*__:*");
  const auto events = [&](std::string_view line, int count) {
    INFO(std::string(line));
    both.same(line);
    for (int i = 0; i < 2 * count; ++i) subscriber.next();
  };
  events("SET a 1", 1);
  both.same({"GET a", "SELECT 3"});
  events("SET a 1", 1);
  both.same({"MULTI", "SET b 1", "SET c 2"});
  events("EXEC", 2);
  both.same("FLUSHALL");
  events("SET a 1 EX 100", 2);
  events("SETEX a 100 1", 2);
  events("PSETEX a 100000 1", 2);
  events("SET a 5 KEEPTTL", 1);
  events("SET a 6 XX GET", 1);
  events("SET a 6 NX", 0);
  events("SETNX b 1", 1);
  events("SETNX b 1", 0);
  events("GETSET b 1", 1);
  events("MSET a 1 b 2", 2);
  events("MSETNX c 1 d 2", 2);
  events("MSETNX c 1 e 2", 0);
  events("INCR a", 1);
  events("DECRBY a 3", 1);
  events("INCRBYFLOAT a 1.5", 1);
  events("APPEND a x", 1);
  events("INCR a", 0);
  events("SETRANGE a 3 xyz", 1);
  events("SETRANGE a 3 \"\"", 0);
  events("SETBIT a 7 1", 0);
  events("SETBIT a 7 0", 1);
  events("SETBIT a 1000 0", 1);
  events("BITFIELD a SET u8 0 7", 1);
  events("BITFIELD a GET u8 0", 0);
  events("BITFIELD a SET u8 0 7", 0);
  events("APPEND a \"\"", 1);
  events("BITOP NOT e a", 1);
  events("BITOP AND e nothere neither", 1);
  events("EXPIRE a 100", 1);
  events("PEXPIREAT a 99999999999999", 1);
  events("PERSIST a", 1);
  events("PERSIST a", 0);
  events("EXPIRE a 100 XX", 0);
  events("GETEX a EX 100", 1);
  events("GETEX a PERSIST", 1);
  events("GETEX a", 0);
  events("EXPIRE b -1", 1);
  events("RENAME a f", 2);
  events("RENAMENX f c", 0);
  events("RENAMENX f g", 2);
  events("COPY g h", 1);
  events("COPY g h", 0);
  events("COPY g i DB 5", 1);
  events("MOVE h 5", 2);
  events("MOVE h 5", 0);
  both.same("MULTI");
  both.same({"COPY g k DB 5", "MOVE g 5"});
  events("EXEC", 3);
  events("GETDEL c", 1);
  events("GETDEL c", 0);
  both.same({"SET j 1", "SET k 2"});
  for (int i = 0; i < 4; ++i) subscriber.next();
  events("DEL j k nothere", 2);
  both.same({"SET j 1"});
  for (int i = 0; i < 2; ++i) subscriber.next();
  events("UNLINK j", 1);
  events("RESTORE r 0 \"\\x00\\xc0\\x01\\x0a\\x00\\x03\\x17\\xd6\\xf0\\x1d\\xb2\\x64\\x6e\"", 0);
  both.same({"FLUSHDB", "FLUSHALL", "TOUCH a", "OBJECT ENCODING a"});
  both.same("PUBLISH __key__:end \"\"");
  subscriber.next();
}

TEST_CASE("only the events that were asked for are told") {
  Served served({.notify_keyspace_events = "E$"});
  auto subscriber = served.client();
  subscriber.command("PSUBSCRIBE", "*");
  auto client = served.client();
  client.command("SET", "a", "1");
  client.command("PUBLISH", "end", "");
  CHECK(subscriber.read_reply().items[2].text == "__keyevent@0__:set");
  CHECK(subscriber.read_reply().items[2].text == "end");
}

TEST_CASE("keys that expire are told, whoever finds them") {
  Served served({.notify_keyspace_events = "Ex"});
  auto subscriber = served.client();
  subscriber.command("PSUBSCRIBE", "*");
  served.stores[2].set("by itself", "1", std::chrono::milliseconds(1));
  CHECK(subscriber.read_reply().items[2].text == "__keyevent@2__:expired");
  served.client().command("SET", "by a client", "1", "PX", 1);
  CHECK(subscriber.read_reply().items[3].text == "by a client");
}

TEST_CASE("keys that are evicted are told") {
  Served served({.notify_keyspace_events = "Ke"});
  auto subscriber = served.client();
  subscriber.command("PSUBSCRIBE", "*");
  auto client = served.client();
  for (int i = 0; i < 1000; ++i) client.add("SET", "key:" + std::to_string(i), std::string(1000, 'x'));
  client.flush();
  served.stores[0].limit_memory(served.stores[0].memory_bytes() - 1000, replikv::Eviction::allkeys_random);
  client.command("SET", "more", std::string(5000, 'x'));
  const auto message = subscriber.read_reply();
  CHECK(message.items[2].text.starts_with("__keyspace@0__:key:"));
  CHECK(message.items[3].text == "evicted");
}

TEST_CASE("letters that mean nothing are a bad option") {
  Served served;
  CHECK_THROWS_AS(replikv::RedisEndpoint(served.node, {.notify_keyspace_events = "Ky"}), replikv::Error);
}

TEST_CASE("a command of the application tells its own events, and those of what it writes") {
  using namespace replikv::server;
  Served served({.notify_keyspace_events = "EA"});
  served.endpoint.add({"publish-price", 3, "write", "", {1, 1, 1}, [](Call& call) {
                         call.keys.set(call[1], call[2], call.keys.now() + std::chrono::hours(1));
                         call.notify(EventClass::module, "priced", call[1]);
                         call.reply.ok();
                       }});
  auto subscriber = served.client();
  subscriber.command("PSUBSCRIBE", "*");
  served.client().command("publish-price", "a", "1");
  for (const char* event : {"priced", "set", "expire"}) {
    CHECK(subscriber.read_reply().items[2].text == std::string("__keyevent@0__:") + event);
  }
}

}  // namespace
