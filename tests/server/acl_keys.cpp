// What users may do to which keys: every command that has keys, with every right to them, beside
// redis-server.
#include <replikv/server.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <tests/server/beside_clients.hpp>
#include <tests/server/beside_redis.hpp>
#include <vector>

namespace {

using served::BesideRedis;
using served::ClientOfBoth;

/// Calls whose keys are A and B.
constexpr std::array<std::string_view, 99> calls{"append A v",
                                                 "bitcount A",
                                                 "bitcount A 0 1 bit",
                                                 "bitfield A",
                                                 "bitfield A get u8 0",
                                                 "bitfield A GET u8 0 get u8 8",
                                                 "bitfield A set u8 0 1",
                                                 "bitfield A get u8 0 INCRBY u8 0 1",
                                                 "bitfield A get u8 set",
                                                 "bitfield A get set 0",
                                                 "bitfield A overflow set get u8 0",
                                                 "bitfield A overflow sat incrby u8 0 1",
                                                 "bitfield A get u8",
                                                 "bitfield A what",
                                                 "bitfield_ro A get u8 0",
                                                 "bitfield_ro A set u8 0 1",
                                                 "bitop and A B",
                                                 "bitop or A A B",
                                                 "bitop xor B A B",
                                                 "bitop not A B",
                                                 "bitop what A B",
                                                 "bitpos A 1",
                                                 "copy A B",
                                                 "copy A B replace",
                                                 "copy A B db 1",
                                                 "decr A",
                                                 "decrby A 1",
                                                 "del A",
                                                 "del A B",
                                                 "dump A",
                                                 "exists A",
                                                 "exists A B",
                                                 "expire A 100",
                                                 "expire A -1",
                                                 "expireat A 9999999999",
                                                 "expiretime A",
                                                 "get A",
                                                 "getbit A 1",
                                                 "getdel A",
                                                 "getex A",
                                                 "getex A persist",
                                                 "getex A ex 100",
                                                 "getrange A 0 1",
                                                 "getset A v",
                                                 "incr A",
                                                 "incrby A 1",
                                                 "incrbyfloat A 1",
                                                 "lcs A B",
                                                 "lcs A B len",
                                                 "memory usage A",
                                                 "memory usage A samples 1",
                                                 "mget A B",
                                                 "mget A",
                                                 "move A 1",
                                                 "mset A 1",
                                                 "mset A 1 B 2",
                                                 "mset A 1 B",
                                                 "msetnx A 1 B 2",
                                                 "object encoding A",
                                                 "object freq A",
                                                 "object idletime A",
                                                 "object refcount A",
                                                 "persist A",
                                                 "pexpire A 10000",
                                                 "pexpireat A 9999999999999",
                                                 "pexpiretime A",
                                                 "psetex A 10000 v",
                                                 "pttl A",
                                                 "rename A B",
                                                 "renamenx A B",
                                                 "restore A 0 v",
                                                 "restore A 0 v replace",
                                                 "restore-asking A 0 v",
                                                 "set A v",
                                                 "set A v get",
                                                 "set A v nx GET",
                                                 "set A get",
                                                 "set A v ex 100",
                                                 "set A v keepttl",
                                                 "setbit A 1 1",
                                                 "setex A 100 v",
                                                 "setnx A v",
                                                 "setrange A 1 v",
                                                 "sort A",
                                                 "sort A store B",
                                                 "sort A by get store B",
                                                 "sort A store B store A",
                                                 "sort A limit 0 1 get # store B",
                                                 "sort_ro A",
                                                 "sort_ro A by B",
                                                 "strlen A",
                                                 "substr A 0 1",
                                                 "touch A",
                                                 "touch A B",
                                                 "ttl A",
                                                 "type A",
                                                 "unlink A B",
                                                 "watch A",
                                                 "watch A B"};

/// A call with keys in the place of A and B.
std::string call_with(std::string_view call, std::string_view a, std::string_view b) {
  std::string line;
  for (const std::string& word : served::words_of(call)) {
    if (!line.empty()) line += ' ';
    line += word == "A" ? a : word == "B" ? b : std::string_view(word);
  }
  return line;
}

/// A user who may read r, write w, do both to k and to both nothing else.
constexpr std::array<std::string_view, 3> users{
    "%R~r %W~w ~k +@all", "%R~k +@read (%W~k +@write) (~k +@all) (%R~r +@all) (%W~w +@all)",
    "~k +@all (%R~* -@all +@read)"};

TEST_CASE("the list of calls has every command that has keys") {
  std::set<std::string> known;
  for (const std::string_view call : calls) {
    const auto words = served::words_of(call);
    known.insert(words[0]);
    known.insert(words[0] + "|" + words[1]);
  }
  replikv::detail::CommandTable table;
  replikv::server::commands::add_all(table);
  for (const auto& each : table.all()) {
    CAPTURE(each.command.name);
    if (each.command.name.ends_with("subscribe") || each.command.name == "spublish") continue;  // channels
    if (each.command.keys.first != 0 || each.command.find_keys) CHECK(known.contains(each.command.name));
  }
}

TEST_CASE("whoever may not touch a key is refused by every command as by redis-server, asked ahead or not") {
  BesideRedis both;
  for (const std::string_view rules : users) {
    both.same("ACL SETUSER u reset on nopass &* " + std::string(rules));
    ClientOfBoth user(both);
    user.same("AUTH u x");
    for (const std::string_view call : calls) {
      const bool has_two = (" " + std::string(call) + " ").find(" B ") != std::string::npos;
      for (const std::string_view a : {"k", "r", "w", "x"}) {
        for (const std::string_view b : {"k", "r", "w", "x"}) {
          if (!has_two && b != "k") continue;
          const std::string line = call_with(call, a, b);
          both.same("ACL DRYRUN u " + line);
          INFO(line);
          user.send(line);
          const std::string ours = served::raw_reply(user.ours());
          const std::string theirs = served::raw_reply(user.theirs());
          CHECK(ours.starts_with("-NOPERM") == theirs.starts_with("-NOPERM"));
          if (theirs.starts_with("-")) CHECK(ours == theirs);
        }
      }
    }
    both.same("FLUSHALL");
  }
}

TEST_CASE("SORT follows a pattern only for those who may read every key, as redis-server has it") {
  BesideRedis both;
  for (const std::string_view rules :
       {"+@all %R~k %W~b %R~w_*", "+@all ~k (%R~* +sort)", "+@all ~k %RW~*", "+@all %R~* %W~b", "+@all ~*",
        "+@all %W~* %R~k", "+@all ~k (~* -@all +sort_ro) (%R~** +@all)"}) {
    both.same("ACL SETUSER u reset on nopass " + std::string(rules));
    ClientOfBoth user(both);
    user.same("AUTH u x");
    for (const std::string_view call :
         {"sort k by w_*", "sort k get w_*", "sort k by nosort", "sort k get #", "sort k store b",
          "sort k by w_* store b", "sort_ro k by w_*", "sort_ro k GET x_*", "sort_ro k", "sort b by w_*",
          "sort k by nosort get x", "sort k get x by", "sort k limit by x", "sort k limit 0 x get y",
          "sort k get y limit 0 x", "sort_ro k get x store b", "sort k what get x", "sort k by w_* get"}) {
      user.same(call);
      both.same("ACL DRYRUN u " + std::string(call));
    }
    user.same({"MULTI", "sort k by w_*", "sort k", "EXEC"});
  }
}

}  // namespace
