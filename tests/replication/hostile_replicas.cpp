// A master among hostile peers: whoever connects, says too much or too little, lies, or does not read. The
// application writes on, other replicas are served, and memory stays within its limits.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <tests/replication/cluster.hpp>
#include <tests/replication/memory.hpp>
#include <tests/replication/raw_peer.hpp>

using namespace cluster;

namespace {

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// What a replica that knows end marks says to get a snapshot.
const std::string wish_for_snapshot = "REPLCONF capa eof capa psync2\r\nPSYNC ? -1\r\n";

}  // namespace

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
  const auto browser = answer("POST / HTTP/1.1\r\nHost: localhost:6379\r\n\r\nPSYNC ? -1\r\n");
  CHECK(browser.first.empty());
  CHECK(browser.second);
  const auto reader = answer("GET / HTTP/1.1\r\nHost: localhost:6379\r\n\r\n");
  CHECK(reader.first.starts_with("-ERR unknown command 'GET'"));
  CHECK(reader.second);

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
  CHECK(master.role->wait(1, 0ms) == 0);
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

TEST_CASE("a peer that draws its handshake out is closed when the handshake's time is over") {
  std::string drop;
  SUBCASE("by a byte of a command a second") { drop = "x"; }
  SUBCASE("by empty lines") { drop = "\r\n"; }
  SUBCASE("by whole commands") { drop = "PING\r\n"; }
  SimulatedTransport network{60};
  const MasterNode master{network, "master", {.timeout = 60s}};
  const auto peer = RawPeer::connect(network, "master");
  network.run_for(100ms);
  int seconds = 0;
  for (; seconds < 600 && !peer->is_closed(); ++seconds) {
    peer->send(drop);
    network.run_for(1s);
  }
  CHECK(seconds >= 59);
  CHECK(seconds <= 61);
}

TEST_CASE("a reader that stops inside its snapshot is dropped whatever it says, and keeps up nobody else") {
  SimulatedTransport network{62};
  MasterNode master{network, "master", {.full_resync_delay = 1s, .timeout = 60s}};
  master.role->listen(network, "for the stalled");
  fill(master.store, 8'000, 1'000);
  const auto stalled = RawPeer::connect(network, "for the stalled");
  const auto silent = RawPeer::connect(network, "master");
  network.run_for(10ms);
  stalled->send(wish_for_snapshot);
  silent->send(wish_for_snapshot);
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  network.run_for(500ms);
  network.stall("for the stalled", Direction::toward_connector);
  for (int second = 0; second < 70; ++second) {
    stalled->send("\n");  // it lives
    master.store.set("written meanwhile", std::to_string(second));
    network.run_for(1s);
  }
  const auto downs = master.log.all<LinkDown>();
  REQUIRE(downs.size() == 1);
  CHECK(downs[0].why.code == Errc::link_timeout);
  CHECK(downs[0].why.detail == "nothing of the snapshot taken for 60000 ms");
  CHECK(synced(network, replica, *master.role));
  CHECK(replica.log.count<FullResyncDone>() == 1);
  CHECK(contents(replica.store) == contents(master.store));
  const std::string& taken = silent->received();
  const std::string mark = taken.substr(taken.find("$EOF:") + 5, 40);
  CHECK(taken.ends_with(mark));
  CHECK_FALSE(silent->is_closed());
}

TEST_CASE("a reader that stops while it has its snapshot to itself is dropped, and the next one served") {
  SimulatedTransport network{68};
  MasterNode master{network, "master", {.timeout = 60s}};
  master.role->listen(network, "for the stalled");
  fill(master.store, 8'000, 1'000);
  const auto stalled = RawPeer::connect(network, "for the stalled");
  network.run_for(10ms);
  network.stall("for the stalled", Direction::toward_connector);
  stalled->send(wish_for_snapshot);
  network.run_for(1s);
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  network.run_for(70s);
  const auto downs = master.log.all<LinkDown>();
  REQUIRE(downs.size() == 1);
  CHECK(downs[0].why.code == Errc::link_timeout);
  CHECK(replica.log.count<FullResyncDone>() == 1);
  CHECK(contents(replica.store) == contents(master.store));
}

TEST_CASE("many who ask for a snapshot at once share it, and those who come meanwhile the next one") {
  SimulatedTransport network{63};
  MasterNode master{network, "master"};
  fill(master.store, 2'000, 1'000);
  std::vector<std::shared_ptr<RawPeer>> peers;
  for (int i = 0; i < 300; ++i) {
    peers.push_back(RawPeer::connect(network, "master"));
    network.run_until_idle();
  }
  network.run_for(10ms);
  const HeapGrowth growth;
  for (const auto& peer : peers) peer->send(wish_for_snapshot);
  network.run_for(10s);
  std::set<std::string> marks;
  for (const auto& peer : peers) {
    const std::string taken = peer->take();
    const std::size_t mark = taken.find("$EOF:") + 5;
    REQUIRE(taken.size() > mark + 80);
    marks.insert(taken.substr(mark, 40));
  }
  CHECK(marks.size() <= 3);
  CHECK(master.role->info().full_resyncs_served == 300);
}

TEST_CASE("of those who want a snapshot's length first, and then read nothing, one copy is kept") {
  SimulatedTransport network{66};
  MasterNode master{network, "master", {.ping_period = 55s, .timeout = 60s}};
  master.role->listen(network, "for the stalled");
  fill(master.store, 8'000, 1'000);
  network.stall("for the stalled", Direction::toward_connector);
  const HeapGrowth growth;
  std::size_t most = 0;
  std::vector<std::shared_ptr<RawPeer>> stalled;
  for (int i = 0; i < 10; ++i) {
    stalled.push_back(RawPeer::connect(network, "for the stalled"));
    network.run_for(10ms);
    stalled.back()->send("PSYNC ? -1\r\n");
    network.run_for(2s);
    most = std::max(most, growth.bytes());
  }
  CHECK(most < 2 * std::size_t{8'000'000} + 10 * Link::window_bytes);
  ReplicaNode replica{network};  // takes it piece by piece, and need not wait for them
  replica.role->follow(network, "master");
  CHECK(synced(network, replica, *master.role, 5s));
  // One of those goes when it has taken nothing for a minute.
  const auto honest = RawPeer::connect(network, "master");
  network.run_for(10ms);
  honest->send("PSYNC ? -1\r\n");
  CHECK(network.run_until([&honest] { return honest->received().size() > 8'000'000; }, 50s));
}

TEST_CASE("when a reader that stops is dropped, who shares its snapshot gets the rest at once, unasked") {
  SimulatedTransport network{67};
  MasterNode master{network, "master", {.full_resync_delay = 1s, .ping_period = 55s, .timeout = 60s}};
  master.role->listen(network, "for the stalled");
  fill(master.store, 8'000, 1'000);
  const auto stalled = RawPeer::connect(network, "for the stalled");
  const auto silent = RawPeer::connect(network, "master");
  network.run_for(10ms);
  stalled->send(wish_for_snapshot);
  silent->send(wish_for_snapshot);
  network.run_for(500ms);
  network.stall("for the stalled", Direction::toward_connector);
  REQUIRE(network.run_until([&master] { return master.log.count<LinkDown>() > 0; }, 70s));
  network.run_for(1s);
  const std::string& taken = silent->received();
  CHECK(taken.ends_with(taken.substr(taken.find("$EOF:") + 5, 40)));
  CHECK_FALSE(silent->is_closed());
}

TEST_CASE("no text of a peer gets into INFO, events or the log with a control character in it") {
  SimulatedTransport network{64};
  std::vector<std::string> lines;
  MasterNode master{
      network, "master", {.logger = [&lines](LogLevel, std::string_view line) { lines.emplace_back(line); }}};
  const std::string nasty("1\r\nrole:evil\n\x1b[2J\0\x7f\x9b\xc2\x9b", 22);
  for (const std::string option : {"listening-port", "ip-address", "capa", "rdb-only", "junk\r\n\x1b"}) {
    for (const std::string& value :
         {nasty, std::string("127.0.0.1\r\n"), std::string("7000\n"), std::string("70\0", 3)}) {
      const auto peer = RawPeer::connect(network, "master");
      network.run_for(10ms);
      std::string said;
      resp::append_command(said, "REPLCONF", option, value);
      resp::append_command(said, nasty, value);
      resp::append_command(said, "PSYNC", nasty, value);
      peer->send(said);
      network.run_for(100ms);
      const std::string info = master.role->info().text();
      CHECK(info.find("evil") == std::string::npos);
      for (std::size_t at = 0; at < info.size();) {
        const std::size_t end = info.find("\r\n", at);
        REQUIRE(end != std::string::npos);
        CHECK(is_printable(std::string_view(info).substr(at, end - at)));
        at = end + 2;
      }
      said.clear();
      resp::append_command(said, nasty, value);
      peer->send(said);  // no replica's command: the link ends
      network.run_for(100ms);
    }
  }
  for (const auto& down : master.log.all<LinkDown>()) {
    lines.push_back(down.peer);
    lines.push_back(down.why.message());
  }
  for (const auto& started : master.log.all<FullResyncStarted>()) lines.push_back(started.why);
  CHECK(lines.size() > 20);
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK(is_printable(line));
  }
}

TEST_CASE("of a user that exists and one that does not, a guess learns the same") {
  SimulatedTransport network{65};
  const MasterNode master{network, "master", {.accepts = {{"", "one"}, {"ada", "two"}}}};
  std::set<std::string> answers;
  for (const std::string guess : {"AUTH x", "AUTH default x", "AUTH ada x", "AUTH ada one", "AUTH bob x",
                                  "AUTH bob two", "AUTH ada \"\"", "AUTH \"\" one"}) {
    const auto peer = RawPeer::connect(network, "master");
    network.run_for(10ms);
    peer->send(guess + "\r\nPSYNC ? -1\r\n");
    network.run_for(100ms);
    answers.insert(peer->take());
    CHECK_FALSE(peer->is_closed());
  }
  CHECK(answers == std::set<std::string>{"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
                                         "-NOAUTH Authentication required.\r\n"});
}
