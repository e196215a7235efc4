// A redis-server as a replica of ours: what the Store writes, it holds; what it acknowledges, `wait` counts.
#include <doctest/doctest.h>

#include <tests/interop/contents.hpp>
#include <tests/interop/write_load.hpp>

using namespace interop;

namespace {

// Keys of every kind, through the store; about 100 000.
void fill(Strings& store, Dice& dice) {
  const WallTime now = Clock().now();
  for (int i = 0; i < 100'000; ++i) {
    const std::string key =
        i % 10 == 0 ? dice.bytes(1 + dice.below(40)) + std::to_string(i) : "fill:" + std::to_string(i);
    const std::string value = i % 7 == 0 ? std::to_string(i * 1000 - 50'000'000) : dice.value();
    i % 3 == 0 ? store.set(key, value, now + 1000s + std::chrono::milliseconds(i)) : store.set(key, value);
  }
  for (int i = 0; i < 4; ++i) {
    store.set("large:" + std::to_string(i), dice.bytes(1 << 20));
    store.set("compressible:" + std::to_string(i), std::string(1 << 20, static_cast<char>('a' + i)));
  }
  store.set("", "the key without a name");
  store.set(std::string("\0\r\n\xff", 4), std::string("\0\r\n\xff*1\r\n", 8));
}

std::string sync_counts(const MasterNode& master) {
  const ReplicationInfo info = master.role->info();
  return std::to_string(info.full_resyncs_served) + " full, " + std::to_string(info.partial_resyncs_served) +
         " partial";
}

}  // namespace

TEST_CASE("redis-server holds what our master's store holds, key by key, while threads write to it") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  TcpTransport network;
  MasterNode master(network);
  Dice dice(seed);
  fill(master.store, dice);
  RedisServer server;
  auto client = server.client();

  StoreLoad first(master.data, seed);
  StoreLoad second(master.data, seed + 1);
  REQUIRE(first.makes(5000));
  make_replica(client, master.port());
  REQUIRE(eventually([&] { return link_is_up(client); }));
  REQUIRE(first.makes(30'000));
  REQUIRE(second.makes(30'000));
  first.stop();
  second.stop();

  REQUIRE(in_step(client, *master.role));
  CHECK(lasting_difference(master.data, client) == "");
  CHECK(sync_counts(master) == "1 full, 0 partial");
  CHECK(master.log.downs(Errc::link_closed) == 0);
  CHECK(server.log().find("rror") == std::string::npos);
}

TEST_CASE("several stores of our master are databases 0, 1, 2 of redis-server") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  TcpTransport network;
  MasterNode master(network, {}, 3);
  RedisServer server;
  auto client = server.client();
  StoreLoad first(master.data, seed);
  StoreLoad second(master.data, seed + 1);
  REQUIRE(first.makes(5000));
  make_replica(client, master.port());
  REQUIRE(eventually([&] { return link_is_up(client); }));
  REQUIRE(first.makes(20'000));
  first.stop();
  second.stop();
  for (std::size_t database = 0; database < 3; ++database) {  // the last random write may have been a clear
    for (int i = 0; i < 200; ++i) master.data[database].set("last:" + std::to_string(i), "value");
  }

  REQUIRE(in_step(client, *master.role));
  for (std::size_t database = 0; database < 3; ++database) {
    CAPTURE(database);
    CHECK(master.data[database].size() >= 200);
    CHECK(lasting_difference(master.data, client, database) == "");
  }
}

TEST_CASE("two redis-servers and a replica of ours that come together share one snapshot of our master") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  TcpTransport network;
  MasterNode master(network, {.full_resync_delay = 1500ms});
  RedisServer first;
  RedisServer second;
  auto first_client = first.client();
  auto second_client = second.client();
  ReplicaNode third(network);
  StoreLoad load(master.data, seed);
  make_replica(first_client, master.port());
  make_replica(second_client, master.port());
  third.role->follow(network, master.address);
  REQUIRE(eventually([&] { return link_is_up(first_client) && link_is_up(second_client) && third.is_up(); }));
  REQUIRE(load.makes(1000));
  load.stop();

  REQUIRE(in_step(first_client, *master.role));
  REQUIRE(in_step(second_client, *master.role));
  REQUIRE(eventually([&] { return third.role->position() == master.role->position(); }));
  CHECK(lasting_difference(master.data, first_client) == "");
  CHECK(lasting_difference(master.data, second_client) == "");
  CHECK(lasting_difference(master.data, third.data) == "");
  // One instant: the same offset everywhere, though the store was being written.
  const auto started = third.log.all<FullResyncStarted>();
  REQUIRE(started.size() == 1);
  const std::string instant = started[0].id.text() + ":" + std::to_string(started[0].offset.bytes) + "\n";
  CHECK(started[0].offset.bytes > 0);
  CHECK(first.log().find("Full resync from master: " + instant) != std::string::npos);
  CHECK(second.log().find("Full resync from master: " + instant) != std::string::npos);
}

TEST_CASE("a key that expires in our master's store is deleted on redis-server by our DEL") {
  TcpTransport network;
  MasterNode master(network);
  RedisServer server;
  auto client = server.client();
  make_replica(client, master.port());
  REQUIRE(in_step(client, *master.role));

  master.store.set("short", "lived", 200ms);
  master.store.set("long", "lived", 1h);
  REQUIRE(in_step(client, *master.role));
  CHECK(client.command("PEXPIRETIME", "short").number > 0);
  // Nobody looks at the key: the master deletes it by itself.
  REQUIRE(eventually([&] { return master.store.size() == 1; }));
  REQUIRE(in_step(client, *master.role));
  CHECK(client.command("DBSIZE").number == 1);
  CHECK(client.command("GET", "long").text == "lived");
}

TEST_CASE("wait counts a redis-server that has confirmed, and not one that has stopped") {
  TcpTransport network;
  MasterNode master(network);
  RedisServer server;
  auto client = server.client();
  CHECK(master.role->wait(1, 10ms) == 0);
  make_replica(client, master.port());
  REQUIRE(in_step(client, *master.role));

  for (int i = 0; i < 5; ++i) {
    const Token written = master.store.set("key", std::to_string(i));
    CHECK(master.role->wait(1, 10s, written) == 1);
    CHECK(client.command("GET", "key").text == std::to_string(i));
  }
  CHECK(master.role->wait(2, 10ms) == 1);

  server.freeze();
  master.store.set("key", "unheard");
  CHECK(master.role->wait(1, 50ms) == 0);
  server.thaw();
  CHECK(master.role->wait(1, 10s) == 1);
}

TEST_CASE("min_replicas_to_write holds writes back until a redis-server follows") {
  TcpTransport network;
  MasterNode master(network, {.min_replicas_to_write = 1, .min_replicas_max_lag = 2s});
  RedisServer server;
  auto client = server.client();
  std::error_code error;
  master.store.set("key", "1", error);
  CHECK(error == Errc::not_enough_replicas);

  make_replica(client, master.port());
  REQUIRE(eventually([&] { return !(master.store.set("key", "2", error), error); }));
  REQUIRE(in_step(client, *master.role));
  CHECK(client.command("GET", "key").text == "2");
  CHECK(master.role->info().good_replicas == 1);

  server.freeze();
  REQUIRE(
      eventually([&] { return (master.store.set("key", "3", error), error) == Errc::not_enough_replicas; }));
  server.thaw();
  REQUIRE(eventually([&] { return !(master.store.set("key", "4", error), error); }));
}

TEST_CASE("redis-cli --rdb takes a file from our master that redis-server loads") {
  const std::string cli = find_program("redis-cli", "redis-tools");
  TcpTransport network;
  MasterNode master(network, {}, 2);
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  Dice dice(seed);
  fill(master.store, dice);
  master.data[1].set("other", "database", 1h);

  RedisServer server;
  const std::string file = (server.directory() / "dump.rdb").string();
  Process copy({cli, "-p", std::to_string(master.port()), "--rdb", file},
               (server.directory() / "cli.log").string());
  REQUIRE(copy.succeeds());
  server.stop();
  server.start_again();
  auto client = server.client();
  CHECK(client.command("DBSIZE").number == static_cast<std::int64_t>(master.store.size()));
  CHECK(lasting_difference(master.data, client) == "");
  CHECK(lasting_difference(master.data, client, 1) == "");
}

TEST_CASE(
    "a replica that speaks SYNC, and cannot tell the end mark, gets the snapshot by its length and then the "
    "stream") {
  TcpTransport network;
  MasterNode master(network);
  for (int i = 0; i < 5000; ++i) master.store.set("key:" + std::to_string(i), std::to_string(i));
  RedisClient peer(master.port());
  peer.send_raw("SYNC\r\n");
  const Reply snapshot = [&] {
    for (;;) {  // newlines may come before it
      const std::string line = peer.read_line();
      if (line.starts_with("$"))
        return Reply{Reply::Kind::bulk, peer.read_bytes(std::stoul(line.substr(1))), 0, {}};
      REQUIRE(line.empty());
    }
  }();
  master.store.set("after", "the snapshot");
  CHECK(snapshot.text.starts_with("REDIS0009"));
  const Reply select = peer.read_reply();
  REQUIRE(select.items.size() == 2);
  CHECK(select.items[0].text == "SELECT");
  const Reply set = peer.read_reply();
  REQUIRE(set.items.size() == 3);
  CHECK(set.items[1].text == "after");

  RedisServer server;
  server.stop();
  std::ofstream(server.directory() / "dump.rdb", std::ios::binary) << snapshot.text;
  server.start_again();
  CHECK(server.client().command("DBSIZE").number == 5000);
}
