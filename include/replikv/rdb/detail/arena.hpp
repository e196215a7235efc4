// Memory for texts that exist nowhere in the file as such: decoded integers and decompressed strings. All
// of it is given back at once.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace replikv::inline v0_1::rdb::detail {

/// Hands out bytes that keep their address until `clear`.
class Arena {
 public:
  [[nodiscard]] char* allocate(std::size_t size) {
    if (size > left_) [[unlikely]]
      grow(size);
    char* allocated = next_;
    next_ += size;
    left_ -= size;
    return allocated;
  }

  /// Ends the life of everything handed out; keeps one block of the usual size.
  void clear() noexcept {
    if (blocks_.empty()) return;
    blocks_.resize(1);
    next_ = blocks_.front().get();
    left_ = block_bytes;
  }

 private:
  static constexpr std::size_t block_bytes = 64 << 10;

  void grow(std::size_t size) {
    const bool oversized = size > block_bytes;
    if (oversized && blocks_.empty()) grow(1);  // the first block always has the usual size
    const std::size_t bytes = oversized ? size : block_bytes;
    blocks_.push_back(std::unique_ptr<char[]>(new char[bytes]));
    next_ = blocks_.back().get();
    left_ = bytes;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace replikv::inline v0_1::rdb::detail
