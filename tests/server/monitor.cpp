// MONITOR, SLOWLOG and LATENCY.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <tests/interop/eventually.hpp>
#include <tests/server/beside_clients.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using interop::eventually;
using served::BesideRedis;
using served::ClientOfBoth;
using served::Served;

/// A line of MONITOR without what differs: the time and the port.
std::string without_time_and_port(const std::string& line) {
  const std::size_t database = line.find('[');
  const std::size_t port = line.find(':', database);
  return line.substr(database, port - database) + line.substr(line.find(']', port));
}

TEST_CASE("MONITOR shows what redis-server shows") {
  BesideRedis both;
  ClientOfBoth monitor(both);
  both.same({"SET before 1", "PING"});
  monitor.same("MONITOR");
  for (const char* line : {"SET a \"x\\x00\\n\\r\\t\\\\\\\"\\xff~\"",
                           "GET a",
                           "SELECT 3",
                           "GET a",
                           "CLIENT PAUSE 0",
                           "CLIENT GETNAME",
                           "NOPE",
                           "GET",
                           "MULTI",
                           "SET b 1",
                           "CLIENT LIST",
                           "EXEC",
                           "AUTH secret",
                           "HELLO 2",
                           "HELLO 2 AUTH default secret SETNAME a",
                           "SLOWLOG LEN",
                           "PING",
                           "PUBLISH a b",
                           "RESET",
                           "ECHO end"}) {
    if (std::string_view(line) == "CLIENT LIST") continue;
    both.both(line);
  }
  std::string ours;
  do {
    const std::string line = monitor.ours().read_line();
    const std::string their_line = monitor.theirs().read_line();
    ours = without_time_and_port(line);
    CHECK(ours == without_time_and_port(their_line));
    CHECK(line.find('.') == their_line.find('.'));
    CHECK(line.find('[') == their_line.find('['));
  } while (ours.find("end") == std::string::npos);
}

TEST_CASE("a monitor may do other things, and RESET ends it") {
  BesideRedis both;
  ClientOfBoth monitor(both);
  monitor.same("MONITOR");
  monitor.send("PING");
  monitor.ours().read_line(), monitor.theirs().read_line();
  monitor.ours().read_line(), monitor.theirs().read_line();
  monitor.same("RESET");
  both.same("PING");
  monitor.same("ECHO alone");  // and nothing before it
}

TEST_CASE("a monitor that never reads is ended") {
  Served served({.output_limit = {1 << 20, 0, {}}});
  auto monitor = served.client();
  monitor.command("MONITOR");
  auto client = served.client();
  const std::string word(64'000, 'w');
  CHECK(eventually([&] {
    client.command("ECHO", word);
    return client.command("CLIENT", "LIST").text.find("flags=O") == std::string::npos;
  }));
}

TEST_CASE("SLOWLOG answers as in redis-server") {
  BesideRedis both;
  both.same({"SLOWLOG", "SLOWLOG NOPE", "SLOWLOG LEN", "SLOWLOG GET", "SLOWLOG GET -1", "SLOWLOG GET -2",
             "SLOWLOG GET x", "SLOWLOG GET 1 2", "SLOWLOG RESET", "SLOWLOG RESET x"});
}

TEST_CASE("slow commands are remembered, the latest first, cut to a bearable size") {
  Served served({.slowlog_slower_than = std::chrono::microseconds(0), .slowlog_entries_max = 3});
  auto client = served.client();
  client.command("CLIENT", "SETNAME", "me");
  client.command("ECHO", std::string(200, 'x'));
  std::vector<std::string> words{"WATCH"};
  for (int i = 0; i < 50; ++i) words.push_back("k" + std::to_string(i));
  client.add_words(words);
  client.flush();
  const auto log = client.command("SLOWLOG", "GET").items;
  REQUIRE(log.size() == 3);
  CHECK(log[0].items[3].items.size() == 32);
  CHECK(log[0].items[3].items[31].text == "... (20 more arguments)");
  CHECK(log[1].items[3].items[1].text == std::string(128, 'x') + "... (72 more bytes)");
  CHECK(log[0].items[0].number == log[1].items[0].number + 1);
  CHECK(log[0].items[4].text.starts_with("127.0.0.1:"));
  CHECK(log[0].items[5].text == "me");
  CHECK(client.command("SLOWLOG", "GET", 1).items.size() == 1);
  CHECK(client.command("SLOWLOG", "RESET").text == "OK");
  CHECK(client.command("SLOWLOG", "LEN").number == 1);  // the RESET itself
}

TEST_CASE("nothing is slow when that is switched off") {
  Served served({.slowlog_slower_than = std::chrono::microseconds(-1)});
  auto client = served.client();
  client.command("PING");
  CHECK(client.command("SLOWLOG", "LEN").number == 0);
}

TEST_CASE("LATENCY answers as in redis-server") {
  BesideRedis both;
  both.same({"LATENCY", "LATENCY NOPE", "LATENCY LATEST", "LATENCY HISTORY x", "LATENCY HISTORY",
             "LATENCY RESET", "LATENCY RESET a b", "LATENCY GRAPH x", "LATENCY HISTOGRAM nope",
             "LATENCY HISTOGRAM publish", "LATENCY LATEST x"});
  both.both("HELLO 3");
  both.same({"LATENCY HISTOGRAM nope", "LATENCY HISTOGRAM publish"});
}

TEST_CASE("LATENCY tells of commands that took longer than the threshold") {
  Served served({.latency_threshold = std::chrono::milliseconds(5)});
  served.endpoint.add({"crawl", 1, "", "", {}, [](replikv::server::Call& call) {
                         const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
                         while (std::chrono::steady_clock::now() < until) {
                         }
                         call.reply.ok();
                       }});
  auto client = served.client();
  CHECK(client.command("LATENCY", "LATEST").items.empty());
  client.command("CRAWL");
  const auto latest = client.command("LATENCY", "LATEST").items;
  REQUIRE(latest.size() == 1);
  CHECK(latest[0].items[0].text == "command");
  CHECK(latest[0].items[2].number >= 10);
  CHECK(latest[0].items[3].number == latest[0].items[2].number);
  CHECK(client.command("LATENCY", "HISTORY", "command").items.size() == 1);
  CHECK(client.command("LATENCY", "GRAPH", "command").text.find("ms") != std::string::npos);
  CHECK(client.command("LATENCY", "DOCTOR").text.find("command") != std::string::npos);
  CHECK(client.command("LATENCY", "RESET", "command").number == 1);
  CHECK(client.command("LATENCY", "LATEST").items.empty());
}

TEST_CASE("percentiles of times are at most a sixteenth above them") {
  replikv::detail::LatencyHistogram histogram;
  using std::chrono::nanoseconds;
  CHECK(histogram.percentile(50).count() == 0);
  CHECK(histogram.buckets() == 0);
  for (std::int64_t ns = 1; ns <= 1000; ++ns) histogram.add(nanoseconds(ns * 1000));
  CHECK(histogram.calls() == 1000);
  for (const double percent : {0.1, 1.0, 25.0, 50.0, 77.7, 99.0, 99.9, 100.0}) {
    CAPTURE(percent);
    const double exact = percent * 10'000;
    const auto told = static_cast<double>(histogram.percentile(percent).count());
    CHECK(told >= exact - 1000);
    CHECK(told <= exact * 17 / 16);
  }
  CHECK(histogram.percentile(0).count() <= 1000);
  CHECK(histogram.percentile(0).count() > 900);

  std::uint64_t calls = 0;
  std::uint64_t bound = 0;
  histogram.for_each([&](std::uint64_t microseconds, std::uint64_t so_far) {
    CHECK(microseconds > bound);
    CHECK(so_far > calls);
    CHECK(so_far <= microseconds);
    CHECK(so_far >=
          std::min<std::uint64_t>(microseconds - 1 - microseconds / 64, 1000));  // told in two digits
    bound = microseconds;
    calls = so_far;
  });
  CHECK(calls == 1000);
  CHECK(histogram.buckets() == 11);

  for (const std::int64_t extreme :
       {std::int64_t{-5}, std::int64_t{0}, std::int64_t{63}, std::int64_t{64}, std::int64_t{1023},
        std::int64_t{1024}, std::int64_t{2047}, std::int64_t{2048}, std::int64_t{1} << 40,
        std::numeric_limits<std::int64_t>::max()}) {
    histogram.clear();
    histogram.add(nanoseconds(extreme));
    const auto shown = histogram.percentile(100).count();
    CHECK(shown >= std::clamp<std::int64_t>(extreme, 0, (std::int64_t{1} << 40) - 1));
    CHECK(shown <= std::max<std::int64_t>(std::min(extreme, std::int64_t{1} << 40) / 16 * 17, 127));
    CHECK(histogram.buckets() == 1);
  }
}

/// "latency_percentiles_usec_get:p50=1.000,p99=2.000" as "latency_percentiles_usec_get:p50 p99 ".
std::string shape_of_latencies(const std::string& info, const std::string& command) {
  const std::string field = "latency_percentiles_usec_" + command + ":";
  const std::size_t at = info.find(field);
  if (at == std::string::npos) return {};
  std::istringstream values(info.substr(at + field.size(), info.find('\r', at) - at - field.size()));
  std::string shape = field;
  for (std::string value; std::getline(values, value, ',');) {
    const std::size_t sign = value.find('=');
    CHECK(value[value.size() - 4] == '.');
    CHECK(std::stod(value.substr(sign + 1)) > 0);
    shape += value.substr(0, sign) + " ";
  }
  return shape;
}

TEST_CASE("INFO latencystats tells percentiles of each command that was called, as redis-server does") {
  BesideRedis both;
  both.same({"GET a", "CONFIG GET latency-tracking", "LATENCY HISTOGRAM nope"});
  auto ours = both.ours().client();
  auto theirs = both.theirs().client();
  const auto same_shape = [&](const std::string& command) {
    const std::string shape = shape_of_latencies(ours.command("INFO", "latencystats").text, command);
    CHECK(shape == shape_of_latencies(theirs.command("INFO", "latencystats").text, command));
    return shape;
  };
  CHECK(same_shape("get") == "latency_percentiles_usec_get:p50 p99 p99.9 ");
  CHECK_FALSE(same_shape("config|get").empty());
  CHECK(same_shape("set").empty());
  both.same("CONFIG SET latency-tracking-info-percentiles \"0 100 50.123456789\"");
  CHECK(same_shape("get") == "latency_percentiles_usec_get:p0 p100 p50.123457 ");
  both.same("CONFIG SET latency-tracking-info-percentiles \"\"");
  CHECK(same_shape("get") == "latency_percentiles_usec_get:");
  both.same({"CONFIG SET latency-tracking no", "STRLEN a", "LATENCY HISTOGRAM strlen"});
  CHECK(same_shape("get").empty());
  both.same({"CONFIG SET latency-tracking yes", "LATENCY HISTOGRAM strlen", "CONFIG RESETSTAT",
             "LATENCY HISTOGRAM get"});
  CHECK(same_shape("get").empty());
}

TEST_CASE("LATENCY HISTOGRAM counts all calls, in buckets that grow") {
  Served served;
  auto client = served.client();
  for (int i = 0; i < 100; ++i) client.add("PING");
  client.flush();
  const auto histogram = client.command("LATENCY", "HISTOGRAM", "ping").items;
  REQUIRE(histogram.size() == 2);
  const auto& of_ping = histogram[1].items;
  CHECK(of_ping[1].number == 100);
  const auto& buckets = of_ping[3].items;
  REQUIRE(buckets.size() >= 2);
  CHECK(buckets.back().number == 100);
  for (std::size_t i = 2; i < buckets.size(); i += 2) CHECK(buckets[i].number > buckets[i - 2].number);
}

}  // namespace
