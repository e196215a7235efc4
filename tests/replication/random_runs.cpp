// Random writes, random faults, many seeds: at every moment a replica holds exactly a prefix of its
// master's history, and after healing all are equal. A failing run prints its seed; REPLIKV_SEED repeats it.
#include <doctest/doctest.h>

#include <cstdlib>
#include <tests/replication/cluster.hpp>

using namespace cluster;

namespace {

/// What the master held after each of its writes, by offset. The model replicas are held against.
class Chronicle {
 public:
  void note(const ReplicationMaster& master, const Strings& store) {
    states_[master.position().offset] = contents(store);
  }
  [[nodiscard]] const Contents& at(Offset offset) const {
    return std::prev(states_.upper_bound(offset))->second;
  }

 private:
  std::map<Offset, Contents> states_;
};

class Run {
 public:
  explicit Run(std::uint64_t seed)
      : random_(seed),
        network_(seed),
        master_(network_, "master", {.backlog_bytes = 32 << 10, .ping_period = 3s}, seed) {
    network_.set_chunking(random_.below(2) == 0 ? 0 : 1 + random_.below(200));
    fill(master_.store, 50);
    chronicle_.note(*master_.role, master_.store);
    for (std::uint64_t i = 0; i < 3; ++i) {
      replicas_.push_back(std::make_unique<ReplicaNode>(
          network_, ReplicationOptions{.backlog_bytes = 32 << 10, .ping_period = 3s, .timeout = 10s},
          seed + 1 + i));
    }
    replicas_[0]->role->listen(network_, "middle");
    replicas_[0]->role->follow(network_, "master");
    replicas_[1]->role->follow(network_, "master");
    replicas_[2]->role->follow(network_, "middle");
  }

  void play(int steps) {
    for (int step = 0; step < steps; ++step) {
      write();
      if (random_.below(10) == 0) fault();
      network_.run_for(std::chrono::microseconds(random_.below(20'000)));
      check_prefix();
    }
    heal();
  }

 private:
  std::string key() { return "key:" + std::to_string(random_.below(80)); }

  void write() {
    auto& store = master_.store;
    switch (random_.below(9)) {
      case 0: store.erase(key()); break;
      case 1: store.set(key(), std::string(random_.below(3'000), 'x')); break;
      case 2: store.set("number", std::to_string(random_.below(1000))); break;
      case 3: store.increment("number2", 1); break;
      case 4:
        (void)store.transaction([this](auto& transaction) {
          const std::string value = std::to_string(random_.below(1'000'000));
          transaction.set("left", value);
          transaction.erase(key());
          transaction.set("right", value);
        });
        break;
      case 5:
        if (random_.below(50) == 0) store.clear();
        break;
      case 6:
        store.set_many(std::vector<std::pair<std::string, std::string>>{{key(), "m1"}, {"many", "m2"}});
        break;
      default: store.set(key(), std::to_string(random_.below(1'000'000)));
    }
    chronicle_.note(*master_.role, store);
  }

  void fault() {
    const std::string where = random_.below(2) == 0 ? "master" : "middle";
    const auto direction = random_.below(2) == 0 ? Direction::toward_listener : Direction::toward_connector;
    switch (random_.below(6)) {
      case 0: network_.cut(where); break;
      case 1: network_.cut_after(where, random_.below(20'000), direction); break;
      case 2: network_.stall(where, direction, true); break;
      case 3: network_.stall(where, false); break;
      case 4: network_.refuse(where, random_.below(2) == 0); break;
      case 5: network_.partition(where, random_.below(2) == 0); break;
    }
  }

  void check_prefix() {
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      const Token held = replicas_[i]->role->position();
      if (held.id != master_.role->position().id) continue;  // has never been in step
      CAPTURE(i);
      CAPTURE(held.offset.bytes);
      REQUIRE(contents(replicas_[i]->store) == chronicle_.at(held.offset));
    }
  }

  void heal() {
    for (const std::string where : {"master", "middle"}) {
      network_.refuse(where, false);
      network_.partition(where, false);
    }
    for (auto& replica : replicas_) {
      REQUIRE(synced(network_, *replica, *master_.role, 300s));
      REQUIRE(contents(replica->store) == contents(master_.store));
    }
    check_prefix();
  }

  Random random_;
  SimulatedTransport network_;
  MasterNode master_;
  std::vector<std::unique_ptr<ReplicaNode>> replicas_;
  Chronicle chronicle_;
};

}  // namespace

TEST_CASE("under random faults a replica always holds a prefix of the history, and heals") {
  const char* chosen = std::getenv("REPLIKV_SEED");
  const std::uint64_t first = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 1;
  const std::uint64_t seeds = chosen != nullptr ? 1 : 60;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);
    Run(seed).play(400);
  }
}
