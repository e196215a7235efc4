// A host whose nodes use a real transport: what runs on it can be paused, and dies with it.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/transport/transport.hpp>

#include <cassert>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace replikv::inline v0_1::testing::detail {

/// The system's wall clock, some time ahead or behind.
class ShiftedClock final : public ClockSource {
 public:
  [[nodiscard]] WallTime now() const noexcept override { return Clock().now() + shift_; }
  void jump(std::chrono::milliseconds by) noexcept { shift_ += by; }

 private:
  std::chrono::milliseconds shift_{0};
};

/// Everything a node is told goes through `run`.
///
/// Thread safety  none: the thread that runs the transport
class FaultyHost : public std::enable_shared_from_this<FaultyHost> {
 public:
  using Task = std::function<void()>;

  explicit FaultyHost(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] ShiftedClock& wall_clock() noexcept { return wall_clock_; }

  // --- Lives ------------------------------------------------------------------------------------------

  /// A life begins, on this engine.
  void begin(std::shared_ptr<TransportEngine> engine) { engine_ = std::move(engine); }

  /// What an earlier life had planned does not happen.
  void end() {
    ++life_;
    is_paused_ = false;
    held_.clear();
    engine_.reset();
  }

  [[nodiscard]] bool is_alive() const noexcept { return engine_ != nullptr; }
  [[nodiscard]] std::uint64_t life() const noexcept { return life_; }

  /// Precondition: it is alive.
  [[nodiscard]] const std::shared_ptr<TransportEngine>& engine() const noexcept {
    assert(is_alive());
    return engine_;
  }

  // --- Running ----------------------------------------------------------------------------------------

  [[nodiscard]] bool is_paused() const noexcept { return is_paused_; }
  void pause() noexcept { is_paused_ = true; }
  void resume() {
    is_paused_ = false;
    for (Task& task : std::exchange(held_, {})) post(std::move(task));
  }

  /// Runs a task of one of its lives, or keeps it during a pause.
  void run(std::uint64_t life, Task task) {
    if (life != life_) return;
    is_paused_ ? held_.push_back(std::move(task)) : task();
  }

  /// Runs a task soon.
  void post(Task task) {
    if (!is_alive()) return;
    engine_->post([self = shared_from_this(), life = life_, task = std::move(task)]() mutable {
      self->run(life, std::move(task));
    });
  }

 private:
  std::string name_;
  ShiftedClock wall_clock_;
  std::shared_ptr<TransportEngine> engine_;
  std::uint64_t life_ = 0;
  bool is_paused_ = false;
  std::deque<Task> held_;
};

}  // namespace replikv::inline v0_1::testing::detail
