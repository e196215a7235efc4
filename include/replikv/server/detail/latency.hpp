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
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>

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

/// The times that calls took, each known to a sixteenth of itself. Takes its memory with the first.
class LatencyHistogram {
 public:
  void add(std::chrono::nanoseconds took) noexcept {
    if (!counts_) [[unlikely]] {
      counts_.reset(new (std::nothrow) Counts{});
      if (!counts_) return;
    }
    ++calls_;
    ++(*counts_)[place_of(took)];
  }
  void clear() noexcept {
    counts_.reset();
    calls_ = 0;
  }
  [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }

  /// Calls `f(microseconds, calls)` with the calls that took no longer, for each doubling of the time that
  /// has some of its own.
  ///
  /// Source  Redis 7.0 LATENCY HISTOGRAM: bounds of 1024 ns times a power of two, in the two digits that its
  ///         histograms keep
  template <class F>
  void for_each(F&& f) const {
    std::uint64_t calls = 0;
    std::uint64_t told = 0;
    for (std::size_t i = 0; counts_ && i < counts_->size(); ++i) {
      calls += (*counts_)[i];
      const std::uint64_t bound_ns = end_of(i);
      const bool ends_here = bound_ns >= 1024 && std::has_single_bit(bound_ns);
      if (ends_here && calls > told) f((bound_ns + bound_ns / 128 - 1) / 1000, told = calls);
    }
  }
  [[nodiscard]] std::size_t buckets() const {
    std::size_t count = 0;
    for_each([&count](std::uint64_t, std::uint64_t) { ++count; });
    return count;
  }

  /// What so many of a hundred calls took at most; of none of them: the shortest time. Zero without calls.
  [[nodiscard]] std::chrono::nanoseconds percentile(double percent) const noexcept {
    const auto wanted = std::max<std::uint64_t>(
        static_cast<std::uint64_t>(percent / 100 * static_cast<double>(calls_) + 0.5), 1);
    std::uint64_t calls = 0;
    for (std::size_t i = 0; counts_ && i < counts_->size(); ++i) {
      calls += (*counts_)[i];
      if (calls < wanted) continue;
      const std::uint64_t shown = percent > 0 ? end_of(i) - 1 : i == 0 ? 0 : end_of(i - 1);
      return std::chrono::nanoseconds(static_cast<std::int64_t>(shown));
    }
    return std::chrono::nanoseconds(0);
  }

 private:
  static constexpr unsigned unit_bits = 6;     // 64 ns
  static constexpr unsigned doublings = 30;    // the longest: eighteen minutes
  static constexpr std::size_t fraction = 16;  // places in each
  using Counts = std::array<std::uint64_t, (doublings + 1) * fraction>;

  // The leading bits of the time, after as many places as there are for all shorter ones.
  [[nodiscard]] static std::size_t place_of(std::chrono::nanoseconds took) noexcept {
    const auto units = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)) >> unit_bits;
    const auto width = static_cast<unsigned>(std::bit_width(units));
    const unsigned dropped = width > 5 ? width - 5 : 0;
    return std::min<std::size_t>(dropped * fraction + (units >> dropped), std::tuple_size_v<Counts> - 1);
  }
  // In nanoseconds, of the times at a place.
  [[nodiscard]] static std::uint64_t end_of(std::size_t place) noexcept {
    const std::size_t dropped = place < 2 * fraction ? 0 : place / fraction - 1;
    return std::uint64_t{place - dropped * fraction + 1} << (dropped + unit_bits);
  }

  std::unique_ptr<Counts> counts_;
  std::uint64_t calls_ = 0;
};

}  // namespace replikv::inline v0_1::detail
