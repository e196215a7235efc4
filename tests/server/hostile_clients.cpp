// Clients that send too much, too slowly, the wrong thing, or never read: each costs a bounded amount, and
// the others are served as ever.
#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <stdexcept>
#include <string>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_client.hpp>
#include <tests/server/served.hpp>

namespace {

using namespace std::chrono_literals;
using interop::eventually;
using interop::RedisClient;
using replikv::EndpointOptions;
using served::Served;

/// What the endpoint says before it ends the connection.
std::string last_words(RedisClient& client) {
  std::string words;
  try {
    for (;;) words += client.read_bytes(1);
  } catch (const std::exception&) {
  }
  return words;
}

bool is_served(const Served& served) { return served.client().command("PING").text == "PONG"; }

TEST_CASE("malformed requests end the connection with the protocol's own error") {
  Served served;
  for (const auto& [sent, said] : {
           std::pair{"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"},
           std::pair{"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
           std::pair{"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
           std::pair{"*1\r\n$999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
           std::pair{"SET \"a b\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
       }) {
    RedisClient client = served.client();
    client.send_raw(sent);
    CHECK(last_words(client) == said);
  }
  RedisClient lengthy = served.client();
  lengthy.send_raw(std::string(70'000, 'a'));
  CHECK(last_words(lengthy) == "-ERR Protocol error: too big inline request\r\n");
  CHECK(is_served(served));
}

TEST_CASE("a browser that is made to speak to the endpoint is cut off before its second line") {
  Served served;
  RedisClient client = served.client();
  client.send_raw("POST / HTTP/1.1\r\nHost: x\r\n\r\nSET stolen 1\r\n");
  CHECK(last_words(client).empty());
  CHECK(!served.stores[0].contains("stolen"));
}

TEST_CASE("before it has logged in a client may send little, and not for long") {
  EndpointOptions options;
  options.password = "secret";
  options.login_timeout = 1s;
  Served served(options);
  RedisClient large = served.client();
  large.send_raw("*2\r\n$4\r\nAUTH\r\n$20000\r\n");
  CHECK(last_words(large) == "-ERR Protocol error: unauthenticated bulk length\r\n");
  RedisClient many = served.client();
  many.send_raw("*11\r\n");
  CHECK(last_words(many) == "-ERR Protocol error: unauthenticated multibulk length\r\n");
  RedisClient silent = served.client();
  CHECK(interop::is_closed(silent));
  RedisClient known = served.client();
  CHECK(known.command("AUTH", "secret").text == "OK");
  CHECK(known.command("GET", "a").is_nil());
}

TEST_CASE("a client that never reads is closed when its replies exceed the limit") {
  EndpointOptions options;
  options.output_limit = {std::uint64_t{8} << 20, 0, {}};
  Served served(options);
  served.stores[0].set("large", std::string(std::size_t{1} << 20, 'x'));
  RedisClient client = served.client();
  for (int i = 0; i < 100; ++i) client.add("GET", "large");
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += "PING\r\n";
  CHECK_THROWS(([&] {
    client.send_pipeline();
    for (;;) client.send_raw(flood);  // until the connection is gone
  }()));
  CHECK(is_served(served));
}

TEST_CASE("a client may ask for much more than fits anywhere before it begins to read") {
  Served served;
  served.stores[0].set("large", std::string(std::size_t{1} << 20, 'x'));
  RedisClient client = served.client();
  constexpr int asked = 500;
  for (int i = 0; i < asked; ++i) client.add("GET", "large");
  int whole = 0;
  for (const auto& reply : client.flush()) whole += reply.text.size() == std::size_t{1} << 20 ? 1 : 0;
  CHECK(whole == asked);
}

TEST_CASE("a client that falls silent is closed when that was asked for, in the middle of a command too") {
  EndpointOptions options;
  options.idle_timeout = 1s;
  Served served(options);
  RedisClient silent = served.client();
  RedisClient in_the_middle = served.client();
  in_the_middle.send_raw("*3\r\n$3\r\nSET\r\n");
  CHECK(interop::is_closed(silent));
  CHECK(interop::is_closed(in_the_middle));
  CHECK(is_served(served));
}

TEST_CASE("connections beyond the limit are told so, and there is room again when one has left") {
  EndpointOptions options;
  options.clients_max = 3;
  Served served(options);
  std::deque<RedisClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(served.client());
    CHECK(clients.back().command("PING").text == "PONG");
  }
  RedisClient refused = served.client();
  CHECK(last_words(refused) == "-ERR max number of clients reached\r\n");
  clients.pop_front();
  CHECK(eventually([&] {
    RedisClient client = served.client();
    client.send_raw("PING\r\n");
    return client.read_line() == "+PONG";
  }));
}

}  // namespace
