// MULTI, EXEC, DISCARD, WATCH: what happens at once, what is refused, and what makes EXEC do nothing.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <tests/interop/eventually.hpp>
#include <tests/server/beside_clients.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <thread>

namespace {

using interop::eventually;
using served::BesideRedis;
using served::ClientOfBoth;
using served::Served;
using Kind = interop::Reply::Kind;

TEST_CASE("transactions answer as those of redis-server, in both protocols") {
  BesideRedis both;
  for (const std::string_view hello : {"PING", "HELLO 3"}) {
    if (hello != "PING") both.both(hello);
    both.same({"EXEC",  "DISCARD", "MULTI",   "MULTI",   "EXEC",      "MULTI",   "SET a 1", "GET a",
               "EXEC",  "MULTI",   "SET a 2", "DISCARD", "GET a",     "MULTI",   "NOPE",    "SET a 3",
               "EXEC",  "GET a",   "MULTI",   "GET",     "EXEC",      "MULTI",   "WATCH a", "EXEC",
               "MULTI", "EXEC x",  "EXEC",    "WATCH",   "UNWATCH x", "UNWATCH", "MULTI x", "MULTI",
               "PING",  "ECHO hi", "EXEC",    "MULTI",   "UNWATCH",   "EXEC"});
  }
}

TEST_CASE("a command that fails inside EXEC does not keep the others from running") {
  BesideRedis both;
  both.same({"MULTI", "SET a 1", "SET b 2 NONSENSE", "SELECT 99", "GET a", "SET c 3", "EXEC", "GET c"});
}

TEST_CASE("EXEC runs on the databases that its SELECTs choose, and the last choice stays") {
  BesideRedis both;
  both.same({"MULTI", "SET a zero", "SELECT 3", "SET a three", "SELECT 15", "SET a fifteen", "GET a", "EXEC",
             "GET a", "SELECT 3", "GET a", "SELECT 0", "GET a"});
}

TEST_CASE("commands that reach several databases do so inside EXEC as well") {
  BesideRedis both;
  both.same({"SET a 1", "SELECT 3", "SET b 2", "SET c 3", "SELECT 0"});
  both.same({"MULTI", "MOVE a 3", "MOVE a 3", "COPY a d DB 3", "SET e 5", "COPY e f DB 7", "COPY e e DB 3",
             "SELECT 3", "MOVE b 0", "DBSIZE", "KEYS e", "EXISTS a b c d e f", "RENAME c g", "INCR a", "EXEC",
             "EXISTS a b c d e f g"});
  both.same({"MULTI", "SWAPDB 0 3", "GET a", "SELECT 0", "GET a", "FLUSHALL", "DBSIZE", "SET x 1", "FLUSHDB",
             "EXISTS x", "SET y 1", "EXEC", "DBSIZE", "GET y", "SELECT 3", "DBSIZE", "SELECT 7", "DBSIZE"});
}

TEST_CASE("what empties or exchanges databases makes EXEC of those who watch do nothing") {
  BesideRedis both;
  ClientOfBoth other(both);
  for (const char* line : {"FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "MOVE a 1", "DEL a", "EXPIRE a 100",
                           "APPEND a x", "RENAME a z", "COPY b a REPLACE"}) {
    CAPTURE(line);
    both.same({"FLUSHALL", "SET a 1", "SET b 2", "WATCH a"});
    other.same(line);
    both.same({"MULTI", "PING", "EXEC"});
    both.same({"FLUSHALL", "SET b 2", "WATCH a"});  // where it was not there, most do nothing to it
    other.same(line);
    both.same({"MULTI", "PING", "EXEC"});
  }
}

TEST_CASE("QUIT and RESET end a transaction") {
  BesideRedis both;
  both.same({"MULTI", "SET a 1", "RESET", "GET a", "EXEC", "MULTI", "SET a 1", "QUIT"});
  CHECK(both.ours().client().command("GET", "a").is_nil());
}

TEST_CASE("a watched key that somebody writes makes EXEC do nothing") {
  BesideRedis both;
  ClientOfBoth other(both);
  SUBCASE("another client, the same value") {
    both.same({"SET a 1", "WATCH a"});
    other.same("SET a 1");
  }
  SUBCASE("the client itself") { both.same({"SET a 1", "WATCH a", "SET a 2"}); }
  SUBCASE("after MULTI") {
    both.same({"WATCH b a", "MULTI", "SET c 1"});
    other.same("SET a 1");
    both.same({"SET d 1", "EXEC", "GET c", "GET d"});
    return;
  }
  SUBCASE("another client's EXEC") {
    both.same({"WATCH b a"});
    other.same({"MULTI", "SET a 1", "EXEC"});
  }
  both.same({"MULTI", "SET c 1", "EXEC", "GET c", "MULTI", "SET c 2", "EXEC", "GET c"});
}

TEST_CASE("what does not write a watched key leaves EXEC alone") {
  BesideRedis both;
  ClientOfBoth other(both);
  both.same({"SET a 1", "WATCH a a", "GET a"});
  other.same({"GET a", "SET b 1", "SELECT 1", "SET a 2", "MULTI", "SET a 2", "DISCARD"});
  both.same({"MULTI", "SET c 1", "EXEC"});
  both.same({"WATCH a"});
  SUBCASE("UNWATCH") {
    other.same({"SELECT 0", "SET a 3"});
    both.same({"UNWATCH"});
  }
  SUBCASE("DISCARD") {
    other.same({"SELECT 0", "SET a 3"});
    both.same({"MULTI", "DISCARD"});
  }
  SUBCASE("an EXEC that was refused") {
    other.same({"SELECT 0", "SET a 3"});
    both.same({"MULTI", "NOPE", "EXEC"});
  }
  both.same({"MULTI", "SET c 2", "EXEC", "GET c"});
}

TEST_CASE("a watched key that the application writes makes EXEC do nothing") {
  Served served;
  auto client = served.client();
  served.stores[2].set("a", "1");
  const auto exec_after = [&client](auto&& write) {
    client.command("SELECT", "2");
    client.command("WATCH", "a", "not there");
    client.command("SELECT", "0");
    write();
    client.command("MULTI");
    client.command("SET", "done", "yes");
    return client.command("EXEC").kind;
  };
  CHECK(exec_after([] {}) == Kind::array);
  CHECK(exec_after([&] { served.stores[2].set("a", "2"); }) == Kind::nil);
  CHECK(exec_after([&] { served.stores[2].expire("a", std::chrono::hours(1)); }) == Kind::nil);
  CHECK(exec_after([&] { served.stores[2].set("not there", ""); }) == Kind::nil);
  CHECK(exec_after([&] { served.stores[2].erase("a"); }) == Kind::nil);
  CHECK(exec_after([&] { served.stores[0].set("a", "elsewhere"); }) == Kind::array);
}

TEST_CASE(
    "a key that expires while it is watched makes EXEC do nothing; one that had expired before does not") {
  Served served;
  auto client = served.client();
  const auto soon = std::chrono::milliseconds(20);
  const auto has_expired = [&served](std::string_view key) {
    return eventually([&] { return !served.stores[0].contains(key); });
  };
  served.stores[0].set("a", "1", soon);
  client.command("WATCH", "a");
  REQUIRE(has_expired("a"));
  client.command("MULTI");
  CHECK(client.command("EXEC").is_nil());

  served.stores[0].set("a", "1", soon);
  REQUIRE(has_expired("a"));
  client.command("WATCH", "a");
  client.command("MULTI");
  CHECK(client.command("EXEC").kind == Kind::array);
}

TEST_CASE("the application sees all of a transaction or nothing") {
  Served served;
  auto client = served.client();
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> torn = 0;
  std::thread reader([&] {
    while (!stop) {
      served.stores[0].transaction([&torn](auto& keys) {
        if (keys.get("a") != keys.get("b")) ++torn;
      });
    }
  });
  for (int i = 0; i < 300; ++i) {
    client.add("MULTI");
    client.add("SET", "a", i);
    client.add("GET", "a");
    client.add("SET", "b", i);
    client.add("EXEC");
    REQUIRE(client.flush().back().items.size() == 3);
  }
  stop = true;
  reader.join();
  CHECK(torn == 0);
}

TEST_CASE("a replica gets a transaction of one database as one, and of several each as one") {
  Served master;
  interop::RedisServer replica;
  auto of_replica = replica.client();
  of_replica.command("REPLICAOF", "127.0.0.1", master.port());
  REQUIRE(eventually(
      [&] { return of_replica.info("replication").find("master_link_status:up") != std::string::npos; }));
  auto watcher = replica.client();
  watcher.command("MONITOR");
  auto client = master.client();
  for (const auto* line :
       {"MULTI", "SET a 1", "SET b 2", "SELECT 1", "SET a 3", "SET b 4", "SELECT 0", "SET c 5", "EXEC"}) {
    client.add_words(served::words_of(line));
  }
  REQUIRE(client.flush().back().items.size() == 7);
  std::string seen;
  while (seen.find("\"c\" \"5\"") == std::string::npos || seen.find("\"b\" \"4\"") == std::string::npos ||
         !seen.ends_with("\"EXEC\"\n")) {
    const std::string line = watcher.read_line();
    if (line.find("] \"") != std::string::npos && line.find("\"ping\"") == std::string::npos) {
      seen += line.substr(line.find("] ") + 2) + "\n";
    }
  }
  CHECK(seen.find("\"SET\" \"a\" \"1\"\n\"SET\" \"b\" \"2\"\n\"SET\" \"c\" \"5\"\n\"EXEC\"\n") !=
        std::string::npos);
  CHECK(seen.find("\"SET\" \"a\" \"3\"\n\"SET\" \"b\" \"4\"\n\"EXEC\"\n") != std::string::npos);
}

TEST_CASE("EXEC with a write is refused where writes are") {
  Served served;
  auto client = served.client();
  client.command("MULTI");
  client.command("SET", "a", "1");
  served.node.replicate_from(served.tcp, "127.0.0.1:1");
  CHECK(client.command("EXEC").text ==
        "EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica.");
  CHECK(client.command("EXEC").text == "ERR EXEC without MULTI");
  client.command("MULTI");
  CHECK(client.command("SET", "a", "1").text == "READONLY You can't write against a read only replica.");
  CHECK(client.command("EXEC").text == "EXECABORT Transaction discarded because of previous errors.");
}

TEST_CASE("EXEC that finds no room changes nothing") {
  Served served;
  served.stores[0].limit_memory(served.stores[0].memory_bytes() + 10'000, replikv::Eviction::noeviction);
  auto client = served.client();
  client.command("MULTI");
  client.command("SET", "small", "1");
  client.command("SET", "large", std::string(100'000, 'x'));
  client.command("SET", "larger", std::string(100'000, 'x'));
  client.command("EXEC");  // goes beyond the limit, as transactions may
  client.command("MULTI");
  client.command("SET", "another", "1");
  CHECK(client.command("EXEC").text.starts_with("EXECABORT Transaction discarded because of: OOM"));
  CHECK_FALSE(served.stores[0].contains("another"));
}

TEST_CASE("a hundred thousand commands in one transaction, and a hundred thousand watched keys") {
  Served served;
  auto client = served.client();
  constexpr int count = 100'000;
  for (int i = 0; i < count; ++i) client.add("WATCH", "key:" + std::to_string(i));
  CHECK(interop::errors_of(client.flush()).empty());
  client.add("MULTI");
  for (int i = 0; i < count; ++i) client.add("SET", "key:" + std::to_string(i), i);
  client.add("EXEC");
  CHECK(client.flush().back().items.size() == count);
  CHECK(served.stores[0].size() == count);

  for (int i = 0; i < count; ++i) client.add("WATCH", "key:" + std::to_string(i));
  client.flush();
  served.stores[0].set("key:777", "changed");
  client.command("MULTI");
  CHECK(client.command("EXEC").is_nil());
}

TEST_CASE("a client may not have the server keep more than the limit of its query buffer") {
  Served served({.query_buffer_bytes_max = 100'000});
  auto client = served.client();
  const auto has_ended = [&client](const auto&... words) {
    try {
      for (int i = 0; i < 10'000; ++i) client.command(words..., i);
    } catch (const std::exception&) {
      return true;
    }
    return false;
  };
  SUBCASE("queued") {
    client.command("MULTI");
    CHECK(has_ended("SET", "a"));
  }
  SUBCASE("watched") { CHECK(has_ended("WATCH")); }
  SUBCASE("subscribed") { CHECK(has_ended("SUBSCRIBE")); }
  CHECK(served.client().command("PING").text == "PONG");
}

TEST_CASE("administrative commands may stand in a transaction, as Sentinel sends them") {
  Served served;
  auto client = served.client();
  for (const auto* line : {"MULTI", "SET a 1", "HELLO 2", "CLIENT KILL TYPE normal", "GET a", "EXEC"}) {
    client.add_words(served::words_of(line));
  }
  const auto replies = client.flush();
  REQUIRE(replies.back().items.size() == 4);
  CHECK(replies.back().items[3].text == "1");
}

}  // namespace
