// What a write returns: the place in the command stream where it is complete. Handed to a replica, it
// is how a caller reads its own writes.
#pragma once

#include <replikv/stream/offset.hpp>
#include <replikv/stream/replication_id.hpp>

namespace replikv::inline v0_1 {

/// A position in a named history. Default-constructed: a write to a store without a role.
struct Token {
  ReplicationId id;
  Offset offset;

  friend constexpr bool operator==(const Token&, const Token&) = default;
};

/// A write's token, and whether it changed anything. Converts to bool: `if (store.erase("k"))`.
struct Written : Token {
  bool changed = false;

  explicit constexpr operator bool() const noexcept { return changed; }
  friend constexpr bool operator==(const Written&, const Written&) = default;
};

}  // namespace replikv::inline v0_1
