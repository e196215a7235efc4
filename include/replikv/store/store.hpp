// The store: a thread-safe map of keys to values, to which a master or a replica may be attached. Every
// operation an application has is here, with what it leaves in the command stream.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/codec.hpp>
#include <replikv/core/error.hpp>
#include <replikv/fwd.hpp>
#include <replikv/store/detail/database.hpp>
#include <replikv/store/detail/evictor.hpp>
#include <replikv/store/detail/number.hpp>
#include <replikv/store/detail/store_core.hpp>
#include <replikv/store/detail/write.hpp>
#include <replikv/store/eviction.hpp>
#include <replikv/store/expiry.hpp>
#include <replikv/store/policy.hpp>
#include <replikv/store/transaction.hpp>
#include <replikv/stream/token.hpp>

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

namespace detail {

template <class Key, class Value, class Policy>
[[nodiscard]] StoreCore<Key, Value, Policy>& database_of(Store<Key, Value, Policy>& store) noexcept;

template <class Value, class Other>
[[nodiscard]] bool is_same_value(const Value& value, const Other& other) {
  if constexpr (std::equality_comparable_with<Value, Other>) {
    return value == other;
  } else {
    return false;
  }
}

}  // namespace detail

/// What `Store::increment` returns: the write's token and the number there is now.
template <class Number>
struct Incremented : Written {
  Number value{};
};

/// A map that many threads may use at once, and that replication attaches to.
///
/// Keys of std::string are looked up by std::string_view and never copied for it. A key whose expiry has
/// passed is not there for any reader or writer; only `size` counts it until it is deleted.
///
/// Functions given to visit, update, scan, for_each and transaction run under locks of the store: they
/// must not call the store.
///
/// Errors         Writes come in two forms: the plain one throws `Error`, the one with an error code sets it.
///                `Errc::read_only`, `Errc::not_enough_replicas` from the role, `Errc::too_large` for keys
///                and values whose bytes exceed 512 MiB, `Errc::out_of_memory` at the limit (`limit_memory`).
///                A failed write, by an error or by std::bad_alloc, changed nothing and streamed nothing
///                but keys it evicted.
/// Thread safety  every call from any thread; destruction: nobody uses it, and it has no role
/// Effects        A master's writes are appended to its stream while the key's shard is locked, so the
///                stream has their order. Writes that change nothing append nothing, except `clear`.
template <class Key, class Value, class Policy>
class Store {
  static_assert(Encodable<Key>,
                "replikv: Key needs Codec<Key>::encode(const Key&, std::string& out) and "
                "Codec<Key>::decode(std::string_view, Key&) -> bool; see replikv/core/codec.hpp");
  static_assert(Encodable<Value>,
                "replikv: Value needs Codec<Value>::encode(const Value&, std::string& out) and "
                "Codec<Value>::decode(std::string_view, Value&) -> bool; see replikv/core/codec.hpp");

 public:
  using key_type = Key;
  using mapped_type = Value;
  using KeyView = detail::ViewOf<Key>;      ///< std::string_view, or const Key&
  using ValueView = detail::ViewOf<Value>;  ///< std::string_view, or const Value&
  using KeyList = std::initializer_list<std::remove_cvref_t<KeyView>>;
  using PairList =
      std::initializer_list<std::pair<std::remove_cvref_t<KeyView>, std::remove_cvref_t<ValueView>>>;
  using TransactionType = Transaction<Key, Value, Policy>;

  Store() : Store(Clock{}) {}
  /// With a wall clock of its own; its source must outlive the store.
  explicit Store(Clock clock) : Store(StoreOptions{.clock = clock}) {}
  explicit Store(const StoreOptions& options) : core_(options) {}

  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // --- Reading -----------------------------------------------------------------------------------

  [[nodiscard]] std::optional<Value> get(KeyView key) const {
    std::optional<Value> value;
    core_.read_live(key, [&](const Entry& entry) { value.emplace(entry.value()); });
    return value;
  }

  /// Assigns to `value`, whose memory is used again; false, and `value` as it was, when the key is not there.
  bool get(KeyView key, Value& value) const {
    return core_.read_live(key, [&](const Entry& entry) { value = entry.value(); });
  }

  [[nodiscard]] bool contains(KeyView key) const {
    return core_.read_live(key, [](const Entry&) {});
  }

  /// Calls `f(value)` without copying the value: a `ValueView` that ends with the call. Writers of the
  /// key's shard wait meanwhile. False, and no call, when the key is not there.
  template <class F>
  requires std::invocable<F&, ValueView>
  bool visit(KeyView key, F&& f) const {
    return core_.read_live(key, [&](const Entry& entry) { f(entry.value()); });
  }

  /// Calls `f(index, value)` for those of many keys that are there, in the order of the keys, without copying
  /// the values. Faster than as many `visit`s where memory is slow, because the waits overlap. Not one
  /// instant: writes may come between. Writers of some shards wait during a call.
  template <std::ranges::forward_range Keys, class F>
  requires std::convertible_to<std::ranges::range_reference_t<const Keys&>, KeyView> &&
      std::invocable<F&, std::size_t, ValueView>
  void visit_many(const Keys& keys, F&& f) const {
    using Reference = std::ranges::range_reference_t<const Keys&>;
    static_assert(std::is_lvalue_reference_v<Reference> || std::same_as<Reference, std::string_view>,
                  "replikv: reading many needs keys that stay where they are, not a view that makes them");
    std::size_t index = 0;
    const auto end = std::ranges::end(keys);
    for (auto next = std::ranges::begin(keys); next != end;) next = visit_batch(next, end, index, f);
  }
  template <class F>
  requires std::invocable<F&, std::size_t, ValueView>
  void visit_many(KeyList keys, F&& f) const { visit_many<KeyList>(keys, f); }

  /// The values of many keys, read as `visit_many` does.
  template <std::ranges::forward_range Keys>
  requires std::convertible_to<std::ranges::range_reference_t<const Keys&>, KeyView>
  [[nodiscard]] std::vector<std::optional<Value>> get_many(const Keys& keys) const {
    std::vector<std::optional<Value>> values(static_cast<std::size_t>(std::ranges::distance(keys)));
    visit_many(keys, [&](std::size_t index, ValueView value) { values[index].emplace(value); });
    return values;
  }
  [[nodiscard]] std::vector<std::optional<Value>> get_many(KeyList keys) const {
    return get_many<KeyList>(keys);
  }

  /// The same into a vector there is, whose memory, and that of the values in it, is used again.
  template <std::ranges::forward_range Keys>
  requires std::convertible_to<std::ranges::range_reference_t<const Keys&>, KeyView>
  void get_many(const Keys& keys, std::vector<std::optional<Value>>& values) const {
    values.resize(static_cast<std::size_t>(std::ranges::distance(keys)));
    auto next = values.begin();
    visit_many(keys, [&](std::size_t index, ValueView value) {
      const auto place = values.begin() + static_cast<std::ptrdiff_t>(index);
      for (; next != place; ++next) next->reset();
      *next++ = value;
    });
    for (; next != values.end(); ++next) next->reset();
  }
  void get_many(KeyList keys, std::vector<std::optional<Value>>& values) const {
    get_many<KeyList>(keys, values);
  }

  /// What is left until the key expires, in milliseconds.
  [[nodiscard]] TimeToLive ttl(KeyView key) const {
    TimeToLive answer;
    core_.read_live(key, [&](const Entry& entry) {
      answer.key_exists = true;
      if (entry.expires_at_ms() == detail::never_ms) return;
      answer.left =
          std::chrono::milliseconds(std::max<std::int64_t>(0, entry.expires_at_ms() - core_.now_ms()));
    });
    return answer;
  }

  /// When the key expires: nothing when it is not there, `WallTime::max()` when it does not expire.
  [[nodiscard]] std::optional<WallTime> expires_at(KeyView key) const {
    std::optional<WallTime> at;
    core_.read_live(key, [&](const Entry& entry) { at = detail::to_wall_time(entry.expires_at_ms()); });
    return at;
  }

  /// The time by which keys expire here: of the clock the store was given.
  [[nodiscard]] WallTime now() const noexcept { return detail::to_wall_time(core_.now_ms()); }

  /// Keys, with those that have expired and are not deleted yet (Redis: DBSIZE).
  [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// Calls `f(key, value)` for some keys, from `cursor` on (0: the first), and returns the cursor for the
  /// next call; 0: that was all. Between calls the store may be written: a key that is there from the
  /// first call to the last is seen exactly once, others at most once for each time they were there.
  template <class F>
  requires std::invocable<F&, KeyView, ValueView> std::uint64_t scan(std::uint64_t cursor, F&& f)
  const {
    const std::shared_lock lock(core_.mutex(Core::Table::part_of(cursor)));
    const auto here = core_.table().covering(cursor);
    const std::int64_t now = core_.now_ms();
    Core::Table::for_each(*here.segment, [&](const Entry& entry) {
      if (entry.expires_at_ms() <= now) return;
      // The cursor is inside the segment only after the contents were replaced as a whole.
      if (here.first != cursor && Core::Table::hash(entry.key()) < cursor) return;
      f(entry.key(), entry.value());
    });
    return here.next;
  }

  /// Calls `f(key, value)` for all keys, as one scan after the other.
  template <class F>
  requires std::invocable<F&, KeyView, ValueView>
  void for_each(F&& f) const {
    std::uint64_t cursor = 0;
    do {
      cursor = scan(cursor, f);
    } while (cursor != 0);
  }

  // --- Writing one key -----------------------------------------------------------------------------
  // What a write that changed nothing returns has `changed == false` and the stream's position.

  /// Sets the value and the expiry; without one the key does not expire, whatever it did before. An
  /// expiry that has passed removes the key. Streams `SET key value [PXAT ms]`.
  Written set(KeyView key, ValueView value, Expiry expiry, std::error_code& error) {
    return set_where(key, value, expiry, error, Unconditional{});
  }
  Written set(KeyView key, ValueView value, std::error_code& error) {
    return set(key, value, Expiry(), error);
  }
  Written set(KeyView key, ValueView value, Expiry expiry = {}) {
    return thrown([&](std::error_code& error) { return set(key, value, expiry, error); });
  }

  /// As `set`, if the key is not there.
  Written set_if_absent(KeyView key, ValueView value, Expiry expiry, std::error_code& error) {
    return set_where(key, value, expiry, error, [](const Entry* entry) { return entry == nullptr; });
  }
  Written set_if_absent(KeyView key, ValueView value, std::error_code& error) {
    return set_if_absent(key, value, Expiry(), error);
  }
  Written set_if_absent(KeyView key, ValueView value, Expiry expiry = {}) {
    return thrown([&](std::error_code& error) { return set_if_absent(key, value, expiry, error); });
  }

  /// As `set`, if the key is there.
  Written set_if_present(KeyView key, ValueView value, Expiry expiry, std::error_code& error) {
    return set_where(key, value, expiry, error, [](const Entry* entry) { return entry != nullptr; });
  }
  Written set_if_present(KeyView key, ValueView value, std::error_code& error) {
    return set_if_present(key, value, Expiry(), error);
  }
  Written set_if_present(KeyView key, ValueView value, Expiry expiry = {}) {
    return thrown([&](std::error_code& error) { return set_if_present(key, value, expiry, error); });
  }

  /// Replaces the value, if it is `expected`, and keeps the expiry. Streams `SET key value [KEEPTTL]`.
  Written compare_and_set(KeyView key, ValueView expected, ValueView desired,
                          std::error_code& error) requires std::equality_comparable<Value> {
    if ((error = size_error(key, desired))) return {};
    Write write(core_, key, desired, detail::latest_expiry_ms);
    if ((error = write.refusal())) return {};
    const Entry* const entry = write.live();
    if (entry == nullptr || !(entry->value() == expected)) return write.unchanged();
    const std::int64_t expires_at = entry->expires_at_ms();
    if ((error = write.memory_refusal(desired, expires_at))) return {};
    return write.put(desired, expires_at, detail::OnReplace::keep_expiry);
  }
  Written compare_and_set(KeyView key, ValueView expected,
                          ValueView desired) requires std::equality_comparable<Value> {
    return thrown([&](std::error_code& error) { return compare_and_set(key, expected, desired, error); });
  }

  /// Calls `f(std::optional<Value>&)` with the value, or with nothing if the key is not there; what f
  /// leaves is what the key has then, nothing: it is erased. The expiry stays. If f throws, nothing
  /// changed; nor if it leaves an equal value. Streams `SET key value [KEEPTTL]` or `DEL key`.
  template <class F>
  requires std::invocable < F&, std::optional<Value>
  & > Written update(KeyView key, F&& f, std::error_code& error) {
    Write write(core_, key, Write::Kind::growing);
    if ((error = write.refusal())) return {};
    const Entry* const entry = write.live();
    std::optional<Value> value;
    if (entry != nullptr) value.emplace(entry->value());
    f(value);
    return finish_update(write, key, entry, value, error);
  }
  template <class F>
  requires std::invocable < F&, std::optional<Value>
  & > Written update(KeyView key, F&& f) {
    return thrown([&](std::error_code& error) { return update(key, f, error); });
  }

  /// Adds to a number; a key that is not there counts from 0, the expiry stays. Strings are 64-bit integers
  /// in canonical spelling. An overflow, or a value that is no number: `Errc::not_a_number`.
  /// Streams the result, `SET key value [KEEPTTL]`.
  Incremented<detail::NumberOf<Value>> increment(
      KeyView key, detail::StepOf<Value> by, std::error_code& error) requires detail::Incrementable<Value> {
    if (detail::is_too_large<Key>(key))
      return error = Errc::too_large, Incremented<detail::NumberOf<Value>>{};
    Write write(core_, key, Write::Kind::growing);
    if ((error = write.refusal())) return {};
    const Entry* const entry = write.live();
    std::optional<detail::NumberOf<Value>> number{0};
    if (entry != nullptr) number = detail::to_number(entry->value());
    if (number) number = detail::add(*number, by);
    if (!number) return error = Errc::not_a_number, Incremented<detail::NumberOf<Value>>{};
    if (entry != nullptr && by == 0) return {write.unchanged(), *number};
    const std::int64_t expires_at = entry != nullptr ? entry->expires_at_ms() : detail::never_ms;
    const Value value = detail::from_number<Value>(*number);
    if ((error = write.memory_refusal(value, expires_at))) return Incremented<detail::NumberOf<Value>>{};
    return {write.put(value, expires_at, detail::OnReplace::keep_expiry), *number};
  }
  Incremented<detail::NumberOf<Value>> increment(
      KeyView key, std::error_code& error) requires detail::Incrementable<Value> {
    return increment(key, 1, error);
  }
  Incremented<detail::NumberOf<Value>> increment(
      KeyView key, detail::StepOf<Value> by = 1) requires detail::Incrementable<Value> {
    return thrown([&](std::error_code& error) { return increment(key, by, error); });
  }

  /// Streams `DEL key`, if it was there.
  Written erase(KeyView key, std::error_code& error) {
    Write write(core_, key, Write::Kind::other);
    if ((error = write.refusal())) return {};
    return write.erase();
  }
  Written erase(KeyView key) {
    return thrown([&](std::error_code& error) { return erase(key, error); });
  }

  /// Lets the key expire; not changed when it is not there. A time that has passed erases it. Streams
  /// `PEXPIREAT key ms` or `DEL key`.
  Written expire_at(KeyView key, WallTime at, std::error_code& error) {
    return set_expiry(key, Expiry(at), error);
  }
  Written expire_at(KeyView key, WallTime at) {
    return thrown([&](std::error_code& error) { return expire_at(key, at, error); });
  }
  template <class Rep, class Period>
  Written expire(KeyView key, std::chrono::duration<Rep, Period> after, std::error_code& error) {
    return set_expiry(key, Expiry(after), error);
  }
  template <class Rep, class Period>
  Written expire(KeyView key, std::chrono::duration<Rep, Period> after) {
    return thrown([&](std::error_code& error) { return expire(key, after, error); });
  }

  /// Takes the expiry away; not changed when there is none. Streams `PERSIST key`.
  Written persist(KeyView key, std::error_code& error) { return set_expiry(key, Expiry(), error); }
  Written persist(KeyView key) {
    return thrown([&](std::error_code& error) { return persist(key, error); });
  }

  // --- Writing many keys ---------------------------------------------------------------------------

  /// Sets all pairs at once; of equal keys the last counts. None of them expires. Streams one `MSET`.
  template <std::ranges::input_range Pairs>
  Written set_many(const Pairs& pairs, std::error_code& error) {
    using Kind = typename detail::PendingChange<Core>::Kind;
    std::vector<detail::PendingChange<Core>> pending;
    detail::EffectList<Key, Value> effects;
    typename Core::Shards shards;
    std::size_t bytes = 0;
    for (const auto& [key, value] : pairs) {
      if ((error = size_error(key, value))) return {};
      typename Core::Owned fresh(Entry::create(key, value, detail::never_ms));
      const Entry& entry = *fresh;
      bytes += entry.memory_bytes();
      const std::uint64_t hash = Core::Table::hash(entry.key());
      effects.set_together(entry.key(), entry.value());
      pending.push_back({Kind::put, hash, entry.key(), std::move(fresh)});
      shards.set(Core::Table::part_of(hash));
    }
    error.clear();
    detail::Waker waker;
    const bool has_room = make_room(bytes, waker);
    const detail::ShardLocks<Core> locks(core_, shards);
    if (pending.empty()) return {};
    if ((error = core_.refusal())) return {};
    if (!has_room && (error = detail::memory_refusal<Core>(core_, pending))) return {};
    return {detail::commit<Core>(core_, pending, effects.effects(), waker), true};
  }
  template <std::ranges::input_range Pairs>
  Written set_many(const Pairs& pairs) {
    return thrown([&](std::error_code& error) { return set_many(pairs, error); });
  }
  Written set_many(PairList pairs, std::error_code& error) { return set_many<PairList>(pairs, error); }
  Written set_many(PairList pairs) { return set_many<PairList>(pairs); }

  /// Removes everything. Streams `FLUSHDB`, even if nothing was there.
  Written clear(std::error_code& error) {
    auto contents = std::make_unique<typename Core::Table>();  // destroyed, full, when the locks are gone
    detail::Waker waker;
    const std::lock_guard lock(core_);
    if ((error = core_.refusal())) return {};
    constexpr std::string_view word = "FLUSHDB";
    const resp::Arguments effect(&word, 1);
    const bool changed = core_.size() != 0;
    const Token token = core_.append({&effect, 1}, waker);
    contents = core_.replace_contents(std::move(contents));
    return {token, changed};
  }
  Written clear() {
    return thrown([&](std::error_code& error) { return clear(error); });
  }

  /// Runs `f(TransactionType&)` alone: nobody reads or writes meanwhile. What it wrote happens at once when
  /// it returns; if it throws, nothing happens. Streams one effect for each key that changed, several in
  /// MULTI and EXEC.
  ///
  /// Naming the keys lets all others go on meanwhile; any other key is then `Errc::not_declared`. The form
  /// with an error code also takes every `Error` that f lets out.
  template <class F>
  requires std::invocable<F&, TransactionType&> Written transaction(F&& f) {
    return run(typename Core::Shards().set(), nullptr, f);
  }
  template <class F>
  requires std::invocable<F&, TransactionType&> Written transaction(F&& f, std::error_code& error) {
    return caught(error, [&] { return transaction(f); });
  }
  template <std::ranges::input_range Keys, class F>
  requires std::invocable<F&, TransactionType&> Written transaction(const Keys& keys, F&& f) {
    typename TransactionType::Declared declared;
    typename Core::Shards shards;
    for (const auto& key : keys) {
      Key copy(key);
      const std::uint64_t hash = Core::Table::hash(copy);
      shards.set(Core::Table::part_of(hash));
      declared.emplace_back(hash, std::move(copy));
    }
    std::sort(declared.begin(), declared.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return run(shards, &declared, f);
  }
  template <std::ranges::input_range Keys, class F>
  requires std::invocable<F&, TransactionType&> Written transaction(const Keys& keys, F&& f,
                                                                    std::error_code& error) {
    return caught(error, [&] { return transaction(keys, f); });
  }
  template <class F>
  requires std::invocable<F&, TransactionType&> Written transaction(KeyList keys, F&& f) {
    return transaction<KeyList>(keys, f);
  }
  template <class F>
  requires std::invocable<F&, TransactionType&> Written transaction(KeyList keys, F&& f,
                                                                    std::error_code& error) {
    return transaction<KeyList>(keys, f, error);
  }

  // --- Memory ----------------------------------------------------------------------------------------

  /// What the store's contents take, as glibc's malloc counts: keys, values, entries, and the segments and
  /// directories they stand in. Erasing gives back what keys and values took, not their segments; `clear` and
  /// full resyncs give back all. Not counted: what snapshots under way hold, a full resync until it is there,
  /// and the stream's backlog. What values of your own types own is told by their Codec, or estimated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return core_.memory_bytes(); }

  /// Sets the limit of `memory_bytes`, 0 for none, and what is evicted at it.
  ///
  /// A write that would make the store grow beyond the limit evicts keys first, of all shards but not its
  /// own, and streams their `DEL`s before its effect. When nothing is left to evict it is refused with
  /// `Errc::out_of_memory`. Writes that do not make the store grow, and reads, are never refused; nor are
  /// `expire` and `expire_at`, although a key's first expiry may take 16 bytes. `update`,
  /// `increment` and transactions, which do not know beforehand what they will take, make room until
  /// the store is within its limit and may then go beyond it; so may threads that write at the same time,
  /// by what they write. An empty store takes about 2.2 KB a shard, 140 KB by default.
  ///
  /// A store far beyond its limit, because that was lowered, comes down to it by the writes that follow: each
  /// evicts up to 16 keys, or as many as free twice what it brings. A replica neither evicts nor
  /// refuses: its master does (Redis: replica-ignore-maxmemory).
  void limit_memory(std::size_t bytes, Eviction eviction) noexcept { core_.limit_memory(bytes, eviction); }

  [[nodiscard]] std::size_t max_memory() const noexcept { return core_.limit().bytes(); }
  [[nodiscard]] Eviction eviction() const noexcept { return core_.limit().eviction(); }
  /// Keys evicted since the store was made (Redis: evicted_keys), expired ones among them.
  [[nodiscard]] std::uint64_t evicted_keys() const noexcept { return core_.limit().evicted(); }
  /// Writes refused with `Errc::out_of_memory` since the store was made.
  [[nodiscard]] std::uint64_t memory_refusals() const noexcept { return core_.limit().refused(); }

  // --- Expiry ----------------------------------------------------------------------------------------

  /// Deletes keys that have expired, looking for no longer than about `budget`; returns how many. On a
  /// replica it does nothing. A master does this by itself, some ten times a second for a millisecond.
  ///
  /// Besides, a key that has expired goes when somebody asks for it, and at every eighth `set` (or other
  /// write of one value) of a shard those go that share a segment with what is written: so while keys are
  /// written at a steady rate no more than about a tenth of those there have expired, without anybody calling
  /// this. A store that is not written keeps them until then.
  std::size_t expire_due(Duration budget) { return core_.expire_due(budget); }

 private:
  using Core = detail::StoreCore<Key, Value, Policy>;
  using Entry = typename Core::Entry;
  using Write = detail::KeyWrite<Core, Key, Value>;

  friend Core& detail::database_of<Key, Value, Policy>(Store&) noexcept;

  static constexpr std::size_t batch_keys = 64;

  template <class F>
  static auto thrown(F&& f) {
    std::error_code error;
    auto result = f(error);
    detail::throw_if(error);
    return result;
  }

  template <class F>
  static Written caught(std::error_code& error, F&& f) {
    error.clear();
    try {
      return f();
    } catch (const Error& thrown_error) {
      error = thrown_error.code();
      return {};
    }
  }

  [[nodiscard]] static std::error_code size_error(KeyView key, ValueView value) {
    if (detail::is_too_large<Key>(key) || detail::is_too_large<Value>(value)) return Errc::too_large;
    return {};
  }

  struct Unconditional {};

  template <class Condition>
  Written set_where(KeyView key, ValueView value, Expiry expiry, std::error_code& error,
                    Condition condition) {
    if ((error = size_error(key, value))) return {};
    Write write(core_, key, value, detail::to_expiry_ms(expiry.at(WallTime())));
    if ((error = write.refusal())) return {};
    if constexpr (!std::same_as<Condition, Unconditional>) {
      if (!condition(write.live())) return write.unchanged();
    }
    const std::int64_t expires_at = write.expires_at_ms(expiry);
    if (write.has_passed(expires_at)) return write.erase();
    if ((error = write.memory_refusal(value, expires_at))) return {};
    return write.put(value, expires_at, detail::OnReplace::set_expiry);
  }

  Written set_expiry(KeyView key, Expiry expiry, std::error_code& error) {
    Write write(core_, key, Write::Kind::other);
    if ((error = write.refusal())) return {};
    if (write.live() == nullptr) return write.unchanged();
    const std::int64_t expires_at = write.expires_at_ms(expiry);
    return write.has_passed(expires_at) ? write.erase() : write.set_expiry(expires_at);
  }

  // Apart, because it does not depend on the function that updated.
  [[gnu::noinline]] static Written finish_update(Write& write, KeyView key, const Entry* entry,
                                                 const std::optional<Value>& value, std::error_code& error) {
    if (!value) return write.erase();
    if ((error = size_error(key, *value))) return {};
    if (entry != nullptr && detail::is_same_value(*value, entry->value())) return write.unchanged();
    const std::int64_t expires_at = entry != nullptr ? entry->expires_at_ms() : detail::never_ms;
    if ((error = write.memory_refusal(*value, expires_at))) return {};
    return write.put(*value, expires_at, detail::OnReplace::keep_expiry);
  }

  template <class F>
  Written run(const typename Core::Shards& shards, const typename TransactionType::Declared* declared, F& f) {
    detail::Waker waker;
    const bool has_room = make_room(0, waker);
    const detail::ShardLocks<Core> locks(core_, shards);
    TransactionType transaction(core_, declared, has_room);
    f(transaction);
    return transaction.commit(waker);
  }

  /// Evicts before a write of several keys, when no lock is held; false: the store must not grow.
  [[nodiscard]] bool make_room(std::size_t bytes, detail::Waker& waker) {
    return core_.limit().has_room(bytes) ||
           detail::Evictor<Core, Key>(core_, waker, nullptr).make_room(bytes);
  }

  /// Visits up to `batch_keys` keys, with the shared locks of their shards; memory is asked for in time.
  template <class Iterator, class End, class F>
  Iterator visit_batch(Iterator first, End end, std::size_t& index, F& f) const {
    std::array<std::uint64_t, batch_keys> hashes;
    typename Core::Shards shards;
    std::size_t count = 0;
    Iterator last = first;
    for (; count < batch_keys && last != end; ++count, ++last) {
      hashes[count] = Core::Table::hash(*last);
      shards.set(Core::Table::part_of(hashes[count]));
    }
    std::bitset<batch_keys> expired;
    {
      const detail::ShardLocks<Core, true> locks(core_, shards);
      const auto& table = core_.table();
      table.fetch(std::span(hashes).first(count));
      Iterator next = first;
      for (std::size_t i = 0; i < count; ++i, ++next) {
        const Entry* const entry = table.find(hashes[i], *next);
        if (entry == nullptr) continue;
        if (core_.is_expired(*entry)) {
          expired.set(i);
        } else {
          f(index + i, entry->value());
          core_.note_use(*entry, Core::Table::part_of(hashes[i]));
        }
      }
    }
    index += count;
    if (expired.any()) {  // asking again deletes them
      Iterator next = first;
      for (std::size_t i = 0; i < count; ++i, ++next) {
        if (expired[i]) static_cast<void>(contains(*next));
      }
    }
    return last;
  }

  Core core_;
};

namespace detail {

/// A store as replication sees it.
template <class Key, class Value, class Policy>
[[nodiscard]] StoreCore<Key, Value, Policy>& database_of(Store<Key, Value, Policy>& store) noexcept {
  return store.core_;
}

}  // namespace detail
}  // namespace replikv::inline v0_1
