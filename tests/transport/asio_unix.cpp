// Socket files: who may use them, who removes them, and which are taken over.
#include "contract.hpp"

#include <asio/local/stream_protocol.hpp>

#include <fstream>
#include <optional>

using namespace replikv_tests;
using replikv::Errc;

TEST_CASE("UnixTransport: the socket file is for its owner only, and goes with its listener") {
  Unix harness;
  std::optional<Server> server(std::in_place, harness);
  const std::string path = server->address;
  CHECK(std::filesystem::is_socket(path));
  const auto mode = std::filesystem::status(path).permissions();
  CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  server->registration.reset();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("UnixTransport: the socket file goes with the transport") {
  Unix harness;
  Server server(harness);
  CHECK(std::filesystem::exists(server.address));
  harness.transport.reset();
  CHECK_FALSE(std::filesystem::exists(server.address));
}

TEST_CASE("UnixTransport: a socket file that a dead process left is taken over") {
  Unix harness;
  const std::string path = harness.directory / "1";
  {
    asio::io_context io;
    asio::local::stream_protocol::acceptor dead(io, asio::local::stream_protocol::endpoint(path));
  }
  REQUIRE(std::filesystem::is_socket(path));
  Server server(harness);
  CHECK(server.address == path);
  Client client(harness, path);
  CHECK(eventually(harness, [&] { return client.is_done && !client.error; }));
}

TEST_CASE("UnixTransport: a file that is no socket is never taken over") {
  Unix harness;
  const std::string path = harness.directory / "precious";
  std::ofstream(path) << "data";
  std::string bound;
  std::error_code error;
  CHECK(harness.engine()->listen(
            path, [](auto) {}, bound, error) == nullptr);
  CHECK(error == Errc::address_in_use);
  CHECK(std::filesystem::file_size(path) == 4);
}

TEST_CASE("UnixTransport: a listener leaves alone a file that is no longer its own") {
  Unix harness;
  Server server(harness);
  std::filesystem::remove(server.address);
  std::ofstream(server.address) << "data";
  server.registration.reset();
  CHECK(std::filesystem::exists(server.address));
}

TEST_CASE("UnixTransport: a path that is too long is a bad address") {
  Unix harness;
  for (const std::string& path : {std::string(108, 'x'), std::string("a\0b", 3)}) {
    Client client(harness, path);
    CHECK(eventually(harness, [&] { return client.is_done; }));
    CHECK(client.error == Errc::bad_address);
    std::string bound;
    std::error_code error;
    CHECK(harness.engine()->listen(
              path, [](auto) {}, bound, error) == nullptr);
    CHECK(error == Errc::bad_address);
  }
}

TEST_CASE("UnixTransport: a folder that does not exist is reported") {
  Unix harness;
  std::string bound;
  std::error_code error;
  CHECK(harness.engine()->listen(
            harness.directory / "no/such", [](auto) {}, bound, error) == nullptr);
  CHECK(error == std::errc::no_such_file_or_directory);
}
