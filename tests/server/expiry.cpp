// Commands about expiry: that they answer as redis-server does, and what remains of a key that expires.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>

namespace {

using served::BesideRedis;
using served::Served;

TEST_CASE("EXPIRE and its kin set an expiry, and TTL and its kin tell it, as redis-server does") {
  BesideRedis both;
  both.same({"TTL a",
             "PTTL a",
             "EXPIRETIME a",
             "PEXPIRETIME a",
             "EXPIRE a 10",
             "PERSIST a",
             "SET a 1",
             "TTL a",
             "PTTL a",
             "EXPIRETIME a",
             "PEXPIRETIME a",
             "EXPIRE a 100",
             "PERSIST a",
             "PERSIST a",
             "TTL a",
             "PEXPIRE a 100499",
             "TTL a",
             "EXPIREAT a 4000000000",
             "EXPIRETIME a",
             "PEXPIRETIME a",
             "EXPIREAT a 4000000000",
             "PEXPIREAT a 4000000000499",
             "EXPIRETIME a",
             "PEXPIRETIME a",
             "PEXPIREAT a 4000000000500",
             "EXPIRETIME a",
             "SET a 2",
             "TTL a"});
}

TEST_CASE("an expiry that has passed deletes the key") {
  BesideRedis both;
  for (const char* command : {"EXPIRE a 0", "EXPIRE a -1", "PEXPIRE a -1", "EXPIREAT a 1", "PEXPIREAT a 1",
                              "PEXPIREAT a -5", "EXPIRE a -1 LT", "EXPIRE a -1 NX"}) {
    both.same({"SET a 1", command, "EXISTS a", command});
  }
  both.same({"SET a 1", "EXPIRE a -1 GT", "EXPIRE a -1 XX", "GET a"});
}

TEST_CASE("NX, XX, GT and LT decide as in redis-server") {
  BesideRedis both;
  const std::vector<std::string> options{"", "NX", "XX", "GT", "LT", "XX GT", "XX LT", "gt gt", "lt xx"};
  for (const std::string& option : options) {
    for (const char* before : {"PERSIST a", "PEXPIREAT a 4000000000000"}) {
      for (const char* at : {"3999999999999", "4000000000000", "4000000000001"}) {
        const std::string line = "PEXPIREAT a " + std::string(at) + " " + option;
        both.same({"SET a 1", before, std::string_view(line), "PEXPIRETIME a"});
      }
    }
  }
  both.same({"EXPIRE a 1 NX XX", "EXPIRE a 1 NX GT", "EXPIRE a 1 NX LT", "EXPIRE a 1 GT LT",
             "EXPIRE a 1 NOPE", "EXPIRE a x NOPE", "EXPIRE nothing x NX"});
}

TEST_CASE("an expiry that cannot be counted is refused as in redis-server") {
  BesideRedis both;
  both.same({"SET a 1", "EXPIRE a x", "EXPIRE a 1.5", "EXPIRE a", "EXPIRE a 9223372036854775807",
             "EXPIRE a -9223372036854775808", "EXPIRE a 9223372036854775", "PEXPIRE a 9223372036854775807",
             "EXPIREAT a 9223372036854776", "EXPIRE a 99999999999999999999", "PEXPIREAT a x",
             "EXPIREAT nothing x", "EXPIRE nothing 9223372036854775807", "TTL", "TTL a b", "PERSIST",
             "EXISTS a"});
}

TEST_CASE("a key that has expired is in no reply, whether it was deleted or not") {
  Served served;
  auto client = served.client();
  client.command("SET", "a", "1");
  client.command("SET", "b", "2");
  client.command("PEXPIRE", "a", "1");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (served.stores[0].contains("a") && std::chrono::steady_clock::now() < deadline) {
  }
  CHECK(client.command("EXISTS", "a", "b").number == 1);
  CHECK(client.command("KEYS", "*").items.size() == 1);
  CHECK(client.command("SCAN", "0", "COUNT", "10000").items.at(1).items.size() == 1);
  CHECK(client.command("RANDOMKEY").text == "b");
  CHECK(client.command("TTL", "a").number == -2);
  CHECK(client.command("PERSIST", "a").number == 0);
  CHECK(client.command("RENAME", "a", "c").is_error());
}

}  // namespace
