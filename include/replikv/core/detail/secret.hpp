// Comparing what a peer presents with what it should know, without telling by the time it takes how
// much of it was right.
#pragma once

#include <cstddef>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// Equality in a time that depends on `presented` alone, neither on the secret nor on where they differ.
[[nodiscard]] inline bool equal_in_constant_time(std::string_view secret,
                                                 std::string_view presented) noexcept {
  volatile unsigned difference = secret.size() == presented.size() ? 0U : 1U;
  for (std::size_t i = 0; i < presented.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = difference | static_cast<unsigned char>(expected ^ presented[i]);
  }
  return difference == 0;
}

}  // namespace replikv::inline v0_1::detail
