// A master that gives its role to a replica without losing a write (FAILOVER): writes wait, the replica comes
// to hold all there is, and then this node becomes its replica.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// An address as transports take it.
[[nodiscard]] inline std::string address_of(std::string_view host, std::uint16_t port) {
  const bool is_bare_ipv6 = host.find(':') != std::string_view::npos && !host.starts_with('[');
  return (is_bare_ipv6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

/// Who has an address; null: nobody.
[[nodiscard]] inline const ReplicaInfo* replica_at(const ReplicationInfo& info, std::string_view host,
                                                   std::uint16_t port) {
  const auto found = std::find_if(info.replicas.begin(), info.replicas.end(), [&](const ReplicaInfo& each) {
    return each.ip == host && each.port == port;
  });
  return found == info.replicas.end() ? nullptr : &*found;
}

inline void begin_failover(Server& server, FailoverRequest request) {
  server.node->begin_failover();
  server.pauses.begin({TimePoint::max(), true});
  server.administration.failover = std::move(request);
}

/// What was held up goes on: here as a master, or refused as on any replica.
inline void finish_failover(Server& server) {
  server.node->end_failover();
  server.administration.failover.reset();
  server.end_pause();
}

/// Undoes what has been done of it.
inline void abort_failover(Server& server) {
  const bool is_replica = server.node->info().role == Role::replica;
  server.node->end_failover();
  if (is_replica) server.node->promote();
  finish_failover(server);
}

/// The replica that may take over now.
[[nodiscard]] inline const ReplicaInfo* successor(const ReplicationInfo& info, const FailoverRequest& wanted,
                                                  bool is_late) {
  if (!wanted.host.empty()) {
    const ReplicaInfo* const target = replica_at(info, wanted.host, wanted.port);
    const bool holds_all = target != nullptr && target->acknowledged == info.history.end;
    return holds_all || (is_late && wanted.is_forced) ? target : nullptr;
  }
  const auto found = std::find_if(info.replicas.begin(), info.replicas.end(), [&info](const auto& each) {
    return each.state == ReplicaState::online && each.port != 0 && each.acknowledged == info.history.end;
  });
  return found == info.replicas.end() ? nullptr : &*found;
}

/// Takes the next step, if it is time for one.
///
/// Source  Redis 7.0 checkFailover, its handling of a target that refuses
inline void advance_failover(Server& server, TimePoint now) {
  constexpr std::chrono::seconds take_over_max{10};
  auto& request = server.administration.failover;
  if (!request) return;
  if (request->gives_up_at) {
    if (server.node->is_master_link_up()) return finish_failover(server);
    if (now >= *request->gives_up_at) abort_failover(server);
    return;
  }
  if (request->timeout && !request->ends_at) request->ends_at = now + *request->timeout;
  const ReplicationInfo info = server.node->info();
  const bool is_late = request->ends_at && now >= *request->ends_at;
  if (const ReplicaInfo* const next = successor(info, *request, is_late)) {
    request->gives_up_at = now + take_over_max;
    server.node->give_role_to(server.administration.towards_master, address_of(next->ip, next->port));
  } else if (is_late) {
    abort_failover(server);
  }
}

}  // namespace replikv::inline v0_1::detail
