// What the tests of this room share: a clock that stands still, a store with a stream to write into, and
// snapshots read back.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/random.hpp>
#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace store_tests {

using namespace std::chrono_literals;
using replikv::Errc;
using replikv::detail::Database;
using replikv::detail::database_of;
using replikv::detail::DatabaseSnapshot;
using replikv::detail::Locks;
using replikv::detail::never;
using replikv::detail::WriteMode;

inline replikv::WallTime at_ms(std::int64_t ms) { return replikv::WallTime(std::chrono::milliseconds(ms)); }

/// Stands still at 1 000 000 ms until it is moved.
class ManualClock : public replikv::ClockSource {
 public:
  [[nodiscard]] replikv::WallTime now() const noexcept override { return now_; }
  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  replikv::WallTime now_ = at_ms(1'000'000);
};

/// Small segments in few shards, so that little data makes them split.
struct SmallPolicy : replikv::DefaultPolicy {
  static constexpr unsigned shard_bits = 2;
  static constexpr std::size_t segment_buckets = 2;
};

/// Every key has one of three hashes, which differ in their lowest bits alone.
struct CollidingPolicy : SmallPolicy {
  struct Hash {
    std::uint64_t operator()(std::string_view key) const noexcept { return key.size() % 3; }
  };
};

/// Good hashes, but for the bits that choose the shard and the segment.
struct CrowdedPolicy : SmallPolicy {
  struct Hash {
    std::uint64_t operator()(std::string_view key) const noexcept {
      return replikv::DefaultPolicy::Hash{}(key) >> 24;
    }
  };
};

using Strings = replikv::Store<std::string, std::string>;

/// A store's role, without the role.
class Role {
 public:
  template <class Store>
  explicit Role(Store& store, WriteMode mode = WriteMode::streamed, std::uint32_t database = 0)
      : database_(&database_of(store)),
        stream(std::make_shared<replikv::CommandStream>(replikv::ReplicationId::random(random_), 1 << 20)),
        gate(std::make_shared<replikv::detail::WriteGate>(mode)),
        cursor_(stream->cursor_at_end()) {
    auto attachment = std::make_shared<replikv::detail::Attachment>();
    attachment->stream = stream;
    attachment->gate = gate;
    attachment->database = database;
    const auto error = database_->attach(std::move(attachment));
    REQUIRE(!error);
  }
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;
  ~Role() { database_->detach(); }

  /// What was appended since the last call, as the commands' words: "SET k v; DEL k".
  std::string effects() {
    const std::string bytes = bytes_appended();
    std::string text;
    for (std::size_t next = 0; next < bytes.size();) {
      if (bytes[next] == '*') {
        if (!text.empty()) text += "; ";
      } else {  // '$'
        const std::size_t size = std::stoul(bytes.substr(next + 1));
        const std::size_t start = bytes.find('\n', next) + 1;
        if (!text.empty() && text.back() != ' ') text += ' ';
        text += bytes.substr(start, size);
        next = start + size;
      }
      next = bytes.find('\n', next) + 1;
    }
    return text;
  }

  std::string bytes_appended() {
    std::vector<replikv::SharedBytes> pieces;
    stream->read(cursor_, SIZE_MAX, pieces);
    std::string bytes;
    for (const auto& piece : pieces) bytes += replikv::as_text(piece.bytes());
    return bytes;
  }

 private:
  replikv::Random random_{7};
  Database* database_;

 public:
  std::shared_ptr<replikv::CommandStream> stream;
  std::shared_ptr<replikv::detail::WriteGate> gate;

 private:
  replikv::StreamCursor cursor_;
};

/// Key to value and expiry in milliseconds, INT64_MAX for none.
using Contents = std::map<std::string, std::pair<std::string, std::int64_t>>;

/// The entries of an RDB file's body. Fails on a key that comes twice.
inline Contents decode(std::string_view entries) {
  replikv::rdb::Writer writer;
  writer.header();
  writer.encoded(replikv::as_bytes(entries));
  writer.end();
  const std::string file = writer.take();
  replikv::rdb::Reader reader;
  reader.feed(replikv::as_bytes(file));
  Contents contents;
  while (const auto item = reader.next()) {
    const auto* const entry = std::get_if<replikv::rdb::Entry>(&*item);
    if (entry == nullptr) continue;
    const bool is_new =
        contents
            .emplace(entry->key, std::pair(std::string(entry->value),
                                           entry->expire_at_ms.value_or(replikv::detail::never_ms)))
            .second;
    CHECK_MESSAGE(is_new, "twice: " << std::string(entry->key));
  }
  REQUIRE(reader.finished());
  return contents;
}

inline std::unique_ptr<DatabaseSnapshot> begin_snapshot(Database& database) {
  const std::lock_guard lock(database);
  return database.begin_snapshot();
}

inline Contents finish(DatabaseSnapshot& snapshot, std::string entries = {}) {
  while (snapshot.next(entries)) {
  }
  return decode(entries);
}

/// What the store holds now, expired keys included.
inline Contents contents_of(Database& database) {
  const auto snapshot = begin_snapshot(database);
  return finish(*snapshot);
}

}  // namespace store_tests
