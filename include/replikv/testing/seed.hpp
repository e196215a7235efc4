// The seed of a run, and how a failing one is repeated: REPLIKV_SEED in the environment.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1::testing {

/// The seed that the environment asks for, as a decimal number in REPLIKV_SEED. Throws
/// std::invalid_argument when that is something else.
[[nodiscard]] inline std::optional<std::uint64_t> seed_of_environment() {
  const char* const text = std::getenv("REPLIKV_SEED");
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view digits(text);
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (error == std::errc{} && end == digits.data() + digits.size()) return seed;
  throw std::invalid_argument("replikv: REPLIKV_SEED is no number: " + std::string(digits));
}

/// Calls `body(seed)` for each seed of [first, first + count); for that of the environment alone when there
/// is one. When the body throws, says which seed it was and throws on. Frameworks whose assertions do not
/// throw: name the seed in the message (INFO, SCOPED_TRACE).
template <class Body>
void for_each_seed(std::uint64_t first, std::uint64_t count, Body&& body) {
  if (const auto only = seed_of_environment()) first = *only, count = 1;
  for (std::uint64_t seed = first; seed != first + count; ++seed) {
    try {
      body(seed);
    } catch (...) {
      const std::string text = std::to_string(seed);
      std::fputs(("seed " + text + " failed; REPLIKV_SEED=" + text + " repeats it\n").c_str(), stderr);
      throw;
    }
  }
}

}  // namespace replikv::inline v0_1::testing
