// A network in virtual time: every delay is drawn from a seed, so the same seed gives the same events in
// the same order, and faults happen when a test says so.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/transport/detail/simulated_machine.hpp>
#include <replikv/transport/detail/simulated_medium.hpp>
#include <replikv/transport/detail/simulated_network.hpp>
#include <replikv/transport/detail/simulated_wire.hpp>
#include <replikv/transport/transport.hpp>

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1 {

/// One host of a simulated network: what runs on it has its clocks and shares its fate. A model of
/// Transport. Lives no longer than the network it came from.
///
/// Thread safety  none, as the network
class SimulatedHost {
 public:
  SimulatedHost(std::shared_ptr<detail::SimulatedNetwork> network, std::string_view name)
      : network_(std::move(network)),
        machine_(&network_->machine(name)),
        engine_(std::make_shared<detail::SimulatedEngine>(network_, *machine_)),
        wall_clock_(std::make_unique<const WallClock>(*network_, *machine_)) {}

  [[nodiscard]] const std::string& name() const noexcept { return machine_->name(); }
  [[nodiscard]] std::shared_ptr<TransportEngine> engine() const noexcept { return engine_; }

  // --- Clocks ---------------------------------------------------------------------------------------

  /// Its monotonic clock.
  [[nodiscard]] TimePoint now() const noexcept { return engine_->now(); }

  /// Its wall clock, from the first of January 2024 on. Lives as long as this object.
  [[nodiscard]] const ClockSource& wall_clock() const noexcept { return *wall_clock_; }

  /// Sets the wall clock forward, or back; the monotonic clock does not notice.
  void jump_wall_clock(std::chrono::milliseconds by) noexcept { machine_->jump_wall(by); }

  /// Both clocks go faster by this from now on, or slower; more than -1 000 000. A timer that is set
  /// already still comes when it was to come before, or, if that is too early, is set again by its owner.
  void set_drift(std::int64_t parts_per_million) noexcept {
    machine_->set_drift(parts_per_million, network_->medium().now());
  }

  // --- Running --------------------------------------------------------------------------------------

  /// Stops all that runs here, as SIGSTOP does: links stay open and nobody is told.
  void pause() noexcept {
    if (!machine_->is_gone()) machine_->set_state(detail::SimulatedMachine::State::paused);
  }

  /// Goes on, with all that came meanwhile; or after a crash, with nothing.
  void resume() {
    machine_->set_state(detail::SimulatedMachine::State::running);
    network_->medium().resume(*machine_);
    network_->resume_all();
  }

  /// The process dies: its timers, listeners and links are gone, without a callback. Peers hear of it at
  /// once, `Errc::link_cut`, and attempts to connect are refused, until `resume`.
  void crash() { network_->crash(*machine_, detail::SimulatedMachine::State::crashed); }

  /// The computer dies: likewise, but peers are not told and attempts to connect get no answer.
  void power_off() { network_->crash(*machine_, detail::SimulatedMachine::State::off); }

  [[nodiscard]] bool is_running() const noexcept {
    return machine_->state() == detail::SimulatedMachine::State::running;
  }

 private:
  class WallClock final : public ClockSource {
   public:
    WallClock(const detail::SimulatedNetwork& network, const detail::SimulatedMachine& machine) noexcept
        : network_(network), machine_(machine) {}
    [[nodiscard]] WallTime now() const noexcept override { return machine_.wall(network_.medium().now()); }

   private:
    const detail::SimulatedNetwork& network_;
    const detail::SimulatedMachine& machine_;
  };

  friend class SimulatedTransport;

  std::shared_ptr<detail::SimulatedNetwork> network_;
  detail::SimulatedMachine* machine_;
  std::shared_ptr<TransportEngine> engine_;
  std::unique_ptr<const WallClock> wall_clock_;
};

/// A network of one process in virtual time, for tests. Time passes only in `run_*`, `step` and
/// `advance_to`, and nothing runs elsewhere. Addresses are any names, known to this object only.
///
/// Faults hold for all links to an address, whoever connected, or for all links between two hosts; links
/// are also known by their ordinal, 1 for the first that was opened. What was sent but has not arrived
/// counts as unsent. Who uses this object as the transport is on a host without a name.
///
/// Thread safety  none: one thread, and no driving from inside a callback
class SimulatedTransport {
 public:
  explicit SimulatedTransport(std::uint64_t seed)
      : network_(std::make_shared<detail::SimulatedNetwork>(seed)), nameless_(network_, "") {}
  SimulatedTransport(SimulatedTransport&&) noexcept = default;
  SimulatedTransport& operator=(SimulatedTransport&&) = delete;

  /// Links close with `Errc::shut_down` on both ends; their callbacks run in this call.
  ~SimulatedTransport() {
    if (network_ != nullptr) network_->shut_down();
  }

  [[nodiscard]] std::shared_ptr<TransportEngine> engine() const noexcept { return nameless_.engine(); }

  /// A host; the same name is the same host.
  [[nodiscard]] SimulatedHost host(std::string_view name) const { return {network_, name}; }

  // ---- Time

  /// Virtual; begins at one hour.
  [[nodiscard]] TimePoint now() const noexcept { return network_->medium().now(); }

  /// Wall time that follows `now()`, from the first of January 2024. Lives as long as this object.
  [[nodiscard]] const ClockSource& wall_clock() const noexcept { return nameless_.wall_clock(); }

  /// Goes to the next event and runs it. False when none is to come before `limit` has passed.
  bool step(TimePoint limit = TimePoint::max()) {
    const auto network = network_;  // a callback may destroy this
    return network->step(limit);
  }

  /// Runs all events up to `when`, which then is now.
  void advance_to(TimePoint when) {
    const auto network = network_;
    while (network->step(when)) {
    }
    network->medium().advance_to(when);
  }

  void run_for(Duration duration) { advance_to(now() + duration); }

  /// Runs the events that are due now, and what they cause now.
  void run_until_idle() { advance_to(now()); }

  /// Runs until `condition()` holds: true; or for at most `duration_max` of virtual time: false.
  template <class Condition>
  [[nodiscard]] bool run_until(Condition&& condition, Duration duration_max) {
    const auto network = network_;
    const TimePoint limit = now() + duration_max;
    while (!condition()) {
      if (network->step(limit)) continue;
      network->medium().advance_to(limit);
      return condition();
    }
    return true;
  }

  // ---- The network

  /// How bytes, closes and attempts to connect travel, where nothing else was said. Holds for all that has
  /// not left its sender yet.
  void set_conditions(const LinkConditions& conditions) {
    assert(Duration::zero() <= conditions.delay_min && conditions.delay_min <= conditions.delay_max);
    network_->medium().conditions = conditions;
    network_->retime_all();
  }
  [[nodiscard]] const LinkConditions& conditions() const noexcept { return network_->medium().conditions; }

  /// How bytes travel from one host to another; nothing: as everywhere.
  void set_conditions(const SimulatedHost& from, const SimulatedHost& to,
                      std::optional<LinkConditions> conditions) {
    path(from, to).conditions = std::move(conditions);
    network_->retime_all();
  }

  void set_delay(Duration min, Duration max) {
    LinkConditions changed = conditions();
    changed.delay_min = min;
    changed.delay_max = max;
    set_conditions(changed);
  }
  void set_chunking(std::size_t bytes_max) {
    LinkConditions changed = conditions();
    changed.chunk_bytes_max = bytes_max;
    set_conditions(changed);
  }
  void set_bandwidth(std::uint64_t bytes_per_second_max) {
    LinkConditions changed = conditions();
    changed.bytes_per_second_max = bytes_per_second_max;
    set_conditions(changed);
  }

  // ---- Faults at an address

  /// Attempts to connect fail with `Errc::refused`, as if nobody listened.
  void refuse(std::string_view address, bool on = true) { network_->address(address).is_refused = on; }

  /// Ends all links to `address` with `Errc::link_cut` on both ends; bytes in flight are lost.
  void cut(std::string_view address) {
    network_->for_each_wire([matches = leads_to(address)](detail::SimulatedWire& wire) {
      if (matches(wire)) wire.cut();
    });
  }
  void cut_all() {
    network_->for_each_wire([](detail::SimulatedWire& wire) { wire.cut(); });
  }

  /// Ends one link likewise. False when there is none.
  bool cut_link(std::uint64_t ordinal) {
    const auto wire = network_->find_wire(ordinal);
    if (wire == nullptr || !wire->is_open()) return false;
    wire->cut();
    return true;
  }

  /// Cuts the newest link to `address`, or when there is none, the next one, as soon as exactly `bytes`
  /// more have arrived in this direction.
  void cut_after(std::string_view address, std::uint64_t bytes, Direction direction) {
    if (const auto wire = newest(leads_to(address))) return wire->cut_after(direction, bytes);
    network_->address(address).path(direction).cut_next_link_after = bytes;
  }

  /// Bytes and closes on links to `address` stay in flight and nobody is told. When it ends they arrive, in
  /// order.
  void stall(std::string_view address, Direction direction, bool on = true) {
    network_->address(address).path(direction).is_stalled = on;
    network_->resume_all();
  }

  /// Both directions.
  void stall(std::string_view address, bool on = true) {
    stall(address, Direction::toward_listener, on);
    stall(address, Direction::toward_connector, on);
  }

  /// Stalls all links to `address`; attempts to connect that get there meanwhile never complete.
  void partition(std::string_view address, bool on = true) {
    network_->address(address).is_partitioned = on;
    stall(address, on);
  }

  // ---- Faults between two hosts, whichever of them listens

  /// Nothing gets from one host to the other, and nobody is told: bytes and closes stay in flight,
  /// attempts to connect, in either direction, never complete. Call twice to part two hosts.
  void block(const SimulatedHost& from, const SimulatedHost& to, bool on = true) {
    path(from, to).is_stalled = on;
    network_->resume_all();
  }

  /// Ends all links between the two with `Errc::link_cut` on both ends; bytes in flight are lost.
  void cut(const SimulatedHost& one, const SimulatedHost& other) {
    network_->for_each_wire([matches = joins(one, other)](detail::SimulatedWire& wire) {
      if (matches(wire)) wire.cut();
    });
  }

  /// Ends them for `one` alone: the other end is never told, and what it sends gets lost.
  void sever(const SimulatedHost& one, const SimulatedHost& other) {
    network_->for_each_wire(
        [matches = joins(one, other), machine = one.machine_](detail::SimulatedWire& wire) {
          if (matches(wire)) wire.sever(end_at(wire, machine));
        });
  }

  /// Cuts the newest link between the two, or when there is none, the next one, as soon as exactly
  /// `bytes` more have arrived at `to`.
  void cut_after(const SimulatedHost& from, const SimulatedHost& to, std::uint64_t bytes) {
    if (const auto wire = newest(joins(from, to))) return wire->cut_after(toward(*wire, to), bytes);
    path(from, to).cut_next_link_after = bytes;
  }

  /// Flips a bit of the byte that arrives at `to` after `bytes` more, on the newest link between the two,
  /// or when there is none, the next one.
  void corrupt_after(const SimulatedHost& from, const SimulatedHost& to, std::uint64_t bytes) {
    if (const auto wire = newest(joins(from, to))) return wire->corrupt_after(toward(*wire, to), bytes);
    path(from, to).corrupt_next_link_after = bytes;
  }

  // ---- What happened

  [[nodiscard]] std::uint64_t links_opened() const noexcept { return network_->links_opened(); }

  /// Called for every link that is opened, every arrival and every end. It must not call this object.
  void set_observer(std::function<void(const Traffic&)> observer) {
    network_->medium().observer = std::move(observer);
  }

  /// Folds time, link, host, size and bytes of all of these so far. The same seed and the same calls give
  /// the same hash, with every compiler.
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return network_->medium().trace_hash(); }

 private:
  using Matches = std::function<bool(const detail::SimulatedWire&)>;

  detail::SimulatedPath& path(const SimulatedHost& from, const SimulatedHost& to) {
    return network_->path(*from.machine_, *to.machine_);
  }

  [[nodiscard]] Matches leads_to(std::string_view address) {
    return [paths = &network_->address(address).paths](const detail::SimulatedWire& wire) {
      return wire.route().way[0][0] == paths->data();
    };
  }

  [[nodiscard]] static Matches joins(const SimulatedHost& one, const SimulatedHost& other) {
    return [one = one.machine_, other = other.machine_](const detail::SimulatedWire& wire) {
      const auto& ends = wire.route().machines;
      return (ends[0] == one && ends[1] == other) || (ends[0] == other && ends[1] == one);
    };
  }

  [[nodiscard]] static std::size_t end_at(const detail::SimulatedWire& wire,
                                          const detail::SimulatedMachine* machine) {
    return wire.route().machines[detail::listener_end] == machine ? detail::listener_end
                                                                  : detail::connector_end;
  }
  [[nodiscard]] static Direction toward(const detail::SimulatedWire& wire, const SimulatedHost& host) {
    return static_cast<Direction>(end_at(wire, host.machine_));
  }

  [[nodiscard]] std::shared_ptr<detail::SimulatedWire> newest(const Matches& matches) {
    std::shared_ptr<detail::SimulatedWire> found;
    network_->for_each_wire([&](detail::SimulatedWire& wire) {
      if (wire.is_open() && matches(wire)) found = wire.shared_from_this();
    });
    return found;
  }

  std::shared_ptr<detail::SimulatedNetwork> network_;
  SimulatedHost nameless_;
};

static_assert(Transport<SimulatedTransport> && Transport<SimulatedHost>);

}  // namespace replikv::inline v0_1
