// A snapshot on its way out: one RDB file of an instant, in pieces, while the writes go on.
#include <replikv/core/random.hpp>
#include <replikv/rdb/reader.hpp>
#include <replikv/replication/detail/snapshot_load.hpp>
#include <replikv/replication/detail/snapshot_transfer.hpp>
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using replikv::detail::database_of;
using replikv::detail::SnapshotLoad;
using replikv::detail::SnapshotTransfer;
namespace rdb = replikv::rdb;

namespace {

using Words = replikv::Store<std::string, std::string>;

struct TransferFixture {
  Words first, second, third;
  std::vector<replikv::detail::Database*> databases{&database_of(first), &database_of(second),
                                                    &database_of(third)};
  replikv::Random random{3};
  replikv::ReplicationId id = replikv::ReplicationId::random(random);
  replikv::CommandStream stream{id, 1 << 20};

  void begin(SnapshotTransfer& transfer, std::uint32_t stream_database = 0) {
    for (auto* database : databases) database->lock();
    transfer.begin(stream, stream_database);
    for (auto* database : databases) database->unlock();
  }

  static std::string file_of(SnapshotTransfer& transfer) {
    std::string file;
    for (;;) {
      const replikv::SharedBytes piece = transfer.next();
      if (piece.empty()) return file;
      file += replikv::as_text(piece.bytes());
    }
  }

  static std::map<std::string, std::string> facts_of(std::string_view file) {
    std::map<std::string, std::string> facts;
    rdb::Reader reader;
    reader.feed(replikv::as_bytes(file));
    while (const auto item = reader.next()) {
      if (const auto* fact = std::get_if<rdb::Auxiliary>(&*item)) facts.emplace(fact->key, fact->value);
    }
    CHECK(reader.finished());
    return facts;
  }

  /// What selects and resizes, in order: "0(2,1) 2(1,0)".
  static std::string databases_of(std::string_view file) {
    std::string text;
    rdb::Reader reader;
    reader.feed(replikv::as_bytes(file));
    while (const auto item = reader.next()) {
      if (const auto* select = std::get_if<rdb::SelectDatabase>(&*item))
        text += (text.empty() ? "" : " ") + std::to_string(select->database);
      if (const auto* size = std::get_if<rdb::ResizeDatabase>(&*item))
        text += "(" + std::to_string(size->keys) + "," + std::to_string(size->expires) + ")";
    }
    CHECK(reader.finished());
    return text;
  }
};

std::map<std::string, std::string> held_by(const Words& store) {
  std::map<std::string, std::string> all;
  store.for_each([&all](std::string_view key, std::string_view value) { all.emplace(key, value); });
  return all;
}

}  // namespace

TEST_CASE_FIXTURE(TransferFixture, "SnapshotTransfer: names its history, and the database of the stream") {
  stream.restart(id, replikv::Offset{4711}, 2);
  SnapshotTransfer transfer{databases};
  begin(transfer, 2);
  CHECK(transfer.position().id == id);
  CHECK(transfer.position().offset == replikv::Offset{4711});
  CHECK(transfer.keys() == 0);
  const auto facts = facts_of(file_of(transfer));
  CHECK(facts.at("repl-id") == id.text());
  CHECK(facts.at("repl-offset") == "4711");
  CHECK(facts.at("repl-stream-db") == "2");
  CHECK(facts.contains("redis-ver"));
}

TEST_CASE_FIXTURE(TransferFixture,
                  "SnapshotTransfer: announces the databases that hold something, with their sizes") {
  {
    SnapshotTransfer nothing{databases};
    begin(nothing);
    CHECK(databases_of(file_of(nothing)).empty());
  }

  first.set_many({{"a", "1"}, {"b", "2"}});
  first.expire("b", std::chrono::hours(1));
  third.set("c", "3");
  SnapshotTransfer some{databases};
  begin(some);
  CHECK(some.keys() == 3);
  CHECK(databases_of(file_of(some)) == "0(2,1) 2(1,0)");
}

TEST_CASE_FIXTURE(TransferFixture,
                  "SnapshotTransfer: comes in pieces of its instant, and is loaded as it was") {
  constexpr std::size_t value_bytes = 100;
  for (int i = 0; i < 20'000; ++i) first.set(std::to_string(i), std::string(value_bytes, 'x'));
  for (int i = 0; i < 100; ++i) third.set(std::to_string(i), "third");
  const auto before = held_by(first);
  SnapshotTransfer transfer{databases};
  begin(transfer);

  Words copies[3];
  const std::vector<replikv::detail::Database*> into{&database_of(copies[0]), &database_of(copies[1]),
                                                     &database_of(copies[2])};
  SnapshotLoad load{into, replikv::Unmirrored::fail, id, transfer.position().offset};
  rdb::Reader reader;
  std::size_t pieces = 0;
  std::size_t largest = 0;
  for (;;) {
    const replikv::SharedBytes piece = transfer.next();
    if (piece.empty()) break;
    largest = std::max(largest, piece.bytes().size());
    reader.feed(piece.bytes());
    while (const auto item = reader.next()) REQUIRE_FALSE(load.take(*item));
    for (int i = 0; i < 3; ++i) first.set(std::to_string(random.below(20'000)), "written meanwhile");
    second.set("written", "meanwhile");
    third.clear();
    ++pieces;
  }
  CHECK(transfer.next().empty());
  REQUIRE(reader.finished());
  CHECK(pieces > 10);
  CHECK(largest < 1 << 20);
  CHECK(load.keys() == transfer.keys());
  for (auto* database : into) database->lock();
  load.adopt_into(into);
  for (auto* database : into) database->unlock();
  CHECK((held_by(copies[0]) == before));
  CHECK(copies[1].empty());
  CHECK(copies[2].size() == 100);
}
