// The replica's end of one link: it performs the handshake, takes the snapshot when there is one, then
// cuts the stream into commands. Bytes and the time go in, bytes come out; no socket, thread or clock.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/detail/printable.hpp>
#include <replikv/core/error.hpp>
#include <replikv/rdb/reader.hpp>
#include <replikv/replication/command_batch.hpp>
#include <replikv/replication/detail/outbox.hpp>
#include <replikv/replication/detail/receive_buffer.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/resp/reply.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/stream/offset.hpp>
#include <replikv/stream/replication_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

/// What a replica holds already and would continue, if its master agrees.
struct SyncPosition {
  ReplicationId id;
  Offset offset;
  bool gives_role = false;  ///< it is no master yet: by PSYNC ... FAILOVER it becomes ours
};

/// The replica's end of one link to a master.
///
/// Thread safety  none: one caller at a time
/// Source         Redis 7.0 syncWithMaster, readSyncBulkPayload
class ReplicaSession {
 public:
  enum class State : std::uint8_t {
    pinging,            // PING is out
    introducing,        // AUTH and REPLCONF are out, their replies come in order
    asking,             // PSYNC is out
    awaiting_snapshot,  // +FULLRESYNC came, the `$` line has not
    loading,            // the snapshot's bytes
    awaiting_mark,      // `$EOF:` framing: the 40 bytes that end it
    streaming,          // commands
    failed,
  };

  /// What the owner has to do. Called from inside `receive`. A Failure returned ends the session.
  class Handler {
   public:
    virtual ~Handler() = default;

    /// A snapshot follows that stands for `offset` of history `id`.
    virtual std::optional<Failure> on_full_resync(const ReplicationId& id, Offset offset) = 0;
    virtual std::optional<Failure> on_snapshot_item(const rdb::Item& item) = 0;
    /// The snapshot was whole and its checksum right.
    virtual std::optional<Failure> on_snapshot_end() = 0;

    /// The stream goes on from the position given; under a new name when `id` is not the one given.
    virtual std::optional<Failure> on_partial_resync(std::optional<ReplicationId> id) = 0;

    /// Commands of the stream, at least one. They are valid during the call.
    virtual std::optional<Failure> on_commands(const CommandBatch& commands) = 0;
  };

  /// `position`: what to ask PSYNC for; none asks for a full resync. `port`: the one this node listens on.
  ReplicaSession(const ReplicationOptions& options, Handler& handler, std::optional<SyncPosition> position,
                 std::uint16_t port, TimePoint now)
      : options_(options),
        handler_(handler),
        position_(position),
        port_(options.announce_port != 0 ? options.announce_port : port),
        last_heard_(now),
        handshake_ends_(now + options.timeout),
        sync_ends_(now + options.full_resync_max) {
    send({"PING"});
  }

  // --- In -----------------------------------------------------------------------------------------

  void receive(Bytes bytes, TimePoint now) {
    if (state_ == State::failed) return;
    last_heard_ = now;
    buffer_.feed(bytes, [this, now](Bytes all) { return consume(all, now); });
    if (state_ != State::failed && buffer_.size() > options_.command_bytes_max) {
      fail(Errc::protocol_error,
           "a command of more than " + std::to_string(options_.command_bytes_max) + " bytes");
    }
  }

  /// Acknowledgements, signs of life while loading, time-outs. Call when `now >= deadline()`.
  void tick(TimePoint now, Offset applied) {
    if (state_ == State::failed) return;
    if (now >= last_heard_ + options_.timeout) {
      fail(Errc::link_timeout, "nothing heard for " + std::to_string(options_.timeout.count()) + " ms");
    } else if (is_introducing() && now >= handshake_ends_) {
      fail(Errc::link_timeout, "not introduced within " + std::to_string(options_.timeout.count()) + " ms");
    } else if (state_ != State::streaming && now >= sync_ends_) {
      fail(Errc::link_timeout,
           "not in step after " + std::to_string(options_.full_resync_max.count()) + " min");
    } else if (now >= next_sign_) {
      if (state_ == State::streaming) acknowledge(applied);
      if (state_ == State::loading) outbox_.put(std::string("\n"));
      next_sign_ = now + options_.ack_period;
    }
  }

  /// Sends `REPLCONF ACK`: every period, in answer to GETACK, and first of all after a snapshot. Of several
  /// between two calls of `collect` the last one goes out: it says what the others said.
  void acknowledge(Offset applied) noexcept {
    if (state_ == State::streaming) acknowledgement_ = applied;
  }

  void fail(Errc code, std::string detail) { fail(Failure{code, std::move(detail)}); }
  void fail(Failure failure) noexcept {
    if (state_ == State::failed) return;
    state_ = State::failed;
    failure_ = std::move(failure);
  }

  // --- Out ----------------------------------------------------------------------------------------

  std::size_t collect(std::size_t bytes_max, std::vector<SharedBytes>& out) {
    if (acknowledgement_) {
      send({"REPLCONF", "ACK", resp::IntegerText(acknowledgement_->bytes).view()});
      acknowledgement_.reset();
    }
    return outbox_.take(bytes_max, out);
  }

  [[nodiscard]] TimePoint deadline() const noexcept {
    if (state_ == State::failed) return TimePoint::max();
    const TimePoint silence = last_heard_ + options_.timeout;
    if (state_ == State::streaming) return std::min(silence, next_sign_);
    const TimePoint ends = is_introducing() ? std::min(handshake_ends_, sync_ends_) : sync_ends_;
    return std::min({silence, ends, state_ == State::loading ? next_sign_ : TimePoint::max()});
  }

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }
  [[nodiscard]] TimePoint last_heard() const noexcept { return last_heard_; }

  /// What PSYNC asked to continue from, if anything.
  [[nodiscard]] const std::optional<SyncPosition>& position() const noexcept { return position_; }

  /// Stream bytes received on this link on top of the position it began with.
  [[nodiscard]] Offset received() const noexcept {
    return taken_ + (state_ == State::streaming ? buffer_.size() : 0);
  }

  [[nodiscard]] MasterLinkState link_state() const noexcept {
    switch (state_) {
      case State::pinging:
      case State::introducing:
      case State::asking: return MasterLinkState::handshake;
      case State::awaiting_snapshot:
      case State::loading:
      case State::awaiting_mark: return MasterLinkState::sync;
      case State::streaming: return MasterLinkState::connected;
      case State::failed: break;
    }
    return MasterLinkState::connect;
  }

  /// Snapshot bytes so far, and in all where announced.
  [[nodiscard]] SyncProgress sync_progress(TimePoint now) const {
    SyncProgress progress;
    progress.bytes = reader_.total_bytes();
    progress.bytes_total = length_;
    progress.until_mark = !mark_.empty();
    progress.last_io_ago = std::chrono::duration_cast<std::chrono::seconds>(now - last_heard_);
    return progress;
  }

 private:
  enum class Reply : std::uint8_t { auth, port, address, capabilities };
  static constexpr std::size_t mark_bytes = 40;

  // From PSYNC on a master may be busy for long, and says so by newlines; before, nothing takes it long.
  [[nodiscard]] bool is_introducing() const noexcept {
    return state_ == State::pinging || state_ == State::introducing;
  }

  // Each round takes one line, one run of snapshot bytes or one command; zero: more bytes are needed.
  std::size_t consume(Bytes all, TimePoint now) {
    std::size_t consumed = 0;
    for (;;) {
      const Bytes rest = all.subspan(consumed);
      const State before = state_;
      std::size_t taken = 0;
      switch (state_) {
        case State::pinging:
        case State::introducing:
        case State::asking:
        case State::awaiting_snapshot: taken = take_line(rest); break;
        case State::loading: taken = take_snapshot(rest); break;
        case State::awaiting_mark: taken = take_mark(rest); break;
        case State::streaming: taken = take_commands(rest); break;
        case State::failed: return all.size();
      }
      if (taken == 0) return state_ == State::failed ? all.size() : consumed;
      consumed += taken;
      if (before != State::streaming && state_ == State::streaming) begin_stream(now);
    }
  }

  // --- Lines --------------------------------------------------------------------------------------

  std::size_t take_line(Bytes rest) {
    const auto parsed = lines_.parse(rest);
    if (parsed.status == resp::ReplyLineParser::Status::error) fail(lines_.failure());
    if (parsed.status != resp::ReplyLineParser::Status::line) return 0;
    if (parsed.line.kind == resp::LineKind::keepalive) return parsed.consumed;
    switch (state_) {
      case State::pinging: on_pong(parsed.line); break;
      case State::introducing: on_introduced(parsed.line); break;
      case State::asking: on_psync_reply(parsed.line); break;
      case State::awaiting_snapshot: on_snapshot_header(parsed.line); break;
      default: break;
    }
    return parsed.consumed;
  }

  void on_pong(const resp::ReplyLine& line) {
    if (line.kind == resp::LineKind::error && !line.text.starts_with("NOAUTH") &&
        !line.text.starts_with("NOPERM") && !line.text.starts_with("ERR operation not permitted")) {
      return fail_reply("PING", line);
    }
    if (line.kind != resp::LineKind::error && line.kind != resp::LineKind::simple)
      return fail_reply("PING", line);
    introduce();
  }

  void introduce() {
    if (const auto& who = options_.credentials) {
      who->user.empty() ? send({"AUTH", who->password}) : send({"AUTH", who->user, who->password});
      expected_.push_back(Reply::auth);
    }
    send({"REPLCONF", "listening-port", std::to_string(port_)});
    expected_.push_back(Reply::port);
    if (!options_.announce_ip.empty()) {
      send({"REPLCONF", "ip-address", options_.announce_ip});
      expected_.push_back(Reply::address);
    }
    send({"REPLCONF", "capa", "eof", "capa", "psync2"});
    expected_.push_back(Reply::capabilities);
    state_ = State::introducing;
  }

  // Only AUTH must succeed; a master may not know the options of REPLCONF. Anything but a status would put
  // the replies out of step with what they answer.
  void on_introduced(const resp::ReplyLine& line) {
    const bool is_auth = expected_.front() == Reply::auth;
    const bool is_error = line.kind == resp::LineKind::error;
    const bool is_tolerable = is_error && !is_auth && !line.text.starts_with("NOAUTH");
    if (line.kind != resp::LineKind::simple && !is_tolerable) {
      return fail_reply(is_auth ? "AUTH" : "REPLCONF", line);
    }
    expected_.erase(expected_.begin());
    if (!expected_.empty()) return;
    if (position_ && position_->gives_role) {
      send({"PSYNC", position_->id.text(), std::to_string(position_->offset.next_byte()), "FAILOVER"});
    } else if (position_) {
      send({"PSYNC", position_->id.text(), std::to_string(position_->offset.next_byte())});
    } else {
      send({"PSYNC", "?", "-1"});
    }
    state_ = State::asking;
  }

  void on_psync_reply(const resp::ReplyLine& line) {
    if (line.kind == resp::LineKind::simple && line.text.starts_with("FULLRESYNC ")) {
      return on_full_resync(line.text.substr(11));
    }
    if (line.kind == resp::LineKind::simple &&
        (line.text == "CONTINUE" || line.text.starts_with("CONTINUE "))) {
      return on_continue(line.text.substr(8));
    }
    fail_reply("PSYNC", line);
  }

  void on_full_resync(std::string_view text) {
    const auto id = ReplicationId::parse(text.substr(0, ReplicationId::text_size));
    const bool spaced = text.size() > ReplicationId::text_size && text[ReplicationId::text_size] == ' ';
    const auto offset =
        spaced ? resp::parse_unsigned(text.substr(ReplicationId::text_size + 1)) : std::nullopt;
    if (!id || !offset || Offset{*offset} > offset_max) {
      return fail(Errc::protocol_error, "unreadable reply to PSYNC: +FULLRESYNC " + shown(text));
    }
    taken_ = Offset{*offset};
    state_ = State::awaiting_snapshot;
    judge(handler_.on_full_resync(*id, taken_));
  }

  void on_continue(std::string_view text) {
    if (!position_) return fail(Errc::protocol_error, "+CONTINUE in answer to PSYNC ? -1");
    std::optional<ReplicationId> id;
    if (!text.empty()) {
      id = ReplicationId::parse(text.substr(1));
      if (!id) return fail(Errc::protocol_error, "unreadable reply to PSYNC: +CONTINUE" + shown(text));
    }
    taken_ = position_->offset;
    state_ = State::streaming;
    judge(handler_.on_partial_resync(id));
  }

  void on_snapshot_header(const resp::ReplyLine& line) {
    if (line.kind != resp::LineKind::bulk_header) return fail_reply("the snapshot", line);
    if (line.text.starts_with("EOF:")) {
      mark_ = line.text.substr(4);
      if (mark_.size() != mark_bytes)
        return fail(Errc::protocol_error, "an end mark that is not 40 bytes long");
    } else {
      length_ = resp::parse_unsigned(line.text);
      if (!length_ || Offset{*length_} > offset_max) {
        return fail(Errc::protocol_error, "unreadable snapshot length $" + shown(line.text));
      }
    }
    state_ = State::loading;
  }

  void fail_reply(std::string_view what, const resp::ReplyLine& line) {
    const std::string detail = std::string(what) + " was answered: " + shown(line.text);
    const auto starts = [&line](std::string_view code) { return line.text.starts_with(code); };
    if (line.kind != resp::LineKind::error) return fail(Errc::protocol_error, detail);
    if (starts("NOMASTERLINK") || starts("LOADING")) return fail(Errc::master_not_ready, detail);
    if (starts("WRONGPASS") || starts("ERR invalid password")) return fail(Errc::wrong_password, detail);
    if (what == "AUTH" && is_unasked_password(line.text)) return fail(Errc::unasked_password, detail);
    if (starts("NOAUTH")) return fail(Errc::authentication_required, detail);
    if (starts("NOPERM")) return fail(Errc::no_permission, detail);
    fail(Errc::sync_refused, detail);
  }

  // In the words of Redis 7.0, and of Redis up to 5.
  static bool is_unasked_password(std::string_view error) noexcept {
    return error.starts_with("ERR AUTH <password> called without any password configured") ||
           error.starts_with("ERR Client sent AUTH, but no password is set");
  }

  // A peer's text in our log: short, on one line.
  static std::string shown(std::string_view text) { return detail::printable(text, 200); }

  // --- Snapshot -----------------------------------------------------------------------------------

  std::size_t take_snapshot(Bytes rest) {
    if (length_) rest = rest.first(std::min<std::uint64_t>(rest.size(), *length_ - reader_.total_bytes()));
    if (rest.empty()) return snapshot_ended_early(), 0;
    reader_.feed(rest);
    while (auto item = reader_.next()) {
      if (auto failure = handler_.on_snapshot_item(*item)) return fail(std::move(*failure)), 0;
    }
    if (const Failure* failure = reader_.failure()) return fail(*failure), 0;
    const std::size_t consumed = reader_.consumed();
    if (reader_.finished()) end_snapshot();
    return consumed;
  }

  void snapshot_ended_early() {
    if (length_ && *length_ == reader_.total_bytes()) {
      fail(Errc::snapshot_corrupt, "its " + std::to_string(*length_) + " bytes end before it does");
    }
  }

  void end_snapshot() {
    if (!mark_.empty()) {
      state_ = State::awaiting_mark;
      return;
    }
    if (reader_.total_bytes() != *length_) {
      return fail(Errc::snapshot_corrupt, "it ends after " + std::to_string(reader_.total_bytes()) + " of " +
                                              std::to_string(*length_) + " bytes");
    }
    finish_loading();
  }

  std::size_t take_mark(Bytes rest) {
    if (rest.size() < mark_bytes) return 0;
    if (as_text(rest.first(mark_bytes)) != mark_) {
      return fail(Errc::snapshot_corrupt, "the end mark is not the one announced"), 0;
    }
    finish_loading();
    return mark_bytes;
  }

  void finish_loading() {
    judge(handler_.on_snapshot_end());
    if (state_ == State::failed) return;
    state_ = State::streaming;
    // In `$EOF:` framing the master sends nothing before the first acknowledgement.
    acknowledge(taken_);
  }

  void begin_stream(TimePoint now) {
    next_sign_ = now + options_.ack_period;
    parser_.set_limits({limits::bulk_bytes_max, limits::arguments_max, limits::line_bytes_max, true});
  }

  // --- Stream -------------------------------------------------------------------------------------

  std::size_t take_commands(Bytes rest) {
    const std::size_t parsed_bytes = parse_batch(rest);
    if (!batch_.empty()) judge(handler_.on_commands(batch_));
    if (state_ == State::failed) return 0;
    taken_ = taken_ + parsed_bytes;
    return parsed_bytes;
  }

  // Empty lines before a command belong to it. What is wrong behind a command is found again when that one
  // has been applied.
  std::size_t parse_batch(Bytes rest) {
    batch_.clear();
    std::size_t parsed_bytes = 0;
    while (!batch_.is_full()) {
      const auto parsed = parser_.parse(rest.subspan(parsed_bytes + newlines_));
      if (parsed.status == resp::Parsed::Status::need_more) break;
      if (parsed.status == resp::Parsed::Status::error) {
        if (batch_.empty())
          fail(Errc::protocol_error, "in the stream: " + unprefixed(parser_.failure().detail));
        break;
      }
      if (parser_.arguments().empty()) {
        newlines_ += parsed.consumed;
        continue;
      }
      if (parser_.was_inline()) {
        if (batch_.empty()) fail(Errc::protocol_error, "in the stream: an inline command");
        break;
      }
      const std::size_t size = std::exchange(newlines_, 0) + parsed.consumed;
      batch_.add(parser_.arguments(), rest.subspan(parsed_bytes, size));
      parsed_bytes += size;
    }
    return parsed_bytes;
  }

  // The parser's words are those of the wire; the code's own words begin with the same.
  static std::string unprefixed(std::string_view detail) {
    constexpr std::string_view prefix = "Protocol error: ";
    return std::string(detail.starts_with(prefix) ? detail.substr(prefix.size()) : detail);
  }

  void judge(std::optional<Failure> failure) {
    if (failure) fail(std::move(*failure));
  }

  void send(std::initializer_list<std::string_view> command) {
    std::string bytes;
    resp::append_command(bytes, resp::Arguments(command.begin(), command.size()));
    outbox_.put(bytes);
  }

  const ReplicationOptions& options_;
  Handler& handler_;
  std::optional<SyncPosition> position_;
  std::uint16_t port_;
  State state_ = State::pinging;
  Failure failure_;

  detail::ReceiveBuffer buffer_;
  detail::Outbox outbox_;
  resp::ReplyLineParser lines_;
  std::vector<Reply> expected_;  // replies still to come, in order

  rdb::Reader reader_;
  std::string mark_;                     // `$EOF:` framing
  std::optional<std::uint64_t> length_;  // `$length` framing

  resp::CommandParser parser_;
  CommandBatch batch_;
  std::size_t newlines_ = 0;  // before the current command, in bytes
  Offset taken_;              // from the stream: what is behind waits to be whole

  std::optional<Offset> acknowledgement_;  // to be sent

  TimePoint last_heard_;
  TimePoint handshake_ends_;
  TimePoint sync_ends_;
  TimePoint next_sign_{};
};

}  // namespace replikv::inline v0_1
