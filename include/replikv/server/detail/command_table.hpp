// Every command an endpoint knows, by name: what it may do, and how often it was called.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_index.hpp>
#include <replikv/server/detail/command_usage.hpp>
#include <replikv/server/detail/latency.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace replikv::inline v0_1::detail {

/// Source  Redis 7.0: the flags of COMMAND INFO
enum class CommandFlag : std::uint32_t {
  write = 1U << 0,
  readonly = 1U << 1,
  denyoom = 1U << 2,
  admin = 1U << 3,
  pubsub = 1U << 4,
  noscript = 1U << 5,
  blocking = 1U << 6,
  loading = 1U << 7,
  stale = 1U << 8,
  skip_monitor = 1U << 9,
  skip_slowlog = 1U << 10,
  fast = 1U << 11,
  no_auth = 1U << 12,
  may_replicate = 1U << 13,
  no_multi = 1U << 14,
  movablekeys = 1U << 15,
  allow_busy = 1U << 16,
  no_async_loading = 1U << 17,
  asking = 1U << 18,
};

/// In the order in which COMMAND INFO has them.
inline constexpr std::array command_flags{
    std::pair{std::string_view("write"), CommandFlag::write},
    std::pair{std::string_view("readonly"), CommandFlag::readonly},
    std::pair{std::string_view("denyoom"), CommandFlag::denyoom},
    std::pair{std::string_view("admin"), CommandFlag::admin},
    std::pair{std::string_view("pubsub"), CommandFlag::pubsub},
    std::pair{std::string_view("noscript"), CommandFlag::noscript},
    std::pair{std::string_view("blocking"), CommandFlag::blocking},
    std::pair{std::string_view("loading"), CommandFlag::loading},
    std::pair{std::string_view("stale"), CommandFlag::stale},
    std::pair{std::string_view("skip_monitor"), CommandFlag::skip_monitor},
    std::pair{std::string_view("skip_slowlog"), CommandFlag::skip_slowlog},
    std::pair{std::string_view("asking"), CommandFlag::asking},
    std::pair{std::string_view("fast"), CommandFlag::fast},
    std::pair{std::string_view("no_auth"), CommandFlag::no_auth},
    std::pair{std::string_view("may_replicate"), CommandFlag::may_replicate},
    std::pair{std::string_view("no_async_loading"), CommandFlag::no_async_loading},
    std::pair{std::string_view("no_multi"), CommandFlag::no_multi},
    std::pair{std::string_view("movablekeys"), CommandFlag::movablekeys},
    std::pair{std::string_view("allow_busy"), CommandFlag::allow_busy},
};

/// Calls `f(word)` for each word of a text.
template <class F>
void for_each_word(std::string_view text, F&& f) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) f(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

[[nodiscard]] inline std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

/// A command with its flags read, and what is counted of it (Redis: INFO commandstats).
struct RegisteredCommand {
  server::Command command;
  std::uint32_t flags = 0;
  bool has_subcommands = false;
  CommandIndex::Number number = 0;  ///< in `CommandTable::index`

  std::uint64_t calls = 0;
  std::uint64_t microseconds = 0;
  std::uint64_t rejected = 0;  ///< before it ran
  std::uint64_t failed = 0;    ///< while it ran
  LatencyHistogram latency{};

  [[nodiscard]] bool is(CommandFlag flag) const noexcept {
    return (flags & static_cast<std::uint32_t>(flag)) != 0;
  }
  /// A set of categories (ACL CAT): those it is said to be of, and those that follow from its flags. Throws
  /// std::invalid_argument for a word that is no category.
  [[nodiscard]] std::uint32_t categories() const {
    std::uint32_t all = 0;
    for_each_word(command.categories, [&all](std::string_view word) {
      const std::uint32_t category = category_of(word);
      if (category == 0) throw std::invalid_argument("no category of commands: " + std::string(word));
      all |= category;
    });
    if (is(CommandFlag::write)) all |= catalogue::write;
    if (is(CommandFlag::readonly)) all |= catalogue::read;
    if (is(CommandFlag::admin)) all |= catalogue::admin | catalogue::dangerous;
    if (is(CommandFlag::pubsub)) all |= catalogue::pubsub;
    if (is(CommandFlag::blocking)) all |= catalogue::blocking;
    if (is(CommandFlag::fast)) all |= catalogue::fast;
    if ((all & catalogue::fast) == 0) all |= catalogue::slow;
    return all;
  }
  [[nodiscard]] bool takes(std::size_t words) const noexcept {
    const auto size = static_cast<std::int64_t>(words);
    return command.arity >= 0 ? size == command.arity : size >= -command.arity;
  }
};

class CommandTable {
 public:
  /// Adds a command, or replaces the one of its name. Throws std::invalid_argument for a word that is no
  /// flag, or no category, and for a usage that cannot be read.
  void add(server::Command command) {
    RegisteredCommand entry{std::move(command)};
    entry.flags = flags_of(entry.command.flags);
    (void)UsageReader::read(entry.command.usage);
    const std::string& name = entry.command.name;
    entry.number = index_.learn(name, entry.categories(), usual_access(entry));
    if (const std::size_t bar = name.find('|'); bar != std::string::npos) {
      const auto container = by_name_.find(name.substr(0, bar));
      if (container == by_name_.end()) throw std::invalid_argument("no command to be a part of: " + name);
      container->second->has_subcommands = true;
    }
    if (const auto known = by_name_.find(name); known != by_name_.end()) {
      entry.has_subcommands = known->second->has_subcommands;
      *known->second = std::move(entry);
      return;
    }
    commands_.push_back(std::move(entry));
    by_name_.emplace(commands_.back().command.name, &commands_.back());
  }

  /// By a full name: "get", "config|get". Null where there is none.
  [[nodiscard]] RegisteredCommand* find(std::string_view name) {
    std::array<char, name_bytes_max> lower;
    if (name.size() > lower.size()) return nullptr;
    for (std::size_t i = 0; i < name.size(); ++i) {
      const char letter = name[i];
      lower[i] = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    }
    const auto found = by_name_.find(std::string_view(lower.data(), name.size()));
    return found == by_name_.end() ? nullptr : found->second;
  }

  /// By the words of a call; a container without a known subcommand is returned itself.
  [[nodiscard]] RegisteredCommand* find(resp::Arguments words) {
    RegisteredCommand* const command = find(words[0]);
    if (command == nullptr || !command->has_subcommands || words.size() < 2) return command;
    std::string full(command->command.name);
    full.append("|").append(words[1]);
    RegisteredCommand* const part = find(full);
    return part != nullptr ? part : command;
  }

  /// What rules of access call commands.
  [[nodiscard]] const CommandIndex& index() const noexcept { return index_; }

  /// In the order of registration.
  [[nodiscard]] std::deque<RegisteredCommand>& all() noexcept { return commands_; }

 private:
  static constexpr std::size_t name_bytes_max = 64;

  struct Hash {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };

  // What a command of the application's own does to its keys, as far as its flags tell.
  [[nodiscard]] static KeyAccess usual_access(const RegisteredCommand& command) noexcept {
    if (command.is(CommandFlag::write)) return KeyAccess::read_write;
    return command.is(CommandFlag::readonly) ? KeyAccess::read : KeyAccess::none;
  }

  [[nodiscard]] static std::uint32_t flags_of(std::string_view words) {
    std::uint32_t flags = 0;
    for_each_word(words, [&flags](std::string_view word) {
      for (const auto& [name, flag] : command_flags) {
        if (name == word) {
          flags |= static_cast<std::uint32_t>(flag);
          return;
        }
      }
      throw std::invalid_argument("no flag of a command: " + std::string(word));
    });
    return flags;
  }

  CommandIndex index_;
  std::deque<RegisteredCommand> commands_;  // they stay where they are
  std::unordered_map<std::string, RegisteredCommand*, Hash, std::equal_to<>> by_name_;
};

}  // namespace replikv::inline v0_1::detail
