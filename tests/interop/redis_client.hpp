// A small blocking client: commands one by one or in a pipeline, and the fields of INFO. One thread each.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/time.h>
#include <tests/interop/socket.hpp>
#include <utility>
#include <vector>

namespace interop {

/// What a server answers (RESP2).
struct Reply {
  enum class Kind : std::uint8_t { simple, error, integer, bulk, nil, array };

  Kind kind = Kind::nil;
  std::string text;         ///< of simple, error and bulk
  std::int64_t number = 0;  ///< of integer
  std::vector<Reply> items;

  [[nodiscard]] bool is_error() const noexcept { return kind == Kind::error; }
  [[nodiscard]] bool is_nil() const noexcept { return kind == Kind::nil; }
};

/// The replies a pipeline was answered with that were errors, for messages of tests.
[[nodiscard]] inline std::string errors_of(const std::vector<Reply>& replies) {
  std::string all;
  for (const Reply& reply : replies) {
    if (reply.is_error()) all += reply.text + "\n";
  }
  return all;
}

class RedisClient {
 public:
  explicit RedisClient(std::uint16_t port) : socket_(make_socket()) {
    const timeval limit{60, 0};  // a server that hangs ends the test instead
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (!connect_loopback(socket_, port)) throw_errno("connect");
    send_without_delay(socket_);
  }
  /// Over a connection that is there already.
  explicit RedisClient(Descriptor socket) : socket_(std::move(socket)) { send_without_delay(socket_); }

  /// Sends one command and returns the answer, an error too.
  template <class... Words>
  Reply command(const Words&... words) {
    add(words...);
    return std::move(flush().back());
  }

  /// Adds a command to the pipeline.
  template <class... Words>
  void add(const Words&... words) {
    add_words({word(words)...});
  }
  void add_words(const std::vector<std::string>& words) {
    pipeline_ += "*" + std::to_string(words.size()) + "\r\n";
    for (const auto& each : words) pipeline_ += "$" + std::to_string(each.size()) + "\r\n" + each + "\r\n";
    ++awaited_;
  }
  [[nodiscard]] std::size_t pipelined() const noexcept { return awaited_; }

  /// Sends the pipeline and returns the answers, one for each command.
  std::vector<Reply> flush() {
    send_raw(std::exchange(pipeline_, {}));
    std::vector<Reply> replies;
    replies.reserve(awaited_);
    for (; awaited_ > 0; --awaited_) replies.push_back(read_reply());
    return replies;
  }

  /// Sends bytes as they are.
  void send_raw(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw_errno("send");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  Reply read_reply() {
    const std::string line = read_line();
    const std::string rest = line.empty() ? std::string() : line.substr(1);
    switch (line.empty() ? '\0' : line[0]) {
      case '+': return {Reply::Kind::simple, rest, 0, {}};
      case '-': return {Reply::Kind::error, rest, 0, {}};
      case ':': return {Reply::Kind::integer, {}, std::stoll(rest), {}};
      case '$': return read_bulk(std::stoll(rest));
      case '*': return read_array(std::stoll(rest));
      default: throw std::runtime_error("not a reply: " + line);
    }
  }

  /// Sends what was added, and reads no reply.
  void send_pipeline() {
    send_raw(std::exchange(pipeline_, {}));
    awaited_ = 0;
  }

  /// The connection, when everything read so far is all there was to read.
  [[nodiscard]] Descriptor release() && { return std::move(socket_); }
  /// What has come and was not read yet.
  [[nodiscard]] std::string take_received() { return read_bytes(received_.size() - at_); }

  /// Up to the next line end (`\n`, or `\r\n`), without it.
  std::string read_line() {
    std::size_t end = 0;
    while ((end = received_.find('\n', at_)) == std::string::npos) receive();
    std::string line = received_.substr(at_, end - at_);
    at_ = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }

  std::string read_bytes(std::size_t count) {
    while (received_.size() - at_ < count) receive();
    std::string bytes = received_.substr(at_, count);
    at_ += count;
    return bytes;
  }

  /// A section of INFO, as the server prints it.
  std::string info(std::string_view section) { return command("INFO", section).text; }

 private:
  template <class T>
  static std::string word(const T& value) {
    if constexpr (std::integral<T>) {
      return std::to_string(value);
    } else {
      return std::string(value);
    }
  }

  Reply read_bulk(std::int64_t size) {
    if (size < 0) return {};
    Reply reply{Reply::Kind::bulk, read_bytes(static_cast<std::size_t>(size) + 2), 0, {}};
    reply.text.resize(static_cast<std::size_t>(size));
    return reply;
  }

  Reply read_array(std::int64_t count) {
    if (count < 0) return {};
    Reply reply{Reply::Kind::array, {}, 0, {}};
    for (; count > 0; --count) reply.items.push_back(read_reply());
    return reply;
  }

  void receive() {
    if (at_ == received_.size() || at_ > (std::size_t{1} << 20)) received_.erase(0, std::exchange(at_, 0));
    std::array<char, 65'536> piece;
    const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    if (got == 0) throw std::runtime_error("the server closed the connection");
    if (got < 0) throw_errno("recv");
    received_.append(piece.data(), static_cast<std::size_t>(got));
  }

  Descriptor socket_;
  std::string pipeline_;
  std::size_t awaited_ = 0;
  std::string received_;
  std::size_t at_ = 0;  // read up to here
};

/// Reads to the connection's end: true once the server has ended it.
[[nodiscard]] inline bool is_closed(RedisClient& client) {
  try {
    for (;;) static_cast<void>(client.read_bytes(1));
  } catch (const std::exception&) {
    return true;
  }
}

/// The value of a field in the text of INFO; empty when it is not there.
[[nodiscard]] inline std::string info_field(std::string_view info, std::string_view field) {
  const std::string mark = "\n" + std::string(field) + ":";
  const std::size_t begin = info.find(mark);
  if (begin == std::string_view::npos) return {};
  const std::size_t from = begin + mark.size();
  return std::string(info.substr(from, info.find_first_of("\r\n", from) - from));
}

[[nodiscard]] inline std::uint64_t info_number(std::string_view info, std::string_view field) {
  const std::string value = info_field(info, field);
  return value.empty() ? 0 : std::stoull(value);
}

/// A number of the section "stats".
[[nodiscard]] inline std::uint64_t stat(RedisClient& server, std::string_view name) {
  return info_number(server.info("stats"), name);
}

/// The names of the fields, in order.
[[nodiscard]] inline std::vector<std::string> info_fields(std::string_view info) {
  std::vector<std::string> names;
  while (!info.empty()) {
    const std::size_t end = std::min(info.find('\n'), info.size() - 1);
    const std::string_view line = info.substr(0, end);
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos)
      names.emplace_back(line.substr(0, colon));
    info.remove_prefix(end + 1);
  }
  return names;
}

}  // namespace interop
