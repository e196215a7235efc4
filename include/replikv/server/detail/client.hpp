// One connected client: what it has said of itself, what it has chosen, and the bytes on their way to it.
// Bytes and the time go in, bytes come out; what commands do is known elsewhere.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/replication/detail/receive_buffer.hpp>
#include <replikv/replication/master_session.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/server/detail/access_rules.hpp>
#include <replikv/server/detail/pub_sub.hpp>
#include <replikv/server/detail/watches.hpp>
#include <replikv/server/reply.hpp>

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

class Server;
struct RegisteredCommand;

/// A command that waits for EXEC.
struct QueuedCommand {
  RegisteredCommand* command;
  std::vector<std::string> words;
};

/// The state of one connection. Used by one thread at a time, which has the server's turn.
class Client {
 public:
  /// What becomes of replies (Redis: CLIENT REPLY).
  enum class Replies : std::uint8_t { on, off, skip_next, skip_this };
  enum class Closing : std::uint8_t { no, when_sent, now };

  Client(std::uint64_t number, std::string peer, TimePoint now, std::string local = {})
      : id(number),
        address(std::move(peer)),
        local_address(std::move(local)),
        connected_at(now),
        last_active(now) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// There is output to send, or the link to close, that no event of the client's own link has caused.
  virtual void has_output() noexcept = 0;
  /// Ends the link if it has cost more than it may. Called from time to time.
  virtual void check_limits(Server& server, TimePoint now) = 0;
  virtual void close_link() noexcept = 0;
  /// Ends the link soon, whoever asks for it; a replica's as well (Redis: CLIENT KILL).
  virtual void kill() noexcept { closing = Closing::now; }
  /// Has a client that waits go on soon, in its own context (see `Server::resume`).
  virtual void resume_soon() noexcept {}
  /// The link has been handed to the node: this is a replica.
  [[nodiscard]] virtual bool is_replica() const noexcept { return false; }
  /// Bytes sent to it that have not left yet.
  [[nodiscard]] virtual std::size_t unsent_bytes() const noexcept { return 0; }

  /// Replies that are made before any of them is sent.
  static constexpr std::size_t output_bytes_max = std::size_t{1} << 20;

  [[nodiscard]] server::Reply reply() noexcept { return server::Reply(output, protocol); }

  /// Ends the link when everything so far has been sent.
  void close_when_sent() noexcept {
    if (closing == Closing::no) closing = Closing::when_sent;
  }

  // --- Who it is ------------------------------------------------------------------------------------
  const std::uint64_t id;
  const std::string address;  ///< "127.0.0.1:52344"
  const std::string local_address;
  std::string name{};
  std::string library_name{};
  std::string library_version{};
  const TimePoint connected_at;
  TimePoint last_active;  ///< bytes came from it, or left for it, or its wait ended

  // --- What it has chosen ---------------------------------------------------------------------------
  std::shared_ptr<const User> user{};  ///< as whom it has logged in; null: as the user "default"
  [[nodiscard]] std::string_view user_name() const noexcept {
    return user ? std::string_view(user->name) : "default";
  }
  bool authenticated = false;
  TimePoint login_since = connected_at;  ///< a login is waited for, if it is
  server::Protocol protocol = server::Protocol::resp2;
  std::uint32_t database = 0;
  Replies replies = Replies::on;
  ReplicaHandshake handshake{};               ///< what REPLCONF has told
  std::optional<SyncRequest> sync_request{};  ///< it has asked to become a replica: the link goes to the node

  bool is_monitor = false;
  bool is_never_evicted = false;  ///< CLIENT NO-EVICT

  // --- A transaction --------------------------------------------------------------------------------
  bool in_multi = false;      ///< from MULTI until its EXEC has replied: nothing may block meanwhile
  bool multi_failed = false;  ///< a command could not be queued: EXEC will refuse
  std::vector<QueuedCommand> queue{};
  std::uint32_t queue_flags = 0;  ///< all flags of commands in the queue
  Watcher watcher{};
  std::size_t queue_bytes = 0;  ///< of queued commands and watched keys

  // --- Subscriptions --------------------------------------------------------------------------------
  std::unique_ptr<Subscriptions> subscriptions{};  ///< null where there are none
  std::size_t subscription_bytes = 0;

  [[nodiscard]] std::size_t subscribed(Subscribed kind) const noexcept {
    return subscriptions ? subscriptions->count(kind) : 0;
  }
  [[nodiscard]] bool is_subscriber() const noexcept { return subscriptions && !subscriptions->empty(); }

  // --- Bytes ----------------------------------------------------------------------------------------
  resp::CommandParser parser{};
  ReceiveBuffer input{};
  std::string output{};
  Closing closing = Closing::no;
  bool is_blocked = false;  ///< its next command waits until this one has been answered
  bool is_held_up = false;  ///< its next command waits until it has read more of the replies
  /// Who blocks a client may say how it is answered ahead of time: CLIENT UNBLOCK calls it, with true for
  /// `-UNBLOCKED`. It replies and resumes the client. Empty: it cannot be unblocked.
  std::function<void(bool with_error)> unblock{};
  std::vector<std::string> postponed{};  ///< a command that came while clients are paused
  bool output_is_due = false;            ///< it is in the server's list of those to be told at the turn's end
  const RegisteredCommand* last_command = nullptr;
};

}  // namespace replikv::inline v0_1::detail
