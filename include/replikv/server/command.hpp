// What a command is: its name, how it is called, which keys it touches, and the function that runs it. The
// endpoint's own commands and those an application adds are objects of the same kind.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/keyspace.hpp>
#include <replikv/server/reply.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1 {
namespace detail {
class Client;
class Server;
}  // namespace detail

namespace server {

/// Thrown by a command to be answered by an error, whatever it had answered before. The text begins with its
/// code: "ERR syntax error".
class CommandError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn, gnu::cold]] inline void syntax_error() { throw CommandError("ERR syntax error"); }
[[noreturn, gnu::cold]] inline void not_an_integer() {
  throw CommandError("ERR value is not an integer or out of range");
}

/// An argument that must be an integer, or `CommandError`.
[[nodiscard]] inline std::int64_t integer_of(std::string_view text) {
  const auto number = resp::parse_integer(text);
  if (!number) not_an_integer();
  return *number;
}

/// Where a command has its keys among its words, as COMMAND shows it: from `first` to `last` (negative: from
/// the end), every `step`. `first` 0: it has none.
struct KeyPositions {
  int first = 0;
  int last = 0;
  int step = 0;

  /// The keys among the words of a command.
  [[nodiscard]] std::vector<std::string_view> of(resp::Arguments words) const {
    std::vector<std::string_view> keys;
    if (first == 0) return keys;
    const int size = static_cast<int>(words.size());
    const int end = last < 0 ? size + last : last;
    for (int i = first; i <= end && i < size; i += step) keys.push_back(words[static_cast<std::size_t>(i)]);
    return keys;
  }
};

/// The classes of keyspace notifications, by their letters in `notify_keyspace_events`.
enum class EventClass : char {
  generic = 'g',
  string = '$',
  list = 'l',
  set = 's',
  hash = 'h',
  sorted_set = 'z',
  expired = 'x',
  evicted = 'e',
  stream = 't',
  module = 'd',
  new_key = 'n',
  key_miss = 'm',
};

/// One call of a command, as the function that runs it sees it.
///
/// The command replies exactly once, or throws `CommandError` or `Error`. It runs in the context of a
/// transport, no two commands of an endpoint at a time, and must not block.
class Call {
 public:
  Call(detail::Server& its_server, detail::Client& its_client, Keyspace& selected,
       const KeyPositions& positions, resp::Arguments its_words, Reply& its_reply) noexcept
      : words(its_words),
        reply(its_reply),
        keys(selected),
        server(its_server),
        client(its_client),
        positions_(positions) {}

  [[nodiscard]] std::size_t size() const noexcept { return words.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t index) const noexcept { return words[index]; }

  /// Runs `steps` alone with the keys that the command names; see `Keyspace::atomically`.
  void atomically(Keyspace::Steps steps) { keys.atomically(positions_.of(words), steps); }

  /// Publishes an event of a key of the selected database to clients that have subscribed to it, when the
  /// command, or the EXEC it is part of, has succeeded. Writes to `keys` tell theirs without this: "set" or
  /// what Redis calls it, "del", "expire", "persist".
  void notify(EventClass event_class, std::string_view event, std::string_view key);

  const resp::Arguments words;  ///< the name first
  Reply& reply;
  Keyspace& keys;  ///< the database the client has selected
  detail::Server& server;
  detail::Client& client;

 private:
  const KeyPositions& positions_;
};

/// A command. Flags and categories are the words of COMMAND and ACL CAT, with spaces between.
///
///     Command{"double", 2, "write denyoom fast", "string", {1, 1, 1}, [](Call& call) {
///       call.atomically([&](Keyspace& keys) { ... });
///     }}
///
/// Flags that matter here: `write` (refused where writes are), `denyoom` (refused at the memory limit),
/// `admin`, `no_auth` (before authentication), `no_multi`, `skip_monitor`, `skip_slowlog`, `stale` (allowed
/// on a replica without its master, see `serve_stale_data`), `pubsub`. Inside EXEC a command that says
/// `write` or `readonly` runs while the stores are locked: it must reach them through the call only.
struct Command {
  std::string name;          ///< in lower case; "config|get" for a subcommand of "config"
  int arity = -1;            ///< words with the name; negative: so many or more
  std::string flags{};       ///< "readonly fast"
  std::string categories{};  ///< "string"; read, write, fast, slow, admin and dangerous follow from flags
  KeyPositions keys{};
  std::function<void(Call&)> run{};

  /// For commands whose keys are not at fixed positions.
  std::function<std::vector<std::string_view>(resp::Arguments)> find_keys{};

  /// For people, who see it by `help` of redis-cli: what it does, in a sentence, and how it is called. Words
  /// in capitals stand as they are, others for values: "key seconds [NX|XX] [COUNT count] (field value)...".
  std::string summary{};
  std::string usage{};
};

}  // namespace server
}  // namespace replikv::inline v0_1
