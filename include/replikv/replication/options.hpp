// Everything that can be chosen about a master or a replica. One structure for both roles, because a
// node changes role and keeps its options. Defaults are those of Redis 7.0 where it has the option.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/core/limits.hpp>
#include <replikv/replication/events.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace replikv::inline v0_1 {

/// A user name and password. An empty user stands for "default", as in `AUTH password`.
struct Credentials {
  std::string user{};
  std::string password{};
};

/// How far a replica may fall behind before its link is closed (client-output-buffer-limit replica).
struct OutputLimit {
  std::uint64_t hard_bytes = std::uint64_t{256} << 20;  ///< at once; never below the backlog's size
  std::uint64_t soft_bytes = std::uint64_t{64} << 20;   ///< when exceeded for `soft_for` without a break
  std::chrono::seconds soft_for{60};
};

/// What happens when the stream or a snapshot brings what no bound store can hold: another database, a
/// list, bytes the Codec rejects.
enum class Unmirrored : std::uint8_t {
  count,  ///< passed on to sub-replicas, counted in `info()`, and the key is absent here
  fail,   ///< the link is closed with `Errc::not_mirrored`, and tried again later
};

struct ReplicationOptions {
  // --- The stream ---------------------------------------------------------------------------------
  std::uint64_t backlog_bytes = std::uint64_t{1} << 20;  ///< repl-backlog-size

  // --- Towards replicas ---------------------------------------------------------------------------
  std::vector<Credentials> accepts{};              ///< who may replicate; empty: everyone who connects
  unsigned min_replicas_to_write = 0;              ///< 0: writes need no replica
  std::chrono::seconds min_replicas_max_lag{10};   ///< an older last ACK does not count
  std::chrono::milliseconds full_resync_delay{0};  ///< waits for more replicas to share one snapshot
  std::chrono::milliseconds ping_period{10'000};   ///< repl-ping-replica-period
  OutputLimit output_limit{};
  std::size_t replicas_max = 10'000;  ///< further links are closed as they come

  // --- Towards the master -------------------------------------------------------------------------
  std::optional<Credentials> credentials{};  ///< masteruser, masterauth
  bool read_only = true;                     ///< replica-read-only
  unsigned priority = 100;                   ///< replica-priority, as INFO shows it; 0: never promote
  std::string announce_ip{};                 ///< replica-announce-ip; empty: the address seen
  std::uint16_t announce_port = 0;           ///< replica-announce-port; 0: the first port listened on
  double keep_at_least = 0.0;                ///< shrink guard: refuse a snapshot with fewer keys than
                                             ///< this share of those held; 0: accept any
  Unmirrored unmirrored = Unmirrored::count;
  std::chrono::milliseconds ack_period{1'000};
  std::chrono::milliseconds reconnect_delay_min{100};  ///< doubled at each failure, with jitter
  std::chrono::milliseconds reconnect_delay_max{5'000};
  std::chrono::minutes full_resync_max{120};  ///< from PSYNC to the end of the snapshot, at both ends
  std::uint64_t command_bytes_max = std::uint64_t{1} << 30;  ///< of one command or transaction received

  // --- Both ---------------------------------------------------------------------------------------
  std::chrono::milliseconds timeout{60'000};  ///< repl-timeout: silence that ends a link; all of a handshake
  Observer observer{};
  Logger logger{};
  std::optional<std::uint64_t> seed{};  ///< for replication ids and jitter; default: the system's
};

namespace detail {

/// Throws `Errc::bad_option` naming the first option that is out of range or contradicts another.
inline void check(const ReplicationOptions& options) {
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw_error(Errc::bad_option, what);
  };
  require(options.ping_period.count() > 0, "ping_period must be positive");
  require(options.ack_period.count() > 0, "ack_period must be positive");
  require(options.timeout > options.ping_period,
          "timeout must be longer than ping_period, or idle links end");
  require(options.timeout > options.ack_period, "timeout must be longer than ack_period, or idle links end");
  require(options.reconnect_delay_min.count() > 0, "reconnect_delay_min must be positive");
  require(options.reconnect_delay_max >= options.reconnect_delay_min,
          "reconnect_delay_max must not be below reconnect_delay_min");
  require(options.full_resync_delay.count() >= 0, "full_resync_delay must not be negative");
  require(options.full_resync_max.count() > 0, "full_resync_max must be positive");
  require(options.min_replicas_max_lag.count() >= 0, "min_replicas_max_lag must not be negative");
  require(options.keep_at_least >= 0.0 && options.keep_at_least <= 1.0, "keep_at_least is a share: 0 to 1");
  require(options.command_bytes_max >= limits::line_bytes_max, "command_bytes_max must be 64 KiB or more");
  require(options.replicas_max > 0, "replicas_max must be positive");
}

}  // namespace detail
}  // namespace replikv::inline v0_1
