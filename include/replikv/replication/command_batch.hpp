// Commands of a stream that were parsed and are still to be applied: views into the bytes received. Parsing
// ahead of applying lets the memory that many keys need be fetched at once.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/resp/command.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace replikv::inline v0_1 {

/// One command of a stream: its words, and all its bytes.
struct StreamCommand {
  resp::Arguments words;
  Bytes raw;  ///< with any newlines before it, as they count for the offset and are passed on
};

/// A few commands in a row, one behind the other in memory. Made without an allocation.
class CommandBatch {
 public:
  static constexpr std::size_t commands_max = 32;

  void clear() noexcept {
    count_ = 0;
    words_used_ = 0;
    is_closed_ = false;
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] bool is_full() const noexcept { return is_closed_ || count_ == commands_max; }
  [[nodiscard]] auto begin() const noexcept { return commands_.begin(); }
  [[nodiscard]] auto end() const noexcept { return commands_.begin() + static_cast<std::ptrdiff_t>(count_); }

  /// `words` are copied if they are few; else they must stay as they are, and the batch is full.
  /// Precondition: not full.
  void add(resp::Arguments words, Bytes raw) noexcept {
    if (words.size() <= words_.size() - words_used_) {
      const auto place = std::span(words_).subspan(words_used_, words.size());
      std::copy(words.begin(), words.end(), place.begin());
      words_used_ += words.size();
      words = place;
    } else {
      is_closed_ = true;
    }
    commands_[count_++] = {words, raw};
  }

 private:
  std::array<std::string_view, commands_max * 4> words_;
  std::array<StreamCommand, commands_max> commands_;
  std::size_t words_used_ = 0;
  std::size_t count_ = 0;
  bool is_closed_ = false;
};

}  // namespace replikv::inline v0_1
