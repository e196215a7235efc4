// What the key commands do reaches replicas: one of ours and a redis-server, through the port of clients.
#include <replikv/replikv.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace {

using served::Served;
using served::Strings;
using namespace std::chrono_literals;

/// So many databases are used.
constexpr std::size_t databases = 4;

using AllContents = std::vector<std::map<std::string, std::pair<std::string, replikv::WallTime>>>;

[[nodiscard]] AllContents contents_of(const std::deque<Strings>& stores) {
  AllContents all;
  for (std::size_t database = 0; database < databases; ++database) {
    const Strings& store = stores[database];
    auto& contents = all.emplace_back();
    store.for_each([&](std::string_view key, std::string_view value) {
      contents[std::string(key)] = {std::string(value), replikv::WallTime()};
    });
    for (auto& [key, value] : contents) value.second = store.expires_at(key).value_or(replikv::WallTime());
  }
  return all;
}

/// An endpoint with two replicas that follow its port.
struct Followed {
  Followed() : served({.allow_debug = true}), redis({"--enable-debug-command", "yes"}), copies(databases) {
    replica.follow(tcp, served.address);
    redis.client().command("REPLICAOF", "127.0.0.1", served.port());
    in_step();
  }

  void in_step() { REQUIRE(served.node.wait(2, 30s) == 2); }

  void check_equal() {
    in_step();
    const AllContents contents = contents_of(served.stores);
    CHECK(contents_of(copies) == contents);
    auto theirs = redis.client();
    auto ours = served.client();
    CHECK(theirs.command("DEBUG", "DIGEST").text == ours.command("DEBUG", "DIGEST").text);
    for (std::size_t database = 0; database < databases; ++database) {
      theirs.command("SELECT", database);
      for (const auto& [key, value] : contents[database]) {
        const auto at = value.second.time_since_epoch().count();
        CHECK(theirs.command("PEXPIRETIME", key).number ==
              (value.second == replikv::WallTime::max() ? -1 : at));
      }
    }
  }

  Served served;
  interop::RedisServer redis;
  std::deque<Strings> copies;
  replikv::TcpTransport tcp;
  replikv::ReplicationReplica replica{copies[0], copies[1], copies[2], copies[3]};
};

TEST_CASE("each command on keys leaves its replicas equal") {
  Followed all;
  auto client = all.served.client();
  for (const std::string_view line : {"SET a 1",
                                      "SET b 2 ",
                                      "SET c 3",
                                      "DEL a b",
                                      "SET a 1",
                                      "EXPIRE a 1000",
                                      "RENAME a d",
                                      "RENAMENX d e",
                                      "COPY e f",
                                      "PERSIST f",
                                      "COPY e g DB 2",
                                      "MOVE c 1",
                                      "SET c 4",
                                      "SELECT 1",
                                      "MOVE c 0",
                                      "EXPIREAT c 4000000000",
                                      "SET z up",
                                      "COPY c h DB 0",
                                      "SELECT 2",
                                      "SWAPDB 0 1",
                                      "PEXPIREAT g 3999999999999 LT",
                                      "EXPIRE g 0",
                                      "SELECT 3",
                                      "SET gone 1",
                                      "FLUSHDB",
                                      "SET k 1",
                                      "SELECT 0",
                                      "SWAPDB 3 0",
                                      "UNLINK k",
                                      "SET u 1",
                                      "SORT list STORE u",
                                      "DEBUG RELOAD",
                                      "MOVE z 2",
                                      "PEXPIRE c 100000 GT",
                                      "EXPIRE c 10 NX"}) {
    const auto words = served::words_of(line);
    client.add_words(words);
    const auto reply = client.flush().back();
    INFO(std::string(line));
    CHECK_FALSE(reply.is_error());
    all.check_equal();
  }
  CHECK(client.command("FLUSHALL", "ASYNC").text == "OK");
  all.check_equal();
  CHECK(contents_of(all.copies) == AllContents(databases));
}

TEST_CASE("RESTORE reaches replicas with value and expiry") {
  Followed all;
  auto client = all.served.client();
  client.command("SET", "a", std::string(1'000, 'x'));
  const std::string payload = client.command("DUMP", "a").text;
  CHECK(client.command("RESTORE", "b", "100000", payload).text == "OK");
  CHECK(client.command("RESTORE", "a", "4000000000000", payload, "ABSTTL", "REPLACE").text == "OK");
  all.check_equal();
  CHECK(client.command("RESTORE", "a", "1", payload, "ABSTTL", "REPLACE").text == "OK");
  all.check_equal();
  CHECK_FALSE(all.copies[0].contains("a"));
}

TEST_CASE("MOVE to a database where a key of that name has expired leaves its replicas equal") {
  Followed all;
  auto client = all.served.client();
  client.command("DEBUG", "SET-ACTIVE-EXPIRE", "0");
  all.served.stores[1].set("a", "old", 1ms);
  client.command("SET", "a", "new");
  all.in_step();
  const auto due = all.served.stores[1].now() + 3ms;
  while (all.served.stores[1].now() < due) {
  }
  REQUIRE(all.served.stores[1].size() == 1);
  CHECK(client.command("MOVE", "a", "1").number == 1);
  CHECK(all.served.stores[1].get("a") == "new");
  all.check_equal();
}

TEST_CASE("a replica refuses commands that write, to one database and to several") {
  Served served;
  served.stores[0].set("a", "1");
  replikv::InProcessTransport nowhere;
  served.node.replicate_from(nowhere, "nobody");
  auto client = served.client();
  for (const char* line :
       {"DEL a", "EXPIRE a 10", "PERSIST a", "RENAME a b", "RENAMENX a b", "COPY a b", "MOVE a 1",
        "SWAPDB 0 1", "FLUSHDB", "FLUSHALL", "RESTORE b 0 x", "UNLINK a", "SORT x STORE a"}) {
    client.add_words(served::words_of(line));
    INFO(line);
    CHECK(client.flush().back().text == "READONLY You can't write against a read only replica.");
  }
  CHECK(served.stores[0].get("a") == "1");
}

TEST_CASE(
    "random commands of several clients at once, beside the application's writes, leave replicas equal") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  Followed all;
  const auto drive = [&all](unsigned its_seed) {
    std::mt19937 random(its_seed);
    auto client = all.served.client();
    const auto key = [&random] { return "k" + std::to_string(random() % 20); };
    const auto database = [&random] { return std::to_string(random() % databases); };
    for (int i = 0; i < 1'500; ++i) {
      switch (random() % 16) {
        case 0: client.add("SELECT", database()); break;
        case 1: client.add("MOVE", key(), database()); break;
        case 2: client.add("SWAPDB", database(), database()); break;
        case 3: client.add("COPY", key(), key(), "DB", database(), "REPLACE"); break;
        case 4: client.add("RENAME", key(), key()); break;
        case 5: client.add("EXPIRE", key(), random() % 5 == 0 ? "-1" : "10000"); break;
        case 6: client.add("PERSIST", key()); break;
        case 7: client.add("DEL", key(), key()); break;
        case 8: random() % 20 == 0 ? client.add("FLUSHALL") : client.add("PING"); break;
        case 9: random() % 20 == 0 ? client.add("DEBUG", "RELOAD") : client.add("PING"); break;
        case 10: client.add("RENAMENX", key(), key()); break;
        case 11: client.add("COPY", key(), key()); break;
        default: client.add("SET", key(), std::to_string(random()));
      }
      if (client.pipelined() == 20) client.flush();
    }
    client.flush();
  };
  std::atomic<bool> is_over{false};
  std::thread application([&all, &is_over, seed] {
    std::mt19937 random(seed + 100);
    while (!is_over) {
      auto& store = all.served.stores[random() % databases];
      const std::string key = "k" + std::to_string(random() % 20);
      random() % 3 == 0 ? store.erase(key) : store.set(key, std::to_string(random()));
      std::this_thread::yield();
    }
  });
  std::thread one(drive, seed);
  std::thread other(drive, seed + 1);
  one.join();
  other.join();
  is_over = true;
  application.join();
  all.check_equal();
}

}  // namespace
