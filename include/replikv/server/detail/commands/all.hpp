// Every command of Redis that an endpoint has, by the files of this folder.
#pragma once

#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/acl.hpp>
#include <replikv/server/detail/commands/connection.hpp>
#include <replikv/server/detail/commands/strings.hpp>
#include <replikv/server/detail/commands/synchronisation.hpp>

namespace replikv::inline v0_1::server::commands {

inline void add_all(detail::CommandTable& table) {
  add_acl(table);
  add_connection(table);
  add_strings(table);
  add_synchronisation(table);
}

}  // namespace replikv::inline v0_1::server::commands
