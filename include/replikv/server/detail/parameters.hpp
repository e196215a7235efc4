// Every parameter of redis-server 7.0, by the names that CONFIG and configuration files use: those that act
// here, and those that are kept and shown so that files and tools which name them go on working.
#pragma once

#include <replikv/replication/options.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/configuration.hpp>
#include <replikv/server/detail/notifications.hpp>
#include <replikv/server/options.hpp>
#include <replikv/store/eviction.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

// --- Values of the parameters that act -----------------------------------------------------------------

[[nodiscard]] inline std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

/// A number that was checked already.
[[nodiscard]] inline std::int64_t number_of(std::string_view checked) {
  return resp::parse_integer(checked).value_or(0);
}

[[nodiscard]] inline std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::floor<std::chrono::seconds>(duration).count());
}

inline constexpr std::array eviction_names{
    std::pair{std::string_view("volatile-lru"), Eviction::volatile_lru},
    std::pair{std::string_view("volatile-lfu"), Eviction::volatile_lfu},
    std::pair{std::string_view("volatile-random"), Eviction::volatile_random},
    std::pair{std::string_view("volatile-ttl"), Eviction::volatile_ttl},
    std::pair{std::string_view("allkeys-lru"), Eviction::allkeys_lru},
    std::pair{std::string_view("allkeys-lfu"), Eviction::allkeys_lfu},
    std::pair{std::string_view("allkeys-random"), Eviction::allkeys_random},
    std::pair{std::string_view("noeviction"), Eviction::noeviction},
};

[[nodiscard]] inline std::string eviction_text(Eviction eviction) {
  for (const auto& [name, each] : eviction_names) {
    if (each == eviction) return std::string(name);
  }
  return {};
}

[[nodiscard]] inline Eviction eviction_of(std::string_view text) {
  for (const auto& [name, each] : eviction_names) {
    if (name == text) return each;
  }
  return Eviction::noeviction;
}

// --- client-output-buffer-limit ------------------------------------------------------------------------

/// The limit of replicas has no word for "none" where it acts: there it is a number that nothing reaches.
inline constexpr std::uint64_t unlimited_bytes = std::uint64_t{1} << 62;

[[nodiscard]] inline std::string output_limits_text(const Settings& settings) {
  const auto one = [](std::string_view name, std::uint64_t hard, std::uint64_t soft, auto seconds) {
    const auto shown = [](std::uint64_t bytes) {
      return std::to_string(bytes >= unlimited_bytes ? 0 : bytes);
    };
    return std::string(name) + " " + shown(hard) + " " + shown(soft) + " " + std::to_string(seconds.count());
  };
  const ClientOutputLimit& normal = settings.endpoint.output_limit;
  const OutputLimit& replica = settings.replication.output_limit;
  const ClientOutputLimit& pubsub = settings.endpoint.subscriber_output_limit;
  return one("normal", normal.hard_bytes, normal.soft_bytes, normal.soft_for) + " " +
         one("slave", replica.hard_bytes, replica.soft_bytes, replica.soft_for) + " " +
         one("pubsub", pubsub.hard_bytes, pubsub.soft_bytes, pubsub.soft_for);
}

inline void set_output_limit(Settings& settings, std::string_view kind, std::uint64_t hard_bytes,
                             std::uint64_t soft_bytes, std::chrono::seconds soft_for) {
  const std::string name = to_lower(kind);
  if (name == "normal") {
    settings.endpoint.output_limit = {hard_bytes, soft_bytes, soft_for};
  } else if (name == "pubsub") {
    settings.endpoint.subscriber_output_limit = {hard_bytes, soft_bytes, soft_for};
  } else if (name == "slave" || name == "replica") {
    const auto or_unlimited = [](std::uint64_t bytes) { return bytes == 0 ? unlimited_bytes : bytes; };
    settings.replication.output_limit = {or_unlimited(hard_bytes), or_unlimited(soft_bytes), soft_for};
  } else {
    throw WrongValue("Invalid client class specified in buffer limit configuration.");
  }
}

inline void set_output_limits(Settings& settings, std::string_view text) {
  std::vector<std::string_view> words;
  for_each_word(text, [&words](std::string_view word) { words.push_back(word); });
  if (words.empty() || words.size() % 4 != 0) {
    throw WrongValue("Wrong number of arguments in buffer limit configuration.");
  }
  for (std::size_t i = 0; i < words.size(); i += 4) {
    const auto hard = parse_bytes(words[i + 1]);
    const auto soft = parse_bytes(words[i + 2]);
    const auto seconds = resp::parse_integer(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      throw WrongValue("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    set_output_limit(settings, words[i], *hard, *soft, std::chrono::seconds(*seconds));
  }
}

// --- latency-tracking-info-percentiles -----------------------------------------------------------------

/// "99.9": as many decimals as it has, six at most.
[[nodiscard]] inline std::string percentile_text(double percent) {
  std::array<char, 32> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), percent, std::chars_format::fixed, 6);
  std::string text(digits.data(), end.ptr);
  text.resize(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

[[nodiscard]] inline std::string percentiles_text(const Settings& settings) {
  std::string text;
  for (const double percent : settings.endpoint.latency_percentiles) {
    text.append(text.empty() ? "" : " ").append(percentile_text(percent));
  }
  return text;
}

inline void set_percentiles(Settings& settings, std::string_view text) {
  std::vector<double> all;
  for_each_word(text, [&all](std::string_view word) {
    double percent = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), percent);
    if (read.ec != std::errc{} || read.ptr != word.data() + word.size() || percent != percent) {
      throw WrongValue("Invalid latency-tracking-info-percentiles parameters");
    }
    if (percent < 0 || percent > 100) {
      throw WrongValue("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    }
    all.push_back(percent);
  });
  settings.endpoint.latency_percentiles = std::move(all);
}

// --- The tables ----------------------------------------------------------------------------------------

namespace parameters {

using Kind = Parameter::Kind;

inline constexpr std::int64_t integer_max = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t int_max = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int64_t int_min = std::numeric_limits<std::int32_t>::min();
inline constexpr std::int64_t unsigned_max = std::numeric_limits<std::uint32_t>::max();

/// How a row of a table is written: what kind it is, by which bounds, and what it stands for.
[[nodiscard]] constexpr Parameter of_kind(Kind kind, std::string_view name,
                                          std::string_view preset) noexcept {
  Parameter made{};
  made.name = name;
  made.kind = kind;
  made.preset = preset;
  return made;
}
[[nodiscard]] constexpr Parameter yes_no(std::string_view name, std::string_view preset) noexcept {
  return of_kind(Kind::yes_no, name, preset);
}
[[nodiscard]] constexpr Parameter text(std::string_view name, std::string_view preset) noexcept {
  return of_kind(Kind::text, name, preset);
}
[[nodiscard]] constexpr Parameter words(std::string_view name, std::string_view preset) noexcept {
  return of_kind(Kind::words, name, preset);
}
[[nodiscard]] constexpr Parameter number(std::string_view name, std::string_view preset, std::int64_t min,
                                         std::int64_t max) noexcept {
  Parameter made = of_kind(Kind::number, name, preset);
  made.min = min;
  made.max = max;
  return made;
}
[[nodiscard]] constexpr Parameter bytes(std::string_view name, std::string_view preset, std::int64_t min,
                                        std::int64_t max) noexcept {
  Parameter made = number(name, preset, min, max);
  made.kind = Kind::bytes;
  return made;
}
[[nodiscard]] constexpr Parameter choice(std::string_view name, std::string_view preset,
                                         std::string_view choices) noexcept {
  Parameter made = of_kind(Kind::choice, name, preset);
  made.choices = choices;
  return made;
}
[[nodiscard]] constexpr Parameter fixed(Parameter made) noexcept {
  made.is_fixed = true;
  return made;
}
[[nodiscard]] constexpr Parameter formerly(std::string_view alias, Parameter made) noexcept {
  made.alias = alias;
  return made;
}
[[nodiscard]] constexpr Parameter acts(Parameter made, Parameter::Read read,
                                       Parameter::Write write) noexcept {
  made.read = read;
  made.write = write;
  return made;
}

/// Source  Redis 7.0 config.c: names, bounds, presets (those of options are what the options say)
inline constexpr Parameter acting[] = {

    // --- Replication ---
    acts(
        fixed(formerly("slaveof", words("replicaof", ""))), [](const Settings& all) { return all.master; },
        [](Settings& all, std::string_view value) { all.master = value; }),
    acts(
        text("masteruser", ""),
        [](const Settings& all) {
          return all.replication.credentials ? all.replication.credentials->user : std::string();
        },
        [](Settings& all, std::string_view value) {
          auto& who = all.replication.credentials;
          if (!who) who.emplace();
          who->user = value;
          if (who->user.empty() && who->password.empty()) who.reset();
        }),
    acts(
        text("masterauth", ""),
        [](const Settings& all) {
          return all.replication.credentials ? all.replication.credentials->password : std::string();
        },
        [](Settings& all, std::string_view value) {
          auto& who = all.replication.credentials;
          if (!who) who.emplace();
          who->password = value;
          if (who->user.empty() && who->password.empty()) who.reset();
        }),
    acts(
        formerly("slave-priority", number("replica-priority", "100", 0, int_max)),
        [](const Settings& all) { return std::to_string(all.replication.priority); },
        [](Settings& all, std::string_view value) {
          all.replication.priority = static_cast<unsigned>(number_of(value));
        }),
    acts(
        formerly("slave-read-only", yes_no("replica-read-only", "yes")),
        [](const Settings& all) { return yes_or_no(all.replication.read_only); },
        [](Settings& all, std::string_view value) { all.replication.read_only = value == "yes"; }),
    acts(
        formerly("slave-serve-stale-data", yes_no("replica-serve-stale-data", "yes")),
        [](const Settings& all) { return yes_or_no(all.endpoint.serve_stale_data); },
        [](Settings& all, std::string_view value) { all.endpoint.serve_stale_data = value == "yes"; }),
    acts(
        formerly("slave-announce-ip", text("replica-announce-ip", "")),
        [](const Settings& all) { return all.replication.announce_ip; },
        [](Settings& all, std::string_view value) { all.replication.announce_ip = value; }),
    acts(
        formerly("slave-announce-port", number("replica-announce-port", "0", 0, 65535)),
        [](const Settings& all) { return std::to_string(all.replication.announce_port); },
        [](Settings& all, std::string_view value) {
          all.replication.announce_port = static_cast<std::uint16_t>(number_of(value));
        }),
    acts(
        formerly("min-slaves-to-write", number("min-replicas-to-write", "0", 0, int_max)),
        [](const Settings& all) { return std::to_string(all.replication.min_replicas_to_write); },
        [](Settings& all, std::string_view value) {
          all.replication.min_replicas_to_write = static_cast<unsigned>(number_of(value));
        }),
    acts(
        formerly("min-slaves-max-lag", number("min-replicas-max-lag", "10", 0, int_max)),
        [](const Settings& all) { return seconds_text(all.replication.min_replicas_max_lag); },
        [](Settings& all, std::string_view value) {
          all.replication.min_replicas_max_lag = std::chrono::seconds(number_of(value));
        }),
    acts(
        bytes("repl-backlog-size", "1048576", 1, integer_max),
        [](const Settings& all) { return std::to_string(all.replication.backlog_bytes); },
        [](Settings& all, std::string_view value) {
          all.replication.backlog_bytes = static_cast<std::uint64_t>(number_of(value));
        }),
    acts(
        number("repl-timeout", "60", 1, int_max),
        [](const Settings& all) { return seconds_text(all.replication.timeout); },
        [](Settings& all, std::string_view value) {
          all.replication.timeout = std::chrono::seconds(number_of(value));
        }),
    acts(
        formerly("repl-ping-slave-period", number("repl-ping-replica-period", "10", 1, int_max)),
        [](const Settings& all) { return seconds_text(all.replication.ping_period); },
        [](Settings& all, std::string_view value) {
          all.replication.ping_period = std::chrono::seconds(number_of(value));
        }),
    acts(
        number("repl-diskless-sync-delay", "0", 0, int_max),
        [](const Settings& all) { return seconds_text(all.replication.full_resync_delay); },
        [](Settings& all, std::string_view value) {
          all.replication.full_resync_delay = std::chrono::seconds(number_of(value));
        }),

    // --- Clients ---
    acts(
        text("requirepass", ""), [](const Settings& all) { return all.endpoint.password; },
        [](Settings& all, std::string_view value) { all.endpoint.password = value; }),
    acts(
        fixed(text("aclfile", "")), [](const Settings& all) { return all.endpoint.acl_file; },
        [](Settings& all, std::string_view value) { all.endpoint.acl_file = value; }),
    acts(
        choice("acl-pubsub-default", "resetchannels", "allchannels resetchannels"),
        [](const Settings& all) {
          return std::string(all.endpoint.new_users_hear_all_channels ? "allchannels" : "resetchannels");
        },
        [](Settings& all, std::string_view value) {
          all.endpoint.new_users_hear_all_channels = value == "allchannels";
        }),
    acts(
        number("acllog-max-len", "128", 0, integer_max),
        [](const Settings& all) { return std::to_string(all.endpoint.acl_log_entries_max); },
        [](Settings& all, std::string_view value) {
          all.endpoint.acl_log_entries_max = static_cast<std::size_t>(number_of(value));
        }),
    acts(
        yes_no("protected-mode", "yes"),
        [](const Settings& all) { return yes_or_no(all.endpoint.protected_mode); },
        [](Settings& all, std::string_view value) { all.endpoint.protected_mode = value == "yes"; }),
    acts(
        number("maxclients", "10000", 1, unsigned_max),
        [](const Settings& all) { return std::to_string(all.endpoint.clients_max); },
        [](Settings& all, std::string_view value) {
          all.endpoint.clients_max = static_cast<std::size_t>(number_of(value));
        }),
    acts(
        number("timeout", "0", 0, int_max),
        [](const Settings& all) { return seconds_text(all.endpoint.idle_timeout); },
        [](Settings& all, std::string_view value) {
          all.endpoint.idle_timeout = std::chrono::seconds(number_of(value));
        }),
    acts(
        bytes("client-query-buffer-limit", "1073741824", 1048576, integer_max),
        [](const Settings& all) { return std::to_string(all.endpoint.query_buffer_bytes_max); },
        [](Settings& all, std::string_view value) {
          all.endpoint.query_buffer_bytes_max = static_cast<std::size_t>(number_of(value));
        }),
    acts(words("client-output-buffer-limit",
               "normal 268435456 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
         output_limits_text, set_output_limits),
    acts(
        fixed(choice("enable-debug-command", "no", "no yes local")),
        [](const Settings& all) { return yes_or_no(all.endpoint.allow_debug); },
        [](Settings& all, std::string_view value) { all.endpoint.allow_debug = value != "no"; }),

    acts(
        number("slowlog-log-slower-than", "10000", -1, integer_max),
        [](const Settings& all) { return std::to_string(all.endpoint.slowlog_slower_than.count()); },
        [](Settings& all, std::string_view value) {
          all.endpoint.slowlog_slower_than = std::chrono::microseconds(number_of(value));
        }),
    acts(
        number("slowlog-max-len", "128", 0, integer_max),
        [](const Settings& all) { return std::to_string(all.endpoint.slowlog_entries_max); },
        [](Settings& all, std::string_view value) {
          all.endpoint.slowlog_entries_max = static_cast<std::size_t>(number_of(value));
        }),
    acts(
        number("latency-monitor-threshold", "0", 0, integer_max),
        [](const Settings& all) { return std::to_string(all.endpoint.latency_threshold.count()); },
        [](Settings& all, std::string_view value) {
          all.endpoint.latency_threshold = std::chrono::milliseconds(number_of(value));
        }),
    acts(
        yes_no("latency-tracking", "yes"),
        [](const Settings& all) { return yes_or_no(all.endpoint.latency_tracking); },
        [](Settings& all, std::string_view value) { all.endpoint.latency_tracking = value == "yes"; }),
    acts(words("latency-tracking-info-percentiles", "50 99 99.9"), percentiles_text, set_percentiles),
    acts(
        text("notify-keyspace-events", ""),
        [](const Settings& all) { return all.endpoint.notify_keyspace_events; },
        [](Settings& all, std::string_view value) {
          const auto events = WantedEvents::parse(value);
          if (!events) throw WrongValue("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
          all.endpoint.notify_keyspace_events = events->text();
        }),

    // --- Memory ---
    acts(
        bytes("maxmemory", "0", 0, integer_max),
        [](const Settings& all) { return std::to_string(all.memory.bytes); },
        [](Settings& all, std::string_view value) {
          all.memory.bytes = static_cast<std::uint64_t>(number_of(value));
        }),
    acts(
        choice(
            "maxmemory-policy", "noeviction",
            "volatile-lru volatile-lfu volatile-random volatile-ttl allkeys-lru allkeys-lfu allkeys-random "
            "noeviction"),
        [](const Settings& all) { return eviction_text(all.memory.eviction); },
        [](Settings& all, std::string_view value) { all.memory.eviction = eviction_of(value); }),
    acts(
        number("maxmemory-samples", "5", 1, int_max),
        [](const Settings& all) { return std::to_string(all.memory.samples); },
        [](Settings& all, std::string_view value) {
          all.memory.samples = static_cast<unsigned>(std::min<std::int64_t>(number_of(value), 64));
        }),
};

/// Kept and shown.
inline constexpr Parameter kept[] = {
    number("active-defrag-cycle-max", "25", 1, 99),
    number("active-defrag-cycle-min", "1", 1, 99),
    bytes("active-defrag-ignore-bytes", "104857600", 0, integer_max),
    number("active-defrag-max-scan-fields", "1000", 1, integer_max),
    number("active-defrag-threshold-lower", "10", 0, 1000),
    number("active-defrag-threshold-upper", "100", 0, 1000),
    number("active-expire-effort", "1", 1, 10),
    yes_no("activedefrag", "no"),
    yes_no("activerehashing", "yes"),
    fixed(yes_no("always-show-logo", "no")),
    yes_no("aof-disable-auto-gc", "no"),
    yes_no("aof-load-truncated", "yes"),
    yes_no("aof-rewrite-incremental-fsync", "yes"),
    yes_no("aof-timestamp-enabled", "no"),
    yes_no("aof-use-rdb-preamble", "yes"),
    fixed(text("aof_rewrite_cpulist", "")),
    fixed(text("appenddirname", "appendonlydir")),
    fixed(text("appendfilename", "appendonly.aof")),
    choice("appendfsync", "everysec", "everysec always no"),
    yes_no("appendonly", "no"),
    bytes("auto-aof-rewrite-min-size", "67108864", 0, integer_max),
    number("auto-aof-rewrite-percentage", "100", 0, int_max),
    fixed(text("bgsave_cpulist", "")),
    fixed(words("bind", "* -::*")),
    text("bind-source-addr", ""),
    fixed(text("bio_cpulist", "")),
    formerly("lua-time-limit", number("busy-reply-threshold", "5000", 0, integer_max)),
    yes_no("cluster-allow-pubsubshard-when-down", "yes"),
    yes_no("cluster-allow-reads-when-down", "no"),
    yes_no("cluster-allow-replica-migration", "yes"),
    number("cluster-announce-bus-port", "0", 0, 65535),
    text("cluster-announce-hostname", ""),
    text("cluster-announce-ip", ""),
    number("cluster-announce-port", "0", 0, 65535),
    number("cluster-announce-tls-port", "0", 0, 65535),
    fixed(text("cluster-config-file", "nodes.conf")),
    fixed(yes_no("cluster-enabled", "no")),
    bytes("cluster-link-sendbuf-limit", "0", 0, integer_max),
    number("cluster-migration-barrier", "1", 0, int_max),
    number("cluster-node-timeout", "15000", 0, integer_max),
    fixed(number("cluster-port", "0", 0, 65535)),
    choice("cluster-preferred-endpoint-type", "ip", "ip hostname unknown-endpoint"),
    formerly("cluster-slave-no-failover", yes_no("cluster-replica-no-failover", "no")),
    formerly("cluster-slave-validity-factor", number("cluster-replica-validity-factor", "10", 0, int_max)),
    yes_no("cluster-require-full-coverage", "yes"),
    yes_no("crash-log-enabled", "yes"),
    yes_no("crash-memcheck-enabled", "yes"),
    fixed(yes_no("daemonize", "no")),
    fixed(number("databases", "16", 1, int_max)),
    fixed(text("dbfilename", "dump.rdb")),
    fixed(text("dir", "")),
    fixed(yes_no("disable-thp", "yes")),
    yes_no("dynamic-hz", "yes"),
    fixed(choice("enable-module-command", "no", "no yes local")),
    fixed(choice("enable-protected-configs", "no", "no yes local")),
    formerly("hash-max-ziplist-entries", number("hash-max-listpack-entries", "512", 0, integer_max)),
    formerly("hash-max-ziplist-value", bytes("hash-max-listpack-value", "64", 0, integer_max)),
    bytes("hll-sparse-max-bytes", "3000", 0, integer_max),
    number("hz", "10", 0, int_max),
    text("ignore-warnings", ""),
    fixed(number("io-threads", "1", 1, 128)),
    fixed(yes_no("io-threads-do-reads", "no")),
    yes_no("jemalloc-bg-thread", "yes"),
    yes_no("lazyfree-lazy-eviction", "no"),
    yes_no("lazyfree-lazy-expire", "no"),
    yes_no("lazyfree-lazy-server-del", "no"),
    yes_no("lazyfree-lazy-user-del", "no"),
    yes_no("lazyfree-lazy-user-flush", "no"),
    number("lfu-decay-time", "1", 0, int_max),
    number("lfu-log-factor", "10", 0, int_max),
    number("list-compress-depth", "0", 0, int_max),
    formerly("list-max-ziplist-size", number("list-max-listpack-size", "-2", int_min, int_max)),
    fixed(text("logfile", "")),
    choice("loglevel", "notice", "debug verbose notice warning"),
    text("maxmemory-clients", "0"),
    number("maxmemory-eviction-tenacity", "10", 0, 100),
    yes_no("no-appendfsync-on-rewrite", "no"),
    choice("oom-score-adj", "no", "no yes relative absolute"),
    words("oom-score-adj-values", "0 200 800"),
    fixed(text("pidfile", "")),
    fixed(number("port", "6379", 0, 65535)),
    text("proc-title-template", "{title} {listen-addr} {server-mode}"),
    choice("propagation-error-behavior", "ignore", "ignore panic panic-on-replicas"),
    fixed(bytes("proto-max-bulk-len", "536870912", 1048576, integer_max)),
    yes_no("rdb-del-sync-files", "no"),
    yes_no("rdb-save-incremental-fsync", "yes"),
    fixed(yes_no("rdbchecksum", "yes")),
    yes_no("rdbcompression", "yes"),
    number("repl-backlog-ttl", "3600", 0, integer_max),
    yes_no("repl-disable-tcp-nodelay", "no"),
    choice("repl-diskless-load", "disabled", "disabled on-empty-db swapdb"),
    yes_no("repl-diskless-sync", "yes"),
    number("repl-diskless-sync-max-replicas", "0", 0, int_max),
    yes_no("replica-announced", "yes"),
    yes_no("replica-ignore-disk-write-errors", "no"),
    formerly("slave-ignore-maxmemory", yes_no("replica-ignore-maxmemory", "yes")),
    formerly("slave-lazy-flush", yes_no("replica-lazy-flush", "no")),
    choice("sanitize-dump-payload", "no", "no yes clients"),
    words("save", ""),
    fixed(text("server_cpulist", "")),
    number("set-max-intset-entries", "512", 0, integer_max),
    fixed(yes_no("set-proc-title", "yes")),
    choice("shutdown-on-sigint", "default", "default save nosave now force"),
    choice("shutdown-on-sigterm", "default", "default save nosave now force"),
    number("shutdown-timeout", "10", 0, int_max),
    fixed(number("socket-mark-id", "0", 0, unsigned_max)),
    yes_no("stop-writes-on-bgsave-error", "yes"),
    bytes("stream-node-max-bytes", "4096", 0, integer_max),
    number("stream-node-max-entries", "100", 0, integer_max),
    fixed(choice("supervised", "no", "upstart systemd auto no")),
    fixed(yes_no("syslog-enabled", "no")),
    fixed(text("syslog-facility", "local0")),
    fixed(text("syslog-ident", "redis")),
    fixed(number("tcp-backlog", "511", 0, int_max)),
    number("tcp-keepalive", "300", 0, int_max),
    fixed(choice("tls-auth-clients", "yes", "no yes optional")),
    fixed(text("tls-ca-cert-dir", "")),
    fixed(text("tls-ca-cert-file", "")),
    fixed(text("tls-cert-file", "")),
    fixed(text("tls-ciphers", "")),
    fixed(text("tls-ciphersuites", "")),
    fixed(text("tls-client-cert-file", "")),
    fixed(text("tls-client-key-file", "")),
    fixed(text("tls-client-key-file-pass", "")),
    yes_no("tls-cluster", "no"),
    text("tls-dh-params-file", ""),
    fixed(text("tls-key-file", "")),
    fixed(text("tls-key-file-pass", "")),
    fixed(number("tls-port", "0", 0, 65535)),
    fixed(yes_no("tls-prefer-server-ciphers", "no")),
    fixed(text("tls-protocols", "")),
    fixed(yes_no("tls-replication", "no")),
    number("tls-session-cache-size", "20480", 0, int_max),
    number("tls-session-cache-timeout", "300", 0, int_max),
    yes_no("tls-session-caching", "yes"),
    number("tracking-table-max-keys", "1000000", 0, integer_max),
    fixed(text("unixsocket", "")),
    fixed(text("unixsocketperm", "0")),
    formerly("zset-max-ziplist-entries", number("zset-max-listpack-entries", "128", 0, integer_max)),
    formerly("zset-max-ziplist-value", bytes("zset-max-listpack-value", "64", 0, integer_max)),
};

}  // namespace parameters

/// Calls `f(parameter)` for each parameter.
template <class F>
void for_each_parameter(F&& f) {
  for (const Parameter& each : parameters::acting) f(each);
  for (const Parameter& each : parameters::kept) f(each);
}

/// By either name, in any letter case; null where there is none.
[[nodiscard]] inline const Parameter* find_parameter(std::string_view name) {
  const std::string lower = to_lower(name);
  const Parameter* found = nullptr;
  for_each_parameter([&](const Parameter& each) {
    if (each.has_name(lower)) found = &each;
  });
  return found;
}

}  // namespace replikv::inline v0_1::detail
