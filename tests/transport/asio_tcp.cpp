// Addresses, and what only sockets do.
#include "contract.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include <optional>

using namespace replikv_tests;
using replikv::Errc;

TEST_CASE("TcpTransport: an address that cannot be read is a bad address, for both sides") {
  Tcp harness;
  for (const std::string address :
       {"", "6379", "127.0.0.1", ":6379", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:6379x",
        "::1:6379", "[127.0.0.1:6379", "[]:1", "[nonsense]:1"}) {
    CAPTURE(address);
    Client client(harness, address);
    CHECK(eventually(harness, [&] { return client.is_done; }));
    CHECK(client.error == Errc::bad_address);
    std::string bound;
    std::error_code error;
    CHECK(harness.engine()->listen(
              address, [](auto) {}, bound, error) == nullptr);
    CHECK(error == Errc::bad_address);
  }
}

TEST_CASE("TcpTransport: a listener says which port it got") {
  Tcp harness;
  for (const std::string address : {"127.0.0.1:0", "[::1]:0", "localhost:0", "0.0.0.0:0", "[::]:0"}) {
    CAPTURE(address);
    std::string bound;
    std::error_code error;
    const auto listener = harness.engine()->listen(
        address, [](auto) {}, bound, error);
    REQUIRE_MESSAGE(!error, error.message());
    CHECK(bound.find(":0") != bound.size() - 2);
    Client client(harness, bound);
    CHECK(eventually(harness, [&] { return client.is_done; }));
    CHECK_MESSAGE(!client.error, client.error.message());
  }
}

TEST_CASE("TcpTransport: a foreign address cannot be listened on, and the system says why") {
  Tcp harness;
  std::string bound;
  std::error_code error;
  CHECK(harness.engine()->listen(
            "192.0.2.1:0", [](auto) {}, bound, error) == nullptr);
  CHECK(error == std::errc::address_not_available);
}

TEST_CASE("TcpTransport: a name that does not exist is reported") {
  Tcp harness;
  Client client(harness, "name.invalid:6379");
  CHECK(eventually(harness, [&] { return client.is_done; }));
  CHECK(client.error);
}

TEST_CASE("TcpTransport: what the peer said before it reset the link is still heard") {
  Tcp harness;
  Server server(harness);
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  const auto port =
      static_cast<std::uint16_t>(std::stoi(server.address.substr(server.address.rfind(':') + 1)));
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  REQUIRE(eventually(harness, [&] { return server.peers.size() == 1; }));
  asio::write(socket, asio::buffer(std::string("-NOAUTH\r\n")));
  REQUIRE(eventually(harness, [&] { return server.peers.front()->received == "-NOAUTH\r\n"; }));
  socket.set_option(asio::socket_base::linger(true, 0));
  socket.close();
  REQUIRE(eventually(harness, [&] { return server.peers.front()->closed == 1; }));
  in_context(harness, [&] {
    CHECK(server.peers.front()->why == std::errc::connection_reset);
    server.peers.front()->send("nobody");
  });
}

TEST_CASE(
    "TcpTransport: a peer that never reads or leaves cannot keep a closed link for more than a second") {
  Tcp harness;
  Server server(harness);
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  const auto port =
      static_cast<std::uint16_t>(std::stoi(server.address.substr(server.address.rfind(':') + 1)));
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  REQUIRE(eventually(harness, [&] { return server.peers.size() == 1; }));
  auto owner = std::make_shared<const std::string>(std::size_t{64} << 20, 'x');
  in_context(harness, [&] {
    const replikv::SharedBytes much(owner, replikv::as_bytes(*owner));
    server.peers.front()->link->send({&much, 1});
    server.peers.front()->link->close();
  });
  CHECK(owner.use_count() > 1);
  CHECK(eventually(harness, [&] { return owner.use_count() == 1; }));
}

TEST_CASE("TcpTransport: a listener may end at the moment somebody arrives") {
  replikv::TcpTransport transport;
  const auto engine = transport.engine();
  for (int i = 0; i < 300; ++i) {
    std::string bound;
    std::error_code error;
    auto listener = engine->listen(
        "127.0.0.1:0", [](auto) {}, bound, error);
    REQUIRE_MESSAGE(!error, error.message());
    asio::io_context io;
    asio::ip::tcp::socket visitor(io);
    const auto port = static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1)));
    visitor.connect({asio::ip::make_address("127.0.0.1"), port});
    for (volatile int turns = i * 50; turns > 0;) turns = turns - 1;  // sooner or later
    listener.reset();
  }
}

TEST_CASE("TcpTransport: the application's io_context may end before the nodes that used it") {
  auto io = std::make_unique<asio::io_context>();
  std::optional<replikv::TcpTransport> transport(std::in_place, *io);
  auto engine = transport->engine();
  std::string bound;
  std::error_code error;
  auto listener = engine->listen(
      "127.0.0.1:0", [](auto) {}, bound, error);
  auto timer = engine->at(engine->now() + 1h, [] {});
  auto peer = std::make_shared<Peer>();
  auto attempt = engine->connect(bound, [&](auto, auto link) { peer->attach(link); });
  while (peer->link == nullptr) io->run_one();
  peer->send("x");
  transport.reset();
  io.reset();
  CHECK(peer->why == Errc::shut_down);
  peer->link->close();
  peer.reset();
  timer.reset();
  attempt.reset();
  listener.reset();
  engine->post([] {});
}
