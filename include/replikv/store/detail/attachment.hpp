// How a role holds a store: the stream its writes go to, the database number they carry, and whether
// writes are taken at all. The store asks; the role decides.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/stream/command_stream.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

namespace replikv::inline v0_1::detail {

/// What becomes of a local write.
enum class WriteMode : std::uint8_t {
  streamed,             // a master: applied and appended to the stream
  local,                // a writable replica: applied, told to nobody
  read_only,            // a replica: refused
  not_enough_replicas,  // a master that misses its min_replicas_to_write: refused
};

/// Hears of keys that a store removes by itself. Called while the store holds locks: it must be quick and
/// must not come back to it.
class KeyLossListener {
 public:
  virtual ~KeyLossListener() = default;
  virtual void on_expired(std::uint32_t database, std::string_view key) noexcept = 0;
  virtual void on_evicted(std::uint32_t database, std::string_view key) noexcept = 0;
};

/// The door that all stores of a role share.
///
/// Thread safety  every call from any thread
class WriteGate {
 public:
  explicit WriteGate(WriteMode mode) noexcept : mode_(mode) {}

  [[nodiscard]] WriteMode mode() const noexcept { return mode_.load(std::memory_order_relaxed); }
  void set(WriteMode mode) noexcept { mode_.store(mode, std::memory_order_relaxed); }

  /// The refusal a write meets now, counted; no error when writes are taken.
  [[nodiscard]] std::error_code refusal() noexcept {
    switch (mode()) {
      case WriteMode::streamed:
      case WriteMode::local: return {};
      case WriteMode::read_only: return count(Errc::read_only);
      case WriteMode::not_enough_replicas: return count(Errc::not_enough_replicas);
    }
    return {};
  }

  /// Only the owner of the history deletes what has expired; a replica waits for the DEL.
  [[nodiscard]] bool owns_expiry() const noexcept {
    const WriteMode now = mode();
    return now == WriteMode::streamed || now == WriteMode::not_enough_replicas;
  }

  [[nodiscard]] std::uint64_t rejected_writes() const noexcept {
    return rejected_.load(std::memory_order_relaxed);
  }

  /// Who hears of lost keys; null: nobody.
  void set_loss_listener(std::shared_ptr<KeyLossListener> listener) noexcept {
    const std::lock_guard lock(listener_mutex_);
    has_listener_.store(listener != nullptr, std::memory_order_relaxed);
    listener_.swap(listener);
  }
  [[nodiscard]] std::shared_ptr<KeyLossListener> loss_listener() const noexcept {
    if (!has_listener_.load(std::memory_order_relaxed)) [[likely]]
      return nullptr;
    const std::lock_guard lock(listener_mutex_);
    return listener_;
  }

 private:
  std::error_code count(Errc why) noexcept {
    rejected_.fetch_add(1, std::memory_order_relaxed);
    return why;
  }

  std::atomic<WriteMode> mode_;
  std::atomic<std::uint64_t> rejected_{0};

  std::atomic<bool> has_listener_{false};
  mutable std::mutex listener_mutex_;
  std::shared_ptr<KeyLossListener> listener_;
};

/// A store's place in a role. Immutable; the store replaces it whole, holding all its locks.
struct Attachment {
  std::shared_ptr<CommandStream> stream;
  std::shared_ptr<WriteGate> gate;
  std::uint32_t database = 0;
};

}  // namespace replikv::inline v0_1::detail
