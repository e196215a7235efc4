// A database as a test sees it: what it holds, read from a snapshot of it, and a clock that stands still.
// Knows no test framework, so that fuzz targets can use it as well.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/store/detail/database.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace store_tests {

using replikv::detail::Database;
using replikv::detail::DatabaseSnapshot;

/// Stands still at 1 000 000 ms until it is moved.
class ManualClock : public replikv::ClockSource {
 public:
  [[nodiscard]] replikv::WallTime now() const noexcept override { return now_; }
  void advance(std::chrono::milliseconds by) noexcept { now_ += by; }

 private:
  replikv::WallTime now_{std::chrono::milliseconds(1'000'000)};
};

/// Key to value and expiry in milliseconds, INT64_MAX for none.
using Contents = std::map<std::string, std::pair<std::string, std::int64_t>>;

/// The entries of an RDB file's body. Throws when a key comes twice or the bytes are no entries.
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
    const auto expiry = entry->expire_at_ms.value_or(replikv::detail::never_ms);
    const std::string key(entry->key);
    if (!contents.emplace(key, std::pair(std::string(entry->value), expiry)).second)
      throw std::runtime_error("twice in a snapshot: " + key);
  }
  if (!reader.finished()) throw std::runtime_error("a snapshot that is no sound file");
  return contents;
}

inline std::unique_ptr<DatabaseSnapshot> begin_snapshot(Database& database) {
  const std::lock_guard lock(database);
  return database.begin_snapshot();
}

/// Reads a snapshot to its end, behind the entries read before.
inline Contents finish(DatabaseSnapshot& snapshot, std::string entries = {}) {
  while (snapshot.next(entries)) {
  }
  return decode(entries);
}

/// What the store holds now, expired keys included.
inline Contents contents_of(Database& database) { return finish(*begin_snapshot(database)); }

}  // namespace store_tests
