// OBJECT, MEMORY, TIME, LASTSAVE, LOLWUT, and DEBUG where it is allowed.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>

namespace {

using served::BesideRedis;
using served::Served;
using namespace std::chrono_literals;

TEST_CASE("OBJECT answers as redis-server does") {
  BesideRedis both;
  both.same({"SET int 123", "SET large 9223372036854775807", "SET larger 9223372036854775808", "SET zero 007",
             "SET short aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee",
             "SET long aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeee", "SET shared 9999", "SET own 10000",
             "SET negative -1", "SET empty \"\""});
  for (const std::string key :
       {"int", "large", "larger", "zero", "short", "long", "shared", "own", "negative", "empty", "nothing"}) {
    both.same({"OBJECT ENCODING " + key, "OBJECT REFCOUNT " + key, "OBJECT FREQ " + key});
    const auto [our_idle, their_idle] = both.both("object idletime " + key);
    CHECK(our_idle == (their_idle.starts_with(":") ? ":0\r\n" : their_idle));  // theirs grows as time goes by
  }
  both.same(
      {"OBJECT", "OBJECT NOPE", "OBJECT ENCODING", "OBJECT ENCODING a b", "OBJECT FREQ", "OBJECT HELP x"});
}

TEST_CASE("MEMORY USAGE reads its words as redis-server does, and counts more for more") {
  BesideRedis both;
  both.same({"MEMORY", "MEMORY NOPE", "MEMORY USAGE", "MEMORY USAGE a", "MEMORY USAGE a SAMPLES",
             "MEMORY USAGE a SAMPLES -1", "MEMORY USAGE a SAMPLES x", "MEMORY USAGE a NOPE 1",
             "MEMORY USAGE a SAMPLES 5"});
  auto client = both.ours().client();
  client.command("SET", "a", "1");
  client.command("SET", "b", std::string(100'000, 'x'));
  CHECK(client.command("MEMORY", "USAGE", "a").number >= 32);
  CHECK(client.command("MEMORY", "USAGE", "a").number < 100);
  CHECK(client.command("MEMORY", "USAGE", "b").number >= 100'000);
}

TEST_CASE("HELP lists the parts of a command") {
  Served served({.allow_debug = true});
  auto client = served.client();
  for (const char* command : {"OBJECT", "MEMORY", "DEBUG"}) {
    const auto help = client.command(command, "HELP");
    REQUIRE(help.items.size() >= 5);
    CHECK(help.items[0].text ==
          std::string(command) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  }
}

TEST_CASE("TIME is the time, and LASTSAVE was not long ago") {
  BesideRedis both;
  both.same("TIME x");
  both.same("LASTSAVE x");
  auto client = both.ours().client();
  const auto reply = client.command("TIME");
  const std::chrono::seconds told{std::stoll(reply.items.at(0).text)};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  CHECK(told > now - 60s);
  CHECK(told < now + 60s);
  CHECK(std::stoll(reply.items.at(1).text) < 1'000'000);
  const std::chrono::seconds saved{client.command("LASTSAVE").number};
  CHECK(saved > now - 600s);
  CHECK(saved < now + 60s);
}

TEST_CASE("LOLWUT ends with the version") {
  BesideRedis both;
  both.same("LOLWUT VERSION x");
  auto client = both.ours().client();
  CHECK(client.command("LOLWUT").text.ends_with("Redis ver. 7.0.15\n"));
  CHECK(client.command("LOLWUT", "VERSION", "5").kind == interop::Reply::Kind::bulk);
}

TEST_CASE("DEBUG is refused where it is not allowed") {
  BesideRedis both;
  both.same({"DEBUG SLEEP 0", "DEBUG HELP", "DEBUG NOPE", "DEBUG"});
}

TEST_CASE("DEBUG reads its words as redis-server does") {
  BesideRedis both({.allow_debug = true}, {"--enable-debug-command", "yes"});
  both.same({"DEBUG NOPE", "DEBUG SLEEP", "DEBUG SLEEP 0", "DEBUG SLEEP x", "DEBUG SLEEP 0 0",
             "DEBUG SLEEP 0.001", "DEBUG RELOAD", "DEBUG RELOAD NOPE", "DEBUG RELOAD NOFLUSH MERGE",
             "DEBUG OBJECT", "DEBUG OBJECT nothing", "DEBUG DIGEST x", "DEBUG DIGEST-VALUE nothing",
             "DEBUG SET-ACTIVE-EXPIRE", "DEBUG SET-ACTIVE-EXPIRE 0", "DEBUG SET-ACTIVE-EXPIRE 1",
             "DEBUG CHANGE-REPL-ID x", "DEBUG CHANGE-REPL-ID"});
}

TEST_CASE("DEBUG DIGEST is that of redis-server for the same data") {
  BesideRedis both({.allow_debug = true}, {"--enable-debug-command", "yes"});
  both.same({"DEBUG DIGEST", "SET a 1", "DEBUG DIGEST", "SET b \"\\x00\\xff\"", "DEBUG DIGEST", "SELECT 3",
             "SET a 1", "DEBUG DIGEST", "PEXPIREAT a 4000000000000", "DEBUG DIGEST", "DEBUG DIGEST-VALUE a b",
             "SET long " + std::string(300, 'x'), "DEBUG DIGEST"});
  std::string size(50, 'y');  // around the size of a block of the hash
  for (; size.size() < 70; size.push_back('y')) both.same({"SET a " + size, "DEBUG DIGEST-VALUE a"});
  const std::string before = both.same("DEBUG DIGEST");
  both.same("SWAPDB 0 3");
  CHECK(both.same("DEBUG DIGEST") != before);
}

TEST_CASE("DEBUG OBJECT tells how a value is held") {
  Served served({.allow_debug = true});
  auto client = served.client();
  client.command("SET", "a", "hello");
  const std::string text = client.command("DEBUG", "OBJECT", "a").text;
  CHECK(text.find(" refcount:1 encoding:embstr serializedlength:6 lru:") != std::string::npos);
}

TEST_CASE("DEBUG RELOAD leaves the data as they were, and tells replicas nothing") {
  Served served({.allow_debug = true});
  auto client = served.client();
  for (int i = 0; i < 2'000; ++i) {
    served.stores[static_cast<std::size_t>(i) % 3].set(std::to_string(i),
                                                       std::string(static_cast<std::size_t>(i), 'v'));
  }
  client.command("PEXPIREAT", "0", "4000000000000");
  const std::string before = client.command("DEBUG", "DIGEST").text;
  const auto position = served.node.position();
  CHECK(client.command("DEBUG", "RELOAD").text == "OK");
  CHECK(client.command("DEBUG", "DIGEST").text == before);
  CHECK(client.command("PEXPIRETIME", "0").number == 4'000'000'000'000);
  CHECK(served.stores[1].size() == 667);
  CHECK(served.node.position().offset == position.offset);
}

TEST_CASE("a key that expires during a DEBUG RELOAD goes with a DEL, for the replicas' sake") {
  Served served({.allow_debug = true});
  auto client = served.client();
  client.command("DEBUG", "SET-ACTIVE-EXPIRE", "0");
  client.command("SET", "a", "1");
  client.command("PEXPIRE", "a", "1");
  const auto position = served.node.position();
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (served.stores[0].expires_at("a") && std::chrono::steady_clock::now() < end) {
    // asking deletes it, and streams the DEL
  }
  CHECK(served.node.position().offset > position.offset);
  client.command("SET", "a", "1");
  client.command("PEXPIRE", "a", "1");
  const auto armed = served.node.position();
  const auto due = served.stores[0].now() + 2ms;
  while (served.stores[0].now() < due) {
  }
  CHECK(client.command("DEBUG", "RELOAD").text == "OK");
  CHECK(served.stores[0].size() == 0);
  CHECK(served.node.position().offset > armed.offset);
}

TEST_CASE("DEBUG SET-ACTIVE-EXPIRE 0 leaves what has expired to who asks for it") {
  Served served({.allow_debug = true});
  auto client = served.client();
  client.command("DEBUG", "SET-ACTIVE-EXPIRE", "0");
  served.stores[0].set("a", "1", 1ms);
  served.stores[1].set("witness", "1");
  const auto end = served.stores[0].now() + 500ms;  // some beats of the heart
  while (served.stores[0].now() < end) client.command("PING");
  CHECK(served.stores[0].size() == 1);
  CHECK(client.command("DEBUG", "SET-ACTIVE-EXPIRE", "1").text == "OK");
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (served.stores[0].size() == 1 && std::chrono::steady_clock::now() < deadline) client.command("PING");
  CHECK(served.stores[0].size() == 0);
}

TEST_CASE("DEBUG SLEEP stops the server for as long as it says") {
  Served served({.allow_debug = true});
  auto client = served.client();
  auto other = served.client();
  other.command("PING");
  const auto began = std::chrono::steady_clock::now();
  client.add("DEBUG", "SLEEP", "0.3");
  client.send_pipeline();
  CHECK(client.read_reply().text == "OK");
  CHECK(std::chrono::steady_clock::now() - began >= 300ms);
  CHECK(other.command("PING").text == "PONG");
}

TEST_CASE("DEBUG CHANGE-REPL-ID takes an id that continues none that was known") {
  Served served({.allow_debug = true});
  auto client = served.client();
  client.command("SET", "a", "1");
  const auto before = served.node.position();
  client.command("DEBUG", "CHANGE-REPL-ID");
  const auto info = served.node.info();
  CHECK(info.history.id != before.id);
  CHECK(info.history.second_id != before.id);
  CHECK(info.history.end == before.offset);
}

}  // namespace
