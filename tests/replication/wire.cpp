// What nodes say to each other, to the byte: where redis-server would notice the difference.
#include <replikv/rdb/writer.hpp>

#include <doctest/doctest.h>

#include <tests/replication/cluster.hpp>
#include <tests/replication/raw_peer.hpp>

using namespace cluster;

namespace {

const std::string select_0 = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
const std::string set_a_1 = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
const std::string getack = "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

std::string ack_of(std::uint64_t offset) {
  std::string bytes;
  resp::append_command(bytes, "REPLCONF", "ACK", std::to_string(offset));
  return bytes;
}

std::string empty_snapshot() {
  rdb::Writer writer;
  writer.header();
  writer.end();
  const std::string bytes = writer.take();
  return "$" + std::to_string(bytes.size()) + "\r\n" + bytes;
}

}  // namespace

TEST_CASE("a replica introduces itself as redis-server does") {
  SimulatedTransport network{71};
  const auto master = RawPeer::listen(network, "master");
  ReplicaNode replica{
      network, {.credentials = Credentials{"user", "pass"}, .announce_ip = "10.0.0.1", .announce_port = 7}};
  replica.role->follow(network, "master");
  network.run_for(100ms);
  CHECK(master->take() == "*1\r\n$4\r\nPING\r\n");
  master->send("+PONG\r\n");
  network.run_for(100ms);
  CHECK(master->take() ==
        "*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$4\r\npass\r\n"
        "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$1\r\n7\r\n"
        "*3\r\n$8\r\nREPLCONF\r\n$10\r\nip-address\r\n$8\r\n10.0.0.1\r\n"
        "*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n");
  master->send("+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
  network.run_for(100ms);
  CHECK(master->take() == "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
}

TEST_CASE("GETACK is answered with the offset before it, and counts afterwards") {
  SimulatedTransport network{72};
  const auto master = RawPeer::listen(network, "master");
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  network.run_for(100ms);
  master->send("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + std::string(40, 'a') + " 1000\r\n" + empty_snapshot());
  network.run_for(100ms);
  CHECK(master->take().ends_with(ack_of(1000)));
  master->send(set_a_1 + getack);
  network.run_for(100ms);
  CHECK(master->take() == ack_of(1000 + set_a_1.size()));
  network.run_for(1s);
  CHECK(master->take() == ack_of(1000 + set_a_1.size() + getack.size()));
}

TEST_CASE("a transaction moves the offset at its EXEC, not before") {
  SimulatedTransport network{73};
  const auto master = RawPeer::listen(network, "master");
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  network.run_for(100ms);
  master->send("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + std::string(40, 'a') + " 1000\r\n" + empty_snapshot());
  const std::string multi = "*1\r\n$5\r\nMULTI\r\n";
  const std::string exec = "*1\r\n$4\r\nEXEC\r\n";
  master->send(multi + set_a_1);
  network.run_for(100ms);
  CHECK(replica.role->position().offset == Offset{1000});
  CHECK_FALSE(replica.store.contains("a"));
  master->send(exec);
  network.run_for(100ms);
  CHECK(replica.role->position().offset == Offset{1000 + multi.size() + set_a_1.size() + exec.size()});
  CHECK(replica.store.get("a") == "1");
}

TEST_CASE("the first write after a snapshot has begun selects its database, whoever listened before") {
  SimulatedTransport network{74};
  MasterNode master{network, "master"};
  const auto early = RawPeer::connect(network, "master");
  network.run_for(100ms);
  early->send("REPLCONF capa psync2\r\nPSYNC " + master.role->position().id.text() + " 1\r\n");
  network.run_for(100ms);
  (void)early->take();
  master.store.set("a", "1");
  network.run_for(100ms);
  CHECK(early->take() == select_0 + set_a_1);
  master.store.set("a", "1");
  network.run_for(100ms);
  CHECK(early->take() == set_a_1);
  ReplicaNode late{network};
  late.role->follow(network, "master");
  REQUIRE(synced(network, late, *master.role));
  master.store.set("a", "1");
  network.run_for(100ms);
  CHECK(early->take() == select_0 + set_a_1);
}

TEST_CASE("the first write after a promotion selects its database") {
  SimulatedTransport network{75};
  MasterNode master{network, "master"};
  ReplicaNode heir{network};
  heir.role->listen(network, "heir");
  heir.role->follow(network, "master");
  REQUIRE(synced(network, heir, *master.role));
  master.store.set("a", "1");
  REQUIRE(synced(network, heir, *master.role));
  ReplicationMaster promoted = std::move(*heir.role).promote();
  const auto peer = RawPeer::connect(network, "heir");
  network.run_for(100ms);
  peer->send("REPLCONF capa psync2\r\nPSYNC " + promoted.position().id.text() + " " +
             std::to_string(promoted.position().offset.next_byte()) + "\r\n");
  network.run_for(100ms);
  CHECK(peer->take() == "+OK\r\n+CONTINUE " + promoted.position().id.text() + "\r\n");
  heir.store.set("a", "1");
  network.run_for(100ms);
  CHECK(peer->take() == select_0 + set_a_1);
}

TEST_CASE("an idle master pings its replicas in lower case every period, through the stream") {
  SimulatedTransport network{76};
  MasterNode master{network, "master", {.ping_period = 5s}};
  const auto peer = RawPeer::connect(network, "master");
  network.run_for(100ms);
  const Offset before = master.role->position().offset;
  peer->send("PSYNC " + master.role->position().id.text() + " 1\r\n");
  network.run_for(100ms);
  CHECK(peer->take() == "+CONTINUE\r\n");
  network.run_for(10s);
  CHECK(peer->take() == "*1\r\n$4\r\nping\r\n*1\r\n$4\r\nping\r\n");
  CHECK(master.role->position().offset == before + 28);
}

TEST_CASE("a master sends nothing between the end mark and the first acknowledgement") {
  SimulatedTransport network{77};
  MasterNode master{network, "master"};
  const auto peer = RawPeer::connect(network, "master");
  network.run_for(100ms);
  peer->send("REPLCONF capa eof capa psync2\r\nPSYNC ? -1\r\n");
  network.run_for(100ms);
  const std::string reply = peer->take();
  const std::size_t mark = reply.find("$EOF:") + 5;
  REQUIRE(reply.size() > mark + 40);
  CHECK(reply.ends_with(reply.substr(mark, 40)));
  master.store.set("a", "1");
  network.run_for(2s);
  CHECK(peer->take().empty());
  peer->send(ack_of(0));
  network.run_for(100ms);
  CHECK(peer->take() == select_0 + set_a_1);
}

TEST_CASE("without capa eof a snapshot is announced by its length, and the stream follows at once") {
  SimulatedTransport network{78};
  MasterNode master{network, "master"};
  master.store.set("k", "v");
  const auto peer = RawPeer::connect(network, "master");
  network.run_for(100ms);
  peer->send("PSYNC ? -1\r\n");
  network.run_for(100ms);
  const std::string reply = peer->take();
  const std::size_t dollar = reply.find("\r\n$") + 3;
  const std::size_t body = reply.find("\r\n", dollar) + 2;
  CHECK(std::stoul(reply.substr(dollar)) == reply.size() - body);
  CHECK(reply.substr(body).starts_with("REDIS0009"));
  master.store.set("a", "1");
  network.run_for(100ms);
  CHECK(peer->take() == select_0 + set_a_1);
}
