// The layout of everything in an RDB file, as data: short lists of steps, which the reader walks with a
// stack of fixed depth. So an item may be cut anywhere, and no input makes the reader recurse.
#pragma once

#include <replikv/rdb/opcodes.hpp>

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace replikv::inline v0_1::rdb::detail {

enum class Operation : std::uint8_t {
  end,            // of the list
  key,            // a string to hand out
  value,          // a string to hand out
  number,         // a length to hand out; argument: which
  seconds,        // int32 of expiry
  milliseconds,   // int64 of expiry
  text,           // a string to pass over
  length,         // a length to pass over
  raw,            // argument: bytes to pass over
  counted,        // a length n, then n times the plan in the argument
  ascii_double,   // a byte of length, or one of three that stand for a number themselves
  container,      // a length that is 1 or 2
  flag,           // a length that is 0 or 1; for 1, the plan in the argument
  module_fields,  // a module's fields up to their end mark
};

struct Step {
  Operation operation = Operation::end;
  std::uint8_t argument = 0;
};

enum class Plan : std::uint8_t {
  // Items.
  key,
  string_entry,
  auxiliary,
  select_database,
  resize_database,
  expire_seconds,
  expire_milliseconds,
  idle,
  frequency,
  module_auxiliary,
  function_pre_release,
  function2,
  slot_info,
  // Values.
  text,
  texts,
  hash,
  sorted_set,
  sorted_set_2,
  module_2,
  stream,
  stream_2,
  stream_3,
  quicklist_2,
  hash_field_ttl_pre_release,
  hash_field_ttl,
  hash_listpack_ttl,
  // Parts of them.
  text_pair,
  sorted_set_member,
  sorted_set_2_member,
  quicklist_2_node,
  field_with_ttl,
  pending_entry,
  raw_id,
  consumer,
  consumer_3,
  group,
  group_2,
  group_3,
  module_length,
  module_float,
  module_double,
};
inline constexpr std::size_t plan_count = static_cast<std::size_t>(Plan::module_double) + 1;
inline constexpr std::size_t plan_steps_max = 12;

using Steps = std::array<Step, plan_steps_max>;

[[nodiscard]] constexpr Step counted(Plan plan) noexcept {
  return {Operation::counted, static_cast<std::uint8_t>(plan)};
}
[[nodiscard]] constexpr Step raw(std::uint8_t bytes) noexcept { return {Operation::raw, bytes}; }

[[nodiscard]] constexpr Steps item_steps(Plan plan) noexcept {
  constexpr Step text{Operation::text}, length{Operation::length}, key{Operation::key},
      value{Operation::value};
  constexpr Step first{Operation::number, 0}, second{Operation::number, 1};
  switch (plan) {
    case Plan::key: return {key};
    case Plan::string_entry: return {key, value};
    case Plan::auxiliary: return {key, value};
    case Plan::select_database: return {first};
    case Plan::resize_database: return {first, second};
    case Plan::expire_seconds: return {Step{Operation::seconds}};
    case Plan::expire_milliseconds: return {Step{Operation::milliseconds}};
    case Plan::idle: return {length};
    case Plan::frequency: return {raw(1)};
    case Plan::module_auxiliary: return {length, length, length, Step{Operation::module_fields}};
    case Plan::function_pre_release:
      return {text, text, Step{Operation::flag, static_cast<std::uint8_t>(Plan::text)}, text};
    case Plan::function2: return {text};
    case Plan::slot_info: return {length, length, length};
    default: return {};
  }
}

[[nodiscard]] constexpr Steps value_steps(Plan plan) noexcept {
  constexpr Step text{Operation::text}, length{Operation::length};
  switch (plan) {
    case Plan::text: return {text};
    case Plan::texts: return {counted(Plan::text)};
    case Plan::hash: return {counted(Plan::text_pair)};
    case Plan::sorted_set: return {counted(Plan::sorted_set_member)};
    case Plan::sorted_set_2: return {counted(Plan::sorted_set_2_member)};
    case Plan::module_2: return {length, Step{Operation::module_fields}};
    // Nodes; length, last id (two lengths); since v2 first id, greatest deleted id, entries added; groups.
    case Plan::stream: return {counted(Plan::text_pair), length, length, length, counted(Plan::group)};
    case Plan::stream_2:
      return {counted(Plan::text_pair), length, length, length, length, length, length, length, length,
              counted(Plan::group_2)};
    case Plan::stream_3:
      return {counted(Plan::text_pair), length, length, length, length, length, length, length, length,
              counted(Plan::group_3)};
    case Plan::quicklist_2: return {counted(Plan::quicklist_2_node)};
    case Plan::hash_field_ttl_pre_release: return {counted(Plan::field_with_ttl)};
    case Plan::hash_field_ttl: return {raw(8), counted(Plan::field_with_ttl)};
    case Plan::hash_listpack_ttl: return {raw(8), text};
    default: return {};
  }
}

[[nodiscard]] constexpr Steps part_steps(Plan plan) noexcept {
  constexpr Step text{Operation::text}, length{Operation::length};
  switch (plan) {
    case Plan::text_pair: return {text, text};
    case Plan::sorted_set_member: return {text, Step{Operation::ascii_double}};
    case Plan::sorted_set_2_member: return {text, raw(8)};
    case Plan::quicklist_2_node: return {Step{Operation::container}, text};
    case Plan::field_with_ttl: return {length, text, text};
    case Plan::pending_entry: return {raw(16), raw(8), length};  // id, delivery time, delivery count
    case Plan::raw_id: return {raw(16)};
    case Plan::consumer: return {text, raw(8), counted(Plan::raw_id)};  // name, seen, pending
    case Plan::consumer_3:
      return {text, raw(8), raw(8), counted(Plan::raw_id)};  // ... active since v3
    // Name, last id; since v2 entries read; pending entries, consumers.
    case Plan::group: return {text, length, length, counted(Plan::pending_entry), counted(Plan::consumer)};
    case Plan::group_2:
      return {text, length, length, length, counted(Plan::pending_entry), counted(Plan::consumer)};
    case Plan::group_3:
      return {text, length, length, length, counted(Plan::pending_entry), counted(Plan::consumer_3)};
    case Plan::module_length: return {length};
    case Plan::module_float: return {raw(4)};
    case Plan::module_double: return {raw(8)};
    default: return {};
  }
}

[[nodiscard]] constexpr std::array<Steps, plan_count> make_plans() noexcept {
  std::array<Steps, plan_count> plans{};
  for (std::size_t i = 0; i < plan_count; ++i) {
    const auto plan = static_cast<Plan>(i);
    plans[i] = plan < Plan::text        ? item_steps(plan)
               : plan < Plan::text_pair ? value_steps(plan)
                                        : part_steps(plan);
  }
  return plans;
}

inline constexpr std::array<Steps, plan_count> plans = make_plans();

/// How the value of a type is laid out; nothing for types that cannot be passed over.
[[nodiscard]] constexpr std::optional<Plan> plan_of_value(std::uint8_t type) noexcept {
  switch (type) {
    case value_type::list:
    case value_type::set:
    case value_type::quicklist: return Plan::texts;
    case value_type::sorted_set: return Plan::sorted_set;
    case value_type::hash: return Plan::hash;
    case value_type::sorted_set_2: return Plan::sorted_set_2;
    case value_type::module_2: return Plan::module_2;
    case value_type::hash_zipmap:
    case value_type::list_ziplist:
    case value_type::set_intset:
    case value_type::sorted_set_ziplist:
    case value_type::hash_ziplist:
    case value_type::hash_listpack:
    case value_type::sorted_set_listpack:
    case value_type::set_listpack:
    case value_type::hash_listpack_ttl_pre_release: return Plan::text;
    case value_type::stream: return Plan::stream;
    case value_type::quicklist_2: return Plan::quicklist_2;
    case value_type::stream_2: return Plan::stream_2;
    case value_type::stream_3: return Plan::stream_3;
    case value_type::hash_field_ttl_pre_release: return Plan::hash_field_ttl_pre_release;
    case value_type::hash_field_ttl: return Plan::hash_field_ttl;
    case value_type::hash_listpack_ttl: return Plan::hash_listpack_ttl;
    default: return std::nullopt;
  }
}

/// What follows an opcode; nothing for bytes that are no opcode, and for the end mark.
[[nodiscard]] constexpr std::optional<Plan> plan_of_opcode(std::uint8_t code) noexcept {
  switch (code) {
    case value_type::string: return Plan::string_entry;
    case opcode::slot_info: return Plan::slot_info;
    case opcode::function2: return Plan::function2;
    case opcode::function_pre_release: return Plan::function_pre_release;
    case opcode::module_auxiliary: return Plan::module_auxiliary;
    case opcode::idle: return Plan::idle;
    case opcode::frequency: return Plan::frequency;
    case opcode::auxiliary: return Plan::auxiliary;
    case opcode::resize_database: return Plan::resize_database;
    case opcode::expire_milliseconds: return Plan::expire_milliseconds;
    case opcode::expire_seconds: return Plan::expire_seconds;
    case opcode::select_database: return Plan::select_database;
    default: return std::nullopt;
  }
}

/// Where a reader is within nested plans. Deepest: key above a stream, its groups, consumers, their ids.
class PlanStack {
 public:
  /// Precondition: the plans nest no deeper than they are written to.
  void push(Plan plan, std::uint64_t repetitions) noexcept {
    if (repetitions == 0) return;
    assert(depth_ < frames_.size());
    frames_[depth_++] = {repetitions, plan, 0};
  }

  /// The step to do now; `Operation::end` when everything is done.
  [[nodiscard]] Step current() noexcept {
    while (depth_ > 0) {
      Frame& frame = frames_[depth_ - 1];
      const Step step = plans[static_cast<std::size_t>(frame.plan)][frame.next];
      if (step.operation != Operation::end) return step;
      frame.next = 0;
      if (--frame.repetitions == 0) --depth_;
    }
    return {};
  }

  /// Goes on to the next step. Precondition: `current` has just been called and was not the end.
  void advance() noexcept { ++frames_[depth_ - 1].next; }

 private:
  struct Frame {
    std::uint64_t repetitions;  // including the one under way
    Plan plan;
    std::uint8_t next;
  };

  std::array<Frame, 6> frames_;
  std::size_t depth_ = 0;
};

}  // namespace replikv::inline v0_1::rdb::detail
