// The two shapes every Registration has: a callback that runs once unless it is cancelled first, and an
// object whose destruction cancels.
#pragma once

#include <replikv/transport/transport.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace replikv::inline v0_1::detail {

/// A callback that is handed out at most once; whoever takes it, runs or destroys it. Any thread.
template <class Function>
class OneShot {
 public:
  explicit OneShot(Function function) : function_(std::move(function)) {}

  /// The callback, or an empty one when it was taken before.
  [[nodiscard]] Function take() noexcept {
    const std::lock_guard lock(mutex_);
    return std::exchange(function_, nullptr);
  }

  [[nodiscard]] bool is_pending() const noexcept {
    const std::lock_guard lock(mutex_);
    return static_cast<bool>(function_);
  }

 private:
  mutable std::mutex mutex_;
  Function function_;
};

/// A Registration that calls `cancel()`, which must not throw, when it is destroyed.
template <class Cancel>
class CancelOnDestruction final : public Registration {
 public:
  explicit CancelOnDestruction(Cancel cancel) : cancel_(std::move(cancel)) {}
  CancelOnDestruction(const CancelOnDestruction&) = delete;
  CancelOnDestruction& operator=(const CancelOnDestruction&) = delete;
  ~CancelOnDestruction() override { cancel_(); }

 private:
  Cancel cancel_;
};

template <class Cancel>
[[nodiscard]] std::unique_ptr<Registration> registration(Cancel cancel) {
  return std::make_unique<CancelOnDestruction<Cancel>>(std::move(cancel));
}

}  // namespace replikv::inline v0_1::detail
