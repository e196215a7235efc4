// A replica whose master lies, floods, stalls or leads in a circle: it keeps its data and its limits, says
// what is the matter, and comes back when there is an honest master.
#include <replikv/rdb/writer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <tests/replication/cluster.hpp>
#include <tests/replication/memory.hpp>
#include <tests/replication/raw_peer.hpp>

using namespace cluster;

namespace {

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

  // Into the stream, behind offset 5.
  void synchronise(const std::vector<std::pair<std::string, std::string>>& entries) {
    shake_hands();
    const std::string snapshot = snapshot_of(entries);
    liar->send("+FULLRESYNC " + some_id + " 5\r\n$" + std::to_string(snapshot.size()) + "\r\n" + snapshot);
    network.run_for(100ms);
    REQUIRE(replica.is_up());
  }

  // Says the same each second until the replica has enough of it, or for 700 seconds.
  void trickle(std::string_view text) {
    for (int second = 0; second < 700 && replica.log.count<LinkDown>() == 0; ++second) {
      liar->send(text);
      network.run_for(1s);
    }
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
    scene.trickle("x");
    CHECK(scene.why_down() == Errc::link_timeout);
  }
  CHECK(scene.keeps_its_data());
}

TEST_CASE("a master that only sends newlines is given up in bounded time") {
  LiedTo scene{{.full_resync_max = std::chrono::minutes(10)}};
  scene.shake_hands();
  scene.trickle("\n");
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

TEST_CASE("a handshake that never ends is given up when the timeout is over, however it is drawn out") {
  std::string drop;
  std::string first;
  SUBCASE("by newlines instead of an answer to PING") { drop = "\n"; }
  SUBCASE("by an answer of one byte a second") { first = "+", drop = "x"; }
  SUBCASE("by newlines instead of an answer to REPLCONF") { first = "+PONG\r\n", drop = "\n"; }
  SUBCASE("by one answer out of two, and then a byte a second") { first = "+PONG\r\n+OK\r\n+", drop = "x"; }
  LiedTo scene{{.timeout = 60s}};
  scene.liar->send(first);
  int seconds = 0;
  for (; seconds < 600 && scene.replica.log.count<LinkDown>() == 0; ++seconds) {
    scene.liar->send(drop);
    scene.network.run_for(1s);
  }
  CHECK(seconds <= 61);
  CHECK(scene.why_down() == Errc::link_timeout);
  CHECK(scene.replica.log.all<LinkDown>().at(0).why.detail == "not introduced within 60000 ms");
  CHECK(scene.keeps_its_data());
}

TEST_CASE("a reply of another type than a status ends the handshake, at every step of it") {
  for (const std::string& reply :
       {std::string("*1\r\n+PONG\r\n"), std::string("*1000000000\r\n"), std::string("%1\r\n+a\r\n+b\r\n"),
        std::string("~1\r\n+OK\r\n"), std::string(">2\r\n+a\r\n+b\r\n"), std::string("_\r\n"),
        std::string("#t\r\n"), std::string("(1\r\n"), std::string(",1.5\r\n"), std::string("!5\r\nERR x\r\n"),
        std::string("$2\r\nOK\r\n"), std::string(":1\r\n"), std::string("OK\r\n"), std::string("\0\r\n", 3),
        []() {
          std::string nested;
          for (int depth = 0; depth < 10'000; ++depth) nested += "*1\r\n";
          return nested;
        }()}) {
    for (const std::string before : {"", "+PONG\r\n", "+PONG\r\n+OK\r\n", "+PONG\r\n+OK\r\n+OK\r\n"}) {
      CAPTURE(reply.substr(0, 20));
      CAPTURE(before);
      LiedTo scene;
      scene.liar->send(before + reply);
      CHECK(scene.why_down() == Errc::protocol_error);
      CHECK(scene.keeps_its_data());
    }
  }
}

TEST_CASE("a password given to a master that has none, and a wrong one, are told apart, and said once") {
  SimulatedTransport network{71};
  ReplicationOptions accepting;
  SUBCASE("none") {}
  SUBCASE("another") { accepting.accepts = {{"", "secret"}}; }
  const bool has_password = !accepting.accepts.empty();
  const MasterNode master{network, "master", accepting};
  std::vector<std::string> lines;
  ReplicaNode replica{network,
                      {.credentials = Credentials{"", "guess"},
                       .logger = [&lines](LogLevel, std::string_view line) { lines.emplace_back(line); }}};
  replica.role->follow(network, "master");
  network.run_for(1s);
  const auto downs = replica.log.all<LinkDown>();
  REQUIRE_FALSE(downs.empty());
  const std::string message = downs[0].why.message();
  CAPTURE(message);
  if (has_password) {
    CHECK(downs[0].why.code == Errc::wrong_password);
    CHECK(message == "AUTH was answered: WRONGPASS invalid username-password pair or user is disabled.");
  } else {
    CHECK(downs[0].why.code == Errc::unasked_password);
    CHECK(message.starts_with("a password was given to a master that has none: AUTH was answered: ERR AUTH"));
  }
  REQUIRE_FALSE(lines.empty());
  CHECK(lines[0] == "Link to master master is down: " + message);
}

TEST_CASE("no text of a master gets into events or the log with a control character in it") {
  std::vector<std::string> lines;
  const Logger logger = [&lines](LogLevel, std::string_view line) { lines.emplace_back(line); };
  const std::string nasty("\x1b[2J\r\x07\0\x7f\x9b\xc2\x9bslave0:ip=evil", 25);
  LiedTo scene{{.unmirrored = Unmirrored::fail, .logger = logger}};
  SUBCASE("in answer to PING") { scene.liar->send("-ERR " + nasty + "\r\n"); }
  SUBCASE("in answer to REPLCONF") { scene.liar->send("+PONG\r\n-NOAUTH " + nasty + "\r\n"); }
  SUBCASE("in answer to PSYNC") {
    scene.shake_hands();
    scene.liar->send("-ERR " + nasty + "\r\n");
  }
  SUBCASE("behind +FULLRESYNC") {
    scene.shake_hands();
    scene.liar->send("+FULLRESYNC " + some_id + " 5 " + nasty + "\r\n");
  }
  SUBCASE("behind +CONTINUE") {
    scene.shake_hands();
    scene.liar->send("+CONTINUE " + nasty + "\r\n");
  }
  SUBCASE("as the length of a snapshot") {
    scene.shake_hands();
    scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$" + nasty + "\r\n");
  }
  SUBCASE("as a command") {
    scene.synchronise({});
    std::string command;
    resp::append_command(command, nasty, nasty);
    scene.liar->send(command);
  }
  SUBCASE("as the type of an argument") {
    scene.synchronise({});
    scene.liar->send("*1\r\n\x1b");
  }
  SUBCASE("as a key's value that is no number") {
    scene.synchronise({{"k", nasty}});
    scene.liar->send("*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n");
  }
  REQUIRE(scene.why_down());
  for (const auto& down : scene.replica.log.all<LinkDown>()) lines.push_back(down.why.message());
  for (const auto& diverged : scene.replica.log.all<Diverged>()) lines.push_back(diverged.why);
  lines.push_back(scene.replica.info().master->host);
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
    CHECK(line.size() < 400);
  }
}

TEST_CASE("a key's value may spell the end mark: only the mark behind the snapshot ends it") {
  const std::string mark(40, 'm');
  const std::string snapshot = snapshot_of({{"a", mark}, {"b", mark + mark}});
  for (const std::size_t piece : {1UL, 39UL, 41UL, 4096UL}) {
    CAPTURE(piece);
    LiedTo scene;
    scene.shake_hands();
    scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$EOF:" + mark + "\r\n");
    const std::string rest = snapshot + mark;
    for (std::size_t at = 0; at < rest.size(); at += piece) {
      scene.liar->send(rest.substr(at, piece));
      scene.network.run_for(1ms);
    }
    scene.network.run_for(100ms);
    CHECK(scene.replica.is_up());
    CHECK(contents(scene.replica.store) == Contents{{"a", mark}, {"b", mark + mark}});
  }
}

TEST_CASE("a snapshot without its end mark is never taken, whatever follows") {
  const std::string mark(40, 'm');
  LiedTo scene;
  scene.shake_hands();
  scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$EOF:" + mark + "\r\n" + snapshot_of({{"new", "2"}}));
  SUBCASE("nothing") {}
  SUBCASE("part of it") { scene.liar->send(mark.substr(1)); }
  SUBCASE("the stream") { scene.liar->send("*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n3\r\n*1\r\n$4\r\nping\r\n"); }
  CHECK(scene.why_down());
  CHECK(scene.keeps_its_data());
}

TEST_CASE("sizes that a snapshot only claims cost no memory") {
  const std::string header = "REDIS0009\xfe" + std::string(1, '\0');
  const auto with = [&header](std::string_view rest) { return header + std::string(rest); };
  using namespace std::string_view_literals;
  for (const std::string& file : {
           with("\xfb\x81\xff\xff\xff\xff\xff\xff\xff\xff\x81\xff\xff\xff\xff\xff\xff\xff\xff"sv),
           with("\0\x80\x1f\xff\xff\xff"
                "key"sv),
           with("\0\x81\x7f\xff\xff\xff\xff\xff\xff\xff"sv),
           with("\0\1k\x80\x1f\xff\xff\xff"
                "value"sv),
           with("\0\1k\xc3\x09\x80\x20\0\0\0"
                "123456789"sv),  // 512 MiB out of nine bytes
           with("\0\1k\xc3\x80\x1f\xff\xff\xff\x80\x20\0\0\0x"sv),
           with("\1\1k\x80\xff\xff\xff\xff\1x"sv),  // a list
       }) {
    CAPTURE(file.substr(11, 12));
    LiedTo scene{{.timeout = 20s}};
    scene.shake_hands();
    const HeapGrowth growth;
    scene.liar->send("+FULLRESYNC " + some_id + " 5\r\n$9000000000\r\n" + file);
    scene.network.run_for(1s);
    CHECK(growth.bytes() < (std::size_t{4} << 20));
    CHECK(scene.why_down());
    CHECK(scene.keeps_its_data());
  }
}

TEST_CASE("a master that asks for acknowledgements without end, and reads none, costs little memory") {
  LiedTo scene;
  scene.synchronise({});
  (void)scene.liar->take();
  scene.network.stall("liar", Direction::toward_listener);
  std::string asking;
  for (int i = 0; i < 100; ++i) resp::append_command(asking, "REPLCONF", "GETACK", "*");
  const HeapGrowth growth;
  for (int i = 0; i < 5'000; ++i) {
    scene.liar->send(asking);
    scene.network.run_for(1ms);
  }
  CHECK(growth.bytes() < (std::size_t{8} << 20));  // its backlog among it
  CHECK(scene.replica.is_up());
  const auto end_of_history = std::to_string(scene.replica.role->position().offset.bytes);
  scene.network.stall("liar", Direction::toward_listener, false);
  scene.network.run_for(5s);
  const std::string answers = scene.liar->take();
  CHECK(answers.size() < 100'000);
  CHECK(answers.ends_with("\r\n" + end_of_history + "\r\n"));  // and the last word is true
}

TEST_CASE("a master that ends each link as soon as it is up is not asked more often for that") {
  bool with_snapshot = false;
  SUBCASE("after +CONTINUE") {}
  SUBCASE("after a snapshot") { with_snapshot = true; }
  LiedTo scene;
  const std::string snapshot = snapshot_of({{"held", "1"}});
  const std::string granted = with_snapshot ? "+FULLRESYNC " + some_id + " 5\r\n$" +
                                                  std::to_string(snapshot.size()) + "\r\n" + snapshot
                                            : std::string("+CONTINUE\r\n");
  unsigned ups = 0;
  const TimePoint end = scene.network.now() + 60s;
  while (scene.network.now() < end) {
    const unsigned links = scene.liar->links();
    scene.liar->send("+PONG\r\n+OK\r\n+OK\r\n" + granted);
    if (scene.network.run_until([&scene] { return scene.replica.is_up(); }, 1s)) ++ups;
    scene.liar->hang_up();
    (void)scene.network.run_until([&] { return scene.liar->links() > links; }, 10s);
  }
  CHECK(ups >= 5);
  CHECK(ups <= 30);
  CHECK(scene.keeps_its_data());
}

TEST_CASE("a stream may begin near the largest offset accepted, and goes on exactly") {
  LiedTo scene;
  scene.shake_hands();
  const std::string snapshot = snapshot_of({});
  scene.liar->send("+FULLRESYNC " + some_id + " 4611686018427387904\r\n$" + std::to_string(snapshot.size()) +
                   "\r\n" + snapshot + "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n3\r\n");
  scene.network.run_for(2s);
  CHECK(scene.replica.is_up());
  CHECK(scene.replica.role->position().offset == Offset{(std::uint64_t{1} << 62) + 27});
  CHECK(scene.liar->received().ends_with("$19\r\n4611686018427387931\r\n"));
  CHECK(scene.replica.info().text().find("slave_repl_offset:4611686018427387931\r\n") != std::string::npos);
}

TEST_CASE("nodes that follow each other in a circle stay as they are, and follow a master when told to") {
  SimulatedTransport network{72};
  MasterNode master{network, "master"};
  master.store.set("held", "1");
  std::size_t size = 1;
  SUBCASE("one node follows itself") {}
  SUBCASE("two") { size = 2; }
  SUBCASE("three") { size = 3; }
  bool is_chain_first = false;
  SUBCASE("a chain whose head is told to follow its own tail") { size = 3, is_chain_first = true; }
  std::vector<std::unique_ptr<ReplicaNode>> ring;
  for (std::size_t i = 0; i < size; ++i) {
    ring.push_back(std::make_unique<ReplicaNode>(network, ReplicationOptions{}, i + 2));
    ring[i]->role->listen(network, std::to_string(i));
    ring[i]->role->follow(network, is_chain_first && i > 0 ? std::to_string(i - 1) : std::string("master"));
    REQUIRE(synced(network, *ring[i], *master.role));
  }
  const Token before = master.role->position();
  for (std::size_t i = 0; i < size; ++i) {
    if (is_chain_first && i > 0) continue;
    ring[i]->role->follow(network, std::to_string((i + size - 1) % size));
  }
  const HeapGrowth growth;
  for (auto& node : ring) node->log.clear();
  network.run_for(1h);
  std::size_t attempts = 0;
  for (auto& node : ring) {
    CHECK(node->role->position() == before);  // nothing goes round
    CHECK(contents(node->store) == Contents{{"held", "1"}});
    attempts = std::max(attempts, node->log.count<LinkDown>());
  }
  CHECK(attempts <= 3600 / 2);
  CHECK(attempts > 0);  // and somebody hears of it
  CHECK(growth.bytes() < (std::size_t{16} << 20));
  master.store.set("more", "2");
  ring[0]->role->follow(network, "master");
  for (std::size_t i = 1; i < size; ++i) ring[i]->role->follow(network, std::to_string(i - 1));
  for (auto& node : ring) REQUIRE(synced(network, *node, *master.role));
  for (auto& node : ring) CHECK(contents(node->store) == contents(master.store));
}
