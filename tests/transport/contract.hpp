// What every transport must do, for tests: a peer that writes down what it hears, and one harness for each
// kind of transport, which drives it until a condition holds.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/transport/asio_tcp.hpp>
#include <replikv/transport/asio_unix.hpp>
#include <replikv/transport/in_process.hpp>
#include <replikv/transport/simulated.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <tests/temporary_directory.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace replikv_tests {

using namespace std::chrono_literals;

/// One end of a link. All members belong to the engine's context.
struct Peer : replikv::LinkEvents, std::enable_shared_from_this<Peer> {
  std::shared_ptr<replikv::Link> link;
  std::string received;  // when kept
  bool keeps_bytes = true;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;  // of all bytes in their order
  std::uint64_t pieces = 0;
  int writable = 0;
  int closed = 0;
  std::error_code why;
  int calls_under_way = 0;
  bool was_nested = false;
  std::function<void(Peer&)> when_bytes = [](Peer&) {};
  std::function<void(Peer&)> when_writable = [](Peer&) {};
  std::function<void(Peer&)> when_closed = [](Peer&) {};

  void on_bytes(replikv::Bytes piece) override {
    enter();
    if (closed != 0) was_nested = true;
    for (const std::byte byte : piece) checksum = checksum * 31 + std::to_integer<std::uint64_t>(byte);
    bytes += piece.size();
    ++pieces;
    if (keeps_bytes) received += replikv::as_text(piece);
    when_bytes(*this);
    --calls_under_way;
  }
  void on_writable() override {
    enter();
    ++writable;
    when_writable(*this);
    --calls_under_way;
  }
  void on_closed(std::error_code error) override {
    enter();
    ++closed;
    why = error;
    when_closed(*this);
    --calls_under_way;
  }

  void attach(std::shared_ptr<replikv::Link> to) {
    link = std::move(to);
    link->start(weak_from_this());
  }
  void send(std::string text) {
    const replikv::SharedBytes buffer(std::move(text));
    link->send({&buffer, 1});
  }

 private:
  void enter() {
    if (calls_under_way++ != 0) was_nested = true;
  }
};

/// Runs a call in an engine's context and waits until it is done.
class Rendezvous {
 public:
  void finish() {
    const std::lock_guard lock(mutex_);
    is_done_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool is_done() {
    const std::lock_guard lock(mutex_);
    return is_done_;
  }
  [[nodiscard]] bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, [this] { return is_done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_done_ = false;
};

using replikv_tests::TemporaryDirectory;

/// A transport, and how to drive it. The tests know nothing more of it, so that they are compiled once.
struct Harness {
  virtual ~Harness() = default;
  [[nodiscard]] virtual std::shared_ptr<replikv::TransportEngine> engine() const = 0;
  [[nodiscard]] virtual bool has_transport() const = 0;
  virtual void destroy_transport() = 0;
  virtual std::string free_address() = 0;
  virtual std::string closed_address() = 0;
  virtual void drive(Rendezvous& done) = 0;  // lets the transport do something
};

template <class T>
struct HarnessBase : Harness {
  std::unique_ptr<T> transport;  // none: destroyed

  [[nodiscard]] std::shared_ptr<replikv::TransportEngine> engine() const override {
    return transport->engine();
  }
  [[nodiscard]] bool has_transport() const override { return transport != nullptr; }
  void destroy_transport() override { transport.reset(); }
};

template <replikv::Delivery delivery>
struct InProcessHarness : HarnessBase<replikv::InProcessTransport> {
  InProcessHarness() { transport = std::make_unique<replikv::InProcessTransport>(delivery); }
  std::string free_address() override { return "node " + std::to_string(++count); }
  std::string closed_address() override { return "nobody"; }
  void drive(Rendezvous& done) override {
    if (delivery == replikv::Delivery::immediate) engine()->deliver();
    if (delivery == replikv::Delivery::on_demand) transport->poll();
    if (delivery == replikv::Delivery::background) REQUIRE(done.wait());
  }
  int count = 0;
};
using Immediate = InProcessHarness<replikv::Delivery::immediate>;
using OnDemand = InProcessHarness<replikv::Delivery::on_demand>;
using Background = InProcessHarness<replikv::Delivery::background>;

struct Simulated : HarnessBase<replikv::SimulatedTransport> {
  Simulated() {
    transport = std::make_unique<replikv::SimulatedTransport>(std::uint64_t{1729});
    transport->set_chunking(3000);
  }
  std::string free_address() override { return "node " + std::to_string(++count); }
  std::string closed_address() override { return "nobody"; }
  void drive(Rendezvous&) override { transport->run_for(100us); }
  int count = 0;
};

template <class T>
struct OwnThread : HarnessBase<T> {
  OwnThread() { this->transport = std::make_unique<T>(); }
  void drive(Rendezvous& done) override { REQUIRE(done.wait()); }
};

struct Tcp : OwnThread<replikv::TcpTransport> {
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string closed_address() override {
    std::string bound;
    std::error_code error;
    const auto listener = engine()->listen(
        "127.0.0.1:0", [](auto) {}, bound, error);
    return bound;
  }
};

struct Tcp6 : OwnThread<replikv::TcpTransport> {
  std::string free_address() override { return "[::1]:0"; }
  std::string closed_address() override { return "[::1]:1"; }
};

struct Unix : OwnThread<replikv::UnixTransport> {
  std::string free_address() override { return directory / std::to_string(++count); }
  std::string closed_address() override { return directory / "nobody"; }
  TemporaryDirectory directory;
  int count = 0;
};

/// The application's io_context, which three threads run.
struct OnThreads {
  OnThreads() : work(io.get_executor()) {
    for (int i = 0; i != 3; ++i) threads.emplace_back([this] { io.run(); });
  }
  virtual ~OnThreads() = default;
  void stop() {
    work.reset();
    for (auto& thread : threads) thread.join();
  }

  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::vector<std::thread> threads;
};

/// The application's io_context, which the test's own thread runs.
struct Polled {
  virtual ~Polled() = default;
  void poll() {
    io.restart();
    io.poll();
  }

  asio::io_context io;
};

struct TcpShared : HarnessBase<replikv::TcpTransport>, OnThreads {
  TcpShared() { transport = std::make_unique<replikv::TcpTransport>(io); }
  ~TcpShared() override {
    transport.reset();
    stop();
  }
  std::string free_address() override { return "localhost:0"; }
  std::string closed_address() override { return "localhost:1"; }
  void drive(Rendezvous& done) override { REQUIRE(done.wait()); }
};

struct TcpPolled : HarnessBase<replikv::TcpTransport>, Polled {
  TcpPolled() { transport = std::make_unique<replikv::TcpTransport>(io); }
  ~TcpPolled() override { transport.reset(); }
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string closed_address() override { return "127.0.0.1:1"; }
  void drive(Rendezvous&) override { poll(); }
};

/// Runs `call` in the context.
inline void in_context(Harness& harness, const std::function<void()>& call) {
  const auto done = std::make_shared<Rendezvous>();
  harness.engine()->post([&call, done] {
    call();
    done->finish();
  });
  const auto limit = std::chrono::steady_clock::now() + 60s;
  while (!done->is_done() && std::chrono::steady_clock::now() < limit) harness.drive(*done);
  REQUIRE(done->is_done());
}

/// True as soon as `condition`, which is asked in the context, holds.
[[nodiscard]] inline bool eventually(Harness& harness, const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < limit) {
    bool holds = false;
    in_context(harness, [&] { holds = condition(); });
    if (holds) return true;
    std::this_thread::yield();
  }
  return false;
}

/// A listener that starts each link it accepts.
struct Server {
  explicit Server(Harness& harness) : Server(harness, [](Peer&) {}) {}
  Server(Harness& harness, std::function<void(Peer&)> prepare) {
    std::error_code error;
    registration = harness.engine()->listen(
        harness.free_address(),
        [this, prepare = std::move(prepare)](std::shared_ptr<replikv::Link> link) {
          auto peer = std::make_shared<Peer>();
          prepare(*peer);
          peer->attach(std::move(link));
          peers.push_back(std::move(peer));
        },
        address, error);
    REQUIRE_MESSAGE(!error, error.message());
  }

  std::string address;
  std::vector<std::shared_ptr<Peer>> peers;
  std::unique_ptr<replikv::Registration> registration;
};

/// A peer that connects.
struct Client {
  Client(Harness& harness, const std::string& address) : Client(harness, address, [](Peer&) {}) {}
  Client(Harness& harness, const std::string& address, const std::function<void(Peer&)>& prepare) {
    auto on_done = [this, prepare](std::error_code failed, std::shared_ptr<replikv::Link> link) {
      attempt.reset();  // from inside its own callback
      is_done = true;
      error = failed;
      if (failed) return;
      prepare(*peer);
      peer->attach(std::move(link));
    };
    in_context(harness, [&] { attempt = harness.engine()->connect(address, on_done); });
  }

  std::shared_ptr<Peer> peer = std::make_shared<Peer>();
  bool is_done = false;
  std::error_code error;
  std::unique_ptr<replikv::Registration> attempt;
};

/// A server and a client, linked.
struct Linked {
  explicit Linked(Harness& with) : harness(with), server(with), client(with, server.address) {
    const bool is_linked = eventually(harness, [&] { return client.is_done && server.peers.size() == 1; });
    REQUIRE(is_linked);
    REQUIRE_MESSAGE(!client.error, client.error.message());
    near = client.peer;
    in_context(harness, [&] { far = server.peers.front(); });
  }
  ~Linked() {  // nothing calls back into this any more
    if (!harness.has_transport()) return;
    client.attempt.reset();
    server.registration.reset();
    in_context(harness, [] {});
  }

  Harness& harness;
  Server server;
  Client client;
  std::shared_ptr<Peer> near;  // connected
  std::shared_ptr<Peer> far;   // listened
};

}  // namespace replikv_tests
