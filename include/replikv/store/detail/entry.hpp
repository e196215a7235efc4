// One key with its value, its expiry and when or how often it was used: one allocation. String pairs lie
// inline behind a header of 8 bytes, 16 where there is an expiry; any other types are members. It knows no
// hash and no lock.
#pragma once

#include <replikv/core/codec.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/store/detail/memory.hpp>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

namespace replikv::inline v0_1::detail {

/// `never`, as entries hold it: milliseconds since 1970.
inline constexpr std::int64_t never_ms = never.time_since_epoch().count();

[[nodiscard]] constexpr std::int64_t to_ms(WallTime time) noexcept { return time.time_since_epoch().count(); }
[[nodiscard]] constexpr WallTime to_wall_time(std::int64_t ms) noexcept {
  return WallTime(std::chrono::milliseconds(ms));
}

/// The last expiry an entry can hold: 2^48 - 2 milliseconds after 1970, in the year 10889.
inline constexpr std::int64_t latest_expiry_ms = (std::int64_t{1} << 48) - 2;

/// An expiry as entries hold it: times outside of what they can count are the first or the last they can.
[[nodiscard]] constexpr std::int64_t to_expiry_ms(WallTime time) noexcept {
  const std::int64_t ms = to_ms(time);
  return ms == never_ms ? ms : std::clamp<std::int64_t>(ms, 0, latest_expiry_ms);
}

/// An expiry in 48 bits.
class PackedExpiry {
 public:
  explicit PackedExpiry(std::int64_t ms) noexcept { set_expires_at_ms(ms); }

  [[nodiscard]] bool expires() const noexcept { return (low_ & middle_ & high_) != 0xffff; }
  /// `never_ms`, or from 0 to `latest_expiry_ms`.
  [[nodiscard]] std::int64_t expires_at_ms() const noexcept {
    const auto ms =
        static_cast<std::int64_t>(std::uint64_t{high_} << 32 | std::uint64_t{middle_} << 16 | low_);
    return ms > latest_expiry_ms ? never_ms : ms;
  }
  void set_expires_at_ms(std::int64_t ms) noexcept {
    assert(ms == never_ms || (ms >= 0 && ms <= latest_expiry_ms));
    low_ = static_cast<std::uint16_t>(ms);
    middle_ = static_cast<std::uint16_t>(ms >> 16);
    high_ = static_cast<std::uint16_t>(ms >> 32);
  }

 private:
  std::uint16_t low_;  // all ones: never
  std::uint16_t middle_;
  std::uint16_t high_;
};

/// 16 bits that tell when or how often an entry was used (see access.hpp). Readers write them under a shared
/// lock, so all go there by atomic accesses.
class AccessBits {
 public:
  [[nodiscard]] std::uint16_t access() const noexcept {
    return std::atomic_ref(access_).load(std::memory_order_relaxed);
  }
  void set_access(std::uint16_t access) const noexcept {
    std::atomic_ref(access_).store(access, std::memory_order_relaxed);
  }

 private:
  mutable std::uint16_t access_ = 0;
};

/// Keys and values of arbitrary types, behind 8 bytes of expiry and access.
template <class Key, class Value>
class Entry : public PackedExpiry, public AccessBits {
 public:
  using KeyView = ViewOf<Key>;
  using ValueView = ViewOf<Value>;

  /// Its bytes never change while it is overwritten.
  static constexpr bool keeps_memory = !HasHeap<Value>;

  [[nodiscard]] static Entry* create(KeyView key, ValueView value, std::int64_t expires_at_ms) {
    return new Entry(key, value, expires_at_ms);
  }
  static void destroy(Entry* entry) noexcept { delete entry; }

  [[nodiscard]] KeyView key() const noexcept { return key_; }
  [[nodiscard]] ValueView value() const noexcept { return value_; }

  /// True when `set_expires_at_ms` can take this expiry.
  [[nodiscard]] static constexpr bool takes_expiry(std::int64_t) noexcept { return true; }
  /// True when `overwrite` can take this value, and the entry this expiry.
  [[nodiscard]] static constexpr bool takes(ValueView, std::int64_t) noexcept { return is_overwritable; }
  void overwrite(ValueView value) noexcept {
    if constexpr (is_overwritable) value_ = value;
  }

  /// What an entry of these would take of the allocator, and what this one does.
  [[nodiscard]] static std::size_t memory_bytes_of(KeyView key, ValueView value, std::int64_t) {
    return allocated_bytes(sizeof(Entry)) + heap_bytes<Key>(key) + heap_bytes<Value>(value);
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    std::size_t bytes = allocated_bytes(sizeof(Entry)) + estimate_.bytes();
    if constexpr (!IsEstimated<Key>) bytes += heap_bytes<Key>(key_);
    if constexpr (!IsEstimated<Value>) bytes += heap_bytes<Value>(value_);
    return bytes;
  }

 private:
  // An estimate is made of the encoding, which may take memory: it is made once.
  static constexpr bool is_estimated = IsEstimated<Key> || IsEstimated<Value>;
  static constexpr bool is_overwritable = std::is_nothrow_copy_assignable_v<Value> && !IsEstimated<Value>;

  Entry(KeyView key, ValueView value, std::int64_t expires_at)
      : PackedExpiry(expires_at), estimate_(estimated(key, value)), key_(key), value_(value) {}

  [[nodiscard]] static std::size_t estimated(KeyView key, ValueView value) {
    std::size_t bytes = 0;
    if constexpr (IsEstimated<Key>) bytes += heap_bytes<Key>(key);
    if constexpr (IsEstimated<Value>) bytes += heap_bytes<Value>(value);
    return bytes;
  }

  [[no_unique_address]] HeapEstimate<is_estimated> estimate_;
  Key key_;
  Value value_;
};

/// Strings: this header, maybe a field for an expiry, the key's bytes, the value's bytes. Most keys never
/// expire, so an entry has the field only if it was created with an expiry, or if its key is long: the higher
/// bits of the key's size are there as well.
template <>
class Entry<std::string, std::string> : public AccessBits {
 public:
  using KeyView = std::string_view;
  using ValueView = std::string_view;

  static constexpr bool keeps_memory = true;

  [[nodiscard]] static Entry* create(std::string_view key, std::string_view value,
                                     std::int64_t expires_at_ms) {
    void* const memory = ::operator new(memory_bytes_of(key, value, expires_at_ms) - allocator_word);
    auto* const entry = ::new (memory) Entry(key, value, expires_at_ms);
    copy(entry->bytes(), key);
    copy(entry->bytes() + key.size(), value);
    return entry;
  }
  static void destroy(Entry* entry) noexcept {
    entry->~Entry();
    ::operator delete(static_cast<void*>(entry));
  }

  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  [[nodiscard]] std::string_view key() const noexcept { return {bytes(), key_bytes()}; }
  [[nodiscard]] std::string_view value() const noexcept { return {bytes() + key_bytes(), value_bytes_}; }

  [[nodiscard]] bool expires() const noexcept { return has_field() && field().expiry.expires(); }
  [[nodiscard]] std::int64_t expires_at_ms() const noexcept {
    return has_field() ? field().expiry.expires_at_ms() : never_ms;
  }

  /// True when `set_expires_at_ms` can take this expiry.
  [[nodiscard]] bool takes_expiry(std::int64_t expires_at_ms) const noexcept {
    return expires_at_ms == never_ms || has_field();
  }
  void set_expires_at_ms(std::int64_t ms) noexcept {
    assert(takes_expiry(ms));
    if (has_field()) field().expiry.set_expires_at_ms(ms);
  }

  /// True when the value fits the memory, and would not need less of it, and the entry takes the expiry.
  [[nodiscard]] bool takes(std::string_view value, std::int64_t expires_at_ms) const noexcept {
    if (!takes_expiry(expires_at_ms)) return false;
    return value.size() == value_bytes_ ||
           chunk_bytes(has_field(), key_bytes(), value.size()) == memory_bytes();
  }
  void overwrite(std::string_view value) noexcept {
    copy(bytes() + key_bytes(), value);
    value_bytes_ = static_cast<std::uint32_t>(value.size());
  }

  [[nodiscard]] static constexpr std::size_t memory_bytes_of(std::string_view key, std::string_view value,
                                                             std::int64_t expires_at_ms) noexcept {
    return chunk_bytes(needs_field(key, expires_at_ms), key.size(), value.size());
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return chunk_bytes(has_field(), key_bytes(), value_bytes_);
  }

 private:
  struct Field {
    PackedExpiry expiry;
    std::uint16_t key_bytes_high;
  };
  static constexpr unsigned low_bits = 15;  // of the key's size: what the header holds

  Entry(std::string_view key, std::string_view value, std::int64_t expires_at) noexcept
      : key_bytes_and_flag_(
            static_cast<std::uint16_t>(key.size() << 1 | std::size_t{needs_field(key, expires_at)})),
        value_bytes_(static_cast<std::uint32_t>(value.size())) {
    assert(key.size() >> low_bits >> 16 == 0 && value.size() == value_bytes_);
    if (has_field()) {
      ::new (static_cast<void*>(this + 1))
          Field{PackedExpiry(expires_at), static_cast<std::uint16_t>(key.size() >> low_bits)};
    }
  }
  ~Entry() = default;

  [[nodiscard]] static constexpr bool needs_field(std::string_view key, std::int64_t expires_at) noexcept {
    return expires_at != never_ms || key.size() >> low_bits != 0;
  }
  [[nodiscard]] bool has_field() const noexcept { return (key_bytes_and_flag_ & 1) != 0; }
  [[nodiscard]] Field& field() noexcept { return *std::launder(reinterpret_cast<Field*>(this + 1)); }
  [[nodiscard]] const Field& field() const noexcept {
    return *std::launder(reinterpret_cast<const Field*>(this + 1));
  }

  [[nodiscard]] std::size_t key_bytes() const noexcept {
    const std::size_t low = key_bytes_and_flag_ >> 1;
    return has_field() ? std::size_t{field().key_bytes_high} << low_bits | low : low;
  }
  [[nodiscard]] char* bytes() noexcept {
    return reinterpret_cast<char*>(this + 1) + field_bytes(has_field());
  }
  [[nodiscard]] const char* bytes() const noexcept {
    return reinterpret_cast<const char*>(this + 1) + field_bytes(has_field());
  }
  [[nodiscard]] static constexpr std::size_t field_bytes(bool has_field) noexcept {
    return has_field ? sizeof(Field) : 0;
  }

  static void copy(char* to, std::string_view from) noexcept {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
  }

  // Allocators hand out chunks of a multiple of 16, less a word of their own: asking for all of one costs
  // nothing, and a value that changes by a few bytes stays where it is.
  [[nodiscard]] static constexpr std::size_t chunk_bytes(bool has_field, std::size_t key,
                                                         std::size_t value) noexcept {
    return allocated_bytes(sizeof(Entry) + field_bytes(has_field) + key + value);
  }

  std::uint16_t key_bytes_and_flag_;  // the flag, lowest: there is a field
  std::uint32_t value_bytes_;
};
static_assert(sizeof(Entry<std::string, std::string>) == 8);

template <class Entry>
struct EntryDeleter {
  void operator()(Entry* entry) const noexcept { Entry::destroy(entry); }
};

/// An entry that is in no table (yet).
template <class Entry>
using OwnedEntry = std::unique_ptr<Entry, EntryDeleter<Entry>>;

}  // namespace replikv::inline v0_1::detail
