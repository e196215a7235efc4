// A node of a cluster: its stores, its role, its host, and what can happen to it.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/codec.hpp>
#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/store/store.hpp>
#include <replikv/testing/journal.hpp>
#include <replikv/testing/network.hpp>

#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace replikv::inline v0_1::testing {

namespace detail {

/// Which of a variant's alternatives a type is.
template <class E, class... Es>
[[nodiscard]] constexpr std::size_t index_of(const std::variant<Es...>*) noexcept {
  std::size_t index = 0;
  static_cast<void>(((std::is_same_v<E, Es> || (++index, false)) || ...));
  return index;
}

}  // namespace detail

/// What all nodes have, whatever their stores hold.
///
/// Thread safety  none: the test's thread
class AnyNode : public Member {
 public:
  AnyNode(Network& network, Journal& journal, std::string name, ReplicationOptions options)
      : Member(std::move(name)), network_(network), journal_(journal), options_(std::move(options)) {
    network_.add_host(this->name());
  }
  AnyNode(const AnyNode&) = delete;
  AnyNode& operator=(const AnyNode&) = delete;
  virtual ~AnyNode() = default;

  // --- Role -------------------------------------------------------------------------------------------

  /// True between `start` and `stop` or a crash; a paused node runs, too.
  [[nodiscard]] bool is_running() const noexcept { return !std::holds_alternative<std::monostate>(role_); }
  [[nodiscard]] bool is_paused() const noexcept { return is_paused_; }
  [[nodiscard]] bool is_master() const noexcept { return std::holds_alternative<ReplicationMaster>(role_); }
  [[nodiscard]] bool is_replica() const noexcept { return std::holds_alternative<ReplicationReplica>(role_); }

  /// Preconditions of both: it is running, and is that.
  [[nodiscard]] ReplicationMaster& as_master() { return std::get<ReplicationMaster>(role_); }
  [[nodiscard]] ReplicationReplica& as_replica() { return std::get<ReplicationReplica>(role_); }

  /// Preconditions of both: it is running.
  [[nodiscard]] ReplicationInfo info() const {
    return is_master() ? std::get<ReplicationMaster>(role_).info()
                       : std::get<ReplicationReplica>(role_).info();
  }
  [[nodiscard]] Token position() const {
    return is_master() ? std::get<ReplicationMaster>(role_).position()
                       : std::get<ReplicationReplica>(role_).position();
  }

  /// The bytes it has written or applied: for checkers. Precondition: it is running.
  [[nodiscard]] const CommandStream& stream() const {
    const auto of = [](const auto& role) -> const CommandStream& {
      return *replikv::detail::RoleAccess::node(role).stream;
    };
    return is_master() ? of(std::get<ReplicationMaster>(role_)) : of(std::get<ReplicationReplica>(role_));
  }

  /// Whom a replica follows, or a stopped node will; null: nobody.
  [[nodiscard]] const AnyNode* followed() const noexcept { return followed_; }

  /// A replica follows another node from now on.
  void follow(AnyNode& master) {
    followed_ = &master;
    if (!is_replica()) return;
    note("follows " + master.name());
    as_replica().follow(transport(), master.address_);
  }
  void unfollow() {
    followed_ = nullptr;
    if (is_replica()) as_replica().unfollow();
  }

  /// A replica becomes a master, a master a replica that follows nobody yet.
  void promote() {
    followed_ = nullptr;
    role_ = std::move(as_replica()).promote();
  }
  void demote() { role_ = std::move(as_master()).demote(); }

  // --- Life -------------------------------------------------------------------------------------------

  /// Ends the role in good order; peers hear of it.
  void stop() {
    note("stops");
    end();
  }

  /// The process dies without a word: peers see their links cut.
  void crash() {
    note("crashes");
    network_.crash(name());
    end();
  }

  /// The computer dies: nobody is told.
  void power_off() {
    note("loses power");
    network_.power_off(name());
    end();
  }

  /// How often it has started.
  [[nodiscard]] std::uint64_t lives() const noexcept { return lives_; }

  /// A stopped or crashed node starts again, in the role it had, with the data it had: a replica needs a
  /// full resync, a master begins a history of its own. Precondition: not running.
  void start() {
    assert(!is_running());
    note("starts");
    network_.resume(name());
    attach(was_master_ ? Role::master : Role::replica);
  }

  /// Likewise, with nothing.
  void start_empty() {
    assert(!is_running());
    forget_data();
    start();
  }

  /// Stops all that it does, as SIGSTOP does; links stay open.
  void pause() {
    note("pauses");
    is_paused_ = true;
    network_.pause(name());
  }
  void resume() {
    note("goes on");
    is_paused_ = false;
    network_.resume(name());
  }

  /// How many events of this type it has reported, in all its lives: `node.heard<PartialResync>()`.
  template <class E>
  [[nodiscard]] std::uint64_t heard() const noexcept {
    return heard_[detail::index_of<E>(static_cast<const Event*>(nullptr))];
  }

  /// Hears the events of this node, in all its lives, besides the observer of its options.
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  // --- Clocks -----------------------------------------------------------------------------------------

  [[nodiscard]] WallTime wall_time() const { return network_.wall_clock(name()).now(); }
  void jump_wall_clock(std::chrono::milliseconds by) {
    note("its wall clock jumps by " + std::to_string(by.count()) + " ms");
    network_.jump_wall_clock(name(), by);
  }
  void set_drift(std::int64_t parts_per_million) {
    note("its clocks drift by " + std::to_string(parts_per_million) + " ppm");
    network_.set_drift(name(), parts_per_million);
  }

  // --- Data -------------------------------------------------------------------------------------------

  /// Whether both hold the same keys with the same values and expiries, whatever their clocks say. The
  /// other node's stores have the same types.
  [[nodiscard]] virtual bool has_same_data(const AnyNode& other) const = 0;

  /// For a cluster: takes the first role.
  void begin(Role role) { attach(role); }

 protected:
  using AnyRole = std::variant<std::monostate, ReplicationMaster, ReplicationReplica>;

  virtual AnyRole take_role(Role role, ReplicationOptions options) = 0;
  virtual void forget_data() = 0;

  [[nodiscard]] Clock clock() { return Clock(network_.wall_clock(name())); }
  void let_go_of_role() noexcept { role_ = std::monostate{}; }

 private:
  struct HostTransport {
    std::shared_ptr<TransportEngine> held;
    [[nodiscard]] std::shared_ptr<TransportEngine> engine() const { return held; }
  };

  [[nodiscard]] HostTransport transport() { return {network_.engine(name())}; }

  void attach(Role role) {
    role_ = take_role(role, options_of_this_life());
    if (address_.empty()) address_ = network_.address(name());
    if (role == Role::master) {
      address_ = as_master().listen(transport(), address_);
    } else {
      address_ = as_replica().listen(transport(), address_);
      if (followed_ != nullptr) follow(*followed_);
    }
  }

  // Each life has replication ids of its own.
  [[nodiscard]] ReplicationOptions options_of_this_life() {
    ReplicationOptions options = options_;
    ++lives_;
    if (options.seed) options.seed = Random(*options.seed + lives_)();
    options.observer = [this, theirs = options_.observer](const Event& event) {
      ++heard_[event.index()];
      if (journal_.is_on()) note(detail::words(event));
      if (theirs) theirs(event);
      if (observer_) observer_(event);
    };
    return options;
  }

  void end() {
    if (is_running()) was_master_ = is_master();
    is_paused_ = false;
    let_go_of_role();
  }

  void note(std::string_view what) { journal_.note(network_.now(), name(), what); }

  Network& network_;
  Journal& journal_;
  ReplicationOptions options_;
  Observer observer_;
  std::array<std::uint64_t, std::variant_size_v<Event>> heard_{};
  std::string address_;
  AnyRole role_;
  AnyNode* followed_ = nullptr;
  bool was_master_ = false;
  bool is_paused_ = false;
  std::uint64_t lives_ = 0;
};

/// A node with stores of these types; a role binds them as databases 0, 1, 2 and so on.
template <class... Stores>
class Node final : public AnyNode {
 public:
  Node(Network& network, Journal& journal, std::string name, ReplicationOptions options)
      : AnyNode(network, journal, std::move(name), std::move(options)) {
    forget_data();
  }
  ~Node() override { let_go_of_role(); }

  template <std::size_t I = 0>
  [[nodiscard]] auto& store() noexcept {
    return *std::get<I>(stores_);
  }
  template <std::size_t I = 0>
  [[nodiscard]] const auto& store() const noexcept {
    return *std::get<I>(stores_);
  }

  // --- What the first store can do, for short --------------------------------------------------------------

  using First = std::tuple_element_t<0, std::tuple<Stores...>>;
  using KeyView = typename First::KeyView;
  using ValueView = typename First::ValueView;

  [[nodiscard]] auto get(KeyView key) const { return store().get(key); }
  [[nodiscard]] bool contains(KeyView key) const { return store().contains(key); }
  [[nodiscard]] auto ttl(KeyView key) const { return store().ttl(key); }
  [[nodiscard]] std::size_t size() const { return store().size(); }

  // `rest` is what else there may be: an expiry, a number, a std::error_code&.
  Written set(KeyView key, ValueView value, auto&&... rest) {
    return store().set(key, value, std::forward<decltype(rest)>(rest)...);
  }
  auto increment(KeyView key, auto&&... rest) {
    return store().increment(key, std::forward<decltype(rest)>(rest)...);
  }
  Written update(KeyView key, auto&& change, auto&&... rest) {
    return store().update(key, change, std::forward<decltype(rest)>(rest)...);
  }
  Written erase(KeyView key, auto&&... rest) {
    return store().erase(key, std::forward<decltype(rest)>(rest)...);
  }
  Written expire(KeyView key, auto&& after, auto&&... rest) {
    return store().expire(key, after, std::forward<decltype(rest)>(rest)...);
  }
  Written transaction(typename First::KeyList keys, auto&& change, auto&&... rest) {
    return store().transaction(keys, change, std::forward<decltype(rest)>(rest)...);
  }
  Written transaction(auto&& keys_or_change, auto&&... rest) {
    return store().transaction(std::forward<decltype(keys_or_change)>(keys_or_change),
                               std::forward<decltype(rest)>(rest)...);
  }
  Written clear(auto&&... rest) { return store().clear(std::forward<decltype(rest)>(rest)...); }

  [[nodiscard]] bool has_same_data(const AnyNode& other) const override {
    const auto& theirs = dynamic_cast<const Node&>(other);
    return all_equal(theirs, std::index_sequence_for<Stores...>{});
  }

 private:
  AnyRole take_role(Role role, ReplicationOptions options) override {
    return std::apply(
        [&](auto&... stores) -> AnyRole {
          if (role == Role::master) return ReplicationMaster(*stores..., std::move(options));
          return ReplicationReplica(*stores..., std::move(options));
        },
        stores_);
  }

  void forget_data() override { stores_ = {std::make_unique<Stores>(clock())...}; }

  template <std::size_t... I>
  [[nodiscard]] bool all_equal(const Node& other, std::index_sequence<I...>) const {
    return (is_equal(*std::get<I>(stores_), *std::get<I>(other.stores_)) && ...);
  }

  template <class Store>
  [[nodiscard]] static bool is_equal(Store& one, Store& other) {
    auto& here = replikv::detail::database_of(one);
    auto& there = replikv::detail::database_of(other);
    std::set<std::string> keys;
    for (const Store* store : {&one, &other}) {
      store->for_each([&keys](const auto& key, const auto&) {
        std::string text;
        Codec<typename Store::key_type>::encode(typename Store::key_type(key), text);
        keys.insert(std::move(text));
      });
    }
    if (here.size() != there.size()) return false;
    for (const std::string& key : keys) {
      const auto mine = here.read(key, replikv::detail::Locks::take);
      const auto theirs = there.read(key, replikv::detail::Locks::take);
      if (!mine || !theirs || mine->value != theirs->value || mine->expires_at != theirs->expires_at)
        return false;
    }
    return true;
  }

  std::tuple<std::unique_ptr<Stores>...> stores_;
};

}  // namespace replikv::inline v0_1::testing
