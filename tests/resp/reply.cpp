#include <replikv/resp/reply.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using replikv::as_bytes;
using replikv::resp::LineKind;
using replikv::resp::ReplyLine;
using replikv::resp::ReplyLineParser;
using LineStatus = ReplyLineParser::Status;

namespace {

struct Line {
  LineKind kind;
  std::string text;
  friend bool operator==(const Line&, const Line&) = default;
};

// Feeds in pieces of `chunk` bytes, from a new address each time.
std::vector<Line> lines_of(std::string_view text, std::size_t chunk) {
  ReplyLineParser parser;
  std::vector<Line> lines;
  std::string unread;
  while (!text.empty()) {
    unread = std::string(unread) + std::string(text.substr(0, chunk));
    text.remove_prefix(std::min(chunk, text.size()));
    for (;;) {
      const std::string moved(unread);
      const auto parsed = parser.parse(as_bytes(moved));
      if (parsed.status != LineStatus::line) break;
      lines.push_back({parsed.line.kind, std::string(parsed.line.text)});
      unread.erase(0, parsed.consumed);
    }
  }
  return lines;
}

}  // namespace

TEST_CASE("ReplyLineParser: tells the lines of a handshake apart, however they are cut") {
  const std::string_view text =
      "+PONG\r\n\n\r\n-NOAUTH Authentication required.\r\n:42\r\n$EOF:abc\r\n$175\n?\r\r\n+\r\n";
  for (const std::size_t chunk : {1U, 2U, 7U, 4096U}) {
    CAPTURE(chunk);
    const std::vector<Line> expected{
        {LineKind::simple, "PONG"},     {LineKind::keepalive, ""},
        {LineKind::keepalive, ""},      {LineKind::error, "NOAUTH Authentication required."},
        {LineKind::integer, "42"},      {LineKind::bulk_header, "EOF:abc"},
        {LineKind::bulk_header, "175"}, {LineKind::other, "?\r"},
        {LineKind::simple, ""}};
    CHECK(lines_of(text, chunk) == expected);
  }
}

TEST_CASE("ReplyLineParser: counts consumed bytes to the line end and no further") {
  ReplyLineParser parser;
  const auto parsed = parser.parse(as_bytes("+OK\r\n*3\r\n"));
  CHECK(parsed.status == LineStatus::line);
  CHECK(parsed.consumed == 5);
  CHECK(parser.parse(as_bytes("\n*3")).consumed == 1);
  CHECK(parser.parse({}).status == LineStatus::need_more);
}

TEST_CASE("ReplyLineParser: a line longer than the limit fails, finished or not, and stays failed") {
  for (const std::string_view text : {"123456789", "123456789\n"}) {
    ReplyLineParser parser(8);
    CHECK(parser.parse(as_bytes("12345678\n")).status == LineStatus::line);
    CHECK(parser.parse(as_bytes(text)).status == LineStatus::error);
    CHECK(parser.parse(as_bytes("+OK\r\n")).status == LineStatus::error);
    CHECK(parser.failure().code == replikv::Errc::protocol_error);
    CHECK(parser.failure().detail == "a reply line exceeds 8 bytes");
    parser.reset();
    CHECK(parser.parse(as_bytes("+OK\r\n")).line == ReplyLine{LineKind::simple, "OK"});
  }
  ReplyLineParser parser;
  CHECK(parser.parse(as_bytes(std::string(65536, 'x'))).status == LineStatus::need_more);
  CHECK(parser.parse(as_bytes(std::string(65537, 'x'))).status == LineStatus::error);
}
