// Bytes as people are shown them between quotes: MONITOR.
#pragma once

#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// Appends `text` in quotes: `"a\x00\n\"b\""`.
///
/// Source  Redis 7.0 sdscatrepr
inline void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  constexpr std::string_view escaped = "\\\"\n\r\t\a\b";
  constexpr std::string_view letters = "\\\"nrtab";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (const auto at = escaped.find(c); at != std::string_view::npos) {
      out.append({'\\', letters[at]});
    } else if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out.append({'\\', 'x', digits[byte >> 4], digits[byte & 15]});
    }
  }
  out.push_back('"');
}

}  // namespace replikv::inline v0_1::detail
