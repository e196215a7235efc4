// Links over Unix domain sockets: between processes of one machine, guarded by file permissions.
#pragma once

#include <replikv/transport/asio_engine.hpp>

#include <asio/local/stream_protocol.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace replikv::inline v0_1 {
namespace detail {

/// Addresses are paths.
struct UnixFamily {
  using Endpoint = asio::local::stream_protocol::endpoint;
  using Socket = asio::basic_stream_socket<asio::local::stream_protocol, AsioStrand>;
  using Acceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, AsioStrand>;

  struct Target {
    std::vector<Endpoint> endpoints;  // exactly one
  };

  /// The socket file that a listener made, and no other that has its name later.
  struct Claim {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;
  };

  [[nodiscard]] static Target parse(std::string_view address, std::error_code& error) {
    if (address.empty() || address.size() >= sizeof(sockaddr_un::sun_path) ||
        address.find('\0') != std::string_view::npos) {
      error = Errc::bad_address;
      return {};
    }
    return {{Endpoint(address)}};
  }

  /// A path needs no looking up.
  [[nodiscard]] static std::vector<Endpoint> resolve(const Target& target, std::error_code&) {
    return target.endpoints;
  }

  [[nodiscard]] static Claim listen(Acceptor& acceptor, const Endpoint& endpoint, std::error_code& error) {
    acceptor.open(endpoint.protocol(), error);
    if (error) return {};
    acceptor.bind(endpoint, error);
    if (error == asio::error::address_in_use && remove_if_stale(endpoint)) acceptor.bind(endpoint, error);
    if (error) return {};
    Claim claim{endpoint.path(), 0, 0};
    struct stat file {};
    // Nobody can connect before listen(), so nobody gets in while the file still has the umask's mode.
    const bool is_there = ::lstat(claim.path.c_str(), &file) == 0;
    claim.device = file.st_dev;
    claim.inode = file.st_ino;
    if (is_there && ::chmod(claim.path.c_str(), S_IRUSR | S_IWUSR) == 0) {
      acceptor.listen(asio::socket_base::max_listen_connections, error);
    } else {
      error.assign(errno, std::system_category());
    }
    if (error) release(claim);
    return claim;
  }

  static void release(const Claim& claim) noexcept {
    struct stat file {};
    if (::lstat(claim.path.c_str(), &file) != 0) return;
    if (file.st_dev == claim.device && file.st_ino == claim.inode) ::unlink(claim.path.c_str());
  }

  [[nodiscard]] static std::string text(const Endpoint& endpoint) { return endpoint.path(); }
  static void tune(Socket&) noexcept {}
  [[nodiscard]] static std::string peer(const Socket&) { return "unix"; }

  /// The end that connected has no path: both are shown by that of the listener.
  [[nodiscard]] static std::string local_endpoint(const Socket& socket) {
    std::error_code error;
    std::string path = socket.local_endpoint(error).path();
    if (path.empty()) path = socket.remote_endpoint(error).path();
    return path + ":0";
  }
  [[nodiscard]] static std::string peer_endpoint(const Socket& socket) { return local_endpoint(socket); }

  /// A listener whose queue is full makes Asio believe in a connection.
  [[nodiscard]] static bool is_connected(const Socket& socket) {
    std::error_code error;
    static_cast<void>(socket.remote_endpoint(error));
    return !error;
  }

  [[nodiscard]] static std::error_code connect_error(std::error_code error) {
    return error == std::errc::no_such_file_or_directory ? std::error_code(Errc::refused) : error;
  }

 private:
  // A socket file, and nobody accepts there: its owner has died. Anything else stays.
  [[nodiscard]] static bool remove_if_stale(const Endpoint& endpoint) {
    const std::string path = endpoint.path();
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) return true;
    if (!S_ISSOCK(file.st_mode)) return false;
    asio::io_context io;
    asio::local::stream_protocol::socket probe(io);
    std::error_code error;
    probe.open(endpoint.protocol(), error);
    if (!error) probe.non_blocking(true, error);
    if (!error) probe.connect(endpoint, error);
    return error == asio::error::connection_refused && ::unlink(path.c_str()) == 0;
  }
};

}  // namespace detail

/// Links over Unix domain sockets. An address is a path of at most 107 bytes.
///
/// Listening makes the socket file, with mode 0600, and its end removes it. A socket file on which nobody
/// accepts is taken over; one that is in use, or is no socket, is `Errc::address_in_use`.
class UnixTransport : public detail::AsioTransport<detail::UnixFamily> {
 public:
  using AsioTransport::AsioTransport;
};

static_assert(Transport<UnixTransport>);

}  // namespace replikv::inline v0_1
