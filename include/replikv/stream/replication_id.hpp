// The name of a history: 40 hexadecimal digits on the wire, 20 bytes here. Under one replication id an
// offset names one byte, everywhere, for ever.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace replikv::inline v0_1 {

/// A replication id (Redis: master_replid). All zero means "none", as Redis prints an unset second id.
class ReplicationId {
 public:
  static constexpr std::size_t text_size = 40;

  constexpr ReplicationId() = default;

  /// A new id out of five random words; the caller owns the randomness, so that simulations repeat.
  template <class RandomBits>
  [[nodiscard]] static ReplicationId random(RandomBits& next_u64) {
    ReplicationId id;
    for (std::size_t at = 0; at < id.bytes_.size(); at += 4) {
      const auto word = static_cast<std::uint32_t>(next_u64() >> 32);
      for (std::size_t byte = 0; byte < 4; ++byte) {
        id.bytes_[at + byte] = static_cast<std::uint8_t>(word >> (8 * byte));
      }
    }
    return id;
  }

  /// Reads exactly 40 hexadecimal digits of either case (Redis compares ids without regard to case).
  [[nodiscard]] static constexpr std::optional<ReplicationId> parse(std::string_view text) noexcept {
    if (text.size() != text_size) return std::nullopt;
    ReplicationId id;
    for (std::size_t i = 0; i < text_size; ++i) {
      const int digit = digit_value(text[i]);
      if (digit < 0) return std::nullopt;
      auto& byte = id.bytes_[i / 2];
      byte = static_cast<std::uint8_t>(byte << 4 | digit);
    }
    return id;
  }

  [[nodiscard]] constexpr bool is_set() const noexcept { return *this != ReplicationId{}; }

  [[nodiscard]] std::string text() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(text_size);
    for (const std::uint8_t byte : bytes_) {
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
    return out;
  }

  friend constexpr auto operator<=>(const ReplicationId&, const ReplicationId&) = default;

 private:
  static constexpr int digit_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }

  std::array<std::uint8_t, 20> bytes_{};
};

}  // namespace replikv::inline v0_1
