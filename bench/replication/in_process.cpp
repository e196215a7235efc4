// A master and a replica in one process: what a write costs until it is on the replica, and how fast a
// full resync goes.
#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/in_process.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace {

using namespace replikv;
using Strings = Store<std::string, std::string>;

void fill(Strings& store, std::int64_t keys) {
  const std::string value(64, 'v');
  for (std::int64_t i = 0; i < keys; ++i) store.set("key:" + std::to_string(i), value);
}

// Each write is on the replica when `set` returns.
void replication_set_immediate(benchmark::State& state) {
  Strings store;
  Strings copy;
  ReplicationMaster master{store};
  ReplicationReplica replica{copy};
  InProcessTransport here;
  master.listen(here, "main");
  replica.follow(here, "main");
  const std::string value(64, 'v');
  std::int64_t at = 0;
  for (auto _ : state) store.set("key:" + std::to_string(at++ % state.range(0)), value);
  state.SetItemsProcessed(state.iterations());
  state.counters["in_step"] = replica.position() == master.position() ? 1 : 0;
}
BENCHMARK(replication_set_immediate)->ArgName("keys")->Arg(1'000)->Arg(100'000);

// Writes in batches, the replica follows in its own thread; ends when it has everything.
void replication_set_background(benchmark::State& state) {
  Strings store;
  Strings copy;
  ReplicationMaster master{store};
  ReplicationReplica replica{copy};
  InProcessTransport here{Delivery::background};
  master.listen(here, "main");
  replica.follow(here, "main");
  const std::string value(64, 'v');
  constexpr int batch = 100'000;
  for (auto _ : state) {
    Token last;
    for (int i = 0; i < batch; ++i) last = store.set("key:" + std::to_string(i), value);
    replica.wait_for(last, std::chrono::minutes(1));
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(replication_set_background)->UseRealTime()->Unit(benchmark::kMillisecond);

void replication_full_resync(benchmark::State& state) {
  Strings store;
  fill(store, state.range(0));
  ReplicationMaster master{store};
  InProcessTransport here;
  master.listen(here, "main");
  for (auto _ : state) {
    Strings copy;
    ReplicationReplica replica{copy};
    replica.follow(here, "main");
    if (copy.size() != store.size()) state.SkipWithError("the replica is not complete");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(replication_full_resync)
    ->ArgName("keys")
    ->Arg(1'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
