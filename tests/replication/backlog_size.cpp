// How far a replica may be away, and what it is told when that was too far: the backlog's size, the limits
// beside it, and full resyncs that the stream outgrows.
#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/simulated.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tests/replication/cluster.hpp>
#include <tests/replication/raw_peer.hpp>
#include <tests/replication/refusal.hpp>
#include <vector>

namespace {

using namespace cluster;

constexpr std::uint64_t kibibyte = 1024;

/// Lines of a log.
class Lines {
 public:
  [[nodiscard]] Logger logger() {
    return [this](LogLevel, std::string_view line) { lines_.emplace_back(line); };
  }
  [[nodiscard]] auto count(std::string_view words) const {
    return std::count_if(lines_.begin(), lines_.end(),
                         [words](const auto& line) { return line.find(words) != line.npos; });
  }
  [[nodiscard]] bool empty() const noexcept { return lines_.empty(); }

 private:
  std::vector<std::string> lines_;
};

/// A master and a replica that is cut off, while the master writes, and comes back.
struct Absence {
  explicit Absence(ReplicationOptions options) : master{network, "master", std::move(options)} {
    replica.role->follow(network, "master");
    REQUIRE(synced(network, replica, *master.role));
  }

  void leave() {
    network.refuse("master");
    network.cut("master");
  }
  /// Writes for so many seconds, at a rate.
  void write(int seconds, int bytes_per_second) {
    for (int i = 0; i < seconds; ++i) {
      for (int written = 0; written < bytes_per_second; written += 1'000)
        master.store.set("key:" + std::to_string(i % 100), std::string(1'000, 'x'));
      network.run_for(1s);
    }
  }
  void come_back() {
    network.refuse("master", false);
    REQUIRE(synced(network, replica, *master.role));
    CHECK(contents(replica.store) == contents(master.store));
  }
  [[nodiscard]] std::uint64_t backlog_bytes_max() const {
    return master.role->info().history.backlog_bytes_max;
  }

  SimulatedTransport network{71};
  MasterNode master;
  ReplicaNode replica{network};
};

/// A master with much data, behind a network that needs twenty seconds for it.
struct SlowResync {
  explicit SlowResync(ReplicationOptions options) : master{network, "master", std::move(options)} {
    fill(master.store, 2'000, 1'000);
    network.set_bandwidth(100'000);
  }
  /// Writes until something has happened so often; false: it never did.
  template <class Kind>
  bool write_until(std::size_t times) {
    for (int i = 0; i < 3'000 && master.log.count<Kind>() < times; ++i) {
      master.store.set("busy", std::string(5'000, static_cast<char>('a' + i % 26)));
      network.run_for(100ms);
    }
    return master.log.count<Kind>() >= times;
  }

  SimulatedTransport network{72};
  MasterNode master;
};

}  // namespace

// --- The backlog's size ------------------------------------------------------------------------------

TEST_CASE("with backlog_duration a replica continues after being away for so long, at any rate of writing") {
  for (const int bytes_per_second : {1'000, 50'000, 400'000}) {
    CAPTURE(bytes_per_second);
    Absence absence{{.backlog_bytes = 16 * kibibyte, .backlog_duration = 60s, .backlog_bytes_max = 64 << 20}};
    absence.leave();
    absence.write(50, bytes_per_second);
    CHECK(absence.backlog_bytes_max() >= 50U * static_cast<unsigned>(bytes_per_second));
    absence.come_back();
    CHECK(absence.replica.info().full_resyncs == 1);
    CHECK(absence.replica.info().partial_resyncs == 1);
  }
}

TEST_CASE("without backlog_duration the same absence costs a full resync") {
  Absence absence{{.backlog_bytes = 16 * kibibyte}};
  absence.leave();
  absence.write(50, 50'000);
  absence.come_back();
  CHECK(absence.replica.info().full_resyncs == 2);
}

TEST_CASE("INFO shows the backlog's size as it is: larger after a burst, and small again once that is old") {
  Absence absence{{.backlog_bytes = 16 * kibibyte, .backlog_duration = 60s}};
  const auto shown = [&absence] {
    return "repl_backlog_size:" + std::to_string(absence.backlog_bytes_max()) + "\r\n";
  };
  absence.network.run_for(100s);
  CHECK(absence.backlog_bytes_max() == 16 * kibibyte);
  absence.write(1, 500'000);
  CHECK(absence.backlog_bytes_max() > 500'000);
  CHECK(absence.master.role->info().text().find(shown()) != std::string::npos);
  absence.network.run_for(55s);
  CHECK(absence.backlog_bytes_max() > 500'000);
  absence.network.run_for(10s);
  CHECK(absence.backlog_bytes_max() == 16 * kibibyte);
  CHECK(absence.master.role->info().text().find(shown()) != std::string::npos);
  CHECK(absence.master.role->info().history.backlog_bytes < 300 * kibibyte);
}

TEST_CASE("a replica keeps its own backlog by time, for its sub-replicas") {
  SimulatedTransport network{73};
  MasterNode master{network, "master"};
  ReplicaNode middle{network, {.backlog_bytes = 16 * kibibyte, .backlog_duration = 60s}};
  ReplicaNode leaf{network, {}, 3};
  middle.role->listen(network, "middle");
  middle.role->follow(network, "master");
  leaf.role->follow(network, "middle");
  REQUIRE(synced(network, leaf, *master.role));
  network.refuse("middle");
  network.cut("middle");
  fill(master.store, 500, 1'000);
  network.run_for(40s);
  network.refuse("middle", false);
  REQUIRE(synced(network, leaf, *master.role));
  CHECK(leaf.info().full_resyncs == 1);
}

TEST_CASE(
    "a node says once when backlog_bytes_max cuts what backlog_duration promises, and again next time") {
  Lines lines;
  Absence absence{{.backlog_bytes = 16 * kibibyte,
                   .backlog_duration = 60s,
                   .backlog_bytes_max = 1 << 20,
                   .logger = lines.logger()}};
  absence.write(10, 100'000);
  CHECK(lines.count("backlog_bytes_max") == 0);
  absence.write(10, 100'000);
  CHECK(lines.count("backlog_bytes_max keeps 1048576") == 1);
  CHECK(absence.backlog_bytes_max() == 1 << 20);
  absence.network.run_for(100s);
  absence.write(20, 100'000);
  CHECK(lines.count("The last 60 s wrote 1") == 2);
}

// --- Options that contradict each other ----------------------------------------------------------------

TEST_CASE("limits under which full resyncs could never end are refused, with the numbers") {
  const auto says = [](const ReplicationOptions& options, std::string_view words) {
    const std::string why = refusal(options);
    INFO(why);
    return why.find(words) != std::string::npos;
  };
  SUBCASE("a hard limit that any write exceeds, where the backlog is no larger") {
    CHECK(says({.backlog_bytes = 10, .output_limit = {.hard_bytes = 0}},
               "output_limit.hard_bytes ends a link at 10 bytes behind"));
    CHECK(refusal({.backlog_bytes = 64, .output_limit = {.hard_bytes = 0}}) == "");
    CHECK(refusal({.backlog_bytes = 0, .output_limit = {.hard_bytes = 64}}) == "");
  }
  SUBCASE("a soft limit of nothing for no time: a Redis would take it for none") {
    CHECK(says({.output_limit = {.soft_bytes = 0, .soft_for = 0s}},
               "output_limit.soft_bytes, with soft_for 0, ends a link at 0 bytes behind"));
    CHECK(refusal({.output_limit = {.soft_bytes = 0, .soft_for = 1s}}) == "");
    CHECK(refusal({.output_limit = {.soft_bytes = 64, .soft_for = 0s}}) == "");
    CHECK(says({.output_limit = {.soft_for = -1s}}, "soft_for"));
  }
  SUBCASE("a snapshot that begins when both ends have given it up") {
    CHECK(says({.full_resync_delay = 60min, .full_resync_max = 60min},
               "full_resync_delay (3600000 ms) must be shorter than full_resync_max (60 min)"));
    CHECK(refusal({.full_resync_delay = 59min, .full_resync_max = 60min}) == "");
    CHECK(says({.full_resync_delay = 1s, .ping_period = 500ms, .ack_period = 500ms, .timeout = 900ms},
               "full_resync_delay (1000 ms) must be shorter than timeout (900 ms)"));
    CHECK(refusal({.full_resync_delay = 5s, .ping_period = 500ms, .timeout = 1'100ms}) == "");
  }
  SUBCASE("a backlog by time without room for it") {
    CHECK(says({.backlog_bytes = 2 << 20, .backlog_duration = 1s, .backlog_bytes_max = 1 << 20},
               "backlog_bytes_max (1048576) must not be below backlog_bytes (2097152)"));
    CHECK(refusal({.backlog_bytes = 2 << 20, .backlog_bytes_max = 1 << 20}) == "");
    CHECK(refusal({.backlog_bytes = 1 << 20, .backlog_duration = 1s, .backlog_bytes_max = 1 << 20}) == "");
    CHECK(says({.backlog_duration = -1s}, "backlog_duration"));
    CHECK(says({.backlog_duration = std::chrono::seconds::max()}, "backlog_duration"));
  }
}

TEST_CASE("a size of the backlog that contradicts the other limits is refused at run time, too") {
  SimulatedTransport network{74};
  MasterNode master{network, "master", {.output_limit = {.hard_bytes = 0}}};
  CHECK_THROWS_AS(master.role->set_backlog_bytes(63), Error);
  CHECK(master.role->info().history.backlog_bytes_max == 1 << 20);
  master.role->set_backlog_bytes(64);
  CHECK(master.role->info().history.backlog_bytes_max == 64);
  ReplicaNode replica{network, {.backlog_duration = 1s, .backlog_bytes_max = 2 << 20}};
  CHECK_THROWS_AS(replica.role->set_backlog_bytes((2 << 20) + 1), Error);
  replica.role->set_backlog_bytes(2 << 20);
  CHECK(replica.info().history.backlog_bytes_max == 2 << 20);
}

TEST_CASE("options that are allowed and seldom meant are told to the log when the role begins") {
  const auto advice = [](ReplicationOptions options, std::string_view words) {
    Lines lines;
    options.logger = lines.logger();
    Strings store;
    const ReplicationMaster master{store, options};
    return words.empty() ? lines.empty() : lines.count(words) == 1;
  };
  CHECK(advice({}, ""));
  CHECK(advice({.backlog_duration = 3'600s}, ""));
  CHECK(advice({.backlog_bytes = 512 << 20, .output_limit = {.soft_bytes = 1 << 30}},
               "output_limit.hard_bytes (268435456) has no effect: it is below backlog_bytes (536870912)"));
  CHECK(advice({.output_limit = {.soft_bytes = 10'000, .soft_for = 5s}},
               "output_limit.soft_bytes (10000) is below the backlog (up to 1048576)"));
  CHECK(advice({.backlog_duration = 60s, .backlog_bytes_max = 128 << 20},
               "output_limit.soft_bytes (67108864) is below the backlog (up to 134217728)"));
  CHECK(advice({.command_bytes_max = 1 << 20}, "command_bytes_max (1048576) is below the largest value"));
}

// --- Full resyncs that are outgrown ----------------------------------------------------------------------

TEST_CASE("a full resync that the stream outgrows is told with its numbers, and how often it was tried") {
  Lines lines;
  SlowResync scene{{.backlog_bytes = 64 * kibibyte,
                    .output_limit = {.hard_bytes = 256 * kibibyte},
                    .logger = lines.logger()}};
  ReplicaNode replica{scene.network};
  replica.role->follow(scene.network, "master");
  REQUIRE(scene.write_until<FullResyncOutgrown>(3));
  const auto outgrown = scene.master.log.all<FullResyncOutgrown>();
  for (std::size_t i = 0; i < outgrown.size(); ++i) {
    CHECK(outgrown[i].peer == scene.master.log.all<FullResyncStarted>()[i].peer);
    CHECK(outgrown[i].limit == FullResyncOutgrown::Limit::hard);
    CHECK(outgrown[i].bytes_max == 256 * kibibyte);
    CHECK(outgrown[i].bytes_written > 256 * kibibyte);
    CHECK(outgrown[i].bytes_written < 300 * kibibyte);
    CHECK(outgrown[i].lasted > 4s);  // 50 KB a second
    CHECK(outgrown[i].lasted < 7s);
    CHECK(outgrown[i].attempts == i + 1);
  }
  CHECK(lines.count("Raise output_limit above what is written during a full resync") == 3);
  CHECK(lines.count("attempt 3: " + std::to_string(outgrown[2].bytes_written) +
                    " bytes behind, 262144 allowed (output_limit.hard_bytes)") == 1);
  const auto downs = scene.master.log.all<LinkDown>();
  REQUIRE(downs.size() == 3);
  CHECK(downs[0].why.code == Errc::output_limit);
  CHECK(downs[0].why.detail == std::to_string(outgrown[0].bytes_written) +
                                   " bytes behind, 262144 allowed (output_limit.hard_bytes)");

  // One that ends well begins the count anew.
  REQUIRE(synced(scene.network, replica, *scene.master.role, 120s));
  scene.network.refuse("master");
  scene.network.cut("master");
  scene.network.run_for(1s);
  scene.network.refuse("master", false);
  fill(scene.master.store, 2'000, 1'100);
  REQUIRE(scene.write_until<FullResyncOutgrown>(4));
  CHECK(scene.master.log.all<FullResyncOutgrown>()[3].attempts == 1);
}

TEST_CASE("which limit a full resync outgrew is told: the backlog's size, or the soft limit") {
  SUBCASE("the backlog's size, where that is more than the hard limit") {
    SlowResync scene{{.backlog_bytes = 300'000, .output_limit = {.hard_bytes = 1'000}}};
    ReplicaNode replica{scene.network};
    replica.role->follow(scene.network, "master");
    REQUIRE(scene.write_until<FullResyncOutgrown>(1));
    const auto outgrown = scene.master.log.all<FullResyncOutgrown>().at(0);
    CHECK(outgrown.limit == FullResyncOutgrown::Limit::backlog);
    CHECK(outgrown.bytes_max == 300'000);
    CHECK(scene.master.log.all<LinkDown>().at(0).why.detail.find("(the backlog's size)") !=
          std::string::npos);
  }
  SUBCASE("the soft limit") {
    SlowResync scene{{.output_limit = {.soft_bytes = 20'000, .soft_for = 3s}}};
    ReplicaNode replica{scene.network};
    replica.role->follow(scene.network, "master");
    REQUIRE(scene.write_until<FullResyncOutgrown>(1));
    const auto outgrown = scene.master.log.all<FullResyncOutgrown>().at(0);
    CHECK(outgrown.limit == FullResyncOutgrown::Limit::soft);
    CHECK(outgrown.bytes_max == 20'000);
    CHECK(outgrown.bytes_written > 100'000);
    CHECK(outgrown.lasted > 3s);
    CHECK(scene.master.log.all<LinkDown>().at(0).why.detail.find("20000 allowed for 3 s") !=
          std::string::npos);
  }
}

TEST_CASE("a replica in step that is cut at its output limit has outgrown no full resync") {
  SimulatedTransport network{75};
  MasterNode master{
      network, "master", {.backlog_bytes = 64 * kibibyte, .output_limit = {.hard_bytes = 2'000 * kibibyte}}};
  ReplicaNode replica{network};
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  network.stall("master", Direction::toward_connector);
  for (int i = 0; i < 100 && !master.role->info().replicas.empty(); ++i) {
    fill(master.store, 100, 1'000);
    network.run_for(10ms);
  }
  REQUIRE(master.log.count<LinkDown>() == 1);
  CHECK(master.log.all<LinkDown>()[0].why.code == Errc::output_limit);
  CHECK(master.log.count<FullResyncOutgrown>() == 0);
}

TEST_CASE("so it is for a replica that wants the snapshot's length first, until it has taken all of it") {
  SlowResync scene{{.output_limit = {.hard_bytes = 256 * kibibyte}, .timeout = 300s}};
  scene.master.role->set_backlog_bytes(64 * kibibyte);
  const auto peer = RawPeer::connect(scene.network, "master");
  scene.network.run_for(10ms);
  peer->send("REPLCONF listening-port 7000\r\nPSYNC ? -1\r\n");
  REQUIRE(scene.write_until<FullResyncOutgrown>(1));
  const auto outgrown = scene.master.log.all<FullResyncOutgrown>().at(0);
  CHECK(outgrown.bytes_written > 256 * kibibyte);
  CHECK(outgrown.attempts == 1);
  CHECK(scene.master.log.count<FullResyncDone>() == 1);  // for such a one, when the snapshot is complete here
}

TEST_CASE("the attempts of each replica are counted apart, and of a bounded number of them") {
  SlowResync scene{{.output_limit = {.hard_bytes = 10 * kibibyte}, .timeout = 300s}};
  scene.master.role->set_backlog_bytes(64);
  const auto attempt = [&scene](unsigned port) {
    const auto peer = RawPeer::connect(scene.network, "master");
    scene.network.run_for(10ms);
    peer->send("REPLCONF listening-port " + std::to_string(port) +
               "\r\nREPLCONF capa eof capa psync2\r\nPSYNC ? -1\r\n");
    const std::size_t before = scene.master.log.count<FullResyncOutgrown>();
    REQUIRE(scene.write_until<FullResyncOutgrown>(before + 1));
    return scene.master.log.all<FullResyncOutgrown>().back().attempts;
  };
  CHECK(attempt(7'000) == 1);
  CHECK(attempt(7'001) == 1);
  CHECK(attempt(7'000) == 2);
  CHECK(attempt(7'001) == 2);
  for (unsigned port = 8'000; port < 8'063; ++port) CHECK(attempt(port) == 1);
  CHECK(attempt(7'001) == 3);
  CHECK(attempt(8'100) == 1);
  CHECK(attempt(7'000) == 1);  // forgotten
}

// --- Partial resyncs that are refused --------------------------------------------------------------------

TEST_CASE(
    "a partial resync refused for too small a backlog says how much was needed and how much there was") {
  Lines of_master;
  Absence absence{{.backlog_bytes = 16 * kibibyte, .logger = of_master.logger()}};
  const Token held = absence.replica.role->position();
  absence.leave();
  absence.write(1, 500'000);
  const History history = absence.master.role->info().history;
  absence.come_back();
  const auto started = absence.master.log.all<FullResyncStarted>();
  REQUIRE(started.size() == 2);
  CHECK_FALSE(started[0].refusal);
  REQUIRE(started[1].refusal);
  const PartialRefusal& why = *started[1].refusal;
  CHECK(why.why == started[1].why);
  CHECK(why.reason == PartialRefusal::Reason::no_longer_held);
  CHECK(why.asked_id == held.id);
  CHECK(why.asked_next_byte == held.offset.next_byte());
  CHECK(why.id == history.id);
  CHECK(why.backlog_first_byte == history.backlog_first_byte);
  CHECK(why.end == history.end);
  CHECK(why.needed_bytes == history.end - held.offset);
  CHECK(why.held_bytes == history.backlog_bytes);
  CHECK(why.missing_bytes == history.backlog_first_byte - held.offset.next_byte());
  CHECK(of_master.count("asked for " + held.id.text() + ":" + std::to_string(held.offset.next_byte())) == 1);
  CHECK(of_master.count("a backlog of " + std::to_string(why.needed_bytes) + " bytes would have done") == 1);

  const auto heard = absence.replica.log.all<FullResyncStarted>();
  REQUIRE(heard.size() == 2);
  CHECK_FALSE(heard[0].refusal);
  CHECK(heard[0].why == "no history is held to ask for");
  REQUIRE(heard[1].refusal);
  CHECK(heard[1].why.find(std::to_string(why.needed_bytes) + " bytes of history that were needed") !=
        std::string::npos);
  CHECK(heard[1].refusal->reason == PartialRefusal::Reason::no_longer_held);
  CHECK(heard[1].refusal->asked_id == held.id);
  CHECK(heard[1].refusal->asked_next_byte == held.offset.next_byte());
  CHECK(heard[1].refusal->id == history.id);
  CHECK(heard[1].refusal->end == heard[1].offset);
  CHECK(heard[1].refusal->needed_bytes == heard[1].offset - held.offset);
  CHECK_FALSE(heard[1].refusal->backlog_first_byte);  // it cannot know
  CHECK(heard[1].refusal->held_bytes == 0);
}

TEST_CASE("a backlog of the size that a refusal names would have done") {
  for (const bool is_enough : {false, true}) {
    CAPTURE(is_enough);
    Absence absence{{.backlog_bytes = 16 * kibibyte}};
    absence.leave();
    if (is_enough) {
      Absence other{{.backlog_bytes = 16 * kibibyte}};
      other.leave();
      other.write(1, 500'000);
      other.come_back();
      absence.master.role->set_backlog_bytes(
          other.master.log.all<FullResyncStarted>().at(1).refusal->needed_bytes);
    }
    absence.write(1, 500'000);
    absence.come_back();
    CHECK(absence.replica.info().partial_resyncs == (is_enough ? 1 : 0));
  }
}

TEST_CASE("a partial resync refused for another history says which ids would have done, on both sides") {
  SimulatedTransport network{76};
  Lines of_master;
  Lines of_replica;
  MasterNode first{network, "first"};
  fill(first.store, 10);
  MasterNode second{network, "second", {.logger = of_master.logger()}, 5};
  fill(second.store, 20);
  ReplicaNode replica{network, {.logger = of_replica.logger()}};
  replica.role->follow(network, "first");
  REQUIRE(synced(network, replica, *first.role));
  const Token held = replica.role->position();
  replica.role->follow(network, "second");
  REQUIRE(synced(network, replica, *second.role));

  const auto refused = second.log.all<FullResyncStarted>().at(0).refusal;
  REQUIRE(refused);
  CHECK(refused->reason == PartialRefusal::Reason::unknown_id);
  CHECK(refused->asked_id == held.id);
  CHECK(refused->asked_next_byte == held.offset.next_byte());
  CHECK(refused->id == second.role->position().id);
  CHECK_FALSE(refused->second_next_byte);
  CHECK(refused->missing_bytes == 0);
  CHECK(of_master.count("asked for history " + held.id.text() + " from byte " +
                        std::to_string(held.offset.next_byte()) + ", have " +
                        second.role->position().id.text()) > 0);

  const auto heard = replica.log.all<FullResyncStarted>().at(1);
  REQUIRE(heard.refusal);
  CHECK(heard.refusal->reason == PartialRefusal::Reason::unknown_id);
  CHECK(heard.refusal->asked_id == held.id);
  CHECK(heard.refusal->asked_next_byte == held.offset.next_byte());
  CHECK(heard.refusal->id == heard.id);
  CHECK(heard.refusal->end == heard.offset);
  CHECK(heard.why == "asked for byte " + std::to_string(held.offset.next_byte()) + " of history " +
                         held.id.text() + ", the master is at byte " + std::to_string(heard.offset.bytes) +
                         " of another, " + heard.id.text());
  CHECK(of_replica.count(heard.why) == 1);
}

TEST_CASE("a replica that is ahead of its master's snapshot says by how much") {
  SimulatedTransport network{77};
  const auto liar = RawPeer::listen(network, "liar");
  ReplicaNode replica{network};
  MasterNode master{network, "master"};
  fill(master.store, 10);
  replica.role->follow(network, "master");
  REQUIRE(synced(network, replica, *master.role));
  const Token held = replica.role->position();
  replica.role->follow(network, "liar");
  network.run_for(10ms);
  liar->send("+PONG\r\n");
  network.run_for(10ms);
  liar->send("+OK\r\n+OK\r\n");
  network.run_for(10ms);
  liar->send("+FULLRESYNC " + held.id.text() + " " + std::to_string(held.offset.bytes - 5) + "\r\n");
  network.run_for(10ms);
  const auto heard = replica.log.all<FullResyncStarted>();
  REQUIRE(heard.size() == 2);
  REQUIRE(heard[1].refusal);
  CHECK(heard[1].refusal->reason == PartialRefusal::Reason::not_yet_there);
  CHECK(heard[1].refusal->missing_bytes == 5);
}
