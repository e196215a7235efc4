// Makes room in a store that is at its limit: finds victims in all shards, one at a time, by the best of some
// random keys. It holds one shard's lock at a time, and its caller holds none.
#pragma once

#include <replikv/core/codec.hpp>
#include <replikv/store/detail/access.hpp>
#include <replikv/store/detail/store_core.hpp>
#include <replikv/store/eviction.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <type_traits>

namespace replikv::inline v0_1::detail {

/// The evictions before one write. Each victim's DEL is in the stream before the effect of the write.
///
/// Cost  16 victims at most, or as many as free twice what the write brings: a store that is far beyond its
///       limit comes down to it write by write. The search for a victim, where few keys have an expiry, ends
///       after 4096 segments.
template <class Core, class Key>
class Evictor {
 public:
  using Table = typename Core::Table;
  using Entry = typename Core::Entry;

  /// `spared`: the key that is written, null for several.
  Evictor(const Core& core, Waker& waker, const std::remove_cvref_t<ViewOf<Key>>* spared) noexcept
      : core_(core), waker_(waker), eviction_(core.limit().eviction()), spared_(spared) {}

  /// False when there is no room for so many more bytes and nothing is left to evict. Throws std::bad_alloc
  /// when a victim's DEL finds no memory; that victim stays.
  [[nodiscard]] bool make_room(std::size_t bytes) {
    if (eviction_ == Eviction::noeviction || !core_.limit().could_hold(bytes))
      return core_.limit().has_room(bytes);
    for (unsigned victims = 0; !core_.limit().has_room(bytes); ++victims) {
      if (victims >= victims_min && freed_ / 2 >= bytes) return true;
      if (!evict_one()) return false;
    }
    return true;
  }

 private:
  static constexpr unsigned victims_min = 16;
  static constexpr std::size_t segments_max = 4096;    // to look into for one victim
  static constexpr std::size_t segments_at_once = 16;  // and under one lock

  /// From a random shard on, so that victims come from all. Of two the fuller one, and so with segments: were
  /// all treated alike, some would by chance be emptied in the long run, keys in use and all.
  [[nodiscard]] bool evict_one() {
    const std::uint64_t luck = core_.limit().random();
    const std::uint64_t more_luck = core_.limit().random();
    std::size_t first = Table::part_of(luck);
    if (const std::size_t other = Table::part_of(more_luck);
        core_.candidates(other, among()) > core_.candidates(first, among())) {
      first = other;
    }
    segments_left_ = segments_max;
    for (std::size_t i = 0; i < Table::parts; ++i) {
      const std::size_t shard = (first + i) % Table::parts;
      if (core_.candidates(shard, among()) == 0) continue;
      if (evict_in(shard, Table::position_in(shard, luck), Table::position_in(shard, more_luck))) return true;
      if (segments_left_ == 0) return false;
    }
    return false;
  }

  [[nodiscard]] bool evict_in(std::size_t shard, std::uint64_t position, std::uint64_t other) {
    for (std::size_t seen = 0; segments_left_ > 0; seen += segments_at_once) {
      const std::lock_guard lock(core_.mutex(shard));
      if (!core_.may_evict()) {
        segments_left_ = 0;
        return false;
      }
      if (seen >= core_.table().segments(shard)) return false;
      if (seen == 0) position = core_.table().denser(position, other, among());
      const std::size_t some = std::min(segments_left_, segments_at_once);
      segments_left_ -= some;
      if (const Entry* const victim = choose(shard, position, some)) {
        evict(shard, *victim);
        return true;
      }
    }
    return false;
  }

  /// The best of a few, expired ones first. Moves the position behind what it looked into in vain.
  [[nodiscard]] const Entry* choose(std::size_t shard, std::uint64_t& position, std::size_t segments) const {
    const Entry* best = nullptr;
    std::uint64_t best_score = 0;
    core_.table().sample(position, segments, among(), core_.limit().samples(), [&](const Entry& entry) {
      if (spared_ != nullptr && entry.key() == *spared_) return false;
      const std::uint64_t score = core_.is_expired(entry)
                                      ? std::numeric_limits<std::uint64_t>::max()
                                      : eviction_score(entry, eviction_, core_.access_clock(shard));
      if (best == nullptr || score > best_score) {
        best = &entry;
        best_score = score;
      }
      return true;
    });
    return best;
  }

  void evict(std::size_t shard, const Entry& victim) {
    auto& table = core_.table();
    const std::uint64_t hash = Table::hash(victim.key());
    table.before_change(hash);
    core_.append_del(victim.key(), waker_);
    freed_ += victim.memory_bytes();
    table.erase(table.locate(hash, victim.key()), hash);
    core_.publish(shard);
    core_.limit().count_evicted();
  }

  [[nodiscard]] typename Table::Among among() const noexcept {
    return evicts_expiring_only(eviction_) ? Table::Among::expiring : Table::Among::all;
  }

  const Core& core_;
  Waker& waker_;
  Eviction eviction_;
  const std::remove_cvref_t<ViewOf<Key>>* spared_;
  std::size_t freed_ = 0;
  std::size_t segments_left_ = 0;
};

}  // namespace replikv::inline v0_1::detail
