// The databases as commands see them now: as they are; as they tell of writes, where somebody wants to know;
// or, inside EXEC, held still and with what EXEC has written. Watched keys are kept here, for they hear of
// writes.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/detail/function_ref.hpp>
#include <replikv/server/detail/key_events.hpp>
#include <replikv/server/detail/observed_keyspace.hpp>
#include <replikv/server/detail/watches.hpp>
#include <replikv/server/keyspace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

class ServedDatabases final : private WriteObserver {
 public:
  using Keyspace = server::Keyspace;

  ServedDatabases(std::vector<std::unique_ptr<Keyspace>> databases, KeyEvents& events)
      : databases_(std::move(databases)), events_(events) {
    WriteObserver& observer = *this;
    for (std::uint32_t i = 0; i < databases_.size(); ++i) {
      observed_.push_back(std::make_unique<ObservedKeyspace>(*databases_[i], i, observer));
      views_.push_back(databases_[i].get());
    }
  }
  ServedDatabases(const ServedDatabases&) = delete;
  ServedDatabases& operator=(const ServedDatabases&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return databases_.size(); }
  [[nodiscard]] Keyspace& operator[](std::uint32_t number) const { return *views_[number]; }

  /// Whether writes are told depends on who wants to know: to be called when that has changed.
  ///
  /// Nobody pays for being looked at while nobody looks. Not while databases are held: their views are not
  /// ours.
  void choose_views() noexcept {
    if (is_held_) return;
    const bool is_observed = !watches_.empty() || !events_.wanted().empty();
    for (std::size_t i = 0; i < views_.size(); ++i) {
      views_[i] = is_observed ? observed_[i].get() : databases_[i].get();
    }
  }

  // --- Holding --------------------------------------------------------------------------------------

  /// Runs `f` while nobody else reads or writes these databases (in ascending order); what it writes to each
  /// of them happens at once, or not at all if it throws.
  void atomically(std::span<const std::uint32_t> numbers, FunctionRef<void()> f) {
    is_held_ = true;
    try {
      hold(numbers, f);
    } catch (...) {
      is_held_ = false;
      after_hold_.clear();
      throw;
    }
    is_held_ = false;
    for (const auto& action : std::exchange(after_hold_, {})) action();
  }

  /// Now, or when the databases are no longer held: what subscribers read then is what was written.
  template <class Action>
  void when_free(Action&& action) {
    if (!is_held_) return action();
    after_hold_.emplace_back(std::forward<Action>(action));
  }

  // --- Watching -------------------------------------------------------------------------------------

  /// False: it is watched already.
  bool watch(Watcher& watcher, std::uint32_t number, std::string_view key) {
    const bool is_new = watches_.add(watcher, number, key, KeyFingerprint::of(*views_[number], key));
    choose_views();
    return is_new;
  }
  void unwatch(Watcher& watcher) noexcept {
    watches_.remove_all(watcher);
    choose_views();
  }
  /// Whether all keys that one watches are what they were.
  [[nodiscard]] bool are_unchanged(const Watcher& watcher) const {
    return !watcher.has_changed &&
           std::all_of(watcher.keys.begin(), watcher.keys.end(), [this](const WatchedKey& key) {
             return KeyFingerprint::of(*views_[key.database], *key.key) == key.before;
           });
  }

 private:
  // Has a database seen as `keys` while this lives.
  class Seen {
   public:
    Seen(Keyspace*& view, Keyspace& keys) : view_(view), before_(std::exchange(view, &keys)) {}
    ~Seen() { view_ = before_; }
    Seen(const Seen&) = delete;
    Seen& operator=(const Seen&) = delete;

   private:
    Keyspace*& view_;
    Keyspace* before_;
  };

  // In the order of their numbers, as everybody who holds several.
  void hold(std::span<const std::uint32_t> numbers, FunctionRef<void()> f) {
    if (numbers.empty()) return f();
    views_[numbers[0]]->atomically([this, numbers, f](Keyspace& inside) {
      const Seen seen(views_[numbers[0]], inside);
      hold(numbers.subspan(1), f);
    });
  }

  void on_put(std::uint32_t number, std::string_view key, WallTime expires_at) override {
    const bool expires = expires_at != Keyspace::never;
    note(expires ? KeyChange::Kind::put_with_expiry : KeyChange::Kind::put, number, key);
  }
  void on_put_again(std::uint32_t number, std::string_view key) override {
    events_.note(KeyChange::Kind::put_again, number, key);
  }
  void on_erased(std::uint32_t number, std::string_view key) override {
    note(KeyChange::Kind::erased, number, key);
  }
  void on_expiry_set(std::uint32_t number, std::string_view key, WallTime expires_at) override {
    using Kind = KeyChange::Kind;
    note(expires_at == Keyspace::never             ? Kind::persisted
         : expires_at <= databases_[number]->now() ? Kind::given_past_expiry
                                                   : Kind::given_expiry,
         number, key);
  }
  void on_clear(std::uint32_t number, const Keyspace& keys) override { watches_.touch_all(number, keys); }

  void note(KeyChange::Kind kind, std::uint32_t number, std::string_view key) {
    watches_.touch(number, key);
    events_.note(kind, number, key);
  }

  std::vector<std::unique_ptr<Keyspace>> databases_;
  std::vector<std::unique_ptr<ObservedKeyspace>> observed_;
  std::vector<Keyspace*> views_;  // of the databases: as they are, observed, or held by EXEC
  bool is_held_ = false;
  std::vector<std::function<void()>> after_hold_;
  Watches watches_;
  KeyEvents& events_;
};

}  // namespace replikv::inline v0_1::detail
