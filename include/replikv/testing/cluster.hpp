// A whole cluster in one thread and in virtual time, for tests of applications: masters and replicas, a
// network between them that can be broken on purpose, and the same run for the same seed.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/random.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/store/store.hpp>
#include <replikv/stream/token.hpp>
#include <replikv/testing/detail/command_count.hpp>
#include <replikv/testing/fault.hpp>
#include <replikv/testing/journal.hpp>
#include <replikv/testing/network.hpp>
#include <replikv/testing/node.hpp>
#include <replikv/testing/seed.hpp>
#include <replikv/testing/simulated_network.hpp>
#include <replikv/testing/topology.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::testing {

struct ClusterOptions {
  std::size_t replicas = 2;              ///< that all follow one master
  std::optional<Topology> topology{};    ///< or whatever this says
  std::uint64_t seed = 1;                ///< REPLIKV_SEED in the environment overrides it
  ReplicationOptions options{};          ///< of every node; without a seed of their own
  bool settled = true;                   ///< the cluster is in step when it has been made
  std::size_t journal_lines_max = 2000;  ///< 0: nothing is written down

  /// Makes the network; by default a simulated one with this seed.
  std::function<std::unique_ptr<Network>(std::uint64_t seed)> network{};
};

/// What `settle` throws: it took too long.
class NotSettled : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The part of a cluster that does not depend on what its stores hold.
///
/// Thread safety  none: the test's thread, and nothing of it from inside an observer
class AnyCluster {
 public:
  AnyCluster(const AnyCluster&) = delete;
  AnyCluster& operator=(const AnyCluster&) = delete;

  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  [[nodiscard]] Network& network() noexcept { return *network_; }

  // --- Time -------------------------------------------------------------------------------------------

  [[nodiscard]] Duration elapsed() const { return network_->now() - start_; }

  /// Lets this much time pass, and all that happens meanwhile.
  void advance(Duration span) { advance_to(network_->now() + span); }

  /// Goes on until `condition()` holds: true; or for at most this long: false.
  template <class Condition>
  [[nodiscard]] bool run_until(Condition&& condition, Duration span_max = std::chrono::minutes{5}) {
    const TimePoint limit = network_->now() + span_max;
    while (!condition()) {
      if (!step(limit) && network_->now() >= limit) return condition();
    }
    return true;
  }

  /// Calls `action` once, when this much time has passed.
  void after(Duration delay, std::function<void()> action) {
    planned_.emplace(network_->now() + delay, std::move(action));
  }

  /// Calls `action` once, after the first event at whose end `condition()` holds.
  void when(std::function<bool()> condition, std::function<void()> action) {
    watches_.push_back({std::move(condition), std::move(action)});
  }

  /// Calls `check` after each event, until the cluster ends; what it throws comes out of `advance`.
  void after_each_event(std::function<void()> check) { checks_.push_back(std::move(check)); }

  // --- Agreement --------------------------------------------------------------------------------------

  /// Goes on until every link is up and every offset equal; throws `NotSettled` after this long. Does not
  /// heal anything.
  void settle(Duration span_max = std::chrono::minutes{5}) {
    const TimePoint limit = network_->now() + span_max;
    advance(std::chrono::milliseconds{1});  // a link that was just cut is not up
    while (!why_unsettled().empty()) {
      if (network_->now() >= limit) throw NotSettled("replikv: not settled: " + why_unsettled());
      advance_to(std::min(limit, network_->now() + std::chrono::milliseconds{10}));
    }
  }
  [[nodiscard]] bool is_settled() const { return why_unsettled().empty(); }

  /// True when all running nodes stand at one replication id and offset, and hold the same data.
  [[nodiscard]] bool converged() const {
    const AnyNode* first = nullptr;
    for (const AnyNode* node : any_nodes_) {
      if (!node->is_running()) continue;
      if (first == nullptr) first = node;
      if (node->position() != first->position() || !node->has_same_data(*first)) return false;
    }
    return true;
  }

  /// Goes on until the node holds the write, or cannot any more, or this long: read your own write.
  /// `Errc::timeout`, `Errc::history_lost`; see `ReplicationReplica::wait_for`.
  std::error_code wait_for(AnyNode& node, const Token& written, std::chrono::milliseconds span_max) {
    const auto outcome = std::make_shared<std::optional<std::error_code>>();
    node.as_replica().wait_for(written, span_max, [outcome](std::error_code error) { *outcome = error; });
    const bool ended = run_until([&] { return outcome->has_value(); }, span_max + std::chrono::seconds{1});
    return ended ? **outcome : make_error_code(Errc::timeout);
  }

  /// Goes on until so many replicas have confirmed a write of this master, or this long; returns how many
  /// have. As `ReplicationMaster::wait`, which would stop the only thread there is.
  [[nodiscard]] unsigned wait(const AnyNode& master, unsigned replicas, std::chrono::milliseconds span_max,
                              const Token& written) {
    const auto confirmed = [&] {
      unsigned count = 0;
      for (const ReplicaInfo& replica : master.info().replicas) {
        if (replica.state == ReplicaState::online && replica.acknowledged >= written.offset) ++count;
      }
      return count;
    };
    static_cast<void>(run_until([&] { return confirmed() >= replicas; }, span_max));
    return confirmed();
  }

  // --- Faults at an exact point --------------------------------------------------------------------------

  /// Cuts the link to the master that the replica follows as soon as `commands` more of its stream have got
  /// there: the last of them whole, and of the next one nothing. Counts from what the replica has applied,
  /// once the link is up, and anew when it gets another master; PING, SELECT, MULTI and EXEC are commands,
  /// too.
  void cut_at_command(AnyNode& replica, std::uint64_t commands) { cuts_.emplace_back(replica, commands); }

  // --- Faults as values ---------------------------------------------------------------------------------

  /// Plans faults, from now on.
  void play(const std::vector<Fault>& faults) {
    for (const Fault& fault : faults) {
      after(fault.at, [this, fault] { begin(fault); });
    }
  }

  /// The node becomes the master, and all others that run follow it; a former master is demoted. Of
  /// what only the former master held, nothing is kept.
  void fail_over(AnyNode& chosen) {
    if (chosen.is_replica()) chosen.promote();
    for (AnyNode* node : any_nodes_) {
      if (node == &chosen || !node->is_running() || node->is_paused()) continue;
      if (node->is_master()) node->demote();
      node->follow(chosen);
    }
  }

  // --- What happened ------------------------------------------------------------------------------------

  /// The seed, and the last lines of what happened.
  [[nodiscard]] std::string story(std::size_t lines = 60) const {
    return "cluster of seed " + std::to_string(seed_) + " (REPLIKV_SEED=" + std::to_string(seed_) +
           " repeats it), " + std::to_string(any_nodes_.size()) + " nodes:\n" + journal_.text(lines);
  }
  void note(std::string_view what) { journal_.note(network_->now(), "test", what); }

  /// Folds all that happened on the network.
  [[nodiscard]] std::uint64_t trace_hash() const { return network_->trace_hash(); }

 protected:
  explicit AnyCluster(const ClusterOptions& options)
      : seed_(seed_of_environment().value_or(options.seed)),
        network_(options.network ? options.network(seed_) : std::make_unique<SimulatedNetwork>(seed_)),
        start_(network_->now()),
        journal_(options.journal_lines_max, start_),
        exceptions_(std::uncaught_exceptions()) {
    if (journal_.is_on()) {
      network_->set_observer([this](const Traffic& traffic) { journal_.note(traffic); });
    }
  }
  ~AnyCluster() { network_->set_observer(nullptr); }  // the journal goes before the network

  void take(AnyNode& node) { any_nodes_.push_back(&node); }

  // A test that ends by an exception, as REQUIRE does, has failed.
  void tell_of_failure() const noexcept {
    if (std::uncaught_exceptions() > exceptions_) std::fputs(story().c_str(), stderr);
  }

  [[nodiscard]] Journal& journal() noexcept { return journal_; }

 private:
  struct Watch {
    std::function<bool()> condition;
    std::function<void()> action;
  };

  // One event, planned or of the network; false when there is none before `limit`.
  bool step(TimePoint limit) {
    begin_cuts();
    const bool has_plan = !planned_.empty() && planned_.begin()->first <= limit;
    const TimePoint next = has_plan ? planned_.begin()->first : limit;
    const bool happened = network_->step(next);
    if (!happened && has_plan) {
      const auto action = std::move(planned_.extract(planned_.begin()).mapped());
      action();
    }
    if (happened || has_plan) observe();
    return happened || has_plan;
  }

  void advance_to(TimePoint when) {
    while (step(when)) {
    }
  }

  // Once the last of the commands is written, it is known how many bytes there are to come.
  void begin_cuts() {
    std::erase_if(cuts_, [this](detail::CommandCount& count) {
      const auto bytes = count.bytes_to_come();
      if (bytes) network_->cut_after(*count.replica().followed(), count.replica(), *bytes);
      return bytes.has_value();
    });
  }

  void observe() {
    for (std::size_t i = 0; i < watches_.size();) {
      if (!watches_[i].condition()) {
        ++i;
        continue;
      }
      const auto action = std::move(watches_[i].action);
      watches_.erase(watches_.begin() + static_cast<std::ptrdiff_t>(i));
      action();
    }
    for (const auto& check : checks_) check();
  }

  [[nodiscard]] std::string why_unsettled() const {
    for (const AnyNode* node : any_nodes_) {
      if (!node->is_running()) continue;
      if (node->is_paused()) return node->name() + " is paused";
      if (!node->is_replica()) continue;
      if (node->followed() == nullptr) return node->name() + " follows nobody";
      if (!node->followed()->is_running()) return node->name() + " follows a node that does not run";
      if (node->info().master->state != MasterLinkState::connected)
        return node->name() + " is not connected to " + node->followed()->name();
      if (node->position() != node->followed()->position())
        return node->name() + " is not where " + node->followed()->name() + " is";
    }
    for (const AnyNode* node : any_nodes_) {
      if (node->is_running() && has_lost_follower(*node)) return node->name() + " has lost a replica";
    }
    return {};
  }

  // A replica whose link is half-open believes in it; its master does not.
  [[nodiscard]] bool has_lost_follower(const AnyNode& node) const {
    const auto followers = std::count_if(any_nodes_.begin(), any_nodes_.end(), [&](const AnyNode* other) {
      return other->is_replica() && other->followed() == &node;
    });
    if (followers == 0) return false;
    const auto replicas = node.info().replicas;
    return followers > std::count_if(replicas.begin(), replicas.end(), [](const ReplicaInfo& replica) {
             return replica.state == ReplicaState::online;
           });
  }

  void begin(const Fault& fault);
  void begin_on_link(const Fault& fault, AnyNode& node, AnyNode& other);
  void begin_on_way(const Fault& fault, AnyNode& node, AnyNode& other);
  void begin_on_node(const Fault& fault, AnyNode& node, AnyNode& other);
  void go_down(const Fault& fault, AnyNode& node);
  void follow_unless_cycle(AnyNode& node, AnyNode& master);

  std::uint64_t seed_;
  std::unique_ptr<Network> network_;
  TimePoint start_;
  Journal journal_;
  int exceptions_;
  std::vector<AnyNode*> any_nodes_;
  std::vector<detail::CommandCount> cuts_;
  std::multimap<TimePoint, std::function<void()>> planned_;
  std::vector<Watch> watches_;
  std::vector<std::function<void()>> checks_;
};

// --- Faults ----------------------------------------------------------------------------------------------

inline void AnyCluster::begin(const Fault& fault) {
  note(text(fault));
  AnyNode& node = *any_nodes_.at(fault.node);
  AnyNode& other = *any_nodes_.at(fault.other);
  if (fault.kind <= Fault::Kind::corrupt_after) return begin_on_link(fault, node, other);
  if (fault.kind <= Fault::Kind::late) return begin_on_way(fault, node, other);
  begin_on_node(fault, node, other);
}

inline void AnyCluster::begin_on_link(const Fault& fault, AnyNode& node, AnyNode& other) {
  switch (fault.kind) {
    case Fault::Kind::cut: return network_->cut(node, other);
    case Fault::Kind::half_open: return network_->half_open(node, other);
    case Fault::Kind::cut_after: return network_->cut_after(node, other, fault.amount);
    default: return network_->corrupt_after(node, other, fault.amount);
  }
}

inline void AnyCluster::begin_on_way(const Fault& fault, AnyNode& node, AnyNode& other) {
  const auto set = [this, &node, &other, kind = fault.kind](bool on) {
    if (kind == Fault::Kind::block) network_->block(node, other, on);
    if (kind == Fault::Kind::part) network_->partition(node, other, on);
    if (kind == Fault::Kind::isolate) network_->partition(node, on);
    if (kind == Fault::Kind::refuse) network_->refuse(node, on);
  };
  LinkConditions worse = network_->conditions();
  if (fault.kind == Fault::Kind::slow) worse.bytes_per_second_max = fault.amount;
  if (fault.kind == Fault::Kind::crumble) worse.chunk_bytes_max = static_cast<std::size_t>(fault.amount);
  if (fault.kind == Fault::Kind::late) worse.delay_max += std::chrono::microseconds(fault.amount);
  const bool is_condition = fault.kind >= Fault::Kind::slow;
  is_condition ? network_->set_conditions(node, other, worse) : set(true);
  after(fault.lasts, [this, set, is_condition, &node, &other] {
    is_condition ? network_->set_conditions(node, other, network_->conditions()) : set(false);
  });
}

inline void AnyCluster::begin_on_node(const Fault& fault, AnyNode& node, AnyNode& other) {
  switch (fault.kind) {
    case Fault::Kind::pause:
      if (!node.is_running() || node.is_paused()) return;
      node.pause();
      return after(fault.lasts, [&node] {
        if (node.is_paused()) node.resume();
      });
    case Fault::Kind::crash:
    case Fault::Kind::lose:
    case Fault::Kind::power_off: return go_down(fault, node);
    case Fault::Kind::fail_over:
      if (node.is_replica() && !node.is_paused()) fail_over(node);
      return;
    case Fault::Kind::follow: return follow_unless_cycle(node, other);
    case Fault::Kind::jump:
      return node.jump_wall_clock(std::chrono::milliseconds(fault.amount) - std::chrono::hours{1});
    default: return node.set_drift(static_cast<std::int64_t>(fault.amount) - 100'000);
  }
}

inline void AnyCluster::go_down(const Fault& fault, AnyNode& node) {
  if (!node.is_running()) return;
  fault.kind == Fault::Kind::power_off ? node.power_off() : node.crash();
  after(fault.lasts, [&node, is_lost = fault.kind == Fault::Kind::lose] {
    if (!node.is_running()) is_lost ? node.start_empty() : node.start();
  });
}

inline void AnyCluster::follow_unless_cycle(AnyNode& node, AnyNode& master) {
  if (!node.is_replica()) return;
  for (const AnyNode* above = &master; above != nullptr; above = above->followed()) {
    if (above == &node) return;
  }
  node.follow(master);
}

// --- With its nodes --------------------------------------------------------------------------------------

namespace detail {

template <class T>
struct StoreOf {
  using Type = Store<std::string, T>;
};
template <class Key, class Value, class Policy>
struct StoreOf<Store<Key, Value, Policy>> {
  using Type = Store<Key, Value, Policy>;
};

template <class... Types>
struct NodeOf {
  using Type = Node<typename StoreOf<Types>::Type...>;
};
template <>
struct NodeOf<> {
  using Type = Node<Store<std::string, std::string>>;
};

}  // namespace detail

/// A cluster whose nodes have one store for each type: a Store, or a value type with keys of std::string.
/// Without any, one store of strings.
///
///     replikv::testing::Cluster<> cluster{{.replicas = 2, .seed = 42}};
///     cluster.master().set("stock:7", "3");
///     cluster.network().partition(cluster.replica(0));
///     cluster.advance(5s);
///
/// The nodes are called "master", "replica-0", "replica-1" and so on, for as long as they live, whatever
/// becomes of them. When a test leaves by an exception, the story goes to stderr.
template <class... Types>
class Cluster final : public AnyCluster {
 public:
  using NodeType = typename detail::NodeOf<Types...>::Type;

  explicit Cluster(const ClusterOptions& options = {}) : AnyCluster(options) {
    const Topology topology = options.topology.value_or(Topology::star(options.replicas));
    Random random(seed());
    for (std::size_t i = 0; i < topology.nodes(); ++i) {
      ReplicationOptions its_options = options.options;
      its_options.seed = random();
      const std::string name = i == 0 ? "master" : "replica-" + std::to_string(i - 1);
      nodes_.push_back(std::make_unique<NodeType>(network(), journal(), name, std::move(its_options)));
      take(*nodes_.back());
    }
    for (std::size_t i = 0; i < topology.nodes(); ++i) {
      const auto master = topology.masters[i];
      nodes_[i]->begin(master ? Role::replica : Role::master);
      if (master) nodes_[i]->follow(*nodes_.at(*master));
    }
    if (options.settled) settle();
  }

  ~Cluster() { tell_of_failure(); }

  /// The running node that is a master; the first one if there are several. Throws if there is none.
  [[nodiscard]] NodeType& master() {
    for (const auto& node : nodes_) {
      if (node->is_master()) return *node;
    }
    throw std::logic_error("replikv: this cluster has no master now");
  }

  /// The node that was replica number `i` at first.
  [[nodiscard]] NodeType& replica(std::size_t i) { return node(i + 1); }

  /// All nodes by number; 0 was the master at first.
  [[nodiscard]] NodeType& node(std::size_t i) { return *nodes_.at(i); }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

 private:
  std::vector<std::unique_ptr<NodeType>> nodes_;
};

}  // namespace replikv::inline v0_1::testing
