// An engine whose links may fail, and whose calls stop while its host is paused.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/testing/detail/faulty_host.hpp>
#include <replikv/testing/detail/faulty_link.hpp>
#include <replikv/transport/detail/one_shot.hpp>
#include <replikv/transport/transport.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace replikv::inline v0_1::testing::detail {

/// The engine of one life of a host.
///
/// Thread safety  none: the thread that runs the transport
class FaultyEngine final : public TransportEngine {
 public:
  FaultyEngine(std::shared_ptr<FaultyMedium> medium, std::shared_ptr<FaultyHost> host)
      : medium_(std::move(medium)), host_(std::move(host)), life_(host_->life()), inner_(host_->engine()) {}

  [[nodiscard]] TimePoint now() const noexcept override { return inner_->now(); }
  void deliver() override { inner_->deliver(); }

  void post(std::function<void()> task) override {
    inner_->post([host = host_, life = life_, task = std::move(task)] { host->run(life, task); });
  }

  [[nodiscard]] std::unique_ptr<Registration> at(TimePoint when, std::function<void()> task) override {
    const auto pending = std::make_shared<OneShot<std::function<void()>>>(std::move(task));
    return cancelling(pending, inner_->at(when, [host = host_, life = life_, pending] {
      host->run(life, [pending] {
        if (const auto due = pending->take()) due();
      });
    }));
  }

  [[nodiscard]] std::unique_ptr<Registration> listen(std::string_view address, AcceptHandler on_link,
                                                     std::string& bound, std::error_code& error) override {
    const auto handler = std::make_shared<Acceptance>(std::move(on_link));
    auto listener = inner_->listen(
        address,
        [medium = medium_, host = host_, life = life_, handler](std::shared_ptr<Link> inner) {
          host->run(life, [handler, link = FaultyLink::make(medium, host, std::nullopt, std::move(inner))] {
            if (handler->is_wanted) handler->on_link(link);
          });
        },
        bound, error);
    if (error) return nullptr;
    medium_->hosts_by_address[bound] = host_->name();
    return replikv::detail::registration(
        [handler, held = std::shared_ptr<Registration>(std::move(listener))] { handler->is_wanted = false; });
  }

  [[nodiscard]] std::unique_ptr<Registration> connect(std::string_view address,
                                                      ConnectHandler on_done) override {
    const auto pending = std::make_shared<OneShot<ConnectHandler>>(std::move(on_done));
    const auto found = medium_->hosts_by_address.find(address);
    const std::string peer = found == medium_->hosts_by_address.end() ? std::string() : found->second;
    if (is_out_of_reach(peer)) return cancelling(pending, nullptr);
    const auto answer = [host = host_, life = life_, pending](std::error_code error,
                                                              std::shared_ptr<Link> link) {
      host->run(life, [pending, error, link = std::move(link)] {
        if (const auto done = pending->take()) done(error, link);
      });
    };
    if (medium_->refused.contains(peer)) {
      inner_->post([answer] { answer(Errc::refused, nullptr); });
      return cancelling(pending, nullptr);
    }
    return cancelling(
        pending, inner_->connect(address, [medium = medium_, host = host_, peer, answer](
                                              std::error_code error, std::shared_ptr<Link> inner) {
          if (!error && !host->is_alive()) return;
          answer(error, error ? nullptr : FaultyLink::make(medium, host, peer, std::move(inner)));
        }));
  }

 private:
  template <class Function>
  using OneShot = replikv::detail::OneShot<Function>;

  // A listener's callback, until it ends.
  struct Acceptance {
    explicit Acceptance(AcceptHandler handler) : on_link(std::move(handler)) {}
    AcceptHandler on_link;
    bool is_wanted = true;
  };

  [[nodiscard]] bool is_out_of_reach(const std::string& peer) const {
    return medium_->way(host_->name(), peer).is_blocked || medium_->way(peer, host_->name()).is_blocked;
  }

  // Cancels `inner`, and what of it a paused host holds.
  template <class Pending>
  [[nodiscard]] static std::unique_ptr<Registration> cancelling(Pending pending,
                                                                std::unique_ptr<Registration> inner) {
    return replikv::detail::registration([pending, held = std::shared_ptr<Registration>(std::move(inner))] {
      const auto gone = pending->take();
    });
  }

  std::shared_ptr<FaultyMedium> medium_;
  std::shared_ptr<FaultyHost> host_;
  std::uint64_t life_;
  std::shared_ptr<TransportEngine> inner_;
};

}  // namespace replikv::inline v0_1::testing::detail
