// Local writes that concern more than one database, or all of one: each is one command in the stream, and
// happens in one instant. What a store does alone is known there.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/replication/detail/locked_databases.hpp>
#include <replikv/replication/detail/node_core.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/store/detail/attachment.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/store/detail/store_core.hpp>
#include <replikv/stream/replication_id.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Appends a command to a node's stream while its databases are locked, unless its writes are its own.
class StreamedWrite {
 public:
  explicit StreamedWrite(NodeCore& node) noexcept : node_(node) {}

  void append(std::uint32_t database, std::initializer_list<std::string_view> words) {
    append(database, resp::Arguments(words.begin(), words.size()));
  }
  void append(std::uint32_t database, resp::Arguments words) {
    if (node_.gate->mode() == WriteMode::local) return;
    node_.stream->append(database, words);
    waker_.claim(node_.stream);
  }

 private:
  NodeCore& node_;
  Waker waker_;
};

/// Two databases, or one twice, for as long as this lives.
class LockedPair {
 public:
  LockedPair(NodeCore& node, std::uint32_t one, std::uint32_t other)
      : databases_{node.databases[std::min(one, other)], node.databases[std::max(one, other)]},
        locked_(std::span(databases_).first(one == other ? 1 : 2)) {}

 private:
  std::array<Database*, 2> databases_;
  LockedDatabases locked_;
};

/// SWAPDB: exchanges the contents of two databases. Stores of different types: `Errc::bad_value`.
inline void swap_databases(NodeCore& node, std::uint32_t selected, std::uint32_t one, std::uint32_t other) {
  StreamedWrite write(node);
  const LockedPair locked(node, one, other);
  throw_if(node.gate->refusal());
  if (!node.databases[one]->swap_contents(*node.databases[other])) throw_error(Errc::bad_value);
  try {
    write.append(selected, {"SWAPDB", resp::IntegerText(one).view(), resp::IntegerText(other).view()});
  } catch (...) {
    node.databases[one]->swap_contents(*node.databases[other]);
    throw;
  }
}

/// FLUSHALL, as its caller spells it: removes everything from all databases.
inline void clear_databases(NodeCore& node, std::uint32_t selected, resp::Arguments words) {
  std::vector<std::unique_ptr<DatabaseLoad>> contents;  // new ones, and then the old: gone with no lock held
  contents.reserve(node.databases.size());
  for (const Database* database : node.databases) contents.push_back(database->begin_load());
  StreamedWrite write(node);
  const LockedDatabases locked(node.databases);
  throw_if(node.gate->refusal());
  write.append(selected, words);
  for (std::size_t i = 0; i < contents.size(); ++i) node.databases[i]->adopt(*contents[i]);
}

/// MOVE: takes a key with its expiry to another database, if it is there and the other has none of its name.
/// Bytes that are no key or value there: `Errc::bad_value`. Precondition: `from != to`.
inline bool move_key(NodeCore& node, std::uint32_t from, std::uint32_t to, std::string_view key,
                     WallTime now) {
  assert(from != to);
  Database& giver = *node.databases[from];
  Database& taker = *node.databases[to];
  StreamedWrite write(node);
  const LockedPair locked(node, from, to);
  throw_if(node.gate->refusal());
  const std::optional<Stored> moved = giver.read(key, Locks::held);
  if (!moved || moved->expires_at <= now) return false;
  if (const auto there = taker.read(key, Locks::held)) {
    if (there->expires_at > now) return false;
    write.append(to, {"DEL", key});  // a replica would take it for one that is still there
    taker.erase(key, Locks::held);
  }
  giver.set_expiry(key, moved->expires_at, Locks::held);  // a snapshot copies now: erasing takes no memory
  throw_if(taker.assign(key, moved->value, moved->expires_at, Locks::held));
  try {
    write.append(from, {"MOVE", key, resp::IntegerText(to).view()});
  } catch (...) {
    taker.erase(key, Locks::held);
    throw;
  }
  giver.erase(key, Locks::held);
  return true;
}

/// Goes on under an id that nobody knows, so that no replica that leaves now can continue (Redis: DEBUG
/// CHANGE-REPL-ID).
inline void change_replication_id(NodeCore& node) {
  const Turn turn(node);
  node.stream->continue_as(ReplicationId::random(node.random));
  node.stream->continue_as(ReplicationId::random(node.random));  // the former id is forgotten, too
}

}  // namespace replikv::inline v0_1::detail
