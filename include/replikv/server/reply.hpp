// Replies as a client understands them, RESP2 or RESP3: a command says what it answers, and this says how
// that is spelled. Appends to the bytes that wait to be sent.
#pragma once

#include <replikv/resp/number.hpp>
#include <replikv/resp/writer.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server {

/// The version of the protocol a client has chosen by HELLO.
enum class Protocol : std::uint8_t { resp2 = 2, resp3 = 3 };

/// Appends replies to `out`. Aggregates are announced by their size; their members follow, one call each.
///
/// Source  RESP2 and RESP3 as Redis 7.0 writes them
class Reply {
 public:
  Reply(std::string& out, Protocol protocol) noexcept : out_(out), protocol_(protocol) {}

  [[nodiscard]] bool is_resp3() const noexcept { return protocol_ == Protocol::resp3; }

  void ok() { out_.append("+OK\r\n"); }
  void simple(std::string_view text) { resp::append_simple(out_, text); }
  /// `text` begins with its code: "ERR syntax error".
  void error(std::string_view text) { resp::append_error(out_, text); }
  template <std::integral Integer>
  void integer(Integer number) {
    resp::append_integer(out_, static_cast<std::int64_t>(number));
  }
  void bulk(std::string_view text) { resp::append_bulk(out_, text); }
  template <std::integral Integer>
  void bulk_integer(Integer number) {
    bulk(resp::IntegerText(number).view());
  }

  void null() { out_.append(is_resp3() ? "_\r\n" : "$-1\r\n"); }
  /// What an aggregate that is not there looks like: an aborted EXEC.
  void null_array() { out_.append(is_resp3() ? "_\r\n" : "*-1\r\n"); }
  void boolean(bool value) {
    out_.append(is_resp3() ? (value ? "#t\r\n" : "#f\r\n") : (value ? ":1\r\n" : ":0\r\n"));
  }
  /// In RESP2 a bulk string.
  void real(std::string_view text) {
    if (!is_resp3()) return bulk(text);
    out_.append(",").append(text).append("\r\n");
  }
  /// Text for people: INFO, CLIENT LIST. In RESP2 a bulk string.
  void verbatim(std::string_view text) {
    if (!is_resp3()) return bulk(text);
    header('=', text.size() + 4);
    out_.append("txt:").append(text).append("\r\n");
  }

  void array(std::size_t size) { header('*', size); }
  /// Of `pairs` keys and values, in turn.
  void map(std::size_t pairs) { is_resp3() ? header('%', pairs) : header('*', 2 * pairs); }
  void set(std::size_t size) { header(is_resp3() ? '~' : '*', size); }
  /// Out of band: messages of channels, in RESP2 an ordinary array.
  void push(std::size_t size) { header(is_resp3() ? '>' : '*', size); }

  /// Appends what is encoded already.
  void raw(std::string_view encoded) { out_.append(encoded); }

 private:
  void header(char type, std::size_t size) {
    out_.push_back(type);
    out_.append(resp::IntegerText(size).view()).append("\r\n");
  }

  std::string& out_;
  Protocol protocol_;
};

}  // namespace replikv::inline v0_1::server
