// The words of an inline request: what a person types into telnet, quoted the way redis-cli quotes.
// Knows one finished line; finding it in a stream of bytes is the parser's work.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::resp {

/// Splits one line, given without its line end, into words.
///
/// Words are separated by white space. "double quotes" hold the escapes \n \r \t \b \a \\ \" and \xHH,
/// 'single quotes' only \'; after a closing quote comes white space or the end (Redis: sdssplitargs).
/// Words are appended to `words`: they point into `line`, or, where escapes had to be resolved, into
/// `arena`, whose former content is lost.
///
/// Errors  false for unbalanced quotes; `words` then holds the words before them
class InlineSplitter {
 public:
  [[nodiscard]] static bool split(std::string_view line, std::vector<std::string_view>& words,
                                  std::string& arena) {
    arena.clear();
    arena.reserve(line.size());  // no unescaped word is longer, so views into the arena stay valid
    InlineSplitter splitter{line, arena};
    while (splitter.skip_space()) {
      if (!splitter.word(words)) return false;
    }
    return true;
  }

 private:
  InlineSplitter(std::string_view rest, std::string& arena) noexcept : rest_(rest), arena_(arena) {}

  [[nodiscard]] static constexpr bool is_space(char character) noexcept {
    return character == ' ' || (character >= '\t' && character <= '\r');
  }

  [[nodiscard]] static constexpr int hex_digit(char character) noexcept {
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    if (character >= 'A' && character <= 'F') return character - 'A' + 10;
    return -1;
  }

  /// False at the end of the line.
  bool skip_space() noexcept {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
    return !rest_.empty();
  }

  bool word(std::vector<std::string_view>& words) {
    std::size_t plain = 0;
    while (plain < rest_.size() && !is_space(rest_[plain]) && rest_[plain] != '"' && rest_[plain] != '\'')
      ++plain;
    const std::size_t start = arena_.size();
    const std::string_view head = rest_.substr(0, plain);
    rest_.remove_prefix(plain);
    if (rest_.empty() || is_space(rest_.front())) {
      words.push_back(head);
      return true;
    }
    arena_.append(head);
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    if (!(quote == '"' ? double_quoted() : single_quoted())) return false;
    if (!rest_.empty() && !is_space(rest_.front())) return false;
    words.push_back(std::string_view(arena_).substr(start));
    return true;
  }

  bool single_quoted() {
    while (!rest_.empty()) {
      if (closes('\'')) return true;
      if (rest_.starts_with("\\'")) rest_.remove_prefix(1);
      take_one();
    }
    return false;
  }

  bool double_quoted() {
    while (!rest_.empty()) {
      if (closes('"')) return true;
      if (rest_.front() == '\\' && rest_.size() > 1) {
        escape();
      } else {
        take_one();
      }
    }
    return false;
  }

  bool closes(char quote) noexcept {
    if (rest_.front() != quote) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void take_one() {
    arena_.push_back(rest_.front());
    rest_.remove_prefix(1);
  }

  void escape() {
    if (rest_.size() >= 4 && rest_[1] == 'x' && hex_digit(rest_[2]) >= 0 && hex_digit(rest_[3]) >= 0) {
      arena_.push_back(static_cast<char>(hex_digit(rest_[2]) * 16 + hex_digit(rest_[3])));
      rest_.remove_prefix(4);
      return;
    }
    switch (rest_[1]) {
      case 'n': arena_.push_back('\n'); break;
      case 'r': arena_.push_back('\r'); break;
      case 't': arena_.push_back('\t'); break;
      case 'b': arena_.push_back('\b'); break;
      case 'a': arena_.push_back('\a'); break;
      default: arena_.push_back(rest_[1]);
    }
    rest_.remove_prefix(2);
  }

  std::string_view rest_;
  std::string& arena_;
};

}  // namespace replikv::inline v0_1::resp
