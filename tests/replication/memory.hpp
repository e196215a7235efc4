// How much memory this program has in use: what a hostile peer must not be able to make it grow by.
#pragma once

#include <cstddef>
#include <malloc.h>

namespace cluster {

/// Bytes allocated and not freed, by all threads. Under a sanitizer with an allocator of its own always 0.
inline std::size_t heap_bytes() noexcept {
  const auto all = ::mallinfo2();
  return all.uordblks + all.hblkhd;
}

/// How far that has grown since this object was made; 0 when it has shrunk.
class HeapGrowth {
 public:
  [[nodiscard]] std::size_t bytes() const noexcept {
    const std::size_t now = heap_bytes();
    return now > before_ ? now - before_ : 0;
  }

 private:
  std::size_t before_ = heap_bytes();
};

}  // namespace cluster
