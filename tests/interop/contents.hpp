// What a server and what a store hold, key by key: values and the millisecond at which each key expires.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <tests/interop/nodes.hpp>
#include <vector>

namespace interop {

struct Item {
  std::string value;
  std::int64_t expires_at_ms = -1;  ///< -1: never

  friend bool operator==(const Item&, const Item&) = default;
};

using Contents = std::map<std::string, Item>;

/// All strings of one database of a server.
[[nodiscard]] inline Contents contents(RedisClient& server, std::size_t database = 0) {
  Contents all;
  server.command("SELECT", database);
  std::string cursor = "0";
  do {
    const Reply page = server.command("SCAN", cursor, "COUNT", 1000, "TYPE", "string");
    REQUIRE(page.items.size() == 2);
    cursor = page.items[0].text;
    const auto& keys = page.items[1].items;
    for (const Reply& key : keys) {
      server.add("GET", key.text);
      server.add("PEXPIRETIME", key.text);
    }
    const auto answers = server.flush();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Reply& value = answers[2 * i];
      const std::int64_t expires_at_ms = answers[2 * i + 1].number;
      const bool has_gone = expires_at_ms == -2;  // it expired between the two questions
      if (value.kind == Reply::Kind::bulk && !has_gone) all[keys[i].text] = {value.text, expires_at_ms};
    }
  } while (cursor != "0");
  return all;
}

/// All keys of one of our stores.
[[nodiscard]] inline Contents contents(Databases& data, std::size_t database = 0) {
  Contents all;
  data.clock.stop();
  const WallTime now = data.clock.now();
  data[database].for_each(
      [&all](std::string_view key, std::string_view value) { all.emplace(key, Item{std::string(value)}); });
  for (auto at = all.begin(); at != all.end();) {
    const auto ttl = data[database].ttl(at->first);
    if (ttl.left) at->second.expires_at_ms = (now + *ttl.left).time_since_epoch().count();
    // Gone: the master's DEL has come since; without this the key would seem to live for ever.
    at = ttl.key_exists ? std::next(at) : all.erase(at);
  }
  data.clock.go_on();
  return all;
}

namespace detail {

[[nodiscard]] inline std::string shown(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes.substr(0, 40)) out += c >= 0x20 && c < 0x7f ? c : '.';
  return out + (bytes.size() > 40 ? "\"... of " + std::to_string(bytes.size()) + " bytes" : "\"");
}

[[nodiscard]] inline std::string shown(const Contents& all, const std::string& key) {
  const auto found = all.find(key);
  if (found == all.end()) return "nothing";
  return shown(found->second.value) + " until " + std::to_string(found->second.expires_at_ms);
}

}  // namespace detail

/// The first few keys that differ, for people to read; empty when there are none.
[[nodiscard]] inline std::string difference(const Contents& left, const Contents& right) {
  if (left == right) return {};
  std::vector<std::string> keys;
  for (const auto& [key, item] : left) {
    if (const auto other = right.find(key); other == right.end() || !(other->second == item))
      keys.push_back(key);
  }
  for (const auto& [key, item] : right) {
    if (!left.contains(key)) keys.push_back(key);
  }
  std::string out = std::to_string(left.size()) + " keys and " + std::to_string(right.size()) + "; " +
                    std::to_string(keys.size()) + " differ:";
  for (std::size_t i = 0; i < keys.size() && i < 8; ++i) {
    out += "\n  " + detail::shown(keys[i]) + ": " + detail::shown(left, keys[i]) + " and " +
           detail::shown(right, keys[i]);
  }
  return out;
}

/// The difference between two sides that are at rest. Keys that expired meanwhile are left out: they may have
/// been there when one side was looked at, and gone at the other.
template <class Left, class Right>
[[nodiscard]] std::string lasting_difference(Left& left, Right& right, std::size_t database = 0) {
  Contents here = contents(left, database);
  Contents there = contents(right, database);
  const std::int64_t now = Clock().now().time_since_epoch().count();
  const auto has_expired = [now](const Contents::value_type& each) {
    return each.second.expires_at_ms >= 0 && each.second.expires_at_ms <= now;
  };
  std::erase_if(here, has_expired);
  std::erase_if(there, has_expired);
  return difference(here, there);
}

}  // namespace interop
