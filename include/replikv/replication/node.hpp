// A node: stores whose role may change while they are in use. What stays is the object, the stores and
// whoever reads them; what changes is where their contents come from.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/replication/detail/node.hpp>
#include <replikv/replication/detail/role.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/stream/token.hpp>
#include <replikv/transport/transport.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

namespace detail {
struct NodeAccess;
}

/// Stores under one stream, master at first, whose role changes by a call instead of by another object.
///
///     Node node{store};
///     node.listen(tcp, "0.0.0.0:6379");
///     node.replicate_from(tcp, "192.0.2.1:6379");   // a replica from now on (Redis: REPLICAOF host port)
///     node.promote();                               // and a master again (REPLICAOF NO ONE)
///
/// Several stores become databases 0, 1, 2 …; an array, vector or deque of stores counts as so many. The
/// stores must outlive the node. With options.read_only off a replica's stores take local writes.
///
/// Thread safety  every call from any thread, but not from inside `visit` or `update` of a store; the two
///                calls that change the role, one at a time
template <class... Stores>
class Node {
 public:
  /// Throws `Errc::already_has_role`, `Errc::bad_option`.
  explicit Node(Stores&... stores) : Node(ReplicationOptions{}, stores...) {}
  explicit Node(ReplicationOptions options, Stores&... stores)
      : stores_(stores...), handle_(attach(std::move(options))) {}

  /// Follows the master at `address`, leaving any other. Data and history stay: where the new master
  /// continues them it is a partial resync, otherwise the data stays readable until a full resync replaces
  /// it.
  template <Transport T>
  void replicate_from(const T& transport, std::string_view address) {
    handle_.get()->replicate_from(transport.engine(), address);
  }

  /// Follows nobody and takes writes; nothing happens on a master. The history goes on under a new id, and
  /// the former one stays good for partial resyncs.
  void promote() {
    if (role() == Role::replica) handle_.get()->promote();
  }

  [[nodiscard]] Role role() const { return handle_.get()->info().role; }

  /// Lets replicas connect; see `ReplicationMaster::listen`. Clients as well: `RedisEndpoint`.
  template <Transport T>
  std::string listen(const T& transport, std::string_view address) {
    std::error_code error;
    std::string bound = handle_.get()->listen(transport.engine(), address, error);
    detail::throw_if(error);
    return bound;
  }

  /// See `ReplicationMaster::wait`.
  unsigned wait(unsigned replicas, std::chrono::milliseconds timeout) {
    return handle_.get()->wait(replicas, timeout, std::nullopt);
  }
  unsigned wait(unsigned replicas, std::chrono::milliseconds timeout, const Token& written) {
    return handle_.get()->wait(replicas, timeout, written);
  }

  /// See `ReplicationReplica::wait_for`.
  void wait_for(const Token& written, std::chrono::milliseconds timeout) {
    detail::throw_if(handle_.get()->wait_for(written, timeout));
  }
  void wait_for(const Token& written, std::chrono::milliseconds timeout, std::error_code& error) {
    error = handle_.get()->wait_for(written, timeout);
  }

  [[nodiscard]] ReplicationInfo info() const { return handle_.get()->info(); }
  [[nodiscard]] Token position() const { return handle_.get()->stream->position(); }

  /// As `ReplicationMaster::set_backlog_bytes`.
  void set_backlog_bytes(std::uint64_t bytes) { handle_.get()->set_backlog_bytes(bytes); }

  /// Calls `f(store)` for each store, in the order of the databases.
  template <class F>
  void for_each_store(F&& f) const {
    std::apply([&f](auto&... each) { (visit_stores(each, f), ...); }, stores_);
  }

 private:
  friend struct detail::NodeAccess;

  template <class T, class F>
  static void visit_stores(T& stores, F& f) {
    if constexpr (detail::is_store<T>) {
      f(stores);
    } else {
      for (auto& store : stores) f(store);
    }
  }

  [[nodiscard]] detail::NodeHandle attach(ReplicationOptions options) const {
    detail::RoleArguments arguments;
    for_each_store([&arguments](auto& store) { arguments.take(store); });
    arguments.take(std::move(options));
    return detail::attach_role(Role::master, std::move(arguments));
  }

  std::tuple<Stores&...> stores_;
  detail::NodeHandle handle_;
};

namespace detail {

/// The way from a public node to what it holds, for the rooms above this one.
struct NodeAccess {
  template <class... Stores>
  [[nodiscard]] static std::shared_ptr<detail::Node> node(const replikv::Node<Stores...>& node) {
    return node.handle_.share();
  }
};

}  // namespace detail
}  // namespace replikv::inline v0_1
