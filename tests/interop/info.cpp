// INFO replication of our nodes beside that of redis-server in the same place: the same fields, in the same
// order, and where the place is the same, the same values.
#include <doctest/doctest.h>

#include <set>
#include <tests/interop/contents.hpp>

using namespace interop;

namespace {

using Fields = std::vector<std::string>;

// Lines that need not be equal, as they tell times, or where a node is.
std::string without(std::string info, const std::set<std::string>& left_out) {
  std::string rest;
  while (!info.empty()) {
    const std::size_t end = std::min(info.find('\n'), info.size() - 1);
    const std::string line = info.substr(0, end + 1);
    if (!left_out.contains(line.substr(0, line.find(':')))) rest += line;
    info.erase(0, end + 1);
  }
  return rest;
}

}  // namespace

TEST_CASE("a master of ours prints what redis-server prints: alone, with a replica, with min-replicas") {
  TcpTransport network;
  ReplicationOptions options;
  MasterNode ours(network, options);
  RedisServer theirs;
  auto theirs_client = theirs.client();
  CHECK(info_fields(ours.role->info().text()) == info_fields(theirs_client.info("replication")));

  RedisServer follows_ours;
  RedisServer follows_theirs;
  auto ours_replica = follows_ours.client();
  auto theirs_replica = follows_theirs.client();
  make_replica(ours_replica, ours.port());
  make_replica(theirs_replica, theirs.port());
  ours.store.set("key", "value");
  theirs_client.command("SET", "key", "value");
  REQUIRE(in_step(ours_replica, *ours.role));
  REQUIRE(eventually([&] { return position_of(theirs_replica) == position_of(theirs_client); }));

  const auto has_acknowledged = [](const std::string& info) {
    return info.find("state=online,offset=" + info_field(info, "master_repl_offset") + ",") !=
           std::string::npos;
  };
  REQUIRE(eventually([&] { return has_acknowledged(ours.role->info().text()); }));
  REQUIRE(eventually([&] { return has_acknowledged(theirs_client.info("replication")); }));
  const std::string our_text = ours.role->info().text();
  const std::string their_text = theirs_client.info("replication");
  CHECK(info_fields(our_text) == info_fields(their_text));
  CHECK(
      info_field(our_text, "slave0")
          .starts_with("ip=127.0.0.1,port=" + std::to_string(follows_ours.port()) + ",state=online,offset="));
  CHECK(our_text.starts_with("# Replication\r\nrole:master\r\nconnected_slaves:1\r\n"));
}

TEST_CASE("a master of ours that wants good replicas prints how many it has, as redis-server does") {
  TcpTransport network;
  MasterNode ours(network, {.min_replicas_to_write = 2});
  RedisServer theirs({"--min-replicas-to-write", "2"});
  auto client = theirs.client();
  CHECK(info_fields(ours.role->info().text()) == info_fields(client.info("replication")));
  CHECK(info_field(ours.role->info().text(), "min_slaves_good_slaves") == "0");
}

TEST_CASE("a replica of ours prints what a redis-server behind the same master prints, value for value") {
  RedisServer master({"--repl-diskless-sync-delay", "1"});
  RedisServer theirs;
  auto master_client = master.client();
  auto client = theirs.client();
  TcpTransport network;
  ReplicaNode ours(network);
  for (int i = 0; i < 100; ++i) master_client.command("SET", "key:" + std::to_string(i), i);
  make_replica(client, master.port());  // both within the delay: one snapshot for both
  ours.role->follow(network, master.address());
  REQUIRE(eventually([&] { return ours.is_up() && link_is_up(client); }));
  for (int i = 0; i < 100; ++i) master_client.command("SET", "later:" + std::to_string(i), i);
  REQUIRE(in_step(ours, master_client));
  REQUIRE(eventually([&] { return position_of(client) == position_of(master_client); }));

  CHECK(info_fields(ours.role->info().text()) == info_fields(client.info("replication")));
  const std::set<std::string> left_out{"master_last_io_seconds_ago"};
  REQUIRE(eventually([&] {  // a ping may come between the two
    return without(ours.role->info().text(), left_out) == without(client.info("replication"), left_out);
  }));

  // And so with the link down, and with a sub-replica.
  RedisServer behind_ours;
  RedisServer behind_theirs;
  auto behind_ours_client = behind_ours.client();
  auto behind_theirs_client = behind_theirs.client();
  make_replica(behind_ours_client, ours.port());
  make_replica(behind_theirs_client, theirs.port());
  REQUIRE(eventually([&] { return link_is_up(behind_ours_client) && link_is_up(behind_theirs_client); }));
  CHECK(info_fields(ours.role->info().text()) == info_fields(client.info("replication")));
  master.kill();
  REQUIRE(eventually([&] { return !ours.is_up() && !link_is_up(client); }));
  CHECK(info_fields(ours.role->info().text()) == info_fields(client.info("replication")));
}

TEST_CASE("a replica of ours that never reached its master prints what redis-server prints then") {
  RedisServer theirs;
  auto client = theirs.client();
  TcpTransport network;
  ReplicaNode ours(network);
  const std::uint16_t nobody = port_of([] {
    Descriptor socket = make_socket();
    REQUIRE(bind_loopback(socket, 0));
    return socket;
  }());
  make_replica(client, nobody);
  ours.role->follow(network, "127.0.0.1:" + std::to_string(nobody));
  REQUIRE(eventually([&] { return ours.log.count<LinkDown>() > 0; }));
  CHECK(info_fields(ours.role->info().text()) == info_fields(client.info("replication")));
  CHECK(info_field(ours.role->info().text(), "master_link_down_since_seconds") ==
        info_field(client.info("replication"), "master_link_down_since_seconds"));
}

TEST_CASE("a redis-server's INFO shows our replica by its address, port, state and offset") {
  RedisServer master;
  auto client = master.client();
  TcpTransport network;
  ReplicaNode ours(network);
  ReplicationOptions options = impatient();
  options.announce_ip = "192.0.2.7";
  options.announce_port = 7007;
  ReplicaNode announced(network, options);
  ours.role->follow(network, master.address());
  announced.role->follow(network, master.address());
  REQUIRE(in_step(ours, client));
  REQUIRE(in_step(announced, client));
  client.command("SET", "key", "value");
  REQUIRE(in_step(ours, client));
  REQUIRE(in_step(announced, client));
  const auto shown = [&](std::string_view address) {
    const std::string info = client.info("replication");
    const std::string line =
        std::string(address) + ",state=online,offset=" + info_field(info, "master_repl_offset");
    return info.find(line) != std::string::npos;
  };
  CHECK(eventually([&] { return shown("ip=127.0.0.1,port=" + std::to_string(ours.port())); }));
  CHECK(eventually([&] { return shown("ip=192.0.2.7,port=7007"); }));
}
