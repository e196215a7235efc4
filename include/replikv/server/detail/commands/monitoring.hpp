// MONITOR, SLOWLOG, LATENCY: looking at what the server does and how long it takes.
#pragma once

#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/help.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::server::commands {

inline void monitor(Call& call) {
  if (call.client.in_multi) throw CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client");
  if (call.client.is_monitor) return;
  call.server.monitors.add(call.client);
  call.reply.ok();
}

// --- SLOWLOG -----------------------------------------------------------------------------------------------

inline void slowlog_get(Call& call) {
  if (call.size() > 3) wrong_subcommand(call, "SLOWLOG");
  std::int64_t wanted = 10;
  if (call.size() == 3) {
    wanted = resp::parse_integer(call[2]).value_or(-2);
    if (wanted < -1) throw CommandError("ERR count should be greater than or equal to -1");
  }
  const auto& entries = call.server.slow_log.entries();
  const std::size_t count =
      wanted < 0 ? entries.size() : std::min(entries.size(), static_cast<std::size_t>(wanted));
  call.reply.array(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& entry = entries[i];
    call.reply.array(6);
    call.reply.integer(entry.id);
    call.reply.integer(entry.at_s);
    call.reply.integer(entry.took.count());
    call.reply.array(entry.words.size());
    for (const std::string& word : entry.words) call.reply.bulk(word);
    call.reply.bulk(entry.address);
    call.reply.bulk(entry.client_name);
  }
}

inline void slowlog_reset(Call& call) {
  call.server.slow_log.clear();
  call.reply.ok();
}

inline void slowlog_help(Call& call) {
  reply_help(
      call, "SLOWLOG",
      {"GET [<count>]", "The latest slow commands: number, time, microseconds, words, client, its name.",
       "LEN", "How many are remembered.", "RESET", "Forget them."});
}

// --- LATENCY -----------------------------------------------------------------------------------------------

inline void latency_latest(Call& call) {
  const auto& events = call.server.latency.all();
  call.reply.array(events.size());
  for (const auto& [name, event] : events) {
    call.reply.array(4);
    call.reply.bulk(name);
    call.reply.integer(event.samples.back().at_s);
    call.reply.integer(event.samples.back().took_ms);
    call.reply.integer(event.max_ms);
  }
}

inline void latency_history(Call& call) {
  const auto& events = call.server.latency.all();
  const auto event = events.find(call[2]);
  if (event == events.end()) return call.reply.array(0);
  call.reply.array(event->second.samples.size());
  for (const auto& sample : event->second.samples) {
    call.reply.array(2);
    call.reply.integer(sample.at_s);
    call.reply.integer(sample.took_ms);
  }
}

inline void latency_reset(Call& call) {
  if (call.size() == 2) return call.reply.integer(call.server.latency.clear());
  std::size_t cleared = 0;
  for (const std::string_view name : call.words.subspan(2)) cleared += call.server.latency.clear(name);
  call.reply.integer(cleared);
}

inline void latency_graph(Call& call) {
  const auto& events = call.server.latency.all();
  const auto event = events.find(call[2]);
  if (event == events.end()) {
    throw CommandError("ERR No samples available for event '" + std::string(call[2].substr(0, 128)) + "'");
  }
  std::string text = event->first + " - highest ever " + std::to_string(event->second.max_ms) + " ms\n";
  constexpr std::int64_t width_max = 64;
  for (const auto& sample : event->second.samples) {
    const auto width = sample.took_ms * width_max / std::max<std::int64_t>(event->second.max_ms, 1);
    text +=
        std::string(static_cast<std::size_t>(width), '#') + " " + std::to_string(sample.took_ms) + " ms\n";
  }
  call.reply.verbatim(text);
}

inline void latency_doctor(Call& call) {
  if (call.server.options.latency_threshold.count() == 0) {
    return call.reply.verbatim(
        "Latency monitoring is disabled in this server. \"CONFIG SET latency-monitor-threshold "
        "<milliseconds>\" enables it.\n");
  }
  std::string text;
  for (const auto& [name, event] : call.server.latency.all()) {
    text += name + ": " + std::to_string(event.samples.size()) + " latency spikes, the worst of " +
            std::to_string(event.max_ms) + " ms. SLOWLOG GET shows which commands were slow.\n";
  }
  if (text.empty()) text = "No latency spikes were seen.\n";
  call.reply.verbatim(text);
}

/// Of the commands named, subcommands with their containers; of all, if none is.
inline void latency_histogram(Call& call) {
  std::vector<const detail::RegisteredCommand*> shown;
  const auto add_if_called = [&shown](const detail::RegisteredCommand& command) {
    if (command.latency.calls() > 0) shown.push_back(&command);
  };
  for (const auto& command : call.server.commands.all()) {
    if (call.size() == 2) add_if_called(command);
  }
  for (const std::string_view name : call.words.subspan(2)) {
    const detail::RegisteredCommand* const command = call.server.commands.find(name);
    if (command == nullptr) continue;
    add_if_called(*command);
    if (!command->has_subcommands) continue;
    for (const auto& part : call.server.commands.all()) {
      if (part.command.name.starts_with(command->command.name + "|")) add_if_called(part);
    }
  }
  call.reply.map(shown.size());
  for (const detail::RegisteredCommand* const command : shown) {
    call.reply.bulk(command->command.name);
    call.reply.map(2);
    call.reply.bulk("calls");
    call.reply.integer(command->latency.calls());
    call.reply.bulk("histogram_usec");
    call.reply.map(command->latency.buckets());
    command->latency.for_each([&call](std::uint64_t microseconds, std::uint64_t calls) {
      call.reply.integer(microseconds);
      call.reply.integer(calls);
    });
  }
}

inline void latency_help(Call& call) {
  reply_help(call, "LATENCY",
             {"DOCTOR", "What there is to say about latency, in words.", "GRAPH <event>",
              "The samples of an event, drawn.", "HISTORY <event>", "The samples of an event.", "LATEST",
              "The latest sample of each event.", "RESET [<event> ...]", "Forget these events, or all.",
              "HISTOGRAM [COMMAND ...]", "How many calls of each command took how long."});
}

inline void add_monitoring(detail::CommandTable& table) {
  table.add({"monitor", 1, "admin noscript loading stale", "", {}, monitor});

  table.add({"slowlog", -2, "", "", {}, {}});
  const auto add_slowlog = [&table](std::string name, int arity, void (*run)(Call&)) {
    table.add({"slowlog|" + name, arity, "admin loading stale", "", {}, run});
  };
  add_slowlog("get", -2, slowlog_get);
  add_slowlog("len", 2, [](Call& call) { call.reply.integer(call.server.slow_log.entries().size()); });
  add_slowlog("reset", 2, slowlog_reset);
  table.add({"slowlog|help", 2, "loading stale", "", {}, slowlog_help});

  table.add({"latency", -2, "", "", {}, {}});
  const auto add_latency = [&table](std::string name, int arity, void (*run)(Call&)) {
    table.add({"latency|" + name, arity, "admin noscript loading stale", "", {}, run});
  };
  add_latency("latest", 2, latency_latest);
  add_latency("history", 3, latency_history);
  add_latency("reset", -2, latency_reset);
  add_latency("graph", 3, latency_graph);
  add_latency("doctor", 2, latency_doctor);
  add_latency("histogram", -2, latency_histogram);
  table.add({"latency|help", 2, "loading stale", "", {}, latency_help});
}

}  // namespace replikv::inline v0_1::server::commands
