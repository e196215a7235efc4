// DUMP and RESTORE: values in the form in which RDB files hold them, with a checksum.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/replication/detail/commands/dump_payload.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/keys.hpp>
#include <replikv/server/detail/commands/words.hpp>
#include <replikv/server/detail/server.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::server::commands {

/// The version that payloads tell: that of Redis 7.0, which takes no newer ones.
inline constexpr std::uint16_t dump_version = 10;

inline void dump(Call& call) {
  const bool is_there = call.keys.visit(call[1], [&call](std::string_view value) {
    call.reply.bulk(detail::commands::dump_payload(value, dump_version));
  });
  if (!note_lookup(call, is_there)) call.reply.null();
}

struct RestoreOptions {
  bool replaces = false;
  bool is_absolute = false;
};

/// When and how often the key was used is checked, and not kept.
[[nodiscard]] inline RestoreOptions restore_options_of(resp::Arguments words) {
  RestoreOptions options;
  bool has_idle_time = false;
  bool has_frequency = false;
  for (std::size_t i = 4; i < words.size(); ++i) {
    const bool has_next = i + 1 < words.size();
    if (is_word(words[i], "replace")) {
      options.replaces = true;
    } else if (is_word(words[i], "absttl")) {
      options.is_absolute = true;
    } else if (is_word(words[i], "idletime") && has_next && !has_frequency) {
      has_idle_time = true;
      if (integer_of(words[++i]) < 0) throw CommandError("ERR Invalid IDLETIME value, must be >= 0");
    } else if (is_word(words[i], "freq") && has_next && !has_idle_time) {
      has_frequency = true;
      const std::int64_t frequency = integer_of(words[++i]);
      if (frequency < 0 || frequency > 255) {
        throw CommandError("ERR Invalid FREQ value, must be >= 0 and <= 255");
      }
    } else {
      syntax_error();
    }
  }
  return options;
}

/// Throws `CommandError` for what is no string's payload.
inline void check_payload(const detail::commands::DumpPayload& payload) {
  using Status = detail::commands::DumpPayload::Status;
  switch (payload.status()) {
    case Status::text: return;
    case Status::newer:
    case Status::unverified: throw CommandError("ERR DUMP payload version or checksum are wrong");
    case Status::foreign:
    case Status::corrupt: throw CommandError("ERR Bad data format");
  }
}

/// Source  Redis 7.0: what is looked at first
inline void restore(Call& call) {
  const RestoreOptions options = restore_options_of(call.words);
  call.atomically([&](Keyspace& keys) {
    if (!options.replaces && keys.contains(call[1])) {
      throw CommandError("BUSYKEY Target key name already exists.");
    }
    if (integer_of(call[2]) < 0) throw CommandError("ERR Invalid TTL value, must be >= 0");
    const detail::commands::DumpPayload payload(call[3]);
    check_payload(payload);
    const WallTime expires_at = call[2] == "0"
                                    ? Keyspace::never
                                    : expiry_of(call[2], {!options.is_absolute, 1}, keys.now(), "restore");
    keys.set(call[1], payload.text(), expires_at);
  });
  call.reply.ok();
}

inline void add_dump(detail::CommandTable& table) {
  table.add({"dump", 2, "readonly", "keyspace", {1, 1, 1}, dump});
  table.add({"restore", -4, "write denyoom", "keyspace dangerous", {1, 1, 1}, restore});
  table.add({"restore-asking", -4, "write denyoom asking", "keyspace dangerous", {1, 1, 1}, restore});
}

}  // namespace replikv::inline v0_1::server::commands
