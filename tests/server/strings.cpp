// Reading and setting strings: each option and each error beside a redis-server, and what the application's
// own store and replicas see of it.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using replikv::WallTime;
using served::BesideRedis;
using served::Served;
using namespace std::chrono_literals;

/// How long a key has: in milliseconds, -1 for ever, -2 it is not there.
std::int64_t time_left(Served& served, std::string_view key) {
  const auto at = served.stores[0].expires_at(key);
  if (!at) return -2;
  if (*at == WallTime::max()) return -1;
  return (*at - served.stores[0].now()).count();
}

/// Both servers give the key as long, but for the time that passes between the two commands.
void check_same_expiry(BesideRedis& both, std::string_view key) {
  auto theirs = both.theirs().client();
  const std::int64_t their_time = theirs.command("PTTL", key).number;
  const std::int64_t our_time = time_left(both.ours(), key);
  CAPTURE(key);
  if (their_time < 0) {
    CHECK(our_time == their_time);
  } else {
    CHECK(std::abs(our_time - their_time) < 20'000);
  }
}

/// The same commands to both; then the keys live as long.
void check_expiries(const std::vector<std::string_view>& lines, const std::vector<std::string_view>& keys) {
  BesideRedis both;
  both.same(lines);
  for (const std::string_view key : keys) check_same_expiry(both, key);
}

TEST_CASE("GET, STRLEN and MGET answer as redis-server does") {
  BesideRedis both;
  both.same({"GET k", "STRLEN k", "SET k \"\"", "GET k", "STRLEN k", "SET k \"a\\x00\\x0d\\x0ab\"", "GET k",
             "STRLEN k", "MGET k", "MGET k nope k", "MGET", "STRLEN", "STRLEN a b", "GET"});
}

TEST_CASE("null is null in the words of RESP3") {
  BesideRedis both;
  static_cast<void>(both.both("HELLO 3"));
  both.same({"GET k", "MGET k", "SET k v XX", "SET k v GET", "SET k w NX", "GETDEL k", "GETDEL k",
             "GETSET k a", "GETEX nope"});
}

TEST_CASE("SET: conditions and the old value") {
  BesideRedis both;
  both.same({"SET k a XX", "GET k", "SET k a NX", "SET k b NX", "GET k", "SET k c XX", "GET k"});
  both.same({"SET k d GET", "GET k", "SET new a GET", "GET new", "SET k e NX GET", "GET k",
             "SET fresh a NX GET", "GET fresh", "SET k f XX GET", "GET k", "SET gone f XX GET", "GET gone",
             "set k g get xx", "GET k"});
  both.same({"SET k v NX XX", "SET k v XX NX", "SET k v NX NX", "SET k v WHAT", "SET k v \"\"",
             "SET k v PERSIST", "SET k v GET GET", "GET k"});
}

TEST_CASE("SET: expiries as redis-server sets them") {
  check_expiries({"SET ex v EX 1000",
                  "SET px v PX 1000000",
                  "SET exat v EXAT 4102444800",
                  "SET pxat v PXAT 4102444800000",
                  "SET none v",
                  "SET lost v EX 1000",
                  "SET lost v",
                  "SET kept v EX 1000",
                  "SET kept w KEEPTTL",
                  "SET keptnone v KEEPTTL",
                  "SET nx v NX EX 1000",
                  "SET nx v NX EX 5000",
                  "SET xx v",
                  "SET xx v EX 1000 XX",
                  "SET get v EX 1000 GET",
                  "SET keptget v PX 700000",
                  "SET keptget w KEEPTTL GET",
                  "SET twice v EX 10 EX 1000",
                  "SET far v PX 90000000000000",
                  "SET farther v PXAT 9223372036854775806"},
                 {"ex", "px", "exat", "pxat", "none", "lost", "kept", "keptnone", "nx", "xx", "get",
                  "keptget", "twice", "far"});
}

TEST_CASE("SET: a time that has passed leaves no key") {
  BesideRedis both;
  both.same({"SET k v EXAT 1", "GET k", "SET k v", "SET k w PXAT 1", "GET k", "SET k v", "SET k w PXAT 1 GET",
             "GET k", "SET k v NX PXAT 1", "GET k", "SET k v XX PXAT 1", "SET k v", "SET k w XX EXAT 5",
             "GET k"});
}

TEST_CASE("SET: expiries that are refused") {
  BesideRedis both;
  for (const std::string option : {"EX", "PX", "EXAT", "PXAT"}) {
    for (const std::string time :
         {"0", "-1", "x", "", "1.5", "9223372036854775808", "-9223372036854775808", "01", "+1"}) {
      both.same("SET k v " + option + " \"" + time + "\"");
    }
    both.same("SET k v " + option);
    both.same("SET k v " + option + " 10 KEEPTTL");
    both.same("SET k v KEEPTTL " + option + " 10");
    for (const std::string other : {"EX", "PX", "EXAT", "PXAT"}) {
      if (other != option) both.same("SET k v " + option + " 4102444800 " + other + " 4102444800000");
    }
  }
  both.same({"SET k v EX 9223372036854775", "SET k v EX 9223372036854775807",
             "SET k v PX 9223372036854775807", "SET k v EXAT 9223372036854776", "GET k"});
}

TEST_CASE("SETNX, SETEX, PSETEX, GETSET and GETDEL answer as redis-server does") {
  BesideRedis both;
  both.same({"SETNX k a", "SETNX k b", "GET k", "SETNX k", "GETSET k c", "GETSET n c", "GET n", "GETSET n",
             "GETDEL k", "GETDEL k", "GET k", "GETDEL", "GETDEL a b"});
  both.same({"SETEX k 0 v", "SETEX k -1 v", "SETEX k x v", "SETEX k 9223372036854775807 v", "PSETEX k 0 v",
             "PSETEX k x v", "PSETEX k 9223372036854775807 v", "SETEX k 10", "PSETEX k 10", "GET k"});
  check_expiries({"SETEX a 1000 v", "PSETEX b 1000000 v", "SETEX c 1000 v", "GETSET c w", "SETEX d 1000 v",
                  "SETNX d w", "GET a", "GET b", "GET c"},
                 {"a", "b", "c", "d"});
}

TEST_CASE("GETEX: reads, and sets or takes away the expiry") {
  check_expiries(
      {"MSET a v b v c v d v e v f v g v", "GETEX a", "GETEX b EX 1000", "GETEX c PX 1000000",
       "GETEX d EXAT 4102444800", "GETEX e PXAT 4102444800000", "SET f v EX 500", "GETEX f PERSIST",
       "SET g v EX 500", "GETEX g", "getex g persist persist", "GETEX g EX 5 EX 700"},
      {"a", "b", "c", "d", "e", "f", "g"});
  BesideRedis both;
  both.same({"GETEX k EX 0", "GETEX k EX x", "GETEX k", "GETEX k FOO", "SET k v", "GETEX k EX 0",
             "GETEX k EX -1", "GETEX k EX x", "GETEX k EX", "GETEX k EX 10 PX 10", "GETEX k PERSIST EX 10",
             "GETEX k EX 10 PERSIST", "GETEX k KEEPTTL", "GETEX k NX", "GETEX k GET", "GETEX",
             "GETEX k PX 9223372036854775807", "GETEX k EXAT 1", "GET k"});
}

TEST_CASE("MSET and MSETNX answer as redis-server does") {
  BesideRedis both;
  both.same({"MSET a 1 b 2", "MGET a b", "MSET a 1 a 2", "GET a", "MSET a", "MSET a 1 b", "MSET a 3", "GET a",
             "MSETNX a 1 c 2", "MGET a c", "MSETNX c 1 d 2", "MGET c d", "MSETNX e 1 e 2", "GET e",
             "MSETNX a", "MSETNX a 1 b"});
  check_expiries({"SET a v EX 1000", "SET b v EX 1000", "MSET a w", "MSET b w c w", "GET a"},
                 {"a", "b", "c"});
}

TEST_CASE("GETRANGE and SUBSTR cut as redis-server does") {
  BesideRedis both;
  both.same("SET k abcdef");
  both.same("SET e \"\"");
  for (const std::string name : {"GETRANGE", "SUBSTR"}) {
    for (int first = -8; first <= 8; ++first) {
      for (int last = -8; last <= 8; ++last) {
        both.same(name + " k " + std::to_string(first) + " " + std::to_string(last));
      }
    }
    for (const std::string rest :
         {" e 0 -1", " e -1 -1", " nope 0 -1", " k x 1", " k 1 x", " nope x 1", " k 0", " k 0 1 2",
          " k -9223372036854775808 9223372036854775807", " k 9223372036854775807 9223372036854775807"}) {
      both.same(name + rest);
    }
  }
}

TEST_CASE("SETRANGE and APPEND change as redis-server does") {
  BesideRedis both;
  both.same({"SETRANGE k 0 \"\"", "GET k", "SETRANGE k 3 abc", "GET k", "SETRANGE k 0 xy", "GET k",
             "SETRANGE k 2 \"\"", "SETRANGE k 5 long", "GET k", "SETRANGE k 100000000000 \"\""});
  both.same({"SETRANGE k -1 a", "SETRANGE k x a", "SETRANGE k -1 \"\"", "SETRANGE k 536870912 a",
             "SETRANGE k 536870911 ab", "SETRANGE new 536870912 a", "SETRANGE k 9223372036854775807 ab",
             "SETRANGE new 9223372036854775807 \"\"", "GET new", "SETRANGE k 1"});
  both.same({"APPEND a \"\"", "GET a", "APPEND a bc", "APPEND a \"\"", "APPEND a d", "GET a", "APPEND a"});
  check_expiries({"SET a v EX 1000", "APPEND a w", "SET b v EX 1000", "SETRANGE b 5 w", "APPEND c v",
                  "SETRANGE d 2 v", "GET a", "GET b"},
                 {"a", "b", "c", "d"});
}

TEST_CASE("commands of strings are refused with too few or too many words as redis-server refuses them") {
  BesideRedis both;
  for (const std::string name :
       {"GET", "SETNX", "SETEX", "PSETEX", "GETSET", "GETDEL", "STRLEN", "SETRANGE", "APPEND", "INCR", "DECR",
        "INCRBY", "DECRBY", "INCRBYFLOAT", "GETBIT", "SETBIT"}) {
    both.same({name, name + " a b c d e"});
  }
  for (const std::string name : {"SET", "GETEX", "MGET", "MSET", "MSETNX", "LCS", "BITCOUNT", "BITPOS",
                                 "BITOP", "BITFIELD", "BITFIELD_RO"}) {
    both.same(name);
  }
}

TEST_CASE("hits and misses are counted for reads, not for writes") {
  BesideRedis both;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  both.ours().endpoint.add({"counts", 1, "readonly", "", {}, [&](replikv::server::Call& call) {
                              hits = call.server.counts.keyspace_hits;
                              misses = call.server.counts.keyspace_misses;
                              call.reply.ok();
                            }});
  both.same({"SET k v",
             "GET k",
             "GET n",
             "MGET k n k",
             "STRLEN k",
             "GETRANGE n 0 1",
             "GETEX k",
             "GETEX n EX 10",
             "GETSET k w",
             "SET k v GET",
             "SETNX k v",
             "APPEND k w",
             "SETRANGE k 0 \"\"",
             "INCR i",
             "GETBIT k 1",
             "BITCOUNT k",
             "BITPOS n 1",
             "SETBIT k 1 1",
             "BITOP AND d k n",
             "BITFIELD k GET u8 0",
             "BITFIELD_RO n GET u8 0",
             "BITFIELD k SET u8 0 1",
             "LCS k n",
             "GETDEL k",
             "GETDEL k"});
  CHECK(both.ours().client().command("COUNTS").text == "OK");
  auto theirs = both.theirs().client();
  CHECK(hits == interop::stat(theirs, "keyspace_hits"));
  CHECK(misses == interop::stat(theirs, "keyspace_misses"));
}

TEST_CASE("the application sees values and expiries that clients set") {
  Served served;
  auto client = served.client();
  client.command("SET", "k", "v", "EX", 1000);
  CHECK(served.stores[0].get("k") == "v");
  CHECK(time_left(served, "k") > 900'000);
  client.command("APPEND", "k", "w");
  CHECK(served.stores[0].get("k") == "vw");
  CHECK(time_left(served, "k") > 900'000);
  client.command("GETEX", "k", "PERSIST");
  CHECK(time_left(served, "k") == -1);
  client.command("MSET", "a", "1", "b", "2");
  CHECK(served.stores[0].get("b") == "2");
  client.command("GETDEL", "k");
  CHECK_FALSE(served.stores[0].contains("k"));
}

TEST_CASE("a store at its memory limit refuses what would make it grow, and nothing is changed") {
  Served served;
  auto client = served.client();
  client.command("SET", "k", "v");
  client.command("SET", "n", "1");
  served.stores[0].limit_memory(1, replikv::Eviction::noeviction);
  const std::string big(100'000, 'x');
  const auto refused = [](const interop::Reply& reply) { return reply.text.starts_with("OOM "); };
  CHECK(refused(client.command("SET", "k", big)));
  CHECK(refused(client.command("SET", "k", big, "XX", "GET")));
  CHECK(refused(client.command("MSET", "k", big, "a", big)));
  CHECK(refused(client.command("MSETNX", "c", big, "a", big)));
  CHECK(refused(client.command("APPEND", "k", big)));
  CHECK(refused(client.command("SETRANGE", "k", 100'000, "x")));
  CHECK(refused(client.command("SETBIT", "k", 1'000'000, 1)));
  CHECK(refused(client.command("BITFIELD", "k", "SET", "u8", 1'000'000, 1)));
  CHECK(client.command("MGET", "k", "n").items[0].text == "v");
  CHECK(served.stores[0].size() == 2);
}

}  // namespace
