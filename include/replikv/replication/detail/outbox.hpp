// Bytes a session wants sent before anything of the stream: replies, a snapshot, acknowledgements.
#pragma once

#include <replikv/core/bytes.hpp>

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

class Outbox {
 public:
  void put(SharedBytes bytes) {
    if (bytes.empty()) return;
    seal();
    const std::size_t size = bytes.size();
    queue_.push_back(std::move(bytes));
    queued_bytes_ += size;
  }

  /// Texts put one after the other become one buffer: a flood of small replies costs what their bytes do.
  void put(std::string_view text) {
    text_.append(text);
    queued_bytes_ += text.size();
  }

  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  [[nodiscard]] bool empty() const noexcept { return queued_bytes_ == 0; }

  void clear() noexcept {
    queue_.clear();
    text_.clear();
    queued_bytes_ = 0;
  }

  /// Moves buffers to `out` until they come to `bytes_max` or more; a buffer is not split.
  std::size_t take(std::size_t bytes_max, std::vector<SharedBytes>& out) {
    if (bytes_max > 0) seal();
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
  void seal() {
    if (text_.empty()) return;
    queue_.push_back(SharedBytes(std::string(text_)));
    text_ = {};
  }

  std::deque<SharedBytes> queue_;
  std::string text_;  // behind the queue
  std::size_t queued_bytes_ = 0;
};

}  // namespace replikv::inline v0_1::detail
