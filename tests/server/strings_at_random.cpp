// Random commands of strings, counters and bits, to few keys and with arguments from the edges: an endpoint
// and a redis-server answer alike, hold the same in the end, and so do replicas of the endpoint.
#include <replikv/core/detail/printable.hpp>
#include <replikv/core/random.hpp>
#include <replikv/testing/seed.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <tests/interop/contents.hpp>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using interop::Contents;
using replikv::Random;
using served::BesideRedis;

// What stands for a random argument: k a key, v a value, f a number with a fraction, i an integer from the
// edges, r a range's end, o an offset in bytes, b one in bits, t a field's type, 1 a bit. Others stand for
// themselves.
constexpr std::array shapes{
    "GET k",
    "SET k v",
    "SET k v",
    "SET k v",
    "SET k v NX",
    "SET k v XX",
    "SET k v GET",
    "SET k v NX GET",
    "SET k v XX GET KEEPTTL",
    "SET k v KEEPTTL",
    "SET k v EX 1000",
    "SET k v PX 1000000",
    "SET k v EXAT 1",
    "SET k v PXAT 4102444800000",
    "SET k v XX EXAT 4102444800",
    "SET k v EX i",
    "SETNX k v",
    "SETEX k 1000 v",
    "SETEX k i v",
    "PSETEX k 1000000 v",
    "GETSET k v",
    "GETDEL k",
    "GETEX k",
    "GETEX k EX 1000",
    "GETEX k PXAT 4102444800000",
    "GETEX k EXAT 1",
    "GETEX k PERSIST",
    "MGET k k k",
    "MSET k v",
    "MSET k v k v k v",
    "MSETNX k v k v",
    "STRLEN k",
    "SUBSTR k r r",
    "GETRANGE k r r",
    "GETRANGE k i i",
    "SETRANGE k o v",
    "APPEND k v",
    "INCR k",
    "DECR k",
    "INCRBY k i",
    "DECRBY k i",
    "INCRBYFLOAT k f",
    "INCRBYFLOAT k f",
    "LCS k k",
    "LCS k k LEN",
    "LCS k k IDX",
    "LCS k k IDX MINMATCHLEN r WITHMATCHLEN",
    "GETBIT k b",
    "SETBIT k b 1",
    "SETBIT k b 1",
    "BITCOUNT k",
    "BITCOUNT k r r",
    "BITCOUNT k r r BIT",
    "BITCOUNT k r r BYTE",
    "BITPOS k 1",
    "BITPOS k 1 r",
    "BITPOS k 1 r r",
    "BITPOS k 1 r r BIT",
    "BITPOS k 1 r r BYTE",
    "BITOP AND k k k",
    "BITOP OR k k k",
    "BITOP XOR k k k",
    "BITOP AND k k",
    "BITOP NOT k k",
    "BITFIELD k GET t b",
    "BITFIELD k SET t b i",
    "BITFIELD k INCRBY t b i GET t b",
    "BITFIELD k OVERFLOW SAT INCRBY t b i SET t b i",
    "BITFIELD k OVERFLOW FAIL SET t b i INCRBY t b r INCRBY t b r",
    "BITFIELD_RO k GET t b GET t b",
};

// No integer here is an offset that a string of hundreds of megabytes would have.
constexpr std::array integers{"0",
                              "1",
                              "-1",
                              "2",
                              "-2",
                              "7",
                              "8",
                              "9",
                              "-10",
                              "100",
                              "-128",
                              "128",
                              "255",
                              "256",
                              "1000",
                              "32767",
                              "-9223372036854775808",
                              "9223372036854775807",
                              "9223372036854775806",
                              "4294967296",
                              "9223372036854775808",
                              "+1",
                              "01",
                              "-0",
                              "1.0",
                              "x",
                              "",
                              " 1"};
constexpr std::array values{"",
                            "a",
                            "abc",
                            "0",
                            "10",
                            "-1",
                            "9223372036854775807",
                            "-9223372036854775808",
                            "3.0",
                            "1e10",
                            "0.1",
                            "+5",
                            "ohmytext",
                            "mynewtext",
                            "inf",
                            " 1"};
constexpr std::array floats{"1",      "0.1",    "-0.3",    "1e17", "-1e17", "1e-17", "3.14159265358979",
                            "5e3",    "0x10",   "inf",     "-inf", "nan",   "x",     "",
                            "1e5000", "1e4000", "-1e4000", "100.5"};
constexpr std::array junk{"NX",  "XX",   "GET",  "KEEPTTL",  "EX",  "PXAT", "PERSIST", "IDX", "LEN",
                          "BIT", "BYTE", "WRAP", "OVERFLOW", "AND", "#1",   "u8",      "100"};

class Commands {
 public:
  explicit Commands(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::vector<std::string> next() {
    auto words = served::words_of(pick(shapes));
    for (std::size_t i = 1; i < words.size(); ++i) words[i] = argument(words[i]);
    switch (random_.below(40)) {
      case 0: words.pop_back(); break;
      case 1: words.emplace_back(pick(junk)); break;
      case 2: words[1 + random_.below(words.size() - 1)] = pick(junk); break;
      case 3: words[1 + random_.below(words.size() - 1)] += pick(integers); break;
      default: break;
    }
    return words;
  }

 private:
  template <class List>
  [[nodiscard]] std::string pick(const List& list) {
    return list[random_.below(std::size(list))];
  }
  [[nodiscard]] std::string number(std::int64_t low, std::int64_t high) {
    return std::to_string(
        low + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(high - low + 1))));
  }

  [[nodiscard]] std::string value() {
    if (random_.below(3) != 0) return pick(values);
    std::string bytes;
    const bool is_text = random_.below(2) == 0;
    for (std::uint64_t i = random_.below(60); i > 0; --i) {
      bytes.push_back(static_cast<char>(is_text ? 'a' + random_.below(3) : random_.below(256)));
    }
    return bytes;
  }

  [[nodiscard]] std::string argument(const std::string& shape) {
    if (shape.size() > 1) return shape;
    switch (shape[0]) {
      case 'k': return "key" + number(1, 6);
      case 'v': return value();
      case 'f': return pick(floats);
      case 'i': return random_.below(2) == 0 ? pick(integers) : number(-300, 300);
      case 'r': return random_.below(20) == 0 ? pick(integers) : number(-70, 70);
      case 'o': return random_.below(10) == 0 ? number(-3, 1000) : number(0, 40);
      case 'b': return random_.below(6) == 0 ? "#" + number(-1, 20) : number(-1, 300);
      case 't': return (random_.below(2) == 0 ? "i" : "u") + number(0, 65);
      case '1': return random_.below(20) == 0 ? pick(integers) : number(0, 1);
      default: return shape;
    }
  }

  Random random_;
};

[[nodiscard]] std::string shown(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += replikv::detail::printable(word, 200) + " | ";
  return text;
}

/// What an application sees in its store.
[[nodiscard]] Contents contents_of(served::Strings& store) {
  Contents all;
  store.for_each([&all](std::string_view key, std::string_view value) {
    all.emplace(key, interop::Item{std::string(value)});
  });
  for (auto& [key, item] : all) {
    const auto at = store.expires_at(key);
    if (at && *at != replikv::WallTime::max()) item.expires_at_ms = at->time_since_epoch().count();
  }
  return all;
}

/// Values are equal, and times but for what passed between the commands to one server and to the other.
void check_alike(const Contents& ours, const Contents& theirs) {
  CHECK(ours.size() == theirs.size());
  for (const auto& [key, item] : theirs) {
    CAPTURE(key);
    const auto found = ours.find(key);
    REQUIRE(found != ours.end());
    CHECK(found->second.value == item.value);
    CHECK((found->second.expires_at_ms < 0) == (item.expires_at_ms < 0));
    constexpr std::int64_t far_ms = std::int64_t{1} << 47;  // stores count no farther than about there
    const std::int64_t difference_ms = found->second.expires_at_ms - std::min(item.expires_at_ms, far_ms);
    CHECK((found->second.expires_at_ms > far_ms || std::abs(difference_ms) < 60'000));
  }
}

TEST_CASE(
    "random commands are answered as redis-server answers, and leave the same behind, at replicas too") {
  constexpr int commands = 6'000;
  const std::uint64_t any = Random::from_system()();
  replikv::testing::for_each_seed(any, 1, [](std::uint64_t seed) {
    MESSAGE("REPLIKV_SEED=" << seed);
    BesideRedis both;
    const interop::RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(both.ours().port())});
    Commands random(seed);
    for (int i = 0; i < commands; ++i) {
      if (i == commands / 2) static_cast<void>(both.both("HELLO 3"));
      const auto words = random.next();
      const auto [ours, theirs] = both.both(words);
      CAPTURE(i);
      CAPTURE(shown(words));
      REQUIRE(replikv::detail::printable(ours, 10'000) == replikv::detail::printable(theirs, 10'000));
    }
    const Contents ours = contents_of(both.ours().stores[0]);
    auto theirs = both.theirs().client();
    check_alike(ours, interop::contents(theirs));
    auto follower = replica.client();
    CHECK(interop::eventually([&] { return interop::contents(follower) == ours; }));
  });
}

}  // namespace
