// The role of the node and what concerns it: REPLICAOF, ROLE, WAIT, FAILOVER, SHUTDOWN.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/failover.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::server::commands {

// --- REPLICAOF ------------------------------------------------------------------------------------------

inline void replicate_from(detail::Server& server, std::string_view host, std::uint16_t port) {
  const auto& engine = server.administration.towards_master;
  if (!engine) throw CommandError("ERR this endpoint has no transport to reach a master by");
  server.node->replicate_from(engine, detail::address_of(host, port));
}

/// Source  Redis 7.0 replicaofCommand
inline void replicaof(Call& call) {
  if (call.server.administration.failover) {
    throw CommandError("ERR REPLICAOF not allowed while failing over.");
  }
  const ReplicationInfo info = call.server.node->info();
  if (is_word(call[1], "no") && is_word(call[2], "one")) {
    if (info.role == Role::replica) call.server.node->promote();
    return call.reply.ok();
  }
  const auto port = resp::parse_integer(call[2]);
  if (!port || *port < 0 || *port > 65'535) throw CommandError("ERR Invalid master port");
  if (info.master && info.master->host == call[1] && info.master->port == *port) {
    return call.reply.simple("OK Already connected to specified master");
  }
  replicate_from(call.server, call[1], static_cast<std::uint16_t>(*port));
  call.reply.ok();
}

// --- ROLE -----------------------------------------------------------------------------------------------

[[nodiscard]] inline std::string_view text_of(MasterLinkState state) noexcept {
  switch (state) {
    case MasterLinkState::none: return "none";
    case MasterLinkState::connect: return "connect";
    case MasterLinkState::connecting: return "connecting";
    case MasterLinkState::handshake: return "handshake";
    case MasterLinkState::sync: return "sync";
    case MasterLinkState::connected: return "connected";
  }
  return "unknown";
}

/// Source  Redis 7.0 roleCommand
inline void role(Call& call) {
  const ReplicationInfo info = call.server.node->info();
  if (info.master) {
    const bool is_up = info.master->state == MasterLinkState::connected;
    call.reply.array(5);
    call.reply.bulk("slave");
    call.reply.bulk(info.master->host);
    call.reply.integer(info.master->port);
    call.reply.bulk(text_of(info.master->state));
    return call.reply.integer(is_up ? static_cast<std::int64_t>(info.history.end.bytes) : -1);
  }
  const auto is_online = [](const ReplicaInfo& replica) { return replica.state == ReplicaState::online; };
  call.reply.array(3);
  call.reply.bulk("master");
  call.reply.integer(info.history.end.bytes);
  call.reply.array(
      static_cast<std::size_t>(std::count_if(info.replicas.begin(), info.replicas.end(), is_online)));
  for (const ReplicaInfo& replica : info.replicas) {
    if (!is_online(replica)) continue;
    call.reply.array(3);
    call.reply.bulk(replica.ip);
    call.reply.bulk_integer(replica.port);
    call.reply.bulk_integer(replica.acknowledged.bytes);
  }
}

// --- WAIT -----------------------------------------------------------------------------------------------

/// Milliseconds; nothing: without an end.
[[nodiscard]] inline std::optional<std::chrono::milliseconds> timeout_of(std::string_view text) {
  const auto number = resp::parse_integer(text);
  if (!number) throw CommandError("ERR timeout is not an integer or out of range");
  if (*number < 0) throw CommandError("ERR timeout is negative");
  if (*number == 0) return std::nullopt;
  // Redis: what ends after the end of time is out of range. A century is long enough to be that here.
  constexpr std::int64_t century_ms = std::int64_t{100} * 366 * 86'400 * 1000;
  return std::chrono::milliseconds(std::min(*number, century_ms));
}

[[nodiscard]] inline std::shared_ptr<detail::Client> client_of(const detail::Server& server,
                                                               std::uint64_t id) {
  for (const auto& client : server.clients()) {
    if (client->id == id) return client;
  }
  return nullptr;
}

/// A WAIT under way. Whoever ends it first answers: the node, or CLIENT UNBLOCK.
struct PendingWait {
  std::weak_ptr<detail::Server> server;
  std::uint64_t client_id;
  Offset offset;
  bool is_over = false;

  void end(bool with_error, std::optional<unsigned> confirmed) {
    const auto its_server = server.lock();
    if (!its_server) return;
    const detail::Server::Turn turn(*its_server);
    const auto client = client_of(*its_server, client_id);
    if (!client || std::exchange(is_over, true)) return;
    client->unblock = nullptr;
    if (with_error) {
      client->reply().error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    } else if (its_server->node->info().role == Role::replica) {
      client->reply().error(
          "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
    } else {
      client->reply().integer(confirmed ? *confirmed : its_server->node->confirmed(offset));
    }
    client->resume_soon();
  }
};

/// How many replicas have confirmed what was written so far. Redis counts what this client has written; all
/// that was written is never less.
///
/// Source  Redis 7.0 waitCommand
inline void wait(Call& call) {
  if (call.server.node->info().role == Role::replica) {
    throw CommandError(
        "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica "
        "is configured to be writable (which is not the default) writes to replicas are just local and are "
        "not propagated.");
  }
  const std::int64_t wanted = integer_of(call[1]);
  const auto timeout = timeout_of(call[2]);
  const Offset offset = call.server.node->end_of_writes();
  const unsigned confirmed = call.server.node->confirmed(offset);
  if (confirmed >= wanted || call.client.in_multi) return call.reply.integer(confirmed);
  const auto pending =
      std::make_shared<PendingWait>(PendingWait{call.server.weak_from_this(), call.client.id, offset});
  call.client.is_blocked = true;
  call.client.unblock = [pending](bool with_error) { pending->end(with_error, std::nullopt); };
  const auto replicas =
      static_cast<unsigned>(std::min<std::int64_t>(wanted, std::numeric_limits<int>::max()));
  call.server.node->wait(replicas, timeout, [pending](unsigned count) { pending->end(false, count); });
}

// --- FAILOVER -------------------------------------------------------------------------------------------

/// What FAILOVER was called with, or `CommandError`; nothing: it is to end the one under way.
[[nodiscard]] inline std::optional<detail::FailoverRequest> failover_request_of(const Call& call) {
  detail::FailoverRequest request;
  bool aborts = false;
  for (std::size_t i = 1; i < call.size(); ++i) {
    if (is_word(call[i], "timeout") && i + 1 < call.size() && !request.timeout) {
      const std::int64_t timeout_ms = integer_of(call[++i]);
      if (timeout_ms <= 0) throw CommandError("ERR FAILOVER timeout must be greater than 0");
      request.timeout = std::chrono::milliseconds(timeout_ms);
    } else if (is_word(call[i], "abort") && !aborts) {
      aborts = true;
    } else if (is_word(call[i], "to") && i + 2 < call.size() && request.host.empty()) {
      const std::int64_t port = integer_of(call[i + 2]);
      request.host = call[i + 1];
      request.port = static_cast<std::uint16_t>(port >= 0 && port <= 65'535 ? port : 0);
      i += 2;
    } else if (is_word(call[i], "force") && !request.is_forced) {
      request.is_forced = true;
    } else {
      syntax_error();
    }
  }
  if (!aborts) return request;
  if (request.timeout || !request.host.empty() || request.is_forced) syntax_error();
  return std::nullopt;
}

/// Throws where a failover cannot begin.
inline void check_failover(const ReplicationInfo& info, const detail::FailoverRequest& request) {
  if (info.role == Role::replica) {
    throw CommandError("ERR FAILOVER is not valid when server is a replica.");
  }
  if (info.replicas.empty()) throw CommandError("ERR FAILOVER requires connected replicas.");
  if (request.is_forced && (!request.timeout || request.host.empty())) {
    throw CommandError("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
  }
  if (request.host.empty()) return;
  const ReplicaInfo* const target = detail::replica_at(info, request.host, request.port);
  if (target == nullptr) throw CommandError("ERR FAILOVER target HOST and PORT is not a replica.");
  if (target->state != ReplicaState::online) {
    throw CommandError("ERR FAILOVER target replica is not online.");
  }
}

/// Source  Redis 7.0 failoverCommand
inline void failover(Call& call) {
  const auto request = failover_request_of(call);
  const bool is_under_way = call.server.administration.failover.has_value();
  if (!request) {
    if (!is_under_way) throw CommandError("ERR No failover in progress.");
    detail::abort_failover(call.server);
    return call.reply.ok();
  }
  if (is_under_way) throw CommandError("ERR FAILOVER already in progress.");
  check_failover(call.server.node->info(), *request);
  detail::begin_failover(call.server, *request);
  call.reply.ok();
}

// --- SHUTDOWN -------------------------------------------------------------------------------------------

/// Nothing is saved, so nothing can keep it from happening. Whoever made the endpoint ends it.
///
/// Source  Redis 7.0 shutdownCommand
inline void shutdown(Call& call) {
  bool saves = false;
  bool does_not_save = false;
  bool aborts = false;
  for (std::size_t i = 1; i < call.size(); ++i) {
    if (is_word(call[i], "nosave")) {
      does_not_save = true;
    } else if (is_word(call[i], "save")) {
      saves = true;
    } else if (is_word(call[i], "abort")) {
      aborts = true;
    } else if (!is_word(call[i], "now") && !is_word(call[i], "force")) {
      syntax_error();
    }
  }
  if ((aborts && call.size() > 2) || (saves && does_not_save)) syntax_error();
  if (aborts) throw CommandError("ERR No shutdown in progress.");
  if (!call.server.administration.shut_down) {
    throw CommandError("ERR Errors trying to SHUTDOWN. Check logs.");
  }
  call.client.closing = detail::Client::Closing::when_sent;
  call.server.administration.shut_down();
}

inline void add_roles(detail::CommandTable& table) {
  table.add({"replicaof", 3, "admin noscript stale no_async_loading", "", {}, replicaof});
  table.add({"slaveof", 3, "admin noscript stale no_async_loading", "", {}, replicaof});
  table.add({"failover", -1, "admin noscript stale", "", {}, failover});
  table.add({"role", 1, "noscript loading stale fast", "admin dangerous", {}, role});
  table.add({"wait", 3, "noscript", "connection", {}, wait});
  table.add({"shutdown", -1, "admin noscript loading stale no_multi allow_busy", "", {}, shutdown});
}

}  // namespace replikv::inline v0_1::server::commands
