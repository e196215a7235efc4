// Virtual time, faults, and that a seed decides everything.
#include "contract.hpp"

using namespace replikv_tests;
using replikv::Direction;
using replikv::Errc;
using replikv::SimulatedTransport;

namespace {

// A conversation with every kind of event in it; the hash of what happened.
std::uint64_t conversation(std::uint64_t seed, std::size_t chunk_bytes) {
  Simulated harness;
  harness.transport = std::make_unique<SimulatedTransport>(seed);
  harness.transport->set_chunking(chunk_bytes);
  Linked link(harness);
  link.far->when_bytes = [](Peer& peer) {
    if (peer.bytes < 5000) peer.send("pong");
  };
  for (int i = 0; i != 10; ++i) {
    link.near->send(std::string(1000, 'x'));
    harness.transport->run_for(300us);
  }
  link.near->link->close();
  harness.transport->run_for(1s);
  return harness.transport->trace_hash();
}

struct Fixture {
  Simulated harness;
  Linked link{harness};
  SimulatedTransport& transport = *harness.transport;
  std::string address = link.server.address;

  bool connects() {
    Client client(harness, address);
    transport.run_for(1s);
    return client.is_done && !client.error;
  }
};

}  // namespace

TEST_CASE("SimulatedTransport: the same seed gives the same events, another seed others") {
  for (const std::size_t chunk_bytes : {0U, 1U, 7U, 4096U}) {
    CAPTURE(chunk_bytes);
    CHECK(conversation(1, chunk_bytes) == conversation(1, chunk_bytes));
    CHECK(conversation(1, chunk_bytes) != conversation(2, chunk_bytes));
  }
}

TEST_CASE("SimulatedTransport: time stands still except where the test lets it pass") {
  SimulatedTransport transport(1);
  auto engine = transport.engine();
  const auto start = engine->now();
  const auto wall_start = transport.wall_clock().now();
  CHECK(start == replikv::TimePoint{} + 1h);
  std::vector<replikv::Duration> fired;
  const auto note = [&] { fired.push_back(engine->now() - start); };
  const auto late = engine->at(start + 3h, note);
  const auto soon = engine->at(start + 1s, note);
  const auto past = engine->at(start - 1s, note);
  transport.run_until_idle();
  CHECK(fired == std::vector<replikv::Duration>{0s});
  transport.run_for(1s);
  CHECK(fired == std::vector<replikv::Duration>{0s, 1s});
  CHECK(transport.wall_clock().now() == wall_start + 1s);
  CHECK(transport.step());
  CHECK(fired.back() == 3h);
  CHECK(engine->now() == start + 3h);
  CHECK_FALSE(transport.step());
  transport.advance_to(start + 5h);
  CHECK(engine->now() == start + 5h);
  CHECK_FALSE(transport.run_until([] { return false; }, 1h));
  CHECK(engine->now() == start + 6h);
}

TEST_CASE("SimulatedTransport: run_until stops at the event that makes it true") {
  SimulatedTransport transport(1);
  auto engine = transport.engine();
  bool happened = false;
  const auto timer = engine->at(engine->now() + 2s, [&] { happened = true; });
  const auto start = transport.now();
  CHECK_FALSE(transport.run_until([&] { return happened; }, 1s));
  CHECK(transport.run_until([&] { return happened; }, 1h));
  CHECK(transport.now() == start + 2s);
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: bytes take between the least and the greatest delay") {
  transport.set_chunking(0);
  transport.set_delay(10ms, 20ms);
  for (int i = 0; i != 100; ++i) {
    const auto sent_at = transport.now();
    link.near->send("x");
    const auto before = link.far->bytes;
    REQUIRE(transport.run_until([&] { return link.far->bytes == before + 1; }, 1s));
    CHECK(transport.now() >= sent_at + 10ms);
    CHECK(transport.now() <= sent_at + 20ms);
  }
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: bandwidth spreads what is sent over time") {
  transport.set_delay(0ms, 0ms);
  transport.set_bandwidth(1'000'000);
  const auto start = transport.now();
  for (int i = 0; i != 10; ++i) link.near->send(std::string(100'000, 'x'));
  REQUIRE(transport.run_until([&] { return link.far->bytes == 1'000'000; }, 1h));
  CHECK(transport.now() - start == 1s);
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: chunking cuts anywhere and loses nothing") {
  transport.set_chunking(3);
  link.near->send("the quick brown fox jumps over the lazy dog");
  transport.run_for(1s);
  CHECK(link.far->received == "the quick brown fox jumps over the lazy dog");
  CHECK(link.far->pieces >= 15);
  CHECK(link.far->pieces < 43);
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: a refused address refuses, and no longer when it is healed") {
  transport.refuse(address);
  Client client(harness, address);
  transport.run_for(1s);
  CHECK(client.error == Errc::refused);
  transport.refuse(address, false);
  CHECK(connects());
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: a cut loses what is in flight and tells both ends") {
  link.near->send("lost");
  SUBCASE("one address") { transport.cut(address); }
  SUBCASE("one link") { CHECK(transport.cut_link(1)); }
  SUBCASE("all") { transport.cut_all(); }
  CHECK(link.near->closed == 0);  // never from inside a call
  transport.run_for(1s);
  CHECK(link.near->why == Errc::link_cut);
  CHECK(link.far->why == Errc::link_cut);
  CHECK(link.near->closed + link.far->closed == 2);
  CHECK(link.far->received.empty());
  CHECK(link.near->link->unsent_bytes() == 0);
  CHECK_FALSE(transport.cut_link(1));
  CHECK(connects());
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: a cut of one address leaves the others alone") {
  transport.cut("somebody else");
  link.near->send("kept");
  transport.run_for(1s);
  CHECK(link.far->received == "kept");
  CHECK(link.near->closed == 0);
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: a link is cut after exactly so many more bytes") {
  const std::string text = "0123456789";
  for (const std::size_t chunk_bytes : {0U, 1U, 4U}) {
    transport.set_chunking(chunk_bytes);
    for (std::size_t n = 0; n <= text.size(); ++n) {
      CAPTURE(chunk_bytes);
      CAPTURE(n);
      transport.cut_all();
      transport.run_for(1s);
      Server server(harness);
      SUBCASE("of the next link, toward its listener") {
        transport.cut_after(server.address, n, Direction::toward_listener);
        Client client(harness, server.address);
        REQUIRE(transport.run_until([&] { return client.is_done; }, 1s));
        client.peer->send(text);
        transport.run_for(1s);
        CHECK(server.peers.front()->received == text.substr(0, n));
        CHECK(server.peers.front()->why == Errc::link_cut);
        CHECK(client.peer->why == Errc::link_cut);
      }
      SUBCASE("of the present link, toward its connector") {
        Client client(harness, server.address);
        transport.run_for(1s);
        server.peers.front()->send("before");
        transport.run_for(1s);
        transport.cut_after(server.address, n, Direction::toward_connector);
        client.peer->send("this direction does not count");
        server.peers.front()->send(text);
        transport.run_for(1s);
        CHECK(client.peer->received == "before" + text.substr(0, n));
        CHECK(client.peer->why == Errc::link_cut);
      }
    }
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "SimulatedTransport: a stalled link is half-open, and flows on when it is healed") {
  transport.stall(address);
  link.near->send("one ");
  link.near->send("two");
  link.far->link->close();
  transport.run_for(24h);
  CHECK(link.far->received.empty());
  CHECK(link.near->closed == 0);
  CHECK(link.near->link->unsent_bytes() == 7);
  transport.stall(address, false);
  transport.run_for(1s);
  CHECK(link.near->why == Errc::link_closed);
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: stalled bytes arrive in order") {
  transport.stall(address);
  for (const char* word : {"one ", "two ", "three"}) link.near->send(word);
  transport.run_for(24h);
  CHECK(link.near->link->unsent_bytes() == 13);
  transport.stall(address, false);
  transport.run_for(1s);
  CHECK(link.far->received == "one two three");
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: one direction can stall alone") {
  transport.stall(address, Direction::toward_listener);
  link.near->send("held");
  link.far->send("passes");
  transport.run_for(1s);
  CHECK(link.far->received.empty());
  CHECK(link.near->received == "passes");
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: a partition also swallows attempts to connect") {
  transport.partition(address);
  Client client(harness, address);
  link.near->send("later");
  transport.run_for(24h);
  CHECK_FALSE(client.is_done);
  CHECK(link.far->received.empty());
  client.attempt.reset();
  transport.partition(address, false);
  transport.run_for(1s);
  CHECK_FALSE(client.is_done);
  CHECK(link.far->received == "later");
  CHECK(connects());
}

TEST_CASE_FIXTURE(Fixture, "SimulatedTransport: an attempt a partition swallowed hears of a shutdown") {
  transport.partition(address);
  Client client(harness, address);
  transport.run_for(1h);
  harness.transport.reset();
  CHECK(client.error == Errc::shut_down);
}
