// A node: stores under one stream, with a side towards replicas and a side towards a master. What the
// public ReplicationMaster and ReplicationReplica hold; a change of role changes the node, not the object.
#pragma once

#include <replikv/core/detail/function_ref.hpp>
#include <replikv/replication/detail/following.hpp>
#include <replikv/replication/detail/node_core.hpp>
#include <replikv/replication/detail/serving.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Thread safety  every call from any thread, but none from inside `visit` or `update` of its stores
class Node final : public NodeCore, public std::enable_shared_from_this<Node> {
 public:
  /// Takes the stores into the role. A store that has one: `Errc::already_has_role`, and none is taken.
  /// Throws `Errc::bad_option`.
  static std::shared_ptr<Node> attach(std::vector<Database*> stores, ReplicationOptions options, Role role,
                                      std::error_code& error) {
    check(options);
    auto node = std::make_shared<Node>(std::move(stores), std::move(options), role);
    std::vector<std::shared_ptr<const Attachment>> attachments;
    for (std::size_t i = 0; i < node->databases.size(); ++i) {
      attachments.push_back(std::make_shared<const Attachment>(
          Attachment{node->stream, node->gate, static_cast<std::uint32_t>(i)}));
    }
    for (std::size_t i = 0; i < node->databases.size(); ++i) {
      error = node->databases[i]->attach(std::move(attachments[i]));
      if (!error) continue;
      while (i-- > 0) node->databases[i]->detach();
      return nullptr;
    }
    node->serving_.update_gate();
    node->advise();
    return node;
  }

  Node(std::vector<Database*> stores, ReplicationOptions chosen, Role first_role)
      : NodeCore(std::move(stores), std::move(chosen), first_role),
        serving_(*this),
        following_(*this, serving_) {}

  /// Ends the role: closes all links, frees the stores, lets waiting calls return. When it returns no
  /// observer runs any more (unless it was called from one).
  void close() noexcept {
    {
      const Turn turn(*this);
      if (closed) return;
      closed = true;
      following_.stop();
      serving_.stop_listening();
      serving_.close_links("the node was shut down");
      discard(std::move(heartbeat_));
      discard(std::move(spare_heartbeat_));
      finish_waits();
      changed.notify_all();
    }
    std::unique_lock lock(mutex);
    wait_until_unused(lock);
    lock.unlock();
    for (Database* database : databases) database->detach();
  }

  // --- Links ----------------------------------------------------------------------------------------

  std::string listen(std::shared_ptr<TransportEngine> engine, std::string_view address,
                     std::error_code& error) {
    const Turn turn(*this);
    std::string bound;
    auto ready = ready_to_use(engine);
    serving_.listen(weak_from_this(), engine, address, bound, error);
    if (!error) use(std::move(engine), std::move(ready));
    return bound;
  }

  void follow(std::shared_ptr<TransportEngine> engine, std::string_view address) {
    const Turn turn(*this);
    auto ready = ready_to_use(engine);
    following_.follow(weak_from_this(), engine, std::string(address));
    use(std::move(engine), std::move(ready));
  }

  void unfollow() {
    const Turn turn(*this);
    following_.stop();
  }

  /// Takes over a link whose handshake somebody else has heard, from the request to synchronise on. Whoever
  /// started it hands its events on to what is returned; nothing: there is no room for another.
  [[nodiscard]] std::shared_ptr<LinkEvents> adopt(const std::shared_ptr<TransportEngine>& engine,
                                                  const std::shared_ptr<Link>& link,
                                                  const ReplicaHandshake& handshake,
                                                  const SyncRequest& request) {
    const Turn turn(*this);
    if (closed) return nullptr;
    auto ready = ready_to_use(engine);
    auto adopted = serving_.adopt(weak_from_this(), engine, link, handshake, request);
    use(engine, std::move(ready));
    return adopted;
  }

  /// Tells replicas what is no effect on a key: PUBLISH. Nothing on a replica, whose stream is its master's.
  void propagate(std::initializer_list<std::string_view> command) {
    const Turn turn(*this);
    if (!closed && role == Role::master) stream->append_control(command);
  }

  // --- Role -----------------------------------------------------------------------------------------

  void replicate_from(std::shared_ptr<TransportEngine> engine, std::string_view address) {
    if (info().role == Role::master) demote();
    follow(std::move(engine), address);
  }

  void promote() {
    const Turn turn(*this);
    take_new_id();
    following_.stop();
    role = Role::master;
    serving_.close_links("this node was promoted; the history goes on under a new id");
    serving_.update_gate();
    const Token now = stream->position();
    log(LogLevel::notice, [&] { return "Promoted to master; new replication id is " + now.id.text(); });
    report([&] { return Promoted{now.id, now.offset}; });
  }

  void demote() {
    const Turn turn(*this);
    role = Role::replica;
    {
      const LockedDatabases instant(databases);  // no write is under way when the gate closes
      serving_.update_gate();
    }
    following_.keep_history();
    give_up_acknowledgement_waits();
    serving_.close_links("this node became a replica");
    const Token now = stream->position();
    report([&] { return Demoted{now.id, now.offset}; });
  }

  /// A master that will give its role to a replica: until then or `end_failover` nothing is written, so that
  /// the replica can come to hold all there is.
  void begin_failover() {
    const Turn turn(*this);
    failover = FailoverState::waiting_for_sync;
    {
      const LockedDatabases instant(databases);  // no write is under way when the gate closes
      serving_.update_gate();
    }
  }

  /// Has the replica at `address` become the master of this node. It is over when `is_master_link_up`.
  void give_role_to(std::shared_ptr<TransportEngine> engine, std::string_view address) {
    demote();
    const Turn turn(*this);
    failover = FailoverState::in_progress;
    auto ready = ready_to_use(engine);
    following_.follow(weak_from_this(), engine, std::string(address), true);
    use(std::move(engine), std::move(ready));
  }

  void end_failover() {
    const Turn turn(*this);
    failover = FailoverState::none;
    serving_.update_gate();
  }

  // --- Waiting --------------------------------------------------------------------------------------

  /// Replicas that confirmed `offset`, once they are `wanted` or the time is up.
  unsigned wait(unsigned wanted, std::chrono::milliseconds timeout, std::optional<Token> written) {
    Offset offset;
    {
      const Turn turn(*this);
      offset = written ? written->offset : stream->end();
      if (const unsigned have = serving_.acknowledged_by(offset); have >= wanted || closed) return have;
      stream->append_control({"REPLCONF", "GETACK", "*"});
    }
    std::unique_lock lock(mutex);
    block(lock, timeout, [this, wanted, offset] { return serving_.acknowledged_by(offset) >= wanted; });
    return serving_.acknowledged_by(offset);
  }

  /// Replicas that confirmed everything up to `offset`.
  [[nodiscard]] unsigned confirmed(Offset offset) {
    const std::lock_guard lock(mutex);
    return serving_.acknowledged_by(offset);
  }

  /// The same without blocking, for everything written so far: `done` is called once with how many have
  /// confirmed it, in a transport's context or before this returns; when the node closes, too. No timeout: it
  /// waits as long as it takes.
  void wait(unsigned wanted, std::optional<std::chrono::milliseconds> timeout,
            std::function<void(unsigned)> done) {
    const Turn turn(*this);
    PendingAcknowledgement wait{stream->end(), wanted, std::make_shared<unsigned>(0), {}, {}, {}};
    wait.call.push_back([count = wait.count, called = std::move(done)] { called(*count); });
    if (serving_.acknowledged_by(wait.offset) < wanted && !closed) {
      if (timeout && home_) wait.deadline = home_->now() + *timeout;
      if (wait.deadline) {
        wait.timer = home_->at(*wait.deadline, [weak = weak_from_this()] {
          if (const auto node = weak.lock()) const Turn its_end_looks_at_waits(*node);
        });
      }
      stream->append_control({"REPLCONF", "GETACK", "*"});
    } else {
      wait.wanted = 0;
    }
    acknowledgement_waits_.push_back(std::move(wait));
  }

  std::error_code wait_for(const Token& token, std::chrono::milliseconds timeout) {
    const auto in_use = engines_in_use();
    for (const auto& engine : *in_use) engine->deliver();
    std::unique_lock lock(mutex);
    std::optional<std::error_code> outcome;
    block(lock, timeout, [this, &token, &outcome] { return (outcome = reached(token)).has_value(); });
    return outcome.value_or(closed ? Errc::detached : Errc::timeout);
  }

  /// The same without blocking: `done` is called once, in a transport's context or before this returns.
  void wait_for(const Token& token, std::chrono::milliseconds timeout,
                std::function<void(std::error_code)> done) {
    const Turn turn(*this);
    const TimePoint deadline = home_ ? home_->now() + timeout : TimePoint::max();
    auto outcome = std::make_shared<std::error_code>();
    Calls call;
    call.push_back([outcome, called = std::move(done)] { called(*outcome); });
    waits_.push_back({token, deadline, std::move(outcome), std::move(call)});
  }

  // --- State ----------------------------------------------------------------------------------------

  [[nodiscard]] ReplicationInfo info() {
    const Turn turn(*this);
    ReplicationInfo info;
    info.role = role;
    info.priority = options.priority;
    info.read_only = options.read_only;
    info.history = stream->history();
    info.failover = failover;
    info.rejected_writes = gate->rejected_writes();
    serving_.describe(info);
    following_.describe(info);
    return info;
  }

  /// Throws `Errc::bad_option`, as `attach` does.
  void set_backlog_bytes(std::uint64_t bytes) {
    change_options([bytes](ReplicationOptions& all) { all.backlog_bytes = bytes; });
  }

  [[nodiscard]] ReplicationOptions chosen_options() {
    const std::lock_guard lock(mutex);
    return options;
  }

  /// Changes options while they are in use: what is under way goes on by the new ones. Those of the next
  /// link, as credentials, count from the next link on. Observer, logger, seed and `backlog_duration` stay
  /// what they were. Throws `Errc::bad_option`, and then nothing has changed.
  void change_options(FunctionRef<void(ReplicationOptions&)> change) {
    const Turn turn(*this);
    ReplicationOptions wanted = options;
    change(wanted);
    check(wanted);
    if (wanted.backlog_bytes != options.backlog_bytes) stream->set_backlog_bytes(wanted.backlog_bytes);
    options = std::move(wanted);
    if (home_) next_ping_ = std::min(next_ping_, home_->now() + options.ping_period);
    serving_.update_gate();
  }

  /// Somebody else listens, for clients and for replicas of this node, who adopts their links. The node lives
  /// by this engine's time if it has none yet, and tells its masters the first port so given (0: none).
  void served_by(const std::shared_ptr<TransportEngine>& engine, std::uint16_t port) {
    const Turn turn(*this);
    if (closed) return;
    auto ready = ready_to_use(engine);
    use(engine, std::move(ready));
    if (port != 0) serving_.announce_listening_port(port);
  }

  /// Of several ports given to `served_by`, this is the one to tell masters, from their next link on.
  void announce_port(std::uint16_t port, std::uint16_t in_place_of) {
    const Turn turn(*this);
    serving_.announce_listening_port(port, in_place_of);
  }

  /// On a replica: the link to its master carries the stream.
  [[nodiscard]] bool is_master_link_up() {
    const std::lock_guard lock(mutex);
    return master_link_up;
  }

 private:
  struct PendingWait {
    Token token;
    TimePoint deadline;
    std::shared_ptr<std::error_code> outcome;  // what the call is told
    Calls call;                                // made ahead: calling it takes no memory
  };

  struct PendingAcknowledgement {
    Offset offset;
    unsigned wanted;
    std::shared_ptr<unsigned> count;  // what the call is told
    Calls call;
    std::optional<TimePoint> deadline;
    std::shared_ptr<Registration> timer;
  };

  static constexpr std::chrono::milliseconds busy_period{100};
  static constexpr std::chrono::milliseconds idle_period{1'000};
  static constexpr std::chrono::milliseconds expiry_budget{1};
  static constexpr std::chrono::seconds spare_ahead{30};

  void before_end_of_turn() noexcept override {
    finish_waits();
    if (home_ && !heartbeat_ && !closed) schedule_heartbeat();  // there was no memory for it
  }

  // Tells the log of options that are allowed and seldom meant.
  void advise() {
    const Turn turn(*this);
    if (!logger) return;
    attempt([this] {
      for (const std::string& line : unwise(options)) log(LogLevel::warning, [&line] { return line; });
    });
  }

  // What it takes memory for to use an engine, made before anything else has changed.
  struct Ready {
    std::shared_ptr<const Engines> engines;
    std::shared_ptr<Registration> heartbeat;
    std::shared_ptr<Registration> spare_heartbeat;
  };

  [[nodiscard]] Ready ready_to_use(const std::shared_ptr<TransportEngine>& engine) {
    Ready ready;
    auto all = *engines;
    if (std::find(all.begin(), all.end(), engine) == all.end()) all.push_back(engine);
    ready.engines = std::make_shared<const Engines>(std::move(all));
    if (home_) return ready;
    ready.heartbeat = beat_at(*engine, engine->now() + period());
    ready.spare_heartbeat = beat_at(*engine, engine->now() + spare_ahead);
    return ready;
  }

  // The first engine used gives the node its own time: heartbeats, expiry, waits.
  void use(std::shared_ptr<TransportEngine> engine, Ready ready) noexcept {
    engines = std::move(ready.engines);
    if (home_) return;
    home_ = std::move(engine);
    stream->tell_time(home_->now());
    next_ping_ = home_->now() + options.ping_period;
    heartbeat_ = std::move(ready.heartbeat);
    spare_heartbeat_ = std::move(ready.spare_heartbeat);
    spare_at_ = home_->now() + spare_ahead;
  }

  std::shared_ptr<const Engines> engines_in_use() {
    const std::lock_guard lock(mutex);
    return engines;
  }

  // A history that the stores do not hold is not continued: who has it needs a full resync.
  void take_new_id() {
    const LockedDatabases instant(databases);
    const auto id = ReplicationId::random(random);
    if (following_.has_history()) {
      stream->continue_as(id);
      former_history_ended_here = true;
    } else {
      stream->restart(id, stream->end(), CommandStream::no_database);
    }
    stream->forget_database();
  }

  // --- What happens from time to time ---------------------------------------------------------------

  [[nodiscard]] Duration period() const {
    const bool busy =
        !waits_.empty() || std::any_of(databases.begin(), databases.end(),
                                       [](const Database* database) { return database->expiring() > 0; });
    return std::min<std::chrono::milliseconds>(busy ? busy_period : idle_period, options.ping_period);
  }

  // The next heartbeat; and one further ahead, which is there already when there is no memory for the next.
  void schedule_heartbeat() {
    const TimePoint now = home_->now();
    discard(std::move(heartbeat_));
    attempt([&] { heartbeat_ = beat_at(*home_, std::min(now + period(), next_ping_)); });
    if (now < spare_at_ - spare_ahead / 2) return;
    attempt([&] {
      discard(std::exchange(spare_heartbeat_, beat_at(*home_, now + spare_ahead)));
      spare_at_ = now + spare_ahead;
    });
  }

  [[nodiscard]] std::shared_ptr<Registration> beat_at(TransportEngine& engine, TimePoint when) {
    return engine.at(when, [weak = weak_from_this()] {
      if (const auto node = weak.lock()) node->beat();
    });
  }

  void beat() {
    std::optional<StoreUse> stores;
    bool mends = false;
    {
      const Turn turn(*this);
      if (closed) return;
      mends = has_work_left.exchange(false);
      if (mends) following_.mend();
      attempt([this] { ping(); });
      serving_.update_gate();
      age_backlog();
      report_rejected_writes();
      stores.emplace(*this);
    }
    if (mends) stream->wake();
    // Deleting takes the stores' locks and wakes who sends: not in a turn.
    if (gate->owns_expiry() && expires_actively) {
      const Duration budget = home_->is_virtual() ? Duration::max() : Duration{expiry_budget};
      for (Database* database : databases) attempt([&] { database->expire_due(budget); });
    }
    stores.reset();
    const Turn turn(*this);
    if (!closed) schedule_heartbeat();
  }

  void ping() {
    const TimePoint now = home_->now();
    if (now < next_ping_) return;
    next_ping_ = now + options.ping_period;
    if (role == Role::master && serving_.has_replicas()) stream->append_control({"ping"});
  }

  void age_backlog() {
    const std::uint64_t wanted = stream->tell_time(home_->now());
    const std::uint64_t kept = stream->backlog_bytes_max();
    const bool is_cut = wanted > kept;
    if (is_cut && !backlog_is_cut_) {
      log(LogLevel::warning, [&] {
        return "The last " + std::to_string(options.backlog_duration.count()) + " s wrote " +
               std::to_string(wanted) + " bytes, of which backlog_bytes_max keeps " + std::to_string(kept) +
               ": a replica that was away for so long will need a full resync";
      });
    }
    backlog_is_cut_ = is_cut;
  }

  void report_rejected_writes() {
    const std::uint64_t rejected = gate->rejected_writes();
    if (rejected == reported_rejections_) return;
    const Errc why = role == Role::replica ? Errc::read_only : Errc::not_enough_replicas;
    const std::uint64_t more = rejected - std::exchange(reported_rejections_, rejected);
    report([&] { return WritesRejected{more, why}; });
  }

  // --- Waiting --------------------------------------------------------------------------------------

  /// Whether the stores contain what `token` stands for; nothing while that may still come.
  [[nodiscard]] std::optional<std::error_code> reached(const Token& token) const {
    const History history = stream->history();
    const bool is_ours = token.id == history.id;
    if (is_ours && token.offset <= history.end) return std::error_code{};
    if (!is_ours && token.id == history.second_id && history.second_next_byte) {
      if (token.offset.bytes < *history.second_next_byte) return std::error_code{};
      if (former_history_ended_here) return make_error_code(Errc::history_lost);
    }
    return std::nullopt;
  }

  template <class Condition>
  void block(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds timeout, Condition&& holds) {
    ++blocked_waits;
    changed.wait_for(lock, timeout, [this, &holds] { return holds() || closed; });
    --blocked_waits;
  }

  // After a change of role nobody can confirm any more: the waits end with what there is.
  void give_up_acknowledgement_waits() noexcept {
    for (PendingAcknowledgement& wait : acknowledgement_waits_) wait.wanted = 0;
  }

  void finish_acknowledgement_waits() noexcept {
    std::erase_if(acknowledgement_waits_, [this](PendingAcknowledgement& wait) {
      *wait.count = serving_.acknowledged_by(wait.offset);
      const bool is_over = wait.deadline && home_->now() >= *wait.deadline;
      if (*wait.count < wait.wanted && !is_over && !closed) return false;
      discard(std::move(wait.timer));
      call_later(std::move(wait.call));
      return true;
    });
  }

  void finish_waits() noexcept {
    finish_acknowledgement_waits();
    if (waits_.empty()) return;
    const TimePoint now = home_ ? home_->now() : TimePoint::min();
    std::erase_if(waits_, [this, now](PendingWait& wait) {
      std::optional<std::error_code> outcome = reached(wait.token);
      if (!outcome && closed) outcome = make_error_code(Errc::detached);
      if (!outcome && now >= wait.deadline) outcome = make_error_code(Errc::timeout);
      if (!outcome) return false;
      *wait.outcome = *outcome;
      call_later(std::move(wait.call));
      return true;
    });
  }

  Serving serving_;
  Following following_;
  std::shared_ptr<TransportEngine> home_;
  std::shared_ptr<Registration> heartbeat_;
  std::shared_ptr<Registration> spare_heartbeat_;
  TimePoint spare_at_{};
  TimePoint next_ping_{};
  std::uint64_t reported_rejections_ = 0;
  bool backlog_is_cut_ = false;  // backlog_duration asks for more than backlog_bytes_max
  std::vector<PendingWait> waits_;
  std::vector<PendingAcknowledgement> acknowledgement_waits_;
};

}  // namespace replikv::inline v0_1::detail
