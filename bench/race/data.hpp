// The same keys and values for every side: keys of 16 bytes in no order, values that do not compress.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/resp/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace race {

inline constexpr std::size_t key_bytes = 16;
inline constexpr std::size_t value_bytes = 64;

/// "key:" and twelve digits.
[[nodiscard]] inline std::string key_of(std::uint64_t number) {
  std::string key = "key:000000000000";
  for (std::size_t at = key.size(); number > 0; number /= 10)
    key[--at] = static_cast<char>('0' + number % 10);
  return key;
}

/// The numbers 0 .. count - 1, shuffled, always in the same way.
[[nodiscard]] inline std::vector<std::uint32_t> shuffled(std::size_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), std::uint32_t{0});
  replikv::Random random(7);
  for (std::size_t i = count; i > 1; --i) std::swap(numbers[i - 1], numbers[random.below(i)]);
  return numbers;
}

/// Values of one size, each different from its neighbours: windows of a stretch of random bytes.
class Values {
 public:
  explicit Values(std::size_t bytes) : bytes_(bytes) {
    replikv::Random random(11);
    noise_.resize(stretch + bytes);
    for (char& byte : noise_) byte = static_cast<char>(random.below(256));
  }

  [[nodiscard]] std::string_view operator[](std::uint64_t number) const noexcept {
    return std::string_view(noise_).substr(number * 61 % stretch, bytes_);
  }

 private:
  static constexpr std::size_t stretch = std::size_t{1} << 20;

  std::size_t bytes_;
  std::string noise_;
};

/// A stream that sets each of `keys` keys once.
[[nodiscard]] inline std::string stream_of_sets(std::size_t keys, std::size_t bytes_each) {
  const Values values(bytes_each);
  std::string bytes;
  bytes.reserve(keys * (bytes_each + key_bytes + 40) + 64);
  replikv::resp::append_command(bytes, "SELECT", "0");
  for (const std::uint32_t number : shuffled(keys)) {
    replikv::resp::append_command(bytes, "SET", key_of(number), values[number]);
  }
  return bytes;
}

}  // namespace race
