// CLIENT PAUSE: which commands wait, and until when.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// While it lasts, commands of clients wait.
struct Pause {
  TimePoint until;
  bool writes_only;
};

class Pauses {
 public:
  [[nodiscard]] bool is_on() const noexcept { return pause_.has_value(); }
  [[nodiscard]] bool is_over(TimePoint now) const noexcept { return pause_ && now >= pause_->until; }

  /// A pause that is there already is not shortened, nor made milder.
  void begin(Pause wanted) noexcept {
    if (pause_) {
      wanted.until = std::max(wanted.until, pause_->until);
      wanted.writes_only = wanted.writes_only && pause_->writes_only;
    }
    pause_ = wanted;
  }
  void end() noexcept { pause_.reset(); }

  /// Whether a client's command has to wait.
  ///
  /// Source  Redis 7.0 processCommand: those that may change something wait for either kind of pause
  [[nodiscard]] bool holds_back(const Client& client, const RegisteredCommand& command) const noexcept {
    if (!pause_ || !pause_->writes_only) return pause_.has_value();
    constexpr auto writing = static_cast<std::uint32_t>(CommandFlag::write);
    const std::string_view name = command.command.name;
    return command.is(CommandFlag::write) || name == "publish" || name == "spublish" ||
           (name == "exec" && (client.queue_flags & writing) != 0);
  }

 private:
  std::optional<Pause> pause_;
};

}  // namespace replikv::inline v0_1::detail
