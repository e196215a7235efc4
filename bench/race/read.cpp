// What reading and writing one key costs in a map used from several threads: our store, and the concurrent
// maps of libcuckoo and oneTBB, on the same keys in the same random order. `get` copies the value into a
// string that is there already, `visit` looks at it in place; `get_many` copies 50 values with one call, into
// strings that are there already, too, and `visit_many` looks at as many. Times are those of one thread for
// one operation, a key, while all threads run.
#include <array>
#include <bench/race/cases.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/stopwatch.hpp>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if __has_include(<libcuckoo/cuckoohash_map.hh>)
#include <libcuckoo/cuckoohash_map.hh>
#endif
#if __has_include(<oneapi/tbb/concurrent_hash_map.h>)
#include <oneapi/tbb/concurrent_hash_map.h>
#endif

namespace race {
namespace {

struct OurMap {
  [[nodiscard]] bool get(const std::string& key, std::string& value) const { return store.get(key, value); }
  template <class F>
  bool visit(const std::string& key, F&& f) const {
    return store.visit(key, f);
  }
  void set(const std::string& key, std::string_view value) { store.set(key, value); }
  [[nodiscard]] std::size_t size() const { return store.size(); }

  Strings store;
};

#if __has_include(<libcuckoo/cuckoohash_map.hh>)
struct CuckooMap {
  [[nodiscard]] bool get(const std::string& key, std::string& value) const { return map.find(key, value); }
  template <class F>
  bool visit(const std::string& key, F&& f) const {
    return map.find_fn(key, f);
  }
  void set(const std::string& key, std::string_view value) {
    const auto assign = [value](std::string& held) { held = value; };
    if (!map.update_fn(key, assign)) map.upsert(key, assign, value);
  }
  [[nodiscard]] std::size_t size() const { return map.size(); }

  libcuckoo::cuckoohash_map<std::string, std::string> map;
};
#endif

#if __has_include(<oneapi/tbb/concurrent_hash_map.h>)
struct TbbMap {
  using Map = tbb::concurrent_hash_map<std::string, std::string>;

  [[nodiscard]] bool get(const std::string& key, std::string& value) const {
    return visit(key, [&](const std::string& held) { value = held; });
  }
  template <class F>
  bool visit(const std::string& key, F&& f) const {
    Map::const_accessor found;
    if (!map.find(found, key)) return false;
    f(found->second);
    return true;
  }
  void set(const std::string& key, std::string_view value) {
    Map::accessor found;
    map.insert(found, key);
    found->second = value;
  }
  [[nodiscard]] std::size_t size() const { return map.size(); }

  Map map;
};
#endif

/// Every key of a map, and a second time in the order in which they are asked for.
struct Keys {
  explicit Keys(std::size_t count) : order(shuffled(count)) {
    asked.reserve(count);
    for (const std::uint32_t number : order) asked.push_back(key_of(number));
  }

  std::vector<std::uint32_t> order;
  std::vector<std::string> asked;
};

struct Mix {
  std::string_view operation;
  std::size_t threads = 1;
  unsigned writes_percent = 0;
};

/// How many of `operations` in a row found their key with a value of the right size.
template <class Map>
std::size_t read(Map& map, const Keys& keys, const Mix& mix, const Values& values, std::size_t begin,
                 std::size_t operations) {
  std::size_t good = 0;
  std::size_t at = begin;
  unsigned turn = 0;
  std::string value;
  const bool is_get = mix.operation == "get";
  for (std::size_t i = 0; i < operations; ++i) {
    const std::string& key = keys.asked[at];
    turn = (turn + 37) % 100;  // spreads the writes among the reads
    if (turn < mix.writes_percent) {
      map.set(key, values[keys.order[at]]);
      ++good;
    } else if (is_get) {
      if (map.get(key, value) && value.size() == value_bytes) ++good;
    } else {
      map.visit(key, [&](std::string_view held) {
        [[maybe_unused]] const volatile char touched = held.back();
        if (held.size() == value_bytes) ++good;
      });
    }
    if (++at == keys.asked.size()) at = 0;
  }
  return good;
}

[[nodiscard]] bool asks_for_many(const Mix& mix) {
  return mix.operation == "get_many" || mix.operation == "visit_many";
}

std::size_t read_many(const OurMap& map, const Keys& keys, const Mix& mix, std::size_t operations) {
  constexpr std::size_t batch = 50;
  std::size_t good = 0;
  std::size_t at = 0;
  std::vector<std::optional<std::string>> values;
  for (std::size_t i = 0; i < operations; i += batch) {
    const auto asked = std::span(keys.asked).subspan(at, batch);
    if (mix.operation == "get_many") {
      map.store.get_many(asked, values);
      for (const auto& value : values) good += value && value->size() == value_bytes ? 1U : 0U;
    } else {
      map.store.visit_many(asked, [&](std::size_t, std::string_view held) {
        [[maybe_unused]] const volatile char touched = held.back();
        if (held.size() == value_bytes) ++good;
      });
    }
    at = at + 2 * batch > keys.asked.size() ? 0 : at + batch;
  }
  return good;
}

void report(const Run& run, std::size_t keys, const Mix& mix, double ns) {
  run.report({{"operation", std::string(mix.operation)},
              {"keys", std::to_string(keys)},
              {"threads", std::to_string(mix.threads)},
              {"writes", std::to_string(mix.writes_percent)}},
             "ns", ns);
}

template <class Map>
void measure(const Run& run, Map& map, const Keys& keys, const Mix& mix) {
  const std::size_t operations = run.is_quick() ? 200'000 : 5'000'000;
  const Values values(value_bytes);
  std::vector<std::size_t> good(mix.threads);
  std::vector<std::uint64_t> times(mix.threads);
  std::latch start(static_cast<std::ptrdiff_t>(mix.threads));
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < mix.threads; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        const Stopwatch watch;
        if constexpr (std::same_as<Map, OurMap>) {
          if (asks_for_many(mix)) good[i] = read_many(map, keys, mix, operations);
        }
        if (!asks_for_many(mix))
          good[i] = read(map, keys, mix, values, i * keys.asked.size() / mix.threads, operations);
        times[i] = watch.nanoseconds();
      });
    }
  }
  const auto time = std::accumulate(times.begin(), times.end(), std::uint64_t{0});
  report(run, keys.asked.size(), mix,
         static_cast<double>(time) / static_cast<double>(mix.threads * operations));
  for (const std::size_t each : good) require(each == operations, "every key was found with its value");
}

/// Fills an empty map, timed; then, if there is to be more than the filling, sets the same keys again.
template <class Map>
void fill(const Run& run, Map& map, const Keys& keys) {
  const Values values(value_bytes);
  const std::size_t count = keys.asked.size();
  for (const std::string_view operation : {"insert", "overwrite"}) {
    // Inserted in order of number, as keys come; overwritten in random order.
    const bool is_insert = operation == "insert";
    std::vector<std::string> in_order;
    for (std::size_t number = 0; is_insert && number < count; ++number) in_order.push_back(key_of(number));
    const Stopwatch watch;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t number = is_insert ? i : keys.order[i];
      map.set(is_insert ? in_order[i] : keys.asked[i], values[number]);
    }
    const double ns = static_cast<double>(watch.nanoseconds()) / static_cast<double>(count);
    report(run, count, {operation, 1, 100}, ns);
  }
  require(map.size() == count, "every key is there");
}

template <class Map>
void read_all(const Run& run) {
  for (const std::size_t count : {10'000U, 100'000U, 1'000'000U, 10'000'000U}) {
    if (run.is_quick() && count > 1'000'000) continue;
    const Keys keys(count);
    const auto map = std::make_unique<Map>();
    fill(run, *map, keys);
    measure(run, *map, keys, {"get"});
    measure(run, *map, keys, {"visit"});
    if constexpr (std::same_as<Map, OurMap>) {
      measure(run, *map, keys, {"get_many"});
      measure(run, *map, keys, {"visit_many"});
    }
    if (count != 10'000 && count != 1'000'000) continue;
    for (const std::size_t threads : {1U, 2U}) {
      for (const unsigned writes : {0U, 5U, 50U}) {
        if (threads == 1 && writes == 0) continue;
        measure(run, *map, keys, {"get", threads, writes});
        measure(run, *map, keys, {"visit", threads, writes});
      }
    }
  }
}

}  // namespace

std::vector<Side> read_sides() {
  std::vector<Side> sides{replikv_side};
#if __has_include(<libcuckoo/cuckoohash_map.hh>)
  sides.emplace_back("libcuckoo");
#endif
#if __has_include(<oneapi/tbb/concurrent_hash_map.h>)
  sides.emplace_back("oneTBB");
#endif
  return sides;
}

void run_read(const Run& run) {
  if (run.is_ours()) return read_all<OurMap>(run);
#if __has_include(<libcuckoo/cuckoohash_map.hh>)
  if (run.side() == "libcuckoo") return read_all<CuckooMap>(run);
#endif
#if __has_include(<oneapi/tbb/concurrent_hash_map.h>)
  if (run.side() == "oneTBB") return read_all<TbbMap>(run);
#endif
  throw std::runtime_error("no such map");
}

}  // namespace race
