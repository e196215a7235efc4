// What the public roles have in common: holding a node, and binding stores to it.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/replication/detail/node.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/store/store.hpp>

#include <concepts>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Holds a node and ends its role when destroyed. Moves; a moved-from handle has none.
class NodeHandle {
 public:
  explicit NodeHandle(std::shared_ptr<Node> node) noexcept : node_(std::move(node)) {}
  NodeHandle(NodeHandle&&) noexcept = default;
  NodeHandle& operator=(NodeHandle&& other) noexcept {
    if (this != &other) {
      close();
      node_ = std::move(other.node_);
    }
    return *this;
  }
  ~NodeHandle() { close(); }

  [[nodiscard]] Node* get() const {
    std::error_code error;
    Node* node = get(error);
    throw_if(error);
    return node;
  }
  [[nodiscard]] std::shared_ptr<Node> share() const { return node_; }
  [[nodiscard]] Node* get(std::error_code& error) const noexcept {
    error = node_ ? std::error_code{} : make_error_code(Errc::no_role);
    return node_.get();
  }

 private:
  void close() noexcept {
    if (node_) node_->close();
  }

  std::shared_ptr<Node> node_;
};

/// The way from a role to its node, for the rooms above this one.
struct RoleAccess {
  template <class Role>
  [[nodiscard]] static Node& node(const Role& role) {
    return *role.node_.get();
  }
};

template <class T>
inline constexpr bool is_store = false;
template <class Key, class Value, class Policy>
inline constexpr bool is_store<Store<Key, Value, Policy>> = true;

template <class T>
concept StoreReference = std::is_lvalue_reference_v<T&&> && is_store<std::remove_cvref_t<T>>;

// Stores, and behind them perhaps options.
template <class... Ts>
struct StoresThenOptionsCheck : std::false_type {};
template <StoreReference Last>
struct StoresThenOptionsCheck<Last> : std::true_type {};
template <class Last>
requires std::same_as<std::remove_cvref_t<Last>, ReplicationOptions>
struct StoresThenOptionsCheck<Last> : std::true_type {
};
template <StoreReference First, class... Rest>
requires(sizeof...(Rest) > 0) struct StoresThenOptionsCheck<First, Rest...>
    : StoresThenOptionsCheck<Rest...> {
};

template <class First, class Second, class... More>
concept StoresThenOptions = is_store<First> && is_store<std::remove_cvref_t<Second>> &&
    StoresThenOptionsCheck<First&, Second, More...>::value;

class RoleArguments {
 public:
  template <class Key, class Value, class Policy>
  void take(Store<Key, Value, Policy>& store) {
    stores.push_back(&database_of(store));
  }
  void take(ReplicationOptions chosen) { options = std::move(chosen); }

  std::vector<Database*> stores;
  ReplicationOptions options;
};

inline NodeHandle attach_role(Role role, RoleArguments arguments) {
  std::error_code error;
  auto node = Node::attach(std::move(arguments.stores), std::move(arguments.options), role, error);
  throw_if(error);
  return NodeHandle(std::move(node));
}

template <class Key, class Value, class Policy>
NodeHandle attach_role(Role role, ReplicationOptions options, Store<Key, Value, Policy>& store) {
  RoleArguments arguments;
  arguments.take(store);
  arguments.take(std::move(options));
  return attach_role(role, std::move(arguments));
}

template <class... Ts>
NodeHandle attach_role_to_all(Role role, Ts&&... stores_then_options) {
  RoleArguments arguments;
  (arguments.take(std::forward<Ts>(stores_then_options)), ...);
  return attach_role(role, std::move(arguments));
}

}  // namespace replikv::inline v0_1::detail
