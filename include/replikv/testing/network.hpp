// The network of a cluster: time, the hosts its nodes run on, and everything that can go wrong between them.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/transport/simulated.hpp>
#include <replikv/transport/transport.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::testing {

/// What has a name on the network: a node of a cluster.
class Member {
 public:
  explicit Member(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 protected:
  ~Member() = default;

 private:
  std::string name_;
};

/// Faults last until `heal` or until they are taken back. An implementation brings the protected calls; a
/// fault it cannot make throws std::logic_error.
///
/// Thread safety  none: the test's thread
class Network {
 public:
  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  virtual ~Network() = default;

  // --- Time -------------------------------------------------------------------------------------------

  [[nodiscard]] virtual TimePoint now() const = 0;

  /// Lets one thing happen; false, and it is `limit` or later, when nothing is to come before it.
  virtual bool step(TimePoint limit) = 0;

  // --- Links: between two nodes, whichever of them follows ------------------------------------------------

  /// Ends the links between the two; both hear of it, and may connect anew.
  void cut(const Member& one, const Member& other) { cut_hosts(one.name(), other.name()); }
  /// Ends all links of a node.
  void cut(const Member& node) {
    for_each_other(node, [&](const std::string& other) { cut_hosts(node.name(), other); });
  }

  /// Leaves links half-open: only `one` hears of the end.
  void half_open(const Member& one, const Member& other) { sever_hosts(one.name(), other.name()); }

  /// Cuts the newest link between the two, or when there is none the next one, exactly when `bytes` more
  /// have got from one to the other.
  void cut_after(const Member& from, const Member& to, std::uint64_t bytes) {
    cut_hosts_after(from.name(), to.name(), bytes);
  }

  /// Flips a bit of the byte that arrives after `bytes` more, on that link.
  void corrupt_after(const Member& from, const Member& to, std::uint64_t bytes) {
    corrupt_hosts_after(from.name(), to.name(), bytes);
  }

  // --- Ways -----------------------------------------------------------------------------------------------

  /// Nothing gets from one to the other, and nobody is told; the other direction works. Connecting, which
  /// needs both, does not.
  void block(const Member& from, const Member& to, bool on = true) {
    block_hosts(from.name(), to.name(), on);
  }

  /// Nothing gets from one to the other or back.
  void partition(const Member& one, const Member& other, bool on = true) {
    block_hosts(one.name(), other.name(), on);
    block_hosts(other.name(), one.name(), on);
  }

  /// Cuts a node off from all others.
  void partition(const Member& node, bool on = true) {
    for_each_other(node, [&](const std::string& other) {
      block_hosts(node.name(), other, on);
      block_hosts(other, node.name(), on);
    });
  }

  /// Attempts to connect to the node are refused; the links it has stay.
  void refuse(const Member& node, bool on = true) { refuse_at(node.name(), on); }

  /// How bytes travel everywhere.
  virtual void set_conditions(const LinkConditions& conditions) = 0;
  [[nodiscard]] virtual LinkConditions conditions() const = 0;

  /// How bytes travel from one to the other: slow, in small pieces, late.
  void set_conditions(const Member& from, const Member& to, const LinkConditions& conditions) {
    set_way_conditions(from.name(), to.name(), conditions);
  }

  /// Takes back what `block`, `partition`, `refuse` and `set_conditions` between two nodes did. Links that
  /// are gone stay gone.
  void heal() {
    for (const std::string& one : hosts_) {
      refuse_at(one, false);
      for (const std::string& other : hosts_) {
        if (one == other) continue;
        block_hosts(one, other, false);
        set_way_conditions(one, other, std::nullopt);
      }
    }
  }

  // --- Hosts: what nodes and clusters call ------------------------------------------------------------

  /// Adds a host; its name is taken from now on.
  void add_host(const std::string& name) {
    hosts_.push_back(name);
    make_host(name);
  }
  [[nodiscard]] virtual std::shared_ptr<TransportEngine> engine(const std::string& host) = 0;
  [[nodiscard]] virtual const ClockSource& wall_clock(const std::string& host) = 0;
  /// What a node on this host listens on.
  [[nodiscard]] virtual std::string address(const std::string& host) const = 0;

  virtual void pause(const std::string& host) = 0;
  virtual void resume(const std::string& host) = 0;
  virtual void crash(const std::string& host) = 0;
  virtual void power_off(const std::string& host) = 0;
  virtual void jump_wall_clock(const std::string& host, std::chrono::milliseconds by) = 0;
  virtual void set_drift(const std::string& host, std::int64_t parts_per_million) = 0;

  /// Called for everything that happens on a link.
  virtual void set_observer(std::function<void(const Traffic&)> observer) = 0;

  /// Folds all that happened; see `SimulatedTransport::trace_hash`.
  [[nodiscard]] virtual std::uint64_t trace_hash() const = 0;

 protected:
  virtual void make_host(const std::string& name) = 0;
  virtual void cut_hosts(const std::string& one, const std::string& other) = 0;
  virtual void sever_hosts(const std::string& one, const std::string& other) = 0;
  virtual void cut_hosts_after(const std::string& from, const std::string& to, std::uint64_t bytes) = 0;
  virtual void corrupt_hosts_after(const std::string& from, const std::string& to, std::uint64_t bytes) = 0;
  virtual void block_hosts(const std::string& from, const std::string& to, bool on) = 0;
  virtual void refuse_at(const std::string& host, bool on) = 0;
  virtual void set_way_conditions(const std::string& from, const std::string& to,
                                  std::optional<LinkConditions> conditions) = 0;

 private:
  template <class Visit>
  void for_each_other(const Member& node, Visit&& visit) {
    for (const std::string& other : hosts_) {
      if (other != node.name()) visit(other);
    }
  }

  std::vector<std::string> hosts_;
};

}  // namespace replikv::inline v0_1::testing
