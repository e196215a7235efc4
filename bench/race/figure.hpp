// What a case of the race measures, and how it is told: one line of JSON for each figure. The same case,
// conditions and metric measured on two sides makes a row of the table.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace race {

/// Who runs: "replikv", "redis-server", or another program or library the case names.
using Side = std::string_view;

inline constexpr Side replikv_side = "replikv";

/// One parameter of a case and its value, as in {"value_bytes", "64"}.
using Condition = std::pair<std::string, std::string>;

class Run {
 public:
  Run(std::string_view name, Side side, bool quick) : name_(name), side_(side), quick_(quick) {}

  [[nodiscard]] Side side() const noexcept { return side_; }
  [[nodiscard]] bool is_ours() const noexcept { return side_ == replikv_side; }
  /// A tenth of the work: to see that all is well, not to be quoted.
  [[nodiscard]] bool is_quick() const noexcept { return quick_; }
  [[nodiscard]] std::size_t scaled(std::size_t count) const noexcept { return quick_ ? count / 10 : count; }

  /// Prints a figure. The metric's name ends in its unit: keys_per_second, ns, us, bytes.
  void report(std::initializer_list<Condition> conditions, std::string_view metric, double value) const {
    std::string line = R"({"case":")" + name_ + R"(","side":")" + side_ + R"(","conditions":{)";
    for (const auto& [parameter, setting] : conditions) {
      if (line.back() != '{') line += ',';
      line.append("\"").append(parameter).append("\":\"").append(setting).append("\"");
    }
    line.append(R"(},"metric":")").append(metric).append(R"(","value":)").append(std::to_string(value));
    std::puts((line + "}").c_str());
    std::fflush(stdout);
  }

  /// p50, p99, p99.9 and p99.99 of times in nanoseconds, reported in microseconds.
  void report_percentiles(std::initializer_list<Condition> conditions,
                          std::vector<std::uint64_t>& times) const {
    std::sort(times.begin(), times.end());
    for (const auto& [metric, share] : {std::pair{"p50_us", 0.5}, std::pair{"p99_us", 0.99},
                                        std::pair{"p99.9_us", 0.999}, std::pair{"p99.99_us", 0.9999}}) {
      const auto at = static_cast<std::size_t>(share * static_cast<double>(times.size()));
      report(conditions, metric, static_cast<double>(times[std::min(at, times.size() - 1)]) / 1000.0);
    }
  }

 private:
  std::string name_;
  std::string side_;
  bool quick_;
};

/// Runs in a process of its own, so that no case inherits another's memory.
struct Case {
  std::string_view name;
  std::vector<Side> sides;
  void (*run)(const Run&);
};

}  // namespace race
