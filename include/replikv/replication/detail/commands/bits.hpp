// Strings as arrays of bits: SETBIT, BITFIELD, BITOP. Bit 0 is the highest bit of the first byte.
#pragma once

#include <replikv/core/limits.hpp>
#include <replikv/replication/detail/commands/call.hpp>
#include <replikv/resp/number.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
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

/// The last bit offset that a string of the longest size has, plus one.
inline constexpr std::int64_t bits_max = static_cast<std::int64_t>(limits::bulk_bytes_max) * 8;

/// One operation of BITFIELD.
struct BitFieldStep {
  enum class Kind : std::uint8_t { get, set, add };

  Kind kind;
  BitFieldType type;
  std::uint64_t offset_bits;
  std::int64_t operand;
  Overflow overflow;
};

[[nodiscard]] inline std::int64_t load_bits(std::string_view bytes, std::uint64_t offset,
                                            BitFieldType type) noexcept {
  std::uint64_t pattern = 0;
  for (std::uint64_t bit = offset; bit < offset + type.bits; ++bit) {
    const auto byte = static_cast<unsigned char>(bytes[bit >> 3]);
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

/// Goes through the operations of a BITFIELD command.
class BitFieldParser {
 public:
  explicit BitFieldParser(resp::Arguments arguments) noexcept : arguments_(arguments) {}

  /// The next operation; nothing at the end, or where the command is malformed.
  [[nodiscard]] std::optional<BitFieldStep> next() noexcept {
    while (left() > 0 && is_word(arguments_[position_], "OVERFLOW")) {
      if (left() < 2 || !read_overflow(arguments_[position_ + 1])) return fail();
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
      return fail();
    }
    const std::size_t words = step.kind == BitFieldStep::Kind::get ? 3 : 4;
    if (left() < words || !read_field(step)) return fail();
    if (words == 4) {
      const auto operand = resp::parse_integer(arguments_[position_ + 3]);
      if (!operand) return fail();
      step.operand = *operand;
    }
    position_ += words;
    return step;
  }

  [[nodiscard]] bool malformed() const noexcept { return malformed_; }

 private:
  [[nodiscard]] std::size_t left() const noexcept { return arguments_.size() - position_; }

  std::optional<BitFieldStep> fail() noexcept {
    malformed_ = true;
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

  [[nodiscard]] bool read_field(BitFieldStep& step) const noexcept {
    const std::string_view type = arguments_[position_ + 1];
    std::string_view offset = arguments_[position_ + 2];
    if (type.empty() || (type[0] != 'i' && type[0] != 'u')) return false;
    step.type.is_signed = type[0] == 'i';
    const auto bits = resp::parse_integer(type.substr(1));
    if (!bits || *bits < 1 || *bits > (step.type.is_signed ? 64 : 63)) return false;
    step.type.bits = static_cast<unsigned>(*bits);
    const bool counts_fields = offset.starts_with('#');
    if (counts_fields) offset.remove_prefix(1);
    const auto number = resp::parse_integer(offset);
    if (!number || *number < 0 || *number >= bits_max) return false;
    step.offset_bits = static_cast<std::uint64_t>(*number) * (counts_fields ? step.type.bits : 1);
    return step.offset_bits + step.type.bits <= static_cast<std::uint64_t>(bits_max);
  }

  resp::Arguments arguments_;
  std::size_t position_ = 2;
  Overflow overflow_ = Overflow::wrap;
  bool malformed_ = false;
};

inline Verdict bitfield(Call& call) {
  std::uint64_t written_bits = 0;  // the string reaches at least this far, even where a step fails
  BitFieldParser check(call.arguments);
  while (const auto step = check.next()) {
    if (step->kind != BitFieldStep::Kind::get) {
      written_bits = std::max(written_bits, step->offset_bits + step->type.bits);
    }
  }
  if (check.malformed()) return diverged(Reason::malformed);
  if (written_bits == 0) return ignored;

  std::string value;
  if (auto stored = call.read(call[1])) value = std::move(stored->value);
  const std::size_t written_bytes = (written_bits + 7) / 8;
  if (value.size() < written_bytes) value.resize(written_bytes);
  BitFieldParser steps(call.arguments);
  while (const auto step = steps.next()) {
    if (step->kind == BitFieldStep::Kind::get) continue;
    const std::int64_t old = load_bits(value, step->offset_bits, step->type);
    if (const auto result = result_of(*step, old)) {
      store_bits(value, step->offset_bits, step->type.bits, static_cast<std::uint64_t>(*result));
    }
  }
  return assign(call, call[1], value, KeepExpiry{});
}

inline Verdict setbit(Call& call) {
  const auto offset = resp::parse_integer(call[2]);
  if (!offset || *offset < 0 || *offset >= bits_max) return diverged(Reason::out_of_range);
  if (call[3] != "0" && call[3] != "1") return diverged(Reason::out_of_range);
  const auto bit = static_cast<std::uint64_t>(*offset);
  std::string value;
  if (auto stored = call.read(call[1])) value = std::move(stored->value);
  if (value.size() <= bit >> 3) value.resize((bit >> 3) + 1);
  store_bits(value, bit, 1, call[3] == "1" ? 1 : 0);
  return assign(call, call[1], value, KeepExpiry{});
}

enum class BitOperation : std::uint8_t { bit_and, bit_or, bit_xor };

/// Shorter strings count as if zeros followed.
inline void combine(BitOperation operation, std::string& result, std::string_view operand) {
  if (result.size() < operand.size()) result.resize(operand.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto other = static_cast<unsigned char>(i < operand.size() ? operand[i] : '\0');
    const auto byte = static_cast<unsigned char>(result[i]);
    switch (operation) {
      case BitOperation::bit_and: result[i] = static_cast<char>(byte & other); break;
      case BitOperation::bit_or: result[i] = static_cast<char>(byte | other); break;
      case BitOperation::bit_xor: result[i] = static_cast<char>(byte ^ other); break;
    }
  }
}

inline Verdict bitop(Call& call) {
  const bool negate = is_word(call[1], "NOT");
  BitOperation operation = BitOperation::bit_or;
  if (is_word(call[1], "AND")) {
    operation = BitOperation::bit_and;
  } else if (is_word(call[1], "XOR")) {
    operation = BitOperation::bit_xor;
  } else if (!is_word(call[1], "OR") && (!negate || call.size() != 4)) {
    return diverged(Reason::malformed);
  }
  std::string result;
  for (std::size_t i = 3; i < call.size(); ++i) {
    auto stored = call.read(call[i]);
    std::string operand = stored ? std::move(stored->value) : std::string();
    if (i == 3) {
      result = std::move(operand);
    } else {
      combine(operation, result, operand);
    }
  }
  if (negate) {
    for (char& byte : result) byte = static_cast<char>(~static_cast<unsigned char>(byte));
  }
  if (!result.empty()) return assign(call, call[2], result, never);
  call.current().erase(call[2], call.locks);
  return applied;
}

}  // namespace replikv::inline v0_1::detail::commands
