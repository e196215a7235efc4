// What all fuzz targets share: reading choices out of an input, cutting bytes into pieces, and ending the
// program where a property does not hold.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

namespace fuzz {

/// A property of the code under test. Says which one does not hold, and aborts.
inline void require(bool holds, const char* property) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

/// The bytes of an input, taken from the front; what is missing at its end reads as 0 or empty.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

  std::uint8_t byte() noexcept {
    if (rest_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }

  /// At most `size` bytes.
  std::string_view take(std::size_t size) noexcept {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

/// A copy in memory of just its size: a sanitizer sees every byte read beyond it.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view text) : bytes_(new std::byte[text.size()]), size_(text.size()) {
    if (!text.empty()) std::memcpy(bytes_.get(), text.data(), text.size());
  }

  [[nodiscard]] replikv::Bytes bytes() const noexcept { return {bytes_.get(), size_}; }
  [[nodiscard]] std::string_view text() const noexcept { return replikv::as_text(bytes()); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_;
};

/// How bytes are cut into pieces, told by one byte of the input: 0 whole, below 8 all of that size, above
/// that sizes at random.
class Cuts {
 public:
  explicit Cuts(std::uint8_t choice) noexcept : choice_(choice), random_(choice) {}

  /// The size of the next piece of `left` bytes, which are more than none.
  std::size_t next(std::size_t left) noexcept {
    if (choice_ == 0) return left;
    const std::size_t size = choice_ < 8 ? choice_ : 1 + random_.below(random_.below(4) == 0 ? 64 : 8);
    return std::min(left, size);
  }

 private:
  std::uint8_t choice_;
  replikv::Random random_;
};

}  // namespace fuzz
