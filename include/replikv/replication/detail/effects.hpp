// The fold at the heart of a replica: each command of a master's stream changes the databases as it
// changed the master's. Knows nothing of links, offsets or transactions.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/replication/command_batch.hpp>
#include <replikv/replication/detail/commands/call.hpp>
#include <replikv/replication/detail/commands/table.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/store/detail/database.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// Folds a master's commands into the databases of a role.
///
/// A command is in the stream because it changed something at the master: its conditions (NX, GT, RENAMENX)
/// held there and are not asked again; keys that have expired but are still there count as live, because
/// their DEL comes in the stream; an expiry in the past is stored like any other. What the master has and no
/// database here can hold is absent here, never out of date.
///
/// Errors         in the result; never throws, whatever the bytes. A command that diverged changed nothing,
///                unless a Codec threw in the middle of it, or memory ran out, which only SET and PEXPIREAT
///                survive
/// Thread safety  one caller at a time; others may read the databases, and see several keys changed by one
///                command change together. A writable replica's own write to a key that a command changes
///                from its old value (APPEND, INCR) at the same moment may be lost
/// Cost           SET with and without PXAT: no allocation beyond the store's
/// Source         Redis 6.2 to 7.4, Valkey 8: what they stream
class Effects {
 public:
  using Outcome = commands::Outcome;

  struct Result {
    Outcome outcome = Outcome::applied;
    commands::Why why;  ///< for `not_mirrored` and `diverged`; turns into a std::string when wanted
  };

  /// `databases` are those with the numbers 0, 1, 2...; the array must outlive this object. `clock` is asked
  /// only for expiries relative to now, which Redis 6.2 streams.
  explicit Effects(std::span<Database* const> databases, Clock clock = Clock{}) noexcept
      : databases_(databases), clock_(clock) {}

  /// Applies one command, of at least one word. `Locks::held`: the caller has locked all databases.
  Result apply(resp::Arguments command, Locks locks) noexcept {
    const commands::Verdict verdict = dispatch(command, locks);
    if (verdict.reason == commands::Reason::none) [[likely]]
      return {verdict.outcome, {}};
    return {verdict.outcome, {verdict.reason, command.empty() ? std::string_view() : command[0]}};
  }

  /// Has the keys of commands fetched that `apply` will be given soon. Precondition: nobody else changes the
  /// selected database.
  void fetch(const CommandBatch& commands) const noexcept {
    if (selected_ >= databases_.size()) return;
    std::array<std::string_view, CommandBatch::commands_max> keys;
    std::size_t count = 0;
    for (const auto& command : commands) {
      if (command.words.size() >= 2) keys[count++] = command.words[1];
    }
    databases_[selected_]->fetch(std::span(keys).first(count), Locks::held);
  }

  /// The database that the next command is for.
  [[nodiscard]] std::uint32_t database() const noexcept { return selected_; }
  void select(std::uint32_t database) noexcept { selected_ = database; }

 private:
  commands::Verdict dispatch(resp::Arguments command, Locks locks) noexcept {
    commands::Call call{databases_, selected_, clock_, command, locks};
    const bool is_set =
        command.size() >= 3 && selected_ < databases_.size() && commands::is_word(command[0], "SET");
    try {
      return is_set ? set(call) : look_up(call);
    } catch (const std::bad_alloc&) {
      const bool may_come_again = is_set || commands::is_word(command[0], "PEXPIREAT");
      const auto outcome = may_come_again ? Outcome::put_off : Outcome::diverged;
      return {outcome, commands::Reason::out_of_memory};
    } catch (...) {  // a Codec that throws instead of refusing
      return commands::diverged(commands::Reason::refused);
    }
  }

  // First the two forms of SET that a master streams most.
  static commands::Verdict set(commands::Call& call) {
    if (call.size() == 3) [[likely]]
      return commands::assign(call, call[1], call[2], never);
    if (call.size() == 5 && commands::is_word(call[3], "PXAT")) {
      const auto at_ms = resp::parse_unsigned(call[4]);
      if (at_ms && *at_ms != 0 && *at_ms < latest_ms) {
        const WallTime expires_at{std::chrono::milliseconds(static_cast<std::int64_t>(*at_ms))};
        return commands::assign(call, call[1], call[2], expires_at);
      }
    }
    return commands::set(call);
  }

  static commands::Verdict look_up(commands::Call& call) {
    using commands::Reason;
    const commands::Command* command = call.size() == 0 ? nullptr : commands::find_command(call[0]);
    if (command == nullptr) return commands::not_mirrored(Reason::unknown_command);
    if (call.size() < command->words_min || call.size() > command->words_max) {
      return commands::diverged(Reason::malformed);
    }
    if (command->scope == commands::Scope::selected && call.find(call.selected) == nullptr) {
      return commands::not_mirrored(Reason::unbound_database);
    }
    return command->handler(call);
  }

  static constexpr auto latest_ms = static_cast<std::uint64_t>(never.time_since_epoch().count());

  std::span<Database* const> databases_;
  Clock clock_;
  std::uint32_t selected_ = 0;
};

}  // namespace replikv::inline v0_1::detail
