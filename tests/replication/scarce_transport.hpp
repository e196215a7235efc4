// A transport over another one, whose own work is spared when memory ends: each call into it fails at once,
// having done nothing, or succeeds. So what fails is what the nodes do.
#pragma once

#include <replikv/transport/transport.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tests/failing_allocation.hpp>
#include <utility>

namespace scarce {

using failing_allocation::Spared;
using replikv::LinkEvents;
using replikv::Registration;
using replikv::SharedBytes;
using replikv::TimePoint;
using replikv::TransportEngine;

/// Hands events on to a node, whose memory may end.
class Events final : public LinkEvents {
 public:
  explicit Events(std::weak_ptr<LinkEvents> to) : to_(std::move(to)) {}

  void on_bytes(replikv::Bytes bytes) override {
    tell([bytes](LinkEvents& events) { events.on_bytes(bytes); });
  }
  void on_writable() override {
    tell([](LinkEvents& events) { events.on_writable(); });
  }
  void on_closed(std::error_code why) override {
    tell([why](LinkEvents& events) { events.on_closed(why); });
  }

 private:
  template <class Call>
  void tell(Call&& call) {
    const Spared scarce(false);
    if (const auto events = to_.lock()) call(*events);
  }

  std::weak_ptr<LinkEvents> to_;
};

class Link final : public replikv::Link {
 public:
  explicit Link(std::shared_ptr<replikv::Link> link) : link_(std::move(link)) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() override {
    const Spared spared;
    link_ = nullptr;
  }

  void start(std::weak_ptr<LinkEvents> events) override {
    failing_allocation::count();
    const Spared spared;
    events_ = std::make_shared<Events>(std::move(events));
    link_->start(events_);
  }
  void send(std::span<const SharedBytes> buffers) override {
    failing_allocation::count();
    const Spared spared;
    link_->send(buffers);
  }
  [[nodiscard]] std::size_t unsent_bytes() const noexcept override { return link_->unsent_bytes(); }
  void close() noexcept override {
    const Spared spared;
    link_->close();
  }
  [[nodiscard]] std::string peer_address() const override { return link_->peer_address(); }

 private:
  std::shared_ptr<replikv::Link> link_;
  std::shared_ptr<Events> events_;
};

class Engine final : public TransportEngine {
 public:
  explicit Engine(std::shared_ptr<TransportEngine> engine) : engine_(std::move(engine)) {}

  [[nodiscard]] TimePoint now() const noexcept override { return engine_->now(); }
  [[nodiscard]] bool is_virtual() const noexcept override { return engine_->is_virtual(); }

  void post(std::function<void()> task) override {
    failing_allocation::count();
    const Spared spared;
    engine_->post(scarcely(std::move(task)));
  }

  [[nodiscard]] std::unique_ptr<Registration> at(TimePoint when, std::function<void()> task) override {
    failing_allocation::count();
    const Spared spared;
    return engine_->at(when, scarcely(std::move(task)));
  }

  [[nodiscard]] std::unique_ptr<Registration> listen(std::string_view address, replikv::AcceptHandler on_link,
                                                     std::string& bound, std::error_code& error) override {
    failing_allocation::count();
    const Spared spared;
    auto accept = [on_link = std::move(on_link)](std::shared_ptr<replikv::Link> link) {
      auto made = std::make_shared<Link>(std::move(link));
      const Spared scarce(false);
      on_link(std::move(made));
    };
    return engine_->listen(address, std::move(accept), bound, error);
  }

  [[nodiscard]] std::unique_ptr<Registration> connect(std::string_view address,
                                                      replikv::ConnectHandler on_done) override {
    failing_allocation::count();
    const Spared spared;
    auto done = [on_done = std::move(on_done)](std::error_code error, std::shared_ptr<replikv::Link> link) {
      auto made = link ? std::make_shared<Link>(std::move(link)) : nullptr;
      const Spared scarce(false);
      on_done(error, std::move(made));
    };
    return engine_->connect(address, std::move(done));
  }

  void deliver() override {
    const Spared spared;
    engine_->deliver();
  }

 private:
  static std::function<void()> scarcely(std::function<void()> task) {
    return [task = std::move(task)] {
      const Spared scarce(false);
      task();
    };
  }

  std::shared_ptr<TransportEngine> engine_;
};

class Transport {
 public:
  explicit Transport(std::shared_ptr<TransportEngine> engine)
      : engine_(std::make_shared<Engine>(std::move(engine))) {}
  [[nodiscard]] std::shared_ptr<TransportEngine> engine() const noexcept { return engine_; }

 private:
  std::shared_ptr<TransportEngine> engine_;
};

}  // namespace scarce
