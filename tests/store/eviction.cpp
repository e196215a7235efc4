// Stores at their memory limit: who is evicted, who is refused, and what the stream says of it.
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <tests/store/helper.hpp>
#include <thread>
#include <vector>

namespace {

using namespace store_tests;
using replikv::Eviction;
using replikv::StoreOptions;

constexpr std::array all_policies{Eviction::allkeys_lru,  Eviction::allkeys_lfu,  Eviction::allkeys_random,
                                  Eviction::volatile_lru, Eviction::volatile_lfu, Eviction::volatile_random,
                                  Eviction::volatile_ttl};
constexpr std::array volatile_policies{Eviction::volatile_lru, Eviction::volatile_lfu,
                                       Eviction::volatile_random, Eviction::volatile_ttl};

constexpr std::size_t megabyte = 1'000'000;

std::string key_at(std::uint64_t number) { return "key:" + std::to_string(number); }

/// How many of every `step`th key from first to last - 1 are there; looks without using them.
std::size_t survivors(const Strings& store, std::uint64_t first, std::uint64_t last, std::uint64_t step = 1) {
  std::set<std::string, std::less<>> there;
  store.for_each([&there](std::string_view name, std::string_view) { there.emplace(name); });
  std::size_t count = 0;
  for (std::uint64_t i = first; i < last; i += step) count += there.count(key_at(i));
  return count;
}

/// The contents that a stream's SETs and DELs make.
std::map<std::string, std::string> replayed(const std::string& effects) {
  std::map<std::string, std::string> contents;
  std::istringstream commands(effects);
  for (std::string command; std::getline(commands, command, ';');) {
    std::istringstream words(command);
    std::string name, subject, value;
    words >> name >> subject;
    if (name == "SET" || name == "MSET") {
      while (words >> value) {
        contents[subject] = value;
        if (name == "SET" || !(words >> subject)) break;
      }
    } else if (name == "DEL") {
      CHECK(contents.erase(subject) == 1);
    }
  }
  return contents;
}

template <class Store>
std::map<std::string, std::string> contents_of_strings(const Store& store) {
  std::map<std::string, std::string> contents;
  store.for_each([&](std::string_view name, std::string_view value) { contents.emplace(name, value); });
  return contents;
}

TEST_CASE("Eviction: a store stays within its limit while ten times as much is written") {
  for (const Eviction eviction : all_policies) {
    CAPTURE(static_cast<int>(eviction));
    Strings store({.max_memory = megabyte, .eviction = eviction});
    CHECK(store.max_memory() == megabyte);
    CHECK(store.eviction() == eviction);
    const std::string value(100, 'v');
    std::size_t most = 0;
    constexpr std::uint64_t keys = 80'000;
    for (std::uint64_t i = 0; i < keys; ++i) {
      CHECK(store.set(key_at(i), value, 1h).changed);
      most = std::max(most, store.memory_bytes());
    }
    CHECK(most <= megabyte + 2200);  // a segment may be split by the write that was let in
    CHECK(store.memory_bytes() > megabyte * 9 / 10);
    CHECK(store.size() > 5000);
    CHECK(store.evicted_keys() == keys - store.size());
    CHECK(store.memory_refusals() == 0);
  }
}

TEST_CASE("Eviction: LRU keeps the keys that are read") {
  for (const Eviction eviction : {Eviction::allkeys_lru, Eviction::volatile_lru}) {
    CAPTURE(static_cast<int>(eviction));
    Strings store({.max_memory = megabyte, .eviction = eviction});
    const std::string value(100, 'v');
    constexpr std::uint64_t hot = 500;  // of about 5 500
    for (std::uint64_t i = 0; i < 50'000; ++i) {
      store.set(key_at(i), value, 1h);
      if (i >= hot) static_cast<void>(store.get(key_at(i % hot)));
    }
    CHECK(survivors(store, 0, hot) > hot * 95 / 100);
  }
}

TEST_CASE("Eviction: LRU lets go what was read once, long ago, before what was read since") {
  Strings store({.max_memory = megabyte, .eviction = Eviction::allkeys_lru, .eviction_samples = 10});
  const std::string value(100, 'v');
  std::uint64_t keys = 0;
  while (store.evicted_keys() == 0) store.set(key_at(keys++), value);
  for (std::uint64_t i = 0; i < keys; i += 2) static_cast<void>(store.contains(key_at(i)));  // the even ones
  const std::uint64_t evicted = keys / 3;
  for (std::uint64_t i = 0; i < evicted; ++i) store.set(key_at(keys + i), value);
  CHECK(survivors(store, 0, keys / 2, 2) > keys / 4 * 95 / 100);
}

TEST_CASE("Eviction: reading many keys uses each of them once") {
  ManualClock clock;
  Strings store({.clock = replikv::Clock(clock), .max_memory = megabyte, .eviction = Eviction::allkeys_lfu});
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < 200; ++i) {
    names.push_back(key_at(i));
    store.set(names.back(), "v", i % 10 == 0 ? replikv::Expiry(10ms) : replikv::Expiry());
  }
  clock.advance(10ms);
  const auto uses = [&](const std::string& name) {
    const auto& core = database_of(store);
    return core.table().find(core.table().hash(name), name)->access() & 0xff;
  };
  const int before = uses(names[1]);
  store.visit_many(names, [](std::size_t, std::string_view) {});
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i % 10 != 0) REQUIRE(uses(names[i]) == before + 1);
  }
}

TEST_CASE("Eviction: LFU keeps what is read often when others are read once and in great number") {
  for (const Eviction eviction : {Eviction::allkeys_lfu, Eviction::volatile_lfu}) {
    CAPTURE(static_cast<int>(eviction));
    Strings store({.max_memory = megabyte, .eviction = eviction});
    const std::string value(100, 'v');
    constexpr std::uint64_t hot = 500;
    for (std::uint64_t i = 0; i < hot; ++i) store.set(key_at(i), value, 1h);
    for (int round = 0; round < 50; ++round) {
      for (std::uint64_t i = 0; i < hot; ++i) static_cast<void>(store.get(key_at(i)));
    }
    for (std::uint64_t i = hot; i < 15'000; ++i) {  // nobody reads the hot ones meanwhile
      store.set(key_at(i), value, 1h);
      static_cast<void>(store.get(key_at(i)));
    }
    CHECK(survivors(store, 0, hot) > hot * 9 / 10);
  }
}

TEST_CASE("Eviction: LFU forgets what was read often and is no more") {
  Strings store({.max_memory = megabyte, .eviction = Eviction::allkeys_lfu});
  const std::string value(100, 'v');
  constexpr std::uint64_t hot = 500;
  for (std::uint64_t i = 0; i < hot; ++i) store.set(key_at(i), value);
  for (int round = 0; round < 50; ++round) {
    for (std::uint64_t i = 0; i < hot; ++i) static_cast<void>(store.get(key_at(i)));
  }
  for (std::uint64_t i = hot; i < 200'000; ++i) store.set(key_at(i), value);
  CHECK(survivors(store, 0, hot) < hot / 2);
}

TEST_CASE("Eviction: at random, nobody is kept") {
  Strings store({.max_memory = megabyte, .eviction = Eviction::allkeys_random});
  const std::string value(100, 'v');
  constexpr std::uint64_t hot = 500;
  for (std::uint64_t i = 0; i < 40'000; ++i) {
    store.set(key_at(i), value);
    if (i >= hot) static_cast<void>(store.get(key_at(i % hot)));
  }
  CHECK(survivors(store, 0, hot) < hot / 10);
}

TEST_CASE("Eviction: volatile_ttl lets go what expires first") {
  Strings store({.max_memory = megabyte, .eviction = Eviction::volatile_ttl});
  const std::string value(100, 'v');
  std::uint64_t keys = 0;
  while (store.evicted_keys() == 0) {
    store.set(key_at(keys), value, keys % 2 == 0 ? 1h : std::chrono::hours(100));
    ++keys;
  }
  const std::uint64_t evicted = keys / 4;
  for (std::uint64_t i = 0; i < evicted; ++i) store.set(key_at(keys + i), value, std::chrono::hours(200));
  CHECK(survivors(store, 1, keys, 2) > keys / 2 * 9 / 10);
}

TEST_CASE("Eviction: what has expired goes before anything else") {
  ManualClock clock;
  Strings store({.clock = replikv::Clock(clock), .max_memory = megabyte, .eviction = Eviction::allkeys_lru});
  const std::string value(100, 'v');
  std::uint64_t keys = 0;
  while (store.evicted_keys() == 0) {
    store.set(key_at(keys), value, keys % 2 == 0 ? replikv::Expiry(1s) : replikv::Expiry(1h));
    ++keys;
  }
  clock.advance(1s);
  for (std::uint64_t i = 0; i < keys / 4; ++i) store.set(key_at(keys + i), value);
  CHECK(survivors(store, 1, keys, 2) > keys / 2 * 95 / 100);
}

TEST_CASE(
    "Eviction: volatile policies never touch what does not expire, and refuse when nothing else is left") {
  for (const Eviction eviction : volatile_policies) {
    CAPTURE(static_cast<int>(eviction));
    Strings store({.max_memory = megabyte, .eviction = eviction});
    const std::string value(100, 'v');
    for (std::uint64_t i = 0; i < 2000; ++i) store.set(key_at(i), value);
    for (std::uint64_t i = 2000; i < 20'000; ++i) store.set(key_at(i), value, 1h);
    CHECK(survivors(store, 0, 2000) == 2000);
    CHECK(store.memory_refusals() == 0);

    std::error_code error;
    std::uint64_t added = 0;
    while (!error && added < 20'000) store.set("lasting:" + std::to_string(added++), value, error);
    CHECK(error == Errc::out_of_memory);
    CHECK(database_of(store).expiring() == 0);
    CHECK(store.size() == 2000 + added - 1);
    CHECK(store.memory_refusals() == 1);
    CHECK(survivors(store, 0, 2000) == 2000);
  }
}

TEST_CASE("Eviction: one key with an expiry is found among many without") {
  Strings store;
  for (std::uint64_t i = 0; i < 100'000; ++i) store.set(key_at(i), "v");
  store.set("brief", std::string(1000, 'v'), 1h);
  store.limit_memory(store.memory_bytes() + store.memory_bytes() / 1000, Eviction::volatile_lru);
  store.set("new", std::string(500, 'v'));
  CHECK(store.contains("new"));
  CHECK_FALSE(store.contains("brief"));
  CHECK(store.evicted_keys() == 1);
}

TEST_CASE("Eviction: without it, what makes the store grow is refused and everything else works") {
  Strings store({.max_memory = 200'000});
  CHECK(store.eviction() == Eviction::noeviction);
  const std::string value(100, 'v');
  std::error_code error;
  std::uint64_t keys = 0;
  while (!error) store.set(key_at(keys++), value, error);
  CHECK(error == Errc::out_of_memory);
  CHECK(error.message() == "OOM command not allowed when used memory > 'maxmemory'.");
  CHECK(store.memory_bytes() <= 200'000);
  CHECK(store.memory_bytes() > 190'000);
  CHECK(store.size() == keys - 1);

  Role role(store);
  const std::string more(300, 'v');
  CHECK_THROWS_AS(store.set("new", more), replikv::Error);
  CHECK_THROWS_AS(store.set(key_at(0), more), replikv::Error);
  CHECK_THROWS_AS(store.set_if_absent("new", more), replikv::Error);
  CHECK_THROWS_AS(store.set_if_present(key_at(0), more), replikv::Error);
  CHECK_THROWS_AS(store.compare_and_set(key_at(0), value, more), replikv::Error);
  CHECK_THROWS_AS(store.set_many({{"new", more}}), replikv::Error);
  CHECK(store.memory_refusals() == 7);
  CHECK(role.effects().empty());
  CHECK_FALSE(store.set_if_absent(key_at(0), more).changed);
  CHECK_FALSE(store.compare_and_set(key_at(0), "other", more).changed);

  CHECK(store.get(key_at(0)) == value);
  CHECK(store.set(key_at(0), std::string(100, 'w')).changed);  // as large as before
  CHECK(store.set(key_at(0), "w").changed);
  CHECK(store.expire(key_at(1), 1h).changed);
  CHECK(store.persist(key_at(1)).changed);
  CHECK(store
            .transaction([&](auto& all) {
              all.erase(key_at(1));
              all.set("new", value);
            })
            .changed);
  CHECK(store.erase(key_at(2)).changed);
  CHECK(store.set(key_at(2), value).changed);
  CHECK(store.clear().changed);
  CHECK(store.set("k", more).changed);
  CHECK(store.memory_refusals() == 7);
}

TEST_CASE("Eviction: at the limit a key may be given an expiry, although that takes memory") {
  Strings store({.max_memory = 200'000});
  const std::string value(100, 'v');
  std::error_code error;
  for (std::uint64_t i = 0; !error; ++i) store.set(key_at(i), value, error);
  const std::size_t full = store.memory_bytes();
  for (std::uint64_t i = 10; i < 30; ++i) CHECK(store.expire(key_at(i), 1h).changed);
  CHECK(store
            .transaction([](auto& all) {
              for (std::uint64_t i = 30; i < 40; ++i) CHECK(all.expire(key_at(i), 1h));
            })
            .changed);
  CHECK(store.memory_bytes() == full + 30 * 16);
  CHECK(store.memory_bytes() > 200'000);
  CHECK(store.memory_refusals() == 1);

  CHECK_THROWS_AS(store.set(key_at(40), value, 1h), replikv::Error);
  CHECK_THROWS_AS(store.transaction([&](auto& all) { all.set(key_at(40), value, 1h); }), replikv::Error);
  CHECK(store.ttl(key_at(40)) == replikv::TimeToLive{true, std::nullopt});
  CHECK(store.set(key_at(40), std::string(90, 'w'), 1h).changed);  // with the expiry as large as before
  CHECK(store.set(key_at(10), value, 2h).changed);
  CHECK(store.compare_and_set(key_at(10), value, std::string(100, 'w')).changed);
  CHECK(store.update(key_at(11), [](auto& held) { held->back() = 'w'; }).changed);
  CHECK(store.memory_bytes() == full + 30 * 16);
}

TEST_CASE("Eviction: a store beyond its limit takes no update, increment or transaction that makes it grow") {
  Strings store;
  for (std::uint64_t i = 0; i < 1000; ++i) store.set(key_at(i), std::string(100, 'v'));
  store.limit_memory(store.memory_bytes() - 1000, Eviction::noeviction);
  std::error_code error;
  store.increment("n", error);
  CHECK(error == Errc::out_of_memory);
  store.update(
      key_at(0), [](auto& value) { *value += std::string(100, 'v'); }, error);
  CHECK(error == Errc::out_of_memory);
  CHECK(store.get(key_at(0))->size() == 100);
  store.transaction([](auto& all) { all.set("n", "1"); }, error);
  CHECK(error == Errc::out_of_memory);
  CHECK(store
            .update(
                key_at(0), [](auto& value) { value = "v"; }, error)
            .changed);
  CHECK_FALSE(error);
  CHECK(store
            .update(
                key_at(0), [](auto& value) { value.reset(); }, error)
            .changed);
  CHECK_FALSE(store.contains("n"));
  CHECK(store.memory_refusals() == 3);
}

TEST_CASE("Eviction: is told to the stream before the write that needed the room") {
  Strings store({.max_memory = 200'000, .eviction = Eviction::allkeys_lru});
  Role role(store);
  const std::string value(100, 'v');
  std::string all;
  std::uint64_t next = 0;
  while (store.evicted_keys() == 0) {
    all += role.effects() + ";";
    store.set(key_at(next++), value);
  }
  const std::string last = role.effects();
  CHECK(last.starts_with("DEL key:"));
  CHECK(last.ends_with("SET " + key_at(next - 1) + " " + value));
  all += last + ";";
  for (int i = 0; i < 200; ++i) {
    store.set(key_at(next++), value);
    store.update(key_at(next++), [&](auto& held) { held = value; });
    store.set_many({{key_at(next), value}, {key_at(next + 1), value}});
    next += 2;
    store.transaction([&](auto& transaction) { transaction.set(key_at(next), value); });
    ++next;
    store.increment(key_at(next++));
    all += role.effects() + ";";
  }
  CHECK(store.evicted_keys() > 500);
  CHECK(replayed(all) == contents_of_strings(store));
}

TEST_CASE("Eviction: set_many and transactions make room first and keep the store at its limit") {
  Strings store({.max_memory = megabyte, .eviction = Eviction::allkeys_random});
  const std::string value(100, 'v');
  std::uint64_t next = 0;
  for (int round = 0; round < 1000; ++round) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (int i = 0; i < 20; ++i) pairs.emplace_back(key_at(next++), value);
    store.set_many(pairs);
    CHECK(store.memory_bytes() <= megabyte + 5 * 2200);
    for (const auto& pair : pairs) REQUIRE(store.contains(pair.first));
    store.transaction([&](auto& all) {
      for (int i = 0; i < 20; ++i) all.set(key_at(next++), value);
    });
    CHECK(store.memory_bytes() <= megabyte + 20 * 144 + 5 * 2200);
  }
  CHECK(store.evicted_keys() > 30'000);
}

TEST_CASE("Eviction: never of the key that is written, and never in vain") {
  replikv::Store<std::string, std::string, SmallPolicy> store(
      {.max_memory = 10'000, .eviction = Eviction::allkeys_random});
  store.increment("n");
  for (int i = 0; i < 1000; ++i) {
    store.increment("n");
    store.set("filling" + std::to_string(i % 10), std::string(2000, 'v'));
    CHECK(store.memory_bytes() <= 10'000);
    if (!store.contains("n")) store.increment("n");
  }
  store.clear();
  CHECK(store.set("n", std::string(3000, 'v')).changed);
  const std::uint64_t evicted = store.evicted_keys();
  CHECK(store.update("n", [](auto& value) { *value += "and more"; }).changed);
  std::error_code error;
  store.set("other", std::string(20'000, 'v'), error);  // more than all there may be
  CHECK(error == Errc::out_of_memory);
  CHECK(store.evicted_keys() == evicted);
  CHECK(store.get("n")->ends_with("and more"));
}

TEST_CASE("Eviction: a limit that is lowered is reached write by write, none of which evicts without end") {
  Strings store;
  const std::string value(1000, 'v');
  for (std::uint64_t i = 0; i < 10'000; ++i) store.set(key_at(i), value);
  const std::size_t limit = store.memory_bytes() / 2;
  store.limit_memory(limit, Eviction::allkeys_lru);
  CHECK(store.size() == 10'000);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t evicted = store.evicted_keys();
    CHECK(store.set("small:" + std::to_string(i), "v").changed);
    REQUIRE(store.evicted_keys() - evicted <= 17);
  }
  CHECK(store.memory_bytes() <= limit);
  store.limit_memory(0, Eviction::noeviction);
  for (std::uint64_t i = 0; i < 10'000; ++i) store.set(key_at(i), value);
  CHECK(store.memory_bytes() > limit);
}

TEST_CASE_TEMPLATE("Eviction: a limit far below what the store was gives back segments as well", Policy,
                   replikv::DefaultPolicy, SmallPolicy) {
  replikv::Store<std::string, std::string, Policy> store;
  const std::size_t empty = store.memory_bytes();
  for (std::uint64_t i = 0; i < 100'000; ++i) store.set(key_at(i), std::string(16, 'v'));
  const std::size_t full = store.memory_bytes() - empty;
  store.limit_memory(empty + full / 20, Eviction::allkeys_random);
  std::uint64_t cursor = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    CHECK(store.set("new:" + std::to_string(i), "v").changed);
    cursor = store.scan(cursor, [](std::string_view, std::string_view) {});
  }
  CHECK(store.memory_bytes() <= empty + full / 20 + 2200);
  CHECK(store.size() > 200);
  const std::map<std::string, std::string> there = contents_of_strings(store);
  CHECK(there.size() == store.size());
  for (const auto& [name, value] : there) REQUIRE(store.get(name) == value);
  for (const auto& [name, value] : there) REQUIRE(store.erase(name).changed);
  CHECK(store.empty());
}

TEST_CASE("Eviction: a large value drives out as many small ones as it needs") {
  Strings store({.max_memory = 4 * megabyte, .eviction = Eviction::allkeys_lru});
  for (std::uint64_t i = 0; i < 50'000; ++i) store.set(key_at(i), std::string(100, 'v'));
  CHECK(store.set("large", std::string(2 * megabyte, 'v')).changed);
  CHECK(store.memory_bytes() <= 4 * megabyte);
  CHECK(store.contains("large"));
  CHECK(store.size() > 5000);
}

TEST_CASE("Eviction: a replica neither evicts nor refuses") {
  Strings store({.max_memory = 200'000, .eviction = Eviction::allkeys_lru});
  Role role(store, WriteMode::read_only);
  Database& database = database_of(store);
  const std::string value(100, 'v');
  for (std::uint64_t i = 0; i < 5000; ++i) CHECK_FALSE(database.assign(key_at(i), value, never, Locks::take));
  CHECK(store.size() == 5000);
  std::error_code error;
  store.set("own", value, error);
  CHECK(error == Errc::read_only);
  for (const Eviction eviction : {Eviction::allkeys_lru, Eviction::noeviction}) {
    store.limit_memory(200'000, eviction);
    role.gate->set(WriteMode::local);
    CHECK(store.set("own", value + "1").changed);
    CHECK(store.set_many({{"own", value + "2"}, {"own:2", value}}).changed);
    CHECK(store.transaction([&](auto& all) { all.set("own", value + value); }).changed);
  }
  CHECK(store.size() == 5002);
  CHECK(store.evicted_keys() == 0);
  CHECK(store.memory_refusals() == 0);

  store.limit_memory(200'000, Eviction::allkeys_lru);
  role.gate->set(WriteMode::streamed);  // promoted
  for (std::uint64_t i = 0; i < 1000; ++i) store.set("after:" + std::to_string(i), value);
  CHECK(store.memory_bytes() < 400'000);
  CHECK(store.evicted_keys() > 5000);
}

TEST_CASE("Eviction: a snapshot under way still has what was evicted") {
  Strings store({.max_memory = megabyte, .eviction = Eviction::allkeys_random});
  for (std::uint64_t i = 0; i < 5000; ++i) store.set(key_at(i), std::string(100, 'v'));
  const Contents expected = contents_of(database_of(store));
  const auto snapshot = begin_snapshot(database_of(store));
  for (std::uint64_t i = 0; i < 20'000; ++i) store.set("new:" + std::to_string(i), std::string(100, 'w'));
  CHECK(finish(*snapshot) == expected);
}

TEST_CASE("Eviction: stores of any types evict") {
  replikv::Store<std::int64_t, double> store({.max_memory = 300'000, .eviction = Eviction::allkeys_lfu});
  for (std::int64_t i = 0; i < 50'000; ++i) store.set(i, 0.5);
  CHECK(store.memory_bytes() <= 300'000 + 2200);
  CHECK(store.size() + store.evicted_keys() == 50'000);
}

TEST_CASE("Eviction: many threads at once, and the stream still tells what is there") {
  for (const Eviction eviction : {Eviction::allkeys_lru, Eviction::allkeys_lfu, Eviction::volatile_ttl}) {
    CAPTURE(static_cast<int>(eviction));
    Strings store({.max_memory = 300'000, .eviction = eviction});
    Role role(store);
    const std::string value(100, 'v');
    std::vector<std::thread> threads;
    std::atomic<std::uint64_t> most{0};
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      threads.emplace_back([&, seed] {
        replikv::Random random(seed);
        for (int i = 0; i < 1500; ++i) {
          const std::string name = key_at(random.below(5000));
          switch (random.below(8)) {
            case 0: static_cast<void>(store.get_many({name, key_at(random.below(5000))})); break;
            case 1: store.erase(name); break;
            case 2: store.set_many({{name, value}, {key_at(random.below(5000)), value}}); break;
            case 3:
              store.transaction({name}, [&](auto& all) {
                static_cast<void>(all.get(name));
                all.set(name, value, 1h);
              });
              break;
            case 4: store.expire(name, 1h); break;
            default: store.set(name, value, 1h);
          }
          static_cast<void>(store.get(name));
          std::uint64_t seen = most;
          while (seen < store.memory_bytes() && !most.compare_exchange_weak(seen, store.memory_bytes())) {
          }
        }
      });
    }
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < 50; ++i) store.limit_memory(290'000 + i * 200, eviction);
    });
    for (auto& thread : threads) thread.join();
    CHECK(store.evicted_keys() > 1000);
    CHECK(most <= 300'000 + 4 * (2200 + 300));
    CHECK(store.memory_refusals() == 0);
    CHECK(replayed(role.effects()) == contents_of_strings(store));
  }
}

TEST_CASE("Expiry: while keys are written no more than a tenth of those there have expired, without a role") {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
  replikv::Random random(7);
  std::uint64_t next = 0;
  double worst = 0;
  // 10 000 keys a second that live for 1 to 9 s: about 50 000 are there at a time. Nobody reads one.
  for (int second = 0; second < 60; ++second) {
    for (int i = 0; i < 10'000; ++i) {
      if (i % 100 == 0) clock.advance(10ms);
      store.set(key_at(next++), "v", std::chrono::milliseconds(1000 + random.below(8000)));
    }
    std::size_t live = 0;
    store.for_each([&live](std::string_view, std::string_view) { ++live; });
    const double share = 1 - static_cast<double>(live) / static_cast<double>(store.size());
    worst = std::max(worst, share);
  }
  MESSAGE("expired at worst: " << worst);
  CHECK(worst < 0.1);
}

TEST_CASE("Expiry: at a write, is streamed in order, and left to the master on a replica") {
  ManualClock clock;
  replikv::Store<std::string, std::string, SmallPolicy> store{replikv::Clock(clock)};
  Role role(store);
  for (std::uint64_t i = 0; i < 50; ++i) store.set(key_at(i), "v", 1s);
  clock.advance(1s);
  static_cast<void>(role.effects());
  role.gate->set(WriteMode::local);
  for (std::uint64_t i = 0; i < 500; ++i) store.set("local:" + std::to_string(i % 10), "v");
  CHECK(store.size() == 60);
  CHECK(role.effects().empty());
  role.gate->set(WriteMode::streamed);
  for (std::uint64_t i = 0; i < 500; ++i) store.set("new:" + std::to_string(i), "v");
  CHECK(store.size() < 560);
  CHECK(role.effects().find("DEL key:") != std::string::npos);
}

}  // namespace
