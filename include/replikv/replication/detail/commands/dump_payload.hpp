// A value as DUMP packs it and RESTORE unpacks it: type, the bytes an RDB file has for the value, the
// format's version and a checksum.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/rdb/crc64.hpp>
#include <replikv/rdb/item.hpp>
#include <replikv/rdb/opcodes.hpp>
#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace replikv::inline v0_1::detail::commands {

/// What DUMP answers for a string. `version`: of the format, as the footer tells.
[[nodiscard]] inline std::string dump_payload(std::string_view text, std::uint16_t version) {
  std::string payload(1, static_cast<char>(rdb::value_type::string));
  rdb::append_string(payload, text, {.compress = true});
  const auto append_little_endian = [&payload](std::uint64_t number, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) payload.push_back(static_cast<char>(number >> (8 * i) & 0xff));
  };
  append_little_endian(version, sizeof version);
  rdb::Crc64 crc;
  crc.update(as_bytes(payload));
  append_little_endian(crc.value(), rdb::checksum_bytes);
  return payload;
}

/// One payload, read when constructed. The payload's bytes must outlive it.
///
/// Source  Redis 7.0 DUMP: type, value, version (16 bits), CRC64 of all before (64 bits), little endian
class DumpPayload {
 public:
  enum class Status : std::uint8_t {
    text,        ///< a string
    foreign,     ///< a value of another type
    newer,       ///< of a version newer than 12
    unverified,  ///< the checksum is wrong, or there is none
    corrupt,     ///< not what a value looks like, although the checksum is right
  };

  explicit DumpPayload(std::string_view payload) { status_ = read(payload); }

  DumpPayload(const DumpPayload&) = delete;  // text() may lie within
  DumpPayload& operator=(const DumpPayload&) = delete;

  [[nodiscard]] Status status() const noexcept { return status_; }

  /// The string. Precondition: the status is `text`.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  static constexpr std::size_t version_bytes = 2;
  static constexpr std::size_t footer_bytes = version_bytes + rdb::checksum_bytes;

  [[nodiscard]] static std::uint64_t little_endian(std::string_view bytes) noexcept {
    std::uint64_t number = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) {
      number = number << 8 | static_cast<unsigned char>(bytes[i - 1]);
    }
    return number;
  }

  [[nodiscard]] Status read(std::string_view payload) {
    if (payload.size() < 1 + footer_bytes) return Status::unverified;
    const std::string_view summed = payload.substr(0, payload.size() - rdb::checksum_bytes);
    rdb::Crc64 crc;
    crc.update(as_bytes(summed));
    if (crc.value() != little_endian(payload.substr(summed.size()))) return Status::unverified;
    const std::string_view body = summed.substr(0, summed.size() - version_bytes);
    if (little_endian(summed.substr(body.size())) > rdb::version_max) return Status::newer;
    if (static_cast<std::uint8_t>(body.front()) != rdb::value_type::string) return Status::foreign;
    return read_text(body.substr(1));
  }

  // The value is read as an RDB file's first entry would be, under an empty key.
  [[nodiscard]] Status read_text(std::string_view body) {
    constexpr std::string_view file_begin("REDIS0009\0\0", rdb::header_bytes + 2);
    reader_.feed(as_bytes(file_begin));
    if (reader_.next()) return Status::corrupt;
    reader_.feed(as_bytes(body));
    const auto item = reader_.next();
    if (!item || !std::holds_alternative<rdb::Entry>(*item)) return Status::corrupt;
    if (reader_.consumed() != body.size()) return Status::corrupt;
    text_ = std::get<rdb::Entry>(*item).value;
    return Status::text;
  }

  rdb::Reader reader_;
  Status status_ = Status::corrupt;
  std::string_view text_;
};

}  // namespace replikv::inline v0_1::detail::commands
