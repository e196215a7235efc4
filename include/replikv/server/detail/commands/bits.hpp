// Commands on strings as arrays of bits, bit 0 the highest of the first byte: single bits, counting and
// finding them, numbers at any bit, and strings combined with each other.
#pragma once

#include <replikv/core/limits.hpp>
#include <replikv/replication/detail/commands/bit_field.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/strings.hpp>
#include <replikv/server/detail/commands/words.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::server::commands {

// --- One bit ----------------------------------------------------------------------------------------

[[nodiscard]] inline std::uint64_t bit_offset_of(std::string_view text) {
  const auto offset = detail::commands::parse_bit_offset(text);
  if (!offset) throw CommandError("ERR bit offset is not an integer or out of range");
  return *offset;
}

/// Behind the last byte there are zeros.
[[nodiscard]] inline bool bit_at(std::string_view bytes, std::uint64_t offset) noexcept {
  if (offset / 8 >= bytes.size()) return false;
  return (static_cast<unsigned char>(bytes[offset / 8]) >> (7 - offset % 8) & 1U) != 0;
}

inline void getbit(Call& call) {
  const std::uint64_t offset = bit_offset_of(call[2]);
  bool bit = false;
  read(call, call.keys, call[1], [&](std::string_view value) { bit = bit_at(value, offset); });
  call.reply.integer(bit ? 1 : 0);
}

/// The value of a key, at least so long.
inline std::string& grown(std::optional<std::string>& value, std::uint64_t bytes) {
  check_size(bytes, 0);
  if (!value) value.emplace();
  if (value->size() < bytes) value->resize(bytes);
  return *value;
}

inline void setbit(Call& call) {
  const std::uint64_t offset = bit_offset_of(call[2]);
  if (call[3] != "0" && call[3] != "1") throw CommandError("ERR bit is not an integer or out of range");
  bool before = false;
  call.keys.update(call[1], [&](std::optional<std::string>& value) {
    std::string& bytes = grown(value, offset / 8 + 1);
    before = bit_at(bytes, offset);
    detail::commands::store_bits(bytes, offset, 1, call[3] == "1" ? 1 : 0);
  });
  call.reply.integer(before ? 1 : 0);
}

// --- Counting and finding ---------------------------------------------------------------------------

/// Eight bytes as a number whose highest bit is the first.
[[nodiscard]] inline std::uint64_t eight_bytes_at(std::string_view bytes, std::size_t offset) noexcept {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return std::endian::native == std::endian::little ? __builtin_bswap64(number) : number;
}

/// How many bits of these bytes are 1.
[[nodiscard]] inline std::uint64_t count_ones(std::string_view bytes) noexcept {
  std::uint64_t ones = 0;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    ones += static_cast<std::uint64_t>(std::popcount(eight_bytes_at(bytes, i)));
  }
  for (; i < bytes.size(); ++i) {
    ones += static_cast<std::uint64_t>(std::popcount(static_cast<unsigned char>(bytes[i])));
  }
  return ones;
}

/// How many bits in a range of bits are 1. Precondition: the range lies within the bytes.
[[nodiscard]] inline std::uint64_t count_ones(std::string_view bytes, Range bits) noexcept {
  const std::size_t first_byte = bits.first / 8;
  const std::size_t last_byte = bits.last / 8;
  const auto first = static_cast<unsigned char>(bytes[first_byte]);
  const auto last = static_cast<unsigned char>(bytes[last_byte]);
  const auto before = static_cast<unsigned char>(first & ~(0xffU >> bits.first % 8));
  const auto behind = static_cast<unsigned char>(last & (0x7fU >> bits.last % 8));
  return count_ones(bytes.substr(first_byte, last_byte - first_byte + 1)) -
         static_cast<std::uint64_t>(std::popcount(before) + std::popcount(behind));
}

/// Where in a range of bits the first is that is `wanted`. Precondition: the range lies within the bytes.
[[nodiscard]] inline std::optional<std::uint64_t> find_bit(std::string_view bytes, bool wanted,
                                                           Range bits) noexcept {
  const std::uint64_t inversion = wanted ? 0 : ~std::uint64_t{0};
  std::uint64_t bit = bits.first;
  while (bit <= bits.last) {
    if (bit % 8 == 0 && bit / 8 + 8 <= bytes.size()) {
      const std::uint64_t pattern = eight_bytes_at(bytes, bit / 8) ^ inversion;
      bit += static_cast<std::uint64_t>(std::countl_zero(pattern));
      if (pattern != 0) break;
    } else {
      if (bit_at(bytes, bit) == wanted) break;
      ++bit;
    }
  }
  return bit <= bits.last ? std::optional(bit) : std::nullopt;
}

/// True when the last word of BITCOUNT and BITPOS says that their range is one of bits.
[[nodiscard]] inline bool counts_bits(std::string_view unit) {
  if (is_word(unit, "bit")) return true;
  if (!is_word(unit, "byte")) syntax_error();
  return false;
}

/// A range of bytes or bits, as a range of bits.
[[nodiscard]] inline std::optional<Range> bits_within(std::int64_t first, std::int64_t last, bool of_bits,
                                                      std::size_t bytes) noexcept {
  const auto range = range_within(first, last, of_bits ? bytes * 8 : bytes);
  if (!range || of_bits) return range;
  return Range{range->first * 8, range->last * 8 + 7};
}

/// Source  Redis 7.0 bitcountCommand: of a key that is not there the range is not looked at, and the unit
///         not when the range is empty by itself
inline void bitcount(Call& call) {
  std::uint64_t ones = 0;
  read(call, call.keys, call[1], [&](std::string_view value) {
    if (call.size() == 2) {
      ones = count_ones(value);
      return;
    }
    if (call.size() != 4 && call.size() != 5) syntax_error();
    const std::int64_t first = integer_of(call[2]);
    const std::int64_t last = integer_of(call[3]);
    if (first < 0 && last < 0 && first > last) return;
    const bool of_bits = call.size() == 5 && counts_bits(call[4]);
    if (const auto range = bits_within(first, last, of_bits, value.size())) ones = count_ones(value, *range);
  });
  call.reply.integer(ones);
}

/// BITPOS in a value that is there: the position, or -1.
[[nodiscard]] inline std::int64_t bit_position(const Call& call, bool wanted, std::string_view value) {
  if (call.size() > 6) syntax_error();
  const std::int64_t first = call.size() > 3 ? integer_of(call[3]) : 0;
  const bool of_bits = call.size() == 6 && counts_bits(call[5]);
  const bool has_end = call.size() > 4;
  const auto range = bits_within(first, has_end ? integer_of(call[4]) : -1, of_bits, value.size());
  if (!range) return -1;
  if (const auto found = find_bit(value, wanted, *range)) return static_cast<std::int64_t>(*found);
  // Behind a string zeros follow without end, unless the end was named.
  return wanted || has_end ? -1 : static_cast<std::int64_t>(value.size() * 8);
}

/// Source  Redis 7.0 bitposCommand
inline void bitpos(Call& call) {
  const std::int64_t bit = integer_of(call[2]);
  if (bit != 0 && bit != 1) throw CommandError("ERR The bit argument must be 1 or 0.");
  std::int64_t position = bit == 1 ? -1 : 0;
  read(call, call.keys, call[1],
       [&](std::string_view value) { position = bit_position(call, bit == 1, value); });
  call.reply.integer(position);
}

// --- Combining --------------------------------------------------------------------------------------

/// Nothing for NOT.
[[nodiscard]] inline std::optional<detail::commands::BitOperation> bit_operation_of(const Call& call) {
  using Operation = detail::commands::BitOperation;
  if (is_word(call[1], "and")) return Operation::bit_and;
  if (is_word(call[1], "or")) return Operation::bit_or;
  if (is_word(call[1], "xor")) return Operation::bit_xor;
  if (!is_word(call[1], "not")) syntax_error();
  if (call.size() != 4) throw CommandError("ERR BITOP NOT must be called with a single source key.");
  return std::nullopt;
}

inline void bitop(Call& call) {
  const auto operation = bit_operation_of(call);
  call.atomically([&](Keyspace& keys) {
    std::string result;
    read(call, keys, call[3], [&result](std::string_view value) { result = value; });
    for (const std::string_view key : call.words.subspan(4)) {
      const bool is_there = read(call, keys, key, [&](std::string_view value) {
        detail::commands::combine(*operation, result, value);
      });
      if (!is_there) detail::commands::combine(*operation, result, {});
    }
    if (!operation) detail::commands::negate(result);
    if (result.empty()) {
      keys.erase(call[2]);
    } else {
      keys.set(call[2], result, Keyspace::never);
    }
    call.reply.integer(result.size());
  });
}

// --- Numbers at any bit -----------------------------------------------------------------------------

/// The operations of a BITFIELD command.
[[nodiscard]] inline std::vector<detail::commands::BitFieldStep> bit_field_steps_of(const Call& call) {
  using Fault = detail::commands::BitFieldFault;
  std::vector<detail::commands::BitFieldStep> steps;
  detail::commands::BitFieldParser parser(call.words);
  while (const auto step = parser.next()) steps.push_back(*step);
  switch (parser.fault()) {
    case Fault::none: break;
    case Fault::syntax: syntax_error();
    case Fault::operand: not_an_integer();
    case Fault::overflow: throw CommandError("ERR Invalid OVERFLOW type specified");
    case Fault::offset: throw CommandError("ERR bit offset is not an integer or out of range");
    case Fault::type:
      throw CommandError(
          "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
  }
  return steps;
}

[[nodiscard]] inline bool is_get(const detail::commands::BitFieldStep& step) noexcept {
  return step.kind == detail::commands::BitFieldStep::Kind::get;
}

/// BITFIELD that reads only.
inline void reply_fields(Call& call, const std::vector<detail::commands::BitFieldStep>& steps) {
  const auto reply_from = [&](std::string_view value) {
    call.reply.array(steps.size());
    for (const auto& step : steps) {
      call.reply.integer(detail::commands::load_bits(value, step.offset_bits, step.type));
    }
  };
  if (!read(call, call.keys, call[1], reply_from)) reply_from({});
}

/// Runs an operation; what it answers, nothing where it would overflow and must not.
[[nodiscard]] inline std::optional<std::int64_t> run_step(const detail::commands::BitFieldStep& step,
                                                          std::string& bytes) noexcept {
  using Kind = detail::commands::BitFieldStep::Kind;
  const std::int64_t old = detail::commands::load_bits(bytes, step.offset_bits, step.type);
  if (step.kind == Kind::get) return old;
  const auto result = detail::commands::result_of(step, old);
  if (!result) return std::nullopt;
  detail::commands::store_bits(bytes, step.offset_bits, step.type.bits, static_cast<std::uint64_t>(*result));
  return step.kind == Kind::set ? old : *result;
}

/// Source  Redis 7.0 bitfieldGeneric: the string grows as far as an operation writes, even where that fails
inline void bitfield(Call& call) {
  const auto steps = bit_field_steps_of(call);
  if (std::all_of(steps.begin(), steps.end(), is_get)) return reply_fields(call, steps);
  std::uint64_t written_bits = 0;
  for (const auto& step : steps) {
    if (!is_get(step)) written_bits = std::max(written_bits, step.offset_bits + step.type.bits);
  }
  std::vector<std::optional<std::int64_t>> answers;
  call.keys.update(call[1], [&](std::optional<std::string>& value) {
    std::string& bytes = grown(value, (written_bits + 7) / 8);
    for (const auto& step : steps) answers.push_back(run_step(step, bytes));
  });
  call.reply.array(answers.size());
  for (const auto& answer : answers) answer ? call.reply.integer(*answer) : call.reply.null();
}

inline void bitfield_ro(Call& call) {
  const auto steps = bit_field_steps_of(call);
  if (!std::all_of(steps.begin(), steps.end(), is_get)) {
    throw CommandError("ERR BITFIELD_RO only supports the GET subcommand");
  }
  reply_fields(call, steps);
}

inline void add_bits(detail::CommandTable& table) {
  table.add({"getbit", 3, "readonly fast", "bitmap", {1, 1, 1}, getbit});
  table.add({"setbit", 4, "write denyoom", "bitmap", {1, 1, 1}, setbit});
  table.add({"bitcount", -2, "readonly", "bitmap", {1, 1, 1}, bitcount});
  table.add({"bitpos", -3, "readonly", "bitmap", {1, 1, 1}, bitpos});
  table.add({"bitop", -4, "write denyoom", "bitmap", {2, -1, 1}, bitop});
  table.add({"bitfield", -2, "write denyoom", "bitmap", {1, 1, 1}, bitfield});
  table.add({"bitfield_ro", -2, "readonly fast", "bitmap", {1, 1, 1}, bitfield_ro});
}

}  // namespace replikv::inline v0_1::server::commands
