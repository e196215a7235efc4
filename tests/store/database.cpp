// A store as replication sees it.
#include <replikv/store/detail/database.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <tests/store/helper.hpp>

namespace {

using namespace store_tests;
using replikv::detail::KeepExpiry;

TEST_CASE("Database: effects are applied, under its own locks or the caller's, and told to nobody") {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
  Role role(store, WriteMode::read_only);
  Database& database = database_of(store);
  for (const Locks locks : {Locks::take, Locks::held}) {
    if (locks == Locks::held) database.lock();
    CHECK(!database.assign("k", "1", at_ms(2'000'000), locks));
    CHECK(!database.assign("k", "2", KeepExpiry{}, locks));
    auto stored = database.read("k", locks);
    REQUIRE(stored);
    CHECK(stored->value == "2");
    CHECK(stored->expires_at == at_ms(2'000'000));
    CHECK(database.size() == 1);
    CHECK(database.expiring() == 1);
    CHECK(!database.assign("k", "3", never, locks));
    CHECK(database.expiring() == 0);
    CHECK(database.set_expiry("k", at_ms(5), locks));
    CHECK(database.read("k", locks)->expires_at == at_ms(5));  // past, and still there
    CHECK_FALSE(database.set_expiry("none", at_ms(5), locks));
    CHECK(database.erase("k", locks));
    CHECK_FALSE(database.erase("k", locks));
    CHECK_FALSE(database.read("k", locks));
    CHECK(!database.assign("new", "1", KeepExpiry{}, locks));
    CHECK(database.read("new", locks)->expires_at == never);
    database.clear(locks);
    CHECK(database.size() == 0);
    if (locks == Locks::held) database.unlock();
  }
  CHECK(role.effects() == "");
  CHECK(role.gate->rejected_writes() == 0);
}

TEST_CASE("Database: bytes that are no key or value of the store are refused") {
  replikv::Store<int, int> store;
  Database& database = database_of(store);
  CHECK(database.assign("x", "1", never, Locks::take) == Errc::bad_value);
  CHECK(database.assign("1", "x", never, Locks::take) == Errc::bad_value);
  CHECK(database.assign("01", "1", KeepExpiry{}, Locks::take) == Errc::bad_value);
  CHECK(!database.assign("1", "2", never, Locks::take));
  CHECK(store.get(1) == 2);
  CHECK(database.read("1", Locks::take)->value == "2");
  CHECK_FALSE(database.read("x", Locks::take));
  CHECK_FALSE(database.erase("x", Locks::take));
  const auto load = database.begin_load();
  CHECK(load->insert("x", "1", never) == Errc::bad_value);
  CHECK(load->insert("1", "1.5", never) == Errc::bad_value);
  CHECK(load->size() == 0);
}

TEST_CASE("Database: has one role at a time") {
  Strings store;
  {
    const Role role(store);
    auto second = std::make_shared<replikv::detail::Attachment>();
    CHECK(database_of(store).attach(second) == Errc::already_has_role);
  }
  Role again(store);
  store.set("k", "v");
  CHECK(again.effects() == "SELECT 0; SET k v");
}

TEST_CASE("Database: a load replaces the contents at once, and holds the old ones then") {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
  Database& database = database_of(store);
  store.set("old", "1", 1s);
  const auto load = database.begin_load();
  load->reserve(10'000);
  for (int i = 0; i < 3000; ++i) {
    CHECK(
        !load->insert("k" + std::to_string(i), std::to_string(i), i % 2 == 0 ? never : at_ms(1'500'000 + i)));
  }
  CHECK(load->insert("k7", "again", never) == Errc::snapshot_corrupt);
  CHECK(!load->insert("expired", "1", at_ms(5)));
  CHECK(load->size() == 3001);
  CHECK(store.size() == 1);
  {
    const std::lock_guard lock(database);
    database.adopt(*load);
  }
  CHECK(load->size() == 1);
  CHECK(store.size() == 3001);
  CHECK(database.expiring() == 1501);
  CHECK(database.next_expiry() == at_ms(5));
  CHECK_FALSE(store.contains("old"));
  for (int i = 0; i < 3000; ++i) REQUIRE(store.get("k" + std::to_string(i)) == std::to_string(i));
}

TEST_CASE("Database: swaps contents with its like only") {
  Strings one;
  Strings other;
  replikv::Store<std::string, int> different;
  replikv::Store<std::string, std::string, SmallPolicy> other_policy;
  one.set("k", "1", 1h);
  const auto swap = [](Database& a, Database& b) {
    const std::lock_guard lock_a(a);
    const std::lock_guard lock_b(b);
    return a.swap_contents(b);
  };
  CHECK_FALSE(swap(database_of(one), database_of(different)));
  CHECK_FALSE(swap(database_of(one), database_of(other_policy)));
  CHECK(one.get("k") == "1");
  CHECK(swap(database_of(one), database_of(other)));
  CHECK(one.size() == 0);
  CHECK(database_of(one).next_expiry() == never);
  CHECK(other.get("k") == "1");
  CHECK(database_of(other).expiring() == 1);
  const std::lock_guard lock(database_of(one));
  CHECK(database_of(one).swap_contents(database_of(one)));
}

}  // namespace
