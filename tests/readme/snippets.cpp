// The README's guide, run from top to bottom. What stands between the snippets checks what the text says.
#include <replikv/asio.hpp>
#include <replikv/replikv.hpp>

using namespace std::chrono_literals;
using Strings = replikv::Store<std::string, std::string>;

#include <replikv/testing.hpp>
#include <replikv/testing/asio_network.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

struct Profile {
  std::string name;
  bool is_admin = false;
};

template <>
struct replikv::Codec<Profile> {
  static void encode(const Profile& profile, std::string& out) {
    out.append(profile.is_admin ? "+" : "-").append(profile.name);
  }
  static bool decode(std::string_view bytes, Profile& profile) {  // false: these are no profile's bytes
    if (!bytes.starts_with('+') && !bytes.starts_with('-')) return false;
    profile = {std::string(bytes.substr(1)), bytes.front() == '+'};
    return true;
  }
};

TEST_CASE("README: stores and codecs") {
  // clang-format off
  Strings store;
  store.set("session:7", "ada", 30min);                   // with an expiry
  store.set_if_absent("session:7", "bob");                // not changed: somebody is there
  store.increment("visits", 2);                           // a string that spells a number
  store.update("motto", [](std::optional<std::string>& motto) { motto = motto.value_or("") + "!"; });
  store.visit("motto", [](std::string_view motto) { std::cout << motto; });  // in place, no copy
  store.transaction({"visits", "motto"}, [](auto& all) {  // both or neither; locks these keys only
    all.increment("visits");
    all.erase("motto");
  });
  if (store.erase("visits")) std::cout << "it was there";
  // clang-format on
  CHECK(store.get("session:7") == "ada");
  CHECK(store.ttl("session:7").left.has_value());
  CHECK(store.size() == 1);
}

TEST_CASE("README: a memory limit") {
  // clang-format off
  Strings cache{{.max_memory = 512 << 20, .eviction = replikv::Eviction::allkeys_lru}};
  cache.limit_memory(256 << 20, replikv::Eviction::volatile_ttl);  // at any time
  std::cout << cache.memory_bytes() << " bytes, evicted: " << cache.evicted_keys() << '\n';
  // clang-format on
  CHECK(cache.max_memory() == 256 << 20);
  CHECK(cache.eviction() == replikv::Eviction::volatile_ttl);
}

TEST_CASE("README: master, replica, reading your own writes, promotion") {
  // clang-format off
  replikv::Store<std::string, Profile> profiles;
  replikv::Store<std::string, std::int64_t> counters;
  replikv::ReplicationOptions options;
  options.accepts = {{"replicator", "secret"}};        // who may follow; empty: everyone
  options.min_replicas_to_write = 0;                   // 1: refuse writes while nobody keeps up
  replikv::ReplicationMaster master{profiles, counters, options};

  replikv::TcpTransport network;                       // on a thread of its own, or on your io_context
  const std::string address = master.listen(network, "127.0.0.1:0");  // 0: any free port
  // clang-format on
  profiles.set("ada", {"Ada Lovelace", true});

  // clang-format off
  replikv::Store<std::string, Profile> profiles_copy;
  replikv::Store<std::string, std::int64_t> counters_copy;
  replikv::ReplicationOptions its_options;
  its_options.credentials = {"replicator", "secret"};
  replikv::ReplicationReplica replica{profiles_copy, counters_copy, its_options};
  replica.follow(network, address);
  // clang-format on
  replica.wait_for(master.position(), 60s);

  // clang-format off
  const auto written = counters.increment("visits");
  replica.wait_for(written, 5s);                              // throws Errc::timeout, or the copy holds it
  replica.wait_for(written, 5s, [](std::error_code) {});      // the same, without waiting here
  const unsigned confirmed = master.wait(1, 5s, written);     // Redis: WAIT
  // clang-format on
  CHECK(confirmed == 1);
  CHECK(counters_copy.get("visits") == 1);
  REQUIRE(profiles_copy.get("ada"));
  CHECK(profiles_copy.get("ada")->name == "Ada Lovelace");
  CHECK_THROWS_AS(counters_copy.increment("visits"), replikv::Error);

  // clang-format off
  replikv::ReplicationMaster promoted = std::move(replica).promote();
  promoted.listen(network, "127.0.0.1:0");
  counters_copy.increment("visits");                          // written here now
  replikv::ReplicationReplica demoted = std::move(master).demote();  // the other way round
  // clang-format on
  CHECK(counters_copy.get("visits") == 2);
  CHECK_THROWS_AS(counters.increment("visits"), replikv::Error);
}

TEST_CASE("README: following a real Redis, for which one of our masters stands in") {
  replikv::TcpTransport network;
  Strings store;
  replikv::ReplicationMaster master{store};
  const std::string redis_address = master.listen(network, "127.0.0.1:0");

  Strings copy;
  replikv::ReplicationReplica replica{copy};  // database 0; bind more stores for 1, 2 …
  replica.follow(network, redis_address);     // "redis.example.org:6379"

  replica.wait_for(store.set("name", "haicoder"), 60s);
  CHECK(copy.get("name") == "haicoder");
}

TEST_CASE("README: testing an application") {
  // clang-format off
  replikv::testing::Cluster<> cluster{{.replicas = 2, .seed = 42}};
  cluster.master().set("stock:7", "3");
  cluster.network().partition(cluster.replica(0));
  cluster.advance(5s);
  CHECK(cluster.replica(1).get("stock:7") == "3");
  CHECK_FALSE(cluster.replica(0).contains("stock:7"));
  cluster.network().heal();
  cluster.settle();                                   // until every link is up and every offset equal
  CHECK(cluster.converged());

  replikv::testing::Cluster<> on_sockets{{.network = replikv::testing::SocketNetwork::make}};
  // clang-format on
  on_sockets.master().set("stock:7", "3");
  on_sockets.settle();
  CHECK(on_sockets.replica(1).get("stock:7") == "3");
}

TEST_CASE("README: events") {
  replikv::ReplicationOptions options;
  options.observer = [](const replikv::Event& event) {
    if (const auto* down = std::get_if<replikv::LinkDown>(&event)) {
      std::clog << down->peer << ": " << down->why.message() << '\n';
    }
  };
  CHECK_NOTHROW(options.observer(replikv::LinkUp{replikv::LinkSide::to_master, "main"}));
}
