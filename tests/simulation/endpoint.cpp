// The endpoint in virtual time: what time does to clients, to the millisecond, and links that are lost at
// every byte of what goes over them.

#include <replikv/server.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tests/simulation/endpoints.hpp>
#include <vector>

using namespace simulation;

namespace {

/// Bytes take so long on every way, so that times are exact.
void set_delay(Served& served, replikv::Duration delay) {
  replikv::LinkConditions conditions;
  conditions.delay_min = conditions.delay_max = delay;
  served.network().set_conditions(conditions);
}

/// How long it takes until the next reply.
replikv::Duration time_of(Served& served, SimulatedClient& client, std::string_view line,
                          std::string_view expected) {
  const replikv::Duration began = served.elapsed();
  CAPTURE(std::string(line));
  CHECK(served.ask(client, line, 1h) == expected);
  return served.elapsed() - began;
}

std::string field(Served& served, SimulatedClient& client, std::string_view section, std::string_view name) {
  return info_value(served.ask(client, "INFO " + std::string(section)), name);
}

std::string bulk(std::string_view text) {
  std::string bytes;
  replikv::resp::append_bulk(bytes, text);
  return bytes;
}

const std::string nil = "$-1\r\n";
const std::string ok = "+OK\r\n";

// --- Time ---------------------------------------------------------------------------------------------

TEST_CASE("endpoint: the same seed gives the same bytes, whatever clients ask about time") {
  const auto trace_of = [](std::uint64_t seed) {
    replikv::EndpointOptions options;
    options.slowlog_slower_than = 0us;
    options.latency_threshold = 1ms;
    Served served(seed, 2, {}, options);
    REQUIRE(served.follow({{1, 0}}));
    SimulatedClient& client = served.client(served.node(0));
    SimulatedClient& monitor = served.client(served.node(0));
    monitor.send("MONITOR");
    for (const std::string_view line :
         {"SET name value", "WAIT 1 0", "TIME", "INFO server", "INFO stats", "INFO commandstats",
          "INFO latencystats", "INFO replication", "SLOWLOG GET", "LATENCY LATEST", "CLIENT LIST", "ACL LOG",
          "INFO persistence", "OBJECT IDLETIME name", "DEBUG OBJECT name", "LASTSAVE"}) {
      REQUIRE(!served.ask(client, line).empty());
      served.run_for(1s);
    }
    return served.network().trace_hash();
  };
  CHECK(trace_of(1) == trace_of(1));
  CHECK(trace_of(1) != trace_of(2));
}

TEST_CASE("endpoint: uptime and TIME are those of the host") {
  Served served(1, 1);
  SimulatedClient& client = served.client(served.node(0));
  const auto told = [&] { return served.ask(client, "TIME"); };
  const std::string before = told();
  served.run_for(100s);
  CHECK(field(served, client, "server", "uptime_in_seconds") == "100");
  const auto seconds = served.node(0).wall_time().time_since_epoch() / 1s;
  CHECK(told().find(std::to_string(seconds)) != std::string::npos);
  CHECK(told() != before);
}

TEST_CASE(
    "endpoint: WAIT answers when the last acknowledgement comes, or at the millisecond of its timeout") {
  Served served(1, 3);
  set_delay(served, 10ms);
  REQUIRE(served.follow({{1, 0}, {2, 0}}));
  SimulatedClient& client = served.client(served.node(0));
  served.ask(client, "SET name value");
  // There and back, and in between to the replicas and back.
  CHECK(time_of(served, client, "WAIT 2 1000", ":2\r\n") == 40ms);
  CHECK(time_of(served, client, "WAIT 2 1000", ":2\r\n") == 20ms);
  served.network().block(served.node(0), served.node(2));
  served.ask(client, "SET name other");
  CHECK(time_of(served, client, "WAIT 1 1000", ":1\r\n") == 40ms);
  CHECK(time_of(served, client, "WAIT 2 777", ":1\r\n") == 797ms);
  SUBCASE("without a timeout it waits for as long as it takes") {
    served.after(5s, [&] { served.network().block(served.node(0), served.node(2), false); });
    const auto took = time_of(served, client, "WAIT 2 0", ":2\r\n");
    CHECK(took > 5s);
    CHECK(took < 5s + 100ms);
  }
  SUBCASE("what is sent behind it waits, too") {
    const std::size_t before = client.replies();
    const replikv::Duration began = served.elapsed();
    client.send("WAIT 2 500");
    client.send("GET name");
    REQUIRE(served.run_until([&] { return client.replies() == before + 2; }));
    CHECK(served.elapsed() - began == 520ms);
    CHECK(client.reply(before) == ":1\r\n");
  }
  SUBCASE("it ends when the node loses its role") {
    client.send("WAIT 2 0");
    served.run_for(100ms);
    SimulatedClient& admin = served.client(served.node(0));
    CHECK(served.ask(admin, served.replicaof(served.node(1))) == ok);
    served.run_for(20ms);
    CHECK(client.last_reply().starts_with("-UNBLOCKED"));
  }
}

TEST_CASE("endpoint: a key goes at its millisecond, for clients of the master and of a replica") {
  Served served(1, 2);
  set_delay(served, 0ms);
  REQUIRE(served.follow({{1, 0}}));
  SimulatedClient& master = served.client(served.node(0));
  SimulatedClient& replica = served.client(served.node(1));
  REQUIRE(served.ask(master, "SET name value PX 1500") == ok);
  REQUIRE(served.ask(master, "SET stays value") == ok);
  served.run_for(1499ms);
  CHECK(served.ask(replica, "GET name") == bulk("value"));
  CHECK(served.ask(master, "PTTL name") == ":1\r\n");
  CHECK(served.ask(master, "GET name") == bulk("value"));
  served.run_for(1ms);
  CHECK(served.ask(replica, "GET name") == nil);
  CHECK(served.ask(replica, "EXISTS name stays") == ":1\r\n");
  CHECK(served.ask(master, "GET name") == nil);
  REQUIRE(served.settle());
  CHECK(served.ask(replica, "DBSIZE") == ":1\r\n");
  SUBCASE("when nobody looks it is deleted soon after, everywhere") {
    REQUIRE(served.ask(master, "SET name value PX 1500") == ok);
    served.run_for(2600ms);
    CHECK(served.node(0).store().size() == 1);
    CHECK(served.node(1).store().size() == 1);
  }
}

TEST_CASE(
    "endpoint: a pause ends at its time, within a tenth of a second, and what waited is done in order") {
  Served served(1, 1);
  set_delay(served, 1ms);
  SimulatedClient& client = served.client(served.node(0));
  SimulatedClient& other = served.client(served.node(0));
  for (const std::string_view kind : {"ALL", "WRITE"}) {
    CAPTURE(kind);
    REQUIRE(served.ask(client, "CLIENT PAUSE 1000 " + std::string(kind)) == ok);
    const replikv::Duration began = served.elapsed();
    other.send("GET name");
    other.send("INCR counted");
    const std::size_t before = other.replies();
    client.send("INCR counted");
    served.run_for(900ms);
    CHECK(other.replies() - before == (kind == "ALL" ? 0 : 1));
    REQUIRE(served.run_until([&] { return other.replies() == before + 2; }));
    CHECK(served.elapsed() - began >= 1000ms);
    CHECK(served.elapsed() - began <= 1110ms);
    served.run_for(10ms);
    CHECK(client.last_reply().front() == ':');
  }
  CHECK(served.ask(client, "GET counted") == bulk("4"));
}

// --- Who is silent ------------------------------------------------------------------------------------

replikv::EndpointOptions idle_after(std::chrono::seconds timeout) {
  replikv::EndpointOptions options;
  options.idle_timeout = timeout;
  return options;
}

TEST_CASE("endpoint: timeout ends the silent, within a tenth of a second, and nobody who waits to be told") {
  Served served(1, 2, {}, idle_after(5s));
  REQUIRE(served.follow({{1, 0}}));
  SimulatedClient& silent = served.client(served.node(0));
  SimulatedClient& speaks = served.client(served.node(0));
  SimulatedClient& waits = served.client(served.node(0));
  SimulatedClient& subscriber = served.client(served.node(0));
  SimulatedClient& monitor = served.client(served.node(0));
  replikv::Duration closed{};
  silent.on_lost = [&](std::error_code why) {
    CHECK(why == replikv::Errc::link_closed);
    closed = served.elapsed();
  };
  REQUIRE(served.ask(subscriber, "SUBSCRIBE news").starts_with("*3"));
  REQUIRE(served.ask(monitor, "MONITOR") == ok);
  waits.send("WAIT 5 20000");
  REQUIRE(served.ask(silent, "PING") == "+PONG\r\n");
  const replikv::Duration began = served.elapsed();
  for (int i = 0; i < 4; ++i) {
    CHECK(served.ask(speaks, "PING") == "+PONG\r\n");
    served.run_for(4s);
  }
  CHECK(closed - began > 4990ms);
  CHECK(closed - began < 5110ms);
  CHECK(waits.is_connected());
  CHECK(subscriber.is_connected());
  CHECK(monitor.is_connected());
  CHECK(served.node(0).info().replicas.size() == 1);  // a replica is no client
  CHECK(served.ask(speaks, "PUBLISH news flash") == ":1\r\n");
}

TEST_CASE("endpoint: who has waited, or still sends or reads, is not silent") {
  Served served(1, 1, {}, idle_after(5s));
  SimulatedClient& client = served.client(served.node(0));
  REQUIRE(served.ask(client, "PING") == "+PONG\r\n");
  SUBCASE("after a WAIT of longer than the timeout") {
    CHECK(time_of(served, client, "WAIT 1 12000", ":0\r\n") >= 12s);
    served.run_for(4s);
    CHECK(served.ask(client, "PING") == "+PONG\r\n");
  }
  SUBCASE("after a pause of longer than the timeout") {
    SimulatedClient& admin = served.client(served.node(0));
    REQUIRE(served.ask(admin, "CLIENT PAUSE 12000") == ok);
    CHECK(time_of(served, client, "SET name value", ok) >= 11s);
    served.run_for(4s);
    CHECK(served.ask(client, "PING") == "+PONG\r\n");
  }
  SUBCASE("amid a command that comes in pieces") {
    const std::string command = SimulatedClient::command("SET name " + std::string(1'200, 'x'));
    for (std::size_t at = 0; at < command.size(); at += 100) {
      client.send_raw(std::string_view(command).substr(at, 100));
      served.run_for(1s);
    }
    CHECK(client.last_reply() == ok);
  }
  SUBCASE("amid replies over a slow link") {
    served.node(0).store().set("name", std::string(10'000, 'x'));
    replikv::LinkConditions slow;
    slow.bytes_per_second_max = 10'000;
    served.network().set_conditions(served.node(0), client, slow);
    const std::size_t before = client.replies();
    for (int i = 0; i < 12; ++i) client.send("GET name");
    served.run_for(15s);
    CHECK(client.replies() - before == 12);
    CHECK(served.ask(client, "PING") == "+PONG\r\n");
  }
}

TEST_CASE("endpoint: half-open clients go with the timeout, and all that was kept for them") {
  Served served(1, 1, {}, idle_after(30s));
  SimulatedClient& watcher = served.client(served.node(0));
  std::vector<SimulatedClient*> lost;
  for (int i = 0; i < 20; ++i) {
    SimulatedClient& client = served.client(served.node(0));
    client.send("MULTI");
    client.send("SET half " + std::string(10'000, 'x'));
    client.send_raw("*3\r\n$3\r\nSET\r\n$100000\r\n" + std::string(5'000, 'y'));
    lost.push_back(&client);
  }
  REQUIRE(served.ask(watcher, "PING") == "+PONG\r\n");
  served.run_for(1s);
  for (SimulatedClient* const client : lost) served.network().half_open(*client, served.node(0));
  served.run_for(1s);
  for (SimulatedClient* const client : lost) CHECK(client->why_closed() == replikv::Errc::link_cut);
  CHECK(field(served, watcher, "clients", "connected_clients") == "21");
  served.run_for(29s);
  CHECK(served.ask(watcher, "PING") == "+PONG\r\n");
  served.run_for(2s);
  CHECK(field(served, watcher, "clients", "connected_clients") == "1");
  CHECK(served.node(0).store().size() == 0);
}

TEST_CASE("endpoint: a half-open subscriber is ended at its limit, however much is published") {
  replikv::EndpointOptions options;
  options.subscriber_output_limit = {100'000, 0, {}};
  Served served(1, 1, {}, options);
  SimulatedClient& subscriber = served.client(served.node(0));
  SimulatedClient& publisher = served.client(served.node(0));
  REQUIRE(served.ask(subscriber, "SUBSCRIBE news").starts_with("*3"));
  served.network().half_open(subscriber, served.node(0));
  const std::string message(1'000, 'm');
  int heard = 0;
  for (int i = 0; i < 200; ++i) {
    if (served.ask(publisher, "PUBLISH news " + message) == ":1\r\n") ++heard;
  }
  CHECK(heard >= 90);
  CHECK(heard <= 100);
  CHECK(field(served, publisher, "clients", "connected_clients") == "1");
}

TEST_CASE("endpoint: who does not log in is ended at its time") {
  replikv::EndpointOptions options;
  options.password = "secret";
  Served served(1, 1, {}, options);
  SimulatedClient& client = served.client(served.node(0));
  CHECK(!served.run_until([&] { return bool(client.why_closed()); }, 9900ms));
  CHECK(served.run_until([&] { return bool(client.why_closed()); }, 300ms));
}

// --- Writes and replicas ------------------------------------------------------------------------------

TEST_CASE("endpoint: a master without good replicas refuses writes once the lag is over its limit") {
  replikv::ReplicationOptions options;
  options.min_replicas_to_write = 1;
  options.min_replicas_max_lag = 3s;
  Served served(1, 2, options);
  SimulatedClient& client = served.client(served.node(0));
  CHECK(served.ask(client, "SET name alone").starts_with("-NOREPLICAS"));
  REQUIRE(served.follow({{1, 0}}));
  REQUIRE(served.run_until([&] { return served.ask(client, "SET name value") == ok; }, 3s));
  served.network().partition(served.node(0), served.node(1));
  const replikv::Duration began = served.elapsed();
  REQUIRE(served.run_until([&] { return served.ask(client, "SET name value") != ok; }, 10s));
  CHECK(client.last_reply() == "-NOREPLICAS Not enough good replicas to write.\r\n");
  CHECK(served.elapsed() - began >= 2s);  // its last word may have been a second old
  CHECK(served.elapsed() - began <= 5s);
  CHECK(served.ask(client, "MULTI") == ok);
  CHECK(served.ask(client, "SET name value").starts_with("-NOREPLICAS"));
  CHECK(served.ask(client, "EXEC").starts_with("-EXECABORT"));
  CHECK(served.ask(client, "GET name") == bulk("value"));
  served.network().heal();
  CHECK(served.run_until([&] { return served.ask(client, "SET name again") == ok; }, 10s));
}

// --- Links that are lost amid something ---------------------------------------------------------------

/// A pipeline of these, and where each of them ends.
struct Pipeline {
  explicit Pipeline(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      bytes += SimulatedClient::command(line);
      ends.push_back(bytes.size());
    }
  }
  [[nodiscard]] std::size_t whole_at(std::size_t cut) const {
    std::size_t count = 0;
    while (count < ends.size() && ends[count] <= cut) ++count;
    return count;
  }
  std::string bytes;
  std::vector<std::size_t> ends;
};

TEST_CASE("endpoint: of a pipeline that is cut at any byte the commands before are done, and no other") {
  const std::vector<std::string> lines{"SET one 1", "INCR counted", "APPEND text abc", "DEL one",
                                       "SET last 1"};
  const Pipeline pipeline(lines);
  Served served(1, 2);
  REQUIRE(served.follow({{1, 0}}));
  SimulatedClient& asks = served.client(served.node(0));
  for (std::size_t cut = 0; cut < pipeline.bytes.size(); ++cut) {
    CAPTURE(cut);
    REQUIRE(served.ask(asks, "FLUSHALL") == ok);
    SimulatedClient& client = served.client(served.node(0));
    REQUIRE(served.run_until([&] { return client.is_connected(); }));
    client.send_raw(pipeline.bytes);
    served.network().cut_after(client, served.node(0), cut);
    REQUIRE(served.run_until([&] { return bool(client.why_closed()); }));
    REQUIRE(served.settle());
    const std::size_t whole = pipeline.whole_at(cut);
    CHECK(client.replies() <= whole);
    CHECK(client.rest().empty());
    for (std::size_t i = 0; i < served.size(); ++i) {
      const auto& store = served.node(i).store();
      CHECK(store.contains("one") == (whole >= 1 && whole < 4));
      CHECK(store.get("counted") == (whole >= 2 ? std::optional<std::string>("1") : std::nullopt));
      CHECK(store.get("text") == (whole >= 3 ? std::optional<std::string>("abc") : std::nullopt));
      CHECK(store.contains("last") == (whole >= 5));
    }
  }
}

TEST_CASE("endpoint: a transaction whose client is cut off at any byte happens whole, or not at all") {
  const Pipeline pipeline({"SET before 1", "MULTI", "SET left 1", "INCR counted", "SET right 1", "EXEC"});
  Served served(1, 2);
  REQUIRE(served.follow({{1, 0}}));
  SimulatedClient& asks = served.client(served.node(0));
  const auto check = [&] {
    for (std::size_t i = 0; i < served.size(); ++i) {
      const auto& store = served.node(i).store();
      CHECK(store.contains("left") == store.contains("right"));
      CHECK(store.contains("left") == store.contains("counted"));
    }
  };
  served.after_each_event(check);
  for (std::size_t cut = 0; cut <= pipeline.bytes.size(); ++cut) {
    CAPTURE(cut);
    REQUIRE(served.ask(asks, "FLUSHALL") == ok);
    SimulatedClient& client = served.client(served.node(0));
    REQUIRE(served.run_until([&] { return client.is_connected(); }));
    client.send_raw(pipeline.bytes);
    served.network().cut_after(client, served.node(0), cut);
    REQUIRE(served.run_until([&] { return bool(client.why_closed()); }));
    REQUIRE(served.settle());
    CHECK(served.node(1).store().contains("before") == (pipeline.whole_at(cut) >= 1));
    CHECK(served.node(1).store().contains("left") == (cut == pipeline.bytes.size()));
  }
  CHECK(field(served, asks, "clients", "connected_clients") == "1");
}

TEST_CASE("endpoint: replicas whose links are cut at any byte of the stream never show half a transaction") {
  Served served(1, 3);
  REQUIRE(served.follow({{1, 0}, {2, 1}}));
  SimulatedClient& client = served.client(served.node(0));
  served.after_each_event([&] {
    for (std::size_t i = 0; i < served.size(); ++i) {
      const auto& store = served.node(i).store();
      CHECK(store.get("left") == store.get("right"));
      CHECK(store.get("left") == store.get("counted"));
    }
  });
  for (int number = 1; number <= 200; ++number) {
    CAPTURE(number);
    const std::string text = std::to_string(number);
    for (const std::string& line :
         {std::string("MULTI"), "SET left " + text, std::string("INCR counted"), "SET right " + text}) {
      REQUIRE(!served.ask(client, line).empty());
    }
    const std::size_t way = number % 3 == 0 ? 1 : 0;  // the second link as well
    served.network().cut_after(served.node(way), served.node(way + 1), static_cast<std::uint64_t>(number));
    REQUIRE(served.ask(client, "EXEC").starts_with("*3"));
    REQUIRE(served.settle());
    CHECK(served.node(2).store().get("left") == text);
  }
  CHECK(served.node(1).info().full_resyncs == 1);
  CHECK(served.node(2).info().full_resyncs == 1);
}

TEST_CASE(
    "endpoint: what is published at a master is heard once, in order, down the chain, cut links or not") {
  Served served(1, 3);
  REQUIRE(served.follow({{1, 0}, {2, 1}}));
  std::vector<std::vector<std::string>> heard(served.size());
  for (std::size_t i = 0; i < served.size(); ++i) {
    SimulatedClient& subscriber = served.client(served.node(i));
    REQUIRE(served.ask(subscriber, "SUBSCRIBE news").starts_with("*3"));
    subscriber.on_reply = [&heard, i](std::string_view reply) { heard[i].emplace_back(reply); };
  }
  SimulatedClient& publisher = served.client(served.node(0));
  std::vector<std::string> published;
  for (int number = 0; number < 100; ++number) {
    const std::size_t way = number % 2 == 0 ? 0 : 1;
    served.network().cut_after(served.node(way), served.node(way + 1),
                               static_cast<std::uint64_t>(1 + number));
    const std::string text = "flash" + std::to_string(number);
    REQUIRE(served.ask(publisher, "PUBLISH news " + text) == ":1\r\n");
    published.push_back("*3\r\n" + bulk("message") + bulk("news") + bulk(text));
    if (number % 3 == 0) REQUIRE(served.settle());
  }
  REQUIRE(served.settle());
  served.run_for(100ms);
  for (const auto& each : heard) CHECK(each == published);
}

// --- Roles --------------------------------------------------------------------------------------------

/// Counts at a node for as long as it lets it, and knows how far it was told that it got.
struct Counter {
  Counter(Served& in, const ServedNode& node) : client(in.client(node)) {
    client.on_reply = [this](std::string_view reply) {
      if (reply.front() == ':') {
        CHECK(std::stoi(std::string(reply.substr(1))) == told + 1);
        ++told;
      } else {
        ++refused;
        last_refusal = reply;
      }
      client.send("INCR counted");
    };
    client.send("INCR counted");
  }
  SimulatedClient& client;
  int told = 0;
  int refused = 0;
  std::string last_refusal{};
};

TEST_CASE("endpoint: REPLICAOF by clients amid writes: the new master goes on from what it had") {
  Served served(1, 3);
  REQUIRE(served.follow({{1, 0}, {2, 0}}));
  Counter counter(served, served.node(0));
  served.run_for(500ms);
  SimulatedClient& of_b = served.client(served.node(1));
  SimulatedClient& of_a = served.client(served.node(0));
  SimulatedClient& of_c = served.client(served.node(2));
  REQUIRE(served.ask(of_b, "REPLICAOF NO ONE") == ok);
  Counter other(served, served.node(1));
  other.told = std::stoi(served.node(1).store().get("counted").value_or("0"));
  CHECK(other.told >= counter.told - 5);
  served.run_for(500ms);
  REQUIRE(served.ask(of_a, served.replicaof(served.node(1))) == ok);
  REQUIRE(served.ask(of_c, served.replicaof(served.node(1))) == ok);
  REQUIRE(served.run_until([&] { return counter.refused > 10; }));
  CHECK(counter.last_refusal.starts_with("-READONLY"));
  counter.client.close();
  served.run_for(1s);
  const int told = other.told;
  other.client.close();
  REQUIRE(served.settle());
  for (std::size_t i = 0; i < served.size(); ++i) {
    CHECK(std::stoi(served.node(i).store().get("counted").value_or("0")) >= told);
    CHECK(served.node(i).has_same_data(served.node(0)));
  }
  CHECK(served.ask(of_a, "ROLE").starts_with("*5\r\n$5\r\nslave"));
}

TEST_CASE("endpoint: FAILOVER loses no answered write, at whatever byte its links are cut") {
  for (const bool is_back : {false, true}) {
    for (std::uint64_t cut = 1; cut < 700; cut += 41) {
      CAPTURE(is_back);
      CAPTURE(cut);
      Served served(cut, 2);
      REQUIRE(served.follow({{1, 0}}));
      Counter counter(served, served.node(0));
      served.run_for(100ms);
      SimulatedClient& admin = served.client(served.node(0));
      served.network().cut_after(served.node(is_back ? 1 : 0), served.node(is_back ? 0 : 1), cut);
      const std::string answer = served.ask(admin, "FAILOVER TO b 6379 TIMEOUT 3000");
      if (answer != ok) {  // the link was lost before
        CHECK(answer.starts_with("-ERR FAILOVER"));
        continue;
      }
      REQUIRE(served.run_until(
          [&] { return field(served, admin, "replication", "master_failover_state") == "no-failover"; }));
      const bool is_done = served.node(0).is_replica();
      CHECK(served.node(1).is_master() == is_done);
      served.run_for(500ms);
      counter.client.close();
      REQUIRE(served.settle());
      CHECK(served.node(0).has_same_data(served.node(1)));
      CHECK(std::stoi(served.node(1).store().get("counted").value_or("0")) >= counter.told);
      if (is_done) {
        CHECK(counter.last_refusal.starts_with("-READONLY"));
      } else {
        CHECK(counter.refused == 0);
      }
    }
  }
}

}  // namespace
