// Writes to several databases at once: what is refused, beside a snapshot, and without memory.
#include <replikv/replication/detail/whole_databases.hpp>
#include <replikv/replikv.hpp>
#include <replikv/server.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tests/failing_allocation.hpp>

namespace {

using Strings = replikv::Store<std::string, std::string>;
using Numbers = replikv::Store<std::string, std::uint64_t>;

TEST_CASE("stores of different types are not swapped, and what does not fit is not moved") {
  Strings texts;
  Numbers numbers;
  replikv::Node node(texts, numbers);
  const auto inner = replikv::detail::NodeAccess::node(node);
  texts.set("a", "no number");
  texts.set("b", "12");
  const auto before = node.position();
  CHECK_THROWS_AS(replikv::detail::swap_databases(*inner, 0, 0, 1), replikv::Error);
  CHECK_THROWS_AS(replikv::detail::move_key(*inner, 0, 1, "a", texts.now()), replikv::Error);
  CHECK(node.position().offset == before.offset);
  CHECK(texts.get("a") == "no number");
  CHECK(numbers.empty());
  CHECK(replikv::detail::move_key(*inner, 0, 1, "b", texts.now()));
  CHECK_FALSE(texts.contains("b"));
}

TEST_CASE("a replica's databases are not swapped, cleared or moved from") {
  Strings first, second;
  first.set("a", "1");
  replikv::Node node(first, second);
  replikv::InProcessTransport nowhere;
  node.replicate_from(nowhere, "nobody");
  const auto inner = replikv::detail::NodeAccess::node(node);
  const std::string_view flush = "FLUSHALL";
  CHECK_THROWS_AS(replikv::detail::swap_databases(*inner, 0, 0, 1), replikv::Error);
  CHECK_THROWS_AS(replikv::detail::clear_databases(*inner, 0, {&flush, 1}), replikv::Error);
  CHECK_THROWS_AS(replikv::detail::move_key(*inner, 0, 1, "a", first.now()), replikv::Error);
  CHECK(first.get("a") == "1");
  CHECK(second.empty());
}

TEST_CASE("a snapshot under way shows what there was before databases were swapped and cleared") {
  Strings first, second;
  for (int i = 0; i < 1'000; ++i) first.set(std::to_string(i), "first");
  replikv::Node node(first, second);
  const auto inner = replikv::detail::NodeAccess::node(node);
  const auto keys_in = [](replikv::detail::DatabaseSnapshot& snapshot) {
    std::string bytes;
    while (snapshot.next(bytes)) {
    }
    return snapshot.keys();
  };
  std::unique_ptr<replikv::detail::DatabaseSnapshot> of_first, of_second;
  {
    const replikv::detail::LockedDatabases locked(inner->databases);
    of_first = inner->databases[0]->begin_snapshot();
    of_second = inner->databases[1]->begin_snapshot();
  }
  CHECK(replikv::detail::move_key(*inner, 0, 1, "7", first.now()));
  replikv::detail::swap_databases(*inner, 0, 0, 1);
  const std::string_view flush = "FLUSHALL";
  replikv::detail::clear_databases(*inner, 0, {&flush, 1});
  CHECK(first.empty());
  CHECK(second.empty());
  CHECK(keys_in(*of_first) == 1'000);
  CHECK(keys_in(*of_second) == 0);
}

/// So large that the stream needs memory for it.
const std::string large_key(200'000, 'k');

/// Runs `operation` on a node with a snapshot under way, with ever more memory, until it gets through. What
/// failed has changed nothing and streamed nothing.
template <class Operation>
int fail_each_allocation(Operation&& operation) {
  for (int failures = 0;; ++failures) {
    Strings first, second;
    replikv::Node node(first, second);
    second.set("other", "v");
    for (int i = 0; i < 50; ++i)
      first.set("a key that is too long for a small string " + std::to_string(i), "v");
    first.set(large_key, "v");
    const auto inner = replikv::detail::NodeAccess::node(node);
    std::unique_ptr<replikv::detail::DatabaseSnapshot> snapshots[2];
    {
      const replikv::detail::LockedDatabases locked(inner->databases);
      for (std::size_t i = 0; i < 2; ++i) snapshots[i] = inner->databases[i]->begin_snapshot();
    }
    const auto before = node.position();
    bool is_done = true;
    failing_allocation::fail_after(static_cast<std::size_t>(failures));
    try {
      operation(*inner);
    } catch (const std::bad_alloc&) {
      is_done = false;
    }
    failing_allocation::stop();
    CAPTURE(failures);
    if (is_done) {
      CHECK(node.position().offset > before.offset);
      return failures;
    }
    REQUIRE(node.position().offset == before.offset);
    REQUIRE(first.size() == 51);
    REQUIRE(first.contains(large_key));
    REQUIRE(second.size() == 1);
    REQUIRE(failures < 1'000);
  }
}

TEST_CASE("without memory a write to several databases does nothing, in the stores and in the stream" *
          doctest::skip(!failing_allocation::is_possible)) {
  CHECK(fail_each_allocation([](replikv::detail::Node& node) {
          const replikv::WallTime now{std::chrono::milliseconds(1)};
          static_cast<void>(replikv::detail::move_key(node, 0, 1, large_key, now));
        }) > 2);
  const std::string_view flush[] = {"FLUSHALL", std::string_view("ASYNC")};
  CHECK(fail_each_allocation(
            [&flush](replikv::detail::Node& node) { replikv::detail::clear_databases(node, 0, flush); }) > 2);
  fail_each_allocation([](replikv::detail::Node& node) { replikv::detail::swap_databases(node, 0, 0, 1); });
}

}  // namespace
