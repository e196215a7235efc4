// Random clients at endpoints that fail, seed after seed.

#include <replikv/testing/seed.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <tests/simulation/clients.hpp>

using simulation::run_clients;

TEST_CASE("random clients are told what is true, whatever fails, and all nodes agree in the end") {
  std::uint64_t replies = 0;
  std::uint64_t promotions = 0;
  std::size_t confirmed = 0;
  replikv::testing::for_each_seed(1, 25, [&](std::uint64_t seed) {
    INFO("seed " << seed << "; REPLIKV_SEED=" << seed << " repeats it");
    const auto outcome = run_clients(seed);
    CHECK(outcome.violation == "");
    replies += outcome.replies;
    promotions += outcome.promotions;
    confirmed += outcome.confirmed;
  });
  MESSAGE(replies << " replies, " << promotions << " promotions, " << confirmed
                  << " writes that had to stay");
  if (replikv::testing::seed_of_environment()) return;
  CHECK(replies > 10'000);
  CHECK(promotions > 20);
  CHECK(confirmed > 100);
}

TEST_CASE("random clients do the same for the same seed, and something else for another") {
  const auto first = run_clients(1);
  CHECK(run_clients(1).trace_hash == first.trace_hash);
  CHECK(run_clients(2).trace_hash != first.trace_hash);
}
