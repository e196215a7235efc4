// Three sentinels of Redis over groups of our nodes and redis-servers: who is promoted, and what the others
// do.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/node_program.hpp>
#include <vector>

namespace {

using interop::eventually;
using interop::RedisClient;
using served::ConfiguredServer;
using served::info_field;
using served::node_program;

const std::string here = "127.0.0.1";
const std::string redis = "redis-server";

/// A master and its replicas under the eyes of three sentinels, which two must agree.
class Group {
 public:
  explicit Group(const std::vector<std::string>& programs, const std::string& first_replica_has = "") {
    for (std::size_t i = 0; i < programs.size(); ++i) {
      std::string configuration = "bind 127.0.0.1\nsave \"\"\nrepl-diskless-sync-delay 0\n";
      if (i > 0) configuration += "replicaof 127.0.0.1 " + std::to_string(nodes_[0]->port()) + "\n";
      if (i == 1) configuration += first_replica_has;
      nodes_.push_back(std::make_unique<ConfiguredServer>(programs[i], configuration));
    }
    for (std::size_t i = 1; i < nodes_.size(); ++i) REQUIRE(follows(i, 0));
    const std::string name = " mymaster ";
    for (int i = 0; i < 3; ++i) {
      sentinels_.push_back(std::make_unique<ConfiguredServer>(
          redis,
          "sentinel monitor" + name + here + " " + std::to_string(nodes_[0]->port()) + " 2\n" +
              "sentinel down-after-milliseconds" + name + "1500\nsentinel failover-timeout" + name +
              "20000\nsentinel parallel-syncs" + name + "1\n",
          std::vector<std::string>{"--sentinel"}));
    }
    REQUIRE(eventually([this] { return everybody_knows_everybody(); }));
  }

  [[nodiscard]] ConfiguredServer& node(std::size_t number) { return *nodes_[number]; }
  [[nodiscard]] RedisClient sentinel() const { return sentinels_[0]->client(); }

  [[nodiscard]] bool follows(std::size_t replica, std::size_t master) const {
    return eventually([&] {
      try {
        auto client = nodes_[replica]->client();
        return info_field(client, "replication", "master_port") == std::to_string(nodes_[master]->port()) &&
               info_field(client, "replication", "master_link_status") == "up";
      } catch (const std::exception&) {
        return false;
      }
    });
  }

  /// Which node all three sentinels name, once it is not `former` any more; past the last: none.
  [[nodiscard]] std::size_t master_after(std::size_t former) const {
    std::size_t found = nodes_.size();
    const bool is_elected = eventually([&] {
      std::vector<std::string> ports;
      for (const auto& sentinel : sentinels_) ports.push_back(master_port_of(*sentinel));
      if (ports[0] != ports[1] || ports[1] != ports[2]) return false;
      const auto place = std::find_if(nodes_.begin(), nodes_.end(), [&ports](const auto& node) {
        return std::to_string(node->port()) == ports[0];
      });
      found = static_cast<std::size_t>(place - nodes_.begin());
      return found != former && found != nodes_.size();
    });
    return is_elected ? found : nodes_.size();
  }

  [[nodiscard]] std::string logs() const {
    std::string all;
    for (const auto& node : nodes_) all += "--- node\n" + node->log();
    for (const auto& sentinel : sentinels_) all += "--- sentinel\n" + sentinel->log();
    return all;
  }

 private:
  [[nodiscard]] static std::string master_port_of(const ConfiguredServer& sentinel) {
    const auto reply = sentinel.client().command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster");
    return reply.items.size() == 2 ? reply.items[1].text : "";
  }

  [[nodiscard]] bool everybody_knows_everybody() const {
    return std::all_of(sentinels_.begin(), sentinels_.end(), [this](const auto& sentinel) {
      auto client = sentinel->client();
      return client.command("SENTINEL", "SENTINELS", "mymaster").items.size() == 2 &&
             client.command("SENTINEL", "REPLICAS", "mymaster").items.size() == nodes_.size() - 1 &&
             client.command("SENTINEL", "CKQUORUM", "mymaster").text.starts_with("OK");
    });
  }

  std::vector<std::unique_ptr<ConfiguredServer>> nodes_;
  std::vector<std::unique_ptr<ConfiguredServer>> sentinels_;
};

bool has(const ConfiguredServer& server, const std::string& key, const std::string& value) {
  return eventually([&] {
    try {
      return server.client().command("GET", key).text == value;
    } catch (const std::exception&) {
      return false;
    }
  });
}

void fail_over_and_return(const std::vector<std::string>& programs) {
  Group group(programs);
  auto master = group.node(0).client();
  CHECK(master.command("SET", "before", "1").text == "OK");
  REQUIRE(master.command("WAIT", "2", "60000").number == 2);

  group.node(0).kill();
  const std::size_t next = group.master_after(0);
  INFO(group.logs());
  REQUIRE(next < programs.size());
  const std::size_t other = next == 1 ? 2 : 1;
  REQUIRE(group.follows(other, next));
  auto promoted = group.node(next).client();
  CHECK(info_field(promoted, "replication", "role") == "master");
  CHECK(promoted.command("GET", "before").text == "1");  // what WAIT confirmed is there
  CHECK(promoted.command("SET", "after", "2").text == "OK");
  CHECK(has(group.node(other), "after", "2"));
  CHECK(info_field(promoted, "stats", "sync_full") == "0");
  CHECK(info_field(promoted, "stats", "sync_partial_ok") == "1");

  group.node(0).start();
  REQUIRE(group.follows(0, next));
  CHECK(has(group.node(0), "after", "2"));
  const std::string configuration = served::contents_of(group.node(0).file());
  CHECK(eventually([&] {
    return served::contents_of(group.node(0).file())
               .find("replicaof 127.0.0.1 " + std::to_string(group.node(next).port())) != std::string::npos;
  }));
}

TEST_CASE("sentinels promote one of our nodes when another of them dies") {
  fail_over_and_return({node_program(), node_program(), node_program()});
}

TEST_CASE("sentinels promote one of our nodes when a redis-server dies") {
  fail_over_and_return({redis, node_program(), node_program()});
}

TEST_CASE("redis-servers follow each other when our node, their master, dies") {
  fail_over_and_return({node_program(), redis, redis});
}

TEST_CASE("a node of priority 0 is never promoted, and a failover can be asked for") {
  Group group({node_program(), node_program(), node_program()}, "replica-priority 0\n");
  CHECK(
      eventually([&] { return group.sentinel().command("SENTINEL", "FAILOVER", "mymaster").text == "OK"; }));
  const std::size_t next = group.master_after(0);
  INFO(group.logs());
  REQUIRE(next == 2);
  CHECK(group.follows(1, 2));
  CHECK(group.follows(0, 2));
  auto promoted = group.node(2).client();
  CHECK(info_field(promoted, "stats", "sync_partial_ok") != "0");  // the old master may have written on
}

}  // namespace
