// Replicas that throw their master's stream away: the kernel drops the bytes without copying them.
#pragma once

#include <atomic>
#include <bench/race/sides.hpp>
#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/socket.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace race {

class Sinks {
 public:
  /// Attaches them one by one to a master that holds little yet.
  Sinks(std::uint16_t port, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) sockets_.push_back(attach(port));
    if (count > 0) thread_ = std::jthread([this](const std::stop_token& stop) { drain(stop); });
  }

  /// Waits until they have got so many bytes together.
  void await(std::uint64_t bytes) const {
    race::await([&] { return bytes_ >= bytes; }, "the replicas were sent everything");
  }

 private:
  // A full resync, framed by a mark that must be waited for, and one acknowledgement to be taken for online.
  static interop::Descriptor attach(std::uint16_t port) {
    interop::RedisClient link(port);
    link.command("REPLCONF", "capa", "eof", "capa", "psync2");
    link.command("PSYNC", "?", "-1");
    std::string head = link.read_line();
    while (head.empty()) head = link.read_line();  // a master that takes its time sends newlines
    constexpr std::string_view framing = "$EOF:";
    require(head.starts_with(framing), "the snapshot comes as a stream");
    const std::string mark = head.substr(framing.size());
    std::string tail = link.read_bytes(mark.size());
    while (tail != mark) tail = tail.substr(1) + link.read_bytes(1);
    link.add("REPLCONF", "ACK", "0");
    link.send_pipeline();
    return std::move(link).release();
  }

  void drain(const std::stop_token& stop) {
    std::vector<pollfd> waits;
    for (const auto& socket : sockets_) waits.push_back({socket.get(), POLLIN, 0});
    while (!stop.stop_requested()) {
      ::poll(waits.data(), waits.size(), 100);
      for (const pollfd& each : waits) {
        if ((each.revents & POLLIN) == 0) continue;
        const ssize_t got = ::recv(each.fd, nullptr, std::size_t{16} << 20, MSG_TRUNC | MSG_DONTWAIT);
        if (got > 0) bytes_ += static_cast<std::uint64_t>(got);
      }
    }
  }

  std::vector<interop::Descriptor> sockets_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::jthread thread_;
};

}  // namespace race
