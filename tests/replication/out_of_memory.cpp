// Each allocation of each public call and each callback fails in turn, once or from then on. A call then
// throws std::bad_alloc and has changed nothing. In a callback there is nobody to throw to: the link it was
// about ends, and comes back. When there is memory again all nodes get in step, and nothing has leaked.
#include <replikv/resp/parser.hpp>
#include <replikv/transport/in_process.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <new>
#include <random>
#include <tests/replication/cluster.hpp>
#include <tests/replication/scarce_transport.hpp>

using namespace cluster;

namespace {

/// Little memory, so that thousands of these are soon made; segments that split under few keys.
struct TinyPolicy : DefaultPolicy {
  static constexpr unsigned shard_bits = 1;
  static constexpr std::size_t segment_buckets = 2;
};
using TinyStore = Store<std::string, std::string, TinyPolicy>;

Contents contents(const TinyStore& store) {
  Contents all;
  store.for_each([&all](std::string_view key, std::string_view value) { all.emplace(key, value); });
  return all;
}

void fill(TinyStore& store, int keys) {
  for (int i = 0; i < keys; ++i) store.set("key:" + std::to_string(i), std::string(20, 'v'));
}

using failing_allocation::Mode;
using failing_allocation::Spared;

ReplicationOptions chatty(std::uint64_t seed) {
  ReplicationOptions options;
  options.seed = seed;
  options.ping_period = 700ms;
  options.reconnect_delay_max = 500ms;
  options.timeout = 120s;  // so that no link that hangs is mended by its time-out
  options.observer = [](const Event&) {};
  options.logger = [](LogLevel, std::string_view) {};
  return options;
}

/// All commands a node holds, whole, and nothing behind them.
template <class Role>
bool is_whole(const Role& role) {
  const auto& stream = *detail::RoleAccess::node(role).stream;
  const History history = stream.history();
  PartialRefusal refusal;
  auto cursor = stream.continue_from(history.id, history.backlog_first_byte, refusal);
  REQUIRE(cursor);
  std::vector<SharedBytes> pieces;
  stream.read(*cursor, SIZE_MAX, pieces);
  std::string bytes;
  for (const auto& piece : pieces) bytes += as_text(piece.bytes());
  resp::CommandParser parser;
  for (Bytes rest = as_bytes(bytes); !rest.empty();) {
    const auto parsed = parser.parse(rest);
    if (parsed.status != resp::Parsed::Status::command) return false;
    rest = rest.subspan(parsed.consumed);
  }
  return true;
}

/// Three nodes: one writes, the second follows it, the third follows the second.
class World {
 public:
  World() {
    for (auto& store : stores) store = std::make_unique<TinyStore>(Clock(network.wall_clock()));
    write([this] { fill(*stores[0], 12); });
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  SimulatedTransport network{11};
  scarce::Transport transport{network.engine()};
  std::array<std::unique_ptr<TinyStore>, 3> stores;
  std::optional<ReplicationMaster> master;
  std::optional<ReplicationReplica> replica;
  std::optional<ReplicationReplica> sub_replica;
  Duration patience = 0s;  // how long the nodes have, once there is memory, to get in step by themselves

  void attach() {
    if (!master) master.emplace(*stores[0], chatty(1));
    if (!replica) replica.emplace(*stores[1], chatty(2));
    if (!sub_replica) sub_replica.emplace(*stores[2], chatty(3));
  }
  void listen() {
    master->listen(transport, "master");
    replica->listen(transport, "replica");
  }
  void follow() {
    replica->follow(transport, "master");
    sub_replica->follow(transport, "replica");
  }
  void begin() {
    attach();
    listen();
    follow();
    note();
    settle();
  }

  /// A public call while memory may end. False: it threw, and changed nothing that can be seen.
  template <class Call>
  bool call(Call&& call) {
    const std::string before = picture();
    try {
      const Spared scarce(false);
      call();
      return true;
    } catch (const std::bad_alloc&) {
    }
    REQUIRE(picture() == before);
    return false;
  }

  template <class Write>
  bool write(Write&& write) {
    const bool done = call(write);
    note();
    return done;
  }

  void note() {
    if (master) history_[master->position().offset] = contents(*stores[0]);
  }

  /// What a replica holds is what its master held at that offset.
  [[nodiscard]] bool is_prefix(const ReplicationReplica& node, const TinyStore& store) const {
    const Token held = node.position();
    if (!master || held.id != master->position().id) return true;  // was never in step
    const auto then = history_.upper_bound(held.offset);
    REQUIRE(then != history_.begin());
    return contents(store) == std::prev(then)->second;
  }
  void check_prefixes() const {
    if (replica) REQUIRE(is_prefix(*replica, *stores[1]));
    if (sub_replica) REQUIRE(is_prefix(*sub_replica, *stores[2]));
  }
  /// Or it has left its master, serves nobody and waits for a full resync.
  void check_prefixes_or_apart() const {
    const auto is_apart = [](const ReplicationReplica& node) {
      return node.info().master->state != MasterLinkState::connected;
    };
    if (!is_prefix(*replica, *stores[1])) REQUIRE(is_apart(*replica));
    if (!is_prefix(*sub_replica, *stores[2])) REQUIRE(is_apart(*sub_replica));
  }

  [[nodiscard]] bool is_in_step(const ReplicationReplica& node) const {
    return node.info().master->state == MasterLinkState::connected && node.position() == master->position();
  }

  /// There is memory, and time; nobody calls the nodes, which might help them on.
  void settle() {
    network.run_for(patience);
    REQUIRE(network.run_until([this] { return is_in_step(*replica) && is_in_step(*sub_replica); }, 2s));
    check_prefixes();
    for (const auto& store : stores) REQUIRE(contents(*store) == contents(*stores[0]));
    REQUIRE(is_whole(*master));
    REQUIRE(is_whole(*replica));
    REQUIRE(is_whole(*sub_replica));
  }
  void settle_twice() {
    settle();
    write([this] { stores[0]->set("at last", "all is well"); });
    patience = 0s;
    settle();
  }

  /// Everything public calls show.
  [[nodiscard]] std::string picture() const {
    std::string all;
    if (master) all += master->info().text();
    if (replica) all += replica->info().text();
    if (sub_replica) all += sub_replica->info().text();
    for (const auto& store : stores) {
      for (const auto& [key, value] : contents(*store))
        all.append(key).append("=").append(value).append("\n");
    }
    return all;
  }

 private:
  std::map<Offset, Contents> history_;  // what the master held after each write
};

/// Plays a scenario again and again, each time with memory for one allocation more, until it is enough.
template <class Prepare, class Play, class Finish>
void fail_each_allocation(Prepare&& prepare, Play&& play, Finish&& finish) {
  const auto run = [&](std::size_t successes, Mode mode) {
    World world;
    prepare(world);
    const failing_allocation::Stopper stopper;
    failing_allocation::fail_after(successes, mode);
    {
      const Spared spared;
      play(world);
    }
    const bool has_failed = failing_allocation::stop();
    world.patience = mode == Mode::once ? 5s : 35s;
    finish(world);
    return has_failed;
  };
  run(SIZE_MAX, Mode::once);  // what is made once and for ever
  std::size_t failures = 0;
  const std::size_t first = std::random_device{}() % failing_allocation::stride;
  for (const Mode mode : {Mode::once, Mode::sticky}) {
    for (std::size_t successes = first;; successes += failing_allocation::stride, ++failures) {
      CAPTURE(successes);
      CAPTURE((mode == Mode::once));
      const std::size_t blocks = failing_allocation::live_blocks;
      const bool has_failed = run(successes, mode);
      REQUIRE(failing_allocation::live_blocks == blocks);
      if (!has_failed) break;
      REQUIRE(successes < 20'000);
    }
  }
  MESSAGE(failures << " failures");
  CHECK(failures > 0);
}

constexpr auto nothing = [](World&) {};
constexpr auto in_step = [](World& world) { world.begin(); };
constexpr auto settles = [](World& world) { world.settle_twice(); };

void write_transaction(World& world, int round) {
  auto& store = *world.stores[0];
  const std::string value(90, static_cast<char>('a' + round));
  world.write([&] {
    store.transaction([&](auto& transaction) {
      transaction.set("left hand of the transaction", value);
      transaction.erase("key:" + std::to_string(round));
      transaction.set("right hand of the transaction", value);
    });
  });
  world.write([&] { store.set_many({{"one of many", value}, {"another of many", value}}); });
}

// The replica becomes the master, and the master its replica.
void exchange_roles(World& world) {
  std::optional<ReplicationMaster> promoted;
  world.call([&] { promoted.emplace(std::move(*world.replica).promote()); });
  if (!promoted) promoted.emplace(std::move(*world.replica).promote());
  world.replica.reset();
  std::optional<ReplicationReplica> demoted;
  if (!world.call([&] { demoted.emplace(std::move(*world.master).demote()); })) {
    demoted.emplace(std::move(*world.master).demote());
  }
  world.master = std::move(promoted);
  world.replica = std::move(demoted);
  std::swap(world.stores[0], world.stores[1]);
  world.note();
  if (!world.call([&] { world.replica->follow(world.transport, "replica"); })) {
    world.replica->follow(world.transport, "replica");
  }
}

}  // namespace

TEST_CASE("out of memory: a store is attached or is not, and its writes are never refused for it") {
  fail_each_allocation(
      nothing,
      [](World& world) {
        world.call([&] { world.master.emplace(*world.stores[0], *world.stores[1], chatty(1)); });
        world.call([&] { world.replica.emplace(*world.stores[2], chatty(2)); });
        world.call([&] { world.master.reset(); });
        world.call([&] { world.replica.reset(); });
        for (auto& store : world.stores) world.call([&] { store->set("a", "free store"); });
      },
      [](World& world) {
        for (auto& store : world.stores) store->set("b", "free store");
        world.begin();
      });
}

TEST_CASE("out of memory: a master listens or does not, and its address is free then") {
  fail_each_allocation([](World& world) { world.attach(); },
                       [](World& world) {
                         if (world.call([&] { world.master->listen(world.transport, "master"); })) {
                           world.master->listen(world.transport, "another");
                         } else {
                           world.master->listen(world.transport, "master");
                         }
                         world.network.run_for(1500ms);
                       },
                       [](World& world) {
                         world.replica->listen(world.transport, "replica");
                         world.follow();
                         world.note();
                         world.settle_twice();
                       });
}

TEST_CASE("out of memory: a full resync is completed after it") {
  bool has_followed = false;
  fail_each_allocation(
      [&](World& world) {
        has_followed = false;
        world.attach();
        world.listen();
        world.note();
        world.sub_replica->follow(world.transport, "replica");
      },
      [&](World& world) {
        has_followed = world.call([&] { world.replica->follow(world.transport, "master"); });
        world.network.run_for(20ms);
        world.write([&] { world.stores[0]->set("meanwhile", std::string(60, 'm')); });
        world.network.run_for(3s);
        world.check_prefixes();
      },
      [&](World& world) {
        if (!has_followed) world.replica->follow(world.transport, "master");
        world.settle_twice();
      });
}

TEST_CASE("out of memory: replicas share a snapshot after a delay, and one leaves") {
  fail_each_allocation(
      [](World& world) {
        ReplicationOptions options = chatty(1);
        options.full_resync_delay = 50ms;
        world.master.emplace(*world.stores[0], options);
        world.attach();
        world.listen();
        world.note();
      },
      [](World& world) {
        world.call([&] { world.replica->follow(world.transport, "master"); });
        world.call([&] { world.sub_replica->follow(world.transport, "master"); });
        world.network.run_for(56ms);
        world.call([&] { world.replica->unfollow(); });
        world.network.run_for(2s);
        world.check_prefixes();
      },
      [](World& world) {
        world.follow();
        world.settle_twice();
      });
}

TEST_CASE("out of memory: a link that is cut comes back, with what was written meanwhile") {
  fail_each_allocation(
      in_step,
      [](World& world) {
        world.network.cut_all();
        world.write([&] { world.stores[0]->set("meanwhile", std::string(60, 'm')); });
        world.network.run_for(1s);
        world.network.cut_after("master", 30, Direction::toward_connector);
        world.write([&] { world.stores[0]->increment("cuts"); });
        world.network.run_for(3s);
        world.check_prefixes();
      },
      settles);
}

TEST_CASE("out of memory: a write is in the store and in the stream, or in neither") {
  fail_each_allocation(
      in_step,
      [](World& world) {
        auto& store = *world.stores[0];
        world.network.set_chunking(40);
        world.write([&] { store.set("a key that is rather long", std::string(100, 'v')); });
        world.write([&] { store.set("more than a block of the stream", std::string(5'000, 'b')); });
        world.write([&] { store.increment("number", 7); });
        world.network.run_for(100ms);
        world.check_prefixes_or_apart();
        world.write(
            [&] { store.update("number", [](auto& number) { number = number.value_or("") + "7"; }); });
        world.write([&] { store.expire("key:3", 1h); });
        world.write([&] { store.erase("key:4"); });
        world.network.run_for(2s);
        world.check_prefixes_or_apart();
        world.write([&] { store.clear(); });
        world.network.run_for(1s);
      },
      settles);
}

TEST_CASE("out of memory: half a transaction is replaced by a full resync, and passed on to nobody") {
  fail_each_allocation(
      in_step,
      [](World& world) {
        for (int round = 0; round < 3; ++round) {
          write_transaction(world, round);
          world.network.run_for(50ms);
          world.check_prefixes_or_apart();
        }
        world.network.run_for(2s);
        world.check_prefixes_or_apart();
      },
      settles);
}

TEST_CASE("out of memory: half a transaction is no part of a history that a promotion continues") {
  fail_each_allocation(
      in_step,
      [](World& world) {
        write_transaction(world, 1);
        world.network.run_for(3ms);
        exchange_roles(world);
        world.network.run_for(1s);
      },
      settles);
}

TEST_CASE("out of memory: keys expire, pings and acknowledgements go on") {
  fail_each_allocation(
      [](World& world) {
        world.begin();
        world.write([&] {
          for (int i = 0; i < 4; ++i) world.stores[0]->set("short-lived " + std::to_string(i), "v", 150ms);
        });
      },
      [](World& world) {
        world.network.run_for(4s);
        CHECK(!world.stores[1]->get("short-lived 1"));
      },
      [](World& world) {
        REQUIRE(world.network.run_until([&] { return world.stores[0]->size() == 12; }, 60s));
        world.note();
        world.settle_twice();
      });
}

TEST_CASE("out of memory: whoever waits is told exactly once") {
  std::array<int, 2> told{};
  std::array<bool, 2> waits{};
  fail_each_allocation(
      [&](World& world) {
        told = {};
        waits = {};
        world.begin();
      },
      [&](World& world) {
        Token written{};
        world.write([&] { written = world.stores[0]->set("awaited", "value"); });
        if (written.id != world.master->position().id) written = world.master->position();
        const Token never{written.id, written.offset + 1'000'000};
        waits[0] =
            world.call([&] { world.replica->wait_for(written, 5s, [&](std::error_code) { ++told[0]; }); });
        waits[1] =
            world.call([&] { world.replica->wait_for(never, 1s, [&](std::error_code) { ++told[1]; }); });
        world.call([&] { static_cast<void>(world.master->info().text()); });
        world.call([&] { world.master->wait(3, 0ms); });
        world.note();
        world.network.run_for(3s);
      },
      [&](World& world) {
        world.settle_twice();
        world.network.run_for(10s);
        REQUIRE(told[0] == (waits[0] ? 1 : 0));
        REQUIRE(told[1] == (waits[1] ? 1 : 0));
      });
}

TEST_CASE("out of memory: a promotion and a demotion happen or do not") {
  fail_each_allocation(
      in_step,
      [](World& world) {
        exchange_roles(world);
        world.write([&] { world.stores[0]->set("written after the promotion", std::string(50, 'p')); });
        world.network.run_for(3s);
      },
      settles);
}

TEST_CASE("out of memory: to follow another master is done or not; to unfollow and to end a role need none") {
  fail_each_allocation(
      in_step,
      [](World& world) {
        world.call([&] { world.sub_replica->follow(world.transport, "master"); });
        world.network.run_for(500ms);
        REQUIRE(world.call([&] { world.replica->unfollow(); }));
        world.network.run_for(500ms);
        REQUIRE(world.call([&] { world.sub_replica.reset(); }));
        world.call([&] { world.replica->set_backlog_bytes(1'000); });
        world.network.run_for(500ms);
        REQUIRE(world.call([&] { world.master.reset(); }));
        world.network.run_for(500ms);
      },
      [](World& world) {
        world.attach();
        world.master->listen(world.transport, "master");
        world.follow();
        world.note();
        world.settle_twice();
      });
}

TEST_CASE("out of memory: in process, the transport included") {
  const auto run = [](std::size_t successes, Mode mode) {
    InProcessTransport here;
    TinyStore store;
    TinyStore copy;
    ReplicationOptions options = chatty(1);
    options.ping_period = 1ms;  // and so are the heartbeats: this is real time
    options.reconnect_delay_min = 1ms;
    options.reconnect_delay_max = 2ms;
    ReplicationMaster master{store, options};
    ReplicationReplica replica{copy, options};
    fill(store, 5);
    master.listen(here, "main");
    const auto tried = [](auto&& call) {
      try {
        call();
        return true;
      } catch (const std::bad_alloc&) {
        return false;
      }
    };
    const failing_allocation::Stopper stopper;
    failing_allocation::fail_after(successes, mode);
    const bool follows = tried([&] { replica.follow(here, "main"); });
    tried([&] { store.set("a key that is rather long", std::string(50, 'v')); });
    tried([&] {
      store.transaction([](auto& transaction) {
        transaction.set("left hand of the transaction", "1");
        transaction.set("right hand of the transaction", "1");
      });
    });
    tried([&] { master.listen(here, "another"); });
    {
      std::optional<TinyStore> short_lived;
      std::optional<ReplicationReplica> other;
      tried([&] {
        short_lived.emplace();
        other.emplace(*short_lived, options);
        other->follow(here, "main");
      });
    }
    const bool has_failed = failing_allocation::stop();
    if (!follows) replica.follow(here, "main");
    store.set("at last", "all is well");
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (replica.position() != master.position() && std::chrono::steady_clock::now() < deadline) {
      static_cast<void>(
          master.info());  // a call also helps on a node that has found no memory for its timers
      static_cast<void>(replica.info());
      here.poll();
    }
    REQUIRE(contents(copy) == contents(store));
    return has_failed;
  };
  run(SIZE_MAX, Mode::once);
  for (const Mode mode : {Mode::once, Mode::sticky}) {
    for (std::size_t successes = 0;; ++successes) {
      CAPTURE(successes);
      CAPTURE((mode == Mode::once));
      const std::size_t blocks = failing_allocation::live_blocks;
      const bool has_failed = run(successes, mode);
      REQUIRE(failing_allocation::live_blocks == blocks);
      if (!has_failed) break;
    }
  }
}
