// A walk over a store as it stood at one instant, while it is being written. The cursor goes from segment
// to segment in hash order; what writers change ahead of it, they hand over first. If the contents are
// replaced as a whole meanwhile, the snapshot keeps the old ones.
#pragma once

#include <replikv/store/detail/database.hpp>
#include <replikv/store/detail/table.hpp>

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>

namespace replikv::inline v0_1::detail {

/// The snapshot of one store's contents, wherever those go: to another store (SWAPDB), or out of use.
///
/// Thread safety  next() and the destructor: one thread, holding no lock of the store; the rest: says so
template <class Core>
class Snapshot final : public DatabaseSnapshot {
 public:
  using Table = typename Core::Table;

  /// Precondition: the host is locked.
  Snapshot(Core& host, Table& table) : host_(&host), keys_(table.keys()), expiring_keys_(table.expiring()) {
    table.begin_snapshot(handed_over_);
  }

  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  ~Snapshot() override {
    for (;;) {
      Core* const host = host_.load(std::memory_order_acquire);
      if (host == nullptr) return;
      const std::lock_guard lock(*host);
      if (host_.load(std::memory_order_acquire) != host) continue;
      host->forget_snapshot();
      return;
    }
  }

  [[nodiscard]] std::size_t keys() const noexcept override { return keys_; }
  [[nodiscard]] std::size_t expiring_keys() const noexcept override { return expiring_keys_; }

  [[nodiscard]] bool next(std::string& out) override {
    const std::size_t before = out.size();
    while (out.size() == before) {
      const bool took = handed_over_.take(out);
      if (!walked_) {
        walk_one(out);
      } else if (!took) {
        break;
      }
    }
    return out.size() != before;
  }

  /// The contents are in another store now. Precondition: both stores are locked.
  void move_to(Core& host) noexcept { host_.store(&host, std::memory_order_release); }

  /// The contents belong to nobody else now. Precondition: the host is locked.
  void keep(std::unique_ptr<Table> contents) noexcept {
    contents->end_snapshot();
    kept_ = std::move(contents);
    host_.store(nullptr, std::memory_order_release);
  }

 private:
  // A host is replaced only under all its locks, so it stays the host while one of them is held.
  void walk_one(std::string& out) {
    for (;;) {
      Core* const host = host_.load(std::memory_order_acquire);
      if (host == nullptr) return walk_one(*kept_, out);
      const std::shared_lock lock(host->mutex(Table::part_of(position_)));
      if (host_.load(std::memory_order_acquire) == host) return walk_one(host->table(), out);
    }
  }

  void walk_one(const Table& table, std::string& out) {
    const auto here = table.covering(position_);
    table.walk(*here.segment, out);
    position_ = here.next;
    walked_ = here.next == 0;
  }

  std::atomic<Core*> host_;
  std::unique_ptr<Table> kept_;
  HandedOver handed_over_;
  std::size_t keys_;
  std::size_t expiring_keys_;
  std::uint64_t position_ = 0;  // in hash space: all before was walked
  bool walked_ = false;
};

}  // namespace replikv::inline v0_1::detail
