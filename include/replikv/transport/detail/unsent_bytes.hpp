// How much of what was sent has not left yet, and the moment at which its sender may go on.
#pragma once

#include <replikv/transport/transport.hpp>

#include <atomic>
#include <cassert>
#include <cstddef>

namespace replikv::inline v0_1::detail {

/// Written in the engine's context only; `get` from any thread.
class UnsentBytes {
 public:
  [[nodiscard]] std::size_t get() const noexcept { return count_.load(std::memory_order_relaxed); }

  void add(std::size_t bytes) noexcept { set(get() + bytes); }

  /// True when the sender is to hear `on_writable`: this took the count across half of the window.
  [[nodiscard]] bool remove(std::size_t bytes) noexcept {
    const std::size_t before = get();
    assert(bytes <= before);
    set(before - bytes);
    return before > half && before - bytes <= half;
  }

  void clear() noexcept { set(0); }

 private:
  static constexpr std::size_t half = Link::window_bytes / 2;

  void set(std::size_t count) noexcept { count_.store(count, std::memory_order_relaxed); }

  std::atomic<std::size_t> count_ = 0;
};

}  // namespace replikv::inline v0_1::detail
