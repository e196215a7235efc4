// Our masters and replicas as these tests use them: stores of strings, a record of the events, and waiting
// for a node to be in step with another.
#pragma once

#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/asio_tcp.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <utility>
#include <variant>
#include <vector>

namespace interop {

using namespace replikv;
using namespace std::chrono_literals;

using Strings = Store<std::string, std::string>;

/// The system's wall clock, which can be stopped: what is left of a key's life is then exact.
class StoppableClock final : public ClockSource {
 public:
  [[nodiscard]] WallTime now() const noexcept override {
    const std::int64_t stopped = stopped_ms_;
    return stopped != 0 ? WallTime(std::chrono::milliseconds(stopped)) : Clock().now();
  }
  void stop() noexcept { stopped_ms_ = Clock().now().time_since_epoch().count(); }
  void go_on() noexcept { stopped_ms_ = 0; }

 private:
  std::atomic<std::int64_t> stopped_ms_ = 0;
};

/// Remembers the events of one node; they come from another thread.
class EventLog {
 public:
  [[nodiscard]] Observer observer() {
    return [this](const Event& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    };
  }
  template <class Kind>
  [[nodiscard]] std::vector<Kind> all() const {
    const std::lock_guard lock(mutex_);
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
  /// How often a link went down for this reason.
  [[nodiscard]] std::size_t downs(Errc why) const {
    std::size_t count = 0;
    for (const auto& down : all<LinkDown>()) {
      if (down.why.code == why) ++count;
    }
    return count;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

/// Databases 0, 1, … of a node.
class Databases {
 public:
  explicit Databases(std::size_t count = 1) {
    while (stores_.size() < count) stores_.emplace_back(Clock(clock));
  }
  Strings& operator[](std::size_t database) { return stores_[database]; }
  [[nodiscard]] std::size_t count() const noexcept { return stores_.size(); }

  StoppableClock clock;

 private:
  std::deque<Strings> stores_;
};

template <class RoleType>
std::optional<RoleType> attach(Databases& data, ReplicationOptions options, EventLog& log) {
  options.observer = log.observer();
  std::optional<RoleType> role;
  switch (data.count()) {
    case 1: role.emplace(data[0], std::move(options)); break;
    case 2: role.emplace(data[0], data[1], std::move(options)); break;
    default: role.emplace(data[0], data[1], data[2], std::move(options)); break;
  }
  return role;
}

/// Quick to come back, so that tests are.
inline ReplicationOptions impatient(ReplicationOptions options = {}) {
  options.reconnect_delay_min = 5ms;
  options.reconnect_delay_max = 100ms;
  return options;
}

/// A master of ours on a port of the loopback interface.
struct MasterNode {
  template <Transport Network>
  explicit MasterNode(const Network& network, ReplicationOptions options = {}, std::size_t databases = 1)
      : data(databases), role(attach<ReplicationMaster>(data, std::move(options), log)) {
    address = role->listen(network, "127.0.0.1:0");
  }
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
  }

  EventLog log;
  Databases data;
  Strings& store = data[0];
  std::optional<ReplicationMaster> role;
  std::string address;
};

/// A replica of ours; it listens, so that it may have sub-replicas, and follows nobody yet.
struct ReplicaNode {
  template <Transport Network>
  explicit ReplicaNode(const Network& network, ReplicationOptions options = impatient(),
                       std::size_t databases = 1)
      : data(databases), role(attach<ReplicationReplica>(data, std::move(options), log)) {
    address = role->listen(network, "127.0.0.1:0");
  }
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
  }
  [[nodiscard]] bool is_up() const { return role->info().master->state == MasterLinkState::connected; }

  EventLog log;
  Databases data;
  Strings& store = data[0];
  std::optional<ReplicationReplica> role;
  std::string address;
};

/// Where a server stands: its replication id and offset.
[[nodiscard]] inline Token position_of(RedisClient& server) {
  const std::string info = server.info("replication");
  const std::string offset =
      info_field(info, info_field(info, "role") == "slave" ? "slave_repl_offset" : "master_repl_offset");
  return {ReplicationId::parse(info_field(info, "master_replid")).value_or(ReplicationId{}),
          {std::stoull(offset)}};
}

[[nodiscard]] inline bool link_is_up(RedisClient& server) {
  return info_field(server.info("replication"), "master_link_status") == "up";
}

/// Has a server follow `port` of the loopback interface.
inline void make_replica(RedisClient& server, std::uint16_t port) {
  const Reply reply = server.command("REPLICAOF", "127.0.0.1", port);
  REQUIRE_MESSAGE(!reply.is_error(), reply.text);
}

/// Waits until our replica and its redis master stand at the same byte of the same history.
[[nodiscard]] inline bool in_step(const ReplicaNode& replica, RedisClient& master) {
  return eventually([&] { return replica.is_up() && replica.role->position() == position_of(master); });
}

/// The same for a redis-server that follows one of our nodes.
template <class RoleType>
[[nodiscard]] bool in_step(RedisClient& replica, const RoleType& master) {
  return eventually([&] { return link_is_up(replica) && position_of(replica) == master.position(); });
}

}  // namespace interop
