// Where the k-th command from now ends in the stream that a replica gets: commands turned into bytes of a
// link.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/testing/node.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace replikv::inline v0_1::testing::detail {

/// Counts the commands that a replica's master has written after what the replica has applied; from the
/// beginning when either starts anew, or the replica follows another node.
class CommandCount {
 public:
  CommandCount(AnyNode& replica, std::uint64_t commands) : replica_(&replica), commands_(commands) {}

  [[nodiscard]] AnyNode& replica() const noexcept { return *replica_; }

  /// How many bytes the replica must still get until it has all of them; nothing while they are not
  /// written, or the link is not up.
  [[nodiscard]] std::optional<std::uint64_t> bytes_to_come() {
    if (!is_linked() || !begin() || !read_on()) return std::nullopt;
    const Offset received = replica_->info().master->received;
    return end_ > received ? end_ - received : 0;
  }

 private:
  [[nodiscard]] bool is_linked() const {
    const AnyNode* const master = replica_->followed();
    return replica_->is_replica() && master != nullptr && master->is_running() &&
           replica_->info().master->state == MasterLinkState::connected &&
           replica_->position().id == master->position().id;
  }

  // A cursor in the stream of the present master, at what the replica has applied.
  [[nodiscard]] bool begin() {
    const AnyNode* const master = replica_->followed();
    const std::uint64_t lives = replica_->lives() + master->lives();
    if (cursor_ && master == master_ && lives == lives_) return true;
    master_ = master;
    lives_ = lives;
    left_ = commands_;
    unparsed_.clear();
    parser_.reset();
    end_ = replica_->position().offset;
    PartialRefusal refusal;
    cursor_ = master->stream().continue_from(replica_->position().id, end_.next_byte(), refusal);
    return cursor_.has_value();
  }

  // True when the last one has been written.
  [[nodiscard]] bool read_on() {
    if (left_ == 0) return true;
    std::vector<SharedBytes> pieces;
    master_->stream().read(*cursor_, std::numeric_limits<std::size_t>::max(), pieces);
    for (const SharedBytes& piece : pieces) unparsed_ += as_text(piece.bytes());
    while (left_ > 0) {
      const resp::Parsed parsed = parser_.parse(as_bytes(unparsed_));
      if (parsed.status != resp::Parsed::Status::command) return false;
      unparsed_.erase(0, parsed.consumed);
      end_ = end_ + parsed.consumed;
      --left_;
    }
    return true;
  }

  AnyNode* replica_;
  std::uint64_t commands_;
  const AnyNode* master_ = nullptr;
  std::uint64_t lives_ = 0;
  std::uint64_t left_ = 0;
  std::optional<StreamCursor> cursor_;
  std::string unparsed_;
  resp::CommandParser parser_;
  Offset end_;  // of the last command counted
};

}  // namespace replikv::inline v0_1::testing::detail
