// A bit that flips on the way. The snapshot has a checksum: what is damaged is refused, and the data held
// stays. The stream has none, in Redis as here: damage inside a value is copied like any value.
#include <replikv/testing.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <tests/simulation/run.hpp>

using namespace simulation;
using replikv::testing::Cluster;

TEST_CASE("a snapshot with one bit wrong never becomes data, wherever the bit is") {
  // Of all that is sent, only the line that names the position goes unchecked; it comes before this.
  constexpr std::uint64_t first = 80;
  std::uint64_t refused = 0;
  for (std::uint64_t byte = first; byte < 1600; byte += 7) {
    CAPTURE(byte);
    bool was_refused = false;  // outlives the cluster, whose links go last
    Cluster<> cluster{{.replicas = 1, .seed = byte + 1}};
    for (int i = 0; i < 30; ++i) cluster.master().set("key:" + std::to_string(i), std::string(20, 'x'));
    cluster.settle();
    cluster.replica(0).crash();
    cluster.master().clear();
    for (int i = 0; i < 30; ++i) cluster.master().set("key:" + std::to_string(i), std::string(20, 'y'));

    cluster.replica(0).start();
    REQUIRE(cluster.run_until([&] { return cluster.master().info().replicas.size() == 1; }));
    cluster.network().corrupt_after(cluster.master(), cluster.replica(0), byte);
    const auto is_old_or_new = [&] {
      const auto value = cluster.replica(0).get("key:7");
      return value == std::string(20, 'x') || value == std::string(20, 'y');
    };
    cluster.after_each_event([&] { REQUIRE(is_old_or_new()); });
    cluster.replica(0).set_observer([&](const replikv::Event& event) {
      was_refused = was_refused || std::holds_alternative<replikv::LinkDown>(event);
    });
    cluster.settle();
    REQUIRE(cluster.converged());
    refused += was_refused;
  }
  CHECK(refused > 100);
}

TEST_CASE("whatever a flipped bit of the stream does, nodes go on, and a full resync cures it") {
  replikv::testing::for_each_seed(1, 200, [](std::uint64_t seed) {
    CAPTURE(seed);
    Random random(seed);
    Cluster<> cluster{{.replicas = 2, .seed = seed}};
    for (int i = 0; i < 200; ++i) {
      cluster.master().set("key:" + std::to_string(random.below(20)), std::to_string(random()));
      if (i % 20 == 0) {
        cluster.network().corrupt_after(cluster.master(), cluster.replica(0), random.below(400));
        cluster.network().corrupt_after(cluster.replica(0), cluster.master(), random.below(100));
      }
      cluster.advance(100ms);
    }
    cluster.replica(0).stop();
    cluster.replica(0).start_empty();
    cluster.settle();
    REQUIRE(cluster.converged());
  });
}
