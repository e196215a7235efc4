// The commands that set and change strings. A condition (NX, XX, IFEQ) held at the master, or the command
// would not be in the stream: it is not asked again.
#pragma once

#include <replikv/core/limits.hpp>
#include <replikv/replication/detail/commands/call.hpp>
#include <replikv/replication/detail/commands/number_text.hpp>
#include <replikv/resp/number.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail::commands {

/// What the options of SET or GETEX say.
struct SetOptions {
  std::optional<WallTime> expires_at;
  bool keep_expiry = false;
  bool persist = false;
};

/// Reads the options of SET; on failure `reason` says why.
[[nodiscard]] inline bool parse_set_options(const Call& call, SetOptions& options, Reason& reason) {
  reason = Reason::malformed;
  for (std::size_t i = 3; i < call.size(); ++i) {
    const std::string_view word = call[i];
    if (is_word(word, "NX") || is_word(word, "XX") || is_word(word, "GET")) continue;
    if (is_word(word, "KEEPTTL")) {
      if (options.expires_at) return false;
      options.keep_expiry = true;
      continue;
    }
    if (++i == call.size()) return false;
    if (is_word(word, "IFEQ")) continue;  // Valkey 8.1
    const auto unit = unit_of_option(word);
    if (!unit || options.expires_at || options.keep_expiry) return false;
    options.expires_at = parse_expiry(call, call[i], *unit);
    reason = Reason::invalid_expiry;
    if (!options.expires_at || call[i].front() == '-' || call[i] == "0") return false;
    reason = Reason::malformed;
  }
  return true;
}

inline Verdict set(Call& call) {
  SetOptions options;
  if (Reason reason; !parse_set_options(call, options, reason)) return diverged(reason);
  if (options.keep_expiry) return assign(call, call[1], call[2], KeepExpiry{});
  return assign(call, call[1], call[2], options.expires_at.value_or(never));
}

/// SETNX, GETSET.
inline Verdict set_plainly(Call& call) { return assign(call, call[1], call[2], never); }

inline Verdict set_expiring(Call& call, TimeUnit unit) {
  const auto expires_at = parse_expiry(call, call[2], unit);
  if (!expires_at || call[2].front() == '-' || call[2] == "0") return diverged(Reason::invalid_expiry);
  return assign(call, call[1], call[3], *expires_at);
}
inline Verdict setex(Call& call) { return set_expiring(call, {true, 1'000}); }
inline Verdict psetex(Call& call) { return set_expiring(call, {true, 1}); }

inline Verdict getex(Call& call) {
  if (call.size() == 2) return ignored;
  WallTime expires_at = never;
  if (call.size() == 4) {
    const auto unit = unit_of_option(call[2]);
    if (!unit) return diverged(Reason::malformed);
    const auto parsed = parse_expiry(call, call[3], *unit);
    if (!parsed) return diverged(Reason::invalid_expiry);
    expires_at = *parsed;
  } else if (!is_word(call[2], "PERSIST")) {
    return diverged(Reason::malformed);
  }
  const bool found = call.current().set_expiry(call[1], expires_at, call.locks);
  return found ? applied : not_mirrored(Reason::foreign_source);
}

/// MSET, MSETNX.
inline Verdict mset(Call& call) {
  if (call.size() % 2 == 0) return diverged(Reason::malformed);
  if (call.size() == 3) return set_plainly(call);
  const Locked locked(call);
  Verdict verdict = applied;
  for (std::size_t i = 1; i < call.size(); i += 2) {
    const Verdict one = assign(call, call[i], call[i + 1], never);
    if (one.outcome > verdict.outcome) verdict = one;
  }
  return verdict;
}

inline Verdict append(Call& call) {
  std::string value;
  if (auto stored = call.read(call[1])) value = std::move(stored->value);
  if (call[2].size() > limits::bulk_bytes_max - value.size()) return diverged(Reason::too_large);
  value.append(call[2]);
  return assign(call, call[1], value, KeepExpiry{});
}

inline Verdict setrange(Call& call) {
  const auto offset = resp::parse_integer(call[2]);
  if (!offset) return diverged(Reason::not_an_integer);
  if (*offset < 0) return diverged(Reason::out_of_range);
  if (call[3].empty()) return applied;
  const auto begin = static_cast<std::size_t>(*offset);
  if (begin > limits::bulk_bytes_max || call[3].size() > limits::bulk_bytes_max - begin) {
    return diverged(Reason::too_large);
  }
  std::string value;
  if (auto stored = call.read(call[1])) value = std::move(stored->value);
  if (value.size() < begin + call[3].size()) value.resize(begin + call[3].size());
  value.replace(begin, call[3].size(), call[3]);
  return assign(call, call[1], value, KeepExpiry{});
}

inline Verdict add(Call& call, std::int64_t increment) {
  std::int64_t number = 0;
  if (const auto stored = call.read(call[1])) {
    const auto parsed = resp::parse_integer(stored->value);
    if (!parsed) return diverged(Reason::not_an_integer);
    number = *parsed;
  }
  if (__builtin_add_overflow(number, increment, &number)) return diverged(Reason::out_of_range);
  return assign(call, call[1], resp::IntegerText(number).view(), KeepExpiry{});
}

inline Verdict incr(Call& call) { return add(call, 1); }
inline Verdict decr(Call& call) { return add(call, -1); }

inline Verdict incrby(Call& call) {
  const auto increment = resp::parse_integer(call[2]);
  return increment ? add(call, *increment) : diverged(Reason::not_an_integer);
}

inline Verdict decrby(Call& call) {
  const auto decrement = resp::parse_integer(call[2]);
  if (!decrement) return diverged(Reason::not_an_integer);
  if (*decrement == std::numeric_limits<std::int64_t>::min()) return diverged(Reason::out_of_range);
  return add(call, -*decrement);
}

/// Masters stream its result as SET .. KEEPTTL; verbatim only where a script's text was streamed.
inline Verdict incrbyfloat(Call& call) {
  const auto increment = parse_float(call[2]);
  long double number = 0;
  if (const auto stored = call.read(call[1])) {
    const auto parsed = parse_float(stored->value);
    if (!parsed) return diverged(Reason::not_a_float);
    number = *parsed;
  }
  if (!increment) return diverged(Reason::not_a_float);
  const auto text = float_text(number + *increment);
  if (!text) return diverged(Reason::out_of_range);
  return assign(call, call[1], *text, KeepExpiry{});
}

}  // namespace replikv::inline v0_1::detail::commands
