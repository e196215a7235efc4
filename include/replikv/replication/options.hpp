// Everything that can be chosen about a master or a replica. One structure for both roles, because a
// node changes role and keeps its options. Defaults are those of Redis 7.0 where it has the option.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/core/limits.hpp>
#include <replikv/replication/events.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1 {

/// A user name and password. An empty user stands for "default", as in `AUTH password`.
struct Credentials {
  std::string user{};
  std::string password{};
};

/// How far a replica may fall behind before its link is closed (client-output-buffer-limit replica). Counted
/// is what of the stream waits for it; of a full resync, what is written from the snapshot's instant until
/// the replica has loaded it. So a full resync ends well if less than this is written meanwhile; one that did
/// not is reported as `FullResyncOutgrown`.
///
/// One write beyond `hard_bytes` ends every link. That costs one full resync, which brings the value in its
/// snapshot; for ever it does so only where such writes come faster than full resyncs end.
struct OutputLimit {
  std::uint64_t hard_bytes = std::uint64_t{256} << 20;  ///< at once; below the backlog's size, that counts
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

  /// The backlog also keeps what was written within this time, so that a replica may be away for as long at
  /// any rate of writing: it grows with a burst at once, and shrinks as the burst becomes old. Measured on
  /// the clock of the first transport used, and kept up to a sixty-fourth of it, or a second, longer. 0: off.
  std::chrono::seconds backlog_duration{0};
  std::uint64_t backlog_bytes_max = std::uint64_t{64} << 20;  ///< what `backlog_duration` may make of it

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
  /// Of one command or transaction received. A larger one ends the link; and again after each partial resync,
  /// which begins with the same command, until the master's backlog has left it behind.
  std::uint64_t command_bytes_max = std::uint64_t{1} << 30;

  // --- Both ---------------------------------------------------------------------------------------
  std::chrono::milliseconds timeout{60'000};  ///< repl-timeout: silence that ends a link; all of a handshake
  Observer observer{};
  Logger logger{};
  std::optional<std::uint64_t> seed{};  ///< for replication ids and jitter; default: the system's
};

namespace detail {

/// How often a master tells a replica that waits for its snapshot to be patient (Redis: once a second).
inline constexpr std::chrono::seconds newline_period{1};

/// A write of a few bytes, with its SELECT.
inline constexpr std::uint64_t short_write_bytes = 64;

/// Throws with `what()`, which is made only then.
template <class What>
void require_option(bool holds, What&& what) {
  if (!holds) throw_error(Errc::bad_option, what());
}

/// As `check`, for the limits that concern the backlog; it may be given another size later.
inline void check_backlog(const ReplicationOptions& options, std::uint64_t backlog_bytes) {
  require_option(options.backlog_duration.count() == 0 || options.backlog_bytes_max >= backlog_bytes, [&] {
    return "backlog_bytes_max (" + std::to_string(options.backlog_bytes_max) +
           ") must not be below backlog_bytes (" + std::to_string(backlog_bytes) +
           "): there would be no room for backlog_duration";
  });
  const OutputLimit& limit = options.output_limit;
  const std::uint64_t hard_bytes = std::max(limit.hard_bytes, backlog_bytes);
  const bool is_soft_at_once = limit.soft_for.count() == 0 && limit.soft_bytes < hard_bytes;
  const std::uint64_t at_once = is_soft_at_once ? limit.soft_bytes : hard_bytes;
  require_option(at_once >= short_write_bytes, [&] {
    const std::string which = is_soft_at_once ? "soft_bytes, with soft_for 0," : "hard_bytes";
    return "output_limit." + which + " ends a link at " + std::to_string(at_once) +
           " bytes behind, which one short write exceeds (" + std::to_string(short_write_bytes) +
           "): a full resync during which anything is written would never end; no limit is a large number, "
           "not 0";
  });
}

/// A full resync must be able to begin before either end gives it up, or it is tried for ever.
inline void check_full_resync_delay(const ReplicationOptions& options) {
  const auto delay = options.full_resync_delay;
  const std::string_view in_vain = ": every full resync would be given up before it begins, and tried again";
  require_option(std::chrono::floor<std::chrono::minutes>(delay) < options.full_resync_max, [&] {
    return "full_resync_delay (" + std::to_string(delay.count()) + " ms) must be shorter than " +
           "full_resync_max (" + std::to_string(options.full_resync_max.count()) + " min)" +
           std::string(in_vain);
  });
  require_option(options.timeout > newline_period || delay < options.timeout, [&] {
    return "full_resync_delay (" + std::to_string(delay.count()) + " ms) must be shorter than timeout (" +
           std::to_string(options.timeout.count()) +
           " ms), or timeout longer than 1000 ms, after which a waiting replica hears from its master" +
           std::string(in_vain);
  });
}

/// Throws `Errc::bad_option` naming the first option that is out of range or contradicts another. Refused is
/// what can only go wrong, as full resyncs that never end; what may, depending on the writes, see `unwise`.
inline void check(const ReplicationOptions& options) {
  const auto require = [](bool holds, const char* what) {
    require_option(holds, [what] { return std::string(what); });
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
  require(options.output_limit.soft_for.count() >= 0, "output_limit.soft_for must not be negative");
  require(options.backlog_duration.count() >= 0, "backlog_duration must not be negative");
  require(options.backlog_duration <= std::chrono::hours(24 * 366),
          "backlog_duration must not exceed a year");
  check_backlog(options, options.backlog_bytes);
  check_full_resync_delay(options);
}

/// What is allowed and seldom meant, a line for each: combinations that cost links or full resyncs under some
/// writes and not under others.
[[nodiscard]] inline std::vector<std::string> unwise(const ReplicationOptions& options) {
  std::vector<std::string> lines;
  const OutputLimit& limit = options.output_limit;
  if (limit.hard_bytes < options.backlog_bytes) {
    lines.push_back("output_limit.hard_bytes (" + std::to_string(limit.hard_bytes) +
                    ") has no effect: it is below backlog_bytes (" + std::to_string(options.backlog_bytes) +
                    "), which takes its place");
  }
  const std::uint64_t backlog_bytes =
      options.backlog_duration.count() == 0 ? options.backlog_bytes : options.backlog_bytes_max;
  if (limit.soft_bytes < backlog_bytes) {
    lines.push_back(
        "output_limit.soft_bytes (" + std::to_string(limit.soft_bytes) + ") is below the backlog (up to " +
        std::to_string(backlog_bytes) + "): a replica that comes back from further behind has " +
        std::to_string(limit.soft_for.count()) + " s (soft_for) to catch up, or loses its link again");
  }
  if (options.command_bytes_max < limits::bulk_bytes_max) {
    lines.push_back("command_bytes_max (" + std::to_string(options.command_bytes_max) +
                    ") is below the largest value (" + std::to_string(limits::bulk_bytes_max) +
                    "): a master that streams a larger command is followed in vain until its backlog has "
                    "left that behind");
  }
  return lines;
}

}  // namespace detail
}  // namespace replikv::inline v0_1
