// INFO: what the endpoint says of itself.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/information.hpp>
#include <replikv/server/detail/server.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace replikv::inline v0_1::server::commands {

inline void info(Call& call) {
  std::vector<std::string> sections;
  for (std::size_t i = 1; i < call.size(); ++i) sections.push_back(detail::to_lower(call[i]));
  call.reply.verbatim(detail::info_text(call.server, sections));
}

inline void add_information(detail::CommandTable& table) {
  table.add({"info", -1, "loading stale", "dangerous", {}, info});
}

}  // namespace replikv::inline v0_1::server::commands
