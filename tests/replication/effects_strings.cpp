#include <replikv/core/limits.hpp>
#include <replikv/replication/detail/commands/number_text.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <tests/replication/effects_world.hpp>
#include <vector>

using namespace replikv_tests;
using replikv::detail::commands::float_text;
using replikv::detail::commands::parse_float;

TEST_CASE("SET: every option form") {
  check({
      {{}, "SET k v", "k=v"},
      {{}, "set k v", "k=v"},
      {{}, "sEt k v", "k=v"},
      {{}, "SET k \"\"", "k="},
      {{}, "SET \"\" v", "=v"},
      {{}, "SET k\\x00\\xff v\\x0d\\x0a", "k\\x00\\xff=v\\x0d\\x0a"},
      {{"SET k old PXAT 5"}, "SET k v", "k=v"},
      {{}, "SET k v PXAT 1700000000000", "k=v@1700000000000"},
      {{}, "set k v pxat 1", "k=v@1"},
      {{}, "SET k v EXAT 1700000000", "k=v@1700000000000"},
      {{}, "SET k v PX 500", "k=v@1000500"},
      {{}, "SET k v EX 3", "k=v@1003000"},
      {{}, "SET k v ex 3 nx", "k=v@1003000"},
      {{}, "SET k v XX PX 1 GET", "k=v@1000001"},
      {{}, "SET k v GET NX PXAT 7", "k=v@7"},
      {{"SET k old"}, "SET k v NX", "k=v"},
      {{}, "SET k v XX", "k=v"},
      {{"SET k old"}, "SET k v GET", "k=v"},
      {{"SET k old PXAT 9"}, "SET k v KEEPTTL", "k=v@9"},
      {{"SET k old PXAT 9"}, "SET k v XX KEEPTTL GET", "k=v@9"},
      {{"SET k old"}, "SET k v IFEQ old", "k=v"},
      {{}, "SET k v KEEPTTL", "k=v"},
      {{}, "SET k v PXAT 9223372036854775807", "k=v@9223372036854775806"},  // the greatest means none
  });
}

TEST_CASE("SET: what no master sends has diverged and changes nothing") {
  check_diverged({
      {{"SET k o"}, "SET", Reason::malformed},
      {{"SET k o"}, "SET k", Reason::malformed},
      {{"SET k o"}, "SET k v PXAT", Reason::malformed},
      {{"SET k o"}, "SET k v FOO", Reason::malformed},
      {{"SET k o"}, "SET k v FOO 1", Reason::malformed},
      {{"SET k o"}, "SET k v PXAT 1 EX 1", Reason::malformed},
      {{"SET k o"}, "SET k v KEEPTTL EX 1", Reason::malformed},
      {{"SET k o"}, "SET k v EX 1 KEEPTTL", Reason::malformed},
      {{"SET k o"}, "SET k v PXAT x", Reason::invalid_expiry},
      {{"SET k o"}, "SET k v PXAT 01", Reason::invalid_expiry},
      {{"SET k o"}, "SET k v PXAT 0", Reason::invalid_expiry},
      {{"SET k o"}, "SET k v PXAT -1", Reason::invalid_expiry},
      {{"SET k o"}, "SET k v PXAT \"\"", Reason::invalid_expiry},
      {{"SET k o"}, "SET k v EX 9223372036854775807", Reason::invalid_expiry},
      {{"SET k o"}, "SET k v PX 9223372036854775807", Reason::invalid_expiry},
      {{"SET k o"}, "SET k v PXAT 9223372036854775808", Reason::invalid_expiry},
  });
}

TEST_CASE("SETEX, PSETEX, SETNX, GETSET and GETDEL do as SET and DEL") {
  check({
      {{}, "SETEX k 2 v", "k=v@1002000"},
      {{}, "PSETEX k 2 v", "k=v@1000002"},
      {{"SET k old PXAT 5"}, "SETNX k v", "k=v"},
      {{"SET k old PXAT 5"}, "GETSET k v", "k=v"},
      {{"SET k old", "SET l w"}, "GETDEL k", "l=w"},
      {{}, "getdel k", ""},
  });
  check_diverged({
      {{}, "SETEX k 0 v", Reason::invalid_expiry},
      {{}, "PSETEX k -5 v", Reason::invalid_expiry},
      {{}, "PSETEX k v 5", Reason::invalid_expiry},
      {{}, "SETEX k 5", Reason::malformed},
      {{}, "SETNX k v w", Reason::malformed},
      {{}, "GETSET k", Reason::malformed},
      {{"SET k v"}, "GETDEL k l", Reason::malformed},
  });
}

TEST_CASE("GETEX changes the expiry only") {
  check({
      {{"SET k v"}, "GETEX k EX 2", "k=v@1002000"},
      {{"SET k v"}, "GETEX k px 2", "k=v@1000002"},
      {{"SET k v"}, "GETEX k EXAT 2", "k=v@2000"},
      {{"SET k v"}, "GETEX k PXAT 2", "k=v@2"},
      {{"SET k v PXAT 9"}, "GETEX k PERSIST", "k=v"},
  });
  check_diverged({
      {{"SET k v PXAT 9"}, "GETEX k PX", Reason::malformed},
      {{"SET k v PXAT 9"}, "GETEX k FOO 1", Reason::malformed},
      {{"SET k v PXAT 9"}, "GETEX k PX x", Reason::invalid_expiry},
  });
  World world;
  world.given({"SET k v PXAT 9"});
  CHECK(world.run("GETEX k") == ignored);
  CHECK(world.run("GETEX missing PERSIST") == not_mirrored(Reason::foreign_source));
  CHECK(world.zero.text() == "k=v@9");
}

TEST_CASE("MSET and MSETNX set all pairs, and readers see all or none") {
  check({
      {{}, "MSET a 1", "a=1"},
      {{"SET a 0 PXAT 5"}, "MSET a 1 b 2 c 3", "a=1 b=2 c=3"},
      {{}, "MSET a 1 a 2", "a=2"},
      {{"SET b 0"}, "MSETNX a 1 b 2", "a=1 b=2"},
  });
  check_diverged({{{}, "MSET a 1 b", Reason::malformed}, {{}, "MSET a", Reason::malformed}});
  World world;
  world.given({"MSET a 1 b 2 c 3"});
  CHECK(world.zero.visible == std::vector<std::string>{"a=1 b=2 c=3"});
}

TEST_CASE("APPEND and SETRANGE keep the expiry and pad with zero bytes") {
  check({
      {{}, "APPEND k v", "k=v"},
      {{"SET k a PXAT 5"}, "APPEND k \\x00b", "k=a\\x00b@5"},
      {{"SET k a"}, "APPEND k \"\"", "k=a"},
      {{"SET k Hello PXAT 5"}, "SETRANGE k 1 u", "k=Hullo@5"},
      {{"SET k Hello"}, "SETRANGE k 3 pful", "k=Helpful"},
      {{"SET k Hello"}, "SETRANGE k 7 !", "k=Hello\\x00\\x00!"},
      {{}, "SETRANGE k 2 x", "k=\\x00\\x00x"},
      {{}, "SETRANGE k 2 \"\"", ""},
  });
  check_diverged({
      {{"SET k v"}, "SETRANGE k -1 x", Reason::out_of_range},
      {{"SET k v"}, "SETRANGE k x x", Reason::not_an_integer},
      {{"SET k v"}, "SETRANGE k 536870912 x", Reason::too_large},
      {{"SET k v"}, "SETRANGE k 9223372036854775807 xy", Reason::too_large},
      {{"SET k v"}, "APPEND k", Reason::malformed},
  });
}

TEST_CASE("APPEND beyond 512 MiB has diverged") {
  constexpr std::size_t longest = replikv::limits::bulk_bytes_max;
  const std::unique_ptr<char[]> untouched(new char[longest]);  // its pages are never read, nor made
  const std::array<std::string_view, 3> command{"APPEND", "k", std::string_view(untouched.get(), longest)};
  World world;
  world.given({"SET k v"});
  const auto result = world.effects.apply(command, Locks::take);
  CHECK(result.outcome == Outcome::diverged);
  CHECK(result.why.reason() == Reason::too_large);
  CHECK(world.zero.text() == "k=v");
}

TEST_CASE("INCR, DECR, INCRBY and DECRBY count from zero and keep the expiry") {
  check({
      {{}, "INCR k", "k=1"},
      {{}, "DECR k", "k=-1"},
      {{"SET k 41 PXAT 5"}, "INCR k", "k=42@5"},
      {{"SET k 41"}, "incrby k -50", "k=-9"},
      {{"SET k 41"}, "DECRBY k 40", "k=1"},
      {{"SET k 41"}, "DECRBY k -1", "k=42"},
      {{"SET k 9223372036854775806"}, "INCR k", "k=9223372036854775807"},
      {{"SET k -9223372036854775807"}, "DECR k", "k=-9223372036854775808"},
      {{"SET k -1"}, "INCRBY k -9223372036854775807", "k=-9223372036854775808"},
  });
  check_diverged({
      {{"SET k x"}, "INCR k", Reason::not_an_integer},
      {{"SET k \"\""}, "INCR k", Reason::not_an_integer},
      {{"SET k 01"}, "INCR k", Reason::not_an_integer},
      {{"SET k 1.5"}, "INCR k", Reason::not_an_integer},
      {{"SET k 9223372036854775808"}, "DECR k", Reason::not_an_integer},
      {{"SET k 9223372036854775807"}, "INCR k", Reason::out_of_range},
      {{"SET k -9223372036854775808"}, "DECR k", Reason::out_of_range},
      {{"SET k 0"}, "DECRBY k -9223372036854775808", Reason::out_of_range},
      {{"SET k 0"}, "INCRBY k x", Reason::not_an_integer},
      {{"SET k 0"}, "DECRBY k 1.0", Reason::not_an_integer},
      {{"SET k 0"}, "INCR k 1", Reason::malformed},
  });
}

TEST_CASE("INCRBYFLOAT writes numbers as Redis does") {
  check({
      {{}, "INCRBYFLOAT k 0.5", "k=0.5"},
      {{"SET k 10.50 PXAT 5"}, "INCRBYFLOAT k 0.1", "k=10.6@5"},
      {{"SET k 5.0e3"}, "INCRBYFLOAT k 2.0e2", "k=5200"},
      {{"SET k 3"}, "INCRBYFLOAT k -3", "k=0"},
      {{"SET k -0.0"}, "INCRBYFLOAT k -0.0", "k=0"},
      {{"SET k 0.1"}, "INCRBYFLOAT k 0.2", "k=0.3"},
      {{"SET k 1"}, "INCRBYFLOAT k 1e-20", "k=1"},
      {{"SET k 1"}, "INCRBYFLOAT k 1e20", "k=100000000000000000000"},
  });
  check_diverged({
      {{"SET k x"}, "INCRBYFLOAT k 1", Reason::not_a_float},
      {{"SET k 1"}, "INCRBYFLOAT k \"\"", Reason::not_a_float},
      {{"SET k 1"}, "INCRBYFLOAT k nan", Reason::not_a_float},
      {{"SET k 1"}, "INCRBYFLOAT k inf", Reason::out_of_range},
      {{"SET k 1e4932"}, "INCRBYFLOAT k 1e4932", Reason::out_of_range},
  });
}

TEST_CASE("parse_float: takes what strtold takes, without spaces") {
  CHECK(parse_float("1") == 1.0L);
  CHECK(parse_float("+1.5") == 1.5L);
  CHECK(parse_float("-.5") == -0.5L);
  CHECK(parse_float("5.") == 5.0L);
  CHECK(parse_float("1e3") == 1000.0L);
  CHECK(parse_float("-0x1p4") == -16.0L);
  CHECK(parse_float("inf") == std::numeric_limits<long double>::infinity());
  CHECK(parse_float("-Infinity") == -std::numeric_limits<long double>::infinity());
  for (const std::string_view text :
       {"", " 1", "1 ", "+", "-", "+-1", "--1", "1x", "0x", "0x-1", "e5", "1e99999", "infinite", "-nan"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_float(text));
  }
}

TEST_CASE("float_text: at most 17 decimals and never an exponent") {
  CHECK(float_text(0.0L) == "0");
  CHECK(float_text(-0.0L) == "0");
  CHECK(float_text(-1e-18L) == "0");
  CHECK(float_text(100.0L) == "100");
  CHECK(float_text(-2.25L) == "-2.25");
  CHECK_FALSE(float_text(std::numeric_limits<long double>::infinity()));
  CHECK_FALSE(float_text(std::numeric_limits<long double>::quiet_NaN()));
  CHECK(float_text(std::numeric_limits<long double>::max()));
}

TEST_CASE("strings: a value that the store cannot hold leaves the key absent") {
  for (const std::string_view line : {"SET k bad", "SET k bad PXAT 5", "SET k bad KEEPTTL", "SETNX k bad",
                                      "APPEND k bad", "SETRANGE k 0 bad", "PSETEX k 5 bad"}) {
    World world;
    world.zero.accepts = [](std::string_view value) { return value.find("bad") == std::string_view::npos; };
    world.given({"SET k good"});
    CAPTURE(line);
    CHECK(world.run(line) == not_mirrored(Reason::bad_value));
    CHECK(world.zero.text() == "");
  }
  World world;
  world.zero.accepts = [](std::string_view value) { return value != "bad"; };
  world.given({"SET b 0"});
  CHECK(world.run("MSET a 1 b bad c 3") == not_mirrored(Reason::bad_value));
  CHECK(world.zero.text() == "a=1 c=3");
}
