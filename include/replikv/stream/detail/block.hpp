// The memory of a command stream: a chain of append-only blocks. Whoever holds a block holds all that
// follow it, so the backlog and every cursor share one copy of the bytes, and a block dies with the
// last of them.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/stream/offset.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

namespace replikv::inline v0_1::detail {

/// A run of stream bytes. Bytes below `used()` never change again.
///
/// Thread safety  guarded by the stream's mutex, but for the bytes already written
class Block {
 public:
  static constexpr std::size_t first_capacity = std::size_t{4} << 10;
  static constexpr std::size_t capacity_max = std::size_t{256} << 10;

  Block(Offset start, std::size_t capacity)
      : start_(start), capacity_(capacity), bytes_(std::make_shared_for_overwrite<std::byte[]>(capacity)) {}

  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // A long chain must not be torn down by recursion. Whoever else held a block has let go of it by then;
  // taking and dropping a share, unlike reading the count, orders what they did before what follows.
  ~Block() {
    auto next = std::move(next_);
    while (next && next.use_count() == 1) {
      std::shared_ptr<Block>(next).reset();
      next = std::move(next->next_);
    }
  }

  [[nodiscard]] Offset start() const noexcept { return start_; }
  [[nodiscard]] Offset end() const noexcept { return start_ + used_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t room() const noexcept { return capacity_ - used_; }
  [[nodiscard]] const std::shared_ptr<Block>& next() const noexcept { return next_; }

  /// Takes as much of `bytes` as fits and returns what is left.
  Bytes fill(Bytes bytes) noexcept {
    const std::size_t taken = std::min(bytes.size(), capacity_ - used_);
    if (taken != 0) std::memcpy(bytes_.get() + used_, bytes.data(), taken);
    used_ += taken;
    return bytes.subspan(taken);
  }

  /// Where `size` bytes may be written in place, or nullptr when they do not fit; then `commit` them.
  [[nodiscard]] std::byte* reserve(std::size_t size) noexcept {
    return capacity_ - used_ >= size ? bytes_.get() + used_ : nullptr;
  }
  void commit(std::size_t size) noexcept { used_ += size; }

  /// The bytes after `from`. Precondition: `start() <= from <= end()`.
  [[nodiscard]] Bytes bytes_after(Offset from) const noexcept {
    const std::size_t skipped = from - start_;
    return {bytes_.get() + skipped, used_ - skipped};
  }

  /// The same, kept alive with their block's other bytes, but not the blocks that follow it: a link that
  /// takes its time to end must not pin what is written meanwhile.
  [[nodiscard]] SharedBytes shared(Bytes bytes) const noexcept { return {bytes_, bytes}; }

  void link(std::shared_ptr<Block> next) noexcept { next_ = std::move(next); }

 private:
  Offset start_;
  std::size_t capacity_;
  std::size_t used_ = 0;
  std::shared_ptr<std::byte[]> bytes_;
  std::shared_ptr<Block> next_;
};

}  // namespace replikv::inline v0_1::detail
