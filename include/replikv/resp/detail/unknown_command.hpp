// What a peer is told whose command means nothing here: a master's peers and an endpoint's clients hear the
// same.
#pragma once

#include <replikv/resp/command.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// Source  Redis 7.0: of the name, and of the arguments together, 128 bytes are repeated
[[nodiscard]] inline std::string unknown_command(resp::Arguments words) {
  constexpr std::size_t shown_max = 128;
  std::string text =
      "ERR unknown command '" + std::string(words[0].substr(0, shown_max)) + "', with args beginning with: ";
  const std::size_t shown_from = text.size();
  for (std::size_t i = 1; i < words.size() && text.size() - shown_from < shown_max; ++i) {
    text += "'" + std::string(words[i].substr(0, shown_max - (text.size() - shown_from))) + "' ";
  }
  return text;
}

}  // namespace replikv::inline v0_1::detail
