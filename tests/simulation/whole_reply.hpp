// Where a reply ends: the bytes of one, with all that is inside it, and not a byte more.
#pragma once

#include <replikv/resp/number.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace simulation {

/// The bytes behind the first whole reply, of RESP2 or RESP3; null where there is none.
[[nodiscard]] inline const char* behind_reply(const char* next, const char* end) {
  const auto line_end = std::find(next, end, '\n');
  if (line_end == end || line_end - next < 2 || line_end[-1] != '\r') return nullptr;
  const std::string_view number(next + 1, static_cast<std::size_t>(line_end - next - 2));
  const auto size = [number] { return replikv::resp::parse_integer(number).value_or(-1); };
  const char* rest = line_end + 1;
  switch (*next) {
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',': return rest;
    case '$':
    case '=': {
      if (number == "-1") return rest;
      const auto bytes = size();
      if (bytes < 0 || end - rest < bytes + 2) return nullptr;
      return rest[bytes] == '\r' && rest[bytes + 1] == '\n' ? rest + bytes + 2 : nullptr;
    }
    case '*':
    case '~':
    case '>':
    case '%': {
      if (number == "-1") return rest;
      const auto members = size() * (*next == '%' ? 2 : 1);
      if (members < 0) return nullptr;
      for (std::int64_t i = 0; i < members && rest != nullptr; ++i) rest = behind_reply(rest, end);
      return rest;
    }
    default: return nullptr;
  }
}

}  // namespace simulation
