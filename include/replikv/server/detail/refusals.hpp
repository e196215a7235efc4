// The words in which a command is refused before it runs, as Redis says them.
#pragma once

#include <replikv/resp/command.hpp>
#include <replikv/server/detail/access_rules.hpp>
#include <replikv/server/detail/command_table.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1::detail {

/// An error as the wire has it: its own words where the protocol has them, else after "ERR ".
[[nodiscard]] inline std::string wire_text(std::error_code error) {
  const std::string words = error.message();
  const std::size_t end = std::min(words.find(' '), words.size());
  const bool has_code =
      end > 1 && std::all_of(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(end),
                             [](char letter) { return letter >= 'A' && letter <= 'Z'; });
  return has_code ? words : "ERR " + words;
}

[[nodiscard]] inline std::string unknown_command(resp::Arguments words) {
  std::string text =
      "ERR unknown command '" + std::string(words[0].substr(0, 128)) + "', with args beginning with: ";
  const std::size_t shown_from = text.size();
  for (std::size_t i = 1; i < words.size() && text.size() - shown_from < 128; ++i) {
    text += "'" + std::string(words[i].substr(0, 128 - (text.size() - shown_from))) + "' ";
  }
  return text;
}

[[nodiscard]] inline std::string unknown_subcommand(resp::Arguments words) {
  std::string container(words[0]);
  for (char& letter : container) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  }
  return "ERR unknown subcommand '" + std::string(words[1].substr(0, 128)) + "'. Try " + container + " HELP.";
}

/// Its user may not run this command, or not with these words.
[[nodiscard]] inline std::string no_permission(const Verdict& verdict, const RegisteredCommand& command) {
  if (verdict.what == Denied::command) {
    return "NOPERM this user has no permissions to run the '" + command.command.name + "' command";
  }
  return "NOPERM this user has no permissions to access one of the " +
         std::string(verdict.what == Denied::key ? "keys" : "channels") + " used as arguments";
}

/// The same for a command that could be queued, and whose user's rules have changed until EXEC.
[[nodiscard]] inline std::string no_permission_any_more(const Verdict& verdict) {
  return "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
         "This command is no longer allowed for the following reason: " +
         std::string(verdict.what == Denied::command ? "no permission to execute the command or subcommand"
                     : verdict.what == Denied::key
                         ? "no permission to touch the specified keys"
                         : "no permission to access one of the channels used as arguments");
}

}  // namespace replikv::inline v0_1::detail
