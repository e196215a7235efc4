// Strings as arrays of bits: SETBIT, BITFIELD, BITOP. Bit 0 is the highest bit of the first byte.
#pragma once

#include <replikv/replication/detail/commands/bit_field.hpp>
#include <replikv/replication/detail/commands/call.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace replikv::inline v0_1::detail::commands {

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
  if (written_bits > static_cast<std::uint64_t>(bits_max)) return diverged(Reason::too_large);

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
  const auto bit = parse_bit_offset(call[2]);
  if (!bit || (call[3] != "0" && call[3] != "1")) return diverged(Reason::out_of_range);
  std::string value;
  if (auto stored = call.read(call[1])) value = std::move(stored->value);
  if (value.size() <= *bit >> 3) value.resize((*bit >> 3) + 1);
  store_bits(value, *bit, 1, call[3] == "1" ? 1 : 0);
  return assign(call, call[1], value, KeepExpiry{});
}

inline Verdict bitop(Call& call) {
  const bool negated = is_word(call[1], "NOT");
  BitOperation operation = BitOperation::bit_or;
  if (is_word(call[1], "AND")) {
    operation = BitOperation::bit_and;
  } else if (is_word(call[1], "XOR")) {
    operation = BitOperation::bit_xor;
  } else if (!is_word(call[1], "OR") && (!negated || call.size() != 4)) {
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
  if (negated) negate(result);
  if (!result.empty()) return assign(call, call[2], result, never);
  call.current().erase(call[2], call.locks);
  return applied;
}

}  // namespace replikv::inline v0_1::detail::commands
