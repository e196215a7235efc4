// One key with its value, its expiry and when or how often it was used: one allocation. String pairs lie
// inline behind a header of 16 bytes; any other types are members. It knows no hash and no lock.
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

/// Eight bytes before every entry: 48 bits of expiry, and 16 that tell when or how often it was used (see
/// access.hpp). Readers write the latter under a shared lock, so all go there by atomic accesses.
class EntryHeader {
 public:
  [[nodiscard]] bool expires() const noexcept {
    return expiry_low_ != static_cast<std::uint32_t>(never) || expiry_high_ != never >> 32;
  }
  /// `never_ms`, or from 0 to `latest_expiry_ms`.
  [[nodiscard]] std::int64_t expires_at_ms() const noexcept {
    const std::uint64_t ms = std::uint64_t{expiry_high_} << 32 | expiry_low_;
    return ms == never ? never_ms : static_cast<std::int64_t>(ms);
  }
  void set_expires_at_ms(std::int64_t ms) noexcept {
    assert(ms == never_ms || (ms >= 0 && ms <= latest_expiry_ms));
    expiry_low_ = static_cast<std::uint32_t>(ms);
    expiry_high_ = static_cast<std::uint16_t>(ms >> 32);
  }

  [[nodiscard]] std::uint16_t access() const noexcept {
    return std::atomic_ref(access_).load(std::memory_order_relaxed);
  }
  void set_access(std::uint16_t access) const noexcept {
    std::atomic_ref(access_).store(access, std::memory_order_relaxed);
  }

 protected:
  explicit EntryHeader(std::int64_t expires_at_ms) noexcept { set_expires_at_ms(expires_at_ms); }

 private:
  static constexpr std::uint64_t never = (std::uint64_t{1} << 48) - 1;

  std::uint32_t expiry_low_;
  std::uint16_t expiry_high_;
  mutable std::uint16_t access_ = 0;
};

/// Keys and values of arbitrary types.
template <class Key, class Value>
class Entry : public EntryHeader {
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

  /// True when `overwrite` can take this value; it cannot fail then.
  [[nodiscard]] static constexpr bool takes(ValueView) noexcept { return is_overwritable; }
  void overwrite(ValueView value) noexcept {
    if constexpr (is_overwritable) value_ = value;
  }

  /// What an entry of these would take of the allocator, and what this one does.
  [[nodiscard]] static std::size_t memory_bytes_of(KeyView key, ValueView value) {
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
      : EntryHeader(expires_at), estimate_(estimated(key, value)), key_(key), value_(value) {}

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

/// Strings: this header, the key's bytes, the value's bytes.
template <>
class Entry<std::string, std::string> : public EntryHeader {
 public:
  using KeyView = std::string_view;
  using ValueView = std::string_view;

  static constexpr bool keeps_memory = true;

  [[nodiscard]] static Entry* create(std::string_view key, std::string_view value,
                                     std::int64_t expires_at_ms) {
    void* const memory = ::operator new(memory_bytes_of(key, value) - allocator_word);
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

  [[nodiscard]] std::string_view key() const noexcept { return {bytes(), key_bytes_}; }
  [[nodiscard]] std::string_view value() const noexcept { return {bytes() + key_bytes_, value_bytes_}; }

  /// True when the value fits the memory, and would not be given less of it.
  [[nodiscard]] bool takes(std::string_view value) const noexcept {
    return chunk_bytes(key_bytes_, value.size()) == memory_bytes();
  }
  void overwrite(std::string_view value) noexcept {
    copy(bytes() + key_bytes_, value);
    value_bytes_ = static_cast<std::uint32_t>(value.size());
  }

  [[nodiscard]] static constexpr std::size_t memory_bytes_of(std::string_view key,
                                                             std::string_view value) noexcept {
    return chunk_bytes(key.size(), value.size());
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return chunk_bytes(key_bytes_, value_bytes_); }

 private:
  Entry(std::string_view key, std::string_view value, std::int64_t expires_at) noexcept
      : EntryHeader(expires_at),
        key_bytes_(static_cast<std::uint32_t>(key.size())),
        value_bytes_(static_cast<std::uint32_t>(value.size())) {}
  ~Entry() = default;

  [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
  [[nodiscard]] const char* bytes() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  static void copy(char* to, std::string_view from) noexcept {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
  }

  // Allocators hand out chunks of a multiple of 16, less a word of their own: asking for all of one costs
  // nothing, and a value that changes by a few bytes stays where it is.
  [[nodiscard]] static constexpr std::size_t chunk_bytes(std::size_t key, std::size_t value) noexcept {
    return allocated_bytes(sizeof(Entry) + key + value);
  }

  std::uint32_t key_bytes_;
  std::uint32_t value_bytes_;
};
static_assert(sizeof(Entry<std::string, std::string>) == 16);

template <class Entry>
struct EntryDeleter {
  void operator()(Entry* entry) const noexcept { Entry::destroy(entry); }
};

/// An entry that is in no table (yet).
template <class Entry>
using OwnedEntry = std::unique_ptr<Entry, EntryDeleter<Entry>>;

}  // namespace replikv::inline v0_1::detail
