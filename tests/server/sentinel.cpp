// Three sentinels of Redis over groups of our nodes and redis-servers: who is promoted, what the others do,
// and which writes outlive it.
#include <replikv/core/random.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <tests/interop/eventually.hpp>
#include <tests/interop/load.hpp>
#include <tests/server/node_program.hpp>
#include <tests/server/sentinel_group.hpp>
#include <vector>

namespace {

using interop::eventually;
using interop::RedisClient;
using served::ConfiguredServer;
using served::info_field;
using served::node_program;
using served::Programs;
using served::SentinelGroup;
using served::side_by_side;

const std::string redis_program = "redis-server";

bool has_key(const ConfiguredServer& server, const std::string& key, const std::string& value) {
  return eventually([&] {
    try {
      return server.client().command("GET", key).text == value;
    } catch (const std::exception&) {
      return false;
    }
  });
}

void fail_over_and_return(const Programs& programs) {
  SentinelGroup group(programs);
  INFO(group.logs());
  auto master = group.node(0).client();
  CHECK(master.command("SET", "before", "1").text == "OK");
  REQUIRE(master.command("WAIT", "2", "60000").number == 2);

  group.node(0).kill();
  const std::size_t next = group.master_after(0);
  REQUIRE(next < programs.size());
  const std::size_t other = SentinelGroup::third(0, next);
  REQUIRE(group.follows(other, next));
  auto promoted = group.node(next).client();
  CHECK(info_field(promoted, "replication", "role") == "master");
  CHECK(promoted.command("GET", "before").text == "1");  // what WAIT confirmed is there
  CHECK(promoted.command("SET", "after", "2").text == "OK");
  CHECK(has_key(group.node(other), "after", "2"));
  CHECK(info_field(promoted, "stats", "sync_full") == "0");
  CHECK(info_field(promoted, "stats", "sync_partial_ok") == "1");

  group.node(0).start();
  REQUIRE(group.follows(0, next));
  CHECK(has_key(group.node(0), "after", "2"));
  const std::string follows_it = "replicaof 127.0.0.1 " + std::to_string(group.node(next).port());
  CHECK(eventually(
      [&] { return served::contents_of(group.node(0).file()).find(follows_it) != std::string::npos; }));
}

TEST_CASE("sentinels promote a replica when the master dies, and convert it when it is back") {
  side_by_side({{node_program(), node_program(), node_program()},
                {redis_program, node_program(), node_program()},
                {node_program(), redis_program, redis_program}},
               fail_over_and_return);
}

TEST_CASE("a node of priority 0 is never promoted, and a failover can be asked for") {
  served::GroupOptions options;
  options.first_replica_has = "replica-priority 0\n";
  SentinelGroup group({node_program(), node_program(), node_program()}, options);
  INFO(group.logs());
  auto old_master = group.node(0).client();
  CHECK(old_master.command("SET", "before", "1").text == "OK");
  REQUIRE(old_master.command("WAIT", "2", "60000").number == 2);

  CHECK(
      eventually([&] { return group.sentinel().command("SENTINEL", "FAILOVER", "mymaster").text == "OK"; }));
  REQUIRE(group.master_after(0) == 2);
  REQUIRE(group.follows(1, 2));
  REQUIRE(group.follows(0, 2));
  auto promoted = group.node(2).client();
  CHECK(promoted.command("SET", "after", "2").text == "OK");
  REQUIRE(promoted.command("WAIT", "2", "60000").number == 2);
  // By a partial resync or not: the old master has streamed on what the sentinels told each other through it.
  for (std::size_t i = 0; i < group.size(); ++i) {
    CHECK(group.node(i).client().command("GET", "before").text == "1");
    CHECK(group.node(i).client().command("GET", "after").text == "2");
  }
}

// ---- A master that is alive, and alone ----------------------------------------------------------------

/// True when a client of the old master, which no replica hears, is soon told that its writes are not taken.
bool stops_taking_writes(RedisClient& client, std::chrono::steady_clock::duration limit) {
  return eventually(
      [&] { return client.command("SET", "unconfirmed", "lost").text.starts_with("NOREPLICAS"); }, limit);
}

void isolate_and_heal(const Programs& programs) {
  served::GroupOptions options;
  options.all_have = "min-replicas-to-write 1\nmin-replicas-max-lag 2\n";
  options.master_can_be_alone = true;
  SentinelGroup group(programs, options);
  INFO(group.logs());
  auto old_master = group.node(0).client();
  REQUIRE(eventually([&] { return old_master.command("SET", "confirmed", "kept").text == "OK"; }));
  REQUIRE(old_master.command("WAIT", "2", "60000").number == 2);

  group.isolate_first_master(true);
  CHECK(old_master.command("SET", "unconfirmed", "lost").text == "OK");  // who is late is not yet missed
  CHECK(old_master.command("WAIT", "1", "1").number == 0);
  CHECK(stops_taking_writes(old_master, std::chrono::seconds(2 + 8)));  // the lag and a busy machine
  const std::size_t next = group.master_after(0);
  REQUIRE(next < programs.size());
  const std::size_t other = SentinelGroup::third(0, next);
  REQUIRE(group.follows(other, next));
  auto promoted = group.node(next).client();
  // More than the old master has written in vain: where it stands is within the new one's backlog.
  const std::string much(100'000, 'n');
  CHECK(eventually([&] { return promoted.command("SET", "after", much).text == "OK"; }));
  CHECK(promoted.command("WAIT", "1", "60000").number == 1);
  CHECK(old_master.command("SET", "unconfirmed", "lost").text.starts_with("NOREPLICAS"));
  CHECK(info_field(old_master, "replication", "role") == "master");
  CHECK(old_master.command("GET", "unconfirmed").text == "lost");

  group.isolate_first_master(false);
  REQUIRE(group.follows(0, next));
  CHECK(promoted.command("WAIT", "2", "60000").number == 2);
  for (std::size_t i = 0; i < group.size(); ++i) {
    auto client = group.node(i).client();
    CHECK(client.command("GET", "confirmed").text == "kept");
    CHECK(client.command("GET", "after").text.size() == much.size());
    CHECK(client.command("GET", "unconfirmed").is_nil());
  }
  CHECK(group.node(0).client().command("SET", "unconfirmed", "lost").text.starts_with("READONLY"));
}

TEST_CASE("an isolated master takes no writes that nobody will have, and gives up those that it took") {
  side_by_side({{node_program(), node_program(), node_program()},  //
                {node_program(), redis_program, node_program()}},
               isolate_and_heal);
}

// ---- Writes that WAIT has confirmed -------------------------------------------------------------------

/// Writes one key after another to whom the sentinels name, and keeps those that every replica has.
class ConfirmedWrites {
 public:
  explicit ConfirmedWrites(const SentinelGroup& group) : group_(group), load_([this] { return step(); }) {}

  /// Waits until so many more are made, confirmed or not.
  [[nodiscard]] bool tries(std::uint64_t more) const { return load_.makes(more); }
  /// Waits until so many more are confirmed.
  [[nodiscard]] bool makes(std::uint64_t more) const {
    const std::size_t goal = confirmed().size() + more;
    return eventually([&] { return confirmed().size() >= goal; });
  }
  void stop() { load_.stop(); }

  [[nodiscard]] std::vector<std::uint64_t> confirmed() const {
    const std::lock_guard lock(mutex_);
    return confirmed_;
  }

 private:
  std::size_t step() {
    if (!client_ && !eventually([this] { return reaches_master(); })) throw std::runtime_error("no master");
    try {
      const std::uint64_t number = ++last_;
      if (client_->command("SET", number, number).text != "OK") throw std::runtime_error("not the master");
      const bool is_confirmed = client_->command("WAIT", 2, 100).number == 2;
      const std::lock_guard lock(mutex_);
      if (is_confirmed) confirmed_.push_back(number);
      return 1;
    } catch (const std::exception&) {  // it died
      client_.reset();
      return 0;
    }
  }

  bool reaches_master() {
    try {
      client_.emplace(group_.client_of_master());
      if (info_field(*client_, "replication", "role") == "master") return true;
    } catch (const std::exception&) {  // it is not there, or no more
    }
    client_.reset();
    return false;
  }

  const SentinelGroup& group_;
  std::optional<RedisClient> client_;
  std::uint64_t last_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> confirmed_;
  interop::Load load_;  // the last: it uses the others
};

/// How many of the writes a node does not have.
std::size_t lost(const ConfiguredServer& server, const std::vector<std::uint64_t>& writes) {
  auto client = server.client();
  for (const std::uint64_t number : writes) client.add("GET", number);
  const auto replies = client.flush();
  std::size_t count = 0;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (replies[i].text != std::to_string(writes[i])) ++count;
  }
  return count;
}

void keep_confirmed_writes(const Programs& programs) {
  const std::uint64_t seed = interop::chosen_seed();
  CAPTURE(seed);
  replikv::Random random(seed);
  served::GroupOptions options;
  options.master_can_be_alone = true;
  SentinelGroup group(programs, options);
  INFO(group.logs());
  ConfirmedWrites writes(group);
  std::size_t master = 0;
  for (int failover = 0; failover < 3; ++failover) {
    CAPTURE(failover);
    REQUIRE(writes.makes(50 + random.below(500)));
    if (failover == 0) {  // as when a machine dies: what it has sent last does not arrive
      group.isolate_first_master(true);
      REQUIRE(writes.tries(3));
    }
    group.node(master).kill();
    const std::size_t next = group.master_after(master);
    REQUIRE(next < programs.size());
    CHECK(lost(group.node(next), writes.confirmed()) == 0);
    REQUIRE(group.follows(SentinelGroup::third(master, next), next));
    if (failover == 0) group.isolate_first_master(false);
    group.node(master).start();
    REQUIRE(group.follows(master, next));
    master = next;
  }
  REQUIRE(writes.makes(50));
  writes.stop();
  for (std::size_t i = 0; i < group.size(); ++i) CHECK(lost(group.node(i), writes.confirmed()) == 0);
}

TEST_CASE("no write that WAIT has confirmed on every replica is lost, whenever the master dies") {
  side_by_side({{node_program(), node_program(), node_program()},  //
                {redis_program, node_program(), node_program()}},
               keep_confirmed_writes);
}

}  // namespace
