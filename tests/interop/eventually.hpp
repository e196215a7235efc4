// Waiting for what happens in another process: asked again and again until it holds, or the deadline is
// over. The deadline is generous: only a broken test ever meets it.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace interop {

inline constexpr std::chrono::seconds patience{60};

/// True as soon as `holds()` is.
template <class Predicate>
[[nodiscard]] bool eventually(Predicate&& holds, std::chrono::steady_clock::duration limit = patience) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (auto pause = std::chrono::microseconds(500);;
       pause = std::min(pause * 2, std::chrono::microseconds(20'000))) {
    if (holds()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(pause);  // between two questions, not in the hope that something happens
  }
}

}  // namespace interop
