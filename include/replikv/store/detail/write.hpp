// How local writes change the contents and tell the stream: one key under its shard's lock, or several at
// once. Each does first what may fail (memory, the stream), then what cannot; so a write that throws has
// changed nothing and told nothing.
#pragma once

#include <replikv/core/codec.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/store/detail/evictor.hpp>
#include <replikv/store/detail/store_core.hpp>
#include <replikv/store/expiry.hpp>
#include <replikv/stream/token.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// How a SET treats the expiry its key has.
enum class OnReplace : bool { set_expiry, keep_expiry };

/// One key, its shard locked exclusively for as long as this lives.
template <class Core, class Key, class Value>
class KeyWrite {
 public:
  using Entry = typename Core::Entry;

  /// Whether the write may need memory.
  enum class Kind : bool { growing, other };

  KeyWrite(const Core& core, ViewOf<Key> key, Kind kind)
      : core_(core),
        key_(key),
        hash_(Core::Table::hash(key)),
        has_room_(kind == Kind::other || !core.limit().is_set() || make_room(0)),
        lock_(core.mutex(shard())) {}

  /// One that will put this value, or nothing. `expires_at_ms`: `never_ms`, or any if the key may expire.
  KeyWrite(const Core& core, ViewOf<Key> key, ViewOf<Value> value, std::int64_t expires_at_ms)
      : core_(core),
        key_(key),
        hash_(Core::Table::hash(key)),
        has_room_(!core.limit().is_set() || make_room(Entry::memory_bytes_of(key, value, expires_at_ms))),
        lock_(core.mutex(shard())) {}

  [[nodiscard]] std::error_code refusal() const noexcept { return core_.refusal(); }

  /// One instant for all of the write. Most never ask: a clock costs as much as all the rest of them.
  [[nodiscard]] std::int64_t now_ms() const noexcept {
    if (now_ == not_asked) now_ = core_.now_ms();
    return now_;
  }
  /// When a key expires that is given this expiry by this write.
  [[nodiscard]] std::int64_t expires_at_ms(Expiry expiry) const noexcept {
    return to_expiry_ms(expiry.at(expiry.is_relative() ? to_wall_time(now_ms()) : WallTime()));
  }
  [[nodiscard]] bool has_passed(std::int64_t expires_at_ms) const noexcept {
    return expires_at_ms != never_ms && expires_at_ms <= now_ms();
  }

  /// The entry, if the key is there and has not expired.
  [[nodiscard]] const Entry* live() const noexcept {
    const Entry* const entry = table().find(hash_, key_);
    return entry != nullptr && !is_expired(*entry) ? entry : nullptr;
  }

  /// `Errc::out_of_memory` when the store is full and `put` would make it grow. Comes before that.
  [[nodiscard]] std::error_code memory_refusal(ViewOf<Value> value, std::int64_t expires_at_ms) const {
    if (has_room_) [[likely]]
      return {};
    if (!core_.may_evict()) return {};
    const Entry* const entry = table().find(hash_, key_);
    const std::size_t before = entry != nullptr ? entry->memory_bytes() : 0;
    if (Entry::memory_bytes_of(key_, value, expires_at_ms) <= before) return {};
    core_.limit().count_refused();
    return Errc::out_of_memory;
  }

  /// SET, with PXAT or KEEPTTL if the key expires.
  Written put(ViewOf<Value> value, std::int64_t expires_at_ms, OnReplace on_replace) {
    if (has_passed(table().next_expiry_near(hash_))) [[unlikely]]
      core_.expire_some(shard(), hash_, now_ms(), waker_);
    table().before_change(hash_);
    const auto place = table().prepare(hash_, key_);
    const bool in_place = place && place.entry->takes(value, expires_at_ms);
    typename Core::Owned fresh(in_place ? nullptr : Entry::create(key_, value, expires_at_ms));
    const Entry& entry = in_place ? *place.entry : *fresh;
    const Token token = core_.is_streamed() ? append_set(value, expires_at_ms, on_replace) : Token{};
    const bool counts_stay = in_place && Entry::keeps_memory && entry.expires_at_ms() == expires_at_ms;
    if (in_place) {
      table().overwrite(place, hash_, value, expires_at_ms);
    } else {
      fresh = table().put(place, hash_, std::move(fresh));
    }
    core_.note_put(shard(), entry, !place);
    if (!counts_stay) core_.publish(shard());
    return {token, true};
  }

  /// DEL, if the key is there.
  Written erase() {
    const auto place = table().locate(hash_, key_);
    if (!place) return {core_.position(), false};
    const bool expired = is_expired(*place.entry);
    if (expired && !core_.owns_expiry()) return {core_.position(), false};
    table().before_change(hash_);
    const Token token = append({"DEL", key_text_(key_)});
    table().erase(place, hash_);
    core_.publish(shard());
    return {token, !expired};
  }

  /// PEXPIREAT or, for `never_ms`, PERSIST. Never refused for memory. Precondition: `live()`.
  Written set_expiry(std::int64_t expires_at_ms) {
    const auto place = table().locate(hash_, key_);
    if (place.entry->expires_at_ms() == expires_at_ms) return {core_.position(), false};
    table().before_change(hash_);
    auto prepared = Core::Table::prepare_expiry(*place.entry, expires_at_ms);
    const Token token = expires_at_ms == never_ms
                            ? append({"PERSIST", key_text_(key_)})
                            : append({"PEXPIREAT", key_text_(key_), resp::IntegerText(expires_at_ms).view()});
    table().set_expiry(place, hash_, expires_at_ms, std::move(prepared));
    core_.publish(shard());
    return {token, true};
  }

  /// The write whose condition does not hold. A key that has expired goes now, as on any other access.
  Written unchanged() { return live() == nullptr ? erase() : Written{core_.position(), false}; }

 private:
  static constexpr std::int64_t not_asked = std::numeric_limits<std::int64_t>::min();

  [[nodiscard]] std::size_t shard() const noexcept { return Core::Table::part_of(hash_); }
  [[nodiscard]] typename Core::Table& table() const noexcept { return core_.table(); }
  [[nodiscard]] bool is_expired(const Entry& entry) const noexcept {
    return entry.expires() && has_passed(entry.expires_at_ms());
  }

  [[gnu::noinline]] bool make_room(std::size_t bytes) {
    return core_.limit().has_room(bytes) || Evictor<Core, Key>(core_, waker_, &key_).make_room(bytes);
  }

  Token append(std::initializer_list<std::string_view> words) {
    const resp::Arguments effect(words.begin(), words.size());
    return core_.append({&effect, 1}, waker_);
  }

  Token append_set(ViewOf<Value> value, std::int64_t expires_at_ms, OnReplace on_replace) {
    TextOf<Value> value_text;
    const std::string_view key_bytes = key_text_(key_);
    const std::string_view value_bytes = value_text(value);
    if (expires_at_ms == never_ms) return append({"SET", key_bytes, value_bytes});
    if (on_replace == OnReplace::keep_expiry) return append({"SET", key_bytes, value_bytes, "KEEPTTL"});
    return append({"SET", key_bytes, value_bytes, "PXAT", resp::IntegerText(expires_at_ms).view()});
  }

  const Core& core_;
  Waker waker_;  // before the lock
  ViewOf<Key> key_;
  std::uint64_t hash_;
  bool has_room_;  // before the lock, because victims have locks as well
  std::unique_lock<typename Core::Mutex> lock_;
  mutable std::int64_t now_ = not_asked;
  TextOf<Key> key_text_;
};

/// Effects of several writes, with the texts they are made of.
template <class Key, class Value>
class EffectList {
 public:
  void set(ViewOf<Key> key, ViewOf<Value> value, std::int64_t expires_at_ms) {
    auto& words = begin("SET", key);
    words.push_back(text<Value>(value));
    if (expires_at_ms == never_ms) return;
    words.emplace_back("PXAT");
    words.push_back(number(expires_at_ms));
  }
  void erase(ViewOf<Key> key) { begin("DEL", key); }
  void set_expiry(ViewOf<Key> key, std::int64_t expires_at_ms) {
    if (expires_at_ms == never_ms) {
      begin("PERSIST", key);
    } else {
      begin("PEXPIREAT", key).push_back(number(expires_at_ms));
    }
  }
  /// MSET; so many pairs that a peer's limit could be near go on in another one.
  void set_together(ViewOf<Key> key, ViewOf<Value> value) {
    if (!words_.empty() && words_.back().size() < together_words_max) {
      words_.back().push_back(text<Key>(key));
    } else {
      begin("MSET", key);
    }
    words_.back().push_back(text<Value>(value));
  }

  [[nodiscard]] std::vector<resp::Arguments> effects() const { return {words_.begin(), words_.end()}; }

 private:
  static constexpr std::size_t together_words_max = std::size_t{1} << 18;

  std::vector<std::string_view>& begin(std::string_view name, ViewOf<Key> key) {
    auto& words = words_.emplace_back();
    words.push_back(name);
    words.push_back(text<Key>(key));
    return words;
  }

  template <class T>
  [[nodiscard]] std::string_view text(ViewOf<T> value) {
    if constexpr (std::same_as<T, std::string>) {
      return value;
    } else {
      return texts_.emplace_back(TextOf<T>{}(value));
    }
  }
  [[nodiscard]] std::string_view number(std::int64_t value) {
    return texts_.emplace_back(resp::IntegerText(value).view());
  }

  std::deque<std::vector<std::string_view>> words_;
  std::deque<std::string> texts_;
};

/// One of several changes that happen together. The key's bytes live until all have happened.
template <class Core>
struct PendingChange {
  enum class Kind : std::uint8_t { put, erase, set_expiry };

  Kind kind;
  std::uint64_t hash;
  typename Core::KeyView key;
  typename Core::Owned fresh;      // to put; for an expiry, what `prepare_expiry` made
  std::int64_t expires_at_ms = 0;  // to set
  bool inserted = false;
};

/// `Errc::out_of_memory` when the changes would make a store grow that is full. Precondition: their shards
/// are locked.
template <class Core>
[[nodiscard]] std::error_code memory_refusal(const Core& core, std::span<const PendingChange<Core>> changes) {
  if (!core.may_evict()) return {};
  std::size_t before = 0;
  std::size_t after = 0;
  for (const auto& change : changes) {
    if (change.kind == PendingChange<Core>::Kind::set_expiry) continue;  // never refused
    const auto* const entry = core.table().find(change.hash, change.key);
    if (entry != nullptr) before += entry->memory_bytes();
    if (change.fresh) after += change.fresh->memory_bytes();
  }
  if (after <= before) return {};
  core.limit().count_refused();
  return Errc::out_of_memory;
}

/// Makes all changes and appends their effects, or, if that fails, does neither. New keys go into the
/// table first, because that takes memory, and out again on failure. Precondition: their shards are locked.
template <class Core>
Token commit(const Core& core, std::span<PendingChange<Core>> changes,
             std::span<const resp::Arguments> effects, Waker& waker) {
  using Kind = typename PendingChange<Core>::Kind;
  auto& table = core.table();
  Token token;
  try {
    for (auto& change : changes) {
      table.before_change(change.hash);
      if (change.kind != Kind::put) continue;
      const auto place = table.prepare(change.hash, change.key);
      if (place) continue;
      const auto& entry = *change.fresh;
      table.put(place, change.hash, std::move(change.fresh));
      core.note_put(Core::Table::part_of(change.hash), entry, true);
      change.inserted = true;
    }
    token = core.append(effects, waker);
  } catch (...) {
    for (auto& change : changes) {
      if (change.inserted) table.erase(table.locate(change.hash, change.key), change.hash);
    }
    throw;
  }
  for (auto& change : changes) {
    if (!change.inserted) {
      const auto place = table.locate(change.hash, change.key);
      if (change.kind == Kind::put) {
        const auto& entry = *change.fresh;
        change.fresh = table.put(place, change.hash, std::move(change.fresh));
        core.note_put(Core::Table::part_of(change.hash), entry, false);
      } else if (change.kind == Kind::erase) {
        table.erase(place, change.hash);
      } else {
        table.set_expiry(place, change.hash, change.expires_at_ms, std::move(change.fresh));
      }
    }
    core.publish(Core::Table::part_of(change.hash));
  }
  return token;
}

}  // namespace replikv::inline v0_1::detail
