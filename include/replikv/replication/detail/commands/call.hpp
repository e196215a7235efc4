// One command of a master's stream on its way into the databases: what it works on, and what became of
// it. The commands themselves are in the files beside this one.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/detail/printable.hpp>
#include <replikv/core/error.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/store/detail/database.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1::detail::commands {

/// What became of a command.
enum class Outcome : std::uint8_t {
  applied,       ///< the databases are now as the command says
  ignored,       ///< it belongs to the stream and changes no key: PING, PUBLISH, REPLCONF...
  not_mirrored,  ///< it made something that no database here can hold; what it overwrote is gone here too
  diverged,      ///< it cannot have succeeded on what is held here; nothing was changed
  put_off,       ///< there was no memory for it; nothing was changed, and it may come again
};

/// Why a command was not applied.
enum class Reason : std::uint8_t {
  none,
  // not_mirrored
  unbound_database,
  foreign_type,
  foreign_source,
  foreign_payload,
  hyperloglog,
  bad_value,
  script,
  unknown_command,
  // diverged
  malformed,
  not_an_integer,
  not_a_float,
  out_of_range,
  invalid_expiry,
  too_large,
  bad_payload,
  half_swapped,
  different_types,
  refused,
  out_of_memory,
};

[[nodiscard]] constexpr std::string_view text_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::none: return "";
    case Reason::unbound_database: return "no store is bound to this database";
    case Reason::foreign_type: return "no store holds values of this type";
    case Reason::foreign_source: return "the source is not held here";
    case Reason::foreign_payload: return "the payload's type or version is not held here";
    case Reason::hyperloglog: return "HyperLogLogs are not computed here";
    case Reason::bad_value: return "the bytes are no key or value of the store";
    case Reason::script: return "scripts are not run here";
    case Reason::unknown_command: return "not a command that is applied from a stream";
    case Reason::malformed: return "wrong number or order of arguments";
    case Reason::not_an_integer: return "value is not an integer or out of range";
    case Reason::not_a_float: return "value is not a valid float";
    case Reason::out_of_range: return "an argument is out of range";
    case Reason::invalid_expiry: return "invalid expire time";
    case Reason::too_large: return "string exceeds maximum allowed size (512MB)";
    case Reason::bad_payload: return "DUMP payload version or checksum are wrong";
    case Reason::half_swapped: return "one of the databases is bound to a store and the other is not";
    case Reason::different_types: return "the stores of the databases hold different types";
    case Reason::refused: return "the store refused the value";
    case Reason::out_of_memory: return "out of memory";
  }
  return "";
}

/// The reason in words, put together only when somebody reads it. Borrows the command's name: ask while
/// the command's bytes are there.
class Why {
 public:
  Why() = default;
  Why(Reason reason, std::string_view name) noexcept : reason_(reason), name_(name) {}

  [[nodiscard]] Reason reason() const noexcept { return reason_; }

  /// "HSET: no store holds values of this type"; the name is the peer's, hence escaped and cut short.
  [[nodiscard]] std::string text() const {
    constexpr std::size_t shown_bytes_max = 64;
    return printable(name_, shown_bytes_max).append(": ").append(text_of(reason_));
  }

  operator std::string() const { return text(); }

 private:
  Reason reason_ = Reason::none;
  std::string_view name_;
};

/// What a command came to, without its name.
struct Verdict {
  Outcome outcome = Outcome::applied;
  Reason reason = Reason::none;

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

inline constexpr Verdict applied{};
inline constexpr Verdict ignored{Outcome::ignored, Reason::none};

[[nodiscard]] constexpr Verdict not_mirrored(Reason reason) noexcept {
  return {Outcome::not_mirrored, reason};
}
[[nodiscard]] constexpr Verdict diverged(Reason reason) noexcept { return {Outcome::diverged, reason}; }

/// True when `text` is `word`, in any letter case. `word` is in capitals.
[[nodiscard]] constexpr bool is_word(std::string_view text, std::string_view word) noexcept {
  if (text.size() != word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char letter = text[i];
    if (letter != word[i] && !(letter >= 'a' && letter <= 'z' && letter - 'a' + 'A' == word[i])) return false;
  }
  return true;
}

/// A command and its surroundings. Handlers find the number of arguments and, where the table says so,
/// the selected database checked.
struct Call {
  std::span<Database* const> databases;
  std::uint32_t& selected;
  const Clock& clock;
  resp::Arguments arguments;
  Locks locks;

  [[nodiscard]] std::string_view operator[](std::size_t index) const noexcept { return arguments[index]; }
  [[nodiscard]] std::size_t size() const noexcept { return arguments.size(); }

  /// Null where no store is bound.
  [[nodiscard]] Database* find(std::uint32_t database) const noexcept {
    return database < databases.size() ? databases[database] : nullptr;
  }
  /// Precondition: a store is bound to the selected database.
  [[nodiscard]] Database& current() const noexcept { return *databases[selected]; }

  [[nodiscard]] std::optional<Stored> read(std::string_view key) const { return current().read(key, locks); }
};

using Handler = Verdict (*)(Call&);

/// Holds the databases that a command touches until it is done with them, in the order of their numbers,
/// as everybody else does. Does nothing when the caller holds all of them.
class Locked {
 public:
  explicit Locked(Call& call) : Locked(call, call.selected, call.selected) {}

  Locked(Call& call, std::uint32_t one, std::uint32_t other) : call_(call), taken_(call.locks) {
    if (taken_ == Locks::held) return;
    first_ = call.find(one < other ? one : other);
    if (one != other) second_ = call.find(one < other ? other : one);
    if (first_ != nullptr) first_->lock();
    if (second_ != nullptr) second_->lock();
    call.locks = Locks::held;
  }
  ~Locked() {
    call_.locks = taken_;
    if (second_ != nullptr) second_->unlock();
    if (first_ != nullptr) first_->unlock();
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  Call& call_;
  Locks taken_;
  Database* first_ = nullptr;
  Database* second_ = nullptr;
};

// A value the store cannot hold replaced the old one at the master: here the key is then absent, as it is
// when a snapshot brings such a value.
[[gnu::cold]] inline Verdict absent_instead(Call& call, Database& database, std::string_view key,
                                            std::error_code error) {
  if (error == Errc::too_large) return diverged(Reason::too_large);
  if (error != Errc::bad_value) return diverged(Reason::refused);
  database.erase(key, call.locks);
  return not_mirrored(Reason::bad_value);
}

inline Verdict assign_in(Call& call, Database& database, std::string_view key, std::string_view value,
                         WallTime expires_at) {
  const std::error_code error = database.assign(key, value, expires_at, call.locks);
  return error ? absent_instead(call, database, key, error) : applied;
}

inline Verdict assign(Call& call, std::string_view key, std::string_view value, WallTime expires_at) {
  return assign_in(call, call.current(), key, value, expires_at);
}

inline Verdict assign(Call& call, std::string_view key, std::string_view value, KeepExpiry keep) {
  const std::error_code error = call.current().assign(key, value, keep, call.locks);
  return error ? absent_instead(call, call.current(), key, error) : applied;
}

/// How an expiry is written: relative to now or to 1970, in seconds or in milliseconds.
struct TimeUnit {
  bool relative;
  std::int64_t milliseconds;
};

/// Reads an expiry; nothing when it is no number or too far away. `never` cannot be expressed.
[[nodiscard]] inline std::optional<WallTime> parse_expiry(const Call& call, std::string_view text,
                                                          TimeUnit unit) {
  const auto number = resp::parse_integer(text);
  std::int64_t at_ms = 0;
  if (!number || __builtin_mul_overflow(*number, unit.milliseconds, &at_ms)) return std::nullopt;
  if (unit.relative && __builtin_add_overflow(at_ms, call.clock.now().time_since_epoch().count(), &at_ms)) {
    return std::nullopt;
  }
  const WallTime at{std::chrono::milliseconds(at_ms)};
  return at == never ? never - std::chrono::milliseconds(1) : at;
}

/// EX, PX, EXAT or PXAT; nothing for another word.
[[nodiscard]] constexpr std::optional<TimeUnit> unit_of_option(std::string_view word) noexcept {
  if (is_word(word, "PXAT")) return TimeUnit{false, 1};
  if (is_word(word, "PX")) return TimeUnit{true, 1};
  if (is_word(word, "EX")) return TimeUnit{true, 1'000};
  if (is_word(word, "EXAT")) return TimeUnit{false, 1'000};
  return std::nullopt;
}

/// The number of a database, as SELECT, MOVE, COPY and SWAPDB take it.
[[nodiscard]] inline std::optional<std::uint32_t> parse_database(std::string_view text) noexcept {
  const auto number = resp::parse_integer(text);
  if (!number || *number < 0 || *number > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

}  // namespace replikv::inline v0_1::detail::commands
