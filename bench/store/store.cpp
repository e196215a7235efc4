// The store alone, one thread: what reading and writing cost with and without a stream behind it.
#include <replikv/replication/master.hpp>
#include <replikv/store/store.hpp>

#include <benchmark/benchmark.h>

#include <bench/race/data.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace {

using Strings = replikv::Store<std::string, std::string>;

/// Keys in random order, made before the clock runs.
std::vector<std::string> shuffled_keys(std::int64_t count) {
  std::vector<std::string> keys;
  for (const auto number : race::shuffled(static_cast<std::size_t>(count)))
    keys.push_back(race::key_of(number));
  return keys;
}

std::unique_ptr<Strings> filled_store(const std::vector<std::string>& keys) {
  auto store = std::make_unique<Strings>();
  const std::string value(64, 'v');
  for (const auto& key : keys) store->set(key, value);
  return store;
}

void store_visit(benchmark::State& state) {
  const auto keys = shuffled_keys(state.range(0));
  const auto store = filled_store(keys);
  std::uint64_t checksum = 0;  // reported: a fast wrong answer must show
  std::size_t at = 0;
  for (auto _ : state) {
    store->visit(keys[at], [&checksum](std::string_view value) { checksum += value.size(); });
    if (++at == keys.size()) at = 0;
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["checksum"] = static_cast<double>(checksum) / static_cast<double>(state.iterations());
}
BENCHMARK(store_visit)->ArgName("keys")->Arg(1'000)->Arg(1'000'000);

void store_get_many(benchmark::State& state) {
  const auto keys = shuffled_keys(state.range(0));
  const auto store = filled_store(keys);
  constexpr std::size_t batch = 50;
  std::uint64_t found = 0;
  std::size_t at = 0;
  for (auto _ : state) {
    const std::span<const std::string> some(keys.data() + at, batch);
    for (const auto& value : store->get_many(some)) found += std::uint64_t{value.has_value()};
    at = at + 2 * batch <= keys.size() ? at + batch : 0;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
  state.counters["found"] = static_cast<double>(found) / static_cast<double>(state.iterations());
}
BENCHMARK(store_get_many)->ArgName("keys")->Arg(1'000)->Arg(1'000'000);

void overwrite(benchmark::State& state, Strings& store, const std::vector<std::string>& keys) {
  const std::string value(64, 'w');
  std::size_t at = 0;
  for (auto _ : state) {
    store.set(keys[at], value);
    if (++at == keys.size()) at = 0;
  }
  state.SetItemsProcessed(state.iterations());
}

void store_set_overwrite(benchmark::State& state) {
  const auto keys = shuffled_keys(state.range(0));
  const auto store = filled_store(keys);
  overwrite(state, *store, keys);
}
BENCHMARK(store_set_overwrite)->ArgName("keys")->Arg(1'000)->Arg(1'000'000);

void store_set_overwrite_streamed(benchmark::State& state) {
  const auto keys = shuffled_keys(state.range(0));
  const auto store = filled_store(keys);
  const replikv::ReplicationMaster master{*store};
  overwrite(state, *store, keys);
  state.counters["offset"] = static_cast<double>(master.position().offset.bytes);
}
BENCHMARK(store_set_overwrite_streamed)->ArgName("keys")->Arg(1'000)->Arg(1'000'000);

}  // namespace
