#include <replikv/core/detail/secret.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace std::string_view_literals;
using replikv::detail::equal_in_constant_time;

TEST_CASE("a secret equals itself and nothing else") {
  CHECK(equal_in_constant_time("secret", "secret"));
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time("a\0b"sv, "a\0b"sv));
  CHECK(equal_in_constant_time("\xff\x80", "\xff\x80"));

  CHECK_FALSE(equal_in_constant_time("secret", ""));
  CHECK_FALSE(equal_in_constant_time("", "secret"));
  CHECK_FALSE(equal_in_constant_time("", "\0"sv));
  CHECK_FALSE(equal_in_constant_time("\0"sv, ""));
  CHECK_FALSE(equal_in_constant_time("a\0b"sv, "a\0c"sv));
  CHECK_FALSE(equal_in_constant_time("secret", "SECRET"));
}

TEST_CASE("one wrong bit anywhere makes a presented secret wrong") {
  const std::string secret = "correct horse battery staple";
  for (std::size_t at = 0; at < secret.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      CAPTURE(at);
      CAPTURE(bit);
      std::string presented = secret;
      presented[at] = static_cast<char>(static_cast<unsigned char>(presented[at]) ^ (1U << bit));
      CHECK_FALSE(equal_in_constant_time(secret, presented));
    }
  }
}

TEST_CASE("neither a prefix nor a repetition of a secret passes for it") {
  const std::string secret = "abc";
  CHECK_FALSE(equal_in_constant_time(secret, "ab"));
  CHECK_FALSE(equal_in_constant_time(secret, "abca"));
  CHECK_FALSE(equal_in_constant_time(secret, "abcabc"));
  CHECK_FALSE(equal_in_constant_time("abcabc", secret));
  CHECK_FALSE(equal_in_constant_time("aa", "a"));
  CHECK_FALSE(equal_in_constant_time("a", "aa"));
}
