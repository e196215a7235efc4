// Commands that took long: the latest of them, cut to a bearable size (Redis: SLOWLOG).
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/resp/command.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Source  Redis 7.0 slowlog.c
class SlowLog {
 public:
  struct Entry {
    std::uint64_t id;
    std::int64_t at_s;  ///< since 1970
    std::chrono::microseconds took;
    std::vector<std::string> words;
    std::string address;
    std::string client_name;
  };

  void add(resp::Arguments words, std::int64_t at_s, std::chrono::microseconds took, std::string address,
           std::string client_name, std::size_t entries_max) {
    entries_.push_front({next_id_++, at_s, took, shown(words), std::move(address), std::move(client_name)});
    if (entries_.size() > entries_max) entries_.resize(entries_max);
  }

  /// The newest first.
  [[nodiscard]] const std::deque<Entry>& entries() const noexcept { return entries_; }
  void clear() noexcept { entries_.clear(); }

 private:
  static constexpr std::size_t words_max = 32;
  static constexpr std::size_t word_bytes_max = 128;

  [[nodiscard]] static std::vector<std::string> shown(resp::Arguments words) {
    std::vector<std::string> shown;
    const bool is_cut = words.size() > words_max;
    const std::size_t count = is_cut ? words_max - 1 : words.size();
    for (const std::string_view word : words.first(count)) {
      std::string& text = shown.emplace_back(word.substr(0, word_bytes_max));
      if (word.size() > word_bytes_max) {
        text += "... (" + std::to_string(word.size() - word_bytes_max) + " more bytes)";
      }
    }
    if (is_cut) shown.push_back("... (" + std::to_string(words.size() - count) + " more arguments)");
    return shown;
  }

  std::deque<Entry> entries_;
  std::uint64_t next_id_ = 0;
};

}  // namespace replikv::inline v0_1::detail
