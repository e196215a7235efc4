// How a command is written: a line for people, and the tree of arguments that clients want of it.
//
//   key value condition=[NX|XX] [GET] expiration=[EX seconds|PX milliseconds|KEEPTTL]
//
// A word in capitals is a token, any other a value; a token right before a value or `(` belongs to it.
// `[ ]` may be left out, `( )` only joins, `|` is between those of which one is given, `...` follows what may
// be given several times: inside the brackets with one token for all, after them with a token for each.
// `name=` names what follows; groups without are named by their members: "offset_count". The type of a value
// follows from its name, or stands behind it: `increment:double`; `pattern#1` tells of which kind of keys
// it is, 0 is understood for keys.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// One argument of a command, or a group of them.
struct CommandArgument {
  std::string name{};
  std::string_view type{};  ///< in the words of COMMAND DOCS: "integer", "oneof"
  std::string token{};      ///< stands before it; of a pure token itself
  std::optional<int> kind_of_key{};
  bool is_optional = false;
  bool is_multiple = false;
  bool repeats_token = false;  ///< each time
  std::vector<CommandArgument> parts{};
};

/// The types that a value can have, and the names that are of one without saying so; any other is a string.
inline constexpr std::array<std::string_view, 6> value_types{"key",     "integer", "double",
                                                             "pattern", "string",  "unix-time"};
inline constexpr std::array<std::string_view, 7> key_names{"destination", "destkey", "key",   "key1",
                                                           "key2",        "newkey",  "source"};
inline constexpr std::array<std::string_view, 25> integer_names{
    "bit",         "bits",      "client-id", "count",    "cursor",  "db",     "decrement", "destination-db",
    "end",         "frequency", "increment", "index",    "index1",  "index2", "len",       "milliseconds",
    "numreplicas", "offset",    "port",      "protover", "seconds", "start",  "timeout",   "ttl",
    "version"};

/// Reads the notation above. Throws std::invalid_argument for a text that is not of it.
class UsageReader {
 public:
  [[nodiscard]] static std::vector<CommandArgument> read(std::string_view usage) {
    UsageReader reader(usage);
    auto arguments = reader.sequence();
    if (!reader.rest_.empty()) reader.fail();
    return arguments;
  }

 private:
  explicit UsageReader(std::string_view usage) noexcept : usage_(usage), rest_(usage) {}

  [[noreturn]] void fail() const {
    throw std::invalid_argument("no usage of a command: '" + std::string(usage_) + "' before '" +
                                std::string(rest_) + "'");
  }

  void skip_spaces() noexcept { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  [[nodiscard]] bool takes(std::string_view sign) noexcept {
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(sign.size());
    return true;
  }
  [[nodiscard]] std::string_view word() {
    const std::size_t end = std::min({rest_.find_first_of(" |()[]=#"), rest_.find("..."), rest_.size()});
    if (end == 0) fail();
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return taken;
  }
  [[nodiscard]] static bool is_capital(char letter) noexcept { return letter >= 'A' && letter <= 'Z'; }
  /// At the begin of what a token would belong to.
  [[nodiscard]] bool is_before_value() const noexcept {
    return !rest_.empty() && !is_capital(rest_[0]) && std::string_view("|)[].").find(rest_[0]) == rest_.npos;
  }

  [[nodiscard]] std::vector<CommandArgument> sequence() {
    std::vector<CommandArgument> arguments;
    for (skip_spaces(); !rest_.empty() && std::string_view("|)]").find(rest_[0]) == rest_.npos;) {
      arguments.push_back(argument());
      skip_spaces();
    }
    return arguments;
  }

  [[nodiscard]] CommandArgument argument() {
    if (rest_.starts_with('(') || rest_.starts_with('[')) return group({});
    const std::string_view first = word();
    if (takes("=")) return named(first);
    return is_capital(first[0]) ? after_token(first) : value(first);
  }

  [[nodiscard]] CommandArgument named(std::string_view name) {
    if (rest_.starts_with('(') || rest_.starts_with('[')) return group(name);
    CommandArgument renamed = argument();
    renamed.name = name;
    return renamed;
  }

  [[nodiscard]] CommandArgument after_token(std::string_view token) {
    skip_spaces();
    CommandArgument all = is_before_value() ? argument() : CommandArgument{lower(token), "pure-token"};
    if (!all.token.empty()) fail();
    all.token = token;
    return all;
  }

  [[nodiscard]] CommandArgument value(std::string_view text) {
    CommandArgument read{std::string(text), type_of(text)};
    if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
      for (const std::string_view type : value_types) {
        if (type == text.substr(colon + 1)) read = {std::string(text.substr(0, colon)), type};
      }
    }
    if (read.type == "key") read.kind_of_key = 0;
    if (takes("#")) {
      if (rest_.empty() || rest_[0] < '0' || rest_[0] > '9') fail();
      read.kind_of_key = rest_[0] - '0';
      rest_.remove_prefix(1);
    }
    read.is_multiple = takes_dots();
    return read;
  }
  [[nodiscard]] bool takes_dots() noexcept {
    const std::string_view before = rest_;
    skip_spaces();
    if (takes("...")) return true;
    rest_ = before;
    return false;
  }

  /// With its name, none where it has none: then a group of one is this one.
  [[nodiscard]] CommandArgument group(std::string_view name) {
    const bool is_optional = rest_[0] == '[';
    rest_.remove_prefix(1);
    std::vector<CommandArgument> alternatives;
    bool is_choice = false;
    do {
      auto members = sequence();
      is_choice = is_choice || rest_.starts_with('|');
      if (members.empty()) fail();
      const bool is_one = members.size() == 1 && (is_choice || name.empty());
      alternatives.push_back(is_one ? std::move(members[0])
                                    : joined(is_choice ? "" : name, "block", members));
    } while (takes("|"));
    if (!takes(is_optional ? "]" : ")")) fail();
    CommandArgument all =
        is_choice ? joined(name, "oneof", alternatives) : CommandArgument(std::move(alternatives[0]));
    all.is_optional = all.is_optional || is_optional;
    if (takes_dots()) all.is_multiple = true, all.repeats_token = !all.token.empty();
    return all;
  }

  [[nodiscard]] static CommandArgument joined(std::string_view name, std::string_view type,
                                              std::vector<CommandArgument>& parts) {
    CommandArgument all{std::string(name), type};
    for (const CommandArgument& part : parts) {
      if (name.empty()) all.name += (all.name.empty() ? "" : "_") + part.name;
    }
    all.parts = std::move(parts);
    return all;
  }

  [[nodiscard]] static std::string_view type_of(std::string_view name) noexcept {
    const auto is_one_of = [name](const auto& names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (is_one_of(key_names)) return "key";
    if (is_one_of(integer_names)) return "integer";
    if (name.starts_with("unix-time-")) return "unix-time";
    return name == "pattern" ? "pattern" : "string";
  }

  [[nodiscard]] static std::string lower(std::string_view token) {
    std::string name(token);
    for (char& letter : name) {
      if (is_capital(letter)) letter = static_cast<char>(letter - 'A' + 'a');
    }
    return name;
  }

  std::string_view usage_;
  std::string_view rest_;
};

}  // namespace replikv::inline v0_1::detail
