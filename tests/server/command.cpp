// COMMAND, beside what a redis-server answers: clients and proxies read from it how to call, and whom.
#include <replikv/server/detail/command_catalogue.hpp>
#include <replikv/server/detail/command_hints.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/all.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tests/interop/redis_client.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using interop::RedisClient;
using served::BesideRedis;
using served::Served;

/// A reply of RESP3, in which lists, sets and maps can be told apart.
struct Tree {
  char type = '_';
  std::string text;
  std::vector<Tree> items;  // of a map: names and values, in turn

  [[nodiscard]] const Tree* find(std::string_view name) const {
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i].text == name) return &items[i + 1];
    }
    return nullptr;
  }
  [[nodiscard]] std::string text_of(std::string_view name) const {
    const Tree* const found = find(name);
    return found == nullptr ? "(none)" : found->text;
  }
  /// Without these members of maps, here and below.
  void forget(const std::set<std::string>& names) {
    for (std::size_t i = 0; type == '%' && i < items.size();) {
      const auto at = items.begin() + static_cast<std::ptrdiff_t>(i);
      names.contains(at->text) ? static_cast<void>(items.erase(at, at + 2)) : static_cast<void>(i += 2);
    }
    for (Tree& item : items) item.forget(names);
  }
  /// Likewise, below one member only.
  void forget_in(std::string_view name, const std::set<std::string>& names) {
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i].text == name) items[i + 1].forget(names);
    }
  }
  /// Everything, a member a line.
  [[nodiscard]] std::string everything(const std::string& indent = "") const {
    std::string all = type + text + "\n";
    for (std::size_t i = 0; i < items.size(); ++i) {
      all += indent + (type == '%' && i % 2 == 1 ? "    = " : "  ") + items[i].everything(indent + "  ");
    }
    return all;
  }
};

Tree read_tree(RedisClient& client) {
  const std::string line = client.read_line();
  Tree tree{line.at(0), {}, {}};
  const std::string rest = line.substr(1);
  if (tree.type == '$') {
    tree.text = client.read_bytes(std::stoul(rest) + 2);
    tree.text.resize(tree.text.size() - 2);
  } else if (tree.type == '*' || tree.type == '~' || tree.type == '%') {
    for (std::size_t i = 0, size = std::stoul(rest) * (tree.type == '%' ? 2 : 1); i < size; ++i) {
      tree.items.push_back(read_tree(client));
    }
  } else {
    tree.text = rest;
  }
  return tree;
}

Tree ask(RedisClient& client, const std::vector<std::string>& words) {
  client.add_words(words);
  client.send_pipeline();
  return read_tree(client);
}

/// Clients of an endpoint and a redis-server, both with RESP3; and all that the endpoint has.
struct Asked {
  Asked() {
    for (RedisClient* client : {&ours, &theirs}) (void)ask(*client, {"HELLO", "3"});
    for (const auto& line :
         {Words{"COMMAND", "LIST"}, Words{"COMMAND", "LIST", "FILTERBY", "PATTERN", "*|*"}}) {
      for (const Tree& name : ask(ours, line).items) names.push_back(name.text);
    }
    REQUIRE(names.size() > 150);
  }

  using Words = std::vector<std::string>;

  BesideRedis both;
  RedisClient ours = both.ours().client();
  RedisClient theirs = both.theirs().client();
  Words names;
};

/// Of Redis 7.2: clients send it to whatever server they find.
constexpr std::string_view newer = "client|setinfo";

TEST_CASE("COMMAND refuses what redis-server refuses, and finds the same keys") {
  BesideRedis both;
  for (const std::string_view version : {"HELLO 2", "HELLO 3"}) {
    both.both(version);
    both.same({"COMMAND NOPE",
               "COMMAND COUNT x",
               "COMMAND INFO nope",
               "COMMAND INFO nope config|nope set|x",
               "COMMAND GETKEYS",
               "COMMAND GETKEYS SET",
               "COMMAND GETKEYS NOPE a",
               "COMMAND GETKEYS GET a",
               "COMMAND GETKEYS SET a b",
               "COMMAND GETKEYS GET",
               "COMMAND GETKEYS PING x",
               "COMMAND GETKEYS GET a b c",
               "COMMAND GETKEYS SSUBSCRIBE a",
               "COMMAND GETKEYS MSET a 1 b 2",
               "COMMAND GETKEYS OBJECT ENCODING a",
               "COMMAND GETKEYSANDFLAGS NOPE a",
               "COMMAND GETKEYSANDFLAGS GET a",
               "COMMAND GETKEYSANDFLAGS PING a",
               "COMMAND GETKEYSANDFLAGS SPUBLISH a b",
               "COMMAND GETKEYSANDFLAGS SET a b",
               "COMMAND GETKEYSANDFLAGS SET a b EX 1 gEt",
               "COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0",
               "COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0 SET u8 0 1",
               "COMMAND GETKEYSANDFLAGS BITOP not a b",
               "COMMAND GETKEYSANDFLAGS BITOP and a b c d",
               "COMMAND GETKEYSANDFLAGS RENAME a b",
               "COMMAND GETKEYSANDFLAGS COPY a b",
               "COMMAND GETKEYSANDFLAGS DEL a b c",
               "COMMAND GETKEYSANDFLAGS MSET a 1 b 2",
               "COMMAND GETKEYSANDFLAGS LCS a b",
               "COMMAND GETKEYSANDFLAGS SORT a",
               "COMMAND GETKEYSANDFLAGS SORT a BY x STORE b",
               "COMMAND GETKEYSANDFLAGS SORT_RO a BY x",
               "COMMAND GETKEYSANDFLAGS OBJECT ENCODING a",
               "COMMAND GETKEYSANDFLAGS MEMORY USAGE a",
               "COMMAND LIST FILTERBY",
               "COMMAND LIST x",
               "COMMAND LIST FILTERBY nope a",
               "COMMAND LIST FILTERBY MODULE nope",
               "COMMAND LIST FILTERBY ACLCAT nope",
               "COMMAND LIST FILTERBY PATTERN replicao*",
               "COMMAND LIST FILTERBY PATTERN NOPE*",
               "COMMAND HELP",
               "COMMAND DOCS nope",
               "COMMAND DOCS config|nope"});
  }
}

TEST_CASE("COMMAND LIST filters by category and by pattern as redis-server does") {
  Asked asked;
  const std::set<std::string> known(asked.names.begin(), asked.names.end());
  for (const std::string_view category : replikv::detail::category_names) {
    CAPTURE(std::string(category));
    const Asked::Words line{"COMMAND", "LIST", "FILTERBY", "ACLCAT", std::string(category)};
    std::set<std::string> ours, theirs;
    for (const Tree& name : ask(asked.ours, line).items) ours.insert(name.text);
    for (const Tree& name : ask(asked.theirs, line).items) {
      if (known.contains(name.text)) theirs.insert(name.text);
    }
    ours.erase(std::string(newer));
    CHECK(ours == theirs);
  }
}

TEST_CASE("COMMAND INFO tells of every command what redis-server tells, but for notes for people") {
  Asked asked;
  for (const std::string& name : asked.names) {
    CAPTURE(name);
    Tree mine = ask(asked.ours, {"COMMAND", "INFO", name}).items.at(0);
    if (name == newer) {
      CHECK(mine.items.at(0).text == name);
      continue;
    }
    Tree its = ask(asked.theirs, {"COMMAND", "INFO", name}).items.at(0);
    its.forget({"notes"});
    // Parts are asked for one by one; here may be fewer of them, and Redis has them in no order.
    std::set<std::string> parts, their_parts{std::string(newer)};
    for (const Tree& part : mine.items.at(9).items) parts.insert(part.items.at(0).text);
    for (const Tree& part : its.items.at(9).items) their_parts.insert(part.items.at(0).text);
    CHECK(std::includes(their_parts.begin(), their_parts.end(), parts.begin(), parts.end()));
    CHECK(parts.empty() == its.items.at(9).items.empty());
    mine.items.at(9).items.clear(), its.items.at(9).items.clear();
    CHECK(mine.everything() == its.everything());
  }
}

/// What a complexity begins with: "O(N)" of "O(N) with N keys".
std::string first_term(const std::string& complexity) {
  std::size_t open = 0;
  for (std::size_t i = 0; i < complexity.size(); ++i) {
    if (complexity[i] == '(') ++open;
    if (complexity[i] == ')' && --open == 0) return complexity.substr(0, i + 1);
  }
  return complexity.substr(0, complexity.find(' '));
}

TEST_CASE("COMMAND DOCS describes every command's arguments as redis-server does") {
  Asked asked;
  for (const std::string& name : asked.names) {
    CAPTURE(name);
    const Tree reply = ask(asked.ours, {"COMMAND", "DOCS", name});
    REQUIRE(reply.items.size() == 2);
    CHECK(reply.items[0].text == name);
    Tree mine = reply.items[1];
    CHECK(mine.text_of("summary").size() > 10);
    CHECK(mine.text_of("summary").back() != '.');
    if (name == newer) {
      CHECK(mine.text_of("since") == "7.2.0");
      continue;
    }
    Tree its = ask(asked.theirs, {"COMMAND", "DOCS", name}).items.at(1);
    CHECK(mine.text_of("summary") != its.text_of("summary"));  // our own words
    CHECK(first_term(mine.text_of("complexity")) == first_term(its.text_of("complexity")));
    // Words for people are each server's own; how arguments came to be is told by Redis' documentation. Parts
    // are asked for one by one.
    mine.forget({"summary", "complexity", "subcommands"});
    its.forget({"summary", "complexity", "subcommands", "history"});
    its.forget_in("arguments", {"since", "deprecated_since"});
    CHECK(mine.everything() == its.everything());
  }
}

TEST_CASE("COMMAND DOCS of a container describes its subcommands, and of nothing everything") {
  Asked asked;
  const Tree config = ask(asked.ours, {"COMMAND", "DOCS", "CONFIG"});
  const Tree* const parts = config.items.at(1).find("subcommands");
  REQUIRE(parts != nullptr);
  const Tree part = ask(asked.ours, {"COMMAND", "DOCS", "config|SET"});
  REQUIRE(parts->find("config|set") != nullptr);
  CHECK(parts->find("config|set")->everything() == part.items.at(1).everything());
  CHECK(ask(asked.ours, {"COMMAND", "DOCS", "get", "nope", "get"}).items.size() == 4);
  const std::string count = ask(asked.ours, {"COMMAND", "COUNT"}).text;
  CHECK(ask(asked.ours, {"COMMAND", "DOCS"}).items.size() == 2 * std::stoul(count));
}

TEST_CASE("An application's command is described in its own words") {
  Served served;
  const auto nothing = [](replikv::server::Call& call) { call.reply.ok(); };
  served.endpoint.add({"plain", 2, "readonly", "string", {1, 1, 1}, nothing});
  served.endpoint.add({"told",
                       -2,
                       "readonly",
                       "string",
                       {1, 1, 1},
                       nothing,
                       {},
                       "Tells all of a key",
                       "key [COUNT count] (field value)..."});
  served.endpoint.add(
      {"get", 2, "readonly", "string", {1, 1, 1}, nothing, {}, "Gets it from the application"});
  auto client = served.client();
  (void)ask(client, {"HELLO", "3"});
  const Tree told = ask(client, {"COMMAND", "DOCS", "told"}).items.at(1);
  CHECK(told.text_of("summary") == "Tells all of a key");
  CHECK(told.text_of("group") == "module");
  CHECK(told.text_of("since") == "(none)");
  REQUIRE(told.find("arguments") != nullptr);
  CHECK(told.find("arguments")->items.size() == 3);
  CHECK(told.find("arguments")->items.at(1).text_of("token") == "COUNT");
  const Tree plain = ask(client, {"COMMAND", "DOCS", "plain"}).items.at(1);
  CHECK(plain.text_of("summary").empty());
  CHECK(plain.find("arguments") == nullptr);
  const Tree get = ask(client, {"COMMAND", "DOCS", "get"}).items.at(1);
  CHECK(get.text_of("summary") == "Gets it from the application");
  CHECK_THROWS_AS(served.endpoint.add({"bad", 2, "readonly", "", {}, nothing, {}, "Is wrong", "key [COUNT"}),
                  std::invalid_argument);
  CHECK(ask(client, {"COMMAND", "DOCS", "bad"}).items.empty());
}

TEST_CASE("COMMAND and COMMAND INFO tell of all commands") {
  Served served;
  auto client = served.client();
  const auto count = client.command("COMMAND", "COUNT").number;
  CHECK(client.command("COMMAND").items.size() == static_cast<std::size_t>(count));
  CHECK(client.command("COMMAND", "INFO").items.size() == static_cast<std::size_t>(count));
  CHECK(client.command("COMMAND", "LIST").items.size() == static_cast<std::size_t>(count));
}

TEST_CASE("What COMMAND tells of a command's keys is what rules of access demand for them") {
  replikv::detail::CommandTable table;
  replikv::server::commands::add_all(table);
  const auto access = [](std::string_view use) {
    const bool reads = use.find("access") != std::string_view::npos;
    const bool writes = use.find("update") != std::string_view::npos ||
                        use.find("insert") != std::string_view::npos ||
                        use.find("delete") != std::string_view::npos;
    return static_cast<replikv::detail::KeyAccess>((reads ? 1 : 0) | (writes ? 2 : 0));
  };
  for (const auto& each : table.all()) {
    if (each.command.keys.first == 0) continue;
    CAPTURE(each.command.name);
    const auto uses = replikv::server::commands::key_uses(each);
    CHECK((table.index()[each.number].first_key == access(uses.front())));
    CHECK((table.index()[each.number].other_keys == access(uses.back())));
  }
}

}  // namespace
