// What a store says it takes of memory: it follows every way in which contents come and go, and agrees with
// the allocator.
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <malloc.h>
#include <mutex>
#include <string>
#include <string_view>
#include <tests/store/helper.hpp>
#include <utility>
#include <vector>

namespace {

using namespace store_tests;

struct LoneBucketPolicy : SmallPolicy {
  static constexpr unsigned shard_bits = 0;
  static constexpr std::size_t segment_buckets = 1;
};

std::string numbered_key(std::size_t number) { return "key:" + std::to_string(number); }

/// What malloc has given out; 0 under sanitizers, which have allocators of their own.
std::size_t heap_bytes() {
  const auto all = ::mallinfo2();
  return all.uordblks + all.hblkhd;
}

TEST_CASE("Memory: an entry of strings takes what malloc gives it") {
  Strings store;
  const std::size_t empty = store.memory_bytes();
  store.set("k", "");
  CHECK(store.memory_bytes() - empty == 32);  // 8 + 1, a word of malloc's, in steps of 16
  store.set("k", std::string(15, 'v'));
  CHECK(store.memory_bytes() - empty == 32);
  store.set("k", std::string(16, 'v'));
  CHECK(store.memory_bytes() - empty == 48);
  store.set("k", std::string(1000, 'v'));
  CHECK(store.memory_bytes() - empty == 1024);
  store.set("k", "v");
  CHECK(store.memory_bytes() - empty == 32);
  store.set("other", "v");
  CHECK(store.memory_bytes() - empty == 64);
  store.erase("k");
  store.erase("other");
  CHECK(store.memory_bytes() == empty);
}

TEST_CASE("Memory: an expiry takes 8 bytes, from when a key first has one until its entry goes") {
  Strings store;
  Database& database = database_of(store);
  const std::string value(64, 'v');
  const std::string name = "sixteen bytes...";
  const std::size_t empty = store.memory_bytes();
  const auto taken = [&] { return store.memory_bytes() - empty; };
  store.set(name, value);
  CHECK(taken() == 96);
  SUBCASE("of expire") { store.expire(name, 1h); }
  SUBCASE("of set") { store.set(name, value, 1h); }
  SUBCASE("of a transaction") {
    store.transaction([&](auto& all) { all.expire(name, 1h); });
  }
  SUBCASE("of a transaction's set") {
    store.transaction([&](auto& all) { all.set(name, value, 1h); });
  }
  SUBCASE("of a master's PEXPIREAT") { CHECK(database.set_expiry(name, at_ms(1), Locks::take)); }
  SUBCASE("of a master's SET") { CHECK_FALSE(database.assign(name, value, at_ms(1), Locks::take)); }
  CHECK(taken() == 112);
  CHECK(database.read(name, Locks::take)->value == value);
  CHECK(database.expiring() == 1);
  CHECK_FALSE(database.assign(name, value, replikv::detail::KeepExpiry{}, Locks::take));
  CHECK(taken() == 112);
  CHECK(database.expiring() == 1);
  CHECK(database.set_expiry(name, never, Locks::take));
  CHECK(taken() == 112);
  CHECK(database.expiring() == 0);
  store.set(name, value + std::string(16, 'v'));
  CHECK(taken() == 112);  // a new entry
  store.erase(name);
  CHECK(taken() == 0);
}

TEST_CASE("Memory: every kind of write is counted, and taken back when its keys go") {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
  const std::size_t empty = store.memory_bytes();
  const std::string value(100, 'v');
  std::size_t before = empty;
  const auto grew = [&] { return store.memory_bytes() - std::exchange(before, store.memory_bytes()); };

  store.set_if_absent("a", value);
  CHECK(grew() == 128);
  store.set("b", value, 1s);
  CHECK(grew() == 128);
  store.update("c", [&](auto& held) { held = value; });
  CHECK(grew() == 128);
  store.set_many({{"d", value}, {"e", value}, {"d", value}});
  CHECK(grew() == 256);
  store.transaction([&](auto& all) {
    all.set("f", value);
    all.set("a", value + value);
    all.erase("d");
  });
  CHECK(grew() == 96);
  store.increment("n");
  CHECK(grew() == 32);
  store.compare_and_set("n", "1", value);
  CHECK(grew() == 96);
  store.expire("c", 1s);
  store.persist("c");
  CHECK(grew() == 0);

  clock.advance(1s);
  CHECK_FALSE(store.get("b"));  // which deletes it
  CHECK(grew() == std::size_t{0} - 128);
  store.expire("c", 1s);
  clock.advance(1s);
  CHECK(store.expire_due(1h) == 1);
  CHECK(grew() == std::size_t{0} - 128);
  for (const auto* name : {"a", "e", "f", "n"}) store.erase(name);
  CHECK(store.memory_bytes() == empty);
}

TEST_CASE_TEMPLATE("Memory: whatever was done, erasing gives back all but segments, clear gives back those",
                   Policy, replikv::DefaultPolicy, SmallPolicy, LoneBucketPolicy, CollidingPolicy,
                   CrowdedPolicy) {
  replikv::Store<std::string, std::string, Policy> store;
  const std::size_t empty = store.memory_bytes();
  std::size_t segments = 0;
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    CAPTURE(seed);
    replikv::Random random(seed);
    for (int step = 0; step < 4000; ++step) {
      const std::string name(random.below(300), 'k');
      if (random.below(3) == 0) {
        store.erase(name);
      } else {
        store.set(name, std::string(random.below(200), 'v'));
      }
    }
    std::size_t entries = 0;
    store.for_each([&entries](std::string_view name, std::string_view value) {
      entries += (8 + name.size() + value.size() + 8 + 15) / 16 * 16;
    });
    CHECK(store.memory_bytes() > entries);
    segments = store.memory_bytes() - entries;
    CHECK(segments >= empty);
    for (std::size_t size = 0; size < 300; ++size) store.erase(std::string(size, 'k'));
    CHECK(store.memory_bytes() == segments);
  }
  store.clear();
  CHECK(store.memory_bytes() == empty);
}

TEST_CASE("Memory: effects of a master are counted as writes are") {
  Strings store;
  const std::size_t empty = store.memory_bytes();
  Database& database = database_of(store);
  CHECK_FALSE(database.assign("k", std::string(100, 'v'), never, Locks::take));
  CHECK(store.memory_bytes() - empty == 128);
  CHECK_FALSE(database.assign("k", std::string(200, 'v'), replikv::detail::KeepExpiry{}, Locks::take));
  CHECK(store.memory_bytes() - empty == 224);
  CHECK(database.erase("k", Locks::take));
  CHECK(store.memory_bytes() == empty);
  CHECK_FALSE(database.assign("k", "v", never, Locks::take));
  database.clear(Locks::take);
  CHECK(store.memory_bytes() == empty);
}

TEST_CASE("Memory: goes with the contents when they are swapped or replaced by a full resync") {
  Strings one;
  Strings other;
  const std::size_t empty = one.memory_bytes();
  for (std::size_t i = 0; i < 20'000; ++i) one.set(numbered_key(i), std::string(50, 'v'));
  const std::size_t full = one.memory_bytes();
  CHECK(full > empty);
  const auto with_both_locked = [&](auto&& f) {
    const std::lock_guard first(database_of(one));
    const std::lock_guard second(database_of(other));
    f();
  };
  with_both_locked([&] { CHECK(database_of(one).swap_contents(database_of(other))); });
  CHECK(one.memory_bytes() == empty);
  CHECK(other.memory_bytes() == full);

  const auto load = database_of(one).begin_load();
  load->reserve(20'000);
  for (std::size_t i = 0; i < 20'000; ++i)
    CHECK_FALSE(load->insert(numbered_key(i), std::string(50, 'v'), never));
  CHECK(one.memory_bytes() == empty);
  with_both_locked([&] { database_of(one).adopt(*load); });
  CHECK(one.memory_bytes() > full * 8 / 10);
  CHECK(one.memory_bytes() < full * 12 / 10);
  const auto nothing = database_of(one).begin_load();
  with_both_locked([&] { database_of(one).adopt(*nothing); });
  CHECK(one.memory_bytes() == empty);
}

struct Guessed {
  std::string text;
};
struct Told {
  std::string text;
};

}  // namespace

template <>
struct replikv::Codec<Guessed> {
  static void encode(const Guessed& value, std::string& out) { out.append(value.text); }
  static bool decode(std::string_view bytes, Guessed& value) {
    value.text = bytes;
    return true;
  }
};

template <>
struct replikv::Codec<Told> : replikv::Codec<std::string> {
  static void encode(const Told& value, std::string& out) { out.append(value.text); }
  static bool decode(std::string_view bytes, Told& value) {
    value.text = bytes;
    return true;
  }
  static std::size_t memory_bytes(const Told& value) noexcept { return 10'000 + value.text.size(); }
};

namespace {

TEST_CASE("Memory: plain types own nothing, strings their text, others what their Codec tells or encodes") {
  replikv::Store<std::int64_t, std::int64_t> numbers;
  const std::size_t empty = numbers.memory_bytes();
  numbers.set(1, 2);
  CHECK(numbers.memory_bytes() - empty == 32);
  numbers.set(1, 3);
  CHECK(numbers.memory_bytes() - empty == 32);

  replikv::Store<std::string, std::int64_t> named;
  named.set("short", 1);
  CHECK(named.memory_bytes() - empty == 64);  // the header, a string, a number: 48 bytes and a word
  named.set(std::string(100, 'k'), 1);
  CHECK(named.memory_bytes() - empty == 64 + 64 + 112);

  replikv::Store<std::int64_t, Guessed> guessed;
  guessed.set(1, Guessed{"short"});
  CHECK(guessed.memory_bytes() - empty == 64);
  guessed.set(1, Guessed{std::string(100, 'v')});
  CHECK(guessed.memory_bytes() - empty == 64 + 112);
  guessed.update(1, [](auto& value) { value->text = "short"; });
  CHECK(guessed.memory_bytes() - empty == 64);

  replikv::Store<std::int64_t, Told> told;
  told.set(1, Told{"12345"});
  CHECK(told.memory_bytes() - empty == 64 + 10'005);
  told.set(1, Told{""});
  told.erase(1);
  CHECK(told.memory_bytes() == empty);
}

TEST_CASE("Memory: what is counted is within a tenth of what malloc has given out") {
  if (heap_bytes() == 0) return;  // a sanitizer's allocator
  for (const std::size_t value_bytes : {3U, 64U, 500U}) {
    CAPTURE(value_bytes);
    const std::size_t before = heap_bytes();
    Strings store;
    const std::string value(value_bytes, 'v');
    const auto check = [&](const std::string& what) {
      const auto counted = static_cast<double>(store.memory_bytes());
      const auto taken = static_cast<double>(heap_bytes() - before);
      CHECK(counted / taken > 0.9);
      CHECK(counted / taken < 1.1);
      MESSAGE(value_bytes << " bytes, " << what << ": counted / taken = " << counted / taken);
    };
    for (std::size_t i = 0; i < 200'000; ++i) store.set(numbered_key(i), value);
    check("set");
    for (std::size_t i = 0; i < 200'000; ++i) store.expire(numbered_key(i), 1h);
    check("expiring");
  }
}

}  // namespace
