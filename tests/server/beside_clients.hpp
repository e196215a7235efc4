// More clients of both servers of a comparison, where one is not enough.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <tests/interop/redis_client.hpp>
#include <tests/server/beside_redis.hpp>
#include <vector>

namespace served {

/// A client of ours and one of theirs, which are told the same.
class ClientOfBoth {
 public:
  explicit ClientOfBoth(BesideRedis& both) : ours_(both.ours().client()), theirs_(both.theirs().client()) {}

  void send(std::string_view line) {
    const auto words = words_of(line);
    for (interop::RedisClient* client : {&ours_, &theirs_}) {
      client->add_words(words);
      client->send_pipeline();
    }
  }

  /// The next reply, or message, which must be the same.
  std::string next() {
    const std::string our_reply = raw_reply(ours_);
    CHECK(our_reply == raw_reply(theirs_));
    return our_reply;
  }

  /// The same for so many at once, in whatever order each server sends them.
  void next_of_each(std::size_t count) {
    std::vector<std::string> our_replies;
    std::vector<std::string> their_replies;
    for (std::size_t i = 0; i < count; ++i) {
      our_replies.push_back(raw_reply(ours_));
      their_replies.push_back(raw_reply(theirs_));
    }
    std::sort(our_replies.begin(), our_replies.end());
    std::sort(their_replies.begin(), their_replies.end());
    CHECK(our_replies == their_replies);
  }

  /// From now on RESP3.
  void both_hello() {
    for (interop::RedisClient* client : {&ours_, &theirs_}) {
      client->add("HELLO", "3");
      client->send_pipeline();
      static_cast<void>(raw_reply(*client));
    }
  }

  std::string same(std::string_view line) {
    INFO(std::string(line));
    send(line);
    return next();
  }
  void same(std::initializer_list<std::string_view> lines) {
    for (const std::string_view line : lines) same(line);
  }

  [[nodiscard]] interop::RedisClient& ours() noexcept { return ours_; }
  [[nodiscard]] interop::RedisClient& theirs() noexcept { return theirs_; }

 private:
  interop::RedisClient ours_;
  interop::RedisClient theirs_;
};

}  // namespace served
