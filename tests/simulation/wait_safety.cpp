// What a write confirmed by enough replicas is worth: with R replicas, one that w of them confirmed is never
// lost, if a failover asks R - w + 1 of them, cuts each off from the old master before it looks at its
// offset, and takes the one that is furthest in the youngest history.
#include <replikv/testing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tests/simulation/run.hpp>
#include <utility>
#include <vector>

using namespace simulation;

namespace {

class CarefulFailovers {
 public:
  CarefulFailovers(std::uint64_t seed, std::size_t replicas, std::size_t quorum)
      : random_(seed),
        quorum_(quorum),
        cluster_(replikv::testing::ClusterOptions{
            .replicas = replicas, .seed = seed, .options = options(), .settled = false}),
        invariants_(cluster_) {
    cluster_.settle();
    epochs_[cluster_.master().position().id.text()] = 0;
  }

  void play() {
    using Kind = Fault::Kind;
    FaultMix mix;
    for (const Kind kind : {Kind::cut, Kind::half_open, Kind::cut_after, Kind::block, Kind::part, Kind::slow,
                            Kind::crumble, Kind::late, Kind::pause, Kind::refuse}) {
      mix[kind] = static_cast<unsigned>(random_.below(4));
    }
    cluster_.play(draw_faults(random_, mix, cluster_.size(), span_of_run));
    for (int step = 0; step < 600; ++step) {
      write();
      cluster_.advance(100ms);
      note_confirmed();
      if (step % 60 == 59) fail_over();
    }
    REQUIRE(failovers_ > 0);
    REQUIRE(confirmed_.size() > 0);
  }

 private:
  static replikv::ReplicationOptions options() {
    replikv::ReplicationOptions options;
    options.ack_period = 200ms;
    options.ping_period = 2s;
    options.timeout = 5s;
    return options;
  }

  void write() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      if (cluster_.node(i).is_master()) {
        cluster_.node(i).set("key:" + std::to_string(random_.below(20)), std::to_string(random_()));
      }
    }
  }

  // What WAIT would have told a client, on any node that takes itself for the master.
  void note_confirmed() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      SimulatedNode& node = cluster_.node(i);
      if (!node.is_master()) continue;
      std::map<std::string, std::uint64_t> held;  // a replica may have two links, one of them half-open
      for (const auto& replica : node.info().replicas) {
        if (replica.state != replikv::ReplicaState::online) continue;
        auto& furthest = held[replica.ip];
        furthest = std::max(furthest, replica.acknowledged.bytes);
      }
      std::vector<std::uint64_t> offsets;
      for (const auto& [ip, offset] : held) offsets.push_back(offset);
      if (offsets.size() < quorum_) continue;
      std::sort(offsets.rbegin(), offsets.rend());
      auto& confirmed = confirmed_[node.position().id.text()];
      confirmed = {node.position().id, std::max(confirmed.second, offsets[quorum_ - 1])};
    }
  }

  void fail_over() {
    std::vector<SimulatedNode*> asked;
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      if (cluster_.node(i).is_replica() && !cluster_.node(i).is_paused()) asked.push_back(&cluster_.node(i));
    }
    SimulatedNode& old = youngest_master();
    const std::size_t replicas = cluster_.size() - 1;
    if (asked.size() + quorum_ < replicas + 1) return;
    cluster_.network().partition(old);
    for (SimulatedNode* node : asked) node->unfollow();  // fenced, and only then looked at
    SimulatedNode& chosen = **std::max_element(
        asked.begin(), asked.end(), [this](auto* one, auto* other) { return rank(*one) < rank(*other); });
    chosen.promote();
    cluster_.advance({});
    invariants_.check_all();
    const auto id = chosen.position().id;
    epochs_.emplace(id.text(), ++failovers_);
    for (const auto& of_node : confirmed_) {
      const auto& confirmed = of_node.second;
      CAPTURE(confirmed.second);
      REQUIRE(invariants_.chronicle().shares(id, confirmed.first, confirmed.second));
    }
    cluster_.advance(2s);  // the old master still takes writes, for nobody
    note_confirmed();
    cluster_.network().heal();
    cluster_.fail_over(chosen);
  }

  SimulatedNode& youngest_master() {
    SimulatedNode* youngest = nullptr;
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      SimulatedNode& node = cluster_.node(i);
      if (node.is_master() && (youngest == nullptr || rank(*youngest) < rank(node))) youngest = &node;
    }
    return *youngest;
  }

  [[nodiscard]] std::pair<std::size_t, std::uint64_t> rank(const SimulatedNode& node) const {
    const auto found = epochs_.find(node.position().id.text());
    return {found == epochs_.end() ? 0 : found->second + 1, node.position().offset.bytes};
  }

  Random random_;
  std::size_t quorum_;
  SimulatedCluster cluster_;
  Invariants invariants_;
  std::map<std::string, std::size_t> epochs_;
  std::map<std::string, std::pair<replikv::ReplicationId, std::uint64_t>> confirmed_;
  std::size_t failovers_ = 0;
};

}  // namespace

TEST_CASE("what enough replicas have confirmed survives every careful failover") {
  replikv::testing::for_each_seed(1, 40, [](std::uint64_t seed) {
    CAPTURE(seed);
    const std::size_t replicas = 2 + seed % 4;
    for (const std::size_t quorum : {std::size_t{1}, (replicas + 1) / 2, replicas}) {
      CAPTURE(quorum);
      CarefulFailovers(seed, replicas, quorum).play();
    }
  });
}
