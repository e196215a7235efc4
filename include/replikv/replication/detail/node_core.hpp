// What all parts of a node share: the stores, the stream, the options, one mutex, and the rule by which
// everything happens: in turns. A turn holds the mutex; what must not happen under it (observers, wakes,
// inline delivery) happens when the turn ends, which takes no memory. A turn that a transport began has
// nobody to throw to: what finds no memory there is left, and the heartbeat of the node sees to it.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/replication/detail/locked_databases.hpp>
#include <replikv/replication/events.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/store/detail/attachment.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/transport/transport.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// The shared state of a node. Everything but the first block is guarded by `mutex`.
class NodeCore {
 public:
  using Engines = std::vector<std::shared_ptr<TransportEngine>>;

  NodeCore(std::vector<Database*> stores, ReplicationOptions chosen, Role first_role)
      : databases(std::move(stores)),
        observer(chosen.observer),
        logger(chosen.logger),
        options(std::move(chosen)),
        random(options.seed ? Random(*options.seed) : Random::from_system()),
        stream(std::make_shared<CommandStream>(
            ReplicationId::random(random),
            BacklogSize{options.backlog_bytes, options.backlog_duration, options.backlog_bytes_max})),
        gate(std::make_shared<WriteGate>(WriteMode::read_only)),
        role(first_role) {
    gate->set(open_mode());
  }
  NodeCore(const NodeCore&) = delete;
  NodeCore& operator=(const NodeCore&) = delete;
  virtual ~NodeCore() = default;

  const std::vector<Database*> databases;
  const Observer observer;
  const Logger logger;
  ReplicationOptions options;  ///< guarded as well; for its observer and logger see above
  Random random;
  const std::shared_ptr<CommandStream> stream;
  const std::shared_ptr<WriteGate> gate;

  std::mutex mutex;
  std::condition_variable changed;  ///< told after a turn in which offsets or acknowledgements moved
  unsigned blocked_waits = 0;       ///< threads waiting for `changed`

  Role role;
  bool master_link_up = false;  ///< a replica whose link carries the stream
  bool closed = false;
  FailoverState failover = FailoverState::none;
  /// This node was promoted when the former history ended: it knows where. Who was only told the new id may
  /// have been behind, and does not.
  bool former_history_ended_here = false;
  std::shared_ptr<const Engines> engines = std::make_shared<const Engines>();  ///< all ever used

  /// Whether the heartbeat deletes what has expired (Redis: DEBUG SET-ACTIVE-EXPIRE). Any thread.
  std::atomic<bool> expires_actively{true};

  /// Something found no memory and is still to be done. Any thread.
  std::atomic<bool> has_work_left{false};

  /// What links have carried, snapshots among it. Any thread may read these.
  std::atomic<std::uint64_t> bytes_from_masters{0};
  std::atomic<std::uint64_t> bytes_to_replicas{0};

  /// What a write meets when nothing else forbids it.
  [[nodiscard]] WriteMode open_mode() const noexcept {
    if (failover == FailoverState::waiting_for_sync) return WriteMode::read_only;
    if (role == Role::master) return WriteMode::streamed;
    return options.read_only ? WriteMode::read_only : WriteMode::local;
  }

  /// Tells the observer, after the turn, of the event that `make` returns; not if there is no memory for it.
  template <class Make>
  void report(Make&& make) noexcept {
    if (observer) {
      tell([&] { calls_.push_back([this, event = Event(make())] { observer(event); }); });
    }
  }

  /// The same for a line of the log.
  template <class Make>
  void log(LogLevel level, Make&& make) noexcept {
    if (logger) {
      tell([&] { calls_.push_back([this, level, line = std::string(make())] { logger(level, line); }); });
    }
  }

  /// Has calls run after the turn, in order with events.
  using Calls = std::list<std::function<void()>>;
  void call_later(Calls calls) noexcept { calls_.splice(calls_.end(), calls); }

  /// A message of the master's (PUBLISH, or SPUBLISH) to whoever subscribes to it here.
  using MessageHandler = std::function<void(resp::Arguments command)>;
  void set_message_handler(std::shared_ptr<const MessageHandler> handler) {
    const std::lock_guard lock(mutex);
    message_handler_ = std::move(handler);
  }

  /// Hands a message on after the turn; or not, if there is no memory for it. In a turn.
  void hand_on_message(resp::Arguments command) noexcept {
    if (!message_handler_) return;
    tell([&] {
      calls_.push_back(
          [handler = message_handler_, words = std::vector<std::string>(command.begin(), command.end())] {
            (*handler)(std::vector<std::string_view>(words.begin(), words.end()));
          });
    });
  }

  /// Has something destroyed after the turn; or here, if there is no memory to keep it.
  void discard(std::shared_ptr<void> what) noexcept {
    if (what) tell([&] { discarded_.push_back(std::move(what)); });
  }

  /// Takes a step of a turn that a transport began. False: there was no memory for it, so something is left
  /// to be done.
  template <class Step>
  bool attempt(Step&& step) {
    try {
      step();
      return true;
    } catch (const std::bad_alloc&) {
      has_work_left = true;
      return false;
    }
  }

  [[nodiscard]] static Failure out_of_memory() noexcept {
    return {std::make_error_code(std::errc::not_enough_memory), {}};
  }

  /// Runs the calls collected, without the mutex, in order, in one thread at a time. A thread that finds
  /// another one at it, or itself, leaves them to that one.
  void run_calls() {
    std::unique_lock lock(mutex);
    if (caller_ != std::thread::id{}) return;
    caller_ = std::this_thread::get_id();
    while (!calls_.empty()) {
      Calls next;
      next.splice(next.end(), calls_, calls_.begin());
      lock.unlock();
      call_quietly(next.front());
      next.clear();
      lock.lock();
    }
    caller_ = {};
    idle_.notify_all();
  }

  /// What is looked at once more at the end of each turn: calls that wait for an offset, the heartbeat.
  virtual void before_end_of_turn() noexcept {}

  /// What is to be destroyed when the turn is over.
  [[nodiscard]] std::vector<std::shared_ptr<void>> take_discarded() noexcept {
    return std::exchange(discarded_, {});
  }

  /// Marks the stores as in use outside a turn, so that the role cannot end meanwhile. Made in a turn.
  class StoreUse {
   public:
    explicit StoreUse(NodeCore& core) : core_(core) { ++core_.store_users_; }
    ~StoreUse() {
      const std::lock_guard lock(core_.mutex);
      --core_.store_users_;
      core_.idle_.notify_all();
    }
    StoreUse(const StoreUse&) = delete;
    StoreUse& operator=(const StoreUse&) = delete;

   private:
    NodeCore& core_;
  };

  /// Returns when no other thread is inside an observer or uses the stores for this node.
  void wait_until_unused(std::unique_lock<std::mutex>& lock) {
    const auto self = std::this_thread::get_id();
    idle_.wait(lock, [this, self] {
      return (caller_ == std::thread::id{} || caller_ == self) && (store_users_ == 0 || caller_ == self);
    });
  }

 private:
  // An observer's exception has nobody to go to: the transport's thread must go on.
  static void call_quietly(const std::function<void()>& call) noexcept {
    try {
      call();
    } catch (...) {
    }
  }

  template <class Step>
  static void tell(Step&& step) noexcept {
    try {
      step();
    } catch (const std::bad_alloc&) {
    }
  }

  Calls calls_;
  std::shared_ptr<const MessageHandler> message_handler_;
  std::vector<std::shared_ptr<void>> discarded_;
  std::thread::id caller_;
  unsigned store_users_ = 0;
  std::condition_variable idle_;
};

/// One turn of a node: the mutex, and at the end what the turn has caused.
class Turn {
 public:
  explicit Turn(NodeCore& core) : core_(core), lock_(core.mutex), stream_end_(core.stream->end()) {}

  ~Turn() {
    core_.before_end_of_turn();
    const auto discarded = core_.take_discarded();
    const auto engines = core_.engines;
    const bool waited_for = core_.blocked_waits > 0;
    const bool grew = core_.stream->end() != stream_end_;
    lock_.unlock();
    if (waited_for) core_.changed.notify_all();
    if (grew && core_.stream->claim_wake()) core_.stream->wake();
    core_.run_calls();
    for (const auto& engine : *engines) engine->deliver();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  NodeCore& core_;
  std::unique_lock<std::mutex> lock_;
  Offset stream_end_;
};

}  // namespace replikv::inline v0_1::detail
