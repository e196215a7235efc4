// CONFIG: parameters read and changed while the endpoint runs, and written back into their file.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/configuration.hpp>
#include <replikv/server/detail/configuration_file.hpp>
#include <replikv/server/detail/glob.hpp>
#include <replikv/server/detail/parameters.hpp>
#include <replikv/server/detail/server.hpp>
#include <replikv/server/detail/settings.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::server::commands {

/// Lines of help as they are answered.
inline void reply_lines(Call& call, std::initializer_list<std::string_view> lines) {
  call.reply.array(lines.size());
  for (const std::string_view line : lines) call.reply.simple(line);
}

/// Source  Redis 7.0 configGetCommand
inline void config_get(Call& call) {
  using Shown = std::pair<std::string, const detail::Parameter*>;
  std::vector<Shown> shown;
  const auto show = [&shown](std::string_view name, const detail::Parameter& parameter) {
    const bool is_shown =
        std::any_of(shown.begin(), shown.end(), [name](const Shown& each) { return each.first == name; });
    if (!is_shown) shown.emplace_back(name, &parameter);
  };
  for (std::size_t i = 1 + 1; i < call.size(); ++i) {
    const std::string_view pattern = call[i];
    if (pattern.find_first_of("*?[") == std::string_view::npos) {
      if (const auto* parameter = detail::find_parameter(pattern)) show(pattern, *parameter);
      continue;
    }
    detail::for_each_parameter([&](const detail::Parameter& each) {
      for (const std::string_view name : {each.name, each.alias}) {
        if (!name.empty() && detail::glob_matches(pattern, name, true)) show(name, each);
      }
    });
  }
  const detail::Settings settings = detail::settings_of(call.server);
  call.reply.map(shown.size());
  for (const auto& [name, parameter] : shown) {
    call.reply.bulk(name);
    call.reply.bulk(detail::value_of(*parameter, settings));
  }
}

/// Why CONFIG SET changed nothing, and at which parameter that was seen.
[[noreturn]] inline void config_set_failed(std::string_view name, std::string_view why) {
  throw CommandError("ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " +
                     std::string(why));
}

[[nodiscard]] inline const detail::Parameter& changeable_parameter(std::string_view name) {
  const auto* const parameter = detail::find_parameter(name);
  if (parameter == nullptr) {
    throw CommandError("ERR Unknown option or number of arguments for CONFIG SET - '" + std::string(name) +
                       "'");
  }
  if (parameter->is_fixed) {
    const bool is_protected = parameter->name == "dir" || parameter->name == "dbfilename";
    config_set_failed(name, is_protected ? "can't set protected config" : "can't set immutable config");
  }
  return *parameter;
}

/// Source  Redis 7.0 configSetCommand
inline void config_set(Call& call) {
  if (call.size() % 2 != 0) syntax_error();
  std::vector<const detail::Parameter*> parameters;
  for (std::size_t i = 2; i < call.size(); i += 2) {
    parameters.push_back(&changeable_parameter(call[i]));
    const auto same = std::count(parameters.begin(), parameters.end(), parameters.back());
    if (same > 1) config_set_failed(call[i], "duplicate parameter");
  }
  detail::Settings wanted = detail::settings_of(call.server);
  std::string_view name;
  try {
    for (std::size_t i = 2; i < call.size(); i += 2) {
      name = call[i];
      detail::set_value(*parameters[i / 2 - 1], call[i + 1], wanted);
    }
    detail::use_settings(call.server, std::move(wanted));
  } catch (const detail::WrongValue& error) {
    config_set_failed(name, error.what());
  } catch (const Error& error) {
    config_set_failed(name, error.what());
  }
  call.reply.ok();
}

/// Source  Redis 7.0 resetServerStats
inline void config_resetstat(Call& call) {
  detail::Server& server = call.server;
  server.counts = {};
  server.administration.errors.clear();
  server.administration.reset_counts(*server.node);
  for (detail::RegisteredCommand& command : server.commands.all()) {
    command.calls = command.microseconds = command.rejected = command.failed = 0;
    command.latency.clear();
  }
  call.reply.ok();
}

/// Writes `text` in the place of a file, which is never seen half written.
[[nodiscard]] inline bool replace_file(const std::string& path, std::string_view text) {
  const std::string next = path + ".rewrite";
  {
    std::ofstream file(next, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.flush()) return std::remove(next.c_str()), false;
  }
  return std::rename(next.c_str(), path.c_str()) == 0;
}

inline void config_rewrite(Call& call) {
  const std::string& path = call.server.administration.configuration_file;
  if (path.empty()) throw CommandError("ERR The server is running without a config file");
  std::ifstream file(path, std::ios::binary);
  const std::string before{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const detail::Settings settings = detail::settings_of(call.server);
  auto users = settings.endpoint.acl_file.empty()
                   ? call.server.access.configuration_lines(settings.endpoint.password)
                   : std::vector<detail::AccessControl::UserLine>();  // they are in that file
  if (!replace_file(path, detail::RewrittenFile(before, settings, std::move(users)).take_text())) {
    throw CommandError("ERR Rewriting config file: it cannot be written");
  }
  call.reply.ok();
}

inline void config_help(Call& call) {
  reply_lines(call, {"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "GET <pattern>",
                     "    Return parameters matching the glob-like <pattern> and their values.",
                     "SET <directive> <value>", "    Set the configuration <directive> to <value>.",
                     "RESETSTAT", "    Reset statistics reported by the INFO command.", "REWRITE",
                     "    Rewrite the configuration file.", "HELP", "    Prints this help."});
}

/// A command that is nothing without one of its parts; called without, the arity refuses it.
inline void container(Call&) { syntax_error(); }

inline void add_configuration(detail::CommandTable& table) {
  table.add({"config", -2, "", "", {}, container});
  table.add({"config|get", -3, "admin noscript loading stale", "", {}, config_get});
  table.add({"config|set", -4, "admin noscript loading stale", "", {}, config_set});
  table.add({"config|resetstat", 2, "admin noscript loading stale", "", {}, config_resetstat});
  table.add({"config|rewrite", 2, "admin noscript loading stale", "", {}, config_rewrite});
  table.add({"config|help", 2, "loading stale", "", {}, config_help});
}

}  // namespace replikv::inline v0_1::server::commands
