// What is to happen when: ordered by time and, at one time, by the order of adding.
#pragma once

#include <replikv/core/clock.hpp>

#include <cassert>
#include <cstdint>
#include <map>
#include <utility>

namespace replikv::inline v0_1::detail {

/// Names an item: when it is due, and which one it was of those added.
using TimerKey = std::pair<TimePoint, std::uint64_t>;

/// A priority queue whose items can be taken back. O(log n) a call.
///
/// Thread safety  none
template <class Item>
class TimerQueue {
 public:
  using Key = TimerKey;

  Key add(TimePoint when, Item item) {
    const Key key{when, next_sequence_++};
    items_.emplace(key, std::move(item));
    return key;
  }

  /// Puts an item that was popped back where it was.
  void put_back(const Key& key, Item item) { items_.emplace(key, std::move(item)); }

  /// Takes an item back; nothing happens when it is no longer here. The caller destroys it.
  typename std::map<Key, Item>::node_type extract(const Key& key) { return items_.extract(key); }

  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }

  /// Precondition: not empty.
  [[nodiscard]] TimePoint next_time() const noexcept {
    assert(!items_.empty());
    return items_.begin()->first.first;
  }

  /// Removes and returns the next item and its key. Precondition: not empty.
  [[nodiscard]] std::pair<Key, Item> pop() {
    assert(!items_.empty());
    auto next = items_.extract(items_.begin());
    return {next.key(), std::move(next.mapped())};
  }

  /// Removes all; the caller destroys them.
  [[nodiscard]] std::map<Key, Item> take_all() noexcept { return std::exchange(items_, {}); }

 private:
  std::map<Key, Item> items_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace replikv::inline v0_1::detail
