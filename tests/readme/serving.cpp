// The README's guide: serving Redis clients. What stands after the snippet checks what the text says.
#include <replikv/asio.hpp>
#include <replikv/server.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <tests/interop/redis_client.hpp>

TEST_CASE("README: serving Redis clients") {
  replikv::Store<std::string, std::string> shared;
  replikv::TcpTransport network;
  // clang-format off
  replikv::Node node{shared};                                 // master or replica, changed by a call
  replikv::RedisEndpoint endpoint{node};
  const std::string where = endpoint.listen(network, "127.0.0.1:0");  // $ redis-cli -p PORT set name value
  // clang-format on
  interop::RedisClient client(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
  CHECK(client.command("SET", "name", "value").text == "OK");
  CHECK(shared.get("name") == "value");
}
