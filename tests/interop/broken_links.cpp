// What links and masters suffer: cuts under load, silence, restarts. What was replicated is kept, what is
// missing comes by partial resync, and a full one happens only where the history really is another.
#include <doctest/doctest.h>

#include <memory>
#include <tests/interop/contents.hpp>
#include <tests/interop/cutting_proxy.hpp>
#include <tests/interop/write_load.hpp>

using namespace interop;

TEST_CASE("our replica loses its link to redis-server again and again under load, and continues each time") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  RedisServer server({"--repl-backlog-size", "512mb"});
  auto client = server.client();
  CuttingProxy proxy(server.port());
  TcpTransport network;
  ReplicaNode replica(network);
  replica.role->follow(network, proxy.address());
  REQUIRE(in_step(replica, client));

  ServerLoad load(server.port(), seed);
  for (std::uint64_t cut = 1; cut <= 20; ++cut) {
    REQUIRE(load.makes(200));
    proxy.cut();
    REQUIRE(eventually([&] { return replica.role->info().partial_resyncs >= cut; }));
  }
  Dice dice(seed);
  const unsigned enough = proxy.connections_cut() + 40;
  proxy.cut_each_after(1);
  proxy.cut();
  REQUIRE(eventually([&] {
    proxy.cut_each_after(400 + dice.below(300'000));  // at any byte of the handshake or the stream
    return proxy.connections_cut() >= enough;
  }));
  proxy.cut_no_more();
  load.stop();

  REQUIRE(in_step(replica, client));
  CHECK(lasting_difference(replica.data, client) == "");
  CHECK(stat(client, "sync_full") == 1);
  CHECK(stat(client, "sync_partial_ok") >= 40);
  CHECK(stat(client, "sync_partial_err") == 0);
  CHECK(replica.role->info().full_resyncs == 1);
}

TEST_CASE("a redis-server loses its link to our master again and again under load, and continues each time") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  TcpTransport network;
  MasterNode master(network, {.backlog_bytes = std::uint64_t{512} << 20});
  RedisServer server;
  auto client = server.client();
  CuttingProxy proxy(master.port());
  make_replica(client, proxy.port());
  REQUIRE(in_step(client, *master.role));

  StoreLoad load(master.data, seed);
  for (std::uint64_t cut = 1; cut <= 10; ++cut) {
    REQUIRE(load.makes(200));
    proxy.cut();
    REQUIRE(eventually([&] { return master.role->info().partial_resyncs_served >= cut; }));
  }
  Dice dice(seed);
  const unsigned enough = proxy.connections_cut() + 15;
  proxy.cut_each_after(1);
  proxy.cut();
  REQUIRE(eventually([&] {
    proxy.cut_each_after(400 + dice.below(300'000));  // at any byte of the handshake or the stream
    return proxy.connections_cut() >= enough;
  }));
  proxy.cut_no_more();
  load.stop();

  REQUIRE(in_step(client, *master.role));
  CHECK(lasting_difference(master.data, client) == "");
  const ReplicationInfo info = master.role->info();
  CHECK(info.full_resyncs_served == 1);
  CHECK(info.partial_resyncs_served >= 20);
  CHECK(info.partial_resyncs_refused == 1);  // a fresh redis-server asks for its own history first
}

TEST_CASE("every link of a chain is cut under load, and the last holds what the first does") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  RedisServer head({"--repl-backlog-size", "512mb"});
  RedisServer tail;
  auto head_client = head.client();
  auto tail_client = tail.client();
  TcpTransport network;
  ReplicationOptions options = impatient();
  options.backlog_bytes = std::uint64_t{512} << 20;
  ReplicaNode middle(network, options);
  CuttingProxy first(head.port());
  CuttingProxy second(middle.port());
  middle.role->follow(network, first.address());
  REQUIRE(in_step(middle, head_client));
  make_replica(tail_client, second.port());
  REQUIRE(in_step(tail_client, *middle.role));

  ServerLoad load(head.port(), seed);
  for (std::uint64_t cut = 1; cut <= 6; ++cut) {
    REQUIRE(load.makes(500));
    if (cut % 2 == 1) first.cut();
    if (cut % 3 != 1) second.cut();
    REQUIRE(eventually([&] { return middle.is_up() && link_is_up(tail_client); }));
  }
  load.stop();
  REQUIRE(in_step(middle, head_client));
  REQUIRE(in_step(tail_client, *middle.role));
  CHECK(lasting_difference(tail_client, head_client) == "");
  CHECK(lasting_difference(middle.data, head_client) == "");
  CHECK(stat(head_client, "sync_full") == 1);
  CHECK(middle.role->info().full_resyncs_served == 1);
  CHECK(middle.role->info().partial_resyncs_served >= 3);
}

TEST_CASE("the selected database is kept over a cut link, and told to those who join the chain later") {
  RedisServer head;
  RedisServer third;
  auto client = head.client();
  auto third_client = third.client();
  TcpTransport network;
  ReplicaNode second(network, impatient(), 3);
  ReplicaNode last(network, impatient(), 3);
  CuttingProxy proxy(head.port());
  second.role->follow(network, proxy.address());
  REQUIRE(in_step(second, client));

  // From here on the head says SELECT 2 once, and never again.
  client.command("SELECT", 2);
  client.command("SET", "first", "1");
  REQUIRE(in_step(second, client));
  const std::uint64_t continued = second.role->info().partial_resyncs;
  proxy.cut();
  REQUIRE(eventually([&] { return second.role->info().partial_resyncs > continued; }));
  client.command("SET", "after the cut", "1");
  REQUIRE(in_step(second, client));
  CHECK(second.data[2].contains("after the cut"));
  CHECK(second.data[0].size() == 0);

  make_replica(third_client, second.port());
  REQUIRE(in_step(third_client, *second.role));
  client.command("SET", "with the third", "1");
  REQUIRE(in_step(second, client));
  REQUIRE(in_step(third_client, *second.role));
  last.role->follow(network, third.address());
  REQUIRE(in_step(last, third_client));
  client.command("SET", "with the last", "1");
  REQUIRE(in_step(second, client));
  REQUIRE(in_step(third_client, *second.role));
  REQUIRE(in_step(last, third_client));
  CHECK(last.data[2].size() == 4);
  CHECK(lasting_difference(last.data, client, 2) == "");
  CHECK(lasting_difference(third_client, client, 2) == "");
  CHECK(third_client.command("SELECT", 0).text == "OK");
  CHECK(third_client.command("DBSIZE").number == 0);
}

TEST_CASE(
    "a snapshot that breaks off again and again leaves our replica's old data in place, until one is whole") {
  for (const std::string diskless : {"yes", "no"}) {
    CAPTURE(diskless);
    RedisServer before;
    auto before_client = before.client();
    for (int i = 0; i < 1000; ++i) before_client.add("SET", "before:" + std::to_string(i), i);
    before_client.flush();
    RedisServer server({"--repl-diskless-sync", diskless});
    auto client = server.client();
    Dice dice(1);
    for (int i = 0; i < 2000; ++i) client.add("SET", "after:" + std::to_string(i), dice.bytes(1000));
    client.flush();

    TcpTransport network;
    ReplicaNode replica(network);
    replica.role->follow(network, before.address());
    REQUIRE(in_step(replica, before_client));
    CuttingProxy proxy(server.port());
    proxy.cut_each_after(1'000'000);
    replica.role->follow(network, proxy.address());
    REQUIRE(eventually([&] { return proxy.connections_cut() >= 3; }));
    CHECK(replica.role->info().full_resyncs == 1);
    CHECK(replica.store.size() == 1000);
    CHECK(lasting_difference(replica.data, before_client) == "");

    proxy.cut_no_more();
    REQUIRE(in_step(replica, client));
    CHECK(lasting_difference(replica.data, client) == "");
    CHECK(replica.role->info().full_resyncs == 2);
  }
}

TEST_CASE("a redis-server whose snapshot from our master breaks off gets another one") {
  TcpTransport network;
  MasterNode master(network);
  Dice dice(1);
  for (int i = 0; i < 2000; ++i) master.store.set("key:" + std::to_string(i), dice.bytes(1000));
  CuttingProxy proxy(master.port());
  proxy.cut_each_after(1'000'000);
  RedisServer server;
  auto client = server.client();
  make_replica(client, proxy.port());
  REQUIRE(eventually([&] { return proxy.connections_cut() >= 2; }));
  proxy.cut_no_more();
  REQUIRE(in_step(client, *master.role));
  CHECK(lasting_difference(master.data, client) == "");
  CHECK(master.role->info().replicas.size() == 1);  // the broken ones are gone
}

TEST_CASE("a redis-server that falls silent is left after the time-out and continued when it is back") {
  RedisServer server({"--repl-ping-replica-period", "1"});
  auto client = server.client();
  TcpTransport network;
  ReplicationOptions options = impatient();
  options.ping_period = 1s;
  options.timeout = 3s;
  ReplicaNode replica(network, options);
  replica.role->follow(network, server.address());
  client.command("SET", "key", "1");
  REQUIRE(in_step(replica, client));

  server.freeze();
  REQUIRE(eventually([&] { return replica.log.downs(Errc::link_timeout) > 0; }));
  CHECK_FALSE(replica.is_up());
  CHECK(replica.store.get("key") == "1");
  server.thaw();
  client.command("SET", "key", "2");
  REQUIRE(in_step(replica, client));
  CHECK(replica.store.get("key") == "2");
  CHECK(stat(client, "sync_full") == 1);
}

TEST_CASE("a redis-server that restarts from its file continues its history with our replica") {
  RedisServer server;
  TcpTransport network;
  ReplicaNode replica(network);
  replica.role->follow(network, server.address());
  {
    auto client = server.client();
    for (int i = 0; i < 1000; ++i) client.add("SET", "key:" + std::to_string(i), i);
    client.flush();
    REQUIRE(in_step(replica, client));
    client.add("SHUTDOWN", "SAVE");
    CHECK_THROWS(client.flush());
  }
  const Token last = replica.role->position();
  server.stop();
  server.start_again();
  auto client = server.client();
  client.command("SET", "later", "1");
  REQUIRE(in_step(replica, client));
  CHECK(replica.role->info().full_resyncs == 1);
  CHECK(replica.role->info().partial_resyncs == 1);
  CHECK(replica.role->info().history.second_id == last.id);
  CHECK(lasting_difference(replica.data, client) == "");
}

TEST_CASE("a redis-server that restarts empty empties our replica") {
  RedisServer server;
  TcpTransport network;
  ReplicaNode replica(network);
  replica.role->follow(network, server.address());
  {
    auto client = server.client();
    for (int i = 0; i < 1000; ++i) client.add("SET", "key:" + std::to_string(i), i);
    client.flush();
    REQUIRE(in_step(replica, client));
  }
  server.kill();
  REQUIRE(eventually([&] { return replica.log.count<LinkDown>() > 1; }));  // refused at least once
  CHECK(replica.store.size() == 1000);
  server.start_again();
  auto client = server.client();
  client.command("SET", "new", "life");
  REQUIRE(in_step(replica, client));
  CHECK(replica.store.size() == 1);
  CHECK(replica.log.count<FullResyncDone>() == 2);
}

TEST_CASE(
    "a redis-server that restarts empty is refused by a replica with a shrink guard, until it holds enough") {
  RedisServer server;
  TcpTransport network;
  ReplicationOptions options = impatient();
  options.keep_at_least = 0.5;
  ReplicaNode replica(network, options);
  replica.role->follow(network, server.address());
  {
    auto client = server.client();
    for (int i = 0; i < 1000; ++i) client.add("SET", "key:" + std::to_string(i), i);
    client.flush();
    REQUIRE(in_step(replica, client));
  }
  server.kill();
  server.start_again();
  auto client = server.client();
  for (int i = 0; i < 499; ++i) client.add("SET", "other:" + std::to_string(i), i);
  client.flush();
  REQUIRE(eventually([&] {
    const auto refused = replica.log.all<SnapshotRefused>();
    return !refused.empty() && refused.back().keys_offered == 499;
  }));
  CHECK(replica.log.all<SnapshotRefused>().back().keys_held == 1000);
  CHECK(replica.store.size() == 1000);
  CHECK(replica.store.get("key:7") == "7");
  CHECK(replica.log.count<FullResyncDone>() == 1);

  client.command("SET", "one", "more");
  REQUIRE(in_step(replica, client));
  CHECK(replica.store.size() == 500);
}

TEST_CASE(
    "our master is destroyed and made again: a redis-server keeps its data meanwhile and takes the new "
    "data") {
  TcpTransport network;
  auto master = std::make_unique<MasterNode>(network);
  for (int i = 0; i < 1000; ++i) master->store.set("key:" + std::to_string(i), "1");
  CuttingProxy proxy(master->port());
  RedisServer server;
  auto client = server.client();
  make_replica(client, proxy.port());
  REQUIRE(in_step(client, *master->role));

  proxy.refuse(true);
  master.reset();
  REQUIRE(eventually([&] { return !link_is_up(client); }));
  CHECK(client.command("DBSIZE").number == 1000);
  master = std::make_unique<MasterNode>(network);
  master->store.set("new", "life");
  proxy.lead_to(master->port());
  proxy.refuse(false);
  REQUIRE(in_step(client, *master->role));
  CHECK(master->role->info().full_resyncs_served == 1);
  CHECK(lasting_difference(master->data, client) == "");
}

TEST_CASE("the role of a master's store ends and begins again: a new history, and the same data") {
  TcpTransport network;
  MasterNode master(network);
  master.store.set("kept", "1");
  CuttingProxy proxy(master.port());
  RedisServer server;
  auto client = server.client();
  make_replica(client, proxy.port());
  REQUIRE(in_step(client, *master.role));

  master.role.reset();
  master.store.set("written without a role", "1");
  master.role.emplace(master.store);
  const std::string address = master.role->listen(network, "127.0.0.1:0");
  proxy.lead_to(static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
  REQUIRE(in_step(client, *master.role));
  CHECK(lasting_difference(master.data, client) == "");
  CHECK(client.command("DBSIZE").number == 2);
}
