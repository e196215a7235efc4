// Texts of a peer on their way into a log, an event or an error: nothing of them may end a line, move a
// cursor or ring a bell.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// `text` in printable ASCII: everything else, and the backslash, as "\x1b"; cut short behind `bytes_max`.
[[nodiscard]] inline std::string printable(std::string_view text, std::size_t bytes_max) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char character : text.substr(0, bytes_max)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
      out.push_back(character);
    } else {
      out.append({'\\', 'x', digits[byte >> 4], digits[byte & 15]});
    }
  }
  if (text.size() > bytes_max) out.append("...");
  return out;
}

}  // namespace replikv::inline v0_1::detail
