// Bytes a session wants sent before anything of the stream: replies, a snapshot, acknowledgements.
#pragma once

#include <replikv/core/bytes.hpp>

#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

class Outbox {
 public:
  void put(SharedBytes bytes) {
    if (bytes.empty()) return;
    const std::size_t size = bytes.size();
    queue_.push_back(std::move(bytes));
    queued_bytes_ += size;
  }
  void put(std::string text) { put(SharedBytes(std::move(text))); }

  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }

  void clear() noexcept {
    queue_.clear();
    queued_bytes_ = 0;
  }

  /// Moves buffers to `out` until they come to `bytes_max` or more; a buffer is not split.
  std::size_t take(std::size_t bytes_max, std::vector<SharedBytes>& out) {
    std::size_t taken = 0;
    while (!queue_.empty() && taken < bytes_max) {
      taken += queue_.front().size();
      out.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    queued_bytes_ -= taken;
    return taken;
  }

 private:
  std::deque<SharedBytes> queue_;
  std::size_t queued_bytes_ = 0;
};

}  // namespace replikv::inline v0_1::detail
