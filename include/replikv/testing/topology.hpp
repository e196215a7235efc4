// Who follows whom in a cluster when it begins.
#pragma once

#include <cassert>
#include <cstddef>
#include <optional>
#include <vector>

namespace replikv::inline v0_1::testing {

/// Nodes by number; node 0 is the master. `masters[i]` is whom node i follows, nobody for a master.
struct Topology {
  std::vector<std::optional<std::size_t>> masters{std::nullopt};

  [[nodiscard]] std::size_t nodes() const noexcept { return masters.size(); }

  /// Replicas that all follow the master.
  [[nodiscard]] static Topology star(std::size_t replicas) { return tree(replicas, replicas); }

  /// Each follows the one before it.
  [[nodiscard]] static Topology chain(std::size_t replicas) { return tree(replicas, 1); }

  /// Each node is followed by `fanout` others at most, filled from the top.
  [[nodiscard]] static Topology tree(std::size_t replicas, std::size_t fanout) {
    assert(fanout > 0 || replicas == 0);
    Topology topology;
    for (std::size_t i = 0; i < replicas; ++i) topology.masters.emplace_back(i / fanout);
    return topology;
  }
};

}  // namespace replikv::inline v0_1::testing
