// A replica: stores that hold what a master's stores hold, a moment later.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/replication/detail/node.hpp>
#include <replikv/replication/detail/role.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/replication/master.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/store/store.hpp>
#include <replikv/stream/token.hpp>
#include <replikv/transport/transport.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace replikv::inline v0_1 {

/// Keeps stores equal to those of a master, which may be a ReplicationMaster, another replica, or a
/// redis-server.
///
///     ReplicationReplica replica{copy};
///     replica.follow(transport, "127.0.0.1:6379");
///
/// Its stores refuse local writes with READONLY, unless `read_only` is off. Readers see the old data until
/// a full resync is complete, then the new data at once. A lost link is made again by itself, with a
/// partial resync wherever the master still has the history.
///
/// Thread safety  every call from any thread, but not from inside `visit` or `update` of a store
/// Errors         a moved-from or promoted object answers `Errc::no_role`
class ReplicationReplica {
 public:
  /// Binds one store. Throws `Errc::already_has_role`. What it holds stays until the first full resync.
  template <class Key, class Value, class Policy>
  explicit ReplicationReplica(Store<Key, Value, Policy>& store, ReplicationOptions options = {})
      : node_(detail::attach_role(Role::replica, std::move(options), store)) {}

  /// Binds several stores, each one Redis database in the order given; options may come last.
  template <class First, class Second, class... More>
  requires detail::StoresThenOptions<First, Second, More...> ReplicationReplica(First& first, Second&& second,
                                                                                More&&... more)
      : node_(detail::attach_role_to_all(Role::replica, first, std::forward<Second>(second),
                                         std::forward<More>(more)...)) {}

  /// Follows the master at `address`, for as long as it takes: failures are reported as events and tried
  /// again. A former master is left; what was applied from it is asked to be continued.
  template <Transport T>
  void follow(const T& transport, std::string_view address) {
    node_.get()->follow(transport.engine(), address);
  }

  /// Follows nobody; the data stays, read-only.
  void unfollow() { node_.get()->unfollow(); }

  /// Lets sub-replicas connect; see `ReplicationMaster::listen`. They get this node's master's stream.
  template <Transport T>
  std::string listen(const T& transport, std::string_view address) {
    std::error_code error;
    std::string bound = listen(transport, address, error);
    detail::throw_if(error);
    return bound;
  }
  template <Transport T>
  std::string listen(const T& transport, std::string_view address, std::error_code& error) {
    return node_.get(error) ? node_.get()->listen(transport.engine(), address, error) : std::string();
  }

  /// Waits until the stores hold the write that returned `written`: read your own writes. A token stays
  /// good across a promotion, if the write survived it and this replica had it by then: one that was behind
  /// cannot tell what became of later writes under the former id, and times out.
  ///
  /// Errors  `Errc::timeout`; `Errc::history_lost`: the write did not survive this node's own promotion;
  ///         `Errc::detached`
  /// Never from an observer or a transport's thread.
  void wait_for(const Token& written, std::chrono::milliseconds timeout) {
    detail::throw_if(node_.get()->wait_for(written, timeout));
  }
  void wait_for(const Token& written, std::chrono::milliseconds timeout, std::error_code& error) {
    if (detail::Node* node = node_.get(error)) error = node->wait_for(written, timeout);
  }

  /// Calls `done` once, when that holds or cannot any more: before this returns, or in the context of a
  /// transport. The time-out runs on the clock of the first transport used.
  void wait_for(const Token& written, std::chrono::milliseconds timeout,
                std::function<void(std::error_code)> done) {
    node_.get()->wait_for(written, timeout, std::move(done));
  }

  [[nodiscard]] ReplicationInfo info() const { return node_.get()->info(); }

  /// What has been applied.
  [[nodiscard]] Token position() const { return node_.get()->stream->position(); }

  /// As `ReplicationMaster::set_backlog_bytes`.
  void set_backlog_bytes(std::uint64_t bytes) { node_.get()->set_backlog_bytes(bytes); }

  /// Becomes the master of the same stores. The history goes on under a new replication id, and the old one
  /// stays good for what was applied: other replicas of the old master continue by partial resync.
  [[nodiscard]] ReplicationMaster promote() && {
    node_.get()->promote();
    return ReplicationMaster(std::move(node_));
  }

 private:
  friend class ReplicationMaster;
  friend struct detail::RoleAccess;
  explicit ReplicationReplica(detail::NodeHandle node) noexcept : node_(std::move(node)) {}

  detail::NodeHandle node_;
};

inline ReplicationReplica ReplicationMaster::demote() && {
  node_.get()->demote();
  return ReplicationReplica(std::move(node_));
}

}  // namespace replikv::inline v0_1
