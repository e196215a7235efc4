// What all parts of a node share: the stores, the stream, the options, one mutex, and the rule by which
// everything happens: in turns. A turn holds the mutex; what must not happen under it (observers, wakes,
// inline delivery) happens when the turn ends.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/replication/detail/locked_databases.hpp>
#include <replikv/replication/events.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/store/detail/attachment.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/transport/transport.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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
        options(std::move(chosen)),
        random(options.seed ? Random(*options.seed) : Random::from_system()),
        stream(std::make_shared<CommandStream>(ReplicationId::random(random), options.backlog_bytes)),
        gate(std::make_shared<WriteGate>(WriteMode::read_only)),
        role(first_role) {
    gate->set(open_mode());
  }
  NodeCore(const NodeCore&) = delete;
  NodeCore& operator=(const NodeCore&) = delete;
  virtual ~NodeCore() = default;

  const std::vector<Database*> databases;
  const ReplicationOptions options;
  Random random;
  const std::shared_ptr<CommandStream> stream;
  const std::shared_ptr<WriteGate> gate;

  std::mutex mutex;
  std::condition_variable changed;  ///< told after a turn in which offsets or acknowledgements moved
  unsigned blocked_waits = 0;       ///< threads waiting for `changed`

  Role role;
  bool master_link_up = false;  ///< a replica whose link carries the stream
  bool closed = false;
  std::shared_ptr<const Engines> engines = std::make_shared<const Engines>();  ///< all ever used
  std::vector<std::shared_ptr<void>> discarded;                                ///< destroyed after the turn

  /// What a write meets when nothing else forbids it.
  [[nodiscard]] WriteMode open_mode() const noexcept {
    if (role == Role::master) return WriteMode::streamed;
    return options.read_only ? WriteMode::read_only : WriteMode::local;
  }

  void report(Event event) {
    if (options.observer) {
      calls_.push_back([this, held = std::move(event)] { options.observer(held); });
    }
  }

  void log(LogLevel level, std::string line) {
    if (options.logger) {
      calls_.push_back([this, level, held = std::move(line)] { options.logger(level, held); });
    }
  }

  /// Has `call` run after the turn, in order with events.
  void call_later(std::function<void()> call) { calls_.push_back(std::move(call)); }

  /// Runs the calls collected, without the mutex, in order, in one thread at a time. A thread that finds
  /// another one at it, or itself, leaves them to that one.
  void run_calls() {
    std::unique_lock lock(mutex);
    if (caller_ != std::thread::id{}) return;
    caller_ = std::this_thread::get_id();
    while (!calls_.empty()) {
      auto call = std::move(calls_.front());
      calls_.pop_front();
      lock.unlock();
      call_quietly(call);
      lock.lock();
    }
    caller_ = {};
    idle_.notify_all();
  }

  /// What is looked at once more at the end of each turn: calls that wait for an offset.
  virtual void before_end_of_turn() {}

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

  std::deque<std::function<void()>> calls_;
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
    const auto discarded = std::exchange(core_.discarded, {});
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
