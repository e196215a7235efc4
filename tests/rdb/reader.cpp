#include "hex.hpp"
#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using replikv::as_bytes;
using replikv::Errc;
using replikv::make_error_code;
using replikv::rdb::Reader;
using replikv::rdb::ReaderLimits;
namespace rdb = replikv::rdb;

namespace {

struct Printer {
  std::string operator()(const rdb::Entry& item) const {
    return "entry " + quoted(item.key) + " " + quoted(item.value) + expiry(item.expire_at_ms);
  }
  std::string operator()(const rdb::Auxiliary& item) const {
    return "aux " + quoted(item.key) + " " + quoted(item.value);
  }
  std::string operator()(const rdb::SelectDatabase& item) const {
    return "select " + std::to_string(item.database);
  }
  std::string operator()(const rdb::ResizeDatabase& item) const {
    return "resize " + std::to_string(item.keys) + " " + std::to_string(item.expires);
  }
  std::string operator()(const rdb::SkippedEntry& item) const {
    return "skipped " + std::to_string(item.type) + " " + quoted(item.key) + expiry(item.expire_at_ms);
  }
  std::string operator()(const rdb::SkippedFunction&) const { return "function"; }
  std::string operator()(const rdb::SkippedModuleAuxiliary&) const { return "module"; }
  std::string operator()(const rdb::End& item) const {
    return item.checksum_verified ? "end verified" : "end";
  }
  static std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }
  static std::string expiry(std::optional<std::int64_t> time) {
    return time ? " at " + std::to_string(*time) : "";
  }
};

using Items = std::vector<std::string>;

struct Outcome {
  Items items;
  std::string error;
  bool finished = false;
  std::uint64_t bytes = 0;  // consumed over all pieces

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Reads `file` in pieces, each at an address of its own, and looks at the items only when the piece is
/// used up: until the next one, views must stay valid.
template <class NextSize>
Outcome read_in_pieces(std::string_view file, NextSize next_size, ReaderLimits limits = {}) {
  Reader reader{limits};
  Outcome outcome;
  for (std::size_t at = 0; at < file.size() && !reader.finished() && reader.failure() == nullptr;) {
    const std::size_t size = std::min(next_size(), file.size() - at);
    const std::vector<char> piece(file.begin() + static_cast<std::ptrdiff_t>(at),
                                  file.begin() + static_cast<std::ptrdiff_t>(at + size));
    reader.feed(std::as_bytes(std::span(piece)));
    std::vector<rdb::Item> batch;
    while (auto item = reader.next()) batch.push_back(*item);
    for (const auto& item : batch) outcome.items.push_back(std::visit(Printer{}, item));
    if (!reader.finished() && reader.failure() == nullptr) REQUIRE(reader.consumed() == size);
    outcome.bytes += reader.consumed();
    at += size;
  }
  if (reader.failure() != nullptr) outcome.error = reader.failure()->detail;
  CHECK_FALSE((reader.failure() != nullptr && reader.finished()));
  outcome.finished = reader.finished();
  CHECK(outcome.bytes == reader.total_bytes());
  return outcome;
}

Outcome read_whole(std::string_view file, ReaderLimits limits = {}) {
  return read_in_pieces(
      file, [&] { return file.size(); }, limits);
}

/// The outcome, after checking that it does not depend on the pieces.
Outcome read(std::string_view file, ReaderLimits limits = {}) {
  const Outcome whole = read_whole(file, limits);
  for (const std::size_t chunk : {1U, 2U, 3U, 7U, 64U, 4096U}) {
    CAPTURE(chunk);
    const Outcome cut = read_in_pieces(
        file, [=] { return chunk; }, limits);
    CHECK(cut.items == whole.items);
    CHECK(cut.error == whole.error);
    CHECK(cut == whole);
  }
  return whole;
}

/// A file of version 12 around items given in hex, without a checksum.
std::string file_of(std::string_view hex) {
  return "REDIS0012" + from_hex(hex) + from_hex("ff 0000000000000000");
}

/// The items of such a file; it must be read to its end.
Items items_of(std::string_view hex) {
  auto outcome = read(file_of(hex));
  CHECK(outcome.error == "");
  REQUIRE(outcome.finished);
  CHECK(outcome.items.back() == "end");
  outcome.items.pop_back();
  return outcome.items;
}

std::string error_of(std::string_view hex, ReaderLimits limits = {}) {
  return read(file_of(hex), limits).error;
}

std::uint64_t test_seed() {
  const char* given = std::getenv("REPLIKV_TEST_SEED");
  return given != nullptr
             ? std::strtoull(given, nullptr, 10)
             : static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

// SAVE of redis-server 7.0.15: every type it has in small, a function, a consumer group, two databases,
// maxmemory-policy allkeys-lfu.
const std::string all_types_7_0_15 = from_hex(
    "524544495330303130fa0972656469732d76657206372e302e3135fa0a72656469732d62697473c040fa056374696d65c27cc600"
    "6bfa"
    "08757365642d6d656dc2a8361200fa08616f662d62617365c000f5404423216c7561206e616d653d6c69620a72656469732e7265"
    "6769"
    "737465725f66756e6374696f6e282266222c2066756e6374696f6e28292072657475726e203120656e6429fe00fb0e01f9001204"
    "6c69"
    "737401020c0c00000002000101816102fff9000005696e743332c270110100f90011047a7365741c1c0000000600816102010181"
    "6202"
    "83322e350481630283696e6604fff9001004686173680d0d0000000200816602817602fff90005057a7365743202016200000000"
    "0000"
    "04400161000000000000f03ff900130673747265616d0110000000000000000100000000000000011d1d0000000a000101000101"
    "0181"
    "660200010201000100018176020401ff01010101010000010101670101010100000000000000010000000000000001a75607fba1"
    "0100"
    "0001010163a75607fba10100000100000000000000010000000000000001f9000b04696e74730e0200000003000000010002002c"
    "01f9"
    "00040568617368320101660176fce0694ca62c1e0000f900000374746c0176f9000005696e743136c17ffff9000005706c61696e"
    "0568"
    "656c6c6ff90002037365740201610162f90000036c7a66c3091e016161e01100016161f9000004696e7438c00cfe03fb0100f900"
    "0005"
    "6f74686572026462ff348e13867410039a");

// The same server, maxmemory-policy allkeys-lru.
const std::string one_key_7_0_15 = from_hex(
    "524544495330303130fa0972656469732d76657206372e302e3135fa0a72656469732d62697473c040fa056374696d65c27cc600"
    "6bfa"
    "08757365642d6d656dc2303a1300fa08616f662d62617365c000fe00fb0100f80000016b0176ff6bd13b700b5382fb");

}  // namespace

TEST_CASE("Reader: the smallest files") {
  const auto empty = read(from_hex("52 45 44 49 53 30 30 30 39 ff 9a ac 7a bc fb 0f ad 74"));
  CHECK(empty.items == Items{"end verified"});
  CHECK(empty.finished);
  const auto one =
      read(from_hex("52 45 44 49 53 30 30 30 39 fe 00 00 01 6b 01 76 ff f1 c3 f1 2d 87 e2 af 85"));
  CHECK(one.items == Items{"select 0", "entry 'k' 'v'", "end verified"});
}

TEST_CASE("Reader: files of redis-server 7.0.15") {
  const auto all = read(all_types_7_0_15);
  CHECK(all.error == "");
  CHECK(all.items == Items{"aux 'redis-ver' '7.0.15'",
                           "aux 'redis-bits' '64'",
                           "aux 'ctime' '1795212924'",
                           "aux 'used-mem' '1193640'",
                           "aux 'aof-base' '0'",
                           "function",
                           "select 0",
                           "resize 14 1",
                           "skipped 18 'list'",
                           "entry 'int32' '70000'",
                           "skipped 17 'zset'",
                           "skipped 16 'hash'",
                           "skipped 5 'zset2'",
                           "skipped 19 'stream'",
                           "skipped 11 'ints'",
                           "skipped 4 'hash2'",
                           "entry 'ttl' 'v' at 33177117420000",
                           "entry 'int16' '-129'",
                           "entry 'plain' 'hello'",
                           "skipped 2 'set'",
                           "entry 'lzf' '" + std::string(30, 'a') + "'",
                           "entry 'int8' '12'",
                           "select 3",
                           "resize 1 0",
                           "entry 'other' 'db'",
                           "end verified"});
  const auto one = read(one_key_7_0_15);
  CHECK(one.items.size() == 9);
  CHECK(one.items[7] == "entry 'k' 'v'");
  CHECK(one.finished);
}

TEST_CASE("Reader: consumes nothing behind the end") {
  const std::string stream = "*1\r\n$4\r\nPING\r\n";
  for (std::size_t cut = 0; cut <= one_key_7_0_15.size(); ++cut) {
    CAPTURE(cut);
    const std::string all = one_key_7_0_15 + stream;
    Reader reader;
    reader.feed(as_bytes(std::string_view(all).substr(0, cut)));
    while (reader.next()) {
    }
    CHECK(reader.consumed() == cut);
    const bool early = reader.finished();
    CHECK(early == (cut == one_key_7_0_15.size()));
    reader.feed(as_bytes(std::string_view(all).substr(cut)));
    while (reader.next()) {
    }
    CHECK(reader.finished());
    CHECK(reader.consumed() == one_key_7_0_15.size() - cut);
    CHECK(reader.total_bytes() == one_key_7_0_15.size());
  }
}

TEST_CASE("Reader: nothing is copied from an entry that is whole in its piece") {
  const std::string file = file_of("00 03 6b6579 05 76616c7565");
  Reader reader;
  reader.feed(as_bytes(file));
  const auto item = reader.next();
  REQUIRE(item);
  const auto& entry = std::get<rdb::Entry>(*item);
  CHECK(entry.key.data() == file.data() + 11);
  CHECK(entry.value.data() == file.data() + 15);
}

TEST_CASE("Reader: strings in every form") {
  CHECK(items_of("00 c0 0c 00") == Items{"entry '12' ''"});
  CHECK(items_of("00 00 c0 80") == Items{"entry '' '-128'"});
  CHECK(items_of("00 c1 7fff c1 ff7f") == Items{"entry '-129' '32767'"});
  CHECK(items_of("00 c2 70110100 c2 00000080") == Items{"entry '70000' '-2147483648'"});
  CHECK(items_of("00 40 01 6b 4001 76") == Items{"entry 'k' 'v'"});
  CHECK(items_of("00 80 00000001 6b 80 00000001 76") == Items{"entry 'k' 'v'"});
  CHECK(items_of("00 81 0000000000000001 6b 81 0000000000000001 76") == Items{"entry 'k' 'v'"});
  const std::string a30(30, 'a');
  CHECK(items_of("00 c3 09 1e 016161e01100016161 c3 09 1e 016161e01100016161") ==
        Items{"entry '" + a30 + "' '" + a30 + "'"});
  CHECK(items_of("fa c0 01 c3 09 1e 016161e01100016161") == Items{"aux '1' '" + a30 + "'"});
}

TEST_CASE("Reader: expiry in seconds and milliseconds belongs to the next key alone") {
  CHECK(items_of("fd 02000000 00 016b 0176 00 016c 0176") == Items{"entry 'k' 'v' at 2000", "entry 'l' 'v'"});
  CHECK(items_of("fd ffffffff 00 016b 0176") == Items{"entry 'k' 'v' at -1000"});
  CHECK(items_of("fc e803000000000000 00 016b 0176 00 016c 0176") ==
        Items{"entry 'k' 'v' at 1000", "entry 'l' 'v'"});
  CHECK(items_of("fc ffffffffffffffff 02 016b 01 0176 02 016c 00") ==
        Items{"skipped 2 'k' at -1", "skipped 2 'l'"});
  CHECK(items_of("fc e803000000000000 f8 4100 f9 ff 00 016b 0176") == Items{"entry 'k' 'v' at 1000"});
}

TEST_CASE("Reader: opcodes without a key") {
  CHECK(items_of("fe 05 fb 4100 03 fe 80 00010000") == Items{"select 5", "resize 256 3", "select 65536"});
  CHECK(items_of("fe 81 0102030405060708") == Items{"select 72623859790382856"});
  CHECK(items_of("f7 81 0102030405060708 02 01 02 05 01 4001 03 00000000 04 0000000000000000 05 026162 00") ==
        Items{"module"});
  CHECK(items_of("f6 016e 016c 01 0164 0163 f6 016e 016c 00 0163 f5 0163") ==
        Items{"function", "function", "function"});
  CHECK(items_of("f4 01 02 03 00 016b 0176") == Items{"entry 'k' 'v'"});
}

TEST_CASE("Reader: values of all other types are passed over whole") {
  const auto skips = [](std::string_view type, std::string_view value) {
    const std::string hex = std::string(type) + " 036b6579 " + std::string(value) + " 00 016b 0176";
    CAPTURE(hex);
    const int number = std::stoi(std::string(type), nullptr, 16);
    CHECK(items_of(hex) == Items{"skipped " + std::to_string(number) + " 'key'", "entry 'k' 'v'"});
  };
  skips("01", "02 0161 c00c");
  skips("01", "00");
  skips("02", "02 0161 c3 09 1e 016161e01100016161");
  skips("03", "05 0161 01 35 0162 fd 0163 fe 0164 ff 0165 04 312e3235");
  skips("04", "04 0166 0176 016e c00c 00 00 0178 c10000");
  skips("05", "02 0162 0000000000000440 0161 000000000000f03f");
  skips("07", "81 0102030405060708 01 05 02 4001 03 00000000 04 0000000000000000 05 026162 05 c00c 00");
  skips("09", "07 01 01 61 01 00 62 ff");
  for (const auto* type : {"0a", "0c", "0d", "10", "11", "14", "17"}) skips(type, "03 616263");
  skips("0b", "0e 02000000 03000000 0100 0200 2c01");
  skips("0e", "02 0161 0162");
  skips("0f", "01 10 00000000000000010000000000000001 0161 01 01 01 00");
  skips("0f", "00 00 00 00 00");
  skips("0f",
        "00 01 01 01 01 0167 01 01 "
        "01 00000000000000010000000000000001 a75607fba1010000 01 "
        "01 0163 a75607fba1010000 01 00000000000000010000000000000001");
  skips("12", "02 02 0c 0c00000002000101816102ff 01 0161");
  skips("13",
        "01 10 0000000000000001 0000000000000001 1d 1d0000000a00010100010101816602000102010001000181760204"
        "01ff 01 0101 0101 0000 01 00");
  skips("13",
        "00 01 01 01 01 01 00 00 01 02 0167 01 01 01 "
        "01 00000000000000010000000000000001 a75607fba1010000 01 "
        "02 0163 a75607fba1010000 01 00000000000000010000000000000001 0164 a75607fba1010000 00 "
        "0168 01 01 01 00 00");
  skips("15",
        "00 01 01 01 01 01 00 00 01 01 0167 01 01 01 "
        "01 00000000000000010000000000000001 a75607fba1010000 01 "
        "01 0163 a75607fba1010000 a75607fba1010000 01 00000000000000010000000000000001");
  skips("16", "02 00 0166 0176 81 000001a1fb0756a7 0167 0176");
  skips("18", "a75607fba1010000 02 00 0166 0176 01 0167 0176");
  skips("19", "a75607fba1010000 03 616263");
}

TEST_CASE("Reader: what cannot be passed over is named with its offset") {
  CHECK(error_of("06 016b 01") ==
        "byte 9: value type 6, a module of a Redis 4.0 pre-release, cannot be passed over");
  CHECK(error_of("08 016b") == "byte 9: unknown value type 8");
  CHECK(error_of("fe 00 1a 016b") == "byte 11: unknown value type 26");
  CHECK(error_of("f3") == "byte 9: unknown value type 243");
}

TEST_CASE("Reader: malformed items are named with their offset") {
  CHECK(error_of("fe 82") == "byte 10: bad length byte 130");
  CHECK(error_of("00 bf") == "byte 10: bad length byte 191");
  CHECK(error_of("00 c4") == "byte 11: unknown string encoding 4");
  CHECK(error_of("00 016b ff") == "byte 13: unknown string encoding 63");
  CHECK(error_of("fe c0 01") == "byte 11: an encoding stands where a length should be");
  CHECK(error_of("00 c3 c0 01") == "byte 12: an encoding stands where a length should be");
  CHECK(error_of("00 c3 01 c0") == "byte 13: an encoding stands where a length should be");
  CHECK(error_of("12 016b 01 03 0161") == "byte 14: list node container 3 is neither 1 nor 2");
  CHECK(error_of("f6 00 00 02") == "byte 13: flag 2 is neither 0 nor 1");
  CHECK(error_of("07 016b 01 06") == "byte 14: unknown module opcode 6");
  CHECK(error_of("07 016b 01 c0") == "byte 14: an encoding stands where a length should be");
  CHECK(error_of("fd 01000000 fe 00") == "byte 14: expiry or idle time without a key before opcode 254");
  CHECK(error_of("f9 01") == "byte 11: expiry or idle time without a key before opcode 255");
  CHECK(error_of("00 016b c3 02 05 0061") == "byte 17: a compressed string does not make 5 bytes");
  CHECK(error_of("00 016b c3 02 01 0161") == "byte 17: a compressed string does not make 1 bytes");
  CHECK(error_of("00 016b c3 02 03 2000") == "byte 17: a compressed string refers before its start");
}

TEST_CASE("Reader: strings over the limit are refused before anything is allocated") {
  const ReaderLimits small{30};
  CHECK(error_of("00 016b 1e" + std::string(60, '3'), small) == "");
  CHECK(error_of("00 016b 1f", small) == "byte 13: a string of 31 bytes exceeds the limit of 30");
  CHECK(error_of("00 016b 1f" + std::string(62, '3'), small) ==
        "byte 13: a string of 31 bytes exceeds the limit of 30");
  CHECK(error_of("02 016b 01 1f", small) == "byte 14: a string of 31 bytes exceeds the limit of 30");
  CHECK(error_of("00 c3 1f 01", small) == "byte 12: a string of 31 bytes exceeds the limit of 30");
  CHECK(error_of("00 c3 01 1f", small) == "byte 13: a string of 31 bytes exceeds the limit of 30");
  CHECK(error_of("00 80 20000001") == "byte 15: a string of 536870913 bytes exceeds the limit of 536870912");
  CHECK(error_of("00 81 ffffffffffffffff") ==
        "byte 19: a string of 18446744073709551615 bytes exceeds the limit of 536870912");
}

TEST_CASE("Reader: a header that is none, or of a future version") {
  const auto failure_of = [](std::string_view file) {
    Reader reader;
    reader.feed(as_bytes(file));
    CHECK_FALSE(reader.next());
    REQUIRE(reader.failure() != nullptr);
    CHECK_FALSE(reader.next());
    return *reader.failure();
  };
  CHECK(failure_of("REDIS0013").code == make_error_code(Errc::snapshot_version));
  CHECK(failure_of("REDIS0013").detail == "byte 5: Can't handle RDB format version 13");
  CHECK(failure_of("REDIS9999").detail == "byte 5: Can't handle RDB format version 9999");
  CHECK(failure_of("REDIS0000").detail == "byte 5: Can't handle RDB format version 0");
  CHECK(failure_of("REDIS00 9").detail == "byte 5: the version is not four digits");
  CHECK(failure_of("REDIS:009").detail == "byte 5: the version is not four digits");
  CHECK(failure_of("VALKEY080").detail == "byte 0: the file does not begin with REDIS");
  CHECK(failure_of("REDIS0009\x06").code == make_error_code(Errc::snapshot_corrupt));
  CHECK(failure_of("REDIS0009\x06").message().starts_with("the snapshot is corrupt: byte 9: "));
}

TEST_CASE("Reader: versions 1 to 4 end without a checksum, 5 to 12 with one") {
  for (unsigned version = 1; version <= 12; ++version) {
    CAPTURE(version);
    const std::string digits = std::to_string(10'000 + version).substr(1);
    const std::string head = "REDIS" + digits + from_hex("00 016b 0176 ff");
    const auto bare = read(head);
    CHECK(bare.finished == (version < 5));
    if (version < 5) {
      CHECK(read(head + "rest").bytes == head.size());
      continue;
    }
    CHECK(bare.error == "");
    CHECK(read(head + std::string(8, '\0')).items.back() == "end");
    Reader reader;
    reader.feed(as_bytes(head));
    CHECK(reader.version() == 0);
    while (reader.next()) {
    }
    CHECK(reader.version() == version);
  }
}

TEST_CASE("Reader: a wrong checksum fails with both numbers, and there is no End") {
  std::string file = from_hex("52 45 44 49 53 30 30 30 39 fe 00 00 01 6b 01 76 ff f1 c3 f1 2d 87 e2 af 85");
  file[15] = 'w';
  const auto outcome = read(file);
  CHECK_FALSE(outcome.finished);
  CHECK(outcome.items == Items{"select 0", "entry 'k' 'w'"});
  CHECK(outcome.error.starts_with("byte 17: the checksum is 85afe2872df1c3f1, the bytes give "));
}

TEST_CASE("Reader: at every truncation it asks for more") {
  for (const std::string& file : {all_types_7_0_15, one_key_7_0_15}) {
    const auto whole = read_whole(file);
    for (std::size_t size = 0; size < file.size(); ++size) {
      CAPTURE(size);
      const auto outcome = read_whole(std::string_view(file).substr(0, size));
      REQUIRE(outcome.error == "");
      REQUIRE_FALSE(outcome.finished);
      REQUIRE(outcome.bytes == size);
      REQUIRE(outcome.items.size() <= whole.items.size());
      REQUIRE(std::equal(outcome.items.begin(), outcome.items.end(), whole.items.begin()));
    }
  }
}

TEST_CASE("Reader: every flipped bit is detected, or leaves the file unfinished") {
  for (std::size_t bit = 0; bit < all_types_7_0_15.size() * 8; ++bit) {
    CAPTURE(bit);
    std::string damaged = all_types_7_0_15;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto outcome = read_in_pieces(damaged, [] { return std::size_t{101}; });
    REQUIRE_FALSE(outcome.finished);
    REQUIRE(read_whole(damaged).items == outcome.items);
  }
}

TEST_CASE("Reader: random cuts of written files give back what was written") {
  const auto seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 100; ++round) {
    rdb::Writer writer{{.compress = round % 2 == 0}};
    Items expected{"select 0"};
    writer.header();
    writer.select_database(0);
    for (int i = 0; i < 50; ++i) {
      std::string key = std::to_string(random() % 3 == 0 ? i - 25 : 100'000 * i);
      std::string value(random() % (i % 10 == 0 ? 20'000 : 100), '\0');
      const unsigned letters = random() % 2 == 0 ? 256 : 2;
      for (auto& character : value) character = static_cast<char>('a' + random() % letters);
      const auto expire =
          random() % 4 == 0 ? std::optional(static_cast<std::int64_t>(random())) : std::nullopt;
      writer.key(key, value, expire);
      expected.push_back(Printer{}(rdb::Entry{key, value, expire}));
    }
    writer.end();
    expected.emplace_back("end verified");
    const std::string file = writer.take();
    const std::uint64_t piece_max = random() % 2 == 0 ? 30 : 3'000;
    const auto outcome = read_in_pieces(file, [&] { return std::size_t{random() % piece_max + 1}; });
    REQUIRE(outcome.error == "");
    REQUIRE(outcome.items == expected);
  }
}

TEST_CASE("Reader: random damage never does more than fail, however it is cut") {
  const auto seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3'000; ++round) {
    std::string damaged = all_types_7_0_15;
    for (int i = 0; i < 3; ++i) damaged[9 + random() % (damaged.size() - 9)] = static_cast<char>(random());
    const auto whole = read_whole(damaged);
    const auto cut = read_in_pieces(damaged, [&] { return std::size_t{random() % 60 + 1}; });
    REQUIRE(cut == whole);
  }
}

TEST_CASE("Reader: values over many pieces, larger than any buffer that is kept") {
  rdb::Writer writer{{.compress = true}};
  std::string noise(3'000'000, '\0');
  std::mt19937 random(5);
  for (auto& character : noise) character = static_cast<char>(random());
  const std::string repeated(10'000'000, 'r');
  writer.header();
  writer.key("noise", noise);
  writer.key(noise, "noise");
  writer.key("repeated", repeated);
  writer.key(noise + repeated, repeated);
  writer.key("k", "v");
  writer.key("noise again", noise);
  writer.end();
  const std::string file = writer.take();
  const auto outcome = read_in_pieces(file, [] { return std::size_t{65'536}; });
  REQUIRE(outcome.finished);
  REQUIRE(outcome.items.size() == 7);
  CHECK((outcome.items[0] == "entry 'noise' '" + noise + "'"));
  CHECK((outcome.items[1] == "entry '" + noise + "' 'noise'"));
  CHECK((outcome.items[2] == "entry 'repeated' '" + repeated + "'"));
  CHECK((outcome.items[3] == "entry '" + noise + repeated + "' '" + repeated + "'"));
  CHECK(outcome.items[4] == "entry 'k' 'v'");
  CHECK((outcome.items[5] == "entry 'noise again' '" + noise + "'"));
}
