// ACL: users and their rules, looked at and changed by clients.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/access_control.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::server::commands {

/// What ACL answers where a subcommand takes several forms, and this is none of them.
[[noreturn]] inline void no_form_of(std::string_view subcommand) {
  throw CommandError("ERR unknown subcommand or wrong number of arguments for '" + std::string(subcommand) +
                     "'. Try ACL HELP.");
}

inline void acl_whoami(Call& call) { call.reply.bulk(call.server.user_of(call.client).name); }

inline void acl_users(Call& call) {
  const auto& users = call.server.access.users();
  call.reply.array(users.size());
  for (const auto& [name, user] : users) call.reply.bulk(name);
}

inline void acl_list(Call& call) {
  const auto lines = call.server.access.lines();
  call.reply.array(lines.size());
  for (const std::string& line : lines) call.reply.bulk(line);
}

inline void reply_selector(Call& call, const detail::Selector& selector) {
  call.reply.bulk("commands"), call.reply.bulk(selector.commands_text(call.server.access.index()));
  call.reply.bulk("keys"), call.reply.bulk(selector.keys_text());
  call.reply.bulk("channels"), call.reply.bulk(selector.channels_text());
}

inline void acl_getuser(Call& call) {
  const auto user = call.server.access.find(call[2]);
  if (!user) return call.reply.null();
  const auto flags = user->flags();
  call.reply.map(6);
  call.reply.bulk("flags"), call.reply.set(flags.size());
  for (const std::string_view flag : flags) call.reply.bulk(flag);
  call.reply.bulk("passwords"), call.reply.array(user->passwords().size());
  for (const auto& password : user->passwords()) call.reply.bulk(password.text);
  reply_selector(call, user->root());
  call.reply.bulk("selectors"), call.reply.array(user->selectors().size());
  for (const detail::Selector& selector : user->selectors()) {
    call.reply.map(3);
    reply_selector(call, selector);
  }
}

/// Source  Redis 7.0 aclCommand
inline void acl_setuser(Call& call) {
  if (detail::has_space_or_null(call[2])) {
    throw CommandError("ERR Usernames can't contain spaces or null characters");
  }
  std::vector<std::string> rules;
  if (!detail::join_selectors(call.words.subspan(3), rules)) {
    const auto opening = std::find_if(call.words.rbegin(), call.words.rend(),
                                      [](std::string_view word) { return word.starts_with('('); });
    throw CommandError("ERR Unmatched parenthesis in acl selector starting at '" + std::string(*opening) +
                       "'.");
  }
  const auto refusal = call.server.access.set_user(call[2], rules);
  call.server.end_unpermitted_subscribers(call.client);
  if (!refusal.why.empty()) {
    const std::string shown = refusal.rule.substr(0, refusal.rule.find('\0'));
    throw CommandError("ERR Error in ACL SETUSER modifier '" + shown + "': " + std::string(refusal.why));
  }
  call.reply.ok();
}

inline void acl_deluser(Call& call) {
  const auto names = call.words.subspan(2);
  if (std::find(names.begin(), names.end(), "default") != names.end()) {
    throw CommandError("ERR The 'default' user cannot be removed");
  }
  std::size_t count = 0;
  for (const std::string_view name : names) {
    if (call.server.access.remove(name)) ++count;
  }
  if (count > 0) call.server.end_clients_without_user(call.client);
  call.reply.integer(count);
}

inline void acl_cat(Call& call) {
  if (call.size() > 3) no_form_of(call[1]);
  if (call.size() == 2) {
    call.reply.array(detail::category_names.size());
    for (const std::string_view name : detail::category_names) call.reply.bulk(name);
    return;
  }
  const std::uint32_t category = detail::category_of(detail::to_lower(call[2]));
  if (category == 0) throw CommandError("ERR Unknown category '" + std::string(call[2]) + "'");
  std::vector<std::string_view> names;
  for (const auto& each : call.server.commands.all()) {
    if ((each.categories() & category) != 0) names.push_back(each.command.name);
  }
  call.reply.array(names.size());
  for (const std::string_view name : names) call.reply.bulk(name);
}

inline void acl_genpass(Call& call) {
  if (call.size() > 3) no_form_of(call[1]);
  const std::int64_t bits = call.size() == 3 ? integer_of(call[2]) : 256;
  if (bits <= 0 || bits > 4096) {
    throw CommandError(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up "
        "to 4096");
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::random_device device;  // the system's own, since this is a secret
  std::string password;
  while (password.size() * 4 < static_cast<std::size_t>(bits)) password.push_back(digits[device() & 15]);
  call.reply.bulk(password);
}

inline void reply_log_entry(Call& call, const detail::AccessLogEntry& entry) {
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(call.server.now() - entry.at);
  std::array<char, 32> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), static_cast<double>(age.count()) / 1000);
  call.reply.map(7);
  call.reply.bulk("count"), call.reply.integer(entry.count);
  call.reply.bulk("reason"), call.reply.bulk(entry.reason);
  call.reply.bulk("context"), call.reply.bulk(entry.context);
  call.reply.bulk("object"), call.reply.bulk(entry.object);
  call.reply.bulk("username"), call.reply.bulk(entry.user);
  call.reply.bulk("age-seconds");
  call.reply.real({text.data(), static_cast<std::size_t>(end.ptr - text.data())});
  call.reply.bulk("client-info"), call.reply.bulk(entry.client);
}

inline void acl_log(Call& call) {
  if (call.size() > 3) no_form_of(call[1]);
  if (call.size() == 3 && is_word(call[2], "reset")) {
    call.server.access.log.clear();
    return call.reply.ok();
  }
  const std::int64_t wanted = call.size() == 3 ? std::max<std::int64_t>(integer_of(call[2]), 0) : 10;
  const auto& entries = call.server.access.log.entries();
  const std::size_t count = std::min(entries.size(), static_cast<std::size_t>(wanted));
  call.reply.array(count);
  for (std::size_t i = 0; i < count; ++i) reply_log_entry(call, entries[i]);
}

/// Says whether a user may call a command, without calling it.
inline void acl_dryrun(Call& call) {
  const auto user = call.server.access.find(call[2]);
  if (!user) throw CommandError("ERR User '" + std::string(call[2]) + "' not found");
  const resp::Arguments words = call.words.subspan(3);
  const auto* const command = call.server.commands.find(words);
  if (command == nullptr || (command->has_subcommands && words.size() > 1)) {
    throw CommandError("ERR Command '" + std::string(words[0]) + "' not found");
  }
  if (!command->takes(words.size())) {
    throw CommandError("ERR wrong number of arguments for '" + command->command.name + "' command");
  }
  const auto verdict = call.server.judge(*user, *command, words);
  if (verdict.what == detail::Denied::nothing) return call.reply.ok();
  std::string text = "This user has no permissions to ";
  if (verdict.what == detail::Denied::command) {
    text += "run the '" + command->command.name + "' command";
  } else {
    text += "access the '" + std::string(verdict.object) +
            (verdict.what == detail::Denied::key ? "' key" : "' channel");
  }
  call.reply.bulk(text);
}

[[nodiscard]] inline const std::string& acl_file_of(const Call& call) {
  const std::string& path = call.server.options.acl_file;
  if (path.empty()) {
    throw CommandError(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the "
        "ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file "
        "set) in order to store users in the Redis configuration.");
  }
  return path;
}

inline void acl_save(Call& call) {
  if (!call.server.access.save(acl_file_of(call))) {
    throw CommandError(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more information");
  }
  call.reply.ok();
}

/// Those who were logged in as anyone but "default" have to log in again: they were users of the old file.
inline void acl_load(Call& call) {
  const std::string wrong = call.server.access.load(acl_file_of(call));
  if (!wrong.empty()) throw CommandError("ERR " + wrong);
  call.server.end_clients_without_user(call.client);
  call.server.end_unpermitted_subscribers(call.client);
  call.reply.ok();
}

inline void acl_help(Call& call) {
  constexpr std::array<std::string_view, 29> lines{
      "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CAT [<category>]",
      "    List all commands that belong to <category>, or all command categories",
      "    when no category is specified.",
      "DELUSER <username> [<username> ...]",
      "    Delete a list of users.",
      "DRYRUN <username> <command> [<arg> ...]",
      "    Returns whether the user can execute the given command without executing the command.",
      "GETUSER <username>",
      "    Get the user's details.",
      "GENPASS [<bits>]",
      "    Generate a secure 256-bit user password. The optional `bits` argument can",
      "    be used to specify a different size.",
      "LIST",
      "    Show users details in config file format.",
      "LOAD",
      "    Reload users from the ACL file.",
      "LOG [<count> | RESET]",
      "    Show the ACL log entries.",
      "SAVE",
      "    Save the current config to the ACL file.",
      "SETUSER <username> <attribute> [<attribute> ...]",
      "    Create or modify a user with the specified attributes.",
      "USERS",
      "    List all the registered usernames.",
      "WHOAMI",
      "    Return the current connection username.",
      "HELP",
      "    Prints this help."};
  call.reply.array(lines.size());
  for (const std::string_view line : lines) call.reply.simple(line);
}

inline void add_acl(detail::CommandTable& table) {
  const std::string asking = "noscript loading stale";
  const std::string managing = "admin " + asking;
  table.add({"acl", -2, "", "", {}, [](Call&) { syntax_error(); }});
  table.add({"acl|whoami", 2, asking, "", {}, acl_whoami});
  table.add({"acl|genpass", -2, asking, "", {}, acl_genpass});
  table.add({"acl|cat", -2, asking, "", {}, acl_cat});
  table.add({"acl|log", -2, managing, "", {}, acl_log});
  table.add({"acl|getuser", 3, managing, "", {}, acl_getuser});
  table.add({"acl|list", 2, managing, "", {}, acl_list});
  table.add({"acl|users", 2, managing, "", {}, acl_users});
  table.add({"acl|load", 2, managing, "", {}, acl_load});
  table.add({"acl|save", 2, managing, "", {}, acl_save});
  table.add({"acl|setuser", -3, managing, "", {}, acl_setuser});
  table.add({"acl|deluser", -3, managing, "", {}, acl_deluser});
  table.add({"acl|dryrun", -4, managing, "", {}, acl_dryrun});
  table.add({"acl|help", 2, "loading stale", "", {}, acl_help});
}

}  // namespace replikv::inline v0_1::server::commands
