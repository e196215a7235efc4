// Replicas that throw their master's stream away: the kernel drops the bytes without copying them.
#pragma once

#include <replikv/resp/writer.hpp>

#include <algorithm>
#include <atomic>
#include <bench/race/sides.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
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

/// Offers what a replica must to get a snapshot as a stream, asks for it, and returns the mark that ends it.
[[nodiscard]] inline std::string ask_for_snapshot(interop::RedisClient& link) {
  link.command("REPLCONF", "capa", "eof", "capa", "psync2");
  link.command("PSYNC", "?", "-1");
  std::string head = link.read_line();
  while (head.empty()) head = link.read_line();  // a master that takes its time sends newlines
  constexpr std::string_view framing = "$EOF:";
  require(head.starts_with(framing), "the snapshot comes as a stream");
  return head.substr(framing.size());
}

/// The first acknowledgement starts the stream, but redis-server ignores one that comes before it has
/// noticed the end of its child process: repeated, as replicas do, and so that the link is not given up.
inline void acknowledge(const interop::Descriptor& socket) {
  std::string command;
  replikv::resp::append_command(command, "REPLCONF", "ACK", "0");
  (void)::send(socket.get(), command.data(), command.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

class Sinks {
 public:
  /// Attaches them one by one to a master that holds little yet. The stream comes a little later: what is
  /// to be measured begins after `await` of something written.
  Sinks(std::uint16_t port, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) sockets_.push_back(attach(port));
    if (count > 0) thread_ = std::jthread([this](const std::stop_token& stop) { drain(stop); });
  }

  /// Waits until they have got so many bytes together.
  void await(std::uint64_t bytes) const {
    race::await([&] { return bytes_ >= bytes || is_cut_; }, "the replicas were sent everything");
    require(!is_cut_, "no link was closed");
  }

  /// What they have got together.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  /// They read nothing until `resume`.
  void pause() noexcept { is_paused_ = true; }
  void resume() noexcept { is_paused_ = false; }

 private:
  static interop::Descriptor attach(std::uint16_t port) {
    interop::RedisClient link(port);
    const std::string mark = ask_for_snapshot(link);
    std::string tail = link.read_bytes(mark.size());
    while (tail != mark) tail = tail.substr(1) + link.read_bytes(1);
    return std::move(link).release();
  }

  void drain(const std::stop_token& stop) {
    std::vector<pollfd> waits;
    for (const auto& socket : sockets_) waits.push_back({socket.get(), POLLIN, 0});
    constexpr std::chrono::milliseconds period{100};
    auto acknowledge_at = std::chrono::steady_clock::now();
    while (!stop.stop_requested() && !is_cut_) {
      if (const auto now = std::chrono::steady_clock::now(); now >= acknowledge_at) {
        for (const auto& socket : sockets_) acknowledge(socket);
        acknowledge_at = now + period;
      }
      if (is_paused_) {
        std::this_thread::sleep_for(period);
        continue;
      }
      ::poll(waits.data(), waits.size(), static_cast<int>(period.count()));
      for (const pollfd& each : waits) {
        if ((each.revents & POLLIN) != 0) drop(each.fd);
      }
    }
  }

  void drop(int socket) {
    const ssize_t got = ::recv(socket, nullptr, std::size_t{16} << 20, MSG_TRUNC | MSG_DONTWAIT);
    if (got > 0) bytes_ += static_cast<std::uint64_t>(got);
    if (got == 0) is_cut_ = true;
  }

  std::vector<interop::Descriptor> sockets_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<bool> is_cut_ = false;
  std::atomic<bool> is_paused_ = false;
  std::jthread thread_;
};

/// A replica that asks for its snapshot at once and takes it in a thread of its own, then the stream.
class SnapshotSink {
 public:
  explicit SnapshotSink(std::uint16_t port)
      : thread_([this, port](const std::stop_token& stop) {
          try {
            run(port, stop);
          } catch (const std::exception&) {
            has_failed_ = true;
          }
        }) {}

  /// True once it has all of the snapshot.
  [[nodiscard]] bool is_done() const {
    require(!has_failed_, "the replica keeps its link");
    return is_done_;
  }
  /// Of the snapshot so far.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  void run(std::uint16_t port, const std::stop_token& stop) {
    interop::RedisClient link(port);
    const std::string mark = ask_for_snapshot(link);
    const std::string early = link.take_received();
    const interop::Descriptor socket = std::move(link).release();
    std::vector<char> buffer(std::size_t{1} << 20);
    std::copy(early.begin(), early.end(), buffer.begin());
    // The last bytes of each piece stay in front of the next, as the mark may be cut.
    for (std::size_t held = early.size(); !stop.stop_requested();) {
      const std::string_view seen(buffer.data(), held);
      if (seen.find(mark) != std::string_view::npos) break;
      const std::size_t kept = std::min(held, mark.size() - 1);
      std::copy(seen.end() - kept, seen.end(), buffer.begin());
      const ssize_t got = ::recv(socket.get(), buffer.data() + kept, buffer.size() - kept, 0);
      if (got <= 0) interop::throw_errno("recv");
      bytes_ += static_cast<std::uint64_t>(got);
      held = kept + static_cast<std::size_t>(got);
    }
    is_done_ = true;
    while (!stop.stop_requested()) {
      acknowledge(socket);
      pollfd wait{socket.get(), POLLIN, 0};
      if (::poll(&wait, 1, 100) > 0) {
        require(::recv(socket.get(), nullptr, buffer.size(), MSG_TRUNC | MSG_DONTWAIT) != 0, "still linked");
      }
    }
  }

  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<bool> is_done_ = false;
  std::atomic<bool> has_failed_ = false;
  std::jthread thread_;
};

}  // namespace race
