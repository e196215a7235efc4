#include "hex.hpp"
#include <replikv/rdb/writer.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

using replikv::as_bytes;
namespace rdb = replikv::rdb;

namespace {

std::string encoded(std::string_view text, rdb::EncodeOptions options = {}) {
  std::string out;
  rdb::append_string(out, text, options);
  return out;
}

std::string length(std::uint64_t number) {
  std::string out;
  rdb::append_length(out, number);
  return out;
}

}  // namespace

TEST_CASE("Writer: the golden files, byte for byte") {
  rdb::Writer empty;
  empty.header();
  empty.end();
  CHECK(empty.take() == from_hex("52 45 44 49 53 30 30 30 39 ff 9a ac 7a bc fb 0f ad 74"));

  rdb::Writer one;
  one.header();
  one.select_database(0);
  one.key("k", "v");
  one.end();
  CHECK(one.take() == from_hex("52 45 44 49 53 30 30 30 39 fe 00 00 01 6b 01 76 ff f1 c3 f1 2d 87 e2 af 85"));
}

TEST_CASE("append_length: each form at its borders") {
  CHECK(length(0) == from_hex("00"));
  CHECK(length(63) == from_hex("3f"));
  CHECK(length(64) == from_hex("4040"));
  CHECK(length(16383) == from_hex("7fff"));
  CHECK(length(16384) == from_hex("80 00004000"));
  CHECK(length(0xffffffff) == from_hex("80 ffffffff"));
  CHECK(length(0x100000000) == from_hex("81 0000000100000000"));
  CHECK(length(~std::uint64_t{0}) == from_hex("81 ffffffffffffffff"));
}

TEST_CASE("append_string: canonical integers of 32 bits are written as integers") {
  CHECK(encoded("12") == from_hex("c0 0c"));
  CHECK(encoded("-128") == from_hex("c0 80"));
  CHECK(encoded("127") == from_hex("c0 7f"));
  CHECK(encoded("-129") == from_hex("c1 7f ff"));
  CHECK(encoded("128") == from_hex("c1 80 00"));
  CHECK(encoded("32767") == from_hex("c1 ff 7f"));
  CHECK(encoded("32768") == from_hex("c2 00 80 00 00"));
  CHECK(encoded("70000") == from_hex("c2 70 11 01 00"));
  CHECK(encoded("2147483647") == from_hex("c2 ff ff ff 7f"));
  CHECK(encoded("-2147483648") == from_hex("c2 00 00 00 80"));
}

TEST_CASE("append_string: any other text keeps its bytes") {
  for (const std::string_view text : {"", "2147483648", "-2147483649", "007", "+1", "-0", "1 ", " 1", "1.5",
                                      "-", "123456789012", "abc", "x1"}) {
    CAPTURE(text);
    CHECK(encoded(text) == std::string(1, static_cast<char>(text.size())) + std::string(text));
  }
}

TEST_CASE("append_string: compresses on request, when it pays") {
  CHECK(encoded(std::string(30, 'a')).size() == 31);
  const std::string small = encoded(std::string(30, 'a'), {.compress = true});
  CHECK(small.size() < 15);
  CHECK(small.substr(0, 1) == "\xc3");
  CHECK(encoded("abcdefghijklmnopqrstuvwxyz", {.compress = true}).substr(0, 2) ==
        "\x1a"
        "a");
}

TEST_CASE("append_key: expiry, type, key, value") {
  std::string out;
  rdb::append_expiry(out, 0x0102030405060708);
  rdb::append_key(out, "k", "12");
  rdb::append_expiry(out, -1);
  rdb::append_key(out, "k", "");
  CHECK(out == from_hex("fc 0807060504030201 00 01 6b c0 0c  fc ffffffffffffffff 00 01 6b 00"));
}

TEST_CASE("Writer: aux and sizes") {
  rdb::Writer writer;
  writer.auxiliary("redis-bits", "64");
  writer.select_database(3);
  writer.resize(100, 2);
  CHECK(writer.pending_bytes() == 20);
  CHECK(writer.take() == from_hex("fa 0a 72656469732d62697473 c0 40 fe 03 fb 4064 02"));
  CHECK(writer.pending_bytes() == 0);
}

TEST_CASE("Writer: taken in pieces, with entries encoded elsewhere, gives the same file") {
  std::string entries;
  rdb::append_key(entries, "other", "thread");

  rdb::Writer whole;
  whole.header();
  whole.select_database(0);
  whole.key("k", "v");
  whole.key("other", "thread");
  whole.key("last", "1");
  whole.end();
  const std::string expected = whole.take();

  rdb::Writer pieces;
  pieces.header();
  std::string file = pieces.take();
  pieces.select_database(0);
  pieces.key("k", "v");
  file += pieces.take();
  pieces.reserve(1'000);
  CHECK(pieces.encoded_by([&entries](std::string& out) { return &(out += entries); }) != nullptr);
  file += pieces.take();
  pieces.key("last", "1");
  pieces.end();
  file += pieces.take();
  CHECK(file == expected);

  rdb::Writer mixed;
  mixed.header();
  mixed.select_database(0);
  mixed.key("k", "v");
  mixed.encoded(as_bytes(entries));
  mixed.key("last", "1");
  mixed.end();
  CHECK(mixed.take() == expected);
}
