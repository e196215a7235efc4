// The longest common subsequence of two strings, beside a redis-server.
#include <replikv/core/random.hpp>
#include <replikv/testing/seed.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <tests/server/beside_redis.hpp>

namespace {

using served::BesideRedis;

void check_all_forms(BesideRedis& both) {
  both.same({"LCS a b", "LCS a b LEN", "LCS a b IDX", "LCS a b IDX WITHMATCHLEN", "LCS a b IDX MINMATCHLEN 2",
             "LCS b a idx minmatchlen 3 withmatchlen", "LCS b a", "LCS a a IDX", "LCS a nope IDX",
             "LCS nope b", "LCS nope b LEN", "LCS nope nope IDX"});
}

TEST_CASE("LCS answers in every form as redis-server does") {
  BesideRedis both;
  both.same({"SET a ohmytext", "SET b mynewtext"});
  check_all_forms(both);
  static_cast<void>(both.both("HELLO 3"));
  check_all_forms(both);
  both.same({"SET a \"\"", "LCS a b", "LCS a b IDX", "LCS b a LEN"});
}

TEST_CASE("LCS: options that are refused, and those that say nothing") {
  BesideRedis both;
  both.same({"SET a ohmytext", "SET b mynewtext", "LCS a b LEN IDX", "LCS a b MINMATCHLEN",
             "LCS a b MINMATCHLEN x", "LCS a b WHAT", "LCS a b IDX MINMATCHLEN -5",
             "LCS a b IDX MINMATCHLEN 0", "LCS a b MINMATCHLEN 4", "LCS a b WITHMATCHLEN", "LCS a b LEN LEN",
             "LCS a b LEN MINMATCHLEN 3", "LCS a", "LCS a b IDX MINMATCHLEN 9223372036854775807",
             "LCS a b MINMATCHLEN 9223372036854775808"});
}

TEST_CASE("LCS finds of several longest the one that redis-server finds") {
  replikv::testing::for_each_seed(1, 1, [](std::uint64_t seed) {
    CAPTURE(seed);
    replikv::Random random(seed);
    BesideRedis both;
    for (int round = 0; round < 60; ++round) {
      for (const std::string key : {"a", "b"}) {
        std::string text;
        const std::uint64_t letters = 2 + random.below(3);
        for (std::uint64_t i = random.below(40); i > 0; --i)
          text += static_cast<char>('a' + random.below(letters));
        both.same("SET " + key + " \"" + text + "\"");
      }
      check_all_forms(both);
    }
  });
}

TEST_CASE("LCS refuses strings whose comparison would take too long, as redis-server does") {
  BesideRedis both;
  both.same({"SETRANGE a 99999 x", "SETRANGE b 99999 x", "LCS a b", "LCS a b LEN", "SETRANGE a 15000000 x",
             "SET b abcdefg", "LCS a b LEN", "SET b abcdefgh", "LCS a b LEN"});
}

}  // namespace
