#include <replikv/rdb/crc64.hpp>
#include <replikv/replication/detail/effects.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tests/replication/effects_world.hpp>
#include <vector>

using namespace replikv_tests;

TEST_CASE("DEL and UNLINK erase, whatever is there, and readers see all or nothing") {
  check({
      {{"MSET a 1 b 2 c 3"}, "DEL a", "b=2 c=3"},
      {{"MSET a 1 b 2 c 3"}, "del a missing c", "b=2"},
      {{"MSET a 1 b 2 c 3"}, "UNLINK a b c", ""},
      {{}, "DEL missing", ""},
  });
  World world;
  world.given({"MSET a 1 b 2", "DEL a b"});
  CHECK(world.zero.visible == std::vector<std::string>{"a=1 b=2", ""});
}

TEST_CASE("the EXPIRE family: past expiries are stored, conditions have held at the master") {
  check({
      {{"SET k v"}, "EXPIRE k 2", "k=v@1002000"},
      {{"SET k v"}, "pexpire k 2", "k=v@1000002"},
      {{"SET k v"}, "EXPIREAT k 2", "k=v@2000"},
      {{"SET k v"}, "PEXPIREAT k 2", "k=v@2"},
      {{"SET k v"}, "PEXPIREAT k -2", "k=v@-2"},
      {{"SET k v"}, "EXPIRE k -1000", "k=v@0"},
      {{"SET k v PXAT 5"}, "PEXPIREAT k 3 NX", "k=v@3"},
      {{"SET k v"}, "PEXPIREAT k 3 XX", "k=v@3"},
      {{"SET k v PXAT 5"}, "PEXPIREAT k 3 gt", "k=v@3"},
      {{"SET k v PXAT 5"}, "PEXPIREAT k 9 XX LT", "k=v@9"},
      {{"SET k v PXAT 5"}, "PERSIST k", "k=v"},
      {{"SET k v"}, "PERSIST k", "k=v"},
  });
  check_diverged({
      {{"SET k v PXAT 5"}, "PEXPIREAT k", Reason::malformed},
      {{"SET k v PXAT 5"}, "PEXPIREAT k 3 FOO", Reason::malformed},
      {{"SET k v PXAT 5"}, "PEXPIREAT k x", Reason::invalid_expiry},
      {{"SET k v PXAT 5"}, "EXPIREAT k 9223372036854775807", Reason::invalid_expiry},
      {{"SET k v PXAT 5"}, "PEXPIRE k 9223372036854775807", Reason::invalid_expiry},
      {{"SET k v PXAT 5"}, "PERSIST k l", Reason::malformed},
  });
  for (const std::string_view line :
       {"EXPIRE k 1", "PEXPIRE k 1", "EXPIREAT k 1", "PEXPIREAT k 1", "PERSIST k"}) {
    World world;
    CAPTURE(line);
    CHECK(world.run(line) == not_mirrored(Reason::foreign_source));  // it is a list there, perhaps
  }
}

TEST_CASE("keys that have expired are live until their DEL comes") {
  check({
      {{"SET k 5 PXAT 1"}, "INCR k", "k=6@1"},
      {{"SET k 5 PXAT 1"}, "APPEND k x", "k=5x@1"},
      {{"SET k 5 PXAT 1"}, "RENAME k l", "l=5@1"},
      {{"SET k 5 PXAT 1"}, "PERSIST k", "k=5"},
      {{"SET k 5 PXAT 1"}, "SET k 6 KEEPTTL", "k=6@1"},
  });
}

TEST_CASE("RENAME and RENAMENX move value and expiry") {
  check({
      {{"SET k v PXAT 5"}, "RENAME k l", "l=v@5"},
      {{"SET k v", "SET l old PXAT 5"}, "rename k l", "l=v"},
      {{"SET k v", "SET l old"}, "RENAMENX k l", "l=v"},
      {{"SET k v PXAT 5"}, "RENAME k k", "k=v@5"},
  });
  World world;
  world.given({"SET k v", "RENAME k l"});
  CHECK(world.zero.visible == std::vector<std::string>{"k=v", "l=v"});
  CHECK(world.run("RENAME a b c") == diverged(Reason::malformed));
}

TEST_CASE("RENAME and COPY of what is not here leave nothing at the destination") {
  for (const std::string_view line :
       {"RENAME list k", "RENAMENX list k", "COPY list k", "COPY list k REPLACE"}) {
    World world;
    world.given({"SET k v", "SET other v"});
    CAPTURE(line);
    CHECK(world.run(line) == not_mirrored(Reason::foreign_source));
    CHECK(world.zero.text() == "other=v");
  }
}

TEST_CASE("COPY: within a database and across them") {
  check({
      {{"SET k v PXAT 5"}, "COPY k l", "k=v@5 l=v@5"},
      {{"SET k v", "SET l old PXAT 5"}, "copy k l replace", "k=v l=v"},
      {{"SET k v", "SET l old"}, "COPY k l", "k=v l=v"},
      {{"SET k v"}, "COPY k l DB 0 REPLACE", "k=v l=v"},
  });
  check_diverged({
      {{"SET k v"}, "COPY k l DB", Reason::malformed},
      {{"SET k v"}, "COPY k l DB x", Reason::out_of_range},
      {{"SET k v"}, "COPY k l DB -1", Reason::out_of_range},
      {{"SET k v"}, "COPY k l FOO", Reason::malformed},
  });

  World world;
  world.given({"SET k v PXAT 5", "COPY k l REPLACE DB 1", "COPY k k DB 2"});
  CHECK(world.zero.text() == "k=v@5");
  CHECK(world.one.text() == "l=v@5");
  CHECK(world.two.text() == "k=v@5");
  CHECK(world.run("COPY k k DB 7") == not_mirrored(Reason::unbound_database));
  CHECK(world.run("COPY list l DB 1") == not_mirrored(Reason::foreign_source));
  CHECK(world.one.text() == "");

  SUBCASE("from an unbound database: the destination holds what is not here") {
    world.given({"SELECT 7"});
    CHECK(world.run("COPY x k DB 0") == not_mirrored(Reason::foreign_source));
    CHECK(world.zero.text() == "");
    CHECK(world.run("COPY x k") == not_mirrored(Reason::unbound_database));
  }
  SUBCASE("to a store of another type that cannot hold the value") {
    world.two.accepts = [](std::string_view value) { return value != "v"; };
    CHECK(world.run("COPY k k DB 2 REPLACE") == not_mirrored(Reason::bad_value));
    CHECK(world.two.text() == "");
    CHECK(world.zero.text() == "k=v@5");
  }
}

TEST_CASE("MOVE: from any database to any other") {
  World world;
  std::vector<FakeDatabase*> order;
  world.zero.lock_order = world.one.lock_order = world.two.lock_order = &order;
  world.given({"SET k v PXAT 5"});

  SUBCASE("both bound: in one step") {
    world.given({"MOVE k 1"});
    CHECK(world.zero.text() == "");
    CHECK(world.one.text() == "k=v@5");
    CHECK(order == std::vector<FakeDatabase*>{&world.zero, &world.one});
    order.clear();
    world.given({"SELECT 1", "MOVE k 0"});
    CHECK(order == std::vector<FakeDatabase*>{&world.zero, &world.one});
    CHECK(world.zero.visible == std::vector<std::string>{"k=v@5", "", "k=v@5"});
  }
  SUBCASE("to an unbound one: gone from here") {
    CHECK(world.run("MOVE k 7") == applied);
    CHECK(world.zero.text() == "");
    CHECK(world.run("MOVE k 7") == not_mirrored(Reason::foreign_source));
  }
  SUBCASE("from an unbound one: what came is not held here") {
    world.given({"SELECT 7"});
    CHECK(world.run("MOVE k 0") == not_mirrored(Reason::foreign_source));
    CHECK(world.zero.text() == "");
    CHECK(world.run("MOVE k 8") == not_mirrored(Reason::unbound_database));
  }
  SUBCASE("a value that the other store cannot hold is gone from both") {
    world.two.accepts = [](std::string_view) { return false; };
    CHECK(world.run("MOVE k 2") == not_mirrored(Reason::bad_value));
    CHECK(world.zero.text() == "");
    CHECK(world.two.text() == "");
  }
  SUBCASE("malformed") {
    CHECK(world.run("MOVE k 0") == diverged(Reason::out_of_range));
    CHECK(world.run("MOVE k x") == diverged(Reason::out_of_range));
    CHECK(world.run("MOVE k") == diverged(Reason::malformed));
    CHECK(world.zero.text() == "k=v@5");
  }
}

TEST_CASE("SELECT chooses the database of the commands that follow") {
  World world;
  CHECK(world.effects.database() == 0);
  world.given({"SET k 0", "SELECT 1", "SET k 1", "select 2", "SET k 2"});
  CHECK(world.effects.database() == 2);
  CHECK(world.zero.text() == "k=0");
  CHECK(world.one.text() == "k=1");
  CHECK(world.two.text() == "k=2");
  world.given({"SELECT 15"});
  CHECK(world.effects.database() == 15);
  CHECK(world.run("SET k 15") == not_mirrored(Reason::unbound_database));
  CHECK(world.run("DEL k") == not_mirrored(Reason::unbound_database));
  CHECK(world.run("PING") == ignored);
  for (const std::string_view line : {"SELECT -1", "SELECT x", "SELECT 2147483648", "SELECT \"\""}) {
    CAPTURE(line);
    CHECK(world.run(line) == diverged(Reason::out_of_range));
  }
  CHECK(world.effects.database() == 15);
  world.effects.select(0);
  world.given({"SET k 3"});
  CHECK(world.zero.text() == "k=3");
}

TEST_CASE("SWAPDB exchanges databases of one type, and nothing else") {
  World world;
  world.given({"SET k 0", "SELECT 1", "SET k 1", "SWAPDB 0 1"});
  CHECK(world.zero.text() == "k=1");
  CHECK(world.one.text() == "k=0");
  CHECK(world.effects.database() == 1);  // numbers stay, contents go
  world.given({"swapdb 1 0", "SWAPDB 1 1"});
  CHECK(world.zero.text() == "k=0");
  CHECK(world.run("SWAPDB 0 2") == diverged(Reason::different_types));
  CHECK(world.run("SWAPDB 0 9") == diverged(Reason::half_swapped));
  CHECK(world.run("SWAPDB 9 0") == diverged(Reason::half_swapped));
  CHECK(world.run("SWAPDB 8 9") == not_mirrored(Reason::unbound_database));
  CHECK(world.run("SWAPDB 0 x") == diverged(Reason::out_of_range));
  CHECK(world.run("SWAPDB 0") == diverged(Reason::malformed));
  CHECK(world.zero.text() == "k=0");
}

TEST_CASE("FLUSHDB empties one database, FLUSHALL all") {
  for (const std::string_view line : {"FLUSHDB", "flushdb async", "FLUSHDB SYNC"}) {
    World world;
    world.given({"SET k 0", "SELECT 1", "SET k 1"});
    CAPTURE(line);
    CHECK(world.run(line) == applied);
    CHECK(world.zero.text() == "k=0");
    CHECK(world.one.text() == "");
  }
  for (const std::string_view line : {"FLUSHALL", "flushall ASYNC", "FLUSHALL sync"}) {
    World world;
    world.given({"SET k 0", "SELECT 1", "SET k 1", "SELECT 9"});
    CAPTURE(line);
    CHECK(world.run(line) == applied);
    CHECK(world.zero.text() + world.one.text() == "");
  }
  check_diverged({
      {{"SET k v"}, "FLUSHDB NOW", Reason::malformed},
      {{"SET k v"}, "FLUSHALL NOW", Reason::malformed},
      {{"SET k v"}, "FLUSHALL ASYNC SYNC", Reason::malformed},
  });
}

TEST_CASE("RESTORE: strings as DUMP packs them") {
  // This and the payloads below are from redis-server 7.0.15.
  const std::string abc = "\\x00\\x03abc\\x0a\\x00\\xd9\\xac\\x30\\x3d\\x41\\x72\\xa2\\xe2";
  const auto run = [](World& world, std::string_view before, const std::string& payload,
                      std::string_view after) {
    std::vector<std::string> words = words_of(before);
    words.push_back(words_of(payload)[0]);
    if (!after.empty()) {
      for (std::string& word : words_of(after)) words.push_back(std::move(word));
    }
    return world.run(words);
  };
  World world;
  world.given({"SET k old PXAT 5"});

  SUBCASE("every option form") {
    CHECK(run(world, "RESTORE k 0", abc, "") == applied);
    CHECK(world.zero.text() == "k=abc");
    CHECK(run(world, "restore k 500", abc, "replace") == applied);
    CHECK(world.zero.text() == "k=abc@1000500");
    CHECK(run(world, "RESTORE k 500", abc, "REPLACE ABSTTL") == applied);
    CHECK(world.zero.text() == "k=abc@500");
    CHECK(run(world, "RESTORE-ASKING k 0", abc, "ABSTTL IDLETIME 3 FREQ 4") == applied);
    CHECK(world.zero.text() == "k=abc");
  }
  SUBCASE("every encoding: integers of 8, 16 and 32 bits, compressed") {
    CHECK(run(world, "RESTORE i 0", "\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb",
              "") == applied);
    CHECK(run(world, "RESTORE j 0", "\\x00\\xc1\\xd4\\xfe\\x0a\\x00\\xc6\\xc4\\x86\\x23\\xfe\\xbe\\xde\\x2e",
              "") == applied);
    CHECK(run(world, "RESTORE k 0",
              "\\x00\\xc2\\xc0\\xbd\\xf0\\xff\\x0a\\x00\\xed\\x65\\xce\\x3e\\xef\\xac\\xad\\x72",
              "") == applied);
    CHECK(world.zero.text() == "i=10 j=-300 k=-1000000");
    CHECK(run(world, "RESTORE l 0",
              "\\x00\\xc3\\x09\\x40\\x64\\x01\\x61\\x61\\xe0\\x57\\x00\\x01\\x61\\x61\\x0a\\x00\\xe8\\xa3\\xb"
              "5\\x07\\xb0\\x6d\\xf2\\x71",
              "") == applied);
    CHECK(world.zero.keys.at("l").value == std::string(100, 'a'));
  }
  SUBCASE("other types and newer versions leave nothing at the key") {
    for (const auto& [type, version] : {std::array<std::uint8_t, 2>{1, 10}, {0, 13}, {25, 12}, {0, 80}}) {
      world.given({"SET k old"});
      std::string payload{static_cast<char>(type), '\x01', 'a', static_cast<char>(version), '\0'};
      replikv::rdb::Crc64 crc;
      crc.update(replikv::as_bytes(payload));
      for (unsigned i = 0; i < 8; ++i) payload.push_back(static_cast<char>(crc.value() >> (8 * i) & 0xff));
      CHECK(world.run(std::vector<std::string>{"RESTORE", "k", "0", payload}) ==
            not_mirrored(Reason::foreign_payload));
      CHECK(world.zero.text() == "");
    }
  }
  SUBCASE("a payload cut short or changed anywhere has diverged") {
    const std::string payload = words_of(abc)[0];
    for (std::size_t i = 0; i < payload.size(); ++i) {
      std::string changed = payload;
      changed[i] = static_cast<char>(changed[i] ^ 1);
      CHECK(world.run(std::vector<std::string>{"RESTORE", "k", "0", changed}) ==
            diverged(Reason::bad_payload));
      CHECK(world.run(std::vector<std::string>{"RESTORE", "k", "0", payload.substr(0, i)}) ==
            diverged(Reason::bad_payload));
    }
    CHECK(world.zero.text() == "k=old@5");
  }
  SUBCASE("a right checksum over a wrong string has diverged") {
    for (const std::string_view body : {"",
                                        "\x05"
                                        "abc",
                                        "\x02"
                                        "abc",
                                        "\xc3\x01", "\xff", "\xc1\x01"}) {
      std::string payload("\0", 1);
      payload.append(body).append("\x0a\0", 2);
      replikv::rdb::Crc64 crc;
      crc.update(replikv::as_bytes(payload));
      for (unsigned i = 0; i < 8; ++i) payload.push_back(static_cast<char>(crc.value() >> (8 * i) & 0xff));
      CHECK(world.run(std::vector<std::string>{"RESTORE", "k", "0", payload}) ==
            diverged(Reason::bad_payload));
    }
    CHECK(world.zero.text() == "k=old@5");
  }
  SUBCASE("malformed") {
    CHECK(run(world, "RESTORE k x", abc, "") == diverged(Reason::malformed));
    CHECK(run(world, "RESTORE k -1", abc, "") == diverged(Reason::malformed));
    CHECK(run(world, "RESTORE k 0", abc, "FOO") == diverged(Reason::malformed));
    CHECK(run(world, "RESTORE k 0", abc, "FREQ") == diverged(Reason::malformed));
    CHECK(world.zero.text() == "k=old@5");
  }
}

TEST_CASE("a command that makes another type erases the string it overwrites") {
  for (const std::string_view line :
       {"SORT l STORE k", "sort l by w_* limit 0 5 get store alpha STORE k",
        "SORT l GET store GET # DESC store k", "SORT l STORE k GET store GET #", "SORT l STORE other STORE k",
        "SUNIONSTORE k a b", "SINTERSTORE k a b", "sdiffstore k a b", "ZUNIONSTORE k 2 a b WEIGHTS 1 2",
        "ZINTERSTORE k 1 a", "ZDIFFSTORE k 2 a b", "ZRANGESTORE k a 0 -1",
        "GEOSEARCHSTORE k g FROMLONLAT 1 2 BYRADIUS 1 m", "GEORADIUS g 1 2 3 m STORE k",
        "GEORADIUS g 1 2 3 m COUNT 5 ANY ASC STOREDIST k", "GEORADIUSBYMEMBER g store 3 m STORE k"}) {
    World world;
    world.given({"SET k v", "SET other v"});
    CAPTURE(line);
    CHECK(world.run(line) == not_mirrored(Reason::foreign_type));
    CHECK(world.zero.text() == "other=v");
  }
  for (const std::string_view line : {"PFADD k a b", "PFMERGE k a", "PFCOUNT k", "PFDEBUG TODENSE k"}) {
    World world;
    world.given({"SET k v", "SET other v"});
    CAPTURE(line);
    CHECK(world.run(line) == not_mirrored(Reason::hyperloglog));
    CHECK(world.zero.text() == "other=v");
  }
}

TEST_CASE("commands on other types change nothing here") {
  for (const std::string_view line : {"HSET k f v",
                                      "hincrbyfloat k f 1",
                                      "HPEXPIREAT k 1 FIELDS 1 f",
                                      "LPUSH k v",
                                      "RPOPLPUSH k o",
                                      "LMOVE a k LEFT RIGHT",
                                      "SADD k m",
                                      "SMOVE a k m",
                                      "SPOP k",
                                      "ZADD k 1 m",
                                      "ZREMRANGEBYLEX k - +",
                                      "ZMPOP 1 k MIN",
                                      "GEOADD k 1 2 m",
                                      "XADD k 1-1 f v",
                                      "XGROUP CREATE k g $",
                                      "XCLAIM k g c 0 1-1",
                                      "SORT k",
                                      "SORT l GET store",
                                      "GEORADIUS k 1 2 3 m",
                                      "SORT l STORE"}) {
    World world;
    world.given({"SET k v"});
    CAPTURE(line);
    CHECK(world.run(line) == not_mirrored(Reason::foreign_type));
    CHECK(world.zero.text() == "k=v");
  }
}

TEST_CASE("commands that belong to the stream change nothing") {
  for (const std::string_view line : {"PING", "ping", "PUBLISH c m", "SPUBLISH c m", "REPLCONF GETACK *",
                                      "SCRIPT LOAD x", "FUNCTION LOAD x", "MULTI", "EXEC"}) {
    World world;
    world.given({"SET k v"});
    CAPTURE(line);
    CHECK(world.run(line) == ignored);
    CHECK(world.zero.text() == "k=v");
  }
}

TEST_CASE("what a hostile or unknown master sends is never acted on") {
  for (const std::string_view line :
       {"CONFIG SET dir /", "MODULE LOAD x", "REPLICAOF h 1", "SLAVEOF NO ONE", "DEBUG SLEEP 9", "SHUTDOWN",
        "ACL SETUSER x", "CLUSTER RESET", "JSON.SET k $ 1", "GET k", "\"\"", "\\x00", "SETT k v", "SE k v",
        "[SET k v", "{SET k v", "\\xd3ET k w", "\\x13ET k w"}) {
    World world;
    world.given({"SET k v"});
    CAPTURE(line);
    CHECK(world.run(line) == not_mirrored(Reason::unknown_command));
    CHECK(world.zero.text() == "k=v");
  }
  for (const std::string_view line : {"EVAL x 0", "EVALSHA x 0", "fcall f 0"}) {
    World world;
    CHECK(world.run(line) == not_mirrored(Reason::script));
  }
  World world;
  CHECK(world.run(std::vector<std::string>{}) == not_mirrored(Reason::unknown_command));
}

TEST_CASE("Why: names the command, escaped and cut short") {
  World world;
  const auto why = [&world](std::string_view name) -> std::string {
    const std::array<std::string_view, 2> command{name, "x"};
    return world.effects.apply(command, Locks::take).why;
  };
  CHECK(why("hset") == "hset: no store holds values of this type");
  CHECK(why("a\r\n\xff\\") == "a\\x0d\\x0a\\xff\\x5c: not a command that is applied from a stream");
  CHECK(why(std::string(1000, 'q')) ==
        std::string(64, 'q') + "...: not a command that is applied from a stream");
}

TEST_CASE("the table: every command is found, in capitals and in small letters") {
  namespace commands = replikv::detail::commands;
  for (const commands::Command& command : commands::table) {
    CAPTURE(command.name);
    std::string small(command.name);
    for (char& letter : small) {
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    }
    CHECK(commands::find_command(command.name) == &command);
    CHECK(commands::find_command(small) == &command);
    CHECK(commands::find_command(small + "x") != &command);
    CHECK(commands::find_command(small.substr(1)) != &command);
  }
}

TEST_CASE("the table: too few or too many words have diverged, for every command") {
  namespace commands = replikv::detail::commands;
  for (const commands::Command& command : commands::table) {
    CAPTURE(command.name);
    World world;
    std::vector<std::string> words{std::string(command.name)};
    while (words.size() + 1 < command.words_min) words.emplace_back("1");
    if (command.words_min > 1) CHECK(world.run(words) == diverged(Reason::malformed));
    if (command.words_max == commands::any_number) continue;
    while (words.size() <= command.words_max) words.emplace_back("1");
    CHECK(world.run(words) == diverged(Reason::malformed));
  }
}

TEST_CASE("every command within its number of words is harmless, whatever the words") {
  namespace commands = replikv::detail::commands;
  const std::array<std::string, 9> odd{"",  "-1", "0",   "9223372036854775807", "STORE", std::string("\0", 1),
                                       "k", "#",  "PXAT"};
  for (const commands::Command& command : commands::table) {
    for (std::size_t seed = 0; seed < odd.size() * odd.size(); ++seed) {
      World world;
      world.given({"SET k v", "SET 0 12"});
      std::vector<std::string> words{std::string(command.name)};
      for (std::size_t i = 1; i <= 6; ++i) {
        if (i >= command.words_min) world.run(words);
        words.push_back(odd[(seed + i * (1 + seed / odd.size())) % odd.size()]);
      }
    }
  }
}

TEST_CASE("Locks::held: the caller's locks are used and kept") {
  World world;
  const replikv::detail::LockedDatabases locked(world.databases);
  for (const std::string_view line :
       {"SET k 1", "SET k 1 PXAT 5", "MSET a 1 b 2", "INCR k", "RENAME a c", "COPY b d DB 1", "MOVE b 2",
        "SWAPDB 0 1", "BITOP OR e k c", "DEL k c", "FLUSHALL", "SET last v"}) {
    CAPTURE(line);
    CHECK(world.run(line, Locks::held) == applied);
  }
  CHECK(world.zero.text() == "last=v");
  CHECK(world.zero.visible.empty());
}

TEST_CASE("no exception gets out") {
  World world;
  world.given({"SET k v"});
  world.zero.accepts = [](std::string_view) -> bool { throw std::bad_alloc(); };
  CHECK(world.run("SET k w") == Verdict{Outcome::put_off, Reason::out_of_memory});
  CHECK(world.run("PEXPIREAT k 5") == Verdict{Outcome::put_off, Reason::out_of_memory});
  CHECK(world.run("MSET k w l w") == diverged(Reason::out_of_memory));
  world.zero.accepts = [](std::string_view) -> bool { throw std::runtime_error("a careless Codec"); };
  CHECK(world.run("APPEND k w") == diverged(Reason::refused));
  CHECK(world.zero.text() == "k=v");
}
