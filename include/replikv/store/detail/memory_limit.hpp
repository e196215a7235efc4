// A store's memory limit: what it is, how much is in use, what was evicted and refused for it. The sum of
// what the shards use is kept here while there is a limit, so that a write need not ask them all.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/store/detail/access.hpp>
#include <replikv/store/eviction.hpp>
#include <replikv/store/policy.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace replikv::inline v0_1::detail {

/// Thread safety  every call from any thread, unless it says that locks must be held
class MemoryLimit {
 public:
  [[nodiscard]] bool is_set() const noexcept { return bytes() != 0; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] Eviction eviction() const noexcept { return eviction_.load(std::memory_order_relaxed); }
  [[nodiscard]] Tracking tracking() const noexcept { return tracking_.load(std::memory_order_relaxed); }
  [[nodiscard]] unsigned samples() const noexcept { return samples_.load(std::memory_order_relaxed); }

  /// How much a shard's use may change before it says so. All of them together stay below a thousandth.
  [[nodiscard]] std::size_t grain() const noexcept { return grain_.load(std::memory_order_relaxed); }

  /// True when so many bytes more are within the limit, or there is none.
  [[nodiscard]] bool has_room(std::size_t more) const noexcept {
    const std::size_t limit = bytes();
    if (limit == 0) return true;
    const std::size_t in_use = in_use_.load(std::memory_order_relaxed);
    return in_use <= usable(limit) && more <= usable(limit) - in_use;
  }

  /// False when so many bytes are more than all there may be.
  [[nodiscard]] bool could_hold(std::size_t more) const noexcept {
    const std::size_t limit = bytes();
    return limit == 0 || more <= usable(limit);
  }

  /// Precondition: all shards are locked. `in_use`: what they use together.
  void set(std::size_t bytes, Eviction eviction, std::size_t shards, std::size_t in_use) noexcept {
    bytes_.store(bytes, std::memory_order_relaxed);
    grain_.store(bytes / 1024 / shards, std::memory_order_relaxed);
    in_use_.store(in_use, std::memory_order_relaxed);
    eviction_.store(eviction, std::memory_order_relaxed);
    tracking_.store(tracking_of(eviction), std::memory_order_relaxed);
  }
  void set_samples(unsigned samples) noexcept {
    samples_.store(std::clamp(samples, 1U, 64U), std::memory_order_relaxed);
  }

  /// A shard's use went from `before` to `after`. Precondition: it is locked.
  void note_change(std::size_t before, std::size_t after) noexcept {
    in_use_.fetch_add(after - before, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t random() noexcept {
    return Random(chance_.fetch_add(1, std::memory_order_relaxed))();
  }

  void count_evicted() noexcept { evicted_.fetch_add(1, std::memory_order_relaxed); }
  void count_refused() noexcept { refused_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

 private:
  // Less what the shards may not have told yet.
  [[nodiscard]] static std::size_t usable(std::size_t limit) noexcept { return limit - limit / 1024; }

  // Read at every access; then what changes all the time.
  alignas(cache_line_bytes) std::atomic<std::size_t> bytes_{0};
  std::atomic<std::size_t> grain_{0};
  std::atomic<unsigned> samples_{5};
  std::atomic<Eviction> eviction_{Eviction::noeviction};
  std::atomic<Tracking> tracking_{Tracking::none};
  alignas(cache_line_bytes) std::atomic<std::size_t> in_use_{0};
  std::atomic<std::uint64_t> chance_{0};
  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace replikv::inline v0_1::detail
