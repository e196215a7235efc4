// embedded_node: an application that lets redis-cli at its own store while it works with it.
#include <replikv/asio.hpp>
#include <replikv/server.hpp>

#include <cstdint>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  replikv::Store<std::string, std::int64_t> stock;
  stock.set("apples", 12);

  replikv::TcpTransport network;
  replikv::Node node{stock};
  replikv::RedisEndpoint endpoint{node};
  const std::string address = endpoint.listen(network, argc > 1 ? argv[1] : "127.0.0.1:0");
  std::cout << "serving on " << address << "; try\n"
            << "  redis-cli -p " << address.substr(address.rfind(':') + 1) << " incrby apples 3\n"
            << "Each line you type here sells an apple; the end of input ends the program.\n";

  for (std::string line; std::getline(std::cin, line);) {
    std::cout << stock.increment("apples", -1).number
              << " apples left\n";  // what clients changed counts at once
  }
}
