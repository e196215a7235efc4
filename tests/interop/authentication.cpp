// Passwords and users in both directions: who may replicate, and what happens to those who may not.
#include <doctest/doctest.h>

#include <tests/interop/contents.hpp>

using namespace interop;

namespace {

ReplicationOptions presenting(std::string user, std::string password) {
  ReplicationOptions options = impatient();
  options.credentials = Credentials{std::move(user), std::move(password)};
  return options;
}

RedisClient admin_of(const RedisServer& server, std::string_view password) {
  RedisClient client(server.port());
  REQUIRE_FALSE(client.command("AUTH", password).is_error());
  return client;
}

}  // namespace

TEST_CASE("our replica presents a password that redis-server requires") {
  RedisServer server({"--requirepass", "secret"});
  auto client = admin_of(server, "secret");
  client.command("SET", "key", "1");
  TcpTransport network;
  for (const std::string_view user : {"", "default"}) {
    ReplicaNode replica(network, presenting(std::string(user), "secret"));
    replica.role->follow(network, server.address());
    REQUIRE(in_step(replica, client));
    CHECK(replica.store.get("key") == "1");
    CHECK(replica.log.count<LinkDown>() == 0);
  }
}

TEST_CASE("without a password our replica is told that one is required, and goes on trying") {
  RedisServer server({"--requirepass", "secret"});
  auto client = admin_of(server, "secret");
  TcpTransport network;
  ReplicaNode replica(network);
  replica.role->follow(network, server.address());
  REQUIRE(eventually([&] { return replica.log.downs(Errc::authentication_required) >= 3; }));
  CHECK(replica.log.downs(Errc::authentication_required) == replica.log.count<LinkDown>());
  client.command("CONFIG", "SET", "requirepass", "");
  REQUIRE(in_step(replica, client));
}

TEST_CASE("with a wrong password our replica reports it, goes on trying, and is let in once it is right") {
  RedisServer server({"--requirepass", "secret"});
  auto client = admin_of(server, "secret");
  TcpTransport network;
  ReplicaNode replica(network, presenting("", "guess"));
  replica.role->follow(network, server.address());
  REQUIRE(eventually([&] { return replica.log.downs(Errc::wrong_password) >= 3; }));
  CHECK(replica.log.downs(Errc::wrong_password) == replica.log.count<LinkDown>());
  client.command("CONFIG", "SET", "requirepass", "guess");
  REQUIRE(in_step(replica, client));
}

TEST_CASE("our replica is content with a user that may PSYNC, REPLCONF and PING") {
  RedisServer server({"--requirepass", "secret"});
  auto client = admin_of(server, "secret");
  REQUIRE_FALSE(
      client.command("ACL", "SETUSER", "reader", "on", ">word", "+psync", "+replconf", "+ping").is_error());
  client.command("SET", "key", "1");
  TcpTransport network;
  ReplicaNode replica(network, presenting("reader", "word"));
  replica.role->follow(network, server.address());
  REQUIRE(in_step(replica, client));
  CHECK(replica.store.get("key") == "1");
  CHECK(replica.log.count<LinkDown>() == 0);
}

TEST_CASE("a user that may not PSYNC is reported as without permission, until it may") {
  RedisServer server({"--requirepass", "secret"});
  auto client = admin_of(server, "secret");
  REQUIRE_FALSE(client.command("ACL", "SETUSER", "reader", "on", ">word", "+replconf", "+ping").is_error());
  TcpTransport network;
  ReplicaNode replica(network, presenting("reader", "word"));
  replica.role->follow(network, server.address());
  REQUIRE(eventually([&] { return replica.log.downs(Errc::no_permission) >= 2; }));
  CHECK(replica.log.downs(Errc::no_permission) == replica.log.count<LinkDown>());
  client.command("ACL", "SETUSER", "reader", "+psync");
  REQUIRE(in_step(replica, client));
}

TEST_CASE("a user that may nothing but PSYNC and REPLCONF suffices too: the answer to PING does not matter") {
  RedisServer server({"--requirepass", "secret"});
  auto client = admin_of(server, "secret");
  REQUIRE_FALSE(client.command("ACL", "SETUSER", "reader", "on", ">word", "+psync", "+replconf").is_error());
  TcpTransport network;
  ReplicaNode replica(network, presenting("reader", "word"));
  replica.role->follow(network, server.address());
  REQUIRE(in_step(replica, client));
}

TEST_CASE("redis-server presents its masterauth, or masteruser and masterauth, to our master") {
  TcpTransport network;
  ReplicationOptions options;
  options.accepts = {{"", "secret"}, {"reader", "word"}};
  MasterNode master(network, options);
  master.store.set("key", "1");
  RedisServer with_password({"--masterauth", "secret"});
  RedisServer with_user({"--masterauth", "word", "--masteruser", "reader"});
  for (const RedisServer* server : {&with_password, &with_user}) {
    auto client = server->client();
    make_replica(client, master.port());
    REQUIRE(in_step(client, *master.role));
    CHECK(client.command("GET", "key").text == "1");
  }
}

TEST_CASE(
    "redis-server with a wrong password, or none, gets nothing of our master until it has the right one") {
  TcpTransport network;
  ReplicationOptions options;
  options.accepts = {{"reader", "word"}};
  MasterNode master(network, options);
  master.store.set("key", "1");
  RedisServer server;
  auto client = server.client();
  make_replica(client, master.port());
  REQUIRE(eventually([&] { return server.log().find("NOAUTH") != std::string::npos; }));
  client.command("CONFIG", "SET", "masteruser", "reader");
  client.command("CONFIG", "SET", "masterauth", "guess");
  REQUIRE(eventually([&] { return server.log().find("WRONGPASS") != std::string::npos; }));
  CHECK(client.command("DBSIZE").number == 0);
  CHECK(master.role->info().replicas.empty());
  CHECK(master.role->info().full_resyncs_served == 0);
  client.command("CONFIG", "SET", "masterauth", "word");
  REQUIRE(in_step(client, *master.role));
  CHECK(client.command("GET", "key").text == "1");
}

TEST_CASE("our master answers whoever connects word for word as redis-server does") {
  TcpTransport network;
  ReplicationOptions options;
  options.accepts = {{"", "secret"}};
  MasterNode ours(network, options);
  RedisServer theirs({"--requirepass", "secret"});
  using Words = std::vector<std::string>;
  const std::string id(40, 'a');
  const std::vector<std::vector<Words>> conversations{
      {{"PING"},
       {"REPLCONF", "capa", "eof"},
       {"PSYNC", "?", "-1"},
       {"PSYNC", id, "1"},
       {"SYNC"},
       {"NONSENSE", "a"}},
      {{"AUTH"}, {"AUTH", "a", "b", "c"}, {"AUTH", "guess"}, {"AUTH", "default", "guess"}, {"PING"}},
      {{"AUTH", "nobody", "secret"}, {"REPLCONF", "capa", "eof"}, {"auth", "default", "secret"}, {"ping"}},
      {{"AUTH", "secret"},
       {"NONSENSE", "a", "b"},
       {"REPLCONF", "listening-port", "many"},
       {"REPLCONF", "nonsense", "1"},
       {"REPLCONF", "listening-port"},
       {"REPLCONF", "listening-port", "7000"},
       {"REPLCONF", "capa", "eof", "capa", "psync2"},
       {"PSYNC"},
       {"AUTH", "guess"},
       {"PING"}},
  };
  for (const auto& conversation : conversations) {
    RedisClient to_ours(ours.port());
    RedisClient to_theirs(theirs.port());
    for (const Words& words : conversation) {
      CAPTURE(words[0]);
      to_ours.add_words(words);
      to_theirs.add_words(words);
      CHECK(to_ours.flush()[0].text == to_theirs.flush()[0].text);
    }
  }
}

TEST_CASE("our master hangs up on who guesses passwords") {
  TcpTransport network;
  ReplicationOptions options;
  options.accepts = {{"", "secret"}};
  MasterNode master(network, options);
  RedisClient guesser(master.port());
  CHECK_THROWS([&] {
    for (int i = 0; i < 100; ++i) guesser.command("AUTH", i);
  }());
}
