// A client at the end of a link. When it asks to synchronise, its link goes to the node, and this object only
// hands the events on.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/replication/detail/node_core.hpp>
#include <replikv/replication/events.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/server.hpp>
#include <replikv/server/options.hpp>
#include <replikv/transport/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace replikv::inline v0_1::detail {

class ClientLink final : public Client, public LinkEvents, public std::enable_shared_from_this<ClientLink> {
 public:
  ClientLink(std::weak_ptr<Server> server, std::uint64_t number, std::shared_ptr<TransportEngine> engine,
             std::shared_ptr<Link> link)
      : Client(number, link->peer_endpoint(), engine->now(), link->local_endpoint()),
        server_(std::move(server)),
        engine_(std::move(engine)),
        link_(std::move(link)) {}

  // --- Events of the link, in its context -------------------------------------------------------------

  inline void on_bytes(Bytes bytes) override {
    if (replica_) return replica_->on_bytes(bytes);
    has_been_heard_ = true;
    const auto server = server_.lock();
    if (!server) return;
    if (server->is_entered_here()) {  // by a command of another client, over a transport without a thread
      return later([text = std::string(as_text(bytes))](ClientLink& self) { self.on_bytes(as_bytes(text)); });
    }
    {
      const Server::Turn turn(*server);
      if (server->closed) return;
      if (is_stalled()) {
        input.keep(bytes);
        last_active = engine_->now();
        flush(*server);
      } else {
        server->receive(*this, bytes, engine_->now());
        flush(*server);
      }
    }
    if (sync_request) hand_over(*server);
  }

  inline void on_writable() override {
    if (replica_) return replica_->on_writable();
    if (is_held_up) on_bytes({});
  }

  inline void on_closed(std::error_code why) override {
    if (replica_) replica_->on_closed(why);
    const auto server = server_.lock();
    if (!server) return;
    if (server->is_entered_here()) return later([why](ClientLink& self) { self.on_closed(why); });
    {
      const Server::Turn turn(*server);
      server->remove(*this);
    }
    if (!has_been_heard_) explain(*server, why);
  }

  // --- For the server ---------------------------------------------------------------------------------

  inline void has_output() noexcept override {
    try {
      later([](ClientLink& self) {
        const auto its_server = self.server_.lock();
        if (!its_server) return;
        const Server::Turn turn(*its_server);
        self.flush(*its_server);
      });
    } catch (const std::bad_alloc&) {
      link_->close();  // nobody would know what is missing
    }
  }

  inline void resume_soon() noexcept override {
    try {
      later([](ClientLink& self) {
        const auto its_server = self.server_.lock();
        if (!its_server) return;
        if (its_server->is_entered_here()) return self.resume_soon();
        {
          const Server::Turn turn(*its_server);
          if (its_server->closed || !self.is_blocked) return;
          its_server->resume(self, self.engine_->now());
          self.flush(*its_server);
        }
        if (self.sync_request) self.hand_over(*its_server);
      });
    } catch (const std::bad_alloc&) {
      link_->close();
    }
  }

  inline void kill() noexcept override {
    closing = Closing::now;
    try {
      later([](ClientLink& self) { self.be_killed(); });
    } catch (const std::bad_alloc&) {
      link_->close();
    }
  }

  [[nodiscard]] inline bool is_replica() const noexcept override { return replica_ != nullptr; }
  [[nodiscard]] inline std::size_t unsent_bytes() const noexcept override { return link_->unsent_bytes(); }

  inline void check_limits(Server& server, TimePoint now) override {
    if (replica_) {
      if (replica_.use_count() == 1) end(server);  // the node has dropped it, and nothing more is heard of it
      return;
    }
    check_output(server, now);
    const EndpointOptions& options = server.options;
    if (link_->unsent_bytes() != std::exchange(unsent_before_, link_->unsent_bytes())) last_active = now;
    // Source  Redis 7.0 clientsCronHandleTimeout: not those who wait to be told something
    const bool may_be_silent = is_blocked || is_subscriber() || is_monitor;
    const bool is_idle =
        !may_be_silent && options.idle_timeout.count() > 0 && now - last_active > options.idle_timeout;
    const bool is_late = server.must_log_in(*this) && options.login_timeout.count() > 0 &&
                         now - login_since > options.login_timeout;
    if (is_idle || is_late) closing = Closing::now;
    if (closing != Closing::no) end(server);
  }

  inline void close_link() noexcept override { link_->close(); }

 private:
  // Runs `step(*this)` in the context of the link, if it is still there then.
  template <class Step>
  void later(Step step) {
    engine_->post([weak = weak_from_this(), step = std::move(step)] {
      if (const auto self = weak.lock()) step(*self);
    });
  }

  // Sends what there is, and makes more of it as long as the network takes it.
  void flush(Server& server) {
    if (replica_) return;
    send(server);
    while (is_held_up && !is_stalled() && closing == Closing::no) {
      server.receive(*this, {}, engine_->now());
      send(server);
    }
    check_output(server, engine_->now());
    if (closing != Closing::no) end(server);
  }

  void be_killed() {
    const auto server = server_.lock();
    if (!server) return;
    link_->close();  // nothing more is heard
    if (replica_) replica_->on_closed(make_error_code(Errc::link_closed));
    const Server::Turn turn(*server);
    server->remove(*this);
  }

  void send(Server& server) {
    if (output.empty() || closing == Closing::now) return;
    server.counts.bytes_sent += output.size();
    ++server.counts.writes;
    server.administration.client_output.note(link_->unsent_bytes() + output.size());
    const SharedBytes bytes(std::exchange(output, {}));
    link_->send({&bytes, 1});
  }

  // It asks for more than it reads: its commands wait.
  [[nodiscard]] bool is_stalled() const noexcept {
    return is_held_up && link_->unsent_bytes() >= Link::window_bytes;
  }

  void check_output(const Server& server, TimePoint now) {
    const ClientOutputLimit& limit =
        is_subscriber() ? server.options.subscriber_output_limit : server.options.output_limit;
    const std::uint64_t unread = link_->unsent_bytes() + (is_held_up ? input.size() : 0);
    if (limit.hard_bytes != 0 && unread > limit.hard_bytes) closing = Closing::now;
    if (limit.soft_bytes == 0 || unread <= limit.soft_bytes) {
      over_soft_limit_since_.reset();
    } else if (!over_soft_limit_since_) {
      over_soft_limit_since_ = now;
    } else if (now - *over_soft_limit_since_ > limit.soft_for) {
      closing = Closing::now;
    }
  }

  // What was sent before still goes out.
  void end(Server& server) {
    const auto held = shared_from_this();
    link_->close();
    server.remove(*this);
  }

  // Outside the server's turn: the node has one of its own, and calls observers at its end.
  void hand_over(Server& server) {
    replica_ = server.node->adopt(engine_, link_, handshake, *sync_request);
    if (!replica_) return link_->close();
    const std::string rest = input.take();
    if (!rest.empty()) replica_->on_bytes(as_bytes(rest));
  }

  // A transport that did not come to an agreement with the peer has a word of its own for it; who just left
  // is nothing to tell. Outside the server's turn, since loggers are called here.
  void explain(const Server& server, std::error_code why) const {
    if (why.category() == error_category() || why.category() == std::system_category()) return;
    const Turn turn(*server.node);
    server.node->log(LogLevel::warning, [&] {
      return "Error accepting a client connection: " + why.message() + " (addr=" + address +
             " laddr=" + local_address + ")";
    });
  }

  std::weak_ptr<Server> server_;
  std::shared_ptr<TransportEngine> engine_;
  std::shared_ptr<Link> link_;
  std::shared_ptr<LinkEvents> replica_;  // whose link it is by now
  std::optional<TimePoint> over_soft_limit_since_;
  std::size_t unsent_before_ = 0;  // at the last look
  bool has_been_heard_ = false;
};

}  // namespace replikv::inline v0_1::detail
