// CLIENT: what is known of the connections, and what can be done to them.
#pragma once

#include <replikv/resp/number.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/client_line.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/connection.hpp>
#include <replikv/server/detail/commands/help.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::server::commands {

/// Classes of clients, as filters name them.
enum class ClientType : std::uint8_t { normal, replica, pubsub, master };

[[nodiscard]] inline ClientType client_type_of(std::string_view word) {
  if (is_word(word, "normal")) return ClientType::normal;
  if (is_word(word, "replica") || is_word(word, "slave")) return ClientType::replica;
  if (is_word(word, "pubsub")) return ClientType::pubsub;
  if (is_word(word, "master")) return ClientType::master;
  throw CommandError("ERR Unknown client type '" + std::string(word.substr(0, 128)) + "'");
}

[[nodiscard]] inline ClientType type_of(const detail::Client& client) {
  if (client.is_replica()) return ClientType::replica;
  return client.is_subscriber() ? ClientType::pubsub : ClientType::normal;
}

// --- CLIENT LIST -----------------------------------------------------------------------------------------

/// The client of this number, if its link is still there.
[[nodiscard]] inline std::shared_ptr<detail::Client> find_client(Call& call, std::uint64_t id) {
  for (const auto& client : call.server.clients()) {
    if (client->id == id && client->closing != detail::Client::Closing::now) return client;
  }
  return nullptr;
}

inline void client_list(Call& call) {
  std::string text;
  if (call.size() > 3 && is_word(call[2], "id")) {
    for (const std::string_view word : call.words.subspan(3)) {
      const auto id = resp::parse_integer(word);
      if (!id) throw CommandError("ERR Invalid client ID");
      const auto client = find_client(call, static_cast<std::uint64_t>(*id));
      if (client) text += detail::client_line(*client, call.server.now()) + "\n";
    }
    return call.reply.verbatim(text);
  }
  std::optional<ClientType> type;
  if (call.size() == 4 && is_word(call[2], "type")) {
    type = client_type_of(call[3]);
  } else if (call.size() != 2) {
    syntax_error();
  }
  for (const auto& client : call.server.clients()) {
    if (client->closing == detail::Client::Closing::now || (type && *type != type_of(*client))) continue;
    text += detail::client_line(*client, call.server.now()) + "\n";
  }
  call.reply.verbatim(text);
}

// --- CLIENT KILL -----------------------------------------------------------------------------------------

/// Which clients are meant; what is not set fits all.
struct ClientFilter {
  std::optional<std::uint64_t> id{};
  std::optional<ClientType> type{};
  std::optional<std::string_view> user{};
  std::optional<std::string_view> address{};
  std::optional<std::string_view> local_address{};
  bool skips_me = true;

  [[nodiscard]] bool fits(const detail::Client& client) const {
    return (!id || *id == client.id) && (!type || *type == type_of(client)) &&
           (!user || *user == client.user_name()) && (!address || *address == client.address) &&
           (!local_address || *local_address == client.local_address);
  }
};

[[nodiscard]] inline ClientFilter client_filter_of(Call& call) {
  ClientFilter filter;
  for (std::size_t i = 2; i < call.size(); i += 2) {
    if (i + 1 == call.size()) syntax_error();
    const std::string_view value = call[i + 1];
    if (is_word(call[i], "id")) {
      const auto id = resp::parse_integer(value);
      if (!id || *id < 1) throw CommandError("ERR client-id should be greater than 0");
      filter.id = static_cast<std::uint64_t>(*id);
    } else if (is_word(call[i], "type")) {
      filter.type = client_type_of(value);
    } else if (is_word(call[i], "addr")) {
      filter.address = value;
    } else if (is_word(call[i], "laddr")) {
      filter.local_address = value;
    } else if (is_word(call[i], "user")) {
      if (!call.server.access.find(value)) {
        throw CommandError("ERR No such user '" + std::string(value.substr(0, 128)) + "'");
      }
      filter.user = value;
    } else if (is_word(call[i], "skipme") && (is_word(value, "yes") || is_word(value, "no"))) {
      filter.skips_me = is_word(value, "yes");
    } else {
      syntax_error();
    }
  }
  return filter;
}

inline void client_kill(Call& call) {
  const bool is_old_form = call.size() == 3;
  ClientFilter filter;
  if (is_old_form) {
    filter.address = call[2];
    filter.skips_me = false;
  } else {
    filter = client_filter_of(call);
  }
  std::size_t killed = 0;
  for (const auto& client : call.server.clients()) {
    if (client->closing == detail::Client::Closing::now || !filter.fits(*client)) continue;
    const bool is_me = client.get() == &call.client;
    if (is_me && filter.skips_me) continue;
    is_me ? client->close_when_sent() : client->kill();
    ++killed;
  }
  if (!is_old_form) return call.reply.integer(killed);
  if (killed == 0) throw CommandError("ERR No such client");
  call.reply.ok();
}

// --- What a client chooses for itself ----------------------------------------------------------------------

inline void client_setname(Call& call) {
  call.client.name = client_name_of(call[2]);
  call.reply.ok();
}

inline void client_getname(Call& call) {
  call.client.name.empty() ? call.reply.null() : call.reply.bulk(call.client.name);
}

/// Source  Redis 7.2, whose clients' libraries send it without asking
inline void client_setinfo(Call& call) {
  const bool is_name = is_word(call[2], "lib-name");
  if (!is_name && !is_word(call[2], "lib-ver")) {
    throw CommandError("ERR Unrecognized option '" + std::string(call[2].substr(0, 128)) + "'");
  }
  const std::string_view text = call[3];
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; })) {
    throw CommandError(std::string("ERR ") + (is_name ? "lib-name" : "lib-ver") +
                       " cannot contain spaces, newlines or special characters.");
  }
  (is_name ? call.client.library_name : call.client.library_version) = text;
  call.reply.ok();
}

inline void client_reply(Call& call) {
  using Replies = detail::Client::Replies;
  if (is_word(call[2], "on")) {
    call.client.replies = Replies::on;
    call.reply.ok();
  } else if (is_word(call[2], "off")) {
    call.client.replies = Replies::off;
  } else if (!is_word(call[2], "skip")) {
    syntax_error();
  } else if (call.client.replies != Replies::off) {
    call.client.replies = Replies::skip_next;
  }
}

inline void client_no_evict(Call& call) {
  if (!is_word(call[2], "on") && !is_word(call[2], "off")) syntax_error();
  call.client.is_never_evicted = is_word(call[2], "on");
  call.reply.ok();
}

/// Nobody is told here of keys that change, to cache them.
inline void client_tracking(Call& call) {
  if (is_word(call[2], "on")) throw CommandError("ERR client tracking is not supported");
  if (!is_word(call[2], "off") || call.size() > 3) syntax_error();
  call.reply.ok();
}

inline void client_caching(Call&) {
  throw CommandError(
      "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
      "enabled");
}

inline void client_trackinginfo(Call& call) {
  call.reply.map(3);
  call.reply.bulk("flags"), call.reply.set(1), call.reply.bulk("off");
  call.reply.bulk("redirect"), call.reply.integer(-1);
  call.reply.bulk("prefixes"), call.reply.array(0);
}

// --- Waiting -----------------------------------------------------------------------------------------------

inline void client_pause(Call& call) {
  if (call.size() > 4) wrong_subcommand(call, "CLIENT");
  bool writes_only = false;
  if (call.size() == 4) {
    writes_only = is_word(call[3], "write");
    if (!writes_only && !is_word(call[3], "all")) {
      throw CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  const auto ms = resp::parse_integer(call[2]);
  if (!ms) throw CommandError("ERR timeout is not an integer or out of range");
  if (*ms < 0) throw CommandError("ERR timeout is negative");
  const std::chrono::milliseconds duration(std::min<std::int64_t>(*ms, std::int64_t{1} << 40));
  call.server.pauses.begin({call.server.now() + duration, writes_only});
  call.reply.ok();
}

inline void client_unpause(Call& call) {
  call.server.end_pause();
  call.reply.ok();
}

inline void client_unblock(Call& call) {
  bool with_error = false;
  if (call.size() > 4) wrong_subcommand(call, "CLIENT");
  if (call.size() == 4) {
    with_error = is_word(call[3], "error");
    if (!with_error && !is_word(call[3], "timeout")) {
      throw CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  const auto client = find_client(call, static_cast<std::uint64_t>(integer_of(call[2])));
  if (!client || !client->is_blocked || !client->unblock) return call.reply.integer(0);
  const auto unblock = std::exchange(client->unblock, nullptr);
  unblock(with_error);
  call.reply.integer(1);
}

inline void client_help(Call& call) {
  reply_help(call, "CLIENT",
             {"CACHING (YES|NO)",
              "For client tracking, which is not supported.",
              "GETREDIR",
              "Where tracking is redirected to: nowhere.",
              "GETNAME",
              "The name of this connection.",
              "ID",
              "The number of this connection.",
              "INFO",
              "This connection's line of LIST.",
              "KILL <ip:port>",
              "End the connection from this address.",
              "KILL <option> <value> [<option> <value> ...]",
              "End connections by ID, TYPE, USER, ADDR and LADDR; SKIPME no: this one as well.",
              "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> ...]",
              "One line for each connection.",
              "NO-EVICT (ON|OFF)",
              "Accepted; no connection is ended to free memory.",
              "PAUSE <milliseconds> [WRITE|ALL]",
              "Have commands wait for some time.",
              "REPLY (ON|OFF|SKIP)",
              "Whether commands of this connection are answered.",
              "SETINFO <option> <value>",
              "What the client's library is: LIB-NAME, LIB-VER.",
              "SETNAME <name>",
              "Name this connection.",
              "TRACKING (ON|OFF)",
              "Client tracking, which is not supported.",
              "TRACKINGINFO",
              "The state of tracking: off.",
              "UNBLOCK <id> [TIMEOUT|ERROR]",
              "Have a blocked connection go on.",
              "UNPAUSE",
              "End a pause."});
}

inline void add_clients(detail::CommandTable& table) {
  constexpr auto own = "noscript loading stale";
  constexpr auto admin = "admin noscript loading stale";
  const auto add = [&table](std::string name, int arity, const char* flags, void (*run)(Call&)) {
    table.add({"client|" + name, arity, flags, "connection", {}, run});
  };
  table.add({"client", -2, "", "", {}, {}});
  add("id", 2, own, [](Call& call) { call.reply.integer(call.client.id); });
  add("info", 2, own,
      [](Call& call) { call.reply.verbatim(detail::client_line(call.client, call.server.now()) + "\n"); });
  add("list", -2, admin, client_list);
  add("kill", -3, admin, client_kill);
  add("setname", 3, own, client_setname);
  add("getname", 2, own, client_getname);
  add("setinfo", 4, own, client_setinfo);
  add("reply", 3, own, client_reply);
  add("no-evict", 3, admin, client_no_evict);
  add("pause", -3, admin, client_pause);
  add("unpause", 2, admin, client_unpause);
  add("unblock", -3, admin, client_unblock);
  add("tracking", -3, own, client_tracking);
  add("trackinginfo", 2, own, client_trackinginfo);
  add("caching", 3, own, client_caching);
  add("getredir", 2, own, [](Call& call) { call.reply.integer(-1); });
  add("help", 2, "loading stale", client_help);
}

}  // namespace replikv::inline v0_1::server::commands
