// A client as one line of text: what CLIENT LIST shows, and what ACL LOG keeps of who was refused.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/pub_sub.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace replikv::inline v0_1::detail {

[[nodiscard]] inline std::string flags_of_client(const Client& client) {
  const std::pair<bool, char> flags[] = {
      {client.is_monitor, 'O'},
      {client.is_replica(), 'S'},
      {client.is_subscriber(), 'P'},
      {client.in_multi, 'x'},
      {client.is_blocked, 'b'},
      {client.watcher.has_changed, 'd'},
      {client.closing == Client::Closing::when_sent, 'c'},
      {client.address.starts_with('/'), 'U'},
      {client.is_never_evicted, 'e'},
  };
  std::string text;
  for (const auto& [is_set, letter] : flags) {
    if (is_set) text += letter;
  }
  return text.empty() ? "N" : text;
}

/// What a client takes of memory: itself, and what it has sent, is owed and has the server keep.
[[nodiscard]] inline std::size_t bytes_of_client(const Client& client) {
  return sizeof(client) + client.input.size() + client.output.capacity() + client.unsent_bytes() +
         client.queue_bytes + client.subscription_bytes;
}

/// What CLIENT LIST says of one client, without the line's end.
///
/// Source  Redis 7.0 catClientInfoString; lib-name and lib-ver, of 7.2, where they are set
[[nodiscard]] inline std::string client_line(const Client& client, TimePoint now) {
  std::string line;
  const auto field = [&line](std::string_view name, const auto& value) {
    if (!line.empty()) line += ' ';
    line.append(name).append("=");
    if constexpr (std::is_convertible_v<decltype(value), std::string_view>) {
      line += value;
    } else {
      line += std::to_string(value);
    }
  };
  const auto seconds = [now](TimePoint since) {
    return std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(now - since).count(), 0);
  };
  const std::size_t unsent = client.unsent_bytes();
  field("id", client.id);
  field("addr", client.address);
  field("laddr", client.local_address);
  field("fd", -1);
  field("name", client.name);
  field("age", seconds(client.connected_at));
  field("idle", seconds(client.last_active));
  field("flags", flags_of_client(client));
  field("db", client.database);
  field("sub", client.subscribed(Subscribed::channel));
  field("psub", client.subscribed(Subscribed::pattern));
  field("ssub", client.subscribed(Subscribed::shard_channel));
  field("multi", client.in_multi ? static_cast<std::int64_t>(client.queue.size()) : -1);
  field("qbuf", client.input.size());
  field("qbuf-free", 0);
  field("argv-mem", 0);
  field("multi-mem", client.queue_bytes);
  field("rbs", client.output.capacity());
  field("rbp", 0);
  field("obl", client.output.size());
  field("oll", unsent > 0 ? 1 : 0);
  field("omem", unsent);
  field("tot-mem", bytes_of_client(client));
  field("events", unsent > 0 ? "rw" : "r");
  field("cmd", client.last_command != nullptr ? std::string_view(client.last_command->command.name) : "NULL");
  field("user", client.user_name());
  field("redir", -1);
  field("resp", static_cast<int>(client.protocol));
  if (!client.library_name.empty()) field("lib-name", client.library_name);
  if (!client.library_version.empty()) field("lib-ver", client.library_version);
  return line;
}

}  // namespace replikv::inline v0_1::detail
