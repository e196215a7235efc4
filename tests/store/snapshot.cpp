// A snapshot is exactly the store at its instant, whatever is written while it is read.
#include <replikv/store/detail/snapshot.hpp>

#include <doctest/doctest.h>

#include <string>
#include <tests/store/helper.hpp>

namespace {

using namespace store_tests;

template <class Store>
void fill(Store& store, int keys) {
  for (int i = 0; i < keys; ++i) {
    store.set("key" + std::to_string(i), "value" + std::to_string(i));
    if (i % 5 == 0) store.expire("key" + std::to_string(i), std::chrono::seconds(i + 1));
  }
}

/// One write of any kind.
template <class Store>
void write_something(Store& store, replikv::Random& random) {
  const std::string key = "key" + std::to_string(random.below(800));
  switch (random.below(7)) {
    case 0: store.erase(key); break;
    case 1: store.expire(key, std::chrono::seconds(1 + random.below(100))); break;
    case 2: store.persist(key); break;
    case 3: store.update(key, [](auto& value) { value = "updated"; }); break;
    case 4: store.set_many({{key, "many"}, {"new" + key, "many"}}); break;
    case 5:
      store.transaction([&](auto& transaction) {
        transaction.set(key, "transaction");
        transaction.erase("key1");
      });
      break;
    default: store.set(key, "overwritten" + std::to_string(random.below(1000)));
  }
}

TEST_CASE_TEMPLATE("Snapshot: writes of every kind between its steps do not show", Policy,
                   replikv::DefaultPolicy, replikv::SingleThreadPolicy, SmallPolicy, CollidingPolicy,
                   CrowdedPolicy) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    CAPTURE(seed);
    replikv::Random random(seed);
    const ManualClock clock;
    replikv::Store<std::string, std::string, Policy> store{replikv::Clock(clock)};
    Database& database = database_of(store);
    fill(store, 400);
    for (int round = 0; round < 3; ++round) {
      const Contents expected = contents_of(database);
      const auto snapshot = begin_snapshot(database);
      CHECK(snapshot->keys() == expected.size());
      std::string entries;
      do {
        for (std::uint64_t writes = random.below(20); writes > 0; --writes) write_something(store, random);
      } while (snapshot->next(entries));
      for (int i = 0; i < 10; ++i) write_something(store, random);
      const std::size_t complete = entries.size();
      CHECK_FALSE(snapshot->next(entries));
      CHECK(entries.size() == complete);
      CHECK(decode(entries) == expected);
    }
  }
}

TEST_CASE("Snapshot: the effects of a stream applied meanwhile do not show") {
  replikv::Store<std::string, std::string, SmallPolicy> store;
  Database& database = database_of(store);
  fill(store, 200);
  const Contents expected = contents_of(database);
  const auto snapshot = begin_snapshot(database);
  for (int i = 0; i < 200; ++i) {
    const std::string key = "key" + std::to_string(i);
    if (i % 3 == 0) database.erase(key, Locks::take);
    if (i % 3 == 1) database.set_expiry(key, at_ms(5), Locks::take);
    if (i % 3 == 2) CHECK(!database.assign(key, "applied", never, Locks::take));
    CHECK(!database.assign("new" + key, "applied", replikv::detail::KeepExpiry{}, Locks::take));
  }
  CHECK(finish(*snapshot) == expected);
}

TEST_CASE("Snapshot: counts keys and expiries, and keeps those that have expired") {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
  store.set("stays", "1");
  store.set("goes", "2", 10ms);
  clock.advance(1s);
  const auto snapshot = begin_snapshot(database_of(store));
  CHECK(snapshot->keys() == 2);
  CHECK(snapshot->expiring_keys() == 1);
  CHECK_FALSE(store.contains("goes"));  // deletes it
  CHECK(store.size() == 1);
  CHECK(finish(*snapshot) ==
        Contents{{"goes", {"2", 1'000'010}}, {"stays", {"1", replikv::detail::never_ms}}});
}

TEST_CASE("Snapshot: expire_due meanwhile does not show") {
  ManualClock clock;
  replikv::Store<std::string, std::string, SmallPolicy> store{replikv::Clock(clock)};
  fill(store, 300);
  const Contents expected = contents_of(database_of(store));
  const auto snapshot = begin_snapshot(database_of(store));
  clock.advance(1h);
  CHECK(store.expire_due(1h) == 60);
  CHECK(finish(*snapshot) == expected);
}

TEST_CASE("Snapshot: of an empty store is empty") {
  Strings store;
  const auto snapshot = begin_snapshot(database_of(store));
  store.set("late", "1");
  std::string entries;
  CHECK_FALSE(snapshot->next(entries));
  CHECK(entries.empty());
}

TEST_CASE("Snapshot: goes on with the old contents when the store is cleared, at any step") {
  for (int steps = 0; steps < 40; steps += 3) {
    for (const bool by_effect : {false, true}) {
      CAPTURE(steps);
      replikv::Store<std::string, std::string, SmallPolicy> store;
      Database& database = database_of(store);
      fill(store, 200);
      const Contents expected = contents_of(database);
      const auto snapshot = begin_snapshot(database);
      std::string entries;
      for (int i = 0; i < steps; ++i) static_cast<void>(snapshot->next(entries));
      store.set("key3", "changed");
      by_effect ? database.clear(Locks::take) : static_cast<void>(store.clear());
      CHECK(store.size() == 0);
      fill(store, 30);
      CHECK(contents_of(database).size() == 30);  // another snapshot may begin
      CHECK(finish(*snapshot, entries) == expected);
    }
  }
}

TEST_CASE("Snapshot: goes on with the old contents when the store adopts others") {
  for (int steps = 0; steps < 40; steps += 7) {
    replikv::Store<std::string, std::string, SmallPolicy> store;
    Database& database = database_of(store);
    fill(store, 200);
    const Contents expected = contents_of(database);
    const auto snapshot = begin_snapshot(database);
    std::string entries;
    for (int i = 0; i < steps; ++i) static_cast<void>(snapshot->next(entries));
    auto load = database.begin_load();
    CHECK(!load->insert("other", "1", never));
    {
      const std::lock_guard lock(database);
      database.adopt(*load);
    }
    CHECK(load->size() == 0);  // the snapshot has the old contents
    load.reset();
    store.set("other2", "2");
    CHECK(store.size() == 2);
    CHECK(finish(*snapshot, entries) == expected);
  }
}

TEST_CASE("Snapshot: follows its contents into another store, and back") {
  for (int steps = 0; steps < 40; steps += 7) {
    replikv::Store<std::string, std::string, SmallPolicy> one;
    replikv::Store<std::string, std::string, SmallPolicy> other;
    fill(one, 200);
    other.set("only", "here");
    const Contents expected = contents_of(database_of(one));
    const Contents expected_other = contents_of(database_of(other));
    const auto of_one = begin_snapshot(database_of(one));
    const auto of_other = begin_snapshot(database_of(other));
    const auto swap = [&] {
      const std::lock_guard lock_one(database_of(one));
      const std::lock_guard lock_other(database_of(other));
      CHECK(database_of(one).swap_contents(database_of(other)));
    };
    std::string entries;
    for (int i = 0; i < steps; ++i) static_cast<void>(of_one->next(entries));
    swap();
    CHECK(other.size() == 200);
    for (int i = 0; i < 200; i += 2) other.set("key" + std::to_string(i), "changed");
    one.set("only", "changed");
    static_cast<void>(of_one->next(entries));
    swap();
    for (int i = 0; i < 200; ++i) one.erase("key" + std::to_string(i));
    CHECK(finish(*of_one, entries) == expected);
    CHECK(finish(*of_other) == expected_other);
  }
}

TEST_CASE("Snapshot: destroyed half-way it leaves nothing behind") {
  replikv::Store<std::string, std::string, SmallPolicy> store;
  fill(store, 200);
  for (int steps = 0; steps < 20; ++steps) {
    auto snapshot = begin_snapshot(database_of(store));
    std::string entries;
    for (int i = 0; i < steps; ++i) static_cast<void>(snapshot->next(entries));
    store.set("key1", std::to_string(steps));
    snapshot.reset();
    store.set("key2", std::to_string(steps));
  }
  CHECK(contents_of(database_of(store)).size() == 200);
}

TEST_CASE("Snapshot: outlives its store") {
  auto store = std::make_unique<Strings>();
  store->set("k", "v");
  const auto snapshot = begin_snapshot(database_of(*store));
  store.reset();
  CHECK(finish(*snapshot) == Contents{{"k", {"v", replikv::detail::never_ms}}});
}

TEST_CASE("Snapshot: typed keys and values are written through their codecs") {
  replikv::Store<int, double> store;
  store.set(-3, 0.5);
  store.set(1000, 2.0);
  CHECK(contents_of(database_of(store)) ==
        Contents{{"-3", {"0.5", replikv::detail::never_ms}}, {"1000", {"2", replikv::detail::never_ms}}});
}

}  // namespace
