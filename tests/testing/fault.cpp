// Faults as values: what each kind does when a cluster plays it, and how they are drawn.
#include <replikv/testing/cluster.hpp>
#include <replikv/testing/fault.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using replikv::LinkDown;
using replikv::PartialResync;
using replikv::testing::Cluster;
using replikv::testing::draw_faults;
using replikv::testing::Fault;
using replikv::testing::FaultMix;
using Kind = replikv::testing::Fault::Kind;

namespace {

/// A cluster in which one fault happens after a second, and is over after 21.
struct Stage {
  explicit Stage(Kind kind, std::size_t node, std::size_t other = 0, std::uint64_t amount = 0) {
    cluster.master().set("a", "0");
    cluster.settle();
    const auto start = cluster.elapsed();
    cluster.play({Fault{1s, kind, node, other, amount, 20s}});
    CHECK(cluster.elapsed() == start);
    cluster.advance(1s);
  }

  /// Writes, lets 10 s pass, and says whether a replica has it.
  bool gets_through(std::size_t replica) {
    const std::string value = std::to_string(++writes);
    cluster.master().set("a", value);
    cluster.advance(10s);
    return cluster.replica(replica).get("a") == value;
  }
  /// Whether all is well when the fault is over.
  bool heals() {
    cluster.advance(30s);
    cluster.settle();
    return cluster.converged() && gets_through(0) && gets_through(1);
  }

  int writes = 0;
  Cluster<> cluster{{.replicas = 2, .options = {.ping_period = 1s, .timeout = 60s}}};
};

FaultMix all_kinds() {
  FaultMix mix;
  mix.weights.fill(1);
  return mix;
}

}  // namespace

// ---- What each does; node 1 is replica 0 ------------------------------------------------------------------

TEST_CASE("Fault: cut ends the link between two nodes, and it is made anew") {
  Stage stage(Kind::cut, 1, 0);
  CHECK(stage.gets_through(0));
  CHECK(stage.cluster.replica(0).heard<LinkDown>() == 1);
  CHECK(stage.cluster.replica(0).heard<PartialResync>() == 1);
  CHECK(stage.cluster.replica(1).heard<LinkDown>() == 0);
}

TEST_CASE("Fault: half_open ends it for the one node; the other has two links then") {
  Stage stage(Kind::half_open, 1, 0);
  CHECK(stage.gets_through(0));
  CHECK(stage.cluster.replica(0).heard<LinkDown>() == 1);
  CHECK(stage.cluster.master().heard<LinkDown>() == 0);
  CHECK(stage.cluster.master().info().replicas.size() == 3);
  stage.cluster.advance(60s);
  CHECK(stage.cluster.master().info().replicas.size() == 2);  // silence ended the other
}

TEST_CASE("Fault: half_open at the master leaves the replica with a link nobody answers on") {
  Stage stage(Kind::half_open, 0, 1);
  CHECK_FALSE(stage.gets_through(0));
  CHECK(stage.cluster.replica(0).heard<LinkDown>() == 0);
  stage.cluster.advance(60s);
  CHECK(stage.cluster.replica(0).heard<LinkDown>() == 1);
  CHECK(stage.heals());
}

TEST_CASE("Fault: cut_after ends a link after so many bytes") {
  Stage stage(Kind::cut_after, 0, 1, 10);
  std::size_t arrived = 0;
  stage.cluster.network().set_observer([&](const replikv::Traffic& traffic) {
    if (traffic.to == "replica-0") arrived += traffic.bytes.size();
  });
  stage.cluster.network().refuse(stage.cluster.master());
  CHECK_FALSE(stage.gets_through(0));
  CHECK(arrived == 10);
  stage.cluster.network().heal();
  CHECK(stage.heals());
}

TEST_CASE("Fault: corrupt_after changes a byte, and the replica lives on") {
  Stage stage(Kind::corrupt_after, 0, 1, 1);
  stage.cluster.advance(30s);
  CHECK(stage.cluster.replica(0).heard<LinkDown>() >= 1);  // a byte of a PING's header
  CHECK(stage.heals());
}

TEST_CASE("Fault: block stops one way") {
  Stage stage(Kind::block, 0, 1);
  CHECK_FALSE(stage.gets_through(0));
  CHECK(stage.gets_through(1));
  CHECK(stage.heals());
}

TEST_CASE("Fault: block of the way back stops what the replica confirms") {
  Stage stage(Kind::block, 1, 0);
  CHECK(stage.gets_through(0));
  const auto info = stage.cluster.master().info();
  CHECK(std::any_of(info.replicas.begin(), info.replicas.end(),
                    [](const auto& replica) { return replica.lag > 9s && replica.lag_bytes > 0; }));
  CHECK(stage.heals());
}

TEST_CASE("Fault: part stops both ways between two nodes") {
  Stage stage(Kind::part, 1, 0);
  CHECK_FALSE(stage.gets_through(0));
  CHECK(stage.gets_through(1));
  CHECK(stage.heals());
}

TEST_CASE("Fault: isolate parts a node from all others") {
  Stage stage(Kind::isolate, 0);
  CHECK_FALSE(stage.gets_through(0));
  CHECK_FALSE(stage.cluster.replica(1).get("a") == "1");
  CHECK(stage.heals());
}

TEST_CASE("Fault: refuse leaves the links there are, and allows no others") {
  Stage stage(Kind::refuse, 0);
  CHECK(stage.gets_through(0));
  stage.cluster.network().cut(stage.cluster.replica(0));
  CHECK_FALSE(stage.gets_through(0));
  CHECK(stage.heals());
}

TEST_CASE("Fault: slow lets so many bytes a second through") {
  Stage stage(Kind::slow, 0, 1, 1000);
  stage.cluster.master().set("b", std::string(15'000, 'x'));
  CHECK_FALSE(stage.gets_through(0));
  CHECK(stage.gets_through(1));
  CHECK(stage.heals());
}

TEST_CASE("Fault: crumble breaks what is sent into pieces") {
  Stage stage(Kind::crumble, 0, 1, 1);
  CHECK(stage.gets_through(0));
  CHECK(stage.cluster.story(200).find(": 1 bytes") != std::string::npos);
  CHECK(stage.heals());
}

TEST_CASE("Fault: late delays one way by up to so much") {
  Stage stage(Kind::late, 0, 1, 60'000'000);  // a minute
  stage.cluster.master().set("b", "1");
  CHECK(stage.cluster.run_until([&] { return stage.cluster.replica(1).contains("b"); }, 100ms));
  CHECK_FALSE(stage.cluster.replica(0).contains("b"));
  stage.cluster.advance(61s);
  CHECK(stage.cluster.replica(0).contains("b"));
  CHECK(stage.heals());
}

TEST_CASE("Fault: pause stops a node for a while") {
  Stage stage(Kind::pause, 1);
  CHECK_FALSE(stage.gets_through(0));
  CHECK(stage.cluster.replica(0).is_paused());
  CHECK(stage.heals());
  CHECK(stage.cluster.replica(0).heard<LinkDown>() == 0);
}

TEST_CASE("Fault: crash and power_off end a node, and it comes back with what it had") {
  for (const Kind kind : {Kind::crash, Kind::power_off}) {
    Stage stage(kind, 1);
    CHECK_FALSE(stage.cluster.replica(0).is_running());
    stage.cluster.advance(10s);
    CHECK(stage.cluster.master().info().replicas.size() == (kind == Kind::crash ? 1 : 2));
    bool had_it = false;
    stage.cluster.when([&] { return stage.cluster.replica(0).is_running(); },
                       [&] { had_it = stage.cluster.replica(0).contains("a"); });
    CHECK(stage.heals());
    CHECK(had_it);
    CHECK(stage.cluster.replica(0).lives() == 2);
  }
}

TEST_CASE("Fault: lose ends a node, and it comes back with nothing") {
  Stage stage(Kind::lose, 1);
  CHECK_FALSE(stage.cluster.replica(0).is_running());
  bool had_it = true;
  stage.cluster.when([&] { return stage.cluster.replica(0).is_running(); },
                     [&] { had_it = stage.cluster.replica(0).contains("a"); });
  CHECK(stage.heals());
  CHECK_FALSE(had_it);
}

TEST_CASE("Fault: fail_over makes a node the master of all") {
  Stage stage(Kind::fail_over, 2);
  CHECK(&stage.cluster.master() == &stage.cluster.replica(1));
  CHECK(stage.cluster.node(0).is_replica());
  CHECK(stage.heals());
}

TEST_CASE("Fault: follow makes a replica another's sub-replica, but never in a circle") {
  Stage stage(Kind::follow, 1, 2);
  CHECK(stage.cluster.replica(0).followed() == &stage.cluster.replica(1));
  CHECK(stage.gets_through(0));
  stage.cluster.play({Fault{.kind = Kind::follow, .node = 2, .other = 1}});
  stage.cluster.advance(1s);
  CHECK(stage.cluster.replica(1).followed() == &stage.cluster.node(0));
  CHECK(stage.heals());
}

TEST_CASE("Fault: jump sets a wall clock") {
  Stage stage(Kind::jump, 1, 0, 3'600'000 + 5'000);
  CHECK(stage.cluster.replica(0).wall_time() - stage.cluster.master().wall_time() == 5s);
  stage.cluster.play({Fault{.kind = Kind::jump, .node = 1, .amount = 3'600'000 - 7'000}});
  stage.cluster.advance(1s);
  CHECK(stage.cluster.replica(0).wall_time() - stage.cluster.master().wall_time() == -2s);
}

TEST_CASE("Fault: drift makes clocks fast or slow") {
  Stage stage(Kind::drift, 1, 0, 150'000);  // 5 % fast
  stage.cluster.advance(100s);
  CHECK(stage.cluster.replica(0).wall_time() - stage.cluster.master().wall_time() == 5s);
  CHECK(stage.heals());
}

// ---- As values --------------------------------------------------------------------------------------------

TEST_CASE("Fault: prints itself, every kind by its own name") {
  CHECK(text(Fault{1500ms, Kind::slow, 1, 2, 300, 2s}) ==
        "at 1500 ms: slow node 1, other 2, amount 300, for 2000 ms");
  std::set<std::string_view> names;
  for (std::size_t kind = 0; kind < Fault::kinds; ++kind) names.insert(text(static_cast<Kind>(kind)));
  CHECK(names.size() == Fault::kinds);
  CHECK(text(Kind::drift) == "drift");
}

TEST_CASE("draw_faults: the same seed gives the same faults, in order of time, within the span") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    replikv::Random random(seed), again(seed), another(seed + 1);
    const auto faults = draw_faults(random, all_kinds(), 4, 60s);
    CHECK(faults == draw_faults(again, all_kinds(), 4, 60s));
    CHECK(faults != draw_faults(another, all_kinds(), 4, 60s));
    CHECK(faults.size() == 20);
    CHECK(std::is_sorted(faults.begin(), faults.end(),
                         [](const Fault& one, const Fault& other) { return one.at < other.at; }));
    for (const Fault& fault : faults) {
      CHECK(fault.at >= 0s);
      CHECK(fault.at <= 60s);
      CHECK(fault.lasts <= FaultMix{}.lasts_max);
      CHECK(fault.node < 4);
      CHECK(fault.other < 4);
      CHECK(fault.node != fault.other);
    }
  }
}

TEST_CASE("draw_faults: draws by weight, and nothing of what has none") {
  replikv::Random random(1);
  FaultMix mix;
  mix[Kind::cut] = 3;
  mix[Kind::crash] = 1;
  mix.per_minute = 4000;
  const auto faults = draw_faults(random, mix, 3, 60s);
  const auto count = [&](Kind kind) {
    return std::count_if(faults.begin(), faults.end(),
                         [&](const Fault& fault) { return fault.kind == kind; });
  };
  CHECK(count(Kind::cut) + count(Kind::crash) == 4000);
  CHECK(count(Kind::cut) > 2800);
  CHECK(count(Kind::cut) < 3200);
}

TEST_CASE("draw_faults: without weights, or somebody to be parted from, there are none") {
  replikv::Random random(1);
  CHECK(draw_faults(random, FaultMix{}, 3, 60s).empty());
  CHECK(draw_faults(random, all_kinds(), 1, 60s).empty());
}

TEST_CASE("FaultMix: a drawn mix leaves kinds out, and each kind is in some mix") {
  std::array<int, Fault::kinds> mixes{};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    replikv::Random random(seed);
    const FaultMix mix = FaultMix::draw(random);
    for (std::size_t kind = 0; kind < Fault::kinds; ++kind) mixes[kind] += mix.weights[kind] > 0 ? 1 : 0;
    CHECK(mix.lasts_max >= 100ms);
    CHECK(mix.lasts_max <= 60s);
  }
  for (const int count : mixes) {
    CHECK(count > 50);
    CHECK(count < 150);
  }
}

TEST_CASE("Faults of every kind together: when they are over and healed, all agree") {
  replikv::testing::for_each_seed(1, 30, [](std::uint64_t seed) {
    CAPTURE(seed);
    replikv::Random random(seed);
    FaultMix mix = all_kinds();
    mix[Kind::corrupt_after] = 0;  // the stream has no checksum: a value may change, unseen
    mix.per_minute = 60;
    Cluster<> cluster{{.replicas = 4, .seed = seed}};
    cluster.play(draw_faults(random, mix, cluster.size(), 60s));
    for (int i = 0; i < 900; ++i) {
      const auto key = std::to_string(random.below(10));
      std::error_code refused;
      auto& node = cluster.node(random.below(cluster.size()));
      if (node.is_running()) node.set(key, std::to_string(i), refused);
      cluster.advance(100ms);
    }
    cluster.fail_over(cluster.node(random.below(cluster.size())));
    cluster.network().heal();
    cluster.settle();
    CHECK(cluster.converged());
  });
}
