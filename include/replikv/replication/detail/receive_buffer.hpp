// The bytes of a link that wait to be parsed. Whole commands are parsed where they arrived; only one that
// is cut is copied here and joined by what finishes it.
#pragma once

#include <replikv/core/bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1::detail {

class ReceiveBuffer {
 public:
  /// `retained_bytes_max`: memory beyond this is given back as soon as little of it is in use.
  explicit ReceiveBuffer(std::size_t retained_bytes_max = std::size_t{1} << 20) noexcept
      : retained_bytes_max_(retained_bytes_max) {}

  /// Gives `consume` the bytes not consumed yet, as often as it takes some of them; it returns how many it
  /// has taken, from the first one on. The rest is kept.
  template <class Consume>
  void feed(Bytes arrived, Consume&& consume) {
    while (!kept_.empty()) {
      const std::size_t before = kept_.size();
      const Bytes joining = arrived.first(std::min(arrived.size(), std::max(before, joined_bytes_min)));
      kept_.append(as_text(joining));
      const std::size_t consumed = consume(as_bytes(kept_));
      if (consumed < before) {
        kept_.erase(0, consumed);
        arrived = arrived.subspan(joining.size());
        if (arrived.empty()) return give_memory_back();
      } else {
        kept_.clear();
        arrived = arrived.subspan(consumed - before);
        give_memory_back();
      }
    }
    if (!arrived.empty()) kept_.assign(as_text(arrived.subspan(consume(arrived))));
  }

  /// Adds to what is kept, for a later `feed`.
  void keep(Bytes arrived) { kept_.append(as_text(arrived)); }

  /// Gives away what is kept.
  [[nodiscard]] std::string take() noexcept { return std::exchange(kept_, {}); }

  [[nodiscard]] std::size_t size() const noexcept { return kept_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return kept_.capacity(); }
  void clear() noexcept { kept_.clear(); }

 private:
  static constexpr std::size_t joined_bytes_min = 1024;  // most commands are smaller

  void give_memory_back() {
    if (kept_.capacity() > retained_bytes_max_ && kept_.size() <= kept_.capacity() / 4) kept_.shrink_to_fit();
  }

  std::size_t retained_bytes_max_;
  std::string kept_;
};

}  // namespace replikv::inline v0_1::detail
