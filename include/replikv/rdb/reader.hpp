// RDB files out of bytes as they arrive. Strings come as values, all other types are passed over whole;
// the checksum is verified on the way. Knows neither files nor links.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/limits.hpp>
#include <replikv/rdb/crc64.hpp>
#include <replikv/rdb/detail/arena.hpp>
#include <replikv/rdb/detail/plan.hpp>
#include <replikv/rdb/item.hpp>
#include <replikv/rdb/lzf.hpp>
#include <replikv/rdb/opcodes.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::rdb {

/// What a file may contain; anything beyond is corrupt.
struct ReaderLimits {
  std::size_t bulk_bytes_max = limits::bulk_bytes_max;  ///< one string, decompressed
};

/// An incremental reader, versions 1 to 12.
///
///     reader.feed(bytes);
///     while (auto item = reader.next()) std::visit(handler, *item);
///     if (reader.failure()) ...
///
/// All views of the items stay valid until the next `feed`, as long as the bytes fed do; so a caller may
/// collect a batch. Strings whole in one piece are not copied; one string and one key that span pieces
/// are held, and grow by what arrives, not by the length claimed.
///
/// Errors         `Errc::snapshot_version`, `Errc::snapshot_corrupt`; the detail names the byte's offset in
///                the file. Items handed out before the checksum are unverified until `End` comes.
/// Thread safety  distinct objects: safe
/// Cost           linear in the bytes, however small the pieces; no allocation for entries whole in a piece
class Reader {
 public:
  explicit Reader(ReaderLimits reader_limits = {}) noexcept : limits_(reader_limits) {}

  /// Gives the next piece of the file. Precondition: `next` has returned nothing since the last piece.
  /// The bytes must live until the next `feed`.
  void feed(Bytes bytes) noexcept;

  /// The next item; nothing when more bytes are needed, and after the end or a failure.
  [[nodiscard]] std::optional<Item> next();

  /// True when the file has been read to its last byte, and its checksum was right.
  [[nodiscard]] bool finished() const noexcept { return state_ == State::finished; }

  /// Why reading stopped; null while all is well.
  [[nodiscard]] const Failure* failure() const noexcept { return failure_ ? &*failure_ : nullptr; }

  /// How many bytes of the last piece belong to the file so far; behind its end nothing is consumed.
  [[nodiscard]] std::size_t consumed() const noexcept { return position_; }

  /// Bytes of the file read so far, over all pieces.
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return base_ + position_; }

  /// The file's version; 0 until its header was read.
  [[nodiscard]] unsigned version() const noexcept { return version_; }

 private:
  enum class State : std::uint8_t { header, item_start, item, checksum, finished, failed };
  enum class TextState : std::uint8_t { start, plain, integer, packed_size, full_size, packed };
  enum class Purpose : std::uint8_t { skip, key, value };
  struct TextBuffers {
    std::string key;
    std::string value;
  };

  // One item, in one piece.
  [[nodiscard]] bool read_whole_entry(Entry& entry);
  [[nodiscard]] const std::byte* whole_text(const std::byte* next, const std::byte* end,
                                            std::string_view& text);

  // One item, possibly over many pieces. Each returns false when bytes are missing or it has failed.
  [[nodiscard]] bool read_header();
  [[nodiscard]] bool start_item();
  [[nodiscard]] bool run_plan();
  [[nodiscard]] bool perform(detail::Step step);
  [[nodiscard]] bool perform_counted(detail::Step step);
  [[nodiscard]] bool perform_fixed(detail::Step step);
  [[nodiscard]] bool read_ascii_double();
  [[nodiscard]] bool read_module_field();
  [[nodiscard]] bool read_checksum(bool& verified);
  [[nodiscard]] std::optional<Item> finish_item();

  // Atoms, resumable at every byte.
  [[nodiscard]] const std::byte* gather(std::size_t size) noexcept;
  [[nodiscard]] bool read_length_or_encoding();
  [[nodiscard]] bool read_length();
  [[nodiscard]] bool skip(std::uint64_t size) noexcept;
  [[nodiscard]] bool collect(std::string& buffer, std::string_view& text);
  [[nodiscard]] bool read_text(Purpose purpose);
  [[nodiscard]] bool begin_text();
  [[nodiscard]] bool check_text_size(std::uint64_t size);
  [[nodiscard]] bool read_plain(Purpose purpose);
  [[nodiscard]] bool read_integer(Purpose purpose);
  [[nodiscard]] bool read_packed_sizes();
  [[nodiscard]] bool read_packed(Purpose purpose);
  void deliver(Purpose purpose, std::string_view text) noexcept;

  void suspend();
  void sum() noexcept;
  [[nodiscard]] std::string_view integer_text(std::int64_t number);
  [[gnu::cold]] bool fail(Errc code, std::uint64_t offset, const std::string& what);
  bool corrupt(const std::string& what) { return fail(Errc::snapshot_corrupt, total_bytes(), what); }
  void release_large_buffers() noexcept;

  static constexpr std::size_t retained_bytes_max = 1 << 20;  // larger buffers are given back

  ReaderLimits limits_;
  State state_ = State::header;
  Bytes fed_;
  std::size_t position_ = 0;  // in fed_
  std::size_t summed_ = 0;    // in fed_: up to here crc_ has seen it
  std::uint64_t base_ = 0;    // offset of fed_ in the file
  Crc64 crc_;
  unsigned version_ = 0;
  std::optional<Failure> failure_;

  // The item under way.
  detail::PlanStack plan_;
  std::uint8_t code_ = 0;  // its opcode or type
  bool prefixed_ = false;  // expiry, idle time or frequency came: a key must follow
  std::optional<std::int64_t> expire_at_ms_;
  std::array<std::uint64_t, 2> numbers_{};
  std::string_view key_;
  std::string_view value_;
  bool holds_key_ = false;  // key_ has been read

  // The atom under way.
  std::array<std::byte, 16> partial_{};
  std::size_t partial_size_ = 0;
  bool length_started_ = false;
  bool is_encoding_ = false;  // the last length was none, but the number of an encoding
  std::uint8_t length_extra_ = 0;
  std::uint64_t length_high_ = 0;
  std::uint64_t length_ = 0;
  bool skipping_ = false;
  std::uint64_t skip_left_ = 0;
  TextState text_state_ = TextState::start;
  std::uint64_t text_size_ = 0;
  std::uint64_t full_size_ = 0;
  bool collecting_ = false;
  bool double_started_ = false;

  std::array<TextBuffers, 2> buffers_;  // in turn, so that one item's text outlives the start of the next
  std::size_t buffer_ = 0;
  bool buffer_used_ = false;  // by the item under way, which therefore spans pieces
  std::string packed_;
  detail::Arena arena_;
};

namespace detail {

[[nodiscard]] inline std::uint64_t load_big_endian(const std::byte* bytes, std::size_t size) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return number;
}

/// Two's complement, least byte first.
[[nodiscard]] inline std::int64_t load_signed(const std::byte* bytes, std::size_t size) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = size; i > 0; --i) number = number << 8 | std::to_integer<std::uint64_t>(bytes[i - 1]);
  const std::size_t unused_bits = 64 - 8 * size;
  return static_cast<std::int64_t>(number << unused_bits) >> unused_bits;
}

}  // namespace detail

inline void Reader::feed(Bytes bytes) noexcept {
  assert(state_ == State::finished || state_ == State::failed || position_ == fed_.size());
  base_ += position_;
  fed_ = bytes;
  position_ = 0;
  summed_ = 0;
  arena_.clear();
  release_large_buffers();
}

inline std::optional<Item> Reader::next() {
  for (;;) {
    switch (state_) {
      case State::header:
        if (!read_header()) return suspend(), std::nullopt;
        break;
      case State::item_start:
        if (Entry entry; read_whole_entry(entry)) [[likely]]
          return entry;
        if (!start_item()) return suspend(), std::nullopt;
        break;
      case State::item:
        if (!run_plan()) return suspend(), std::nullopt;
        state_ = State::item_start;
        if (auto item = finish_item()) return item;
        break;
      case State::checksum: {
        bool verified = false;
        if (!read_checksum(verified)) return std::nullopt;
        state_ = State::finished;
        return End{verified};
      }
      case State::finished:
      case State::failed: return std::nullopt;
    }
  }
}

// The hot path: a string entry, with or without expiry, that lies whole in this piece.

inline bool Reader::read_whole_entry(Entry& entry) {
  if (prefixed_) return false;
  const std::byte* next = fed_.data() + position_;
  const std::byte* const end = fed_.data() + fed_.size();
  if (end - next < 3) return false;
  if (*next == std::byte{opcode::expire_milliseconds}) {
    if (end - next < 12) return false;
    entry.expire_at_ms = static_cast<std::int64_t>(detail::load_little_endian_64(next + 1));
    next += 9;
  }
  if (*next != std::byte{value_type::string}) return false;
  next = whole_text(next + 1, end, entry.key);
  if (next == nullptr) return false;
  next = whole_text(next, end, entry.value);
  if (next == nullptr) return false;
  position_ = static_cast<std::size_t>(next - fed_.data());
  return true;
}

/// Reads a plain or integer string; returns the byte after it, or null where the careful path must look.
inline const std::byte* Reader::whole_text(const std::byte* next, const std::byte* end,
                                           std::string_view& text) {
  if (next == end) return nullptr;
  const auto first = std::to_integer<std::uint8_t>(*next++);
  const auto left = static_cast<std::size_t>(end - next);
  std::size_t size = first & 0x3f;
  if (first >= encoding::integer_8) {
    const std::size_t bytes = std::size_t{1} << (size & 3);
    if (first > encoding::integer_32 || left < bytes) return nullptr;
    text = integer_text(detail::load_signed(next, bytes));
    return next + bytes;
  }
  std::size_t extra = 0;
  if (first >= encoding::length_32) {
    if (first != encoding::length_32 || left < 4) return nullptr;
    size = static_cast<std::size_t>(detail::load_big_endian(next, 4));
    extra = 4;
  } else if (first >= 0x40) {
    if (left < 1) return nullptr;
    size = size << 8 | std::to_integer<std::size_t>(*next);
    extra = 1;
  }
  if (size > left - extra || size > limits_.bulk_bytes_max) return nullptr;
  text = as_text({next + extra, size});
  return next + extra + size;
}

inline std::string_view Reader::integer_text(std::int64_t number) {
  constexpr std::size_t longest = 11;  // "-2147483648"
  char* text = arena_.allocate(longest);
  return {text, static_cast<std::size_t>(std::to_chars(text, text + longest, number).ptr - text)};
}

// Items.

inline bool Reader::read_header() {
  const std::byte* bytes = gather(header_bytes);
  if (bytes == nullptr) return false;
  const std::string_view header = as_text({bytes, header_bytes});
  if (!header.starts_with(magic))
    return fail(Errc::snapshot_version, 0, "the file does not begin with REDIS");
  for (const char digit : header.substr(magic.size())) {
    if (digit < '0' || digit > '9')
      return fail(Errc::snapshot_version, magic.size(), "the version is not four digits");
    version_ = version_ * 10 + static_cast<unsigned>(digit - '0');
  }
  if (version_ == 0 || version_ > version_max)
    return fail(Errc::snapshot_version, magic.size(),
                "Can't handle RDB format version " + std::to_string(version_));
  state_ = State::item_start;
  return true;
}

inline bool Reader::start_item() {
  const std::byte* byte = gather(1);
  if (byte == nullptr) return false;
  code_ = std::to_integer<std::uint8_t>(*byte);
  const std::uint64_t offset = total_bytes() - 1;
  const bool is_type = code_ < opcode::slot_info;
  const bool is_prefix = code_ == opcode::expire_milliseconds || code_ == opcode::expire_seconds ||
                         code_ == opcode::idle || code_ == opcode::frequency;
  if (prefixed_ && !is_type && !is_prefix)
    return fail(Errc::snapshot_corrupt, offset,
                "expiry or idle time without a key before opcode " + std::to_string(code_));
  prefixed_ = is_prefix;
  holds_key_ = false;
  if (code_ == opcode::end) {
    sum();
    state_ = State::checksum;
    return true;
  }
  if (const auto plan = detail::plan_of_opcode(code_)) {
    plan_.push(*plan, 1);
  } else if (const auto value = detail::plan_of_value(code_)) {
    plan_.push(*value, 1);
    plan_.push(detail::Plan::key, 1);
  } else {
    return fail(Errc::snapshot_corrupt, offset,
                code_ == value_type::module_pre_release
                    ? "value type 6, a module of a Redis 4.0 pre-release, cannot be passed over"
                    : "unknown value type " + std::to_string(code_));
  }
  state_ = State::item;
  return true;
}

inline bool Reader::run_plan() {
  for (;;) {
    const detail::Step step = plan_.current();
    if (step.operation == detail::Operation::end) return true;
    if (!perform(step)) return false;
  }
}

/// Does one step, and advances the plan when it is done.
inline bool Reader::perform(detail::Step step) {
  using detail::Operation;
  switch (step.operation) {
    case Operation::key:
      if (!read_text(Purpose::key)) return false;
      break;
    case Operation::value:
      if (!read_text(Purpose::value)) return false;
      break;
    case Operation::text:
      if (!read_text(Purpose::skip)) return false;
      break;
    case Operation::length:
      if (!read_length()) return false;
      break;
    case Operation::raw:
      if (!skip(step.argument)) return false;
      break;
    case Operation::number:
      if (!read_length()) return false;
      numbers_[step.argument] = length_;
      break;
    case Operation::seconds:
    case Operation::milliseconds: return perform_fixed(step);
    case Operation::counted:
    case Operation::flag:
    case Operation::container: return perform_counted(step);
    case Operation::ascii_double:
      if (!read_ascii_double()) return false;
      break;
    case Operation::module_fields: return read_module_field();
    case Operation::end: break;
  }
  plan_.advance();
  return true;
}

inline bool Reader::perform_fixed(detail::Step step) {
  const bool seconds = step.operation == detail::Operation::seconds;
  const std::size_t size = seconds ? 4 : 8;
  const std::byte* bytes = gather(size);
  if (bytes == nullptr) return false;
  const std::int64_t time = detail::load_signed(bytes, size);
  expire_at_ms_ = seconds ? time * 1'000 : time;
  plan_.advance();
  return true;
}

inline bool Reader::perform_counted(detail::Step step) {
  using detail::Operation;
  if (!read_length()) return false;
  if (step.operation == Operation::container && length_ != 1 && length_ != 2)
    return corrupt("list node container " + std::to_string(length_) + " is neither 1 nor 2");
  if (step.operation == Operation::flag && length_ > 1)
    return corrupt("flag " + std::to_string(length_) + " is neither 0 nor 1");
  plan_.advance();
  if (step.operation != Operation::container) plan_.push(static_cast<detail::Plan>(step.argument), length_);
  return true;
}

inline bool Reader::read_ascii_double() {
  constexpr std::uint64_t first_named = 253;  // nan, +inf, -inf
  if (!double_started_) {
    const std::byte* byte = gather(1);
    if (byte == nullptr) return false;
    text_size_ = std::to_integer<std::uint64_t>(*byte);
    if (text_size_ >= first_named) return true;
    double_started_ = true;
  }
  if (!skip(text_size_)) return false;
  double_started_ = false;
  return true;
}

inline bool Reader::read_module_field() {
  if (!read_length()) return false;
  switch (length_) {
    case module_opcode::end: plan_.advance(); return true;
    case module_opcode::signed_integer:
    case module_opcode::unsigned_integer: plan_.push(detail::Plan::module_length, 1); return true;
    case module_opcode::float_4: plan_.push(detail::Plan::module_float, 1); return true;
    case module_opcode::double_8: plan_.push(detail::Plan::module_double, 1); return true;
    case module_opcode::string: plan_.push(detail::Plan::text, 1); return true;
    default: return corrupt("unknown module opcode " + std::to_string(length_));
  }
}

/// Whether the plan just finished was a whole item, and which.
inline std::optional<Item> Reader::finish_item() {
  if (std::exchange(buffer_used_, false)) buffer_ ^= 1;
  holds_key_ = false;
  switch (code_) {
    case opcode::auxiliary: return Auxiliary{key_, value_};
    case opcode::select_database: return SelectDatabase{numbers_[0]};
    case opcode::resize_database: return ResizeDatabase{numbers_[0], numbers_[1]};
    case opcode::module_auxiliary: return SkippedModuleAuxiliary{};
    case opcode::function2:
    case opcode::function_pre_release: return SkippedFunction{};
    case opcode::expire_milliseconds:
    case opcode::expire_seconds:
    case opcode::idle:
    case opcode::frequency:
    case opcode::slot_info: return std::nullopt;
    default: break;
  }
  const auto expire_at_ms = std::exchange(expire_at_ms_, std::nullopt);
  if (code_ == value_type::string) return Entry{key_, value_, expire_at_ms};
  return SkippedEntry{code_, key_, expire_at_ms};
}

inline bool Reader::read_checksum(bool& verified) {
  if (version_ < version_with_checksum) return true;
  const std::byte* bytes = gather(checksum_bytes);
  if (bytes == nullptr) return false;
  const std::uint64_t written = detail::load_little_endian_64(bytes);
  verified = written != 0;
  if (!verified || written == crc_.value()) return true;
  const auto hex = [](std::uint64_t number) {
    std::array<char, 16> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    return std::string(digits.data(), static_cast<std::size_t>(end - digits.data()));
  };
  return fail(Errc::snapshot_corrupt, total_bytes() - checksum_bytes,
              "the checksum is " + hex(written) + ", the bytes give " + hex(crc_.value()));
}

// Atoms.

/// The next `size` bytes together, in the piece or put together from several; null: not all here yet.
inline const std::byte* Reader::gather(std::size_t size) noexcept {
  const std::size_t available = fed_.size() - position_;
  if (partial_size_ == 0 && available >= size) {
    const std::byte* bytes = fed_.data() + position_;
    position_ += size;
    return bytes;
  }
  const std::size_t taken = std::min(available, size - partial_size_);
  if (taken > 0) std::memcpy(partial_.data() + partial_size_, fed_.data() + position_, taken);
  position_ += taken;
  partial_size_ += taken;
  if (partial_size_ < size) return nullptr;
  partial_size_ = 0;
  return partial_.data();
}

/// Reads into length_; is_encoding_ tells that it was no length.
inline bool Reader::read_length_or_encoding() {
  if (!length_started_) {
    const std::byte* byte = gather(1);
    if (byte == nullptr) return false;
    const auto first = std::to_integer<std::uint8_t>(*byte);
    is_encoding_ = first >= encoding::integer_8;
    length_ = first & 0x3f;
    if (is_encoding_ || first < 0x40) return true;
    if (first > encoding::length_64)
      return fail(Errc::snapshot_corrupt, total_bytes() - 1, "bad length byte " + std::to_string(first));
    length_extra_ = first < encoding::length_32 ? 1 : first == encoding::length_32 ? 4 : 8;
    length_high_ = first < encoding::length_32 ? length_ << 8 : 0;
    length_started_ = true;
  }
  const std::byte* bytes = gather(length_extra_);
  if (bytes == nullptr) return false;
  length_ = length_high_ | detail::load_big_endian(bytes, length_extra_);
  length_started_ = false;
  return true;
}

inline bool Reader::read_length() {
  if (!read_length_or_encoding()) return false;
  return !is_encoding_ || corrupt("an encoding stands where a length should be");
}

inline bool Reader::skip(std::uint64_t size) noexcept {
  if (!skipping_) skip_left_ = size;
  const std::uint64_t taken = std::min<std::uint64_t>(fed_.size() - position_, skip_left_);
  position_ += static_cast<std::size_t>(taken);
  skip_left_ -= taken;
  skipping_ = skip_left_ > 0;
  return !skipping_;
}

/// Reads `text_size_` bytes: a view of the piece where they are whole, else gathered in `buffer`.
/// Precondition: check_text_size has accepted the size.
inline bool Reader::collect(std::string& buffer, std::string_view& text) {
  const auto size = static_cast<std::size_t>(text_size_);
  const std::size_t available = fed_.size() - position_;
  if (!collecting_ && available >= size) {
    text = as_text(fed_.subspan(position_, size));
    position_ += size;
    return true;
  }
  if (!collecting_) buffer.clear();
  collecting_ = true;
  const std::size_t taken = std::min(available, size - buffer.size());
  if (const std::size_t needed = buffer.size() + taken; needed > buffer.capacity())
    buffer.reserve(std::min(size, std::max(needed, 2 * buffer.capacity())));
  buffer.append(as_text(fed_.subspan(position_, taken)));
  position_ += taken;
  if (buffer.size() < size) return false;
  collecting_ = false;
  text = buffer;
  return true;
}

inline bool Reader::read_text(Purpose purpose) {
  if (text_state_ == TextState::start && !begin_text()) return false;
  bool done = false;
  switch (text_state_) {
    case TextState::start:
    case TextState::plain: done = read_plain(purpose); break;
    case TextState::integer: done = read_integer(purpose); break;
    case TextState::packed_size:
    case TextState::full_size: done = read_packed_sizes() && read_packed(purpose); break;
    case TextState::packed: done = read_packed(purpose); break;
  }
  if (done) text_state_ = TextState::start;
  return done;
}

inline bool Reader::begin_text() {
  if (!read_length_or_encoding()) return false;
  if (!is_encoding_) {
    text_state_ = TextState::plain;
    text_size_ = length_;
    return check_text_size(length_);
  }
  if (length_ > 3) return corrupt("unknown string encoding " + std::to_string(length_));
  text_state_ = length_ == 3 ? TextState::packed_size : TextState::integer;
  text_size_ = std::uint64_t{1} << length_;
  return true;
}

inline bool Reader::check_text_size(std::uint64_t size) {
  if (size <= limits_.bulk_bytes_max) return true;
  return corrupt("a string of " + std::to_string(size) + " bytes exceeds the limit of " +
                 std::to_string(limits_.bulk_bytes_max));
}

inline bool Reader::read_plain(Purpose purpose) {
  if (purpose == Purpose::skip) return skip(text_size_);
  TextBuffers& buffers = buffers_[buffer_];
  std::string_view text;
  const bool whole = collect(purpose == Purpose::key ? buffers.key : buffers.value, text);
  buffer_used_ = buffer_used_ || collecting_;
  if (!whole) return false;
  deliver(purpose, text);
  return true;
}

inline bool Reader::read_integer(Purpose purpose) {
  const auto size = static_cast<std::size_t>(text_size_);
  const std::byte* bytes = gather(size);
  if (bytes == nullptr) return false;
  if (purpose != Purpose::skip) deliver(purpose, integer_text(detail::load_signed(bytes, size)));
  return true;
}

inline bool Reader::read_packed_sizes() {
  if (text_state_ == TextState::packed_size) {
    if (!read_length() || !check_text_size(length_)) return false;
    text_size_ = length_;
    text_state_ = TextState::full_size;
  }
  if (!read_length() || !check_text_size(length_)) return false;
  full_size_ = length_;
  text_state_ = TextState::packed;
  return true;
}

inline bool Reader::read_packed(Purpose purpose) {
  if (purpose == Purpose::skip) return skip(text_size_);
  std::string_view packed;
  if (!collect(packed_, packed)) return false;
  // Believed only once the compressed bytes bear it out: then memory follows from what was received.
  if (lzf_decompressed_size(packed) != full_size_)
    return corrupt("a compressed string does not make " + std::to_string(full_size_) + " bytes");
  const auto size = static_cast<std::size_t>(full_size_);
  char* text = arena_.allocate(size);
  if (!lzf_decompress(packed, text, size)) return corrupt("a compressed string refers before its start");
  deliver(purpose, {text, size});
  return true;
}

inline void Reader::deliver(Purpose purpose, std::string_view text) noexcept {
  (purpose == Purpose::key ? key_ : value_) = text;
  holds_key_ = true;  // a value comes only after its key
}

// Between pieces.

/// The piece is used up: what must outlive it is copied.
inline void Reader::suspend() {
  sum();
  std::string& key_buffer = buffers_[buffer_].key;
  if (state_ != State::item || !holds_key_ || key_.data() == key_buffer.data()) return;
  buffer_used_ = true;
  key_buffer.assign(key_);
  key_ = key_buffer;
}

inline void Reader::sum() noexcept {
  crc_.update(fed_.subspan(summed_, position_ - summed_));
  summed_ = position_;
}

inline void Reader::release_large_buffers() noexcept {
  // Texts handed out in the last piece died with it; those under way are in buffers_[buffer_].
  for (std::string* buffer : {&buffers_[buffer_ ^ 1].key, &buffers_[buffer_ ^ 1].value}) {
    if (buffer->capacity() > retained_bytes_max) std::string().swap(*buffer);
  }
  if (!collecting_ && packed_.capacity() > retained_bytes_max) std::string().swap(packed_);
}

inline bool Reader::fail(Errc code, std::uint64_t offset, const std::string& what) {
  state_ = State::failed;
  failure_ = Failure{make_error_code(code), "byte " + std::to_string(offset) + ": " + what};
  return false;
}

}  // namespace replikv::inline v0_1::rdb
