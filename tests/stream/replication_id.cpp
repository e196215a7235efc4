#include <replikv/core/random.hpp>
#include <replikv/stream/replication_id.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

using replikv::Random;
using replikv::ReplicationId;

namespace {

constexpr std::string_view some_text = "db0b4ca4c052353166ce46354d2b92a1477f3cb8";

}  // namespace

TEST_CASE("ReplicationId: forty hexadecimal digits come back as they were, in lower case") {
  const auto id = ReplicationId::parse(some_text);
  REQUIRE(id);
  CHECK(id->is_set());
  CHECK(id->text() == some_text);

  const auto upper = ReplicationId::parse("DB0B4CA4C052353166CE46354D2B92A1477F3CB8");
  REQUIRE(upper);
  CHECK(*upper == *id);
  CHECK(upper->text() == some_text);
  CHECK(ReplicationId::parse("0123456789abcdefABCDEF000000000000000000")->text() ==
        "0123456789abcdefabcdef000000000000000000");
}

TEST_CASE("ReplicationId: anything but forty hexadecimal digits is no id") {
  const std::string good(some_text);
  CHECK_FALSE(ReplicationId::parse(""));
  CHECK_FALSE(ReplicationId::parse("?"));
  CHECK_FALSE(ReplicationId::parse(good.substr(1)));
  CHECK_FALSE(ReplicationId::parse(good + "0"));
  for (const char wrong : {'g', 'G', '/', ':', '@', '`', ' ', '\0', '\xff'}) {
    for (const std::size_t at : {0U, 1U, 20U, 39U}) {
      CAPTURE(wrong);
      CAPTURE(at);
      std::string text = good;
      text[at] = wrong;
      CHECK_FALSE(ReplicationId::parse(text));
    }
  }
}

TEST_CASE("ReplicationId: an unset id is forty zeros, and forty zeros are an unset id") {
  CHECK_FALSE(ReplicationId{}.is_set());
  CHECK(ReplicationId{}.text() == std::string(40, '0'));
  REQUIRE(ReplicationId::parse(std::string(40, '0')));
  CHECK_FALSE(ReplicationId::parse(std::string(40, '0'))->is_set());
  CHECK(ReplicationId::parse(std::string(39, '0') + "1")->is_set());
}

TEST_CASE("ReplicationId: random ids differ, repeat with their seed, and use all forty digits") {
  Random one{7};
  Random same{7};
  std::set<std::string> seen;
  std::set<char> digits_at_end;
  for (int i = 0; i < 1'000; ++i) {
    const ReplicationId id = ReplicationId::random(one);
    CHECK(id.is_set());
    CHECK(id == ReplicationId::random(same));
    seen.insert(id.text());
    digits_at_end.insert(id.text().back());
  }
  CHECK(seen.size() == 1'000);
  CHECK(digits_at_end.size() == 16);
}
