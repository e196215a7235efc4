// What must hold at every moment of a run, whatever fails: each rule is a checker with a name. They look at
// the nodes from outside, after each event, and compare with the chronicle.
#pragma once

#include <replikv/replication/events.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/testing/cluster.hpp>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tests/simulation/chronicle.hpp>
#include <tests/simulation/reference.hpp>
#include <utility>
#include <variant>
#include <vector>

namespace simulation {

using SimulatedCluster = replikv::testing::Cluster<std::string, std::int64_t>;
using SimulatedNode = SimulatedCluster::NodeType;

/// One node, as the checkers know it; of a cluster, or one that serves clients.
template <class NodeType>
class BasicWatched {
 public:
  using Listener = std::function<void(const BasicWatched&, const replikv::Event&)>;

  BasicWatched(NodeType& node, Chronicle& chronicle, const replikv::ReplicationOptions& options,
               Listener listener)
      : node_(node),
        chronicle_(chronicle),
        backlog_duration_(options.backlog_duration),
        bytes_max_of_duration_(options.backlog_bytes_max),
        listener_(std::move(listener)) {
    node_.set_observer([this](const replikv::Event& event) {
      hear(event);
      listener_(*this, event);
    });
  }
  BasicWatched(const BasicWatched&) = delete;
  BasicWatched& operator=(const BasicWatched&) = delete;
  ~BasicWatched() { node_.set_observer(nullptr); }

  [[nodiscard]] NodeType& node() const noexcept { return node_; }
  [[nodiscard]] const Reference& state() const noexcept { return state_; }
  [[nodiscard]] const replikv::Token& position() const noexcept { return at_; }
  /// Its data is what the chronicle says of its position; not so before its first resync.
  [[nodiscard]] bool is_in_history() const noexcept { return is_in_history_; }
  [[nodiscard]] std::uint64_t full_resyncs() const noexcept { return full_resyncs_; }
  [[nodiscard]] std::uint64_t partial_resyncs() const noexcept { return partial_resyncs_; }
  /// How often it lost the link to its master, or could not make one, and nobody had cut it.
  [[nodiscard]] std::uint64_t links_lost() const noexcept { return links_lost_; }
  /// The furthest it ever was in a history.
  [[nodiscard]] std::uint64_t reached(const replikv::ReplicationId& id) const {
    const auto found = reached_.find(id.text());
    return found == reached_.end() ? 0 : found->second;
  }

  /// After an event. `thoroughly`: all keys, not only those that should have changed.
  void check(bool thoroughly) {
    if (!node_.is_running()) return;
    if (node_.lives() != life_) begin_life();
    const replikv::Token now = node_.position();
    const bool has_moved = now != at_ || resynced_.fully;
    if (has_moved) move(now);
    resynced_ = {};
    if (!has_moved && !thoroughly) return touched_.clear();
    thoroughly ? compare_all() : compare_touched();
    touched_.clear();
    if (thoroughly) check_backlog();
  }

  /// After `check`, at a time of the simulation: what was written within `backlog_duration` is there, up to
  /// its limit. A node's clock is fast by a tenth at most.
  void check_recent(replikv::Duration now) {
    if (!node_.is_running() || backlog_duration_.count() == 0) return;
    const replikv::History history = node_.stream().history();
    while (!ends_.empty() && ends_.front().first <= now - backlog_duration_ * 9 / 10) ends_.pop_front();
    ends_.emplace_back(now, history.end);
    const std::uint64_t recent = history.end - ends_.front().second;
    if (history.backlog_bytes < std::min(recent, bytes_max_of_duration_))
      throw Violation("the backlog keeps what is recent", node_.name() + " holds " +
                                                              std::to_string(history.backlog_bytes) + " of " +
                                                              std::to_string(recent) + " bytes");
  }

  /// The name of a key that should have been deleted by this time; empty: there is none. Only who writes a
  /// history deletes.
  [[nodiscard]] std::string overdue(std::chrono::milliseconds patience) const {
    if (!node_.is_master()) return {};
    const auto limit = (node_.wall_time() - patience).time_since_epoch().count();
    for (std::size_t database = 0; database < Reference::databases; ++database) {
      for (const auto& [key, entry] : state_.keys(database)) {
        if (entry.expires_at_ms && *entry.expires_at_ms < limit) return key;
      }
    }
    return {};
  }

 private:
  struct Resynced {
    bool fully = false;
    bool partly = false;
    bool promoted = false;
  };

  void hear(const replikv::Event& event) {
    using replikv::LinkSide;
    if (const auto* done = std::get_if<replikv::FullResyncDone>(&event)) {
      if (done->side != LinkSide::to_master) return;
      resynced_.fully = true;
      ++full_resyncs_;
    } else if (const auto* partial = std::get_if<replikv::PartialResync>(&event)) {
      if (partial->side != LinkSide::to_master) return;
      resynced_.partly = true;
      ++partial_resyncs_;
    } else if (std::holds_alternative<replikv::Promoted>(event)) {
      resynced_.promoted = true;
    } else if (const auto* diverged = std::get_if<replikv::Diverged>(&event)) {
      has_diverged_ = diverged->why;
    } else if (const auto* down = std::get_if<replikv::LinkDown>(&event)) {
      if (down->side == LinkSide::to_master && down->why.code != replikv::Errc::link_cut) ++links_lost_;
    }
  }

  // --- Where it is ----------------------------------------------------------------------------------

  void begin_life() {
    if (life_ != 0 && node_.template store<0>().size() + node_.template store<1>().size() == 0)
      state_ = Reference{};
    life_ = node_.lives();
    at_ = node_.position();
    begin_stream();
    is_in_history_ = node_.is_master();
    if (is_in_history_) chronicle_.begin(at_, state_);
  }

  void move(const replikv::Token& now) {
    if (!has_diverged_.empty()) throw Violation("the stream applies everywhere", has_diverged_);
    if (resynced_.fully) return adopt(now);
    if (now.id != at_.id) rename(now.id);
    if (now.offset < at_.offset)
      throw Violation("no silent step back", "the offset fell from " + std::to_string(at_.offset.bytes) +
                                                 " to " + std::to_string(now.offset.bytes));
    if (now.offset != at_.offset) follow(now);
    note_reached();
  }

  void adopt(const replikv::Token& now) {
    const replikv::History history = node_.stream().history();
    if (history.second_next_byte &&
        !chronicle_.shares(now.id, history.second_id, *history.second_next_byte - 1))
      throw Violation("nobody continues what it does not hold", node_.name());
    state_ = chronicle_.state_at(now);
    at_ = now;
    begin_stream();
    is_in_history_ = true;
    note_reached();
    compare_all();
  }

  void begin_stream() {
    cursor_ = node_.stream().cursor_at_end();
    backlog_begins_ = cursor_->offset();
    ends_.clear();
  }

  void rename(const replikv::ReplicationId& id) {
    if (resynced_.promoted) {
      const replikv::History history = node_.stream().history();
      if (!is_in_history_) {
        if (history.second_id.is_set())
          throw Violation("nobody continues what it does not hold", node_.name());
        chronicle_.begin({id, at_.offset}, state_);
        begin_stream();  // what was before is no history of anybody's
        is_in_history_ = true;
      } else {
        if (history.second_id != at_.id || history.second_next_byte != at_.offset.next_byte())
          throw Violation("the former id ends where the new one begins", node_.name());
        chronicle_.branch(at_, id, state_);
      }
    } else if (!resynced_.partly) {
      throw Violation("no silent change of history", node_.name() + " is under another replication id");
    } else if (!is_in_history_ || !chronicle_.shares(id, at_.id, at_.offset.bytes)) {
      throw Violation("a partial resync continues one history", node_.name());
    }
    at_.id = id;
  }

  void follow(const replikv::Token& now) {
    if (!is_in_history_)
      throw Violation("no silent change of data", node_.name() + " moved without a resync");
    std::string bytes;
    std::vector<replikv::SharedBytes> pieces;
    node_.stream().read(*cursor_, now.offset - at_.offset, pieces);
    for (const auto& piece : pieces) bytes += replikv::as_text(piece.bytes());
    if (bytes.size() != now.offset - at_.offset)
      throw Violation("one byte an offset", "the offset moved further than the stream");
    node_.is_master() ? chronicle_.extend(at_.id, at_.offset.bytes, bytes)
                      : chronicle_.verify(at_.id, at_.offset.bytes, bytes);
    try {
      state_.fold(bytes, touched_);
    } catch (const BadStream& bad) {
      throw Violation("whole commands only", node_.name() + ": " + bad.what());
    }
    at_.offset = now.offset;
  }

  void note_reached() { reached_[at_.id.text()] = std::max(reached_[at_.id.text()], at_.offset.bytes); }

  // --- What it holds --------------------------------------------------------------------------------

  void compare_touched() {
    for (const auto& [database, key] : touched_) {
      database == 0 ? compare(node_.template store<0>(), 0, key) : compare(node_.template store<1>(), 1, key);
      if (database == 0 && (key == "left" || key == "right")) check_transaction();
    }
    compare_sizes();
  }

  // These two are only ever set, and to the same, by a transaction.
  void check_transaction() const {
    if (node_.template store<0>().get("left") != node_.template store<0>().get("right"))
      throw Violation("a transaction is seen whole", node_.name());
  }

  // What there is of the stream, up to the size asked for, and little more: its blocks become larger with it.
  void check_backlog() const {
    constexpr std::uint64_t smallest_block = 4096;
    const replikv::History history = node_.stream().history();
    const std::uint64_t there_is = history.end - backlog_begins_;
    if (history.backlog_bytes < std::min(history.backlog_bytes_max, there_is))
      throw Violation("the backlog keeps what it was told to", node_.name());
    if (history.backlog_bytes > history.backlog_bytes_max + there_is / 2 + 2 * smallest_block)
      throw Violation("the backlog keeps no more than it was told to", node_.name());
  }

  void compare_all() {
    for (const auto& [key, entry] : state_.keys(0)) compare(node_.template store<0>(), 0, key);
    for (const auto& [key, entry] : state_.keys(1)) compare(node_.template store<1>(), 1, key);
    check_transaction();
    compare_sizes();
  }

  void compare_sizes() {
    if (node_.template store<0>().size() != state_.keys(0).size() ||
        node_.template store<1>().size() != state_.keys(1).size())
      fail("holds " + std::to_string(node_.template store<0>().size()) + " and " +
           std::to_string(node_.template store<1>().size()) + " keys, not " +
           std::to_string(state_.keys(0).size()) + " and " + std::to_string(state_.keys(1).size()));
  }

  // The database knows more than readers may see: expired keys that wait for their DEL.
  template <class Store>
  void compare(Store& store, std::size_t database, const std::string& key) {
    const auto held = replikv::detail::database_of(store).read(key, replikv::detail::Locks::take);
    const Entry* const wanted = state_.find(database, key);
    if (held.has_value() != (wanted != nullptr))
      return fail((held ? "holds a key it must not: " : "lacks a key: ") + key);
    if (!held) return;
    const auto expiry = wanted->expires_at_ms
                            ? replikv::WallTime(std::chrono::milliseconds(*wanted->expires_at_ms))
                            : replikv::detail::never;
    if (held->value != wanted->value) return fail("holds another value of " + key);
    if (held->expires_at != expiry) return fail("holds another expiry of " + key);
    // Not on a master: there the look itself deletes the key.
    if (node_.is_replica() && store.contains(key) != (expiry > node_.wall_time()))
      fail("shows a key that has expired, or hides one that has not: " + key);
  }

  void fail(const std::string& what) const {
    throw Violation(
        node_.is_master() ? "the stream tells what the master did" : "a replica is its master's past",
        node_.name() + " at " + at_.id.text() + ":" + std::to_string(at_.offset.bytes) + " " + what);
  }

  NodeType& node_;
  Chronicle& chronicle_;
  replikv::Duration backlog_duration_;
  std::uint64_t bytes_max_of_duration_;
  Listener listener_;
  std::uint64_t life_ = 0;
  replikv::Token at_;
  Reference state_;
  KeyList touched_;
  std::optional<replikv::StreamCursor> cursor_;
  replikv::Offset backlog_begins_;
  std::deque<std::pair<replikv::Duration, replikv::Offset>> ends_;  // of its stream: when, and where
  bool is_in_history_ = false;
  Resynced resynced_;
  std::string has_diverged_;
  std::uint64_t full_resyncs_ = 0;
  std::uint64_t partial_resyncs_ = 0;
  std::uint64_t links_lost_ = 0;
  std::map<std::string, std::uint64_t> reached_;
};

using Watched = BasicWatched<SimulatedNode>;

/// All nodes of a cluster, and the rules between them.
class Invariants {
 public:
  static constexpr std::uint64_t often = 64;

  /// `options`: of the nodes. `thorough_every`: so many events, all data is looked at.
  explicit Invariants(SimulatedCluster& cluster, const replikv::ReplicationOptions& options = {},
                      std::uint64_t thorough_every = often)
      : cluster_(cluster),
        timeout_(options.timeout),
        output_bytes_max_(std::min(options.output_limit.soft_bytes, options.output_limit.hard_bytes)),
        thorough_every_(thorough_every) {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      watched_.push_back(std::make_unique<Watched>(
          cluster.node(i), chronicle_, options,
          [this](const Watched& at, const replikv::Event& event) { hear(at, event); }));
    }
    cluster.after_each_event([this] { check(); });
  }

  /// After an event. Masters first: what they wrote is the measure of all others.
  void check() {
    if (!heard_.empty()) throw Violation("a partial resync where the bytes exist", heard_);
    if (!served_.empty()) throw Violation("who has lost its master serves nobody", served_);
    if (!babble_.empty()) throw Violation("nodes understand each other", babble_);
    const bool thoroughly = ++events_ % thorough_every_ == 0;
    for (const bool master : {true, false}) {
      for (const auto& each : watched_) {
        if (each->node().is_running() && each->node().is_master() == master) each->check(thoroughly);
      }
    }
    if (!thoroughly) return;
    for (const auto& each : watched_) each->check_recent(cluster_.elapsed());
    check_links();
  }

  /// Everything, now.
  void check_all() {
    for (const bool master : {true, false}) {
      for (const auto& each : watched_) {
        if (each->node().is_running() && each->node().is_master() == master) each->check(true);
      }
    }
    check_links();
  }

  /// From now on a node that is in a history must ask for it: no link from an earlier life of it, or to an
  /// earlier master, is left.
  void judge_requests() {
    for (const auto& each : watched_) {
      if (each->node().is_running() && each->is_in_history()) must_ask_.insert(each->node().name());
    }
  }

  [[nodiscard]] const Chronicle& chronicle() const noexcept { return chronicle_; }
  [[nodiscard]] Watched& watched(std::size_t i) { return *watched_.at(i); }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

 private:
  static constexpr std::uint64_t written_at_most = std::uint64_t{32} << 20;  // in a run, by far
  static constexpr std::chrono::seconds patience{3};                         // with what must pass by itself

  // Nothing here changes bytes on their way, forges any, or is too much. An observer must not throw: `check`
  // does.
  void hear_babble(const Watched& at, const replikv::Event& event) {
    using replikv::Errc;
    const auto* down = std::get_if<replikv::LinkDown>(&event);
    if (down == nullptr) return;
    for (const Errc code : {Errc::protocol_error, Errc::snapshot_corrupt, Errc::snapshot_version,
                            Errc::forged_ack, Errc::bad_value, Errc::sync_refused}) {
      if (down->why.code == code) babble_ = at.node().name() + ": " + down->why.message();
    }
    if (down->why.code == Errc::output_limit && output_bytes_max_ > written_at_most)
      babble_ = at.node().name() + ": " + down->why.message();
  }

  // What a replica without its master could pass on may be nobody's history any more.
  void hear_served(const Watched& at, const replikv::Event& event) {
    const auto* begun = std::get_if<replikv::FullResyncStarted>(&event);
    const auto* granted = std::get_if<replikv::PartialResync>(&event);
    const bool is_to_replica = (begun != nullptr && begun->side == replikv::LinkSide::to_replica) ||
                               (granted != nullptr && granted->side == replikv::LinkSide::to_replica);
    if (!is_to_replica || !at.node().is_replica()) return;
    if (at.node().info().master->state != replikv::MasterLinkState::connected) served_ = at.node().name();
  }

  // A full resync is for those whose bytes are not there. An observer must not throw: `check` does.
  void hear(const Watched& at, const replikv::Event& event) {
    hear_babble(at, event);
    hear_served(at, event);
    const auto* begun = std::get_if<replikv::FullResyncStarted>(&event);
    if (begun == nullptr || begun->side != replikv::LinkSide::to_replica) return;
    const replikv::History history = at.node().stream().history();
    const std::string_view why = begun->why;
    if (std::uint64_t byte = 0; std::sscanf(begun->why.c_str(), "asked for byte %" SCNu64, &byte) == 1) {
      const bool is_held = byte >= history.backlog_first_byte && byte <= history.end.next_byte();
      const bool is_former = why.find(" of history ") != why.npos;
      const bool is_shared = history.second_next_byte && byte <= *history.second_next_byte;
      if (is_held && (!is_former || is_shared)) heard_ = begun->why;
    }
    if (why.starts_with("asked for history ")) {
      const std::string_view id = why.substr(18, replikv::ReplicationId::text_size);
      if (id == history.id.text() || id == history.second_id.text()) heard_ = begun->why;
    }
    const std::string peer = begun->peer.substr(0, begun->peer.find(':'));
    if (why == "it asked for no history" && must_ask_.contains(peer)) heard_ = peer + " forgot its history";
  }

  void check_links() {
    for (const auto& each : watched_) {
      if (!each->node().is_running()) {
        forget_what_passes(each->node().name());
        continue;
      }
      const replikv::ReplicationInfo info = each->node().info();
      if (each->is_in_history()) check_acknowledgements(*each, info);
      check_what_passes(*each, info);
    }
  }

  // WAIT counts these: nobody may be said to hold what it never held.
  void check_acknowledgements(const Watched& master, const replikv::ReplicationInfo& info) const {
    for (const auto& replica : info.replicas) {
      if (replica.state != replikv::ReplicaState::online || replica.acknowledged.bytes == 0) continue;
      const auto peer = std::find_if(watched_.begin(), watched_.end(),
                                     [&](const auto& each) { return each->node().name() == replica.ip; });
      if (peer == watched_.end()) continue;
      if (replica.acknowledged > info.history.end ||
          !has_held(**peer, info.history, replica.acknowledged.bytes))
        throw Violation("acknowledged is held", replica.ip + " is said to hold byte " +
                                                    std::to_string(replica.acknowledged.bytes) + " of " +
                                                    master.node().name());
    }
  }

  // What may be so for a moment, and must not stay.
  void check_what_passes(const Watched& at, const replikv::ReplicationInfo& info) {
    const std::string& name = at.node().name();
    const bool acts = !at.node().is_paused();
    const bool hears_nothing = info.master && info.master->state == replikv::MasterLinkState::connected &&
                               info.master->last_io_ago && *info.master->last_io_ago > timeout_;
    must_pass("a link that is silent for too long ends", name + " to its master", acts && hears_nothing);
    const bool is_silent = std::any_of(info.replicas.begin(), info.replicas.end(),
                                       [this](const auto& replica) { return replica.lag > timeout_; });
    must_pass("a link that is silent for too long ends", name + " to a replica", acts && is_silent);
    const std::string key = acts ? at.overdue(patience) : std::string();
    must_pass("what has expired is deleted", name, !key.empty());
  }

  void must_pass(const std::string& invariant, const std::string& what, bool is_so) {
    const auto begun = lasting_.find(what);
    if (!is_so) {
      if (begun != lasting_.end()) lasting_.erase(begun);
    } else if (begun == lasting_.end()) {
      lasting_.emplace(what, cluster_.elapsed());
    } else if (cluster_.elapsed() - begun->second > patience) {
      throw Violation(invariant, what);
    }
  }

  // A node that is down does nothing wrong; when it starts, its time starts anew.
  void forget_what_passes(const std::string& name) {
    std::erase_if(lasting_, [&name](const auto& each) { return each.first.starts_with(name); });
  }

  // Under this id, or under the one before, which went as far as there.
  static bool has_held(const Watched& peer, const replikv::History& history, std::uint64_t offset) {
    return peer.reached(history.id) >= offset ||
           (history.second_next_byte && offset < *history.second_next_byte &&
            peer.reached(history.second_id) >= offset);
  }

  SimulatedCluster& cluster_;
  std::chrono::milliseconds timeout_;
  std::uint64_t output_bytes_max_;
  std::uint64_t thorough_every_;
  Chronicle chronicle_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::uint64_t events_ = 0;
  std::set<std::string> must_ask_;
  std::string heard_;
  std::string served_;
  std::string babble_;
  std::map<std::string, replikv::Duration> lasting_;  // since when it has been so
};

}  // namespace simulation
