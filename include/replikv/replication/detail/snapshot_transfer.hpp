// The snapshot of a full resync, on its way out: all stores of a role as they stood at one offset, as
// one RDB file in pieces. Made once for all replicas that wait for it; the writes go on meanwhile.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/version.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// One RDB file being made.
///
/// Thread safety  one caller at a time; the stores may be written meanwhile
class SnapshotTransfer {
 public:
  explicit SnapshotTransfer(std::span<Database* const> databases) : databases_(databases) {
    parts_.reserve(databases.size());
  }

  /// Begins with this instant. Precondition: all databases are locked by the caller; if it throws, they are
  /// unlocked before this object is destroyed. `stream_database`: the database the stream is in, told in
  /// `repl-stream-db`.
  void begin(const CommandStream& stream, std::uint32_t stream_database) {
    cursor_ = stream.cursor_at_end();
    position_ = stream.position();
    for (Database* database : databases_) parts_.push_back(database->begin_snapshot());
    writer_.header();
    writer_.auxiliary("redis-ver", "7.0.15");
    writer_.auxiliary("redis-bits", sizeof(void*) == 8 ? "64" : "32");
    writer_.auxiliary("repl-stream-db", std::to_string(stream_database));
    writer_.auxiliary("repl-id", position_.id.text());
    writer_.auxiliary("repl-offset", std::to_string(position_.offset.bytes));
  }

  /// Where the stream goes on after this snapshot.
  [[nodiscard]] const StreamCursor& cursor() const noexcept { return cursor_; }
  [[nodiscard]] const Token& position() const noexcept { return position_; }

  [[nodiscard]] std::uint64_t keys() const noexcept {
    std::uint64_t total = 0;
    for (const auto& part : parts_) total += part->keys();
    return total;
  }

  /// The next piece, of about `piece_bytes`; empty at the end of the file.
  [[nodiscard]] SharedBytes next() {
    writer_.reserve(piece_bytes + piece_bytes / 8);
    while (writer_.pending_bytes() < piece_bytes && at_ < parts_.size()) advance();
    if (at_ == parts_.size() && !ended_) {
      writer_.end();
      ended_ = true;
    }
    return SharedBytes(writer_.take());
  }

 private:
  static constexpr std::size_t piece_bytes = std::size_t{128} << 10;

  void advance() {
    DatabaseSnapshot& part = *parts_[at_];
    if (!announced_ && part.keys() > 0) {
      writer_.select_database(at_);
      writer_.resize(part.keys(), part.expiring_keys());
    }
    announced_ = true;
    if (writer_.encoded_by([&part](std::string& out) { return part.next(out); })) return;
    ++at_;
    announced_ = false;
  }

  std::span<Database* const> databases_;
  StreamCursor cursor_;
  Token position_;
  std::vector<std::unique_ptr<DatabaseSnapshot>> parts_;
  std::size_t at_ = 0;
  bool announced_ = false;
  bool ended_ = false;
  rdb::Writer writer_;
};

}  // namespace replikv::inline v0_1::detail
