// The state of a node's replication as INFO replication prints it: the same fields, the same order,
// the same words, and a few numbers that redis-server has no line for.
#pragma once

#include <replikv/stream/command_stream.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

enum class Role : std::uint8_t { master, replica };

/// Where a replica stands, seen from its master. The words of INFO: wait_bgsave, send_bulk, online.
enum class ReplicaState : std::uint8_t { waiting_for_snapshot, receiving_snapshot, online };

[[nodiscard]] constexpr std::string_view text(ReplicaState state) noexcept {
  switch (state) {
    case ReplicaState::waiting_for_snapshot: return "wait_bgsave";
    case ReplicaState::receiving_snapshot: return "send_bulk";
    case ReplicaState::online: return "online";
  }
  return "";
}

/// How far a master is with giving its role to a replica. The words of INFO.
enum class FailoverState : std::uint8_t { none, waiting_for_sync, in_progress };

[[nodiscard]] constexpr std::string_view text(FailoverState state) noexcept {
  switch (state) {
    case FailoverState::none: return "no-failover";
    case FailoverState::waiting_for_sync: return "waiting-for-sync";
    case FailoverState::in_progress: return "failover-in-progress";
  }
  return "";
}

/// One attached replica.
struct ReplicaInfo {
  std::string ip;
  std::uint16_t port = 0;
  ReplicaState state = ReplicaState::waiting_for_snapshot;
  Offset acknowledged;               ///< its last ACK
  std::uint64_t lag_bytes = 0;       ///< written here and not acknowledged yet
  std::chrono::milliseconds lag{0};  ///< since its last ACK; 0 unless online
};

/// Where a replica's own link to its master stands. The words of ROLE.
enum class MasterLinkState : std::uint8_t { none, connect, connecting, handshake, sync, connected };

/// A snapshot on its way in.
struct SyncProgress {
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> bytes_total;  ///< none while unknown
  bool until_mark = false;                   ///< `$EOF:` framing: the total is never announced
  std::chrono::seconds last_io_ago{0};
};

/// The replica's half of INFO.
struct MasterLinkInfo {
  std::string host;
  std::uint16_t port = 0;
  MasterLinkState state = MasterLinkState::none;
  std::optional<std::chrono::seconds> last_io_ago;
  std::optional<std::chrono::seconds> down_since;  ///< while down; none when it was never up
  Offset received;                                 ///< slave_read_repl_offset
  std::optional<SyncProgress> sync;                ///< while a full resync loads
};

/// Everything `info()` knows. A copy: it does not change any more.
struct ReplicationInfo {
  Role role = Role::master;
  std::optional<MasterLinkInfo> master;  ///< on a replica
  unsigned priority = 100;
  bool read_only = true;
  std::vector<ReplicaInfo> replicas;
  std::optional<unsigned> good_replicas;  ///< when min_replicas_to_write is in force
  FailoverState failover = FailoverState::none;
  History history;

  // INFO stats has these three.
  std::uint64_t full_resyncs_served = 0;      ///< sync_full
  std::uint64_t partial_resyncs_served = 0;   ///< sync_partial_ok
  std::uint64_t partial_resyncs_refused = 0;  ///< sync_partial_err

  // And these are ours.
  std::uint64_t full_resyncs = 0;  ///< completed by this node as a replica
  std::uint64_t partial_resyncs = 0;
  std::uint64_t unmirrored = 0;  ///< commands and snapshot entries that no bound store holds
  std::uint64_t rejected_writes = 0;

  /// The section as redis-server 7.0 prints it, "# Replication" and CR LF line ends included.
  [[nodiscard]] std::string text() const;
};

namespace detail {

class InfoText {
 public:
  void line(std::string_view field, std::string_view value) {
    out_.append(field).append(":").append(value).append("\r\n");
  }
  template <std::integral Integer>
  void line(std::string_view field, Integer value) {
    line(field, std::string_view(std::to_string(value)));
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_ = "# Replication\r\n";
};

inline void append_sync(InfoText& out, const SyncProgress& sync) {
  constexpr auto shown_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto known = static_cast<std::int64_t>(std::min(sync.bytes_total.value_or(0), shown_max));
  const std::int64_t total = sync.until_mark ? 0 : sync.bytes_total ? known : -1;
  const auto read = static_cast<std::int64_t>(sync.bytes);
  // Two decimals as "%.2f" has them, without a locale.
  const double share = total > 0 ? static_cast<double>(read) / static_cast<double>(total) : 0;
  const std::int64_t hundredths = std::llround(share * 10'000);
  const std::string fraction = std::to_string(100 + hundredths % 100).substr(1);
  out.line("master_sync_total_bytes", total);
  out.line("master_sync_read_bytes", read);
  out.line("master_sync_left_bytes", total - read);
  out.line("master_sync_perc", std::to_string(hundredths / 100) + "." + fraction);
  out.line("master_sync_last_io_seconds_ago", sync.last_io_ago.count());
}

inline void append_master_link(InfoText& out, const ReplicationInfo& info, const MasterLinkInfo& link) {
  const bool up = link.state == MasterLinkState::connected;
  out.line("master_host", link.host);
  out.line("master_port", link.port);
  out.line("master_link_status", up ? "up" : "down");
  out.line("master_last_io_seconds_ago", up && link.last_io_ago ? link.last_io_ago->count() : -1);
  out.line("master_sync_in_progress", link.sync ? 1 : 0);
  out.line("slave_read_repl_offset", link.received.bytes);
  out.line("slave_repl_offset", info.history.end.bytes);
  if (link.sync) append_sync(out, *link.sync);
  if (!up) out.line("master_link_down_since_seconds", link.down_since ? link.down_since->count() : -1);
  out.line("slave_priority", info.priority);
  out.line("slave_read_only", info.read_only ? 1 : 0);
  out.line("replica_announced", 1);
}

inline std::string replica_line(const ReplicaInfo& replica) {
  const auto lag = std::chrono::duration_cast<std::chrono::seconds>(replica.lag).count();
  return "ip=" + replica.ip + ",port=" + std::to_string(replica.port) +
         ",state=" + std::string(text(replica.state)) +
         ",offset=" + std::to_string(replica.acknowledged.bytes) + ",lag=" + std::to_string(lag);
}

}  // namespace detail

inline std::string ReplicationInfo::text() const {
  detail::InfoText out;
  out.line("role", role == Role::master ? "master" : "slave");
  if (master) detail::append_master_link(out, *this, *master);
  out.line("connected_slaves", replicas.size());
  if (good_replicas) out.line("min_slaves_good_slaves", *good_replicas);
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    out.line("slave" + std::to_string(i), detail::replica_line(replicas[i]));
  }
  out.line("master_failover_state", replikv::text(failover));
  out.line("master_replid", history.id.text());
  out.line("master_replid2", history.second_id.text());
  out.line("master_repl_offset", history.end.bytes);
  out.line("second_repl_offset",
           history.second_next_byte ? static_cast<std::int64_t>(*history.second_next_byte) : -1);
  out.line("repl_backlog_active", 1);
  out.line("repl_backlog_size", history.backlog_bytes_max);
  out.line("repl_backlog_first_byte_offset", history.backlog_first_byte);
  out.line("repl_backlog_histlen", history.backlog_bytes);
  return out.take();
}

}  // namespace replikv::inline v0_1
