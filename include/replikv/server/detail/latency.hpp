// How long things took: the peaks of each kind of event over time (Redis: LATENCY), and the distribution of
// one command's times.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// Source  Redis 7.0 latency.c: one sample a second and event, the worst; 160 of them
class LatencyEvents {
 public:
  struct Sample {
    std::int64_t at_s;  ///< since 1970
    std::int64_t took_ms;
  };
  struct Event {
    std::deque<Sample> samples{};  ///< the oldest first
    std::int64_t max_ms = 0;
  };
  using Events = std::map<std::string, Event, std::less<>>;

  void add(std::string_view name, std::int64_t at_s, std::int64_t took_ms) {
    auto place = events_.find(name);
    if (place == events_.end()) place = events_.emplace(std::string(name), Event{}).first;
    Event& event = place->second;
    event.max_ms = std::max(event.max_ms, took_ms);
    if (!event.samples.empty() && event.samples.back().at_s == at_s) {
      event.samples.back().took_ms = std::max(event.samples.back().took_ms, took_ms);
      return;
    }
    event.samples.push_back({at_s, took_ms});
    if (event.samples.size() > samples_max) event.samples.pop_front();
  }

  [[nodiscard]] const Events& all() const noexcept { return events_; }
  /// How many events were forgotten.
  std::size_t clear() noexcept {
    const std::size_t count = events_.size();
    events_.clear();
    return count;
  }
  std::size_t clear(std::string_view name) {
    const auto place = events_.find(name);
    if (place == events_.end()) return 0;
    events_.erase(place);
    return 1;
  }

 private:
  static constexpr std::size_t samples_max = 160;

  Events events_;
};

/// The times that calls took, in buckets of doubling size.
class LatencyHistogram {
 public:
  void add(std::chrono::nanoseconds took) noexcept {
    const auto units = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)) >> 10;
    ++counts_[std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(units)), counts_.size() - 1)];
  }

  /// Calls `f(microseconds, calls)` with the calls that took no longer, for each bucket that has some of
  /// its own.
  ///
  /// Source  Redis 7.0 LATENCY HISTOGRAM: bounds of 1024 ns times a power of two, in the two digits that its
  ///         histograms keep
  template <class F>
  void for_each(F&& f) const {
    std::uint64_t calls = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] == 0) continue;
      calls += counts_[i];
      const std::uint64_t bound_ns = std::uint64_t{1024} << i;
      f((bound_ns + bound_ns / 128 - 1) / 1000, calls);
    }
  }
  [[nodiscard]] std::size_t buckets() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(counts_.begin(), counts_.end(), [](std::uint64_t count) { return count != 0; }));
  }

 private:
  std::array<std::uint64_t, 32> counts_{};
};

}  // namespace replikv::inline v0_1::detail
