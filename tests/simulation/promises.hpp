// Reading one's own writes: some writes are waited for on some replica. What a wait says must be true, and
// every wait must end, whatever becomes of the node.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/core/random.hpp>
#include <replikv/stream/token.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <tests/simulation/invariants.hpp>
#include <vector>

namespace simulation {

class Promises {
 public:
  static constexpr std::chrono::seconds patience{3};

  Promises(SimulatedCluster& cluster, Invariants& invariants) : cluster_(cluster), invariants_(invariants) {
    cluster.after_each_event([this] { judge(); });
  }

  /// Perhaps waits for a write on some replica.
  void ask(std::uint64_t seed, const replikv::Token& written) {
    replikv::Random random(seed ^ written.offset.bytes);
    const std::size_t i = random.below(cluster_.size() * 3);
    if (i >= cluster_.size() || !cluster_.node(i).is_replica()) return;
    ++waiting_;
    cluster_.node(i).as_replica().wait_for(
        written, patience, [this, i, written, lives = std::weak_ptr(lives_)](std::error_code error) {
          if (lives.expired()) return;  // the run was given up; its nodes go after this
          --waiting_;
          answers_.push_back({i, written, error});
        });
  }

  void check_all_ended() const {
    if (waiting_ != 0) throw Violation("every wait ends", std::to_string(waiting_) + " never did");
  }

 private:
  struct Answer {
    std::size_t node;
    replikv::Token written;
    std::error_code error;
  };

  // After the event in which they came: by then the chronicle knows the node's history.
  void judge() {
    for (const Answer& answer : answers_) {
      const Watched& watched = invariants_.watched(answer.node);
      if (!watched.node().is_running() || !watched.is_in_history()) continue;
      const bool survived = invariants_.chronicle().shares(watched.position().id, answer.written.id,
                                                           answer.written.offset.bytes);
      const bool is_there = survived && watched.position().offset >= answer.written.offset;
      if (!answer.error && !is_there) throw Violation("what was waited for is there", watched.node().name());
      if (answer.error == replikv::Errc::history_lost && survived)
        throw Violation("what is lost did not survive", watched.node().name());
    }
    answers_.clear();
  }

  SimulatedCluster& cluster_;
  Invariants& invariants_;
  std::uint64_t waiting_ = 0;
  std::vector<Answer> answers_;
  std::shared_ptr<const bool> lives_ = std::make_shared<const bool>(true);
};

}  // namespace simulation
