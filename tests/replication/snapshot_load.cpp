// A snapshot on its way in: what becomes of each of its items, and what cannot be kept.
#include <replikv/core/random.hpp>
#include <replikv/replication/detail/snapshot_load.hpp>
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using replikv::Errc;
using replikv::Failure;
using replikv::Unmirrored;
using replikv::detail::database_of;
using replikv::detail::SnapshotLoad;
namespace rdb = replikv::rdb;

namespace {

struct LoadFixture {
  replikv::Store<std::string, std::string> words;
  replikv::Store<std::string, std::uint32_t> numbers;
  std::vector<replikv::detail::Database*> databases{&database_of(words), &database_of(numbers)};
  replikv::Random random{3};
  replikv::ReplicationId id = replikv::ReplicationId::random(random);

  [[nodiscard]] SnapshotLoad load(Unmirrored policy = Unmirrored::count) {
    return {databases, policy, id, replikv::Offset{17}};
  }
  void adopt(SnapshotLoad& load) {
    for (auto* database : databases) database->lock();
    load.adopt_into(databases);
    for (auto* database : databases) database->unlock();
  }
};

/// The detail of the failure; empty: there was none.
std::string failure_of(SnapshotLoad& load, const rdb::Item& item, Errc code) {
  const std::optional<Failure> failure = load.take(item);
  if (!failure) return {};
  CHECK(failure->code == code);
  return failure->detail;
}

}  // namespace

TEST_CASE_FIXTURE(LoadFixture, "SnapshotLoad: entries go to the database selected last, the first at first") {
  words.set("old", "1");
  auto loading = load();
  for (const rdb::Item& item : std::vector<rdb::Item>{
           rdb::Entry{"a", "1", {}}, rdb::SelectDatabase{1}, rdb::ResizeDatabase{2, 1},
           rdb::Entry{"n", "7", {}}, rdb::Entry{"later", "8", std::int64_t{4'102'444'800'000}},
           rdb::SelectDatabase{0}, rdb::Entry{"b", "2", {}}, rdb::SkippedFunction{},
           rdb::SkippedModuleAuxiliary{}, rdb::End{true}}) {
    REQUIRE_FALSE(loading.take(item));
  }
  CHECK(loading.keys() == 4);
  CHECK(loading.unmirrored() == 0);
  CHECK(loading.id() == id);
  CHECK(loading.offset() == replikv::Offset{17});
  CHECK(words.contains("old"));  // nothing shows before it is adopted
  CHECK(numbers.empty());
  adopt(loading);
  CHECK_FALSE(words.contains("old"));
  CHECK(words.get("a") == "1");
  CHECK(words.get("b") == "2");
  CHECK(words.size() == 2);
  CHECK(numbers.get("n") == 7);
  CHECK(numbers.get("later") == 8);
  CHECK(numbers.ttl("later").left.has_value());
}

TEST_CASE_FIXTURE(LoadFixture,
                  "SnapshotLoad: what the stores cannot hold is counted, or fails where that was asked") {
  struct Case {
    rdb::Item item;
    std::uint64_t database;
    const char* detail;
  };
  const std::vector<Case> cases{
      {rdb::SkippedEntry{4, "hash", {}}, 0, "the snapshot holds a value that is no string"},
      {rdb::Entry{"k", "v", {}}, 2, "the snapshot holds a key of database 2"},
      {rdb::Entry{"k", "v", {}}, UINT64_MAX, "the snapshot holds a key of database 18446744073709551615"},
      {rdb::Entry{"k", "no number", {}}, 1, "the snapshot holds bytes that are no value of the store"},
  };
  auto counting = load(Unmirrored::count);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    auto failing = load(Unmirrored::fail);
    for (SnapshotLoad* loading : {&counting, &failing}) {
      REQUIRE_FALSE(loading->take(rdb::SelectDatabase{cases[i].database}));
      REQUIRE_FALSE(loading->take(rdb::ResizeDatabase{UINT64_MAX, UINT64_MAX}));  // a hint is no reason
    }
    CHECK(failure_of(counting, cases[i].item, Errc::not_mirrored).empty());
    CHECK(counting.unmirrored() == i + 1);
    CHECK(failure_of(failing, cases[i].item, Errc::not_mirrored) == cases[i].detail);
  }
  CHECK(counting.keys() == 0);
  REQUIRE_FALSE(counting.take(rdb::SelectDatabase{1}));
  REQUIRE_FALSE(counting.take(rdb::Item(rdb::Entry{"k", "7", {}})));
  adopt(counting);
  CHECK(numbers.get("k") == 7);
}

TEST_CASE_FIXTURE(LoadFixture, "SnapshotLoad: a key that comes twice is damage, whatever is tolerated") {
  auto loading = load();
  REQUIRE_FALSE(loading.take(rdb::Item(rdb::Entry{"k", "1", {}})));
  CHECK(failure_of(loading, rdb::Entry{"k", "2", {}}, Errc::snapshot_corrupt) == "while loading a key");
}

TEST_CASE_FIXTURE(LoadFixture, "SnapshotLoad: of the facts only the stream's database matters") {
  struct Case {
    const char* key;
    const char* value;
    std::uint32_t database;
  };
  for (const Case& fact : {Case{"redis-ver", "7", 0}, Case{"repl-stream-db", "1", 1},
                           Case{"repl-stream-db", "-1", 0}, Case{"repl-stream-db", "x", 0}}) {
    CAPTURE(fact.value);
    auto loading = load();
    REQUIRE_FALSE(loading.take(rdb::Auxiliary{fact.key, fact.value}));
    CHECK(loading.stream_database() == fact.database);
  }
}
