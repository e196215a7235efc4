// The master's end of one link: the handshake a replica performs, the framing of the snapshot it may
// need, its acknowledgements. Bytes and the time go in, bytes come out; no socket, thread or clock.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/detail/secret.hpp>
#include <replikv/core/error.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/replication/detail/outbox.hpp>
#include <replikv/replication/detail/receive_buffer.hpp>
#include <replikv/replication/info.hpp>
#include <replikv/replication/options.hpp>
#include <replikv/resp/detail/unknown_command.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/stream/command_stream.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

/// What a replica asked for with PSYNC or SYNC.
struct SyncRequest {
  std::optional<ReplicationId> id;  ///< none: `?`, an unreadable id, or SYNC
  std::uint64_t next_byte = 0;      ///< the first byte it lacks; 0: none given or not a number in range
};

/// What a replica says of itself before it asks to synchronise (Redis: REPLCONF).
struct ReplicaHandshake {
  /// Whether INFO can show an announced address: it must not break its lines.
  [[nodiscard]] static bool can_announce(std::string_view address) noexcept {
    return address.size() <= 255 && std::all_of(address.begin(), address.end(), [](unsigned char c) {
             return std::isalnum(c) != 0 || c == '.' || c == ':' || c == '-' || c == '_' || c == '%';
           });
  }

  std::uint16_t listening_port = 0;
  std::string announced_ip{};
  bool understands_marks = false;    ///< capa eof
  bool understands_new_ids = false;  ///< capa psync2
  bool knows_offsets = true;         ///< it sent PSYNC rather than SYNC
  bool wants_no_keys = false;        ///< rdb-filter-only: its snapshot is to be without keys

  /// Takes the value of rdb-filter-only, which names the parts a snapshot is to have: of functions there are
  /// none here, and other parts cannot be named. False: not understood.
  [[nodiscard]] bool take_filter(std::string_view parts) noexcept {
    constexpr std::string_view functions = "functions";
    const bool is_known =
        parts.empty() || std::equal(parts.begin(), parts.end(), functions.begin(), functions.end(),
                                    [](unsigned char a, char b) { return std::tolower(a) == b; });
    wants_no_keys = wants_no_keys || is_known;
    return is_known;
  }
};

/// The master's end of one link to a replica.
///
/// The owner answers a sync request by `continue_from` or by `begin_snapshot`, and then sends what
/// `collect` gives. `now` never goes back.
///
/// Thread safety  none: one caller at a time
/// Source         Redis 7.0 syncCommand, replconfCommand; protocol of PSYNC2
class MasterSession {
 public:
  enum class State : std::uint8_t {
    handshake,            // commands of the handshake; maybe not authenticated yet
    waiting,              // a sync was asked for; newlines keep the replica patient
    sending_snapshot,     // `$EOF:` framing: bytes are passed on as they are made
    collecting_snapshot,  // `$length` framing: the length must be known first
    awaiting_ack,         // `$EOF:` framing: the stream starts after the first ACK
    online,               // the stream
    failed,
  };

  /// What the owner has to do. Called from inside `receive` and `tick`.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void on_sync_requested(const SyncRequest& request) = 0;
    virtual void on_acknowledged() = 0;
    virtual void on_online() = 0;
  };

  MasterSession(const ReplicationOptions& options, Handler& handler, TimePoint now)
      : options_(options),
        handler_(handler),
        authenticated_(options.accepts.empty()),
        began_(now),
        last_heard_(now),
        last_progress_(now) {
    if (!authenticated_) parser_.set_limits(resp::ParserLimits::unauthenticated());
  }

  // --- In -----------------------------------------------------------------------------------------

  /// Begins with the request to synchronise of a replica that has been heard, and authenticated, elsewhere.
  void begin(const ReplicaHandshake& handshake, const SyncRequest& request, TimePoint now) {
    handshake_ = handshake;
    authenticated_ = true;
    parser_.set_limits({});
    ask_to_synchronise(request, now);
  }

  /// `unsent_bytes`: what `collect` gave and the network has not taken yet.
  void receive(Bytes bytes, TimePoint now, std::size_t unsent_bytes = 0) {
    if (state_ == State::failed) return;
    unsent_bytes_ = unsent_bytes;
    buffer_.feed(bytes, [this, now](Bytes all) { return parse(all, now); });
  }

  /// Time-outs and the newlines that keep a waiting replica patient. Call when `now >= deadline()`.
  void tick(TimePoint now) {
    if (state_ == State::failed) return;
    if (is_waiting()) {
      if (now >= next_newline_) {
        outbox_.put(std::string("\n"));
        next_newline_ = now + newline_period;
      }
    } else if (now >= patience_ends()) {
      fail(Errc::link_timeout, impatience(now));
    }
  }

  /// Fails the session from outside: the output limit, the owner's shutdown.
  void fail(Errc code, std::string detail) { fail(Failure{code, std::move(detail)}); }
  void fail(Failure why) noexcept {
    if (state_ == State::failed) return;
    // A peer in its handshake is still told why; half a snapshot or stream is worth nothing.
    if (state_ != State::handshake) outbox_.clear();
    state_ = State::failed;
    failure_ = std::move(why);
  }

  // --- The owner's decisions ------------------------------------------------------------------------

  /// Grants a partial resync. `id` is told where the replica understands it (`capa psync2`).
  void continue_from(StreamCursor cursor, const ReplicationId& id) {
    outbox_.put(handshake_.understands_new_ids ? "+CONTINUE " + id.text() + "\r\n"
                                               : std::string("+CONTINUE\r\n"));
    cursor_ = std::move(cursor);
    acknowledged_ = cursor_.offset();
    go_online();
  }

  /// Grants a full resync: a snapshot begins now that stands for the place of `cursor`. `mark` are the 40
  /// characters that end it for a replica with `capa eof`. To one that wants no keys it is sent whole, at
  /// once, and takes no pieces.
  void begin_snapshot(StreamCursor cursor, const ReplicationId& id, std::string_view mark) {
    cursor_ = std::move(cursor);
    if (handshake_.knows_offsets) {
      outbox_.put("+FULLRESYNC " + id.text() + " " + std::to_string(cursor_.offset().bytes) + "\r\n");
    }
    if (handshake_.understands_marks) {
      mark_ = mark;
      outbox_.put("$EOF:" + mark_ + "\r\n");
      is_delivering_ = true;
      state_ = State::sending_snapshot;
    } else {
      state_ = State::collecting_snapshot;
    }
    if (!handshake_.wants_no_keys) return;
    rdb::Writer nothing;
    nothing.header();
    nothing.end();
    add_snapshot(SharedBytes(nothing.take()));
    end_snapshot();
  }

  /// The next piece of the snapshot.
  void add_snapshot(const SharedBytes& bytes) {
    if (state_ == State::sending_snapshot) {
      outbox_.put(bytes);
    } else {
      collected_bytes_ += bytes.size();
      collected_.push_back(bytes);
    }
  }

  void end_snapshot() {
    if (state_ == State::sending_snapshot) {
      outbox_.put(std::exchange(mark_, {}));
      state_ = State::awaiting_ack;
      return;
    }
    outbox_.put("$" + std::to_string(collected_bytes_) + "\r\n");
    for (auto& bytes : collected_) outbox_.put(std::move(bytes));
    collected_.clear();
    is_delivering_ = true;
    go_online();
  }

  /// Answers a sync request by an error the replica will retry after, and stays in the handshake.
  void refuse_sync(std::string_view error) {
    std::string reply;
    resp::append_error(reply, error);
    outbox_.put(std::move(reply));
    state_ = State::handshake;
  }

  // --- Out ------------------------------------------------------------------------------------------

  /// Appends to `out` what may be sent now: replies and snapshot first, then the stream; about
  /// `bytes_max` at most; 0 says that the network takes nothing now. Returns the bytes.
  std::size_t collect(const CommandStream& stream, std::size_t bytes_max, std::vector<SharedBytes>& out,
                      TimePoint now) {
    std::size_t bytes = outbox_.take(bytes_max, out);
    if (bytes > 0) last_progress_ = now;
    is_held_up_ = bytes_max == 0;
    if (is_delivering_) follow_delivery(now);
    if (state_ == State::online && bytes < bytes_max) bytes += stream.read(cursor_, bytes_max - bytes, out);
    return bytes;
  }

  /// The time of the next `tick`.
  [[nodiscard]] TimePoint deadline() const noexcept {
    if (state_ == State::failed) return TimePoint::max();
    return is_waiting() ? next_newline_ : patience_ends();
  }

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return outbox_.queued_bytes(); }

  /// Memory held for what was received and is no whole command yet.
  [[nodiscard]] std::size_t received_capacity() const noexcept { return buffer_.capacity(); }

  /// What a replica of this kind needs kept for it: from here on the stream is pinned.
  [[nodiscard]] std::optional<Offset> pinned_from() const noexcept {
    if (state_ == State::handshake || state_ == State::waiting || state_ == State::failed)
      return std::nullopt;
    return cursor_.offset();
  }

  /// The snapshot's pieces go here.
  [[nodiscard]] bool takes_snapshot() const noexcept {
    return state_ == State::sending_snapshot || state_ == State::collecting_snapshot;
  }

  /// A snapshot is on its way to it, or waits to be, that is not yet loaded as far as is known.
  [[nodiscard]] bool is_in_full_resync() const noexcept {
    return takes_snapshot() || state_ == State::awaiting_ack || (is_delivering_ && state_ == State::online);
  }

  /// It takes a snapshot piece by piece, as it is made; otherwise all of it is kept until it is sent.
  [[nodiscard]] bool understands_marks() const noexcept { return handshake_.understands_marks; }
  /// A whole snapshot is kept for it, not all of which is sent.
  [[nodiscard]] bool keeps_snapshot() const noexcept {
    return is_delivering_ && !handshake_.understands_marks;
  }

  [[nodiscard]] bool is_replica() const noexcept {
    return state_ != State::handshake && state_ != State::failed;
  }
  [[nodiscard]] bool is_online() const noexcept { return state_ == State::online; }
  [[nodiscard]] bool acknowledges() const noexcept { return handshake_.knows_offsets; }
  [[nodiscard]] Offset acknowledged() const noexcept { return acknowledged_; }
  [[nodiscard]] TimePoint last_acknowledged() const noexcept { return last_ack_; }
  [[nodiscard]] std::uint16_t listening_port() const noexcept { return handshake_.listening_port; }
  [[nodiscard]] const std::string& announced_ip() const noexcept { return handshake_.announced_ip; }

  [[nodiscard]] ReplicaState replica_state() const noexcept {
    switch (state_) {
      case State::online: return ReplicaState::online;
      case State::sending_snapshot:
      case State::awaiting_ack: return ReplicaState::receiving_snapshot;
      default: return ReplicaState::waiting_for_snapshot;
    }
  }

 private:
  static constexpr std::chrono::seconds newline_period = detail::newline_period;
  static constexpr std::size_t request_bytes_max = std::size_t{1} << 20;  // nothing a replica says is longer
  static constexpr std::size_t unauthenticated_bytes_max = std::size_t{64} << 10;

  [[nodiscard]] bool is_waiting() const noexcept {
    return state_ == State::waiting || state_ == State::collecting_snapshot;
  }

  // What a peer owes, and by when: a request to synchronise; then to take the snapshot, about which it need
  // not say a word, but no word replaces taking it; then a sign of life, which is a whole command or an empty
  // line, since a byte now and then is none, and the stream that it is sent is none either.
  [[nodiscard]] TimePoint patience_ends() const noexcept {
    if (state_ == State::handshake) return began_ + options_.timeout;
    const TimePoint stalled = last_progress_ + options_.timeout;
    if (is_delivering_ && (is_held_up_ || !outbox_.empty())) return std::min(stalled, resync_ends_);
    if (state_ == State::sending_snapshot) return resync_ends_;  // the next piece is ours to make
    if (!handshake_.knows_offsets && state_ == State::online)
      return TimePoint::max();  // SYNC: never acknowledges
    return std::min(std::max(last_heard_ + options_.timeout, stalled), resync_ends_);
  }

  [[nodiscard]] std::string impatience(TimePoint now) const {
    const std::string timeout = std::to_string(options_.timeout.count()) + " ms";
    if (now >= resync_ends_)
      return "not in step after " + std::to_string(options_.full_resync_max.count()) + " min";
    if (now >= std::max(last_heard_, last_progress_) + options_.timeout)
      return "nothing heard for " + timeout;
    if (state_ == State::handshake) return "no request to synchronise within " + timeout;
    return "nothing of the snapshot taken for " + timeout;
  }

  // A snapshot is on its way until it is in step where there is an end mark, else until all of it is sent.
  void follow_delivery(TimePoint now) noexcept {
    if (resync_ends_ == TimePoint::max()) resync_ends_ = now + options_.full_resync_max;
    const bool is_over = state_ == State::online && outbox_.empty();
    if (!is_over) return;
    is_delivering_ = false;
    resync_ends_ = TimePoint::max();
  }

  std::size_t parse(Bytes all, TimePoint now) {
    std::size_t consumed = 0;
    while (state_ != State::failed) {
      const auto parsed = parser_.parse(all.subspan(consumed));
      if (parsed.status == resp::Parsed::Status::command) {
        consumed += parsed.consumed;
        last_heard_ = now;
        if (!parser_.arguments().empty()) handle(parser_.arguments(), now);
        continue;
      }
      if (parsed.status == resp::Parsed::Status::error) fail_protocol(parser_.failure().detail);
      break;
    }
    if (state_ != State::failed && all.size() - consumed > bytes_allowed()) {
      fail_protocol("Protocol error: request too large for a replica");
    }
    return state_ == State::failed ? all.size() : consumed;
  }

  // What a peer may have here, unread of its requests or unsent of its replies.
  [[nodiscard]] std::size_t bytes_allowed() const noexcept {
    return authenticated_ ? request_bytes_max : unauthenticated_bytes_max;
  }

  // `detail` as the wire has it; the code's own words begin with the same.
  void fail_protocol(std::string_view detail) {
    if (state_ == State::handshake) reply_error("ERR " + std::string(detail));
    constexpr std::string_view prefix = "Protocol error: ";
    if (detail.starts_with(prefix)) detail.remove_prefix(prefix.size());
    fail(Errc::protocol_error, std::string(detail));
  }

  void handle(resp::Arguments command, TimePoint now) {
    std::string name(command[0].substr(0, 16));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (is_replica()) return handle_from_replica(name, command, now);
    if (name == "auth") return handle_auth(command);
    if (name == "quit") return reply_simple("OK"), fail(Errc::link_closed, "QUIT");
    if (name == "post" || name == "host:") return fail(Errc::protocol_error, "a request of HTTP");
    const bool known = name == "ping" || name == "replconf" || name == "psync" || name == "sync";
    if (!known) return reply_error(detail::unknown_command(command));
    if (name == "psync" ? command.size() < 3 : name == "sync" && command.size() > 1) return reply_arity(name);
    if (!authenticated_) return reply_error("NOAUTH Authentication required.");
    if (name == "ping") return reply_simple("PONG");
    if (name == "replconf") return handle_replconf(command, now);
    handle_sync(name == "psync", command, now);
  }

  // A link that carries the stream takes acknowledgements and nothing else, and never answers.
  void handle_from_replica(std::string_view name, resp::Arguments command, TimePoint now) {
    if (name == "replconf") return handle_replconf(command, now);
    if (name == "psync" || name == "sync") return;
    fail(Errc::protocol_error, "a replica sent a command other than REPLCONF");
  }

  void handle_auth(resp::Arguments command) {
    if (command.size() < 2) return reply_arity("auth");
    if (command.size() > 3) return reply_error("ERR syntax error");
    const std::string_view user = command.size() == 3 ? command[1] : std::string_view("default");
    const std::string_view password = command.back();
    if (options_.accepts.empty()) {
      if (command.size() == 3 && user == "default") return reply_simple("OK");
      if (command.size() == 3)
        return reply_error(error_category().message(static_cast<int>(Errc::wrong_password)));
      return reply_error(
          "ERR AUTH <password> called without any password configured for the default user. Are you sure "
          "your "
          "configuration is correct?");
    }
    bool known = false;
    for (const auto& accepted : options_.accepts) {  // all of them, whichever matches
      const std::string_view name = accepted.user.empty() ? std::string_view("default") : accepted.user;
      const bool same_user = detail::equal_in_constant_time(name, user);
      const bool same_password = detail::equal_in_constant_time(accepted.password, password);
      known = known | (same_user & same_password);
    }
    if (!known) return refuse_password();
    authenticated_ = true;
    parser_.set_limits({});
    reply_simple("OK");
  }

  void refuse_password() {
    reply_error(error_category().message(static_cast<int>(Errc::wrong_password)));
    if (++wrong_passwords_ >= wrong_passwords_max) fail(Errc::wrong_password, "too many attempts");
  }

  void handle_replconf(resp::Arguments command, TimePoint now) {
    if (command.size() % 2 == 0) return is_replica() ? void() : reply_error("ERR syntax error");
    for (std::size_t i = 1; i + 1 < command.size(); i += 2) {
      const std::string_view option = command[i];
      const std::string_view value = command[i + 1];
      if (is(option, "ack")) return acknowledge(value, now);
      if (is(option, "getack")) return;
      if (!is_replica() && !take_option(option, value)) return;
    }
    if (!is_replica()) reply_simple("OK");
  }

  // False when the option was refused, and answered.
  bool take_option(std::string_view option, std::string_view value) {
    if (is(option, "listening-port")) return take_port(value);
    if (is(option, "ip-address")) return take_address(value);
    if (is(option, "capa")) {
      handshake_.understands_marks = handshake_.understands_marks || is(value, "eof");
      handshake_.understands_new_ids = handshake_.understands_new_ids || is(value, "psync2");
      return true;
    }
    if (is(option, "rdb-filter-only")) {
      if (handshake_.take_filter(value)) return true;
      reply_error("ERR Unsupported rdb-filter-only option: " + std::string(value.substr(0, 64)));
      return false;
    }
    if (is(option, "rdb-only") || is(option, "version")) return true;
    reply_error("ERR Unrecognized REPLCONF option: " + std::string(option.substr(0, 64)));
    return false;
  }

  bool take_port(std::string_view value) {
    const auto port = resp::parse_unsigned(value);
    if (!port || *port > 65'535) return reply_error("ERR value is not an integer or out of range"), false;
    handshake_.listening_port = static_cast<std::uint16_t>(*port);
    return true;
  }

  bool take_address(std::string_view value) {
    if (!ReplicaHandshake::can_announce(value)) {
      return reply_error("ERR REPLCONF ip-address is not an address"), false;
    }
    handshake_.announced_ip = value;
    return true;
  }

  void handle_sync(bool psync, resp::Arguments command, TimePoint now) {
    // Granted, it would leave both ends replicas of each other: a promotion is asked of us, not a sync.
    if (command.size() > 3 && is(command[3], "failover")) {
      return reply_error("ERR PSYNC FAILOVER can't be sent to a master.");
    }
    handshake_.knows_offsets = psync;
    SyncRequest request;
    if (psync) {
      request.id = ReplicationId::parse(command[1]);
      request.next_byte = resp::parse_unsigned(command[2]).value_or(0);
    }
    ask_to_synchronise(request, now);
  }

  void ask_to_synchronise(const SyncRequest& request, TimePoint now) {
    state_ = State::waiting;
    next_newline_ = now + newline_period;
    last_ack_ = now;
    handler_.on_sync_requested(request);
  }

  void acknowledge(std::string_view value, TimePoint now) {
    const auto bytes = resp::parse_unsigned(value);
    if (!is_replica() || !bytes) return;
    const Offset offset{*bytes};
    if (handshake_.knows_offsets && offset > cursor_.offset()) {
      return fail(Errc::forged_ack, "acknowledged " + std::to_string(offset.bytes) + ", was sent " +
                                        std::to_string(cursor_.offset().bytes));
    }
    if (handshake_.knows_offsets) acknowledged_ = std::max(acknowledged_, offset);
    last_ack_ = now;
    if (state_ == State::awaiting_ack) go_online();
    handler_.on_acknowledged();
  }

  void go_online() {
    state_ = State::online;
    handler_.on_online();
  }

  static bool is(std::string_view word, std::string_view lower) noexcept {
    return std::equal(word.begin(), word.end(), lower.begin(), lower.end(),
                      [](unsigned char a, char b) { return static_cast<char>(std::tolower(a)) == b; });
  }

  void reply_simple(std::string_view text) {
    std::string reply;
    resp::append_simple(reply, text);
    put_reply(std::move(reply));
  }

  void reply_error(std::string_view text) {
    std::string reply;
    resp::append_error(reply, text);
    put_reply(std::move(reply));
  }

  void put_reply(std::string reply) {
    outbox_.put(reply);
    if (outbox_.queued_bytes() + unsent_bytes_ > bytes_allowed()) {
      fail(Errc::output_limit, "the peer does not read its replies");
    }
  }

  void reply_arity(std::string_view name) {
    reply_error("ERR wrong number of arguments for '" + std::string(name) + "' command");
  }

  static constexpr int wrong_passwords_max = 3;

  const ReplicationOptions& options_;
  Handler& handler_;
  State state_ = State::handshake;
  Failure failure_;

  resp::CommandParser parser_;
  detail::ReceiveBuffer buffer_{unauthenticated_bytes_max};
  detail::Outbox outbox_;
  std::size_t unsent_bytes_ = 0;
  StreamCursor cursor_;

  bool authenticated_;
  int wrong_passwords_ = 0;
  ReplicaHandshake handshake_;

  std::string mark_;
  std::vector<SharedBytes> collected_;
  std::uint64_t collected_bytes_ = 0;
  bool is_delivering_ = false;  // a snapshot
  bool is_held_up_ = false;     // by the network, which has all it can hold

  Offset acknowledged_;
  TimePoint last_ack_{};
  TimePoint began_;
  TimePoint last_heard_;
  TimePoint last_progress_;
  TimePoint resync_ends_ = TimePoint::max();
  TimePoint next_newline_{};
};

}  // namespace replikv::inline v0_1
