// The node program with the TLS directives of redis-server: who gets in, over which port and by which
// certificate, whom it follows and who follows it, and what stops its start.
#include <doctest/doctest.h>

#include <cstdint>
#include <exception>
#include <string>
#include <tests/certificates.hpp>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/node_program.hpp>
#include <tests/server/programs.hpp>
#include <tests/server/sentinel_group.hpp>
#include <utility>
#include <vector>

namespace secured {
namespace {

using interop::eventually;
using interop::RedisClient;
using replikv_tests::certificates;
using served::ConfiguredServer;
using served::has;
using served::has_program;
using served::here;
using served::info_field;
using served::is_in_step;
using served::node_program;
using served::Running;
using served::Words;

const std::string redis_program = "redis-server";

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Lines that name a certificate, its key and our authority.
std::string showing(const std::string& name) {
  return "tls-cert-file " + (certificates() / (name + ".crt")) + "\ntls-key-file " +
         (certificates() / (name + ".key")) + "\ntls-ca-cert-file " + (certificates() / "ca.crt") + "\n";
}

/// A server, of either program, with a port for TLS beside the plain one.
class SecureServer {
 public:
  explicit SecureServer(std::string program, const std::string& configuration,
                        const std::string& certificate = "server")
      : tls_port_(served::unused_port()),
        server_(std::move(program), "bind " + here + "\ntls-port " + std::to_string(tls_port_) + "\n" +
                                        showing(certificate) + "repl-diskless-sync-delay 0\n" +
                                        configuration) {}

  [[nodiscard]] std::uint16_t tls_port() const noexcept { return tls_port_; }
  ConfiguredServer* operator->() noexcept { return &server_; }

 private:
  std::uint16_t tls_port_;
  ConfiguredServer server_;
};

Words showing_certificate(const std::string& name) {
  return {"--cert",   certificates() / (name + ".crt"), "--key", certificates() / (name + ".key"),
          "--cacert", certificates() / "ca.crt"};
}

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Words tls_cli(std::uint16_t port, const Words& certificate) {
  return joined({"redis-cli", "--tls", "-p", std::to_string(port)}, certificate);
}

/// What redis-cli prints over TLS, errors first.
std::string asked(std::uint16_t port, const Words& command, const Words& certificate) {
  Running program(joined(tls_cli(port, certificate), command));
  CHECK(program.ends());
  return program.errors() + program.output();
}
std::string asked(std::uint16_t port, const Words& command) {
  return asked(port, command, showing_certificate("client"));
}

/// A server that has no other port than the one for TLS.
class OnlySecure {
 public:
  explicit OnlySecure(const std::string& program, const std::string& configuration = {},
                      const std::string& certificate = "server")
      : port_(served::unused_port()),
        process_({interop::find_program(program, program), "-"},
                 "port 0\nsave \"\"\nbind " + here + "\ntls-port " + std::to_string(port_) + "\n" +
                     showing(certificate) + configuration) {
    INFO(process_.output());
    REQUIRE(process_.prints("Ready to accept connections"));
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const Running& process() const noexcept { return process_; }

 private:
  std::uint16_t port_;
  Running process_;
};

// ---- Who gets in --------------------------------------------------------------------------------------

TEST_CASE("redis-cli finds a node that has only a port for TLS as it finds a redis-server") {
  if (!has_program("redis-cli", "redis-tools")) return;
  const std::string more =
      "tls-client-cert-file " + (certificates() / "client.crt") + "\ntls-client-key-file " +
      (certificates() / "client.key") + "\ntls-protocols \"TLSv1.2 TLSv1.3\"\ntls-ciphers DEFAULT:!MEDIUM\n" +
      "tls-ciphersuites TLS_AES_128_GCM_SHA256\ntls-prefer-server-ciphers yes\ntls-session-caching no\n" +
      "tls-session-cache-size 5000\ntls-auth-clients optional\n";
  const OnlySecure ours(node_program(), more);
  const OnlySecure theirs(redis_program, more);
  CHECK(asked(ours.port(), {"SET", "k", "v"}) == "OK\n");
  CHECK(asked(ours.port(), {"GET", "k"}) == "v\n");
  CHECK(says(asked(ours.port(), {"INFO", "server"}), "\ntcp_port:" + std::to_string(ours.port()) + "\r\n"));
  for (const std::string name : {"port",
                                 "tls-auth-clients",
                                 "tls-ca-cert-dir",
                                 "tls-ca-cert-file",
                                 "tls-cert-file",
                                 "tls-ciphers",
                                 "tls-ciphersuites",
                                 "tls-client-cert-file",
                                 "tls-client-key-file",
                                 "tls-client-key-file-pass",
                                 "tls-cluster",
                                 "tls-dh-params-file",
                                 "tls-key-file",
                                 "tls-key-file-pass",
                                 "tls-prefer-server-ciphers",
                                 "tls-protocols",
                                 "tls-replication",
                                 "tls-session-cache-size",
                                 "tls-session-cache-timeout",
                                 "tls-session-caching"}) {
    CHECK(asked(ours.port(), {"CONFIG", "GET", name}) == asked(theirs.port(), {"CONFIG", "GET", name}));
  }
  CHECK(asked(ours.port(), {"CONFIG", "GET", "tls-port"}) ==
        "tls-port\n" + std::to_string(ours.port()) + "\n");
  CHECK(says(asked(ours.port(), {"CONFIG", "SET", "tls-port", "0"}), "can't set immutable config"));
  CHECK(says(asked(ours.port(), {"CONFIG", "SET", "tls-cert-file", "x"}), "can't set immutable config"));

  // What has an effect is not said to have none.
  const std::string log = ours.process().output();
  CHECK(says(log, "'tls-session-caching' has no effect"));
  CHECK(says(log, "'tls-session-cache-size' has no effect"));
  CHECK_FALSE(says(log, "'tls-c"));
  CHECK_FALSE(says(log, "'tls-pr"));
}

TEST_CASE("clients without a good certificate are turned away from the node, which says why") {
  if (!has_program("redis-cli", "redis-tools")) return;
  const OnlySecure node(node_program());
  const Words trusting{"--cacert", certificates() / "ca.crt"};
  CHECK_FALSE(says(asked(node.port(), {"PING"}, trusting), "PONG"));
  CHECK(node.process().prints("Error accepting a client connection: TLS: peer did not return a certificate"));
  CHECK_FALSE(says(asked(node.port(), {"PING"}, showing_certificate("stranger")), "PONG"));
  CHECK(node.process().prints("unable to get local issuer certificate"));
  Running plain({"redis-cli", "-p", std::to_string(node.port()), "PING"});
  CHECK(plain.ends());
  CHECK_FALSE(says(plain.output(), "PONG"));
  CHECK(node.process().prints("the peer does not speak TLS"));
  CHECK(asked(node.port(), {"PING"}) == "PONG\n");
}

TEST_CASE("tls-auth-clients lets clients without certificate in, and with optional none with a bad one") {
  if (!has_program("redis-cli", "redis-tools")) return;
  const Words trusting{"--cacert", certificates() / "ca.crt"};
  const OnlySecure open(node_program(), "tls-auth-clients no\n");
  CHECK(asked(open.port(), {"PING"}, trusting) == "PONG\n");
  CHECK(asked(open.port(), {"PING"}, showing_certificate("stranger")) == "PONG\n");  // it is not looked at
  const OnlySecure optional(node_program(), "tls-auth-clients optional\n");
  CHECK(asked(optional.port(), {"PING"}, trusting) == "PONG\n");
  CHECK(asked(optional.port(), {"PING"}) == "PONG\n");
  CHECK_FALSE(says(asked(optional.port(), {"PING"}, showing_certificate("stranger")), "PONG"));
}

/// Whether openssl's own client agrees with a port on how to talk.
bool agrees(std::uint16_t port, const Words& more) {
  Running client(joined({"openssl", "s_client", "-connect", here + ":" + std::to_string(port), "-cert",
                         certificates() / "client.crt", "-key", certificates() / "client.key"},
                        more));
  return client.succeeds();
}

TEST_CASE("tls-protocols, tls-ciphers and tls-ciphersuites are all that the node agrees to") {
  if (!has_program("openssl", "openssl")) return;
  const OnlySecure old(node_program(), "tls-protocols tlsv1.2\ntls-ciphers ECDHE-ECDSA-AES256-GCM-SHA384\n");
  CHECK(agrees(old.port(), {"-tls1_2"}));
  CHECK_FALSE(agrees(old.port(), {"-tls1_3"}));
  CHECK_FALSE(agrees(old.port(), {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}));
  const OnlySecure recent(node_program(),
                          "tls-protocols TLSv1.3\ntls-ciphersuites TLS_CHACHA20_POLY1305_SHA256\n");
  CHECK(agrees(recent.port(), {"-tls1_3"}));
  CHECK_FALSE(agrees(recent.port(), {"-tls1_2"}));
  CHECK_FALSE(agrees(recent.port(), {"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"}));
}

TEST_CASE("a key with a password opens by tls-key-file-pass") {
  if (!has_program("redis-cli", "redis-tools")) return;
  const OnlySecure node(node_program(), "tls-key-file-pass \"open sesame\"\n", "locked");
  CHECK(asked(node.port(), {"PING"}) == "PONG\n");
}

TEST_CASE("redis-benchmark measures a node over TLS") {
  if (!has_program("redis-benchmark", "redis-tools")) return;
  const OnlySecure node(node_program());
  const Words general =
      joined({"redis-benchmark", "--tls", "-p", std::to_string(node.port()), "--csv", "-t", "set,get,incr"},
             showing_certificate("client"));
  for (const Words& more :
       {Words{"-n", "1000"}, Words{"-n", "1600", "-P", "16", "-d", "3000", "--threads", "2"},
        Words{"-n", "100", "-c", "5", "-k", "0"}}) {  // a connection for each command
    Running program(joined(general, more));
    CHECK(program.succeeds());
    INFO(program.output() << program.errors());
    for (const char* name : {"\"SET\"", "\"GET\"", "\"INCR\""}) CHECK(says(program.output(), name));
  }
  CHECK(asked(node.port(), {"GET", "counter:__rand_int__"}) == "2700\n");
}

TEST_CASE("programs that use redis-py work with a node over TLS") {
  const OnlySecure node(node_program());
  served::run_redis_py({std::to_string(node.port()), "", certificates().folder().string()});
}

TEST_CASE("what programs that use redis-py expect of a node over TLS, a redis-server has") {
  const OnlySecure redis(redis_program);
  served::run_redis_py({std::to_string(redis.port()), "", certificates().folder().string()});
}

// ---- Replication --------------------------------------------------------------------------------------

std::string follows(const SecureServer& master) {
  return "tls-replication yes\nreplicaof " + here + " " + std::to_string(master.tls_port()) + "\n";
}

bool has_replica_at(RedisClient& master, std::uint16_t port) {
  const std::string line = "ip=" + here + ",port=" + std::to_string(port) + ",state=online";
  return eventually([&] { return says(master.info("replication"), line); });
}

TEST_CASE("a node follows a redis-server over TLS, and is known there by its port for TLS") {
  SecureServer redis(redis_program, "tls-replication yes\n", "elsewhere");  // names do not matter to Redis
  auto at_redis = redis->client();
  at_redis.command("SET", "k", "v");
  SecureServer node(node_program(), follows(redis), "client");
  auto at_node = node->client();
  CHECK(has(at_node, "k", "v"));
  CHECK(has_replica_at(at_redis, node.tls_port()));
  CHECK(info_field(at_node, "server", "tcp_port") == std::to_string(node->port()));

  // At run time as well: away, and back.
  CHECK(at_node.command("REPLICAOF", "NO", "ONE").text == "OK");
  CHECK(at_redis.command("SET", "k", "w").text == "OK");
  CHECK(at_node.command("REPLICAOF", here, redis.tls_port()).text == "OK");
  CHECK(has(at_node, "k", "w"));
  CHECK(has_replica_at(at_redis, node.tls_port()));

  // Its plain port would have done as well, were it not for tls-replication.
  const std::string laddr = "laddr=" + here + ":" + std::to_string(redis.tls_port()) + " ";
  CHECK(says(at_redis.command("CLIENT", "LIST", "TYPE", "replica").text, laddr));
}

TEST_CASE("a node shows its master the certificate of tls-client-cert-file") {
  SecureServer redis(redis_program, "tls-replication yes\n");
  const std::string own = "tls-client-cert-file " + (certificates() / "client.crt") +
                          "\ntls-client-key-file " + (certificates() / "client.key") + "\n";
  SecureServer node(node_program(), follows(redis) + own, "stranger");  // as which it would be refused
  auto at_node = node->client();
  CHECK(eventually([&] { return is_in_step(at_node); }));
  SecureServer refused(node_program(), follows(redis), "stranger");
  CHECK(eventually([&] { return says(refused->log(), "TLS: the peer refuses: "); }));
}

TEST_CASE("replicas follow a node at both of its ports at once, while clients write at both") {
  if (!has_program("redis-cli", "redis-tools")) return;
  SecureServer node(node_program(), "");
  auto at_node = node->client();
  at_node.command("SET", "plain", "1");
  CHECK(asked(node.tls_port(), {"SET", "secure", "2"}) == "OK\n");
  CHECK(at_node.command("GET", "secure").text == "2");

  SecureServer by_tls(redis_program, follows(node), "client");
  ConfiguredServer by_tcp(redis_program, "bind " + here + "\nrepl-diskless-sync-delay 0\nreplicaof " + here +
                                             " " + std::to_string(node->port()) + "\n");
  auto at_first = by_tls->client();
  auto at_second = by_tcp.client();
  CHECK(has_replica_at(at_node, by_tls.tls_port()));
  CHECK(has_replica_at(at_node, by_tcp.port()));
  CHECK(asked(node.tls_port(), {"SET", "later", "3"}) == "OK\n");
  for (auto* const replica : {&at_first, &at_second}) {
    CHECK(has(*replica, "plain", "1"));
    CHECK(has(*replica, "secure", "2"));
    CHECK(has(*replica, "later", "3"));
  }
  CHECK(asked(node.tls_port(), {"WAIT", "2", "60000"}) == "2\n");
}

TEST_CASE("a node without tls-replication tells a master its plain port") {
  ConfiguredServer redis(redis_program, "bind " + here + "\nrepl-diskless-sync-delay 0\n");
  SecureServer node(node_program(), "replicaof " + here + " " + std::to_string(redis.port()) + "\n");
  auto at_redis = redis.client();
  CHECK(has_replica_at(at_redis, node->port()));
}

TEST_CASE("FAILOVER hands the mastership over TLS to a redis-server, and back") {
  SecureServer node(node_program(), "tls-replication yes\n");
  auto at_node = node->client();
  SecureServer redis(redis_program, follows(node));
  auto at_redis = redis->client();
  REQUIRE(has_replica_at(at_node, redis.tls_port()));
  at_node.command("SET", "k", "v");
  CHECK(at_node.command("FAILOVER").text == "OK");
  CHECK(eventually([&] { return info_field(at_redis, "replication", "role") == "master"; }));
  REQUIRE(has_replica_at(at_redis, node.tls_port()));
  CHECK(at_redis.command("SET", "k", "w").text == "OK");
  CHECK(has(at_node, "k", "w"));
  CHECK(at_redis.command("FAILOVER").text == "OK");
  REQUIRE(has_replica_at(at_node, redis.tls_port()));
  CHECK(at_node.command("SET", "k", "x").text == "OK");
  CHECK(has(at_redis, "k", "x"));
}

TEST_CASE("a sentinel that speaks TLS with nodes finds the replica, promotes it and brings the master back") {
  const std::string secret = "requirepass s3cret\nmasterauth s3cret\n";
  SecureServer first(node_program(), "tls-replication yes\n" + secret);
  SecureServer second(node_program(), follows(first) + secret);
  ConfiguredServer sentinel(redis_program,
                            "bind " + here + "\ntls-port " + std::to_string(served::unused_port()) +
                                "\ntls-replication yes\n" + showing("client") + "sentinel monitor group " +
                                here + " " + std::to_string(first.tls_port()) +
                                " 1\nsentinel auth-pass group s3cret\nsentinel down-after-milliseconds group "
                                "1500\nsentinel failover-timeout group 5000\n",
                            {"--sentinel"});
  served::hasten(sentinel);
  auto at_sentinel = sentinel.client();
  auto at_second = second->client();
  at_second.command("AUTH", "s3cret");
  INFO(sentinel.log());
  REQUIRE(eventually([&] { return at_sentinel.command("SENTINEL", "REPLICAS", "group").items.size() == 1; }));
  REQUIRE(eventually([&] { return is_in_step(at_second); }));

  first->kill();
  const std::string port = std::to_string(second.tls_port());
  CHECK(eventually([&] {
    const auto reply = at_sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "group");
    return reply.items.size() == 2 && reply.items[1].text == port;
  }));
  auto promoted = second->client();  // the sentinel has closed the other
  promoted.command("AUTH", "s3cret");
  CHECK(info_field(promoted, "replication", "role") == "master");
  promoted.command("SET", "k", "v");
  first->start();
  CHECK(eventually([&] {  // it closes clients of this one too
    try {
      auto at_first = first->client();
      at_first.command("AUTH", "s3cret");
      return info_field(at_first, "replication", "master_port") == port && is_in_step(at_first) &&
             at_first.command("GET", "k").text == "v";
    } catch (const std::exception&) {
      return false;
    }
  }));
}

// ---- What stops the start -----------------------------------------------------------------------------

struct Refused {
  std::string lines;
  std::string why;
};

/// What a program says that does not start, to a terminal and in its log.
std::string complaint_of(const std::string& program, const std::string& configuration) {
  Running process(
      {interop::find_program(program, program), "-"},
      "port 0\nbind " + here + "\ntls-port " + std::to_string(served::unused_port()) + "\n" + configuration);
  CHECK(process.ends());
  CHECK_FALSE(process.succeeds());
  return process.output() + process.errors();
}

TEST_CASE("a node with tls-port and what is missing for it does not start, in the words of redis-server") {
  const std::string certificate = "tls-cert-file " + (certificates() / "server.crt") + "\n";
  const std::string key = "tls-key-file " + (certificates() / "server.key") + "\n";
  const Refused lacking[] = {
      {"", "No tls-cert-file configured!"},
      {key, "No tls-cert-file configured!"},
      {certificate, "No tls-key-file configured!"},
      {certificate + key, "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-"}};
  for (const Refused& each : lacking) {
    CAPTURE(each.lines);
    CHECK(says(complaint_of(node_program(), each.lines), each.why));
    CHECK(says(complaint_of(redis_program, each.lines), each.why));
  }
}

TEST_CASE("a node whose certificate, key or authority is of no use does not start, and names the directive") {
  const auto file = [](const char* name) { return certificates() / name; };
  const Refused wrong[] = {
      {"tls-cert-file " + file("missing.crt"), "tls-cert-file " + file("missing.crt") + ": No such file"},
      {"tls-cert-file " + file("server.key"), "tls-cert-file " + file("server.key") + ": no start line"},
      {"tls-key-file " + file("missing.key"), "tls-key-file " + file("missing.key") + ": No such file"},
      {"tls-key-file " + file("client.key"), "tls-key-file " + file("client.key") + ": key values mismatch"},
      {"tls-ca-cert-file " + file("missing.crt"), "tls-ca-cert-file " + file("missing.crt") + ": No such"},
      {"tls-ca-cert-dir " + file("missing"), "tls-ca-cert-dir " + file("missing") + " is not a folder"},
      {"tls-client-cert-file " + file("client.crt"),
       "tls-client-cert-file and tls-client-key-file go together"},
      {"tls-client-cert-file " + file("missing.crt") + "\ntls-client-key-file " + file("client.key"),
       "tls-client-cert-file " + file("missing.crt") + ": No such file"},
      {"tls-client-cert-file " + file("client.crt") + "\ntls-client-key-file " + file("server.key"),
       "tls-client-key-file " + file("server.key") + ": key values mismatch"},
      {"tls-protocols TLSv1.1", "tls-protocols: \"TLSv1.1\" is not TLSv1.2 or TLSv1.3"},
      {"tls-ciphers ROT13", "tls-ciphers ROT13: no cipher match"},
      {"tls-ciphersuites TLS_ROT13", "tls-ciphersuites TLS_ROT13: no cipher match"},
      {"daemonize yes\ntls-cert-file " + file("missing.crt"), "tls-cert-file " + file("missing.crt")}};
  for (const Refused& each : wrong) {
    CAPTURE(each.lines);
    const std::string complaint = complaint_of(node_program(), showing("server") + each.lines + "\n");
    CHECK_MESSAGE(says(complaint, "Failed to configure TLS: "), complaint);
    CHECK_MESSAGE(says(complaint, each.why), complaint);
  }
  const std::string locked = complaint_of(node_program(), showing("locked"));
  CHECK_MESSAGE(says(locked, "tls-key-file " + file("locked.key")), locked);
  const std::string taken =
      complaint_of(node_program(), showing("locked") + "tls-key-file-pass abracadabra\n");
  CHECK_MESSAGE(says(taken, "tls-key-file " + file("locked.key")), taken);
}

TEST_CASE("a node whose port for TLS is taken does not start") {
  SecureServer first(node_program(), "");
  const std::string port = std::to_string(first.tls_port());
  CHECK(says(complaint_of(node_program(), showing("server") + "tls-port " + port + "\n"),
             "Failed listening on port " + port + " (TLS), aborting."));
}

}  // namespace
}  // namespace secured
