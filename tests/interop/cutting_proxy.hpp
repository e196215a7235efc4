// A TCP relay between two nodes that can lose every connection at will, or after a number of bytes, or carry
// nothing while both ends see their connections stand.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <limits>
#include <list>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <tests/interop/eventually.hpp>
#include <tests/interop/socket.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace interop {

/// Listens on a port of the loopback interface and passes on to `target` what comes.
///
/// Thread safety  every call from any thread
class CuttingProxy {
 public:
  explicit CuttingProxy(std::uint16_t target) : target_(target), listener_(make_socket(SOCK_NONBLOCK)) {
    if (!bind_loopback(listener_, 0) || ::listen(listener_.get(), 16) != 0) throw_errno("listen");
    waker_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    thread_ = std::thread([this] { run(); });
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;
  ~CuttingProxy() {
    stopping_ = true;
    wake();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_of(listener_); }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port()); }

  /// Cuts every connection there is. Whoever connects again is served.
  void cut() {
    cut_wanted_ = true;
    wake();
  }

  /// Every connection made from now on is cut when it has carried this many bytes in both directions.
  void cut_each_after(std::uint64_t bytes) { bytes_max_ = bytes; }
  void cut_no_more() { bytes_max_ = std::numeric_limits<std::uint64_t>::max(); }

  /// Turns new connections away, or serves them again.
  void refuse(bool refused) { refusing_ = refused; }

  /// Carries nothing from when this returns, as a cable that was pulled: no byte, no new connection, and no
  /// end of one that either side gives up. Then goes on with what was on its way.
  void hold(bool held) {
    hold_wanted_ = held;
    wake();
    if (!eventually([&] { return holding_ == held; })) throw std::runtime_error("the relay does not answer");
  }

  /// New connections go there.
  void lead_to(std::uint16_t target) { target_ = target; }

  [[nodiscard]] unsigned connections_cut() const noexcept { return cuts_; }

 private:
  static constexpr std::size_t buffer_max = 64 << 10;

  struct End {
    Descriptor socket;
    std::string unsent{};  // on its way to this end
  };
  struct Pair {
    End near;  // who connected here
    End far;
    std::uint64_t left;  // bytes until the cut
    bool broken = false;
  };

  void wake() noexcept {
    const std::uint64_t one = 1;
    if (::write(waker_.get(), &one, sizeof one) < 0) return;  // full: it is awake
  }

  void run() {
    std::list<Pair> pairs;
    while (!stopping_) {
      wait(pairs);
      holding_ = hold_wanted_.load();
      if (!holding_) carry(pairs);
      if (cut_wanted_.exchange(false)) {
        for (Pair& pair : pairs) break_off(pair);
      }
      pairs.remove_if([](const Pair& pair) { return pair.broken; });
    }
  }

  void carry(std::list<Pair>& pairs) {
    accept_all(pairs);
    for (Pair& pair : pairs) {
      move(pair, pair.near, pair.far);
      move(pair, pair.far, pair.near);
    }
  }

  void wait(const std::list<Pair>& pairs) const {
    std::vector<pollfd> waits{{waker_.get(), POLLIN, 0}};
    if (!holding_) add_sockets(waits, pairs);
    ::poll(waits.data(), waits.size(), -1);
    std::uint64_t ignored = 0;
    if (::read(waker_.get(), &ignored, sizeof ignored) < 0) return;  // nobody had woken us
  }

  void add_sockets(std::vector<pollfd>& waits, const std::list<Pair>& pairs) const {
    waits.push_back({listener_.get(), POLLIN, 0});
    for (const Pair& pair : pairs) {
      waits.push_back({pair.near.socket.get(), wanted(pair.near, pair.far), 0});
      waits.push_back({pair.far.socket.get(), wanted(pair.far, pair.near), 0});
    }
  }

  static short wanted(const End& end, const End& other) noexcept {
    int events = 0;
    if (other.unsent.size() < buffer_max) events |= POLLIN;
    if (!end.unsent.empty()) events |= POLLOUT;
    return static_cast<short>(events);
  }

  void accept_all(std::list<Pair>& pairs) {
    for (;;) {
      Descriptor near(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!near.is_open()) return;
      if (refusing_) continue;
      Descriptor far = make_socket();
      if (!connect_loopback(far, target_)) continue;
      ::fcntl(far.get(), F_SETFL, O_NONBLOCK);
      send_without_delay(near);
      send_without_delay(far);
      pairs.push_back(Pair{End{std::move(near)}, End{std::move(far)}, bytes_max_});
    }
  }

  void move(Pair& pair, End& from, End& to) {
    if (pair.broken) return;
    if (to.unsent.size() < buffer_max) {
      std::array<char, buffer_max> piece;
      const ssize_t got = ::recv(from.socket.get(), piece.data(), piece.size(), 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) {
        pair.broken = true;  // one end is gone: so is the other
        return;
      }
      to.unsent.append(piece.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    const std::size_t allowed = std::min<std::uint64_t>(to.unsent.size(), pair.left);
    if (allowed > 0) {
      const ssize_t sent = ::send(to.socket.get(), to.unsent.data(), allowed, MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) pair.broken = true;
      if (sent <= 0) return;
      to.unsent.erase(0, static_cast<std::size_t>(sent));
      pair.left -= static_cast<std::uint64_t>(sent);
    }
    if (pair.left == 0) break_off(pair);
  }

  // What is on its way is lost.
  void break_off(Pair& pair) {
    if (std::exchange(pair.broken, true)) return;
    ++cuts_;
    const linger at_once{1, 0};
    ::setsockopt(pair.near.socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::setsockopt(pair.far.socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

  std::atomic<std::uint16_t> target_;
  Descriptor listener_;
  Descriptor waker_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> cut_wanted_ = false;
  std::atomic<bool> refusing_ = false;
  std::atomic<bool> hold_wanted_ = false;
  std::atomic<bool> holding_ = false;
  std::atomic<unsigned> cuts_ = 0;
  std::atomic<std::uint64_t> bytes_max_ = std::numeric_limits<std::uint64_t>::max();
  std::thread thread_;
};

}  // namespace interop
