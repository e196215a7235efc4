// How much memory the code under test asked for; heap.cpp counts, in the place of the global operators.
#pragma once

#include <cstddef>

namespace fuzz {

/// Watches the peak from its construction on.
class HeapWatch {
 public:
  HeapWatch() noexcept;

  /// The most that was held at a time, beyond what was held at the beginning.
  [[nodiscard]] std::size_t peak_bytes() const noexcept;

 private:
  std::size_t before_;
};

}  // namespace fuzz
