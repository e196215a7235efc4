// One run of the simulation: what a seed stands for, playing it, and what came of it.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/testing/cluster.hpp>
#include <replikv/testing/fault.hpp>
#include <replikv/testing/shrink.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <tests/simulation/census.hpp>
#include <tests/simulation/invariants.hpp>
#include <tests/simulation/promises.hpp>
#include <tests/simulation/workload.hpp>
#include <utility>
#include <variant>
#include <vector>

namespace simulation {

using namespace std::chrono_literals;
using replikv::Random;
using replikv::testing::Fault;
using replikv::testing::FaultMix;
using replikv::testing::Topology;

/// What happens to a cluster from outside.
using PlannedEvent = std::variant<Write, Fault>;

[[nodiscard]] inline replikv::Duration time_of(const PlannedEvent& event) {
  return std::visit([](const auto& held) { return held.at; }, event);
}

/// Everything a seed decides. The events may be taken away one by one; the rest stays as it is.
struct Plan {
  std::uint64_t seed = 0;
  std::size_t topology = 0;
  replikv::ReplicationOptions options;
  replikv::LinkConditions conditions;
  KeySpace keys;
  std::vector<PlannedEvent> events;
};

inline constexpr auto span_of_run = 60s;
inline constexpr auto healing_time_max = 180s;  ///< until all agree after the last fault

[[nodiscard]] inline const std::vector<Topology>& topologies() {
  static const std::vector<Topology> all{
      Topology::star(1),    Topology::star(2),    Topology::star(3),  Topology::star(5),
      Topology::chain(2),   Topology::chain(3),   Topology::chain(4), Topology::tree(4, 2),
      Topology::tree(6, 2), Topology::tree(6, 3), {{{}, 0, 0, 1}},    {{{}, 0, 1, 1, 1}},
      {{{}, 0, 1, 2, 0}},
  };
  return all;
}

inline constexpr std::uint64_t large_every = 50;  ///< a run with much data costs as much as a few others

/// Gives the run more data than a link takes at once, early on.
inline void make_large(Plan& plan, Random& random) {
  plan.keys.is_large = true;
  plan.keys.big_bytes_max = 200'000;
  plan.conditions.chunk_bytes_max = 0;
  plan.conditions.bytes_per_second_max = 1 << 20;
  for (int i = 0; i < 24; ++i) {
    plan.events.emplace_back(Write{1s + i * 100ms, Write::Kind::set_big, random()});
  }
}

/// Some nodes keep a backlog by time. Drawn apart: all else of a seed is as it would be without.
inline void draw_backlog_duration(replikv::ReplicationOptions& options, std::uint64_t seed) {
  Random random(seed ^ 0xbac1'0600'0000'0000);
  if (random.below(3) != 0) return;
  options.backlog_duration = std::chrono::seconds(1 + random.below(40));
  options.backlog_bytes_max = std::max(options.backlog_bytes, std::uint64_t{1'024} << random.below(12));
}

/// The plan of a seed.
[[nodiscard]] inline Plan plan_of(std::uint64_t seed) {
  Random random(seed);
  Plan plan;
  plan.seed = seed;
  plan.topology = static_cast<std::size_t>(random.below(topologies().size()));
  const std::size_t nodes = topologies()[plan.topology].nodes();

  auto& options = plan.options;
  options.backlog_bytes = std::uint64_t{64} << random.below(15);
  options.ping_period = std::chrono::milliseconds(500 + random.below(4'000));
  options.ack_period = std::chrono::milliseconds(100 + random.below(1'500));
  options.timeout = std::chrono::milliseconds(5'000 + random.below(10'000));
  options.full_resync_delay = std::chrono::milliseconds(random.below(2) == 0 ? 0 : random.below(1'000));
  options.min_replicas_to_write = random.below(8) == 0 ? 1 : 0;
  options.min_replicas_max_lag = 5s;
  if (random.below(4) == 0) options.output_limit = {32 << 10, 8 << 10, 2s};
  draw_backlog_duration(options, seed);

  plan.conditions.delay_max = std::chrono::microseconds(200 << random.below(10));
  plan.conditions.chunk_bytes_max = random.below(2) == 0 ? 0 : 1 + random.below(1'000);
  plan.keys = {5 + random.below(60), 1 + random.below(5), 10 + random.below(200), 5'000};

  const unsigned writes_per_second = 1 + static_cast<unsigned>(random.below(15));
  for (const Write& write : draw_writes(random, span_of_run, writes_per_second))
    plan.events.emplace_back(write);
  if (seed % large_every == large_every / 2) make_large(plan, random);
  FaultMix mix = FaultMix::draw(random);
  mix[Fault::Kind::corrupt_after] = 0;  // the stream has no checksum: see corruption.cpp
  for (const Fault& fault : draw_faults(random, mix, nodes, span_of_run)) plan.events.emplace_back(fault);
  FaultMix changes;
  changes[Fault::Kind::fail_over] = 3;
  changes[Fault::Kind::follow] = 1;
  changes.per_minute = 7 + static_cast<unsigned>(random.below(6));
  for (const Fault& fault : draw_faults(random, changes, nodes, span_of_run)) plan.events.emplace_back(fault);
  std::stable_sort(plan.events.begin(), plan.events.end(),
                   [](const auto& one, const auto& other) { return time_of(one) < time_of(other); });
  return plan;
}

/// What came of a run.
struct Outcome {
  std::string violation;  ///< empty: every invariant held
  std::string invariant;
  std::string story;
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;
  std::uint64_t writes = 0;
  std::uint64_t promotions = 0;
  std::uint64_t full_resyncs = 0;
  std::uint64_t partial_resyncs = 0;
  replikv::Duration simulated{};
  replikv::Duration healing{};
  std::array<std::uint64_t, Fault::kinds> faults{};

  [[nodiscard]] bool is_good() const noexcept { return violation.empty(); }
};

/// A cluster on its way through a plan.
class Run {
 public:
  /// `tells`: the outcome of a bad run has its story. `census`, if any, counts what is seen.
  Run(const Plan& plan, bool tells, Census* census)
      : plan_(plan),
        cluster_(options_of(plan, tells)),
        invariants_(cluster_, plan.options, Invariants::often * (plan.keys.is_large ? 16 : 1)),
        workload_(plan.keys, plan.options) {
    cluster_.network().set_conditions(plan.conditions);
    if (census != nullptr) {
      cluster_.network().set_observer([census](const replikv::Traffic& traffic) { census->note(traffic); });
    }
  }

  [[nodiscard]] Outcome play() {
    Outcome outcome;
    try {
      for (const PlannedEvent& event : plan_.events) begin(event, outcome);
      cluster_.advance(span_of_run - cluster_.elapsed());
      heal(outcome);
    } catch (const Violation& violation) {
      outcome.violation = violation.what();
      outcome.invariant = violation.invariant();
      outcome.story = cluster_.story();
    }
    outcome.trace_hash = cluster_.trace_hash();
    outcome.events = invariants_.events();
    outcome.simulated = cluster_.elapsed();
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      outcome.full_resyncs += invariants_.watched(i).full_resyncs();
      outcome.partial_resyncs += invariants_.watched(i).partial_resyncs();
    }
    return outcome;
  }

 private:
  static replikv::testing::ClusterOptions options_of(const Plan& plan, bool tells) {
    replikv::testing::ClusterOptions options;
    options.topology = topologies().at(plan.topology);
    options.seed = plan.seed;
    options.options = plan.options;
    options.settled = false;
    options.journal_lines_max = tells ? 2000 : 0;
    return options;
  }

  void begin(const PlannedEvent& event, Outcome& outcome) {
    cluster_.advance(time_of(event) - cluster_.elapsed());
    if (const auto* fault = std::get_if<Fault>(&event)) {
      ++outcome.faults[static_cast<std::size_t>(fault->kind)];
      if (fault->kind == Fault::Kind::fail_over && cluster_.node(fault->node).is_replica())
        ++outcome.promotions;
      Fault now = *fault;
      now.at = {};
      cluster_.play({now});
      return cluster_.advance({});
    }
    const auto& write = std::get<Write>(event);
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      SimulatedNode& node = cluster_.node(i);
      if (node.is_paused() || !node.is_running()) workload_.forget(node);
      if (node.is_replica() && !node.is_paused() && write.seed % 64 == i) {
        workload_.try_on_replica(write, invariants_.watched(i));
      }
      if (!node.is_master() || node.is_paused()) continue;
      workload_.perform(write, invariants_.watched(i));
      ++outcome.writes;
      promises_.ask(write.seed, node.position());
    }
  }

  // All faults end, one node is the master of all: now everybody must agree, soon and without fuss.
  void heal(Outcome& outcome) {
    cluster_.network().heal();
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      SimulatedNode& node = cluster_.node(i);
      if (!node.is_running()) node.start();
      if (node.is_paused()) node.resume();
      node.set_drift(0);
    }
    invariants_.check_all();
    if (plan_.seed % 2 == 0 && has_one_master()) {
      cluster_.advance(plan_.options.timeout + 5s);  // each finds out by itself what it has lost
    } else {
      cluster_.advance(5s);  // what is still on its way from before arrives
      cluster_.fail_over(chosen_master());
    }
    invariants_.check_all();
    invariants_.judge_requests();
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < cluster_.size(); ++i) before += invariants_.watched(i).full_resyncs();

    const replikv::Duration began = cluster_.elapsed();
    while (!cluster_.is_settled()) {
      if (cluster_.elapsed() - began > healing_time_max)
        throw Violation("all agree in the end", "they do not");
      cluster_.advance(200ms);
    }
    outcome.healing = cluster_.elapsed() - began;
    invariants_.check_all();
    if (!cluster_.converged()) throw Violation("all agree in the end", "equal offsets, but other data");
    std::uint64_t after = 0;
    for (std::size_t i = 0; i < cluster_.size(); ++i) after += invariants_.watched(i).full_resyncs();
    if (after - before > 3 * cluster_.size())
      throw Violation("no full resync livelock", std::to_string(after - before));
    const std::uint64_t lost = links_lost();
    cluster_.advance(std::max<replikv::Duration>(plan_.options.timeout, Promises::patience) + 1s);
    promises_.check_all_ended();
    if (links_lost() != lost) throw Violation("a link stays in peace", "one was lost");
    if (!cluster_.run_until([this] { return cluster_.is_settled(); }, 5s))
      throw Violation("a link stays in peace", "not all are in step any more");
  }

  [[nodiscard]] std::uint64_t links_lost() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < cluster_.size(); ++i) sum += invariants_.watched(i).links_lost();
    return sum;
  }

  // All others follow it, one behind the other.
  [[nodiscard]] bool has_one_master() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      const replikv::testing::AnyNode* node = &cluster_.node(i);
      for (std::size_t steps = 0; steps < cluster_.size() && node != nullptr; ++steps)
        node = node->followed();
      if (node != nullptr) return false;  // in a circle
      if (cluster_.node(i).is_master() ? &cluster_.node(i) != &chosen_master()
                                       : cluster_.node(i).followed() == nullptr)
        return false;
    }
    return true;
  }

  SimulatedNode& chosen_master() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      if (cluster_.node(i).is_master()) return cluster_.node(i);
    }
    return cluster_.node(0);
  }

  const Plan& plan_;
  SimulatedCluster cluster_;
  Invariants invariants_;
  Workload workload_;
  Promises promises_{cluster_, invariants_};
};

[[nodiscard]] inline Outcome run(const Plan& plan, Census* census = nullptr) {
  return Run(plan, false, census).play();
}
[[nodiscard]] inline Outcome run_and_tell(const Plan& plan) { return Run(plan, true, nullptr).play(); }

/// The plan with no more events than it takes to break the same rule.
[[nodiscard]] inline Plan shrunk(Plan plan, const std::string& invariant) {
  const auto fails = [&plan, &invariant](const std::vector<PlannedEvent>& events) {
    Plan candidate = plan;
    candidate.events = events;
    return run(candidate).invariant == invariant;
  };
  plan.events = replikv::testing::shrink(plan.events, fails);
  return plan;
}

[[nodiscard]] inline std::string text_of(const PlannedEvent& event) {
  if (const auto* fault = std::get_if<Fault>(&event)) return text(*fault);
  const auto& write = std::get<Write>(event);
  const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(write.at).count();
  return "at " + std::to_string(at) + " ms: write of kind " + std::to_string(static_cast<int>(write.kind));
}

}  // namespace simulation
