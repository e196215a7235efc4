// LZF, the compression of strings inside RDB files. A control byte below 32 announces that many literals
// plus one; any other a copy of earlier output, by length and distance. Knows nothing of RDB itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::rdb {

/// Shorter texts are not worth a try (Redis: strings of up to 20 bytes are written plain).
inline constexpr std::size_t lzf_uncompressed_bytes_max = 20;

namespace detail {

/// One step of compressed data: literals, or a copy from `distance` back when that is not 0.
struct LzfStep {
  std::size_t length;
  std::size_t distance;
  const char* literals;
};

/// Reads the step at `next`, which it moves on; nothing when the step is cut short.
[[nodiscard]] inline std::optional<LzfStep> read_lzf_step(const char*& next, const char* end) noexcept {
  const auto byte = [&next] { return static_cast<std::size_t>(static_cast<unsigned char>(*next++)); };
  const std::size_t control = byte();
  if (control < 32) {
    const std::size_t length = control + 1;
    if (static_cast<std::size_t>(end - next) < length) return std::nullopt;
    const char* literals = next;
    next += length;
    return LzfStep{length, 0, literals};
  }
  std::size_t length = control >> 5;
  if (length == 7) {
    if (next == end) return std::nullopt;
    length += byte();
  }
  if (next == end) return std::nullopt;
  return LzfStep{length + 2, ((control & 31) << 8 | byte()) + 1, nullptr};
}

}  // namespace detail

/// How many bytes `compressed` decompresses to, found without writing any; nothing when it is cut short.
/// Linear in the compressed size: lets a caller believe a claimed size before it allocates.
[[nodiscard]] inline std::optional<std::size_t> lzf_decompressed_size(std::string_view compressed) noexcept {
  std::size_t size = 0;  // at most 88 times the input: no overflow
  const char* next = compressed.data();
  for (const char* end = next + compressed.size(); next != end;) {
    const auto step = detail::read_lzf_step(next, end);
    if (!step) return std::nullopt;
    size += step->length;
  }
  return size;
}

/// Decompresses into exactly `size` bytes at `out`. False, with `out` partly written, when the input is
/// malformed or makes fewer or more bytes.
[[nodiscard]] inline bool lzf_decompress(std::string_view compressed, char* out, std::size_t size) noexcept {
  std::size_t written = 0;
  const char* next = compressed.data();
  for (const char* end = next + compressed.size(); next != end;) {
    const auto step = detail::read_lzf_step(next, end);
    if (!step || step->length > size - written || step->distance > written) return false;
    char* to = out + written;
    if (step->distance == 0) {
      std::memcpy(to, step->literals, step->length);
    } else if (step->distance >= step->length) {
      std::memcpy(to, to - step->distance, step->length);
    } else {  // the copy feeds itself: a run
      const char* from = to - step->distance;
      for (std::size_t i = 0; i < step->length; ++i) to[i] = from[i];
    }
    written += step->length;
  }
  return written == size;
}

namespace detail {

/// One compression: greedy, remembering for each hash of three bytes where they were last seen.
class LzfCompressor {
 public:
  LzfCompressor(std::string_view text, std::string& out, std::size_t out_bytes_max)
      : text_(text), out_(out), out_bytes_max_(out_bytes_max), start_(out.size()), seen_(table_size) {}

  /// False when the output would exceed its limit.
  [[nodiscard]] bool run() {
    std::size_t position = 0;
    while (position + 3 <= text_.size()) {
      const std::size_t length = match(position);
      if (length == 0) {
        ++position;
        continue;
      }
      literals(position);
      copy(length, position - candidate_);
      position += length;
      literals_from_ = position;
      if (out_.size() - start_ > out_bytes_max_) return false;
    }
    literals(text_.size());
    return out_.size() - start_ <= out_bytes_max_;
  }

 private:
  static constexpr std::size_t table_size = std::size_t{1} << 13;
  static constexpr std::size_t distance_max = std::size_t{1} << 13;
  static constexpr std::size_t match_max = 264;
  static constexpr std::size_t literals_max = 32;

  [[nodiscard]] std::uint32_t three_bytes(std::size_t position) const noexcept {
    const auto byte = [this](std::size_t at) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(text_[at]));
    };
    return byte(position) << 16 | byte(position + 1) << 8 | byte(position + 2);
  }

  /// Length of the earlier text repeated at `position`, 0 for none; leaves where it starts in candidate_.
  [[nodiscard]] std::size_t match(std::size_t position) {
    const std::uint32_t bytes = three_bytes(position);
    std::size_t& seen = seen_[bytes * 2'654'435'761U >> 19];
    const std::size_t plus_one = seen;
    seen = position + 1;
    if (plus_one == 0) return 0;
    candidate_ = plus_one - 1;
    if (position - candidate_ > distance_max || three_bytes(candidate_) != bytes) return 0;
    std::size_t length = 3;
    while (length < match_max && position + length < text_.size() &&
           text_[candidate_ + length] == text_[position + length])
      ++length;
    return length;
  }

  /// Writes what no copy covered, up to `end`.
  void literals(std::size_t end) {
    while (literals_from_ < end) {
      const std::size_t count = end - literals_from_ < literals_max ? end - literals_from_ : literals_max;
      out_.push_back(static_cast<char>(count - 1));
      out_.append(text_.substr(literals_from_, count));
      literals_from_ += count;
    }
  }

  void copy(std::size_t length, std::size_t distance) {
    const std::size_t short_length = length - 2 < 7 ? length - 2 : 7;
    out_.push_back(static_cast<char>(short_length << 5 | (distance - 1) >> 8));
    if (short_length == 7) out_.push_back(static_cast<char>(length - 9));
    out_.push_back(static_cast<char>((distance - 1) & 0xff));
  }

  std::string_view text_;
  std::string& out_;
  std::size_t out_bytes_max_;
  std::size_t start_;
  std::size_t literals_from_ = 0;
  std::size_t candidate_ = 0;
  std::vector<std::size_t> seen_;  // by hash: position + 1, 0 for never
};

}  // namespace detail

/// Appends `text` compressed to `out`. False, with `out` as it was, when the text is short or when
/// compression would not save at least four bytes (the extra lengths must pay for themselves).
[[nodiscard]] inline bool lzf_compress(std::string_view text, std::string& out) {
  if (text.size() <= lzf_uncompressed_bytes_max) return false;
  const std::size_t before = out.size();
  if (detail::LzfCompressor(text, out, text.size() - 4).run()) return true;
  out.resize(before);
  return false;
}

}  // namespace replikv::inline v0_1::rdb
