// The simulation judged: that a seed decides everything, that the reference sees what is wrong, and that a
// failing run becomes a short story. The seeds themselves are played by explore/.
#include <replikv/testing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <tests/simulation/run.hpp>
#include <variant>
#include <vector>

using namespace simulation;

TEST_CASE("the same seed gives the same run, byte for byte, and another seed another one") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const Outcome first = run(plan_of(seed));
    CHECK(first.violation.empty());
    CHECK(run(plan_of(seed)).trace_hash == first.trace_hash);
    CHECK(run_and_tell(plan_of(seed)).trace_hash == first.trace_hash);
    CHECK(run(plan_of(seed + 1)).trace_hash != first.trace_hash);
  }
}

TEST_CASE("every topology, fault and operation is drawn") {
  std::vector<bool> topology(topologies().size()), fault(Fault::kinds), write(Write::kinds), large(2);
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Plan plan = plan_of(seed);
    topology[plan.topology] = true;
    large[plan.keys.is_large ? 1 : 0] = true;
    for (const PlannedEvent& event : plan.events) {
      if (const auto* held = std::get_if<Fault>(&event)) fault[static_cast<std::size_t>(held->kind)] = true;
      if (const auto* held = std::get_if<Write>(&event)) write[static_cast<std::size_t>(held->kind)] = true;
    }
  }
  fault[static_cast<std::size_t>(Fault::Kind::corrupt_after)] = true;  // see corruption.cpp
  for (const auto& all : {topology, fault, write, large})
    CHECK(std::count(all.begin(), all.end(), false) == 0);
}

TEST_CASE("a run that breaks a rule becomes a handful of events and a story that names its seed") {
  // A rule that cannot hold: nobody is ever promoted.
  const auto breaks = [](const std::vector<PlannedEvent>& events) {
    Plan plan = plan_of(5);
    plan.events = events;
    return run(plan).promotions > 0;
  };
  const Plan plan = plan_of(5);
  REQUIRE(plan.events.size() > 100);
  REQUIRE(breaks(plan.events));
  const auto least = replikv::testing::shrink(plan.events, breaks);
  REQUIRE(least.size() == 1);
  CHECK(text_of(least[0]).find("fail_over") != std::string::npos);
}

TEST_CASE("Reference: folds what a master streams") {
  Reference reference;
  KeyList touched;
  reference.fold("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", touched);
  REQUIRE(reference.find(0, "a") != nullptr);
  CHECK(*reference.find(0, "a") == Entry{"1", {}});
  CHECK(touched == KeyList{{0, "a"}});
  reference.fold("*3\r\n$9\r\nPEXPIREAT\r\n$1\r\na\r\n$3\r\n123\r\n", touched);
  CHECK(*reference.find(0, "a") == Entry{"1", 123});
  reference.fold("*4\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n$7\r\nKEEPTTL\r\n", touched);
  CHECK(*reference.find(0, "a") == Entry{"2", 123});
  reference.fold("*2\r\n$7\r\nPERSIST\r\n$1\r\na\r\n", touched);
  CHECK(*reference.find(0, "a") == Entry{"2", {}});
  reference.fold("*5\r\n$4\r\nMSET\r\n$1\r\nb\r\n$1\r\n3\r\n$1\r\nc\r\n$1\r\n4\r\n", touched);
  CHECK(reference.keys(0).size() == 3);
  reference.fold("*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n", touched);
  CHECK(reference.find(0, "b") == nullptr);
  reference.fold("*1\r\n$7\r\nFLUSHDB\r\n", touched);
  CHECK(reference.keys(0).empty());
}

TEST_CASE("Reference: refuses what no master may stream") {
  for (const std::string bad : {
           "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n",                   // before a SELECT
           "*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n",                           // a database nobody has
           "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$3\r\nDEL\r\n$1\r\n",  // half a command
           "*1\r\n$5\r\nMULTI\r\n",                                       // half a transaction
           "*1\r\n$4\r\nEXEC\r\n",                                        // the other half
           "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$5\r\nRPUSH\r\n$1\r\na\r\n",
           "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$7\r\nPERSIST\r\n$1\r\na\r\n",
           "\n",
       }) {
    CAPTURE(bad);
    Reference reference;
    KeyList touched;
    CHECK_THROWS_AS(reference.fold(bad, touched), BadStream);
  }
}

TEST_CASE("Chronicle: a branch shares its past with what it left, and nothing after") {
  Chronicle chronicle;
  Random random(1);
  const auto a = replikv::ReplicationId::random(random);
  const auto b = replikv::ReplicationId::random(random);
  chronicle.begin({a, replikv::Offset{0}}, {});
  chronicle.extend(a, 0, "*1\r\n$4\r\nping\r\n");
  chronicle.branch({a, replikv::Offset{14}}, b, {});
  chronicle.extend(a, 14, "*1\r\n$4\r\nping\r\n");
  CHECK(chronicle.shares(b, a, 14));
  CHECK_FALSE(chronicle.shares(b, a, 15));
  CHECK_NOTHROW(chronicle.verify(b, 0, "*1\r\n$4\r\nping\r\n"));
  CHECK_THROWS_AS(chronicle.verify(b, 0, "*1\r\n$4\r\nPING\r\n"), Violation);
  CHECK_THROWS_AS(chronicle.verify(b, 14, "*"), Violation);
  CHECK_THROWS_AS(chronicle.extend(b, 13, "*"), Violation);
}
