// A fault as a value: it can be drawn from a seed, printed, taken out of a list, and played again.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/random.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::testing {

struct Fault {
  enum class Kind : std::uint8_t {
    cut,            ///< the links between node and other
    half_open,      ///< of those, node alone hears
    cut_after,      ///< when `amount` bytes more have got from node to other
    corrupt_after,  ///< a bit of the byte after that
    block,          ///< the way from node to other
    part,           ///< both ways between node and other
    isolate,        ///< node from all others
    refuse,         ///< connecting to node
    slow,           ///< from node to other: `amount` bytes a second
    crumble,        ///< from node to other: pieces of at most `amount` bytes
    late,           ///< from node to other: up to `amount` microseconds more
    pause,          ///< node
    crash,          ///< node, and it starts again with what it had
    lose,           ///< node, and it starts again with nothing
    power_off,      ///< node, nobody is told, and it starts again with what it had
    fail_over,      ///< node becomes the master; all others follow it, the old master at the end
    follow,         ///< node follows other
    jump,           ///< node's wall clock by `amount` - an hour, in milliseconds
    drift,          ///< node's clocks by `amount` - 100 000 parts per million
  };
  static constexpr std::size_t kinds = 19;

  Duration at{};  ///< from the beginning
  Kind kind = Kind::cut;
  std::size_t node = 0;
  std::size_t other = 0;
  std::uint64_t amount = 0;
  Duration lasts{};  ///< for those that have an end

  friend bool operator==(const Fault&, const Fault&) = default;
};

[[nodiscard]] constexpr std::string_view text(Fault::Kind kind) noexcept {
  constexpr std::array<std::string_view, Fault::kinds> names{
      "cut",       "half_open", "cut_after", "corrupt_after", "block", "part",  "isolate",
      "refuse",    "slow",      "crumble",   "late",          "pause", "crash", "lose",
      "power_off", "fail_over", "follow",    "jump",          "drift"};
  return names[static_cast<std::size_t>(kind)];
}

[[nodiscard]] inline std::string text(const Fault& fault) {
  const auto seconds = [](Duration span) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count()) + " ms";
  };
  return "at " + seconds(fault.at) + ": " + std::string(text(fault.kind)) + " node " +
         std::to_string(fault.node) + ", other " + std::to_string(fault.other) + ", amount " +
         std::to_string(fault.amount) + ", for " + seconds(fault.lasts);
}

/// Which faults happen, and how often: `weights[kind]` of all weights, `per_minute` in all.
struct FaultMix {
  std::array<unsigned, Fault::kinds> weights{};
  unsigned per_minute = 20;
  Duration lasts_max = std::chrono::seconds{20};

  [[nodiscard]] unsigned& operator[](Fault::Kind kind) noexcept {
    return weights[static_cast<std::size_t>(kind)];
  }

  /// A mix of its own for each seed: some kinds, at their own rates. (Swarm testing; Groce et al. 2012: a
  /// run that leaves something out finds what a run with everything hides.)
  [[nodiscard]] static FaultMix draw(Random& random) {
    FaultMix mix;
    for (unsigned& weight : mix.weights) {
      weight = random.below(2) == 0 ? 0 : static_cast<unsigned>(1 + random.below(10));
    }
    mix.per_minute = static_cast<unsigned>(random.below(60));
    mix.lasts_max = std::chrono::milliseconds(100 << random.below(10));
    return mix;
  }
};

/// Faults of the mix among `nodes` nodes during `span`, in the order of time.
[[nodiscard]] inline std::vector<Fault> draw_faults(Random& random, const FaultMix& mix, std::size_t nodes,
                                                    Duration span) {
  std::uint64_t sum = 0;
  for (const unsigned weight : mix.weights) sum += weight;
  if (sum == 0 || nodes < 2) return {};
  const auto within = [&random](Duration limit) {
    return Duration{static_cast<Duration::rep>(random.below(static_cast<std::uint64_t>(limit.count()) + 1))};
  };
  const auto minutes = std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
  const auto count = static_cast<std::uint64_t>(minutes) * mix.per_minute / 60'000;
  std::vector<Fault> faults;
  for (std::uint64_t i = 0; i < count; ++i) {
    Fault fault;
    std::uint64_t pick = random.below(sum);
    std::size_t kind = 0;
    while (pick >= mix.weights[kind]) pick -= mix.weights[kind++];
    fault.kind = static_cast<Fault::Kind>(kind);
    fault.at = within(span);
    fault.node = random.below(nodes);
    fault.other = (fault.node + 1 + random.below(nodes - 1)) % nodes;
    fault.lasts = within(mix.lasts_max);
    switch (fault.kind) {
      case Fault::Kind::jump: fault.amount = random.below(7'200'000); break;
      case Fault::Kind::drift: fault.amount = random.below(200'000); break;
      default: fault.amount = 1 + random.below(std::uint64_t{1} << (4 + random.below(14)));
    }
    if (fault.kind == Fault::Kind::slow) fault.amount = 256 + 16 * fault.amount;
    faults.push_back(fault);
  }
  std::stable_sort(faults.begin(), faults.end(),
                   [](const Fault& one, const Fault& other) { return one.at < other.at; });
  return faults;
}

}  // namespace replikv::inline v0_1::testing
