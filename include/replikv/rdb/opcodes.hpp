// The bytes that name things in an RDB file. Values are those of Redis 7.4; a byte that begins an item is
// either an opcode or the type of the value whose key follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace replikv::inline v0_1::rdb {

inline constexpr std::string_view magic = "REDIS";
inline constexpr std::size_t header_bytes = 9;    ///< the magic and four digits of version
inline constexpr std::size_t checksum_bytes = 8;  ///< CRC64, little endian; zero: not computed

/// What `Writer` writes: every server since 5.0 loads it.
inline constexpr unsigned version_written = 9;
/// The newest format read (Redis 7.4).
inline constexpr unsigned version_max = 12;
/// The first version that ends with a checksum.
inline constexpr unsigned version_with_checksum = 5;

namespace opcode {

inline constexpr std::uint8_t slot_info = 0xf4;
inline constexpr std::uint8_t function2 = 0xf5;
inline constexpr std::uint8_t function_pre_release = 0xf6;
inline constexpr std::uint8_t module_auxiliary = 0xf7;
inline constexpr std::uint8_t idle = 0xf8;
inline constexpr std::uint8_t frequency = 0xf9;
inline constexpr std::uint8_t auxiliary = 0xfa;
inline constexpr std::uint8_t resize_database = 0xfb;
inline constexpr std::uint8_t expire_milliseconds = 0xfc;
inline constexpr std::uint8_t expire_seconds = 0xfd;
inline constexpr std::uint8_t select_database = 0xfe;
inline constexpr std::uint8_t end = 0xff;

}  // namespace opcode

namespace value_type {

inline constexpr std::uint8_t string = 0;
inline constexpr std::uint8_t list = 1;
inline constexpr std::uint8_t set = 2;
inline constexpr std::uint8_t sorted_set = 3;
inline constexpr std::uint8_t hash = 4;
inline constexpr std::uint8_t sorted_set_2 = 5;
inline constexpr std::uint8_t module_pre_release = 6;
inline constexpr std::uint8_t module_2 = 7;
inline constexpr std::uint8_t hash_zipmap = 9;
inline constexpr std::uint8_t list_ziplist = 10;
inline constexpr std::uint8_t set_intset = 11;
inline constexpr std::uint8_t sorted_set_ziplist = 12;
inline constexpr std::uint8_t hash_ziplist = 13;
inline constexpr std::uint8_t quicklist = 14;
inline constexpr std::uint8_t stream = 15;
inline constexpr std::uint8_t hash_listpack = 16;
inline constexpr std::uint8_t sorted_set_listpack = 17;
inline constexpr std::uint8_t quicklist_2 = 18;
inline constexpr std::uint8_t stream_2 = 19;
inline constexpr std::uint8_t set_listpack = 20;
inline constexpr std::uint8_t stream_3 = 21;
inline constexpr std::uint8_t hash_field_ttl_pre_release = 22;
inline constexpr std::uint8_t hash_listpack_ttl_pre_release = 23;
inline constexpr std::uint8_t hash_field_ttl = 24;
inline constexpr std::uint8_t hash_listpack_ttl = 25;

}  // namespace value_type

/// First bytes of a length that is none, and of strings that are not plain bytes.
namespace encoding {

inline constexpr std::uint8_t length_32 = 0x80;
inline constexpr std::uint8_t length_64 = 0x81;
inline constexpr std::uint8_t integer_8 = 0xc0;
inline constexpr std::uint8_t integer_16 = 0xc1;
inline constexpr std::uint8_t integer_32 = 0xc2;
inline constexpr std::uint8_t lzf = 0xc3;

}  // namespace encoding

/// The fields of a module's value.
namespace module_opcode {

inline constexpr std::uint64_t end = 0;
inline constexpr std::uint64_t signed_integer = 1;
inline constexpr std::uint64_t unsigned_integer = 2;
inline constexpr std::uint64_t float_4 = 3;
inline constexpr std::uint64_t double_8 = 4;
inline constexpr std::uint64_t string = 5;

}  // namespace module_opcode
}  // namespace replikv::inline v0_1::rdb
