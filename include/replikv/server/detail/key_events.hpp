// What is to be told of keys: which events somebody wants, the changes that a command makes and their names,
// and the keys that stores lose by themselves. Who hears of them is `PubSub`'s.
#pragma once

#include <replikv/replication/detail/node.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/detail/lost_keys.hpp>
#include <replikv/server/detail/notifications.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// What a write has done to a key.
struct KeyChange {
  enum class Kind : std::uint8_t {
    erased,
    put,
    put_with_expiry,
    put_again,  ///< the value is what it was
    given_expiry,
    given_past_expiry,
    persisted,
  };
  Kind kind;
  std::uint32_t database;
  std::string key;
};

class KeyEvents {
 public:
  using EventClass = server::EventClass;

  explicit KeyEvents(Node& node) : node_(node) {}

  /// As notify-keyspace-events has it. False: not its letters; nothing has changed.
  bool want(std::string_view letters) {
    const auto wanted = WantedEvents::parse(letters);
    if (!wanted) return false;
    wanted_ = *wanted;
    const bool hears_of_losses = wanted_.has(EventClass::expired) || wanted_.has(EventClass::evicted);
    if (std::exchange(hears_of_losses_, hears_of_losses) != hears_of_losses) {
      node_.gate->set_loss_listener(hears_of_losses ? lost_ : nullptr);
    }
    return true;
  }
  [[nodiscard]] const WantedEvents& wanted() const noexcept { return wanted_; }

  /// Notes a change of the command under way, if anybody wants to hear of changes.
  void note(KeyChange::Kind kind, std::uint32_t database, std::string_view key) {
    if (!wanted_.empty()) changes_.push_back({kind, database, std::string(key)});
  }

  [[nodiscard]] bool has_changes() const noexcept { return !changes_.empty(); }
  void forget_changes() noexcept { changes_.clear(); }

  /// Calls `notify(class, event, database, key)` for what the command of this name has noted.
  template <class Notify>
  void tell_changes(std::string_view command, Notify&& notify) {
    auto changes = std::exchange(changes_, {});
    const EventNames names = events_of(command);
    if (!names.erased.empty()) {  // it came from there before it went there
      std::stable_partition(changes.begin(), changes.end(),
                            [](const KeyChange& change) { return change.kind == KeyChange::Kind::erased; });
    }
    for (const KeyChange& change : changes) tell(names, change, notify);
  }

  [[nodiscard]] bool has_losses() const noexcept { return !lost_->empty(); }

  /// The same for keys that have expired or were evicted.
  template <class Notify>
  void tell_losses(Notify&& notify) {
    for (const LostKey& lost : lost_->take()) {
      const bool is_expired = lost.event_class == EventClass::expired;
      notify(lost.event_class, is_expired ? "expired" : "evicted", lost.database, lost.key);
    }
  }

 private:
  template <class Notify>
  static void tell(const EventNames& names, const KeyChange& change, Notify& notify) {
    using Kind = KeyChange::Kind;
    const auto generic = [&](std::string_view event) {
      notify(EventClass::generic, event, change.database, change.key);
    };
    switch (change.kind) {
      case Kind::put_again:
        if (names.put == "setbit") return;  // no change, no event
        [[fallthrough]];
      case Kind::put:
      case Kind::put_with_expiry:
        notify(names.put_class, names.put.empty() ? "set" : names.put, change.database, change.key);
        if (names.put.empty() && change.kind == Kind::put_with_expiry) generic("expire");
        return;
      case Kind::erased: return generic(names.erased.empty() ? "del" : names.erased);
      case Kind::given_expiry: return generic("expire");
      case Kind::given_past_expiry: return generic("del");
      case Kind::persisted: return generic("persist");
    }
  }

  Node& node_;
  WantedEvents wanted_;
  std::vector<KeyChange> changes_;  // of the command under way
  const std::shared_ptr<LostKeys> lost_ = std::make_shared<LostKeys>();
  bool hears_of_losses_ = false;
};

}  // namespace replikv::inline v0_1::detail
