// What COMMAND tells of commands that the endpoint itself does not need: how each key is used, and tips for
// clients and proxies that spread commands over several servers.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Of a command that is not told by its flags alone.
struct CommandHints {
  std::string_view name;
  std::string_view keys = {};  ///< how they are used: in words; of several kinds of keys with "; " between
  std::string_view tips = {};
};

/// Sorted by name.
///
/// Source  COMMAND INFO of redis-server 7.0.15
inline constexpr std::array command_hints{
    CommandHints{"append", "RW insert"},
    CommandHints{"bitfield", "RW access update variable_flags"},
    CommandHints{"bitop", "OW update; RO access"},
    CommandHints{"client|info", "", "nondeterministic_output"},
    CommandHints{"client|list", "", "nondeterministic_output"},
    CommandHints{"command", "", "nondeterministic_output_order"},
    CommandHints{"command|docs", "", "nondeterministic_output_order"},
    CommandHints{"command|info", "", "nondeterministic_output_order"},
    CommandHints{"command|list", "", "nondeterministic_output_order"},
    CommandHints{"config|set", "", "request_policy:all_nodes response_policy:all_succeeded"},
    CommandHints{"copy", "RO access; OW update"},
    CommandHints{"dbsize", "", "request_policy:all_shards response_policy:agg_sum"},
    CommandHints{"del", "RM delete", "request_policy:multi_shard response_policy:agg_sum"},
    CommandHints{"dump", "", "nondeterministic_output"},
    CommandHints{"exists", "RO", "request_policy:multi_shard response_policy:agg_sum"},
    CommandHints{"expire", "RW update"},
    CommandHints{"expireat", "RW update"},
    CommandHints{"flushall", "", "request_policy:all_shards response_policy:all_succeeded"},
    CommandHints{"flushdb", "", "request_policy:all_shards response_policy:all_succeeded"},
    CommandHints{"getdel", "RW access delete"},
    CommandHints{"info", "", "nondeterministic_output request_policy:all_shards response_policy:special"},
    CommandHints{"keys", "", "request_policy:all_shards nondeterministic_output_order"},
    CommandHints{"lastsave", "", "nondeterministic_output"},
    CommandHints{"latency|doctor", "",
                 "nondeterministic_output request_policy:all_nodes response_policy:special"},
    CommandHints{"latency|graph", "",
                 "nondeterministic_output request_policy:all_nodes response_policy:special"},
    CommandHints{"latency|histogram", "",
                 "nondeterministic_output request_policy:all_nodes response_policy:special"},
    CommandHints{"latency|history", "",
                 "nondeterministic_output request_policy:all_nodes response_policy:special"},
    CommandHints{"latency|latest", "",
                 "nondeterministic_output request_policy:all_nodes response_policy:special"},
    CommandHints{"latency|reset", "", "request_policy:all_nodes response_policy:all_succeeded"},
    CommandHints{"memory|usage", "RO"},
    CommandHints{"mget", "", "request_policy:multi_shard"},
    CommandHints{"mset", "OW update", "request_policy:multi_shard response_policy:all_succeeded"},
    CommandHints{"msetnx", "OW insert", "request_policy:multi_shard response_policy:agg_min"},
    CommandHints{"object|encoding", "RO", "nondeterministic_output"},
    CommandHints{"object|freq", "RO", "nondeterministic_output"},
    CommandHints{"object|idletime", "RO", "nondeterministic_output"},
    CommandHints{"object|refcount", "RO", "nondeterministic_output"},
    CommandHints{"persist", "RW update"},
    CommandHints{"pexpire", "RW update"},
    CommandHints{"pexpireat", "RW update"},
    CommandHints{"ping", "", "request_policy:all_shards response_policy:all_succeeded"},
    CommandHints{"psetex", "OW update"},
    CommandHints{"pttl", "", "nondeterministic_output"},
    CommandHints{"randomkey", "", "request_policy:all_shards nondeterministic_output"},
    CommandHints{"rename", "RW access delete; OW update"},
    CommandHints{"renamenx", "RW access delete; OW insert"},
    CommandHints{"restore", "OW update"},
    CommandHints{"restore-asking", "OW update"},
    CommandHints{"scan", "", "nondeterministic_output request_policy:special"},
    CommandHints{"set", "RW access update variable_flags"},
    CommandHints{"setex", "OW update"},
    CommandHints{"setnx", "OW insert"},
    CommandHints{"setrange", "RW update"},
    CommandHints{"slowlog|get", "", "request_policy:all_nodes nondeterministic_output"},
    CommandHints{"slowlog|len", "",
                 "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    CommandHints{"slowlog|reset", "", "request_policy:all_nodes response_policy:all_succeeded"},
    CommandHints{"sort", "RO access; RO access; OW update"},
    CommandHints{"sort_ro", "RO access; RO access"},
    CommandHints{"spublish", "not_key"},
    CommandHints{"ssubscribe", "not_key"},
    CommandHints{"strlen", "RO"},
    CommandHints{"sunsubscribe", "not_key"},
    CommandHints{"time", "", "nondeterministic_output"},
    CommandHints{"touch", "RO", "request_policy:multi_shard response_policy:agg_sum"},
    CommandHints{"ttl", "", "nondeterministic_output"},
    CommandHints{"type", "RO"},
    CommandHints{"unlink", "RM delete", "request_policy:multi_shard response_policy:agg_sum"},
    CommandHints{"wait", "", "request_policy:all_shards response_policy:agg_min"},
    CommandHints{"watch", "RO"},
};
static_assert(std::is_sorted(command_hints.begin(), command_hints.end(),
                             [](const CommandHints& a, const CommandHints& b) { return a.name < b.name; }));

/// Those of a command in lower case; empty ones where its flags tell all.
[[nodiscard]] inline CommandHints hints_of(std::string_view name) noexcept {
  const auto found = std::lower_bound(
      command_hints.begin(), command_hints.end(), name,
      [](const CommandHints& hints, std::string_view wanted) { return hints.name < wanted; });
  return found != command_hints.end() && found->name == name ? *found : CommandHints{name};
}

}  // namespace replikv::inline v0_1::detail
