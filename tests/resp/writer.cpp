#include <replikv/core/bytes.hpp>
#include <replikv/resp/writer.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace resp = replikv::resp;

TEST_CASE("append_command: writes an array of bulk strings") {
  std::string out = "before ";
  resp::append_command(out, "SET", std::string("key"), std::string_view("a\0b", 3));
  CHECK(out == std::string("before *3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\na\0b\r\n", 38));
}

TEST_CASE("write_command: fills exactly command_size bytes with what append_command writes") {
  for (const std::size_t value_bytes : {0U, 1U, 9U, 10U, 99U, 100U, 999U, 1000U, 65536U, 1000000U}) {
    CAPTURE(value_bytes);
    const std::string value(value_bytes, 'v');
    for (const std::size_t count : {1U, 9U, 10U, 11U, 1000U}) {
      std::vector<std::string_view> arguments(count, "");
      arguments.back() = value;
      std::string appended;
      resp::append_command(appended, arguments);
      const std::size_t size = resp::command_size(arguments);
      REQUIRE(size == appended.size());
      std::vector<std::byte> memory(size + 1, std::byte{0x55});
      CHECK(resp::write_command(memory.data(), arguments) == memory.data() + size);
      CHECK(replikv::as_text(memory).substr(0, size) == appended);
      CHECK(memory.back() == std::byte{0x55});
    }
  }
}

TEST_CASE("replies: the shapes of RESP2") {
  std::string out;
  resp::append_simple(out, "OK");
  resp::append_error(out, "ERR syntax error");
  resp::append_integer(out, std::numeric_limits<std::int64_t>::min());
  resp::append_bulk(out, "");
  resp::append_bulk(out, "hello");
  resp::append_null(out);
  resp::append_array_header(out, 12);
  CHECK(out ==
        "+OK\r\n-ERR syntax error\r\n:-9223372036854775808\r\n$0\r\n\r\n$5\r\nhello\r\n$-1\r\n*12\r\n");
}

TEST_CASE("append_error: no text can end its line and forge another reply") {
  std::string out;
  resp::append_error(out, std::string_view("ERR a\r\n+OK\0\t\x1b\x7f\xc3\xa4", 16));
  CHECK(out == "-ERR a  +OK    \xc3\xa4\r\n");
  out.clear();
  resp::append_simple(out, "a\nb");
  CHECK(out == "+a b\r\n");
}
