// Commands about when keys expire: setting it, taking it away, asking for it.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/keys.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

/// On what EXPIRE and its kin depend.
struct ExpireConditions {
  bool nx = false;  ///< there is no expiry yet
  bool xx = false;  ///< there is one
  bool gt = false;  ///< the new one is later; none is later than all
  bool lt = false;  ///< the new one is earlier

  [[nodiscard]] bool is_any() const noexcept { return nx || xx || gt || lt; }
  [[nodiscard]] bool hold(WallTime before, WallTime after) const noexcept {
    const bool has_expiry = before != Keyspace::never;
    return !(nx && has_expiry) && !(xx && !has_expiry) && !(gt && after <= before) &&
           !(lt && after >= before);
  }
};

[[nodiscard]] inline ExpireConditions expire_conditions_of(resp::Arguments options) {
  ExpireConditions conditions;
  for (const std::string_view option : options) {
    if (is_word(option, "nx")) {
      conditions.nx = true;
    } else if (is_word(option, "xx")) {
      conditions.xx = true;
    } else if (is_word(option, "gt")) {
      conditions.gt = true;
    } else if (is_word(option, "lt")) {
      conditions.lt = true;
    } else {
      throw CommandError("ERR Unsupported option " + std::string(option.substr(0, 128)));
    }
  }
  if (conditions.nx && (conditions.xx || conditions.gt || conditions.lt)) {
    throw CommandError("ERR NX and XX, GT or LT options at the same time are not compatible");
  }
  if (conditions.gt && conditions.lt) {
    throw CommandError("ERR GT and LT options at the same time are not compatible");
  }
  return conditions;
}

/// EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT. A time that has passed deletes the key.
inline void expire(Call& call, TimeUnit unit, std::string_view name) {
  const ExpireConditions conditions = expire_conditions_of(call.words.subspan(3));
  const WallTime at = expiry_of(call[2], unit, call.keys.now(), name);
  if (!conditions.is_any() && call.keys.set_expiry(call[1], at)) return call.reply.integer(1);
  bool is_set = false;
  call.atomically([&](Keyspace& keys) {
    const auto before = keys.expires_at(call[1]);
    is_set = before && conditions.hold(*before, at);
    if (is_set) keys.set_expiry(call[1], at);
  });
  call.reply.integer(is_set ? 1 : 0);
}

inline void persist(Call& call) {
  call.reply.integer(call.keys.set_expiry(call[1], Keyspace::never) ? 1 : 0);
}

/// TTL, PTTL, EXPIRETIME, PEXPIRETIME: -2 when the key is not there, -1 when it does not expire.
inline void time_to_live(Call& call, TimeUnit unit) {
  const auto at = call.keys.expires_at(call[1]);
  if (!note_lookup(call, at.has_value())) return call.reply.integer(-2);
  if (*at == Keyspace::never) return call.reply.integer(-1);
  const WallTime since = unit.is_relative ? call.keys.now() : WallTime();
  const std::int64_t milliseconds = std::max<std::int64_t>(0, (*at - since).count());
  call.reply.integer((milliseconds + unit.milliseconds / 2) / unit.milliseconds);
}

inline void add_expiry(detail::CommandTable& table) {
  const auto add = [&table](std::string_view setter, std::string_view getter, TimeUnit unit) {
    table.add({std::string(setter), -3, "write fast", "keyspace", {1, 1, 1}, [unit, setter](Call& call) {
                 expire(call, unit, setter);
               }});
    table.add({std::string(getter), 2, "readonly fast", "keyspace", {1, 1, 1}, [unit](Call& call) {
                 time_to_live(call, unit);
               }});
  };
  add("expire", "ttl", {true, 1'000});
  add("pexpire", "pttl", {true, 1});
  add("expireat", "expiretime", {false, 1'000});
  add("pexpireat", "pexpiretime", {false, 1});
  table.add({"persist", 2, "write fast", "keyspace", {1, 1, 1}, persist});
}

}  // namespace replikv::inline v0_1::server::commands
