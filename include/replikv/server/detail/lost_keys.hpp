// Keys that stores have removed by themselves, on their way to those who subscribed to such events.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/store/detail/attachment.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// A key that expired or was evicted.
struct LostKey {
  server::EventClass event_class;
  std::uint32_t database;
  std::string key;
};

/// Thread safety  every call from any thread
class LostKeys final : public KeyLossListener {
 public:
  void on_expired(std::uint32_t database, std::string_view key) noexcept override {
    add(server::EventClass::expired, database, key);
  }
  void on_evicted(std::uint32_t database, std::string_view key) noexcept override {
    add(server::EventClass::evicted, database, key);
  }

  [[nodiscard]] bool empty() const noexcept { return !has_any_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::vector<LostKey> take() noexcept {
    const std::lock_guard lock(mutex_);
    has_any_.store(false, std::memory_order_relaxed);
    return std::exchange(keys_, {});
  }

 private:
  static constexpr std::size_t keys_max = 100'000;  // no event is promised to anybody

  void add(server::EventClass event_class, std::uint32_t database, std::string_view key) noexcept {
    const std::lock_guard lock(mutex_);
    if (keys_.size() >= keys_max) return;
    try {
      keys_.push_back({event_class, database, std::string(key)});
      has_any_.store(true, std::memory_order_relaxed);
    } catch (const std::bad_alloc&) {
    }
  }

  std::atomic<bool> has_any_{false};
  std::mutex mutex_;
  std::vector<LostKey> keys_;
};

}  // namespace replikv::inline v0_1::detail
