// What a replica does with its master's stream: commands change the stores, then their bytes go into the
// node's own stream, so that between two batches the stream's end is the applied offset. A transaction does
// both at its EXEC, or not at all.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/error.hpp>
#include <replikv/replication/command_batch.hpp>
#include <replikv/replication/detail/effects.hpp>
#include <replikv/replication/detail/locked_databases.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/stream/offset.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail {

/// Folds a master's stream into the stores and the stream of a replica.
///
/// Errors         std::bad_alloc: nothing was changed, and the same may come again. `Errc::diverged`: part
///                of it may have been, and only a full resync puts that right
/// Thread safety  one caller at a time
class Applier {
 public:
  Applier(std::span<Database* const> databases, CommandStream& stream, const ReplicationOptions& options)
      : databases_(databases), stream_(stream), options_(options), effects_(databases) {}

  /// Sets who is told of messages that came in the stream: the words of PUBLISH and SPUBLISH, valid during
  /// the call. Those of a transaction are told at its EXEC.
  void on_message(std::function<void(resp::Arguments)> told) { on_message_ = std::move(told); }

  /// The stream goes on in `database` (`no_database`: none was selected yet), outside a transaction.
  void begin(std::uint32_t database) {
    effects_.select(database == CommandStream::no_database ? 0 : database);
    transaction_.clear();
    in_transaction_ = false;
  }

  /// Applies commands, calling `before(command)` before each. When one fails, those before it are applied.
  template <class Before>
  [[nodiscard]] std::optional<Failure> apply(const CommandBatch& commands, Before&& before) {
    look_ahead(commands);
    std::optional<Failure> failure;
    try {
      for (auto command = commands.begin(); command != commands.end() && !failure; ++command) {
        before(*command);
        failure = apply(*command);
      }
    } catch (const std::bad_alloc&) {
      if (auto diverged = pass_on_applied()) return diverged;
      throw;
    }
    auto diverged = pass_on_applied();
    return diverged ? diverged : failure;
  }

  /// How far the stores are, also between two commands of one `apply`.
  [[nodiscard]] Offset applied() const { return stream_.end() + applied_.size(); }

  /// Commands and values that no bound store holds.
  [[nodiscard]] std::uint64_t unmirrored() const noexcept { return unmirrored_; }

 private:
  // A writable replica's own writers may be at work on what would be fetched.
  void look_ahead(const CommandBatch& commands) const noexcept {
    if (options_.read_only && commands.size() > 1) effects_.fetch(commands);
  }

  std::optional<Failure> apply(const StreamCommand& command) {
    if (!in_transaction_) [[likely]] {
      if (is(command.words[0], "multi")) return begin_transaction(command.raw);
      if (auto failure = judge(effects_.apply(command.words, Locks::take), command.words)) return failure;
      add_to_applied(command.raw);
      return std::nullopt;
    }
    transaction_.append(as_text(command.raw));  // may throw: before anything was changed
    if (transaction_.size() > options_.command_bytes_max) {
      return Failure{Errc::protocol_error,
                     "a transaction of more than " + std::to_string(options_.command_bytes_max) + " bytes"};
    }
    return is(command.words[0], "exec") ? execute() : std::nullopt;
  }

  static bool is(std::string_view word, std::string_view lower) noexcept {
    if (word.size() != lower.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
      if ((static_cast<unsigned char>(word[i]) | 0x20) != static_cast<unsigned char>(lower[i])) return false;
    }
    return true;
  }

  std::optional<Failure> begin_transaction(Bytes raw) {
    in_transaction_ = true;
    transaction_.assign(as_text(raw));
    return std::nullopt;
  }

  // Readers see all of it or nothing: every lock is held from the first command to the last.
  std::optional<Failure> execute() {
    in_transaction_ = false;
    if (auto failure = pass_on_applied()) return failure;
    {
      const LockedDatabases locked(databases_);
      if (auto failure = apply_transaction()) return failure;
      if (auto failure = pass_on(as_bytes(transaction_))) return failure;
    }
    if (transaction_.capacity() > retained_capacity_max) transaction_ = {};
    transaction_.clear();
    return std::nullopt;
  }

  std::optional<Failure> apply_transaction() {
    bool has_applied = false;
    try {
      resp::CommandParser parser;
      for (Bytes rest = as_bytes(transaction_); !rest.empty();) {
        const auto parsed = parser.parse(rest);
        if (parsed.status != resp::Parsed::Status::command) break;  // cannot be: each was parsed before
        rest = rest.subspan(parsed.consumed);
        const auto command = parser.arguments();
        if (command.empty() || is(command[0], "multi") || is(command[0], "exec")) continue;
        if (auto failure = judge(effects_.apply(command, Locks::held), command)) return failure;
        has_applied = true;
      }
      return std::nullopt;
    } catch (const std::bad_alloc&) {
      if (!has_applied) throw;
      return described(Errc::diverged, {commands::Reason::out_of_memory, "EXEC"});
    }
  }

  std::optional<Failure> judge(const Effects::Result& result, resp::Arguments command) {
    using Outcome = Effects::Outcome;
    if (result.outcome == Outcome::applied) [[likely]]
      return std::nullopt;
    if (result.outcome == Outcome::ignored) {
      const bool is_message =
          command.size() == 3 && (is(command[0], "publish") || is(command[0], "spublish"));
      if (is_message && on_message_) on_message_(command);
      return std::nullopt;
    }
    if (result.outcome == Outcome::put_off) throw std::bad_alloc();
    if (result.outcome == Outcome::diverged) return described(Errc::diverged, result.why);
    ++unmirrored_;
    if (options_.unmirrored == Unmirrored::count) return std::nullopt;
    return described(Errc::not_mirrored, result.why);
  }

  // Commands are passed on many at a time: they lie one behind the other.
  void add_to_applied(Bytes raw) noexcept {
    applied_ = applied_.empty() ? raw : Bytes(applied_.data(), applied_.size() + raw.size());
  }

  std::optional<Failure> pass_on_applied() {
    const Bytes bytes = std::exchange(applied_, {});
    return bytes.empty() ? std::nullopt : pass_on(bytes);
  }

  // The stores hold it already, and must not have it again.
  std::optional<Failure> pass_on(Bytes raw) {
    try {
      stream_.append_verbatim(raw, effects_.database());
      return std::nullopt;
    } catch (const std::bad_alloc&) {
      return described(Errc::diverged, {commands::Reason::out_of_memory, "stream"});
    }
  }

  // With its particulars, if there is memory for them.
  static Failure described(Errc code, const commands::Why& why) noexcept {
    try {
      return {code, why.text()};
    } catch (const std::bad_alloc&) {
      return {code, {}};
    }
  }

  static constexpr std::size_t retained_capacity_max = std::size_t{1} << 20;

  std::span<Database* const> databases_;
  CommandStream& stream_;
  const ReplicationOptions& options_;
  Effects effects_;
  std::function<void(resp::Arguments)> on_message_;
  Bytes applied_;  // and still to be passed on
  bool in_transaction_ = false;
  std::string transaction_;  // from MULTI on
  std::uint64_t unmirrored_ = 0;
};

}  // namespace replikv::inline v0_1::detail
