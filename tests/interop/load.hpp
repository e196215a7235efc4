// Work that goes on beside a test, in a thread of its own, until it has done enough; and the seed of random
// tests.
#pragma once

#include <replikv/core/clock.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <tests/interop/eventually.hpp>
#include <thread>
#include <utility>

namespace interop {

[[nodiscard]] inline std::uint64_t chosen_seed() {
  const char* const chosen = std::getenv("REPLIKV_SEED");
  return chosen != nullptr ? std::stoull(chosen)
                           : static_cast<std::uint64_t>(replikv::Clock().now().time_since_epoch().count());
}

/// Runs `step` in a thread of its own until told to stop; `step` returns how many writes it made.
class Load {
 public:
  explicit Load(std::function<std::size_t()> step) : thread_([this, step = std::move(step)] { run(step); }) {}
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() { join(); }

  [[nodiscard]] std::uint64_t writes() const noexcept { return writes_; }

  /// Waits until so many more have been made.
  [[nodiscard]] bool makes(std::uint64_t more) const {
    const std::uint64_t goal = writes_ + more;
    return eventually([&] { return writes_ >= goal || failed_; }) && !failed_;
  }

  /// Returns when it has stopped; throws what it failed of.
  void stop() {
    join();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  void run(const std::function<std::size_t()>& step) {
    try {
      while (!stopping_) writes_ += step();
    } catch (...) {
      failure_ = std::current_exception();
      failed_ = true;
    }
  }

  void join() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  std::atomic<bool> stopping_ = false;
  std::atomic<bool> failed_ = false;
  std::atomic<std::uint64_t> writes_ = 0;
  std::exception_ptr failure_;
  std::thread thread_;  // the last: it uses the others
};

}  // namespace interop
