// What parameters of a configuration are: how their values are written and checked, and where they act. The
// table itself is in parameters.hpp; it serves CONFIG and configuration files alike.
#pragma once

#include <replikv/replication/options.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/options.hpp>
#include <replikv/store/eviction.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Why a value does not fit, in the words of redis-server.
class WrongValue : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The limit of all databases together (Redis: maxmemory).
struct MemoryOptions {
  std::uint64_t bytes = 0;  ///< 0: none
  Eviction eviction = Eviction::noeviction;
  unsigned samples = 5;

  bool operator==(const MemoryOptions&) const = default;
};

/// The values of all parameters: those that act as the options they stand for, the others as text.
struct Settings {
  ReplicationOptions replication{};
  EndpointOptions endpoint{};
  MemoryOptions memory{};
  std::string master{};  ///< "host port"; empty on a master
  /// Of parameters without a meaning here, where they differ from the preset.
  std::map<std::string, std::string, std::less<>> texts{};
};

/// One parameter. Two functions connect it with the setting it stands for; without them its text is kept.
struct Parameter {
  enum class Kind : std::uint8_t {
    yes_no,
    number,
    bytes,   ///< a number with a unit perhaps: 1mb
    choice,  ///< one of some words
    text,
    words,  ///< any number of them
  };
  using Read = std::string (*)(const Settings&);
  using Write = void (*)(Settings&, std::string_view);  ///< gets a checked value; may throw WrongValue

  std::string_view name;
  std::string_view alias;  ///< its former name, or empty
  Kind kind = Kind::text;
  std::string_view preset;
  bool is_fixed = false;  ///< once running
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::string_view choices{};  ///< "everysec always no"
  Read read = nullptr;
  Write write = nullptr;

  [[nodiscard]] bool has_name(std::string_view lower) const noexcept {
    return lower == name || (!alias.empty() && lower == alias);
  }
};

// --- Values --------------------------------------------------------------------------------------------

/// "1gb" as bytes; units of 1000 and, with a b, of 1024.
[[nodiscard]] inline std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = resp::parse_unsigned(text.substr(0, digits));
  if (!number) return std::nullopt;
  const std::string unit = to_lower(text.substr(digits));
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  static constexpr Unit units[] = {{"", 1},
                                   {"b", 1},
                                   {"k", 1000},
                                   {"kb", 1024},
                                   {"m", 1'000'000},
                                   {"mb", 1024 * 1024},
                                   {"g", 1'000'000'000},
                                   {"gb", 1024 * 1024 * 1024}};
  for (const Unit& each : units) {
    std::uint64_t bytes = 0;
    if (each.name == unit && !__builtin_mul_overflow(*number, each.bytes, &bytes)) return bytes;
  }
  return std::nullopt;
}

[[nodiscard]] inline std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

/// A value as CONFIG GET shows it; throws `WrongValue`.
///
/// Source  Redis 7.0 config.c: the bounds and the words of each refusal
[[nodiscard]] inline std::string checked_value(const Parameter& parameter, std::string_view text) {
  const auto check_bounds = [&parameter](auto number) {
    const bool fits =
        std::cmp_greater_equal(number, parameter.min) && std::cmp_less_equal(number, parameter.max);
    if (!fits) {
      throw WrongValue("argument must be between " + std::to_string(parameter.min) + " and " +
                       std::to_string(parameter.max) + " inclusive");
    }
    return std::to_string(number);
  };
  switch (parameter.kind) {
    case Parameter::Kind::yes_no: {
      std::string word = to_lower(text);
      if (word != "yes" && word != "no") throw WrongValue("argument must be 'yes' or 'no'");
      return word;
    }
    case Parameter::Kind::number: {
      const auto number = resp::parse_integer(text);
      if (!number) throw WrongValue("argument couldn't be parsed into an integer");
      return check_bounds(*number);
    }
    case Parameter::Kind::bytes: {
      const auto bytes = parse_bytes(text);
      if (!bytes) throw WrongValue("argument must be a memory value");
      return check_bounds(*bytes);
    }
    case Parameter::Kind::choice: {
      std::string list;
      for_each_word(parameter.choices,
                    [&](std::string_view word) { list.append(list.empty() ? "" : ", ").append(word); });
      std::string chosen = to_lower(text);
      bool is_known = false;
      for_each_word(parameter.choices, [&](std::string_view word) { is_known = is_known || word == chosen; });
      if (!is_known) throw WrongValue("argument(s) must be one of the following: " + list);
      return chosen;
    }
    case Parameter::Kind::text:
    case Parameter::Kind::words: break;
  }
  return std::string(text);
}

/// The value a parameter has.
[[nodiscard]] inline std::string value_of(const Parameter& parameter, const Settings& settings) {
  if (parameter.read != nullptr) return parameter.read(settings);
  const auto kept = settings.texts.find(parameter.name);
  return kept == settings.texts.end() ? std::string(parameter.preset) : kept->second;
}

/// Gives a parameter a value; throws `WrongValue`.
inline void set_value(const Parameter& parameter, std::string_view text, Settings& settings) {
  const std::string value = checked_value(parameter, text);
  if (parameter.write != nullptr) return parameter.write(settings, value);
  settings.texts.insert_or_assign(std::string(parameter.name), value);
}

}  // namespace replikv::inline v0_1::detail
