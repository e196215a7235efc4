// Clusters as a test uses them: the issue of time, agreement, failover, exact moments, and what is told when
// a test fails.
#include <replikv/testing/cluster.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using replikv::Errc;
using replikv::FullResyncDone;
using replikv::PartialResync;
using replikv::testing::Cluster;
using replikv::testing::Fault;
using replikv::testing::NotSettled;
using replikv::testing::Topology;

namespace {

/// What `call` writes to stderr.
std::string written_to_stderr(const std::function<void()>& call) {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int kept = ::dup(2);
  ::dup2(::fileno(file), 2);
  call();
  std::fflush(stderr);
  ::dup2(kept, 2);
  ::close(kept);
  std::string text(static_cast<std::size_t>(::lseek(::fileno(file), 0, SEEK_END)), '\0');
  CHECK(::pread(::fileno(file), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  std::fclose(file);
  return text;
}

struct Position {
  double x = 0;
  double y = 0;
  friend bool operator==(const Position&, const Position&) = default;
};

std::uint64_t trace_of(std::uint64_t seed, std::string_view value) {
  Cluster<> cluster{{.replicas = 2, .seed = seed}};
  cluster.master().set("a", value);
  cluster.network().cut(cluster.node(0), cluster.replica(1));
  cluster.advance(10s);
  return cluster.trace_hash();
}

}  // namespace

TEST_CASE(
    "Cluster: a replica that is cut off keeps what it had, the other one follows, and both agree later") {
  replikv::testing::Cluster<> cluster{{.replicas = 2, .seed = 42}};
  cluster.master().set("stock:7", "3");
  cluster.network().partition(cluster.replica(0));
  cluster.advance(5s);
  CHECK(cluster.replica(1).get("stock:7") == "3");
  CHECK_FALSE(cluster.replica(0).contains("stock:7"));
  cluster.network().heal();
  cluster.settle();  // until every link is up and every offset equal
  CHECK(cluster.converged());
  CHECK(cluster.replica(0).get("stock:7") == "3");
}

// ---- Values ---------------------------------------------------------------------------------------------

TEST_CASE("Cluster: without types it has one store of strings, with a value type one store of those") {
  Cluster<> strings;
  strings.master().set("name", "haicoder");
  strings.settle();
  CHECK(strings.replica(1).get("name") == "haicoder");

  Cluster<Position> structs;
  structs.master().set("here", {1.5, 2.5});
  structs.settle();
  CHECK(structs.replica(0).get("here") == Position{1.5, 2.5});
}

TEST_CASE("Cluster: several types are several stores under one stream") {
  Cluster<std::string, std::int64_t, replikv::Store<std::uint64_t, Position>> cluster;
  auto& master = cluster.master();
  master.set("name", "haicoder");
  master.store<1>().increment("visits", 5);
  master.store<2>().set(42, {1, 2});
  CHECK_FALSE(cluster.converged());
  cluster.settle();
  const auto& replica = cluster.replica(1);
  CHECK(replica.get("name") == "haicoder");
  CHECK(replica.store<1>().get("visits") == 5);
  CHECK(replica.store<2>().get(42) == Position{1, 2});
  CHECK(cluster.converged());
}

TEST_CASE("Cluster: converged sees a value, an expiry, a missing key and a store that differ") {
  Cluster<std::string, std::int64_t> cluster{{.replicas = 1, .options = {.read_only = false}}};
  auto& master = cluster.master();
  auto& replica = cluster.replica(0);
  master.set("a", "1");
  master.store<1>().set("n", 1);
  cluster.settle();
  REQUIRE(cluster.converged());
  SUBCASE("a value") { replica.set("a", "2"); }
  SUBCASE("an expiry") { replica.set("a", "1", 1h); }
  SUBCASE("a key too many") { replica.set("b", "1"); }
  SUBCASE("a key too few") { replica.erase("a"); }
  SUBCASE("the second store") { replica.store<1>().set("n", 2); }
  CHECK(replica.position() == master.position());
  CHECK_FALSE(cluster.converged());
}

// ---- Time -----------------------------------------------------------------------------------------------

TEST_CASE("Cluster: time passes only when it is told to, and exactly as much") {
  Cluster<> cluster;
  const auto start = cluster.elapsed();
  const auto wall = cluster.master().wall_time();
  cluster.master().set("a", "1");
  CHECK(cluster.elapsed() == start);
  cluster.advance(1234ms);
  CHECK(cluster.elapsed() == start + 1234ms);
  CHECK(cluster.master().wall_time() == wall + 1234ms);
}

TEST_CASE("Cluster: run_until ends when the condition holds, or when the time is over") {
  Cluster<> cluster;
  const auto start = cluster.elapsed();
  cluster.master().set("a", "1");
  CHECK(cluster.run_until([&] { return cluster.replica(0).contains("a"); }));
  CHECK(cluster.elapsed() < start + 100ms);
  const auto then = cluster.elapsed();
  CHECK_FALSE(cluster.run_until([] { return false; }, 30s));
  CHECK(cluster.elapsed() == then + 30s);
}

TEST_CASE("Cluster: what is planned happens at its time, in order, once") {
  Cluster<> cluster;
  const auto start = cluster.elapsed();
  std::vector<replikv::Duration> seen;
  const auto note = [&] { seen.push_back(cluster.elapsed() - start); };
  cluster.after(2s, note);
  cluster.after(1s, [&] {
    note();
    cluster.after(500ms, note);
  });
  cluster.after(1h, note);
  cluster.advance(1min);
  CHECK(seen == std::vector<replikv::Duration>{1s, 1500ms, 2s});
}

TEST_CASE("Cluster: an action waits for its condition and comes once; a check comes after each event") {
  Cluster<> cluster;
  int actions = 0;
  std::uint64_t checks = 0;
  cluster.when([&] { return cluster.replica(0).contains("a"); }, [&] { ++actions; });
  cluster.after_each_event([&] { ++checks; });
  cluster.advance(10s);
  CHECK(actions == 0);
  CHECK(checks > 20);  // acknowledgements, if nothing else
  cluster.master().set("a", "1");
  cluster.advance(10s);
  CHECK(actions == 1);
}

TEST_CASE("Cluster: what a check throws comes out of advance") {
  Cluster<> cluster{{.journal_lines_max = 0}};
  cluster.after_each_event([] { throw std::domain_error("broken"); });
  std::string told = written_to_stderr([&] { CHECK_THROWS_AS(cluster.advance(10s), std::domain_error); });
}

// ---- Agreement ------------------------------------------------------------------------------------------

TEST_CASE("Cluster: it is in step from the beginning, unless the test wants to see it begin") {
  CHECK(Cluster<>().is_settled());
  Cluster<> cluster{{.settled = false}};
  CHECK_FALSE(cluster.is_settled());
  CHECK(cluster.elapsed() == 0s);
  CHECK(cluster.replica(0).heard<FullResyncDone>() == 0);
  cluster.settle();
  CHECK(cluster.replica(0).heard<FullResyncDone>() == 1);
  CHECK(cluster.is_settled());
}

TEST_CASE("Cluster: what cannot settle says who does not and why") {
  Cluster<> cluster;
  std::string expected;
  SUBCASE("cut off") {
    cluster.network().partition(cluster.replica(1));
    cluster.master().set("a", "1");
    expected = "replikv: not settled: replica-1 is not where master is";
  }
  SUBCASE("paused") {
    cluster.replica(1).pause();
    expected = "replikv: not settled: replica-1 is paused";
  }
  SUBCASE("left alone") {
    cluster.replica(1).unfollow();
    expected = "replikv: not settled: replica-1 follows nobody";
  }
  SUBCASE("orphaned") {
    cluster.master().crash();
    expected = "replikv: not settled: replica-0 follows a node that does not run";
  }
  SUBCASE("refused") {
    cluster.network().refuse(cluster.master());
    cluster.network().cut(cluster.replica(1));
    cluster.advance(1s);
    expected = "replikv: not settled: replica-1 is not connected to master";
  }
  SUBCASE("half-open") {
    cluster.network().half_open(cluster.master(), cluster.replica(1));
    expected = "replikv: not settled: master has lost a replica";
  }
  std::string why;
  try {
    cluster.settle(5s);
  } catch (const NotSettled& error) {
    why = error.what();
  }
  CHECK(why == expected);
}

TEST_CASE("Cluster: a replica can be waited for until it holds a write") {
  Cluster<> cluster;
  const auto written = cluster.master().set("a", "1");
  CHECK_FALSE(cluster.wait_for(cluster.replica(0), written, 5s));
  CHECK(cluster.replica(0).get("a") == "1");
  cluster.network().partition(cluster.replica(0));
  CHECK(cluster.wait_for(cluster.replica(0), cluster.master().set("a", "2"), 5s) == Errc::timeout);
}

TEST_CASE("Cluster: waiting for a write that was lost with its master ends; who was promoted knows why") {
  Cluster<> cluster;
  cluster.network().partition(cluster.master());
  const auto lost = cluster.master().set("order", "paid");
  cluster.fail_over(cluster.replica(0));
  cluster.network().heal();
  cluster.replica(0).set("other", "1");
  cluster.settle();
  CHECK(cluster.wait_for(cluster.replica(1), lost, 5s) == Errc::timeout);
  cluster.replica(0).demote();
  CHECK(cluster.wait_for(cluster.replica(0), lost, 5s) == Errc::history_lost);
}

TEST_CASE("Cluster: a test can wait for confirmations, and sees how many came") {
  Cluster<> cluster;
  CHECK(cluster.wait(cluster.master(), 2, 5s, cluster.master().set("a", "1")) == 2);
  cluster.network().partition(cluster.replica(0));
  const auto start = cluster.elapsed();
  const auto written = cluster.master().set("a", "2");
  CHECK(cluster.wait(cluster.master(), 0, 5s, written) == 0);
  CHECK(cluster.elapsed() == start);
  CHECK(cluster.wait(cluster.master(), 2, 5s, written) == 1);
  CHECK(cluster.elapsed() == start + 5s);
}

// ---- Who follows whom -----------------------------------------------------------------------------------

TEST_CASE("Cluster: after a failover all follow the new master by partial resync, and the old one has lost") {
  Cluster<> cluster{{.replicas = 3}};
  auto& old_master = cluster.master();
  auto& chosen = cluster.replica(1);
  old_master.set("a", "1");
  cluster.settle();
  cluster.network().partition(old_master);
  old_master.set("lost", "1");
  cluster.fail_over(chosen);
  cluster.network().heal();
  chosen.set("b", "2");
  cluster.settle();
  CHECK(&cluster.master() == &chosen);
  CHECK(old_master.is_replica());
  CHECK(cluster.converged());
  CHECK(old_master.get("b") == "2");
  CHECK_FALSE(old_master.contains("lost"));
  CHECK(cluster.replica(0).heard<PartialResync>() == 1);
  CHECK(cluster.replica(0).heard<FullResyncDone>() == 1);  // the first
}

TEST_CASE("Cluster: a failover leaves out who is down, and who is paused") {
  Cluster<> cluster{{.replicas = 3}};
  cluster.master().crash();
  cluster.replica(1).pause();
  cluster.fail_over(cluster.replica(0));
  CHECK_FALSE(cluster.node(0).is_running());
  CHECK(cluster.replica(1).followed() == &cluster.node(0));
  CHECK(cluster.replica(2).followed() == &cluster.replica(0));
}

TEST_CASE("Cluster: there may be no master, which is an error to ask for") {
  Cluster<> cluster;
  cluster.master().crash();
  CHECK_THROWS_AS(static_cast<void>(cluster.master()), std::logic_error);
}

// ---- Exact moments --------------------------------------------------------------------------------------

TEST_CASE("Cluster: a link is cut at the k-th command, whole commands before it and nothing behind") {
  for (const std::size_t chunk_bytes : {0U, 7U}) {
    for (std::uint64_t k = 1; k <= 12; ++k) {
      CAPTURE(chunk_bytes);
      CAPTURE(k);
      Cluster<> cluster{{.replicas = 2}};
      cluster.master().set("first", "1");  // brings the SELECT
      cluster.settle();
      auto conditions = cluster.network().conditions();
      conditions.chunk_bytes_max = chunk_bytes;
      cluster.network().set_conditions(conditions);
      auto& replica = cluster.replica(1);
      cluster.network().refuse(cluster.master());
      cluster.cut_at_command(replica, k);
      for (int i = 0; i < 5; ++i) {
        cluster.master().set(std::to_string(i), "1");
        cluster.advance(1ms);
      }
      for (int i = 5; i < 15; ++i) cluster.master().set(std::to_string(i), "1");
      cluster.advance(1s);
      CHECK(replica.size() == k + 1);
      CHECK(replica.info().master->received == replica.position().offset);
      CHECK(replica.info().master->state != replikv::MasterLinkState::connected);
      CHECK(cluster.replica(0).size() == 16);
    }
  }
}

TEST_CASE("Cluster: cut inside a transaction, a replica shows none of it") {
  Cluster<> cluster{{.replicas = 1}};
  cluster.master().set("first", "1");
  cluster.settle();
  for (std::uint64_t k = 1; k <= 4; ++k) {  // MULTI, SET, SET, EXEC
    CAPTURE(k);
    cluster.network().refuse(cluster.master());
    cluster.cut_at_command(cluster.replica(0), k);
    const std::string value = std::to_string(k);
    cluster.master().transaction({"a", "b"}, [&](auto& all) {
      all.set("a", value);
      all.set("b", value);
    });
    cluster.advance(1s);
    CHECK(cluster.replica(0).info().master->state != replikv::MasterLinkState::connected);
    CHECK((cluster.replica(0).get("a") == value) == (k == 4));
    CHECK(cluster.replica(0).get("a") == cluster.replica(0).get("b"));
    cluster.network().heal();
    cluster.settle();
    CHECK(cluster.replica(0).get("a") == value);
  }
}

TEST_CASE("Cluster: a cut at a command waits for the link, and follows the replica to another master") {
  Cluster<> cluster{{.replicas = 2}};
  auto& replica = cluster.replica(1);
  replica.stop();
  cluster.cut_at_command(replica, 2);
  for (int i = 0; i < 10; ++i) cluster.master().set("old", std::to_string(i));
  cluster.fail_over(cluster.replica(0));
  replica.start();
  replica.follow(cluster.replica(0));
  cluster.settle();
  cluster.network().refuse(cluster.replica(0));
  for (int i = 0; i < 5; ++i) cluster.master().set(std::to_string(i), "1");  // the first behind a SELECT
  cluster.advance(1s);
  CHECK(replica.contains("0"));
  CHECK_FALSE(replica.contains("1"));
}

TEST_CASE("Cluster: a cut at a command counts anew when the replica gets another master") {
  Cluster<> cluster{{.replicas = 2}};
  auto& replica = cluster.replica(1);
  cluster.cut_at_command(replica, 3);
  cluster.master().set("old", "1");  // SELECT, SET
  cluster.settle();
  cluster.fail_over(cluster.replica(0));
  cluster.settle();
  cluster.network().refuse(cluster.replica(0));
  for (int i = 0; i < 5; ++i) cluster.master().set(std::to_string(i), "1");
  cluster.advance(1s);
  CHECK(replica.contains("1"));  // SELECT, SET, SET
  CHECK_FALSE(replica.contains("2"));
}

TEST_CASE("Cluster: a test can step in at a moment of a full resync") {
  Cluster<> cluster{{.replicas = 1}};
  auto& replica = cluster.replica(0);
  for (int i = 0; i < 2000; ++i) cluster.master().set(std::to_string(i), std::string(100, 'x'));
  cluster.settle();
  replica.stop();
  for (int i = 0; i < 20'000; ++i) cluster.master().set("2", std::string(100, 'y'));  // more than the backlog
  auto conditions = cluster.network().conditions();
  conditions.chunk_bytes_max = 10'000;
  cluster.network().set_conditions(conditions);
  bool was_there = false;
  cluster.when(
      [&] {
        if (!replica.is_running() || !replica.info().master) return false;
        const auto sync = replica.info().master->sync;
        return sync && sync->bytes > 50'000;
      },
      [&] {
        was_there = true;
        CHECK(replica.size() == 2000);  // the old data, whole
        CHECK(replica.get("2") == std::string(100, 'x'));
        cluster.network().cut(replica, cluster.master());
      });
  replica.start();
  cluster.settle();
  CHECK(was_there);
  CHECK(cluster.converged());
  CHECK(replica.heard<replikv::FullResyncStarted>() == 3);
  CHECK(replica.heard<FullResyncDone>() == 2);
}

TEST_CASE("Cluster: a full resync may be cut at any byte, and what was there stays until all has come") {
  for (std::uint64_t n = 0; n < 400; n += 7) {
    CAPTURE(n);
    Cluster<> cluster{{.replicas = 1}};
    auto& replica = cluster.replica(0);
    cluster.master().set("a", "new");
    cluster.settle();
    replica.crash();
    cluster.master().set("b", "new");
    cluster.network().cut_after(cluster.master(), replica, n);
    replica.start();
    CHECK(cluster.run_until([&] { return replica.heard<replikv::LinkDown>() == 1; }));
    CHECK(replica.get("a") == "new");
    cluster.settle();
    CHECK(cluster.converged());
  }
}

// ---- The same again -------------------------------------------------------------------------------------

TEST_CASE("Cluster: the same seed gives the same run, another seed or another value another one") {
  CHECK(trace_of(7, "x") == trace_of(7, "x"));
  CHECK(trace_of(7, "x") != trace_of(7, "y"));
  if (!replikv::testing::seed_of_environment()) CHECK(trace_of(7, "x") != trace_of(8, "x"));
}

TEST_CASE("Cluster: a seed decides the replication ids, too") {
  Cluster<> one{{.seed = 7}}, other{{.seed = 7}};
  CHECK(one.master().position().id == other.master().position().id);
  CHECK(one.replica(0).position() == one.master().position());
}

TEST_CASE("Cluster: faults played twice give the same run") {
  const auto run = [] {
    replikv::Random random(99);
    replikv::testing::FaultMix mix;
    mix.weights.fill(1);
    mix.per_minute = 60;
    Cluster<> cluster{{.replicas = 3, .seed = 99}};
    cluster.play(draw_faults(random, mix, cluster.size(), 60s));
    for (int i = 0; i < 600; ++i) {
      std::error_code refused;
      for (std::size_t node = 0; node < cluster.size(); ++node) {
        if (cluster.node(node).is_running()) cluster.node(node).set(std::to_string(i), "1", refused);
      }
      cluster.advance(100ms);
    }
    return std::pair(cluster.trace_hash(), cluster.story(10'000));
  };
  CHECK(run() == run());
}

// ---- What is told ---------------------------------------------------------------------------------------

TEST_CASE("Cluster: the story names the seed, and who sent which bytes when") {
  Cluster<> cluster{{.seed = 4711}};
  cluster.note("now comes the write");
  cluster.master().set("a", "hello");
  cluster.advance(100ms);
  const std::string story = cluster.story();
  const std::string seed = std::to_string(cluster.seed());
  CHECK(story.find("cluster of seed " + seed + " (REPLIKV_SEED=" + seed + " repeats it)") == 0);
  CHECK(story.find("test  now comes the write\n") != std::string::npos);
  CHECK(story.find("  master -> replica-0  link 1: ") != std::string::npos);
  CHECK(story.find(R"(*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\n)") != std::string::npos);
}

TEST_CASE("Cluster: when a test ends by an exception, the story goes to stderr; else it stays silent") {
  const auto test = [](bool fails) {
    return written_to_stderr([fails] {
      try {
        Cluster<> cluster;
        cluster.note("the last thing that happened");
        if (fails) throw std::runtime_error("an assertion");
      } catch (const std::runtime_error&) {
      }
    });
  };
  CHECK(test(false).empty());
  const std::string told = test(true);
  CHECK(told.find("cluster of seed ") == 0);
  CHECK(told.find("the last thing that happened") != std::string::npos);
}

TEST_CASE("Cluster: a cluster made and used while an exception is on its way tells nothing") {
  struct Cleanup {
    ~Cleanup() {
      Cluster<> cluster;
      cluster.master().set("a", "1");
      cluster.settle();
    }
  };
  CHECK(written_to_stderr([] {
          try {
            const Cleanup cleanup;
            throw std::runtime_error("an assertion");
          } catch (const std::runtime_error&) {
          }
        }).empty());
}
