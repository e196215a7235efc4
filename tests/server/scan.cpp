// SCAN, KEYS and RANDOMKEY: the same answers as redis-server where they are determined, and what a walk over
// a database that is being written promises.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using served::BesideRedis;
using served::Served;

TEST_CASE("SCAN reads its cursor and options as redis-server does") {
  BesideRedis both;
  both.same({"SCAN 0",
             "SCAN 00",
             "SCAN \"\"",
             "SCAN +0",
             "SCAN -0",
             "SCAN x",
             "SCAN 1x",
             "SCAN + ",
             "SCAN \" 0\"",
             "SCAN 18446744073709551616",
             "SCAN 0 COUNT",
             "SCAN 0 COUNT 0",
             "SCAN 0 COUNT -1",
             "SCAN 0 COUNT x",
             "SCAN 0 COUNT 9223372036854775807",
             "SCAN 0 MATCH",
             "SCAN 0 TYPE",
             "SCAN 0 NOPE",
             "SCAN 0 NOPE x",
             "SCAN x NOPE",
             "SCAN",
             "KEYS",
             "KEYS a b",
             "KEYS *",
             "RANDOMKEY",
             "RANDOMKEY x",
             "SET a 1",
             "RANDOMKEY",
             "KEYS *",
             "KEYS b*",
             "SCAN 0 COUNT 100000",
             "SCAN 0 COUNT 100000 MATCH b",
             "SCAN 0 count 100000 type STRING",
             "SCAN 0 COUNT 100000 TYPE list",
             "SCAN 0 COUNT 100000 TYPE nothing",
             "DEL a",
             "SET \"\" 1",
             "KEYS *",
             "KEYS **",
             "SCAN 0 COUNT 100000 MATCH *",
             "SCAN 0 COUNT 100000 MATCH **",
             "RANDOMKEY"});
}

TEST_CASE("RANDOMKEY has a null of each protocol for an empty database") {
  BesideRedis both;
  both.both("HELLO 3");
  both.same({"RANDOMKEY", "KEYS *", "SCAN 0"});
}

/// All keys that a walk shows, as often as it does.
[[nodiscard]] std::multiset<std::string> walk(interop::RedisClient& client, std::string_view count) {
  std::multiset<std::string> seen;
  std::string cursor = "0";
  do {
    const auto reply = client.command("SCAN", cursor, "COUNT", count);
    cursor = reply.items.at(0).text;
    for (const auto& key : reply.items.at(1).items) seen.insert(key.text);
  } while (cursor != "0");
  return seen;
}

TEST_CASE("a walk shows every key that is there all the time, whatever is written meanwhile") {
  Served served;
  auto client = served.client();
  for (int i = 0; i < 5'000; ++i) served.stores[0].set("stays:" + std::to_string(i), "v");
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  std::set<std::string> seen;
  std::size_t steps = 0;
  std::string cursor = "0";
  do {
    const auto reply = client.command("SCAN", cursor);
    cursor = reply.items.at(0).text;
    for (const auto& key : reply.items.at(1).items) seen.insert(key.text);
    ++steps;
    for (int i = 0; i < 500; ++i) {  // the table grows meanwhile
      const std::string other = "other:" + std::to_string(random() % 50'000);
      random() % 3 == 0 ? served.stores[0].erase(other) : served.stores[0].set(other, "v");
    }
  } while (cursor != "0");
  CHECK(steps > 10);
  CHECK(std::count_if(seen.begin(), seen.end(),
                      [](const std::string& key) { return key.starts_with("stays:"); }) == 5'000);
}

TEST_CASE("a walk shows each key once, in steps as large as asked for") {
  Served served;
  auto client = served.client();
  for (int i = 0; i < 3'000; ++i) served.stores[0].set(std::to_string(i), "v");
  for (const std::string_view count : {"1", "10", "1000", "1000000"}) {
    const auto seen = walk(client, count);
    CHECK(seen.size() == 3'000);
    CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 3'000);
  }
  CHECK(client.command("SCAN", "0", "COUNT", "1000").items.at(1).items.size() >= 1'000);
  CHECK(client.command("SCAN", "0", "COUNT", "1000").items.at(1).items.size() < 2'000);
}

TEST_CASE("any number is a cursor") {
  Served served;
  auto client = served.client();
  for (int i = 0; i < 100; ++i) served.stores[0].set(std::to_string(i), "v");
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1'000; ++i) {
    const auto reply = client.command("SCAN", std::to_string(random()));
    CHECK(reply.items.size() == 2);
  }
  CHECK(client.command("SCAN", "-1").items.size() == 2);
}

TEST_CASE("RANDOMKEY finds every key sooner or later") {
  Served served;
  auto client = served.client();
  for (const std::size_t size : {1U, 5U}) {
    while (served.stores[0].size() < size)
      served.stores[0].set("k" + std::to_string(served.stores[0].size()), "v");
    std::set<std::string> seen;
    for (int i = 0; i < 5'000 && seen.size() < size; ++i) seen.insert(client.command("RANDOMKEY").text);
    CHECK(seen.size() == size);
  }
}

}  // namespace
