// The commands whose results no store can hold: other types, and HyperLogLogs. Nothing is computed; but a
// string they overwrite at the master must not stay here.
#pragma once

#include <replikv/replication/detail/commands/call.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace replikv::inline v0_1::detail::commands {

inline Verdict ignore(Call&) { return ignored; }

inline Verdict foreign(Call&) { return not_mirrored(Reason::foreign_type); }

inline Verdict script(Call&) { return not_mirrored(Reason::script); }

inline Verdict overwritten(Call& call, std::string_view key, Reason reason) {
  call.current().erase(key, call.locks);
  return not_mirrored(reason);
}

/// SUNIONSTORE and the like, which name their destination first.
inline Verdict store_first(Call& call) { return overwritten(call, call[1], Reason::foreign_type); }

/// PFADD, PFMERGE.
inline Verdict hyperloglog(Call& call) { return overwritten(call, call[1], Reason::hyperloglog); }

/// In the stream when it renewed the count that is cached inside the value.
inline Verdict pfcount(Call& call) {
  return call.size() == 2 ? hyperloglog(call) : not_mirrored(Reason::hyperloglog);
}

/// PFDEBUG TODENSE key and the like.
inline Verdict pfdebug(Call& call) { return overwritten(call, call[2], Reason::hyperloglog); }

// The key behind the last of the STORE options. Options that take arguments are passed over together with
// them, so that a pattern called "store" misleads nobody.
struct StoreOption {
  std::size_t options_from;

  [[nodiscard]] static std::size_t arguments_of(std::string_view word) noexcept {
    if (is_word(word, "LIMIT")) return 2;
    return is_word(word, "BY") || is_word(word, "GET") || is_word(word, "COUNT") ? 1 : 0;
  }

  [[nodiscard]] std::optional<std::string_view> find(const Call& call) const noexcept {
    std::optional<std::string_view> destination;
    for (std::size_t i = options_from; i < call.size(); ++i) {
      if (is_word(call[i], "STORE") || is_word(call[i], "STOREDIST")) {
        if (++i < call.size()) destination = call[i];
      } else {
        i += arguments_of(call[i]);
      }
    }
    return destination;
  }

  Verdict apply(Call& call) const {
    const auto destination = find(call);
    return destination ? overwritten(call, *destination, Reason::foreign_type)
                       : not_mirrored(Reason::foreign_type);
  }
};

inline Verdict sort(Call& call) { return StoreOption{2}.apply(call); }
inline Verdict georadius(Call& call) { return StoreOption{6}.apply(call); }
inline Verdict georadiusbymember(Call& call) { return StoreOption{5}.apply(call); }

}  // namespace replikv::inline v0_1::detail::commands
