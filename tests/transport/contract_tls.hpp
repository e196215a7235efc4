// Harnesses for TlsTransport, beside those of contract.hpp.
#pragma once

#include "contract.hpp"
#include <replikv/transport/asio_tls.hpp>

#include <memory>
#include <string>
#include <tests/certificates.hpp>

namespace replikv_tests {

/// The options of one who shows this certificate, and trusts our authority.
inline replikv::TlsOptions showing(const std::string& name) {
  replikv::TlsOptions options;
  options.cert_file = certificates() / (name + ".crt");
  options.key_file = certificates() / (name + ".key");
  options.ca_cert_file = certificates() / "ca.crt";
  return options;
}

struct Tls : HarnessBase<replikv::TlsTransport> {
  Tls() : Tls(showing("server")) {}
  explicit Tls(const replikv::TlsOptions& options) {
    transport = std::make_unique<replikv::TlsTransport>(options);
  }
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string closed_address() override { return "127.0.0.1:1"; }
  void drive(Rendezvous& done) override { REQUIRE(done.wait()); }
};

struct Tls12 : Tls {
  Tls12() : Tls(limited()) {}
  static replikv::TlsOptions limited() {
    auto options = showing("server");
    options.protocols = "TLSv1.2";
    return options;
  }
};

struct TlsShared : HarnessBase<replikv::TlsTransport>, OnThreads {
  TlsShared() { transport = std::make_unique<replikv::TlsTransport>(io, showing("server")); }
  ~TlsShared() override {
    transport.reset();
    stop();
  }
  std::string free_address() override { return "localhost:0"; }
  std::string closed_address() override { return "localhost:1"; }
  void drive(Rendezvous& done) override { REQUIRE(done.wait()); }
};

struct TlsPolled : HarnessBase<replikv::TlsTransport>, Polled {
  TlsPolled() { transport = std::make_unique<replikv::TlsTransport>(io, showing("server")); }
  ~TlsPolled() override { transport.reset(); }
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string closed_address() override { return "127.0.0.1:1"; }
  void drive(Rendezvous&) override { poll(); }
};

}  // namespace replikv_tests
