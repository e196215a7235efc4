// Hosts of a simulated network: their clocks, their deaths, and what may go wrong on the way from one to
// another.
#include <replikv/transport/simulated.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tests/transport/contract.hpp>
#include <utility>
#include <vector>

using namespace replikv_tests;
using replikv::Duration;
using replikv::Errc;
using replikv::LinkConditions;
using replikv::SimulatedHost;
using replikv::SimulatedTransport;
using replikv::TimePoint;
using replikv::Traffic;

namespace {

/// A listener on a host, which keeps the peers that came.
struct Listening {
  Listening(const SimulatedHost& host, std::string_view name) {
    std::string bound;
    registration = host.engine()->listen(
        name,
        [this](std::shared_ptr<replikv::Link> link) {
          peers.push_back(std::make_shared<Peer>());
          peers.back()->attach(std::move(link));
        },
        bound, error);
  }

  std::error_code error;
  std::vector<std::shared_ptr<Peer>> peers;
  std::unique_ptr<replikv::Registration> registration;
};

/// An attempt to connect from a host, and its peer.
struct Connecting {
  Connecting(const SimulatedHost& host, std::string_view address) {
    registration =
        host.engine()->connect(address, [this](std::error_code failed, std::shared_ptr<replikv::Link> link) {
          is_done = true;
          error = failed;
          if (!failed) peer->attach(std::move(link));
        });
  }

  [[nodiscard]] bool is_linked() const { return is_done && !error; }

  std::shared_ptr<Peer> peer = std::make_shared<Peer>();
  bool is_done = false;
  std::error_code error;
  std::unique_ptr<replikv::Registration> registration;
};

/// Three hosts; "ann" has a link to a listener on "ben", and "carl" has one, too.
struct Hosts {
  explicit Hosts(std::uint64_t seed = 1729) : network(seed) {
    network.run_for(1s);
    REQUIRE(ann_to_ben.is_linked());
    REQUIRE(carl_to_ben.is_linked());
    REQUIRE(server.peers.size() == 2);
    near = ann_to_ben.peer;
    const bool is_first = server.peers[0]->link->peer_address() == "ann";
    far = server.peers[is_first ? 0 : 1];
    others_far = server.peers[is_first ? 1 : 0];
  }

  /// Whether a new attempt from one host to the address of "ben" succeeds.
  bool connects(const SimulatedHost& from) {
    const Connecting attempt(from, "ben:1");
    network.run_for(1s);
    return attempt.is_linked();
  }

  SimulatedTransport network;
  SimulatedHost ann = network.host("ann");
  SimulatedHost ben = network.host("ben");
  SimulatedHost carl = network.host("carl");
  Listening server{ben, "ben:1"};
  Connecting ann_to_ben{ann, "ben:1"};
  Connecting carl_to_ben{carl, "ben:1"};
  std::shared_ptr<Peer> near;        // on ann
  std::shared_ptr<Peer> far;         // on ben, linked with near
  std::shared_ptr<Peer> others_far;  // on ben, linked with carl's
};

/// Sets a timer that writes down the simulation's time when it fires.
auto timer(SimulatedTransport& network, const SimulatedHost& host, Duration in,
           std::vector<Duration>& fired) {
  return host.engine()->at(
      host.now() + in, [&network, &fired, start = network.now()] { fired.push_back(network.now() - start); });
}

// A conversation of three hosts with faults in it; `odd_byte` is one byte of what is said.
std::uint64_t trace(std::uint64_t seed, char odd_byte = 'x') {
  Hosts hosts(seed);
  hosts.network.set_conditions({1ms, 9ms, 50, 100'000});
  hosts.far->when_bytes = [](Peer& peer) { peer.send("well"); };
  std::string text(300, 'x');
  text[200] = odd_byte;
  hosts.near->send(text);
  hosts.carl_to_ben.peer->send("and I");
  hosts.network.run_for(3ms);
  hosts.ben.pause();
  hosts.network.corrupt_after(hosts.carl, hosts.ben, 3);
  hosts.network.run_for(1s);
  hosts.ben.resume();
  hosts.network.run_for(10ms);
  hosts.carl.crash();
  hosts.network.run_for(1s);
  return hosts.network.trace_hash();
}

}  // namespace

// ---- Clocks ---------------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: the clocks of all hosts agree until one is told otherwise") {
  network.run_for(90s);
  CHECK(ann.now() == network.now());
  CHECK(ben.wall_clock().now() == ann.wall_clock().now());
  CHECK(network.wall_clock().now() == ann.wall_clock().now());
  CHECK(network.host("ann").now() == ann.now());
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a host made later has the same time") {
  network.run_for(5h);
  CHECK(network.host("dora").now() == ann.now());
  CHECK(network.host("dora").wall_clock().now() == ann.wall_clock().now());
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a wall clock jumps forward and back, and timers do not notice") {
  std::vector<Duration> fired;
  const auto registration = timer(network, ann, 10s, fired);
  const auto wall = ann.wall_clock().now();
  ann.jump_wall_clock(1h);
  CHECK(ann.wall_clock().now() == wall + 1h);
  ann.jump_wall_clock(-2h);
  CHECK(ann.wall_clock().now() == wall - 1h);
  CHECK(ben.wall_clock().now() == wall);
  CHECK(ann.now() == ben.now());
  network.run_for(1min);
  CHECK(fired == std::vector<Duration>{10s});
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a drifting clock gains or loses from that moment on") {
  const TimePoint start = ann.now();
  const auto wall = ann.wall_clock().now();
  ann.set_drift(100'000);   // a tenth
  ben.set_drift(-500'000);  // a half
  network.run_for(100s);
  CHECK(ann.now() - start == 110s);
  CHECK(ann.wall_clock().now() - wall == 110s);
  CHECK(ben.now() - start == 50s);
  CHECK(carl.now() - start == 100s);
  ann.set_drift(0);
  CHECK(ann.now() - start == 110s);  // the drift ends, what it gained stays
  network.run_for(100s);
  CHECK(ann.now() - start == 210s);
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a timer follows the clock of its host") {
  ann.set_drift(250'000);   // 1.25 s a second
  ben.set_drift(-200'000);  // 0.8 s a second
  std::vector<Duration> fast, slow, exact;
  const auto fast_registration = timer(network, ann, 100s, fast);
  const auto slow_registration = timer(network, ben, 100s, slow);
  const auto exact_registration = timer(network, carl, 100s, exact);
  network.run_for(1h);
  REQUIRE(fast.size() + slow.size() + exact.size() == 3);
  CHECK(fast.front() - 80s < 1us);
  CHECK(fast.front() >= 80s);
  CHECK(slow.front() - 125s < 1us);
  CHECK(slow.front() >= 125s);
  CHECK(exact.front() == 100s);
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: when its timer fires, a host's own clock is never before the time") {
  for (const std::int64_t drift : {-999'000, -333'333, -1, 1, 77'777, 5'000'000}) {
    CAPTURE(drift);
    ann.set_drift(drift);
    const TimePoint wanted = ann.now() + 12'345'678'901ns;
    bool is_late_enough = false;
    const auto registration = ann.engine()->at(wanted, [&] { is_late_enough = ann.now() >= wanted; });
    network.run_for(24h);
    CHECK(is_late_enough);
  }
}

// ---- Pause ----------------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a paused host does nothing, and then all of it in order") {
  std::vector<int> order;
  const auto late = ann.engine()->at(ann.now() + 2s, [&] { order.push_back(3); });
  const auto early = ann.engine()->at(ann.now() + 1s, [&] { order.push_back(2); });
  ann.engine()->post([&] { order.push_back(1); });
  ann.pause();
  CHECK_FALSE(ann.is_running());
  network.run_for(1h);
  CHECK(order.empty());
  ann.engine()->post([&] { order.push_back(4); });
  ann.resume();
  CHECK(ann.is_running());
  network.run_until_idle();
  CHECK(order == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a timer that came due in a pause can still be cancelled") {
  bool has_fired = false;
  std::unique_ptr<replikv::Registration> second;
  const auto first = ann.engine()->at(ann.now() + 1s, [&] { second.reset(); });
  second = ann.engine()->at(ann.now() + 2s, [&] { has_fired = true; });
  ann.pause();
  network.run_for(1min);
  SUBCASE("in the pause") { second.reset(); }
  SUBCASE("by a timer that runs before it when the host goes on") {}
  ann.resume();
  network.run_for(1min);
  CHECK_FALSE(has_fired);
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: links of a paused host stay, and what was sent arrives afterwards") {
  ben.pause();
  near->send("one ");
  network.run_for(1h);
  near->send("two");
  network.run_for(1h);
  CHECK(far->received.empty());
  CHECK(near->closed + far->closed == 0);
  CHECK(near->link->unsent_bytes() == 7);
  ben.resume();
  network.run_for(1s);
  CHECK(far->received == "one two");
  far->send("three");
  network.run_for(1s);
  CHECK(near->received == "three");
}

TEST_CASE_FIXTURE(Hosts,
                  "SimulatedHost: connecting to a paused host succeeds, and it accepts when it goes on") {
  ben.pause();
  const Connecting attempt(ann, "ben:1");
  network.run_for(1s);
  REQUIRE(attempt.is_linked());
  attempt.peer->send("hello");
  network.run_for(1h);
  CHECK(server.peers.size() == 2);
  ben.resume();
  network.run_for(1s);
  REQUIRE(server.peers.size() == 3);
  CHECK(server.peers.back()->received == "hello");
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a paused host hears of a closed link when it goes on") {
  ann.pause();
  far->link->close();
  network.run_for(1h);
  CHECK(near->closed == 0);
  ann.resume();
  network.run_for(1s);
  CHECK(near->why == Errc::link_closed);
}

// ---- Crash and power loss -------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Hosts,
                  "SimulatedHost: peers of a crashed host hear that the link is cut; it hears nothing") {
  far->send("lost in flight");
  ben.crash();
  CHECK_FALSE(ben.is_running());
  CHECK(near->closed == 0);  // never from inside a call
  network.run_until_idle();
  CHECK(near->why == Errc::link_cut);
  CHECK(carl_to_ben.peer->why == Errc::link_cut);
  network.run_for(1h);
  CHECK(near->received.empty());
  CHECK(far->closed + others_far->closed == 0);
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a crashed host refuses, until something listens there again") {
  ben.crash();
  Connecting attempt(ann, "ben:1");
  network.run_for(1s);
  CHECK(attempt.error == Errc::refused);
  ben.resume();
  CHECK_FALSE(connects(ann));
  const Listening again(ben, "ben:1");
  CHECK_FALSE(again.error);
  CHECK(connects(ann));
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: another host may take the address of a crashed one over") {
  ben.crash();
  const Listening heir(carl, "ben:1");
  CHECK_FALSE(heir.error);
  CHECK(connects(ann));
  CHECK(heir.peers.size() == 1);
}

TEST_CASE_FIXTURE(Hosts,
                  "SimulatedHost: when a computer loses power, nobody is told and nobody gets an answer") {
  near->send("into the void");
  ben.power_off();
  Connecting attempt(ann, "ben:1");
  near->send(", and more");
  network.run_for(24h);
  CHECK(near->closed == 0);
  CHECK(carl_to_ben.peer->closed == 0);
  CHECK(far->received.empty());
  CHECK_FALSE(attempt.is_done);
  ben.resume();
  const Listening again(ben, "ben:1");
  network.run_for(24h);
  CHECK_FALSE(attempt.is_done);
  CHECK(near->closed == 0);
  CHECK(far->received.empty());
  CHECK(connects(ann));
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: nothing of an earlier life happens in a later one") {
  for (const bool loses_power : {false, true}) {
    for (const bool is_paused_before : {false, true}) {
      CAPTURE(loses_power);
      CAPTURE(is_paused_before);
      int calls = 0;
      const auto soon = ann.engine()->at(ann.now() + 1ms, [&] { ++calls; });
      const auto late = ann.engine()->at(ann.now() + 1h, [&] { ++calls; });
      ann.engine()->post([&] { ++calls; });
      const auto attempt = ann.engine()->connect("ben:1", [&](auto, auto) { ++calls; });
      if (is_paused_before) {
        ann.pause();
        network.run_for(1s);
      }
      loses_power ? ann.power_off() : ann.crash();
      ann.resume();
      network.run_for(24h);
      CHECK(calls == 0);
      ann.engine()->post([&] { ++calls; });
      network.run_until_idle();
      CHECK(calls == 1);
    }
  }
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: whoever is dead neither runs, nor connects, nor listens") {
  ann.crash();
  int calls = 0;
  ann.engine()->post([&] { ++calls; });
  const auto timer_of_the_dead = ann.engine()->at(ann.now() + 1s, [&] { ++calls; });
  const Connecting attempt(ann, "ben:1");
  const Listening ghost(ann, "ann:1");
  CHECK(ghost.error == Errc::shut_down);
  network.run_for(1min);
  CHECK(server.peers.size() == 2);
  ann.resume();
  network.run_for(1min);
  CHECK(calls == 0);
  CHECK_FALSE(attempt.is_done);
  CHECK(server.peers.size() == 2);
}

TEST_CASE_FIXTURE(Hosts, "SimulatedHost: a host that crashes in its own callback says nothing more") {
  near->when_bytes = [this](Peer& peer) {
    ann.crash();
    peer.send("last words");
  };
  far->send("boo");
  network.run_for(1s);
  CHECK(far->received.empty());
  CHECK(far->why == Errc::link_cut);
  CHECK(near->closed == 0);
}

// ---- Faults between two hosts ---------------------------------------------------------------------------

TEST_CASE_FIXTURE(Hosts,
                  "SimulatedTransport: a blocked way holds bytes back, the other way and others do not") {
  network.block(ann, ben);
  near->send("held");
  far->send("passes");
  carl_to_ben.peer->send("passes, too");
  network.run_for(24h);
  CHECK(far->received.empty());
  CHECK(near->received == "passes");
  CHECK(others_far->received == "passes, too");
  CHECK(near->closed + far->closed == 0);
  network.block(ann, ben, false);
  network.run_for(1s);
  CHECK(far->received == "held");
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: connecting needs both ways") {
  SUBCASE("there") { network.block(ann, ben); }
  SUBCASE("and back") { network.block(ben, ann); }
  SUBCASE("both") {
    network.block(ann, ben);
    network.block(ben, ann);
  }
  Connecting attempt(ann, "ben:1");
  network.run_for(24h);
  CHECK_FALSE(attempt.is_done);
  CHECK(connects(carl));
  network.block(ann, ben, false);
  network.block(ben, ann, false);
  network.run_for(24h);
  CHECK_FALSE(attempt.is_done);  // lost; only its owner's patience ends it
  CHECK(connects(ann));
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: a cut between two hosts ends their links, and no others") {
  near->send("lost");
  network.cut(ben, ann);
  network.run_for(1s);
  CHECK(near->why == Errc::link_cut);
  CHECK(far->why == Errc::link_cut);
  CHECK(far->received.empty());
  CHECK(others_far->closed == 0);
  CHECK(connects(ann));
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: only one end of a severed link hears of it") {
  near->send("lost");
  far->send("lost");
  SUBCASE("the one that connected") {
    network.sever(ann, ben);
    network.run_for(24h);
    CHECK(near->why == Errc::link_cut);
    CHECK(far->closed == 0);
    far->send("never arrives");
  }
  SUBCASE("the one that listened") {
    network.sever(ben, ann);
    network.run_for(24h);
    CHECK(far->why == Errc::link_cut);
    CHECK(near->closed == 0);
    near->send("never arrives");
  }
  network.run_for(24h);
  CHECK(near->closed + far->closed == 1);
  CHECK(near->received.empty());
  CHECK(far->received.empty());
  CHECK(others_far->closed == 0);
  network.cut(ann, ben);  // what is left of it
  network.run_for(1s);
  CHECK(near->closed + far->closed == 2);
  CHECK(connects(ann));
}

TEST_CASE_FIXTURE(Hosts,
                  "SimulatedTransport: who starts a link that was severed meanwhile hears of it then") {
  std::shared_ptr<replikv::Link> unstarted;
  const auto attempt =
      ann.engine()->connect("ben:1", [&](auto, std::shared_ptr<replikv::Link> link) { unstarted = link; });
  network.run_for(1s);
  REQUIRE(unstarted != nullptr);
  network.sever(ann, ben);
  network.run_for(1s);
  const auto peer = std::make_shared<Peer>();
  peer->attach(unstarted);
  network.run_for(1s);
  CHECK(peer->why == Errc::link_cut);
}

TEST_CASE(
    "SimulatedTransport: a link between hosts is cut after exactly so many bytes, in either direction") {
  const std::string text = "0123456789";
  for (const bool is_answer : {false, true}) {
    for (const std::size_t chunk_bytes : {0U, 1U, 4U}) {
      for (std::size_t n = 0; n <= text.size(); ++n) {
        CAPTURE(is_answer);
        CAPTURE(chunk_bytes);
        CAPTURE(n);
        Hosts hosts;
        auto& sender = is_answer ? hosts.far : hosts.near;
        auto& receiver = is_answer ? hosts.near : hosts.far;
        hosts.network.set_chunking(chunk_bytes);
        sender->send("before");
        hosts.network.run_for(1s);
        hosts.network.cut_after(is_answer ? hosts.ben : hosts.ann, is_answer ? hosts.ann : hosts.ben, n);
        receiver->send("this direction does not count");
        sender->send(text);
        hosts.network.run_for(1s);
        CHECK(receiver->received == "before" + text.substr(0, n));
        CHECK(hosts.near->why == Errc::link_cut);
        CHECK(hosts.far->why == Errc::link_cut);
        CHECK(hosts.others_far->closed == 0);
      }
    }
  }
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: without a link between two hosts, the next one is cut") {
  network.cut(ann, ben);
  network.run_for(1s);
  network.cut_after(ann, ben, 5);
  Connecting first(ann, "ben:1");
  network.run_for(1s);
  first.peer->send("0123456789");
  network.run_for(1s);
  CHECK(server.peers.back()->received == "01234");
  CHECK(first.peer->why == Errc::link_cut);
  Connecting second(ann, "ben:1");  // that was all
  network.run_for(1s);
  second.peer->send("0123456789");
  network.run_for(1s);
  CHECK(server.peers.back()->received == "0123456789");
}

TEST_CASE("SimulatedTransport: corruption flips one bit of exactly the byte that was asked for") {
  const std::string text = "0123456789";
  for (const std::size_t chunk_bytes : {0U, 1U, 4U}) {
    for (std::size_t n = 0; n < text.size(); ++n) {
      CAPTURE(chunk_bytes);
      CAPTURE(n);
      Hosts hosts;
      hosts.network.set_chunking(chunk_bytes);
      hosts.network.corrupt_after(hosts.ben, hosts.ann, n);
      hosts.near->send(text);
      hosts.far->send(text + text);
      hosts.network.run_for(1s);
      CHECK(hosts.far->received == text);
      REQUIRE(hosts.near->received.size() == 2 * text.size());
      int flipped = 0;
      for (std::size_t i = 0; i < 2 * text.size(); ++i) {
        const auto difference = static_cast<unsigned char>(hosts.near->received[i] ^ (text + text)[i]);
        flipped += std::popcount(difference);
        CHECK((difference != 0) == (i == n));
      }
      CHECK(flipped == 1);
    }
  }
}

TEST_CASE_FIXTURE(Hosts,
                  "SimulatedTransport: without a link between two hosts, a byte of the next is corrupted") {
  network.cut(ann, ben);
  network.run_for(1s);
  network.corrupt_after(ann, ben, 3);
  for (const bool is_first : {true, false}) {
    const Connecting next(ann, "ben:1");
    network.run_for(1s);
    next.peer->send("0123456789");
    network.run_for(1s);
    CHECK((server.peers.back()->received == "0123456789") != is_first);
    CHECK(server.peers.back()->received.substr(4) == "456789");
    network.cut(ann, ben);
    network.run_for(1s);
  }
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: one way between two hosts can be late") {
  network.set_conditions(ann, ben, LinkConditions{2s, 3s, 0, 0});
  near->send("late");
  far->send("soon");
  others_far->send("soon");
  network.run_for(1999ms);
  CHECK(near->received == "soon");
  CHECK(carl_to_ben.peer->received == "soon");
  CHECK(far->received.empty());
  network.run_for(1s + 1ms);
  CHECK(far->received == "late");
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: one way between two hosts can be slow") {
  const TimePoint start = network.now();
  network.set_conditions(ben, ann, LinkConditions{0s, 0s, 0, 1000});
  for (int i = 0; i < 10; ++i) far->send(std::string(1000, 'x'));
  near->send(std::string(10'000, 'x'));
  REQUIRE(network.run_until([&] { return near->bytes == 10'000; }, 1h));
  CHECK(network.now() - start == 10s);
  CHECK(far->bytes == 10'000);
  network.set_conditions(ben, ann, std::nullopt);
  far->send("as everywhere");
  network.run_for(1ms);
  CHECK(near->bytes == 10'013);
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: what has not left its sender yet travels by new conditions") {
  network.set_conditions(ann, ben, LinkConditions{1s, 1s, 0, 1000});
  const TimePoint start = network.now();
  for (int i = 0; i < 100; ++i) near->send(std::string(1000, 'x'));  // a second each
  network.run_for(3500ms);
  CHECK(far->bytes == 2000);
  SUBCASE("faster") {
    network.set_conditions(ann, ben, std::nullopt);
    near->send("after the others");
    network.run_for(499ms);
    CHECK(far->bytes == 2000);
    network.run_for(3ms);  // the third second's arrives when it would have, the rest right behind it
    CHECK(far->bytes == 100'016);
    CHECK(far->received.ends_with("xafter the others"));
  }
  SUBCASE("slower") {
    network.set_conditions(ann, ben, LinkConditions{1s, 1s, 0, 100});
    REQUIRE(network.run_until([&] { return far->bytes == 5000; }, 1h));
    CHECK(network.now() - start == 3500ms + 20s + 1s);
  }
  SUBCASE("as before") {
    network.set_conditions(LinkConditions{});
    REQUIRE(network.run_until([&] { return far->bytes == 100'000; }, 1h));
    CHECK(network.now() - start == 101'500ms);  // the one under way begins anew
  }
  CHECK(near->closed == 0);
}

TEST_CASE_FIXTURE(Hosts, "SimulatedTransport: one way between two hosts can crumble what is sent") {
  network.set_conditions(ann, ben, LinkConditions{100us, 1ms, 1, 0});
  near->send("0123456789");
  far->send("0123456789");
  network.run_for(1s);
  CHECK(far->pieces == 10);
  CHECK(far->received == "0123456789");
  CHECK(near->pieces == 1);
}

// ---- What happened --------------------------------------------------------------------------------------

TEST_CASE("SimulatedTransport: an observer sees every opening, every arrival and every end") {
  SimulatedTransport network(1);
  const SimulatedHost ann = network.host("ann"), ben = network.host("ben");
  std::vector<std::string> seen;
  TimePoint last{};
  network.set_observer([&](const Traffic& traffic) {
    CHECK(traffic.at == network.now());
    CHECK(traffic.at >= last);
    last = traffic.at;
    const std::string way =
        std::to_string(traffic.link) + " " + std::string(traffic.from) + ">" + std::string(traffic.to) + " ";
    switch (traffic.kind) {
      case Traffic::Kind::opened: return seen.push_back(way + "opened");
      case Traffic::Kind::bytes: return seen.push_back(way + std::string(replikv::as_text(traffic.bytes)));
      case Traffic::Kind::closed: return seen.push_back(way + traffic.why.message());
    }
  });
  Listening server(ben, "ben:1");
  const Connecting attempt(ann, "ben:1");
  network.run_for(1s);
  attempt.peer->send("hello");
  network.run_for(1s);
  server.peers.front()->send("welcome");
  network.run_for(1s);
  attempt.peer->link->close();
  network.run_for(1s);
  const std::string closed = replikv::make_error_code(Errc::link_closed).message();
  CHECK(seen == std::vector<std::string>{"1 ann>ben opened", "1 ann>ben hello", "1 ben>ann welcome",
                                         "1 ann>ben " + closed});
}

TEST_CASE("SimulatedTransport: the same seed and calls give the same trace, another seed another one") {
  CHECK(trace(1) == trace(1));
  CHECK(trace(1) != trace(2));
}

TEST_CASE("SimulatedTransport: one byte that differs changes the trace") { CHECK(trace(1) != trace(1, 'y')); }

TEST_CASE("SimulatedTransport: who got the bytes is part of the trace") {
  const auto trace_of = [](bool is_answer) {
    Hosts hosts;
    hosts.network.set_delay(1ms, 1ms);
    (is_answer ? hosts.far : hosts.near)->send("x");
    hosts.network.run_for(1s);
    return hosts.network.trace_hash();
  };
  CHECK(trace_of(false) == trace_of(false));
  CHECK(trace_of(false) != trace_of(true));
}
