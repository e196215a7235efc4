// Databases and what they hold, as several targets need them, and a snapshot carried from one set of
// databases to another.
#pragma once

#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/replication/detail/locked_databases.hpp>
#include <replikv/replication/detail/snapshot_load.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/stream/command_stream.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <tests/store/contents.hpp>

namespace fuzz {

using replikv::detail::Database;

using store_tests::begin_snapshot;
using store_tests::Contents;
using store_tests::contents_of;
using store_tests::decode;
using store_tests::ManualClock;

/// What a master with these databases sends in a full resync.
inline std::string file_of(std::span<Database* const> databases) {
  replikv::rdb::Writer writer;
  writer.header();
  for (std::size_t i = 0; i < databases.size(); ++i) {
    const auto snapshot = begin_snapshot(*databases[i]);
    writer.select_database(i);
    writer.resize(snapshot->keys(), snapshot->expiring_keys());
    std::string entries;
    while (snapshot->next(entries)) {
    }
    writer.encoded(replikv::as_bytes(entries));
  }
  writer.end();
  return writer.take();
}

/// A full resync without a link: a snapshot of `from` takes the place of what `to` holds.
inline void resync(std::span<Database* const> from, const replikv::CommandStream& stream,
                   std::span<Database* const> to, Cuts cuts) {
  using replikv::detail::LockedDatabases;
  const std::string file = file_of(from);
  const auto position = stream.position();
  replikv::detail::SnapshotLoad load(to, replikv::Unmirrored::count, position.id, position.offset);
  replikv::rdb::Reader reader;
  for (std::size_t at = 0; at < file.size();) {
    const ExactCopy piece(std::string_view(file).substr(at, cuts.next(file.size() - at)));
    at += piece.bytes().size();
    reader.feed(piece.bytes());
    while (const auto item = reader.next()) require(!load.take(*item), "a snapshot of ours can be loaded");
  }
  require(reader.finished(), "a snapshot of ours is whole");
  require(load.unmirrored() == 0, "stores of the same types hold all of it");
  const LockedDatabases locked(to);
  load.adopt_into(to);
}

}  // namespace fuzz
