// The fingerprint of a data set: equal for equal data in any order, and the same as redis-server's.
#pragma once

#include <replikv/server/detail/sha1.hpp>
#include <replikv/server/keyspace.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// Twenty bytes that things are mixed into.
///
/// Source  Redis 7.0 DEBUG DIGEST
class DataDigest {
 public:
  /// Something of a set: the order does not matter.
  void add(std::string_view bytes) noexcept {
    const Sha1Digest more = sha1_of(bytes);
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<std::uint8_t>(bytes_[i] ^ more[i]);
  }
  void add(const DataDigest& part) noexcept { add(part.view()); }

  /// Something of a sequence: the order matters.
  void append(std::string_view bytes) noexcept {
    add(bytes);
    bytes_ = sha1_of(view());
  }
  void append_number(std::uint32_t number) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(number >> shift & 0xff));
    append(bytes);
  }

  /// The value of a key: its type, its bytes, and whether it expires. Nothing when the key is not there.
  void append_value(const server::Keyspace& keys, std::string_view key) {
    const auto expires_at = keys.expires_at(key);
    if (!expires_at) return;
    append_number(0);  // the type: a string
    keys.visit(key, [this](std::string_view value) { append(value); });
    if (*expires_at != server::Keyspace::never) add("!!expire!!");
  }

  [[nodiscard]] std::string hexadecimal() const {
    std::string text;
    for (const std::uint8_t byte : bytes_) {
      for (const int digit : {byte >> 4, byte & 15}) {
        text.push_back("0123456789abcdef"[static_cast<std::size_t>(digit)]);
      }
    }
    return text;
  }

 private:
  [[nodiscard]] std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

  Sha1Digest bytes_{};
};

}  // namespace replikv::inline v0_1::detail
