// Positions in a command stream. An offset counts bytes and means something only together with the
// replication id of its history (stream/replication_id.hpp).
#pragma once

#include <compare>
#include <cstdint>

namespace replikv::inline v0_1 {

/// A replication offset: how many bytes of a history have been written, applied or acknowledged.
///
/// Units   bytes; 0 = nothing yet; the first byte of a history is byte number 1
/// Source  Redis master_repl_offset. PSYNC asks for `next_byte()`: the applied offset + 1.
struct Offset {
  std::uint64_t bytes = 0;

  [[nodiscard]] constexpr std::uint64_t next_byte() const noexcept { return bytes + 1; }

  friend constexpr auto operator<=>(Offset, Offset) = default;
  friend constexpr Offset operator+(Offset offset, std::uint64_t more) noexcept {
    return {offset.bytes + more};
  }
  /// How far `later` is ahead. Precondition: `later >= earlier`.
  friend constexpr std::uint64_t operator-(Offset later, Offset earlier) noexcept {
    return later.bytes - earlier.bytes;
  }
};

/// Offsets beyond this are refused from a peer: they could only come from an attack, and the margin
/// keeps every sum of an offset and a length inside 64 bits.
inline constexpr Offset offset_max{std::uint64_t{1} << 62};

}  // namespace replikv::inline v0_1
