// Inline requests: words quoted in any way read as they were, and a second, plain reading of the rules
// comes to the same words.

#include <replikv/resp/inline_request.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <vector>

using fuzz::require;
using Words = std::vector<std::string>;

namespace {

std::optional<Words> split(std::string_view line) {
  const fuzz::ExactCopy copy(line);
  std::vector<std::string_view> words;
  std::string arena = "from before";
  const bool balanced = replikv::resp::InlineSplitter::split(copy.text(), words, arena);
  Words all(words.begin(), words.end());
  return balanced ? std::optional(all) : std::nullopt;
}

bool is_space(char c) { return std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos; }

int hex(char c) {
  const std::size_t at = std::string_view("0123456789abcdefABCDEF").find(c);
  if (at == std::string_view::npos) return -1;
  return static_cast<int>(at < 16 ? at : at - 6);
}

/// What a backslash inside double quotes stands for; `at` is on what follows it, and is moved to its end.
char escaped(std::string_view line, std::size_t& at) {
  if (line[at] == 'x' && at + 2 < line.size() && hex(line[at + 1]) >= 0 && hex(line[at + 2]) >= 0) {
    at += 2;
    return static_cast<char>(hex(line[at - 1]) * 16 + hex(line[at]));
  }
  const std::size_t known = std::string_view("nrtba").find(line[at]);
  return known == std::string_view::npos ? line[at] : "\n\r\t\b\a"[known];
}

/// The rules as a machine of one character a step.
std::optional<Words> split_plainly(std::string_view line) {
  Words words;
  char quote = 0;
  bool inside = false;
  bool closed = false;  // a quote has just been closed
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && is_space(c)) {
      inside = closed = false;
      continue;
    }
    if (closed) return std::nullopt;
    if (!inside) words.emplace_back();
    inside = true;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (quote != 0 && c == quote) {
      quote = 0;
      closed = true;
    } else if (quote == '"' && c == '\\' && i + 1 < line.size()) {
      words.back().push_back(escaped(line, ++i));
    } else if (quote == '\'' && c == '\\' && i + 1 < line.size() && line[i + 1] == '\'') {
      words.back().push_back(line[++i]);
    } else {
      words.back().push_back(c);
    }
  }
  return quote == 0 ? std::optional(words) : std::nullopt;
}

std::string quoted(const Words& words) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string line;
  for (const auto& word : words) {
    line += line.empty() ? "\"" : " \"";
    for (const char c : word) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
        line += c;
      } else {
        line.append({'\\', 'x', digits[byte >> 4], digits[byte & 15]});
      }
    }
    line += '"';
  }
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line = fuzz::Input(data, size).rest();
  const auto words = split(line);
  require(words == split_plainly(line), "the words are those of the plain rules");
  if (words) require(split(quoted(*words)) == words, "words quoted read as they were");
  return 0;
}
