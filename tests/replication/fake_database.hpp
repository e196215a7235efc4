// A Database that is a map: what the tests of commands look at. Notes misused locks, and every state that
// a reader could have seen.
#pragma once

#include <replikv/store/detail/database.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace replikv_tests {

using replikv::WallTime;
using replikv::detail::Database;
using replikv::detail::KeepExpiry;
using replikv::detail::Locks;
using replikv::detail::never;
using replikv::detail::Stored;

class FakeDatabase final : public Database {
 public:
  using Keys = std::map<std::string, Stored, std::less<>>;

  /// Databases of different types do not swap.
  explicit FakeDatabase(int type = 0) : type_(type) {}

  Keys keys;
  std::function<bool(std::string_view)> accepts;  // values; empty: all
  std::vector<std::string> visible;               // the states readers could see, oldest first
  std::vector<FakeDatabase*>* lock_order = nullptr;
  int misuses = 0;  // of locks

  /// "a=1 b=2@1500": sorted, with expiries; bytes that do not print as \xHH.
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const auto& [key, stored] : keys) {
      if (!text.empty()) text.push_back(' ');
      text.append(printable(key)).append("=").append(printable(stored.value));
      if (stored.expires_at != never) {
        text.append("@").append(std::to_string(stored.expires_at.time_since_epoch().count()));
      }
    }
    return text;
  }

  void lock() override {
    misuses += locked_ ? 1 : 0;
    locked_ = true;
    if (lock_order != nullptr) lock_order->push_back(this);
  }
  void unlock() override {
    misuses += locked_ ? 0 : 1;
    locked_ = false;
    changed();
  }

  void fetch(std::span<const std::string_view>, Locks) const noexcept override {}

  [[nodiscard]] std::error_code attach(std::shared_ptr<const replikv::detail::Attachment>) override {
    return {};
  }
  void detach() noexcept override {}

  [[nodiscard]] std::optional<Stored> read(std::string_view key, Locks locks) const override {
    if ((locks == Locks::held) != locked_) ++const_cast<FakeDatabase*>(this)->misuses;
    const auto found = keys.find(key);
    return found == keys.end() ? std::nullopt : std::optional(found->second);
  }

  [[nodiscard]] std::error_code assign(std::string_view key, std::string_view value, WallTime expires_at,
                                       Locks locks) override {
    return change(locks, [&]() -> std::error_code {
      if (accepts && !accepts(value)) return replikv::Errc::bad_value;
      keys.insert_or_assign(std::string(key), Stored{std::string(value), expires_at});
      return {};
    });
  }

  [[nodiscard]] std::error_code assign(std::string_view key, std::string_view value, KeepExpiry,
                                       Locks locks) override {
    const auto found = keys.find(key);
    return assign(key, value, found == keys.end() ? never : found->second.expires_at, locks);
  }

  bool erase(std::string_view key, Locks locks) override {
    return change(locks, [&] { return keys.erase(std::string(key)) != 0; });
  }

  bool set_expiry(std::string_view key, WallTime expires_at, Locks locks) override {
    return change(locks, [&] {
      const auto found = keys.find(key);
      if (found == keys.end()) return false;
      if (accepts) static_cast<void>(accepts(found->second.value));  // it may throw
      found->second.expires_at = expires_at;
      return true;
    });
  }

  void clear(Locks locks) override {
    change(locks, [&] { return keys.clear(), true; });
  }

  [[nodiscard]] std::size_t size() const noexcept override { return keys.size(); }
  [[nodiscard]] std::size_t expiring() const noexcept override { return 0; }
  [[nodiscard]] std::chrono::milliseconds mean_time_left() const override { return {}; }
  [[nodiscard]] replikv::detail::DatabaseUse use() const noexcept override { return {}; }
  void limit_memory(std::size_t, replikv::Eviction) noexcept override {}
  void set_eviction_samples(unsigned) noexcept override {}

  bool swap_contents(Database& other) override {
    auto& fake = dynamic_cast<FakeDatabase&>(other);
    if (!locked_ || !fake.locked_) ++misuses;
    if (fake.type_ != type_) return false;
    keys.swap(fake.keys);
    return true;
  }

  // Snapshots are no matter of commands.
  [[nodiscard]] std::unique_ptr<replikv::detail::DatabaseLoad> begin_load() const override { return nullptr; }
  void adopt(replikv::detail::DatabaseLoad&) noexcept override {}
  [[nodiscard]] std::unique_ptr<replikv::detail::DatabaseSnapshot> begin_snapshot() override {
    return nullptr;
  }
  std::size_t expire_due(replikv::Duration) override { return 0; }
  [[nodiscard]] WallTime next_expiry() const noexcept override { return never; }

 private:
  static std::string printable(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char character : bytes) {
      const auto byte = static_cast<unsigned char>(character);
      if (byte > 0x20 && byte < 0x7f) {
        text.push_back(character);
      } else {
        text.append({'\\', 'x', digits[byte >> 4], digits[byte & 15]});
      }
    }
    return text;
  }

  template <class Change>
  std::invoke_result_t<Change> change(Locks locks, Change make) {
    if ((locks == Locks::held) != locked_) ++misuses;
    auto result = make();
    changed();
    return result;
  }

  void changed() {
    if (locked_) return;
    if (std::string now = text(); visible.empty() || visible.back() != now) visible.push_back(std::move(now));
  }

  int type_;
  bool locked_ = false;
};

}  // namespace replikv_tests
