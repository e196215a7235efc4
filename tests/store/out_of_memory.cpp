// Each allocation of each operation fails in turn: the operation then has done nothing, in the store and in
// the stream, and succeeds when it is tried again.
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <new>
#include <string>
#include <tests/failing_allocation.hpp>
#include <tests/store/helper.hpp>
#include <utility>
#include <vector>

namespace {

using namespace store_tests;
using failing_allocation::fail_after;
using failing_allocation::stop;

struct TinyPolicy : SmallPolicy {
  static constexpr unsigned shard_bits = 0;
  static constexpr std::size_t segment_buckets = 1;
};
using TinyStore = replikv::Store<std::string, std::string, TinyPolicy>;

/// Runs `operation` with ever more memory until it gets through. Returns how often it failed.
template <class Operation>
int fail_each_allocation(TinyStore& store, Role& role, Operation&& operation) {
  Database& database = database_of(store);
  // A fresh block, so that the stream needs no memory: how it fails is for its own tests.
  role.stream->restart(role.stream->history().id, role.stream->end(), 0);
  for (int failures = 0;; ++failures) {
    const Contents before = contents_of(database);
    const replikv::Offset end = role.stream->end();
    fail_after(static_cast<std::size_t>(failures));
    try {
      operation();
      stop();
      return failures;
    } catch (const std::bad_alloc&) {
      stop();
    }
    CAPTURE(failures);
    REQUIRE(contents_of(database) == before);
    REQUIRE(store.size() == before.size());
    REQUIRE(role.stream->end() == end);
    REQUIRE(failures < 1000);
  }
}

TEST_CASE("Out of memory: every write is done wholly or not at all") {
  TinyStore store;
  Role role(store);
  std::string value(50, 'v');
  int failures = 0;
  const auto each = [&](auto&& operation) { failures += fail_each_allocation(store, role, operation); };
  for (int i = 0; i < 20; ++i) {
    const std::string key = "a key that is too long for a small string " + std::to_string(i);
    const std::string other = "another key that is too long for a small string " + std::to_string(i);
    const std::vector<std::pair<std::string, std::string>> pairs{{key, value}, {other, value}, {key, "x"}};
    each([&] { store.set(key, value); });
    each([&] { store.set(key, value + value); });
    each([&] { store.update(key, [](auto& held) { *held += "more"; }); });
    each([&] { store.expire(key, 1h); });
    each([&] { store.set_many(pairs); });
    each([&] {
      store.transaction([&](auto& transaction) {
        transaction.set(key, value);
        transaction.set(key + "!", value);
        transaction.expire(other, 1h);
      });
    });
    if (i % 3 == 0) each([&] { store.erase(key); });
  }
  each([&] { store.clear(); });
  CHECK(failures > 300);
}

TEST_CASE("Out of memory: a key without an expiry keeps having none, in the store and in the stream") {
  TinyStore store;
  Role role(store);
  Database& database = database_of(store);
  for (const auto* name : {"one", "two", "three"}) store.set(name, std::string(50, 'v'));
  const auto failures = [&](auto&& operation) { return fail_each_allocation(store, role, operation); };
  CHECK(failures([&] { store.expire("one", 1h); }) > 0);
  CHECK(failures([&] { store.expire("one", 2h); }) == 0);  // where it has one, there is room for another
  CHECK(failures([&] { store.persist("one"); }) == 0);
  CHECK(failures([&] { store.expire("one", 1h); }) == 0);
  CHECK(failures([&] { database.set_expiry("two", at_ms(5'000'000'000'000), Locks::take); }) == 1);
  CHECK(failures([&] { store.transaction([](auto& all) { all.expire("three", 1h); }); }) > 0);
  CHECK(database.expiring() == 3);
}

TEST_CASE("Out of memory: a write that cannot hand over what a snapshot needs does not happen") {
  TinyStore store;
  Role role(store);
  for (int i = 0; i < 60; ++i) store.set("key" + std::to_string(i), std::string(40, 'v'));
  const Contents expected = contents_of(database_of(store));
  const auto snapshot = begin_snapshot(database_of(store));
  for (int i = 0; i < 60; i += 2) {
    const std::string key = "key" + std::to_string(i);
    for (std::size_t enough = 0;; ++enough) {
      fail_after(enough);
      bool written = false;
      try {
        written = store.set(key, std::string(100, 'w')).changed;
      } catch (const std::bad_alloc&) {
      }
      stop();
      if (written) break;
      REQUIRE(store.get(key) == std::string(40, 'v'));
    }
  }
  CHECK(finish(*snapshot) == expected);
}

TEST_CASE("Out of memory: a store that cannot be built leaks nothing") {
  for (std::size_t enough = 0;; ++enough) {
    fail_after(enough);
    try {
      const replikv::Store<std::string, std::string, SmallPolicy> store;
      stop();
      break;
    } catch (const std::bad_alloc&) {
      stop();
    }
    REQUIRE(enough < 1000);
  }
}

}  // namespace
