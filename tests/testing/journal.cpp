// What a journal writes down, and how much of it is kept.
#include <replikv/core/error.hpp>
#include <replikv/testing/journal.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using namespace std::string_literals;
using replikv::TimePoint;
using replikv::Traffic;
using replikv::testing::Journal;
using replikv::testing::detail::quoted;
using replikv::testing::detail::words;

TEST_CASE("Journal: a line says when, who, and what") {
  const TimePoint start{};
  Journal journal(10, start);
  journal.note(start + 1500us, "replica-0", "goes on");
  CHECK(journal.text(10) == "    0.001500 s  replica-0  goes on\n");
}

TEST_CASE("Journal: traffic says which link, and shows its bytes") {
  const TimePoint start{};
  Journal journal(10, start);
  journal.note(Traffic{start, 3, "a", "b", Traffic::Kind::opened});
  journal.note(Traffic{start, 3, "a", "b", Traffic::Kind::bytes, replikv::as_bytes("+OK\r\n")});
  journal.note(Traffic{start, 3, "a", "b", Traffic::Kind::closed, {}, replikv::Errc::link_cut});
  const std::string at = "    0.000000 s  a -> b  link 3";
  CHECK(journal.text(10) == at + " opened\n" + at + R"(: 5 bytes "+OK\r\n")" + "\n" + at + ": " +
                                replikv::make_error_code(replikv::Errc::link_cut).message() + "\n");
}

TEST_CASE("Journal: keeps the last lines and counts the others") {
  Journal journal(3, {});
  for (const char* word : {"one", "two", "three", "four", "five"}) journal.note({}, "n", word);
  const std::string text = journal.text(2);
  CHECK(text.starts_with("  ... 3 lines before\n"));
  CHECK(text.find("three") == std::string::npos);
  CHECK(text.find("four") < text.find("five"));
  CHECK(journal.text(100).starts_with("  ... 2 lines before\n"));
}

TEST_CASE("Journal: without lines it is off") {
  Journal journal(0, {});
  CHECK_FALSE(journal.is_on());
  journal.note({}, "n", "word");
  journal.note(Traffic{{}, 3, "a", "b", Traffic::Kind::opened});
  CHECK(journal.text(10).empty());
}

TEST_CASE("Journal: bytes are quoted on one line, in printable ASCII, and cut off when they are many") {
  CHECK(quoted("plain") == R"("plain")");
  CHECK(quoted("a\r\n\"\\\0\xff"s) == R"("a\r\n\"\\\x00\xff")");
  CHECK(quoted("0123456789", 4) == R"("0123"...)");
  CHECK(quoted("0123", 4) == R"("0123")");
}

TEST_CASE("Journal: events in words") {
  using namespace replikv;
  CHECK(words(LinkUp{LinkSide::to_master, "m"}) == "link up to master m");
  CHECK(words(LinkDown{LinkSide::to_replica, "r", {Errc::link_cut, {}}})
            .starts_with("link down to replica r: "));
  CHECK(words(FullResyncStarted{LinkSide::to_master, "m", {}, {7}, "no history"}) ==
        "full resync begins with master m at 7: no history");
  CHECK(words(FullResyncProgress{10, 20, 3}) == "snapshot: 3 keys so far");
  CHECK(words(FullResyncDone{LinkSide::to_master, "m", {7}, 3}) == "full resync done with master m at 7");
  CHECK(words(FullResyncOutgrown{"r", 300, 200, FullResyncOutgrown::Limit::hard, {}, 1}) ==
        "full resync of replica r outgrown: 300 bytes written, 200 allowed");
  CHECK(words(PartialResync{LinkSide::to_replica, "r", {}, {9}}) == "partial resync with replica r at 9");
  CHECK(words(Promoted{{}, {9}}).starts_with("promoted, "));
  CHECK(words(Demoted{{}, {9}}).ends_with(" at 9"));
  CHECK(words(WritesRejected{2, Errc::read_only}) == "2 writes rejected");
  CHECK(words(SnapshotRefused{5, 1}) == "refused a snapshot of 1 keys");
  CHECK(words(Diverged{{3}, "not a number"}) == "diverged at 3: not a number");
}
