// Keyspace notifications: which are wanted, in Redis's letters, and what the event of each command is called.
#pragma once

#include <replikv/server/command.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// Which events are published, and on which channels.
///
/// Source  Redis 7.0 notify.c: notify-keyspace-events
class WantedEvents {
 public:
  WantedEvents() = default;

  /// Nothing for a letter that means nothing.
  [[nodiscard]] static std::optional<WantedEvents> parse(std::string_view letters) noexcept {
    WantedEvents wanted;
    for (const char letter : letters) {
      if (letter == 'A') {
        wanted.letters_ |= all_classes();
      } else if (known.find(letter) != std::string_view::npos) {
        wanted.letters_ |= bit(letter);
      } else {
        return std::nullopt;
      }
    }
    return wanted;
  }

  /// As CONFIG GET shows it.
  [[nodiscard]] std::string text() const {
    const bool is_all = (letters_ & all_classes()) == all_classes();
    std::string letters(is_all ? "A" : "");
    for (const char letter : known) {
      if (has(letter) && !(is_all && classes.find(letter) != std::string_view::npos)) letters += letter;
    }
    return letters;
  }

  [[nodiscard]] bool empty() const noexcept { return letters_ == 0; }
  [[nodiscard]] bool has(server::EventClass event) const noexcept { return has(static_cast<char>(event)); }
  [[nodiscard]] bool of_keys() const noexcept { return has('K'); }    ///< __keyspace@<db>__:<key>
  [[nodiscard]] bool of_events() const noexcept { return has('E'); }  ///< __keyevent@<db>__:<event>

 private:
  static constexpr std::string_view classes = "g$lshzxetd";  // those that A stands for
  static constexpr std::string_view known = "g$lshzxetdnKEm";

  [[nodiscard]] static constexpr std::uint32_t bit(char letter) noexcept {
    return std::uint32_t{1} << known.find(letter);
  }
  [[nodiscard]] static constexpr std::uint32_t all_classes() noexcept {
    std::uint32_t all = 0;
    for (const char letter : classes) all |= bit(letter);
    return all;
  }
  [[nodiscard]] bool has(char letter) const noexcept { return (letters_ & bit(letter)) != 0; }

  std::uint32_t letters_ = 0;
};

/// What a command's writes are called. Empty: the usual name of such a write.
struct EventNames {
  std::string_view command;
  std::string_view put{};
  server::EventClass put_class = server::EventClass::string;
  std::string_view erased{};
};

/// Those commands whose events have names of their own; sorted.
inline constexpr std::array event_names{
    EventNames{"append", "append"},
    EventNames{"bitfield", "setbit"},
    EventNames{"copy", "copy_to", server::EventClass::generic},
    EventNames{"decr", "incrby"},
    EventNames{"decrby", "incrby"},
    EventNames{"incr", "incrby"},
    EventNames{"incrby", "incrby"},
    EventNames{"incrbyfloat", "incrbyfloat"},
    EventNames{"move", "move_to", server::EventClass::generic, "move_from"},
    EventNames{"rename", "rename_to", server::EventClass::generic, "rename_from"},
    EventNames{"renamenx", "rename_to", server::EventClass::generic, "rename_from"},
    EventNames{"restore", "restore", server::EventClass::generic},
    EventNames{"restore-asking", "restore", server::EventClass::generic},
    EventNames{"setbit", "setbit"},
    EventNames{"setrange", "setrange"},
};

[[nodiscard]] inline EventNames events_of(std::string_view command) noexcept {
  const auto found = std::lower_bound(
      event_names.begin(), event_names.end(), command,
      [](const EventNames& names, std::string_view wanted) { return names.command < wanted; });
  return found != event_names.end() && found->command == command ? *found : EventNames{command};
}

}  // namespace replikv::inline v0_1::detail
