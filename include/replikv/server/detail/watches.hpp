// What WATCH is about: which keys are watched by whom, and whether a key is still what it was. Clients'
// writes are told as they happen; those of the application, of a master and of time are found by comparing.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/server/detail/text_map.hpp>
#include <replikv/server/keyspace.hpp>
#include <replikv/store/hash.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// What a key held at some instant, in a few bytes. A key that has expired holds nothing.
struct KeyFingerprint {
  std::uint64_t value = 0;
  std::size_t bytes = 0;
  std::optional<WallTime> expires_at{};  ///< nothing: the key is not there

  [[nodiscard]] static KeyFingerprint of(const server::Keyspace& keys, std::string_view key) {
    KeyFingerprint print;
    print.expires_at = keys.expires_at(key);
    const bool is_there = keys.visit(key, [&print](std::string_view found) {
      print.value = hash_bytes(found, found.size());
      print.bytes = found.size();
    });
    return is_there && print.expires_at ? print : KeyFingerprint{};
  }

  friend bool operator==(const KeyFingerprint&, const KeyFingerprint&) = default;
};

/// A key that is watched, and what it held then. The key's bytes belong to `Watches`.
struct WatchedKey {
  std::uint32_t database;
  const std::string* key;
  KeyFingerprint before;
};

/// One who watches keys.
struct Watcher {
  std::vector<WatchedKey> keys{};
  bool has_changed = false;  ///< a client has written one of them
};

/// All keys that are watched. Watchers must be taken out before they end.
class Watches {
 public:
  [[nodiscard]] bool empty() const noexcept { return watchers_ == 0; }

  /// False: this one watches it already.
  bool add(Watcher& watcher, std::uint32_t database, std::string_view key, const KeyFingerprint& now) {
    if (database >= keys_.size()) keys_.resize(database + 1);
    auto& known = keys_[database];
    auto place = known.find(key);
    if (place == known.end()) place = known.emplace(std::string(key), Watchers{}).first;
    if (std::find(place->second.begin(), place->second.end(), &watcher) != place->second.end()) return false;
    place->second.push_back(&watcher);
    watcher.keys.push_back({database, &place->first, now});
    if (watcher.keys.size() == 1) ++watchers_;
    return true;
  }

  void remove_all(Watcher& watcher) noexcept {
    if (!watcher.keys.empty()) --watchers_;
    for (const WatchedKey& watched : std::exchange(watcher.keys, {})) {
      auto& known = keys_[watched.database];
      const auto place = known.find(*watched.key);
      std::erase(place->second, &watcher);
      if (place->second.empty()) known.erase(place);
    }
    watcher.has_changed = false;
  }

  /// A client has written this key.
  void touch(std::uint32_t database, std::string_view key) noexcept {
    if (database >= keys_.size()) return;
    const auto place = keys_[database].find(key);
    if (place == keys_[database].end()) return;
    for (Watcher* const watcher : place->second) watcher->has_changed = true;
  }

  /// A client is about to remove all keys of a database.
  void touch_all(std::uint32_t database, const server::Keyspace& keys) {
    if (database >= keys_.size()) return;
    for (const auto& [key, watchers] : keys_[database]) {
      if (!keys.contains(key)) continue;
      for (Watcher* const watcher : watchers) watcher->has_changed = true;
    }
  }

 private:
  using Watchers = std::vector<Watcher*>;

  std::vector<TextMap<Watchers>> keys_;  // by database
  std::size_t watchers_ = 0;
};

}  // namespace replikv::inline v0_1::detail
