// Why a stream cannot be continued for a peer: what was asked for, and what there is.
#pragma once

#include <replikv/stream/offset.hpp>
#include <replikv/stream/replication_id.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace replikv::inline v0_1 {

/// Why a partial resync is not possible, in words and in numbers. Bytes are numbered as PSYNC does: the first
/// byte of a history is byte number 1.
struct PartialRefusal {
  enum class Reason : std::uint8_t {
    not_asked,       ///< no history was named: the replica has none, or cannot say it
    not_a_byte,      ///< byte 0, or no number at all, was asked for
    unknown_id,      ///< another history
    parted,          ///< the former history, beyond the byte where this one went another way
    no_longer_held,  ///< the backlog begins later
    not_yet_there,   ///< the history ends earlier
  };

  std::string why{};  ///< one line for a log; tells what follows
  Reason reason = Reason::not_asked;

  ReplicationId asked_id{};           ///< the history that was to be continued
  std::uint64_t asked_next_byte = 0;  ///< the first byte the replica lacks; 0: none that can be read

  ReplicationId id{};                               ///< the history there is
  ReplicationId second_id{};                        ///< the history it continues, which would do as well ...
  std::optional<std::uint64_t> second_next_byte{};  ///< ... if asked for up to this byte
  std::optional<std::uint64_t> backlog_first_byte{};  ///< the oldest byte held; unknown to a replica
  Offset end{};                                       ///< the last one

  /// `no_longer_held`: from the byte asked for to the end; a backlog of this size would have done. A replica
  /// is told by a snapshot of the history it asked for: it needed this much when the snapshot was made.
  std::uint64_t needed_bytes = 0;
  std::uint64_t held_bytes = 0;  ///< how much there was; 0 on a replica: unknown
  /// How many bytes too few: gone before the oldest (`no_longer_held`; 0 on a replica: unknown), or still
  /// to be written (`not_yet_there`).
  std::uint64_t missing_bytes = 0;
};

}  // namespace replikv::inline v0_1
