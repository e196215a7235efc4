// Peers that send garbage, lies or nothing: the node keeps its data, its other links and its limits.
#include <replikv/rdb/writer.hpp>

#include <doctest/doctest.h>

#include <tests/replication/cluster.hpp>
#include <tests/replication/raw_peer.hpp>

using namespace cluster;

namespace {

const std::string some_id(40, 'a');

std::string snapshot_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  rdb::Writer writer;
  writer.header();
  writer.select_database(0);
  for (const auto& [key, value] : entries) writer.key(key, value);
  writer.end();
  return writer.take();
}

/// A replica with data, whose next master is whatever a test makes of it.
struct LiedTo {
  explicit LiedTo(ReplicationOptions options = {}) : replica(network, std::move(options)) {
    honest.store.set("held", "1");
    replica.role->follow(network, "honest");
    REQUIRE(synced(network, replica, *honest.role));
    liar = RawPeer::listen(network, "liar");
    replica.role->follow(network, "liar");
    replica.log.clear();
    network.run_for(100ms);
    REQUIRE(liar->is_linked());
  }

  // Up to the reply to PSYNC.
  void shake_hands() {
    liar->send("+PONG\r\n+OK\r\n+OK\r\n");
    network.run_for(100ms);
    REQUIRE(liar->received().find("PSYNC") != std::string::npos);
  }

  std::error_code why_down() {
    const bool is_down = network.run_until([this] { return replica.log.count<LinkDown>() > 0; }, 3h);
    return is_down ? replica.log.all<LinkDown>()[0].why.code : std::error_code{};
  }

  [[nodiscard]] bool keeps_its_data() const { return contents(replica.store) == Contents{{"held", "1"}}; }

  SimulatedTransport network{55};
  MasterNode honest{network, "honest"};
  ReplicaNode replica;
  std::shared_ptr<RawPeer> liar;
};

}  // namespace

TEST_CASE("a replica refuses what is no reply to PSYNC, and keeps its data") {
  for (const std::string& reply : {
           "+FULLRESYNC " + some_id.substr(1) + " 5\r\n",
           "+FULLRESYNC " + some_id + " -5\r\n",
           "+FULLRESYNC " + some_id + " 99999999999999999999\r\n",
           "+FULLRESYNC " + some_id + " 9223372036854775807\r\n",
           "+FULLRESYNC " + some_id + " 5 tail\r\n",
           "+FULLRESYNC " + std::string(40, 'x') + " 5\r\n",
           std::string("+CONTINUE abc\r\n"),
           std::string("+OK\r\n"),
           std::string(":1\r\n"),
           std::string("$5\r\nhello\r\n"),
           std::string(100'000, 'x'),
       }) {
    CAPTURE(reply.substr(0, 80));
    LiedTo scene;
    scene.shake_hands();
    scene.liar->send(reply);
    CHECK(scene.why_down() == Errc::protocol_error);
    CHECK(scene.keeps_its_data());
  }
}

TEST_CASE("a replica refuses a snapshot that is not what it was said to be, and keeps its data") {
  const std::string good = snapshot_of({{"new", "2"}});
  std::string flipped = good;
  flipped[flipped.size() / 2] ^= 1;
  const std::string mark(40, 'm');
  const auto disk = [](const std::string& bytes) {
    return "$" + std::to_string(bytes.size()) + "\r\n" + bytes;
  };
  for (const std::string& body : {
           disk(flipped),
           disk("REDIS0013" + good.substr(9)),
           disk("NOTREDIS!" + good.substr(9)),
           disk(good + "x"),
           disk(good.substr(0, good.size() - 1)),
           "$EOF:" + mark + "\r\n" + good + std::string(40, 'n'),
           "$EOF:" + mark.substr(1) + "\r\n" + good,
           std::string("$-1\r\n"),
           std::string("$99999999999999999999\r\n"),
           std::string("$0\r\n") + "x",
       }) {
    CAPTURE(body.substr(0, 60));
    LiedTo scene;
    scene.shake_hands();
    scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n" + body);
    CHECK(scene.why_down());
    CHECK(scene.keeps_its_data());
    CHECK(scene.replica.log.count<FullResyncDone>() == 0);
  }
}

TEST_CASE("a snapshot that stops, or trickles for ever, is given up in bounded time") {
  LiedTo scene{{.full_resync_max = std::chrono::minutes(10)}};
  scene.shake_hands();
  scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$1000000\r\nREDIS0009");
  SUBCASE("stopped") { CHECK(scene.why_down() == Errc::link_timeout); }
  SUBCASE("trickling") {
    scene.liar->send(
        std::string("\xfa\x04"
                    "name"
                    "\x7f\xff",
                    8));
    for (int second = 0; second < 700 && scene.replica.log.count<LinkDown>() == 0; ++second) {
      scene.liar->send("x");
      scene.network.run_for(1s);
    }
    CHECK(scene.why_down() == Errc::link_timeout);
  }
  CHECK(scene.keeps_its_data());
}

TEST_CASE("a master that only sends newlines is given up in bounded time") {
  LiedTo scene{{.full_resync_max = std::chrono::minutes(10)}};
  scene.shake_hands();
  for (int second = 0; second < 700 && scene.replica.log.count<LinkDown>() == 0; ++second) {
    scene.liar->send("\n");
    scene.network.run_for(1s);
  }
  CHECK(scene.why_down() == Errc::link_timeout);
  CHECK(scene.keeps_its_data());
}

TEST_CASE("a stream that is not the protocol ends the link and nothing before it is lost") {
  for (const std::string garbage : {"garbage\r\n", "*1\r\n$-5\r\n", "*2\r\n$3\r\nSET\r\n:5\r\n",
                                    "*9999999999\r\n", "*1\r\n$99999999999\r\n", "*1\r\n$4\r\nPINGxx"}) {
    CAPTURE(garbage);
    LiedTo scene;
    scene.shake_hands();
    const std::string snapshot = snapshot_of({{"new", "2"}});
    scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$" + std::to_string(snapshot.size()) + "\r\n" +
                     snapshot);
    scene.liar->send("*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n3\r\n" + garbage);
    CHECK(scene.why_down() == Errc::protocol_error);
    CHECK(contents(scene.replica.store) == Contents{{"new", "2"}, {"b", "3"}});
    CHECK(scene.replica.role->position().offset == Offset{5 + 27});
  }
}

TEST_CASE("a command larger than the limit ends the link instead of growing memory") {
  LiedTo scene{{.command_bytes_max = 1 << 20}};
  scene.shake_hands();
  const std::string snapshot = snapshot_of({});
  scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$" + std::to_string(snapshot.size()) + "\r\n" +
                   snapshot);
  SUBCASE("one argument") {
    scene.liar->send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n" + std::string(2 << 20, 'x'));
  }
  SUBCASE("a transaction without end") {
    scene.liar->send("*1\r\n$5\r\nMULTI\r\n");
    for (int i = 0; i < 100'000; ++i) scene.liar->send("*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n3\r\n");
  }
  CHECK(scene.why_down() == Errc::protocol_error);
}

TEST_CASE("a master cannot make a replica do anything but change keys") {
  LiedTo scene;
  scene.shake_hands();
  const std::string snapshot = snapshot_of({{"a", "1"}});
  scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$" + std::to_string(snapshot.size()) + "\r\n" +
                   snapshot);
  for (const std::string_view command : {"REPLICAOF evil 1", "CONFIG SET dir /tmp", "SHUTDOWN NOSAVE",
                                         "DEBUG SEGFAULT", "MODULE LOAD x", "EVAL return 0"}) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at < command.size();) {
      const std::size_t end = std::min(command.find(' ', at), command.size());
      words.push_back(command.substr(at, end - at));
      at = end + 1;
    }
    std::string bytes;
    resp::append_command(bytes, words);
    scene.liar->send(bytes);
  }
  scene.network.run_for(1s);
  CHECK(scene.replica.is_up());
  CHECK(scene.replica.info().unmirrored == 6);
  CHECK(contents(scene.replica.store) == Contents{{"a", "1"}});
}

TEST_CASE("a stream that cannot be applied leads to a full resync, visibly") {
  LiedTo scene;
  scene.shake_hands();
  const std::string snapshot = snapshot_of({{"text", "abc"}});
  scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$" + std::to_string(snapshot.size()) + "\r\n" +
                   snapshot);
  scene.liar->send("*2\r\n$4\r\nINCR\r\n$4\r\ntext\r\n");
  CHECK(scene.why_down() == Errc::diverged);
  CHECK(scene.replica.log.count<Diverged>() == 1);
  scene.network.run_for(1s);
  scene.liar->send("+PONG\r\n+OK\r\n+OK\r\n");
  scene.network.run_for(1s);
  CHECK(scene.liar->received().find("$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n") != std::string::npos);
}

TEST_CASE("a newline before a command counts for its offset, as it does for redis-server") {
  LiedTo scene;
  scene.shake_hands();
  const std::string snapshot = snapshot_of({});
  scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$" + std::to_string(snapshot.size()) + "\r\n" +
                   snapshot);
  scene.liar->send("\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n3\r\n");
  scene.network.run_for(1s);
  CHECK(scene.replica.role->position().offset == Offset{5 + 1 + 27});
}

TEST_CASE("a master answers hostile requests and serves its replicas meanwhile") {
  SimulatedTransport network{56};
  MasterNode master{network, "master"};
  fill(master.store, 100);
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));

  const auto answer = [&network](const std::string& request) {
    const auto peer = RawPeer::connect(network, "master");
    network.run_for(100ms);
    peer->send(request);
    network.run_for(100ms);
    return std::pair{peer->take(), peer->is_closed()};
  };
  const auto inline_request = [&answer](const std::string& line) { return answer(line + "\r\n"); };
  CHECK(inline_request("FLUSHALL").first.starts_with("-ERR unknown command 'FLUSHALL'"));
  CHECK(inline_request("PSYNC junk 1").first.starts_with("+FULLRESYNC "));
  CHECK(inline_request("PSYNC " + some_id + " -5").first.starts_with("+FULLRESYNC "));
  CHECK(inline_request("PSYNC " + some_id + " 9223372036854775808").first.starts_with("+FULLRESYNC "));
  const std::string id = master.role->info().history.id.text();
  CHECK(inline_request("PSYNC " + id + " 99999999").first.starts_with("+FULLRESYNC "));
  CHECK(inline_request("PSYNC").first.starts_with("-ERR wrong number of arguments for 'psync' command"));
  CHECK(inline_request("REPLCONF ip-address a,b=c").first.starts_with("-ERR"));
  CHECK(inline_request("REPLCONF listening-port 65536").first.starts_with("-ERR"));
  const auto oversized = answer("*3\r\n$3\r\nSET\r\n$99999999999\r\n");
  CHECK(oversized.first == "-ERR Protocol error: invalid bulk length\r\n");
  CHECK(oversized.second);
  CHECK(answer(std::string(70'000, 'x')).second);

  CHECK(synced(network, replica, *master.role));
  CHECK(replica.log.count<LinkDown>() == 0);
  CHECK(contents(replica.store) == contents(master.store));
}

TEST_CASE("a forged acknowledgement ends the link and satisfies no wait") {
  SimulatedTransport network{57};
  MasterNode master{network, "master", {.min_replicas_to_write = 0}};
  master.store.set("a", "1");
  const auto peer = RawPeer::connect(network, "master");
  network.run_for(100ms);
  const std::string id = master.role->info().history.id.text();
  peer->send("PSYNC " + id + " 1\r\n");
  network.run_for(100ms);
  REQUIRE(master.role->info().replicas.size() == 1);
  peer->send("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$9\r\n999999999\r\n");
  network.run_for(100ms);
  CHECK(master.role->info().replicas.empty());
  CHECK(peer->is_closed());
  CHECK(master.log.all<LinkDown>().at(0).why.code == Errc::forged_ack);
}

TEST_CASE("a replica that came back while its former link is half-open counts once") {
  SimulatedTransport network(61);
  MasterNode master{network, "master", {.min_replicas_to_write = 1, .min_replicas_max_lag = 60s}};
  const auto good = [&] { return master.role->info().good_replicas; };
  const auto replica = [&](int port) {
    auto peer = RawPeer::connect(network, "master");
    network.run_for(10ms);
    const std::string text = std::to_string(port);
    peer->send("REPLCONF listening-port " + text + "\r\nREPLCONF capa eof capa psync2\r\nPSYNC ? -1\r\n");
    network.run_for(100ms);
    peer->send("REPLCONF ACK 0\r\n");
    network.run_for(100ms);
    return peer;
  };
  const auto before = replica(7000);
  CHECK(good() == 1U);
  const auto again = replica(7000);
  CHECK(master.role->info().replicas.size() == 2);
  CHECK(good() == 1U);
  const auto other = replica(7001);
  CHECK(good() == 2U);
  const auto nameless = replica(0);
  CHECK(good() == 3U);
  const auto nameless_too = replica(0);
  CHECK(good() == 4U);
}

TEST_CASE("a peer that never finishes its handshake is closed, and so are links over the limit") {
  SimulatedTransport network{58};
  MasterNode master{network, "master", {.replicas_max = 3}};
  std::vector<std::shared_ptr<RawPeer>> peers;
  for (int i = 0; i < 5; ++i) {
    peers.push_back(RawPeer::connect(network, "master"));
    network.run_for(10ms);
  }
  network.run_for(1s);
  CHECK_FALSE(peers[2]->is_closed());
  CHECK(peers[3]->is_closed());
  CHECK(peers[4]->is_closed());
  network.run_for(61s);
  CHECK(peers[0]->is_closed());
}

TEST_CASE("before authentication little is taken and little is answered") {
  SimulatedTransport network{59};
  MasterNode master{network, "master", {.accepts = {{"", "secret"}}}};
  const auto peer = RawPeer::connect(network, "master");
  network.run_for(100ms);
  SUBCASE("commands are refused") {
    peer->send("PSYNC ? -1\r\n");
    network.run_for(100ms);
    CHECK(peer->take() == "-NOAUTH Authentication required.\r\n");
  }
  SUBCASE("large arguments are refused") {
    peer->send("*2\r\n$4\r\nAUTH\r\n$16385\r\n");
    network.run_for(100ms);
    CHECK(peer->take() == "-ERR Protocol error: unauthenticated bulk length\r\n");
    CHECK(peer->is_closed());
  }
  SUBCASE("many arguments are refused") {
    peer->send("*11\r\n");
    network.run_for(100ms);
    CHECK(peer->take() == "-ERR Protocol error: unauthenticated multibulk length\r\n");
    CHECK(peer->is_closed());
  }
  SUBCASE("guessing ends the link") {
    for (int i = 0; i < 3; ++i) peer->send("AUTH guess" + std::to_string(i) + "\r\n");
    network.run_for(100ms);
    CHECK(peer->is_closed());
  }
}
