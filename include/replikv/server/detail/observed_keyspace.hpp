// A database that tells somebody what is written to it. Put before the databases only while somebody wants to
// know: those who watch keys, and those who hear of events.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/server/keyspace.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail {

/// Hears of writes that have changed something, or, inside `atomically`, will have when it ends.
class WriteObserver {
 public:
  virtual ~WriteObserver() = default;

  /// `expires_at`: the one that was set with the value, or `Keyspace::never`.
  virtual void on_put(std::uint32_t database, std::string_view key, WallTime expires_at) = 0;
  /// An update has left the value as it was.
  virtual void on_put_again(std::uint32_t database, std::string_view key) = 0;
  virtual void on_erased(std::uint32_t database, std::string_view key) = 0;
  virtual void on_expiry_set(std::uint32_t database, std::string_view key, WallTime expires_at) = 0;
  /// All keys are about to go.
  virtual void on_clear(std::uint32_t database, const server::Keyspace& keys) = 0;
};

class ObservedKeyspace final : public server::Keyspace {
 public:
  ObservedKeyspace(server::Keyspace& keys, std::uint32_t database, WriteObserver& observer) noexcept
      : keys_(keys), observer_(observer), database_(database) {}

  bool visit(std::string_view key, OnValue f) const override { return keys_.visit(key, f); }
  [[nodiscard]] std::optional<WallTime> expires_at(std::string_view key) const override {
    return keys_.expires_at(key);
  }
  [[nodiscard]] std::size_t size() const override { return keys_.size(); }
  std::uint64_t scan(std::uint64_t cursor, OnEntry f) const override { return keys_.scan(cursor, f); }
  [[nodiscard]] WallTime now() const override { return keys_.now(); }
  [[nodiscard]] bool is_locked() const noexcept override { return keys_.is_locked(); }
  void fetch(std::span<const std::string_view> keys) const noexcept override { keys_.fetch(keys); }

  void set(std::string_view key, std::string_view value, WallTime expires_at) override {
    keys_.set(key, value, expires_at);
    observer_.on_put(database_, key, expires_at);
  }
  void replace(std::string_view key, std::string_view value) override {
    keys_.replace(key, value);
    observer_.on_put(database_, key, never);
  }
  bool erase(std::string_view key) override {
    const bool was_there = keys_.erase(key);
    if (was_there) observer_.on_erased(database_, key);
    return was_there;
  }
  bool set_expiry(std::string_view key, WallTime expires_at) override {
    const bool is_changed = keys_.set_expiry(key, expires_at);
    if (is_changed) observer_.on_expiry_set(database_, key, expires_at);
    return is_changed;
  }
  void update(std::string_view key, OnChange f) override {
    bool was_there = false;
    bool is_there = false;
    bool is_same = false;
    keys_.update(key, [&](std::optional<std::string>& value) {
      was_there = value.has_value();
      const std::string before = value.value_or(std::string());
      f(value);
      is_there = value.has_value();
      is_same = was_there && is_there && *value == before;
    });
    if (is_same) {
      observer_.on_put_again(database_, key);
    } else if (is_there) {
      observer_.on_put(database_, key, never);
    } else if (was_there) {
      observer_.on_erased(database_, key);
    }
  }
  void set_many(std::span<const std::pair<std::string_view, std::string_view>> pairs) override {
    keys_.set_many(pairs);
    for (const auto& [key, value] : pairs) observer_.on_put(database_, key, never);
  }
  void clear() override {
    observer_.on_clear(database_, keys_);
    keys_.clear();
  }

  void atomically(std::span<const std::string_view> named, Steps steps) override {
    keys_.atomically(named, [this, steps](Keyspace& inside) { run(inside, steps); });
  }
  void atomically(Steps steps) override {
    keys_.atomically([this, steps](Keyspace& inside) { run(inside, steps); });
  }

 private:
  void run(Keyspace& inside, Steps steps) {
    ObservedKeyspace observed(inside, database_, observer_);
    steps(observed);
  }

  server::Keyspace& keys_;
  WriteObserver& observer_;
  std::uint32_t database_;
};

}  // namespace replikv::inline v0_1::detail
