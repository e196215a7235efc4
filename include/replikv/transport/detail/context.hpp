// The one place at a time where callbacks run: a lock that knows its holder, and the tasks that wait for
// their turn. Threads and wake-ups are the engines' business.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Whoever holds it (it is a BasicLockable) runs callbacks; nobody else does.
///
/// An engine shuts down by `stop()`, then taking the context and running what is left: from then on only
/// callbacks that run during the shutdown can still post.
///
/// Thread safety  lock, is_current, post, stop, is_stopping: any thread; run_*: its holder
class Context {
 public:
  using Task = std::function<void()>;

  void lock() {
    turn_.lock();
    holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }

  void unlock() noexcept {
    holder_.store(std::thread::id{}, std::memory_order_relaxed);
    turn_.unlock();
  }

  /// True when the calling thread holds the context.
  [[nodiscard]] bool is_current() const noexcept {
    return holder_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  /// Leaves `task` untouched when it comes too late. True when none was waiting: wake the runner.
  bool post(Task& task) {
    const std::lock_guard lock(mutex_);
    if (stopping_ && !is_current()) return false;
    waiting_.push_back(std::move(task));
    return waiting_.size() == 1;
  }

  /// True for the first caller.
  bool stop() noexcept {
    const std::lock_guard lock(mutex_);
    return !std::exchange(stopping_, true);
  }

  [[nodiscard]] bool is_stopping() const noexcept {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  /// Runs one task. When none waits, the one that `supply()` returns, if it returns any.
  template <class Supply>
  bool run_next(Supply&& supply) {
    if (!has_batch()) {
      if (Task task = supply()) {
        task();
        return true;
      }
      return false;
    }
    Task task = std::move(batch_[next_++]);
    task();
    return true;
  }

  /// Runs one task. False when none waits.
  bool run_next() {
    return run_next([]() -> Task { return nullptr; });
  }

  /// Runs what waits now, but not what is posted meanwhile: `post` has asked for another run then.
  void run_batch() {
    if (!has_batch()) return;
    while (next_ != batch_.size()) {
      Task task = std::move(batch_[next_++]);
      task();
    }
  }

 private:
  // The batch and the place in it are members, so that nothing is lost when a task throws.
  bool has_batch() {
    if (next_ != batch_.size()) return true;
    batch_.clear();
    next_ = 0;
    const std::lock_guard lock(mutex_);
    batch_.swap(waiting_);
    return !batch_.empty();
  }

  std::mutex turn_;
  std::atomic<std::thread::id> holder_;
  std::vector<Task> batch_;  // the holder's
  std::size_t next_ = 0;

  mutable std::mutex mutex_;
  std::vector<Task> waiting_;
  bool stopping_ = false;
};

}  // namespace replikv::inline v0_1::detail
