// What a function sees that runs as one transaction: reads of the store as it is, with the transaction's
// own writes over it. The writes are kept aside until the function has returned.
#pragma once

#include <replikv/core/codec.hpp>
#include <replikv/core/error.hpp>
#include <replikv/fwd.hpp>
#include <replikv/store/detail/number.hpp>
#include <replikv/store/detail/store_core.hpp>
#include <replikv/store/detail/write.hpp>
#include <replikv/store/expiry.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

/// A transaction under way, in `Store::transaction`. Not for use after its function has returned, and the
/// store itself must not be called inside.
///
/// Errors         all thrown as `Error`, and then nothing of the transaction happens: `Errc::not_declared`,
///                `Errc::too_large`, `Errc::not_a_number`, and at the first write whatever refuses writes
/// Thread safety  the thread that runs the function
template <class Key, class Value, class Policy>
class Transaction {
 public:
  using KeyView = detail::ViewOf<Key>;
  using ValueView = detail::ViewOf<Value>;

  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  [[nodiscard]] std::optional<Value> get(KeyView key) const {
    const State state = look(key);
    if (!state.present) return std::nullopt;
    if (state.change != nullptr && state.change->value) return state.change->value;
    return Value(state.entry->value());
  }

  [[nodiscard]] bool contains(KeyView key) const { return look(key).present; }

  /// As `Store::visit`; f must not use the transaction.
  template <class F>
  requires std::invocable<F&, ValueView>
  bool visit(KeyView key, F&& f) const {
    const State state = look(key);
    if (!state.present) return false;
    if (state.change != nullptr && state.change->value) {
      f(ValueView(*state.change->value));
    } else {
      f(state.entry->value());
    }
    return true;
  }

  /// As `Store::expires_at`.
  [[nodiscard]] std::optional<WallTime> expires_at(KeyView key) const {
    const State state = look(key);
    if (!state.present) return std::nullopt;
    return detail::to_wall_time(state.expires_at_ms);
  }

  /// As `Store::ttl`.
  [[nodiscard]] TimeToLive ttl(KeyView key) const {
    const State state = look(key);
    if (!state.present) return {};
    if (state.expires_at_ms == detail::never_ms) return {true, std::nullopt};
    return {true, std::chrono::milliseconds(state.expires_at_ms - now_)};
  }

  void set(KeyView key, ValueView value, Expiry expiry = {}) {
    if (detail::is_too_large<Key>(key) || detail::is_too_large<Value>(value))
      detail::throw_error(Errc::too_large);
    Value copy(value);
    Change& change = change_of(key);
    change.expires_at_ms = detail::to_expiry_ms(expiry.at(detail::to_wall_time(now_)));
    change.present = change.expires_at_ms > now_;
    change.value = std::move(copy);
  }

  /// True when the key was there; so all that follow.
  bool erase(KeyView key) {
    if (!look(key).present) return false;
    change_of(key).present = false;
    return true;
  }

  template <class Rep, class Period>
  bool expire(KeyView key, std::chrono::duration<Rep, Period> after) {
    return set_expiry(key, Expiry(after));
  }
  bool expire_at(KeyView key, WallTime at) { return set_expiry(key, Expiry(at)); }

  /// True when the key was there and had an expiry.
  bool persist(KeyView key) {
    if (look(key).expires_at_ms == detail::never_ms) return false;
    return set_expiry(key, Expiry());
  }

  /// The new number; the expiry stays. As `Store::increment`.
  detail::NumberOf<Value> increment(KeyView key,
                                    detail::StepOf<Value> by = 1) requires detail::Incrementable<Value> {
    const State state = look(key);
    std::optional<detail::NumberOf<Value>> number{0};
    if (state.present) {
      number = state.change != nullptr && state.change->value ? detail::to_number(*state.change->value)
                                                              : detail::to_number(state.entry->value());
    }
    if (number) number = detail::add(*number, by);
    if (!number) detail::throw_error(Errc::not_a_number);
    const std::int64_t expires_at = state.present ? state.expires_at_ms : detail::never_ms;
    set(key, detail::from_number<Value>(*number), Expiry(detail::to_wall_time(expires_at)));
    return *number;
  }

  /// The transaction's instant: what expires at it or before is not there.
  [[nodiscard]] WallTime now() const noexcept { return detail::to_wall_time(now_); }

  // --- All keys: for transactions that have not named theirs; others throw `Errc::not_declared` ------

  /// Calls `f(key, value)` for all keys that are there, in no order. f must not use the transaction.
  template <class F>
  requires std::invocable<F&, KeyView, ValueView>
  void for_each(F&& f) const {
    visit_unchanged([&](const Entry& entry) { f(entry.key(), entry.value()); });
    for (const Change& change : changes_) {
      if (!change.present) continue;
      f(KeyView(change.key), change.value ? ValueView(*change.value) : change.before->value());
    }
  }

  [[nodiscard]] std::size_t size() const {
    std::size_t keys = 0;
    for_each([&keys](KeyView, ValueView) { ++keys; });
    return keys;
  }

  /// Erases all keys; streams a DEL for each.
  void clear() {
    std::vector<Key> keys;
    for_each([&keys](KeyView key, ValueView) { keys.push_back(Key(key)); });
    for (const Key& key : keys) erase(key);
  }

 private:
  template <class, class, class>
  friend class Store;

  using Core = detail::StoreCore<Key, Value, Policy>;
  using Entry = typename Core::Entry;
  using Declared = std::vector<std::pair<std::uint64_t, Key>>;

  /// What becomes of a key.
  struct Change {
    Key key;
    const Entry* before;  // live or expired; null: not there
    bool was_live;
    bool present;
    std::int64_t expires_at_ms;  // if present
    std::optional<Value> value;  // if it was set
  };

  /// What is to be seen of a key.
  struct State {
    const Change* change;
    const Entry* entry;
    bool present;
    std::int64_t expires_at_ms;
  };

  /// `declared`: sorted; null: all keys. `has_room`: whether it may make the store grow.
  Transaction(const Core& core, const Declared* declared, bool has_room)
      : core_(core), declared_(declared), now_(core.now_ms()), has_room_(has_room) {}

  [[nodiscard]] std::uint64_t checked_hash(KeyView key) const {
    const std::uint64_t hash = Core::Table::hash(key);
    if (declared_ == nullptr) return hash;
    const auto before = [](const auto& named, std::uint64_t wanted) { return named.first < wanted; };
    auto named = std::lower_bound(declared_->begin(), declared_->end(), hash, before);
    for (; named != declared_->end() && named->first == hash; ++named) {
      if (named->second == key) return hash;
    }
    detail::throw_error(Errc::not_declared);
  }

  [[nodiscard]] const Change* find_change(std::uint64_t hash, KeyView key) const {
    for (auto [next, end] = index_.equal_range(hash); next != end; ++next) {
      if (changes_[next->second].key == key) return &changes_[next->second];
    }
    return nullptr;
  }

  [[nodiscard]] State look(KeyView key) const {
    const std::uint64_t hash = checked_hash(key);
    const Change* const change = find_change(hash, key);
    if (change != nullptr) {
      return {change, change->before, change->present,
              change->present ? change->expires_at_ms : detail::never_ms};
    }
    const Entry* const entry = core_.table().find(hash, key);
    if (entry == nullptr || entry->expires_at_ms() <= now_)
      return {nullptr, nullptr, false, detail::never_ms};
    return {nullptr, entry, true, entry->expires_at_ms()};
  }

  [[nodiscard]] Change& change_of(KeyView key) {
    const std::uint64_t hash = checked_hash(key);
    if (changes_.empty()) detail::throw_if(core_.refusal());
    if (const Change* const change = find_change(hash, key)) return const_cast<Change&>(*change);
    const Entry* const entry = core_.table().find(hash, key);
    const bool live = entry != nullptr && entry->expires_at_ms() > now_;
    index_.emplace(hash, changes_.size());
    try {
      return changes_.emplace_back(Change{Key(key), entry, live, live,
                                          live ? entry->expires_at_ms() : detail::never_ms, std::nullopt});
    } catch (...) {
      index_.clear();  // the transaction is over
      throw;
    }
  }

  template <class F>
  void visit_unchanged(F&& f) const {
    if (declared_ != nullptr) detail::throw_error(Errc::not_declared);
    std::uint64_t position = 0;
    do {
      const auto here = core_.table().covering(position);
      Core::Table::for_each(*here.segment, [&](const Entry& entry) {
        if (entry.expires_at_ms() <= now_) return;
        if (find_change(Core::Table::hash(entry.key()), entry.key()) == nullptr) f(entry);
      });
      position = here.next;
    } while (position != 0);
  }

  bool set_expiry(KeyView key, Expiry expiry) {
    if (!look(key).present) return false;
    Change& change = change_of(key);
    change.expires_at_ms = detail::to_expiry_ms(expiry.at(detail::to_wall_time(now_)));
    change.present = change.expires_at_ms > now_;
    return true;
  }

  /// Applies everything, or nothing. Precondition: the shards are locked.
  Written commit(detail::Waker& waker) {
    detail::EffectList<Key, Value> effects;
    std::vector<detail::PendingChange<Core>> pending;
    bool changed = false;
    for (const Change& change : changes_) changed = add(change, effects, pending) || changed;
    if (pending.empty()) return {core_.position(), false};
    detail::throw_if(core_.refusal());
    if (!has_room_) detail::throw_if(detail::memory_refusal<Core>(core_, pending));
    return {detail::commit<Core>(core_, pending, effects.effects(), waker), changed};
  }

  /// Adds what is left to do for a key; false when nobody will see it.
  bool add(const Change& change, detail::EffectList<Key, Value>& effects,
           std::vector<detail::PendingChange<Core>>& pending) const {
    using Kind = typename detail::PendingChange<Core>::Kind;
    const std::uint64_t hash = Core::Table::hash(change.key);
    if (!change.present) {
      if (change.before == nullptr || (!change.was_live && !core_.owns_expiry())) return false;
      pending.push_back({Kind::erase, hash, change.key, nullptr});
      effects.erase(change.key);
      return change.was_live;
    }
    if (change.value) {
      typename Core::Owned fresh(Entry::create(change.key, *change.value, change.expires_at_ms));
      pending.push_back({Kind::put, hash, change.key, std::move(fresh)});
      effects.set(change.key, *change.value, change.expires_at_ms);
      return true;
    }
    if (change.expires_at_ms == change.before->expires_at_ms()) return false;
    auto prepared = Core::Table::prepare_expiry(*change.before, change.expires_at_ms);
    pending.push_back({Kind::set_expiry, hash, change.key, std::move(prepared), change.expires_at_ms});
    effects.set_expiry(change.key, change.expires_at_ms);
    return true;
  }

  const Core& core_;
  const Declared* declared_;
  std::int64_t now_;
  bool has_room_;
  std::deque<Change> changes_;  // in the order in which keys were first written
  std::unordered_multimap<std::uint64_t, std::size_t> index_;
};

}  // namespace replikv::inline v0_1
