// All histories there ever were in a run: under each replication id the bytes by offset, where it left the
// one before, and what a store holds at each offset.
#pragma once

#include <replikv/stream/replication_id.hpp>
#include <replikv/stream/token.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tests/simulation/reference.hpp>
#include <utility>
#include <vector>

namespace simulation {

/// A rule that was broken: its name, and how.
class Violation : public std::runtime_error {
 public:
  Violation(std::string invariant, const std::string& what)
      : std::runtime_error(invariant + ": " + what), invariant_(std::move(invariant)) {}
  [[nodiscard]] const std::string& invariant() const noexcept { return invariant_; }

 private:
  std::string invariant_;
};

class Chronicle {
 public:
  [[nodiscard]] bool knows(const replikv::ReplicationId& id) const { return lines_.contains(id.text()); }

  /// A history that begins here by itself: a master was started.
  void begin(const replikv::Token& at, const Reference& state) {
    lines_.emplace(at.id.text(), Line{at.offset.bytes, nullptr, {}, {{at.offset.bytes, state}}});
  }

  /// A history that goes on from here under a new id: a promotion.
  void branch(const replikv::Token& from, const replikv::ReplicationId& id, const Reference& state) {
    lines_.emplace(id.text(), Line{from.offset.bytes, &line(from.id), {}, {{from.offset.bytes, state}}});
  }

  /// Whether history `id` has at `offset` what history `other` has there, and before.
  [[nodiscard]] bool shares(const replikv::ReplicationId& id, const replikv::ReplicationId& other,
                            std::uint64_t offset) const {
    const Line* const wanted = &line(other);
    for (const Line* at = &line(id); at != nullptr; at = at->parent) {
      if (at == wanted) return offset <= at->end();
      if (offset > at->start) return false;
    }
    return false;
  }

  /// A master has written these bytes after `offset`.
  void extend(const replikv::ReplicationId& id, std::uint64_t offset, std::string_view bytes) {
    Line& at = line(id);
    if (offset != at.end()) throw Violation("one byte an offset", "a master wrote over its own history");
    at.bytes.append(bytes);
  }

  /// A replica holds these bytes after `offset`.
  void verify(const replikv::ReplicationId& id, std::uint64_t offset, std::string_view bytes) const {
    for (const Line* at = &line(id); at != nullptr; at = at->parent) {
      if (offset + bytes.size() > at->end())
        throw Violation("one byte an offset", "a replica holds bytes its master never wrote");
      if (offset + bytes.size() <= at->start) continue;
      const std::uint64_t from = std::max(offset, at->start);
      const std::string_view mine = bytes.substr(static_cast<std::size_t>(from - offset));
      if (std::string_view(at->bytes).substr(static_cast<std::size_t>(from - at->start), mine.size()) != mine)
        throw Violation("one byte an offset", "a replica holds other bytes than its master wrote");
      bytes = bytes.substr(0, static_cast<std::size_t>(from - offset));
      if (bytes.empty()) return;
    }
    if (!bytes.empty())
      throw Violation("one byte an offset", "a replica holds bytes from before the history");
  }

  /// What a store holds at a position.
  [[nodiscard]] Reference state_at(const replikv::Token& position) {
    return state_at(line(position.id), position.offset.bytes);
  }

 private:
  struct Line {
    [[nodiscard]] std::uint64_t end() const noexcept { return start + bytes.size(); }

    std::uint64_t start;
    const Line* parent;
    std::string bytes;
    std::map<std::uint64_t, Reference> states;  // some of them
  };

  static constexpr std::uint64_t states_every_bytes = 8192;

  [[nodiscard]] Line& line(const replikv::ReplicationId& id) {
    return const_cast<Line&>(std::as_const(*this).line(id));
  }
  [[nodiscard]] const Line& line(const replikv::ReplicationId& id) const {
    const auto found = lines_.find(id.text());
    if (found == lines_.end()) throw Violation("known history", "nobody ever wrote history " + id.text());
    return found->second;
  }

  Reference state_at(Line& at, std::uint64_t offset) {
    if (offset < at.start && at.parent != nullptr) return state_at(const_cast<Line&>(*at.parent), offset);
    if (offset < at.start || offset > at.end())
      throw Violation("known history", "no master ever stood at " + std::to_string(offset));
    const auto before = std::prev(at.states.upper_bound(offset));
    Reference state = before->second;
    KeyList touched;
    const std::uint64_t from = before->first - at.start;
    state.fold(std::string_view(at.bytes).substr(from, offset - before->first), touched);
    if (offset - before->first > states_every_bytes) at.states.emplace(offset, state);
    return state;
  }

  std::map<std::string, Line> lines_;
};

}  // namespace simulation
