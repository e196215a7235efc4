// Commands about the connection itself, and how requests are judged before they run.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using replikv::EndpointOptions;
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

TEST_CASE("the options of HELLO act in their order, up to one that is wrong, as in redis-server") {
  for (const bool asks_password : {false, true}) {
    EndpointOptions options;
    options.users = {"u on >p +@all ~*"};
    std::vector<std::string> words{"--user", "u", "on", ">p", "+@all", "~*"};
    if (asks_password) {
      options.password = "secret";
      words.insert(words.end(), {"--requirepass", "secret"});
    }
    for (const std::string_view hello :
         {"HELLO 3 AUTH u p SETNAME ab NOPE", "HELLO 3 SETNAME ab AUTH u wrong", "HELLO 3 SETNAME ab",
          "HELLO", "HELLO 3 SETNAME \"a b\" AUTH u p", "HELLO 3 AUTH u p SETNAME \"a b\"",
          "HELLO 3 NOPE AUTH u p", "HELLO 3 AUTH u wrong NOPE", "HELLO 3 AUTH u p AUTH default x",
          "HELLO 3 AUTH u", "HELLO 4 AUTH u p", "HELLO x AUTH u p", "HELLO 3 setname", "HELLO 2 auth u p",
          "HELLO AUTH u p"}) {
      BesideRedis both(options, words);
      CAPTURE(hello);
      const auto [ours, theirs] = both.both(hello);
      if (theirs.starts_with("-")) CHECK(ours == theirs);  // else it tells an id
      CHECK(ours.substr(0, 4) == theirs.substr(0, 4));
      both.same({"PING", "ACL WHOAMI", "CLIENT GETNAME", "AUTH u p", "ACL WHOAMI", "CLIENT GETNAME"});
    }
  }
}

}  // namespace
