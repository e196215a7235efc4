// Counting: integers and numbers with a fraction, their spellings and their limits, beside a redis-server.
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <thread>
#include <vector>

namespace {

using served::BesideRedis;
using served::Served;

TEST_CASE("INCR, DECR, INCRBY and DECRBY count as redis-server does") {
  BesideRedis both;
  both.same({"INCR n", "INCR n", "GET n", "DECR n", "DECR m", "GET m", "INCRBY n 40", "INCRBY n -1",
             "INCRBY n 0", "INCRBY fresh 0", "GET fresh", "DECRBY n 2", "DECRBY n -2", "DECRBY other 5",
             "GET n", "incr n"});
  both.same({"SET n 9223372036854775806", "INCR n", "INCR n", "INCRBY n 1", "DECRBY n -1", "GET n",
             "INCRBY n -9223372036854775808", "GET n", "SET n -9223372036854775808", "DECR n", "DECRBY n 1",
             "INCRBY n -1", "GET n", "DECRBY n -9223372036854775808", "INCRBY n 9223372036854775807",
             "GET n"});
}

TEST_CASE("what is no integer is not counted") {
  BesideRedis both;
  for (const std::string text : {"", "a", "1.0", " 1", "1 ", "+1", "01", "-0", "-", "1e3",
                                 "9223372036854775808", "-9223372036854775809", "1\\x00"}) {
    both.same("SET n \"" + text + "\"");
    both.same({"INCR n", "DECR n", "INCRBY n 1", "DECRBY n 1", "GET n"});
    both.same("SET n 5");
    both.same("INCRBY n \"" + text + "\"");
    both.same("DECRBY n \"" + text + "\"");
    both.same("GET n");
  }
}

TEST_CASE("INCRBYFLOAT adds and spells as redis-server does") {
  BesideRedis both;
  for (const std::string_view increment : {"1",
                                           "0",
                                           "-0",
                                           "0.1",
                                           "0.1",
                                           "0.1",
                                           "-0.3",
                                           "3.0",
                                           "5.0e3",
                                           "-5e3",
                                           ".5",
                                           "5.",
                                           "+1",
                                           "1e17",
                                           "1e18",
                                           "0.00000000000000001",
                                           "0.000000000000000001",
                                           "1e-17",
                                           "-1e-18",
                                           "3.141592653589793238462643383279",
                                           "0x10",
                                           "-0x1p-3",
                                           "123456789.123456789",
                                           "-123456789.123456789",
                                           "1e300",
                                           "-1e300",
                                           "1e4000",
                                           "1e4932",
                                           "1e4932",
                                           "-1e4932"}) {
    both.same("INCRBYFLOAT n " + std::string(increment));
  }
  for (const std::string_view start :
       {"0.1", "10.50", "-2.25", "1e3", "9007199254740993", "0.2", "1.5e-5", "5"}) {
    both.same("SET n " + std::string(start));
    both.same({"INCRBYFLOAT n 0", "INCRBYFLOAT n 0.1", "INCRBYFLOAT n -1.7", "GET n"});
  }
}

TEST_CASE("what is no number is not added") {
  BesideRedis both;
  for (const std::string text :
       {"",         "a",      " 1",      "1 ",  "1a",   "+-1",    "--1",      "0x",
        "e5",       "nan",    "-nan",    "inf", "-inf", "INF",    "infinity", "+Infinity",
        "infinite", "1e5000", "-1e5000", "1e",  "1,5",  "1\\x00", "."}) {
    both.same("SET n \"" + text + "\"");
    both.same({"INCRBYFLOAT n 1", "INCRBYFLOAT n inf", "INCRBYFLOAT n x", "GET n", "SET n 5"});
    both.same("INCRBYFLOAT n \"" + text + "\"");
    both.same("INCRBYFLOAT fresh \"" + text + "\"");
    both.same({"GET n", "GET fresh"});
  }
}

TEST_CASE("INCRBYFLOAT answers with a string in RESP3 too") {
  BesideRedis both;
  static_cast<void>(both.both("HELLO 3"));
  both.same({"INCRBYFLOAT n 1.5", "INCR m"});
}

TEST_CASE("counting keeps the expiry") {
  Served served;
  auto client = served.client();
  client.command("SET", "n", "1", "PXAT", "4102444800000");
  client.command("INCR", "n");
  client.command("INCRBYFLOAT", "n", "0.5");
  CHECK(served.stores[0].get("n") == "2.5");
  CHECK(served.stores[0].expires_at("n")->time_since_epoch().count() == 4'102'444'800'000);
}

TEST_CASE("a key that has expired counts from 0") {
  Served served;
  auto client = served.client();
  served.stores[0].set("n", "41", replikv::Expiry(served.stores[0].now() + std::chrono::milliseconds(1)));
  while (served.stores[0].contains("n")) std::this_thread::yield();
  CHECK(client.command("INCR", "n").number == 1);
  CHECK(served.stores[0].expires_at("n") == replikv::WallTime::max());
}

TEST_CASE("no count is lost between clients and the application") {
  constexpr int each = 2'000;
  Served served;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&served] {
      auto client = served.client();
      for (int count = 0; count < each; ++count) client.add("INCR", "n");
      client.flush();
    });
  }
  for (int count = 0; count < each; ++count) served.stores[0].increment("n");
  for (auto& thread : threads) thread.join();
  CHECK(served.stores[0].get("n") == std::to_string(3 * each));
}

TEST_CASE("a store of numbers is counted by clients as well") {
  replikv::Store<std::string, std::int64_t> numbers;
  replikv::Node node({}, numbers);
  replikv::RedisEndpoint endpoint(node);
  replikv::TcpTransport tcp;
  interop::RedisClient client(served::port_of(endpoint.listen(tcp, "127.0.0.1:0")));
  CHECK(client.command("INCRBY", "n", 41).number == 41);
  CHECK(client.command("INCR", "n").number == 42);
  CHECK(numbers.get("n") == 42);
  CHECK(client.command("APPEND", "n", "0").number == 3);
  CHECK(numbers.get("n") == 420);
  CHECK(client.command("APPEND", "n", "x").is_error());
  CHECK(client.command("INCRBYFLOAT", "n", "0.5").is_error());
  CHECK(client.command("MSET", "a", "1", "b", "2").text == "OK");
  CHECK(client.command("MSET", "a", "5", "b", "x").is_error());
  CHECK(client.command("GETDEL", "n").text == "420");
  CHECK(numbers.get("a") == 1);
  CHECK_FALSE(numbers.contains("n"));
}

}  // namespace
