// A master and its replicas under the eyes of three sentinels of Redis, all of them processes.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <tests/interop/cutting_proxy.hpp>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_client.hpp>
#include <tests/server/node_program.hpp>
#include <vector>

namespace served {

/// The programs of a group's nodes; the first is the master.
using Programs = std::vector<std::string>;

/// What a group is given beyond its programs.
struct GroupOptions {
  std::string all_have{};            ///< directives of every node
  std::string first_replica_has{};   ///< directives of node 1
  bool master_can_be_alone = false;  ///< node 0 is known to the others by the port of a relay
};

/// Shortens a sentinel's periods, which are for production: it asks every 10 s, tells every 2 s and takes no
/// replica for a master in less than 8 s. It also connects to a new master only that long after it last tried
/// the old one as it pings; one that is down by then is failed over again. And it holds still for 30 s after
/// a pause of 2 s, as a busy machine makes them. A sentinel that knows nothing of DEBUG is only slower.
inline void hasten(const ConfiguredServer& sentinel) {
  (void)sentinel.client().command("SENTINEL", "DEBUG", "PING-PERIOD", 500, "INFO-PERIOD", 500, "ASK-PERIOD",
                                  200, "PUBLISH-PERIOD", 250, "TILT-TRIGGER", 60'000);
}

/// Its members are up, and know each other, when it is constructed; two sentinels must agree on a failover.
class SentinelGroup {
 public:
  explicit SentinelGroup(const Programs& programs, const GroupOptions& options = {}) {
    if (options.master_can_be_alone) relay_ = std::make_unique<interop::CuttingProxy>(std::uint16_t{0});
    for (std::size_t i = 0; i < programs.size(); ++i) add_node(programs[i], options);
    for (int i = 0; i < 3; ++i) add_sentinel();
    for (std::size_t i = 1; i < nodes_.size(); ++i) REQUIRE(follows(i, 0));
    REQUIRE(interop::eventually([this] { return everybody_knows_everybody(); }));
  }

  SentinelGroup(const SentinelGroup&) = delete;
  SentinelGroup& operator=(const SentinelGroup&) = delete;
  /// They end together, not one after the other.
  ~SentinelGroup() {
    for (const auto& sentinel : sentinels_) sentinel->process().signal(SIGTERM);
    for (const auto& node : nodes_) node->process().signal(SIGTERM);
  }

  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  [[nodiscard]] ConfiguredServer& node(std::size_t number) { return *nodes_[number]; }
  [[nodiscard]] interop::RedisClient sentinel() const { return sentinels_[0]->client(); }

  /// Nothing passes any more between the first master and the other nodes, nor the sentinels; or again.
  void isolate_first_master(bool isolated) { relay_->hold(isolated); }

  /// The node that is neither of these, of three.
  [[nodiscard]] static std::size_t third(std::size_t one, std::size_t other) noexcept {
    return 3 - one - other;
  }

  [[nodiscard]] bool follows(std::size_t replica, std::size_t master) const {
    return interop::eventually([&] {
      try {
        auto client = nodes_[replica]->client();
        return info_field(client, "replication", "master_port") == known_port(master) && is_in_step(client);
      } catch (const std::exception&) {
        return false;
      }
    });
  }

  /// Which node all three sentinels name, once it is not `former` any more; past the last: none.
  [[nodiscard]] std::size_t master_after(std::size_t former) const {
    std::size_t found = nodes_.size();
    const bool is_elected = interop::eventually([&] {
      std::vector<std::string> ports;
      for (const auto& sentinel : sentinels_) ports.push_back(master_port_of(*sentinel));
      if (ports[0] != ports[1] || ports[1] != ports[2]) return false;
      found = number_of(ports[0]);
      return found != former && found != nodes_.size();
    });
    return is_elected ? found : nodes_.size();
  }

  /// A client of the node that a sentinel names as the master; an isolated one too is there for its clients.
  /// Throws where it cannot be reached.
  [[nodiscard]] interop::RedisClient client_of_master() const {
    return nodes_.at(number_of(master_port_of(*sentinels_[0])))->client();
  }

  [[nodiscard]] std::string logs() const {
    std::string all;
    for (const auto& node : nodes_) all += "--- node\n" + node->log();
    for (const auto& sentinel : sentinels_) all += "--- sentinel\n" + sentinel->log();
    return all;
  }

 private:
  void add_node(const std::string& program, const GroupOptions& options) {
    std::string configuration = "bind 127.0.0.1\nsave \"\"\nrepl-diskless-sync-delay 0\n" + options.all_have;
    const std::size_t number = nodes_.size();
    if (number > 0) configuration += "replicaof 127.0.0.1 " + known_port(0) + "\n";
    if (number == 1) configuration += options.first_replica_has;
    if (number == 0 && relay_) {
      configuration += "replica-announce-port " + std::to_string(relay_->port()) + "\n";
    }
    nodes_.push_back(std::make_unique<ConfiguredServer>(program, configuration));
    if (number == 0 && relay_) relay_->lead_to(nodes_[0]->port());
  }

  void add_sentinel() {
    const std::string name = " mymaster ";
    sentinels_.push_back(std::make_unique<ConfiguredServer>(
        "redis-server",
        "sentinel monitor" + name + here + " " + known_port(0) + " 2\nsentinel down-after-milliseconds" +
            name + "1500\nsentinel failover-timeout" + name + "5000\nsentinel parallel-syncs" + name + "1\n",
        std::vector<std::string>{"--sentinel"}));
    hasten(*sentinels_.back());
  }

  /// The port by which the others know a node.
  [[nodiscard]] std::string known_port(std::size_t number) const {
    return std::to_string(number == 0 && relay_ ? relay_->port() : nodes_[number]->port());
  }

  [[nodiscard]] std::size_t number_of(const std::string& port) const {
    std::size_t number = 0;
    while (number < nodes_.size() && known_port(number) != port) ++number;
    return number;
  }

  [[nodiscard]] static std::string master_port_of(const ConfiguredServer& sentinel) {
    const auto reply = sentinel.client().command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster");
    return reply.items.size() == 2 ? reply.items[1].text : "";
  }

  [[nodiscard]] bool everybody_knows_everybody() const {
    return std::all_of(sentinels_.begin(), sentinels_.end(), [this](const auto& sentinel) {
      auto client = sentinel->client();
      return client.command("SENTINEL", "SENTINELS", "mymaster").items.size() == 2 &&
             client.command("SENTINEL", "REPLICAS", "mymaster").items.size() == nodes_.size() - 1 &&
             client.command("SENTINEL", "CKQUORUM", "mymaster").text.starts_with("OK");
    });
  }

  std::unique_ptr<interop::CuttingProxy> relay_;
  std::vector<std::unique_ptr<ConfiguredServer>> nodes_;
  std::vector<std::unique_ptr<ConfiguredServer>> sentinels_;
};

/// Runs a test over several groups at once: what it does is to wait for the sentinels' timers.
template <class Test>
void side_by_side(const std::vector<Programs>& groups, const Test& test) {
  std::vector<std::future<void>> running;
  for (const Programs& programs : groups) {
    running.push_back(std::async(std::launch::async, [&test, &programs] { test(programs); }));
  }
  for (auto& each : running) each.get();
}

}  // namespace served
