// The bytes of a link that wait to be parsed. As long as whole commands arrive they are parsed where
// they are; only an unfinished tail is copied here and joined by what follows.
#pragma once

#include <replikv/core/bytes.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

class ReceiveBuffer {
 public:
  /// `retained_bytes_max`: memory beyond this is given back as soon as little of it is in use.
  explicit ReceiveBuffer(std::size_t retained_bytes_max = std::size_t{1} << 20) noexcept
      : retained_bytes_max_(retained_bytes_max) {}

  /// Gives `consume` all bytes not consumed yet, `arrived` last; it returns how many it has taken, and
  /// the rest is kept.
  template <class Consume>
  void feed(Bytes arrived, Consume&& consume) {
    if (kept_.empty()) {
      keep(arrived.subspan(consume(arrived)));
      return;
    }
    kept_.append(as_text(arrived));
    const std::size_t consumed = consume(as_bytes(kept_));
    kept_.erase(0, consumed);
    if (kept_.capacity() > retained_bytes_max_ && kept_.size() <= kept_.capacity() / 4) kept_.shrink_to_fit();
  }

  [[nodiscard]] std::size_t size() const noexcept { return kept_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return kept_.capacity(); }
  void clear() noexcept { kept_.clear(); }

 private:
  void keep(Bytes rest) { kept_.assign(as_text(rest)); }

  std::size_t retained_bytes_max_;
  std::string kept_;
};

}  // namespace replikv::inline v0_1::detail
