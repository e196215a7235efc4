// Commands about the connection itself, and how requests are judged before they run.
#include <doctest/doctest.h>

#include <string>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>

namespace {

using served::BesideRedis;
using served::Served;

TEST_CASE("a client sees what the application writes, and the application what a client writes") {
  Served served;
  auto client = served.client();
  CHECK(client.command("SET", "name", "one").text == "OK");
  CHECK(served.stores[0].get("name") == "one");
  served.stores[0].set("name", "two");
  CHECK(client.command("GET", "name").text == "two");
}

TEST_CASE("connection commands answer as redis-server does") {
  BesideRedis both;
  both.same({"PING", "PING hello", "PING a b", "ECHO hi", "ECHO", "SELECT 3", "SELECT 16", "SELECT x",
             "SELECT -1", "AUTH secret", "AUTH default secret", "AUTH nobody secret", "HELLO 4", "HELLO x",
             "HELLO 2 AUTH a", "HELLO 2 SETNAME \"a b\""});
}

TEST_CASE("what is no command is refused in the words of redis-server") {
  BesideRedis both;
  both.same({"NOPE", "NOPE a b c", "GET", "get a b", "SET a"});
}

TEST_CASE("without the password nothing but a login is served") {
  BesideRedis both({.password = "secret"}, {"--requirepass", "secret"});
  both.same({"GET a", "NOPE", "PING", "HELLO 3", "AUTH wrong", "AUTH default wrong", "AUTH secret", "GET a"});
}

}  // namespace
