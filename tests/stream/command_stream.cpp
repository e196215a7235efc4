#include <replikv/core/random.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/stream/command_stream.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tests/failing_allocation.hpp>
#include <thread>
#include <vector>

using failing_allocation::live_bytes;
using replikv::as_bytes;
using replikv::as_text;
using replikv::CommandStream;
using replikv::History;
using replikv::Offset;
using replikv::PartialRefusal;
using replikv::Random;
using replikv::ReplicationId;
using replikv::SharedBytes;
using replikv::StreamCursor;
using replikv::Token;
namespace resp = replikv::resp;

namespace {

using Words = std::vector<std::string_view>;

constexpr std::string_view id_text = "db0b4ca4c052353166ce46354d2b92a1477f3cb8";
constexpr std::string_view other_text = "c90e3bbf00000000000000000000000000000001";
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

const doctest::skip skipped_if_uncounted(!failing_allocation::is_possible);
const ReplicationId some_id = ReplicationId::parse(id_text).value();
const ReplicationId other_id = ReplicationId::parse(other_text).value();
const ReplicationId third_id = ReplicationId::parse("3000000000000000000000000000000000000003").value();

Token append(CommandStream& stream, std::uint32_t database, const Words& command) {
  return stream.append(database, resp::Arguments(command));
}

Token append_together(CommandStream& stream, std::uint32_t database, const std::vector<Words>& commands) {
  const std::vector<resp::Arguments> group(commands.begin(), commands.end());
  return stream.append(database, std::span<const resp::Arguments>(group));
}

std::string wire(const Words& command) {
  std::string bytes;
  resp::append_command(bytes, resp::Arguments(command));
  return bytes;
}

StreamCursor cursor_at(const CommandStream& stream, std::uint64_t next_byte) {
  PartialRefusal refusal;
  auto cursor = stream.continue_from(stream.position().id, next_byte, refusal);
  REQUIRE_MESSAGE(cursor, refusal.why);
  return *cursor;
}

std::string read_on(const CommandStream& stream, StreamCursor& cursor, std::size_t bytes_max = 1 << 30) {
  std::vector<SharedBytes> out;
  const std::size_t bytes = stream.read(cursor, bytes_max, out);
  std::string text;
  for (const auto& piece : out) text += as_text(piece.bytes());
  CHECK(text.size() == bytes);
  return text;
}

std::string contents(const CommandStream& stream) {
  StreamCursor cursor = cursor_at(stream, stream.history().backlog_first_byte);
  return read_on(stream, cursor);
}

std::optional<std::string> refusal(const CommandStream& stream, const ReplicationId& id,
                                   std::uint64_t next_byte) {
  PartialRefusal why;
  if (stream.continue_from(id, next_byte, why)) return std::nullopt;
  return why.why;
}

// "set" commands of exactly this many bytes on the wire, in database 0 after its SELECT.
void append_bytes(CommandStream& stream, std::size_t bytes) {
  static const std::string zeros(std::size_t{1} << 20, '0');
  const std::string_view name = "set";
  // "*2\r\n$3\r\nset\r\n$...\r\n...\r\n": the length's own digits count.
  std::size_t size = bytes - 18;
  while (wire({name, std::string_view(zeros).substr(0, size)}).size() > bytes) --size;
  const Words command{name, std::string_view(zeros).substr(0, size)};
  REQUIRE(wire(command).size() == bytes);
  append(stream, 0, command);
}

}  // namespace

// --- Writing ---------------------------------------------------------------------------------------

TEST_CASE("CommandStream: SELECT is injected where the database differs from the last one") {
  CommandStream stream{some_id, mebibyte};
  CHECK(stream.database() == CommandStream::no_database);
  CHECK(append(stream, 0, {"SET", "k", "v"}) == Token{some_id, Offset{23 + 27}});
  CHECK(append(stream, 0, {"DEL", "k"}) == Token{some_id, Offset{50 + 20}});
  CHECK(append(stream, 12, {"DEL", "k"}) == Token{some_id, Offset{70 + 24 + 20}});
  CHECK(append(stream, 0, {"DEL", ""}) == Token{some_id, Offset{114 + 23 + 19}});
  CHECK(stream.database() == 0);
  CHECK(contents(stream) ==
        "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
        "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"
        "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n"
        "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"
        "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
        "*2\r\n$3\r\nDEL\r\n$0\r\n\r\n");
}

TEST_CASE("CommandStream: two effects and more are wrapped in MULTI and EXEC behind the SELECT, one is not") {
  CommandStream stream{some_id, mebibyte};
  CHECK(append_together(stream, 3, {}) == Token{some_id, Offset{0}});
  CHECK(stream.database() == CommandStream::no_database);
  CHECK(contents(stream).empty());

  append_together(stream, 3, {{"DEL", "a"}});
  const Token token = append_together(stream, 4, {{"DEL", "b"}, {"SET", "c", "1"}});
  append_together(stream, 4, {{"DEL", "d"}, {"DEL", "e"}, {"DEL", "f"}});
  const std::string expected_start =
      "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
      "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"
      "*2\r\n$6\r\nSELECT\r\n$1\r\n4\r\n"
      "*1\r\n$5\r\nMULTI\r\n"
      "*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n"
      "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n"
      "*1\r\n$4\r\nEXEC\r\n";
  CHECK(token.offset == Offset{expected_start.size()});
  CHECK(contents(stream) == expected_start +
                                "*1\r\n$5\r\nMULTI\r\n"
                                "*2\r\n$3\r\nDEL\r\n$1\r\nd\r\n"
                                "*2\r\n$3\r\nDEL\r\n$1\r\ne\r\n"
                                "*2\r\n$3\r\nDEL\r\n$1\r\nf\r\n"
                                "*1\r\n$4\r\nEXEC\r\n");
}

TEST_CASE("CommandStream: control commands need no database and change none") {
  CommandStream stream{some_id, mebibyte};
  CHECK(stream.append_control({"ping"}).offset == Offset{14});
  CHECK(stream.append_control({"REPLCONF", "GETACK", "*"}).offset == Offset{14 + 37});
  CHECK(stream.database() == CommandStream::no_database);
  append(stream, 1, {"DEL", "k"});
  stream.append_control({"ping"});
  append(stream, 1, {"DEL", "k"});
  CHECK(contents(stream) ==
        "*1\r\n$4\r\nping\r\n*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
        "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"
        "*1\r\n$4\r\nping\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
}

TEST_CASE("CommandStream: a master's bytes are passed on as they came, and tell the database that follows") {
  CommandStream stream{some_id, mebibyte};
  stream.restart(some_id, Offset{500}, 0);
  const std::string relayed = "\n*2\r\n$6\r\nsElEcT\r\n$1\r\n7\r\n*1\r\n$4\r\nping\r\n";
  CHECK(stream.append_verbatim(as_bytes(relayed), 7) == Token{some_id, Offset{500 + relayed.size()}});
  CHECK(stream.database() == 7);
  append(stream, 7, {"DEL", "k"});
  CHECK(contents(stream) == relayed + "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
  CHECK(stream.append_verbatim({}, 7).offset == stream.end());
}

TEST_CASE("CommandStream: after a snapshot or a promotion the next effect begins with SELECT again") {
  CommandStream stream{some_id, mebibyte};
  append(stream, 2, {"DEL", "k"});
  const Offset before = stream.end();
  stream.forget_database();
  CHECK(stream.database() == CommandStream::no_database);
  CHECK(stream.end() == before);
  append(stream, 2, {"DEL", "k"});
  StreamCursor cursor = cursor_at(stream, before.next_byte());
  CHECK(read_on(stream, cursor) == "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
}

TEST_CASE("CommandStream: commands larger than any block go in whole and come out whole") {
  CommandStream stream{some_id, 16 * mebibyte};
  std::string expected = wire({"SELECT", "0"});
  Random random{20};
  for (const std::size_t size :
       {1UL, 4'000UL, 5'000UL, 100UL, 262'143UL, 262'144UL, 1'000'000UL, 3UL, 3'000'000UL}) {
    std::string value(size, '\0');
    for (char& c : value) c = static_cast<char>(random());
    append(stream, 0, {"SET", "k", value});
    expected += wire({"SET", "k", value});
    CHECK(stream.end() == Offset{expected.size()});
  }
  CHECK((contents(stream) == expected));
  for (const std::size_t pace : {1'009UL, 65'536UL, 1'000'003UL}) {
    CAPTURE(pace);
    StreamCursor cursor = cursor_at(stream, 1);
    std::string read;
    for (std::string piece = read_on(stream, cursor, pace); !piece.empty();
         piece = read_on(stream, cursor, pace)) {
      REQUIRE(piece.size() <= pace);
      read += piece;
      REQUIRE(cursor.offset() == Offset{read.size()});
    }
    CHECK((read == expected));
  }
}

// --- The window ------------------------------------------------------------------------------------

TEST_CASE("CommandStream: a partial resync may begin at any byte held and at the next one to come") {
  CommandStream stream{some_id, 4'096};
  SUBCASE("nothing written yet") {}
  SUBCASE("everything is still held") { append_bytes(stream, 1'000); }
  SUBCASE("the first blocks are gone") {
    for (int i = 0; i < 200; ++i) append_bytes(stream, 1'000);
    REQUIRE(stream.history().backlog_first_byte > 1);
  }
  const History history = stream.history();
  const std::uint64_t first = history.backlog_first_byte;
  const std::uint64_t end = history.end.bytes;
  CHECK(first + history.backlog_bytes == end + 1);
  const std::string held = contents(stream);
  for (const std::uint64_t next_byte : {first, first + (end + 1 - first) / 2, end, end + 1}) {
    if (next_byte < first) continue;
    CAPTURE(next_byte);
    StreamCursor cursor = cursor_at(stream, next_byte);
    CHECK(cursor.offset() == Offset{next_byte - 1});
    CHECK((read_on(stream, cursor) == held.substr(next_byte - first)));
    CHECK(cursor.offset() == history.end);
  }
  const std::string have = ", have " + std::to_string(first) + " to " + std::to_string(end);
  for (const std::uint64_t next_byte :
       {std::uint64_t{0}, first - 1, end + 2, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    std::string why = "asked for byte " + std::to_string(next_byte) + have;
    if (next_byte > end) why += ": " + std::to_string(next_byte - end - 1) + " bytes ahead of this history";
    if (next_byte != 0 && next_byte < first)
      why += ": " + std::to_string(end + 1 - next_byte) + " bytes of history needed, " +
             std::to_string(history.backlog_bytes) + " held";
    CHECK(refusal(stream, some_id, next_byte) == why);
  }
}

TEST_CASE("CommandStream: a refusal says in numbers what was asked for and what there is") {
  using Reason = PartialRefusal::Reason;
  CommandStream stream{some_id, 4'096};
  append_bytes(stream, 1'000);
  stream.continue_as(other_id);
  for (int i = 0; i < 200; ++i) append_bytes(stream, 1'000);
  const History history = stream.history();
  const std::uint64_t first = history.backlog_first_byte;
  const auto refused = [&stream](const ReplicationId& id, std::uint64_t next_byte) {
    PartialRefusal why;
    CHECK_FALSE(stream.continue_from(id, next_byte, why));
    CHECK(why.asked_id == id);
    CHECK(why.asked_next_byte == next_byte);
    return why;
  };
  for (const PartialRefusal& any : {refused(some_id, 1), refused(other_id, 1), refused(third_id, 1)}) {
    CHECK(any.id == other_id);
    CHECK(any.second_id == some_id);
    CHECK(any.second_next_byte == history.second_next_byte);
    CHECK(any.backlog_first_byte == first);
    CHECK(any.end == history.end);
    CHECK(any.held_bytes == history.backlog_bytes);
  }
  const PartialRefusal gone = refused(other_id, first - 100);
  CHECK(gone.reason == Reason::no_longer_held);
  CHECK(gone.missing_bytes == 100);
  CHECK(gone.needed_bytes == history.backlog_bytes + 100);
  const PartialRefusal ahead = refused(other_id, history.end.next_byte() + 7);
  CHECK(ahead.reason == Reason::not_yet_there);
  CHECK(ahead.missing_bytes == 7);
  CHECK(ahead.needed_bytes == 0);
  CHECK(refused(other_id, 0).reason == Reason::not_a_byte);
  CHECK(refused(other_id, 0).missing_bytes == 0);
  CHECK(refused(some_id, *history.second_next_byte + 1).reason == Reason::parted);
  CHECK(refused(third_id, first).reason == Reason::unknown_id);
  CHECK(refused(third_id, first).missing_bytes == 0);
}

TEST_CASE("CommandStream: every byte of the window is a place to begin, across all block borders") {
  CommandStream stream{some_id, 40'000};
  for (int i = 0; i < 300; ++i) append_bytes(stream, 211);
  const History history = stream.history();
  const std::string held = contents(stream);
  for (std::uint64_t next_byte = history.backlog_first_byte; next_byte <= history.end.next_byte();
       next_byte += 13) {
    StreamCursor cursor = cursor_at(stream, next_byte);
    REQUIRE((read_on(stream, cursor) == held.substr(next_byte - history.backlog_first_byte)));
  }
}

TEST_CASE("CommandStream: another history is refused, and the refusal names both sides") {
  CommandStream stream{some_id, mebibyte};
  append(stream, 0, {"DEL", "k"});
  CHECK(refusal(stream, other_id, 1) ==
        "asked for history " + std::string(other_text) + " from byte 1, have " + std::string(id_text));
  CHECK(refusal(stream, ReplicationId{}, 1) ==
        "asked for history " + std::string(40, '0') + " from byte 1, have " + std::string(id_text));
  stream.continue_as(other_id);
  CHECK(refusal(stream, third_id, 9) == "asked for history " + third_id.text() + " from byte 9, have " +
                                            std::string(other_text) + " and, up to byte 43, " +
                                            std::string(id_text));
}

TEST_CASE("CommandStream: under the second id the window ends where the histories part") {
  CommandStream stream{some_id, mebibyte};
  append(stream, 0, {"DEL", "k"});  // 23 + 20 bytes
  CHECK_FALSE(stream.history().second_next_byte);
  stream.continue_as(other_id);
  const History history = stream.history();
  CHECK(history.id == other_id);
  CHECK(history.second_id == some_id);
  CHECK(history.second_next_byte == 44);
  append(stream, 0, {"DEL", "k"});
  CHECK(stream.position() == Token{other_id, Offset{63}});

  for (const std::uint64_t next_byte : {1U, 43U, 44U}) CHECK_FALSE(refusal(stream, some_id, next_byte));
  CHECK(refusal(stream, some_id, 45) ==
        "asked for byte 45 of history " + std::string(id_text) + ", which went another way after byte 43");
  CHECK(refusal(stream, some_id, 0) == "asked for byte 0, have 1 to 63");
  for (const std::uint64_t next_byte : {44U, 45U, 64U}) CHECK_FALSE(refusal(stream, other_id, next_byte));
  CHECK(refusal(stream, other_id, 65) == "asked for byte 65, have 1 to 63: 1 bytes ahead of this history");

  stream.continue_as(third_id);
  CHECK(stream.history().second_id == other_id);
  CHECK(stream.history().second_next_byte == 64);
  CHECK(refusal(stream, some_id, 1));
}

TEST_CASE("CommandStream: restart begins another history at its offset and holds nothing of the old one") {
  CommandStream stream{some_id, mebibyte};
  append(stream, 0, {"DEL", "k"});
  stream.continue_as(third_id);
  StreamCursor old = cursor_at(stream, 1);
  stream.restart(other_id, Offset{1'000}, 5);
  const History history = stream.history();
  CHECK(history.id == other_id);
  CHECK_FALSE(history.second_id.is_set());
  CHECK_FALSE(history.second_next_byte);
  CHECK(history.end == Offset{1'000});
  CHECK(history.backlog_first_byte == 1'001);
  CHECK(history.backlog_bytes == 0);
  CHECK(history.backlog_bytes_max == mebibyte);
  CHECK(stream.database() == 5);
  CHECK(refusal(stream, third_id, 44) ==
        "asked for history " + third_id.text() + " from byte 44, have " + std::string(other_text));
  CHECK(refusal(stream, other_id, 1'000) ==
        "asked for byte 1000, have 1001 to 1000: 1 bytes of history needed, 0 held");
  StreamCursor cursor = cursor_at(stream, 1'001);

  append(stream, 5, {"DEL", "k"});
  CHECK(read_on(stream, cursor) == "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
  CHECK(stream.end() == Offset{1'020});
  CHECK(read_on(stream, old).size() == 43);  // a reader of the old history finishes that, and no other
  CHECK(read_on(stream, old).empty());
}

TEST_CASE("CommandStream: a cursor at the end reads what comes after it and nothing before") {
  CommandStream stream{some_id, mebibyte};
  append(stream, 0, {"DEL", "a"});
  StreamCursor cursor = stream.cursor_at_end();
  CHECK(cursor.offset() == stream.end());
  CHECK(read_on(stream, cursor).empty());
  append(stream, 0, {"DEL", "b"});
  CHECK(read_on(stream, cursor, 0).empty());
  CHECK(read_on(stream, cursor) == "*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n");
  for (int i = 0; i < 30; ++i) {  // over block borders, each time caught up
    append_bytes(stream, 1'000);
    CHECK(read_on(stream, cursor).size() == 1'000);
  }
  CHECK(cursor.offset() == stream.end());
}

// --- Memory ----------------------------------------------------------------------------------------

TEST_CASE("CommandStream: trimming keeps at least the backlog's size and at most one block more") {
  for (const std::uint64_t bytes_max : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5'000}, mebibyte}) {
    CAPTURE(bytes_max);
    CommandStream stream{some_id, bytes_max};
    for (int i = 0; i < 3'000; ++i) {
      append_bytes(stream, 1'000);
      const History history = stream.history();
      REQUIRE(history.backlog_bytes >= std::min(bytes_max, history.end.bytes));
      REQUIRE(history.backlog_bytes <= bytes_max + replikv::detail::Block::capacity_max);
      REQUIRE(history.backlog_first_byte + history.backlog_bytes == history.end.next_byte());
    }
  }
}

TEST_CASE("CommandStream: the backlog can be shrunk and grown while it is in use" * skipped_if_uncounted) {
  CommandStream stream{some_id, 4 * mebibyte};
  const std::size_t before = live_bytes;
  for (int i = 0; i < 4'000; ++i) append_bytes(stream, 1'000);
  CHECK(stream.history().backlog_first_byte == 1);
  CHECK(live_bytes - before >= 3'900'000);
  stream.set_backlog_bytes(100'000);
  const History shrunk = stream.history();
  CHECK(shrunk.backlog_bytes_max == 100'000);
  CHECK(shrunk.backlog_bytes >= 100'000);
  CHECK(shrunk.backlog_bytes <= 100'000 + replikv::detail::Block::capacity_max);
  CHECK(live_bytes - before < 1'000'000);

  stream.set_backlog_bytes(2 * mebibyte);
  CHECK(stream.history().backlog_first_byte == shrunk.backlog_first_byte);
  for (int i = 0; i < 1'000; ++i) append_bytes(stream, 1'000);
  CHECK(stream.history().backlog_first_byte == shrunk.backlog_first_byte);
  for (int i = 0; i < 4'000; ++i) append_bytes(stream, 1'000);
  CHECK(stream.history().backlog_first_byte > shrunk.backlog_first_byte);
}

TEST_CASE("CommandStream: a cursor pins what it has not read, and letting go of it frees that" *
          skipped_if_uncounted) {
  CommandStream stream{some_id, 10'000};
  append_bytes(stream, 1'000);
  std::optional<StreamCursor> cursor = cursor_at(stream, 1);
  const std::size_t before = live_bytes;
  for (int i = 0; i < 5'000; ++i) append_bytes(stream, 1'000);
  CHECK(live_bytes - before >= 4'900'000);
  CHECK(stream.history().backlog_first_byte > 4'000'000);  // the window does not grow with it
  CHECK(refusal(stream, some_id, 1));

  SUBCASE("by dropping the cursor") { cursor.reset(); }
  SUBCASE("by replacing it") { cursor = stream.cursor_at_end(); }
  SUBCASE("by reading on") {
    while (!read_on(stream, *cursor, 100'000).empty()) {
    }
  }
  CHECK(live_bytes - before < 1'500'000);
}

TEST_CASE("CommandStream: bytes handed out stay valid after the stream has let go of them") {
  std::vector<SharedBytes> out;
  std::string expected;
  {
    CommandStream stream{some_id, 0};
    append_bytes(stream, 1'000);
    expected = contents(stream);
    StreamCursor cursor = cursor_at(stream, 1);
    CHECK(stream.read(cursor, 10'000, out) == expected.size());
    for (int i = 0; i < 5'000; ++i) append_bytes(stream, 1'000);
    stream.restart(other_id, Offset{0}, 0);
  }
  REQUIRE(out.size() == 1);
  CHECK(as_text(out[0].bytes()) == expected);
}

TEST_CASE("CommandStream: many readers share one copy of the bytes" * skipped_if_uncounted) {
  CommandStream stream{some_id, 2 * mebibyte};
  for (int i = 0; i < 1'000; ++i) append_bytes(stream, 1'000);
  const std::size_t before = live_bytes;
  std::vector<StreamCursor> cursors;
  std::vector<SharedBytes> out;
  for (int i = 0; i < 100; ++i) {
    cursors.push_back(cursor_at(stream, 1));
    CHECK(stream.read(cursors.back(), mebibyte, out) > 1'000'000);
  }
  CHECK(live_bytes - before < 200'000);
}

TEST_CASE("CommandStream: a long history is let go all at once" * skipped_if_uncounted) {
  CommandStream stream{some_id, std::uint64_t{1} << 40};
  StreamCursor pinned = stream.cursor_at_end();
  for (int i = 0; i < 100; ++i) append_bytes(stream, 600'000);
  const std::size_t before = live_bytes;
  SUBCASE("by a smaller backlog") { stream.set_backlog_bytes(0); }
  SUBCASE("by a new history") { stream.restart(other_id, Offset{0}, 0); }
  pinned = {};
  CHECK(live_bytes + 59'000'000 < before);
}

namespace {

// Runs `change` with memory that ends after 0, 1, 2... allocations, on a new stream each time, until it
// succeeds; `check` looks at each stream after a failure.
template <class Change, class Check>
void fail_each_allocation(Change change, Check check) {
  for (std::size_t allocations = 0;; ++allocations) {
    CAPTURE(allocations);
    REQUIRE(allocations < 1'000);
    CommandStream stream{some_id, 16 * mebibyte};
    append(stream, 0, {"SET", "before", "v"});
    bool failed = false;
    failing_allocation::fail_after(allocations);
    try {
      change(stream);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    failing_allocation::stop();
    if (!failed) return;
    check(stream);
  }
}

}  // namespace

TEST_CASE("CommandStream: when memory ends, a command or group is in the stream whole or not at all" *
          skipped_if_uncounted) {
  const std::string before = wire({"SELECT", "0"}) + wire({"SET", "before", "v"});
  const std::string select = wire({"SELECT", "3"});
  const std::string value(700'000, 'x');
  const auto still_works = [&](CommandStream& stream) {
    const std::string held = contents(stream);
    CHECK((held == before || held == before + select));
    CHECK(stream.end() == Offset{held.size()});
    append(stream, 3, {"DEL", "k"});
    CHECK((contents(stream) == before + select + wire({"DEL", "k"})));
  };
  const std::vector<Words> pair{{"SET", "a", value}, {"SET", "b", value}};
  const std::vector<resp::Arguments> group(pair.begin(), pair.end());
  const std::string bytes = wire(pair[0]);
  SUBCASE("a command") {
    fail_each_allocation([&](CommandStream& stream) { stream.append(3, group[0]); }, still_works);
  }
  SUBCASE("a group") {
    fail_each_allocation([&](CommandStream& stream) { stream.append(3, std::span(group)); }, still_works);
  }
  SUBCASE("a master's bytes") {
    fail_each_allocation([&](CommandStream& stream) { stream.append_verbatim(as_bytes(bytes), 3); },
                         still_works);
  }
  SUBCASE("a new history") {
    fail_each_allocation([&](CommandStream& stream) { stream.restart(other_id, Offset{7}, 3); },
                         [&](CommandStream& stream) {
                           CHECK(stream.position() == Token{some_id, Offset{before.size()}});
                           still_works(stream);
                         });
  }
}

// --- Threads ---------------------------------------------------------------------------------------

namespace {

struct Sum {
  std::uint64_t commands = 0;
  std::uint64_t in_wrong_database = 0;
  std::array<std::uint64_t, 4> next{};
  bool in_order = true;
};

// What writer `w` appends: "SET w:i" in database w % 2, every tenth time as a pair.
Sum parse_everything(const std::string& text) {
  Sum sum;
  resp::CommandParser parser;
  std::string_view database = "none";
  for (std::size_t at = 0; at < text.size();) {
    const auto parsed = parser.parse(as_bytes(std::string_view(text).substr(at)));
    REQUIRE(parsed.status == resp::Parsed::Status::command);
    at += parsed.consumed;
    const auto words = parser.arguments();
    if (words[0] == "SELECT") database = words[1];
    if (words[0] != "SET") continue;
    ++sum.commands;
    const auto writer = static_cast<std::size_t>(words[1][0] - '0');
    if (database != (writer % 2 == 0 ? "0" : "1")) ++sum.in_wrong_database;
    sum.in_order = sum.in_order && resp::parse_unsigned(words[1].substr(2)) == sum.next[writer]++;
  }
  return sum;
}

}  // namespace

TEST_CASE("CommandStream: writers and readers in many threads agree on one stream") {
  constexpr std::size_t writers = 4;
  constexpr std::uint64_t commands_each = 5'000;
  CommandStream stream{some_id, 64 * mebibyte};
  std::vector<std::vector<Token>> tokens(writers);
  std::vector<std::string> seen(3);
  std::atomic<bool> done{false};

  std::vector<std::thread> threads;
  for (std::size_t writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&stream, &mine = tokens[writer], writer] {
      for (std::uint64_t i = 0; i < commands_each; ++i) {
        const std::string key = std::to_string(writer) + ":" + std::to_string(i);
        const std::string next = std::to_string(writer) + ":" + std::to_string(i + 1);
        const auto database = static_cast<std::uint32_t>(writer % 2);
        if (i % 10 == 0) {
          mine.push_back(append_together(stream, database, {{"SET", key, "v"}, {"SET", next, "v"}}));
          ++i;
        } else {
          mine.push_back(append(stream, database, Words{"SET", key, "v"}));
        }
      }
    });
  }
  std::vector<std::thread> readers;
  for (std::size_t reader = 0; reader < seen.size(); ++reader) {
    readers.emplace_back([&stream, &done, &text = seen[reader], reader] {
      PartialRefusal why;
      StreamCursor cursor = stream.continue_from(some_id, 1, why).value();
      std::vector<SharedBytes> out;
      for (;;) {
        const bool last = done.load();
        out.clear();
        const std::size_t bytes = stream.read(cursor, 777 + 40'000 * reader, out);
        for (const auto& piece : out) text += as_text(piece.bytes());
        if (bytes == 0 && last) return;
        if (bytes == 0) std::this_thread::yield();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  done = true;
  for (auto& thread : readers) thread.join();

  const Sum sum = parse_everything(seen[0]);
  CHECK(sum.commands == writers * commands_each);
  CHECK(sum.in_wrong_database == 0);
  CHECK(sum.in_order);
  CHECK((seen[0] == contents(stream)));
  CHECK((seen[1] == seen[0]));
  CHECK((seen[2] == seen[0]));

  std::vector<std::uint64_t> offsets;
  for (const auto& mine : tokens) {
    for (const Token& token : mine) offsets.push_back(token.offset.bytes);
    CHECK(std::is_sorted(mine.begin(), mine.end(),
                         [](const Token& a, const Token& b) { return a.offset <= b.offset; }));
  }
  std::sort(offsets.begin(), offsets.end());
  CHECK(std::adjacent_find(offsets.begin(), offsets.end()) == offsets.end());
  CHECK(offsets.back() == stream.end().bytes);
}

TEST_CASE("CommandStream: cursors let go in one thread and trimming in another free every block once") {
  CommandStream stream{some_id, 20'000};
  const std::size_t before = live_bytes;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&stream, &done, reader] {
      std::vector<SharedBytes> out;
      while (!done.load()) {
        StreamCursor cursor = stream.cursor_at_end();
        for (int i = 0; i < 20 * reader; ++i) {
          (void)stream.read(cursor, 100'000, out);
          if (i % 7 == 0) out.clear();
          std::this_thread::yield();
        }
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) append_bytes(stream, 3'000);
  done = true;
  for (auto& thread : readers) thread.join();
  CHECK(live_bytes - before < 4'000'000);
}

// --- Waking ----------------------------------------------------------------------------------------

TEST_CASE("CommandStream: a sender is woken once, and again only after it went to sleep again") {
  CommandStream stream{some_id, mebibyte};
  int wakes = 0;
  CHECK_FALSE(stream.claim_wake());  // nobody to wake
  stream.wake();
  stream.set_waker([&wakes] { ++wakes; });
  CHECK(stream.claim_wake());
  CHECK_FALSE(stream.claim_wake());  // somebody has promised to wake already
  stream.wake();
  CHECK(wakes == 1);
  CHECK_FALSE(stream.claim_wake());
  stream.sleep_from_now();
  CHECK(stream.claim_wake());
  stream.wake();
  CHECK(wakes == 2);
}

TEST_CASE("CommandStream: while it is hushed nobody is woken, and at the end once") {
  const auto stream = std::make_shared<CommandStream>(some_id, mebibyte);
  int wakes = 0;
  stream->set_waker([&wakes] { ++wakes; });
  {
    const CommandStream::Hush outer(stream);
    {
      const CommandStream::Hush inner(stream);
      CHECK_FALSE(stream->claim_wake());
    }
    CHECK_FALSE(stream->claim_wake());
    CHECK(wakes == 0);
  }
  CHECK(wakes == 1);
  stream->sleep_from_now();
  { const CommandStream::Hush for_nothing(stream); }
  CHECK(wakes == 1);
  CHECK(stream->claim_wake());
}

TEST_CASE("CommandStream: taking the waker away ends the wakes, setting one again begins them") {
  CommandStream stream{some_id, mebibyte};
  int wakes = 0;
  stream.set_waker([&wakes] { ++wakes; });
  stream.set_waker(nullptr);
  CHECK_FALSE(stream.claim_wake());
  stream.wake();
  CHECK(wakes == 0);
  stream.set_waker([&wakes] { wakes += 10; });
  CHECK(stream.claim_wake());
  stream.wake();
  CHECK(wakes == 10);
}

TEST_CASE("CommandStream: a waker may replace itself while it runs") {
  CommandStream stream{some_id, mebibyte};
  int wakes = 0;
  stream.set_waker([&stream, &wakes] {
    ++wakes;
    stream.set_waker(nullptr);
  });
  stream.wake();
  stream.wake();
  CHECK(wakes == 1);
}

TEST_CASE("CommandStream: no write is left unsent, whatever the threads' timing") {
  constexpr int commands_each = 20'000;
  CommandStream stream{some_id, mebibyte};
  std::atomic<int> pending{0};
  std::atomic<int> claimed{0};
  stream.set_waker([&pending] { ++pending; });

  std::vector<std::thread> writers;
  for (int writer = 0; writer < 2; ++writer) {
    writers.emplace_back([&stream, &claimed] {
      for (int i = 0; i < commands_each; ++i) {
        append(stream, 0, Words{"DEL", "k"});
        if (!stream.claim_wake()) continue;
        ++claimed;
        stream.wake();
      }
    });
  }
  // The sender: runs only when woken, exactly once for each wake.
  StreamCursor cursor = cursor_at(stream, 1);
  std::vector<SharedBytes> out;
  const Offset all{23 + 2 * commands_each * std::uint64_t{20}};
  int runs = 0;
  const auto run_when_woken = [&] {
    if (pending.load() == 0) return false;
    --pending;
    ++runs;
    stream.sleep_from_now();
    out.clear();
    while (stream.read(cursor, 1 << 20, out) > 0) out.clear();
    return true;
  };
  while (stream.end() < all) {
    if (!run_when_woken()) std::this_thread::yield();
  }
  for (auto& thread : writers) thread.join();
  while (run_when_woken()) {
  }
  CHECK(cursor.offset() == all);
  CHECK(runs == claimed.load());
}
