// A store behind the interface that commands use: the same alone and inside a transaction, whatever its
// types.
#include <replikv/core/error.hpp>
#include <replikv/server/detail/store_keyspace.hpp>
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace {

using replikv::Error;
using replikv::Store;
using replikv::WallTime;
using replikv::server::Keyspace;
using KeyAndValue = std::pair<std::string_view, std::string_view>;

const WallTime later{std::chrono::milliseconds(4'102'444'800'000)};

/// Runs `steps` with the keyspace itself, and with that of a transaction.
template <class Value, class Steps>
void alone_and_in_a_transaction(Steps steps) {
  for (const bool is_alone : {true, false}) {
    CAPTURE(is_alone);
    Store<std::string, Value> store;
    replikv::detail::StoreKeyspace keyspace(store);
    if (is_alone) {
      steps(keyspace);
    } else {
      keyspace.atomically([&steps](Keyspace& keys) { steps(keys); });
    }
  }
}

[[nodiscard]] std::optional<std::string> value_of(const Keyspace& keys, std::string_view key) {
  std::optional<std::string> value;
  keys.visit(key, [&value](std::string_view bytes) { value.emplace(bytes); });
  return value;
}

TEST_CASE("update: makes, changes and removes a key, and keeps its expiry") {
  alone_and_in_a_transaction<std::int64_t>([](Keyspace& keys) {
    keys.update("k", [](std::optional<std::string>& value) {
      CHECK_FALSE(value);
      value = "41";
    });
    CHECK(value_of(keys, "k") == "41");
    CHECK(keys.expires_at("k") == Keyspace::never);
    keys.set_expiry("k", later);
    keys.update("k", [](std::optional<std::string>& value) {
      CHECK(value == "41");
      value = "42";
    });
    CHECK(value_of(keys, "k") == "42");
    CHECK(keys.expires_at("k") == later);
    keys.update("k", [](std::optional<std::string>& value) { value.reset(); });
    CHECK_FALSE(keys.contains("k"));
    keys.update("k", [](std::optional<std::string>&) {});
    CHECK_FALSE(keys.contains("k"));
  });
}

TEST_CASE("update: what throws changes nothing") {
  alone_and_in_a_transaction<std::int64_t>([](Keyspace& keys) {
    keys.set("k", "1", later);
    const auto throwing = [](std::optional<std::string>& value) {
      value = "2";
      throw std::runtime_error("no");
    };
    CHECK_THROWS_AS(keys.update("k", throwing), std::runtime_error);
    CHECK_THROWS_AS(keys.update("k", [](std::optional<std::string>& value) { value = "two"; }), Error);
    CHECK(value_of(keys, "k") == "1");
    CHECK(keys.expires_at("k") == later);
  });
}

TEST_CASE("set_many: sets all, takes expiries away, and of equal keys the last counts") {
  alone_and_in_a_transaction<std::string>([](Keyspace& keys) {
    keys.set("a", "old", later);
    keys.set_many(std::array{KeyAndValue("a", "1"), KeyAndValue("b", "2"), KeyAndValue("b", "3")});
    CHECK(value_of(keys, "a") == "1");
    CHECK(value_of(keys, "b") == "3");
    CHECK(keys.expires_at("a") == Keyspace::never);
    keys.set_many({});
    CHECK(keys.size() == 2);
  });
}

TEST_CASE("set_many: with a value that is none of the store's nothing is set") {
  Store<std::string, std::int64_t> store;
  replikv::detail::StoreKeyspace keyspace(store);
  CHECK_THROWS_AS(keyspace.set_many(std::array{KeyAndValue("a", "1"), KeyAndValue("b", "x")}), Error);
  CHECK(store.empty());
  keyspace.set_many(std::array{KeyAndValue("a", "1"), KeyAndValue("b", "2")});
  CHECK(store.get("b") == 2);
}

}  // namespace
