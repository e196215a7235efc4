// Every operation: what it does, what it returns, and what it leaves in the stream.
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <functional>
#include <limits>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tests/store/helper.hpp>
#include <utility>
#include <vector>

/// Numbers below 256, a byte each.
template <>
struct replikv::Codec<std::vector<int>> {
  static void encode(const std::vector<int>& numbers, std::string& out) {
    for (const int number : numbers) out.push_back(static_cast<char>(number));
  }
  static bool decode(std::string_view bytes, std::vector<int>& numbers) {
    numbers.assign(bytes.begin(), bytes.end());
    return true;
  }
};

namespace {

using namespace store_tests;
using replikv::Expiry;
using replikv::TimeToLive;

constexpr std::int64_t start_ms = 1'000'000;

struct Fixture {
  ManualClock clock;
  Strings store{replikv::Clock(clock)};
};

struct Streamed : Fixture {
  Role role{store};
};

// --- Reading ---------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Fixture, "Store: reads what was set") {
  CHECK_FALSE(store.get("k"));
  CHECK_FALSE(store.contains("k"));
  CHECK(store.empty());
  CHECK(store.set("k", "v").changed);
  CHECK(store.get("k") == "v");
  CHECK(store.get(std::string("k")) == "v");
  CHECK(store.get(std::string_view("kk").substr(1)) == "v");
  CHECK(store.contains("k"));
  CHECK(store.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "Store: get into a string uses its memory again, and leaves it where nothing is") {
  store.set("k", std::string(64, 'v'));
  std::string value(100, 'x');
  const char* const memory = value.data();
  CHECK(store.get("k", value));
  CHECK(value == std::string(64, 'v'));
  CHECK(value.data() == memory);
  CHECK_FALSE(store.get("none", value));
  CHECK(value == std::string(64, 'v'));
  store.set("k", "2", 10ms);
  clock.advance(10ms);
  CHECK_FALSE(store.get("k", value));
  CHECK(value == std::string(64, 'v'));
  store.set("a key that is long enough to lie on the heap", "short");
  value = "a key that is long enough to lie on the heap";
  CHECK(store.get(value, value));  // the key may be what is assigned to
  CHECK(value == "short");
}

TEST_CASE_FIXTURE(Fixture, "Store: visit shows the value in its place") {
  store.set("k", "value");
  const char* first = nullptr;
  const auto look = [&](std::string_view value) {
    CHECK(value == "value");
    if (first != nullptr) CHECK(first == value.data());
    first = value.data();
  };
  CHECK(store.visit("k", look));
  CHECK(store.visit("k", look));
  CHECK_FALSE(store.visit("none", [](std::string_view) { FAIL("called"); }));
}

TEST_CASE_FIXTURE(Fixture, "Store: get_many answers in the order of the keys") {
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) {
    keys.push_back(std::to_string(i));
    if (i % 3 != 0) store.set(keys.back(), keys.back() + "!");
  }
  keys.push_back("1");  // twice
  const auto values = store.get_many(keys);
  REQUIRE(values.size() == keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) CHECK(values[i] == store.get(keys[i]));
  CHECK(store.get_many({"1", "0"}) == std::vector<std::optional<std::string>>{"1!", std::nullopt});
  CHECK(store.get_many(std::vector<std::string>{}).empty());
  const std::forward_list<std::string> no_size{"1", "none"};
  CHECK(store.get_many(no_size) == std::vector<std::optional<std::string>>{"1!", std::nullopt});
}

TEST_CASE_FIXTURE(Fixture, "Store: get_many into a vector uses the memory of its strings again") {
  const std::string first(64, '1');
  const std::string second(64, '2');
  store.set_many({{"a", first}, {"b", second}});
  std::vector<std::optional<std::string>> values{std::string(100, 'x'), "y", std::nullopt, "more", "more"};
  const char* const memory = values[0]->data();
  store.get_many({"b", "none", "a"}, values);
  CHECK(values == std::vector<std::optional<std::string>>{second, std::nullopt, first});
  CHECK(values[0]->data() == memory);
  store.get_many({"none", "a", "none", "b", "none"}, values);
  CHECK(values ==
        std::vector<std::optional<std::string>>{std::nullopt, first, std::nullopt, second, std::nullopt});
  store.get_many(std::vector<std::string>{}, values);
  CHECK(values.empty());
}

TEST_CASE_FIXTURE(Fixture, "Store: visit_many shows what is there in its place, in the order of the keys") {
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) {
    keys.push_back(std::to_string(i));
    if (i % 3 != 0) store.set(keys.back(), keys.back() + "!", i % 3 == 1 ? Expiry(10ms) : Expiry());
  }
  clock.advance(10ms);
  keys.insert(keys.end(), {"2", "2", "none"});
  std::size_t at = 0;  // nothing before it is left to come
  store.visit_many(keys, [&](std::size_t index, std::string_view value) {
    for (; at < index; ++at) CHECK(std::stoi(keys[at]) % 3 != 2);
    CHECK(value == keys[at++] + "!");
  });
  CHECK(at == keys.size() - 1);
  CHECK(store.size() == 100);  // asked for, the others went

  const char* place = nullptr;
  store.visit("2", [&](std::string_view value) { place = value.data(); });
  store.visit_many({"none", "2"}, [&](std::size_t index, std::string_view value) {
    CHECK(index == 1);
    CHECK(value.data() == place);
  });
  store.visit_many(std::vector<std::string>{}, [](std::size_t, std::string_view) { FAIL("called"); });
}

TEST_CASE_FIXTURE(Fixture, "Store: when the function of a visit_many throws, the store can be written") {
  store.set_many({{"a", "1"}, {"b", "2"}});
  const auto fail = [](std::size_t, std::string_view) { throw std::runtime_error("no"); };
  CHECK_THROWS_AS(store.visit_many({"a", "b"}, fail), std::runtime_error);
  CHECK(store.set_many({{"a", "3"}, {"b", "4"}}));
}

/// More shards than a word has bits.
struct ManyShards : replikv::DefaultPolicy {
  static constexpr unsigned shard_bits = 7;
};

TEST_CASE("Store: however many shards there are, many keys are written and read with one call") {
  replikv::Store<std::string, std::string, ManyShards> store;
  std::vector<std::pair<std::string, std::string>> pairs;
  std::vector<std::string> keys;
  for (int i = 0; i < 500; ++i) {
    keys.push_back(std::to_string(i));
    pairs.emplace_back(keys.back(), keys.back() + "!");
  }
  store.set_many(pairs);
  const auto values = store.get_many(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) CHECK(values[i] == pairs[i].second);
  CHECK(store.set_many(pairs));  // no lock is held
  CHECK(store.clear());
}

TEST_CASE("Store: values of other types are read one by one and many at a time") {
  replikv::Store<std::uint32_t, std::vector<int>> store;
  store.set(7, {1, 2, 3});
  std::vector<int> value(10);
  const int* const memory = value.data();
  CHECK(store.get(7, value));
  CHECK(value == std::vector{1, 2, 3});
  CHECK(value.data() == memory);
  CHECK_FALSE(store.get(8, value));
  int sum = 0;
  store.visit_many({8, 7, 7}, [&](std::size_t index, const std::vector<int>& seen) {
    sum += static_cast<int>(index) * seen[2];
  });
  CHECK(sum == 9);
  std::vector<std::optional<std::vector<int>>> values{value};
  store.get_many({7, 8}, values);
  CHECK(values == std::vector<std::optional<std::vector<int>>>{{{1, 2, 3}}, std::nullopt});
  CHECK(store.get_many({7, 8}) == values);
}

TEST_CASE("Store: a role-less store gives tokens of no history") {
  Strings store;
  CHECK(store.set("k", "v") == replikv::Written{{}, true});
  CHECK(store.erase("none") == replikv::Written{{}, false});
}

// --- Writing ---------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Streamed, "Store: the stream's bytes are the command, its token the offset behind it") {
  const auto written = store.set("k", "v");
  const std::string bytes = role.bytes_appended();
  CHECK(bytes == "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
  CHECK(written.offset.bytes == bytes.size());
  CHECK(written.id == role.stream->history().id);
  const auto unchanged = store.erase("none");
  CHECK_FALSE(unchanged.changed);
  CHECK(unchanged.offset == written.offset);
  CHECK(store.set("k", "v").offset.bytes == bytes.size() + 27);
}

TEST_CASE("Store: effects carry the database of the store") {
  Strings store;
  Role role(store, WriteMode::streamed, 3);
  store.set("k", "v");
  CHECK(role.effects() == "SELECT 3; SET k v");
}

TEST_CASE_FIXTURE(Streamed, "Store: set replaces value and expiry") {
  store.set("k", "1", 5s);
  store.set("k", "2");
  CHECK(store.ttl("k") == TimeToLive{true, std::nullopt});
  store.set("k", "3", at_ms(start_ms + 70));
  CHECK(store.ttl("k") == TimeToLive{true, 70ms});
  CHECK(role.effects() == "SELECT 0; SET k 1 PXAT 1005000; SET k 2; SET k 3 PXAT 1000070");
}

TEST_CASE_FIXTURE(Streamed, "Store: a set that expires at once is an erase") {
  store.set("k", "1");
  CHECK(store.set("k", "2", 0s).changed);
  CHECK_FALSE(store.contains("k"));
  CHECK_FALSE(store.set("k", "2", at_ms(5)).changed);
  CHECK(role.effects() == "SELECT 0; SET k 1; DEL k");
}

TEST_CASE_FIXTURE(Streamed, "Store: conditional sets") {
  CHECK_FALSE(store.set_if_present("k", "1"));
  CHECK(store.set_if_absent("k", "2"));
  CHECK_FALSE(store.set_if_absent("k", "3"));
  CHECK(store.set_if_present("k", "4", 1s));
  CHECK(store.get("k") == "4");
  CHECK(role.effects() == "SELECT 0; SET k 2; SET k 4 PXAT 1001000");
}

TEST_CASE_FIXTURE(Streamed, "Store: compare_and_set replaces only what is expected, and keeps the expiry") {
  CHECK_FALSE(store.compare_and_set("k", "", "1"));
  store.set("k", "1");
  CHECK_FALSE(store.compare_and_set("k", "2", "3"));
  CHECK(store.compare_and_set("k", "1", "3"));
  store.expire("k", 1s);
  CHECK(store.compare_and_set("k", "3", "4"));
  CHECK(store.ttl("k") == TimeToLive{true, 1000ms});
  CHECK(role.effects() == "SELECT 0; SET k 1; SET k 3; PEXPIREAT k 1001000; SET k 4 KEEPTTL");
}

TEST_CASE_FIXTURE(Streamed, "Store: update creates, changes, leaves and erases") {
  CHECK(store.update("k", [](auto& value) {
    CHECK_FALSE(value);
    value = "1";
  }));
  store.expire("k", 1s);
  CHECK(store.update("k", [](auto& value) { *value += "2"; }));
  CHECK(store.ttl("k") == TimeToLive{true, 1000ms});
  CHECK_FALSE(store.update("k", [](auto& value) { value = "12"; }));
  CHECK(store.update("k", [](auto& value) { value.reset(); }));
  CHECK_FALSE(store.update("k", [](auto&) {}));
  CHECK(role.effects() == "SELECT 0; SET k 1; PEXPIREAT k 1001000; SET k 12 KEEPTTL; DEL k");
}

TEST_CASE_FIXTURE(Streamed, "Store: an update that throws changes nothing") {
  store.set("k", "1");
  CHECK_THROWS_AS(store.update("k",
                               [](auto& value) {
                                 value = "2";
                                 throw std::runtime_error("no");
                               }),
                  std::runtime_error);
  CHECK(store.get("k") == "1");
  CHECK(role.effects() == "SELECT 0; SET k 1");
}

TEST_CASE_FIXTURE(Streamed, "Store: increment of a string that spells a number") {
  const auto first = store.increment("n");
  CHECK(first.value == 1);
  CHECK(first.changed);
  CHECK(first.offset == role.stream->end());
  CHECK(store.increment("n", -43).value == -42);
  store.expire("n", 1s);
  CHECK(store.increment("n", 2).value == -40);
  CHECK_FALSE(store.increment("n", 0).changed);
  CHECK(store.get("n") == "-40");
  CHECK(role.effects() == "SELECT 0; SET n 1; SET n -42; PEXPIREAT n 1001000; SET n -40 KEEPTTL");
}

TEST_CASE_FIXTURE(Streamed, "Store: increment refuses what is no number, and overflow") {
  for (const std::string bad : {"x", "", "1.5", "01", " 1", "9223372036854775808"}) {
    store.set("n", bad);
    std::error_code error;
    store.increment("n", 1, error);
    CAPTURE(bad);
    CHECK(error == Errc::not_a_number);
    CHECK_THROWS_AS(store.increment("n"), replikv::Error);
    CHECK(store.get("n") == bad);
  }
  store.set("n", "9223372036854775806");
  CHECK(store.increment("n").value == std::numeric_limits<std::int64_t>::max());
  role.effects();
  CHECK_THROWS_AS(store.increment("n"), replikv::Error);
  CHECK(role.effects() == "");
}

TEST_CASE("Store: increment of values that are numbers") {
  replikv::Store<std::string, std::uint8_t> small;
  CHECK(small.increment("n", 250).value == 250);
  CHECK_THROWS_AS(small.increment("n", 6), replikv::Error);
  CHECK(small.increment("n", -250).value == 0);
  CHECK_THROWS_AS(small.increment("n", -1), replikv::Error);
  replikv::Store<std::string, double> real;
  CHECK(real.increment("n", 1.5).value == 1.5);
  CHECK(real.increment("n").value == 2.5);
  CHECK_THROWS_AS(real.increment("n", std::numeric_limits<double>::infinity()), replikv::Error);
  CHECK(real.get("n") == 2.5);
}

TEST_CASE_FIXTURE(Streamed, "Store: erase, expire, persist stream only what changed") {
  CHECK_FALSE(store.erase("k"));
  CHECK_FALSE(store.expire("k", 1s));
  CHECK_FALSE(store.persist("k"));
  store.set("k", "v");
  CHECK_FALSE(store.persist("k"));
  CHECK(store.expire("k", 1s));
  CHECK_FALSE(store.expire("k", 1s));
  CHECK(store.expire_at("k", at_ms(start_ms + 5)));
  CHECK(store.persist("k"));
  CHECK(store.ttl("k") == TimeToLive{true, std::nullopt});
  CHECK(store.expire_at("k", at_ms(start_ms)));  // now is past
  CHECK_FALSE(store.contains("k"));
  CHECK(store.ttl("k") == TimeToLive{});
  CHECK(role.effects() == "SELECT 0; SET k v; PEXPIREAT k 1001000; PEXPIREAT k 1000005; PERSIST k; DEL k");
}

TEST_CASE_FIXTURE(Streamed, "Store: set_many is one MSET, the last of equal keys counts") {
  store.set("b", "old", 1s);
  const auto written = store.set_many({{"a", "1"}, {"b", "2"}, {"a", "3"}});
  CHECK(written.changed);
  CHECK(written.offset == role.stream->end());
  CHECK(store.get("a") == "3");
  CHECK(store.ttl("b") == TimeToLive{true, std::nullopt});
  CHECK(store.size() == 2);
  const std::map<std::string, std::string> more{{"c", "4"}, {"d", "5"}};
  store.set_many(more);
  CHECK_FALSE(store.set_many(std::map<std::string, std::string>{}));
  CHECK(role.effects() == "SELECT 0; SET b old PXAT 1001000; MSET a 1 b 2 a 3; MSET c 4 d 5");
}

TEST_CASE_FIXTURE(Streamed, "Store: clear always streams FLUSHDB") {
  CHECK_FALSE(store.clear());
  store.set("k", "v");
  CHECK(store.clear());
  CHECK(store.size() == 0);
  CHECK_FALSE(store.contains("k"));
  CHECK(role.effects() == "SELECT 0; FLUSHDB; SET k v; FLUSHDB");
}

TEST_CASE("Store: typed keys and values are streamed through their codecs") {
  ManualClock clock;
  replikv::Store<std::uint32_t, double> store{replikv::Clock(clock)};
  Role role(store);
  store.set(7, 0.5, 1s);
  store.increment(7);
  store.update(7, [](auto& value) { value = 9; });
  store.set_many({{1, 1.0}, {2, 2.0}});
  store.persist(7);
  store.erase(7);
  store.transaction([](auto& transaction) {
    transaction.set(1, 1.25, 1s);
    transaction.erase(2);
  });
  CHECK(role.effects() ==
        "SELECT 0; SET 7 0.5 PXAT 1001000; SET 7 1.5 KEEPTTL; SET 7 9 KEEPTTL; MSET 1 1 2 2; PERSIST 7; "
        "DEL 7; MULTI; SET 1 1.25 PXAT 1001000; DEL 2; EXEC");
}

// --- Refusals ----------------------------------------------------------------------------------------

template <class Write>
void check_refused(Streamed& fixture, Errc why, Write&& write) {
  std::error_code error;
  write(error);
  CHECK(error == why);
  CHECK(fixture.store.get("k") == "1");
  CHECK(fixture.store.size() == 1);
}

TEST_CASE_FIXTURE(Streamed, "Store: refused writes change nothing, stream nothing, and are counted") {
  store.set("k", "1");
  role.effects();
  const std::pair<WriteMode, Errc> refusals[] = {{WriteMode::read_only, Errc::read_only},
                                                 {WriteMode::not_enough_replicas, Errc::not_enough_replicas}};
  std::uint64_t rejected = 0;
  for (const auto& [mode, why] : refusals) {
    role.gate->set(mode);
    check_refused(*this, why, [&](auto& error) { store.set("k", "2", error); });
    check_refused(*this, why, [&](auto& error) { store.set_if_absent("new", "2", error); });
    check_refused(*this, why, [&](auto& error) { store.set_if_present("k", "2", error); });
    check_refused(*this, why, [&](auto& error) { store.compare_and_set("k", "1", "2", error); });
    check_refused(*this, why, [&](auto& error) {
      store.update(
          "k", [](auto& v) { v = "2"; }, error);
    });
    check_refused(*this, why, [&](auto& error) { store.increment("k", error); });
    check_refused(*this, why, [&](auto& error) { store.erase("k", error); });
    check_refused(*this, why, [&](auto& error) { store.expire("k", 1s, error); });
    check_refused(*this, why, [&](auto& error) { store.expire_at("k", at_ms(1), error); });
    check_refused(*this, why, [&](auto& error) { store.persist("k", error); });
    check_refused(*this, why, [&](auto& error) { store.set_many({{"k", "2"}}, error); });
    check_refused(*this, why, [&](auto& error) { store.clear(error); });
    check_refused(*this, why, [&](auto& error) { store.transaction([](auto& t) { t.erase("k"); }, error); });
    rejected += 13;
    CHECK(role.gate->rejected_writes() == rejected);
    CHECK_THROWS_AS(store.set("k", "2"), replikv::Error);
    ++rejected;
    std::error_code error = Errc::timeout;
    store.transaction([](auto& t) { CHECK(t.get("k") == "1"); }, error);  // reads are welcome
    CHECK_FALSE(error);
  }
  CHECK(role.effects() == "");
  role.gate->set(WriteMode::streamed);
  std::error_code error = Errc::timeout;
  store.set("k", "2", error);
  CHECK_FALSE(error);
}

TEST_CASE_FIXTURE(Streamed, "Store: the writes of a writable replica are told to nobody") {
  role.gate->set(WriteMode::local);
  CHECK(store.set("k", "v") == replikv::Written{{}, true});
  store.set_many({{"a", "b"}});
  store.transaction([](auto& transaction) { transaction.erase("a"); });
  CHECK(store.size() == 1);
  CHECK(role.effects() == "");
}

TEST_CASE("Store: keys and values over 512 MiB are refused") {
  // The size is all that is looked at: the bytes are never touched.
  const std::string_view huge("", replikv::limits::bulk_bytes_max + 1);
  Strings store;
  std::error_code error;
  store.set("k", huge, error);
  CHECK(error == Errc::too_large);
  store.set(huge, "v", error);
  CHECK(error == Errc::too_large);
  CHECK(store.empty());

  store.set("k", "v");
  store.compare_and_set("k", "v", huge, error);
  CHECK(error == Errc::too_large);
  store.increment(huge, error);
  CHECK(error == Errc::too_large);
  const std::vector<std::pair<std::string_view, std::string_view>> pairs{{"a", "1"}, {"b", huge}};
  store.set_many(pairs, error);
  CHECK(error == Errc::too_large);
  const auto both = [&](auto& transaction) {
    transaction.set("a", "1");
    transaction.set("b", huge);
  };
  store.transaction(both, error);
  CHECK(error == Errc::too_large);
  CHECK(store.size() == 1);
  CHECK(store.get("k") == "v");
}

TEST_CASE_FIXTURE(Streamed, "Store: a very long set_many is several MSETs, which belong together") {
  constexpr std::size_t count = 140'000;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::size_t i = 0; i < count; ++i) pairs.emplace_back(std::to_string(i), "v");
  store.set("0", "before");
  role.effects();
  store.set_many(pairs);
  CHECK(store.size() == count);
  const std::string effects = role.effects();
  CHECK(effects.starts_with("MULTI; MSET 0 v 1 v"));
  CHECK(effects.ends_with(" v; EXEC"));
  std::size_t commands = 0;
  std::ptrdiff_t words_max = 0;
  for (std::size_t at = 0; at < effects.size(); ++commands) {
    const std::size_t end = std::min(effects.find(';', at), effects.size());
    words_max = std::max(words_max, std::count(effects.data() + at, effects.data() + end, ' ') + 1);
    at = end + 2;
  }
  CHECK(commands == 4);
  CHECK(words_max <= replikv::limits::arguments_max / 2);
}

TEST_CASE("Store: an exception of the caller's own passes through the form with an error code") {
  Strings store;
  std::error_code error;
  CHECK_THROWS_AS(store.transaction([](auto&) { throw std::out_of_range("mine"); }, error),
                  std::out_of_range);
  CHECK_FALSE(error);
}

// --- Expiry --------------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Streamed, "Store: an expired key is not there, and goes when somebody asks") {
  std::string read;
  const std::vector<std::function<bool()>> accesses{
      [this] { return store.get("k").has_value(); },
      [this] { return store.contains("k"); },
      [this] { return store.visit("k", [](std::string_view) {}); },
      [&] { return store.get("k", read); },
      [this] { return store.get_many({"k"})[0].has_value(); },
      [this] {
        bool seen = false;
        store.visit_many({"k", "k"}, [&](std::size_t, std::string_view) { seen = true; });
        return seen;
      },
      [this] { return store.ttl("k").key_exists; },
      [this] { return store.erase("k").changed; },
      [this] { return store.expire("k", 1s).changed; },
      [this] { return store.persist("k").changed; },
      [this] { return store.set_if_present("k", "2").changed; },
      [this] { return store.compare_and_set("k", "1", "2").changed; },
      [this] { return store.update("k", [](auto& value) { CHECK_FALSE(value); }).changed; },
      [this] { return store.transaction([](auto& t) { t.set("k", "2"), t.erase("k"); }).changed; },
  };
  for (std::size_t i = 0; i < accesses.size(); ++i) {
    CAPTURE(i);
    store.set("k", "1", 10ms);
    clock.advance(10ms);
    role.effects();
    CHECK(store.size() == 1);
    CHECK_FALSE(accesses[i]());
    CHECK(role.effects() == "DEL k");
    CHECK(store.size() == 0);
  }
}

TEST_CASE_FIXTURE(Streamed, "Store: a write over an expired key starts afresh") {
  const auto rewritten = [this](auto&& write, const char* effects) {
    store.set("k", "1", 10ms);
    clock.advance(10ms);
    role.effects();
    CHECK(write());
    CHECK(role.effects() == effects);
    CHECK(store.ttl("k") == TimeToLive{true, std::nullopt});
    CHECK(store.size() == 1);
  };
  rewritten([this] { return store.set("k", "2"); }, "SET k 2");
  rewritten([this] { return store.set_if_absent("k", "2"); }, "SET k 2");
  rewritten([this] { return store.increment("k"); }, "SET k 1");
  rewritten([this] { return store.update("k", [](auto& value) { value = "3"; }); }, "SET k 3");
  rewritten([this] { return store.set_many({{"k", "4"}}); }, "MSET k 4");
  rewritten([this] { return store.transaction([](auto& t) { t.increment("k"); }); }, "SET k 1");
}

TEST_CASE_FIXTURE(Streamed, "Store: a replica hides expired keys and deletes nothing") {
  store.set("k", "1", 10ms);
  clock.advance(10ms);
  for (const WriteMode mode : {WriteMode::read_only, WriteMode::local}) {
    role.gate->set(mode);
    role.effects();
    CHECK_FALSE(store.get("k"));
    CHECK_FALSE(store.get_many({"k"})[0]);
    store.for_each([](auto, auto) { FAIL("shown"); });
    CHECK(store.expire_due(1h) == 0);
    CHECK(store.size() == 1);
    CHECK(role.effects() == "");
  }
  CHECK_FALSE(store.erase("k"));  // a writable replica's own
  CHECK_FALSE(store.transaction([](auto& t) { t.set("k", "2"), t.erase("k"); }));
  CHECK(store.size() == 1);
  CHECK(database_of(store).read("k", Locks::take)->value == "1");  // live for the stream's commands
  role.gate->set(WriteMode::not_enough_replicas);  // a master still, if one that takes no writes
  CHECK_FALSE(store.get("k"));
  CHECK(store.size() == 0);
  CHECK(role.effects() == "DEL k");
}

TEST_CASE("Store: the DEL of an expired key names it through its codec") {
  ManualClock clock;
  replikv::Store<std::uint32_t, double> store{replikv::Clock(clock)};
  Role role(store);
  store.set_many({{7, 0.5}, {8, 0.5}});
  store.expire(7, 1s);
  store.expire(8, 1s);
  role.effects();
  clock.advance(1s);
  CHECK_FALSE(store.get(7));
  CHECK(role.effects() == "DEL 7");
  CHECK(store.expire_due(1h) == 1);
  CHECK(role.effects() == "DEL 8");
}

/// Set back by a second after the next look at it.
class CorrectedClock : public replikv::ClockSource {
 public:
  [[nodiscard]] replikv::WallTime now() const noexcept override {
    const auto seen = now_;
    if (std::exchange(corrects_, false)) now_ -= 1s;
    return seen;
  }
  void correct() { corrects_ = true; }
  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  mutable replikv::WallTime now_ = at_ms(start_ms);
  mutable bool corrects_ = false;
};

TEST_CASE("Store: a key is not deleted when the clock is set back to before its expiry") {
  CorrectedClock clock;
  Strings store{replikv::Clock(clock)};
  Role role(store);
  store.set("k", "1", 10ms);
  role.effects();
  clock.advance(10ms);
  clock.correct();
  CHECK_FALSE(store.get("k"));
  CHECK(role.effects() == "");
  CHECK(store.get("k") == "1");
}

TEST_CASE("Store: expire_due deletes what is due, in as many steps as it takes") {
  ManualClock clock;
  replikv::Store<std::string, std::string, SmallPolicy> store{replikv::Clock(clock)};
  Role role(store);
  Database& database = database_of(store);
  CHECK(database.next_expiry() == never);
  for (int i = 0; i < 500; ++i)
    store.set("k" + std::to_string(i), "", std::chrono::milliseconds(1 + i % 100));
  for (int i = 0; i < 100; ++i) store.set("stays" + std::to_string(i), "");
  CHECK(database.next_expiry() == at_ms(start_ms + 1));
  CHECK(database.expiring() == 500);
  CHECK(store.expire_due(0s) == 0);
  clock.advance(50ms);
  role.bytes_appended();
  std::size_t deleted = 0;
  int steps = 0;
  while (const std::size_t more = store.expire_due(0s)) {
    deleted += more;
    ++steps;
  }
  CHECK(deleted == 250);
  CHECK(steps > 1);  // no time at all is a segment at a time
  CHECK(store.size() == 350);
  CHECK(database.expiring() == 250);
  CHECK(database.next_expiry() == at_ms(start_ms + 51));
  std::size_t effects = 0;
  const std::string bytes = role.bytes_appended();
  for (std::size_t at = 0; (at = bytes.find("DEL", at)) != std::string::npos; ++at) ++effects;
  CHECK(effects == 250);
  clock.advance(1s);
  CHECK(store.expire_due(1h) == 250);
  CHECK(database.next_expiry() == never);
  CHECK(store.size() == 100);
}

TEST_CASE_FIXTURE(Fixture, "Store: the bound of the next expiry follows when an expiry is taken back") {
  store.set("k", "1", 10ms);
  store.persist("k");
  clock.advance(20ms);
  CHECK(store.expire_due(1h) == 0);
  CHECK(database_of(store).next_expiry() == never);
  CHECK(store.contains("k"));
}

// --- Waking the sender -----------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Streamed, "Store: the sender is woken once, when no lock is held") {
  int wakes = 0;
  role.stream->set_waker([&] {
    ++wakes;
    CHECK(store.contains("k"));
    store.set("from the waker", "1");
  });
  store.set("k", "1");
  CHECK(wakes == 1);
  store.set("k", "2");
  CHECK(wakes == 1);
  const std::vector<std::function<void()>> writes{
      [&] { store.erase("from the waker"); },
      [&] {
        store.set_many({{"k", "3"}});
      },
      [&] { store.transaction([](auto& t) { t.set("k", "4"); }); },
      [&] { store.clear(), store.set("k", "5"); },
  };
  for (const auto& write : writes) {
    role.stream->set_waker([&] { ++wakes, store.set("from the waker", "2"); });
    const int before = wakes;
    write();
    CHECK(wakes == before + 1);
  }
}

}  // namespace
