// Clients that look on (MONITOR), and what anybody may see of a command.
#pragma once

#include <replikv/resp/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/quoted.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::detail {

/// A command's words, without what AUTH and HELLO say of users and passwords.
///
/// Source  Redis 7.0: these are shown to nobody, neither to monitors nor in the slow log
[[nodiscard]] inline std::vector<std::string_view> without_secrets(const RegisteredCommand& command,
                                                                   resp::Arguments words) {
  std::vector<std::string_view> shown(words.begin(), words.end());
  const bool is_auth = command.command.name == "auth";
  for (std::size_t i = 1; i < shown.size(); ++i) {
    if (is_auth) shown[i] = "(redacted)";
    if (command.command.name == "hello" && to_lower(words[i]) == "auth") {
      for (std::size_t end = std::min(i + 3, shown.size()); ++i < end;) shown[i] = "(redacted)";
      break;
    }
  }
  return shown;
}

class Monitors {
 public:
  [[nodiscard]] bool empty() const noexcept { return clients_.empty(); }

  void add(Client& client) {
    client.is_monitor = true;
    clients_.push_back(&client);
  }
  void remove(Client& client) noexcept {
    client.is_monitor = false;
    std::erase(clients_, &client);
  }

  /// Appends the line of a command to the output of each, and calls `has_output(monitor)`. One that has more
  /// than `bytes_max` (0: no limit) unread loses its link.
  template <class HasOutput>
  void show(const Client& client, const RegisteredCommand& command, resp::Arguments words,
            std::chrono::microseconds wall_now, std::size_t bytes_max, HasOutput&& has_output) const {
    if (command.is(CommandFlag::admin) || command.is(CommandFlag::skip_monitor)) return;
    const std::string line = line_of(client, command, words, wall_now);
    for (Client* const monitor : clients_) {
      if (monitor->closing == Client::Closing::now) continue;
      monitor->output += line;
      if (bytes_max != 0 && monitor->output.size() > bytes_max) monitor->closing = Client::Closing::now;
      has_output(*monitor);
    }
  }

 private:
  [[nodiscard]] static std::string line_of(const Client& client, const RegisteredCommand& command,
                                           resp::Arguments words, std::chrono::microseconds wall_now) {
    const std::string micros = std::to_string(wall_now.count());
    const std::size_t seconds = micros.size() - 6;
    const std::string peer = client.address.starts_with('/')
                                 ? "unix:" + client.address.substr(0, client.address.rfind(':'))
                                 : client.address;
    std::string line = "+" + micros.substr(0, seconds) + "." + micros.substr(seconds) + " [" +
                       std::to_string(client.database) + " " + peer + "]";
    for (const std::string_view word : without_secrets(command, words)) {
      line += ' ';
      append_quoted(line, word);
    }
    return line += "\r\n";
  }

  std::vector<Client*> clients_;
};

}  // namespace replikv::inline v0_1::detail
