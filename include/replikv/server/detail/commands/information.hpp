// INFO, and COMMAND: what the endpoint says of itself and of its commands.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/configuration.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/glob.hpp>
#include <replikv/server/detail/information.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::server::commands {

inline void info(Call& call) {
  std::vector<std::string> sections;
  for (std::size_t i = 1; i < call.size(); ++i) sections.push_back(detail::to_lower(call[i]));
  call.reply.verbatim(detail::info_text(call.server, sections));
}

// --- COMMAND --------------------------------------------------------------------------------------------

[[nodiscard]] inline bool is_subcommand(const detail::RegisteredCommand& command) {
  return command.command.name.find('|') != std::string::npos;
}

[[nodiscard]] inline std::vector<const detail::RegisteredCommand*> subcommands_of(
    Call& call, const detail::RegisteredCommand& container) {
  std::vector<const detail::RegisteredCommand*> parts;
  const std::string prefix = container.command.name + "|";
  for (const auto& each : call.server.commands.all()) {
    if (each.command.name.starts_with(prefix)) parts.push_back(&each);
  }
  return parts;
}

[[nodiscard]] inline std::vector<std::string> words_of_text(std::string_view text) {
  std::vector<std::string> words;
  detail::for_each_word(text, [&words](std::string_view word) { words.emplace_back(word); });
  return words;
}

/// Categories as COMMAND INFO shows them: those that follow from flags, then those it names itself.
///
/// Source  Redis 7.0 setImplicitACLCategories
[[nodiscard]] inline std::vector<std::string> categories_of(const detail::RegisteredCommand& command) {
  using Flag = detail::CommandFlag;
  const auto named = words_of_text(command.command.categories);
  const auto has = [&named](std::string_view word) {
    return std::find(named.begin(), named.end(), word) != named.end();
  };
  const bool is_fast = command.is(Flag::fast);
  std::vector<std::string> all;
  const auto add = [&all](bool holds, std::string_view word) {
    if (holds) all.push_back("@" + std::string(word));
  };
  add(has("keyspace"), "keyspace");
  add(command.is(Flag::readonly) && !has("scripting"), "read");
  add(command.is(Flag::write), "write");
  for (const std::string_view word :
       {"set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream"}) {
    add(has(word), word);
  }
  add(command.is(Flag::pubsub) || has("pubsub"), "pubsub");
  add(command.is(Flag::admin) || has("admin"), "admin");
  add(is_fast, "fast");
  add(!is_fast, "slow");
  add(command.is(Flag::blocking) || has("blocking"), "blocking");
  add(command.is(Flag::admin) || has("dangerous"), "dangerous");
  for (const std::string_view word : {"connection", "transaction", "scripting"}) add(has(word), word);
  return all;
}

inline void reply_words(Call& call, const std::vector<std::string>& words) {
  call.reply.set(words.size());
  for (const std::string& word : words) call.reply.simple(word);
}

/// Where the keys are, in the long form that clients since 7.0 read.
inline void reply_key_specifications(Call& call, const detail::RegisteredCommand& command) {
  const server::KeyPositions& keys = command.command.keys;
  if (keys.first == 0) return call.reply.set(0);
  const auto pair = [&call](std::string_view name, auto value) {
    call.reply.bulk(name);
    call.reply.integer(value);
  };
  call.reply.set(1);
  call.reply.map(3);
  call.reply.bulk("flags");
  reply_words(call, {command.is(detail::CommandFlag::write) ? "RW" : "RO", "access"});
  call.reply.bulk("begin_search");
  call.reply.map(2);
  call.reply.bulk("type"), call.reply.bulk("index");
  call.reply.bulk("spec");
  call.reply.map(1);
  pair("index", keys.first);
  call.reply.bulk("find_keys");
  call.reply.map(2);
  call.reply.bulk("type"), call.reply.bulk("range");
  call.reply.bulk("spec");
  call.reply.map(3);
  pair("lastkey", keys.last < 0 ? keys.last : keys.last - keys.first);
  pair("keystep", keys.step);
  pair("limit", 0);
}

inline void reply_command(Call& call, const detail::RegisteredCommand& command) {
  call.reply.array(10);
  call.reply.bulk(command.command.name);
  call.reply.integer(command.command.arity);
  reply_words(call, words_of_text(command.command.flags));
  call.reply.integer(command.command.keys.first);
  call.reply.integer(command.command.keys.last);
  call.reply.integer(command.command.keys.step);
  reply_words(call, categories_of(command));
  call.reply.set(0);  // tips
  reply_key_specifications(call, command);
  const auto parts = command.has_subcommands ? subcommands_of(call, command)
                                             : std::vector<const detail::RegisteredCommand*>();
  parts.empty() ? call.reply.set(0) : call.reply.array(parts.size());
  for (const auto* part : parts) reply_command(call, *part);
}

[[nodiscard]] inline std::vector<const detail::RegisteredCommand*> top_commands(Call& call) {
  std::vector<const detail::RegisteredCommand*> commands;
  for (const auto& each : call.server.commands.all()) {
    if (!is_subcommand(each)) commands.push_back(&each);
  }
  return commands;
}

inline void command(Call& call) {
  const auto commands = top_commands(call);
  call.reply.array(commands.size());
  for (const auto* each : commands) reply_command(call, *each);
}

inline void command_info(Call& call) {
  if (call.size() == 2) return command(call);
  call.reply.array(call.size() - 2);
  for (std::size_t i = 2; i < call.size(); ++i) {
    const auto* found = call.server.commands.find(call[i]);
    found != nullptr ? reply_command(call, *found) : call.reply.null();
  }
}

inline void command_count(Call& call) { call.reply.integer(top_commands(call).size()); }

/// Name and group: what clients need to know which commands there are. Words for people are in Redis' own
/// documentation.
inline void command_docs(Call& call) {
  std::vector<const detail::RegisteredCommand*> commands;
  if (call.size() == 2) commands = top_commands(call);
  for (std::size_t i = 2; i < call.size(); ++i) {
    if (const auto* found = call.server.commands.find(call[i])) commands.push_back(found);
  }
  call.reply.map(commands.size());
  for (const auto* each : commands) {
    const auto categories = words_of_text(each->command.categories);
    call.reply.bulk(each->command.name);
    call.reply.map(2);
    call.reply.bulk("summary"), call.reply.bulk("");
    call.reply.bulk("group"), call.reply.bulk(categories.empty() ? "server" : categories[0]);
  }
}

[[nodiscard]] inline bool is_listed(Call& call, const detail::RegisteredCommand& command) {
  if (call.size() == 2) return !is_subcommand(command);
  if (call.size() != 5 || !is_word(call[2], "filterby")) syntax_error();
  if (is_word(call[3], "pattern")) return detail::glob_matches(call[4], command.command.name, true);
  if (is_word(call[3], "module")) return false;
  if (!is_word(call[3], "aclcat")) syntax_error();
  const auto categories = categories_of(command);
  return std::find(categories.begin(), categories.end(), "@" + detail::to_lower(call[4])) != categories.end();
}

inline void command_list(Call& call) {
  std::vector<std::string_view> names;
  for (const auto& each : call.server.commands.all()) {
    if (is_listed(call, each)) names.push_back(each.command.name);
  }
  call.size() == 2 ? call.reply.set(names.size()) : call.reply.array(names.size());
  for (const std::string_view name : names) call.reply.bulk(name);
}

[[nodiscard]] inline const detail::RegisteredCommand& command_of(Call& call, resp::Arguments words) {
  const auto* found = call.server.commands.find(words);
  if (found == nullptr) throw CommandError("ERR Invalid command specified");
  const bool has_keys = found->command.keys.first != 0 || found->command.find_keys;
  if (!has_keys) throw CommandError("ERR The command has no key arguments");
  if (!found->takes(words.size()))
    throw CommandError("ERR Invalid number of arguments specified for command");
  return *found;
}

[[nodiscard]] inline std::vector<std::string_view> keys_of(const detail::RegisteredCommand& command,
                                                           resp::Arguments words) {
  auto keys = command.command.find_keys ? command.command.find_keys(words) : command.command.keys.of(words);
  if (keys.empty()) throw CommandError("ERR Invalid arguments specified for command");
  return keys;
}

inline void command_getkeys(Call& call) {
  const resp::Arguments words = call.words.subspan(2);
  const auto keys = keys_of(command_of(call, words), words);
  call.reply.array(keys.size());
  for (const std::string_view key : keys) call.reply.bulk(key);
}

inline void command_getkeysandflags(Call& call) {
  const resp::Arguments words = call.words.subspan(2);
  const auto& found = command_of(call, words);
  const auto keys = keys_of(found, words);
  call.reply.array(keys.size());
  for (const std::string_view key : keys) {
    call.reply.array(2);
    call.reply.bulk(key);
    reply_words(call, {found.is(detail::CommandFlag::write) ? "RW" : "RO", "access"});
  }
}

inline void command_help(Call& call) {
  reply_lines(call, {"COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                     "(no subcommand)",
                     "    Return details about all Redis commands.",
                     "COUNT",
                     "    Return the total number of commands in this Redis server.",
                     "LIST",
                     "    Return a list of all commands in this Redis server.",
                     "INFO [<command-name> ...]",
                     "    Return details about multiple Redis commands.",
                     "    If no command names are given, documentation details for all",
                     "    commands are returned.",
                     "DOCS [<command-name> ...]",
                     "    Return documentation details about multiple Redis commands.",
                     "    If no command names are given, documentation details for all",
                     "    commands are returned.",
                     "GETKEYS <full-command>",
                     "    Return the keys from a full Redis command.",
                     "GETKEYSANDFLAGS <full-command>",
                     "    Return the keys and the access flags from a full Redis command.",
                     "HELP",
                     "    Prints this help."});
}

inline void add_information(detail::CommandTable& table) {
  table.add({"info", -1, "loading stale", "dangerous", {}, info});
  table.add({"command", -1, "loading stale", "connection", {}, command});
  table.add({"command|info", -2, "loading stale", "connection", {}, command_info});
  table.add({"command|count", 2, "loading stale", "connection", {}, command_count});
  table.add({"command|docs", -2, "loading stale", "connection", {}, command_docs});
  table.add({"command|list", -2, "loading stale", "connection", {}, command_list});
  table.add({"command|getkeys", -4, "loading stale", "connection", {}, command_getkeys});
  table.add({"command|getkeysandflags", -4, "loading stale", "connection", {}, command_getkeysandflags});
  table.add({"command|help", 2, "loading stale", "connection", {}, command_help});
}

}  // namespace replikv::inline v0_1::server::commands
