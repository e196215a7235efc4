// CLIENT: what is told of the connections, ending them, pausing them, and what each chooses for itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <tests/interop/eventually.hpp>
#include <tests/interop/socket.hpp>
#include <tests/server/beside_clients.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <utility>
#include <vector>

namespace {

using interop::eventually;
using served::BesideRedis;
using served::ClientOfBoth;
using served::Served;

/// A field of one line of CLIENT LIST.
std::string field(std::string_view line, std::string_view name) {
  const std::string mark = " " + std::string(name) + "=";
  const std::string padded = " " + std::string(line);
  const std::size_t begin = padded.find(mark);
  if (begin == std::string::npos) return "<none>";
  const std::size_t from = begin + mark.size();
  return padded.substr(from, padded.find_first_of(" \r\n", from) - from);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<std::string> field_names(std::string_view line) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    const std::string_view pair = line.substr(at, end - at);
    names.emplace_back(pair.substr(0, pair.find('=')));
    at = end + 1;
  }
  return names;
}

bool is_ended(interop::RedisClient& client) {
  try {
    client.read_reply();
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

interop::Descriptor connected_to(const std::string& path) {
  interop::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

TEST_CASE("CLIENT answers as in redis-server, errors included, in both protocols") {
  BesideRedis both;
  for (const std::string_view hello : {"PING", "HELLO 3"}) {
    if (hello != "PING") both.both(hello);
    both.same({"CLIENT",
               "CLIENT NOPE",
               "CLIENT ID x",
               "CLIENT GETNAME",
               "CLIENT SETNAME \"a b\"",
               "CLIENT SETNAME a\\n",
               "CLIENT SETNAME me",
               "CLIENT GETNAME",
               "CLIENT SETNAME \"\"",
               "CLIENT GETNAME",
               "CLIENT KILL",
               "CLIENT KILL 1.2.3.4:5",
               "CLIENT KILL ID x",
               "CLIENT KILL ID 0",
               "CLIENT KILL ID 99999",
               "CLIENT KILL TYPE nope",
               "CLIENT KILL TYPE pubsub",
               "CLIENT KILL TYPE master",
               "CLIENT KILL TYPE slave",
               "CLIENT KILL TYPE REPLICA",
               "CLIENT KILL USER nobody",
               "CLIENT KILL USER default ADDR 1.2.3.4:5",
               "CLIENT KILL SKIPME maybe",
               "CLIENT KILL ADDR a LADDR",
               "CLIENT KILL LADDR 1.2.3.4:5 SKIPME no",
               "CLIENT LIST TYPE nope",
               "CLIENT LIST TYPE master",
               "CLIENT LIST TYPE replica",
               "CLIENT LIST TYPE pubsub",
               "CLIENT LIST ID 1 x",
               "CLIENT LIST ID",
               "CLIENT LIST ID 99999",
               "CLIENT LIST NOPE",
               "CLIENT LIST TYPE normal x",
               "CLIENT NO-EVICT on",
               "CLIENT NO-EVICT off",
               "CLIENT NO-EVICT x",
               "CLIENT REPLY x",
               "CLIENT REPLY on",
               "CLIENT UNBLOCK 999",
               "CLIENT UNBLOCK x",
               "CLIENT UNBLOCK 9 NOPE",
               "CLIENT UNBLOCK 9 ERROR",
               "CLIENT UNBLOCK 9 TIMEOUT x",
               "CLIENT TRACKINGINFO",
               "CLIENT GETREDIR",
               "CLIENT CACHING yes",
               "CLIENT TRACKING off",
               "CLIENT TRACKING x",
               "CLIENT PAUSE x",
               "CLIENT PAUSE -1",
               "CLIENT PAUSE 1 NOPE",
               "CLIENT PAUSE 1 WRITE x",
               "CLIENT PAUSE 0",
               "CLIENT UNPAUSE",
               "CLIENT UNPAUSE x"});
  }
}

TEST_CASE("a line of CLIENT LIST has the fields of redis-server, in its order, and tells the same") {
  BesideRedis both;
  const auto lines = [&both] {
    auto [ours, theirs] = both.both("CLIENT INFO");
    return std::pair(ours.substr(ours.find("id=")), theirs.substr(theirs.find("id=")));
  };
  both.same({"SELECT 3", "CLIENT SETNAME me", "CLIENT NO-EVICT on", "WATCH a", "SET a 1"});
  const auto [ours, theirs] = lines();
  const std::string_view our_line = std::string_view(ours).substr(0, ours.find('\n'));
  const std::string_view their_line = std::string_view(theirs).substr(0, theirs.find('\n'));
  CHECK(field_names(our_line) == field_names(their_line));
  for (const char* name : {"name", "age", "idle", "flags", "db", "sub", "psub", "ssub", "multi", "cmd",
                           "user", "redir", "resp", "events", "oll", "omem"}) {
    CAPTURE(name);
    CHECK(field(our_line, name) == field(their_line, name));
  }
  CHECK(field(our_line, "laddr") == both.ours().address);
  CHECK(field(our_line, "addr").starts_with("127.0.0.1:"));
  CHECK(field(our_line, "addr") != field(our_line, "laddr"));
}

TEST_CASE("CLIENT LIST shows all, by class and by number") {
  Served served;
  Served replica;
  replica.node.replicate_from(replica.tcp, served.address);
  REQUIRE(eventually([&] { return served.node.info().replicas.size() == 1; }));
  auto client = served.client();
  auto subscriber = served.client();
  subscriber.command("SUBSCRIBE", "a");
  auto queueing = served.client();
  queueing.command("MULTI");
  queueing.command("GET", "a");
  const auto list = [&client](const auto&... words) {
    return lines_of(client.command("CLIENT", "LIST", words...).text);
  };
  REQUIRE(list().size() == 4);
  REQUIRE(list("TYPE", "replica").size() == 1);
  CHECK(field(list("TYPE", "replica")[0], "flags") == "S");
  REQUIRE(list("TYPE", "pubsub").size() == 1);
  CHECK(field(list("TYPE", "pubsub")[0], "sub") == "1");
  REQUIRE(list("TYPE", "normal").size() == 2);
  CHECK(field(list("TYPE", "normal")[1], "multi") == "1");
  const std::string id = field(list("TYPE", "pubsub")[0], "id");
  REQUIRE(list("ID", client.command("CLIENT", "ID").number, 12345, id).size() == 2);
  CHECK(field(list("ID", id)[0], "flags") == "P");
}

TEST_CASE("what a library tells of itself is shown") {
  Served served;
  auto client = served.client();
  CHECK(client.command("CLIENT", "SETINFO", "lib-name", "redis-py").text == "OK");
  CHECK(client.command("CLIENT", "SETINFO", "LIB-VER", "5.0").text == "OK");
  CHECK(client.command("CLIENT", "SETINFO", "lib-ver", "5 0").is_error());
  CHECK(client.command("CLIENT", "SETINFO", "nope", "5").is_error());
  const std::string line = client.command("CLIENT", "INFO").text;
  CHECK(field(line, "lib-name") == "redis-py");
  CHECK(field(line, "lib-ver") == "5.0");
}

TEST_CASE("CLIENT KILL ends those that are meant, and no other") {
  Served served;
  auto client = served.client();
  auto victim = served.client();
  victim.command("CLIENT", "SETNAME", "victim");
  const std::string line = victim.command("CLIENT", "INFO").text;
  const auto kill = [&client](const auto&... words) { return client.command("CLIENT", "KILL", words...); };
  SUBCASE("by address, the old form") { CHECK(kill(field(line, "addr")).text == "OK"); }
  SUBCASE("by address") { CHECK(kill("ADDR", field(line, "addr")).number == 1); }
  SUBCASE("by number") { CHECK(kill("ID", field(line, "id")).number == 1); }
  SUBCASE("by class") { CHECK(kill("TYPE", "normal").number == 1); }
  SUBCASE("by the end here") { CHECK(kill("LADDR", served.address).number == 1); }
  SUBCASE("by user") { CHECK(kill("USER", "default").number == 1); }
  SUBCASE("all filters hold") {
    CHECK(kill("ID", field(line, "id"), "TYPE", "pubsub").number == 0);
    CHECK(kill("ID", field(line, "id"), "TYPE", "normal", "ADDR", field(line, "addr")).number == 1);
  }
  CHECK(is_ended(victim));
  CHECK(client.command("CLIENT", "LIST").text.find("name=victim") == std::string::npos);
  CHECK(client.command("PING").text == "PONG");
}

TEST_CASE("a client that kills itself is answered first") {
  Served served;
  auto client = served.client();
  const std::string line = client.command("CLIENT", "INFO").text;
  SUBCASE("old form") { CHECK(client.command("CLIENT", "KILL", field(line, "addr")).text == "OK"); }
  SUBCASE("SKIPME no") {
    CHECK(client.command("CLIENT", "KILL", "ID", field(line, "id"), "SKIPME", "no").number == 1);
  }
  CHECK(is_ended(client));
}

TEST_CASE("a replica that is killed comes back by a partial resync") {
  Served served;
  Served replica;
  replica.node.replicate_from(replica.tcp, served.address);
  auto client = served.client();
  const auto replicas = [&] { return client.command("CLIENT", "LIST", "TYPE", "replica").text; };
  REQUIRE(eventually([&] { return served.node.info().replicas.size() == 1; }));
  const std::string former = field(replicas(), "id");
  CHECK(client.command("CLIENT", "KILL", "TYPE", "slave").number == 1);
  CHECK(eventually([&] { return field(replicas(), "id") != former && field(replicas(), "id") != "<none>"; }));
  client.command("SET", "a", "1");
  CHECK(eventually([&] { return replica.stores[0].contains("a"); }));
  CHECK(lines_of(replicas()).size() == 1);
}

TEST_CASE("a replica that the node drops is no client any more") {
  Served served;
  auto client = served.client();
  {
    Served replica;
    replica.node.replicate_from(replica.tcp, served.address);
    REQUIRE(eventually([&] { return served.node.info().replicas.size() == 1; }));
    served.node.replicate_from(served.tcp, "127.0.0.1:1");  // it ends the links of replicas by itself
    served.node.promote();
  }
  CHECK(eventually([&] { return client.command("CLIENT", "LIST", "TYPE", "replica").text.empty(); }));
}

TEST_CASE("CLIENT REPLY keeps answers back") {
  BesideRedis both;
  ClientOfBoth client(both);
  client.send("CLIENT REPLY SKIP");
  client.send("SET a 1");
  client.same("GET a");
  client.send("CLIENT REPLY OFF");
  client.send("SET a 2");
  client.send("NOPE");
  client.send("CLIENT REPLY SKIP");
  client.send("GET a");
  client.same({"CLIENT REPLY ON", "GET a"});
}

TEST_CASE("while writes are paused they wait, and reads do not") {
  BesideRedis both;
  ClientOfBoth writer(both);
  ClientOfBoth transaction(both);
  transaction.same({"MULTI", "SET b 1"});
  both.same("CLIENT PAUSE 100000 WRITE");
  writer.send("SET a 1");
  transaction.send("EXEC");
  both.same({"GET a", "GET b", "MULTI", "GET a", "EXEC", "PING"});
  both.same("CLIENT UNPAUSE");
  writer.next();
  transaction.next();
  writer.same({"GET a", "GET b"});
}

TEST_CASE("while all are paused each waits, with what it has sent behind; time ends it") {
  Served served;
  auto client = served.client();
  auto other = served.client();
  CHECK(client.command("CLIENT", "PAUSE", 300).text == "OK");
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 1'000; ++i) other.add("INCR-LIKE", i);
  other.add("PING");
  other.add("SET", "a", "1");
  other.add("GET", "a");
  CHECK(other.flush().back().text == "1");
  CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(290));
  CHECK(client.command("PING").text == "PONG");
}

TEST_CASE("a client that leaves while it is paused is forgotten") {
  Served served;
  auto client = served.client();
  auto watcher = served.client();
  client.command("CLIENT", "PAUSE", 100'000, "WRITE");
  {
    auto leaving = served.client();
    leaving.add("SET", "a", "1");
    leaving.send_pipeline();
    CHECK(eventually(
        [&] { return watcher.command("CLIENT", "LIST").text.find("flags=b") != std::string::npos; }));
  }
  CHECK(eventually([&] { return lines_of(watcher.command("CLIENT", "LIST").text).size() == 2; }));
  CHECK(watcher.command("CLIENT", "UNPAUSE").text == "OK");
  CHECK_FALSE(served.stores[0].contains("a"));
}

TEST_CASE("RESET leaves a client as it came") {
  Served served({.password = "secret"});
  auto client = served.client();
  client.command("AUTH", "secret");
  for (const char* line : {"SELECT 3", "CLIENT SETNAME me", "WATCH a", "SUBSCRIBE a", "RESET"}) {
    client.add_words(served::words_of(line));
  }
  CHECK(client.flush().back().text == "RESET");
  CHECK(client.command("GET", "a").text == "NOAUTH Authentication required.");
  client.command("AUTH", "secret");
  const std::string line = client.command("CLIENT", "INFO").text;
  CHECK(field(line, "db") == "0");
  CHECK(field(line, "name").empty());
  CHECK(field(line, "sub") == "0");
}

TEST_CASE("clients over a Unix socket are shown by its path") {
  Served served;
  interop::TemporaryDirectory directory;
  const std::string path = (directory.path() / "kv.sock").string();
  replikv::UnixTransport unix_transport;
  served.endpoint.listen(unix_transport, path);
  interop::RedisClient client(connected_to(path));
  const std::string line = client.command("CLIENT", "INFO").text;
  CHECK(field(line, "addr") == path + ":0");
  CHECK(field(line, "laddr") == path + ":0");
  CHECK(field(line, "flags") == "U");
}

TEST_CASE("thousands of connections come and go") {
  Served served;
  auto client = served.client();
  for (int round = 0; round < 30; ++round) {
    std::vector<interop::RedisClient> crowd;
    for (int i = 0; i < 100; ++i) {
      crowd.push_back(served.client());
      for (const char* line : {"WATCH a b", "MULTI", "SET a 1", "PSUBSCRIBE *"}) {
        crowd.back().add_words(served::words_of(line));
      }
      if (i % 3 == 0) crowd.back().add("MONITOR");
      crowd.back().send_pipeline();
    }
  }
  CHECK(eventually([&] { return lines_of(client.command("CLIENT", "LIST").text).size() == 1; }));
  CHECK(client.command("SET", "a", "1").text == "OK");
  CHECK(client.command("PUBLISH", "a", "1").number == 0);
}

}  // namespace
