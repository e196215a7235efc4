// What the clients of an endpoint share: the databases, the node with its role, the commands, the counts.
// Here a command is judged (may this client run it now?) and run.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/detail/function_ref.hpp>
#include <replikv/core/error.hpp>
#include <replikv/replication/detail/node.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/access_control.hpp>
#include <replikv/server/detail/administration.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/client_line.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/key_events.hpp>
#include <replikv/server/detail/latency.hpp>
#include <replikv/server/detail/monitors.hpp>
#include <replikv/server/detail/pauses.hpp>
#include <replikv/server/detail/pub_sub.hpp>
#include <replikv/server/detail/refusals.hpp>
#include <replikv/server/detail/served_databases.hpp>
#include <replikv/server/detail/slow_log.hpp>
#include <replikv/server/detail/watches.hpp>
#include <replikv/server/keyspace.hpp>
#include <replikv/server/options.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
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

/// What INFO stats and INFO clients count.
struct ServerCounts {
  std::uint64_t connections_received = 0;
  std::uint64_t connections_rejected = 0;
  std::uint64_t commands_processed = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t keyspace_hits = 0;
  std::uint64_t keyspace_misses = 0;
  std::uint64_t error_replies = 0;
};

[[nodiscard]] inline NewChannels new_channels(const EndpointOptions& options) noexcept {
  return options.new_users_hear_all_channels ? NewChannels::all : NewChannels::none;
}

/// Every call inside a `Turn`, unless it says otherwise.
class Server : public std::enable_shared_from_this<Server> {
 public:
  using Keyspace = server::Keyspace;

  Server(EndpointOptions chosen, std::shared_ptr<Node> its_node,
         std::vector<std::unique_ptr<Keyspace>> its_databases)
      : options(std::move(chosen)),
        node(std::move(its_node)),
        events_(*node),
        databases_(std::move(its_databases), events_) {
    access.set_default_password(options.password);
    if (!want_events(options.notify_keyspace_events)) throw_error(Errc::bad_option);
  }

  /// Lets one thread at a time in. A thread that is inside already stays in: an observer that was called
  /// by a command, for instance.
  class Turn {
   public:
    explicit Turn(Server& server) : server_(server), is_nested_(server.is_entered_here()) {
      if (is_nested_) return;
      server_.mutex_.lock();
      server_.inside_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    }
    ~Turn() {
      if (is_nested_) return;
      server_.tell_of_output();
      server_.inside_.store(std::thread::id{}, std::memory_order_relaxed);
      server_.mutex_.unlock();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Server& server_;
    bool is_nested_;
  };

  /// True in a thread that has the turn. Any thread.
  [[nodiscard]] bool is_entered_here() const noexcept {
    return inside_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  EndpointOptions options;
  const std::shared_ptr<Node> node;
  CommandTable commands;
  AccessControl access{commands.index()};
  ServerCounts counts;
  Administration administration{node->options.seed};
  bool closed = false;

  // --- Time -----------------------------------------------------------------------------------------

  /// The first transport listened on gives the endpoint its time: in a simulation a virtual one, in which no
  /// command takes any.
  void live_by(const std::shared_ptr<TransportEngine>& engine) {
    if (home_) return;
    home_ = engine;
    administration.started_at = clock();
    administration.started_on = std::chrono::floor<std::chrono::milliseconds>(WallMicros(wall_clock()));
  }

  [[nodiscard]] TimePoint clock() const noexcept {
    return home_ ? home_->now() : std::chrono::steady_clock::now();
  }

  /// Since 1970. The system's, which is finer than that of the stores, but in a simulation theirs.
  [[nodiscard]] std::chrono::microseconds wall_clock() const {
    const bool is_virtual = home_ && home_->is_virtual() && databases_.size() > 0;
    const auto now = is_virtual
                         ? WallMicros(databases_[0].now())
                         : std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    return now.time_since_epoch();
  }

  // --- Databases ------------------------------------------------------------------------------------

  [[nodiscard]] std::size_t databases() const noexcept { return databases_.size(); }
  /// As commands have to see it now: inside EXEC, with what EXEC has written.
  [[nodiscard]] Keyspace& database(std::uint32_t number) const { return databases_[number]; }

  /// Runs `f` while nobody else reads or writes these databases (in ascending order); what it writes to each
  /// of them happens at once, or not at all if it throws. What it publishes is heard afterwards.
  void atomically(std::span<const std::uint32_t> numbers, FunctionRef<void()> f) {
    const CommandStream::Hush hush(node->stream);
    databases_.atomically(numbers, f);
  }

  // --- Watching -------------------------------------------------------------------------------------

  /// False: it watches this key already.
  bool watch(Client& client, std::uint32_t number, std::string_view key) {
    return databases_.watch(client.watcher, number, key);
  }
  void unwatch(Client& client) noexcept {
    client.queue_bytes = 0;
    databases_.unwatch(client.watcher);
  }
  [[nodiscard]] bool are_unchanged(const Watcher& watcher) const { return databases_.are_unchanged(watcher); }

  // --- Messages and events --------------------------------------------------------------------------

  PubSub pub_sub;

  /// A client's PUBLISH or SPUBLISH: here and, on a master, at replicas. How many clients hear it here.
  std::size_t publish(Subscribed kind, std::string_view channel, std::string_view message) {
    const std::size_t count = pub_sub.receivers(kind, channel);
    databases_.when_free([this, kind, told = std::string(channel), text = std::string(message)] {
      deliver(kind, told, text);
      node->propagate({kind == Subscribed::channel ? "PUBLISH" : "SPUBLISH", told, text});
    });
    return count;
  }

  /// Hands a message to the clients of this endpoint. One that has too much unread loses its link.
  void deliver(Subscribed kind, std::string_view channel, std::string_view message) {
    const std::uint64_t bytes_max = options.subscriber_output_limit.hard_bytes;
    pub_sub.deliver(kind, channel, message, [this, bytes_max](Client& client, EncodedMessage& encoded) {
      if (client.closing == Client::Closing::now) return;
      const std::string_view bytes = encoded.bytes(client.protocol);
      if (bytes_max != 0 && client.output.size() + bytes.size() > bytes_max) {
        client.closing = Client::Closing::now;
      } else {
        client.output.append(bytes);
      }
      send_soon(client);
    });
  }

  /// Which events of keys are told (notify-keyspace-events). False: not its letters; nothing has changed.
  bool want_events(std::string_view letters) {
    if (!events_.want(letters)) return false;
    options.notify_keyspace_events = events_.wanted().text();
    databases_.choose_views();
    return true;
  }

  void notify(server::EventClass event_class, std::string_view event, std::uint32_t number,
              std::string_view key) {
    const WantedEvents& wanted = events_.wanted();
    if (!wanted.has(event_class) || pub_sub.is_idle()) return;
    const std::string database_text = std::to_string(number);
    if (wanted.of_keys()) {
      tell("__keyspace@" + database_text + "__:" + std::string(key), std::string(event));
    }
    if (wanted.of_events()) {
      tell("__keyevent@" + database_text + "__:" + std::string(event), std::string(key));
    }
  }

  // --- Looking on -----------------------------------------------------------------------------------

  SlowLog slow_log;
  LatencyEvents latency;
  Monitors monitors;

  // --- Pausing --------------------------------------------------------------------------------------

  Pauses pauses;

  void end_pause() noexcept {
    pauses.end();
    for (const auto& client : clients_) {
      if (!client->postponed.empty()) client->resume_soon();
    }
  }

  // --- Clients --------------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t next_client_id() noexcept { return ++last_client_id_; }

  /// In the order in which they came.
  [[nodiscard]] const std::vector<std::shared_ptr<Client>>& clients() const noexcept { return clients_; }
  void add(std::shared_ptr<Client> client) { clients_.push_back(std::move(client)); }
  void remove(Client& client) noexcept {
    std::erase(to_send_, &client);
    forget_choices(client);
    std::erase_if(clients_, [&client](const auto& each) { return each.get() == &client; });
  }

  /// Ends a client's transaction, whatever has become of it.
  void end_multi(Client& client) noexcept {
    client.in_multi = false;
    client.multi_failed = false;
    client.queue = {};
    client.queue_flags = 0;
    unwatch(client);
  }

  /// Takes back what a client has asked for beyond one command: transaction, subscriptions, monitoring.
  void forget_choices(Client& client) noexcept {
    end_multi(client);
    if (client.subscriptions) pub_sub.remove(client, *client.subscriptions);
    client.subscriptions = nullptr;
    client.subscription_bytes = 0;
    if (client.is_monitor) monitors.remove(client);
  }

  /// Counts what a client has the server keep for it, in `bytes` of its own; too much ends its link.
  void keep(Client& client, std::size_t& bytes, std::size_t more) const noexcept {
    bytes += more;
    if (bytes > options.query_buffer_bytes_max) client.closing = Client::Closing::now;
  }

  /// Why a new connection is not taken; empty if it is.
  [[nodiscard]] std::string refusal_of_connection(const Link& link) const {
    if (clients_.size() >= options.clients_max) return "ERR max number of clients reached";
    const std::string peer = link.peer_address();
    const bool is_local = peer == "unix" || peer == "in-process" || peer.starts_with("127.") ||
                          peer == "::1" || peer == "simulated";
    if (options.protected_mode && access.default_user().needs_no_password() && !is_local) {
      return "DENIED Redis is running in protected mode because protected mode is enabled and no password is "
             "set for the default user. In this mode connections are only accepted from the loopback "
             "interface.";
    }
    return {};
  }

  // --- Users ----------------------------------------------------------------------------------------

  /// Defines the users of the options; the commands that their rules name must be known by now. Throws
  /// `Errc::bad_option`, and then nothing has changed.
  void define_users() {
    const std::string wrong = define_users(options, access);
    if (!wrong.empty()) throw_error(Errc::bad_option, wrong);
  }

  /// What would be wrong with those of other options, and in `*wrong_at` the place of the line that is.
  [[nodiscard]] std::string check_users(const EndpointOptions& other, std::size_t* wrong_at) const {
    AccessControl tried(commands.index());
    return define_users(other, tried, wrong_at);
  }

  [[nodiscard]] const User& user_of(const Client& client) const noexcept {
    return client.user ? *client.user : access.default_user();
  }
  [[nodiscard]] bool must_log_in(const Client& client) const noexcept {
    return !client.authenticated && !access.lets_in_without_login();
  }

  /// Lets a client in as a user. False: name and password belong to none; that is recorded.
  bool log_in(Client& client, std::string_view name, std::string_view password, std::string_view command) {
    auto user = access.log_in(name, password);
    if (!user) {
      record_refusal(client, "auth", command, name);
      return false;
    }
    client.user = std::move(user);
    client.authenticated = true;
    client.parser.set_limits({});
    return true;
  }

  /// Makes a client what it was when it came: the user "default", who may have to log in.
  void log_out(Client& client) {
    client.user = nullptr;
    client.authenticated = access.lets_in_without_login();
    if (!client.authenticated) client.parser.set_limits(resp::ParserLimits::unauthenticated());
  }

  /// Ends the links of those that are logged in as a user who is no more, that of `caller` after its reply.
  void end_clients_without_user(Client& caller) {
    end_clients(caller, [this](const Client& client) {
      return client.user && access.find(client.user->name) != client.user;
    });
  }

  /// Ends the links of those that have subscribed to what their users may no longer hear.
  void end_unpermitted_subscribers(Client& caller) {
    end_clients(caller, [this](const Client& client) {
      return client.subscriptions && !may_hear(user_of(client), *client.subscriptions);
    });
  }

  /// Whether its user may call a command; if not, that is recorded.
  [[nodiscard]] Verdict judge(Client& client, const RegisteredCommand& command, resp::Arguments words) {
    const User& user = user_of(client);
    if (user.is_unrestricted()) [[likely]]
      return {};
    const Verdict verdict = judge(user, command, words);
    if (verdict.what == Denied::command) record_refusal(client, "command", command.command.name, user.name);
    if (verdict.what == Denied::key) record_refusal(client, "key", verdict.object, user.name);
    if (verdict.what == Denied::channel) record_refusal(client, "channel", verdict.object, user.name);
    return verdict;
  }
  [[nodiscard]] Verdict judge(const User& user, const RegisteredCommand& command,
                              resp::Arguments words) const {
    const auto keys = keys_of(command.command, words);
    return user.judge(judged(command, words, keys));
  }
  /// Whether a client that may call a command may also read every key that the values of others lead to.
  [[nodiscard]] bool may_read_any_key(const Client& client, resp::Arguments words) {
    const User& user = user_of(client);
    const RegisteredCommand* const command = commands.find(words);
    if (user.is_unrestricted() || command == nullptr) return true;
    const auto keys = keys_of(command->command, words);
    return user.may_read_any_key(judged(*command, words, keys));
  }

  /// Ends the links of those that cost more than they may.
  void look_after_clients(TimePoint now) {
    if (pauses.is_over(now)) end_pause();
    if (events_.has_losses()) tell_losses();
    for (const auto& client : std::vector(clients_)) client->check_limits(*this, now);
    sample(now);
  }

  /// Has the output of a client sent at the end of the turn that is not this turn's own.
  void send_soon(Client& client) {
    if (!std::exchange(client.output_is_due, true)) to_send_.push_back(&client);
  }

  // --- Commands -------------------------------------------------------------------------------------

  /// Takes what a client sent, runs the commands that are whole, and appends the replies to its output.
  void receive(Client& client, Bytes bytes, TimePoint now) {
    counts.bytes_received += bytes.size();
    if (!bytes.empty()) ++counts.reads;
    administration.client_input.note(client.input.size() + bytes.size());
    now_ = now;
    if (!bytes.empty()) client.last_active = now;
    client.is_held_up = false;
    client.input.feed(bytes, [this, &client](Bytes all) { return parse(client, all); });
    if (client.input.size() > options.query_buffer_bytes_max) client.closing = Client::Closing::now;
  }

  /// Goes on with what a client sent while it was blocked.
  void resume(Client& client, TimePoint now) {
    client.is_blocked = false;
    client.unblock = nullptr;
    client.last_active = now;
    now_ = now;
    if (!client.postponed.empty()) {
      const auto words = std::exchange(client.postponed, {});
      execute(client, std::vector<std::string_view>(words.begin(), words.end()));
    }
    receive(client, {}, now);
    send_soon(client);
  }

  /// Judges a command and runs it, or keeps it for EXEC.
  void execute(Client& client, resp::Arguments words) {
    RegisteredCommand* const command = commands.find(words);
    client.last_command = command;
    if (const std::string refusal = refusal_of(client, command, words); !refusal.empty()) {
      return refuse(client, command, refusal);
    }
    if (pauses.is_on() && pauses.holds_back(client, *command)) return postpone(client, words);
    if (client.in_multi && !command->is(CommandFlag::no_multi) && !ends_multi(*command)) {
      return queue(client, *command, words);
    }
    run(client, *command, words, database(client.database));
  }

  /// Runs a command that nothing speaks against, on these keys.
  void run(Client& client, RegisteredCommand& command, resp::Arguments words, Keyspace& keys) {
    const std::size_t answered = client.output.size();
    perform(client, command, words, keys);
    drop_unwanted_reply(client, answered);
  }

  /// The same for a command of a transaction, unless its user's rules have changed since it was queued.
  void perform_queued(Client& client, RegisteredCommand& command, resp::Arguments words, Keyspace& keys) {
    const std::string refusal = refusal_in_exec(client, command, words);
    if (refusal.empty()) return perform(client, command, words, keys);
    ++command.rejected;
    reply_error(client, refusal);
  }

  /// The same for a command that is part of another one, whose reply stays.
  void perform(Client& client, RegisteredCommand& command, resp::Arguments words, Keyspace& keys) {
    const std::size_t answered = client.output.size();
    const std::uint64_t failed_before = command.failed;
    server::Reply reply = client.reply();
    server::Call call(*this, client, keys, command.command.keys, words, reply);
    const TimePoint began = clock();
    try {
      command.command.run(call);
    } catch (const server::CommandError& error) {
      fail(client, command, answered, error.what());
    } catch (const Error& error) {
      fail(client, command, answered, wire_text(error.code()));
    } catch (const std::bad_alloc&) {
      fail(client, command, answered, "ERR out of memory");
    }
    const std::chrono::nanoseconds took = clock() - began;
    ++command.calls;
    command.microseconds +=
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    if (options.latency_tracking) command.latency.add(took);
    ++counts.commands_processed;
    if (events_.has_losses()) [[unlikely]]
      tell_losses();
    if (events_.has_changes()) [[unlikely]]
      tell_changes(command, command.failed == failed_before);
    if (!monitors.empty()) [[unlikely]]
      show_monitors(client, command, words);
    if (took >= options.slowlog_slower_than || options.latency_threshold.count() > 0) [[unlikely]]
      note_time(client, command, words, took);
  }

  /// When the command under way began, on the clock of its client's transport.
  [[nodiscard]] TimePoint now() const noexcept { return now_; }

 private:
  [[nodiscard]] static std::vector<std::string_view> keys_of(const server::Command& command,
                                                             resp::Arguments words) {
    return command.find_keys ? command.find_keys(words) : command.keys.of(words);
  }
  [[nodiscard]] JudgedCall judged(const RegisteredCommand& command, resp::Arguments words,
                                  std::span<const std::string_view> keys) const {
    return {command.number, commands.index()[command.number], command.is(CommandFlag::no_auth), words, keys};
  }

  // Why a command that was queued may no longer be run; empty if it may.
  [[nodiscard]] std::string refusal_in_exec(Client& client, const RegisteredCommand& command,
                                            resp::Arguments words) {
    const Verdict verdict = judge(client, command, words);
    if (verdict.what == Denied::nothing) return {};
    return no_permission_any_more(verdict);
  }

  std::size_t parse(Client& client, Bytes all) {
    std::size_t consumed = 0;
    std::size_t fetched = 0;  // commands behind this one whose keys are on their way
    while (client.closing == Client::Closing::no && !client.is_blocked && !client.sync_request) {
      if (client.output.size() >= Client::output_bytes_max) {
        client.is_held_up = true;
        return consumed;
      }
      const auto parsed = client.parser.parse(all.subspan(consumed));
      if (parsed.status == resp::Parsed::Status::command) {
        consumed += parsed.consumed;
        fetched = fetched > 0 ? fetched - 1 : look_ahead(client, all.subspan(consumed));
        if (!client.parser.arguments().empty()) take(client, client.parser.arguments());
        continue;
      }
      if (parsed.status == resp::Parsed::Status::need_more) return consumed;
      client.reply().error("ERR " + client.parser.failure().detail);
      client.close_when_sent();
    }
    return client.closing == Client::Closing::no ? consumed : all.size();
  }

  // Has the memory fetched that pipelined commands will need: one that is far away costs more than all the
  // rest of a command. The word behind the name is taken for a key; where it is none, nothing is lost. For
  // how many commands that was.
  std::size_t look_ahead(const Client& client, Bytes bytes) {
    if (bytes.empty() || !client.authenticated) return 0;
    std::array<std::string_view, 32> keys;
    std::size_t count = 0;
    ahead_.reset();
    for (; count < keys.size(); ++count) {
      const auto parsed = ahead_.parse(bytes);
      if (parsed.status != resp::Parsed::Status::command) break;
      bytes = bytes.subspan(parsed.consumed);
      const resp::Arguments words = ahead_.arguments();
      if (!ahead_.was_inline() && words.size() >= 2) keys[count] = words[1];
    }
    if (count > 1) database(client.database).fetch(std::span(keys).first(count));
    return count;
  }

  // Browsers that were made to talk to us are not answered (Redis: a security measure of its own).
  void take(Client& client, resp::Arguments words) {
    if (words[0] == "POST" || to_lower(words[0].substr(0, 5)) == "host:") {
      client.closing = Client::Closing::now;
      return;
    }
    execute(client, words);
  }

  // In the order in which Redis 7.0 asks (processCommand).
  [[nodiscard]] std::string refusal_of(Client& client, const RegisteredCommand* command,
                                       resp::Arguments words) {
    if (command == nullptr) return unknown_command(words);
    if (command->has_subcommands && words.size() >= 2) return unknown_subcommand(words);
    if (!command->takes(words.size())) {
      return "ERR wrong number of arguments for '" + command->command.name + "' command";
    }
    if (!client.authenticated) [[unlikely]] {
      if (access.lets_in_without_login()) {
        client.parser.set_limits({});  // since it came, the password has been dropped
      } else if (!command->is(CommandFlag::no_auth)) {
        return "NOAUTH Authentication required.";
      }
    }
    if (client.in_multi && command->is(CommandFlag::no_multi))
      return "ERR Command not allowed inside a transaction";
    if (const Verdict verdict = judge(client, *command, words); verdict.what != Denied::nothing) {
      return no_permission(verdict, *command);
    }
    if (command->is(CommandFlag::write) && !administration.waits_for_successor()) {
      if (const auto refused = node->gate->refusal()) return wire_text(refused);
    }
    if (client.is_subscriber() && client.protocol == server::Protocol::resp2 &&
        !is_for_subscribers(*command)) {
      return "ERR Can't execute '" + command->command.name +
             "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    }
    if (!options.serve_stale_data && !command->is(CommandFlag::stale) && is_stale()) {
      return "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    }
    return {};
  }

  [[nodiscard]] static std::string define_users(const EndpointOptions& chosen, AccessControl& users,
                                                std::size_t* wrong_at = nullptr) {
    users.start_with(new_channels(chosen));
    if (!chosen.users.empty() && !chosen.acl_file.empty()) {
      return "users and acl_file are both given; define users in one of them, so that it is clear which "
             "rules hold";
    }
    std::string wrong = users.define(chosen.users, wrong_at);
    if (wrong.empty() && !chosen.acl_file.empty()) wrong = users.load(chosen.acl_file);
    return wrong;
  }

  template <class Predicate>
  void end_clients(Client& caller, Predicate&& is_meant) {
    for (const auto& client : clients_) {
      if (is_meant(*client)) client.get() == &caller ? client->close_when_sent() : client->kill();
    }
  }

  [[nodiscard]] static bool may_hear(const User& user, const Subscriptions& subscriptions) {
    for (std::size_t kind = 0; kind < kinds_of_subscriptions; ++kind) {
      const bool is_pattern = static_cast<Subscribed>(kind) == Subscribed::pattern;
      for (const std::string& name : subscriptions.names[kind]) {
        if (!AccessControl::may_use_channel(user, name, is_pattern)) return false;
      }
    }
    return true;
  }

  void record_refusal(const Client& client, std::string_view reason, std::string_view object,
                      std::string_view user) {
    AccessLogEntry entry;
    entry.reason = reason;
    entry.context = client.in_multi ? "multi" : "toplevel";
    entry.object = object.substr(0, AccessLog::text_bytes_max);
    entry.user = user.substr(0, AccessLog::text_bytes_max);
    entry.at = now_;
    entry.client = client_line(client, now_).substr(0, AccessLog::client_bytes_max);
    access.log.add(std::move(entry), options.acl_log_entries_max);
  }

  [[nodiscard]] bool is_stale() const {
    return node->info().role == Role::replica && !node->is_master_link_up();
  }

  [[nodiscard]] static bool is_for_subscribers(const RegisteredCommand& command) noexcept {
    const std::string_view name = command.command.name;
    return name == "ping" || name == "quit" || name == "reset" || name.ends_with("subscribe");
  }

  void refuse(Client& client, RegisteredCommand* command, std::string refusal) {
    if (client.in_multi) client.multi_failed = true;
    if (command != nullptr) ++command->rejected;
    if (command != nullptr && command->command.name == "exec") {
      end_multi(client);
      if (refusal.starts_with("ERR ")) refusal.erase(0, 4);
      refusal.insert(0, "EXECABORT Transaction discarded because of: ");
    }
    const std::size_t answered = client.output.size();
    reply_error(client, refusal);
    drop_unwanted_reply(client, answered);
  }

  void fail(Client& client, RegisteredCommand& command, std::size_t answered, std::string_view text) {
    ++command.failed;
    client.output.resize(answered);
    reply_error(client, text);
  }

  void reply_error(Client& client, std::string_view text) {
    ++counts.error_replies;
    administration.count_error(text);
    client.reply().error(text);
  }

  void sample(TimePoint now) {
    Administration& own = administration;
    own.commands.sample(counts.commands_processed, now);
    own.bytes_in.sample(counts.bytes_received, now);
    own.bytes_out.sample(counts.bytes_sent, now);
    own.bytes_from_masters.sample(node->bytes_from_masters.load(std::memory_order_relaxed), now);
    own.bytes_to_replicas.sample(node->bytes_to_replicas.load(std::memory_order_relaxed), now);
    own.client_input.pass(now);
    own.client_output.pass(now);
    own.memory_bytes_peak = std::max(own.memory_bytes_peak, SharedMemory::bytes(*node));
    own.memory.share(*node);
  }

  [[nodiscard]] static bool ends_multi(const RegisteredCommand& command) noexcept {
    const std::string_view name = command.command.name;
    return name == "exec" || name == "discard" || name == "multi" || name == "watch" || name == "quit" ||
           name == "reset";
  }

  void queue(Client& client, RegisteredCommand& command, resp::Arguments words) {
    if (!client.multi_failed && !client.watcher.has_changed) {  // else it will never run
      client.queue.push_back({&command, {words.begin(), words.end()}});
      client.queue_flags |= command.flags;
      std::size_t bytes = sizeof(QueuedCommand);
      for (const std::string_view word : words) bytes += sizeof(std::string) + word.size();
      keep(client, client.queue_bytes, bytes);
    }
    const std::size_t answered = client.output.size();
    client.reply().simple("QUEUED");
    drop_unwanted_reply(client, answered);
  }

  static void drop_unwanted_reply(Client& client, std::size_t answered) {
    using Replies = Client::Replies;
    if (client.replies == Replies::on) [[likely]]
      return;
    client.output.resize(answered);
    if (client.replies == Replies::skip_this) client.replies = Replies::on;
    if (client.replies == Replies::skip_next) client.replies = Replies::skip_this;
  }

  void tell_of_output() noexcept {
    for (Client* client : std::exchange(to_send_, {})) {
      client->output_is_due = false;
      client->has_output();
    }
  }

  // --- Events of keys -------------------------------------------------------------------------------

  [[nodiscard]] auto notifier() {
    return [this](server::EventClass event_class, std::string_view event, std::uint32_t number,
                  std::string_view key) { notify(event_class, event, number, key); };
  }

  void tell_changes(const RegisteredCommand& command, bool has_succeeded) {
    if (!has_succeeded) return events_.forget_changes();
    events_.tell_changes(command.command.name, notifier());
  }
  void tell_losses() { events_.tell_losses(notifier()); }

  void tell(std::string channel, std::string message) {
    databases_.when_free([this, told = std::move(channel), text = std::move(message)] {
      deliver(Subscribed::channel, told, text);
    });
  }

  // --- Looking on -----------------------------------------------------------------------------------

  void show_monitors(const Client& client, const RegisteredCommand& command, resp::Arguments words) {
    monitors.show(client, command, words, wall_clock(), options.output_limit.hard_bytes,
                  [this](Client& monitor) { send_soon(monitor); });
  }

  void note_time(const Client& client, const RegisteredCommand& command, resp::Arguments words,
                 std::chrono::nanoseconds took) {
    const std::int64_t at_s = std::chrono::duration_cast<std::chrono::seconds>(wall_clock()).count();
    const auto limit = options.latency_threshold;
    if (limit.count() > 0 && took >= limit) {
      latency.add(command.is(CommandFlag::fast) ? "fast-command" : "command", at_s,
                  std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
    }
    const auto slow = options.slowlog_slower_than;
    if (slow.count() < 0 || took < slow || command.is(CommandFlag::skip_slowlog) || client.is_blocked) return;
    slow_log.add(without_secrets(command, words), at_s,
                 std::chrono::duration_cast<std::chrono::microseconds>(took), client.address, client.name,
                 options.slowlog_entries_max);
  }

  // --- Pausing --------------------------------------------------------------------------------------

  static void postpone(Client& client, resp::Arguments words) {
    client.postponed.assign(words.begin(), words.end());
    client.is_blocked = true;
  }

  using WallMicros = std::chrono::sys_time<std::chrono::microseconds>;

  std::mutex mutex_;
  std::atomic<std::thread::id> inside_{};
  std::shared_ptr<TransportEngine> home_;
  KeyEvents events_;
  ServedDatabases databases_;
  std::vector<std::shared_ptr<Client>> clients_;
  std::vector<Client*> to_send_;
  std::uint64_t last_client_id_ = 0;
  TimePoint now_{};
  resp::CommandParser ahead_;  // of `look_ahead`
};

}  // namespace replikv::inline v0_1::detail

namespace replikv::inline v0_1::server {

inline void Call::notify(EventClass event_class, std::string_view event, std::string_view key) {
  server.notify(event_class, event, client.database, key);
}

}  // namespace replikv::inline v0_1::server
