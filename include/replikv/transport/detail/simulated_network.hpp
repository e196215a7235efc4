// The network of a simulation: who listens where, who is connected with whom, and what is wrong on which
// way; and what each host sees of it as its engine.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/transport/detail/one_shot.hpp>
#include <replikv/transport/detail/simulated_machine.hpp>
#include <replikv/transport/detail/simulated_medium.hpp>
#include <replikv/transport/detail/simulated_wire.hpp>
#include <replikv/transport/detail/wire_link.hpp>
#include <replikv/transport/transport.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// What is wrong at one listening address.
struct SimulatedAddress {
  SimulatedPath& path(Direction direction) noexcept { return paths[static_cast<std::size_t>(direction)]; }

  SimulatedMachine* owner = nullptr;  // who listened here last
  std::array<SimulatedPath, 2> paths;
  bool is_refused = false;
  bool is_partitioned = false;
};

class SimulatedNetwork final : public std::enable_shared_from_this<SimulatedNetwork> {
 public:
  explicit SimulatedNetwork(std::uint64_t seed) : medium_(std::make_shared<SimulatedMedium>(seed)) {}

  [[nodiscard]] SimulatedMedium& medium() const noexcept { return *medium_; }

  // --- What is where; all of it stays, so that references stay good ----------------------------------

  SimulatedMachine& machine(std::string_view name) {
    const auto found = machines_.find(name);
    if (found != machines_.end()) return found->second;
    return machines_.try_emplace(std::string(name), std::string(name), SimulatedMedium::start).first->second;
  }

  SimulatedAddress& address(std::string_view name) {
    const auto found = addresses_.find(name);
    return found != addresses_.end() ? found->second
                                     : addresses_.try_emplace(std::string(name)).first->second;
  }

  SimulatedPath& path(const SimulatedMachine& from, const SimulatedMachine& to) {
    return paths_[{from.name(), to.name()}];
  }

  /// Calls `visit(wire)` for each link that is known, in order of opening.
  template <class Visit>
  void for_each_wire(Visit&& visit) {
    std::erase_if(wires_, [](const auto& held) { return held.second.expired(); });
    const auto wires = wires_;  // a visit may end links
    for (const auto& [ordinal, held] : wires) {
      if (const auto wire = held.lock()) visit(*wire);
    }
  }

  void resume_all() {
    for_each_wire([](SimulatedWire& wire) { wire.resume(); });
  }

  void retime_all() {
    for_each_wire([](SimulatedWire& wire) { wire.retime(); });
  }

  [[nodiscard]] std::shared_ptr<SimulatedWire> find_wire(std::uint64_t ordinal) const {
    const auto found = wires_.find(ordinal);
    return found == wires_.end() ? nullptr : found->second.lock();
  }
  [[nodiscard]] std::uint64_t links_opened() const noexcept { return links_opened_; }

  // --- For an engine ------------------------------------------------------------------------------------

  std::unique_ptr<Registration> listen(SimulatedMachine& machine, std::string_view address,
                                       AcceptHandler on_link, std::string& bound, std::error_code& error);
  std::unique_ptr<Registration> connect(SimulatedMachine& machine, std::string_view address,
                                        ConnectHandler on_done);

  // --- The end --------------------------------------------------------------------------------------------

  /// What ran on the machine is gone, without a word of its own.
  void crash(SimulatedMachine& machine, SimulatedMachine::State state);

  bool step(TimePoint limit) {
    const auto self = shared_from_this();  // a callback may let go of the last other owner
    if (!medium_->step(limit)) return false;
    if (shut_down_is_due_) shut_down();
    return true;
  }
  void shut_down();

 private:
  using Attempt = OneShot<ConnectHandler>;

  struct Listener {
    SimulatedMachine* machine;
    std::shared_ptr<const AcceptHandler> on_link;
  };

  struct HeldAttempt {
    SimulatedMachine* machine;
    std::weak_ptr<Attempt> attempt;
  };

  void arrive(SimulatedMachine& from, const std::string& name, const std::shared_ptr<Attempt>& attempt);
  [[nodiscard]] bool is_out_of_reach(const SimulatedMachine& from, const SimulatedAddress& at);
  std::shared_ptr<SimulatedWire> open(SimulatedMachine& from, SimulatedMachine& to, SimulatedAddress& at);
  void answer(SimulatedMachine& from, const std::shared_ptr<Attempt>& attempt, std::error_code error,
              std::shared_ptr<Link> link);

  [[nodiscard]] Duration draw_delay() {
    return SimulatedMedium::draw_delay(medium_->conditions, medium_->random);
  }

  std::shared_ptr<SimulatedMedium> medium_;
  std::map<std::string, SimulatedMachine, std::less<>> machines_;
  std::map<std::string, SimulatedAddress, std::less<>> addresses_;
  std::map<std::pair<std::string, std::string>, SimulatedPath> paths_;
  std::map<std::string, Listener, std::less<>> listeners_;
  std::map<std::uint64_t, std::weak_ptr<SimulatedWire>> wires_;
  std::uint64_t links_opened_ = 0;
  std::vector<HeldAttempt> attempts_;
  bool shut_down_is_due_ = false;
  bool is_shutting_down_ = false;
};

/// The network as one machine uses it.
class SimulatedEngine final : public TransportEngine {
 public:
  SimulatedEngine(std::shared_ptr<SimulatedNetwork> network, SimulatedMachine& machine) noexcept
      : network_(std::move(network)), machine_(machine) {}

  [[nodiscard]] TimePoint now() const noexcept override { return machine_.now(network_->medium().now()); }
  [[nodiscard]] bool is_virtual() const noexcept override { return true; }

  void post(std::function<void()> task) override {
    network_->medium().schedule(&machine_, network_->medium().now(), std::move(task));
  }

  [[nodiscard]] std::unique_ptr<Registration> at(TimePoint when, std::function<void()> task) override {
    const auto key = network_->medium().schedule(&machine_, machine_.when(when), std::move(task));
    if (!key) return registration([] {});
    return registration(
        [network = network_, machine = &machine_, key = *key] { network->medium().cancel(*machine, key); });
  }

  [[nodiscard]] std::unique_ptr<Registration> listen(std::string_view address, AcceptHandler on_link,
                                                     std::string& bound, std::error_code& error) override {
    return network_->listen(machine_, address, std::move(on_link), bound, error);
  }
  [[nodiscard]] std::unique_ptr<Registration> connect(std::string_view address,
                                                      ConnectHandler on_done) override {
    return network_->connect(machine_, address, std::move(on_done));
  }
  void deliver() override {}

 private:
  std::shared_ptr<SimulatedNetwork> network_;
  SimulatedMachine& machine_;  // the network's
};

// --- Connecting ------------------------------------------------------------------------------------------

inline std::unique_ptr<Registration> SimulatedNetwork::listen(SimulatedMachine& machine,
                                                              std::string_view address, AcceptHandler on_link,
                                                              std::string& bound, std::error_code& error) {
  error.clear();
  if (address.empty()) error = Errc::bad_address;
  if (is_shutting_down_ || machine.is_gone()) error = Errc::shut_down;
  if (!error && listeners_.contains(address)) error = Errc::address_in_use;
  if (error) return nullptr;
  bound = address;
  this->address(address).owner = &machine;
  auto handler = std::make_shared<const AcceptHandler>(std::move(on_link));
  listeners_.emplace(bound, Listener{&machine, handler});
  return registration([self = shared_from_this(), name = bound, handler = std::move(handler)] {
    const auto found = self->listeners_.find(name);
    if (found != self->listeners_.end() && found->second.on_link == handler) self->listeners_.erase(found);
  });
}

inline std::unique_ptr<Registration> SimulatedNetwork::connect(SimulatedMachine& machine,
                                                               std::string_view address,
                                                               ConnectHandler on_done) {
  if (machine.is_gone()) return registration([] {});
  auto attempt = std::make_shared<Attempt>(std::move(on_done));
  if (is_shutting_down_) {
    answer(machine, attempt, Errc::shut_down, nullptr);
  } else {
    std::erase_if(attempts_, [](const auto& held) { return held.attempt.expired(); });
    attempts_.push_back({&machine, attempt});
  }
  medium_->schedule(nullptr, medium_->now() + draw_delay(),
                    [this, self = shared_from_this(), &machine, attempt, name = std::string(address)] {
                      arrive(machine, name, attempt);
                    });
  return registration([attempt = std::move(attempt)] { const auto cancelled = attempt->take(); });
}

// The attempt reaches the listening side; its answer travels back.
inline void SimulatedNetwork::arrive(SimulatedMachine& from, const std::string& name,
                                     const std::shared_ptr<Attempt>& attempt) {
  if (!attempt->is_pending()) return;
  if (name.empty()) return answer(from, attempt, Errc::bad_address, nullptr);
  SimulatedAddress& at = address(name);
  if (is_out_of_reach(from, at)) return;  // lost; only the caller's own timeout ends the attempt
  const auto found = listeners_.find(name);
  if (at.is_refused || found == listeners_.end()) return answer(from, attempt, Errc::refused, nullptr);

  SimulatedMachine& to = *found->second.machine;
  const auto wire = open(from, to, at);
  answer(from, attempt, {}, std::make_shared<WireLink<SimulatedWire>>(wire, connector_end));
  // A paused process accepts when it goes on; its computer has done its part of connecting already.
  auto accept = [on_link = found->second.on_link,
                 link = std::make_shared<WireLink<SimulatedWire>>(wire, listener_end)] { (*on_link)(link); };
  to.is_paused() ? static_cast<void>(medium_->schedule(&to, medium_->now(), std::move(accept))) : accept();
}

inline bool SimulatedNetwork::is_out_of_reach(const SimulatedMachine& from, const SimulatedAddress& at) {
  if (at.is_partitioned) return true;
  if (at.owner == nullptr) return false;
  return at.owner->state() == SimulatedMachine::State::off || path(from, *at.owner).is_stalled ||
         path(*at.owner, from).is_stalled;
}

inline std::shared_ptr<SimulatedWire> SimulatedNetwork::open(SimulatedMachine& from, SimulatedMachine& to,
                                                             SimulatedAddress& at) {
  SimulatedPath& there = path(from, to);
  SimulatedPath& back = path(to, from);
  SimulatedRoute route;
  route.machines = {&to, &from};
  route.way[0] = {&at.path(Direction::toward_listener), &there};
  route.way[1] = {&at.path(Direction::toward_connector), &back};
  auto wire = std::make_shared<SimulatedWire>(medium_, route, ++links_opened_);
  wires_.emplace(wire->ordinal(), wire);
  const auto begin_faults = [&wire](Direction direction, SimulatedPath& way) {
    if (const auto bytes = std::exchange(way.corrupt_next_link_after, {}))
      wire->corrupt_after(direction, *bytes);
    if (const auto bytes = std::exchange(way.cut_next_link_after, {})) wire->cut_after(direction, *bytes);
  };
  begin_faults(Direction::toward_listener, at.path(Direction::toward_listener));
  begin_faults(Direction::toward_connector, at.path(Direction::toward_connector));
  begin_faults(Direction::toward_listener, there);
  begin_faults(Direction::toward_connector, back);
  return wire;
}

inline void SimulatedNetwork::answer(SimulatedMachine& from, const std::shared_ptr<Attempt>& attempt,
                                     std::error_code error, std::shared_ptr<Link> link) {
  medium_->schedule(&from, medium_->now() + draw_delay(), [attempt, error, link = std::move(link)] {
    if (const auto on_done = attempt->take()) on_done(error, link);
  });
}

// --- The end ---------------------------------------------------------------------------------------------

inline void SimulatedNetwork::crash(SimulatedMachine& machine, SimulatedMachine::State state) {
  machine.set_state(state);
  machine.end_life();
  std::erase_if(listeners_, [&machine](const auto& held) { return held.second.machine == &machine; });
  for (const HeldAttempt& held : attempts_) {
    if (const auto attempt = held.attempt.lock(); attempt && held.machine == &machine) {
      const auto forgotten = attempt->take();
    }
  }
  for_each_wire([&](SimulatedWire& wire) {
    for (const std::size_t end : {listener_end, connector_end}) {
      if (wire.route().machines[end] != &machine) continue;
      wire.lose_end(end, state == SimulatedMachine::State::crashed);
    }
  });
}

inline void SimulatedNetwork::shut_down() {
  shut_down_is_due_ = medium_->is_running();  // a callback destroyed the transport: when it has returned
  if (shut_down_is_due_ || std::exchange(is_shutting_down_, true)) return;
  for (const auto& held : std::exchange(attempts_, {})) {
    const auto attempt = held.attempt.lock();
    const auto on_done = attempt == nullptr ? nullptr : attempt->take();
    if (on_done) on_done(Errc::shut_down, nullptr);
  }
  for_each_wire([](SimulatedWire& wire) { wire.shut_down(); });
  while (medium_->step(medium_->now())) {
  }
  medium_->end();
  const auto listeners = std::exchange(listeners_, {});
}

}  // namespace replikv::inline v0_1::detail
