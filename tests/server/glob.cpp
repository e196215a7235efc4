// Glob patterns: what they mean, that redis-server means the same, and that hostile ones cost little.
#include <replikv/server/detail/glob.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/redis_server.hpp>
#include <vector>

namespace {

using replikv::detail::glob_matches;

TEST_CASE("a pattern without special bytes fits itself only") {
  CHECK(glob_matches("name", "name"));
  CHECK_FALSE(glob_matches("name", "names"));
  CHECK_FALSE(glob_matches("names", "name"));
  CHECK_FALSE(glob_matches("name", "Name"));
  CHECK(glob_matches("", ""));
  CHECK_FALSE(glob_matches("", "a"));
}

TEST_CASE("stars, question marks, classes and escapes stand for what Redis says") {
  CHECK(glob_matches("h?llo", "hello"));
  CHECK_FALSE(glob_matches("h?llo", "hllo"));
  CHECK(glob_matches("h*llo", "hllo"));
  CHECK(glob_matches("h*llo", "heeeello"));
  CHECK(glob_matches("*:*:7", "user:name:17:7"));
  CHECK_FALSE(glob_matches("*:*:7", "user:7"));
  CHECK(glob_matches("h[ae]llo", "hallo"));
  CHECK_FALSE(glob_matches("h[ae]llo", "hillo"));
  CHECK(glob_matches("h[^e]llo", "hallo"));
  CHECK_FALSE(glob_matches("h[^e]llo", "hello"));
  CHECK(glob_matches("h[a-c]llo", "hbllo"));
  CHECK(glob_matches("h[c-a]llo", "hbllo"));
  CHECK(glob_matches("a\\*", "a*"));
  CHECK_FALSE(glob_matches("a\\*", "ab"));
  CHECK(glob_matches("[\\]]", "]"));
  CHECK(glob_matches("a\\", "a\\"));
}

TEST_CASE("letter case counts unless it is to be ignored") {
  CHECK(glob_matches("MAX*", "maxmemory", true));
  CHECK(glob_matches("[A-C]x", "bX", true));
  CHECK_FALSE(glob_matches("[A-C]x", "bx"));
  CHECK_FALSE(glob_matches("[\\A]", "a", true));
}

TEST_CASE("an empty text fits the empty pattern alone") {
  CHECK_FALSE(glob_matches("*", ""));
  CHECK_FALSE(glob_matches("?", ""));
  CHECK_FALSE(glob_matches("[^", ""));
}

TEST_CASE("a pattern made to be slow is not") {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  pattern += "*b";
  const std::string text(20'000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  CHECK_FALSE(glob_matches(pattern, text));
  CHECK(glob_matches(pattern, text + "b"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

[[nodiscard]] std::string random_text(std::mt19937& random, std::string_view letters, std::size_t size_max) {
  std::string text(std::uniform_int_distribution<std::size_t>(0, size_max)(random), '\0');
  std::uniform_int_distribution<std::size_t> any(0, letters.size() - 1);
  for (char& letter : text) letter = letters[any(random)];
  return text;
}

TEST_CASE("random patterns choose the keys that redis-server chooses") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  interop::RedisServer redis;
  interop::RedisClient client(redis.port());
  std::vector<std::string> keys;
  for (int i = 0; i < 400; ++i) keys.push_back(random_text(random, "abcAB*?[]^-\\\x80\xff", 6));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const std::string& key : keys) client.command("SET", key, "v");
  for (int round = 0; round < 2'000; ++round) {
    const std::string pattern = random_text(random, "abcA*?[]^-\\\x80\xff", 7);
    if (pattern == "*") continue;  // not a pattern for KEYS, but the word for "all"
    INFO("pattern ", pattern);
    std::vector<std::string> theirs;
    for (const auto& key : client.command("KEYS", pattern).items) theirs.push_back(key.text);
    std::sort(theirs.begin(), theirs.end());
    std::vector<std::string> ours;
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(ours),
                 [&pattern](const std::string& key) { return glob_matches(pattern, key); });
    REQUIRE(ours == theirs);
  }
}

}  // namespace
