// Makes room in a store that is at its limit: finds victims in all shards, one at a time, by the best of some
// random keys. It holds one shard's lock at a time, and its caller holds none.
#pragma once

#include <replikv/core/codec.hpp>
#include <replikv/core/random.hpp>
#include <replikv/store/detail/access.hpp>
#include <replikv/store/detail/store_core.hpp>
#include <replikv/store/eviction.hpp>

#include <algorithm>
#include <array>
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

  /// From a random shard on, so that victims come from all. Of two the fuller one: were all treated alike,
  /// some would by chance be emptied in the long run, keys in use and all.
  [[nodiscard]] bool evict_one() {
    Random random(core_.limit().random());
    std::size_t first = Table::part_of(random());
    if (const std::size_t other = Table::part_of(random());
        core_.candidates(other, among()) > core_.candidates(first, among())) {
      first = other;
    }
    segments_left_ = segments_max;
    for (std::size_t i = 0; i < Table::parts; ++i) {
      const std::size_t shard = (first + i) % Table::parts;
      if (core_.candidates(shard, among()) > 0 && evict_in(shard, random)) return true;
      if (segments_left_ == 0) return false;
    }
    return false;
  }

  [[nodiscard]] bool evict_in(std::size_t shard, Random& random) {
    std::uint64_t position = Table::position_in(shard, random());
    for (std::size_t seen = 0; segments_left_ > 0; seen += segments_at_once) {
      const std::lock_guard lock(core_.mutex(shard));
      if (!core_.may_evict()) {
        segments_left_ = 0;
        return false;
      }
      if (seen >= core_.table().segments(shard)) return false;
      Choice choice(*this, shard);
      if (seen == 0) choice.draw(random);
      const std::size_t some = std::min(segments_left_, segments_at_once);
      if (choice.look(position, some)) segments_left_ -= some;
      if (choice.best() == nullptr) continue;
      evict(shard, *choice.best());
      return true;
    }
    return false;
  }

  /// The best of some entries of a shard, those that have expired first.
  class Choice {
   public:
    Choice(const Evictor& evictor, std::size_t shard) noexcept
        : evictor_(evictor), shard_(shard), wanted_(evictor.core_.limit().samples()) {}

    [[nodiscard]] const Entry* best() const noexcept { return best_; }

    void draw(Random& random) noexcept {
      std::array<const Entry*, Table::draw_max> drawn;
      const std::size_t count = evictor_.core_.table().draw(shard_, random, {drawn.data(), wanted_});
      for (std::size_t i = 0; i < count; ++i) consider(*drawn[i]);
    }

    /// Adds entries that stand together, if too few of those drawn may go; false if not.
    bool look(std::uint64_t& position, std::size_t segments) noexcept {
      if (considered_ >= wanted_) return false;
      evictor_.core_.table().sample(position, segments, evictor_.among(), wanted_ - considered_,
                                    [this](const Entry& entry) { return consider(entry); });
      return true;
    }

   private:
    bool consider(const Entry& entry) noexcept {
      const auto& core = evictor_.core_;
      if (evictor_.spared_ != nullptr && entry.key() == *evictor_.spared_) return false;
      if (evicts_expiring_only(evictor_.eviction_) && entry.expires_at_ms() == never_ms) return false;
      const std::uint64_t score = core.is_expired(entry)
                                      ? std::numeric_limits<std::uint64_t>::max()
                                      : eviction_score(entry, evictor_.eviction_, core.access_clock(shard_));
      if (best_ == nullptr || score > best_score_) {
        best_ = &entry;
        best_score_ = score;
      }
      ++considered_;
      return true;
    }

    const Evictor& evictor_;
    std::size_t shard_;
    std::size_t wanted_;
    std::size_t considered_ = 0;
    const Entry* best_ = nullptr;
    std::uint64_t best_score_ = 0;
  };

  void evict(std::size_t shard, const Entry& victim) {
    auto& table = core_.table();
    const std::uint64_t hash = Table::hash(victim.key());
    table.before_change(hash);
    core_.append_del(victim.key(), waker_);
    core_.tell_loss(&KeyLossListener::on_evicted, victim.key());
    freed_ += victim.memory_bytes();
    const auto erased = table.erase(table.locate(hash, victim.key()), hash);
    table.join_sparse(hash);
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
