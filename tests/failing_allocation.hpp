// Memory that ends when a test says so: replaces the global operator new of the program. Include it in one
// file of a program. Off by default.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <new>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)  // clang's runtime has these operators itself, and not weak
#define REPLIKV_OPERATOR_NEW_IS_TAKEN
#endif
#if __has_feature(address_sanitizer)
#define REPLIKV_ALLOCATIONS_ARE_SLOW
#endif
#endif

namespace failing_allocation {

/// False where the program's operator new is not ours: nothing fails, nothing is counted.
#ifdef REPLIKV_OPERATOR_NEW_IS_TAKEN
inline constexpr bool is_possible = false;
#else
inline constexpr bool is_possible = true;
#endif

/// Which allocations fail where a test has each of them fail: every one, or, where that takes long, every
/// third.
#ifdef REPLIKV_ALLOCATIONS_ARE_SLOW
inline constexpr std::size_t stride = 3;
#else
inline constexpr std::size_t stride = 1;
#endif

/// Whether memory is there again after the allocation that failed.
enum class Mode : bool { once, sticky };

// What fails, in this thread.
struct State {
  std::size_t left = SIZE_MAX;  // allocations that succeed; SIZE_MAX: all
  Mode mode = Mode::sticky;
  bool is_spared = false;
  bool has_failed = false;
};
inline thread_local State state;

inline std::atomic<std::size_t> live_blocks{0};  ///< of the whole program
inline std::atomic<std::size_t> live_bytes{0};

/// From now on, `successes` allocations of this thread succeed, and then one fails, or all do.
inline void fail_after(std::size_t successes, Mode mode = Mode::sticky) noexcept {
  state = {successes, mode, state.is_spared, false};
}

/// There is memory again. True when an allocation has failed.
inline bool stop() noexcept {
  state.left = SIZE_MAX;
  return state.has_failed;
}

/// Stops at the latest when it goes: also when a test ends in the middle.
struct Stopper {
  ~Stopper() { stop(); }
};

/// Nothing fails, or counts, while this lives in the thread; or, inside of that, everything does again.
class Spared {
 public:
  explicit Spared(bool is_spared = true) noexcept : before_(state.is_spared) { state.is_spared = is_spared; }
  ~Spared() { state.is_spared = before_; }
  Spared(const Spared&) = delete;
  Spared& operator=(const Spared&) = delete;

 private:
  bool before_;
};

/// What an allocation does first. Throws std::bad_alloc.
inline void count() {
  if (state.left == SIZE_MAX || state.is_spared) return;
  if (state.left == 0) {
    if (state.mode == Mode::once) state.left = SIZE_MAX;
    state.has_failed = true;
    throw std::bad_alloc();
  }
  --state.left;
}

inline void* allocate(std::size_t bytes, std::size_t alignment) {
  count();
  bytes = std::max<std::size_t>(bytes, 1);
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* const memory =
      alignment <= alignof(std::max_align_t) ? std::malloc(bytes) : std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  ++live_blocks;
  live_bytes += malloc_usable_size(memory);
  return memory;
}

inline void release(void* memory) noexcept {
  if (memory == nullptr) return;
  --live_blocks;
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace failing_allocation

#ifndef REPLIKV_OPERATOR_NEW_IS_TAKEN

// Not inlined, so that the compiler does not take free() for a mismatch of operator new.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return failing_allocation::allocate(bytes, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return failing_allocation::allocate(bytes, static_cast<std::size_t>(alignment));
}
// The standard library's temporary buffers ask this way, and give back the usual one.
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return failing_allocation::allocate(bytes, alignof(std::max_align_t));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
// The sanitizers' arrays would not come through the above.
[[gnu::noinline]] void* operator new[](std::size_t bytes) {
  return failing_allocation::allocate(bytes, alignof(std::max_align_t));
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept { failing_allocation::release(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept {
  failing_allocation::release(memory);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { failing_allocation::release(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  failing_allocation::release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  failing_allocation::release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  failing_allocation::release(memory);
}

#endif
