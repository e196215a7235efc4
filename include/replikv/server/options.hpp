// Everything that can be chosen about an endpoint. Names follow the directives of redis-server that they
// stand for; defaults are those of Redis 7.0 unless it says otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace replikv::inline v0_1 {

/// How much a client may leave unread before its link is closed (client-output-buffer-limit).
struct ClientOutputLimit {
  std::uint64_t hard_bytes;  ///< at once; 0: no limit
  std::uint64_t soft_bytes;  ///< when exceeded for `soft_for` without a break; 0: no limit
  std::chrono::seconds soft_for{0};
};

struct EndpointOptions {
  // --- Who may come in ------------------------------------------------------------------------------
  std::string password{};  ///< requirepass: that of the user "default"; empty: none is asked for
  /// user: each a line of the field's own rules, `default on >pw ~* &* +@all`. Read after `password`.
  std::vector<std::string> users{};
  std::string acl_file{};                    ///< aclfile: a file of such lines, each after the word "user"
  bool new_users_hear_all_channels = false;  ///< acl-pubsub-default: unless their rules say otherwise
  std::size_t acl_log_entries_max = 128;     ///< acllog-max-len
  bool protected_mode = true;                ///< without a password, only clients of this machine are served
  std::size_t clients_max = 10'000;          ///< maxclients, replicas among them
  bool allow_debug = false;                  ///< enable-debug-command

  // --- What a client may cost ------------------------------------------------------------------------
  std::chrono::seconds idle_timeout{0};  ///< timeout: silence that ends a link; 0: none does
  std::chrono::seconds login_timeout{
      10};  ///< ours: to authenticate, where a password is asked for; 0: for ever
  std::size_t query_buffer_bytes_max = std::size_t{1} << 30;  ///< client-query-buffer-limit
  /// Of what a client has asked for and does not read. Its commands wait while a megabyte of replies does, so
  /// only single large replies, or a flood of further commands, exceed this; Redis makes all replies and has
  /// no limit.
  ClientOutputLimit output_limit{std::uint64_t{256} << 20, 0, {}};
  ClientOutputLimit subscriber_output_limit{std::uint64_t{32} << 20, std::uint64_t{8} << 20,
                                            std::chrono::seconds{60}};

  // --- What is recorded and told -----------------------------------------------------------------------
  std::chrono::microseconds slowlog_slower_than{10'000};  ///< slowlog-log-slower-than; negative: never
  std::size_t slowlog_entries_max = 128;                  ///< slowlog-max-len
  std::chrono::milliseconds latency_threshold{0};         ///< latency-monitor-threshold; 0: not watched
  bool latency_tracking = true;  ///< latency-tracking: the times of every command are counted
  std::vector<double> latency_percentiles{50, 99, 99.9};  ///< latency-tracking-info-percentiles: in INFO
  std::string notify_keyspace_events{};                   ///< "KEA": which, and on which channels

  // --- On a replica ----------------------------------------------------------------------------------
  bool serve_stale_data = true;  ///< replica-serve-stale-data: while the link to the master is down
};

}  // namespace replikv::inline v0_1
