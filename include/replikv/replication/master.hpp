// A master: stores whose writes become a command stream that replicas follow.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/replication/detail/node.hpp>
#include <replikv/replication/detail/role.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/store/store.hpp>
#include <replikv/stream/token.hpp>
#include <replikv/transport/transport.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace replikv::inline v0_1 {

class ReplicationReplica;

/// Makes stores the source of a replicated history.
///
///     ReplicationMaster master{store};
///     ReplicationMaster shop{profiles, sessions, counters};   // databases 0, 1, 2 under one stream
///
/// The stores must outlive the role; a store has one role at most. What they hold already is part of the
/// first snapshot. Any number of replicas may follow, over several transports at once; none of them is
/// waited for unless `wait` or `min_replicas_to_write` asks.
///
/// Thread safety  every call from any thread, but not from inside `visit` or `update` of a store
/// Errors         a moved-from or demoted object answers `Errc::no_role`
class ReplicationMaster {
 public:
  /// Binds one store. Throws `Errc::already_has_role`.
  template <class Key, class Value, class Policy>
  explicit ReplicationMaster(Store<Key, Value, Policy>& store, ReplicationOptions options = {})
      : node_(detail::attach_role(Role::master, std::move(options), store)) {}

  /// Binds several stores, each one Redis database in the order given; options may come last.
  template <class First, class Second, class... More>
  requires detail::StoresThenOptions<First, Second, More...> ReplicationMaster(First& first, Second&& second,
                                                                               More&&... more)
      : node_(detail::attach_role_to_all(Role::master, first, std::forward<Second>(second),
                                         std::forward<More>(more)...)) {}

  /// Lets replicas connect. Returns the address they can use, with the port that was chosen for port 0.
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

  /// Waits until `replicas` have confirmed everything written so far, or `timeout` is over; returns how
  /// many have (Redis: WAIT). Never from an observer or a transport's thread.
  unsigned wait(unsigned replicas, std::chrono::milliseconds timeout) {
    return node_.get()->wait(replicas, timeout, std::nullopt);
  }

  /// The same for everything up to one write.
  unsigned wait(unsigned replicas, std::chrono::milliseconds timeout, const Token& written) {
    return node_.get()->wait(replicas, timeout, written);
  }

  [[nodiscard]] ReplicationInfo info() const { return node_.get()->info(); }

  /// Where the stream stands.
  [[nodiscard]] Token position() const { return node_.get()->stream->position(); }

  /// Changes how many bytes of history partial resyncs can be served from; what `backlog_duration` promises is
  /// kept all the same. Throws `Errc::bad_option` where the other limits do not allow it.
  void set_backlog_bytes(std::uint64_t bytes) { node_.get()->set_backlog_bytes(bytes); }

  /// Gives up writing and becomes a replica that follows nobody yet. It keeps its history: a master that
  /// continues this history can serve it a partial resync. Links to replicas are closed.
  [[nodiscard]] ReplicationReplica demote() &&;

 private:
  friend class ReplicationReplica;
  friend struct detail::RoleAccess;
  explicit ReplicationMaster(detail::NodeHandle node) noexcept : node_(std::move(node)) {}

  detail::NodeHandle node_;
};

}  // namespace replikv::inline v0_1

#include <replikv/replication/replica.hpp>
