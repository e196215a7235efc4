// The sections of INFO, as tools read them: the fields of redis-server 7.0 in its order. What has no
// counterpart here stands at the value that means so.
#pragma once

#include <replikv/replication/info.hpp>
#include <replikv/server/detail/administration.hpp>
#include <replikv/server/detail/client_line.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/parameters.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// "1.50" of 150: two decimals as "%.2f" has them, without a locale.
[[nodiscard]] inline std::string hundredths(std::uint64_t number) {
  const std::string fraction = std::to_string(100 + number % 100).substr(1);
  return std::to_string(number / 100) + "." + fraction;
}

/// Bytes as people read them: 512B, 1.50K, 2.00G.
[[nodiscard]] inline std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + "B";
  constexpr std::string_view units = "KMGTP";
  double shown = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; shown >= 1024 && unit + 1 < units.size(); ++unit) shown /= 1024;
  return hundredths(static_cast<std::uint64_t>(shown * 100 + 0.5)) + units[unit];
}

/// `part` of `whole` in hundredths.
[[nodiscard]] inline std::uint64_t share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0
             ? 0
             : static_cast<std::uint64_t>(static_cast<double>(part) * 100 / static_cast<double>(whole) + 0.5);
}

/// One section on its way into the text of INFO.
class InfoSection {
 public:
  InfoSection(std::string& out, std::string_view title) : out_(out) {
    if (!out_.empty()) out_.append("\r\n");
    out_.append("# ").append(title).append("\r\n");
  }
  void line(std::string_view field, std::string_view value) {
    out_.append(field).append(":").append(value).append("\r\n");
  }
  template <std::integral Integer>
  void line(std::string_view field, Integer value) {
    line(field, std::string_view(std::to_string(value)));
  }
  void zeros(std::initializer_list<std::string_view> fields) {
    for (const std::string_view field : fields) line(field, 0);
  }
  /// A number of bytes, and the same for people.
  void bytes(const std::string& field, std::uint64_t value) {
    line(field, value);
    line(field + "_human", human_bytes(value));
  }

 private:
  std::string& out_;
};

// --- What the system tells ------------------------------------------------------------------------------

[[nodiscard]] inline std::uint64_t resident_bytes() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::uint64_t>(std::max(::sysconf(_SC_PAGESIZE), 1L));
}

[[nodiscard]] inline std::uint64_t system_memory_bytes() {
  return static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L)) *
         static_cast<std::uint64_t>(std::max(::sysconf(_SC_PAGESIZE), 1L));
}

[[nodiscard]] inline std::string system_name() {
  ::utsname name{};
  if (::uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

[[nodiscard]] inline std::string seconds_of(const ::timeval& time) {
  const std::string micros = std::to_string(1'000'000 + time.tv_usec);
  return std::to_string(time.tv_sec) + "." + micros.substr(1);
}

// --- Sections -------------------------------------------------------------------------------------------

using InfoOut = std::string;

inline void server_section(InfoOut& out, Server& server) {
  using namespace std::chrono;
  const Administration& own = server.administration;
  const auto uptime = duration_cast<seconds>(server.clock() - own.started_at).count();
  const auto now = server.wall_clock().count();
  InfoSection section(out, "Server");
  section.line("redis_version", redis_version);
  section.line("redis_git_sha1", "00000000");
  section.line("redis_git_dirty", 0);
  section.line("redis_build_id", "0");
  section.line("redis_mode", "standalone");
  section.line("os", system_name());
  section.line("arch_bits", sizeof(void*) * 8);
  section.line("process_id", ::getpid());
  section.line("process_supervised", "no");
  section.line("run_id", own.run_id);
  section.line("tcp_port", own.port);
  section.line("server_time_usec", now);
  section.line("uptime_in_seconds", uptime);
  section.line("uptime_in_days", uptime / 86'400);
  section.line("hz", 10);
  section.line("configured_hz", 10);
  section.line("lru_clock", (now / 1'000'000) & 0xffffff);
  section.line("executable", "");
  section.line("config_file", own.configuration_file);
  section.line("io_threads_active", 0);
}

inline void clients_section(InfoOut& out, Server& server) {
  const auto blocked = std::count_if(server.clients().begin(), server.clients().end(),
                                     [](const auto& client) { return client->is_blocked; });
  InfoSection section(out, "Clients");
  const auto replicas = std::count_if(server.clients().begin(), server.clients().end(),
                                      [](const auto& client) { return client->is_replica(); });
  section.line("connected_clients", server.clients().size() - static_cast<std::size_t>(replicas));
  section.line("cluster_connections", 0);
  section.line("maxclients", server.options.clients_max);
  section.line("client_recent_max_input_buffer", server.administration.client_input.largest());
  section.line("client_recent_max_output_buffer", server.administration.client_output.largest());
  section.line("blocked_clients", blocked);
  section.zeros({"tracking_clients", "clients_in_timeout_table"});
}

inline void memory_section(InfoOut& out, Server& server) {
  const std::uint64_t used = SharedMemory::bytes(*server.node);
  const std::uint64_t resident = resident_bytes();
  const std::uint64_t peak = std::max(server.administration.memory_bytes_peak, used);
  const MemoryOptions limit = server.administration.memory.options(*server.node);
  const std::uint64_t backlog = server.node->info().history.backlog_bytes;
  std::uint64_t replicas = 0;
  std::uint64_t others = 0;
  for (const auto& client : server.clients()) {
    (client->is_replica() ? replicas : others) += bytes_of_client(*client);
  }
  InfoSection section(out, "Memory");
  section.bytes("used_memory", used);
  section.bytes("used_memory_rss", resident);
  section.bytes("used_memory_peak", peak);
  section.line("used_memory_peak_perc", hundredths(share_of(used * 100, peak)) + "%");
  section.zeros({"used_memory_overhead", "used_memory_startup"});
  section.line("used_memory_dataset", used);
  section.line("used_memory_dataset_perc", "100.00%");
  section.line("allocator_allocated", used);
  section.line("allocator_active", resident);
  section.line("allocator_resident", resident);
  section.bytes("total_system_memory", system_memory_bytes());
  section.bytes("used_memory_lua", 0);
  section.bytes("used_memory_scripts", 0);
  section.zeros({"number_of_cached_scripts", "number_of_functions", "number_of_libraries"});
  section.bytes("maxmemory", limit.bytes);
  section.line("maxmemory_policy", eviction_text(limit.eviction));
  section.line("allocator_frag_ratio", "1.00");
  section.line("allocator_frag_bytes", 0);
  section.line("allocator_rss_ratio", "1.00");
  section.line("allocator_rss_bytes", 0);
  section.line("rss_overhead_ratio", "1.00");
  section.line("rss_overhead_bytes", 0);
  section.line("mem_fragmentation_ratio", hundredths(share_of(resident, used)));
  section.line("mem_fragmentation_bytes",
               static_cast<std::int64_t>(resident) - static_cast<std::int64_t>(used));
  section.line("mem_not_counted_for_evict", 0);
  section.line("mem_replication_backlog", backlog);
  section.line("mem_total_replication_buffers", backlog);
  section.line("mem_clients_slaves", replicas);
  section.line("mem_clients_normal", others);
  section.zeros({"mem_cluster_links", "mem_aof_buffer"});
  section.line("mem_allocator", "libc");
  section.zeros({"active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"});
}

// Nothing is written to disk: no file is behind, and none was lost.
inline void persistence_section(InfoOut& out, Server&) {
  InfoSection section(out, "Persistence");
  section.zeros({"loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"});
  section.line("current_fork_perc", "0.00");
  section.zeros({"current_save_keys_processed", "current_save_keys_total", "rdb_changes_since_last_save",
                 "rdb_bgsave_in_progress", "rdb_last_save_time"});
  section.line("rdb_last_bgsave_status", "ok");
  section.line("rdb_last_bgsave_time_sec", -1);
  section.line("rdb_current_bgsave_time_sec", -1);
  section.zeros({"rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded",
                 "aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"});
  section.line("aof_last_rewrite_time_sec", -1);
  section.line("aof_current_rewrite_time_sec", -1);
  section.line("aof_last_bgrewrite_status", "ok");
  section.zeros({"aof_rewrites", "aof_rewrites_consecutive_failures"});
  section.line("aof_last_write_status", "ok");
  section.zeros({"aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"});
}

inline void stats_section(InfoOut& out, Server& server) {
  const ServerCounts& counts = server.counts;
  const Administration& own = server.administration;
  const Administration::Counted counted = own.counted(*server.node);
  InfoSection section(out, "Stats");
  section.line("total_connections_received", counts.connections_received);
  section.line("total_commands_processed", counts.commands_processed);
  section.line("instantaneous_ops_per_sec", own.commands.per_second());
  const auto kilobytes = [](const Rate& rate) { return hundredths(share_of(rate.per_second(), 1024)); };
  section.line("total_net_input_bytes", counts.bytes_received + counted.bytes_from_masters);
  section.line("total_net_output_bytes", counts.bytes_sent + counted.bytes_to_replicas);
  section.line("total_net_repl_input_bytes", counted.bytes_from_masters);
  section.line("total_net_repl_output_bytes", counted.bytes_to_replicas);
  section.line("instantaneous_input_kbps", kilobytes(own.bytes_in));
  section.line("instantaneous_output_kbps", kilobytes(own.bytes_out));
  section.line("instantaneous_input_repl_kbps", kilobytes(own.bytes_from_masters));
  section.line("instantaneous_output_repl_kbps", kilobytes(own.bytes_to_replicas));
  section.line("rejected_connections", counts.connections_rejected);
  section.line("sync_full", counted.full_resyncs);
  section.line("sync_partial_ok", counted.partial_resyncs);
  section.line("sync_partial_err", counted.partial_refusals);
  section.line("expired_keys", counted.expired_keys);
  section.line("expired_stale_perc", "0.00");
  section.zeros({"expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"});
  section.line("evicted_keys", counted.evicted_keys);
  section.zeros({"evicted_clients", "total_eviction_exceeded_time", "current_eviction_exceeded_time"});
  section.line("keyspace_hits", counts.keyspace_hits);
  section.line("keyspace_misses", counts.keyspace_misses);
  section.line("pubsub_channels", server.pub_sub.all(Subscribed::channel).size());
  section.line("pubsub_patterns", server.pub_sub.all(Subscribed::pattern).size());
  section.line("pubsubshard_channels", server.pub_sub.all(Subscribed::shard_channel).size());
  section.zeros({"latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys",
                 "active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits",
                 "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time",
                 "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes",
                 "unexpected_error_replies"});
  section.line("total_error_replies", counts.error_replies);
  section.line("dump_payload_sanitizations", 0);
  section.line("total_reads_processed", counts.reads);
  section.line("total_writes_processed", counts.writes);
  section.zeros({"io_threaded_reads_processed", "io_threaded_writes_processed", "reply_buffer_shrinks",
                 "reply_buffer_expands"});
}

inline void replication_section(InfoOut& out, Server& server) {
  if (!out.empty()) out.append("\r\n");
  out.append(server.node->info().text());
}

inline void cpu_section(InfoOut& out, Server&) {
  ::rusage own{};
  ::rusage children{};
  ::getrusage(RUSAGE_SELF, &own);
  ::getrusage(RUSAGE_CHILDREN, &children);
  InfoSection section(out, "CPU");
  section.line("used_cpu_sys", seconds_of(own.ru_stime));
  section.line("used_cpu_user", seconds_of(own.ru_utime));
  section.line("used_cpu_sys_children", seconds_of(children.ru_stime));
  section.line("used_cpu_user_children", seconds_of(children.ru_utime));
}

inline void modules_section(InfoOut& out, Server&) { InfoSection(out, "Modules"); }

inline void commandstats_section(InfoOut& out, Server& server) {
  InfoSection section(out, "Commandstats");
  for (const RegisteredCommand& each : server.commands.all()) {
    if (each.calls + each.rejected + each.failed == 0) continue;
    section.line("cmdstat_" + each.command.name,
                 "calls=" + std::to_string(each.calls) + ",usec=" + std::to_string(each.microseconds) +
                     ",usec_per_call=" + hundredths(share_of(each.microseconds, each.calls)) +
                     ",rejected_calls=" + std::to_string(each.rejected) +
                     ",failed_calls=" + std::to_string(each.failed));
  }
}

inline void errorstats_section(InfoOut& out, Server& server) {
  InfoSection section(out, "Errorstats");
  for (const auto& [code, count] : server.administration.errors) {
    section.line("errorstat_" + code, "count=" + std::to_string(count));
  }
}

/// "4.015": microseconds with their thousandths.
[[nodiscard]] inline std::string thousandths(std::chrono::nanoseconds time) {
  const std::string fraction = std::to_string(1000 + time.count() % 1000).substr(1);
  return std::to_string(time.count() / 1000) + "." + fraction;
}

inline void latencystats_section(InfoOut& out, Server& server) {
  InfoSection section(out, "Latencystats");
  if (!server.options.latency_tracking) return;
  for (const RegisteredCommand& each : server.commands.all()) {
    if (each.latency.calls() == 0) continue;
    std::string text;
    for (const double percent : server.options.latency_percentiles) {
      text.append(text.empty() ? "p" : ",p").append(percentile_text(percent)).append("=");
      text += thousandths(each.latency.percentile(percent));
    }
    section.line("latency_percentiles_usec_" + each.command.name, text);
  }
}

inline void cluster_section(InfoOut& out, Server&) { InfoSection(out, "Cluster").line("cluster_enabled", 0); }

inline void keyspace_section(InfoOut& out, Server& server) {
  InfoSection section(out, "Keyspace");
  for (std::size_t i = 0; i < server.node->databases.size(); ++i) {
    const Database& database = *server.node->databases[i];
    if (database.size() == 0) continue;
    section.line("db" + std::to_string(i),
                 "keys=" + std::to_string(database.size()) +
                     ",expires=" + std::to_string(database.expiring()) +
                     ",avg_ttl=" + std::to_string(database.mean_time_left().count()));
  }
}

/// A section, and whether it is shown without being asked for.
struct InfoPart {
  std::string_view name;
  bool is_default;
  void (*append)(InfoOut&, Server&);
};

/// In the order of Redis 7.0.
inline constexpr InfoPart info_parts[] = {
    {"server", true, server_section},
    {"clients", true, clients_section},
    {"memory", true, memory_section},
    {"persistence", true, persistence_section},
    {"stats", true, stats_section},
    {"replication", true, replication_section},
    {"cpu", true, cpu_section},
    {"modules", true, modules_section},
    {"commandstats", false, commandstats_section},
    {"errorstats", true, errorstats_section},
    {"latencystats", false, latencystats_section},
    {"cluster", true, cluster_section},
    {"keyspace", true, keyspace_section},
};

/// The sections that are asked for, by their names or `all`, `everything`, `default`; those of no name: the
/// default ones.
[[nodiscard]] inline std::string info_text(Server& server, const std::vector<std::string>& names) {
  const auto has = [&names](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const bool is_default = names.empty() || has("default");
  const bool is_all = has("all") || has("everything");
  std::string out;
  for (const InfoPart& part : info_parts) {
    if (is_all || (is_default && part.is_default) || has(part.name)) part.append(out, server);
  }
  return out;
}

}  // namespace replikv::inline v0_1::detail
