// The contract of transport.hpp, held against every transport.
#include "contract.hpp"

#include <algorithm>
#include <optional>

using namespace replikv_tests;
using replikv::Errc;

#define ALL_TRANSPORTS Immediate, OnDemand, Background, Simulated, Tcp, Tcp6, Unix, TcpShared, TcpPolled

// One test case for each transport, around one body.
#define TRANSPORT_TEST_CASE(name) TRANSPORT_TEST_CASE_NAMED(name, DOCTEST_ANONYMOUS(contract_of_))
#define TRANSPORT_TEST_CASE_NAMED(name, body)   \
  static void body(Harness& harness);           \
  TEST_CASE_TEMPLATE(name, H, ALL_TRANSPORTS) { \
    H transport_harness;                        \
    body(transport_harness);                    \
  }                                             \
  static void body([[maybe_unused]] Harness& harness)

namespace {

// `size` bytes that tell a lost, doubled or displaced piece.
std::string noise(std::size_t size, std::uint64_t seed) {
  replikv::Random random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::uint64_t checksum(const std::string& bytes) {
  Peer peer;
  peer.on_bytes(replikv::as_bytes(bytes));
  return peer.checksum;
}

}  // namespace

TRANSPORT_TEST_CASE("transport: bytes go both ways, and each end knows the other's address") {
  Linked link(harness);
  in_context(harness, [&] {
    link.near->send("PING");
    link.far->send("PONG");
    link.far->send("!");
  });
  CHECK(eventually(harness, [&] { return link.far->received == "PING" && link.near->received == "PONG!"; }));
  in_context(harness, [&] {
    CHECK(link.near->link->peer_address() == link.far->link->peer_address());
    const std::string peer = link.near->link->peer_address();
    CHECK((peer == "in-process" || peer == "127.0.0.1" || peer == "::1" || peer == "unix"));
    CHECK(link.near->link->peer_endpoint() == link.far->link->local_endpoint());
    CHECK(link.near->link->local_endpoint() == link.far->link->peer_endpoint());
    CHECK((link.near->link->peer_endpoint().starts_with(peer + ":") || peer == "unix" ||
           link.near->link->peer_endpoint().starts_with("[" + peer + "]:")));
  });
}

TRANSPORT_TEST_CASE("transport: nothing is called from inside a call") {
  Server server(harness);
  Client client(harness, server.address);
  REQUIRE(eventually(harness, [&] { return client.is_done && server.peers.size() == 1; }));
  const auto engine = harness.engine();
  const auto is_inside = std::make_shared<bool>(true);
  int calls = 0;
  int calls_inside = 0;
  const auto note = [&calls, &calls_inside, is_inside](auto&&...) {
    ++calls;
    if (*is_inside) ++calls_inside;
  };
  std::unique_ptr<replikv::Registration> held[2];
  in_context(harness, [&] {
    server.peers.front()->when_bytes = note;
    server.peers.front()->when_closed = note;
    engine->post(note);
    held[0] = engine->at(engine->now(), note);
    held[1] = engine->connect(server.address, note);
    client.peer->send("x");
    client.peer->link->close();
    engine->deliver();
    *is_inside = false;
  });
  CHECK(eventually(harness, [&] { return calls == 5; }));
  CHECK(calls_inside == 0);
  in_context(harness, [&] { server.registration.reset(); });
}

TRANSPORT_TEST_CASE("transport: an attempt to reach nobody is refused") {
  Client client(harness, harness.closed_address());
  CHECK(eventually(harness, [&] { return client.is_done; }));
  CHECK(client.error == Errc::refused);
}

TRANSPORT_TEST_CASE("transport: an empty address is a bad one") {
  Client client(harness, "");
  CHECK(eventually(harness, [&] { return client.is_done; }));
  CHECK(client.error == Errc::bad_address);
  std::string bound;
  std::error_code error;
  CHECK(harness.engine()->listen(
            "", [](auto) {}, bound, error) == nullptr);
  CHECK(error == Errc::bad_address);
}

TRANSPORT_TEST_CASE("transport: an address has one listener, and is free when that ends") {
  auto server = std::make_unique<Server>(harness);
  const std::string address = server->address;
  std::string bound;
  std::error_code error;
  CHECK(harness.engine()->listen(
            address, [](auto) {}, bound, error) == nullptr);
  CHECK(error == Errc::address_in_use);

  server->registration.reset();
  Client client(harness, address);
  CHECK(eventually(harness, [&] { return client.is_done; }));
  CHECK(client.error == Errc::refused);

  const auto again = harness.engine()->listen(
      address, [](auto) {}, bound, error);
  CHECK_MESSAGE(!error, error.message());
  CHECK(again != nullptr);
  CHECK(bound == address);
  in_context(harness, [] {});
}

TRANSPORT_TEST_CASE("transport: large volumes arrive in order, both ways at once") {
  constexpr std::size_t piece_bytes = 70'001;
  constexpr std::size_t pieces = 100;
  Linked link(harness);
  std::string sent[2];
  for (std::size_t i = 0; i != pieces; ++i) {
    const std::string parts[2] = {noise(piece_bytes, i), noise(piece_bytes, i + pieces)};
    sent[0] += parts[0];
    sent[1] += parts[1];
    in_context(harness, [&] {
      link.near->keeps_bytes = link.far->keeps_bytes = false;
      link.near->send(parts[0]);
      link.far->send(parts[1]);
    });
  }
  CHECK(eventually(harness,
                   [&] { return link.far->bytes == sent[0].size() && link.near->bytes == sent[1].size(); }));
  in_context(harness, [&] {
    CHECK(link.far->checksum == checksum(sent[0]));
    CHECK(link.near->checksum == checksum(sent[1]));
    CHECK(link.near->link->unsent_bytes() == 0);
    CHECK_FALSE(link.near->was_nested);
    CHECK_FALSE(link.far->was_nested);
  });
}

TRANSPORT_TEST_CASE("transport: a sender that waits for on_writable sends everything") {
  constexpr std::uint64_t total = 8 << 20;
  Linked link(harness);
  std::uint64_t sent = 0;
  std::size_t unsent_max = 0;
  const auto fill = [&](Peer& peer) {
    while (sent != total && peer.link->unsent_bytes() < replikv::Link::window_bytes) {
      peer.send(std::string(std::size_t{1} << 16, 'x'));
      sent += 1 << 16;
      unsent_max = std::max(unsent_max, peer.link->unsent_bytes());
    }
  };
  in_context(harness, [&] {
    link.far->keeps_bytes = false;
    link.near->when_writable = fill;
    fill(*link.near);
  });
  CHECK(eventually(harness, [&] { return link.far->bytes == total; }));
  in_context(harness, [&] {
    CHECK(sent == total);
    CHECK(unsent_max <= replikv::Link::window_bytes + (1 << 16));
    CHECK_FALSE(link.near->was_nested);
  });
}

TRANSPORT_TEST_CASE("transport: on_writable says that half of the window is free") {
  Linked link(harness);
  bool was_below = true;
  in_context(harness, [&] {
    link.near->when_writable = [&](Peer& peer) {
      was_below = was_below && peer.link->unsent_bytes() <= replikv::Link::window_bytes / 2;
    };
    for (int i = 0; i != 64; ++i) link.near->send(std::string(std::size_t{1} << 16, 'x'));
    link.near->send("y");
  });
  CHECK(eventually(harness, [&] { return link.near->writable == 1; }));
  CHECK(eventually(harness, [&] { return link.far->bytes == (64U << 16) + 1; }));
  in_context(harness, [&] {
    CHECK(was_below);
    CHECK(link.near->writable == 1);
  });
}

TRANSPORT_TEST_CASE("transport: what was sent before close arrives before the peer hears of it") {
  Linked link(harness);
  SUBCASE("the connecting end closes") {}
  SUBCASE("the listening end closes") { std::swap(link.near, link.far); }
  in_context(harness, [&] {
    link.far->keeps_bytes = false;
    for (int i = 0; i != 32; ++i) link.near->send(std::string(std::size_t{1} << 16, 'x'));
    link.far->send("unread");
    link.near->link->close();
    link.near->link->close();
    link.near->send("too late");
  });
  CHECK(eventually(harness, [&] { return link.far->closed == 1; }));
  in_context(harness, [&] {
    CHECK(link.far->why == Errc::link_closed);
    CHECK(link.far->bytes == 32U << 16);
    CHECK(link.near->closed == 0);
    CHECK(link.near->bytes == 0);
    link.far->send("nobody reads this");
    link.far->link->close();
  });
}

TRANSPORT_TEST_CASE("transport: a link can be closed from any thread and from callbacks") {
  Linked link(harness);
  SUBCASE("another thread") {
    std::thread([held = link.near->link] { held->close(); }).join();
  }
  SUBCASE("on_bytes") {
    in_context(harness, [&] {
      link.near->when_bytes = [](Peer& peer) { peer.link->close(); };
      link.far->send("x");
      link.far->send("y");
    });
  }
  SUBCASE("on_writable") {
    in_context(harness, [&] {
      link.near->when_writable = [](Peer& peer) { peer.link->close(); };
      for (int i = 0; i != 64; ++i) link.near->send(std::string(std::size_t{1} << 16, 'x'));
    });
  }
  CHECK(eventually(harness, [&] { return link.far->closed == 1; }));
  in_context(harness, [&] {
    CHECK(link.near->closed == 0);
    CHECK(link.near->pieces <= 1);
  });
}

TRANSPORT_TEST_CASE("transport: both ends may go in on_closed") {
  Linked link(harness);
  in_context(harness, [&] {
    link.far->when_closed = [](Peer& peer) {
      peer.link->close();
      peer.link.reset();
    };
    link.near->link->close();
  });
  CHECK(eventually(harness, [&] { return link.far->closed == 1; }));
  in_context(harness, [&] { CHECK(link.near->closed == 0); });
}

TRANSPORT_TEST_CASE("transport: a link closes when its last owner lets go of it") {
  Linked link(harness);
  in_context(harness, [&] {
    link.near->send("bye");
    link.near->link.reset();
  });
  CHECK(eventually(harness, [&] { return link.far->closed == 1; }));
  in_context(harness, [&] { CHECK(link.far->received == "bye"); });
}

TRANSPORT_TEST_CASE("transport: a link closes when its listener for events is gone") {
  Linked link(harness);
  std::shared_ptr<replikv::Link> held;
  in_context(harness, [&] {
    held = link.near->link;
    link.near.reset();
    link.client.peer.reset();
    link.far->send("anybody there?");
  });
  CHECK(eventually(harness, [&] { return link.far->closed == 1; }));
}

TRANSPORT_TEST_CASE("transport: what arrived before start is delivered first") {
  std::shared_ptr<replikv::Link> accepted;
  std::string address;
  std::error_code error;
  const auto listener = harness.engine()->listen(
      harness.free_address(), [&](std::shared_ptr<replikv::Link> link) { accepted = std::move(link); },
      address, error);
  REQUIRE(!error);
  Client client(harness, address);
  REQUIRE(eventually(harness, [&] { return client.is_done && accepted != nullptr; }));
  auto late = std::make_shared<Peer>();
  in_context(harness, [&] { client.peer->send("first "); });
  in_context(harness, [&] {
    client.peer->send("second");
    client.peer->link->close();
  });
  in_context(harness, [&] { late->attach(std::move(accepted)); });
  CHECK(eventually(harness, [&] { return late->closed == 1; }));
  in_context(harness, [&] { CHECK(late->received == "first second"); });
}

TRANSPORT_TEST_CASE("transport: a link that its acceptor does not want is closed") {
  std::string address;
  std::error_code error;
  const auto listener = harness.engine()->listen(
      harness.free_address(), [](auto) {}, address, error);
  REQUIRE(!error);
  Client client(harness, address);
  CHECK(eventually(harness, [&] { return client.peer->closed == 1; }));
}

TRANSPORT_TEST_CASE("transport: links outlive their listener") {
  Linked link(harness);
  link.server.registration.reset();
  in_context(harness, [&] { link.far->send("still here"); });
  CHECK(eventually(harness, [&] { return link.near->received == "still here"; }));
}

TRANSPORT_TEST_CASE("transport: a listener can end inside its own callback") {
  std::unique_ptr<replikv::Registration> listener;
  std::string address;
  int accepted = 0;
  in_context(harness, [&] {
    std::error_code error;
    listener = harness.engine()->listen(
        harness.free_address(),
        [&, token = std::make_shared<int>(7)](auto) {
          listener.reset();
          accepted += *token == 7 ? 1 : 100;  // the callback's own state lives until it returns
        },
        address, error);
    REQUIRE(!error);
  });
  Client client(harness, address);
  CHECK(eventually(harness, [&] { return accepted == 1; }));
  CHECK(eventually(harness, [&] { return client.is_done; }));
}

TRANSPORT_TEST_CASE("transport: a cancelled attempt is never reported") {
  Server server(harness);
  int reported = 0;
  in_context(harness, [&] {
    for (int i = 0; i != 10; ++i) {
      const auto attempt = harness.engine()->connect(server.address, [&](auto, auto) { ++reported; });
    }
  });
  Client client(harness, server.address);
  CHECK(eventually(harness, [&] { return client.is_done && !server.peers.empty(); }));
  in_context(harness, [&] { CHECK(reported == 0); });
}

TRANSPORT_TEST_CASE("transport: timers run in order and can be cancelled") {
  const auto engine = harness.engine();
  std::string fired;
  std::unique_ptr<replikv::Registration> timers[5];
  in_context(harness, [&] {
    const auto start = engine->now();
    timers[4] =
        engine->at(start + 30ms, [&, start] { fired += engine->now() >= start + 30ms ? "e" : "early"; });
    timers[3] = engine->at(start + 20ms, [&] { fired += "d"; });
    timers[2] = engine->at(start + 1ms, [&] {
      fired += "c";
      timers[3].reset();
      timers[2].reset();  // this one
    });
    timers[1] = engine->at(start, [&] { fired += "b"; });
    timers[0] = engine->at(start, [&] { fired += "a"; });
    timers[0].reset();
  });
  CHECK(eventually(harness, [&] { return fired.find('e') != std::string::npos; }));
  in_context(harness, [&] { CHECK(fired == "bce"); });
}

TRANSPORT_TEST_CASE("transport: cancelling destroys the callback") {
  const auto token = std::make_shared<int>();
  auto timer = harness.engine()->at(harness.engine()->now() + 1h, [token] {});
  std::string bound;
  std::error_code error;
  auto listener = harness.engine()->listen(
      harness.free_address(), [token](auto) {}, bound, error);
  auto attempt = harness.engine()->connect(harness.closed_address(), [token](auto, auto) {});
  timer.reset();
  listener.reset();
  attempt.reset();
  in_context(harness, [] {});
  CHECK(token.use_count() == 1);
}

TRANSPORT_TEST_CASE("transport: tasks run in the order of posting, whoever posts") {
  if (dynamic_cast<Simulated*>(&harness)) return;  // one thread by contract
  constexpr int threads = 3;
  constexpr int tasks = 2000;
  std::vector<int> seen[threads];
  std::vector<std::thread> posters;
  for (int t = 0; t != threads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i != tasks; ++i) {
        harness.engine()->post([&seen, t, i] { seen[t].push_back(i); });
        harness.engine()->deliver();
      }
    });
  }
  for (auto& poster : posters) poster.join();
  CHECK(eventually(harness, [&] {
    return std::all_of(std::begin(seen), std::end(seen), [](auto& each) { return each.size() == tasks; });
  }));
  in_context(harness, [&] {
    for (const auto& each : seen) CHECK(std::is_sorted(each.begin(), each.end()));
  });
}

TRANSPORT_TEST_CASE("transport: fifty links at once keep their bytes apart") {
  Server server(harness, [](Peer& peer) {
    peer.when_bytes = [](Peer& echo) { echo.send(std::exchange(echo.received, {})); };
  });
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i != 50; ++i) {
    clients.push_back(std::make_unique<Client>(harness, server.address, [](Peer&) {}));
  }
  REQUIRE(eventually(harness, [&] {
    return std::all_of(clients.begin(), clients.end(), [](auto& client) { return client->is_done; });
  }));
  in_context(harness, [&] {
    for (std::size_t i = 0; i != clients.size(); ++i) clients[i]->peer->send(noise(10'000 + i, i));
  });
  CHECK(eventually(harness, [&] {
    for (std::size_t i = 0; i != clients.size(); ++i) {
      if (clients[i]->peer->received != noise(10'000 + i, i)) return false;
    }
    return true;
  }));
}

TRANSPORT_TEST_CASE("transport: when it is destroyed, both ends of its links hear that it shuts down") {
  auto engine = harness.engine();
  Linked link(harness);
  bool ran = false;
  int reported = 0;
  std::error_code told;
  const auto token = std::make_shared<int>();
  std::unique_ptr<replikv::Registration> attempt;
  std::unique_ptr<replikv::Registration> timer;
  in_context(harness, [&] {
    link.near->send("x");
    link.near->when_closed = [&](Peer& peer) {
      peer.link->close();
      engine->post([&] { ran = true; });
    };
    timer = engine->at(engine->now() + 1h, [token] {});
    attempt = engine->connect(link.server.address, [&](std::error_code error, auto) {
      ++reported;
      told = error;
    });
  });
  harness.destroy_transport();

  CHECK(link.near->closed == 1);
  CHECK(link.near->why == Errc::shut_down);
  CHECK(link.far->closed == 1);
  CHECK((link.far->why == Errc::shut_down || link.far->why == Errc::link_closed));
  CHECK(ran);
  CHECK(reported == 1);
  CHECK((!told || told == Errc::shut_down));
  CHECK(token.use_count() == 1);

  std::string bound;
  std::error_code error;
  CHECK(engine->listen(
            "x", [](auto) {}, bound, error) == nullptr);
  CHECK((error == Errc::shut_down || error == Errc::bad_address));
  bool is_late = false;
  engine->post([&] { is_late = true; });
  const auto late_timer = engine->at(engine->now(), [&] { is_late = true; });
  const auto late_attempt = engine->connect(link.server.address, [&](auto, auto) { is_late = true; });
  engine->deliver();
  CHECK_FALSE(is_late);
  link.far->link->close();
  link.far->send("nowhere");
  attempt.reset();
  timer.reset();
}

TRANSPORT_TEST_CASE("transport: it may be destroyed by a callback of its own") {
  if (dynamic_cast<TcpShared*>(&harness)) return;  // see TcpPolled
  auto engine = harness.engine();
  Rendezvous done;
  auto peer = std::make_shared<Peer>();
  peer->when_closed = [&done](Peer&) { done.finish(); };
  Server server(harness);
  std::optional<Client> client;
  client.emplace(harness, server.address, [&](Peer& mine) {
    mine.when_bytes = [&](Peer&) { harness.destroy_transport(); };
    mine.when_closed = [&](Peer&) { done.finish(); };
  });
  REQUIRE(eventually(harness, [&] { return client->is_done && server.peers.size() == 1; }));
  engine->post([&] { server.peers.front()->send("go"); });
  if (dynamic_cast<Immediate*>(&harness)) engine->deliver();
  if (const auto* on_demand = dynamic_cast<OnDemand*>(&harness)) on_demand->transport->poll();
  if (const auto* simulated = dynamic_cast<Simulated*>(&harness)) simulated->transport->run_for(1s);
  if (auto* polled = dynamic_cast<TcpPolled*>(&harness)) {
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while (!done.is_done() && std::chrono::steady_clock::now() < limit) {
      polled->io.restart();
      polled->io.poll();
    }
  }
  CHECK(done.wait());
}
