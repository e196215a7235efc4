// Commands about the connection itself: who the client is, which protocol and database it wants.
#pragma once

#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>
#include <replikv/version.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

inline void ping(Call& call) {
  if (call.size() > 2) {
    throw CommandError("ERR wrong number of arguments for 'ping' command");
  }
  if (call.client.is_subscriber() && !call.reply.is_resp3()) {  // where only messages are expected
    call.reply.array(2);
    call.reply.bulk("pong");
    return call.reply.bulk(call.size() == 2 ? call[1] : std::string_view());
  }
  call.size() == 2 ? call.reply.bulk(call[1]) : call.reply.simple("PONG");
}

inline void echo(Call& call) { call.reply.bulk(call[1]); }

/// Lets the client in, or throws.
inline void authenticate(Call& call, std::string_view user, std::string_view password) {
  if (!call.server.log_in(call.client, user, password, call[0])) {
    throw CommandError("WRONGPASS invalid username-password pair or user is disabled.");
  }
}

inline void auth(Call& call) {
  if (call.size() > 3) syntax_error();
  if (call.size() == 2 && call.server.access.default_user().needs_no_password()) {
    throw CommandError(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
  }
  authenticate(call, call.size() == 3 ? call[1] : "default", call[call.size() - 1]);
  call.reply.ok();
}

/// CLIENT SETNAME and HELLO: printable, without spaces, since it is shown in lists.
[[nodiscard]] inline std::string client_name_of(std::string_view text) {
  const bool is_clean = std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
  if (!is_clean) {
    throw CommandError("ERR Client names cannot contain spaces, newlines or special characters.");
  }
  return std::string(text);
}

inline void describe_server(Call& call) {
  const Role role = call.server.node->info().role;
  server::Reply reply = call.client.reply();
  reply.map(7);
  reply.bulk("server"), reply.bulk("redis");
  reply.bulk("version"), reply.bulk(detail::redis_version);
  reply.bulk("proto"), reply.integer(static_cast<int>(call.client.protocol));
  reply.bulk("id"), reply.integer(call.client.id);
  reply.bulk("mode"), reply.bulk("standalone");
  reply.bulk("role"), reply.bulk(role == Role::master ? "master" : "replica");
  reply.bulk("modules"), reply.array(0);
}

/// Options act one after the other: those before one that is wrong have acted.
///
/// Source  Redis 7.0 helloCommand
inline void hello(Call& call) {
  Protocol protocol = call.client.protocol;
  if (call.size() > 1) {
    const auto version = resp::parse_integer(call[1]);
    if (!version) throw CommandError("ERR Protocol version is not an integer or out of range");
    if (*version != 2 && *version != 3) throw CommandError("NOPROTO unsupported protocol version");
    protocol = *version == 2 ? Protocol::resp2 : Protocol::resp3;
  }
  for (std::size_t i = 2; i < call.size();) {
    if (is_word(call[i], "auth") && i + 2 < call.size()) {
      authenticate(call, call[i + 1], call[i + 2]);
      i += 3;
    } else if (is_word(call[i], "setname") && i + 1 < call.size()) {
      call.client.name = client_name_of(call[i + 1]);
      i += 2;
    } else {
      throw CommandError("ERR Syntax error in HELLO option '" + std::string(call[i].substr(0, 128)) + "'");
    }
  }
  if (call.server.must_log_in(call.client)) {
    throw CommandError(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
        "<pass> option can be used to authenticate the client and select the RESP protocol version at the "
        "same "
        "time");
  }
  call.client.protocol = protocol;
  describe_server(call);
}

inline void select(Call& call) {
  call.client.database = database_of(call[1], call.server.databases());
  call.reply.ok();
}

inline void quit(Call& call) {
  call.reply.ok();
  call.client.close_when_sent();
}

/// As if the client had just come.
inline void reset(Call& call) {
  detail::Client& client = call.client;
  call.server.forget_choices(client);
  client.database = 0;
  client.protocol = Protocol::resp2;
  client.replies = detail::Client::Replies::on;
  client.name.clear();
  call.server.log_out(client);
  client.login_since = call.server.now();
  call.reply.simple("RESET");
}

inline void add_connection(detail::CommandTable& table) {
  table.add({"ping", -1, "fast", "connection", {}, ping});
  table.add({"echo", 2, "loading stale fast", "connection", {}, echo});
  table.add({"auth", -2, "noscript loading stale fast no_auth allow_busy", "connection", {}, auth});
  table.add({"hello", -1, "noscript loading stale fast no_auth allow_busy", "connection", {}, hello});
  table.add({"select", 2, "loading stale fast", "connection", {}, select});
  table.add({"reset", 1, "noscript loading stale fast no_auth allow_busy", "connection", {}, reset});
  table.add({"quit", -1, "noscript loading stale fast no_auth allow_busy", "connection", {}, quit});
}

}  // namespace replikv::inline v0_1::server::commands
