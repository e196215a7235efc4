// The two kinds of node that the cases drive in the same way: a replikv node in this process, and a server
// of its own. Each is empty, on loopback, and writes nothing to disk.
#pragma once

#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/store/store.hpp>
#include <replikv/transport/asio_tcp.hpp>

#include <algorithm>
#include <bench/race/data.hpp>
#include <bench/race/figure.hpp>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <unistd.h>
#include <vector>

namespace race {

using Strings = replikv::Store<std::string, std::string>;

/// A figure is worth nothing if the work was not done.
inline void require(bool holds, std::string_view what) {
  if (!holds) throw std::runtime_error("the check failed: " + std::string(what));
}

[[nodiscard]] inline std::string loopback_address(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

/// No limit is met by either side, and a snapshot begins when it is asked for.
[[nodiscard]] inline replikv::ReplicationOptions race_options() {
  replikv::ReplicationOptions options;
  options.backlog_bytes = std::uint64_t{16} << 20;
  options.output_limit.hard_bytes = std::uint64_t{8} << 30;
  options.output_limit.soft_bytes = std::uint64_t{8} << 30;
  return options;
}

class OurMaster {
 public:
  OurMaster() : port_(port_in(role_.listen(transport_, "127.0.0.1:0"))) {}

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  void fill(std::size_t keys, std::size_t bytes_each) {
    const Values values(bytes_each);
    for (std::size_t number = 0; number < keys; ++number) store_.set(key_of(number), values[number]);
  }
  [[nodiscard]] Strings& store() noexcept { return store_; }
  [[nodiscard]] replikv::ReplicationMaster& role() noexcept { return role_; }
  [[nodiscard]] static pid_t process() noexcept { return ::getpid(); }

 private:
  static std::uint16_t port_in(const std::string& address) {
    return static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
  }

  replikv::TcpTransport transport_;
  Strings store_;
  replikv::ReplicationMaster role_{store_, race_options()};
  std::uint16_t port_;
};

[[nodiscard]] inline bool is_in_step(const replikv::ReplicationReplica& replica) {
  const auto info = replica.info();
  return info.master && info.master->state == replikv::MasterLinkState::connected;
}

class OurReplica {
 public:
  void follow(std::uint16_t port) { role_.follow(transport_, loopback_address(port)); }

  [[nodiscard]] std::size_t keys() const { return store_.size(); }
  [[nodiscard]] std::optional<std::string> get(std::string_view key) const { return store_.get(key); }
  [[nodiscard]] bool is_online() const { return is_in_step(role_); }
  [[nodiscard]] Strings& store() noexcept { return store_; }
  [[nodiscard]] replikv::ReplicationReplica& role() noexcept { return role_; }
  [[nodiscard]] static pid_t process() noexcept { return ::getpid(); }

 private:
  replikv::TcpTransport transport_;
  Strings store_;
  replikv::ReplicationReplica role_{store_, race_options()};
};

/// redis-server, or one that takes the same options.
class Server {
 public:
  explicit Server(std::string_view program)
      : server_({"--appendonly", "no", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
                 "--repl-diskless-load", "on-empty-db", "--repl-backlog-size", "16mb",
                 "--enable-debug-command", "yes", "--client-output-buffer-limit", "replica 0 0 0"},
                program) {}

  void follow(std::uint16_t port) { client_.command("REPLICAOF", "127.0.0.1", port); }

  [[nodiscard]] std::uint16_t port() const noexcept { return server_.port(); }
  [[nodiscard]] std::size_t keys() { return static_cast<std::size_t>(client_.command("DBSIZE").number); }
  [[nodiscard]] std::optional<std::string> get(std::string_view key) {
    const auto reply = client_.command("GET", key);
    return reply.is_nil() ? std::nullopt : std::optional(reply.text);
  }
  [[nodiscard]] bool is_online() {
    return client_.info("replication").find("master_link_status:up") != std::string::npos;
  }
  [[nodiscard]] interop::RedisClient& client() noexcept { return client_; }
  [[nodiscard]] pid_t process() const noexcept { return server_.process(); }

  /// Sets keys 0 to `keys` - 1, many with one round trip.
  void fill(std::size_t keys, std::size_t bytes_each) {
    constexpr std::size_t batch = 1'000;
    const Values values(bytes_each);
    for (std::size_t first = 0; first < keys; first += batch) {
      const std::size_t last = std::min(first + batch, keys);
      std::string commands;
      for (std::size_t number = first; number < last; ++number) {
        replikv::resp::append_command(commands, "SET", key_of(number), values[number]);
      }
      client_.send_raw(commands);
      (void)client_.read_bytes((last - first) * std::string_view("+OK\r\n").size());
    }
    require(this->keys() == keys, "the server holds what it was given");
  }

 private:
  interop::RedisServer server_;
  interop::RedisClient client_ = server_.client();
};

/// A node of the side that runs.
template <class Node>
[[nodiscard]] Node make(const Run& run) {
  if constexpr (std::same_as<Node, Server>) {
    return Server(run.side());
  } else {
    return Node();
  }
}

/// Waits, asking so seldom that it does not take part in the race.
template <class Predicate>
void await(Predicate&& holds, std::string_view what) {
  require(interop::eventually(holds, std::chrono::minutes(5)), what);
}

}  // namespace race
