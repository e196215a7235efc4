// Every command of Redis that an endpoint has, by the files of this folder.
#pragma once

#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/acl.hpp>
#include <replikv/server/detail/commands/bits.hpp>
#include <replikv/server/detail/commands/clients.hpp>
#include <replikv/server/detail/commands/command.hpp>
#include <replikv/server/detail/commands/configuration.hpp>
#include <replikv/server/detail/commands/connection.hpp>
#include <replikv/server/detail/commands/counters.hpp>
#include <replikv/server/detail/commands/databases.hpp>
#include <replikv/server/detail/commands/debug.hpp>
#include <replikv/server/detail/commands/dump.hpp>
#include <replikv/server/detail/commands/expiry.hpp>
#include <replikv/server/detail/commands/information.hpp>
#include <replikv/server/detail/commands/inspection.hpp>
#include <replikv/server/detail/commands/keys.hpp>
#include <replikv/server/detail/commands/lcs.hpp>
#include <replikv/server/detail/commands/monitoring.hpp>
#include <replikv/server/detail/commands/pub_sub.hpp>
#include <replikv/server/detail/commands/roles.hpp>
#include <replikv/server/detail/commands/scan.hpp>
#include <replikv/server/detail/commands/strings.hpp>
#include <replikv/server/detail/commands/synchronisation.hpp>
#include <replikv/server/detail/commands/transactions.hpp>

namespace replikv::inline v0_1::server::commands {

inline void add_all(detail::CommandTable& table) {
  add_acl(table);
  add_bits(table);
  add_clients(table);
  add_command(table);
  add_configuration(table);
  add_connection(table);
  add_counters(table);
  add_databases(table);
  add_debug(table);
  add_dump(table);
  add_expiry(table);
  add_information(table);
  add_inspection(table);
  add_keys(table);
  add_lcs(table);
  add_monitoring(table);
  add_pub_sub(table);
  add_roles(table);
  add_scan(table);
  add_strings(table);
  add_synchronisation(table);
  add_transactions(table);
}

}  // namespace replikv::inline v0_1::server::commands
