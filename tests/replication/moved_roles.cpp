// Role objects that were moved, demoted or promoted away: they answer, in either form of a call, that they
// have no role, and what they were lives on in the other object.
#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/in_process.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <system_error>
#include <tests/replication/cluster.hpp>
#include <utility>

using namespace cluster;

TEST_CASE("a role that was moved away refuses every call in both of its forms") {
  InProcessTransport here;
  Strings store;
  Strings copy;
  ReplicationMaster master{store};
  ReplicationReplica replica{copy};
  const Token written = store.set("k", "v");
  const ReplicationMaster kept_master = std::move(master);
  const ReplicationReplica kept_replica = std::move(replica);

  std::error_code error;
  CHECK(master.listen(here, "master", error).empty());
  CHECK(error == Errc::no_role);
  error.clear();
  CHECK(replica.listen(here, "replica", error).empty());
  CHECK(error == Errc::no_role);
  error.clear();
  replica.wait_for(written, 1ms, error);
  CHECK(error == Errc::no_role);

  CHECK_THROWS_AS(master.listen(here, "master"), Error);
  CHECK_THROWS_AS(replica.listen(here, "replica"), Error);
  CHECK_THROWS_AS(replica.follow(here, "master"), Error);
  CHECK_THROWS_AS(replica.unfollow(), Error);
  CHECK_THROWS_AS(replica.wait_for(written, 1ms), Error);
  CHECK_THROWS_AS(replica.wait_for(written, 1ms, [](std::error_code) {}), Error);
  CHECK_THROWS_AS(static_cast<void>(master.wait(0, 1ms)), Error);
  CHECK_THROWS_AS(static_cast<void>(master.info()), Error);
  CHECK_THROWS_AS(static_cast<void>(replica.info()), Error);
  CHECK_THROWS_AS(static_cast<void>(master.position()), Error);
  CHECK_THROWS_AS(static_cast<void>(replica.position()), Error);
  CHECK_THROWS_AS(master.set_backlog_bytes(1), Error);
  CHECK_THROWS_AS(replica.set_backlog_bytes(1), Error);
  CHECK_THROWS_AS(static_cast<void>(std::move(master).demote()), Error);
  CHECK_THROWS_AS(static_cast<void>(std::move(replica).promote()), Error);
  CHECK(kept_master.info().role == Role::master);
  CHECK(kept_replica.info().role == Role::replica);
}

TEST_CASE("assigning a role ends the one that was there, and assigning it to itself nothing") {
  Strings first;
  Strings second;
  ReplicationMaster master{first};
  auto& same = master;
  master = std::move(same);
  CHECK(master.info().role == Role::master);
  CHECK_THROWS_AS(ReplicationReplica{first}, Error);

  master = ReplicationMaster{second};
  CHECK_NOTHROW(ReplicationReplica{first});
  CHECK_THROWS_AS(ReplicationReplica{second}, Error);
}

TEST_CASE("a promoted replica and a demoted master leave an object without a role behind") {
  Strings store;
  ReplicationMaster master{store};
  const std::string id = master.position().id.text();
  ReplicationReplica replica = std::move(master).demote();
  CHECK_THROWS_AS(static_cast<void>(master.info()), Error);
  CHECK(replica.info().role == Role::replica);
  CHECK_THROWS_AS(store.set("k", "v"), Error);
  const ReplicationMaster again = std::move(replica).promote();
  CHECK_THROWS_AS(static_cast<void>(replica.info()), Error);
  CHECK(again.info().role == Role::master);
  CHECK(again.position().id.text() != id);
  CHECK(store.set("k", "v").changed);
}
