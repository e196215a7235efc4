// One connected client: what it has said of itself, what it has chosen, and the bytes on their way to it.
// Bytes and the time go in, bytes come out; what commands do is known elsewhere.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/replication/detail/receive_buffer.hpp>
#include <replikv/replication/master_session.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/server/reply.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

class Server;
class User;
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

  Client(std::uint64_t number, std::string peer_address, TimePoint now)
      : id(number), address(std::move(peer_address)), connected_at(now), last_heard(now) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// There is output to send, or the link to close, that no event of the client's own link has caused.
  virtual void has_output() noexcept = 0;
  /// Ends the link if it has cost more than it may. Called from time to time.
  virtual void check_limits(Server& server, TimePoint now) = 0;
  virtual void close_link() noexcept = 0;
  /// Ends the link soon, whoever asks for it; a replica's as well.
  virtual void kill() noexcept {
    closing = Closing::now;
    close_link();
  }

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
  std::string local_address{};
  std::string name{};
  std::string library_name{};
  std::string library_version{};
  const TimePoint connected_at;
  TimePoint last_heard;  ///< of a whole command

  // --- What it has chosen ---------------------------------------------------------------------------
  std::shared_ptr<const User> user{};  ///< as whom it has logged in; null: as the user "default"
  bool authenticated = false;
  server::Protocol protocol = server::Protocol::resp2;
  std::uint32_t database = 0;
  Replies replies = Replies::on;
  ReplicaHandshake handshake{};               ///< what REPLCONF has told
  std::optional<SyncRequest> sync_request{};  ///< it has asked to become a replica: the link goes to the node

  // --- A transaction --------------------------------------------------------------------------------
  bool in_multi = false;
  bool multi_failed = false;  ///< a command could not be queued: EXEC will refuse
  std::vector<QueuedCommand> queue{};

  // --- Bytes ----------------------------------------------------------------------------------------
  resp::CommandParser parser{};
  ReceiveBuffer input{};
  std::string output{};
  Closing closing = Closing::no;
  bool is_blocked = false;  ///< its next command waits until this one has been answered
  bool is_held_up = false;  ///< its next command waits until it has read more of the replies
  const RegisteredCommand* last_command = nullptr;
};

}  // namespace replikv::inline v0_1::detail
