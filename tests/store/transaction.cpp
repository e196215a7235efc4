#include <replikv/store/transaction.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <tests/store/helper.hpp>
#include <vector>

namespace {

using namespace store_tests;
using replikv::TimeToLive;

struct Recorded {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
  Role role{store};
};

TEST_CASE_FIXTURE(Recorded, "Transaction: reads its own writes, which nobody else sees until the end") {
  store.set("a", "1");
  store.set("b", "2", 1s);
  role.effects();
  const auto written = store.transaction([](Strings::TransactionType& transaction) {
    CHECK(transaction.get("a") == "1");
    CHECK_FALSE(transaction.get("none"));
    transaction.set("a", "10");
    CHECK(transaction.get("a") == "10");
    CHECK(transaction.erase("b"));
    CHECK_FALSE(transaction.erase("b"));
    CHECK_FALSE(transaction.contains("b"));
    transaction.set("c", "3", 5s);
    CHECK(transaction.ttl("c") == TimeToLive{true, 5000ms});
    CHECK(transaction.increment("a", 5) == 15);
    CHECK(transaction.increment("n") == 1);
    CHECK(transaction.expire("n", 1s));
    CHECK(transaction.persist("n"));
    CHECK_FALSE(transaction.persist("n"));
  });
  CHECK(written.changed);
  CHECK(written.offset == role.stream->end());
  CHECK(role.effects() == "MULTI; SET a 15; DEL b; SET c 3 PXAT 1005000; SET n 1; EXEC");
  CHECK(store.get("a") == "15");
  CHECK_FALSE(store.contains("b"));
  CHECK(store.ttl("c") == TimeToLive{true, 5000ms});
}

TEST_CASE_FIXTURE(Recorded, "Transaction: one effect is not wrapped, none is not streamed") {
  CHECK(store.transaction([](auto& transaction) { transaction.set("k", "v"); }));
  CHECK(role.effects() == "SELECT 0; SET k v");
  CHECK_FALSE(store.transaction([](auto& transaction) { CHECK(transaction.contains("k")); }));
  CHECK_FALSE(store.transaction([](auto& transaction) {
    transaction.set("gone", "v");
    transaction.erase("gone");
    transaction.expire("k", 1s);
    transaction.persist("k");
  }));
  CHECK(role.effects() == "");
}

TEST_CASE_FIXTURE(Recorded, "Transaction: expiries of keys that were there") {
  store.set("a", "1");
  store.set("b", "2", 1s);
  store.set("c", "3");
  role.effects();
  store.transaction([](auto& transaction) {
    CHECK(transaction.expire_at("a", at_ms(2'000'000)));
    CHECK(transaction.persist("b"));
    CHECK(transaction.expire("c", -1s));
    CHECK_FALSE(transaction.contains("c"));
    CHECK_FALSE(transaction.expire("c", 1s));
  });
  CHECK(role.effects() == "MULTI; PEXPIREAT a 2000000; PERSIST b; DEL c; EXEC");
  CHECK(store.ttl("a") == TimeToLive{true, 1'000'000ms});
  CHECK(store.ttl("b") == TimeToLive{true, std::nullopt});
  CHECK(store.size() == 2);
}

TEST_CASE_FIXTURE(Recorded, "Transaction: a key whose expiry alone has changed keeps its value") {
  store.set("n", "1");
  role.effects();
  store.transaction([](auto& transaction) {
    CHECK(transaction.ttl("n") == TimeToLive{true, std::nullopt});
    CHECK(transaction.expire("n", 5s));
    CHECK(transaction.ttl("n") == TimeToLive{true, 5000ms});
    CHECK(transaction.get("n") == "1");
    CHECK(transaction.increment("n") == 2);
    CHECK(transaction.ttl("none") == TimeToLive{});
  });
  CHECK(role.effects() == "SET n 2 PXAT 1005000");
  CHECK(store.get("n") == "2");
}

TEST_CASE_FIXTURE(Recorded, "Transaction: a key that came and went leaves no effect beside those of others") {
  store.set("stays", "1");
  for (const bool first : {true, false}) {
    CAPTURE(first);
    role.effects();
    const auto written = store.transaction([&](auto& transaction) {
      if (first) transaction.set("gone", "1");
      transaction.increment("stays");
      if (!first) transaction.set("gone", "1");
      CHECK(transaction.erase("gone"));
    });
    CHECK(written.changed);
    CHECK(role.effects() == (first ? "SET stays 2" : "SET stays 3"));
  }
  CHECK(store.size() == 1);
}

TEST_CASE_FIXTURE(Recorded, "Transaction: increment keeps the expiry") {
  store.set("n", "5", 1s);
  role.effects();
  store.transaction([](auto& transaction) { transaction.increment("n"); });
  CHECK(role.effects() == "SET n 6 PXAT 1001000");
  CHECK(store.ttl("n") == TimeToLive{true, 1000ms});
}

TEST_CASE_FIXTURE(Recorded, "Transaction: if its function throws, nothing happens") {
  store.set("k", "x");
  role.effects();
  const auto fails = [](auto& transaction) {
    transaction.set("k", "2");
    transaction.set("new", "2");
    throw std::runtime_error("no");
  };
  CHECK_THROWS_AS(store.transaction(fails), std::runtime_error);
  std::error_code error;
  CHECK_THROWS_AS(store.transaction(fails, error), std::runtime_error);
  store.transaction([](auto& transaction) { transaction.set("new", "2"), transaction.increment("k"); },
                    error);
  CHECK(error == Errc::not_a_number);
  CHECK(store.get("k") == "x");
  CHECK(store.size() == 1);
  CHECK(role.effects() == "");
}

TEST_CASE_FIXTURE(Recorded, "Transaction: with declared keys, touching another is an error") {
  store.set("a", "1");
  store.set("b", "1");
  role.effects();
  const std::vector<std::string> keys{"a", "b", "new"};
  CHECK(store.transaction(keys, [](auto& transaction) {
    transaction.increment("a", -1);
    transaction.increment("b", 1);
    transaction.set("new", "x");
  }));
  CHECK(role.effects() == "MULTI; SET a 0; SET b 2; SET new x; EXEC");
  std::error_code error;
  store.transaction(
      {"a"}, [](auto& transaction) { transaction.set("a", "9"), transaction.set("b", "9"); }, error);
  CHECK(error == Errc::not_declared);
  CHECK_THROWS_AS(
      store.transaction({"a"}, [](auto& transaction) { static_cast<void>(transaction.get("b")); }),
      replikv::Error);
  CHECK(store.get("a") == "0");
  CHECK(role.effects() == "");
}

TEST_CASE("Transaction: keys of one hash are told apart, declared or written") {
  replikv::Store<std::string, std::string, CollidingPolicy> store;
  store.set_many({{"aaa", "1"}, {"bbb", "2"}, {"ccc", "3"}});
  CHECK(store.transaction({"aaa", "bbb", "new"}, [](auto& transaction) {
    transaction.set("new", "4");
    transaction.increment("bbb", 10);
    transaction.increment("aaa", 10);
    CHECK(transaction.get("bbb") == "12");
    CHECK(transaction.get("new") == "4");
  }));
  std::error_code error;
  store.transaction(
      {"aaa", "bbb"}, [](auto& transaction) { transaction.erase("ccc"); }, error);
  CHECK(error == Errc::not_declared);
  CHECK(store.get("aaa") == "11");
  CHECK(store.get("bbb") == "12");
  CHECK(store.get("ccc") == "3");
  CHECK(store.get("new") == "4");
}

TEST_CASE("Transaction: many keys over all shards, new ones and old ones") {
  replikv::Store<std::string, std::string, CollidingPolicy> store;
  std::map<std::string, std::string> model;
  for (int round = 0; round < 3; ++round) {
    store.transaction([&](auto& transaction) {
      for (int i = 0; i < 300; ++i) {
        const std::string key = "key" + std::to_string(i * (round + 1) % 400);
        if (i % 4 == 0) {
          CHECK(transaction.erase(key) == (model.erase(key) == 1));
        } else {
          transaction.set(key, std::to_string(round));
          model[key] = std::to_string(round);
        }
        REQUIRE(transaction.contains(key) == model.contains(key));
      }
    });
    std::map<std::string, std::string> seen;
    store.for_each([&](std::string_view key, std::string_view value) { seen.emplace(key, value); });
    CHECK(seen == model);
    CHECK(store.size() == model.size());
  }
}

}  // namespace
