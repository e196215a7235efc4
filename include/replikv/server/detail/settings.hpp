// All parameters of a running endpoint as one value, and one value taken over as all parameters: what CONFIG
// changes, it changes altogether or not at all.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/server/detail/configuration.hpp>
#include <replikv/server/detail/parameters.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace replikv::inline v0_1::detail {

/// The settings in force.
[[nodiscard]] inline Settings settings_of(Server& server) {
  Settings all;
  all.replication = server.node->chosen_options();
  all.endpoint = server.options;
  all.memory = server.administration.memory.options(*server.node);
  const ReplicationInfo info = server.node->info();
  if (info.master && !info.master->host.empty()) {
    all.master = info.master->host + " " + std::to_string(info.master->port);
  }
  all.texts = server.administration.texts;
  return all;
}

/// What Redis lets be set and an idle link would not survive here: signs of life come more often then.
inline void keep_links_alive(ReplicationOptions& options) {
  options.ping_period = std::min<std::chrono::milliseconds>(options.ping_period, options.timeout / 2);
  options.ack_period = std::min<std::chrono::milliseconds>(options.ack_period, options.timeout / 2);
}

/// Takes settings over, but for the master: see REPLICAOF. Throws `Errc::bad_option`, and then nothing has
/// changed.
inline void use_settings(Server& server, Settings wanted) {
  keep_links_alive(wanted.replication);
  server.node->change_options([&wanted](ReplicationOptions& all) { all = wanted.replication; });
  const MemoryOptions before = server.administration.memory.options(*server.node);
  if (wanted.memory != before) server.administration.memory.use(*server.node, wanted.memory);
  const bool has_new_password = wanted.endpoint.password != server.options.password;
  server.options = std::move(wanted.endpoint);
  server.access.start_with(new_channels(server.options));
  if (has_new_password) server.access.set_default_password(server.options.password);
  server.want_events(std::string(server.options.notify_keyspace_events));
  server.administration.texts = std::move(wanted.texts);
}

}  // namespace replikv::inline v0_1::detail
