// Commands that go through a database: SCAN, KEYS, RANDOMKEY. Keys that have expired are not shown.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/glob.hpp>
#include <replikv/server/detail/server.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1::server::commands {

/// Keys that fit a pattern, encoded as they are found; how many there are is known at the end only.
class FoundKeys {
 public:
  explicit FoundKeys(std::string_view pattern) noexcept : pattern_(pattern) {}

  void take(std::string_view key) {
    if (pattern_ != "*" && !detail::glob_matches(pattern_, key)) return;
    resp::append_bulk(encoded_, key);
    ++size_;
  }
  void forget() noexcept {
    encoded_.clear();
    size_ = 0;
  }
  void reply_to(Call& call) const {
    call.reply.array(size_);
    call.reply.raw(encoded_);
  }

 private:
  std::string_view pattern_;
  std::string encoded_;
  std::size_t size_ = 0;
};

inline void keys(Call& call) {
  FoundKeys found(call[1]);
  std::uint64_t cursor = 0;
  do {
    cursor = call.keys.scan(cursor, [&found](std::string_view key, std::string_view) { found.take(key); });
  } while (cursor != 0);
  found.reply_to(call);
}

/// A cursor as C's strtoul would read it, but for leading spaces: that is what Redis takes.
[[nodiscard]] inline std::uint64_t cursor_of(std::string_view text) {
  if (text.empty()) return 0;
  const bool is_negative = text.front() == '-';
  if (is_negative || text.front() == '+') text.remove_prefix(1);
  std::uint64_t cursor = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, cursor);
  if (error != std::errc{} || stopped != end) throw CommandError("ERR invalid cursor");
  return is_negative ? 0 - cursor : cursor;
}

struct ScanOptions {
  std::string_view pattern = "*";
  std::uint64_t count = 10;
  bool wants_strings = true;
};

[[nodiscard]] inline ScanOptions scan_options_of(resp::Arguments words) {
  ScanOptions options;
  for (std::size_t i = 2; i < words.size(); i += 2) {
    if (i + 1 == words.size()) syntax_error();
    if (is_word(words[i], "count")) {
      const std::int64_t count = integer_of(words[i + 1]);
      if (count < 1) syntax_error();
      options.count = static_cast<std::uint64_t>(count);
    } else if (is_word(words[i], "match")) {
      options.pattern = words[i + 1];
    } else if (is_word(words[i], "type")) {
      options.wants_strings = is_word(words[i + 1], "string");
    } else {
      syntax_error();
    }
  }
  return options;
}

/// Looks at `count` keys or some more, those that share a segment of the store; or at ten times as many
/// segments, if those hold little.
inline void scan(Call& call) {
  std::uint64_t cursor = cursor_of(call[1]);
  const ScanOptions options = scan_options_of(call.words);
  FoundKeys found(options.pattern);
  std::uint64_t seen = 0;
  std::uint64_t steps = 0;
  do {
    cursor = call.keys.scan(cursor, [&](std::string_view key, std::string_view) {
      ++seen;
      if (options.wants_strings) found.take(key);
    });
    ++steps;
  } while (cursor != 0 && seen < options.count && steps / 10 < options.count);
  call.reply.array(2);
  call.reply.bulk(resp::IntegerText(cursor).view());
  found.reply_to(call);
}

/// Any key; each has about the same chance.
[[nodiscard]] inline std::optional<std::string> random_key(const Keyspace& keys, Random& random) {
  std::optional<std::string> chosen;
  const std::uint64_t start = random();
  std::uint64_t cursor = start;
  bool is_second_round = false;
  do {
    std::uint64_t seen = 0;
    cursor = keys.scan(cursor, [&](std::string_view key, std::string_view) {
      if (random.below(++seen) == 0) chosen = std::string(key);
    });
    if (cursor == 0 && is_second_round) break;
    is_second_round = is_second_round || cursor == 0;
  } while (!chosen && !(is_second_round && cursor > start));
  return chosen;
}

inline void add_scan(detail::CommandTable& table) {
  table.add({"keys", 2, "readonly", "keyspace dangerous", {}, keys});
  table.add({"scan", -2, "readonly", "keyspace", {}, scan});
  table.add({"randomkey",
             1,
             "readonly",
             "keyspace",
             {},
             [random = std::make_shared<Random>(Random::from_system())](Call& call) {
               const auto key = random_key(call.keys, *random);
               key ? call.reply.bulk(*key) : call.reply.null();
             }});
}

}  // namespace replikv::inline v0_1::server::commands
