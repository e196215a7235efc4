// The lock of one shard: many readers or one writer, in four bytes. Of our own, because all shards are
// locked at once at times: thread checkers give up at 64 locks of the standard's kind held together.
#pragma once

#include <atomic>
#include <cstdint>

namespace replikv::inline v0_1 {

/// A SharedLockable that lets a waiting writer go before new readers. Waiters sleep.
///
/// Not recursive: a thread that holds it in either way must not ask for it again.
/// Cost  an atomic exchange to take it and one to give it back, when nobody is in the way
class ShardLock {
 public:
  void lock() noexcept {
    std::uint32_t expected = 0;
    if (state_.compare_exchange_strong(expected, writing, std::memory_order_acquire)) [[likely]]
      return;
    lock_after_waiting();
  }

  void unlock() noexcept {
    // Whoever wants to write announces it again.
    if ((state_.exchange(0, std::memory_order_release) & awaited) != 0) state_.notify_all();
  }

  void lock_shared() noexcept {
    std::uint32_t state = state_.load(std::memory_order_relaxed);
    for (;;) {
      if ((state & (writing | write_wanted)) == 0) {
        if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) return;
      } else {
        state = wait(state);
      }
    }
  }

  void unlock_shared() noexcept {
    const std::uint32_t before = state_.fetch_sub(1, std::memory_order_release);
    if ((before & readers) == 1 && (before & awaited) != 0) release_waiters();
  }

 private:
  static constexpr std::uint32_t writing = std::uint32_t{1} << 31;
  static constexpr std::uint32_t write_wanted = std::uint32_t{1} << 30;  // no new readers
  static constexpr std::uint32_t awaited = std::uint32_t{1} << 29;       // somebody sleeps
  static constexpr std::uint32_t readers = awaited - 1;

  [[gnu::noinline]] void lock_after_waiting() noexcept {
    std::uint32_t state = state_.load(std::memory_order_relaxed);
    for (;;) {
      if ((state & (writing | readers)) == 0) {
        if (state_.compare_exchange_weak(state, writing | (state & awaited), std::memory_order_acquire))
          return;
      } else if ((state & write_wanted) == 0) {
        state_.compare_exchange_weak(state, state | write_wanted, std::memory_order_relaxed);
      } else {
        state = wait(state);
      }
    }
  }

  // Sleeps while the state is as seen; returns the state afterwards.
  [[gnu::noinline]] std::uint32_t wait(std::uint32_t state) noexcept {
    if ((state & awaited) == 0 &&
        !state_.compare_exchange_strong(state, state | awaited, std::memory_order_relaxed)) {
      return state;
    }
    state_.wait(state | awaited, std::memory_order_relaxed);
    return state_.load(std::memory_order_relaxed);
  }

  // The last reader is gone: everyone who waits may try again. Who still waits says so again.
  [[gnu::noinline]] void release_waiters() noexcept {
    state_.fetch_and(~awaited, std::memory_order_relaxed);
    state_.notify_all();
  }

  std::atomic<std::uint32_t> state_{0};
};

}  // namespace replikv::inline v0_1
