// The same commands to an endpoint and to a redis-server, whose replies must be the same, byte for byte.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/served.hpp>
#include <utility>
#include <vector>

namespace served {

/// The bytes of one reply, RESP2 or RESP3.
[[nodiscard]] inline std::string raw_reply(interop::RedisClient& client) {
  const std::string line = client.read_line();
  std::string raw = line + "\r\n";
  const char type = line.empty() ? '\0' : line[0];
  const auto size = [&line] { return std::stoll(line.substr(1)); };
  if (type == '$' || type == '=' || type == '!') {
    if (size() >= 0) raw += client.read_bytes(static_cast<std::size_t>(size()) + 2);
  } else if (type == '*' || type == '~' || type == '>' || type == '%') {
    for (long long i = 0, count = size() * (type == '%' ? 2 : 1); i < count; ++i) raw += raw_reply(client);
  }
  return raw;
}

/// An inline line's words, quoted as redis-cli has them: `SET k "a\x00b"`.
[[nodiscard]] inline std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    if (line.front() == ' ') {
      line.remove_prefix(1);
      continue;
    }
    std::string word;
    if (line.front() == '"') {
      std::size_t i = 1;
      for (; line[i] != '"'; ++i) {
        if (line[i] == '\\' && line[i + 1] == 'x') {
          word.push_back(static_cast<char>(std::stoi(std::string(line.substr(i + 2, 2)), nullptr, 16)));
          i += 3;
        } else if (line[i] == '\\') {
          word.push_back(line[++i]);
        } else {
          word.push_back(line[i]);
        }
      }
      line.remove_prefix(i + 1);
    } else {
      word = line.substr(0, line.find(' '));
      line.remove_prefix(word.size());
    }
    words.push_back(std::move(word));
  }
  return words;
}

/// One client of each. `same("SET k v")` checks that both answer alike; the reply is returned.
class BesideRedis {
 public:
  explicit BesideRedis(replikv::EndpointOptions options = {}, std::vector<std::string> redis_options = {})
      : ours_(std::move(options)),
        theirs_(std::move(redis_options)),
        our_client_(ours_.client()),
        their_client_(theirs_.client()) {}

  std::string same(std::string_view line) {
    const auto [our_reply, their_reply] = both(line);
    INFO(std::string(line));
    CHECK(our_reply == their_reply);
    return our_reply;
  }
  void same(const std::vector<std::string_view>& lines) {
    for (const std::string_view line : lines) same(line);
  }
  void same(std::initializer_list<std::string_view> lines) { same(std::vector(lines)); }  // also of two

  /// What each answers, where that may differ.
  std::pair<std::string, std::string> both(std::string_view line) {
    return both(words_of(line));
  }
  std::pair<std::string, std::string> both(const std::vector<std::string>& words) {
    for (interop::RedisClient* client : {&our_client_, &their_client_}) {
      client->add_words(words);
      client->send_pipeline();
    }
    std::string ours = raw_reply(our_client_);
    return {std::move(ours), raw_reply(their_client_)};
  }

  [[nodiscard]] Served& ours() noexcept { return ours_; }
  [[nodiscard]] interop::RedisServer& theirs() noexcept { return theirs_; }

 private:
  Served ours_;
  interop::RedisServer theirs_;
  interop::RedisClient our_client_;
  interop::RedisClient their_client_;
};

}  // namespace served
