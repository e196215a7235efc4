// hiredis, the C library under many clients, at our endpoint: commands, pipelines, transactions, messages.
#include <doctest/doctest.h>

#include <cstddef>
#include <hiredis/hiredis.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/time.h>
#include <tests/server/served.hpp>

namespace hiredis {
namespace {

using served::Served;

struct Free {
  void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
  void operator()(redisContext* context) const noexcept { redisFree(context); }
};
using Reply = std::unique_ptr<redisReply, Free>;

class Connection {
 public:
  explicit Connection(const Served& served)
      : context_(redisConnectWithTimeout("127.0.0.1", served.port(), timeval{60, 0})) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("hiredis does not connect");
    redisSetTimeout(context_.get(), timeval{60, 0});
  }

  /// Sends one command, `%s` and `%b` filled in by hiredis, and waits for its reply.
  template <class... Arguments>
  Reply command(const char* format, Arguments... arguments) {
    return checked(redisCommand(context_.get(), format, arguments...));
  }
  template <class... Arguments>
  void append(const char* format, Arguments... arguments) {
    REQUIRE(redisAppendCommand(context_.get(), format, arguments...) == REDIS_OK);
  }
  Reply next() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) reply = nullptr;
    return checked(reply);
  }

 private:
  Reply checked(void* reply) {
    if (reply == nullptr) throw std::runtime_error(std::string("hiredis: ") + context_->errstr);
    return Reply(static_cast<redisReply*>(reply));
  }

  std::unique_ptr<redisContext, Free> context_;
};

std::string_view text(const Reply& reply) { return {reply->str, static_cast<std::size_t>(reply->len)}; }
std::string_view text(const Reply& reply, std::size_t item) {
  REQUIRE(item < reply->elements);
  return {reply->element[item]->str, static_cast<std::size_t>(reply->element[item]->len)};
}

TEST_CASE("hiredis gets every kind of reply from our endpoint") {
  const Served served;
  Connection connection(served);
  const auto pong = connection.command("PING");
  CHECK(pong->type == REDIS_REPLY_STATUS);
  CHECK(text(pong) == "PONG");

  const std::string value("\0\r\n\xff and more", 13);
  CHECK(text(connection.command("SET %s %b", "key", value.data(), value.size())) == "OK");
  const auto got = connection.command("GET %s", "key");
  CHECK(got->type == REDIS_REPLY_STRING);
  CHECK(text(got) == value);
  CHECK(connection.command("GET nothing")->type == REDIS_REPLY_NIL);

  const auto number = connection.command("INCRBY %s %lld", "counter", 1LL << 40);
  CHECK(number->type == REDIS_REPLY_INTEGER);
  CHECK(number->integer == 1LL << 40);

  const auto error = connection.command("INCR key");
  CHECK(error->type == REDIS_REPLY_ERROR);
  CHECK(text(error) == "ERR value is not an integer or out of range");

  const auto many = connection.command("MGET key nothing counter");
  CHECK(many->type == REDIS_REPLY_ARRAY);
  REQUIRE(many->elements == 3);
  CHECK(text(many, 0) == value);
  CHECK(many->element[1]->type == REDIS_REPLY_NIL);

  const std::string large(5'000'000, 'v');
  CHECK(text(connection.command("SET large %b", large.data(), large.size())) == "OK");
  CHECK(text(connection.command("GET large")) == large);
}

TEST_CASE("hiredis gets the replies of a pipeline in order") {
  const Served served;
  Connection connection(served);
  const int count = 5000;
  for (int i = 0; i < count; ++i) {
    connection.append("SET key:%d %d", i, i);
    connection.append("GET key:%d", i);
  }
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    if (text(connection.next()) != "OK") ++wrong;
    if (text(connection.next()) != std::to_string(i)) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("hiredis runs transactions at our endpoint, and is told when a watched key has changed") {
  const Served served;
  Connection connection(served);
  Connection other(served);
  CHECK(text(connection.command("WATCH key")) == "OK");
  CHECK(text(connection.command("MULTI")) == "OK");
  CHECK(text(connection.command("SET key mine")) == "QUEUED");
  CHECK(text(connection.command("MGET key other")) == "QUEUED");
  const auto done = connection.command("EXEC");
  REQUIRE(done->elements == 2);
  CHECK(text(done, 0) == "OK");
  REQUIRE(done->element[1]->elements == 2);
  CHECK(std::string_view(done->element[1]->element[0]->str) == "mine");

  CHECK(text(connection.command("WATCH key")) == "OK");
  CHECK(text(other.command("SET key theirs")) == "OK");
  CHECK(text(connection.command("MULTI")) == "OK");
  CHECK(text(connection.command("SET key mine")) == "QUEUED");
  CHECK(connection.command("EXEC")->type == REDIS_REPLY_NIL);
  CHECK(text(connection.command("GET key")) == "theirs");
}

TEST_CASE("hiredis hears what others publish") {
  const Served served;
  Connection listener(served);
  Connection speaker(served);
  const auto subscribed = listener.command("SUBSCRIBE news");
  REQUIRE(subscribed->elements == 3);
  CHECK(text(subscribed, 0) == "subscribe");
  for (int i = 0; i < 100; ++i) CHECK(speaker.command("PUBLISH news %d", i)->integer == 1);
  for (int i = 0; i < 100; ++i) {
    const auto message = listener.next();
    CHECK(text(message, 0) == "message");
    CHECK(text(message, 2) == std::to_string(i));
  }
  CHECK(text(listener.command("UNSUBSCRIBE"), 0) == "unsubscribe");
  CHECK(text(listener.command("PING")) == "PONG");
}

TEST_CASE("hiredis walks over all keys and logs in") {
  replikv::EndpointOptions options;
  options.password = "secret";
  const Served served(options);
  Connection connection(served);
  CHECK(text(connection.command("GET key")) == "NOAUTH Authentication required.");
  CHECK(text(connection.command("AUTH wrong")).starts_with("WRONGPASS"));
  CHECK(text(connection.command("AUTH %s %s", "default", "secret")) == "OK");
  for (int i = 0; i < 1000; ++i) connection.append("SET key:%d v", i);
  for (int i = 0; i < 1000; ++i) connection.next();
  std::size_t found = 0;
  std::string cursor = "0";
  do {
    const auto page = connection.command("SCAN %s COUNT 50", cursor.c_str());
    REQUIRE(page->elements == 2);
    cursor = text(page, 0);
    found += page->element[1]->elements;
  } while (cursor != "0");
  CHECK(found == 1000);
}

}  // namespace
}  // namespace hiredis
