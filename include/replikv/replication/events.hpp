// What a master or a replica tells the application as it happens: links, resyncs, role changes.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/stream/offset.hpp>
#include <replikv/stream/partial_refusal.hpp>
#include <replikv/stream/replication_id.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace replikv::inline v0_1 {

/// Which way a link leads, seen from the node that reports it.
enum class LinkSide : std::uint8_t { to_master, to_replica };

/// A link carries the stream from now on.
struct LinkUp {
  LinkSide side;
  std::string peer;  ///< "127.0.0.1:6379"; for an in-process peer its address
};

/// A link ended, or an attempt to make one failed.
struct LinkDown {
  LinkSide side;
  std::string peer;
  Failure why;
};

struct FullResyncStarted {
  LinkSide side;
  std::string peer;
  ReplicationId id;
  Offset offset;    ///< the stream position the snapshot stands for
  std::string why;  ///< why a partial resync was not possible
  /// The same in numbers: what was asked for, and what the master has, as far as this end of the link knows.
  /// None where no history was asked for.
  std::optional<PartialRefusal> refusal{};
};

/// A snapshot is arriving; reported at most once a second and at its end.
struct FullResyncProgress {
  std::uint64_t bytes;        ///< received so far
  std::uint64_t bytes_total;  ///< 0: not announced (`$EOF:` framing)
  std::uint64_t keys;         ///< loaded so far
};

struct FullResyncDone {
  LinkSide side;
  std::string peer;
  Offset offset;
  std::uint64_t keys;  ///< on a replica: now held in all stores
};

/// On a master: the stream grew beyond the output limit during a full resync, which ended for that. The
/// replica tries again; if every attempt ends so, raise what `limit` names above `bytes_written`, or write
/// less meanwhile.
struct FullResyncOutgrown {
  enum class Limit : std::uint8_t {
    hard,     ///< `output_limit.hard_bytes`
    backlog,  ///< the backlog's size, which counts where it is more than `hard_bytes`
    soft,     ///< `output_limit.soft_bytes`, for longer than `soft_for`
  };
  std::string peer;
  std::uint64_t bytes_written;  ///< since the snapshot's instant, and waiting for the replica
  std::uint64_t bytes_max;      ///< the limit
  Limit limit;
  Duration lasted;         ///< from the snapshot's instant until now
  std::uint64_t attempts;  ///< of this replica, that ended so one after the other
};

struct PartialResync {
  LinkSide side;
  std::string peer;
  ReplicationId id;  ///< of the history that goes on
  Offset offset;     ///< it goes on after this
};

/// This node was a replica and is a master now, or the other way round.
struct Promoted {
  ReplicationId id;
  Offset offset;
};
struct Demoted {
  ReplicationId id;
  Offset offset;
};

/// Local writes were refused since the last such event (read-only, or not enough replicas).
struct WritesRejected {
  std::uint64_t count;
  Errc why;
};

/// A snapshot was refused by the shrink guard; the data held stays.
struct SnapshotRefused {
  std::uint64_t keys_held;
  std::uint64_t keys_offered;
};

/// A command could not be applied: the stores no longer fold the stream. A full resync follows.
struct Diverged {
  Offset offset;
  std::string why;
};

using Event =
    std::variant<LinkUp, LinkDown, FullResyncStarted, FullResyncProgress, FullResyncDone, FullResyncOutgrown,
                 PartialResync, Promoted, Demoted, WritesRejected, SnapshotRefused, Diverged>;

/// Called in the context of a transport, or in the thread that called the role; never with a lock held
/// that `info()` or a store needs, and never for a single write. One call at a time for each role.
using Observer = std::function<void(const Event&)>;

enum class LogLevel : std::uint8_t { debug, notice, warning };

/// Takes lines for a log, without a line end. Called as an `Observer` is.
using Logger = std::function<void(LogLevel, std::string_view)>;

}  // namespace replikv::inline v0_1
