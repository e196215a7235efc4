// The network of a cluster over real TCP sockets, in real time: to see that what a test shows on the
// simulated network is true.
#pragma once

#include <replikv/testing/detail/faulty_engine.hpp>
#include <replikv/testing/detail/faulty_host.hpp>
#include <replikv/testing/detail/faulty_link.hpp>
#include <replikv/testing/network.hpp>
#include <replikv/transport/asio_tcp.hpp>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::testing {

/// Every host is a TcpTransport that listens on a free port of 127.0.0.1; all of them run in the test's
/// thread, inside `step`. Time is real: to advance by a second takes one.
///
///     replikv::testing::Cluster<> cluster{{.replicas = 2, .network =
///     replikv::testing::SocketNetwork::make}};
///
/// Faults are made at the end of a link that connected, in front of its socket: they are as exact as on the
/// simulated network, but what the system already has of it still arrives after a cut. Clocks can jump and
/// cannot drift, a host can crash and cannot lose its power, and no two runs are alike: `set_drift`,
/// `power_off` and `trace_hash` throw std::logic_error.
class SocketNetwork final : public Network {
 public:
  explicit SocketNetwork(std::uint64_t seed)
      : work_(io_.get_executor()), medium_(std::make_shared<detail::FaultyMedium>(seed)) {}
  ~SocketNetwork() override {
    for (auto& [name, host] : hosts_) end(host);
  }

  /// For `ClusterOptions::network`.
  [[nodiscard]] static std::unique_ptr<Network> make(std::uint64_t seed) {
    return std::make_unique<SocketNetwork>(seed);
  }

  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }

  /// Waits until something happens.
  bool step(TimePoint limit) override {
    if (now() >= limit) return false;
    io_.restart();
    return io_.run_one_until(limit) > 0;
  }

  using Network::set_conditions;
  void set_conditions(const LinkConditions& conditions) override {
    medium_->conditions = conditions;
    for_each_link([](detail::FaultyLink& link) { link.retime(); });
  }
  [[nodiscard]] LinkConditions conditions() const override { return medium_->conditions; }

  // --- Hosts ------------------------------------------------------------------------------------------

  [[nodiscard]] std::shared_ptr<TransportEngine> engine(const std::string& name) override {
    return std::make_shared<detail::FaultyEngine>(medium_, hosts_.at(name).state);
  }
  [[nodiscard]] const ClockSource& wall_clock(const std::string& name) override {
    return hosts_.at(name).state->wall_clock();
  }
  [[nodiscard]] std::string address(const std::string&) const override { return "127.0.0.1:0"; }

  void pause(const std::string& name) override { hosts_.at(name).state->pause(); }
  void resume(const std::string& name) override {
    Host& host = hosts_.at(name);
    if (!host.state->is_alive()) return begin(host);
    host.state->resume();
    for_each_link([](detail::FaultyLink& link) { link.resume(); });
  }
  void crash(const std::string& name) override { end(hosts_.at(name)); }
  void power_off(const std::string&) override { cannot("take the power from a host"); }
  void jump_wall_clock(const std::string& name, std::chrono::milliseconds by) override {
    hosts_.at(name).state->wall_clock().jump(by);
  }
  void set_drift(const std::string&, std::int64_t) override { cannot("make clocks drift"); }

  void set_observer(std::function<void(const Traffic&)> observer) override {
    medium_->observer = std::move(observer);
  }
  [[nodiscard]] std::uint64_t trace_hash() const override { cannot("repeat a run"); }

 protected:
  void make_host(const std::string& name) override {
    begin(hosts_.try_emplace(name, Host{std::make_shared<detail::FaultyHost>(name), nullptr}).first->second);
  }
  void cut_hosts(const std::string& one, const std::string& other) override {
    for_each_link([&](detail::FaultyLink& link) {
      if (link.joins(one, other)) link.cut();
    });
  }
  void sever_hosts(const std::string& one, const std::string& other) override {
    for_each_link([&](detail::FaultyLink& link) {
      if (link.joins(one, other) && link.is_open()) link.sever(one);
    });
  }
  void cut_hosts_after(const std::string& from, const std::string& to, std::uint64_t bytes) override {
    if (const auto link = newest(from, to)) return link->cut_after(from, bytes);
    medium_->way(from, to).cut_next_link_after = bytes;
  }
  void corrupt_hosts_after(const std::string& from, const std::string& to, std::uint64_t bytes) override {
    if (const auto link = newest(from, to)) return link->corrupt_after(from, bytes);
    medium_->way(from, to).corrupt_next_link_after = bytes;
  }
  void block_hosts(const std::string& from, const std::string& to, bool on) override {
    medium_->way(from, to).is_blocked = on;
    for_each_link([](detail::FaultyLink& link) { link.resume(); });
  }
  void refuse_at(const std::string& host, bool on) override {
    on ? static_cast<void>(medium_->refused.insert(host)) : static_cast<void>(medium_->refused.erase(host));
  }
  void set_way_conditions(const std::string& from, const std::string& to,
                          std::optional<LinkConditions> conditions) override {
    medium_->way(from, to).conditions = std::move(conditions);
    for_each_link([](detail::FaultyLink& link) { link.retime(); });
  }

 private:
  struct Host {
    std::shared_ptr<detail::FaultyHost> state;
    std::unique_ptr<TcpTransport> transport;  // of this life
  };

  [[noreturn]] static void cannot(const std::string& what) {
    throw std::logic_error("replikv: a network of real sockets cannot " + what + "; use the simulated one");
  }

  void begin(Host& host) {
    host.transport = std::make_unique<TcpTransport>(io_);
    host.state->begin(host.transport->engine());
  }

  // Peers hear of it by their sockets.
  void end(Host& host) {
    for_each_link([&](detail::FaultyLink& link) {
      if (link.is_on(*host.state)) link.die();
    });
    host.state->end();
    host.transport.reset();
  }

  template <class Visit>
  void for_each_link(Visit&& visit) {
    const auto links = medium_->links;  // a visit may end some
    for (const auto& [ordinal, link] : links) visit(*link);
  }

  [[nodiscard]] std::shared_ptr<detail::FaultyLink> newest(const std::string& one, const std::string& other) {
    std::shared_ptr<detail::FaultyLink> found;
    for (const auto& [ordinal, link] : medium_->links) {
      if (link->is_open() && link->joins(one, other)) found = link;
    }
    return found;
  }

  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::shared_ptr<detail::FaultyMedium> medium_;
  std::map<std::string, Host> hosts_;
};

}  // namespace replikv::inline v0_1::testing
