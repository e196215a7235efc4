// A master and a replica, and a wire that damages what they say: no bytes bring either of them down. When
// the damage is over, the replica comes into step by itself and holds the same; where the damage was such
// that nothing could tell, a new history puts it right.

#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/simulated.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tests/fuzz/damaging_relay.hpp>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/world.hpp>
#include <variant>

using namespace std::chrono_literals;
using fuzz::Damage;
using fuzz::Edit;
using fuzz::require;
using fuzz::Toward;
using replikv::MasterLinkState;
using replikv::ReplicationMaster;
using replikv::ReplicationReplica;

namespace {

/// Few shards and small segments, so that little data makes them split.
struct SmallPolicy : replikv::SingleThreadPolicy {
  static constexpr unsigned shard_bits = 1;
  static constexpr std::size_t segment_buckets = 2;
};
using Strings = replikv::Store<std::string, std::string, SmallPolicy>;

replikv::ReplicationOptions options(std::uint64_t seed) {
  replikv::ReplicationOptions chosen;
  chosen.seed = seed;
  chosen.backlog_bytes = 2'000;
  chosen.ping_period = 1s;
  chosen.ack_period = 500ms;
  chosen.timeout = 5s;
  chosen.reconnect_delay_max = 1s;
  return chosen;
}

class Game {
 public:
  explicit Game(fuzz::Input input) : input_(input), network_(input_.byte()) {
    auto its_options = options(2);
    its_options.observer = [this](const replikv::Event& event) {
      const auto* done = std::get_if<replikv::FullResyncDone>(&event);
      if (done != nullptr && done->side == replikv::LinkSide::to_master) relay_.on_full_resync();
    };
    start_master(1);
    replica_.emplace(copy_, its_options);
    replica_->follow(network_, "relay");
  }
  Game(const Game&) = delete;
  Game& operator=(const Game&) = delete;

  void play() {
    for (int moves = 0; !input_.empty() && moves < 40; ++moves) move();
    relay_.stop();
    store_.set("the end", "of the damage");
    const bool in_step = come_into_step();
    if (!relay_.is_tainted()) {
      require(in_step, "when the damage is over, the replica comes into step");
      require(holds_the_same(), "in step, it holds the same");
    }
    master_.reset();
    start_master(3);
    require(come_into_step(), "a new history brings the replica into step");
    require(holds_the_same(), "after a full resync, it holds the same");
  }

 private:
  void move() {
    const std::uint8_t what = input_.byte();
    const std::string key(1, static_cast<char>('a' + what / 8 % 16));
    switch (what % 8) {
      case 0: return static_cast<void>(store_.set(key, std::string(input_.byte(), 'v')));
      case 1: return static_cast<void>(store_.set(key, "e", std::chrono::milliseconds(20 * input_.byte())));
      case 2: return static_cast<void>(store_.erase(key));
      case 3: return static_cast<void>(store_.increment("number"));
      case 4: return transaction(key);
      case 5: return network_.run_for(std::chrono::milliseconds(input_.byte() * (what >= 128 ? 20 : 1)));
      case 6: return damage(what);
      default: return what >= 224 ? relay_.cut() : static_cast<void>(network_.step());
    }
  }

  void transaction(const std::string& key) {
    store_.transaction([&](auto& all) {
      all.set(key, "one");
      all.set(key + key, "two");
    });
  }

  // So few that nothing gets past a checksum of eight bytes by chance or by design.
  void damage(std::uint8_t what) {
    if (++damages_ > 6) return;
    const std::size_t after = input_.byte() * (what >= 128 ? 4U : 1U);
    relay_.add((what & 8) == 0 ? Toward::replica : Toward::master,
               Edit{after, static_cast<Damage>(what >> 4 & 3), input_.byte()});
  }

  void start_master(std::uint64_t seed) {
    master_.emplace(store_, options(seed));
    master_->listen(network_, "master");
  }

  bool come_into_step() {
    return network_.run_until(
        [&] {
          return replica_->info().master->state == MasterLinkState::connected &&
                 replica_->position() == master_->position();
        },
        60s);
  }
  bool holds_the_same() {
    return fuzz::contents_of(replikv::detail::database_of(copy_)) ==
           fuzz::contents_of(replikv::detail::database_of(store_));
  }

  fuzz::Input input_;
  replikv::SimulatedTransport network_;
  fuzz::DamagingRelay relay_{network_, "relay", "master"};
  Strings store_{replikv::Clock(network_.wall_clock())};
  Strings copy_{replikv::Clock(network_.wall_clock())};
  std::optional<ReplicationMaster> master_;
  std::optional<ReplicationReplica> replica_;
  int damages_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Game(fuzz::Input(data, size)).play();
  return 0;
}
