// Commands on strings: reading and setting them, whole, in part, and many at once.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/limits.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::server::commands {

// --- Reading ----------------------------------------------------------------------------------------

/// Calls `f(value)` if the key is there, and counts the hit or miss.
template <class F>
bool read(Call& call, const Keyspace& keys, std::string_view key, F&& f) {
  const bool is_there = keys.visit(key, f);
  ++(is_there ? call.server.counts.keyspace_hits : call.server.counts.keyspace_misses);
  return is_there;
}

/// Replies a key's value, or null, and counts the hit or miss.
inline bool reply_value(Call& call, const Keyspace& keys, std::string_view key) {
  const bool is_there = read(call, keys, key, [&call](std::string_view value) { call.reply.bulk(value); });
  if (!is_there) call.reply.null();
  return is_there;
}

inline void get(Call& call) { reply_value(call, call.keys, call[1]); }

inline void mget(Call& call) {
  call.reply.array(call.size() - 1);
  for (const std::string_view key : call.words.subspan(1)) reply_value(call, call.keys, key);
}

inline void strlen(Call& call) {
  std::size_t size = 0;
  read(call, call.keys, call[1], [&size](std::string_view value) { size = value.size(); });
  call.reply.integer(size);
}

/// Part of a string or of its bits, by the numbers of its first and last element.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  ///< inclusive
};

/// What `first` and `last` mean in a string of `size` elements: negative ones count from the end, and what
/// sticks out is cut off. Nothing when no element is left.
[[nodiscard]] inline std::optional<Range> range_within(std::int64_t first, std::int64_t last,
                                                       std::uint64_t size) noexcept {
  const auto elements = static_cast<std::int64_t>(size);
  if (first < 0) first = std::max<std::int64_t>(first + elements, 0);
  if (last < 0) last = std::max<std::int64_t>(last + elements, 0);
  last = std::min(last, elements - 1);
  if (first > last) return std::nullopt;
  return Range{static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(last)};
}

/// GETRANGE, and SUBSTR, its name of old.
inline void getrange(Call& call) {
  const std::int64_t first = integer_of(call[2]);
  const std::int64_t last = integer_of(call[3]);
  const bool is_there = read(call, call.keys, call[1], [&](std::string_view value) {
    const bool is_reversed = first < 0 && last < 0 && first > last;
    const auto part = is_reversed ? std::nullopt : range_within(first, last, value.size());
    call.reply.bulk(part ? value.substr(part->first, part->last - part->first + 1) : std::string_view());
  });
  if (!is_there) call.reply.bulk("");
}

// --- Options of SET and GETEX -----------------------------------------------------------------------

/// An expiry as it was written.
struct ExpiryOption {
  TimeUnit unit;
  std::string_view time;
};

/// What the options of SET or GETEX say.
struct SetOptions {
  bool if_absent = false;
  bool if_present = false;
  bool returns_old = false;
  bool keeps_expiry = false;
  bool persists = false;
  std::optional<ExpiryOption> expiry{};

  [[nodiscard]] bool speaks_of_expiry() const noexcept { return keeps_expiry || persists || expiry; }
  [[nodiscard]] bool asks_before() const noexcept { return if_absent || if_present || returns_old; }
};

/// EX, PX, EXAT or PXAT; nothing for another word.
[[nodiscard]] constexpr std::optional<TimeUnit> time_unit_of(std::string_view word) noexcept {
  if (is_word(word, "ex")) return TimeUnit{true, 1'000};
  if (is_word(word, "px")) return TimeUnit{true, 1};
  if (is_word(word, "exat")) return TimeUnit{false, 1'000};
  if (is_word(word, "pxat")) return TimeUnit{false, 1};
  return std::nullopt;
}

/// Reads EX, PX, EXAT or PXAT and the time behind it; false for another word. The same unit may come twice,
/// and the last time counts.
inline bool read_expiry_option(const Call& call, std::size_t& position, SetOptions& options) {
  const auto unit = time_unit_of(call[position]);
  if (!unit || options.keeps_expiry || options.persists || position + 1 == call.size()) return false;
  if (options.expiry && options.expiry->unit != *unit) return false;
  options.expiry = ExpiryOption{*unit, call[++position]};
  return true;
}

[[nodiscard]] inline SetOptions options_of_set(const Call& call) {
  SetOptions options;
  for (std::size_t i = 3; i < call.size(); ++i) {
    const std::string_view word = call[i];
    if (is_word(word, "nx") && !options.if_present) {
      options.if_absent = true;
    } else if (is_word(word, "xx") && !options.if_absent) {
      options.if_present = true;
    } else if (is_word(word, "get")) {
      options.returns_old = true;
    } else if (is_word(word, "keepttl") && !options.expiry) {
      options.keeps_expiry = true;
    } else if (!read_expiry_option(call, i, options)) {
      syntax_error();
    }
  }
  return options;
}

[[nodiscard]] inline SetOptions options_of_getex(const Call& call) {
  SetOptions options;
  for (std::size_t i = 2; i < call.size(); ++i) {
    if (is_word(call[i], "persist") && !options.expiry) {
      options.persists = true;
    } else if (!read_expiry_option(call, i, options)) {
      syntax_error();
    }
  }
  return options;
}

/// When that is. These commands, unlike EXPIRE, take no time of 0 or less.
[[nodiscard]] inline WallTime time_of(const ExpiryOption& expiry, WallTime now, std::string_view command) {
  if (integer_of(expiry.time) <= 0) {
    throw CommandError("ERR invalid expire time in '" + std::string(command) + "' command");
  }
  return expiry_of(expiry.time, expiry.unit, now, command);
}

// --- Setting ----------------------------------------------------------------------------------------

/// Sets the value and what the options say of the expiry.
inline void set_value(Call& call, Keyspace& keys, const SetOptions& options,
                      std::optional<WallTime> expires_at) {
  if (options.keeps_expiry) {
    keys.replace(call[1], call[2]);
  } else {
    keys.set(call[1], call[2], expires_at.value_or(Keyspace::never));
  }
}

/// SET with a condition, or with the old value as its reply.
inline void set_after_looking(Call& call, const SetOptions& options, std::optional<WallTime> expires_at) {
  call.atomically([&](Keyspace& keys) {
    if (options.returns_old) reply_value(call, keys, call[1]);
    const bool is_there = (options.if_absent || options.if_present) && keys.contains(call[1]);
    const bool is_refused = is_there ? options.if_absent : options.if_present;
    if (!is_refused) set_value(call, keys, options, expires_at);
    if (options.returns_old) return;
    is_refused ? call.reply.null() : call.reply.ok();
  });
}

/// Source  Redis 7.0 setCommand
inline void set(Call& call) {
  if (call.size() == 3) {
    call.keys.set(call[1], call[2], Keyspace::never);
    return call.reply.ok();
  }
  const SetOptions options = options_of_set(call);
  std::optional<WallTime> expires_at;
  if (options.expiry) expires_at = time_of(*options.expiry, call.keys.now(), "set");
  if (options.asks_before()) return set_after_looking(call, options, expires_at);
  set_value(call, call.keys, options, expires_at);
  call.reply.ok();
}

inline void setnx(Call& call) {
  call.atomically([&call](Keyspace& keys) {
    const bool is_there = keys.contains(call[1]);
    if (!is_there) keys.set(call[1], call[2], Keyspace::never);
    call.reply.integer(is_there ? 0 : 1);
  });
}

inline void set_expiring(Call& call, TimeUnit unit, std::string_view command) {
  call.keys.set(call[1], call[3], time_of({unit, call[2]}, call.keys.now(), command));
  call.reply.ok();
}
inline void setex(Call& call) { set_expiring(call, {true, 1'000}, "setex"); }
inline void psetex(Call& call) { set_expiring(call, {true, 1}, "psetex"); }

inline void getset(Call& call) {
  call.atomically([&call](Keyspace& keys) {
    reply_value(call, keys, call[1]);
    keys.set(call[1], call[2], Keyspace::never);
  });
}

inline void getdel(Call& call) {
  call.atomically([&call](Keyspace& keys) {
    if (reply_value(call, keys, call[1])) keys.erase(call[1]);
  });
}

/// Source  Redis 7.0 getexCommand: a time is looked at only if the key is there
inline void getex(Call& call) {
  const SetOptions options = options_of_getex(call);
  if (!options.speaks_of_expiry()) return get(call);
  call.atomically([&](Keyspace& keys) {
    if (!reply_value(call, keys, call[1])) return;
    keys.set_expiry(call[1],
                    options.expiry ? time_of(*options.expiry, keys.now(), "getex") : Keyspace::never);
  });
}

// --- Setting many -----------------------------------------------------------------------------------

/// The keys and values of MSET and MSETNX.
[[nodiscard]] inline std::vector<std::pair<std::string_view, std::string_view>> pairs_of(
    const Call& call, std::string_view command) {
  if (call.size() % 2 == 0) {
    throw CommandError("ERR wrong number of arguments for '" + std::string(command) + "' command");
  }
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  pairs.reserve(call.size() / 2);
  for (std::size_t i = 1; i < call.size(); i += 2) pairs.emplace_back(call[i], call[i + 1]);
  return pairs;
}

inline void mset(Call& call) {
  call.keys.set_many(pairs_of(call, "mset"));
  call.reply.ok();
}

inline void msetnx(Call& call) {
  const auto pairs = pairs_of(call, "msetnx");
  call.atomically([&](Keyspace& keys) {
    const bool is_any_there = std::any_of(pairs.begin(), pairs.end(),
                                          [&keys](const auto& pair) { return keys.contains(pair.first); });
    if (!is_any_there) keys.set_many(pairs);
    call.reply.integer(is_any_there ? 0 : 1);
  });
}

// --- Changing ---------------------------------------------------------------------------------------

/// Throws when a string would become longer than any may be. No sum of lengths overflows.
inline void check_size(std::uint64_t bytes, std::uint64_t more_bytes) {
  if (bytes > limits::bulk_bytes_max || more_bytes > limits::bulk_bytes_max - bytes) {
    throw CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  }
}

inline void append(Call& call) {
  std::size_t size = 0;
  call.keys.update(call[1], [&](std::optional<std::string>& value) {
    if (!value) value.emplace();
    check_size(value->size(), call[2].size());
    size = value->append(call[2]).size();
  });
  call.reply.integer(size);
}

inline void setrange(Call& call) {
  const std::int64_t offset = integer_of(call[2]);
  if (offset < 0) throw CommandError("ERR offset is out of range");
  const std::string_view part = call[3];
  std::size_t size = 0;
  if (part.empty()) {  // no write, wherever it may be
    call.keys.visit(call[1], [&size](std::string_view value) { size = value.size(); });
    return call.reply.integer(size);
  }
  check_size(static_cast<std::uint64_t>(offset), part.size());
  const auto begin = static_cast<std::size_t>(offset);
  call.keys.update(call[1], [&](std::optional<std::string>& value) {
    if (!value) value.emplace();
    if (value->size() < begin + part.size()) value->resize(begin + part.size());
    value->replace(begin, part.size(), part);
    size = value->size();
  });
  call.reply.integer(size);
}

inline void add_strings(detail::CommandTable& table) {
  table.add({"get", 2, "readonly fast", "string", {1, 1, 1}, get});
  table.add({"set", -3, "write denyoom", "string", {1, 1, 1}, set});
  table.add({"setnx", 3, "write denyoom fast", "string", {1, 1, 1}, setnx});
  table.add({"setex", 4, "write denyoom", "string", {1, 1, 1}, setex});
  table.add({"psetex", 4, "write denyoom", "string", {1, 1, 1}, psetex});
  table.add({"getset", 3, "write denyoom fast", "string", {1, 1, 1}, getset});
  table.add({"getdel", 2, "write fast", "string", {1, 1, 1}, getdel});
  table.add({"getex", -2, "write fast", "string", {1, 1, 1}, getex});
  table.add({"mget", -2, "readonly fast", "string", {1, -1, 1}, mget});
  table.add({"mset", -3, "write denyoom", "string", {1, -1, 2}, mset});
  table.add({"msetnx", -3, "write denyoom", "string", {1, -1, 2}, msetnx});
  table.add({"strlen", 2, "readonly fast", "string", {1, 1, 1}, strlen});
  table.add({"substr", 4, "readonly", "string", {1, 1, 1}, getrange});
  table.add({"getrange", 4, "readonly", "string", {1, 1, 1}, getrange});
  table.add({"setrange", 4, "write denyoom", "string", {1, 1, 1}, setrange});
  table.add({"append", 3, "write denyoom fast", "string", {1, 1, 1}, append});
}

}  // namespace replikv::inline v0_1::server::commands
