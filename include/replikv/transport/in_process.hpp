// Links between nodes of one process, by shared memory: what one node sends, the other reads in place.
// For unit tests, and for feeding reader cores without a network.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/transport/detail/context.hpp>
#include <replikv/transport/detail/one_shot.hpp>
#include <replikv/transport/detail/timer_queue.hpp>
#include <replikv/transport/detail/unsent_bytes.hpp>
#include <replikv/transport/detail/wire_link.hpp>
#include <replikv/transport/transport.hpp>

#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_set>
#include <utility>

namespace replikv::inline v0_1 {

/// Who runs the callbacks of an InProcessTransport.
enum class Delivery : std::uint8_t {
  immediate,   ///< whoever writes or calls: when the call returns, the others have got it
  on_demand,   ///< whoever calls `InProcessTransport::poll`
  background,  ///< a thread of the transport's own
};

namespace detail {

class InProcessEngine;

/// Both ends of an in-process link. Each end has an outbox, which the other end reads in place.
///
/// Thread safety  close, unsent_bytes: any thread; the rest in the engine's context
class InProcessWire final : public std::enable_shared_from_this<InProcessWire> {
 public:
  explicit InProcessWire(std::shared_ptr<InProcessEngine> engine) : engine_(std::move(engine)) {}

  void start(std::size_t end, std::weak_ptr<LinkEvents> events);
  void send(std::size_t end, std::span<const SharedBytes> buffers);
  [[nodiscard]] std::size_t unsent_bytes(std::size_t end) const noexcept { return ends_[end].unsent.get(); }
  [[nodiscard]] static std::string peer_address(std::size_t) { return "in-process"; }
  void close(std::size_t end) noexcept;

  /// Ends both ends at once.
  void shut_down();

  /// Flushes what there was no memory to post.
  void catch_up();

 private:
  struct End {
    std::weak_ptr<LinkEvents> events;
    std::deque<SharedBytes> outbox;
    UnsentBytes unsent;
    std::atomic<bool> is_closed = false;  // hears nothing more and sends nothing more
    bool is_started = false;
    bool flush_is_posted = false;
    std::atomic<bool> flush_is_due = false;  // and could not be posted

    void drop_outbox() noexcept {
      outbox.clear();
      unsent.clear();
    }
  };

  void post_flush(std::size_t from) noexcept;
  void flush(std::size_t from);
  void give_outbox(std::size_t from);
  void forget_if_done();

  template <class Call>
  void tell(std::size_t end, Call&& call);

  std::shared_ptr<InProcessEngine> engine_;
  std::array<End, 2> ends_;
};

/// Names, links and timers of one InProcessTransport, and the queue that all of them run from.
class InProcessEngine final : public TransportEngine, public std::enable_shared_from_this<InProcessEngine> {
 public:
  explicit InProcessEngine(Delivery delivery) noexcept : delivery_(delivery) {}

  void start_thread() {
    thread_ = std::thread([self = shared_from_this()] { self->run_thread(); });
  }

  [[nodiscard]] TimePoint now() const noexcept override { return std::chrono::steady_clock::now(); }

  using Task = Context::Task;

  void post(Task task) override {
    if (context_.post(task)) wake();
  }

  // inline already here: else every file that includes this emits the class, and all that it reaches.
  [[nodiscard]] inline std::unique_ptr<Registration> at(TimePoint when, Task task) override;
  [[nodiscard]] inline std::unique_ptr<Registration> listen(std::string_view address, AcceptHandler on_link,
                                                            std::string& bound,
                                                            std::error_code& error) override;
  [[nodiscard]] inline std::unique_ptr<Registration> connect(std::string_view address,
                                                             ConnectHandler on_done) override;

  void deliver() override {
    if (delivery_ == Delivery::immediate) run(std::numeric_limits<std::size_t>::max());
  }

  /// Runs what is due, at most `calls_max` of it, after whoever is doing so now. Nested: nothing.
  std::size_t run(std::size_t calls_max);

  void shut_down();
  void forget(const std::shared_ptr<InProcessWire>& wire) { wires_.erase(wire); }

  /// Has `InProcessWire::catch_up` called for all wires, in the context: what takes no memory to ask for.
  void catch_up_soon() noexcept {
    catch_up_is_due_ = true;
    wake();
  }

 private:
  using Attempt = OneShot<ConnectHandler>;
  using Listener = std::shared_ptr<const AcceptHandler>;

  void run_thread();
  void wake();
  bool run_next();
  bool catch_up();
  [[nodiscard]] Task take_due_timer();
  [[nodiscard]] Listener find_listener(const std::string& name) const;
  void join(const std::string& name, Attempt& attempt);
  [[nodiscard]] std::shared_ptr<Link> open(const AcceptHandler& on_link);
  void end_everything();

  const Delivery delivery_;
  Context context_;
  std::unordered_set<std::shared_ptr<InProcessWire>> wires_;  // the context's
  std::atomic<bool> catch_up_is_due_ = false;
  bool end_is_due_ = false;  // the context's

  mutable std::mutex mutex_;
  std::map<std::string, Listener, std::less<>> listeners_;
  TimerQueue<Task> timers_;
  bool is_ended_ = false;

  // Background only. The thread sleeps until `has_news_` or the next timer.
  std::mutex news_mutex_;
  std::condition_variable news_;
  bool has_news_ = false;
  std::thread thread_;
};

// ---- InProcessWire

inline void InProcessWire::start(std::size_t end, std::weak_ptr<LinkEvents> events) {
  assert(!ends_[end].is_started);
  ends_[end].events = std::move(events);
  ends_[end].is_started = true;
  post_flush(1 - end);  // what came earlier, the peer's close included
}

inline void InProcessWire::send(std::size_t end, std::span<const SharedBytes> buffers) {
  End& sender = ends_[end];
  if (sender.is_closed || ends_[1 - end].is_closed) return;
  for (const SharedBytes& buffer : buffers) {
    if (buffer.empty()) continue;
    sender.outbox.push_back(buffer);
    sender.unsent.add(buffer.size());
  }
  if (!sender.outbox.empty()) post_flush(end);
}

inline void InProcessWire::close(std::size_t end) noexcept {
  if (ends_[end].is_closed.exchange(true)) return;
  try {
    engine_->post([self = shared_from_this(), end] {
      self->flush(end);
      self->forget_if_done();
    });
  } catch (const std::bad_alloc&) {
    ends_[end].flush_is_due = true;
    engine_->catch_up_soon();
  }
}

inline void InProcessWire::shut_down() {
  for (End& end : ends_) {
    end.drop_outbox();
    if (end.is_closed.exchange(true)) continue;
    if (const auto events = end.events.lock()) events->on_closed(Errc::shut_down);
  }
}

inline void InProcessWire::post_flush(std::size_t from) noexcept {
  End& sender = ends_[from];
  if (sender.flush_is_posted) return;
  try {
    engine_->post([self = shared_from_this(), from] {
      self->ends_[from].flush_is_posted = false;
      self->flush(from);
      self->forget_if_done();
    });
    sender.flush_is_posted = true;
  } catch (const std::bad_alloc&) {
    sender.flush_is_due = true;
    engine_->catch_up_soon();
  }
}

inline void InProcessWire::catch_up() {
  const auto self = shared_from_this();
  for (const std::size_t end : {listener_end, connector_end}) {
    if (ends_[end].flush_is_due.exchange(false)) flush(end);
  }
  forget_if_done();
}

inline void InProcessWire::flush(std::size_t from) {
  End& sender = ends_[from];
  End& receiver = ends_[1 - from];
  if (sender.is_closed) receiver.drop_outbox();
  if (receiver.is_closed) return sender.drop_outbox();
  if (!receiver.is_started) return;
  give_outbox(from);
  if (!sender.outbox.empty()) return post_flush(from);
  if (!sender.is_closed || receiver.is_closed.exchange(true)) return;
  if (const auto events = receiver.events.lock()) events->on_closed(Errc::link_closed);
}

// As much as there was on arrival: what the callbacks send meanwhile waits its turn.
inline void InProcessWire::give_outbox(std::size_t from) {
  End& sender = ends_[from];
  End& receiver = ends_[1 - from];
  for (std::size_t left = sender.outbox.size(); left != 0 && !sender.outbox.empty(); --left) {
    const SharedBytes piece = std::move(sender.outbox.front());
    sender.outbox.pop_front();
    tell(1 - from, [&](LinkEvents& events) { events.on_bytes(piece.bytes()); });
    if (receiver.is_closed) return sender.drop_outbox();
    if (sender.unsent.remove(piece.size()) && sender.is_started) {
      tell(from, [](LinkEvents& events) { events.on_writable(); });
    }
  }
}

inline void InProcessWire::forget_if_done() {
  if (ends_[0].is_closed && ends_[1].is_closed) engine_->forget(shared_from_this());
}

template <class Call>
void InProcessWire::tell(std::size_t end, Call&& call) {
  if (ends_[end].is_closed) return;
  if (const auto events = ends_[end].events.lock()) {
    call(*events);
  } else {
    close(end);
  }
}

// ---- InProcessEngine

inline std::unique_ptr<Registration> InProcessEngine::at(TimePoint when, Task task) {
  std::optional<TimerQueue<Task>::Key> key;
  {
    const std::lock_guard lock(mutex_);
    if (!is_ended_) key = timers_.add(when, std::move(task));
  }
  if (!key) return registration([] {});
  const auto cancel = [this, key = *key] {
    const auto cancelled = [&] {
      const std::lock_guard lock(mutex_);
      return timers_.extract(key);
    }();
  };
  try {
    auto made = registration([self = shared_from_this(), cancel] { cancel(); });
    wake();
    return made;
  } catch (const std::bad_alloc&) {
    cancel();
    throw;
  }
}

inline std::unique_ptr<Registration> InProcessEngine::listen(std::string_view address, AcceptHandler on_link,
                                                             std::string& bound, std::error_code& error) {
  error.clear();
  if (address.empty()) {
    error = Errc::bad_address;
    return nullptr;
  }
  auto listener = std::make_shared<const AcceptHandler>(std::move(on_link));
  std::string name(address);
  auto listening = registration([self = shared_from_this(), name, listener] {
    const std::lock_guard guard(self->mutex_);
    const auto found = self->listeners_.find(name);
    if (found != self->listeners_.end() && found->second == listener) self->listeners_.erase(found);
  });
  const std::lock_guard lock(mutex_);
  if (is_ended_) error = Errc::shut_down;
  if (!error && !listeners_.try_emplace(name, listener).second) error = Errc::address_in_use;
  if (error) return nullptr;
  bound = std::move(name);
  return listening;
}

inline std::unique_ptr<Registration> InProcessEngine::connect(std::string_view address,
                                                              ConnectHandler on_done) {
  auto attempt = std::make_shared<Attempt>(std::move(on_done));
  post([this, attempt, name = std::string(address)] { join(name, *attempt); });
  return registration([attempt = std::move(attempt)] { const auto cancelled = attempt->take(); });
}

inline void InProcessEngine::join(const std::string& name, Attempt& attempt) {
  if (!attempt.is_pending()) return;
  const auto refuse = [&](std::error_code why) {
    if (const auto on_done = attempt.take()) on_done(why, nullptr);
  };
  if (context_.is_stopping()) return refuse(Errc::shut_down);
  if (name.empty()) return refuse(Errc::bad_address);
  const Listener listener = find_listener(name);
  if (listener == nullptr) return refuse(Errc::refused);

  std::shared_ptr<Link> link;
  try {
    link = open(*listener);
  } catch (const std::bad_alloc&) {
    return refuse(std::make_error_code(std::errc::not_enough_memory));
  }
  if (const auto on_done = attempt.take()) on_done({}, std::move(link));
}

inline std::shared_ptr<Link> InProcessEngine::open(const AcceptHandler& on_link) {
  const auto wire = std::make_shared<InProcessWire>(shared_from_this());
  auto near = std::make_shared<WireLink<InProcessWire>>(wire, connector_end);
  auto far = std::make_shared<WireLink<InProcessWire>>(wire, listener_end);
  wires_.insert(wire);
  on_link(std::move(far));
  return near;
}

inline InProcessEngine::Listener InProcessEngine::find_listener(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = listeners_.find(name);
  return found == listeners_.end() ? nullptr : found->second;
}

inline std::size_t InProcessEngine::run(std::size_t calls_max) {
  if (context_.is_current()) return 0;
  const auto self = shared_from_this();  // a callback may let go of the last other owner
  const std::lock_guard turn(context_);
  std::size_t calls = 0;
  while (calls != calls_max && run_next()) ++calls;
  if (context_.is_stopping()) {  // a callback destroyed the transport: nobody will run the rest
    while (context_.run_next()) ++calls;
    if (std::exchange(end_is_due_, false)) end_everything();
    while (context_.run_next()) ++calls;
  }
  return calls;
}

inline bool InProcessEngine::run_next() {
  return context_.run_next([this] { return take_due_timer(); }) || catch_up();
}

// One that the calls forget is the present one.
inline bool InProcessEngine::catch_up() {
  if (!catch_up_is_due_.exchange(false)) return false;
  for (auto next = wires_.begin(); next != wires_.end();) {
    const auto wire = *next++;
    wire->catch_up();
  }
  return true;
}

inline InProcessEngine::Task InProcessEngine::take_due_timer() {
  const std::lock_guard lock(mutex_);
  if (timers_.empty() || timers_.next_time() > now()) return nullptr;
  return timers_.pop().second;
}

inline void InProcessEngine::wake() {
  if (delivery_ != Delivery::background) return;
  {
    const std::lock_guard lock(news_mutex_);
    has_news_ = true;
  }
  news_.notify_one();
}

inline void InProcessEngine::run_thread() {
  while (true) {
    run(std::numeric_limits<std::size_t>::max());
    if (context_.is_stopping()) return;
    std::optional<TimePoint> next_timer;
    {
      const std::lock_guard lock(mutex_);
      if (!timers_.empty()) next_timer = timers_.next_time();
    }
    std::unique_lock lock(news_mutex_);
    const auto has_news = [this] { return has_news_; };
    if (next_timer) {
      news_.wait_until(lock, *next_timer, has_news);
    } else {
      news_.wait(lock, has_news);
    }
    has_news_ = false;
  }
}

// What was posted before still runs, then everything ends, then what the ends have posted.
inline void InProcessEngine::shut_down() {
  if (!context_.stop()) return;
  if (context_.is_current()) {
    end_is_due_ = true;  // the run that this call is nested in gets to it
    if (thread_.joinable()) thread_.detach();
    return;
  }
  {
    const std::lock_guard turn(context_);
    while (context_.run_next()) {
    }
    end_everything();
    while (context_.run_next()) {
    }
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

inline void InProcessEngine::end_everything() {
  decltype(listeners_) listeners;
  {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
    listeners.swap(listeners_);
  }
  const auto timers = [this] {
    const std::lock_guard lock(mutex_);
    return timers_.take_all();
  }();
  const auto wires = std::exchange(wires_, {});
  for (const auto& wire : wires) wire->shut_down();
}

}  // namespace detail

/// Links between nodes of this process. Addresses are any names, known to this object only.
///
/// The receiver is given the sender's own bytes: nothing is copied between nodes.
///
/// Thread safety  `poll` from any thread; destruction: no other call on this object
class InProcessTransport {
 public:
  explicit InProcessTransport(Delivery delivery = Delivery::immediate)
      : engine_(std::make_shared<detail::InProcessEngine>(delivery)) {
    if (delivery == Delivery::background) engine_->start_thread();
  }
  InProcessTransport(InProcessTransport&&) noexcept = default;
  InProcessTransport& operator=(InProcessTransport&& other) noexcept {
    std::swap(engine_, other.engine_);
    return *this;
  }

  /// Links close with `Errc::shut_down` on both ends; their callbacks run in this call, except when this
  /// is itself called by a callback: then they run after it.
  ~InProcessTransport() {
    if (engine_ != nullptr) engine_->shut_down();
  }

  /// Runs all that is due, and what follows from it. Returns how many callbacks ran: tasks, timers,
  /// and deliveries, each of which may bring several buffers. Called by a callback: nothing, 0.
  std::size_t poll() { return engine_->run(std::numeric_limits<std::size_t>::max()); }

  /// The same, one callback at most.
  std::size_t poll_one() { return engine_->run(1); }

  [[nodiscard]] std::shared_ptr<TransportEngine> engine() const noexcept { return engine_; }

 private:
  std::shared_ptr<detail::InProcessEngine> engine_;
};

static_assert(Transport<InProcessTransport>);

}  // namespace replikv::inline v0_1
