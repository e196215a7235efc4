// Links over TCP, IPv4 and IPv6.
#pragma once

#include <replikv/transport/asio_engine.hpp>

#include <asio/ip/address.hpp>
#include <asio/ip/basic_resolver.hpp>
#include <asio/ip/tcp.hpp>

#include <charconv>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {
namespace detail {

/// Addresses are "host:port": a name, an IPv4 address, or an IPv6 address in brackets.
struct TcpFamily {
  using Endpoint = asio::ip::tcp::endpoint;
  using Socket = asio::basic_stream_socket<asio::ip::tcp, AsioStrand>;
  using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, AsioStrand>;
  using Resolver = asio::ip::basic_resolver<asio::ip::tcp, AsioStrand>;
  struct Claim {};

  struct Target {
    std::vector<Endpoint> endpoints;
    std::string host;  // to look up when there are no endpoints
    std::string port;
  };

  [[nodiscard]] static Target parse(std::string_view address, std::error_code& error) {
    const std::size_t colon = address.rfind(':');
    std::uint16_t port = 0;
    if (colon == std::string_view::npos || !parse_port(address.substr(colon + 1), port)) {
      error = Errc::bad_address;
      return {};
    }
    std::string_view host = address.substr(0, colon);
    const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (is_bracketed) host = host.substr(1, host.size() - 2);
    const bool has_colon = host.find(':') != std::string_view::npos;
    std::error_code not_numeric;
    const auto numeric = asio::ip::make_address(std::string(host), not_numeric);
    if (host.empty() || host.size() > 255 ||
        host.find_first_of(std::string_view("[]\0", 3)) != std::string_view::npos ||
        has_colon != is_bracketed || (is_bracketed && not_numeric)) {
      error = Errc::bad_address;
      return {};
    }
    if (!not_numeric) return {{Endpoint(numeric, port)}, {}, {}};
    return {{}, std::string(host), std::to_string(port)};
  }

  /// Blocks while the name is looked up.
  [[nodiscard]] static std::vector<Endpoint> resolve(const Target& target, std::error_code& error) {
    asio::io_context io;
    asio::ip::tcp::resolver resolver(io);
    return endpoints_of(resolver.resolve(target.host, target.port, error));
  }

  /// Returns what cancels it.
  template <class Done>
  [[nodiscard]] static std::function<void()> async_resolve(const AsioStrand& strand, const Target& target,
                                                           Done done) {
    auto resolver = std::make_shared<Resolver>(strand);
    resolver->async_resolve(target.host, target.port,
                            [done = std::move(done)](std::error_code error, auto results) {
                              done(error, endpoints_of(results));
                            });
    return [resolver] { resolver->cancel(); };
  }

  [[nodiscard]] static Claim listen(Acceptor& acceptor, const Endpoint& endpoint, std::error_code& error) {
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    return {};
  }

  static void release(const Claim&) noexcept {}

  [[nodiscard]] static std::string text(const Endpoint& endpoint) {
    const std::string host = endpoint.address().to_string();
    const std::string port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
  }

  static void tune(Socket& socket) {
    std::error_code ignored;  // a socket that just died says so when it is read
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
  }

  [[nodiscard]] static std::string peer(const Socket& socket) {
    std::error_code error;
    const Endpoint endpoint = socket.remote_endpoint(error);
    return error ? "?" : plain(endpoint).address().to_string();
  }

  [[nodiscard]] static std::string peer_endpoint(const Socket& socket) {
    std::error_code error;
    const Endpoint endpoint = socket.remote_endpoint(error);
    return error ? "?:0" : text(plain(endpoint));
  }

  [[nodiscard]] static std::string local_endpoint(const Socket& socket) {
    std::error_code error;
    const Endpoint endpoint = socket.local_endpoint(error);
    return error ? "?:0" : text(plain(endpoint));
  }

  /// A port of the ephemeral range that nobody listens on may be given to the very socket that tries to
  /// connect to it; TCP then connects it to itself.
  [[nodiscard]] static bool is_connected(const Socket& socket) {
    std::error_code error;
    return socket.local_endpoint(error) != socket.remote_endpoint(error) || error;
  }

  [[nodiscard]] static std::error_code connect_error(std::error_code error) { return error; }

 private:
  /// An IPv4 address that came over an IPv6 socket, as itself.
  [[nodiscard]] static Endpoint plain(const Endpoint& endpoint) {
    const auto address = endpoint.address();
    if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return endpoint;
    return {asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()), endpoint.port()};
  }

  [[nodiscard]] static bool parse_port(std::string_view text, std::uint16_t& port) noexcept {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size();
  }

  template <class Results>
  [[nodiscard]] static std::vector<Endpoint> endpoints_of(const Results& results) {
    std::vector<Endpoint> endpoints;
    for (const auto& result : results) endpoints.push_back(result.endpoint());
    return endpoints;
  }
};

}  // namespace detail

/// Links over TCP. Addresses: "192.0.2.1:6379", "[::1]:6379", "example.org:6379"; to listen on a port that
/// the system chooses, port 0. Names are looked up, and each address found is tried in turn. To listen on
/// a name blocks while it is looked up.
///
/// Sockets have TCP_NODELAY and keepalive on. `send` keeps buffers until the system has taken them.
/// Errors are the system's own, except those that `Errc` has words for.
class TcpTransport : public detail::AsioTransport<detail::TcpFamily> {
 public:
  using AsioTransport::AsioTransport;
};

static_assert(Transport<TcpTransport>);

}  // namespace replikv::inline v0_1
