// INFO, as tools read it.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

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
  served.stores[3].set("later", "v", std::chrono::hours(1));
  const auto fields = fields_of(client.command("INFO", "everything").text);
  CHECK(fields.at("keyspace_hits") == "1");
  CHECK(fields.at("keyspace_misses") == "1");
  CHECK(fields.at("total_error_replies") == "1");
  CHECK(fields.at("errorstat_ERR") == "count=1");
  CHECK(fields.at("cmdstat_get").starts_with("calls=2,usec="));
  CHECK(fields.at("db0") == "keys=1,expires=0,avg_ttl=0");
  CHECK(fields.at("db3") == "keys=2,expires=1,avg_ttl=0");
  CHECK(fields.at("connected_clients") == "1");
  CHECK(fields.at("run_id").size() == 40);
  CHECK(fields.at("tcp_port") == std::to_string(served.port()));
  CHECK(fields.at("total_commands_processed") == "5");
  CHECK(std::stoull(fields.at("used_memory")) > 0);

  client.command("CONFIG", "RESETSTAT");
  const auto after = fields_of(client.command("INFO", "everything").text);
  CHECK(after.at("keyspace_hits") == "0");
  CHECK(after.at("total_error_replies") == "0");
  CHECK_FALSE(after.contains("cmdstat_get"));
  CHECK_FALSE(after.contains("errorstat_ERR"));
}

}  // namespace
