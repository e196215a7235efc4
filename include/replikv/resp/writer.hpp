// RESP as it is written: commands of the stream and of handshakes, and the replies of RESP2. Appends to
// a string, or fills memory of the exact size; knows no connection.
#pragma once

#include <replikv/resp/command.hpp>
#include <replikv/resp/number.hpp>

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::resp {

namespace detail {

inline constexpr std::size_t line_end_bytes = 2;

/// "*3\r\n", "$5\r\n": a type byte, a number, a line end.
[[nodiscard]] constexpr std::size_t header_size(std::uint64_t number) noexcept {
  return 1 + decimal_digits(number) + line_end_bytes;
}

[[nodiscard]] inline char* write_header(char* out, char type, std::uint64_t number) noexcept {
  *out++ = type;
  out = std::to_chars(out, out + 20, number).ptr;
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

[[nodiscard]] inline char* write_bulk(char* out, std::string_view text) noexcept {
  out = write_header(out, '$', text.size());
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  out += text.size();
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

inline void append_header(std::string& out, char type, std::uint64_t number) {
  std::array<char, 24> header;
  const char* end = write_header(header.data(), type, number);
  out.append(header.data(), static_cast<std::size_t>(end - header.data()));
}

}  // namespace detail

/// Bytes of one bulk string of `text_bytes` with its header and line end.
[[nodiscard]] constexpr std::size_t bulk_size(std::size_t text_bytes) noexcept {
  return detail::header_size(text_bytes) + text_bytes + detail::line_end_bytes;
}

/// Exactly how many bytes `write_command` will write for these arguments.
[[nodiscard]] inline std::size_t command_size(Arguments arguments) noexcept {
  std::size_t bytes = detail::header_size(arguments.size());
  for (const std::string_view argument : arguments) bytes += bulk_size(argument.size());
  return bytes;
}

/// Writes the command to memory that has room for `command_size(arguments)` bytes; returns their end.
inline std::byte* write_command(std::byte* out, Arguments arguments) noexcept {
  char* next = detail::write_header(reinterpret_cast<char*>(out), '*', arguments.size());
  for (const std::string_view argument : arguments) next = detail::write_bulk(next, argument);
  return reinterpret_cast<std::byte*>(next);
}

/// Appends a bulk string: "$5\r\nhello\r\n".
inline void append_bulk(std::string& out, std::string_view text) {
  detail::append_header(out, '$', text.size());
  out.append(text);
  out.append("\r\n");
}

/// Appends the header of an array of `size` elements, which the caller appends next.
inline void append_array_header(std::string& out, std::size_t size) { detail::append_header(out, '*', size); }

/// Appends a command as an array of bulk strings.
inline void append_command(std::string& out, Arguments arguments) {
  append_array_header(out, arguments.size());
  for (const std::string_view argument : arguments) append_bulk(out, argument);
}

/// The same for arguments at hand: `append_command(out, "SET", key, value)`.
template <class... Texts>
requires(sizeof...(Texts) > 0 && (std::convertible_to<const Texts&, std::string_view> &&
                                  ...)) void append_command(std::string& out, const Texts&... texts) {
  const std::array<std::string_view, sizeof...(Texts)> arguments{std::string_view(texts)...};
  append_command(out, Arguments(arguments));
}

namespace detail {

/// Appends text that must stay on one line: control characters become spaces, so that no text of a peer
/// can end the line and pass for a reply of ours.
inline void append_one_line(std::string& out, std::string_view text) {
  for (const char character : text) {
    const bool control = static_cast<unsigned char>(character) < 0x20 || character == 0x7f;
    out.push_back(control ? ' ' : character);
  }
}

}  // namespace detail

/// Appends a simple string: "+OK\r\n". Control characters in the text become spaces.
inline void append_simple(std::string& out, std::string_view text) {
  out.push_back('+');
  detail::append_one_line(out, text);
  out.append("\r\n");
}

/// Appends an error whose text starts with its code: "-ERR syntax error\r\n". Control characters become
/// spaces.
inline void append_error(std::string& out, std::string_view text) {
  out.push_back('-');
  detail::append_one_line(out, text);
  out.append("\r\n");
}

/// Appends an integer: ":42\r\n".
inline void append_integer(std::string& out, std::int64_t number) {
  out.push_back(':');
  out.append(IntegerText(number).view());
  out.append("\r\n");
}

/// Appends the null of RESP2: "$-1\r\n".
inline void append_null(std::string& out) { out.append("$-1\r\n"); }

}  // namespace replikv::inline v0_1::resp
