// A node's side towards its master: it connects, keeps connecting, loads what it must and applies what
// comes. What was applied last decides what is asked for next.
#pragma once

#include <replikv/replication/detail/applier.hpp>
#include <replikv/replication/detail/node_core.hpp>
#include <replikv/replication/detail/serving.hpp>
#include <replikv/replication/detail/snapshot_load.hpp>
#include <replikv/replication/replica_session.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

class Following;

/// The link to the master.
class MasterLink final : public LinkEvents, public std::enable_shared_from_this<MasterLink> {
 public:
  MasterLink(std::weak_ptr<NodeCore> node, Following& following, std::shared_ptr<TransportEngine> transport,
             std::shared_ptr<Link> opened, std::optional<SyncPosition> position, std::uint16_t port);

  // inline already here: else every file that includes this emits the class, and all that it reaches.
  inline void on_bytes(Bytes bytes) override;
  inline void on_writable() override;
  inline void on_closed(std::error_code why) override;

  /// Sees to it that `tick` comes at the session's deadline; a timer that is too early finds that out.
  void arm();

  const std::shared_ptr<TransportEngine> engine;
  const std::shared_ptr<Link> link;
  ReplicaSession session;
  bool open = true;

 private:
  template <class Action>
  void in_turn(Action&& action);

  std::weak_ptr<NodeCore> node_;
  Following& following_;  // outlives every turn of the node
  std::unique_ptr<Registration> timer_;
  TimePoint timer_at_ = TimePoint::max();
};

/// The way to the master. Every call inside a turn of the node.
class Following final : public ReplicaSession::Handler {
 public:
  Following(NodeCore& core, Serving& serving)
      : core_(core), serving_(serving), applier_(core.databases, *core.stream, core.options) {
    applier_.on_message([this](resp::Arguments command) { core_.hand_on_message(command); });
  }

  /// Leaves the present master, if there is one, and connects to another until told otherwise. Without
  /// memory nothing has changed. `gives_role`: the other is a replica still, and becomes a master for us.
  void follow(const std::weak_ptr<NodeCore>& node, std::shared_ptr<TransportEngine> engine,
              std::string address, bool gives_role = false) {
    node_ = node;
    Step first = connecting(*engine, address);
    stop();
    engine_ = std::move(engine);
    address_ = std::move(address);
    down_since_.reset();
    failures_ = 0;
    gives_role_ = gives_role;
    go_on_with(std::move(first));
  }

  void stop() noexcept {
    if (link_) end_link(Failure{Errc::unfollowed, {}});
    go_on_with({});
    engine_ = nullptr;
    address_.clear();
    gives_role_ = false;
  }

  [[nodiscard]] bool is_following() const noexcept { return engine_ != nullptr; }

  /// From now on the node's own history is worth asking for: it was a master.
  void keep_history() noexcept { has_history_ = true; }

  /// The stores hold what the stream's id and offset say.
  [[nodiscard]] bool has_history() const noexcept { return has_history_; }

  /// Goes on with what found no memory.
  void mend() {
    if (engine_ && !link_ && step_.ticket == 0) connect();
  }

  void count_received(std::size_t bytes) noexcept {
    core_.bytes_from_masters.fetch_add(bytes, std::memory_order_relaxed);
  }

  /// Brings the link up to date: sends, checks the session's state and its timer. In its context.
  void attend(MasterLink& link) {
    if (!link.open) return;
    if (link.link->unsent_bytes() < unsent_bytes_max) {
      std::vector<SharedBytes> buffers;
      if (link.session.collect(Link::window_bytes, buffers) > 0) link.link->send(buffers);
    }
    if (link.session.state() == ReplicaSession::State::failed)
      return lost(link, Failure(link.session.failure()));
    link.arm();
  }

  void tick(MasterLink& link) {
    const TimePoint now = link.engine->now();
    if (now >= link.session.deadline()) link.session.tick(now, core_.stream->end());
    attend(link);
  }

  void lost(MasterLink&, const Failure& why) noexcept {
    // The first attempt after a link that has worked for some time comes at once: a cut is more often a
    // moment than an outage. A master that ends each link as soon as it is up is not asked more often than
    // others.
    const bool was_steady =
        core_.master_link_up && engine_->now() - up_since_ >= core_.options.reconnect_delay_max;
    end_link(why);
    if (was_steady) failures_ = 0;
    retry_after(was_steady ? Duration{} : back_off());
  }

  void describe(ReplicationInfo& info) const {
    info.full_resyncs = full_resyncs_;
    info.partial_resyncs = partial_resyncs_;
    info.unmirrored = applier_.unmirrored() + unmirrored_loaded_;
    if (core_.role != Role::replica) return;
    MasterLinkInfo& master = info.master.emplace();
    split_address(master);
    master.received = core_.stream->end();
    if (!engine_) return;
    const TimePoint now = engine_->now();
    const auto seconds = [now](TimePoint since) {
      return std::chrono::floor<std::chrono::seconds>(now - since);
    };
    master.state = link_           ? link_->session.link_state()
                   : step_.attempt ? MasterLinkState::connecting
                                   : MasterLinkState::connect;
    if (link_) {
      master.last_io_ago = seconds(link_->session.last_heard());
      master.received =
          std::max(master.received, core_.master_link_up ? link_->session.received() : Offset{});
      if (master.state == MasterLinkState::sync) master.sync = link_->session.sync_progress(now);
    }
    if (!core_.master_link_up && down_since_) master.down_since = seconds(*down_since_);
  }

  // --- What the session brings ----------------------------------------------------------------------

  std::optional<Failure> on_full_resync(const ReplicationId& id, Offset offset) override {
    load_ = std::make_shared<SnapshotLoad>(core_.databases, core_.options.unmirrored, id, offset);
    next_progress_ = engine_->now() + progress_period;
    const auto& asked = link_->session.position();
    const auto why = [&] { return asked ? refused(*asked, id, offset) : not_asked(id, offset); };
    core_.log(LogLevel::notice, [&] {
      return "Full resync from master: " + id.text() + ":" + std::to_string(offset.bytes) + ": " + why().why;
    });
    core_.report([&] {
      auto refusal = why();
      return FullResyncStarted{LinkSide::to_master,
                               address_,
                               id,
                               offset,
                               refusal.why,
                               asked ? std::optional(refusal) : std::nullopt};
    });
    return std::nullopt;
  }

  std::optional<Failure> on_snapshot_item(const rdb::Item& item) override {
    if (auto failure = load_->take(item)) return failure;
    if ((++items_ & 0xfff) == 0 && engine_->now() >= next_progress_) report_progress();
    return std::nullopt;
  }

  std::optional<Failure> on_snapshot_end() override {
    report_progress();
    if (auto failure = shrink_guard()) return failure;
    // Readers see the old data whole until here, and the new data whole from here on.
    {
      const LockedDatabases locked(core_.databases);
      core_.stream->restart(load_->id(), load_->offset(),
                            load_->stream_database());  // the last that may throw
      load_->adopt_into(core_.databases);
    }
    applier_.begin(load_->stream_database());
    serving_.close_links("this node's data was replaced by a full resync");
    unmirrored_loaded_ = load_->unmirrored();
    ++full_resyncs_;
    has_history_ = true;
    in_step();
    core_.report([&] {
      return FullResyncDone{LinkSide::to_master, address_, load_->offset(), load_->keys()};
    });
    core_.report([&] { return LinkUp{LinkSide::to_master, address_}; });
    core_.discard(std::move(load_));
    return std::nullopt;
  }

  std::optional<Failure> on_partial_resync(std::optional<ReplicationId> id) override {
    const Token held = core_.stream->position();
    if (id && *id != held.id) {
      core_.former_history_ended_here = false;
      core_.stream->continue_as(*id);
      serving_.close_links("the history goes on under another replication id");
    }
    applier_.begin(core_.stream->database());
    ++partial_resyncs_;
    in_step();
    core_.log(LogLevel::notice, [&] {
      return "Successful partial resynchronization with master at " + std::to_string(held.offset.bytes);
    });
    core_.report([&] {
      return PartialResync{LinkSide::to_master, address_, id.value_or(held.id), held.offset};
    });
    core_.report([&] { return LinkUp{LinkSide::to_master, address_}; });
    return std::nullopt;
  }

  std::optional<Failure> on_commands(const CommandBatch& commands) override {
    auto failure = applier_.apply(commands, [this](const StreamCommand& next) {
      // The answer to GETACK does not count GETACK itself.
      if (next.words.size() == 3 && is_getack(next.words)) link_->session.acknowledge(applier_.applied());
    });
    if (failure && failure->code == Errc::diverged) {
      has_history_ = false;  // only a full resync puts this right
      core_.report([&] { return Diverged{core_.stream->end(), failure->detail}; });
    }
    return failure;
  }

 private:
  static constexpr std::chrono::seconds progress_period{1};
  static constexpr std::size_t unsent_bytes_max = std::size_t{64} << 10;  // what waits is the latest ACK

  // Of why its master refused, a replica sees where the snapshot stands.
  static PartialRefusal not_asked(const ReplicationId& id, Offset offset) {
    PartialRefusal refusal;
    refusal.why = "no history is held to ask for";
    refusal.id = id;
    refusal.end = offset;
    return refusal;
  }

  static PartialRefusal refused(const SyncPosition& asked, const ReplicationId& id, Offset offset) {
    using Reason = PartialRefusal::Reason;
    PartialRefusal refusal;
    refusal.asked_id = asked.id;
    refusal.asked_next_byte = asked.offset.next_byte();
    refusal.id = id;
    refusal.end = offset;
    refusal.why = "asked for byte " + std::to_string(refusal.asked_next_byte);
    const std::string at = std::to_string(offset.bytes);
    if (asked.id != id) {
      refusal.reason = Reason::unknown_id;
      refusal.why +=
          " of history " + asked.id.text() + ", the master is at byte " + at + " of another, " + id.text();
    } else if (asked.offset > offset) {
      refusal.reason = Reason::not_yet_there;
      refusal.missing_bytes = asked.offset - offset;
      refusal.why += ", the master is at byte " + at + ": " + std::to_string(refusal.missing_bytes) +
                     " bytes ahead of it";
    } else {
      refusal.reason = Reason::no_longer_held;
      refusal.needed_bytes = offset - asked.offset;
      refusal.why += ", the master is at byte " + at + " and holds less than the " +
                     std::to_string(refusal.needed_bytes) + " bytes of history that were needed";
    }
    return refusal;
  }

  static bool is_getack(resp::Arguments command) noexcept {
    const auto same = [](std::string_view word, std::string_view upper) {
      return std::equal(word.begin(), word.end(), upper.begin(), upper.end(),
                        [](char a, char b) { return (a & ~0x20) == b; });
    };
    return same(command[0], "REPLCONF") && same(command[1], "GETACK");
  }

  // --- The link -------------------------------------------------------------------------------------

  // What there is on the way to a link, one step at a time: an attempt and its time limit, or a pause.
  struct Step {
    std::uint64_t ticket = 0;  // 0: none; what has another one comes too late
    std::shared_ptr<Registration> attempt;
    std::shared_ptr<Registration> timer;
  };

  void go_on_with(Step next) noexcept {
    core_.discard(std::move(step_.attempt));
    core_.discard(std::move(step_.timer));
    step_ = std::move(next);
  }

  [[nodiscard]] Step connecting(TransportEngine& engine, std::string_view address) {
    Step step{++tickets_, nullptr, nullptr};
    step.attempt = engine.connect(address, [this, node = node_, ticket = step.ticket](
                                               std::error_code error, std::shared_ptr<Link> link) {
      const auto core = node.lock();
      if (!core) return;
      const Turn turn(*core);
      if (core->closed || ticket != step_.ticket) return link ? link->close() : void();
      go_on_with({});
      error ? failed_to_connect(Failure{error, {}}) : connected(std::move(link));
    });
    // A network that says nothing must not hold us for ever.
    step.timer = at(engine, core_.options.timeout, step.ticket, [this] {
      failed_to_connect(Failure{Errc::link_timeout, {}});
    });
    return step;
  }

  [[nodiscard]] Step pausing(Duration delay) {
    Step step{++tickets_, nullptr, nullptr};
    step.timer = at(*engine_, delay, step.ticket, [this] { connect(); });
    return step;
  }

  template <class Action>
  [[nodiscard]] std::shared_ptr<Registration> at(TransportEngine& engine, Duration delay,
                                                 std::uint64_t ticket, Action action) {
    return engine.at(engine.now() + delay, [this, node = node_, ticket, action] {
      const auto core = node.lock();
      if (!core) return;
      const Turn turn(*core);
      if (core->closed || ticket != step_.ticket) return;
      go_on_with({});
      action();
    });
  }

  void connect() {
    if (!core_.attempt([this] { go_on_with(connecting(*engine_, address_)); })) {
      failed_to_connect(NodeCore::out_of_memory());
    }
  }

  void failed_to_connect(const Failure& why) {
    report_down(why);
    retry_after(back_off());
  }

  void connected(std::shared_ptr<Link> link) {
    const bool done = core_.attempt([&] {
      std::optional<SyncPosition> position;
      if (has_history_) {
        const Token held = core_.stream->position();
        position = SyncPosition{held.id, held.offset, gives_role_};
      }
      link_ = std::make_shared<MasterLink>(node_, *this, engine_, std::move(link), position,
                                           serving_.listening_port());
      link_->link->start(link_);
      attend(*link_);
    });
    if (done) return;
    link_ ? lost(*link_, NodeCore::out_of_memory()) : failed_to_connect(NodeCore::out_of_memory());
  }

  void end_link(const Failure& why) noexcept {
    link_->open = false;
    link_->link->close();
    core_.discard(std::move(link_));
    core_.discard(std::move(load_));
    if (std::exchange(core_.master_link_up, false)) down_since_ = engine_->now();
    report_down(why);
  }

  void in_step() noexcept {
    up_since_ = engine_->now();
    core_.master_link_up = true;
    gives_role_ = false;
  }

  void report_down(const Failure& why) noexcept {
    core_.log(LogLevel::warning, [&] { return "Link to master " + address_ + " is down: " + why.message(); });
    core_.report([&] { return LinkDown{LinkSide::to_master, address_, why}; });
  }

  Duration back_off() {
    const auto& options = core_.options;
    const auto doubled = options.reconnect_delay_min * (std::int64_t{1} << std::min(failures_++, 16U));
    const auto delay = std::min<std::chrono::milliseconds>(doubled, options.reconnect_delay_max);
    // Between half and all of it, so that many replicas of one master do not come back as one.
    const auto half = static_cast<std::uint64_t>(delay.count()) / 2;
    return std::chrono::milliseconds(half + core_.random.below(half + 1));
  }

  void retry_after(Duration delay) {
    core_.attempt([&] { go_on_with(pausing(delay)); });
  }

  // --- Loading --------------------------------------------------------------------------------------

  void report_progress() {
    const SyncProgress progress = link_->session.sync_progress(engine_->now());
    core_.report([&] {
      return FullResyncProgress{progress.bytes, progress.bytes_total.value_or(0), load_->keys()};
    });
    next_progress_ = engine_->now() + progress_period;
  }

  // A master that came back empty must not wipe its replicas unseen.
  std::optional<Failure> shrink_guard() {
    std::uint64_t held = 0;
    for (const Database* database : core_.databases) held += database->size();
    const double least = static_cast<double>(held) * core_.options.keep_at_least;
    if (static_cast<double>(load_->keys()) >= least) return std::nullopt;
    core_.report([&] { return SnapshotRefused{held, load_->keys()}; });
    return Failure{Errc::snapshot_refused,
                   "holds " + std::to_string(held) + " keys, was offered " + std::to_string(load_->keys())};
  }

  void split_address(MasterLinkInfo& master) const {
    const std::size_t colon = address_.rfind(':');
    const auto port =
        colon == std::string::npos ? std::nullopt : resp::parse_unsigned(address_.substr(colon + 1));
    master.host = port ? address_.substr(0, colon) : address_;
    if (master.host.starts_with('[') && master.host.ends_with(']')) {
      master.host = master.host.substr(1, master.host.size() - 2);
    }
    master.port = static_cast<std::uint16_t>(port.value_or(0) & 0xffff);
  }

  NodeCore& core_;
  Serving& serving_;
  Applier applier_;

  std::weak_ptr<NodeCore> node_;
  std::shared_ptr<TransportEngine> engine_;  // null: follows nobody
  std::string address_;
  Step step_;
  std::uint64_t tickets_ = 0;  // given out
  std::shared_ptr<MasterLink> link_;
  unsigned failures_ = 0;
  TimePoint up_since_{};  // of the link that carries the stream
  std::optional<TimePoint> down_since_;
  bool gives_role_ = false;   // until the link carries the stream
  bool has_history_ = false;  // the stores hold what the stream's id and offset say

  std::shared_ptr<SnapshotLoad> load_;
  std::uint64_t items_ = 0;
  TimePoint next_progress_{};

  std::uint64_t full_resyncs_ = 0;
  std::uint64_t partial_resyncs_ = 0;
  std::uint64_t unmirrored_loaded_ = 0;
};

// --- MasterLink ----------------------------------------------------------------------------------------

inline MasterLink::MasterLink(std::weak_ptr<NodeCore> node, Following& following,
                              std::shared_ptr<TransportEngine> transport, std::shared_ptr<Link> opened,
                              std::optional<SyncPosition> position, std::uint16_t port)
    : engine(std::move(transport)),
      link(std::move(opened)),
      session(node.lock()->options, following, position, port, engine->now()),
      node_(std::move(node)),
      following_(following) {}

template <class Action>
void MasterLink::in_turn(Action&& action) {
  const auto node = node_.lock();
  if (!node) return;
  const Turn turn(*node);
  if (!open || node->closed) return;
  if (!node->attempt(action) && open) following_.lost(*this, NodeCore::out_of_memory());
}

inline void MasterLink::on_bytes(Bytes bytes) {
  in_turn([this, bytes] {
    following_.count_received(bytes.size());
    session.receive(bytes, engine->now());
    following_.attend(*this);
  });
}

inline void MasterLink::on_writable() {
  in_turn([this] { following_.attend(*this); });
}

inline void MasterLink::on_closed(std::error_code why) {
  in_turn([this, why] { following_.lost(*this, Failure{why, {}}); });
}

inline void MasterLink::arm() {
  const TimePoint deadline = session.deadline();
  if (deadline >= timer_at_) return;
  timer_at_ = deadline;
  timer_ = engine->at(deadline, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->in_turn([link = self.get()] {
      link->timer_at_ = TimePoint::max();
      link->following_.tick(*link);
    });
  });
}

}  // namespace replikv::inline v0_1::detail
