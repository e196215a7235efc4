// One entry of strings: its header says little, and so much more where that is not enough.
#include <replikv/store/detail/entry.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tests/store/helper.hpp>

namespace {

using namespace store_tests;
using replikv::detail::latest_expiry_ms;
using replikv::detail::never_ms;
using Entry = replikv::detail::Entry<std::string, std::string>;
using Owned = replikv::detail::OwnedEntry<Entry>;

constexpr std::array<std::size_t, 7> key_sizes{0, 1, 32'767, 32'768, 32'769, 65'536, 70'000};

std::string key_of(std::size_t size) {
  std::string key;
  for (std::size_t i = 0; i < size; ++i) key.push_back(static_cast<char>('a' + i * i % 23));
  return key;
}

TEST_CASE("Entry: holds its key, its value and its expiry, whatever their sizes") {
  for (const std::size_t size : key_sizes) {
    for (const std::int64_t expiry : {never_ms, std::int64_t{0}, std::int64_t{0xffff'ffff},
                                      std::int64_t{1'700'000'000'123}, latest_expiry_ms}) {
      CAPTURE(size);
      CAPTURE(expiry);
      const std::string key = key_of(size);
      const Owned entry(Entry::create(key, "value", expiry));
      entry->set_access(0xfedc);
      const auto check = [&](std::string_view value, std::int64_t expires_at) {
        CHECK(entry->key() == key);
        CHECK(entry->value() == value);
        CHECK(entry->expires_at_ms() == expires_at);
        CHECK(entry->expires() == (expires_at != never_ms));
        CHECK(entry->access() == 0xfedc);
        CHECK(entry->memory_bytes() == Entry::memory_bytes_of(key, value, expiry));
      };
      check("value", expiry);
      REQUIRE(entry->takes("other", never_ms));
      entry->overwrite("other");
      check("other", expiry);
      entry->set_expires_at_ms(never_ms);
      check("other", never_ms);
      if (!entry->takes_expiry(5)) continue;
      entry->set_expires_at_ms(5);
      check("other", 5);
    }
  }
}

TEST_CASE("Entry: takes an expiry if it was created with one, or its key is long") {
  for (const std::size_t size : key_sizes) {
    CAPTURE(size);
    const Owned plain(Entry::create(key_of(size), "value", never_ms));
    const Owned expiring(Entry::create(key_of(size), "value", 5));
    for (const bool is_given_up : {false, true}) {
      CHECK(expiring->takes_expiry(7));
      CHECK(expiring->takes("other", 7));
      CHECK(expiring->takes("other", never_ms));
      if (!is_given_up) expiring->set_expires_at_ms(never_ms);
    }
    CHECK(plain->takes_expiry(never_ms));
    CHECK(plain->takes("other", never_ms));
    CHECK(plain->takes_expiry(7) == (size > 32'767));
    CHECK(plain->takes("other", 7) == (size > 32'767));
  }
}

TEST_CASE("Entry: keys of any size get, keep and lose their expiry in the store and on a replica") {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
  Database& database = database_of(store);
  const std::size_t empty = store.memory_bytes();
  for (const std::size_t size : key_sizes) {
    CAPTURE(size);
    const std::string key = key_of(size);
    const auto check = [&](std::string_view value, replikv::WallTime expires_at) {
      const auto stored = database.read(key, Locks::take);
      REQUIRE(stored);
      CHECK(stored->value == value);
      CHECK(stored->expires_at == expires_at);
      CHECK(database.expiring() == std::size_t{expires_at != never});
    };
    store.set(key, "v");
    check("v", never);
    store.expire_at(key, at_ms(2'000'000));
    check("v", at_ms(2'000'000));
    store.compare_and_set(key, "v", "w");  // SET ... KEEPTTL
    check("w", at_ms(2'000'000));
    store.compare_and_set(key, "w", std::string(200, 'w'));
    check(std::string(200, 'w'), at_ms(2'000'000));
    store.persist(key);
    check(std::string(200, 'w'), never);
    store.set(key, "x", at_ms(3'000'000));
    check("x", at_ms(3'000'000));
    store.set(key, "x");
    check("x", never);
    store.erase(key);

    CHECK_FALSE(database.assign(key, "v", never, Locks::take));
    CHECK(database.set_expiry(key, at_ms(5), Locks::take));
    check("v", at_ms(5));
    CHECK_FALSE(database.assign(key, "longer than before", replikv::detail::KeepExpiry{}, Locks::take));
    check("longer than before", at_ms(5));
    CHECK(database.set_expiry(key, never, Locks::take));
    check("longer than before", never);
    CHECK(contents_of(database) == Contents{{key, {"longer than before", never_ms}}});
    CHECK(database.erase(key, Locks::take));
    CHECK(store.memory_bytes() == empty);
  }
}

TEST_CASE("Entry: a first expiry is no use of the key, and makes it no younger") {
  Strings store({.max_memory = 1'000'000, .eviction = replikv::Eviction::allkeys_lfu});
  auto& database = database_of(store);
  const auto entry = [&] { return database.table().find(database.table().hash("key"), "key"); };
  store.set("key", "v");
  entry()->set_access(0x1234);
  SUBCASE("of expire") { store.expire("key", 1h); }
  SUBCASE("of a transaction") {
    store.transaction([](auto& all) { all.expire("key", 1h); });
  }
  SUBCASE("of a master's PEXPIREAT") { CHECK(database.set_expiry("key", at_ms(1), Locks::take)); }
  CHECK(entry()->expires());
  CHECK(entry()->access() == 0x1234);
}

}  // namespace
