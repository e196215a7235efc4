// A unit test of application code that lives on replicated state: a stock of goods, written where they are
// counted and read where they are sold. No sockets, no sleeps, no threads.
#include <replikv/replikv.hpp>
#include <replikv/testing.hpp>

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;

// ---- The application: it knows stores, and nothing of replication ---------------------------------

using Stock = replikv::Store<std::string, std::int64_t>;

class Inventory {
 public:
  explicit Inventory(Stock& stock) : stock_(stock) {}

  [[nodiscard]] std::int64_t available(std::string_view item) const { return stock_.get(item).value_or(0); }

  void deliver(std::string_view item, std::int64_t count) { stock_.increment(item, count); }

  /// Takes goods off the shelf; false, and nothing is taken, when there are too few or this is no master.
  [[nodiscard]] bool take(std::string_view item, std::int64_t count) {
    bool enough = false;
    std::error_code error;
    stock_.update(
        item,
        [&](std::optional<std::int64_t>& left) {
          enough = left.value_or(0) >= count;
          if (enough) *left -= count;
        },
        error);
    return enough && !error;
  }

 private:
  Stock& stock_;
};

// ---- Its tests --------------------------------------------------------------------------------------

// In-process links deliver inside the writer's call: what is written is there to be read on the next line.
struct Shop {
  replikv::InProcessTransport here;
  Stock warehouse_stock, counter_stock;
  replikv::ReplicationMaster master{warehouse_stock};
  std::optional<replikv::ReplicationReplica> replica{counter_stock};
  Inventory warehouse{warehouse_stock};
  Inventory counter{counter_stock};

  Shop() {
    master.listen(here, "warehouse");
    replica->follow(here, "warehouse");
  }
};

TEST_CASE_FIXTURE(Shop, "the counter sees what the warehouse delivered and took") {
  warehouse.deliver("tea", 10);
  CHECK(counter.available("tea") == 10);
  CHECK(warehouse.take("tea", 3));
  CHECK(counter.available("tea") == 7);
  CHECK_FALSE(warehouse.take("tea", 8));
  CHECK(counter.available("tea") == 7);
}

TEST_CASE_FIXTURE(Shop, "the counter cannot take goods behind the warehouse's back") {
  warehouse.deliver("tea", 10);
  CHECK_FALSE(counter.take("tea", 1));
  CHECK(warehouse.available("tea") == 10);
}

TEST_CASE_FIXTURE(Shop, "when the warehouse burns down, the counter goes on alone") {
  warehouse.deliver("tea", 10);
  const replikv::ReplicationMaster promoted = std::move(*replica).promote();
  CHECK(counter.take("tea", 4));
  CHECK(counter.available("tea") == 6);
}

// A simulated network has its own time, which passes only when it is told to, and faults on demand.
TEST_CASE("a branch whose line is cut sells from old figures, and catches up by itself") {
  replikv::SimulatedTransport network{/*seed=*/1};
  const replikv::Clock clock{network.wall_clock()};
  Stock warehouse_stock{clock}, branch_stock{clock};
  replikv::ReplicationMaster master{warehouse_stock};
  replikv::ReplicationReplica replica{branch_stock};
  Inventory warehouse{warehouse_stock}, branch{branch_stock};
  const auto in_step = [&] { return replica.position() == master.position(); };

  master.listen(network, "warehouse");
  replica.follow(network, "warehouse");
  warehouse.deliver("tea", 10);
  REQUIRE(network.run_until(in_step, 10s));
  CHECK(branch.available("tea") == 10);

  network.refuse("warehouse");  // a line that is down for two minutes
  network.cut("warehouse");
  REQUIRE(warehouse.take("tea", 9));
  network.run_for(2min);
  CHECK(branch.available("tea") == 10);

  network.refuse("warehouse", false);
  REQUIRE(network.run_until(in_step, 10s));
  CHECK(branch.available("tea") == 1);
  CHECK(replica.info().full_resyncs == 1);  // the first one; the rest of the history was enough
  CHECK(replica.info().partial_resyncs == 1);
}

TEST_CASE("an offer ends everywhere when its time is over") {
  replikv::SimulatedTransport network{/*seed=*/2};
  const replikv::Clock clock{network.wall_clock()};
  replikv::Store<std::string, double> prices{clock}, shown{clock};
  replikv::ReplicationMaster master{prices};
  replikv::ReplicationReplica replica{shown};
  master.listen(network, "office");
  replica.follow(network, "office");

  prices.set("tea", 2.5, 24h);
  network.run_for(23h);
  CHECK(shown.get("tea") == 2.5);
  network.run_for(1h);
  CHECK_FALSE(shown.contains("tea"));
}
