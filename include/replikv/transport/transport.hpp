// What replication needs from a network, and nothing about replication: links that carry bytes,
// a clock, timers, and one place at a time where callbacks run. Models: in_process.hpp,
// simulated.hpp, asio_tcp.hpp, asio_unix.hpp.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1 {

/// What happens on one end of a link. Called in the engine's context, one call at a time, never from
/// inside a call into the link or the engine. When the object is gone, its end closes.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;

  /// Bytes arrived, in order; valid during the call only.
  virtual void on_bytes(Bytes bytes) = 0;

  /// `unsent_bytes()` has fallen to half of `Link::window_bytes` or below, after having been above that
  /// half: so whoever stopped sending at a full window always hears of it.
  virtual void on_writable() = 0;

  /// The link is gone; nothing follows. `why` is never success.
  virtual void on_closed(std::error_code why) = 0;
};

/// One end of a byte stream between two nodes, both ways, in order. Closes when its last owner lets go
/// of it. After the end, whoever ended it, calls do nothing.
///
/// Thread safety  `close`, `unsent_bytes`, the addresses, and letting go, from any thread; everything else in
///                the engine's context
class Link {
 public:
  /// A sender that has this much unsent should wait for `on_writable`.
  static constexpr std::size_t window_bytes = std::size_t{1} << 20;

  virtual ~Link() = default;

  /// From now on events go to `events`; bytes that arrived earlier are delivered first, and if the link
  /// has ended since, then `on_closed`. Call once.
  virtual void start(std::weak_ptr<LinkEvents> events) = 0;

  /// Queues the buffers, in order, without copying them; they are kept alive until sent. Many at once are
  /// cheaper than one by one.
  virtual void send(std::span<const SharedBytes> buffers) = 0;

  /// Bytes queued here that have not left yet.
  [[nodiscard]] virtual std::size_t unsent_bytes() const noexcept = 0;

  /// Ends the link. What was queued by `send` before still goes out where the network allows. The peer
  /// sees `on_closed`; this end hears nothing more.
  virtual void close() noexcept = 0;

  /// The other end's address without its port, as INFO shows it: "127.0.0.1", or "unix", "in-process".
  [[nodiscard]] virtual std::string peer_address() const = 0;

  /// Both ends as CLIENT LIST shows them: "127.0.0.1:52344", "[::1]:52344", "/run/kv.sock:0" for both ends of
  /// a Unix socket. Never change; port 0 where there are no ports.
  [[nodiscard]] virtual std::string peer_endpoint() const { return peer_address() + ":0"; }
  [[nodiscard]] virtual std::string local_endpoint() const { return peer_address() + ":0"; }
};

/// Cancels what it stands for when destroyed, by any thread: a timer, a listener, an attempt to connect.
/// May be destroyed inside its own callback. A callback already running elsewhere may still finish; when
/// destroyed in the context, none runs afterwards. A listener's address is free again at once.
class Registration {
 public:
  virtual ~Registration() = default;
};

using AcceptHandler = std::function<void(std::shared_ptr<Link>)>;
using ConnectHandler = std::function<void(std::error_code, std::shared_ptr<Link>)>;

/// The part of a transport that nodes share. Outlives the transport object it came from. When that one is
/// destroyed: tasks posted before still run, every started link hears `Errc::shut_down` (over a socket, the
/// other end may hear `Errc::link_closed`), attempts to connect that are under way are told the same, and
/// timers and listeners end. All this happens in the destructor, in the thread that destroys. Afterwards
/// posted tasks, timers and attempts are dropped without being run, and `listen` fails.
///
/// Callbacks run one at a time in the engine's *context*: its thread, or whoever polls it. They must not
/// block on another callback.
/// Thread safety  every call from any thread, unless the engine says otherwise
class TransportEngine {
 public:
  virtual ~TransportEngine() = default;

  /// Monotonic; virtual in a simulation.
  [[nodiscard]] virtual TimePoint now() const noexcept = 0;

  /// True when no time passes while a callback runs: then nothing may depend on how long one takes.
  [[nodiscard]] virtual bool is_virtual() const noexcept { return false; }

  /// Runs `task` in the context, soon, in order of posting. `post` itself never runs it.
  virtual void post(std::function<void()> task) = 0;

  /// Runs `task` in the context at `when` or soon after.
  [[nodiscard]] virtual std::unique_ptr<Registration> at(TimePoint when, std::function<void()> task) = 0;

  /// Starts to accept links. `bound` gets the address to connect to, with the port the system chose.
  [[nodiscard]] virtual std::unique_ptr<Registration> listen(std::string_view address, AcceptHandler on_link,
                                                             std::string& bound, std::error_code& error) = 0;

  /// Tries once; `on_done` is called in the context with a link or the reason. A bad address is
  /// reported the same way.
  [[nodiscard]] virtual std::unique_ptr<Registration> connect(std::string_view address,
                                                              ConnectHandler on_done) = 0;

  /// A moment at which the caller holds no lock: an engine without a thread of its own (in-process,
  /// immediate) runs here what was posted, and timers that are due; when another thread is doing so, waits
  /// for it. On return, what the caller had posted has run. Elsewhere, and nested, it does nothing.
  virtual void deliver() = 0;
};

/// A transport as users hold it: an object that gives nodes its engine.
template <class T>
concept Transport = requires(const T& transport) {
  { transport.engine() } -> std::convertible_to<std::shared_ptr<TransportEngine>>;
};

}  // namespace replikv::inline v0_1
