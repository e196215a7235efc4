// From a list of events that makes a run fail, to a short one that still does.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::testing {

/// Takes events away, many at a time and then few, for as long as `fails(rest)` stays true (delta debugging;
/// Zeller and Hildebrandt 2002). What is left fails, and no single event can be spared, unless `time_max` of
/// real time was over before. Precondition: `fails(events)`.
template <class Event, class Fails>
[[nodiscard]] std::vector<Event> shrink(std::vector<Event> events, Fails&& fails,
                                        std::chrono::milliseconds time_max = std::chrono::seconds{60}) {
  const auto deadline = std::chrono::steady_clock::now() + time_max;
  for (std::size_t size = std::max<std::size_t>(1, events.size() / 2); !events.empty();) {
    bool is_smaller = false;
    for (std::size_t at = 0; at < events.size();) {
      if (std::chrono::steady_clock::now() >= deadline) return events;
      auto rest = events;
      const auto from = rest.begin() + static_cast<std::ptrdiff_t>(at);
      rest.erase(from, from + static_cast<std::ptrdiff_t>(std::min(size, rest.size() - at)));
      if (fails(std::as_const(rest))) {
        events = std::move(rest);
        is_smaller = true;
      } else {
        at += size;
      }
    }
    if (size == 1 && !is_smaller) break;
    size = std::max<std::size_t>(1, size / 2);
  }
  return events;
}

}  // namespace replikv::inline v0_1::testing
