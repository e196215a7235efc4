// How much memory things take, as the allocator counts: what a store's limit is measured by. Exact for
// strings and plain types under glibc's malloc; an estimate for types that own memory and do not say how
// much.
#pragma once

#include <replikv/core/codec.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

namespace replikv::inline v0_1::detail {

inline constexpr std::size_t allocator_word = 8;

/// What an allocation takes: glibc's malloc adds a word and rounds up to 16, to 32 at least.
[[nodiscard]] constexpr std::size_t allocated_bytes(std::size_t bytes) noexcept {
  return std::max<std::size_t>(32, (bytes + allocator_word + 15) & ~std::size_t{15});
}

/// True for types whose Codec tells what they own.
template <class T>
concept TellsMemory = requires(const T& value) {
  { Codec<T>::memory_bytes(value) }
  noexcept->std::convertible_to<std::size_t>;
};

/// True for types that may own memory besides their own.
template <class T>
concept HasHeap = TellsMemory<T> || !std::is_trivially_copyable_v<T>;

/// True for types that nobody tells about: what they own is taken to be as large as their encoding.
template <class T>
concept IsEstimated = HasHeap<T> && !TellsMemory<T> && !std::same_as<T, std::string>;

/// What a value owns besides itself. Only an estimate may throw, for lack of memory.
template <class T>
[[nodiscard]] std::size_t heap_bytes(ViewOf<T> value) noexcept(!IsEstimated<T>) {
  if constexpr (TellsMemory<T>) {
    return Codec<T>::memory_bytes(value);
  } else if constexpr (std::same_as<T, std::string>) {
    return value.size() <= std::string().capacity() ? 0 : allocated_bytes(value.size() + 1);
  } else if constexpr (IsEstimated<T>) {
    const std::size_t encoded = TextOf<T>{}(value).size();
    return encoded <= sizeof(T) ? 0 : allocated_bytes(encoded);
  } else {
    return 0;
  }
}

/// An estimate, kept where there is one.
template <bool IsThere>
class HeapEstimate {
 public:
  explicit HeapEstimate(std::size_t bytes) noexcept
      : bytes_(static_cast<std::uint32_t>(
            std::min<std::size_t>(bytes, std::numeric_limits<std::uint32_t>::max()))) {}
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::uint32_t bytes_;
};

template <>
class HeapEstimate<false> {
 public:
  explicit HeapEstimate(std::size_t) noexcept {}
  [[nodiscard]] static std::size_t bytes() noexcept { return 0; }
};

}  // namespace replikv::inline v0_1::detail
