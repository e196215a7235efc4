// What happened in a run: who, when, which bytes. What a failing test prints.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/replication/events.hpp>
#include <replikv/transport/simulated.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace replikv::inline v0_1::testing {

namespace detail {

/// Printable on one line: what is not plain ASCII is escaped, what is long is cut off.
[[nodiscard]] inline std::string quoted(std::string_view text, std::size_t bytes_max = 64) {
  std::string out = "\"";
  for (const char c : text.substr(0, bytes_max)) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' || c == '\\') {
      out.append("\\").push_back(c);
    } else if (c >= ' ' && c <= '~') {
      out.push_back(c);
    } else {
      constexpr std::string_view digits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      out.append("\\x").push_back(digits[byte >> 4]);
      out.push_back(digits[byte & 15]);
    }
  }
  return out + (text.size() > bytes_max ? "\"..." : "\"");
}

/// An event of a node in words.
[[nodiscard]] inline std::string words(const Event& event) {
  const auto side = [](LinkSide which) { return which == LinkSide::to_master ? "master " : "replica "; };
  const auto at = [](Offset offset) { return " at " + std::to_string(offset.bytes); };
  struct {
    decltype(side)& toward;
    decltype(at)& where;
    std::string operator()(const LinkUp& e) const { return "link up to " + (toward(e.side) + e.peer); }
    std::string operator()(const LinkDown& e) const {
      return "link down to " + (toward(e.side) + e.peer) + ": " + e.why.message();
    }
    std::string operator()(const FullResyncStarted& e) const {
      return "full resync begins with " + (toward(e.side) + e.peer) + where(e.offset) +
             (e.why.empty() ? "" : ": " + e.why);
    }
    std::string operator()(const FullResyncProgress& e) const {
      return "snapshot: " + std::to_string(e.keys) + " keys so far";
    }
    std::string operator()(const FullResyncDone& e) const {
      return "full resync done with " + (toward(e.side) + e.peer) + where(e.offset);
    }
    std::string operator()(const FullResyncOutgrown& e) const {
      return "full resync of replica " + e.peer + " outgrown: " + std::to_string(e.bytes_written) +
             " bytes written, " + std::to_string(e.bytes_max) + " allowed";
    }
    std::string operator()(const PartialResync& e) const {
      return "partial resync with " + (toward(e.side) + e.peer) + where(e.offset);
    }
    std::string operator()(const Promoted& e) const { return "promoted, " + e.id.text() + where(e.offset); }
    std::string operator()(const Demoted& e) const { return "demoted, " + e.id.text() + where(e.offset); }
    std::string operator()(const WritesRejected& e) const {
      return std::to_string(e.count) + " writes rejected";
    }
    std::string operator()(const SnapshotRefused& e) const {
      return "refused a snapshot of " + std::to_string(e.keys_offered) + " keys";
    }
    std::string operator()(const Diverged& e) const { return "diverged" + where(e.offset) + ": " + e.why; }
  } const telling{side, at};
  return std::visit(telling, event);
}

}  // namespace detail

/// The last lines of what happened. Nothing is kept while it is off.
class Journal {
 public:
  explicit Journal(std::size_t lines_max, TimePoint start) : lines_max_(lines_max), start_(start) {}

  [[nodiscard]] bool is_on() const noexcept { return lines_max_ > 0; }

  void note(TimePoint now, std::string_view who, std::string_view what) {
    if (!is_on()) return;
    char time[32];
    const double seconds = std::chrono::duration<double>(now - start_).count();
    std::snprintf(time, sizeof time, "%12.6f s  ", seconds);
    lines_.emplace_back(std::string(time).append(who).append("  ").append(what));
    if (lines_.size() > lines_max_) {
      lines_.pop_front();
      ++dropped_;
    }
  }

  void note(const Traffic& traffic) {
    if (!is_on()) return;
    const std::string link = "link " + std::to_string(traffic.link);
    const std::string from = std::string(traffic.from) + " -> " + std::string(traffic.to);
    switch (traffic.kind) {
      case Traffic::Kind::opened: return note(traffic.at, from, link + " opened");
      case Traffic::Kind::closed: return note(traffic.at, from, link + ": " + traffic.why.message());
      case Traffic::Kind::bytes:
        return note(traffic.at, from,
                    link + ": " + std::to_string(traffic.bytes.size()) + " bytes " +
                        detail::quoted(as_text(traffic.bytes)));
    }
  }

  /// The last `lines` of them, one a line.
  [[nodiscard]] std::string text(std::size_t lines) const {
    const std::size_t shown = std::min(lines, lines_.size());
    const std::uint64_t before = dropped_ + lines_.size() - shown;
    std::string out = before > 0 ? "  ... " + std::to_string(before) + " lines before\n" : "";
    for (std::size_t i = lines_.size() - shown; i < lines_.size(); ++i) out.append(lines_[i]).push_back('\n');
    return out;
  }

 private:
  std::size_t lines_max_;
  TimePoint start_;
  std::deque<std::string> lines_;
  std::uint64_t dropped_ = 0;
};

}  // namespace replikv::inline v0_1::testing
