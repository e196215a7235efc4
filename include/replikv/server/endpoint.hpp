// The Redis endpoint of a node: whoever speaks RESP to it finds one more Redis server, whose data are the
// application's own stores.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/replication/node.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/configuration.hpp>
#include <replikv/server/detail/client_link.hpp>
#include <replikv/server/detail/commands/all.hpp>
#include <replikv/server/detail/failover.hpp>
#include <replikv/server/detail/parameters.hpp>
#include <replikv/server/detail/server.hpp>
#include <replikv/server/detail/settings.hpp>
#include <replikv/server/detail/store_keyspace.hpp>
#include <replikv/server/options.hpp>
#include <replikv/transport/transport.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {
namespace detail {

/// Listeners and the regular work of a server; the part of an endpoint that does not depend on its stores.
class EndpointCore {
 public:
  explicit EndpointCore(std::shared_ptr<Server> server) : server_(std::move(server)) {
    server_->node->set_message_handler(std::make_shared<const NodeCore::MessageHandler>(
        [weak = std::weak_ptr(server_)](resp::Arguments command) {
          const auto its_server = weak.lock();
          if (!its_server) return;
          const Server::Turn turn(*its_server);
          const bool is_shard = command[0].size() == std::string_view("SPUBLISH").size();
          its_server->deliver(is_shard ? Subscribed::shard_channel : Subscribed::channel, command[1],
                              command[2]);
        }));
  }
  EndpointCore(const EndpointCore&) = delete;
  EndpointCore& operator=(const EndpointCore&) = delete;
  ~EndpointCore() { close(); }

  std::string listen(const std::shared_ptr<TransportEngine>& engine, std::string_view address,
                     std::error_code& error) {
    std::string bound;
    auto accept = [weak = std::weak_ptr(server_),
                   weak_engine = std::weak_ptr(engine)](const std::shared_ptr<Link>& link) {
      const auto server = weak.lock();
      const auto its_engine = weak_engine.lock();
      if (server && its_engine) accept_link(server, its_engine, link);
    };
    auto listener = engine->listen(address, std::move(accept), bound, error);
    if (error) return bound;
    tell_where(engine, bound);
    const std::lock_guard lock(mutex_);
    listeners_.push_back(std::move(listener));
    if (!beating_) beating_ = Beat::start(server_, engine);
    return bound;
  }

  void reach_masters_over(std::shared_ptr<TransportEngine> engine) {
    const Server::Turn turn(*server_);
    server_->administration.towards_master = std::move(engine);
    announce_port();
  }

  [[nodiscard]] Server& server() const noexcept { return *server_; }

 private:
  /// Looks after all clients ten times a second.
  class Beat : public std::enable_shared_from_this<Beat> {
   public:
    static std::shared_ptr<Beat> start(const std::shared_ptr<Server>& server,
                                       const std::shared_ptr<TransportEngine>& engine) {
      auto beat = std::make_shared<Beat>(server, engine);
      beat->again();
      return beat;
    }
    Beat(const std::shared_ptr<Server>& server, const std::shared_ptr<TransportEngine>& engine)
        : server_(server), engine_(engine) {}

   private:
    void again() {
      const auto engine = engine_.lock();
      if (!engine) return;
      timer_ = engine->at(engine->now() + std::chrono::milliseconds(100), [weak = weak_from_this()] {
        const auto self = weak.lock();
        const auto server = self ? self->server_.lock() : nullptr;
        const auto its_engine = self ? self->engine_.lock() : nullptr;
        if (!server || !its_engine) return;
        {
          const Server::Turn turn(*server);
          if (server->closed) return;
          server->look_after_clients(its_engine->now());
          advance_failover(*server, its_engine->now());
        }
        self->again();
      });
    }

    std::weak_ptr<Server> server_;
    std::weak_ptr<TransportEngine> engine_;
    std::unique_ptr<Registration> timer_;
  };

  static void accept_link(const std::shared_ptr<Server>& server,
                          const std::shared_ptr<TransportEngine>& engine, const std::shared_ptr<Link>& link) {
    const Server::Turn turn(*server);
    if (server->closed) return;
    ++server->counts.connections_received;
    const std::string refusal = server->refusal_of_connection(*link);
    if (!refusal.empty()) {
      ++server->counts.connections_rejected;
      std::string reply;
      resp::append_error(reply, refusal);
      const SharedBytes bytes(std::move(reply));
      link->send({&bytes, 1});
      return link->close();
    }
    auto client = std::make_shared<ClientLink>(server, server->next_client_id(), engine, link);
    server->log_out(*client);
    server->add(client);
    link->start(client);
  }

  void tell_where(const std::shared_ptr<TransportEngine>& engine, std::string_view bound) {
    const std::size_t colon = bound.rfind(':');
    const auto number =
        colon == std::string_view::npos ? std::nullopt : resp::parse_unsigned(bound.substr(colon + 1));
    const auto port = static_cast<std::uint16_t>(number.value_or(0) & 0xffff);
    const Server::Turn turn(*server_);
    Administration& own = server_->administration;
    server_->node->served_by(engine, port);
    server_->live_by(engine);
    if (own.port == 0) own.port = own.announced_port = port;
    if (port != 0) own.ports.emplace_back(engine.get(), port);
    if (!own.towards_master) own.towards_master = engine;
    announce_port();
  }

  // A master, and who asks it for its replicas, can reach this node as this node reaches the master: where
  // there are ports of several transports, it is told the first of that one.
  void announce_port() {
    Administration& own = server_->administration;
    const auto found = std::find_if(own.ports.begin(), own.ports.end(), [&own](const auto& each) {
      return each.first == own.towards_master.get();
    });
    if (found == own.ports.end()) return;
    const std::uint16_t before = std::exchange(own.announced_port, found->second);
    server_->node->announce_port(own.announced_port, before);
  }

  void close() noexcept {
    server_->node->set_message_handler(nullptr);
    server_->node->gate->set_loss_listener(nullptr);
    {
      const std::lock_guard lock(mutex_);
      listeners_.clear();
      beating_ = nullptr;
    }
    const Server::Turn turn(*server_);
    server_->closed = true;
    for (const auto& client : std::vector(server_->clients())) client->close_link();
  }

  const std::shared_ptr<Server> server_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Registration>> listeners_;
  std::shared_ptr<Beat> beating_;
};

/// The databases of a node, as clients see them.
template <class... Stores>
[[nodiscard]] std::vector<std::unique_ptr<server::Keyspace>> keyspaces_of(
    const replikv::Node<Stores...>& node) {
  std::vector<std::unique_ptr<server::Keyspace>> keyspaces;
  node.for_each_store([&keyspaces]<class K, class V, class P>(Store<K, V, P>& store) {
    keyspaces.push_back(std::make_unique<StoreKeyspace<K, V, P>>(store));
  });
  return keyspaces;
}

}  // namespace detail

/// Serves a node's stores to clients and replicas, on one port, as redis-server does.
///
///     Node node{store};
///     RedisEndpoint endpoint{node};
///     endpoint.listen(tcp, "127.0.0.1:6379");      // $ redis-cli set name value
///
/// Clients see what the application writes and the application what clients write, at once; both are
/// streamed. Values of other types than std::string are served as the bytes of their Codec. The node must
/// outlive the endpoint.
///
/// Thread safety  every call from any thread
class RedisEndpoint {
 public:
  /// Throws `Errc::bad_option` for users that cannot be read.
  template <class... Stores>
  explicit RedisEndpoint(Node<Stores...>& node, EndpointOptions options = {})
      : core_(std::make_shared<detail::Server>(std::move(options), detail::NodeAccess::node(node),
                                               detail::keyspaces_of(node))) {
    server::commands::add_all(core_.server().commands);
    core_.server().define_users();
  }

  /// Lets clients and replicas connect. Returns the address, with the port that was chosen for port 0.
  template <Transport T>
  std::string listen(const T& transport, std::string_view address) {
    std::error_code error;
    std::string bound = listen(transport, address, error);
    detail::throw_if(error);
    return bound;
  }
  template <Transport T>
  std::string listen(const T& transport, std::string_view address, std::error_code& error) {
    return core_.listen(transport.engine(), address, error);
  }

  /// Defines a user, or replaces one, as a line of `EndpointOptions::users` does; its rules may name commands
  /// that have been added. Throws `Errc::bad_option`.
  void define_user(std::string line) {
    const detail::Server::Turn turn(core_.server());
    const std::string wrong = core_.server().access.define({&line, 1});
    if (!wrong.empty()) detail::throw_error(Errc::bad_option, wrong);
  }

  /// Chooses the transport over which REPLICAOF reaches masters; otherwise it is that of the first `listen`.
  /// Masters are told the port that this endpoint listens on over the same transport, if there is one.
  template <Transport T>
  void reach_masters_over(const T& transport) {
    core_.reach_masters_over(transport.engine());
  }

  /// Has `shut_down` called when a client asks for SHUTDOWN, which is refused otherwise. It is called in a
  /// transport's context and must not destroy the endpoint there.
  void on_shutdown(std::function<void()> shut_down) {
    const detail::Server::Turn turn(core_.server());
    core_.server().administration.shut_down = std::move(shut_down);
  }

  /// Takes over everything that is configured, options of the node included; but where to listen and whom to
  /// follow are the caller's to do. Throws `Errc::bad_option`, or `ConfigurationError` for the line of a user
  /// whose rules name what is no command, and then nothing has changed.
  void use(const RedisConfiguration& configuration) {
    const detail::Server::Turn turn(core_.server());
    check_users(configuration);
    detail::use_settings(core_.server(), configuration.settings_);
    core_.server().define_users();
    core_.server().administration.configuration_file = configuration.file_;
  }

  /// What CONFIG GET answers for a parameter; nothing where there is none of this name.
  [[nodiscard]] std::optional<std::string> configuration(std::string_view name) {
    const auto* const parameter = detail::find_parameter(name);
    if (parameter == nullptr) return std::nullopt;
    const detail::Server::Turn turn(core_.server());
    return detail::value_of(*parameter, detail::settings_of(core_.server()));
  }

  /// Adds a command of the application's own, or puts it in the place of the one of its name. Throws
  /// std::invalid_argument for a flag, a category or a usage that is none.
  void add(server::Command command) {
    const detail::Server::Turn turn(core_.server());
    core_.server().commands.add(std::move(command));
  }

 private:
  void check_users(const RedisConfiguration& configuration) const {
    const EndpointOptions& options = configuration.settings_.endpoint;
    std::size_t wrong_at = options.users.size();
    const std::string wrong = core_.server().check_users(options, &wrong_at);
    if (wrong.empty()) return;
    const detail::Directive* const line = configuration.line_of_user(wrong_at);
    if (line == nullptr) detail::throw_error(Errc::bad_option, wrong);
    throw ConfigurationError(line->line, line->text, wrong);
  }

  detail::EndpointCore core_;
};

}  // namespace replikv::inline v0_1
