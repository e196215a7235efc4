// LCS: the longest common subsequence of two strings, its length and where they match.
#pragma once

#include <replikv/core/limits.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/strings.hpp>
#include <replikv/server/detail/commands/words.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::server::commands {

/// One stretch that two strings have in common.
struct CommonStretch {
  std::size_t first_in_a;
  std::size_t first_in_b;
  std::size_t size;
};

/// The longest common subsequence of two strings; of several, that which Redis finds.
///
/// Cost  |a| * |b| steps and bits, and four bytes for each byte of b
class LongestCommon {
 public:
  LongestCommon(std::string_view a, std::string_view b) : a_(a), b_(b) { compare(); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// From the end of the strings to their beginning.
  [[nodiscard]] std::vector<CommonStretch> stretches() const {
    std::vector<CommonStretch> found;
    std::size_t i = a_.size();
    std::size_t j = b_.size();
    bool goes_on = false;
    while (i > 0 && j > 0) {
      const bool is_match = a_[i - 1] == b_[j - 1];
      if (is_match) {
        --i, --j;
        if (!goes_on) found.push_back({i, j, 0});
        CommonStretch& stretch = found.back();
        stretch = {i, j, stretch.size + 1};
      } else {
        --(shortens_a(i, j) ? i : j);
      }
      goes_on = is_match;
    }
    return found;
  }

  [[nodiscard]] std::string text() const {
    const auto found = stretches();
    std::string common;
    for (auto stretch = found.rbegin(); stretch != found.rend(); ++stretch) {
      common.append(a_.substr(stretch->first_in_a, stretch->size));
    }
    return common;
  }

 private:
  // Row by row of the table of the lengths that prefixes of the strings have in common. The way back asks
  // only which of two neighbours is longer: that bit is kept, and but one row of lengths.
  void compare() {
    shortens_a_.resize(a_.size() * b_.size());
    std::vector<std::uint32_t> row(b_.size() + 1);
    for (std::size_t i = 1; i <= a_.size(); ++i) {
      std::uint32_t diagonal = 0;
      for (std::size_t j = 1; j <= b_.size(); ++j) {
        const std::uint32_t above = row[j];
        const std::uint32_t left = row[j - 1];
        if (above > left) shortens_a_[position(i, j)] = true;
        row[j] = a_[i - 1] == b_[j - 1] ? diagonal + 1 : std::max(above, left);
        diagonal = above;
      }
    }
    size_ = row.back();
  }

  [[nodiscard]] std::size_t position(std::size_t i, std::size_t j) const noexcept {
    return (i - 1) * b_.size() + (j - 1);
  }
  [[nodiscard]] bool shortens_a(std::size_t i, std::size_t j) const { return shortens_a_[position(i, j)]; }

  std::string_view a_;
  std::string_view b_;
  std::vector<bool> shortens_a_;  // where the prefixes differ in their last byte
  std::size_t size_ = 0;
};

struct LcsOptions {
  bool only_length = false;
  bool shows_matches = false;
  bool shows_sizes = false;
  std::int64_t size_min = 0;
};

[[nodiscard]] inline LcsOptions options_of_lcs(const Call& call) {
  LcsOptions options;
  for (std::size_t i = 3; i < call.size(); ++i) {
    if (is_word(call[i], "idx")) {
      options.shows_matches = true;
    } else if (is_word(call[i], "len")) {
      options.only_length = true;
    } else if (is_word(call[i], "withmatchlen")) {
      options.shows_sizes = true;
    } else if (is_word(call[i], "minmatchlen") && i + 1 < call.size()) {
      options.size_min = integer_of(call[++i]);
    } else {
      syntax_error();
    }
  }
  if (options.shows_matches && options.only_length) {
    throw CommandError("ERR If you want both the length and indexes, please just use IDX.");
  }
  return options;
}

inline void reply_matches(Reply& reply, const LongestCommon& common, const LcsOptions& options) {
  auto matches = common.stretches();
  std::erase_if(matches, [&options](const CommonStretch& match) {
    return options.size_min > 0 && match.size < static_cast<std::uint64_t>(options.size_min);
  });
  const auto reply_range = [&reply](std::size_t first, std::size_t size) {
    reply.array(2);
    reply.integer(first);
    reply.integer(first + size - 1);
  };
  reply.map(2);
  reply.bulk("matches");
  reply.array(matches.size());
  for (const CommonStretch& match : matches) {
    reply.array(options.shows_sizes ? 3 : 2);
    reply_range(match.first_in_a, match.size);
    reply_range(match.first_in_b, match.size);
    if (options.shows_sizes) reply.integer(match.size);
  }
  reply.bulk("len");
  reply.integer(common.size());
}

/// Source  Redis 7.0 lcsCommand
inline void lcs(Call& call) {
  const LcsOptions options = options_of_lcs(call);
  std::string a;
  std::string b;
  read(call, call.keys, call[1], [&a](std::string_view value) { a = value; });
  read(call, call.keys, call[2], [&b](std::string_view value) { b = value; });
  // Redis has a table of 32-bit numbers. Ours is smaller, but who asks for more waits as long, and all with
  // it.
  if ((a.size() + 1) * (b.size() + 1) > limits::bulk_bytes_max / sizeof(std::uint32_t)) {
    throw CommandError("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  const LongestCommon common(a, b);
  if (options.shows_matches) return reply_matches(call.reply, common, options);
  options.only_length ? call.reply.integer(common.size()) : call.reply.bulk(common.text());
}

inline void add_lcs(detail::CommandTable& table) {
  table.add({"lcs", -3, "readonly", "string", {1, 2, 1}, lcs});
}

}  // namespace replikv::inline v0_1::server::commands
