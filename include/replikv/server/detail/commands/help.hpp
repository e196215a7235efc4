// What commands with subcommands have in common: HELP, and an error of their own.
#pragma once

#include <replikv/server/command.hpp>

#include <initializer_list>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

/// Replies the lines, between those that every HELP begins and ends with. Lines in turn: a subcommand with
/// its arguments, and what it does.
inline void reply_help(Call& call, std::string_view command, std::initializer_list<std::string_view> lines) {
  call.reply.array(lines.size() + 3);
  call.reply.simple(std::string(command) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  bool is_subcommand = true;
  for (const std::string_view line : lines) {
    call.reply.simple((is_subcommand ? "" : "    ") + std::string(line));
    is_subcommand = !is_subcommand;
  }
  call.reply.simple("HELP");
  call.reply.simple("    Prints this help.");
}

/// For a subcommand whose number of words its arity does not tell.
[[noreturn, gnu::cold]] inline void wrong_subcommand(const Call& call, std::string_view command) {
  throw CommandError("ERR unknown subcommand or wrong number of arguments for '" +
                     std::string(call[1].substr(0, 128)) + "'. Try " + std::string(command) + " HELP.");
}

}  // namespace replikv::inline v0_1::server::commands
