// Who follows whom when a cluster begins.
#include <replikv/testing/cluster.hpp>
#include <replikv/testing/topology.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

using replikv::testing::Cluster;
using replikv::testing::Topology;
using Masters = std::vector<std::optional<std::size_t>>;

TEST_CASE("Topology: stars, chains and trees") {
  CHECK(Topology::star(0).masters == Masters{std::nullopt});
  CHECK(Topology::star(3).masters == Masters{std::nullopt, 0, 0, 0});
  CHECK(Topology::chain(3).masters == Masters{std::nullopt, 0, 1, 2});
  CHECK(Topology::tree(6, 2).masters == Masters{std::nullopt, 0, 0, 1, 1, 2, 2});
  CHECK(Topology::tree(6, 2).nodes() == 7);
}

TEST_CASE("Topology: a write reaches every node of every shape") {
  for (const Topology& topology : {Topology::star(0), Topology::star(5), Topology::chain(4),
                                   Topology::tree(6, 2), Topology{{std::nullopt, 0, 1, 1, 0, 4}}}) {
    Cluster<> cluster{{.topology = topology}};
    CHECK(cluster.size() == topology.nodes());
    cluster.master().set("a", "1");
    cluster.settle();
    CHECK(cluster.converged());
    for (std::size_t i = 1; i < cluster.size(); ++i) {
      CHECK(cluster.node(i).name() == "replica-" + std::to_string(i - 1));
      CHECK(cluster.node(i).followed() == &cluster.node(*topology.masters[i]));
      CHECK(cluster.node(i).get("a") == "1");
    }
  }
}
