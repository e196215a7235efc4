// The contents of a store: entries in hash order, in parts that grow a segment at a time (extendible
// hashing), so that no caller ever waits for a whole table to be rehashed. It has no lock: a part belongs
// to the shard of its number, and whoever calls holds that shard's lock.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/store/detail/entry.hpp>
#include <replikv/store/detail/memory.hpp>
#include <replikv/store/detail/prefetch.hpp>
#include <replikv/store/detail/segment.hpp>
#include <replikv/store/policy.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Segments that were changed before a snapshot's cursor reached them, as they had been: each the entries'
/// bytes for an RDB file.
class HandedOver {
 public:
  void add(std::string entries) {
    const std::lock_guard lock(mutex_);
    segments_.push_back(std::move(entries));
  }

  /// Appends the one that has waited longest to `out`; false when there is none.
  bool take(std::string& out) {
    std::string taken;
    {
      const std::lock_guard lock(mutex_);
      if (segments_.empty()) return false;
      taken = std::move(segments_.front());
      segments_.pop_front();
    }
    out.append(taken);
    return true;
  }

 private:
  std::mutex mutex_;
  std::deque<std::string> segments_;
};

/// A position in hash space, and the segment that covers it.
template <class Segment>
struct Covering {
  Segment* segment;
  std::uint64_t first;  // of the hashes the segment covers
  std::uint64_t next;   // the first hash behind the segment; 0 behind the last
};

/// Thread safety  different parts: safe; one part: const calls only. What concerns all parts says so.
/// Cost           look-up and insertion O(1); an insertion may split one segment
template <class Key, class Value, class Policy>
class Table {
 public:
  using Entry = detail::Entry<Key, Value>;
  using Owned = OwnedEntry<Entry>;
  using Segment = detail::Segment<Entry, Policy::segment_buckets>;
  using KeyView = ViewOf<Key>;
  using ValueView = ViewOf<Value>;

  static constexpr unsigned shard_bits = Policy::shard_bits;
  static constexpr std::size_t parts = std::size_t{1} << shard_bits;
  static_assert(shard_bits <= 10, "replikv: Policy::shard_bits is at most 10");

  /// Where a key is, or may be put: valid until the part changes.
  struct Place {
    Segment* head = nullptr;    // its header counts
    Segment* holder = nullptr;  // the slot's: `head` or one that continues it
    Slot* slot = nullptr;
    Entry* entry = nullptr;  // null: the slot is free

    explicit operator bool() const noexcept { return entry != nullptr; }
  };

  Table() {
    for (Part& part : parts_) {
      part.directory.resize(1);
      part.directory.front() = new Segment(0, 0);
      part.bytes = sizeof(Part) + directory_bytes(part) + segment_bytes;
    }
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] static std::uint64_t hash(KeyView key) noexcept { return typename Policy::Hash{}(key); }
  [[nodiscard]] static std::size_t part_of(std::uint64_t hash) noexcept {
    return static_cast<std::size_t>(hash >> 1 >> (63 - shard_bits));
  }

  // --- Looking up --------------------------------------------------------------------------------

  [[nodiscard]] Entry* find(std::uint64_t hash, KeyView key) const noexcept {
    Segment* const head = head_of(hash);
    const Bucket& home = head->buckets[Segment::home(hash)];  // where nearly all are
    for (Candidates some(home, Segment::tag(hash)); some;) {
      const Slot slot = home.slots[some.take()];
      if (is_entry(slot) && entry_of<Entry>(slot)->key() == key) return entry_of<Entry>(slot);
    }
    return probe(head, hash, key).entry;
  }
  [[nodiscard]] Place locate(std::uint64_t hash, KeyView key) const noexcept {
    Place place = probe(head_of(hash), hash, key);
    if (place.entry == nullptr) place.slot = nullptr;
    return place;
  }

  /// Has what look-ups of these hashes will read brought near: all their buckets, then, when those have come,
  /// two lines of each entry.
  void fetch(std::span<const std::uint64_t> hashes) const noexcept {
    for (const std::uint64_t hash : hashes) prefetch(&head_of(hash)->buckets[Segment::home(hash)]);
    for (const std::uint64_t hash : hashes) {
      const Bucket& bucket = head_of(hash)->buckets[Segment::home(hash)];
      for (Candidates some(bucket, Segment::tag(hash)); some;) {
        const Slot slot = bucket.slots[some.take()];
        if (!is_entry(slot)) continue;
        prefetch(entry_of<Entry>(slot));
        prefetch(entry_of<std::byte>(slot) + cache_line_bytes);
      }
    }
  }

  // --- Changing ----------------------------------------------------------------------------------
  // First what may fail, `before_change` and what prepares; then one that cannot.

  /// Hands what a snapshot under way still needs over to it. Comes before every change.
  void before_change(std::uint64_t hash) {
    if (handed_over_ != nullptr) [[unlikely]]
      hand_over(*head_of(hash));
  }

  /// Finds the key, or makes room for it. Comes after `before_change`.
  [[nodiscard]] Place prepare(std::uint64_t hash, KeyView key) {
    Part& part = parts_[part_of(hash)];
    for (;;) {
      Segment* const head = part.directory[part.index(hash)];
      Place place = probe(head, hash, key);
      if (place.entry != nullptr || (place.slot != nullptr && *place.slot == tombstone)) return place;
      if (head->used >= Segment::used_max && make_room(part, *head, hash)) continue;
      if (place.slot == nullptr) extend(part, place, hash);
      return place;
    }
  }

  /// Puts an entry into the place prepared for its key; returns the one it replaces.
  Owned put(const Place& place, std::uint64_t hash, Owned fresh) noexcept {
    Part& part = parts_[part_of(hash)];
    Owned replaced(place.entry);
    if (place.entry == nullptr) {
      if (*place.slot == empty_slot) ++place.holder->used;
      ++place.head->live;
      ++part.keys;
      note_expiry(part, *place.head, never_ms, fresh->expires_at_ms());
    } else {
      part.bytes -= replaced->memory_bytes();
      fresh->set_access(replaced->access());
      note_expiry(part, *place.head, replaced->expires_at_ms(), fresh->expires_at_ms());
    }
    part.bytes += fresh->memory_bytes();
    *place.slot = Segment::slot_for(hash, fresh.release());
    return replaced;
  }

  /// Replaces the value where it is. Precondition: `place.entry->takes(value, expires_at_ms)`.
  void overwrite(const Place& place, std::uint64_t hash, ValueView value,
                 std::int64_t expires_at_ms) noexcept {
    if constexpr (Entry::keeps_memory) {
      place.entry->overwrite(value);
    } else {
      Part& part = parts_[part_of(hash)];
      part.bytes -= place.entry->memory_bytes();
      place.entry->overwrite(value);
      part.bytes += place.entry->memory_bytes();
    }
    set_expiry(place, hash, expires_at_ms, nullptr);
  }

  /// What `set_expiry` needs: an entry to put into the place of one that cannot take the expiry, else null.
  [[nodiscard]] static Owned prepare_expiry(const Entry& entry, std::int64_t expires_at_ms) {
    if (entry.takes_expiry(expires_at_ms)) return nullptr;
    return Owned(Entry::create(entry.key(), entry.value(), expires_at_ms));
  }

  void set_expiry(const Place& place, std::uint64_t hash, std::int64_t expires_at_ms,
                  Owned prepared) noexcept {
    if (prepared) {
      put(place, hash, std::move(prepared));
      return;
    }
    const std::int64_t before = place.entry->expires_at_ms();
    if (before == expires_at_ms) return;
    place.entry->set_expires_at_ms(expires_at_ms);
    note_expiry(parts_[part_of(hash)], *place.head, before, expires_at_ms);
  }

  Owned erase(const Place& place, std::uint64_t hash) noexcept {
    erase_slot(parts_[part_of(hash)], *place.head, *place.holder, *place.slot);
    return Owned(place.entry);
  }

  /// Joins the segment of a position with its neighbours where so few entries are left that one will do, if
  /// there is memory for that one. Not while a snapshot is under way: its cursor may be between them.
  void join_sparse(std::uint64_t position) noexcept {
    if (handed_over_ != nullptr) return;
    try {
      while (join(parts_[part_of(position)], position)) {
      }
    } catch (const std::bad_alloc&) {  // then they stay two
    }
  }

  // --- Walking, in hash order --------------------------------------------------------------------

  [[nodiscard]] Covering<Segment> covering(std::uint64_t position) const noexcept {
    Segment* const head = head_of(position);
    const unsigned prefix = shard_bits + head->depth;
    if (prefix == 0) return {head, 0, 0};
    const std::uint64_t size = std::uint64_t{1} << (64 - prefix);
    const std::uint64_t first = position & ~(size - 1);
    return {head, first, first + size};
  }

  template <class F>
  static void for_each(const Segment& head, F&& f) {
    for (const Segment* segment = &head; segment != nullptr; segment = segment->overflow) {
      for (const Bucket& bucket : segment->buckets) {
        for (const Slot slot : bucket.slots) {
          if (is_entry(slot)) f(*entry_of<Entry>(slot));
        }
      }
    }
  }

  // --- Sampling --------------------------------------------------------------------------------------

  enum class Among : bool { all, expiring };  ///< which entries count

  /// A position of a part, from any random number.
  [[nodiscard]] static std::uint64_t position_in(std::size_t part, std::uint64_t random) noexcept {
    return std::uint64_t{part} << 1 << (63 - shard_bits) | random << shard_bits >> shard_bits;
  }

  /// Puts entries of a part into `out`, each as likely as any other, and maybe twice; returns how many.
  /// Fewer than there is room for where the part is sparse. Their memory is asked for, so that reading them
  /// afterwards does not wait for each.
  std::size_t draw(std::size_t part, Random& random, std::span<const Entry*> out) const noexcept {
    std::array<const Slot*, 2 * draw_max> slots;
    const std::size_t draws = std::min(2 * out.size(), slots.size());
    for (std::size_t i = 0; i < draws; ++i) {
      const std::uint64_t position = position_in(part, random());
      slots[i] = &slot_at(*head_of(position), static_cast<std::size_t>(position));
      prefetch(slots[i]);
    }
    std::size_t found = 0;
    for (std::size_t i = 0; i < draws && found < out.size(); ++i) {
      if (!is_entry(*slots[i])) continue;
      out[found] = entry_of<Entry>(*slots[i]);
      prefetch(out[found++]);
    }
    return found;
  }
  static constexpr std::size_t draw_max = 64;

  /// Calls `f(entry)` until it has returned true for `wanted` entries of a segment: the position's, or if
  /// there are none, one of the next of its part, of so many segments in all. Moves the position behind the
  /// segments that had none.
  template <class F>
  void sample(std::uint64_t& position, std::size_t segments, Among among, std::size_t wanted, F&& f) const {
    const std::size_t part = part_of(position);
    for (; segments > 0; --segments) {
      const auto here = covering(position);
      const bool has_some = (among == Among::all ? here.segment->live : here.segment->expiring) > 0;
      if (has_some && sample_segment(*here.segment, position, wanted, f)) return;
      position = here.next != 0 && part_of(here.next) == part ? here.next : position_in(part, 0);
    }
  }

  // --- Expiry --------------------------------------------------------------------------------------

  /// Erases what is due in one segment, calling `gone(key)` before each, which may throw.
  template <class Gone>
  std::size_t expire(std::uint64_t position, std::int64_t now_ms, Gone&& gone) {
    Part& part = parts_[part_of(position)];
    Segment& head = *head_of(position);
    hand_over(head);
    std::size_t deleted = 0;
    std::int64_t next = never_ms;
    for (Segment* segment = &head; segment != nullptr; segment = segment->overflow) {
      for (Bucket& bucket : segment->buckets) {
        for (Slot& slot : bucket.slots) {
          if (!is_entry(slot)) continue;
          Entry* const entry = entry_of<Entry>(slot);
          if (entry->expires_at_ms() > now_ms) {
            next = std::min(next, entry->expires_at_ms());
            continue;
          }
          gone(entry->key());
          erase_slot(part, head, *segment, slot);
          Entry::destroy(entry);
          ++deleted;
        }
      }
    }
    head.next_expiry = next;
    return deleted;
  }

  /// No entry in the segment of this hash expires before.
  [[nodiscard]] std::int64_t next_expiry_near(std::uint64_t hash) const noexcept {
    return head_of(hash)->next_expiry;
  }

  /// Makes the part's bound as good as its segments'.
  void refresh_next_expiry(std::size_t number) noexcept {
    Part& part = parts_[number];
    part.next_expiry = never_ms;
    for (const Segment* segment : part.directory) {
      part.next_expiry = std::min(part.next_expiry, segment->next_expiry);
    }
  }

  // --- Counting ------------------------------------------------------------------------------------

  [[nodiscard]] std::size_t keys(std::size_t part) const noexcept { return parts_[part].keys; }
  [[nodiscard]] std::size_t expiring(std::size_t part) const noexcept { return parts_[part].expiring; }
  [[nodiscard]] std::int64_t next_expiry(std::size_t part) const noexcept { return parts_[part].next_expiry; }
  [[nodiscard]] std::size_t segments(std::size_t part) const noexcept { return parts_[part].segments; }
  /// What the part takes of memory: its entries, segments and directory.
  [[nodiscard]] std::size_t bytes(std::size_t part) const noexcept { return parts_[part].bytes; }
  /// Of all parts.
  [[nodiscard]] std::size_t keys() const noexcept { return total(&Part::keys); }
  [[nodiscard]] std::size_t expiring() const noexcept { return total(&Part::expiring); }

  /// Makes room for so many keys at once. Does nothing unless the table is empty.
  void reserve(std::size_t expected_keys) {
    if (keys() != 0) return;
    const std::size_t segments = expected_keys / parts / (Segment::slots / 2);
    if (segments < 2) return;
    for (Part& part : parts_) presize(part, static_cast<unsigned>(std::bit_width(segments - 1)));
  }

  // --- Snapshots: begin and end concern all parts --------------------------------------------------

  /// From now on the old contents of segments that change go to `handed_over`, once each, unless
  /// `walk` came first.
  void begin_snapshot(HandedOver& handed_over) noexcept {
    assert(handed_over_ == nullptr);
    ++epoch_;
    handed_over_ = &handed_over;
  }
  void end_snapshot() noexcept { handed_over_ = nullptr; }
  [[nodiscard]] HandedOver* snapshot() const noexcept { return handed_over_; }

  /// Appends the segment to `out`, unless it was handed over or walked since the snapshot began. Readers
  /// may be at work, writers not.
  void walk(Segment& head, std::string& out) const {
    if (head.epoch == epoch_) return;
    const std::size_t before = out.size();
    try {
      encode(head, out);
    } catch (...) {
      out.resize(before);
      throw;
    }
    head.epoch = epoch_;
  }

  // A table that was replaced, waiting to be destroyed where no lock is held.
  std::unique_ptr<Table> next_retired;

 private:
  struct alignas(cache_line_bytes) Part {
    Part() = default;
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    ~Part() { destroy(*this); }

    std::vector<Segment*> directory;  // 2^depth; a segment of less depth stands in several places, owned
    unsigned depth = 0;
    std::uint32_t segments = 1;
    std::size_t keys = 0;
    std::size_t expiring = 0;
    std::int64_t next_expiry = never_ms;  // no entry expires before
    std::size_t bytes = 0;                // see `Table::bytes`

    [[nodiscard]] std::size_t index(std::uint64_t hash) const noexcept {
      return static_cast<std::size_t>(hash << shard_bits >> 1 >> (63 - depth));
    }
  };

  // A directory may be this much deeper than its segments would need if hashes were random. Keys made to
  // collide then fill segments that continue each other, not the memory.
  static constexpr unsigned excess_depth = 6;
  static constexpr unsigned prefix_bits_max = 40;
  static constexpr std::size_t segment_bytes = allocated_bytes(sizeof(Segment));

  [[nodiscard]] Segment* head_of(std::uint64_t hash) const noexcept {
    const Part& part = parts_[part_of(hash)];
    return part.directory[part.index(hash)];
  }

  /// The key's place, or else the first free slot on the way, if there is one.
  [[nodiscard]] static Place probe(Segment* head, std::uint64_t hash, KeyView key) noexcept {
    Place free{head, nullptr, nullptr, nullptr};
    const Slot tag = Segment::tag(hash);
    for (Segment* segment = head; segment != nullptr; segment = segment->overflow) {
      for (std::size_t i = 0; i < Policy::segment_buckets; ++i) {
        bool has_empty = false;
        for (Slot& slot : segment->buckets[(Segment::home(hash) + i) & (Policy::segment_buckets - 1)].slots) {
          if (is_entry(slot)) {
            if (slot >> address_bits != tag) continue;
            Entry* const entry = entry_of<Entry>(slot);
            if (entry->key() == key) return {head, segment, &slot, entry};
          } else {
            has_empty = has_empty || slot == empty_slot;
            if (free.slot == nullptr) free = {head, segment, &slot, nullptr};
          }
        }
        if (has_empty) return free;
      }
    }
    return free;
  }

  // A slot becomes empty only where probes stop anyway: see Segment's invariant.
  static void erase_slot(Part& part, Segment& head, Segment& holder, Slot& slot) noexcept {
    const Entry& entry = *entry_of<Entry>(slot);
    note_expiry(part, head, entry.expires_at_ms(), never_ms);
    part.bytes -= entry.memory_bytes();
    --head.live;
    --part.keys;
    const auto first_bucket = reinterpret_cast<std::uintptr_t>(holder.buckets.data());
    const std::size_t bucket = (reinterpret_cast<std::uintptr_t>(&slot) - first_bucket) / sizeof(Bucket);
    const auto& slots = holder.buckets[bucket].slots;
    if (std::find(slots.begin(), slots.end(), empty_slot) == slots.end()) {
      slot = tombstone;
      return;
    }
    slot = empty_slot;
    --holder.used;
  }

  static void note_expiry(Part& part, Segment& head, std::int64_t before, std::int64_t after) noexcept {
    if (before != never_ms) {
      --head.expiring;
      --part.expiring;
    }
    if (after == never_ms) return;
    ++head.expiring;
    ++part.expiring;
    head.next_expiry = std::min(head.next_expiry, after);
    part.next_expiry = std::min(part.next_expiry, after);
  }

  [[nodiscard]] static const Slot& slot_at(const Segment& segment, std::size_t number) noexcept {
    number &= Segment::slots - 1;
    return segment.buckets[number / bucket_slots].slots[number % bucket_slots];
  }

  // Goes round the slots from one that the position chooses, and on through what continues the segment.
  template <class F>
  static bool sample_segment(const Segment& head, std::uint64_t position, std::size_t wanted, F&& f) {
    std::size_t found = 0;
    for (const Segment* segment = &head; segment != nullptr; segment = segment->overflow) {
      for (std::size_t i = 0; i < Segment::slots; ++i) {
        const Slot slot = slot_at(*segment, static_cast<std::size_t>(position) + i);
        if (is_entry(slot) && f(*entry_of<Entry>(slot)) && ++found == wanted) return true;
      }
    }
    return found > 0;
  }

  // --- Growing -------------------------------------------------------------------------------------

  /// Rebuilds or splits a segment that is full; false when neither would help.
  [[nodiscard]] bool make_room(Part& part, Segment& head, std::uint64_t hash) {
    if (head.live <= Segment::slots / 2) {
      auto rebuilt = std::make_unique<Segment>(head.depth, head.epoch);
      move_entries(head, {rebuilt.get(), rebuilt.get()});
      replace(part, hash, head, rebuilt.get(), rebuilt.get());
      rebuilt.release();
      return true;
    }
    const unsigned depth_max = std::min(prefix_bits_max - shard_bits,
                                        static_cast<unsigned>(std::bit_width(part.segments)) + excess_depth);
    if (head.depth >= depth_max) return false;
    auto low = std::make_unique<Segment>(head.depth + 1, head.epoch);
    auto high = std::make_unique<Segment>(head.depth + 1, head.epoch);
    move_entries(head, {low.get(), high.get()});
    if (head.depth == part.depth) double_directory(part);
    replace(part, hash, head, low.get(), high.get());
    low.release();
    high.release();
    ++part.segments;
    return true;
  }

  /// Puts one segment where the position's and its sibling were; false when they are too full, or not alike.
  [[nodiscard]] bool join(Part& part, std::uint64_t position) {
    Segment& one = *head_of(position);
    if (one.depth == 0 || one.live > Segment::slots / 8) return false;
    Segment& other = *head_of(position ^ std::uint64_t{1} << (64 - shard_bits - one.depth));
    if (other.depth != one.depth || other.live > Segment::slots / 8) return false;
    auto joined = std::make_unique<Segment>(one.depth - 1, one.epoch);
    for (const Segment* from : {&one, &other}) move_entries(*from, {joined.get(), joined.get()});
    part.bytes += chain_bytes(*joined);
    part.bytes -= chain_bytes(one) + chain_bytes(other);
    const std::size_t width = std::size_t{1} << (part.depth - joined->depth);
    const std::size_t first = part.index(position) & ~(width - 1);
    std::fill_n(part.directory.begin() + static_cast<std::ptrdiff_t>(first), width, joined.get());
    joined.release();
    delete &one;
    delete &other;
    --part.segments;
    return true;
  }

  /// Copies the slots; `from` keeps its own until it is destroyed.
  static void move_entries(const Segment& from, const std::array<Segment*, 2>& to) {
    for_each(from, [](const Entry& entry) { prefetch(&entry); });
    const unsigned decisive = 63 - shard_bits - from.depth;  // the bit of the hash
    for_each(from, [&](Entry& entry) {
      const std::uint64_t hash = Table::hash(entry.key());
      insert_new(*to[hash >> decisive & 1], hash, entry);
    });
  }

  /// Inserts an entry whose key is not there. A segment that is quite full is continued.
  static void insert_new(Segment& head, std::uint64_t hash, Entry& entry) {
    Segment* holder = &head;
    Slot* slot = free_slot(*holder, hash);
    while (slot == nullptr) {
      if (holder->overflow == nullptr) holder->overflow = new Segment(head.depth, head.epoch);
      holder = holder->overflow;
      slot = free_slot(*holder, hash);
    }
    *slot = Segment::slot_for(hash, &entry);
    ++holder->used;
    ++head.live;
    if (entry.expires_at_ms() == never_ms) return;
    ++head.expiring;
    head.next_expiry = std::min(head.next_expiry, entry.expires_at_ms());
  }

  [[nodiscard]] static Slot* free_slot(Segment& segment, std::uint64_t hash) noexcept {
    for (std::size_t i = 0; i < Policy::segment_buckets; ++i) {
      auto& slots = segment.buckets[(Segment::home(hash) + i) & (Policy::segment_buckets - 1)].slots;
      const auto found = std::find(slots.begin(), slots.end(), empty_slot);
      if (found != slots.end()) return &*found;
    }
    return nullptr;
  }

  static void double_directory(Part& part) {
    std::vector<Segment*> doubled;
    doubled.reserve(part.directory.size() * 2);
    for (Segment* segment : part.directory) doubled.insert(doubled.end(), 2, segment);
    part.bytes -= directory_bytes(part);
    part.directory = std::move(doubled);
    part.bytes += directory_bytes(part);
    ++part.depth;
  }

  /// Puts `low` and `high`, or one that is both, where `old` stood in the directory.
  static void replace(Part& part, std::uint64_t hash, Segment& old, Segment* low, Segment* high) noexcept {
    part.bytes += chain_bytes(*low) + (high != low ? chain_bytes(*high) : 0);
    part.bytes -= chain_bytes(old);
    const std::size_t width = std::size_t{1} << (part.depth - old.depth);
    const std::size_t first = part.index(hash) & ~(width - 1);
    for (std::size_t i = 0; i < width; ++i) part.directory[first + i] = i < width / 2 ? low : high;
    delete &old;
  }

  /// Gives the place a slot in a new segment that continues the last one.
  static void extend(Part& part, Place& place, std::uint64_t hash) {
    Segment* last = place.head;
    while (last->overflow != nullptr) last = last->overflow;
    last->overflow = new Segment(place.head->depth, place.head->epoch);
    part.bytes += segment_bytes;
    place.holder = last->overflow;
    place.slot = free_slot(*place.holder, hash);
  }

  void presize(Part& part, unsigned depth) {
    depth = std::min(depth, 20U);
    std::vector<Segment*> directory;
    const std::size_t count = std::size_t{1} << depth;
    directory.reserve(count);
    try {
      while (directory.size() < count) directory.push_back(new Segment(depth, epoch_));
    } catch (...) {
      for (Segment* segment : directory) delete segment;
      throw;
    }
    destroy(part);
    part.directory = std::move(directory);
    part.depth = depth;
    part.segments = static_cast<std::uint32_t>(part.directory.size());
    part.bytes = sizeof(Part) + directory_bytes(part) + part.segments * segment_bytes;
  }

  /// What a segment takes, with those that continue it.
  [[nodiscard]] static std::size_t chain_bytes(const Segment& head) noexcept {
    std::size_t bytes = 0;
    for (const Segment* segment = &head; segment != nullptr; segment = segment->overflow) {
      bytes += segment_bytes;
    }
    return bytes;
  }
  [[nodiscard]] static std::size_t directory_bytes(const Part& part) noexcept {
    return allocated_bytes(part.directory.capacity() * sizeof(Segment*));
  }

  template <class F>
  static void for_each_segment(const Part& part, F&& f) {
    for (std::size_t i = 0; i < part.directory.size();) {
      Segment* const segment = part.directory[i];
      if (segment == nullptr) return;  // the part was never finished
      i += std::size_t{1} << (part.depth - segment->depth);
      f(*segment);
    }
  }

  static void destroy(Part& part) noexcept {
    for_each_segment(part, [](Segment& segment) {
      for_each(segment, [](Entry& entry) { Entry::destroy(&entry); });
      delete &segment;
    });
    part.directory.clear();
  }

  // --- Snapshots -----------------------------------------------------------------------------------

  void hand_over(Segment& head) {
    if (handed_over_ == nullptr || head.epoch == epoch_) return;
    std::string entries;
    encode(head, entries);
    handed_over_->add(std::move(entries));
    head.epoch = epoch_;
  }

  static void encode(const Segment& head, std::string& out) {
    TextOf<Key> key_text;
    TextOf<Value> value_text;
    for_each(head, [](const Entry& entry) { prefetch(&entry); });
    for_each(head, [&](const Entry& entry) {
      if (entry.expires_at_ms() != never_ms) rdb::append_expiry(out, entry.expires_at_ms());
      rdb::append_key(out, key_text(entry.key()), value_text(entry.value()));
    });
  }

  [[nodiscard]] std::size_t total(std::size_t Part::*count) const noexcept {
    std::size_t sum = 0;
    for (const Part& part : parts_) sum += part.*count;
    return sum;
  }

  std::array<Part, parts> parts_;
  std::uint64_t epoch_ = 0;
  HandedOver* handed_over_ = nullptr;
};

}  // namespace replikv::inline v0_1::detail
