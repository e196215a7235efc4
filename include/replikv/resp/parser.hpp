// Requests out of bytes as they arrive: arrays of bulk strings, and inline lines. Nothing is copied and
// nothing is read twice; what the commands mean is for others to know.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/limits.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/inline_request.hpp>
#include <replikv/resp/number.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::resp {

/// What a peer may send; anything beyond is a protocol error.
struct ParserLimits {
  std::size_t bulk_bytes_max = limits::bulk_bytes_max;  ///< bytes of one argument
  std::uint32_t arguments_max = limits::arguments_max;  ///< arguments of one command, its name included
  std::size_t line_bytes_max = limits::line_bytes_max;  ///< bytes of a header or inline line before its end
  bool authenticated = true;                            ///< only chooses the words of the error

  /// The limits for a peer that has not given its password yet (Redis 7.0).
  [[nodiscard]] static constexpr ParserLimits unauthenticated() noexcept {
    return {limits::unauthenticated_bulk_bytes_max, limits::unauthenticated_arguments_max,
            limits::line_bytes_max, false};
  }
};

/// The result of one call to `CommandParser::parse`.
struct Parsed {
  enum class Status {
    command,    ///< `arguments()` holds it; no arguments: an empty line, "*0" or "*-1", which get no reply
    need_more,  ///< the command is unfinished: come again with more bytes
    error,      ///< `failure()` says why; the link cannot be parsed any further
  };

  Status status;
  std::size_t consumed = 0;  ///< exact bytes of the command with everything around it; 0 unless `command`
};

/// An incremental parser of requests.
///
/// `bytes` is always everything not consumed yet, from the first byte of the current command: after
/// `need_more` the same bytes come again, possibly at another address, with more behind them. Progress is
/// remembered, so the work for a command is linear in its size however small the pieces are.
/// Line ends are strict: CR LF after headers and after bulk data; inline lines may also end in LF alone.
///
/// Errors         the protocol's own texts (Redis 7.0); sticky until `reset`
/// Thread safety  distinct objects: safe
/// Cost           no allocation per command once the argument vector has grown to its usual size; memory
///                grows with the arguments received, never with a count the peer merely claims
class CommandParser {
 public:
  explicit CommandParser(ParserLimits parser_limits = {}) noexcept : limits_(parser_limits) {}

  /// Applies from the next header on; an authenticated peer gets its wider limits this way.
  void set_limits(const ParserLimits& parser_limits) noexcept { limits_ = parser_limits; }

  /// Tries to finish the current command. After `command` the caller drops `consumed` bytes and may call
  /// again for the next one.
  [[nodiscard]] Parsed parse(Bytes bytes);

  /// The command found; views into the bytes given to `parse` (unescaped inline words: into the parser).
  /// Valid until the next call, as long as those bytes are.
  [[nodiscard]] Arguments arguments() const noexcept { return arguments_; }

  /// True when the last command was an inline line; on a master's link only an empty one is legal.
  [[nodiscard]] bool was_inline() const noexcept { return was_inline_; }

  /// After `need_more`: with fewer bytes than this another call cannot get further. A claim of the peer:
  /// allocate by what arrives, not by this.
  [[nodiscard]] std::size_t bytes_needed() const noexcept { return bytes_needed_; }

  /// After `error`: the detail is the text for the wire, without the leading "ERR ".
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

  /// Forgets the unfinished command and any error; for a new link.
  void reset() noexcept;

 private:
  enum class State : std::uint8_t { start, count, argument, body, inline_line, failed };
  struct Piece {
    std::size_t offset;
    std::size_t size;
  };

  [[nodiscard]] Parsed start(std::string_view text);
  [[nodiscard]] Parsed read_count(std::string_view text);
  [[nodiscard]] Parsed read_arguments(std::string_view text);
  [[nodiscard]] bool read_size(std::string_view text);
  [[nodiscard]] bool judge_size(std::uint64_t size);
  [[nodiscard]] Parsed read_inline(std::string_view text);
  [[nodiscard]] bool read_number(std::string_view text, std::string_view too_big, std::string_view invalid);
  [[nodiscard]] Parsed suspend(std::string_view text, std::size_t needed);
  [[nodiscard]] Parsed finish(std::string_view text, std::size_t consumed);
  void save_pieces(std::string_view text);
  [[gnu::cold]] Parsed fail(std::string_view text);

  static constexpr std::size_t retained_arguments_max = 64 << 10;  // a rare giant's vector is given back

  State state_ = State::start;
  bool was_inline_ = false;
  std::uint32_t remaining_ = 0;  // arguments still to come
  std::size_t position_ = 0;     // from the command's first byte: the next unread atom
  std::size_t searched_ = 0;     // in a line under way: bytes known to hold no line end
  std::int64_t number_ = 0;      // what read_number read
  std::size_t body_size_ = 0;    // in State::body
  std::size_t bytes_needed_ = 1;
  ParserLimits limits_;
  std::vector<std::string_view> arguments_;
  std::vector<Piece> pieces_;  // arguments found in earlier calls, by offset: the bytes may have moved
  std::string inline_arena_;
  Failure failure_;
};

namespace detail {

/// Reads "123\r\n" of up to nine canonical digits when all of it is there. Returns the byte after it, or
/// null: then the careful path decides what is wrong, or missing.
[[nodiscard]] inline const char* quick_number(const char* next, const char* end,
                                              std::uint32_t& number) noexcept {
  if (end - next < 3) return nullptr;
  std::uint32_t value = static_cast<unsigned char>(*next) - std::uint32_t{'0'};
  if (value > 9) return nullptr;
  const char* last = end - next > 10 ? next + 9 : end - 2;  // where "\r" may stand at the latest
  const bool zero = value == 0;
  for (++next; next <= last; ++next) {
    const std::uint32_t digit = static_cast<unsigned char>(*next) - std::uint32_t{'0'};
    if (digit > 9) break;
    if (zero) return nullptr;
    value = value * 10 + digit;
  }
  if (next > last || next[0] != '\r' || next[1] != '\n') return nullptr;
  number = value;
  return next + 2;
}

}  // namespace detail

inline Parsed CommandParser::parse(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  switch (state_) {
    case State::start: return start(text);
    case State::count: return read_count(text);
    case State::argument:
    case State::body: return read_arguments(text);
    case State::inline_line: return read_inline(text);
    case State::failed: break;
  }
  return {Parsed::Status::error};
}

inline Parsed CommandParser::start(std::string_view text) {
  arguments_.clear();
  bytes_needed_ = 1;
  if (text.empty()) return {Parsed::Status::need_more};
  if (arguments_.capacity() > retained_arguments_max) [[unlikely]] {
    std::vector<std::string_view>().swap(arguments_);
    std::vector<Piece>().swap(pieces_);
  }
  pieces_.clear();
  searched_ = 0;
  was_inline_ = text.front() != '*';
  position_ = was_inline_ ? 0 : 1;
  if (was_inline_) {
    state_ = State::inline_line;
    return read_inline(text);
  }
  std::uint32_t count = 0;
  const char* after = detail::quick_number(text.data() + 1, text.data() + text.size(), count);
  if (after != nullptr && count > 0 && count <= limits_.arguments_max) [[likely]] {
    position_ = static_cast<std::size_t>(after - text.data());
    remaining_ = count;
    return read_arguments(text);
  }
  state_ = State::count;
  return read_count(text);
}

inline Parsed CommandParser::read_count(std::string_view text) {
  constexpr std::string_view invalid = "invalid multibulk length";
  if (!read_number(text, "too big mbulk count string", invalid))
    return state_ == State::failed ? Parsed{Parsed::Status::error} : suspend(text, text.size() + 1);
  if (number_ == 0 || number_ == -1) return finish(text, position_);
  if (number_ < 0) return fail(invalid);
  if (static_cast<std::uint64_t>(number_) > limits_.arguments_max) {
    const bool legal_later =
        !limits_.authenticated && static_cast<std::uint64_t>(number_) <= limits::arguments_max;
    return fail(legal_later ? "unauthenticated multibulk length" : invalid);
  }
  remaining_ = static_cast<std::uint32_t>(number_);
  state_ = State::argument;
  return read_arguments(text);
}

inline Parsed CommandParser::read_arguments(std::string_view text) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (; remaining_ > 0; --remaining_) {
    if (state_ != State::body) {
      const char* next = begin + position_;
      std::uint32_t size = 0;
      const char* body =
          searched_ == 0 && next < end && *next == '$' ? detail::quick_number(next + 1, end, size) : nullptr;
      if (body != nullptr && size <= limits_.bulk_bytes_max) [[likely]] {
        position_ = static_cast<std::size_t>(body - begin);
        body_size_ = size;
      } else if (!read_size(text)) {
        return state_ == State::failed ? Parsed{Parsed::Status::error} : suspend(text, text.size() + 1);
      }
    }
    // No overflow: the size is within the limit, and positions are those of bytes in memory.
    if (text.size() - position_ < body_size_ + 2) {
      state_ = State::body;
      return suspend(text, position_ + body_size_ + 2);
    }
    const char* body = begin + position_;
    if (body[body_size_] != '\r' || body[body_size_ + 1] != '\n') [[unlikely]]
      return fail("expected CRLF after bulk data");
    arguments_.emplace_back(body, body_size_);
    position_ += body_size_ + 2;
    state_ = State::argument;
  }
  return finish(text, position_);
}

/// The careful reading of "$number\r\n"; false: not whole yet, or failed.
inline bool CommandParser::read_size(std::string_view text) {
  if (searched_ == 0) {
    if (position_ == text.size()) {
      state_ = State::argument;
      return false;
    }
    if (const char found = text[position_]; found != '$') {
      const bool printable = found >= 0x20 && found < 0x7f;
      fail(std::string("expected '$', got '") + (printable ? found : '?') + "'");
      return false;
    }
    state_ = State::argument;
    ++position_;
    searched_ = position_;
  }
  constexpr std::string_view invalid = "invalid bulk length";
  if (!read_number(text, "too big bulk count string", invalid)) return false;
  searched_ = 0;
  if (number_ >= 0) return judge_size(static_cast<std::uint64_t>(number_));
  fail(invalid);
  return false;
}

inline bool CommandParser::judge_size(std::uint64_t size) {
  if (size > limits_.bulk_bytes_max) {
    const bool legal_later = !limits_.authenticated && size <= limits::bulk_bytes_max;
    fail(legal_later ? "unauthenticated bulk length" : "invalid bulk length");
    return false;
  }
  body_size_ = static_cast<std::size_t>(size);
  return true;
}

/// Reads a header's number at `position_`, with its line end, into `number_`; false: not whole, or failed.
inline bool CommandParser::read_number(std::string_view text, std::string_view too_big,
                                       std::string_view invalid) {
  if (searched_ < position_) searched_ = position_;
  while (searched_ < text.size() && text[searched_] != '\r' && text[searched_] != '\n' &&
         searched_ - position_ < limits_.line_bytes_max)
    ++searched_;
  if (searched_ - position_ >= limits_.line_bytes_max) return fail(too_big), false;
  if (searched_ == text.size()) return false;
  if (text[searched_] == '\n') return fail(invalid), false;
  if (searched_ + 1 == text.size()) return false;
  const auto number = parse_integer(text.substr(position_, searched_ - position_));
  if (text[searched_ + 1] != '\n' || !number) return fail(invalid), false;
  number_ = *number;
  position_ = searched_ + 2;
  searched_ = 0;
  return true;
}

inline Parsed CommandParser::read_inline(std::string_view text) {
  const std::size_t end = text.find('\n', searched_);
  if ((end == std::string_view::npos ? text.size() : end) >= limits_.line_bytes_max)
    return fail("too big inline request");
  if (end == std::string_view::npos) {
    searched_ = text.size();
    return suspend(text, text.size() + 1);
  }
  std::string_view line = text.substr(0, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (!InlineSplitter::split(line, arguments_, inline_arena_)) return fail("unbalanced quotes in request");
  if (arguments_.size() > limits_.arguments_max)
    return fail(limits_.authenticated ? "invalid multibulk length" : "unauthenticated multibulk length");
  return finish(text, end + 1);
}

inline Parsed CommandParser::suspend(std::string_view text, std::size_t needed) {
  save_pieces(text);
  bytes_needed_ = needed;
  return {Parsed::Status::need_more};
}

inline Parsed CommandParser::finish(std::string_view text, std::size_t consumed) {
  if (!pieces_.empty()) [[unlikely]] {
    save_pieces(text);
    for (const Piece& piece : pieces_) arguments_.push_back(text.substr(piece.offset, piece.size));
  }
  state_ = State::start;
  bytes_needed_ = 1;
  return {Parsed::Status::command, consumed};
}

/// Turns the arguments found in this call into offsets.
inline void CommandParser::save_pieces(std::string_view text) {
  for (const std::string_view argument : arguments_)
    pieces_.push_back({static_cast<std::size_t>(argument.data() - text.data()), argument.size()});
  arguments_.clear();
}

inline Parsed CommandParser::fail(std::string_view text) {
  state_ = State::failed;
  arguments_.clear();
  pieces_.clear();
  failure_ = {make_error_code(Errc::protocol_error), "Protocol error: " + std::string(text)};
  return {Parsed::Status::error};
}

inline void CommandParser::reset() noexcept {
  state_ = State::start;
  was_inline_ = false;
  searched_ = 0;
  bytes_needed_ = 1;
  arguments_.clear();
  pieces_.clear();
  failure_ = {};
}

}  // namespace replikv::inline v0_1::resp
