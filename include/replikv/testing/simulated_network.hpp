// The network of a cluster in virtual time.
#pragma once

#include <replikv/testing/network.hpp>
#include <replikv/transport/simulated.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace replikv::inline v0_1::testing {

/// All of it in one thread, and the same for the same seed and the same calls.
class SimulatedNetwork final : public Network {
 public:
  explicit SimulatedNetwork(std::uint64_t seed) : transport_(seed) {}

  [[nodiscard]] TimePoint now() const override { return transport_.now(); }
  bool step(TimePoint limit) override {
    if (transport_.step(limit)) return true;
    transport_.advance_to(limit);
    return false;
  }

  void set_conditions(const LinkConditions& conditions) override { transport_.set_conditions(conditions); }
  using Network::set_conditions;
  [[nodiscard]] LinkConditions conditions() const override { return transport_.conditions(); }

  [[nodiscard]] std::shared_ptr<TransportEngine> engine(const std::string& name) override {
    return host(name).engine();
  }
  [[nodiscard]] const ClockSource& wall_clock(const std::string& name) override {
    return host(name).wall_clock();
  }
  [[nodiscard]] std::string address(const std::string& name) const override { return name; }

  void pause(const std::string& name) override { host(name).pause(); }
  void resume(const std::string& name) override { host(name).resume(); }
  void crash(const std::string& name) override { host(name).crash(); }
  void power_off(const std::string& name) override { host(name).power_off(); }
  void jump_wall_clock(const std::string& name, std::chrono::milliseconds by) override {
    host(name).jump_wall_clock(by);
  }
  void set_drift(const std::string& name, std::int64_t parts_per_million) override {
    host(name).set_drift(parts_per_million);
  }

  void set_observer(std::function<void(const Traffic&)> observer) override {
    transport_.set_observer(std::move(observer));
  }
  [[nodiscard]] std::uint64_t trace_hash() const override { return transport_.trace_hash(); }

  /// For peers that are no nodes: a test that speaks the protocol by hand.
  [[nodiscard]] SimulatedTransport& transport() noexcept { return transport_; }

 protected:
  void make_host(const std::string& name) override { hosts_.try_emplace(name, transport_.host(name)); }
  void cut_hosts(const std::string& one, const std::string& other) override {
    transport_.cut(host(one), host(other));
  }
  void sever_hosts(const std::string& one, const std::string& other) override {
    transport_.sever(host(one), host(other));
  }
  void cut_hosts_after(const std::string& from, const std::string& to, std::uint64_t bytes) override {
    transport_.cut_after(host(from), host(to), bytes);
  }
  void corrupt_hosts_after(const std::string& from, const std::string& to, std::uint64_t bytes) override {
    transport_.corrupt_after(host(from), host(to), bytes);
  }
  void block_hosts(const std::string& from, const std::string& to, bool on) override {
    transport_.block(host(from), host(to), on);
  }
  void refuse_at(const std::string& name, bool on) override { transport_.refuse(name, on); }
  void set_way_conditions(const std::string& from, const std::string& to,
                          std::optional<LinkConditions> conditions) override {
    transport_.set_conditions(host(from), host(to), std::move(conditions));
  }

 private:
  [[nodiscard]] SimulatedHost& host(const std::string& name) { return hosts_.at(name); }

  SimulatedTransport transport_;
  std::map<std::string, SimulatedHost> hosts_;
};

}  // namespace replikv::inline v0_1::testing
