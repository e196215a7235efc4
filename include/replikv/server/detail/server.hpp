// What the clients of an endpoint share: the databases, the node with its role, the commands, the counts.
// Here a command is judged (may this client run it now?) and run.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/replication/detail/node.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/access_control.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/keyspace.hpp>
#include <replikv/server/options.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
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
  std::uint64_t keyspace_hits = 0;
  std::uint64_t keyspace_misses = 0;
  std::uint64_t error_replies = 0;
};

/// Every call inside a `Turn`, unless it says otherwise.
class Server {
 public:
  using Keyspace = server::Keyspace;

  Server(EndpointOptions chosen, std::shared_ptr<Node> its_node,
         std::vector<std::unique_ptr<Keyspace>> its_databases)
      : options(std::move(chosen)), node(std::move(its_node)), databases_(std::move(its_databases)) {
    access.set_default_password(options.password);
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
  bool closed = false;

  // --- Databases ------------------------------------------------------------------------------------

  [[nodiscard]] std::size_t databases() const noexcept { return databases_.size(); }
  [[nodiscard]] Keyspace& database(std::uint32_t number) const { return *databases_[number]; }

  // --- Clients --------------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t next_client_id() noexcept { return ++last_client_id_; }

  /// In the order in which they came.
  [[nodiscard]] const std::vector<std::shared_ptr<Client>>& clients() const noexcept { return clients_; }
  void add(std::shared_ptr<Client> client) { clients_.push_back(std::move(client)); }
  void remove(const Client& client) noexcept {
    std::erase(to_send_, &client);
    std::erase_if(clients_, [&client](const auto& each) { return each.get() == &client; });
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
  /// `Errc::bad_option`.
  void define_users() {
    if (!options.users.empty() && !options.acl_file.empty()) {
      throw_error(Errc::bad_option,
                  "users and acl_file are both given; define users in one of them, so that it is clear which "
                  "rules hold");
    }
    std::string wrong = access.define(options.users);
    if (wrong.empty() && !options.acl_file.empty()) wrong = access.load(options.acl_file);
    if (!wrong.empty()) throw_error(Errc::bad_option, wrong);
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
    for (const auto& client : clients_) {
      if (!client->user || access.find(client->user->name) == client->user) continue;
      client->user = nullptr;
      client->authenticated = false;
      client.get() == &caller ? client->close_when_sent() : client->kill();
    }
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
    const server::Command& its = command.command;
    const auto keys = its.find_keys ? its.find_keys(words) : its.keys.of(words);
    return user.judge(
        {command.number, commands.index()[command.number], command.is(CommandFlag::no_auth), words, keys});
  }

  /// Ends the links of those that cost more than they may.
  void look_after_clients(TimePoint now) {
    for (const auto& client : std::vector(clients_)) client->check_limits(*this, now);
  }

  /// Has the output of a client sent at the end of the turn that is not this turn's own.
  void send_soon(Client& client) {
    if (std::find(to_send_.begin(), to_send_.end(), &client) == to_send_.end()) to_send_.push_back(&client);
  }

  // --- Commands -------------------------------------------------------------------------------------

  /// Takes what a client sent, runs the commands that are whole, and appends the replies to its output.
  void receive(Client& client, Bytes bytes, TimePoint now) {
    counts.bytes_received += bytes.size();
    now_ = now;
    client.is_held_up = false;
    client.input.feed(bytes, [this, &client](Bytes all) { return parse(client, all); });
    if (client.input.size() > options.query_buffer_bytes_max) client.closing = Client::Closing::now;
  }

  /// Goes on with what a client sent while it was blocked.
  void resume(Client& client, TimePoint now) {
    client.is_blocked = false;
    receive(client, {}, now);
    send_soon(client);
  }

  /// Judges a command and runs it, or keeps it for EXEC.
  void execute(Client& client, resp::Arguments words) {
    client.last_heard = now_;
    RegisteredCommand* const command = commands.find(words);
    if (const std::string refusal = refusal_of(client, command, words); !refusal.empty()) {
      return refuse(client, command, refusal);
    }
    client.last_command = command;
    if (client.in_multi && !command->is(CommandFlag::no_multi) && !ends_multi(*command)) {
      return queue(client, *command, words);
    }
    run(client, *command, words, database(client.database));
  }

  /// Runs a command that nothing speaks against, on these keys.
  void run(Client& client, RegisteredCommand& command, resp::Arguments words, Keyspace& keys) {
    const std::size_t answered = client.output.size();
    server::Reply reply = client.reply();
    server::Call call(*this, client, keys, command.command.keys, words, reply);
    const auto began = std::chrono::steady_clock::now();
    try {
      command.command.run(call);
    } catch (const server::CommandError& error) {
      fail(client, command, answered, error.what());
    } catch (const Error& error) {
      fail(client, command, answered, wire_text(error.code()));
    }
    const auto took = std::chrono::steady_clock::now() - began;
    ++command.calls;
    command.microseconds +=
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    ++counts.commands_processed;
    drop_unwanted_reply(client, answered);
  }

  /// An error as the wire has it: its own words where the protocol has them, else after "ERR ".
  [[nodiscard]] static std::string wire_text(std::error_code error) {
    const std::string words = error.message();
    const std::size_t end = std::min(words.find(' '), words.size());
    const bool has_code =
        end > 1 && std::all_of(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(end),
                               [](char letter) { return letter >= 'A' && letter <= 'Z'; });
    return has_code ? words : "ERR " + words;
  }

  /// Why a command that was queued may no longer be run by EXEC, its user's rules having changed; empty if it
  /// may.
  [[nodiscard]] std::string refusal_in_exec(Client& client, const RegisteredCommand& command,
                                            resp::Arguments words) {
    const Verdict verdict = judge(client, command, words);
    if (verdict.what == Denied::nothing) return {};
    return "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
           "This command is no longer allowed for the following reason: " +
           std::string(verdict.what == Denied::command ? "no permission to execute the command or subcommand"
                       : verdict.what == Denied::key
                           ? "no permission to touch the specified keys"
                           : "no permission to access one of the channels used as arguments");
  }

  /// When the command under way began, on the clock of its client's transport.
  [[nodiscard]] TimePoint now() const noexcept { return now_; }

 private:
  std::size_t parse(Client& client, Bytes all) {
    std::size_t consumed = 0;
    while (client.closing == Client::Closing::no && !client.is_blocked && !client.sync_request) {
      if (client.output.size() >= Client::output_bytes_max) {
        client.is_held_up = true;
        return consumed;
      }
      const auto parsed = client.parser.parse(all.subspan(consumed));
      if (parsed.status == resp::Parsed::Status::command) {
        consumed += parsed.consumed;
        if (!client.parser.arguments().empty()) take(client, client.parser.arguments());
        continue;
      }
      if (parsed.status == resp::Parsed::Status::need_more) return consumed;
      client.reply().error("ERR " + client.parser.failure().detail);
      client.close_when_sent();
    }
    return client.closing == Client::Closing::no ? consumed : all.size();
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
    if (command->is(CommandFlag::write)) {
      if (const auto refused = node->gate->refusal()) return wire_text(refused);
    }
    return {};
  }

  [[nodiscard]] static std::string no_permission(const Verdict& verdict, const RegisteredCommand& command) {
    if (verdict.what == Denied::command) {
      return "NOPERM this user has no permissions to run the '" + command.command.name + "' command";
    }
    return "NOPERM this user has no permissions to access one of the " +
           std::string(verdict.what == Denied::key ? "keys" : "channels") + " used as arguments";
  }

  void record_refusal(const Client& client, std::string_view reason, std::string_view object,
                      std::string_view user) {
    AccessLogEntry entry;
    entry.reason = reason;
    entry.context = client.in_multi ? "multi" : "toplevel";
    entry.object = object.substr(0, AccessLog::text_bytes_max);
    entry.user = user.substr(0, AccessLog::text_bytes_max);
    entry.at = now_;
    entry.client = "id=" + std::to_string(client.id) + " addr=" + client.address +
                   " laddr=" + client.local_address + " name=" + client.name +
                   " db=" + std::to_string(client.database) + " user=" + user_of(client).name +
                   " resp=" + std::to_string(static_cast<int>(client.protocol));
    access.log.add(std::move(entry), options.acl_log_entries_max);
  }

  [[nodiscard]] static std::string unknown_command(resp::Arguments words) {
    std::string text =
        "ERR unknown command '" + std::string(words[0].substr(0, 128)) + "', with args beginning with: ";
    const std::size_t shown_from = text.size();
    for (std::size_t i = 1; i < words.size() && text.size() - shown_from < 128; ++i) {
      text += "'" + std::string(words[i].substr(0, 128 - (text.size() - shown_from))) + "' ";
    }
    return text;
  }

  [[nodiscard]] static std::string unknown_subcommand(resp::Arguments words) {
    std::string container(words[0]);
    for (char& letter : container) {
      if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
    }
    return "ERR unknown subcommand '" + std::string(words[1].substr(0, 128)) + "'. Try " + container +
           " HELP.";
  }

  void refuse(Client& client, RegisteredCommand* command, std::string_view refusal) {
    if (client.in_multi) client.multi_failed = true;
    if (command != nullptr) ++command->rejected;
    ++counts.error_replies;
    const std::size_t answered = client.output.size();
    client.reply().error(refusal);
    drop_unwanted_reply(client, answered);
  }

  void fail(Client& client, RegisteredCommand& command, std::size_t answered, std::string_view text) {
    ++command.failed;
    ++counts.error_replies;
    client.output.resize(answered);
    client.reply().error(text);
  }

  [[nodiscard]] static bool ends_multi(const RegisteredCommand& command) noexcept {
    const std::string_view name = command.command.name;
    return name == "exec" || name == "discard" || name == "multi" || name == "watch" || name == "quit" ||
           name == "reset";
  }

  void queue(Client& client, RegisteredCommand& command, resp::Arguments words) {
    client.queue.push_back({&command, {words.begin(), words.end()}});
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
    for (Client* client : std::exchange(to_send_, {})) client->has_output();
  }

  std::mutex mutex_;
  std::atomic<std::thread::id> inside_{};
  std::vector<std::unique_ptr<Keyspace>> databases_;
  std::vector<std::shared_ptr<Client>> clients_;
  std::vector<Client*> to_send_;
  std::uint64_t last_client_id_ = 0;
  TimePoint now_{};
};

}  // namespace replikv::inline v0_1::detail
