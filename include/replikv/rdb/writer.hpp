// Writing RDB files of version 9. Encoding is apart from framing: the free functions append the bytes of
// one item and know no checksum, so any thread may prepare entries; `Writer` puts pieces in order, and
// sums them in that order.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/rdb/crc64.hpp>
#include <replikv/rdb/lzf.hpp>
#include <replikv/rdb/opcodes.hpp>
#include <replikv/resp/number.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::rdb {

/// How strings are written.
struct EncodeOptions {
  bool compress = false;  ///< try LZF on texts of more than 20 bytes; slower, and smaller on the wire
};

namespace detail {

[[nodiscard]] inline char* put_little_endian(char* out, std::uint64_t number, std::size_t bytes) noexcept {
  for (std::size_t i = 0; i < bytes; ++i) *out++ = static_cast<char>(number >> (8 * i) & 0xff);
  return out;
}

/// At most nine bytes.
[[nodiscard]] inline char* put_length(char* out, std::uint64_t length) noexcept {
  if (length < 64) {
    *out++ = static_cast<char>(length);
    return out;
  }
  std::size_t bytes = 1;
  if (length < 16'384) {
    *out++ = static_cast<char>(0x40 | length >> 8);
  } else if (length <= std::numeric_limits<std::uint32_t>::max()) {
    *out++ = static_cast<char>(encoding::length_32);
    bytes = 4;
  } else {
    *out++ = static_cast<char>(encoding::length_64);
    bytes = 8;
  }
  while (bytes-- > 0) *out++ = static_cast<char>(length >> (8 * bytes) & 0xff);
  return out;
}

/// The integer encodings: five bytes at most; null when the text is no canonical 32-bit integer.
[[nodiscard]] inline char* put_integer(char* out, std::string_view text) noexcept {
  if (text.empty() || text.size() > 11 || static_cast<unsigned char>(text.back()) - '0' > 9) return nullptr;
  const auto number = resp::parse_integer(text);
  if (!number || *number < std::numeric_limits<std::int32_t>::min() ||
      *number > std::numeric_limits<std::int32_t>::max())
    return nullptr;
  const auto fits = [&](auto limit) {
    return *number >= std::numeric_limits<decltype(limit)>::min() &&
           *number <= std::numeric_limits<decltype(limit)>::max();
  };
  const auto bits = static_cast<std::uint64_t>(*number);
  if (fits(std::int8_t{})) {
    *out++ = static_cast<char>(encoding::integer_8);
    return put_little_endian(out, bits, 1);
  }
  if (fits(std::int16_t{})) {
    *out++ = static_cast<char>(encoding::integer_16);
    return put_little_endian(out, bits, 2);
  }
  *out++ = static_cast<char>(encoding::integer_32);
  return put_little_endian(out, bits, 4);
}

inline void append_between(std::string& out, const char* begin, const char* end) {
  out.append(begin, static_cast<std::size_t>(end - begin));
}

}  // namespace detail

/// Appends a length in its shortest form.
inline void append_length(std::string& out, std::uint64_t length) {
  std::array<char, 9> buffer;
  detail::append_between(out, buffer.data(), detail::put_length(buffer.data(), length));
}

/// Appends a string: canonical integers of 32 bits as integers, the rest compressed or plain.
inline void append_string(std::string& out, std::string_view text, EncodeOptions options = {}) {
  std::array<char, 9> buffer;
  if (const char* end = detail::put_integer(buffer.data(), text)) {
    detail::append_between(out, buffer.data(), end);
    return;
  }
  if (options.compress && text.size() > lzf_uncompressed_bytes_max) {
    std::string compressed;
    if (lzf_compress(text, compressed)) {
      out.push_back(static_cast<char>(encoding::lzf));
      append_length(out, compressed.size());
      append_length(out, text.size());
      out.append(compressed);
      return;
    }
  }
  append_length(out, text.size());
  out.append(text);
}

/// Appends the nine bytes every file begins with.
inline void append_header(std::string& out) { out.append("REDIS0009"); }
static_assert(version_written == 9);

/// Appends a fact about the file; readers skip those they do not know.
inline void append_auxiliary(std::string& out, std::string_view key, std::string_view value) {
  out.push_back(static_cast<char>(opcode::auxiliary));
  append_string(out, key);
  append_string(out, value);
}

/// Appends the choice of the database that the following entries belong to.
inline void append_select_database(std::string& out, std::uint64_t database) {
  out.push_back(static_cast<char>(opcode::select_database));
  append_length(out, database);
}

/// Appends the hint how many keys follow in this database, and how many of them expire.
inline void append_resize(std::string& out, std::uint64_t keys, std::uint64_t expires) {
  out.push_back(static_cast<char>(opcode::resize_database));
  append_length(out, keys);
  append_length(out, expires);
}

/// Appends the expiry of the key that comes next, in milliseconds since the Unix epoch.
inline void append_expiry(std::string& out, std::int64_t expire_at_ms) {
  std::array<char, 9> bytes{static_cast<char>(opcode::expire_milliseconds)};
  detail::append_between(
      out, bytes.data(),
      detail::put_little_endian(bytes.data() + 1, static_cast<std::uint64_t>(expire_at_ms), 8));
}

/// Appends one key with its string value.
inline void append_key(std::string& out, std::string_view key, std::string_view value,
                       EncodeOptions options = {}) {
  out.push_back(static_cast<char>(value_type::string));
  append_string(out, key, options);
  append_string(out, value, options);
}

/// Appends the end mark and the checksum; `crc` has been updated with everything before.
inline void append_end(std::string& out, Crc64 crc) {
  const char mark = static_cast<char>(opcode::end);
  crc.update(as_bytes({&mark, 1}));
  std::array<char, 1 + checksum_bytes> trailer;
  trailer[0] = mark;
  detail::append_between(out, trailer.data(),
                         detail::put_little_endian(trailer.data() + 1, crc.value(), checksum_bytes));
}

/// One file, written piece by piece.
///
/// What the calls append collects in the writer until `take`.
/// Order: header, auxiliary facts, then for each database select, resize, keys; end.
///
/// Thread safety  distinct objects: safe
class Writer {
 public:
  explicit Writer(EncodeOptions options = {}) noexcept : options_(options) {}

  void header() { append_header(pending_); }
  void auxiliary(std::string_view key, std::string_view value) { append_auxiliary(pending_, key, value); }
  void select_database(std::uint64_t database) { append_select_database(pending_, database); }
  void resize(std::uint64_t keys, std::uint64_t expires) { append_resize(pending_, keys, expires); }
  void key(std::string_view key_text, std::string_view value,
           std::optional<std::int64_t> expire_at_ms = std::nullopt) {
    if (expire_at_ms) append_expiry(pending_, *expire_at_ms);
    append_key(pending_, key_text, value, options_);
  }

  /// Closes the file with its checksum.
  void end() {
    sum();
    append_end(pending_, crc_);
    summed_ = pending_.size();
  }

  /// Adds entries encoded elsewhere behind everything so far.
  void encoded(Bytes entries) { pending_.append(as_text(entries)); }
  /// Lets `append(out)` do that; returns what it returns.
  template <class Append>
  decltype(auto) encoded_by(Append&& append) {
    return append(pending_);
  }

  /// Makes room for so many bytes until the next `take`.
  void reserve(std::size_t bytes) { pending_.reserve(bytes); }

  /// Bytes collected and not taken yet.
  [[nodiscard]] std::size_t pending_bytes() const noexcept { return pending_.size(); }

  /// Hands over the bytes collected since the last `take`.
  [[nodiscard]] std::string take() {
    sum();
    summed_ = 0;
    return std::exchange(pending_, {});
  }

 private:
  void sum() noexcept {
    crc_.update(as_bytes(std::string_view(pending_).substr(summed_)));
    summed_ = pending_.size();
  }

  EncodeOptions options_;
  std::string pending_;
  std::size_t summed_ = 0;  // bytes at the front of pending_ already in crc_
  Crc64 crc_;
};

}  // namespace replikv::inline v0_1::rdb
