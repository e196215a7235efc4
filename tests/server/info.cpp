// INFO, as tools read it.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_client.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using interop::eventually;
using served::BesideRedis;
using served::Served;

using Fields = std::map<std::string, std::string>;

std::vector<std::string> info_lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 2;
  }
  return lines;
}

Fields fields_of(const std::string& text) {
  Fields fields;
  for (const std::string& line : info_lines_of(text)) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos && line[0] != '#') fields[line.substr(0, colon)] = line.substr(colon + 1);
  }
  return fields;
}

std::vector<std::string> titles_of(const std::string& text) {
  std::vector<std::string> titles;
  for (const std::string& line : info_lines_of(text)) {
    if (line.starts_with("# ")) titles.push_back(line);
  }
  return titles;
}

TEST_CASE("INFO shows the sections of redis-server, in its order, for each way to ask") {
  BesideRedis both;
  auto ours = both.ours().client();
  auto theirs = both.theirs().client();
  for (const std::vector<std::string>& asked : {std::vector<std::string>{"INFO"},
                                                {"INFO", "default"},
                                                {"INFO", "all"},
                                                {"INFO", "EVERYTHING"},
                                                {"INFO", "server"},
                                                {"INFO", "keyspace", "clients"},
                                                {"INFO", "nope"},
                                                {"INFO", "nope", "cpu"}}) {
    CAPTURE(asked.back());
    ours.add_words(asked), ours.send_pipeline();
    theirs.add_words(asked), theirs.send_pipeline();
    auto our_titles = titles_of(served::raw_reply(ours));
    auto their_titles = titles_of(served::raw_reply(theirs));
    std::erase(our_titles, "# Modules");  // which "all" leaves out
    std::erase(their_titles, "# Modules");
    CHECK(our_titles == their_titles);
  }
}

TEST_CASE("INFO has every field that redis-server has") {
  BesideRedis both;
  auto ours = fields_of(both.ours().client().command("INFO").text);
  const auto theirs = fields_of(both.theirs().client().command("INFO").text);
  const std::vector<std::string> without_counterpart{"gcc_version", "monotonic_clock", "multiplexing_api",
                                                     "atomicvar_api"};
  for (const auto& each : theirs) {
    const std::string& field = each.first;
    const bool is_left_out = std::find(without_counterpart.begin(), without_counterpart.end(), field) !=
                                 without_counterpart.end() ||
                             field.starts_with("used_memory_vm_") ||
                             field.starts_with("used_memory_scripts") || field == "used_memory_functions" ||
                             field.ends_with("_main_thread");
    if (is_left_out) continue;
    CAPTURE(field);
    CHECK(ours.contains(field));
  }
}

TEST_CASE("INFO counts what happens") {
  Served served;
  auto client = served.client();
  client.command("SET", "k", "v");
  client.command("GET", "k");
  client.command("GET", "nope");
  client.command("NOPE");
  client.command("SELECT", "3");
  client.command("SET", "k", "v");
  served.stores[3].set("later", "v", std::chrono::seconds(3650));
  const auto fields = fields_of(client.command("INFO", "everything").text);
  CHECK(fields.at("keyspace_hits") == "1");
  CHECK(fields.at("keyspace_misses") == "1");
  CHECK(fields.at("total_error_replies") == "1");
  CHECK(fields.at("errorstat_ERR") == "count=1");
  CHECK(fields.at("cmdstat_get").starts_with("calls=2,usec="));
  CHECK(fields.at("db0") == "keys=1,expires=0,avg_ttl=0");
  CHECK(fields.at("db3").starts_with("keys=2,expires=1,avg_ttl=36"));
  CHECK(fields.at("connected_clients") == "1");
  CHECK(fields.at("run_id").size() == 40);
  CHECK(fields.at("tcp_port") == std::to_string(served.port()));
  CHECK(fields.at("total_commands_processed") == "5");
  CHECK(fields.at("total_reads_processed") == "7");  // with the one that failed, and this one
  CHECK(fields.at("total_writes_processed") == "6");
  CHECK(std::stoull(fields.at("mem_clients_normal")) > 0);
  CHECK(fields.at("mem_clients_slaves") == "0");
  CHECK(std::stoull(fields.at("used_memory")) > 0);

  client.command("CONFIG", "RESETSTAT");
  const auto after = fields_of(client.command("INFO", "everything").text);
  CHECK(after.at("keyspace_hits") == "0");
  CHECK(after.at("total_error_replies") == "0");
  CHECK_FALSE(after.contains("cmdstat_get"));
  CHECK_FALSE(after.contains("errorstat_ERR"));
}

TEST_CASE("INFO counts what links to replicas and masters carry") {
  Served master;
  Served replica;
  auto at_master = master.client();
  auto at_replica = replica.client();
  const std::string value(100'000, 'v');
  CHECK(at_master.command("SET", "early", value).text == "OK");  // in the snapshot
  CHECK(at_replica.command("REPLICAOF", "127.0.0.1", std::to_string(master.port())).text == "OK");
  REQUIRE(eventually([&] { return at_replica.command("GET", "early").text == value; }));
  const auto stat = [](interop::RedisClient& client, const std::string& name) {
    return std::stoull(fields_of(client.command("INFO", "stats").text).at(name));
  };
  CHECK(stat(at_master, "total_net_repl_output_bytes") > 100'000);
  CHECK(stat(at_replica, "total_net_repl_input_bytes") > 100'000);
  CHECK(at_master.command("CONFIG", "RESETSTAT").text == "OK");
  CHECK(at_replica.command("CONFIG", "RESETSTAT").text == "OK");

  CHECK(at_master.command("SET", "late", value).text == "OK");  // in the stream
  REQUIRE(eventually([&] { return at_replica.command("GET", "late").text == value; }));
  for (const auto bytes :
       {stat(at_master, "total_net_repl_output_bytes"), stat(at_replica, "total_net_repl_input_bytes")}) {
    CHECK(bytes > 100'000);
    CHECK(bytes < 110'000);
  }
  CHECK(std::stoull(fields_of(at_master.command("INFO", "memory").text).at("mem_clients_slaves")) > 0);
  CHECK(stat(at_master, "total_net_repl_input_bytes") == 0);
  CHECK(stat(at_replica, "total_net_repl_output_bytes") == 0);
  CHECK(stat(at_master, "total_net_output_bytes") > 100'000);
  CHECK(stat(at_replica, "total_net_input_bytes") > 100'000);
  CHECK(eventually([&] {
    return fields_of(at_replica.command("INFO", "stats").text).at("instantaneous_input_repl_kbps") != "0.00";
  }));
}

TEST_CASE("INFO keyspace tells how long keys have left in the mean, as redis-server does") {
  BesideRedis both;
  for (int i = 0; i < 50; ++i) {
    both.same("SET brief" + std::to_string(i) + " v PX 100000");
    both.same("SET long" + std::to_string(i) + " v PX 300000");
    both.same("SET ever" + std::to_string(i) + " v");
  }
  auto ours = both.ours().client();
  auto theirs = both.theirs().client();
  const auto is_near = [](interop::RedisClient& client) {
    const std::string text = fields_of(client.command("INFO", "keyspace").text).at("db0");
    const double mean = std::stod(text.substr(text.rfind('=') + 1));
    return mean > 120'000 && mean < 280'000;
  };
  CHECK(is_near(ours));
  CHECK(eventually([&] { return is_near(theirs); }));  // it looks from time to time

  Served many;
  for (int i = 0; i < 20'000; ++i) many.stores[0].set("ever" + std::to_string(i), "v");
  for (int i = 0; i < 2000; ++i)
    many.stores[0].set("brief" + std::to_string(i), "v", std::chrono::seconds(10));
  many.stores[1].set("far", "v");
  auto client = many.client();
  CHECK(client.command("SELECT", "1").text == "OK");
  CHECK(client.command("PEXPIREAT", "far", "9000000000000").number == 1);
  const auto fields = fields_of(client.command("INFO", "keyspace").text);
  const std::string brief = fields.at("db0");
  CHECK(brief.starts_with("keys=22000,expires=2000,avg_ttl="));
  CHECK(std::stoll(brief.substr(brief.rfind('=') + 1)) > 5000);
  CHECK(std::stoll(brief.substr(brief.rfind('=') + 1)) <= 10'000);
  CHECK(fields.at("db1").starts_with("keys=1,expires=1,avg_ttl=7"));
}

TEST_CASE("INFO knows the largest request and the largest reply of the last seconds") {
  Served served;
  auto client = served.client();
  const auto most = [&client](const std::string& name) {
    return std::stoull(fields_of(client.command("INFO", "clients").text).at(name));
  };
  CHECK(most("client_recent_max_input_buffer") > 0);
  CHECK(most("client_recent_max_input_buffer") < 1000);
  CHECK(client.command("SET", "k", std::string(300'000, 'v')).text == "OK");
  const auto input = most("client_recent_max_input_buffer");
  CHECK(input > 60'000);  // it may have come in pieces
  CHECK(input < 400'000);
  CHECK(most("client_recent_max_output_buffer") < 300'000);
  CHECK(client.command("GET", "k").text.size() == 300'000);
  CHECK(most("client_recent_max_output_buffer") >= 300'000);

  replikv::detail::RecentPeak peak;
  replikv::TimePoint now{std::chrono::hours(1)};
  peak.pass(now);
  peak.note(7);
  peak.note(5);
  for (int second = 0; second < 7; ++second) {
    CHECK(peak.largest() == 7);
    peak.pass(now += std::chrono::seconds(1));
    peak.pass(now);
  }
  CHECK(peak.largest() == 7);
  peak.note(3);
  peak.pass(now += std::chrono::seconds(1));
  CHECK(peak.largest() == 3);
}

}  // namespace
