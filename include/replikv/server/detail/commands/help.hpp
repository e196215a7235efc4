// What the HELP of a command with subcommands answers.
#pragma once

#include <replikv/server/command.hpp>

#include <initializer_list>
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

}  // namespace replikv::inline v0_1::server::commands
