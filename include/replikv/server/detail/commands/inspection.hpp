// Commands that look at how things are held, and small facts about the server: OBJECT, MEMORY USAGE, TIME,
// LASTSAVE, LOLWUT.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/connection.hpp>
#include <replikv/server/detail/commands/help.hpp>
#include <replikv/server/detail/commands/keys.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>
#include <replikv/store/detail/memory.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

/// What Redis would call the way it holds such a string.
///
/// Source  Redis 7.0: OBJ_ENCODING_EMBSTR_SIZE_LIMIT
[[nodiscard]] inline std::string_view encoding_of(std::string_view value) noexcept {
  constexpr std::size_t embedded_bytes_max = 44;
  if (resp::parse_integer(value)) return "int";
  return value.size() <= embedded_bytes_max ? "embstr" : "raw";
}

/// Redis shares the numbers below 10000, and says so by this count.
[[nodiscard]] inline std::int64_t reference_count_of(std::string_view value) noexcept {
  constexpr std::int64_t shared = 2'147'483'647;
  const auto number = resp::parse_unsigned(value);
  return number && *number < 10'000 ? shared : 1;
}

/// Calls `f(value)` for the key that OBJECT names, or replies null.
template <class F>
void with_object(Call& call, F&& f) {
  const bool is_there = call.keys.visit(call[2], [&f](std::string_view value) { f(value); });
  if (!note_lookup(call, is_there)) call.reply.null();
}

inline void object_encoding(Call& call) {
  with_object(call, [&call](std::string_view value) { call.reply.bulk(encoding_of(value)); });
}
inline void object_refcount(Call& call) {
  with_object(call, [&call](std::string_view value) { call.reply.integer(reference_count_of(value)); });
}
/// Seconds are not counted: a store that tracks use counts writes instead.
inline void object_idletime(Call& call) {
  with_object(call, [&call](std::string_view) { call.reply.integer(0); });
}
inline void object_freq(Call& call) {
  if (!note_lookup(call, call.keys.contains(call[2]))) return call.reply.null();
  throw CommandError(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
      "switching between policies at runtime LRU and LFU data will take some time to adjust.");
}
inline void object_help(Call& call) {
  reply_help(call, "OBJECT",
             {"ENCODING <key>", "Replies the form in which the value of <key> is held.",          //
              "FREQ <key>", "Replies how often <key> was used of late, on a logarithmic scale.",  //
              "IDLETIME <key>", "Replies for how many seconds <key> was not used.",               //
              "REFCOUNT <key>", "Replies how many references to the value of <key> there are."});
}

/// What a key takes in a store of strings: the entry, and its slot in the table.
[[nodiscard]] inline std::size_t memory_usage_of(std::string_view key, std::string_view value) noexcept {
  constexpr std::size_t entry_header_bytes = 16;
  return detail::allocated_bytes(entry_header_bytes + key.size() + value.size()) + sizeof(std::uint64_t);
}

inline void memory_usage(Call& call) {
  for (std::size_t i = 3; i < call.size(); i += 2) {
    if (!is_word(call[i], "samples") || i + 1 == call.size()) syntax_error();
    if (integer_of(call[i + 1]) < 0) syntax_error();
  }
  with_object(call, [&call](std::string_view value) { call.reply.integer(memory_usage_of(call[2], value)); });
}
inline void memory_help(Call& call) {
  reply_help(call, "MEMORY",
             {"USAGE <key> [SAMPLES <count>]", "Replies how many bytes <key> and its value take."});
}

/// Seconds and microseconds. A store's clock counts milliseconds; what is below them comes from the system's,
/// where the two agree.
inline void time(Call& call) {
  using std::chrono::microseconds;
  const WallTime now = call.keys.now();
  const auto system = std::chrono::floor<microseconds>(std::chrono::system_clock::now());
  const bool agree = system >= now && system - now < std::chrono::milliseconds(10);
  const std::int64_t count =
      agree ? system.time_since_epoch().count() : microseconds(now.time_since_epoch()).count();
  call.reply.array(2);
  call.reply.bulk_integer(count / 1'000'000);
  call.reply.bulk_integer(count % 1'000'000);
}

/// Sixteen rows of Pascal's triangle: a star where the number is odd.
[[nodiscard]] inline std::string odd_numbers_of_pascal() {
  constexpr unsigned rows = 16;
  std::string picture;
  for (unsigned row = 0; row < rows; ++row) {
    picture.append(rows - row - 1, ' ');
    for (unsigned i = 0; i <= row; ++i) picture.append((i & (row - i)) == 0 ? "* " : "  ");
    picture.back() = '\n';
  }
  return picture;
}

inline void lolwut(Call& call) {
  if (call.size() >= 3 && is_word(call[1], "version")) static_cast<void>(integer_of(call[2]));
  call.reply.verbatim(odd_numbers_of_pascal() + "\nRedis ver. " + std::string(detail::redis_version) + "\n");
}

inline void add_inspection(detail::CommandTable& table) {
  table.add({"object", -2, "", "slow", {}, [](Call&) {}});
  table.add({"object|encoding", 3, "readonly", "keyspace", {2, 2, 1}, object_encoding});
  table.add({"object|freq", 3, "readonly", "keyspace", {2, 2, 1}, object_freq});
  table.add({"object|help", 2, "loading stale", "keyspace", {}, object_help});
  table.add({"object|idletime", 3, "readonly", "keyspace", {2, 2, 1}, object_idletime});
  table.add({"object|refcount", 3, "readonly", "keyspace", {2, 2, 1}, object_refcount});
  table.add({"memory", -2, "", "", {}, [](Call&) {}});
  table.add({"memory|help", 2, "loading stale", "", {}, memory_help});
  table.add({"memory|usage", -3, "readonly", "", {2, 2, 1}, memory_usage});
  table.add({"time", 1, "loading stale fast", "", {}, time});
  table.add({"lolwut", -1, "readonly fast", "", {}, lolwut});
  // Nothing is saved; like a server that has just begun, it was "saved" when it began.
  table.add({"lastsave", 1, "loading stale fast", "admin dangerous", {}, [](Call& call) {
               const WallTime began = call.server.administration.started_on;
               call.reply.integer(std::chrono::floor<std::chrono::seconds>(began).time_since_epoch().count());
             }});
}

}  // namespace replikv::inline v0_1::server::commands
