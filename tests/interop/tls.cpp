// Replication over TLS with redis-server, in both directions, and what both say when they do not trust each
// other.
#include <replikv/transport/asio_tls.hpp>

#include <doctest/doctest.h>

#include <tests/certificates.hpp>
#include <tests/interop/contents.hpp>
#include <tests/interop/write_load.hpp>

using namespace interop;
using replikv_tests::certificates;

namespace {

TlsOptions showing(const std::string& name) {
  TlsOptions options;
  options.cert_file = certificates() / (name + ".crt");
  options.key_file = certificates() / (name + ".key");
  options.ca_cert_file = certificates() / "ca.crt";
  return options;
}

/// A redis-server that also listens with TLS, and replicates with it; its plain port is for the test.
class TlsRedisServer {
 public:
  explicit TlsRedisServer(const std::string& certificate = "server", std::vector<std::string> options = {})
      : tls_port_(RedisServer::free_port()), server_(with_tls(certificate, std::move(options))) {}

  RedisServer* operator->() { return &server_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(tls_port_); }

 private:
  [[nodiscard]] std::vector<std::string> with_tls(const std::string& certificate,
                                                  std::vector<std::string> options) const {
    const std::vector<std::string> tls{"--tls-port",         std::to_string(tls_port_),
                                       "--tls-cert-file",    certificates() / (certificate + ".crt"),
                                       "--tls-key-file",     certificates() / (certificate + ".key"),
                                       "--tls-ca-cert-file", certificates() / "ca.crt",
                                       "--tls-replication",  "yes"};
    options.insert(options.end(), tls.begin(), tls.end());
    return options;
  }

  std::uint16_t tls_port_;
  RedisServer server_;
};

/// Lines for a log, from another thread.
class Lines {
 public:
  [[nodiscard]] Logger logger() {
    return [this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      all_ += std::string(line) + "\n";
    };
  }
  [[nodiscard]] bool have(std::string_view text) const {
    const std::lock_guard lock(mutex_);
    return all_.find(text) != std::string::npos;
  }

 private:
  mutable std::mutex mutex_;
  std::string all_;
};

bool went_down_saying(const ReplicaNode& replica, std::string_view text) {
  const auto downs = replica.log.all<LinkDown>();
  return std::any_of(downs.begin(), downs.end(), [&](const LinkDown& down) {
    return down.why.message().find(text) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("TLS: our replica of redis-server gets its snapshot and its stream, and continues after a cut") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  for (const std::string protocols : {"TLSv1.2", "TLSv1.3"}) {
    CAPTURE(protocols);
    TlsRedisServer server("server", {"--repl-backlog-size", "100mb"});
    auto client = server->client();
    ServerLoad load(server->port(), seed);
    REQUIRE(load.makes(5000));

    TlsOptions options = showing("client");
    options.protocols = protocols;
    TlsTransport network(options);
    ReplicaNode replica(network);
    replica.role->follow(network, server.address());
    REQUIRE(eventually([&] { return replica.is_up(); }));
    REQUIRE(load.makes(20'000));
    client.command("CLIENT", "KILL", "TYPE", "replica");
    REQUIRE(eventually([&] { return replica.role->info().partial_resyncs == 1 && replica.is_up(); }));
    REQUIRE(load.makes(30'000));
    load.stop();

    REQUIRE(in_step(replica, client));
    CHECK(lasting_difference(replica.data, client) == "");
    CHECK(replica.role->info().full_resyncs == 1);
    CHECK(replica.log.downs(Errc::link_closed) == replica.log.count<LinkDown>());
  }
}

TEST_CASE("TLS: redis-server follows our master, and another of ours behind it") {
  const std::uint64_t seed = chosen_seed();
  CAPTURE(seed);
  TlsTransport network(showing("server"));
  MasterNode master(network);
  master.store.set("large", std::string(std::size_t{20} << 20, 'x'));
  StoreLoad load(master.data, seed);
  REQUIRE(load.makes(5000));
  TlsRedisServer server;
  auto client = server->client();
  make_replica(client, master.port());
  REQUIRE(eventually([&] { return link_is_up(client); }));
  ReplicaNode behind(network);
  behind.role->follow(network, server.address());
  REQUIRE(load.makes(20'000));
  load.stop();

  REQUIRE(in_step(client, *master.role));
  REQUIRE(in_step(behind, client));
  CHECK(lasting_difference(master.data, client) == "");
  // Keys go on expiring, and the last one's DEL may still be on its way.
  CHECK(eventually([&] { return behind.store.size() == master.store.size(); }));
  CHECK(master.role->info().full_resyncs_served == 1);
}

TEST_CASE("TLS: our replica without a certificate is refused by redis-server, and says so") {
  TlsRedisServer server;
  TlsOptions bare = showing("client");
  bare.cert_file.clear();
  bare.key_file.clear();
  bare.verify_host = false;
  TlsTransport network(bare);
  TcpTransport plain;
  ReplicaNode replica(plain);
  replica.role->follow(network, server.address());
  CHECK(eventually([&] { return went_down_saying(replica, "certificate required"); }));
}

TEST_CASE("TLS: our replica believes a redis-server with the name of another only where told to") {
  TlsRedisServer server("elsewhere");
  auto client = server->client();
  TlsOptions options = showing("client");
  TlsTransport strict(options);
  ReplicaNode replica(strict);
  replica.role->follow(strict, server.address());
  CHECK(eventually([&] { return went_down_saying(replica, "IP address mismatch"); }));
  options.verify_host = false;
  TlsTransport lenient(options);
  replica.role->follow(lenient, server.address());
  CHECK(in_step(replica, client));
}

TEST_CASE("TLS: who cannot shake hands with our master costs it a line in its log, and no more") {
  Lines lines;
  ReplicationOptions options;
  options.logger = lines.logger();
  TlsTransport network(showing("server"));
  MasterNode master(network, options);
  TlsRedisServer stranger("stranger");
  RedisServer plain;
  TlsRedisServer friendly;
  auto stranger_client = stranger->client();
  auto plain_client = plain.client();
  auto friendly_client = friendly->client();
  make_replica(stranger_client, master.port());
  make_replica(plain_client, master.port());
  make_replica(friendly_client, master.port());
  REQUIRE(in_step(friendly_client, *master.role));
  CHECK(eventually([&] { return lines.have("the peer does not speak TLS"); }));
  CHECK(eventually([&] { return lines.have("unable to get local issuer certificate"); }));
  CHECK(master.role->info().replicas.size() == 1);
  CHECK(master.log.count<LinkDown>() == 0);
}
