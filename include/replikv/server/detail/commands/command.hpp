// COMMAND: what the endpoint says of its commands.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/access_rules.hpp>
#include <replikv/server/detail/command_docs.hpp>
#include <replikv/server/detail/command_hints.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/command_usage.hpp>
#include <replikv/server/detail/commands/configuration.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/glob.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::server::commands {

[[nodiscard]] inline bool is_subcommand(const detail::RegisteredCommand& command) {
  return command.command.name.find('|') != std::string::npos;
}

[[nodiscard]] inline std::vector<const detail::RegisteredCommand*> subcommands_of(
    Call& call, const detail::RegisteredCommand& container) {
  std::vector<const detail::RegisteredCommand*> parts;
  if (!container.has_subcommands) return parts;
  const std::string prefix = container.command.name + "|";
  for (const auto& each : call.server.commands.all()) {
    if (each.command.name.starts_with(prefix)) parts.push_back(&each);
  }
  return parts;
}

[[nodiscard]] inline std::vector<const detail::RegisteredCommand*> top_commands(Call& call) {
  std::vector<const detail::RegisteredCommand*> commands;
  for (const auto& each : call.server.commands.all()) {
    if (!is_subcommand(each)) commands.push_back(&each);
  }
  return commands;
}

[[nodiscard]] inline std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  detail::for_each_word(text, [&words](std::string_view word) { words.push_back(word); });
  return words;
}

/// A set of the words of a text, none of them a bulk string.
inline void reply_words(Reply& reply, std::string_view text) {
  const auto words = words_in(text);
  reply.set(words.size());
  for (const std::string_view word : words) reply.simple(word);
}

// --- Keys -----------------------------------------------------------------------------------------------

/// How a command uses its keys, one text for each kind of keys.
[[nodiscard]] inline std::vector<std::string_view> key_uses(const detail::RegisteredCommand& command) {
  std::string_view text = detail::hints_of(command.command.name).keys;
  if (text.empty()) text = command.is(detail::CommandFlag::write) ? "RW access update" : "RO access";
  std::vector<std::string_view> uses;
  for (std::size_t end = 0; (end = text.find("; ")) != std::string_view::npos; text.remove_prefix(end + 2)) {
    uses.push_back(text.substr(0, end));
  }
  uses.push_back(text);
  return uses;
}

/// Where the keys of one kind are, in the long form that clients since 7.0 read. `index` 0: nobody knows.
inline void reply_key_specification(Call& call, std::string_view use, KeyPositions keys) {
  const auto place = [&call](std::string_view type, std::size_t numbers) {
    call.reply.map(2);
    call.reply.bulk("type"), call.reply.bulk(type);
    call.reply.bulk("spec"), call.reply.map(numbers);
  };
  const auto number = [&call](std::string_view name, int value) {
    call.reply.bulk(name), call.reply.integer(value);
  };
  const bool is_known = keys.first != 0;
  call.reply.map(3);
  call.reply.bulk("flags"), reply_words(call.reply, use);
  call.reply.bulk("begin_search"), place(is_known ? "index" : "unknown", is_known ? 1 : 0);
  if (is_known) number("index", keys.first);
  call.reply.bulk("find_keys"), place(is_known ? "range" : "unknown", is_known ? 3 : 0);
  if (!is_known) return;
  number("lastkey", keys.last < 0 ? keys.last : keys.last - keys.first);
  number("keystep", keys.step);
  number("limit", 0);
}

/// Each kind of keys is one key, but for the last: those that are left. Where none is, options tell them.
inline void reply_key_specifications(Call& call, const detail::RegisteredCommand& command) {
  KeyPositions rest = command.command.keys;
  if (rest.first == 0) return call.reply.set(0);
  const auto uses = key_uses(command);
  call.reply.set(uses.size());
  for (std::size_t i = 0; i + 1 < uses.size(); ++i) {
    const bool is_left = rest.last < 0 || rest.first <= rest.last;
    reply_key_specification(call, uses[i],
                            is_left ? KeyPositions{rest.first, rest.first, 1} : KeyPositions{});
    ++rest.first;
  }
  const bool is_left = rest.last < 0 || rest.first <= rest.last;
  reply_key_specification(call, uses.back(), is_left ? rest : KeyPositions{});
}

// --- INFO -----------------------------------------------------------------------------------------------

[[nodiscard]] inline std::string flags_of(const detail::RegisteredCommand& command) {
  std::string words;
  for (const auto& [name, flag] : detail::command_flags) {
    if (command.is(flag)) words.append(name).append(" ");
  }
  return words;
}

[[nodiscard]] inline std::string categories_of(const detail::RegisteredCommand& command) {
  const std::uint32_t categories = command.categories();
  std::string words;
  for (const std::string_view name : detail::category_names) {
    if ((categories & detail::category_of(name)) != 0) words.append("@").append(name).append(" ");
  }
  return words;
}

inline void reply_command(Call& call, const detail::RegisteredCommand& command) {
  const KeyPositions& keys = command.command.keys;
  call.reply.array(10);
  call.reply.bulk(command.command.name);
  call.reply.integer(command.command.arity);
  reply_words(call.reply, flags_of(command));
  for (const int number : {keys.first, keys.last, keys.step}) call.reply.integer(number);
  reply_words(call.reply, categories_of(command));
  const auto tips = words_in(detail::hints_of(command.command.name).tips);
  call.reply.set(tips.size());
  for (const std::string_view tip : tips) call.reply.bulk(tip);
  reply_key_specifications(call, command);
  const auto parts = subcommands_of(call, command);
  parts.empty() ? call.reply.set(0) : call.reply.array(parts.size());
  for (const auto* part : parts) reply_command(call, *part);
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

// --- DOCS -----------------------------------------------------------------------------------------------

/// A map that is as large as the members it was given.
class MapReply {
 public:
  explicit MapReply(Reply& out)
      : out_(out), members_(bytes_, out.is_resp3() ? Protocol::resp3 : Protocol::resp2) {}
  MapReply(const MapReply&) = delete;
  MapReply& operator=(const MapReply&) = delete;

  /// Where the value of this name is to be written.
  [[nodiscard]] Reply& member(std::string_view name) {
    ++size_;
    members_.bulk(name);
    return members_;
  }
  /// Left out when it is empty.
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) member(name).bulk(value);
  }
  void finish() {
    out_.map(size_);
    out_.raw(bytes_);
  }

 private:
  Reply& out_;
  std::string bytes_;
  Reply members_;
  std::size_t size_ = 0;
};

inline void reply_arguments(Reply& reply, const std::vector<detail::CommandArgument>& arguments) {
  reply.array(arguments.size());
  for (const auto& each : arguments) {
    std::string flags;
    if (each.is_optional) flags += "optional ";
    if (each.is_multiple) flags += "multiple ";
    if (each.repeats_token) flags += "multiple_token ";
    MapReply map(reply);
    map.text("name", each.name);
    map.text("type", each.type);
    if (each.kind_of_key) map.member("key_spec_index").integer(*each.kind_of_key);
    map.text("token", each.token);
    if (!flags.empty()) reply_words(map.member("flags"), flags);
    if (!each.parts.empty()) reply_arguments(map.member("arguments"), each.parts);
    map.finish();
  }
}

/// A name, and a map of what is known of the command.
inline void reply_docs(Call& call, Reply& reply, const detail::RegisteredCommand& command) {
  const auto [group, doc] = detail::docs_of(command.command);
  reply.bulk(command.command.name);
  MapReply map(reply);
  map.member("summary").bulk(doc.summary);
  map.text("since", doc.since);
  map.text("group", group);
  map.text("complexity", doc.complexity);
  if (doc.is_internal) reply_words(map.member("doc_flags"), "syscmd");
  if (!doc.deprecation.since.empty()) reply_words(map.member("doc_flags"), "deprecated");
  map.text("deprecated_since", doc.deprecation.since);
  map.text("replaced_by", doc.deprecation.replaced_by);
  const auto arguments = detail::UsageReader::read(doc.usage);
  if (!arguments.empty()) reply_arguments(map.member("arguments"), arguments);
  if (const auto parts = subcommands_of(call, command); !parts.empty()) {
    Reply& subcommands = map.member("subcommands");
    subcommands.map(parts.size());
    for (const auto* part : parts) reply_docs(call, subcommands, *part);
  }
  map.finish();
}

inline void command_docs(Call& call) {
  std::vector<const detail::RegisteredCommand*> commands;
  if (call.size() == 2) commands = top_commands(call);
  for (std::size_t i = 2; i < call.size(); ++i) {
    if (const auto* found = call.server.commands.find(call[i])) commands.push_back(found);
  }
  call.reply.map(commands.size());
  for (const auto* each : commands) reply_docs(call, call.reply, *each);
}

// --- LIST -----------------------------------------------------------------------------------------------

[[nodiscard]] inline bool is_listed(Call& call, const detail::RegisteredCommand& command) {
  if (call.size() == 2) return !is_subcommand(command);
  if (call.size() != 5 || !is_word(call[2], "filterby")) syntax_error();
  if (is_word(call[3], "pattern")) return detail::glob_matches(call[4], command.command.name, true);
  if (is_word(call[3], "module")) return false;
  if (!is_word(call[3], "aclcat")) syntax_error();
  return (command.categories() & detail::category_of(detail::to_lower(call[4]))) != 0;
}

inline void command_list(Call& call) {
  std::vector<std::string_view> names;
  for (const auto& each : call.server.commands.all()) {
    if (is_listed(call, each)) names.push_back(each.command.name);
  }
  call.size() == 2 ? call.reply.set(names.size()) : call.reply.array(names.size());
  for (const std::string_view name : names) call.reply.bulk(name);
}

// --- GETKEYS, GETKEYSANDFLAGS ---------------------------------------------------------------------------

[[nodiscard]] inline const detail::RegisteredCommand& command_of(Call& call, resp::Arguments words) {
  const auto* found = call.server.commands.find(words);
  if (found == nullptr) throw CommandError("ERR Invalid command specified");
  const bool has_keys = found->command.keys.first != 0 && key_uses(*found).front() != "not_key";
  if (!has_keys && !found->command.find_keys) throw CommandError("ERR The command has no key arguments");
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

/// How this very call uses its key at `place`: options may tell less than all that the command can do.
[[nodiscard]] inline std::string_view use_of(Call& call, const detail::RegisteredCommand& command,
                                             resp::Arguments words, std::size_t place) {
  const auto uses = key_uses(command);
  const std::string_view use = place == 0 ? uses.front() : uses.back();
  if (!use.ends_with("variable_flags")) return use;
  const auto& entry = call.server.commands.index()[command.number];
  switch (detail::JudgedCall{command.number, entry, false, words, {}}.access(place)) {
    case detail::KeyAccess::read: return "RO access";
    case detail::KeyAccess::write: return "OW update";
    default: return "RW access update";
  }
}

inline void command_getkeysandflags(Call& call) {
  const resp::Arguments words = call.words.subspan(2);
  const auto& found = command_of(call, words);
  const auto keys = keys_of(found, words);
  call.reply.array(keys.size());
  for (std::size_t place = 0; place < keys.size(); ++place) {
    call.reply.array(2);
    call.reply.bulk(keys[place]);
    reply_words(call.reply, use_of(call, found, words, place));
  }
}

// --- HELP -----------------------------------------------------------------------------------------------

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

inline void add_command(detail::CommandTable& table) {
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
