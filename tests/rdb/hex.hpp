// Golden bytes as a reader of the format would note them: pairs of hex digits, anything else is layout.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

[[nodiscard]] inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  int high = -1;
  for (const char digit : hex) {
    const std::size_t value = std::string_view("0123456789abcdef").find(digit);
    if (value == std::string_view::npos) continue;
    if (high < 0) {
      high = static_cast<int>(value);
    } else {
      bytes.push_back(static_cast<char>(high * 16 + static_cast<int>(value)));
      high = -1;
    }
  }
  return bytes;
}
