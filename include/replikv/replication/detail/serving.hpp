// A node's side towards its replicas: who listens where, one session for each link, one snapshot shared
// by those that need it, and the count of the good ones.
#pragma once

#include <replikv/replication/detail/node_core.hpp>
#include <replikv/replication/detail/snapshot_transfer.hpp>
#include <replikv/replication/master_session.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

class Serving;

/// One link to a replica, or to whoever connected.
class ReplicaLink final : public LinkEvents,
                          public MasterSession::Handler,
                          public std::enable_shared_from_this<ReplicaLink> {
 public:
  ReplicaLink(std::weak_ptr<NodeCore> node, Serving& serving, const ReplicationOptions& options,
              std::shared_ptr<TransportEngine> transport, std::shared_ptr<Link> opened)
      : engine(std::move(transport)),
        link(std::move(opened)),
        session(options, *this, engine->now()),
        node_(std::move(node)),
        serving_(serving),
        peer_ip_(link->peer_address()) {}

  // inline already here: else every file that includes this emits the class, and all that it reaches.
  inline void on_bytes(Bytes bytes) override;
  inline void on_writable() override;
  inline void on_closed(std::error_code why) override;

  inline void on_sync_requested(const SyncRequest& request) override;
  inline void on_acknowledged() override;
  inline void on_online() override;

  /// The replica's address as INFO and events show it.
  [[nodiscard]] const std::string& ip() const noexcept {
    return session.announced_ip().empty() ? peer_ip_ : session.announced_ip();
  }
  [[nodiscard]] std::string name() const { return ip() + ":" + std::to_string(session.listening_port()); }

  /// Sees to it that `tick` comes at the session's deadline; a timer that is too early finds that out.
  void arm();

  /// Has `Serving::attend` run for this link soon, in its own context; without memory, when there is some.
  void attend_later();

  [[nodiscard]] const std::weak_ptr<NodeCore>& node() const noexcept { return node_; }

  const std::shared_ptr<TransportEngine> engine;
  const std::shared_ptr<Link> link;
  MasterSession session;
  bool open = true;
  bool asked_for_sync = false;
  bool in_full_resync = false;
  bool is_replaced = false;  // the same replica has a newer link, and counts by that
  std::optional<TimePoint> over_soft_limit_since;
  std::optional<TimePoint> snapshot_began;  // of the full resync under way

 private:
  template <class Action>
  void in_turn(Action&& action);

  std::weak_ptr<NodeCore> node_;
  Serving& serving_;  // outlives every turn of the node
  std::string peer_ip_;
  std::unique_ptr<Registration> timer_;
  TimePoint timer_at_ = TimePoint::max();
  bool attending_later_ = false;
};

/// All links to replicas. Every call inside a turn of the node.
class Serving {
 public:
  explicit Serving(NodeCore& core) : core_(core) {}

  // --- Links ----------------------------------------------------------------------------------------

  /// Without memory nothing has changed.
  void listen(const std::weak_ptr<NodeCore>& node, const std::shared_ptr<TransportEngine>& engine,
              std::string_view address, std::string& bound, std::error_code& error) {
    auto accept = [this, node, weak_engine = std::weak_ptr(engine)](const std::shared_ptr<Link>& link) {
      const auto core = node.lock();
      const auto transport = weak_engine.lock();
      if (!core || !transport) return;
      const Turn turn(*core);
      if (!core->closed) core->attempt([&] { accept_link(node, transport, link); });
    };
    listeners_.reserve(listeners_.size() + 1);
    auto listener = engine->listen(address, std::move(accept), bound, error);
    if (error) return;
    wake_through(node, engine);
    listeners_.push_back(std::move(listener));
    if (listening_port_ == 0) listening_port_ = port_of(bound);
  }

  /// A link that is started already, and its peer has asked to synchronise; null where it was refused.
  [[nodiscard]] std::shared_ptr<ReplicaLink> adopt(const std::weak_ptr<NodeCore>& node,
                                                   const std::shared_ptr<TransportEngine>& engine,
                                                   const std::shared_ptr<Link>& link,
                                                   const ReplicaHandshake& handshake,
                                                   const SyncRequest& request) {
    wake_through(node, engine);
    auto made = add_link(node, engine, link);
    if (!made) return nullptr;
    or_lose(*made, [&] {
      made->session.begin(handshake, request, engine->now());
      attend(*made);
    });
    return made;
  }

  /// Closes every link to a replica; they may come back.
  void close_links(std::string_view why) noexcept {
    end_transfer();
    while (!links_.empty()) lost(*links_.front(), described(Errc::link_ended, why));
  }

  void stop_listening() noexcept {
    listeners_.clear();
    core_.stream->set_waker(nullptr);
  }

  /// Brings one link up to date: sends, checks its limits, its state and its timer. In its context.
  void attend(ReplicaLink& link) {
    if (!link.open) return;
    const TimePoint now = link.engine->now();
    send(link, now);
    check_output_limit(link, now);
    if (link.session.state() == MasterSession::State::failed) return drop(link);
    link.arm();
  }

  /// What can be sent is sent first: only then a peer is late that has taken nothing for long.
  void tick(ReplicaLink& link) {
    const TimePoint now = link.engine->now();
    if (link.session.state() == MasterSession::State::waiting && !transfer_ && !delay_) begin_transfer();
    if (now >= link.session.deadline()) {
      send(link, now);
      if (now >= link.session.deadline()) link.session.tick(now);
    }
    attend(link);
  }

  void lost(ReplicaLink& link, Failure why) noexcept {
    link.session.fail(std::move(why));
    drop(link);
  }

  // --- Synchronisation ------------------------------------------------------------------------------

  void synchronise(ReplicaLink& link, const SyncRequest& request) {
    if (core_.role == Role::replica && !core_.master_link_up) {
      return link.session.refuse_sync("NOMASTERLINK Can't SYNC while not connected with my master");
    }
    link.asked_for_sync = true;
    PartialRefusal refusal;
    refusal.why = "it asked for no history";
    if (request.id) {
      if (auto cursor = core_.stream->continue_from(*request.id, request.next_byte, refusal)) {
        return continue_from(link, std::move(*cursor));
      }
      ++partial_resyncs_refused_;
      log_refusal(link, refusal);
    }
    ++full_resyncs_;
    link.in_full_resync = true;
    core_.log(LogLevel::notice,
              [&] { return "Full resync for replica " + link.name() + ": " + refusal.why; });
    core_.report([&] {
      const Token now = core_.stream->position();
      return FullResyncStarted{
          LinkSide::to_replica, link.name(), now.id,
          now.offset,           refusal.why, request.id ? std::optional(refusal) : std::nullopt};
    });
    if (!transfer_) begin_transfer_after_delay(link);
  }

  void online(ReplicaLink& link) {
    if (std::exchange(link.in_full_resync, false)) {
      core_.report([&] {
        return FullResyncDone{LinkSide::to_replica, link.name(), link.session.acknowledged(), snapshot_keys_};
      });
    }
    core_.report([&] { return LinkUp{LinkSide::to_replica, link.name()}; });
    count_once(link);
    update_gate();
  }

  // --- Replicas as a whole --------------------------------------------------------------------------

  [[nodiscard]] bool has_replicas() const noexcept {
    return std::any_of(links_.begin(), links_.end(),
                       [](const auto& link) { return link->session.is_replica(); });
  }

  /// Replicas that confirmed everything up to `offset`.
  [[nodiscard]] unsigned acknowledged_by(Offset offset) const noexcept {
    return count([offset](const ReplicaLink& link) { return link.session.acknowledged() >= offset; });
  }

  /// Opens or closes the stores for writing, as the number of good replicas asks.
  void update_gate() noexcept {
    const bool enough = !needs_good_replicas() || good() >= core_.options.min_replicas_to_write;
    core_.gate->set(enough ? core_.open_mode() : WriteMode::not_enough_replicas);
  }

  void describe(ReplicationInfo& info) const {
    for (const auto& link : links_) {
      if (link->session.is_replica()) info.replicas.push_back(describe(*link, info.history.end));
    }
    if (needs_good_replicas()) info.good_replicas = good();
    info.full_resyncs_served = full_resyncs_;
    info.partial_resyncs_served = partial_resyncs_;
    info.partial_resyncs_refused = partial_resyncs_refused_;
  }

  [[nodiscard]] std::uint16_t listening_port() const noexcept { return listening_port_; }
  /// Unless there is another already than `in_place_of`.
  void announce_listening_port(std::uint16_t port, std::uint16_t in_place_of = 0) noexcept {
    if (listening_port_ == 0 || listening_port_ == in_place_of) listening_port_ = port;
  }

 private:
  friend class ReplicaLink;

  static constexpr std::size_t mark_bytes = 40;
  static constexpr std::size_t snapshot_ahead_bytes = std::size_t{1} << 20;  // made, and not yet sent
  static constexpr int pieces_in_a_turn = 8;
  static constexpr std::size_t outgrown_max = 64;

  struct Outgrown {
    std::string replica;
    std::uint64_t attempts;
  };

  // --- Links ----------------------------------------------------------------------------------------

  // A link that there is no memory for closes, because nobody holds it.
  void accept_link(const std::weak_ptr<NodeCore>& node, const std::shared_ptr<TransportEngine>& engine,
                   const std::shared_ptr<Link>& link) {
    const auto made = add_link(node, engine, link);
    if (!made) return;
    or_lose(*made, [&] {
      made->arm();
      link->start(made);
    });
  }

  // Null, and the link closed: there are too many.
  [[nodiscard]] std::shared_ptr<ReplicaLink> add_link(const std::weak_ptr<NodeCore>& node,
                                                      const std::shared_ptr<TransportEngine>& engine,
                                                      const std::shared_ptr<Link>& link) {
    if (links_.size() >= core_.options.replicas_max) {
      core_.log(LogLevel::warning,
                [&] { return "Refused a link from " + link->peer_address() + ": replicas_max is reached"; });
      link->close();
      return nullptr;
    }
    auto made = std::make_shared<ReplicaLink>(node, *this, core_.options, engine, link);
    links_.push_back(made);
    return made;
  }

  // What is appended to the stream is sent from each engine's own context.
  void wake_through(const std::weak_ptr<NodeCore>& node, const std::shared_ptr<TransportEngine>& engine) {
    if (std::find(engines_.begin(), engines_.end(), engine) != engines_.end()) return;
    auto engines = engines_;
    engines.push_back(engine);
    core_.stream->set_waker([this, node, engines] {
      try {
        for (const auto& each : engines) {
          each->post([this, node, context = each.get()] {
            const auto core = node.lock();
            if (!core) return;
            const Turn turn(*core);
            if (!core->closed) attend_all(*context);
          });
        }
      } catch (const std::bad_alloc&) {
        if (const auto core = node.lock()) {
          core->stream->sleep_from_now();  // the next write or the heartbeat wakes again
          core->has_work_left = true;
        }
      }
      for (const auto& each : engines) each->deliver();
    });
    engines_ = std::move(engines);
  }

  void attend_all(const TransportEngine& context) {
    core_.stream->sleep_from_now();
    for (std::size_t i = 0; i < links_.size();) {
      const auto link = links_[i];
      if (link->engine.get() == &context) or_lose(*link, [&] { attend(*link); });
      if (i < links_.size() && links_[i] == link) ++i;  // it was not dropped
    }
    if (!transfer_ && !delay_) begin_transfer();  // for those who found no memory for it before
  }

  // Takes a step for one link; without memory that link ends, and the replica comes back.
  template <class Step>
  void or_lose(ReplicaLink& link, Step&& step) {
    if (!core_.attempt(step) && link.open) lost(link, NodeCore::out_of_memory());
  }

  void send(ReplicaLink& link, TimePoint now) {
    std::vector<SharedBytes> buffers;
    for (int pieces = 0;;) {
      const std::size_t room = Link::window_bytes - std::min(Link::window_bytes, link.link->unsent_bytes());
      buffers.clear();
      if (const auto bytes = link.session.collect(*core_.stream, room, buffers, now); bytes > 0) {
        core_.bytes_to_replicas.fetch_add(bytes, std::memory_order_relaxed);
        link.link->send(buffers);
      } else if (room == 0 || !link.session.takes_snapshot() || !advance_transfer(link)) {
        return;
      } else if (++pieces == pieces_in_a_turn) {
        return link.attend_later();  // others want their turn
      }
    }
  }

  // Redis: client-output-buffer-limit replica; the hard limit is never below the backlog's size.
  void check_output_limit(ReplicaLink& link, TimePoint now) {
    const auto pinned = link.session.pinned_from();
    if (!pinned) return;
    if (link.snapshot_began && !link.session.is_in_full_resync()) {
      link.snapshot_began.reset();
      forget_outgrown(link.name());
    }
    const OutputLimit& limit = core_.options.output_limit;
    const std::uint64_t behind = core_.stream->end() - *pinned;
    const std::uint64_t backlog_bytes = core_.stream->backlog_bytes_max();
    if (behind > std::max(limit.hard_bytes, backlog_bytes)) {
      using Limit = FullResyncOutgrown::Limit;
      return outgrown(link, now, behind, limit.hard_bytes < backlog_bytes ? Limit::backlog : Limit::hard);
    }
    if (behind <= limit.soft_bytes) {
      link.over_soft_limit_since.reset();
    } else if (!link.over_soft_limit_since) {
      link.over_soft_limit_since = now;
    } else if (now - *link.over_soft_limit_since > limit.soft_for) {
      outgrown(link, now, behind, FullResyncOutgrown::Limit::soft);
    }
  }

  // The replica is too far behind. If it happens during each of its full resyncs, they never end: so it is
  // told with the numbers that show what to raise.
  void outgrown(ReplicaLink& link, TimePoint now, std::uint64_t behind, FullResyncOutgrown::Limit which) {
    const OutputLimit& limit = core_.options.output_limit;
    using Limit = FullResyncOutgrown::Limit;
    const std::uint64_t bytes_max = which == Limit::hard      ? limit.hard_bytes
                                    : which == Limit::backlog ? core_.stream->backlog_bytes_max()
                                                              : limit.soft_bytes;
    const std::string bounds =
        std::to_string(behind) + " bytes behind, " + std::to_string(bytes_max) +
        (which == Limit::soft ? " allowed for " + std::to_string(limit.soft_for.count()) +
                                    " s (output_limit.soft_bytes, soft_for)"
         : which == Limit::hard ? " allowed (output_limit.hard_bytes)"
                                : " allowed (the backlog's size)");
    if (link.snapshot_began && link.session.is_in_full_resync()) {
      const Duration lasted = now - *link.snapshot_began;
      const std::uint64_t attempts = count_outgrown(link.name());
      core_.report(
          [&] { return FullResyncOutgrown{link.name(), behind, bytes_max, which, lasted, attempts}; });
      core_.log(LogLevel::warning, [&] {
        const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count();
        return "Full resync of replica " + link.name() + " ended unfinished after " + std::to_string(time) +
               " ms, attempt " + std::to_string(attempts) + ": " + bounds +
               ". Raise output_limit above what is written during a full resync, or it will never end";
      });
    }
    link.session.fail(Errc::output_limit, bounds);
  }

  // How often in a row a replica's full resync was outgrown. A peer may name itself as it likes: of so many.
  std::uint64_t count_outgrown(const std::string& replica) {
    const auto known = std::find_if(outgrown_.begin(), outgrown_.end(),
                                    [&replica](const auto& each) { return each.replica == replica; });
    if (known != outgrown_.end()) return ++known->attempts;
    if (outgrown_.size() == outgrown_max) outgrown_.erase(outgrown_.begin());
    outgrown_.push_back({replica, 1});
    return 1;
  }

  void forget_outgrown(const std::string& replica) noexcept {
    std::erase_if(outgrown_, [&replica](const auto& each) { return each.replica == replica; });
  }

  void log_refusal(const ReplicaLink& link, const PartialRefusal& refusal) noexcept {
    using Reason = PartialRefusal::Reason;
    core_.log(LogLevel::notice, [&] {
      return "Partial resync refused to replica " + link.name() + ", which asked for " +
             refusal.asked_id.text() + ":" + std::to_string(refusal.asked_next_byte) + ": " + refusal.why +
             (refusal.reason == Reason::no_longer_held
                  ? "; a backlog of " + std::to_string(refusal.needed_bytes) + " bytes would have done"
                  : "");
    });
  }

  void drop(ReplicaLink& link) noexcept {
    if (!std::exchange(link.open, false)) return;
    const auto held = link.shared_from_this();
    core_.attempt([&] {
      std::vector<SharedBytes> last_words;
      if (link.session.collect(*core_.stream, Link::window_bytes, last_words, link.engine->now()) > 0) {
        link.link->send(last_words);
      }
    });
    link.link->close();
    std::erase(links_, held);
    core_.discard(held);
    const Failure& why = link.session.failure();
    core_.log(LogLevel::notice,
              [&] { return "Link to replica " + link.name() + " ended: " + why.message(); });
    if (link.asked_for_sync) {
      core_.report([&] { return LinkDown{LinkSide::to_replica, link.name(), why}; });
    }
    if (transfer_ && !is_wanted()) {
      end_transfer();
      begin_transfer();  // for those who came too late to share it
    } else if (transfer_) {
      for (const auto& sharing : links_) {
        if (sharing->session.takes_snapshot())
          sharing->attend_later();  // it may have been held up by this one
      }
    }
    count_once(link);
    update_gate();
  }

  // The particulars of a failure where there is memory for them.
  [[nodiscard]] static Failure described(Errc code, std::string_view detail) noexcept {
    try {
      return {code, std::string(detail)};
    } catch (const std::bad_alloc&) {
      return {code, {}};
    }
  }

  // --- Full resync ----------------------------------------------------------------------------------

  void continue_from(ReplicaLink& link, StreamCursor cursor) {
    ++partial_resyncs_;
    const Token position = core_.stream->position();
    core_.report([&] {
      return PartialResync{LinkSide::to_replica, link.name(), position.id, cursor.offset()};
    });
    link.session.continue_from(std::move(cursor), position.id);
  }

  void begin_transfer_after_delay(ReplicaLink& link) {
    if (core_.options.full_resync_delay.count() == 0) return begin_transfer();
    if (delay_) return;
    delay_ =
        link.engine->at(link.engine->now() + core_.options.full_resync_delay, [this, node = link.node()] {
          const auto core = node.lock();
          if (!core) return;
          const Turn turn(*core);
          core->discard(std::move(delay_));
          if (!core->closed && !transfer_) begin_transfer();
        });
  }

  // Everybody who waits shares this snapshot. Its instant is the only moment at which a writer waits.
  void begin_transfer() {
    // A snapshot that is kept whole for those who want its length first is kept once: the next has to wait.
    const bool is_one_kept = std::any_of(links_.begin(), links_.end(),
                                         [](const auto& link) { return link->session.keeps_snapshot(); });
    const auto waits = [is_one_kept](const auto& link) {
      return link->session.state() == MasterSession::State::waiting &&
             (!is_one_kept || link->session.understands_marks());
    };
    if (std::none_of(links_.begin(), links_.end(), waits)) return;
    std::string mark;
    auto transfer = std::unique_ptr<SnapshotTransfer>();  // if it fails, it ends when the locks are gone
    const bool begun = core_.attempt([&] {
      mark = ReplicationId::random(core_.random).text();
      transfer = std::make_unique<SnapshotTransfer>(core_.databases);
      const LockedDatabases instant(core_.databases);
      const std::uint32_t database = core_.stream->database();
      transfer->begin(*core_.stream, database == CommandStream::no_database ? 0 : database);
      if (core_.role == Role::master) core_.stream->forget_database();
    });
    if (!begun) return;  // they wait on; the heartbeat begins again
    transfer_ = std::move(transfer);
    snapshot_keys_ = transfer_->keys();
    static_assert(ReplicationId::text_size == mark_bytes);
    for (const auto& link : links_) {
      if (!waits(link)) continue;
      link->snapshot_began = link->engine->now();
      or_fail(*link,
              [&] { link->session.begin_snapshot(transfer_->cursor(), transfer_->position().id, mark); });
      link->attend_later();
    }
    if (!is_wanted()) end_transfer();
  }

  // Makes the next piece for all who share the snapshot, unless one of them has too much unsent: the
  // slowest sets the pace, and a stalled one is dropped by its time-out. False: nothing was made.
  bool advance_transfer(ReplicaLink& asking) {
    if (!transfer_ || is_too_far_ahead()) return false;
    SharedBytes piece;
    const bool made = core_.attempt([&] { piece = transfer_->next(); });
    for (const auto& link : links_) {
      if (!link->session.takes_snapshot()) continue;
      if (!made) {
        link->session.fail(NodeCore::out_of_memory());  // nobody knows what is missing
      } else {
        or_fail(*link,
                [&] { piece.empty() ? link->session.end_snapshot() : link->session.add_snapshot(piece); });
      }
      if (link.get() != &asking) link->attend_later();
    }
    if (piece.empty()) {
      end_transfer();
      begin_transfer();  // for those who came too late to share this one
    }
    return true;
  }

  // As `or_lose`, where the links are being looped over: the session fails, and the link is dropped when it
  // is attended next.
  template <class Step>
  void or_fail(ReplicaLink& link, Step&& step) {
    if (!core_.attempt(step)) link.session.fail(NodeCore::out_of_memory());
  }

  [[nodiscard]] bool is_too_far_ahead() const {
    return std::any_of(links_.begin(), links_.end(), [](const auto& link) {
      return link->session.state() == MasterSession::State::sending_snapshot &&
             link->session.queued_bytes() >= snapshot_ahead_bytes;
    });
  }

  [[nodiscard]] bool is_wanted() const {
    return std::any_of(links_.begin(), links_.end(),
                       [](const auto& link) { return link->session.takes_snapshot(); });
  }

  // At once, not after the turn: the stores can have no second snapshot while this one is alive.
  void end_transfer() noexcept { transfer_ = nullptr; }

  // --- Counting -------------------------------------------------------------------------------------

  [[nodiscard]] bool needs_good_replicas() const noexcept {
    return core_.role == Role::master && core_.options.min_replicas_to_write > 0 &&
           core_.options.min_replicas_max_lag.count() > 0;
  }

  [[nodiscard]] unsigned good() const noexcept {
    return count([this](const ReplicaLink& link) {
      const auto lag = link.engine->now() - link.session.last_acknowledged();
      return std::chrono::floor<std::chrono::seconds>(lag) <= core_.options.min_replicas_max_lag;
    });
  }

  // A replica counts once, by its newest link: it may have come back while its former one is still
  // half-open. Those that announce no port cannot be told apart and count a link each.
  void count_once(const ReplicaLink& changed) noexcept {
    const auto port = changed.session.listening_port();
    if (port == 0) return;
    bool has_newer = false;
    for (auto place = links_.rbegin(); place != links_.rend(); ++place) {
      ReplicaLink& link = **place;
      if (!link.session.is_online() || link.session.listening_port() != port || link.ip() != changed.ip()) {
        continue;
      }
      link.is_replaced = std::exchange(has_newer, true);
    }
  }

  template <class Predicate>
  [[nodiscard]] unsigned count(Predicate&& holds) const noexcept {
    return static_cast<unsigned>(std::count_if(links_.begin(), links_.end(), [&holds](const auto& link) {
      return link->session.is_online() && link->session.acknowledges() && !link->is_replaced && holds(*link);
    }));
  }

  static ReplicaInfo describe(const ReplicaLink& link, Offset end) {
    ReplicaInfo replica;
    replica.ip = link.ip();
    replica.port = link.session.listening_port();
    replica.state = link.session.replica_state();
    replica.acknowledged = link.session.acknowledged();
    replica.lag_bytes = end > replica.acknowledged ? end - replica.acknowledged : 0;
    if (link.session.is_online()) {
      const auto since = link.engine->now() - link.session.last_acknowledged();
      replica.lag = std::chrono::duration_cast<std::chrono::milliseconds>(since);
    }
    return replica;
  }

  static std::uint16_t port_of(std::string_view address) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string_view::npos) return 0;
    return static_cast<std::uint16_t>(resp::parse_unsigned(address.substr(colon + 1)).value_or(0) & 0xffff);
  }

  NodeCore& core_;
  std::vector<std::unique_ptr<Registration>> listeners_;
  std::vector<std::shared_ptr<TransportEngine>> engines_;
  std::vector<std::shared_ptr<ReplicaLink>> links_;
  std::uint16_t listening_port_ = 0;  // what this node tells its master

  std::unique_ptr<SnapshotTransfer> transfer_;
  std::shared_ptr<Registration> delay_;
  std::uint64_t snapshot_keys_ = 0;
  std::vector<Outgrown> outgrown_;

  std::uint64_t full_resyncs_ = 0;
  std::uint64_t partial_resyncs_ = 0;
  std::uint64_t partial_resyncs_refused_ = 0;
};

// --- ReplicaLink ---------------------------------------------------------------------------------------

template <class Action>
void ReplicaLink::in_turn(Action&& action) {
  const auto node = node_.lock();
  if (!node) return;
  const Turn turn(*node);
  if (open && !node->closed) serving_.or_lose(*this, action);
}

inline void ReplicaLink::on_bytes(Bytes bytes) {
  in_turn([this, bytes] {
    session.receive(bytes, engine->now(), link->unsent_bytes());
    serving_.attend(*this);
  });
}

inline void ReplicaLink::on_writable() {
  in_turn([this] { serving_.attend(*this); });
}

inline void ReplicaLink::on_closed(std::error_code why) {
  in_turn([this, why] { serving_.lost(*this, Failure{why, {}}); });
}

inline void ReplicaLink::on_sync_requested(const SyncRequest& request) {
  serving_.synchronise(*this, request);
}

inline void ReplicaLink::on_acknowledged() { serving_.update_gate(); }

inline void ReplicaLink::on_online() { serving_.online(*this); }

inline void ReplicaLink::arm() {
  const TimePoint deadline = session.deadline();
  if (deadline >= timer_at_) return;
  timer_at_ = deadline;
  timer_ = engine->at(deadline, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->in_turn([link = self.get()] {
      link->timer_at_ = TimePoint::max();
      link->serving_.tick(*link);
    });
  });
}

inline void ReplicaLink::attend_later() {
  if (attending_later_) return;
  attending_later_ = serving_.core_.attempt([this] {
    engine->post([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->in_turn([link = self.get()] {
        link->attending_later_ = false;
        link->serving_.attend(*link);
      });
    });
  });
}

}  // namespace replikv::inline v0_1::detail
