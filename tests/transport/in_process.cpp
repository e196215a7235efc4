// What only InProcessTransport does: who runs the callbacks, and that nothing is copied.
#include "contract.hpp"

#include <atomic>
#include <stdexcept>

using namespace replikv_tests;
using replikv::Delivery;
using replikv::InProcessTransport;

TEST_CASE("InProcessTransport: immediate delivery is done when deliver returns") {
  Immediate harness;
  auto engine = harness.engine();
  Linked link(harness);
  link.far->when_bytes = [](Peer& peer) { peer.send("pong"); };
  engine->post([&] { link.near->send("ping"); });
  CHECK(link.far->received.empty());
  engine->deliver();
  CHECK(link.far->received == "ping");
  CHECK(link.near->received == "pong");
}

TEST_CASE("InProcessTransport: a nested deliver returns at once and the outer one does the work") {
  Immediate harness;
  auto engine = harness.engine();
  std::string order;
  engine->post([&] {
    engine->post([&] { order += "c"; });
    order += "a";
    engine->deliver();
    CHECK(harness.transport->poll() == 0);
    order += "b";
  });
  engine->deliver();
  CHECK(order == "abc");
}

TEST_CASE("InProcessTransport: deliver waits for another thread's, so that what was posted has run") {
  Immediate harness;
  auto engine = harness.engine();
  int total = 0;  // touched by tasks only
  std::vector<std::thread> threads;
  std::atomic<int> missing = 0;
  for (int t = 0; t != 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i != 2000; ++i) {
        auto has_run = std::make_shared<std::atomic<bool>>(false);
        engine->post([&total, has_run] {
          ++total;
          *has_run = true;
        });
        engine->deliver();
        if (!*has_run) ++missing;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(missing == 0);
  CHECK(total == 8000);
}

TEST_CASE("InProcessTransport: what a timer sends arrives before the next timer runs") {
  Immediate harness;
  auto engine = harness.engine();
  Linked link(harness);
  std::string order;
  link.far->when_bytes = [&](Peer&) { order += "bytes "; };
  const auto start = engine->now();
  const auto second = engine->at(start - 1ms, [&] { order += "second "; });
  const auto first = engine->at(start - 2ms, [&] {
    order += "first ";
    link.near->send("x");
  });
  engine->post([&] { order += "task "; });
  engine->deliver();
  CHECK(order == "task first bytes second ");
}

TEST_CASE("InProcessTransport: on demand, nothing runs but in poll, which counts") {
  InProcessTransport transport(Delivery::on_demand);
  auto engine = transport.engine();
  int ran = 0;
  for (int i = 0; i != 3; ++i) engine->post([&] { ++ran; });
  const auto timer = engine->at(engine->now(), [&] { ++ran; });
  engine->deliver();
  CHECK(ran == 0);
  CHECK(transport.poll_one() == 1);
  CHECK(ran == 1);
  CHECK(transport.poll() == 3);
  CHECK(ran == 4);
  CHECK(transport.poll() == 0);
}

TEST_CASE("InProcessTransport: the receiver reads the sender's own bytes") {
  Immediate harness;
  Linked link(harness);
  struct Reader : Peer {
    const std::byte* seen = nullptr;
    void on_bytes(replikv::Bytes piece) override { seen = piece.data(); }
  };
  const replikv::SharedBytes block(std::string(1000, 'x'));
  auto reader = std::make_shared<Reader>();
  std::string bound;
  std::error_code error;
  auto engine = harness.engine();
  const auto listener = engine->listen(
      "reader", [&](std::shared_ptr<replikv::Link> to) { reader->attach(std::move(to)); }, bound, error);
  Client client(harness, "reader");
  engine->deliver();
  engine->post([&] { client.peer->link->send({&block, 1}); });
  engine->deliver();
  CHECK(reader->seen == block.bytes().data());
}

TEST_CASE("InProcessTransport: a task that throws loses no other task") {
  InProcessTransport transport(Delivery::on_demand);
  auto engine = transport.engine();
  int ran = 0;
  engine->post([] { throw std::runtime_error("broken"); });
  engine->post([&] { ++ran; });
  CHECK_THROWS_AS(transport.poll(), std::runtime_error);
  CHECK(transport.poll() == 1);
  CHECK(ran == 1);
}

TEST_CASE("InProcessTransport: two of them do not know each other's names") {
  Immediate one;
  Immediate other;
  Server server(one);
  Client client(other, server.address);
  other.engine()->deliver();
  CHECK(client.error == replikv::Errc::refused);
}

TEST_CASE("InProcessTransport: it can be moved, and assignment ends nothing that is in use") {
  InProcessTransport first;
  auto engine = first.engine();
  InProcessTransport second(std::move(first));
  CHECK(second.engine() == engine);
  std::string bound;
  std::error_code error;
  {
    InProcessTransport third;
    third = std::move(second);
    CHECK(engine->listen(
              "x", [](auto) {}, bound, error) != nullptr);
  }
  CHECK(second.engine() != engine);
}

TEST_CASE("InProcessTransport: in the background, many writers and one link") {
  Background harness;
  Linked link(harness);
  constexpr int writers = 3;
  constexpr int writes = 5000;
  std::vector<std::thread> threads;
  for (int t = 0; t != writers; ++t) {
    threads.emplace_back([&, engine = harness.engine()] {
      for (int i = 0; i != writes; ++i) engine->post([&] { link.near->send("0123456789"); });
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(eventually(harness, [&] { return link.far->bytes == std::uint64_t{10} * writers * writes; }));
}
