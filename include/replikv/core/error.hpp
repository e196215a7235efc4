// What can go wrong, as std::error_code. The field's own codes (READONLY, NOREPLICAS, NOAUTH...) keep
// their own words, so that a log line reads like one of redis-server's.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace replikv::inline v0_1 {

/// Every error this library reports. Errors of sockets and files arrive in their own categories.
enum class Errc {
  // Refused writes and calls.
  read_only = 1,        ///< the store belongs to a read-only replica
  not_enough_replicas,  ///< min_replicas_to_write is not met
  not_a_number,         ///< increment of a value that is no number, or an overflow
  too_large,            ///< a key or value over the protocol's 512 MiB
  not_declared,         ///< a transaction touched a key it had not named
  already_has_role,     ///< the store is bound to another master or replica
  no_role,              ///< the master or replica has been moved from, promoted or demoted
  timeout,              ///< the wait ended before its condition held
  history_lost,         ///< the token's write is not part of the history this node now holds
  detached,             ///< the role ended while the call was waiting
  bad_option,           ///< options that contradict each other or are out of range
  out_of_memory,        ///< the store is at its max_memory and can evict nothing

  // Reaching a peer.
  bad_address,     ///< the transport cannot read this address
  address_in_use,  ///< somebody listens there already
  refused,         ///< nobody listens there
  link_closed,     ///< the peer, or the network, closed the link
  link_ended,      ///< this node closed the link, for the reason in the detail
  link_timeout,    ///< the peer was silent, or what it owed did not come in time
  link_cut,        ///< a simulated fault cut the link
  output_limit,    ///< the replica fell behind its output-buffer limit
  unfollowed,      ///< this node was told to follow nobody, or somebody else
  shut_down,       ///< the transport is shutting down

  // What a peer said.
  protocol_error,           ///< bytes that are not the protocol
  authentication_required,  ///< NOAUTH
  wrong_password,           ///< WRONGPASS
  unasked_password,         ///< the master has no password, and refuses the one it was given
  no_permission,            ///< NOPERM
  master_not_ready,         ///< NOMASTERLINK, LOADING: the master asks to be tried again later
  sync_refused,             ///< any other error in answer to PSYNC
  forged_ack,               ///< a replica acknowledged bytes that were never sent

  // Snapshots and values.
  snapshot_corrupt,  ///< a length, an encoding or the checksum is wrong
  snapshot_version,  ///< not an RDB file, or of a version newer than 12
  snapshot_refused,  ///< the shrink guard kept the data held
  bad_value,         ///< bytes the Codec of the store's Key or Value does not accept
  diverged,          ///< a command of the stream could not be applied here
  not_mirrored,      ///< a command or value no bound store can hold, where that was made an error
};

namespace detail {

class ErrorCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "replikv"; }

  [[nodiscard]] std::string message(int code) const override {
    return std::string(text(static_cast<Errc>(code)));
  }

  [[nodiscard]] static constexpr std::string_view text(Errc code) noexcept {
    switch (code) {
      case Errc::read_only: return "READONLY You can't write against a read only replica.";
      case Errc::not_enough_replicas: return "NOREPLICAS Not enough good replicas to write.";
      case Errc::not_a_number: return "ERR value is not an integer or out of range";
      case Errc::too_large: return "ERR string exceeds maximum allowed size (512MB)";
      case Errc::not_declared: return "the transaction used a key it had not declared";
      case Errc::already_has_role: return "the store already belongs to a master or a replica";
      case Errc::no_role: return "this object no longer holds the role";
      case Errc::timeout: return "timed out";
      case Errc::history_lost: return "the write is not part of the history held here";
      case Errc::detached: return "the role ended";
      case Errc::bad_option: return "an option is out of range";
      case Errc::out_of_memory: return "OOM command not allowed when used memory > 'maxmemory'.";
      case Errc::bad_address: return "the address cannot be understood";
      case Errc::address_in_use: return "the address is in use";
      case Errc::refused: return "connection refused";
      case Errc::link_closed: return "the peer closed the link";
      case Errc::link_ended: return "closed by this node";
      case Errc::link_timeout: return "the link timed out";
      case Errc::link_cut: return "the link was cut";
      case Errc::output_limit: return "the replica fell behind its output buffer limit";
      case Errc::unfollowed: return "told to follow somebody else or nobody";
      case Errc::shut_down: return "the transport is shutting down";
      case Errc::protocol_error: return "protocol error";
      case Errc::authentication_required: return "NOAUTH Authentication required.";
      case Errc::wrong_password: return "WRONGPASS invalid username-password pair or user is disabled.";
      case Errc::unasked_password: return "a password was given to a master that has none";
      case Errc::no_permission: return "NOPERM this user has no permission to replicate";
      case Errc::master_not_ready: return "the master is not ready to serve replicas";
      case Errc::sync_refused: return "the master refused to synchronise";
      case Errc::forged_ack: return "the replica acknowledged more than was sent";
      case Errc::snapshot_corrupt: return "the snapshot is corrupt";
      case Errc::snapshot_version: return "the snapshot's version is not supported";
      case Errc::snapshot_refused: return "the snapshot would shrink the data too much";
      case Errc::bad_value: return "the bytes are no value of this type";
      case Errc::diverged: return "a command of the stream could not be applied";
      case Errc::not_mirrored: return "no bound store can hold this";
    }
    return "unknown error";
  }
};

inline const ErrorCategory error_category_instance{};

}  // namespace detail

/// The category of `Errc`.
[[nodiscard]] inline const std::error_category& error_category() noexcept {
  return detail::error_category_instance;
}

[[nodiscard]] inline std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

/// An error with the particulars a reader of the log needs: which byte, whose limit, both sides' numbers.
struct Failure {
  std::error_code code;
  std::string detail;

  /// Both, for a log; the detail alone where it holds the code's words already, quoted from a peer.
  [[nodiscard]] std::string message() const {
    const std::string words = code.message();
    if (detail.empty()) return words;
    return detail.find(words) != std::string::npos ? detail : words + ": " + detail;
  }
  friend bool operator==(const Failure&, const Failure&) = default;
};

/// What throwing calls throw: the code, and for refused calls the words a Redis client would see.
class Error : public std::system_error {
 public:
  using std::system_error::system_error;
};

namespace detail {

// Out of line of the hot paths that may fail.
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_error(std::error_code code) { throw Error(code); }
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_error(std::error_code code,
                                                               const std::string& detail) {
  throw Error(code, detail);
}

inline void throw_if(std::error_code code) {
  if (code) [[unlikely]]
    throw_error(code);
}

}  // namespace detail
}  // namespace replikv::inline v0_1

template <>
struct std::is_error_code_enum<replikv::Errc> : std::true_type {};
