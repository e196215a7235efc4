// How a role holds a store: the stream its writes go to, the database number they carry, and whether
// writes are taken at all. The store asks; the role decides.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/stream/command_stream.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
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

 private:
  std::error_code count(Errc why) noexcept {
    rejected_.fetch_add(1, std::memory_order_relaxed);
    return why;
  }

  std::atomic<WriteMode> mode_;
  std::atomic<std::uint64_t> rejected_{0};
};

/// A store's place in a role. Immutable; the store replaces it whole, holding all its locks.
struct Attachment {
  std::shared_ptr<CommandStream> stream;
  std::shared_ptr<WriteGate> gate;
  std::uint32_t database = 0;
};

}  // namespace replikv::inline v0_1::detail
