// What COMMAND tells of the key commands: arity, flags, places of keys, categories, as redis-server has them.
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/all.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/redis_server.hpp>

namespace {

using replikv::detail::CommandTable;

[[nodiscard]] std::set<std::string> words_in(std::string_view text) {
  std::set<std::string> words;
  replikv::detail::for_each_word(text, [&words](std::string_view word) { words.emplace(word); });
  return words;
}

/// Without those that follow from flags.
[[nodiscard]] std::set<std::string> chosen(std::set<std::string> categories,
                                           const std::set<std::string>& flags) {
  for (const char* derived : {"read", "write", "fast", "slow"}) categories.erase(derived);
  if (flags.contains("admin")) categories.erase("admin"), categories.erase("dangerous");
  return categories;
}

TEST_CASE("redis-server tells the same facts of every key command") {
  CommandTable table;
  replikv::server::commands::add_all(table);
  interop::RedisServer redis;
  auto client = redis.client();
  for (const std::string_view name : {"del",
                                      "unlink",
                                      "exists",
                                      "touch",
                                      "type",
                                      "keys",
                                      "scan",
                                      "randomkey",
                                      "dbsize",
                                      "rename",
                                      "renamenx",
                                      "copy",
                                      "move",
                                      "swapdb",
                                      "flushdb",
                                      "flushall",
                                      "expire",
                                      "pexpire",
                                      "expireat",
                                      "pexpireat",
                                      "ttl",
                                      "pttl",
                                      "expiretime",
                                      "pexpiretime",
                                      "persist",
                                      "object",
                                      "object|encoding",
                                      "object|freq",
                                      "object|idletime",
                                      "object|refcount",
                                      "object|help",
                                      "dump",
                                      "restore",
                                      "restore-asking",
                                      "sort",
                                      "sort_ro",
                                      "memory",
                                      "memory|usage",
                                      "memory|help",
                                      "debug",
                                      "time",
                                      "lolwut",
                                      "lastsave"}) {
    INFO(std::string(name));
    auto* const ours = table.find(name);
    REQUIRE(ours != nullptr);
    const auto theirs = client.command("COMMAND", "INFO", name).items.at(0).items;
    std::set<std::string> flags;
    for (const auto& flag : theirs.at(2).items) flags.insert(flag.text);
    std::set<std::string> categories;
    for (const auto& category : theirs.at(6).items) categories.insert(category.text.substr(1));
    CHECK(ours->command.arity == theirs.at(1).number);
    CHECK(words_in(ours->command.flags) == flags);
    CHECK(ours->command.keys.first == theirs.at(3).number);
    CHECK(ours->command.keys.last == theirs.at(4).number);
    CHECK(ours->command.keys.step == theirs.at(5).number);
    CHECK(chosen(words_in(ours->command.categories), flags) == chosen(categories, flags));
  }
}

TEST_CASE("SORT's keys are what is sorted and where it is stored") {
  CommandTable table;
  replikv::server::commands::add_all(table);
  const auto& find_keys = table.find("sort")->command.find_keys;
  using Words = std::vector<std::string_view>;
  CHECK(find_keys(Words{"SORT", "a"}) == Words{"a"});
  CHECK(find_keys(Words{"SORT", "a", "BY", "store", "LIMIT", "0", "1", "STORE", "b", "GET", "store"}) ==
        Words{"a", "b"});
  CHECK(find_keys(Words{"SORT", "a", "STORE", "b", "STORE", "c"}) == Words{"a", "c"});
  CHECK(find_keys(Words{"SORT", "a", "STORE"}) == Words{"a"});
  CHECK(find_keys(Words{"SORT", "a", "LIMIT"}) == Words{"a"});
}

}  // namespace
