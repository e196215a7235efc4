// A master at its memory limit, and its replicas: they hold what it holds, and evict nothing by themselves.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <system_error>
#include <tests/replication/cluster.hpp>
#include <utility>

namespace {

using namespace cluster;

constexpr std::size_t limit = 300'000;

void overfill(Strings& store, std::string_view prefix, int keys) {
  for (int i = 0; i < keys; ++i) {
    store.set(std::string(prefix) + std::to_string(i),
              std::string(static_cast<std::size_t>(50 + i % 100), 'v'));
    if (i % 7 == 0) static_cast<void>(store.get(std::string(prefix) + std::to_string(i / 2)));
  }
}

TEST_CASE("a replica of a master that evicts ends equal to it, and evicts nothing by its own, lower limit") {
  for (const Eviction eviction : {Eviction::allkeys_lru, Eviction::allkeys_lfu, Eviction::allkeys_random}) {
    CAPTURE(static_cast<int>(eviction));
    SimulatedTransport network{7};
    MasterNode master{network, "m"};
    master.store.limit_memory(limit, eviction);
    ReplicaNode replica{network};
    replica.store.limit_memory(limit / 2, Eviction::allkeys_random);
    replica.role->follow(network, "m");
    network.run_for(1s);
    for (int round = 0; round < 20; ++round) {
      overfill(master.store, "round:" + std::to_string(round) + ":", 500);
      network.run_for(100ms);
    }
    REQUIRE(synced(network, replica, *master.role));
    CHECK(master.store.memory_bytes() <= limit);
    CHECK(master.store.evicted_keys() > 5000);
    CHECK(contents(replica.store) == contents(master.store));
    CHECK(replica.store.evicted_keys() == 0);
    CHECK(replica.store.memory_bytes() > limit / 2);
    CHECK(replica.info().full_resyncs == 1);
  }
}

TEST_CASE(
    "a full resync is larger than the replica's limit, and is taken whole; promoted, it comes down to it") {
  SimulatedTransport network{7};
  MasterNode master{network, "m"};
  overfill(master.store, "key:", 5000);
  ReplicaNode replica{network};
  replica.store.limit_memory(limit, Eviction::allkeys_lru);
  replica.role->follow(network, "m");
  REQUIRE(synced(network, replica, *master.role));
  CHECK(contents(replica.store) == contents(master.store));
  CHECK(replica.store.memory_bytes() > 2 * limit);
  CHECK(replica.store.evicted_keys() == 0);

  ReplicationMaster promoted = std::move(*replica.role).promote();
  overfill(replica.store, "new:", 1000);
  CHECK(replica.store.memory_bytes() <= limit + limit / 2);  // entries, and the segments of what it held
  CHECK(replica.store.evicted_keys() > 3000);
}

TEST_CASE("local writes of a writable replica are not refused for memory") {
  SimulatedTransport network{7};
  MasterNode master{network, "m"};
  overfill(master.store, "key:", 5000);
  ReplicationOptions options;
  options.read_only = false;
  ReplicaNode replica{network, options};
  replica.store.limit_memory(limit, Eviction::noeviction);
  replica.role->follow(network, "m");
  REQUIRE(synced(network, replica, *master.role));
  CHECK(replica.store.set("own", "value").changed);
  CHECK(replica.store.memory_refusals() == 0);
  replica.role->unfollow();
  CHECK(replica.store.set("own:2", "value").changed);
  CHECK(replica.store.size() == 5002);
}

TEST_CASE("a master at its limit that may not evict refuses, and its replica hears of nothing") {
  SimulatedTransport network{7};
  MasterNode master{network, "m"};
  master.store.limit_memory(limit, Eviction::noeviction);
  ReplicaNode replica{network};
  replica.role->follow(network, "m");
  std::error_code error;
  for (int i = 0; !error; ++i) master.store.set("key:" + std::to_string(i), std::string(100, 'v'), error);
  CHECK(error == Errc::out_of_memory);
  REQUIRE(synced(network, replica, *master.role));
  CHECK(contents(replica.store) == contents(master.store));
  const auto position = master.role->position();
  master.store.set("one more", std::string(1000, 'v'), error);
  CHECK(error == Errc::out_of_memory);
  CHECK(master.role->position() == position);
}

}  // namespace
