// A configuration in the syntax of redis-server: the lines of a file or the words of a command line, checked
// as redis-server checks them, for an endpoint and its node to use.
#pragma once

#include <replikv/replication/options.hpp>
#include <replikv/server/detail/access_control.hpp>
#include <replikv/server/detail/command_index.hpp>
#include <replikv/server/detail/configuration.hpp>
#include <replikv/server/detail/configuration_file.hpp>
#include <replikv/server/detail/parameters.hpp>
#include <replikv/server/detail/quoted.hpp>
#include <replikv/server/options.hpp>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

class RedisEndpoint;

/// A line that cannot be used; `what()` is the reason, in the words of redis-server.
class ConfigurationError : public std::runtime_error {
 public:
  ConfigurationError(std::size_t line, std::string text, const std::string& why)
      : std::runtime_error(why), line_(line), text_(std::move(text)) {}

  [[nodiscard]] std::size_t line() const noexcept { return line_; }  ///< from 1
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::size_t line_;
  std::string text_;
};

/// Everything that is configured. Parameters that no directive names have the values of the options given, or
/// redis-server's own.
///
///     RedisConfiguration configuration;
///     configuration.read_file("/etc/redis/redis.conf");
///     endpoint.use(configuration);
///
/// Parameters of redis-server without a meaning here are taken and shown by CONFIG GET.
class RedisConfiguration {
 public:
  explicit RedisConfiguration(ReplicationOptions replication = {}, EndpointOptions endpoint = {}) {
    settings_.replication = std::move(replication);
    settings_.endpoint = std::move(endpoint);
  }

  /// Takes every line of `text`; later ones win. Throws `ConfigurationError`.
  void read(std::string_view text) { read(text, 0); }

  /// Takes a file, which is also where CONFIG REWRITE will write. Throws `ConfigurationError`,
  /// std::system_error if it cannot be opened.
  void read_file(const std::string& path) {
    read(contents(path), 0);
    file_ = path;
  }

  /// What CONFIG GET would answer; nothing where there is no parameter of this name.
  [[nodiscard]] std::optional<std::string> value(std::string_view name) const {
    const detail::Parameter* const parameter = detail::find_parameter(name);
    return parameter == nullptr ? std::nullopt : std::optional(detail::value_of(*parameter, settings_));
  }

  /// Gives one parameter a value. Throws `ConfigurationError`.
  void set(std::string_view name, std::string_view value) {
    take({0, std::string(name), {std::string(name), std::string(value)}}, 0);
  }

  /// Parameters that were given another value than their preset and that nothing here acts on.
  [[nodiscard]] std::vector<std::string> without_meaning() const {
    std::vector<std::string> names;
    for (const auto& [name, text] : settings_.texts) {
      const detail::Parameter* const parameter = detail::find_parameter(name);
      if (parameter != nullptr && text != parameter->preset) names.push_back(name);
    }
    return names;
  }

 private:
  friend class RedisEndpoint;

  static constexpr unsigned includes_max = 16;  // one in the other

  [[nodiscard]] static std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::system_error(errno, std::generic_category(), path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  void read(std::string_view text, unsigned depth) {
    for (const detail::Directive& each : detail::directives_of(text)) take(each, depth);
  }

  void take(const detail::Directive& directive, unsigned depth) {
    try {
      if (is_user(directive)) {
        add_user(directive.words);
        user_places_.push_back({directive.line, directive.text, {}});
        return;
      }
      if (directive.words.empty()) throw detail::WrongValue("Unbalanced quotes in configuration line");
      if (detail::to_lower(directive.words[0]) == "include" && directive.words.size() == 2) {
        if (depth == includes_max) throw detail::WrongValue("Too many files include each other");
        return read(contents(directive.words[1]), depth + 1);
      }
      set_words(directive.words);
    } catch (const detail::WrongValue& error) {
      throw ConfigurationError(directive.line, directive.text, error.what());
    } catch (const std::system_error& error) {
      throw ConfigurationError(directive.line, directive.text, error.what());
    }
  }

  [[nodiscard]] static bool is_user(const detail::Directive& directive) {
    return directive.words.size() > 1 && detail::to_lower(directive.words[0]) == "user";
  }

  // Commands that are not known yet may be the application's own.
  void add_user(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : std::span(words).subspan(1)) {
      if (!line.empty()) line += ' ';
      detail::append_quoted(line, word);
    }
    static const detail::CommandIndex commands;
    const std::vector<std::string_view> rules(words.begin() + 2, words.end());
    const bool is_new = user_names_.insert(words[1]).second;
    const std::string wrong = is_new
                                  ? detail::AccessControl(commands).wrong_with(words[1], rules)
                                  : "Duplicate user found. A user can only be defined once in config files";
    if (!wrong.empty()) throw detail::WrongValue("Error in user declaration '" + words[1] + "': " + wrong);
    settings_.endpoint.users.push_back(std::move(line));
  }

  /// The line of a file that the user at this place among those of the options comes from, if one does.
  [[nodiscard]] const detail::Directive* line_of_user(std::size_t place) const noexcept {
    const std::size_t others = settings_.endpoint.users.size() - user_places_.size();
    return place < others || place >= others + user_places_.size() ? nullptr : &user_places_[place - others];
  }

  void set_words(const std::vector<std::string>& words) {
    const detail::Parameter* const parameter = detail::find_parameter(words[0]);
    if (parameter == nullptr) refuse(detail::to_lower(words[0]));
    if (parameter->kind != detail::Parameter::Kind::words && words.size() != 2) {
      throw detail::WrongValue("wrong number of arguments");
    }
    std::string value = detail::joined({words.begin() + 1, words.end()});
    if (parameter->name == "replicaof") {
      value = master_of(words);
    } else if (parameter->name == "save" && seen_.contains("save") && !value.empty()) {
      const std::string before = detail::value_of(*parameter, settings_);
      value = before + (before.empty() ? "" : " ") + value;
    }
    seen_.insert(std::string(parameter->name));
    detail::set_value(*parameter, value, settings_);
  }

  [[noreturn]] static void refuse(std::string_view name) {
    if (name == "loadmodule" || name == "rename-command") throw detail::WrongValue("Not supported here");
    throw detail::WrongValue("Bad directive or wrong number of arguments");
  }

  [[nodiscard]] static std::string master_of(const std::vector<std::string>& words) {
    if (words.size() != 3) throw detail::WrongValue("wrong number of arguments");
    if (detail::to_lower(words[1]) == "no" && detail::to_lower(words[2]) == "one") return {};
    const auto port = resp::parse_unsigned(words[2]);
    if (!port || *port > 65'535) throw detail::WrongValue("Invalid master port");
    return words[1] + " " + words[2];
  }

  detail::Settings settings_;
  std::set<std::string, std::less<>> seen_;
  std::set<std::string> user_names_;
  std::vector<detail::Directive> user_places_;
  std::string file_;
};

}  // namespace replikv::inline v0_1
