// Masters and replicas over real sockets and real threads: the simulator's scenarios, told the truth.
#include <replikv/replication/master.hpp>
#include <replikv/replication/replica.hpp>
#include <replikv/transport/asio_tcp.hpp>
#include <replikv/transport/asio_unix.hpp>
#include <replikv/transport/in_process.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <tests/replication/cluster.hpp>
#include <tests/temporary_directory.hpp>
#include <thread>

using namespace cluster;

TEST_CASE("one master serves replicas over TCP, a Unix socket and in process at once") {
  TcpTransport tcp;
  UnixTransport local;
  InProcessTransport here{Delivery::background};
  const replikv_tests::TemporaryDirectory directory;
  const std::string path = directory / "socket";
  Strings store;
  for (int i = 0; i < 20'000; ++i) store.set(std::to_string(i), std::string(64, 'v'));
  ReplicationMaster master{store};
  const std::string tcp_address = master.listen(tcp, "127.0.0.1:0");
  master.listen(local, path);
  master.listen(here, "main");

  Strings over_tcp;
  Strings over_unix;
  Strings inside;
  ReplicationReplica tcp_replica{over_tcp};
  ReplicationReplica unix_replica{over_unix};
  ReplicationReplica inside_replica{inside};
  tcp_replica.follow(tcp, tcp_address);
  unix_replica.follow(local, path);
  inside_replica.follow(here, "main");

  std::vector<std::thread> writers;
  for (int writer = 0; writer < 3; ++writer) {
    writers.emplace_back([&store, writer] {
      for (int i = 0; i < 5'000; ++i) {
        store.set(std::to_string(writer) + ":" + std::to_string(i), "new");
        store.increment("total", 1);
        if (i % 10 == 0) store.erase(std::to_string(i));
      }
    });
  }
  for (auto& writer : writers) writer.join();
  const auto last = store.set("last", "1");
  for (auto* replica : {&tcp_replica, &unix_replica, &inside_replica}) replica->wait_for(last, 60s);
  CHECK(master.wait(3, 60s) == 3);
  CHECK(store.get("total") == "15000");
  const auto expected = contents(store);
  CHECK(contents(over_tcp) == expected);
  CHECK(contents(over_unix) == expected);
  CHECK(contents(inside) == expected);
  CHECK(tcp_replica.info().full_resyncs == 1);
  const auto info = master.info();
  REQUIRE(info.replicas.size() == 3);
  CHECK(info.replicas[0].state == ReplicaState::online);
}

TEST_CASE("a replica that starts before its master connects when the master is there") {
  TcpTransport tcp;
  Strings copy;
  std::string address;
  {
    Strings placeholder;
    ReplicationMaster soon_gone{placeholder};
    address = soon_gone.listen(tcp, "127.0.0.1:0");
  }
  ReplicationReplica replica{copy, {.reconnect_delay_min = 5ms, .reconnect_delay_max = 20ms}};
  replica.follow(tcp, address);
  Strings store;
  store.set("a", "1");
  ReplicationMaster master{store};
  master.listen(tcp, address);
  replica.wait_for(master.position(), 60s);
  CHECK(copy.get("a") == "1");
}

TEST_CASE("roles can be created, promoted and destroyed while writers and readers go on") {
  TcpTransport tcp;
  Strings store;
  Strings copy;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      std::error_code refused;
      (void)store.set("key:" + std::to_string(i % 500), std::to_string(i), refused);
    }
  });
  std::thread reader([&] {
    while (!stop) (void)copy.get("key:7");
  });
  for (int round = 0; round < 20; ++round) {
    ReplicationMaster master{store};
    const std::string address = master.listen(tcp, "127.0.0.1:0");
    ReplicationReplica replica{copy};
    replica.follow(tcp, address);
    replica.wait_for(store.set("round", std::to_string(round)), 60s);
    CHECK(copy.get("round") == std::to_string(round));
    if (round % 2 == 0) {
      auto promoted = std::move(replica).promote();
      copy.set("promoted", "1");
      CHECK(promoted.info().role == Role::master);
    }
  }
  stop = true;
  writer.join();
  reader.join();
}

TEST_CASE("a wait for replicas that do not come ends with how many there are") {
  TcpTransport tcp;
  Strings store;
  ReplicationMaster master{store};
  const std::string address = master.listen(tcp, "127.0.0.1:0");
  Strings copy;
  ReplicationReplica replica{copy};
  replica.follow(tcp, address);
  replica.wait_for(store.set("a", "1"), 60s);
  CHECK(master.wait(1, 60s) == 1);
  CHECK(master.wait(2, 20ms) == 1);
}
