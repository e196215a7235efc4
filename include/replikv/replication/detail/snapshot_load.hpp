// The snapshot of a full resync, on its way in: it is built apart from what readers see, and replaces
// that at once when it is whole, or never.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/rdb/item.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/stream/offset.hpp>
#include <replikv/stream/replication_id.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

namespace replikv::inline v0_1::detail {

/// New contents for all databases of a role.
///
/// Thread safety  one caller at a time
class SnapshotLoad {
 public:
  SnapshotLoad(std::span<Database* const> databases, Unmirrored policy, const ReplicationId& id,
               Offset offset)
      : policy_(policy), id_(id), offset_(offset) {
    for (const Database* database : databases) loads_.push_back(database->begin_load());
  }

  [[nodiscard]] std::optional<Failure> take(const rdb::Item& item) {
    if (const auto* entry = std::get_if<rdb::Entry>(&item)) return take(*entry);
    if (std::holds_alternative<rdb::SkippedEntry>(item)) return not_mirrored("a value that is no string");
    if (const auto* select = std::get_if<rdb::SelectDatabase>(&item)) database_ = select->database;
    if (const auto* hint = std::get_if<rdb::ResizeDatabase>(&item)) reserve(*hint);
    if (const auto* fact = std::get_if<rdb::Auxiliary>(&item);
        fact != nullptr && fact->key == "repl-stream-db") {
      stream_database_ = static_cast<std::uint32_t>(resp::parse_unsigned(fact->value).value_or(0) & 0xffff);
    }
    return std::nullopt;
  }

  /// Puts the new contents in place; the old ones go with this object. Precondition: all databases are
  /// locked, and no lock is held when this object is destroyed.
  void adopt_into(std::span<Database* const> databases) noexcept {
    for (std::size_t i = 0; i < loads_.size(); ++i) databases[i]->adopt(*loads_[i]);
  }

  [[nodiscard]] std::uint64_t keys() const noexcept { return keys_; }
  [[nodiscard]] std::uint64_t unmirrored() const noexcept { return unmirrored_; }
  [[nodiscard]] const ReplicationId& id() const noexcept { return id_; }
  [[nodiscard]] Offset offset() const noexcept { return offset_; }

  /// The database the stream is in where it goes on (Redis: only this of the facts matters).
  [[nodiscard]] std::uint32_t stream_database() const noexcept { return stream_database_; }

 private:
  // A hint of the peer's: honoured up to what a moderate allocation costs.
  static constexpr std::uint64_t reserved_keys_max = 1 << 16;

  std::optional<Failure> take(const rdb::Entry& entry) {
    if (database_ >= loads_.size()) return not_mirrored("a key of database " + std::to_string(database_));
    const WallTime expires_at =
        entry.expire_at_ms ? WallTime(std::chrono::milliseconds(*entry.expire_at_ms)) : never;
    const std::error_code error = loads_[database_]->insert(entry.key, entry.value, expires_at);
    if (error == Errc::bad_value) return not_mirrored("bytes that are no value of the store");
    if (error) return Failure{error, "while loading a key"};
    ++keys_;
    return std::nullopt;
  }

  void reserve(const rdb::ResizeDatabase& hint) {
    if (database_ < loads_.size()) loads_[database_]->reserve(std::min(hint.keys, reserved_keys_max));
  }

  std::optional<Failure> not_mirrored(const std::string& what) {
    ++unmirrored_;
    if (policy_ == Unmirrored::count) return std::nullopt;
    return Failure{Errc::not_mirrored, "the snapshot holds " + what};
  }

  Unmirrored policy_;
  ReplicationId id_;
  Offset offset_;
  std::vector<std::unique_ptr<DatabaseLoad>> loads_;
  std::uint64_t database_ = 0;
  std::uint32_t stream_database_ = 0;
  std::uint64_t keys_ = 0;
  std::uint64_t unmirrored_ = 0;
};

}  // namespace replikv::inline v0_1::detail
