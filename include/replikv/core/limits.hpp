// The protocol's own limits, in one place: what a well-behaved Redis peer never exceeds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace replikv::inline v0_1::limits {

/// Longest key or value (Redis: proto-max-bulk-len).
inline constexpr std::size_t bulk_bytes_max = std::size_t{512} << 20;

/// Longest header or inline line, terminator included (Redis: 64 KiB).
inline constexpr std::size_t line_bytes_max = std::size_t{64} << 10;

/// Most arguments of one command (Redis 6.2: 1 048 576; later 2^31 - 1, which no master sends).
inline constexpr std::uint32_t arguments_max = 1'048'576;

/// Before authentication a peer may send this much and no more (Redis 7.0).
inline constexpr std::uint32_t unauthenticated_arguments_max = 10;
inline constexpr std::size_t unauthenticated_bulk_bytes_max = std::size_t{16} << 10;

}  // namespace replikv::inline v0_1::limits
