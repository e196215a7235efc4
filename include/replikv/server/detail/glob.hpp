// Glob-style patterns as Redis has them: for keys, channels, names of parameters and rules of access.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail {

/// The part of a pattern not matched yet. Each element but `*` stands for exactly one byte of the text.
class GlobCursor {
 public:
  GlobCursor(std::string_view pattern, bool ignore_case) noexcept
      : rest_(pattern), ignore_case_(ignore_case) {}

  [[nodiscard]] bool is_at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool is_at_star() const noexcept { return rest_.starts_with('*'); }
  void skip_stars() noexcept {
    while (is_at_star()) rest_.remove_prefix(1);
  }

  /// Reads one element that is no star; true when `byte` fits it. Precondition: not at the end.
  [[nodiscard]] bool next_fits(char byte) noexcept {
    const char first = take();
    if (first == '?') return true;
    if (first == '[') return class_fits(byte);
    return is_same(first == '\\' && !rest_.empty() ? take() : first, byte);
  }

 private:
  [[nodiscard]] static constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  [[nodiscard]] char folded(char c) const noexcept { return ignore_case_ ? lower(c) : c; }
  [[nodiscard]] bool is_same(char a, char b) const noexcept { return folded(a) == folded(b); }

  char take() noexcept {
    const char first = rest_.front();
    rest_.remove_prefix(1);
    return first;
  }

  // A class without its closing bracket ends with the pattern. What is escaped in it keeps its letter case.
  [[nodiscard]] bool class_fits(char byte) noexcept {
    const bool is_negated = rest_.starts_with('^');
    if (is_negated) take();
    bool fits = false;
    while (!rest_.empty()) {
      if (rest_.front() == ']') {
        take();
        break;
      }
      if (rest_.front() == '\\' && rest_.size() >= 2) {
        take();
        fits = take() == byte || fits;
      } else if (rest_.size() >= 3 && rest_[1] == '-') {
        fits = range_fits(rest_[0], rest_[2], byte) || fits;
        rest_.remove_prefix(3);
      } else {
        fits = is_same(take(), byte) || fits;
      }
    }
    return fits != is_negated;
  }

  // Bytes are compared as signed numbers, on every machine as Redis does on most.
  [[nodiscard]] bool range_fits(char first, char last, char byte) const noexcept {
    const auto number = [](char c) { return static_cast<int>(static_cast<signed char>(c)); };
    if (number(first) > number(last)) std::swap(first, last);
    const int value = number(folded(byte));
    return value >= number(folded(first)) && value <= number(folded(last));
  }

  std::string_view rest_;
  bool ignore_case_;
};

/// True when the whole of `text` fits `pattern`: `*` any bytes, `?` any one, `[abc]`, `[a-z]`, `[^a]` one of
/// a class, `\x` the byte x itself.
///
/// An empty text fits the empty pattern only, and not even `*`: where that has to mean "all", the caller
/// says so.
///
/// Cost    O(text * pattern) at most, no allocation, no recursion
/// Source  Redis 7.0 stringmatchlen
[[nodiscard]] inline bool glob_matches(std::string_view pattern, std::string_view text,
                                       bool ignore_case = false) noexcept {
  if (text.empty()) return pattern.empty();
  GlobCursor at(pattern, ignore_case);
  // Only the last star needs to give more bytes away: what stands before it has its earliest fit already.
  GlobCursor after_star = at;
  bool had_star = false;
  std::size_t star_end = 0;  // the text's first byte that the last star does not cover
  std::size_t i = 0;
  while (i < text.size()) {
    if (at.is_at_star()) {
      at.skip_stars();
      if (at.is_at_end()) return true;
      after_star = at;
      had_star = true;
      star_end = i;
    } else if (!at.is_at_end() && at.next_fits(text[i])) {
      ++i;
    } else if (had_star) {
      at = after_star;
      i = ++star_end;
    } else {
      return false;
    }
  }
  at.skip_stars();
  return at.is_at_end();
}

}  // namespace replikv::inline v0_1::detail
