#include <replikv/resp/parser.hpp>
#include <replikv/resp/writer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace std::string_literals;
using namespace std::string_view_literals;
using replikv::as_bytes;
using replikv::resp::append_command;
using replikv::resp::CommandParser;
using replikv::resp::Parsed;
using replikv::resp::ParserLimits;
using Status = Parsed::Status;
using Command = std::vector<std::string>;

namespace {

struct Outcome {
  std::vector<Command> commands;
  std::vector<std::size_t> consumed;
  std::string error;
  std::size_t rest = 0;  // bytes of an unfinished command

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Parses `text` as it arrives in pieces whose sizes `next_size` gives. Each call gets the bytes at a new
/// address, in a buffer without room behind them.
template <class NextSize>
Outcome parse_in_pieces(std::string_view text, NextSize next_size, ParserLimits limits = {},
                        bool patient = false) {
  CommandParser parser{limits};
  Outcome outcome;
  std::size_t start = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    end = std::min(text.size(), end + next_size());
    if (patient && end - start < parser.bytes_needed() && end < text.size()) continue;
    for (;;) {
      const std::vector<char> moved(text.begin() + static_cast<std::ptrdiff_t>(start),
                                    text.begin() + static_cast<std::ptrdiff_t>(end));
      const Parsed parsed = parser.parse(std::as_bytes(std::span(moved)));
      if (parsed.status == Status::error) {
        outcome.error = parser.failure().detail;
        return outcome;
      }
      if (parsed.status == Status::need_more) {
        CHECK(parser.bytes_needed() > end - start);
        break;
      }
      REQUIRE(parsed.consumed > 0);
      REQUIRE(parsed.consumed <= end - start);
      outcome.commands.emplace_back(parser.arguments().begin(), parser.arguments().end());
      outcome.consumed.push_back(parsed.consumed);
      start += parsed.consumed;
    }
  }
  outcome.rest = text.size() - start;
  return outcome;
}

Outcome parse_whole(std::string_view text, ParserLimits limits = {}) {
  return parse_in_pieces(
      text, [&] { return text.size(); }, limits);
}

Outcome parse_by(std::size_t chunk, std::string_view text, ParserLimits limits = {}) {
  return parse_in_pieces(
      text, [=] { return chunk; }, limits);
}

/// The outcome, after checking that it does not depend on how the bytes are cut.
Outcome parse(std::string_view text, ParserLimits limits = {}) {
  const Outcome whole = parse_whole(text, limits);
  for (const std::size_t chunk : {1U, 2U, 3U, 7U, 4096U}) {
    CAPTURE(chunk);
    CHECK(parse_by(chunk, text, limits) == whole);
  }
  CHECK(parse_in_pieces(
            text, [] { return std::size_t{1}; }, limits, true) == whole);
  return whole;
}

std::uint64_t test_seed() {
  const char* given = std::getenv("REPLIKV_TEST_SEED");
  return given != nullptr
             ? std::strtoull(given, nullptr, 10)
             : static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

}  // namespace

TEST_CASE("CommandParser: reads commands one after the other, binary arguments included") {
  const auto outcome = parse("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\r\n\0\n\r\n*1\r\n$4\r\nPING\r\n"sv);
  CHECK(outcome.commands == std::vector<Command>{{"SET", "k", "\r\n\0\n"s}, {"PING"}});
  CHECK(outcome.consumed == std::vector<std::size_t>{30, 14});
  CHECK(outcome.error.empty());
  CHECK(outcome.rest == 0);
}

TEST_CASE("CommandParser: lengths of one to many digits, empty arguments") {
  std::string text;
  std::vector<Command> expected;
  for (const std::size_t size : {0U, 1U, 9U, 10U, 99U, 100U, 999U, 1000U, 9999U, 10000U, 70000U}) {
    expected.push_back({"SET", "", std::string(size, 'x')});
    append_command(text, "SET", "", expected.back()[2]);
  }
  const auto outcome = parse(text);
  CHECK(outcome.commands == expected);
  CHECK(outcome.error.empty());
}

TEST_CASE("CommandParser: arguments are views into the bytes given") {
  const std::string text = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
  CommandParser parser;
  REQUIRE(parser.parse(as_bytes(text)).status == Status::command);
  CHECK(parser.arguments()[0].data() == text.data() + 8);
  CHECK(parser.arguments()[1].data() == text.data() + 17);
  CHECK_FALSE(parser.was_inline());
}

TEST_CASE("CommandParser: *0 and *-1 are empty commands of their exact size") {
  const auto outcome = parse("*0\r\n*-1\r\n*1\r\n$1\r\na\r\n");
  CHECK(outcome.commands == std::vector<Command>{{}, {}, {"a"}});
  CHECK(outcome.consumed == std::vector<std::size_t>{4, 5, 11});
}

TEST_CASE("CommandParser: blank lines are empty commands of one or two bytes") {
  const auto outcome = parse("\n*1\r\n$4\r\nPING\r\n\r\n\n");
  CHECK(outcome.commands == std::vector<Command>{{}, {"PING"}, {}, {}});
  CHECK(outcome.consumed == std::vector<std::size_t>{1, 14, 2, 1});

  CommandParser parser;
  CHECK(parser.parse(as_bytes("\n*3")).consumed == 1);
  CHECK(parser.was_inline());
}

TEST_CASE("CommandParser: inline requests are split and unquoted") {
  const auto one = [](std::string_view line) {
    const auto outcome = parse(std::string(line) + "\r\n");
    CAPTURE(line);
    CHECK(outcome.error.empty());
    REQUIRE(outcome.commands.size() == 1);
    return outcome.commands.front();
  };
  CHECK(one("SYNC") == Command{"SYNC"});
  CHECK(one("  set \t k  v ") == Command{"set", "k", "v"});
  CHECK(one("   ").empty());
  CHECK(one(R"(set "a b" 'c d')") == Command{"set", "a b", "c d"});
  CHECK(one(R"("\n\r\t\b\a\\\"\x41\xfF\q")") == Command{"\n\r\t\b\a\\\"A\xffq"});
  CHECK(one(R"("\x4" "\xg1" "\x1g")") == Command{"x4", "xg1", "x1g"});
  CHECK(one(R"('it\'s' '\n"')") == Command{"it's", "\\n\""});
  CHECK(one(R"("" '')") == Command{"", ""});
  CHECK(one(R"(pre"fix" k'ey')") == Command{"prefix", "key"});
  CHECK(parse("PING\nPING\r\n").commands == std::vector<Command>{{"PING"}, {"PING"}});
  CHECK(parse("a\rb\n").commands == std::vector<Command>{{"a", "b"}});
}

TEST_CASE("CommandParser: quotes must balance and be followed by a space") {
  for (const auto line : {R"("a)", R"('a)", R"("a"b)", R"('a'b)", R"("a""b")", R"(x "\)", R"('\')", R"(")"}) {
    CAPTURE(line);
    CHECK(parse(std::string(line) + "\n").error == "Protocol error: unbalanced quotes in request");
  }
}

TEST_CASE("CommandParser: counts that are no number, or not in range, are refused") {
  for (const auto text : {"*\r\n", "*01\r\n", "*+1\r\n", "* 1\r\n", "*1 \r\n", "*a\r\n", "*1a\r\n", "*-2\r\n",
                          "*-0\r\n", "*00\r\n", "*1048577\r\n", "*2147483648\r\n", "*9223372036854775808\r\n",
                          "*99999999999999999999\r\n", "*1\n", "*1\r$", "*1\rx", "*123456789\rx"}) {
    CAPTURE(text);
    CHECK(parse(text).error == "Protocol error: invalid multibulk length");
  }
}

TEST_CASE("CommandParser: sizes that are no number, or not in range, are refused") {
  for (const auto text : {"$\r\n", "$01\r\n", "$+1\r\n", "$-1\r\n", "$-0\r\n", "$ 1\r\n", "$1 \r\n", "$x\r\n",
                          "$536870913\r\n", "$4294967297\r\n", "$9223372036854775807\r\n",
                          "$18446744073709551617\r\n", "$1\n", "$1\rx", "$$1\r\n", "$1000000000\r\n"}) {
    CAPTURE(text);
    CHECK(parse("*2\r\n$1\r\na\r\n"s + text).error == "Protocol error: invalid bulk length");
  }
}

TEST_CASE("CommandParser: something else than '$' is named") {
  CHECK(parse("*1\r\nx").error == "Protocol error: expected '$', got 'x'");
  CHECK(parse("*2\r\n$1\r\na\r\n*1\r\n").error == "Protocol error: expected '$', got '*'");
  CHECK(parse("*1\r\n\r").error == "Protocol error: expected '$', got '?'");
  CHECK(parse("*1\r\n\xff").error == "Protocol error: expected '$', got '?'");
  CHECK(parse("*1\r\n\x7f").error == "Protocol error: expected '$', got '?'");
  CHECK(parse("*1\r\n~").error == "Protocol error: expected '$', got '~'");
}

TEST_CASE("CommandParser: bulk data must end with CR LF") {
  for (const auto tail : {"xx", "\r\r", "\n\n", "\nx"}) {
    CAPTURE(tail);
    CHECK(parse("*1\r\n$2\r\nab"s + tail).error == "Protocol error: expected CRLF after bulk data");
  }
}

TEST_CASE("CommandParser: lines have a limit, wherever they are cut") {
  const std::string digits(100, '1');
  const ParserLimits limits{100, 100, 64, true};
  CHECK(parse("*" + digits, limits).error == "Protocol error: too big mbulk count string");
  CHECK(parse("*" + digits + "\r\n", limits).error == "Protocol error: too big mbulk count string");
  CHECK(parse("*1\r\n$" + digits, limits).error == "Protocol error: too big bulk count string");
  CHECK(parse("*1\r\n$" + digits + "\r\n", limits).error == "Protocol error: too big bulk count string");
  CHECK(parse(digits, limits).error == "Protocol error: too big inline request");
  CHECK(parse(digits + "\n", limits).error == "Protocol error: too big inline request");
  CHECK(parse(std::string(63, 'a') + "\n", limits).commands.size() == 1);
  CHECK(parse("*" + digits.substr(0, 63), limits).rest == 64);
  CHECK(parse("*" + digits.substr(0, 63) + "\r\n", limits).error ==
        "Protocol error: invalid multibulk length");
  const std::string long_line(64 << 10, 'a');
  CHECK(parse_whole(long_line).error == "Protocol error: too big inline request");
  CHECK(parse_whole(long_line.substr(1) + "\n").commands.size() == 1);
}

TEST_CASE("CommandParser: an unauthenticated peer has narrow limits and its own errors") {
  const auto limits = ParserLimits::unauthenticated();
  std::string fits = "*10\r\n";
  for (int i = 0; i < 10; ++i) fits += "$1\r\na\r\n";
  CHECK(parse(fits, limits).commands.size() == 1);
  CHECK(parse("*11\r\n", limits).error == "Protocol error: unauthenticated multibulk length");
  CHECK(parse("*9999999999\r\n", limits).error == "Protocol error: invalid multibulk length");
  CHECK(parse("*1\r\n$16385\r\n", limits).error == "Protocol error: unauthenticated bulk length");
  CHECK(parse("*1\r\n$536870913\r\n", limits).error == "Protocol error: invalid bulk length");
  CHECK(parse("*1\r\n$16384\r\n", limits).error.empty());
  CHECK(parse("a b c d e f g h i j\n", limits).commands.size() == 1);
  CHECK(parse("a b c d e f g h i j k\n", limits).error == "Protocol error: unauthenticated multibulk length");
  CHECK(parse("a b c\n", {100, 2, 64, true}).error == "Protocol error: invalid multibulk length");
}

TEST_CASE("CommandParser: limits can be widened between commands") {
  CommandParser parser{ParserLimits::unauthenticated()};
  CHECK(parser.parse(as_bytes("AUTH x\r\n")).status == Status::command);
  parser.set_limits({});
  std::string text = "*11\r\n";
  for (int i = 0; i < 11; ++i) text += "$1\r\na\r\n";
  CHECK(parser.parse(as_bytes(text)).status == Status::command);
  CHECK(parser.arguments().size() == 11);
}

TEST_CASE("CommandParser: stays failed until it is reset, and carries nothing over") {
  CommandParser parser;
  REQUIRE(parser.parse(as_bytes("*2\r\n$1\r\na\r\n")).status == Status::need_more);
  REQUIRE(parser.parse(as_bytes("*2\r\n$1\r\na\r\nx")).status == Status::error);
  CHECK(parser.failure().code == replikv::Errc::protocol_error);
  CHECK(parser.parse(as_bytes("*1\r\n$4\r\nPING\r\n")).status == Status::error);
  CHECK(parser.arguments().empty());
  parser.reset();
  CHECK(parser.parse(as_bytes("*1\r\n$4\r\nPING\r\n")).status == Status::command);
  CHECK(parser.arguments().size() == 1);
  CHECK(parser.failure().detail.empty());
  REQUIRE(parser.parse(as_bytes("*2\r\n$1\r\na\r\n$7\r")).status == Status::need_more);
  parser.reset();
  CHECK(parser.parse(as_bytes("*1\r\n$4\r\nQUIT\r\n")).status == Status::command);
  CHECK(parser.arguments()[0] == "QUIT");
}

TEST_CASE("CommandParser: says how many bytes the current argument needs") {
  CommandParser parser;
  CHECK(parser.parse({}).status == Status::need_more);
  CHECK(parser.bytes_needed() == 1);
  CHECK(parser.parse(as_bytes("*2")).status == Status::need_more);
  CHECK(parser.bytes_needed() == 3);
  CHECK(parser.parse(as_bytes("*2\r\n$1000\r\nabc")).status == Status::need_more);
  CHECK(parser.bytes_needed() == 4 + 7 + 1000 + 2);
}

TEST_CASE("CommandParser: a claimed count costs nothing until the arguments arrive") {
  CommandParser parser;
  CHECK(parser.parse(as_bytes("*1048576\r\n$1\r\na\r\n")).status == Status::need_more);
  CHECK(parser.bytes_needed() < 100);
}

TEST_CASE("CommandParser: a giant command is followed by ordinary ones") {
  std::string text = "*70000\r\n";
  for (int i = 0; i < 70000; ++i) text += "$1\r\na\r\n";
  text += "*1\r\n$4\r\nPING\r\n";
  const auto outcome = parse_by(5000, text);
  REQUIRE(outcome.commands.size() == 2);
  CHECK(outcome.commands[0].size() == 70000);
  CHECK(outcome.commands[1] == Command{"PING"});
}

TEST_CASE("CommandParser: random cuts of random requests change nothing") {
  const auto seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 8; ++i) {
      std::vector<std::string> owned(random() % 4 + 1);
      for (auto& argument : owned) {
        argument.resize(random() % (random() % 8 == 0 ? 3000 : 12));
        for (auto& character : argument) character = static_cast<char>(random());
      }
      const std::vector<std::string_view> arguments(owned.begin(), owned.end());
      append_command(text, arguments);
      if (random() % 4 == 0) text += random() % 2 == 0 ? "\r\n" : "ping 'a b'\n";
    }
    // Half of the texts are damaged: whatever comes out must not depend on the cuts.
    if (round % 2 == 1) text[random() % text.size()] = static_cast<char>(random());
    const auto whole = parse_whole(text);
    if (round % 2 == 0) CHECK(whole.error.empty());
    const auto cut = parse_in_pieces(text, [&] { return std::size_t{random() % 40 + 1}; });
    CHECK(cut == whole);
  }
}

TEST_CASE("CommandParser: every truncation of a valid request asks for more") {
  const std::string text = "*3\r\n$3\r\nSET\r\n$11\r\nhello world\r\n$0\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    CAPTURE(size);
    CommandParser parser;
    CHECK(parser.parse(as_bytes(text.substr(0, size))).status == Status::need_more);
    CHECK(parser.bytes_needed() <= text.size());
  }
}
