// A store as a Keyspace: the way from the bytes of commands to keys and values of C++ types, alone and inside
// a transaction.
#pragma once

#include <replikv/core/codec.hpp>
#include <replikv/core/error.hpp>
#include <replikv/server/keyspace.hpp>
#include <replikv/store/store.hpp>
#include <replikv/store/transaction.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// The key or value that bytes stand for; throws `Errc::bad_value`.
template <class T>
class Decoded {
 public:
  explicit Decoded(std::string_view bytes) : value_(bytes) {
    if (!value_) throw_error(Errc::bad_value);
  }
  [[nodiscard]] ViewOf<T> view() const noexcept { return value_.view(); }

 private:
  FromText<T> value_;
};

/// A transaction under way. `now` is one instant for all of it.
template <class Key, class Value, class Policy>
class TransactionKeyspace final : public server::Keyspace {
 public:
  explicit TransactionKeyspace(Transaction<Key, Value, Policy>& transaction) noexcept
      : transaction_(transaction) {}

  bool visit(std::string_view bytes, OnValue f) const override {
    const FromText<Key> key(bytes);
    return key && transaction_.visit(key.view(), [&f](ViewOf<Value> value) { f(TextOf<Value>{}(value)); });
  }
  [[nodiscard]] std::optional<WallTime> expires_at(std::string_view bytes) const override {
    const FromText<Key> key(bytes);
    return key ? transaction_.expires_at(key.view()) : std::nullopt;
  }
  [[nodiscard]] std::size_t size() const override { return transaction_.size(); }
  std::uint64_t scan(std::uint64_t, OnEntry f) const override {
    TextOf<Key> key_text;
    TextOf<Value> value_text;
    transaction_.for_each([&](ViewOf<Key> key, ViewOf<Value> value) { f(key_text(key), value_text(value)); });
    return 0;
  }
  [[nodiscard]] WallTime now() const override { return transaction_.now(); }

  void set(std::string_view key, std::string_view value, WallTime expires_at) override {
    transaction_.set(Decoded<Key>(key).view(), Decoded<Value>(value).view(), Expiry(expires_at));
  }
  void replace(std::string_view bytes, std::string_view value) override {
    const Decoded<Key> key(bytes);
    const WallTime expires_at = transaction_.expires_at(key.view()).value_or(never);
    transaction_.set(key.view(), Decoded<Value>(value).view(), Expiry(expires_at));
  }
  bool erase(std::string_view bytes) override {
    const FromText<Key> key(bytes);
    return key && transaction_.erase(key.view());
  }
  bool set_expiry(std::string_view bytes, WallTime expires_at) override {
    const FromText<Key> key(bytes);
    if (!key) return false;
    return expires_at == never ? transaction_.persist(key.view())
                               : transaction_.expire_at(key.view(), expires_at);
  }
  void update(std::string_view key, OnChange f) override {
    std::optional<std::string> value;
    const bool is_there = visit(key, [&value](std::string_view bytes) { value.emplace(bytes); });
    f(value);
    if (value) return replace(key, *value);
    if (is_there) erase(key);
  }
  void set_many(std::span<const std::pair<std::string_view, std::string_view>> pairs) override {
    for (const auto& [key, value] : pairs) set(key, value, never);
  }
  void clear() override { transaction_.clear(); }

  void atomically(std::span<const std::string_view>, Steps steps) override { steps(*this); }
  void atomically(Steps steps) override { steps(*this); }
  [[nodiscard]] bool is_locked() const noexcept override { return true; }

 private:
  Transaction<Key, Value, Policy>& transaction_;
};

/// A store between transactions: each call by itself.
template <class Key, class Value, class Policy>
class StoreKeyspace final : public server::Keyspace {
 public:
  explicit StoreKeyspace(Store<Key, Value, Policy>& store) noexcept : store_(store) {}

  bool visit(std::string_view bytes, OnValue f) const override {
    const FromText<Key> key(bytes);
    return key && store_.visit(key.view(), [&f](ViewOf<Value> value) { f(TextOf<Value>{}(value)); });
  }
  [[nodiscard]] std::optional<WallTime> expires_at(std::string_view bytes) const override {
    const FromText<Key> key(bytes);
    return key ? store_.expires_at(key.view()) : std::nullopt;
  }
  [[nodiscard]] std::size_t size() const override { return store_.size(); }
  std::uint64_t scan(std::uint64_t cursor, OnEntry f) const override {
    TextOf<Key> key_text;
    TextOf<Value> value_text;
    return store_.scan(cursor,
                       [&](ViewOf<Key> key, ViewOf<Value> value) { f(key_text(key), value_text(value)); });
  }
  [[nodiscard]] WallTime now() const override { return store_.now(); }
  void fetch(std::span<const std::string_view> keys) const noexcept override {
    database_of(store_).fetch(keys, Locks::take);
  }

  void set(std::string_view key, std::string_view value, WallTime expires_at) override {
    store_.set(Decoded<Key>(key).view(), Decoded<Value>(value).view(), Expiry(expires_at));
  }
  void replace(std::string_view key, std::string_view value) override {
    atomically(std::span(&key, 1), [key, value](Keyspace& keys) { keys.replace(key, value); });
  }
  bool erase(std::string_view bytes) override {
    const FromText<Key> key(bytes);
    return key && store_.erase(key.view()).changed;
  }
  bool set_expiry(std::string_view bytes, WallTime expires_at) override {
    const FromText<Key> key(bytes);
    if (!key) return false;
    return (expires_at == never ? store_.persist(key.view()) : store_.expire_at(key.view(), expires_at))
        .changed;
  }
  void update(std::string_view key, OnChange f) override {
    store_.update(Decoded<Key>(key).view(), [f](std::optional<Value>& value) {
      if constexpr (std::same_as<Value, std::string>) {
        f(value);
      } else {
        std::optional<std::string> bytes;
        if (value) bytes.emplace(TextOf<Value>{}(*value));
        f(bytes);
        value.reset();
        if (bytes) value.emplace(Decoded<Value>(*bytes).view());
      }
    });
  }
  void set_many(std::span<const std::pair<std::string_view, std::string_view>> pairs) override {
    if constexpr (std::same_as<Key, std::string> && std::same_as<Value, std::string>) {
      store_.set_many(pairs);
    } else {
      std::vector<std::pair<Key, Value>> decoded;
      decoded.reserve(pairs.size());
      for (const auto& [key, value] : pairs) {
        decoded.emplace_back(Decoded<Key>(key).view(), Decoded<Value>(value).view());
      }
      store_.set_many(decoded);
    }
  }
  void clear() override { store_.clear(); }

  void atomically(std::span<const std::string_view> named, Steps steps) override {
    if constexpr (std::same_as<Key, std::string>) {
      store_.transaction(named, running(steps));
    } else {
      std::vector<Key> keys;
      keys.reserve(named.size());
      for (const std::string_view bytes : named) keys.push_back(Key(Decoded<Key>(bytes).view()));
      store_.transaction(keys, running(steps));
    }
  }
  void atomically(Steps steps) override { store_.transaction(running(steps)); }
  [[nodiscard]] bool is_locked() const noexcept override { return false; }

 private:
  [[nodiscard]] static auto running(Steps steps) {
    return [steps](Transaction<Key, Value, Policy>& transaction) {
      TransactionKeyspace<Key, Value, Policy> keys(transaction);
      steps(keys);
    };
  }

  Store<Key, Value, Policy>& store_;
};

}  // namespace replikv::inline v0_1::detail
