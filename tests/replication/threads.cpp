// Everything at once from many threads: writers, readers, transactions, full resyncs, and nodes that are
// attached, followed, promoted and destroyed meanwhile. Then all that is left gets in step. Under the thread
// sanitizer this is also the proof that they do not race.
#include <replikv/core/random.hpp>
#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/asio_tcp.hpp>
#include <replikv/transport/in_process.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace replikv;
using namespace std::chrono_literals;

namespace {

using Strings = Store<std::string, std::string>;
using Contents = std::map<std::string, std::string>;

Contents contents(const Strings& store) {
  Contents all;
  store.for_each([&all](std::string_view key, std::string_view value) { all.emplace(key, value); });
  return all;
}

ReplicationOptions hasty() {
  ReplicationOptions options;
  options.backlog_bytes = 64 << 10;
  options.ping_period = 50ms;
  options.ack_period = 20ms;
  options.reconnect_delay_min = 1ms;
  options.reconnect_delay_max = 20ms;
  options.observer = [](const Event&) {};
  options.logger = [](LogLevel, std::string_view) {};
  return options;
}

/// Threads that do something so many times, and others that go on until those are done.
class Storm {
 public:
  Storm() = default;
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() { end(); }

  /// `step(random, round)`, in a thread of its own.
  template <class Step>
  void add_endless(std::uint64_t seed, Step step) {
    endless_.emplace_back([this, seed, step] {
      Random random(seed);
      for (int round = 0; !is_over_; ++round) step(random, round);
    });
  }
  template <class Step>
  void add(int rounds, std::uint64_t seed, Step step) {
    counted_.emplace_back([rounds, seed, step] {
      Random random(seed);
      for (int round = 0; round < rounds; ++round) step(random, round);
    });
  }
  void end() {
    for (auto& thread : counted_) thread.join();
    counted_.clear();
    is_over_ = true;
    for (auto& thread : endless_) thread.join();
    endless_.clear();
  }

 private:
  std::atomic<bool> is_over_{false};
  std::vector<std::thread> counted_;
  std::vector<std::thread> endless_;
};

std::string key(Random& random) { return "key:" + std::to_string(random.below(200)); }

// What `left` and `right` hold is always changed together.
void write(Strings& store, Random& random, int round) {
  std::error_code refused;
  switch (random.below(8)) {
    case 0: static_cast<void>(store.erase(key(random), refused)); break;
    case 1: static_cast<void>(store.increment("total", 1, refused)); break;
    case 2: static_cast<void>(store.set(key(random), "short-lived", 2ms, refused)); break;
    case 3:
      static_cast<void>(store.transaction(
          {"left", "right"},
          [&](auto& all) {
            const std::string value = std::to_string(round);
            all.set("left", value);
            all.set("right", value);
          },
          refused));
      break;
    case 4:
      static_cast<void>(
          store.set_many({{"left", std::to_string(round)}, {"right", std::to_string(round)}}, refused));
      break;
    default: static_cast<void>(store.set(key(random), std::string(random.below(300), 'v'), refused));
  }
}

// True when a transaction sees the two halves of another one, or neither.
bool reads_whole(Strings& store, Random& random) {
  static_cast<void>(store.get(key(random)));
  bool is_whole = true;
  static_cast<void>(store.transaction({"left", "right"},
                                      [&](auto& all) { is_whole = all.get("left") == all.get("right"); }));
  return is_whole;
}

// One after the other attached to the store, following, promoted, followed and demoted, or simply gone.
template <class Transport, class FreshAddress>
void visit(const Transport& transport, const std::string& address, const ReplicationMaster& master,
           Strings& store, FreshAddress&& fresh_address, Random& random) {
  const auto moment = [&random] { return std::chrono::milliseconds(random.below(20)); };
  std::error_code late;
  ReplicationReplica visitor{store, hasty()};
  visitor.follow(transport, address);
  visitor.wait_for(master.position(), moment(), late);
  if (random.below(2) == 0) return;
  ReplicationMaster promoted = std::move(visitor).promote();
  const std::string another = promoted.listen(transport, fresh_address());
  Strings third;
  ReplicationReplica follower{third, hasty()};
  follower.follow(transport, another);
  static_cast<void>(store.set("promoted", "1"));
  follower.wait_for(promoted.position(), moment(), late);
  ReplicationReplica demoted = std::move(promoted).demote();
  if (random.below(2) == 0) return;
  demoted.follow(transport, address);
  demoted.wait_for(master.position(), moment(), late);
}

// What the others may call at any time.
template <class Transport>
void interfere(const Transport& transport, const std::string& address, ReplicationMaster& master,
               ReplicationReplica& replica, Random& random, int round) {
  static_cast<void>(master.info().text());
  static_cast<void>(replica.info().text());
  master.set_backlog_bytes(random.below(100'000));
  static_cast<void>(master.wait(1, 2ms));
  std::error_code late;
  replica.wait_for(master.position(), 2ms, late);
  replica.wait_for(master.position(), 1ms, [](std::error_code) {});
  if (round % 8 == 0) replica.unfollow();
  if (round % 4 == 0) replica.follow(transport, address);
}

bool are_equal_soon(const ReplicationReplica& replica, const Strings& one, const Strings& other) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (contents(one) != contents(other)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    static_cast<void>(replica.info());  // with immediate delivery, calls make time pass
  }
  return true;
}

/// A master and a replica that stay, and two that come and go.
template <class Transport, class FreshAddress>
void play(const Transport& transport, FreshAddress fresh_address, int rounds) {
  Strings store;
  std::array<Strings, 3> copies;
  for (int i = 0; i < 300; ++i) store.set("fixed:" + std::to_string(i), std::string(100, 'f'));
  ReplicationMaster master{store, hasty()};
  const std::string address = master.listen(transport, fresh_address());
  ReplicationReplica replica{copies[0], hasty()};
  replica.follow(transport, address);

  std::atomic<int> torn{0};
  {
    Storm storm;
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      storm.add_endless(seed, [&](Random& random, int round) { write(store, random, round); });
    }
    storm.add_endless(3, [&](Random& random, int) {
      for (auto* held : {&store, &copies[0], &copies[1], &copies[2]}) {
        if (!reads_whole(*held, random)) ++torn;
      }
    });
    storm.add_endless(
        4, [&](Random& random, int round) { interfere(transport, address, master, replica, random, round); });
    for (std::size_t i = 1; i < copies.size(); ++i) {
      storm.add(rounds, 4 + i, [&, i](Random& random, int) {
        visit(transport, address, master, copies[i], fresh_address, random);
      });
    }
  }
  CHECK(torn == 0);
  store.set("at last", "all is well");
  replica.follow(transport, address);
  CHECK(are_equal_soon(replica, copies[0], store));
  for (std::size_t i = 1; i < copies.size(); ++i) {
    ReplicationReplica visitor{copies[i], hasty()};
    visitor.follow(transport, address);
    CHECK(are_equal_soon(visitor, copies[i], store));
  }
}

/// Names for listeners of one process.
class Names {
 public:
  std::string operator()() { return "node " + std::to_string(++*last_); }

 private:
  std::shared_ptr<std::atomic<int>> last_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

TEST_CASE("threads: nodes come and go under load, in process, delivered by a thread") {
  const InProcessTransport here{Delivery::background};
  play(here, Names{}, 120);
}

TEST_CASE("threads: nodes come and go under load, in process, delivered by whoever calls") {
  const InProcessTransport here{Delivery::immediate};
  play(here, Names{}, 120);
}

TEST_CASE("threads: nodes come and go under load, over TCP") {
  const TcpTransport tcp;
  play(
      tcp, [] { return std::string("127.0.0.1:0"); }, 120);
}
