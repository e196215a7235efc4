// The README's snippet on TLS.
#include <replikv/tls.hpp>

#include <doctest/doctest.h>

#include <tests/certificates.hpp>

#include <chrono>
#include <string>
#include <utility>

using namespace std::chrono_literals;

TEST_CASE("README: TLS") {
  replikv::Store<std::string, std::string> store;
  replikv::Store<std::string, std::string> copy;
  replikv::ReplicationMaster master{store};
  replikv::ReplicationReplica replica{copy};
  const std::string folder = replikv_tests::certificates() / "";

  // clang-format off
  replikv::TlsOptions tls;
  tls.cert_file = folder + "server.crt";               // tls-cert-file, and so on, as in redis.conf
  tls.key_file = folder + "server.key";
  tls.ca_cert_file = folder + "ca.crt";
  replikv::TlsTransport secure{tls};                   // throws when one cannot be loaded, and says which
  const std::string secured = master.listen(secure, "127.0.0.1:0");
  replica.follow(secure, secured);                     // or a redis-server, at its tls-port
  // clang-format on

  replica.wait_for(store.set("name", "haicoder"), 60s);
  CHECK(copy.get("name") == "haicoder");
}
