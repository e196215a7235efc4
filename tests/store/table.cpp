// The table through the store: contents against std::map while it grows, shrinks, collides.
#include <replikv/store/detail/table.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tests/store/helper.hpp>
#include <type_traits>

namespace {

using namespace store_tests;

struct OneBucketPolicy : SmallPolicy {
  static constexpr unsigned shard_bits = 0;
  static constexpr std::size_t segment_buckets = 1;
};

template <class Store>
void check_equal(const Store& store, const std::map<std::string, std::string>& model) {
  REQUIRE(store.size() == model.size());
  std::map<std::string, std::string> seen;
  store.for_each([&](std::string_view key, std::string_view value) {
    const bool is_new = seen.emplace(key, value).second;
    CHECK_MESSAGE(is_new, "twice: " << std::string(key));
  });
  CHECK(seen == model);
}

TEST_CASE("Table: of a bucket's slots those with the tag are candidates, first to last") {
  using namespace replikv::detail;
  Bucket bucket;
  for (const std::size_t i : {0U, 2U, 7U}) bucket.slots[i] = Slot{0xfffe} << address_bits | 16 * (i + 1);
  bucket.slots[1] = Slot{0x7ffe} << address_bits | 16;
  bucket.slots[3] = Slot{0xffff} << address_bits | 16;
  bucket.slots[4] = tombstone;
  const auto found = [&](Slot tag) {
    std::vector<std::size_t> slots;
    for (Candidates some(bucket, tag); some;) slots.push_back(some.take());
    return slots;
  };
  CHECK(found(0xfffe) == std::vector<std::size_t>{0, 2, 7});
  CHECK(found(0x7ffe) == std::vector<std::size_t>{1});
  CHECK(found(0) == std::vector<std::size_t>{4, 5, 6});
  CHECK(found(0x1234).empty());
}

TEST_CASE_TEMPLATE("Table: holds what a std::map holds, whatever the hashes are", Policy,
                   replikv::DefaultPolicy, replikv::SingleThreadPolicy, SmallPolicy, OneBucketPolicy,
                   CollidingPolicy, CrowdedPolicy) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    CAPTURE(seed);
    replikv::Random random(seed);
    replikv::Store<std::string, std::string, Policy> store;
    std::map<std::string, std::string> model;
    for (int step = 0; step < 6000; ++step) {
      const bool growing = step / 1500 % 2 == 0;
      const std::string key = "key" + std::to_string(random.below(600));
      const std::string value(random.below(40), static_cast<char>('a' + random.below(26)));
      if (random.below(10) < (growing ? 8U : 2U)) {
        CHECK(store.set(key, value).changed);
        model[key] = value;
      } else {
        CHECK(store.erase(key).changed == (model.erase(key) == 1));
      }
      const std::string other = "key" + std::to_string(random.below(600));
      const auto found = model.find(other);
      REQUIRE(store.get(other) == (found == model.end() ? std::nullopt : std::optional(found->second)));
    }
    check_equal(store, model);
  }
}

TEST_CASE("Table: grows to 200 000 keys and back, every key found on the way") {
  Strings store;
  constexpr std::size_t keys = 200'000;
  for (std::size_t i = 0; i < keys; ++i) {
    store.set(std::to_string(i), std::to_string(i * 7));
    if (i % 1000 == 0) REQUIRE(store.get(std::to_string(i / 2)) == std::to_string(i / 2 * 7));
  }
  CHECK(store.size() == keys);
  std::size_t missing = 0;
  for (std::size_t i = 0; i < keys; ++i) {
    if (store.get(std::to_string(i)) != std::to_string(i * 7)) ++missing;
  }
  CHECK(missing == 0);
  CHECK_FALSE(store.contains(std::to_string(keys)));
  for (std::size_t i = 0; i < keys; i += 2) CHECK(store.erase(std::to_string(i)));
  CHECK(store.size() == keys / 2);
  CHECK_FALSE(store.contains("0"));
  CHECK(store.contains("1"));
}

TEST_CASE("Table: keys that come and go for long leave no tombstones that fill it") {
  replikv::Store<std::string, std::string, OneBucketPolicy> store;
  for (int i = 0; i < 20'000; ++i) {
    store.set(std::to_string(i), "x");
    if (i >= 5) store.erase(std::to_string(i - 5));
  }
  CHECK(store.size() == 5);
  std::size_t segments = 0;
  for (std::uint64_t cursor = 0;;) {
    cursor = store.scan(cursor, [](auto, auto) {});
    ++segments;
    if (cursor == 0) break;
  }
  CHECK(segments < 64);
}

TEST_CASE("Table: 2 000 keys of one hash are slow, and all there") {
  struct OneHash : SmallPolicy {
    struct Hash {
      std::uint64_t operator()(std::string_view) const noexcept { return 0x1234567812345678; }
    };
  };
  replikv::Store<std::string, std::string, OneHash> store;
  std::map<std::string, std::string> model;
  for (int i = 0; i < 2000; ++i) {
    store.set(std::to_string(i), std::to_string(-i));
    model[std::to_string(i)] = std::to_string(-i);
  }
  check_equal(store, model);
  for (int i = 0; i < 2000; i += 3) {
    CHECK(store.erase(std::to_string(i)));
    model.erase(std::to_string(i));
  }
  check_equal(store, model);
  for (int i = 0; i < 2000; i += 3) {
    store.set(std::to_string(i), "again");
    model[std::to_string(i)] = "again";
  }
  check_equal(store, model);
}

/// Keys that begin with '=' have hashes that differ in their lowest bits alone.
struct HalfCollidingPolicy : SmallPolicy {
  struct Hash {
    std::uint64_t operator()(std::string_view key) const noexcept {
      const std::uint64_t hash = replikv::DefaultPolicy::Hash{}(key);
      return key.starts_with('=') ? std::uint64_t{5} << 60 | (hash & 0xff) : hash;
    }
  };
};

TEST_CASE("Table: a chain of segments that nothing could split is split once the table has grown") {
  replikv::Store<std::string, std::string, HalfCollidingPolicy> store;
  std::map<std::string, std::string> model;
  const auto fill = [&](const std::string& prefix, int keys) {
    for (int i = 0; i < keys; ++i) {
      const std::string key = prefix + std::to_string(i);
      store.set(key, key + "!", i % 3 == 0 ? replikv::Expiry(std::chrono::hours(1)) : replikv::Expiry());
      model[key] = key + "!";
    }
  };
  fill("=", 300);
  fill("spread", 5000);
  fill("=later", 100);
  check_equal(store, model);
  for (const auto& [key, value] : model) REQUIRE(store.get(key) == value);
  for (int i = 0; i < 300; ++i) {
    REQUIRE(store.erase("=" + std::to_string(i)).changed);
    model.erase("=" + std::to_string(i));
  }
  check_equal(store, model);
}

TEST_CASE_TEMPLATE("Table: room made at once holds what it was made for, and more", Policy,
                   replikv::DefaultPolicy, SmallPolicy, CollidingPolicy) {
  const std::size_t keys = std::is_same_v<Policy, CollidingPolicy> ? 500 : 20'000;
  for (const std::size_t expected : {keys / 4, keys, keys * 4}) {
    CAPTURE(expected);
    replikv::Store<std::string, std::string, Policy> store;
    Database& database = database_of(store);
    const auto load = database.begin_load();
    load->reserve(expected * (std::is_same_v<Policy, replikv::DefaultPolicy> ? 20 : 1));
    std::map<std::string, std::string> model;
    for (std::size_t i = 0; i < keys; ++i) {
      const std::string key = std::to_string(i);
      REQUIRE(!load->insert(key, key + "!", never));
      model[key] = key + "!";
    }
    load->reserve(10 * keys);  // it holds something by now, so this does nothing
    REQUIRE(load->size() == keys);
    {
      const std::lock_guard lock(database);
      database.adopt(*load);
    }
    check_equal(store, model);
    CHECK(contents_of(database).size() == keys);
    for (std::size_t i = 0; i < keys; i += 2) {
      REQUIRE(store.erase(std::to_string(i)).changed);
      model.erase(std::to_string(i));
    }
    check_equal(store, model);
  }
}

TEST_CASE("Table: a scan meets every key that stays exactly once, while segments split under it") {
  replikv::Store<std::string, std::string, SmallPolicy> store;
  for (int i = 0; i < 100; ++i) store.set("stays" + std::to_string(i), "");
  std::map<std::string, int> seen;
  std::uint64_t cursor = 0;
  int added = 0;
  do {
    cursor = store.scan(cursor, [&](std::string_view key, std::string_view) { ++seen[std::string(key)]; });
    for (int i = 0; i < 50; ++i) store.set("comes" + std::to_string(added++), "");
  } while (cursor != 0);
  for (int i = 0; i < 100; ++i) CHECK(seen["stays" + std::to_string(i)] == 1);
  for (const auto& entry : seen) CHECK_MESSAGE(entry.second == 1, entry.first);
}

TEST_CASE("Table: a scan that goes on over contents replaced as a whole meets no key twice") {
  replikv::Store<std::string, std::string, SmallPolicy> store;
  Database& database = database_of(store);
  for (int i = 0; i < 500; ++i) store.set("key" + std::to_string(i), "");
  std::map<std::string, int> seen;
  const auto count = [&](std::string_view key, std::string_view) { ++seen[std::string(key)]; };
  std::uint64_t cursor = 0;
  for (int i = 0; i < 11; ++i) cursor = store.scan(cursor, count);
  const auto load = database.begin_load();
  for (int i = 0; i < 30; ++i) {
    const auto error = load->insert("key" + std::to_string(i), "", never);
    REQUIRE(!error);
  }
  {
    const std::lock_guard lock(database);
    database.adopt(*load);
  }
  while (cursor != 0) cursor = store.scan(cursor, count);
  for (int i = 0; i < 30; ++i) CHECK(seen["key" + std::to_string(i)] == 1);
}

TEST_CASE("Table: values change length in place and out of it") {
  Strings store;
  store.set("before", "1");
  for (std::size_t size = 0; size < 300; ++size) {
    const std::string value(size * 37 % 200, static_cast<char>('a' + size % 26));
    store.set("key", value);
    REQUIRE(store.get("key") == value);
  }
  CHECK(store.get("before") == "1");
}

TEST_CASE("Table: empty keys and values, and bytes of any kind") {
  Strings store;
  const std::string all = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
    return bytes;
  }();
  store.set("", "");
  store.set(all, all);
  CHECK(store.get("") == "");
  CHECK(store.get(all) == all);
  CHECK(store.size() == 2);
}

}  // namespace
