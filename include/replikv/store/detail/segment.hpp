// The growth unit of a table: a few hundred slots in buckets of one cache line. Slots are tagged pointers,
// so a look-up reads one line, and an entry only when 16 bits of its hash agree.
#pragma once

#include <replikv/store/detail/entry.hpp>
#include <replikv/store/policy.hpp>

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace replikv::inline v0_1::detail {

/// Empty, a tombstone, or an entry's address with 16 bits of its hash above.
using Slot = std::uint64_t;

inline constexpr Slot empty_slot = 0;
inline constexpr Slot tombstone = 1;
inline constexpr unsigned address_bits = 48;  // of user space, on all 64-bit systems unless asked for more
inline constexpr std::size_t bucket_slots = cache_line_bytes / sizeof(Slot);

[[nodiscard]] inline bool is_entry(Slot slot) noexcept { return slot > tombstone; }

template <class Entry>
[[nodiscard]] Entry* entry_of(Slot slot) noexcept {
  return reinterpret_cast<Entry*>(slot & ((Slot{1} << address_bits) - 1));
}

struct alignas(cache_line_bytes) Bucket {
  std::array<Slot, bucket_slots> slots{};
};

/// The slots of a bucket that have one tag, and may hold its key. All are compared at once: a branch for each
/// would be mispredicted as often as not, because which slot it is, is chance. An empty slot has tag 0.
class Candidates {
 public:
  Candidates(const Bucket& bucket, Slot tag) noexcept {
    const auto tag_of = [&](std::size_t i) {
      return static_cast<std::uint16_t>(bucket.slots[i] >> address_bits);
    };
    const Tags tags{tag_of(0), tag_of(1), tag_of(2), tag_of(3), tag_of(4), tag_of(5), tag_of(6), tag_of(7)};
    const auto equal = tags == Tags{} + static_cast<std::uint16_t>(tag);
    left_ = std::bit_cast<std::uint64_t>(__builtin_convertvector(equal, Bytes)) & 0x0101010101010101;
  }

  [[nodiscard]] explicit operator bool() const noexcept { return left_ != 0; }

  /// The number of the next one. Precondition: there is one.
  [[nodiscard]] std::size_t take() noexcept {
    const auto byte = static_cast<std::size_t>(std::countr_zero(left_)) / 8;
    left_ &= left_ - 1;
    return std::endian::native == std::endian::little ? byte : bucket_slots - 1 - byte;
  }

 private:
  static_assert(bucket_slots == 8);

  // GCC's and Clang's vectors, which they compile for any processor.
  using Tags = std::uint16_t __attribute__((vector_size(16)));
  using Bytes = std::int8_t __attribute__((vector_size(8)));

  std::uint64_t left_;  // a byte for each slot: 1 or 0
};

/// Buckets probed one after the other from the key's home, until one with an empty slot. Where a segment
/// is full and cannot be split (keys of one hash), another continues it; then a probe that finds no empty
/// slot in the first goes on there. The header of the first counts for all of them.
///
/// Invariant  a bucket that was ever full never gets an empty slot again, so a probe never stops short
template <class Entry, std::size_t Buckets>
struct Segment {
  static_assert(std::has_single_bit(Buckets), "replikv: Policy::segment_buckets must be a power of two");

  static constexpr std::size_t slots = Buckets * bucket_slots;
  static constexpr std::size_t used_max = slots - slots / 8;  // beyond, probes grow long
  static constexpr unsigned home_bits = std::countr_zero(Buckets);

  explicit Segment(unsigned prefix_bits, std::uint64_t snapshot_epoch) noexcept
      : epoch(snapshot_epoch), depth(prefix_bits) {}
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() {
    for (Segment* next = overflow; next != nullptr;) {
      Segment* const last = next;
      next = last->overflow;
      last->overflow = nullptr;
      delete last;
    }
  }

  [[nodiscard]] static std::size_t home(std::uint64_t hash) noexcept { return hash & (Buckets - 1); }
  [[nodiscard]] static Slot tag(std::uint64_t hash) noexcept { return hash >> home_bits & 0xffff; }
  [[nodiscard]] static Slot slot_for(std::uint64_t hash, Entry* entry) noexcept {
    const auto address = reinterpret_cast<Slot>(entry);
    assert(address >> address_bits == 0 && is_entry(address));
    return tag(hash) << address_bits | address;
  }

  std::uint64_t epoch;                  // the table's when this was last written or walked
  std::int64_t next_expiry = never_ms;  // no entry expires before
  std::uint32_t live = 0;               // entries
  std::uint32_t expiring = 0;           // entries with an expiry
  std::uint32_t used = 0;               // slots of this segment alone that are not empty
  unsigned depth;                       // how many bits of the hash, behind the shard's, all entries share
  Segment* overflow = nullptr;          // owned
  std::array<Bucket, Buckets> buckets{};
};

}  // namespace replikv::inline v0_1::detail
