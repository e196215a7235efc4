// DUMP and RESTORE: the same bytes as redis-server, each takes the other's payloads, and bad ones are
// refused.
#include <replikv/core/bytes.hpp>
#include <replikv/rdb/crc64.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <vector>

namespace {

using served::BesideRedis;
using served::Served;

/// Words as `BesideRedis` reads them, whatever their bytes.
[[nodiscard]] std::string in_quotes(std::string_view bytes) {
  std::string text = "\"";
  for (const char byte : bytes) {
    const auto number = static_cast<unsigned char>(byte);
    text += "\\x";
    text.push_back("0123456789abcdef"[number >> 4]);
    text.push_back("0123456789abcdef"[number & 15]);
  }
  return text + "\"";
}

[[nodiscard]] std::vector<std::string> values() {
  std::string mixed;
  for (int i = 0; i < 300; ++i) mixed.push_back(static_cast<char>(i * i * 7 + i / 3));
  return {"",
          "a",
          "0",
          "-1",
          "127",
          "-129",
          "40000",
          "2147483647",
          "2147483648",
          "-00",
          "hello world",
          std::string("\0\r\n\xff", 4),
          mixed,
          std::string(63, 'x') + "yz",
          std::string(5'000, 'z')};
}

TEST_CASE("what cannot be compressed is dumped to the same bytes as by redis-server") {
  BesideRedis both;
  both.same({"DUMP a", "DUMP", "DUMP a b"});
  for (const std::string& value : values()) {
    if (value.size() >= 5'000 || value.starts_with("xx")) continue;
    both.same({"SET a " + in_quotes(value), "DUMP a"});
  }
}

TEST_CASE("each restores what the other has dumped") {
  BesideRedis both;
  auto ours = both.ours().client();
  auto theirs = both.theirs().client();
  for (const std::string& value : values()) {
    for (auto [from, to] : {std::pair{&ours, &theirs}, std::pair{&theirs, &ours}}) {
      from->command("SET", "a", value);
      const std::string payload = from->command("DUMP", "a").text;
      CHECK(to->command("RESTORE", "b", "0", payload, "REPLACE").text == "OK");
      CHECK(to->command("GET", "b").text == value);
    }
  }
}

TEST_CASE("RESTORE answers as redis-server does") {
  BesideRedis both;
  auto theirs = both.theirs().client();
  theirs.command("SET", "source", "value");
  const std::string payload = in_quotes(theirs.command("DUMP", "source").text);
  both.both("DEL source");
  for (const char* key_and_options : {"a 0 P",
                                      "a 0 P",
                                      "a 0 P REPLACE",
                                      "b 100000 P",
                                      "c 4000000000000 P ABSTTL",
                                      "d 1 P ABSTTL",
                                      "a 1 P ABSTTL REPLACE",
                                      "e 0 P ABSTTL",
                                      "a -1 P",
                                      "f -1 P",
                                      "f x P",
                                      "f 0 P IDLETIME 5",
                                      "g 0 P FREQ 5",
                                      "h 0 P FREQ 256",
                                      "h 0 P FREQ -1",
                                      "h 0 P IDLETIME -1",
                                      "h 0 P IDLETIME x",
                                      "h 0 P FREQ",
                                      "h 0 P IDLETIME",
                                      "h 0 P FREQ 1 IDLETIME 1",
                                      "h 0 P IDLETIME 1 FREQ 1",
                                      "h 0 P NOPE",
                                      "b 0 P NOPE",
                                      "b 0 bad",
                                      "h 0 bad",
                                      "h 0 \"\"",
                                      "b 0 bad REPLACE"}) {
    std::string line = "RESTORE " + std::string(key_and_options);
    if (const auto at = line.find(" P"); at != std::string::npos) line.replace(at + 1, 1, payload);
    both.same(line);
  }
  both.same({"GET a", "GET b", "GET c", "PEXPIRETIME c", "EXISTS d", "TTL b", "TTL e",
             "RESTORE-ASKING i 0 " + payload, "GET i", "RESTORE a 0", "DBSIZE"});
}

TEST_CASE("a payload that was changed or cut is refused") {
  BesideRedis both;
  auto theirs = both.theirs().client();
  theirs.command("SET", "source", std::string(300, 'a') + "bcd");
  const std::string payload = theirs.command("DUMP", "source").text;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    std::string changed = payload;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    both.same("RESTORE a 0 " + in_quotes(changed));
    both.same("RESTORE a 0 " + in_quotes(payload.substr(0, i)));
  }
}

TEST_CASE("a payload whose checksum is right and whose value is not is refused") {
  Served served;  // redis-server takes some of these: it reads on where a value ends too late
  auto client = served.client();
  for (const std::string& body : {std::string("\x00\x05", 2) + "abc", std::string("\x00\x03", 2) + "abcd",
                                  std::string("\x00\xc3\x04\x09", 4) + "abcd", std::string("\x00\xc4", 2),
                                  std::string("\x00\x80\xff\xff\xff\xff", 6), std::string("\x7f")}) {
    std::string payload = body + std::string("\x0a\x00", 2);
    replikv::rdb::Crc64 crc;
    crc.update(replikv::as_bytes(payload));
    for (int i = 0; i < 8; ++i) payload.push_back(static_cast<char>(crc.value() >> (8 * i) & 0xff));
    CHECK(client.command("RESTORE", "a", "0", payload).text == "ERR Bad data format");
  }
  CHECK(client.command("DBSIZE").number == 0);
}

TEST_CASE("a value of another type is no string") {
  BesideRedis both;
  auto theirs = both.theirs().client();
  theirs.command("RPUSH", "list", "a", "b");
  auto ours = both.ours().client();
  const std::string payload = theirs.command("DUMP", "list").text;
  CHECK(ours.command("RESTORE", "a", "0", payload).text == "ERR Bad data format");
  CHECK(ours.command("EXISTS", "a").number == 0);
}

}  // namespace
