// The handshake of replicas, on the port that clients use: what REPLCONF tells, and the request to
// synchronise, after which the link belongs to the node.
#pragma once

#include <replikv/replication/info.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

[[nodiscard]] inline std::uint16_t port_of(std::string_view text) {
  const auto port = resp::parse_unsigned(text);
  if (!port || *port > 65'535) not_an_integer();
  return static_cast<std::uint16_t>(*port);
}

[[nodiscard]] inline std::string announced_address(std::string_view text) {
  if (!ReplicaHandshake::can_announce(text)) throw CommandError("ERR REPLCONF ip-address is not an address");
  return std::string(text);
}

/// Source  Redis 7.0 replconfCommand
inline void replconf(Call& call) {
  if (call.size() % 2 == 0) syntax_error();
  ReplicaHandshake& handshake = call.client.handshake;
  for (std::size_t i = 1; i + 1 < call.size(); i += 2) {
    const std::string_view value = call[i + 1];
    if (is_word(call[i], "listening-port")) {
      handshake.listening_port = port_of(value);
    } else if (is_word(call[i], "ip-address")) {
      handshake.announced_ip = announced_address(value);
    } else if (is_word(call[i], "capa")) {
      handshake.understands_marks = handshake.understands_marks || is_word(value, "eof");
      handshake.understands_new_ids = handshake.understands_new_ids || is_word(value, "psync2");
    } else if (is_word(call[i], "ack") || is_word(call[i], "getack")) {
      return;  // never answered
    } else if (is_word(call[i], "rdb-filter-only")) {
      if (!handshake.take_filter(value)) {
        throw CommandError("ERR Unsupported rdb-filter-only option: " + std::string(value.substr(0, 64)));
      }
    } else if (!is_word(call[i], "rdb-only")) {
      throw CommandError("ERR Unrecognized REPLCONF option: " + std::string(call[i].substr(0, 64)));
    }
  }
  call.reply.ok();
}

/// Our master gives its role to us, and will be our replica over this very link (Redis: FAILOVER).
inline void take_over(Call& call) {
  const ReplicationInfo info = call.server.node->info();
  if (info.role == Role::master) throw CommandError("ERR PSYNC FAILOVER can't be sent to a master.");
  if (call[1] != info.history.id.text()) {
    throw CommandError("ERR PSYNC FAILOVER replid must match my replid.");
  }
  call.server.node->promote();
}

inline void psync(Call& call) {
  if (call.size() > 3 && is_word(call[3], "failover")) take_over(call);
  SyncRequest request;
  request.id = ReplicationId::parse(call[1]);
  request.next_byte = resp::parse_unsigned(call[2]).value_or(0);
  call.client.handshake.knows_offsets = true;
  call.client.sync_request = request;
}

inline void sync(Call& call) {
  call.client.handshake.knows_offsets = false;
  call.client.sync_request.emplace();
}

inline void add_synchronisation(detail::CommandTable& table) {
  table.add({"replconf", -1, "admin noscript loading stale allow_busy", "", {}, replconf});
  table.add({"psync", -3, "admin noscript no_async_loading no_multi", "", {}, psync});
  table.add({"sync", 1, "admin noscript no_async_loading no_multi", "", {}, sync});
}

}  // namespace replikv::inline v0_1::server::commands
