// What a replica reads from its master before the stream begins: single lines. Bulk data that follows a
// "$length" line (the snapshot) is not a line and is not read here.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/limits.hpp>

#include <cassert>
#include <cstddef>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::resp {

/// What the first byte of a line says it is.
enum class LineKind {
  keepalive,    ///< an empty line: the master is still preparing
  simple,       ///< "+text"
  error,        ///< "-text"
  integer,      ///< ":number"
  bulk_header,  ///< "$length" or "$EOF:mark"
  other,        ///< anything else, to be judged by the caller
};

/// One line; `text` is what follows the type byte (for `other`, the whole line), without the line end. It
/// points into the bytes given to `parse`.
struct ReplyLine {
  LineKind kind = LineKind::keepalive;
  std::string_view text;

  friend bool operator==(const ReplyLine&, const ReplyLine&) = default;
};

/// Sorts a line without its line end by its first byte.
[[nodiscard]] inline ReplyLine classify_line(std::string_view line) noexcept {
  if (line.empty()) return {};
  const std::string_view rest = line.substr(1);
  switch (line.front()) {
    case '+': return {LineKind::simple, rest};
    case '-': return {LineKind::error, rest};
    case ':': return {LineKind::integer, rest};
    case '$': return {LineKind::bulk_header, rest};
    default: return {LineKind::other, line};
  }
}

/// Cuts lines from bytes as they arrive. A line ends at "\n"; one "\r" before it belongs to the line end
/// (Redis: syncReadLine). Bytes once searched are not searched again.
///
/// Errors  a line longer than the limit: the parser stays failed until `reset`
class ReplyLineParser {
 public:
  enum class Status { line, need_more, error };

  struct Parsed {
    Status status;
    std::size_t consumed = 0;  ///< bytes of the line with its end; 0 unless status is `line`
    ReplyLine line{};
  };

  /// `line_bytes_max` counts the line's bytes before its "\n".
  explicit ReplyLineParser(std::size_t line_bytes_max = limits::line_bytes_max) noexcept
      : line_bytes_max_(line_bytes_max) {}

  /// Looks for one line at the start of `bytes`, which are all the bytes not consumed yet: after
  /// `need_more` the same bytes come again, at any address, with more behind them.
  [[nodiscard]] Parsed parse(Bytes bytes) {
    if (failed_) return {Status::error};
    const std::string_view text = as_text(bytes);
    assert(text.size() >= searched_);
    const std::size_t end = text.find('\n', searched_);
    if ((end == std::string_view::npos ? text.size() : end) > line_bytes_max_) return fail();
    if (end == std::string_view::npos) {
      searched_ = text.size();
      return {Status::need_more};
    }
    searched_ = 0;
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return {Status::line, end + 1, classify_line(line)};
  }

  /// Why `parse` answered `error`.
  [[nodiscard]] Failure failure() const {
    return {make_error_code(Errc::protocol_error),
            "a reply line exceeds " + std::to_string(line_bytes_max_) + " bytes"};
  }

  /// Forgets what was seen; for a new link.
  void reset() noexcept {
    searched_ = 0;
    failed_ = false;
  }

 private:
  [[nodiscard]] Parsed fail() noexcept {
    failed_ = true;
    return {Status::error};
  }

  std::size_t line_bytes_max_;
  std::size_t searched_ = 0;  // bytes at the front known to hold no "\n"
  bool failed_ = false;
};

}  // namespace replikv::inline v0_1::resp
