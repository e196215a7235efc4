// Bytes as they travel: spans that borrow, and shared spans that keep alive what they show. Everything
// that is sent is one of these, so that the bytes of a stream block reach every socket without a copy.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace replikv::inline v0_1 {

using Bytes = std::span<const std::byte>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A span together with a share in its owner: valid for as long as this object lives.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(std::shared_ptr<const void> owner, Bytes bytes) noexcept
      : owner_(std::move(owner)), bytes_(bytes) {}

  /// Takes the text over; one allocation for the shared owner.
  explicit SharedBytes(std::string text) {
    auto held = std::make_shared<const std::string>(std::move(text));
    bytes_ = as_bytes(*held);
    owner_ = std::move(held);
  }

  [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }

  /// Drops the first `count` bytes from view. Precondition: `count <= size()`.
  void consume(std::size_t count) noexcept { bytes_ = bytes_.subspan(count); }

 private:
  std::shared_ptr<const void> owner_;
  Bytes bytes_;
};

}  // namespace replikv::inline v0_1
