// DEBUG: what tools and test suites lean on, where it is allowed.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/replication/detail/whole_databases.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/help.hpp>
#include <replikv/server/detail/commands/inspection.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/digest.hpp>
#include <replikv/server/detail/server.hpp>
#include <replikv/store/detail/database.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace replikv::inline v0_1::server::commands {

// --- RELOAD ---------------------------------------------------------------------------------------------

[[noreturn, gnu::cold]] inline void cannot_load() {
  throw CommandError("ERR Error trying to load the RDB dump, check server logs.");
}

/// A database as an RDB file. Precondition: locked, so that a scan is one instant.
[[nodiscard]] inline std::string rdb_file_of(const Keyspace& keys) {
  std::vector<std::string> names;
  keys.scan(0, [&names](std::string_view key, std::string_view) { names.emplace_back(key); });
  rdb::Writer writer({.compress = true});
  writer.header();
  writer.select_database(0);
  for (const std::string& key : names) {
    const WallTime expires_at = keys.expires_at(key).value_or(Keyspace::never);
    const auto expiry = expires_at == Keyspace::never
                            ? std::nullopt
                            : std::optional<std::int64_t>(expires_at.time_since_epoch().count());
    keys.visit(key, [&](std::string_view value) { writer.key(key, value, expiry); });
  }
  writer.end();
  return writer.take();
}

inline void load_rdb_file(std::string_view file, detail::DatabaseLoad& load) {
  rdb::Reader reader;
  reader.feed(as_bytes(file));
  while (const auto item = reader.next()) {
    const auto* const entry = std::get_if<rdb::Entry>(&*item);
    if (entry == nullptr) continue;
    const WallTime expires_at =
        entry->expire_at_ms ? WallTime(std::chrono::milliseconds(*entry->expire_at_ms)) : Keyspace::never;
    if (load.insert(entry->key, entry->value, expires_at)) cannot_load();
  }
  if (!reader.finished()) cannot_load();
}

/// Puts what was saved and loaded in the place of what was there. False, and nothing happened, when there
/// are keys that have expired: they must not go without a DEL in the stream.
[[nodiscard]] inline bool reload(Keyspace& keys, detail::Database& database) {
  const auto load = database.begin_load();  // destroyed, with the old contents, when the locks are gone
  bool is_whole = false;
  keys.atomically([&](Keyspace& all) {
    load_rdb_file(rdb_file_of(all), *load);
    is_whole = load->size() == database.size();
    if (is_whole) database.adopt(*load);
  });
  return is_whole;
}

inline void debug_reload(Call& call) {
  for (const std::string_view option : call.words.subspan(2)) {
    if (!is_word(option, "merge") && !is_word(option, "noflush") && !is_word(option, "nosave")) {
      throw CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    }
  }
  if (call.keys.is_locked()) throw CommandError("ERR a transaction cannot reload the databases");
  constexpr int tries_max = 3;
  for (std::uint32_t i = 0; i < call.server.databases(); ++i) {
    detail::Database& database = *call.server.node->databases[i];
    for (int tries = 0; tries < tries_max && !reload(call.server.database(i), database); ++tries) {
      database.expire_due(Duration::max());
    }
  }
  call.reply.ok();
}

// --- The rest -------------------------------------------------------------------------------------------

/// Everybody waits meanwhile: that is what it is for.
inline void debug_sleep(Call& call) {
  constexpr double longest_seconds = 3'600;
  const double seconds = std::strtod(std::string(call[2]).c_str(), nullptr);
  if (seconds > 0)
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(seconds, longest_seconds)));
  call.reply.ok();
}

[[nodiscard]] inline detail::DataDigest digest_of_all(const detail::Server& server) {
  detail::DataDigest all;
  for (std::uint32_t number = 0; number < server.databases(); ++number) {
    const Keyspace& keys = server.database(number);
    std::vector<std::string> names;
    std::uint64_t cursor = 0;
    do {
      cursor = keys.scan(cursor, [&](std::string_view key, std::string_view) { names.emplace_back(key); });
    } while (cursor != 0);
    if (!names.empty()) all.append_number(number);
    for (const std::string& name : names) {
      detail::DataDigest one;
      one.append(name);
      one.append_value(keys, name);
      all.add(one);
    }
  }
  return all;
}

inline void debug_digest(Call& call) {
  if (call.keys.is_locked()) throw CommandError("ERR a transaction cannot read all databases");
  call.reply.simple(digest_of_all(call.server).hexadecimal());
}

inline void debug_digest_value(Call& call) {
  call.reply.array(call.size() - 2);
  for (const std::string_view key : call.words.subspan(2)) {
    detail::DataDigest value;
    value.append_value(call.keys, key);
    call.reply.simple(value.hexadecimal());
  }
}

inline void debug_set_active_expire(Call& call) {
  call.server.node->expires_actively = std::atoi(std::string(call[2]).c_str()) != 0;
  call.reply.ok();
}

inline void debug_change_repl_id(Call& call) {
  detail::change_replication_id(*call.server.node);
  call.reply.ok();
}

inline void debug_object(Call& call) {
  std::string text;
  call.keys.visit(call[2], [&text](std::string_view value) {
    std::string saved;
    rdb::append_string(saved, value, {.compress = true});
    text = "Value at:0x0 refcount:" + std::to_string(reference_count_of(value)) +
           " encoding:" + std::string(encoding_of(value)) +
           " serializedlength:" + std::to_string(saved.size()) + " lru:0 lru_seconds_idle:0";
  });
  if (text.empty()) throw CommandError("ERR no such key");
  call.reply.simple(text);
}

inline void debug_help(Call& call) {
  reply_help(call, "DEBUG",
             {"CHANGE-REPL-ID", "Takes a new replication id that no replica can continue from.",    //
              "DIGEST", "Replies a fingerprint of all data: equal data, equal fingerprint.",        //
              "DIGEST-VALUE <key> [<key> ...]", "Replies the fingerprints of values.",              //
              "OBJECT <key>", "Replies how the value of <key> is held.",                            //
              "RELOAD [<option> ...]", "Saves all data, in memory, and loads them again.",          //
              "SET-ACTIVE-EXPIRE <0|1>", "Whether keys that have expired go before anybody asks.",  //
              "SLEEP <seconds>", "Stops the server for a while; fractions are allowed."});
}

/// Source  Redis 7.0: DEBUG is one command, whose parts check their own words
inline void debug(Call& call) {
  if (!call.server.options.allow_debug) {
    throw CommandError(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run "
        "it "
        "from a local connection, otherwise you need to set this option in the configuration file, and then "
        "restart the server.");
  }
  struct Part {
    std::string_view name;
    std::size_t words_min;
    std::size_t words_max;
    void (*run)(Call&);
  };
  constexpr std::size_t any = ~std::size_t{0};
  static constexpr Part parts[] = {{"help", 2, 2, debug_help},
                                   {"sleep", 3, 3, debug_sleep},
                                   {"reload", 2, any, debug_reload},
                                   {"digest", 2, 2, debug_digest},
                                   {"digest-value", 2, any, debug_digest_value},
                                   {"set-active-expire", 3, 3, debug_set_active_expire},
                                   {"change-repl-id", 2, 2, debug_change_repl_id},
                                   {"object", 3, any, debug_object}};
  for (const Part& part : parts) {
    if (!is_word(call[1], part.name) || call.size() < part.words_min || call.size() > part.words_max)
      continue;
    return part.run(call);
  }
  throw CommandError("ERR unknown subcommand or wrong number of arguments for '" +
                     std::string(call[1].substr(0, 128)) + "'. Try DEBUG HELP.");
}

inline void add_debug(detail::CommandTable& table) {
  table.add({"debug", -2, "admin noscript loading stale", "", {}, debug});
}

}  // namespace replikv::inline v0_1::server::commands
