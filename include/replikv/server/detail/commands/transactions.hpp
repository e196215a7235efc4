// MULTI and its company: commands that wait for EXEC and then happen at once, unless a watched key has
// changed.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::server::commands {

/// The run of a transaction.
///
/// Commands that read or write keys run in groups, as long as no other command comes between them: in nearly
/// all transactions there is one. What a group writes to a database is seen by others at once, and streamed
/// at once; so are the watched keys looked at in one instant with the first group. Commands about the server
/// or the client run alone, because they may ask the node, which nobody may do who holds a store.
class Execution {
 public:
  Execution(detail::Server& server, detail::Client& client)
      : server_(server), client_(client), queue_(std::move(client.queue)) {}

  /// Runs all and replies; false, and nothing has happened, when a watched key has changed.
  [[nodiscard]] bool run() {
    client_.reply().array(queue_.size());
    if (!run_group(true)) return false;
    while (next_ < queue_.size()) {
      if (is_about_keys(*queue_[next_].command)) {
        static_cast<void>(run_group(false));
      } else {
        run_next();
      }
    }
    return true;
  }

 private:
  using Flag = detail::CommandFlag;

  [[nodiscard]] bool run_group(bool is_first) {
    std::size_t end = next_;
    while (end < queue_.size() && is_about_keys(*queue_[end].command)) ++end;
    auto numbers = databases_used(end);
    if (is_first) {
      for (const auto& key : client_.watcher.keys) numbers[key.database] = true;
    }
    std::vector<std::uint32_t> held;
    for (std::uint32_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i]) held.push_back(i);
    }
    bool is_wanted = true;
    server_.atomically(held, [&] {
      is_wanted = !is_first || server_.are_unchanged(client_.watcher);
      if (!is_wanted) return;
      server_.unwatch(client_);
      while (next_ < end) run_next();
    });
    return is_wanted;
  }

  void run_next() {
    const detail::QueuedCommand& queued = queue_[next_++];
    const std::vector<std::string_view> words(queued.words.begin(), queued.words.end());
    server_.perform_queued(client_, *queued.command, words, server_.database(client_.database));
  }

  [[nodiscard]] static bool is_about_keys(const detail::RegisteredCommand& command) noexcept {
    if (command.command.name == "swapdb") return false;  // the stores themselves are exchanged
    return command.is(Flag::write) || command.is(Flag::readonly) || touches_nothing(command);
  }

  // Those that may come between commands on keys without ending the group.
  [[nodiscard]] static bool touches_nothing(const detail::RegisteredCommand& command) noexcept {
    const std::string_view name = command.command.name;
    return name == "ping" || name == "echo" || name == "select" || name == "time" || name == "unwatch" ||
           name == "publish" || name == "spublish" || name.ends_with("subscribe");
  }

  [[nodiscard]] static bool uses_selected_only(const detail::RegisteredCommand& command) noexcept {
    const std::string_view name = command.command.name;
    if (name == "copy" || name == "move") return false;
    return command.command.keys.first > 0 || command.command.find_keys || name == "keys" || name == "scan" ||
           name == "randomkey" || name == "dbsize" || name == "flushdb";
  }

  // By the commands from the next to `end`; all of them where one may reach anything.
  [[nodiscard]] std::vector<bool> databases_used(std::size_t end) const {
    std::vector<bool> used(server_.databases());
    std::uint32_t selected = client_.database;
    for (std::size_t i = next_; i < end; ++i) {
      const detail::RegisteredCommand& command = *queue_[i].command;
      if (command.command.name == "select") {
        const auto number = resp::parse_unsigned(queue_[i].words[1]);
        if (number && *number < used.size()) selected = static_cast<std::uint32_t>(*number);
      } else if (touches_nothing(command)) {
        continue;
      } else if (uses_selected_only(command)) {
        used[selected] = true;
      } else {
        used.assign(used.size(), true);
      }
    }
    return used;
  }

  detail::Server& server_;
  detail::Client& client_;
  const std::vector<detail::QueuedCommand> queue_;
  std::size_t next_ = 0;
};

inline void multi(Call& call) {
  if (call.client.in_multi) throw CommandError("ERR MULTI calls can not be nested");
  call.client.in_multi = true;
  call.reply.ok();
}

inline void discard(Call& call) {
  if (!call.client.in_multi) throw CommandError("ERR DISCARD without MULTI");
  call.server.end_multi(call.client);
  call.reply.ok();
}

/// Source  Redis 7.0: an error of one command does not keep the others from running
inline void exec(Call& call) {
  detail::Client& client = call.client;
  detail::Server& server = call.server;
  if (!client.in_multi) throw CommandError("ERR EXEC without MULTI");
  struct End {
    ~End() { its_server.end_multi(its_client); }
    detail::Server& its_server;
    detail::Client& its_client;
  } const end{server, client};
  try {
    if ((client.queue_flags & static_cast<std::uint32_t>(detail::CommandFlag::write)) != 0) {
      detail::throw_if(server.node->gate->refusal());
    }
    if (client.multi_failed) {
      throw CommandError("EXECABORT Transaction discarded because of previous errors.");
    }
    const std::size_t answered = client.output.size();
    if (Execution(server, client).run()) return;
    client.output.resize(answered);
    call.reply.null_array();
  } catch (const Error& error) {  // there is no room, or the role has changed: nothing of it was written
    throw CommandError("EXECABORT Transaction discarded because of: " + detail::wire_text(error.code()));
  }
}

inline void watch(Call& call) {
  if (call.client.in_multi) throw CommandError("ERR WATCH inside MULTI is not allowed");
  for (const std::string_view key : call.words.subspan(1)) {
    constexpr std::size_t overhead = sizeof(detail::WatchedKey) + 64;
    if (call.server.watch(call.client, call.client.database, key)) {
      call.server.keep(call.client, call.client.queue_bytes, key.size() + overhead);
    }
  }
  call.reply.ok();
}

inline void unwatch(Call& call) {
  call.server.unwatch(call.client);
  call.reply.ok();
}

inline void add_transactions(detail::CommandTable& table) {
  table.add({"multi", 1, "noscript loading stale fast allow_busy", "transaction", {}, multi});
  table.add({"exec", 1, "noscript loading stale skip_slowlog", "transaction", {}, exec});
  table.add({"discard", 1, "noscript loading stale fast allow_busy", "transaction", {}, discard});
  table.add({"watch", -2, "noscript loading stale fast allow_busy", "transaction", {1, -1, 1}, watch});
  table.add({"unwatch", 1, "noscript loading stale fast allow_busy", "transaction", {}, unwatch});
}

}  // namespace replikv::inline v0_1::server::commands
