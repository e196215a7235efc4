// A user's program with sockets: replikv::asio brings standalone Asio with it.
#include <replikv/version.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#ifndef ASIO_STANDALONE
#error "replikv::asio must choose standalone Asio"
#endif

int main() {
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  return socket.is_open() ? 1 : replikv::version_major;
}
