// A few nodes on one simulated network, in virtual time: what the scenarios of this room are played with.
#pragma once

#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/simulated.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cluster {

using namespace replikv;
using namespace std::chrono_literals;

using Strings = Store<std::string, std::string>;
using Contents = std::map<std::string, std::string>;

inline Contents contents(const Strings& store) {
  Contents all;
  store.for_each([&all](std::string_view key, std::string_view value) { all.emplace(key, value); });
  return all;
}

/// Remembers the events of one node.
class EventLog {
 public:
  [[nodiscard]] Observer observer() {
    return [this](const Event& event) { events_.push_back(event); };
  }

  template <class Kind>
  [[nodiscard]] std::vector<Kind> all() const {
    std::vector<Kind> found;
    for (const auto& event : events_) {
      if (const auto* match = std::get_if<Kind>(&event)) found.push_back(*match);
    }
    return found;
  }
  template <class Kind>
  [[nodiscard]] std::size_t count() const {
    return all<Kind>().size();
  }
  void clear() { events_.clear(); }

 private:
  std::vector<Event> events_;
};

inline ReplicationOptions seeded(ReplicationOptions options, std::uint64_t seed, EventLog& log) {
  options.seed = seed;
  options.observer = log.observer();
  return options;
}

/// A master on the network, under its own name.
struct MasterNode {
  MasterNode(SimulatedTransport& network, std::string_view name, ReplicationOptions options = {},
             std::uint64_t seed = 1)
      : store(Clock(network.wall_clock())),
        role(ReplicationMaster(store, seeded(std::move(options), seed, log))) {
    role->listen(network, name);
  }
  EventLog log;
  Strings store;
  std::optional<ReplicationMaster> role;
};

/// A replica on the network; it follows nobody yet.
struct ReplicaNode {
  explicit ReplicaNode(SimulatedTransport& network, ReplicationOptions options = {}, std::uint64_t seed = 2)
      : store(Clock(network.wall_clock())),
        role(ReplicationReplica(store, seeded(std::move(options), seed, log))) {}
  [[nodiscard]] ReplicationInfo info() const { return role->info(); }
  [[nodiscard]] bool is_up() const { return info().master->state == MasterLinkState::connected; }

  EventLog log;
  Strings store;
  std::optional<ReplicationReplica> role;
};

/// Runs until the replica is in step with `position`; false after a minute of virtual time.
inline bool synced(SimulatedTransport& network, ReplicaNode& replica, const ReplicationMaster& master,
                   Duration limit = 60s) {
  return network.run_until([&] { return replica.is_up() && replica.role->position() == master.position(); },
                           limit);
}

inline void fill(Strings& store, int keys, std::size_t value_bytes = 32) {
  for (int i = 0; i < keys; ++i) {
    store.set("key:" + std::to_string(i), std::string(value_bytes, static_cast<char>('a' + i % 26)));
  }
}

}  // namespace cluster
