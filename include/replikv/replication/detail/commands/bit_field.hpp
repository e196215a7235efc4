// Strings as arrays of bits: numbers at any bit of a string, and strings combined with each other. Bit 0 is
// the highest bit of the first byte. What a replica and an endpoint have in common; neither's commands.
#pragma once

#include <replikv/core/limits.hpp>
#include <replikv/replication/detail/commands/call.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/number.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail::commands {

/// The range of the numbers in a bit field: i1 to i64, u1 to u63.
struct BitFieldType {
  bool is_signed = false;
  unsigned bits = 0;

  [[nodiscard]] constexpr std::int64_t max() const noexcept {
    const unsigned value_bits = is_signed ? bits - 1 : bits;
    return static_cast<std::int64_t>((std::uint64_t{1} << value_bits) - 1);
  }
  [[nodiscard]] constexpr std::int64_t min() const noexcept { return is_signed ? -max() - 1 : 0; }

  /// The number that the low bits of `pattern` stand for.
  [[nodiscard]] constexpr std::int64_t wrap(std::uint64_t pattern) const noexcept {
    const unsigned unused = 64 - bits;
    if (is_signed) return static_cast<std::int64_t>(pattern << unused) >> unused;
    return static_cast<std::int64_t>(pattern << unused >> unused);
  }
};

enum class Overflow : std::uint8_t { wrap, saturate, fail };

/// How many bits a string of the longest size has.
inline constexpr std::int64_t bits_max = static_cast<std::int64_t>(limits::bulk_bytes_max) * 8;

/// Where a bit is, as a command writes it; nothing for what no string reaches.
[[nodiscard]] inline std::optional<std::uint64_t> parse_bit_offset(std::string_view text) noexcept {
  const auto offset = resp::parse_integer(text);
  if (!offset || *offset < 0 || *offset >= bits_max) return std::nullopt;
  return static_cast<std::uint64_t>(*offset);
}

/// One operation of BITFIELD.
struct BitFieldStep {
  enum class Kind : std::uint8_t { get, set, add };

  Kind kind;
  BitFieldType type;
  std::uint64_t offset_bits;
  std::int64_t operand;
  Overflow overflow;
};

/// The field at a bit offset. Behind the last byte there are zeros.
[[nodiscard]] inline std::int64_t load_bits(std::string_view bytes, std::uint64_t offset,
                                            BitFieldType type) noexcept {
  std::uint64_t pattern = 0;
  for (std::uint64_t bit = offset; bit < offset + type.bits; ++bit) {
    const auto byte = static_cast<unsigned char>(bit >> 3 < bytes.size() ? bytes[bit >> 3] : '\0');
    pattern = pattern << 1 | (byte >> (7 - (bit & 7)) & 1U);
  }
  return type.wrap(pattern);
}

/// Precondition: the field lies within `bytes`.
inline void store_bits(std::string& bytes, std::uint64_t offset, unsigned bits,
                       std::uint64_t pattern) noexcept {
  for (std::uint64_t bit = offset + bits; bit-- > offset; pattern >>= 1) {
    const auto mask = static_cast<unsigned char>(0x80U >> (bit & 7));
    char& byte = bytes[bit >> 3];
    const auto old = static_cast<unsigned char>(byte);
    byte = static_cast<char>((pattern & 1) != 0 ? old | mask : old & ~mask);
  }
}

/// What the field holds after `step`; nothing when it overflows and must not.
[[nodiscard]] inline std::optional<std::int64_t> result_of(const BitFieldStep& step,
                                                           std::int64_t old) noexcept {
  const BitFieldType type = step.type;
  const std::int64_t base = step.kind == BitFieldStep::Kind::add ? old : 0;
  std::int64_t sum = 0;
  const bool past_64_bits = __builtin_add_overflow(base, step.operand, &sum);
  bool above = past_64_bits ? step.operand > 0 : sum > type.max();
  bool below = past_64_bits ? step.operand < 0 : sum < type.min();
  if (step.kind == BitFieldStep::Kind::set && below) {
    // Redis takes a negative number for a huge one where the field is unsigned, and also where the number
    // is so low that its distance from the field's greatest does not fit into 64 bits.
    std::int64_t distance = 0;
    const bool is_far = __builtin_sub_overflow(type.max(), step.operand, &distance);
    if (!type.is_signed || is_far) std::swap(above, below);
  }
  if (!above && !below) return sum;
  switch (step.overflow) {
    case Overflow::wrap: break;
    case Overflow::saturate: return above ? type.max() : type.min();
    case Overflow::fail: return std::nullopt;
  }
  return type.wrap(static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(step.operand));
}

/// What is wrong with a BITFIELD command.
enum class BitFieldFault : std::uint8_t { none, syntax, type, offset, operand, overflow };

/// Goes through the operations of a BITFIELD command.
class BitFieldParser {
 public:
  explicit BitFieldParser(resp::Arguments arguments) noexcept : arguments_(arguments) {}

  /// The next operation; nothing at the end, or where the command is malformed.
  [[nodiscard]] std::optional<BitFieldStep> next() noexcept {
    while (left() > 0 && is_word(arguments_[position_], "OVERFLOW")) {
      if (left() < 2) return fail(BitFieldFault::syntax);
      if (!read_overflow(arguments_[position_ + 1])) return fail(BitFieldFault::overflow);
      position_ += 2;
    }
    if (left() == 0) return std::nullopt;
    const std::string_view word = arguments_[position_];
    BitFieldStep step{BitFieldStep::Kind::get, {}, 0, 0, overflow_};
    if (is_word(word, "SET")) {
      step.kind = BitFieldStep::Kind::set;
    } else if (is_word(word, "INCRBY")) {
      step.kind = BitFieldStep::Kind::add;
    } else if (!is_word(word, "GET")) {
      return fail(BitFieldFault::syntax);
    }
    const std::size_t words = step.kind == BitFieldStep::Kind::get ? 3 : 4;
    if (left() < words) return fail(BitFieldFault::syntax);
    if (!read_type(step.type)) return fail(BitFieldFault::type);
    if (!read_offset(step)) return fail(BitFieldFault::offset);
    if (words == 4) {
      const auto operand = resp::parse_integer(arguments_[position_ + 3]);
      if (!operand) return fail(BitFieldFault::operand);
      step.operand = *operand;
    }
    position_ += words;
    return step;
  }

  /// The first fault met so far, in the order in which Redis looks for them.
  [[nodiscard]] BitFieldFault fault() const noexcept { return fault_; }
  [[nodiscard]] bool malformed() const noexcept { return fault_ != BitFieldFault::none; }

 private:
  [[nodiscard]] std::size_t left() const noexcept { return arguments_.size() - position_; }

  std::optional<BitFieldStep> fail(BitFieldFault fault) noexcept {
    fault_ = fault;
    return std::nullopt;
  }

  [[nodiscard]] bool read_overflow(std::string_view word) noexcept {
    if (is_word(word, "WRAP")) {
      overflow_ = Overflow::wrap;
    } else if (is_word(word, "SAT")) {
      overflow_ = Overflow::saturate;
    } else if (is_word(word, "FAIL")) {
      overflow_ = Overflow::fail;
    } else {
      return false;
    }
    return true;
  }

  [[nodiscard]] bool read_type(BitFieldType& type) const noexcept {
    const std::string_view text = arguments_[position_ + 1];
    if (text.empty() || (text[0] != 'i' && text[0] != 'u')) return false;
    type.is_signed = text[0] == 'i';
    const auto bits = resp::parse_integer(text.substr(1));
    if (!bits || *bits < 1 || *bits > (type.is_signed ? 64 : 63)) return false;
    type.bits = static_cast<unsigned>(*bits);
    return true;
  }

  [[nodiscard]] bool read_offset(BitFieldStep& step) const noexcept {
    std::string_view text = arguments_[position_ + 2];
    const bool counts_fields = text.starts_with('#');
    if (counts_fields) text.remove_prefix(1);
    const auto offset = parse_bit_offset(text);
    if (!offset) return false;
    step.offset_bits = *offset * (counts_fields ? step.type.bits : 1);
    return step.offset_bits < static_cast<std::uint64_t>(bits_max);
  }

  resp::Arguments arguments_;
  std::size_t position_ = 2;
  Overflow overflow_ = Overflow::wrap;
  BitFieldFault fault_ = BitFieldFault::none;
};

enum class BitOperation : std::uint8_t { bit_and, bit_or, bit_xor };

/// Shorter strings count as if zeros followed.
inline void combine(BitOperation operation, std::string& result, std::string_view operand) {
  if (result.size() < operand.size()) result.resize(operand.size());
  const auto each = [&](auto combined) {  // a loop for each operation, without a decision in it
    char* const bytes = result.data();
    for (std::size_t i = 0; i < operand.size(); ++i) {
      bytes[i] = static_cast<char>(
          combined(static_cast<unsigned char>(bytes[i]), static_cast<unsigned char>(operand[i])));
    }
  };
  switch (operation) {
    case BitOperation::bit_and:
      each([](unsigned one, unsigned other) { return one & other; });
      std::fill(result.begin() + static_cast<std::ptrdiff_t>(operand.size()), result.end(), '\0');
      break;
    case BitOperation::bit_or: each([](unsigned one, unsigned other) { return one | other; }); break;
    case BitOperation::bit_xor: each([](unsigned one, unsigned other) { return one ^ other; }); break;
  }
}

inline void negate(std::string& bytes) noexcept {
  for (char& byte : bytes) byte = static_cast<char>(~static_cast<unsigned char>(byte));
}

}  // namespace replikv::inline v0_1::detail::commands
