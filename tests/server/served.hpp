// A node with an endpoint over TCP, as the tests of this room use it.
#pragma once

#include <replikv/asio.hpp>
#include <replikv/server.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <tests/interop/redis_client.hpp>
#include <utility>

namespace served {

using Strings = replikv::Store<std::string, std::string>;

[[nodiscard]] inline std::uint16_t port_of(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

/// Sixteen databases behind a port of this machine.
struct Served {
  explicit Served(replikv::EndpointOptions options = {}, replikv::ReplicationOptions replication = {})
      : stores(16),
        node(std::move(replication), stores),
        endpoint(node, std::move(options)),
        address(endpoint.listen(tcp, "127.0.0.1:0")) {}

  [[nodiscard]] std::uint16_t port() const { return port_of(address); }
  [[nodiscard]] interop::RedisClient client() const { return interop::RedisClient(port()); }

  std::deque<Strings> stores;
  replikv::TcpTransport tcp;
  replikv::Node<std::deque<Strings>> node;
  replikv::RedisEndpoint endpoint;
  std::string address;
};

}  // namespace served
