// What stands behind a Store: its contents, the locks of its shards, its place in a role, and the view of
// it that replication has. Which operations a store offers, and how they are spelled in the stream, is
// known in store.hpp and transaction.hpp.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/codec.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/limits.hpp>
#include <replikv/core/random.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/store/detail/access.hpp>
#include <replikv/store/detail/attachment.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/store/detail/memory_limit.hpp>
#include <replikv/store/detail/snapshot.hpp>
#include <replikv/store/detail/table.hpp>
#include <replikv/store/eviction.hpp>
#include <replikv/store/policy.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/stream/token.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace replikv::inline v0_1::detail {

/// Wakes a stream's sender when it goes out of scope: declare it before the locks.
class Waker {
 public:
  Waker() = default;
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker() {
    if (stream_) stream_->wake();
  }

  void claim(const std::shared_ptr<CommandStream>& stream) noexcept {
    if (stream->claim_wake()) stream_ = stream;
  }

 private:
  std::shared_ptr<CommandStream> stream_;
};

/// True when the bytes of a key or value exceed what the protocol can carry.
template <class T>
[[nodiscard]] bool is_too_large(ViewOf<T> value) {
  if constexpr (std::is_trivially_copyable_v<T>) {
    return false;
  } else {
    return TextOf<T>{}(value).size() > limits::bulk_bytes_max;
  }
}

/// New contents, apart from the store they are for.
template <class Key, class Value, class Policy>
class Load final : public DatabaseLoad {
 public:
  using Table = detail::Table<Key, Value, Policy>;

  [[nodiscard]] std::error_code insert(std::string_view key_bytes, std::string_view value_bytes,
                                       WallTime expires_at) override {
    const FromText<Key> key(key_bytes);
    const FromText<Value> value(value_bytes);
    if (!key || !value) return Errc::bad_value;
    const std::uint64_t hash = Table::hash(key.view());
    const auto place = table->prepare(hash, key.view());
    if (place) return Errc::snapshot_corrupt;
    table->put(
        place, hash,
        typename Table::Owned(Table::Entry::create(key.view(), value.view(), to_expiry_ms(expires_at))));
    return {};
  }

  void reserve(std::size_t keys) override { table->reserve(keys); }
  [[nodiscard]] std::size_t size() const noexcept override { return table ? table->keys() : 0; }

  std::unique_ptr<Table> table = std::make_unique<Table>();  // null: a snapshot took it over
};

/// Calls `f(shard)` for each of some shards, in order.
template <std::size_t Count, class F>
void for_each_shard(const std::bitset<Count>& shards, F&& f) {
  if constexpr (Count <= 64) {  // which of them is chance: a branch for each would be mispredicted often
    for (std::uint64_t left = shards.to_ullong(); left != 0; left &= left - 1) {
      f(static_cast<std::size_t>(std::countr_zero(left)));
    }
  } else {
    for (std::size_t shard = 0; shard < Count; ++shard) {
      if (shards[shard]) f(shard);
    }
  }
}

/// Locks of some shards, exclusive ones or shared ones, taken in order.
template <class Core, bool Shared = false>
class ShardLocks {
 public:
  using Shards = typename Core::Shards;

  ShardLocks(const Core& core, const Shards& shards) : core_(core), shards_(shards) {
    for_each_shard(shards_, [this](std::size_t shard) {
      if constexpr (Shared) {
        core_.mutex(shard).lock_shared();
      } else {
        core_.mutex(shard).lock();
      }
    });
  }
  ShardLocks(const ShardLocks&) = delete;
  ShardLocks& operator=(const ShardLocks&) = delete;
  ~ShardLocks() {
    for_each_shard(shards_, [this](std::size_t shard) {
      if constexpr (Shared) {
        core_.mutex(shard).unlock_shared();
      } else {
        core_.mutex(shard).unlock();
      }
    });
  }

  [[nodiscard]] const Shards& shards() const noexcept { return shards_; }

 private:
  const Core& core_;
  Shards shards_;
};

/// Thread safety  every call from any thread, unless it says that a lock must be held
template <class Key, class Value, class Policy>
class StoreCore final : public Database {
 public:
  using Table = detail::Table<Key, Value, Policy>;
  using Entry = typename Table::Entry;
  using Owned = typename Table::Owned;
  using Place = typename Table::Place;
  using KeyView = ViewOf<Key>;
  using ValueView = ViewOf<Value>;
  using Mutex = typename Policy::Mutex;
  using Shards = std::bitset<Table::parts>;

  explicit StoreCore(const StoreOptions& options) : clock_(options.clock) {
    publish_all();
    limit_.set_samples(options.eviction_samples);
    limit_memory(options.max_memory, options.eviction);
  }
  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;
  ~StoreCore() override {
    assert(!attachment_ && "a store must outlive its master or replica");
    if (snapshot_ != nullptr) snapshot_->keep(std::move(table_));
  }

  // --- Database: locks and the role ----------------------------------------------------------------

  void lock() override {
    for (Shard& shard : shards_) shard.mutex.lock();
  }

  void unlock() override {
    const std::unique_ptr<Table> retired = std::move(retired_);  // destroyed when the locks are gone
    for (Shard& shard : shards_) shard.mutex.unlock();
  }

  void fetch(std::span<const std::string_view> keys, Locks locks) const noexcept override {
    std::array<std::uint64_t, 32> hashes;
    while (!keys.empty()) {
      const auto some = keys.first(std::min(keys.size(), hashes.size()));
      keys = keys.subspan(some.size());
      std::size_t count = 0;
      Shards shards;
      for (const std::string_view bytes : some) {
        const FromText<Key> key(bytes);
        if (!key) continue;
        hashes[count] = Table::hash(key.view());
        if (locks == Locks::take) shards.set(Table::part_of(hashes[count]));
        ++count;
      }
      const ShardLocks<StoreCore, true> taken(*this, shards);
      table_->fetch(std::span(hashes).first(count));
    }
  }

  [[nodiscard]] std::error_code attach(std::shared_ptr<const Attachment> attachment) override {
    const std::lock_guard lock(*this);
    if (attachment_) return Errc::already_has_role;
    attachment_.swap(attachment);
    return {};
  }

  void detach() noexcept override {
    std::shared_ptr<const Attachment> last;
    const std::lock_guard lock(*this);
    attachment_.swap(last);
  }

  // --- Database: effects ---------------------------------------------------------------------------

  [[nodiscard]] std::optional<Stored> read(std::string_view key_bytes, Locks locks) const override {
    const FromText<Key> key(key_bytes);
    if (!key) return std::nullopt;
    const std::uint64_t hash = Table::hash(key.view());
    std::shared_lock lock(mutex(Table::part_of(hash)), std::defer_lock);
    if (locks == Locks::take) lock.lock();
    const Entry* const entry = table_->find(hash, key.view());
    if (entry == nullptr) return std::nullopt;
    return Stored{std::string(TextOf<Value>{}(entry->value())), to_wall_time(entry->expires_at_ms())};
  }

  [[nodiscard]] std::error_code assign(std::string_view key, std::string_view value, WallTime expires_at,
                                       Locks locks) override {
    return assign_bytes(key, value, to_expiry_ms(expires_at), locks);
  }
  [[nodiscard]] std::error_code assign(std::string_view key, std::string_view value, KeepExpiry,
                                       Locks locks) override {
    return assign_bytes(key, value, std::nullopt, locks);
  }

  bool erase(std::string_view key_bytes, Locks locks) override {
    return change_existing(key_bytes, locks,
                           [this](const Place& place, std::uint64_t hash) { table_->erase(place, hash); });
  }

  bool set_expiry(std::string_view key_bytes, WallTime expires_at, Locks locks) override {
    return change_existing(key_bytes, locks, [&](const Place& place, std::uint64_t hash) {
      const std::int64_t expiry = to_expiry_ms(expires_at);
      table_->set_expiry(place, hash, expiry, Table::prepare_expiry(*place.entry, expiry));
    });
  }

  void clear(Locks locks) override {
    auto fresh = std::make_unique<Table>();
    std::unique_lock lock(*this, std::defer_lock);
    if (locks == Locks::take) lock.lock();
    retire(replace_contents(std::move(fresh)));
  }

  [[nodiscard]] std::size_t size() const noexcept override { return total(&Shard::keys); }
  [[nodiscard]] std::size_t expiring() const noexcept override { return total(&Shard::expiring); }

  // --- Database: whole contents --------------------------------------------------------------------

  bool swap_contents(Database& other) override {
    auto* const same = dynamic_cast<StoreCore*>(&other);
    if (same == nullptr) return false;
    if (same == this) return true;
    std::swap(table_, same->table_);
    std::swap(snapshot_, same->snapshot_);
    for (StoreCore* core : {this, same}) {
      if (core->snapshot_ != nullptr) core->snapshot_->move_to(*core);
      core->publish_all();
    }
    return true;
  }

  [[nodiscard]] std::unique_ptr<DatabaseLoad> begin_load() const override {
    return std::make_unique<Load<Key, Value, Policy>>();
  }

  void adopt(DatabaseLoad& loaded) noexcept override {
    assert((dynamic_cast<Load<Key, Value, Policy>*>(&loaded) != nullptr));
    auto& load = static_cast<Load<Key, Value, Policy>&>(loaded);
    assert(load.table != nullptr);
    load.table = replace_contents(std::move(load.table));
  }

  [[nodiscard]] std::unique_ptr<DatabaseSnapshot> begin_snapshot() override {
    assert(snapshot_ == nullptr);
    auto snapshot = std::make_unique<Snapshot<StoreCore>>(*this, *table_);
    snapshot_ = snapshot.get();
    return snapshot;
  }

  // --- Database: expiry ------------------------------------------------------------------------------

  /// Of a few keys of each shard, so that it is exact where there are few, and never costs much.
  [[nodiscard]] std::chrono::milliseconds mean_time_left() const override {
    constexpr std::size_t keys_a_shard = 8;
    constexpr std::size_t segments_a_shard = 64;
    const std::int64_t now = now_ms();
    Random random(limit_.random());
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      if (candidates(shard, Table::Among::expiring) == 0) continue;
      std::uint64_t position = Table::position_in(shard, random());
      const std::shared_lock lock(mutex(shard));
      table_->sample(position, segments_a_shard, Table::Among::expiring, keys_a_shard,
                     [&](const Entry& entry) {
                       if (entry.expires_at_ms() == never_ms) return false;
                       sum += static_cast<double>(std::max<std::int64_t>(entry.expires_at_ms() - now, 0));
                       ++count;
                       return true;
                     });
    }
    const double mean = count == 0 ? 0 : sum / static_cast<double>(count);
    return std::chrono::milliseconds(static_cast<std::int64_t>(mean));
  }

  std::size_t expire_due(Duration budget) override {
    const TimePoint deadline = std::chrono::steady_clock::now() + std::min<Duration>(budget, budget_max);
    const std::int64_t now = now_ms();
    Waker waker;
    std::size_t deleted = 0;
    std::size_t shard = first_to_expire_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < shards_.size(); ++i, shard = (shard + 1) % shards_.size()) {
      if (shards_[shard].next_expiry.load(std::memory_order_relaxed) > now) continue;
      if (!expire_shard(shard, now, deadline, waker, deleted)) break;
    }
    first_to_expire_.store(shard, std::memory_order_relaxed);
    return deleted;
  }

  [[nodiscard]] WallTime next_expiry() const noexcept override {
    std::int64_t next = never_ms;
    for (const Shard& shard : shards_) {
      next = std::min(next, shard.next_expiry.load(std::memory_order_relaxed));
    }
    return to_wall_time(next);
  }

  // --- For the snapshot ------------------------------------------------------------------------------

  [[nodiscard]] Mutex& mutex(std::size_t shard) const noexcept { return shards_[shard].mutex; }
  /// Precondition: a lock is held, and its part alone is touched.
  [[nodiscard]] Table& table() const noexcept { return *table_; }
  /// Precondition: locked.
  void forget_snapshot() noexcept {
    table_->end_snapshot();
    snapshot_ = nullptr;
  }

  // --- For local reads ---------------------------------------------------------------------------------

  [[nodiscard]] std::int64_t now_ms() const noexcept { return to_ms(clock_.now()); }
  [[nodiscard]] bool is_expired(const Entry& entry) const noexcept {
    return entry.expires() && entry.expires_at_ms() <= now_ms();
  }

  /// Notes that somebody used the entry, where a policy wants to know. Precondition: its shard is locked.
  void note_use(const Entry& entry, std::size_t shard) const noexcept {
    if (limit_.tracking() != Tracking::none) [[unlikely]]
      track_use(entry, shard);
  }

  /// Calls `f(entry)` under the shared lock if the key is there and has not expired. A key that has is
  /// deleted afterwards where that is this node's business.
  template <class F>
  bool read_live(KeyView key, F&& f) const {
    const std::uint64_t hash = Table::hash(key);
    {
      const std::shared_lock lock(mutex(Table::part_of(hash)));
      const Entry* const entry = table_->find(hash, key);
      if (entry == nullptr) return false;
      if (!is_expired(*entry)) {
        f(*entry);
        note_use(*entry, Table::part_of(hash));
        return true;
      }
      if (!owns_expiry()) return false;
    }
    delete_expired(hash, key);
    return false;
  }

  // --- For local writes. Precondition of all: a shard's lock is held --------------------------------------

  [[nodiscard]] std::error_code refusal() const noexcept {
    return attachment_ ? attachment_->gate->refusal() : std::error_code{};
  }
  [[nodiscard]] bool owns_expiry() const noexcept { return !attachment_ || attachment_->gate->owns_expiry(); }

  /// True when effects go to the stream. Whatever was not refused is streamed unless it is known to be
  /// local: were the mode to change just now, one effect too many is better than one too few.
  [[nodiscard]] bool is_streamed() const noexcept {
    return attachment_ && attachment_->gate->mode() != WriteMode::local;
  }

  /// Where a reader of this node is now; what a write that changes nothing returns.
  [[nodiscard]] Token position() const { return is_streamed() ? attachment_->stream->position() : Token{}; }

  Token append(std::span<const resp::Arguments> effects, Waker& waker) const {
    if (!is_streamed()) return {};
    const Token token = attachment_->stream->append(attachment_->database, effects);
    waker.claim(attachment_->stream);
    return token;
  }

  // --- For the memory limit -------------------------------------------------------------------------------

  [[nodiscard]] MemoryLimit& limit() const noexcept { return limit_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return total(&Shard::bytes); }

  [[nodiscard]] DatabaseUse use() const noexcept override {
    return {memory_bytes(),   limit_.bytes(),   limit_.eviction(),
            limit_.samples(), limit_.evicted(), expired_.load(std::memory_order_relaxed)};
  }
  void set_eviction_samples(unsigned samples) noexcept override { limit_.set_samples(samples); }

  void limit_memory(std::size_t bytes, Eviction eviction) noexcept override {
    const std::lock_guard lock(*this);
    std::size_t in_use = 0;
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      in_use += shards_[shard].noted_bytes = table_->bytes(shard);
    }
    limit_.set(bytes, eviction, shards_.size(), in_use);
  }

  /// How many keys of a shard may be evicted.
  [[nodiscard]] std::size_t candidates(std::size_t shard, typename Table::Among among) const noexcept {
    const Shard& counts = shards_[shard];
    return (among == Table::Among::all ? counts.keys : counts.expiring).load(std::memory_order_relaxed);
  }
  [[nodiscard]] const AccessClock& access_clock(std::size_t shard) const noexcept {
    return shards_[shard].access_clock;
  }

  /// True where the limit counts. A replica is as large as its master, whatever its own limit is (Redis:
  /// replica-ignore-maxmemory). Precondition: a shard's lock is held.
  [[nodiscard]] bool may_evict() const noexcept {
    return !attachment_ || attachment_->gate->mode() == WriteMode::streamed;
  }

  /// Streams the DEL of a key. Precondition: its shard is locked.
  void append_del(KeyView key, Waker& waker) const {
    if (!is_streamed()) return;
    TextOf<Key> text;
    const std::array<std::string_view, 2> del{"DEL", text(key)};
    const resp::Arguments effect(del);
    append({&effect, 1}, waker);
  }

  /// Tells who wants to know that a key is about to go by itself. Precondition: its shard is locked.
  void tell_loss(void (KeyLossListener::*how)(std::uint32_t, std::string_view) noexcept,
                 KeyView key) const noexcept {
    const auto listener = attachment_ ? attachment_->gate->loss_listener() : nullptr;
    if (!listener) return;
    try {
      TextOf<Key> text;
      (listener.get()->*how)(attachment_->database, text(key));
    } catch (const std::bad_alloc&) {
    }
  }

  /// A value was put in place; `is_new`: under a key that was not there. Comes before `publish`.
  void note_put(std::size_t shard, const Entry& entry, bool is_new) const noexcept {
    if (limit_.tracking() != Tracking::none) [[unlikely]]
      track_put(shard, entry, is_new);
  }

  /// Precondition: locked. The contents there were, unless a snapshot needs them.
  [[nodiscard]] std::unique_ptr<Table> replace_contents(std::unique_ptr<Table> fresh) noexcept {
    auto old = std::exchange(table_, std::move(fresh));
    if (snapshot_ != nullptr) std::exchange(snapshot_, nullptr)->keep(std::move(old));
    publish_all();
    return old;
  }

  /// Deletes what has expired beside a key that is written, at every eighth write of a shard, so that keys
  /// nobody reads do not pile up. Comes before a write to a segment where something may be due, and counts
  /// those; so that the write's effect is the last. Precondition: the shard is locked.
  [[gnu::noinline]] void expire_some(std::size_t shard, std::uint64_t hash, std::int64_t now,
                                     Waker& waker) const noexcept {
    Shard& counts = shards_[shard];
    if (++counts.writes % writes_an_expiry != 0 || !owns_expiry()) return;
    try {
      table_->expire(hash, now, [&](KeyView key) { append_expiry(key, waker); });
    } catch (const std::bad_alloc&) {  // later, then
    }
    publish(shard);
  }

  /// Makes a shard's counts visible to everyone; comes after every change.
  void publish(std::size_t shard) const noexcept {
    Shard& counts = shards_[shard];
    counts.keys.store(table_->keys(shard), std::memory_order_relaxed);
    counts.expiring.store(table_->expiring(shard), std::memory_order_relaxed);
    counts.next_expiry.store(table_->next_expiry(shard), std::memory_order_relaxed);
    const std::size_t bytes = table_->bytes(shard);
    counts.bytes.store(bytes, std::memory_order_relaxed);
    if (limit_.is_set()) [[unlikely]]
      tell_limit(counts, bytes);
  }

 private:
  struct alignas(cache_line_bytes) Shard {
    Mutex mutex;
    std::atomic<std::size_t> keys{0};
    std::atomic<std::size_t> expiring{0};
    std::atomic<std::int64_t> next_expiry{never_ms};
    std::atomic<std::size_t> bytes{0};
    std::size_t noted_bytes = 0;  // of these the limit knows; guarded by the mutex
    AccessClock access_clock;
    std::uint32_t writes = 0;  // counted for `expire_some`; guarded by the mutex
  };

  static constexpr std::uint32_t writes_an_expiry = 8;

  static constexpr Duration budget_max = std::chrono::hours(24);

  [[nodiscard]] std::error_code assign_bytes(std::string_view key_bytes, std::string_view value_bytes,
                                             std::optional<std::int64_t> expires_at, Locks locks) {
    const FromText<Key> key(key_bytes);
    const FromText<Value> value(value_bytes);
    if (!key || !value) return Errc::bad_value;
    const std::uint64_t hash = Table::hash(key.view());
    const std::size_t shard = Table::part_of(hash);
    std::unique_lock lock(mutex(shard), std::defer_lock);
    if (locks == Locks::take) lock.lock();
    table_->before_change(hash);
    const Place place = table_->prepare(hash, key.view());
    const std::int64_t expiry = expires_at.value_or(place ? place.entry->expires_at_ms() : never_ms);
    if (place && place.entry->takes(value.view(), expiry)) {
      table_->overwrite(place, hash, value.view(), expiry);
      note_put(shard, *place.entry, false);
    } else {
      Owned fresh(Entry::create(key.view(), value.view(), expiry));
      const Entry& entry = *fresh;
      table_->put(place, hash, std::move(fresh));
      note_put(shard, entry, !place);
    }
    publish(shard);
    return {};
  }

  template <class Change>
  bool change_existing(std::string_view key_bytes, Locks locks, Change&& change) {
    const FromText<Key> key(key_bytes);
    if (!key) return false;
    const std::uint64_t hash = Table::hash(key.view());
    const std::size_t shard = Table::part_of(hash);
    std::unique_lock lock(mutex(shard), std::defer_lock);
    if (locks == Locks::take) lock.lock();
    const Place place = table_->locate(hash, key.view());
    if (!place) return false;
    table_->before_change(hash);
    change(place, hash);
    publish(shard);
    return true;
  }

  void retire(std::unique_ptr<Table> old) noexcept {
    if (!old) return;
    old->next_retired = std::move(retired_);
    retired_ = std::move(old);
  }

  /// Deletes what is due in a shard, a segment at a time; false when time ran out.
  bool expire_shard(std::size_t shard, std::int64_t now, TimePoint deadline, Waker& waker,
                    std::size_t& deleted) {
    std::uint64_t position = std::uint64_t{shard} << 1 << (63 - Table::shard_bits);
    for (;;) {
      const std::unique_lock lock(mutex(shard));
      if (!owns_expiry()) return true;
      while (table_->covering(position).segment->next_expiry > now) {
        position = table_->covering(position).next;
        if (position != 0 && Table::part_of(position) == shard) continue;
        table_->refresh_next_expiry(shard);
        publish(shard);
        return true;
      }
      deleted += table_->expire(position, now, [&](KeyView key) { append_expiry(key, waker); });
      publish(shard);
      if (std::chrono::steady_clock::now() >= deadline) return false;
    }
  }

  // Out of line of the stores that do not track.
  [[gnu::noinline]] void track_use(const Entry& entry, std::size_t shard) const noexcept {
    const Tracking tracking = limit_.tracking();
    if (tracking != Tracking::none) detail::note_use(entry, tracking, shards_[shard].access_clock);
  }
  [[gnu::noinline]] void track_put(std::size_t shard, const Entry& entry, bool is_new) const noexcept {
    const Tracking tracking = limit_.tracking();
    AccessClock& clock = shards_[shard].access_clock;
    clock.count_write(table_->keys(shard));
    if (is_new) {
      entry.set_access(access_of_new(tracking, clock));
    } else if (tracking != Tracking::none) {
      detail::note_use(entry, tracking, clock);
    }
  }

  // Only what adds up: all writers share the limit's count.
  [[gnu::noinline]] void tell_limit(Shard& shard, std::size_t bytes) const noexcept {
    const std::size_t noted = shard.noted_bytes;
    if (bytes == noted || (bytes > noted ? bytes - noted : noted - bytes) < limit_.grain()) return;
    shard.noted_bytes = bytes;
    limit_.note_change(noted, bytes);
  }

  // A reader asked for a value, not for memory: what cannot be deleted now will be later.
  [[gnu::noinline]] void delete_expired(std::uint64_t hash, KeyView key) const {
    Waker waker;
    const std::size_t shard = Table::part_of(hash);
    const std::unique_lock lock(mutex(shard));
    const Place place = table_->locate(hash, key);
    if (!place || !is_expired(*place.entry) || !owns_expiry()) return;
    try {
      table_->before_change(hash);
      append_expiry(key, waker);
    } catch (const std::bad_alloc&) {
      return;
    }
    table_->erase(place, hash);
    publish(shard);
  }

  void append_expiry(KeyView key, Waker& waker) const {
    append_del(key, waker);
    expired_.fetch_add(1, std::memory_order_relaxed);
    tell_loss(&KeyLossListener::on_expired, key);
  }

  void publish_all() const noexcept {
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) publish(shard);
  }

  [[nodiscard]] std::size_t total(std::atomic<std::size_t> Shard::*count) const noexcept {
    std::size_t sum = 0;
    for (const Shard& shard : shards_) sum += (shard.*count).load(std::memory_order_relaxed);
    return sum;
  }

  // Reads delete what has expired, so the contents are mutable; any shard's lock keeps the pointers.
  mutable std::array<Shard, Table::parts> shards_;
  std::unique_ptr<Table> table_ = std::make_unique<Table>();
  std::shared_ptr<const Attachment> attachment_;
  Snapshot<StoreCore>* snapshot_ = nullptr;  // of table_, while it is under way
  std::unique_ptr<Table> retired_;           // replaced while locked
  Clock clock_;
  std::atomic<std::size_t> first_to_expire_{0};
  mutable MemoryLimit limit_;
  mutable std::atomic<std::uint64_t> expired_{0};
};

}  // namespace replikv::inline v0_1::detail
