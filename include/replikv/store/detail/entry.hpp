// One key with its value and expiry: one allocation. String pairs lie inline behind a header of 16 bytes;
// any other types are members. It knows no hash and no lock.
#pragma once

#include <replikv/core/codec.hpp>
#include <replikv/store/detail/database.hpp>

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

/// Keys and values of arbitrary types.
template <class Key, class Value>
class Entry {
 public:
  using KeyView = ViewOf<Key>;
  using ValueView = ViewOf<Value>;

  [[nodiscard]] static Entry* create(KeyView key, ValueView value, std::int64_t expires_at_ms) {
    return new Entry(key, value, expires_at_ms);
  }
  static void destroy(Entry* entry) noexcept { delete entry; }

  [[nodiscard]] KeyView key() const noexcept { return key_; }
  [[nodiscard]] ValueView value() const noexcept { return value_; }

  /// True when `overwrite` can take this value; it cannot fail then.
  [[nodiscard]] static constexpr bool takes(ValueView) noexcept {
    return std::is_nothrow_copy_assignable_v<Value>;
  }
  void overwrite(ValueView value) noexcept {
    if constexpr (std::is_nothrow_copy_assignable_v<Value>) value_ = value;
  }

  std::int64_t expires_at_ms;

 private:
  Entry(KeyView key, ValueView value, std::int64_t expires_at)
      : expires_at_ms(expires_at), key_(key), value_(value) {}

  Key key_;
  Value value_;
};

/// Strings: this header, the key's bytes, the value's bytes.
template <>
class Entry<std::string, std::string> {
 public:
  using KeyView = std::string_view;
  using ValueView = std::string_view;

  [[nodiscard]] static Entry* create(std::string_view key, std::string_view value,
                                     std::int64_t expires_at_ms) {
    void* const memory = ::operator new(allocation_bytes(key.size(), value.size()));
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
    return allocation_bytes(key_bytes_, value.size()) == allocation_bytes(key_bytes_, value_bytes_);
  }
  void overwrite(std::string_view value) noexcept {
    copy(bytes() + key_bytes_, value);
    value_bytes_ = static_cast<std::uint32_t>(value.size());
  }

  std::int64_t expires_at_ms;

 private:
  Entry(std::string_view key, std::string_view value, std::int64_t expires_at) noexcept
      : expires_at_ms(expires_at),
        key_bytes_(static_cast<std::uint32_t>(key.size())),
        value_bytes_(static_cast<std::uint32_t>(value.size())) {}
  ~Entry() = default;

  [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
  [[nodiscard]] const char* bytes() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  static void copy(char* to, std::string_view from) noexcept {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
  }

  // Allocators hand out multiples of 16 less a word of their own: asking for all of it costs nothing, and
  // a value that changes by a few bytes stays where it is.
  [[nodiscard]] static constexpr std::size_t allocation_bytes(std::size_t key, std::size_t value) noexcept {
    return ((sizeof(Entry) + key + value + 8 + 15) & ~std::size_t{15}) - 8;
  }

  std::uint32_t key_bytes_;
  std::uint32_t value_bytes_;
};

template <class Entry>
struct EntryDeleter {
  void operator()(Entry* entry) const noexcept { Entry::destroy(entry); }
};

/// An entry that is in no table (yet).
template <class Entry>
using OwnedEntry = std::unique_ptr<Entry, EntryDeleter<Entry>>;

}  // namespace replikv::inline v0_1::detail
