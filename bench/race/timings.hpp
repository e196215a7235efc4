// Times of single operations, many of them: the longest, and percentiles, in little memory.
#pragma once

#include <algorithm>
#include <bench/race/figure.hpp>
#include <bench/race/stopwatch.hpp>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <string>
#include <sys/resource.h>
#include <sys/types.h>
#include <vector>

namespace race {

/// Times operations one by one.
///
/// An operation that lost its processor shows the scheduler. So the longest is told as it was, and again
/// among those during which neither the calling thread nor the first thread of `server` was switched out
/// against its will. That is asked after each operation of more than 20 us, and now and then between.
class Timings {
 public:
  explicit Timings(pid_t server = 0) : server_(server), switches_(switches()) {}

  template <class F>
  void time(F&& operation) {
    const Stopwatch watch;
    operation();
    add(watch.nanoseconds());
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

  /// Reports p99.99, the longest and the longest undisturbed, and begins anew.
  void report(const Run& run, std::initializer_list<Condition> conditions) {
    const auto microseconds = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
    run.report(conditions, "p99.99_us", microseconds(percentile(0.9999)));
    run.report(conditions, "longest_us", microseconds(longest_));
    run.report(conditions, "longest_undisturbed_us", microseconds(undisturbed_));
    *this = Timings(server_);
  }

 private:
  static constexpr std::uint64_t step_ns = 50;
  static constexpr std::size_t steps = 100'000;
  static constexpr std::uint64_t suspicious_ns = 20'000;

  void add(std::uint64_t ns) {
    ++buckets_[std::min<std::size_t>(ns / step_ns, steps)];
    longest_ = std::max(longest_, ns);
    const bool is_to_ask = ++count_ % 256 == 0 || ns > suspicious_ns;
    const std::uint64_t now = is_to_ask ? switches() : switches_;
    if (ns <= suspicious_ns || now == switches_) undisturbed_ = std::max(undisturbed_, ns);
    switches_ = now;
  }

  // To the next 50 ns; the longest where times are beyond 5 ms.
  [[nodiscard]] std::uint64_t percentile(double share) const {
    std::uint64_t total = 0;
    for (const std::uint64_t each : buckets_) total += each;
    auto left = static_cast<std::uint64_t>(share * static_cast<double>(total));
    for (std::size_t at = 0; at < steps; ++at) {
      if (buckets_[at] > left) return std::min((at + 1) * step_ns, longest_);
      left -= buckets_[at];
    }
    return longest_;
  }

  [[nodiscard]] std::uint64_t switches() const {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    auto total = static_cast<std::uint64_t>(usage.ru_nivcsw);
    if (server_ == 0) return total;
    std::ifstream status("/proc/" + std::to_string(server_) + "/status");
    for (std::string word; status >> word;) {
      std::uint64_t value = 0;
      if (word == "nonvoluntary_ctxt_switches:" && status >> value) total += value;
    }
    return total;
  }

  pid_t server_;
  std::vector<std::uint32_t> buckets_ = std::vector<std::uint32_t>(steps + 1);
  std::uint64_t count_ = 0;
  std::uint64_t longest_ = 0;
  std::uint64_t undisturbed_ = 0;
  std::uint64_t switches_;
};

}  // namespace race
