// TLS: what each option is for, every way in which a handshake fails, and peers who do not keep to it.
#include "contract_tls.hpp"

#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <utility>

using namespace replikv_tests;
using replikv::Errc;
using replikv::TlsAuthClients;
using replikv::TlsErrc;
using replikv::TlsOptions;
using replikv::TlsTransport;

namespace {

std::uint16_t port_of(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

/// What the constructor says of these options.
std::string refusal_of(const TlsOptions& options) {
  try {
    const TlsTransport transport(options);
  } catch (const replikv::Error& error) {
    CHECK(error.code() == Errc::bad_option);
    return error.what();
  }
  return "accepted";
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A socket of the test's own, without TLS.
struct Plain {
  explicit Plain(const std::string& address) {
    socket.connect({asio::ip::make_address("127.0.0.1"), port_of(address)});
  }
  void send(const std::string& bytes) { asio::write(socket, asio::buffer(bytes)); }
  /// All that comes until the peer leaves.
  std::string read_to_end() {
    std::string all;
    std::error_code error;
    asio::read(socket, asio::dynamic_buffer(all), error);
    return all;
  }
  asio::io_context io;
  asio::ip::tcp::socket socket{io};
};

/// OpenSSL on a blocking socket of its own: a client that can do what ours never does.
struct RawClient {
  RawClient(const std::string& address, int version)
      : plain(address), context(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_use_certificate_chain_file(context.get(), (certificates() / "client.crt").c_str());
    SSL_CTX_use_PrivateKey_file(context.get(), (certificates() / "client.key").c_str(), SSL_FILETYPE_PEM);
    ssl.reset(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), plain.socket.native_handle());
    const int connected = SSL_connect(ssl.get());
    REQUIRE(connected == 1);
  }
  void send(const std::string& bytes) {
    const int written = SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size()));
    REQUIRE(written == static_cast<int>(bytes.size()));
  }
  /// The contents of one record.
  std::string read() {
    std::array<char, 20'000> bytes;
    const int count = SSL_read(ssl.get(), bytes.data(), static_cast<int>(bytes.size()));
    return count > 0 ? std::string(bytes.data(), static_cast<std::size_t>(count)) : "";
  }
  [[nodiscard]] bool was_told_the_end() const {
    return (SSL_get_shutdown(ssl.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

  Plain plain;
  std::unique_ptr<SSL_CTX, replikv::detail::OpensslFree<SSL_CTX_free>> context;
  std::unique_ptr<SSL, replikv::detail::OpensslFree<SSL_free>> ssl;
};

/// One who listens, and one who connects to it; what became of it.
struct Encounter {
  Encounter(const TlsOptions& listening, const TlsOptions& connecting, const std::string& host = "127.0.0.1")
      : far(listening),
        near(connecting),
        server(far),
        client(near, host + ":" + std::to_string(port_of(server.address))) {
    REQUIRE(eventually(near, [&] { return client.is_done; }));
  }
  ~Encounter() {
    client.attempt.reset();
    server.registration.reset();
    in_context(near, [] {});
    in_context(far, [] {});
  }

  /// Bytes go both ways.
  [[nodiscard]] bool works() {
    REQUIRE_MESSAGE(!client.error, client.error.message());
    if (!eventually(far, [&] { return server.peers.size() == 1; })) return false;
    in_context(near, [&] { client.peer->send("PING"); });
    if (!eventually(far, [&] { return server.peers.front()->received == "PING"; })) return false;
    in_context(far, [&] { server.peers.front()->send("PONG"); });
    return eventually(near, [&] { return client.peer->received == "PONG"; });
  }

  /// Why it failed, at the end that connected: at once, or when it used the link.
  [[nodiscard]] std::error_code why_near() {
    if (client.error) return client.error;
    REQUIRE(eventually(near, [&] { return client.peer->closed == 1; }));
    return client.peer->why;
  }

  /// And at the end that listened, where a link tells it that hears nothing else.
  [[nodiscard]] std::error_code why_far() {
    REQUIRE(eventually(far, [&] { return server.peers.size() == 1 && server.peers.front()->closed == 1; }));
    CHECK(server.peers.front()->bytes == 0);
    return server.peers.front()->why;
  }

  Tls far;
  Tls near;
  Server server;
  Client client;
};

std::error_code certificate_error(int code) { return {code, replikv::certificate_category()}; }

}  // namespace

// ---- Options ----------------------------------------------------------------------------------------

TEST_CASE("TlsTransport: a certificate, key or CA that cannot be loaded is refused by name") {
  auto options = showing("server");
  SUBCASE("no such certificate") {
    options.cert_file = certificates() / "missing.crt";
    const std::string text = refusal_of(options);
    CHECK_MESSAGE(says(text, "tls-cert-file " + options.cert_file), text);
    CHECK_MESSAGE(says(text, "No such file or directory"), text);
  }
  SUBCASE("a certificate file without a certificate") {
    options.cert_file = certificates() / "server.key";
    const std::string text = refusal_of(options);
    CHECK_MESSAGE(says(text, "tls-cert-file " + options.cert_file), text);
    CHECK_MESSAGE(says(text, "no start line"), text);
  }
  SUBCASE("no such key") {
    options.key_file = certificates() / "missing.key";
    const std::string text = refusal_of(options);
    CHECK_MESSAGE(says(text, "tls-key-file " + options.key_file), text);
    CHECK_MESSAGE(says(text, "No such file or directory"), text);
  }
  SUBCASE("the key of another certificate") {
    options.key_file = certificates() / "client.key";
    const std::string text = refusal_of(options);
    CHECK_MESSAGE(says(text, "tls-key-file " + options.key_file), text);
    CHECK_MESSAGE(says(text, "key values mismatch"), text);
  }
  SUBCASE("a locked key without its password, which is not asked for at the terminal") {
    options = showing("locked");
    CHECK(says(refusal_of(options), "tls-key-file " + options.key_file));
  }
  SUBCASE("a locked key with another password") {
    options = showing("locked");
    options.key_file_pass = "abracadabra";
    CHECK(says(refusal_of(options), "tls-key-file " + options.key_file));
  }
  SUBCASE("a certificate without a key") {
    options.key_file.clear();
    CHECK(says(refusal_of(options), "tls-cert-file and tls-key-file go together"));
  }
  SUBCASE("no such CA") {
    options.ca_cert_file = certificates() / "missing.crt";
    const std::string text = refusal_of(options);
    CHECK_MESSAGE(says(text, "tls-ca-cert-file " + options.ca_cert_file), text);
    CHECK_MESSAGE(says(text, "No such file or directory"), text);
  }
  SUBCASE("a certificate for connecting without a key") {
    options.client_cert_file = certificates() / "client.crt";
    CHECK(says(refusal_of(options), "tls-client-cert-file and tls-client-key-file go together"));
  }
  SUBCASE("the key of another certificate for connecting") {
    options.client_cert_file = certificates() / "client.crt";
    options.client_key_file = certificates() / "server.key";
    CHECK(says(refusal_of(options), "tls-client-key-file " + options.client_key_file + ": key values"));
  }
  SUBCASE("no such folder of CAs") {
    options.ca_cert_dir = certificates() / "missing";
    CHECK(says(refusal_of(options), "tls-ca-cert-dir " + options.ca_cert_dir + " is not a folder"));
  }
}

TEST_CASE("TlsTransport: protocols, ciphers and times that make no sense are refused by name") {
  auto options = showing("server");
  SUBCASE("an old protocol") {
    options.protocols = "TLSv1.1 TLSv1.2";
    CHECK(says(refusal_of(options), "\"TLSv1.1\" is not TLSv1.2 or TLSv1.3"));
  }
  SUBCASE("no protocol") {
    options.protocols = " ";
    CHECK(says(refusal_of(options), "tls-protocols names none"));
  }
  SUBCASE("no cipher") {
    options.ciphers = "ROT13";
    CHECK(says(refusal_of(options), "tls-ciphers ROT13: no cipher match"));
  }
  SUBCASE("no ciphersuite") {
    options.ciphersuites = "TLS_ROT13";
    CHECK(says(refusal_of(options), "tls-ciphersuites TLS_ROT13: no cipher match"));
  }
  SUBCASE("no time") {
    options.handshake_max = 0s;
    CHECK(says(refusal_of(options), "handshake_max must be positive"));
  }
}

TEST_CASE("TlsTransport: who has no certificate, or nobody to trust, can connect but not listen") {
  std::string bound;
  std::error_code error;
  Tls without_certificate{TlsOptions{}};
  CHECK(without_certificate.engine()->listen(
            "127.0.0.1:0", [](auto) {}, bound, error) == nullptr);
  CHECK(error == TlsErrc::no_certificate_to_show);
  auto options = showing("server");
  options.ca_cert_file.clear();
  Tls without_authority(options);
  CHECK(without_authority.engine()->listen(
            "127.0.0.1:0", [](auto) {}, bound, error) == nullptr);
  CHECK(error == TlsErrc::nobody_to_trust);
  options.auth_clients = TlsAuthClients::no;
  Tls open_to_all(options);
  CHECK(open_to_all.engine()->listen(
            "127.0.0.1:0", [](auto) {}, bound, error) != nullptr);
  CHECK_MESSAGE(!error, error.message());
}

TEST_CASE("TlsTransport: a key with its password, a folder of CAs, and chosen ciphers serve") {
  auto options = showing("locked");
  options.key_file_pass = "open sesame";
  options.prefer_server_ciphers = true;
  auto connecting = showing("client");
  SUBCASE("TLS 1.2") {
    options.protocols = "TLSv1.2";
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  }
  SUBCASE("TLS 1.3") {
    connecting.protocols = "TLSv1.3";
    options.ciphersuites = "TLS_AES_128_GCM_SHA256";
  }
  SUBCASE("a folder of CAs") {
    const std::string folder = certificates() / "authorities";
    std::filesystem::create_directory(folder);
    // The name that OpenSSL looks for.
    std::unique_ptr<BIO, replikv::detail::OpensslFree<BIO_free>> file(
        BIO_new_file((certificates() / "ca.crt").c_str(), "r"));
    std::unique_ptr<X509, replikv::detail::OpensslFree<X509_free>> authority(
        PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
    std::array<char, 32> name;
    std::snprintf(name.data(), name.size(), "/%08lx.0", X509_subject_name_hash(authority.get()));
    std::filesystem::copy_file(certificates() / "ca.crt", folder + name.data(),
                               std::filesystem::copy_options::overwrite_existing);
    connecting.ca_cert_file.clear();
    connecting.ca_cert_dir = folder;
  }
  SUBCASE("protocols in another case") { options.protocols = "tlsv1.2 TLSV1.3"; }
  CHECK(Encounter(options, connecting).works());
}

TEST_CASE("TlsTransport: a certificate for connecting is shown to servers, and to clients the other") {
  auto listening = showing("server");
  listening.client_cert_file = certificates() / "stranger.crt";
  listening.client_key_file = certificates() / "stranger.key";
  auto connecting = showing("stranger");
  connecting.client_cert_file = certificates() / "locked.crt";
  connecting.client_key_file = certificates() / "locked.key";
  connecting.client_key_file_pass = "open sesame";
  CHECK(Encounter(listening, connecting).works());
  CHECK(says(Encounter(showing("server"), showing("stranger")).why_far().message(), "issuer"));
}

TEST_CASE("TlsOptions: a configuration in the words of redis.conf says them all") {
  struct Configuration {
    std::map<std::string, std::string, std::less<>> values;
    [[nodiscard]] std::optional<std::string> value(std::string_view name) const {
      const auto found = values.find(name);
      return found == values.end() ? std::nullopt : std::optional(found->second);
    }
  };
  const TlsOptions options = replikv::tls_options_of(Configuration{{{"tls-cert-file", "a"},
                                                                    {"tls-key-file", "b"},
                                                                    {"tls-key-file-pass", "c"},
                                                                    {"tls-client-cert-file", "d"},
                                                                    {"tls-client-key-file", "e"},
                                                                    {"tls-client-key-file-pass", "f"},
                                                                    {"tls-ca-cert-file", "g"},
                                                                    {"tls-ca-cert-dir", "h"},
                                                                    {"tls-auth-clients", "optional"},
                                                                    {"tls-protocols", "TLSv1.3"},
                                                                    {"tls-ciphers", "i"},
                                                                    {"tls-ciphersuites", "j"},
                                                                    {"tls-prefer-server-ciphers", "yes"}}});
  CHECK(options.cert_file + options.key_file + options.key_file_pass == "abc");
  CHECK(options.client_cert_file + options.client_key_file + options.client_key_file_pass == "def");
  CHECK(options.ca_cert_file + options.ca_cert_dir + options.ciphers + options.ciphersuites == "ghij");
  CHECK(options.auth_clients == TlsAuthClients::optional);
  CHECK(options.protocols == "TLSv1.3");
  CHECK(options.prefer_server_ciphers);
  CHECK(options.verify_peer);
  CHECK_FALSE(options.verify_host);  // redis-server looks at no name

  const TlsOptions preset = replikv::tls_options_of(Configuration{{{"tls-protocols", ""}}});
  CHECK(preset.protocols == TlsOptions().protocols);
  CHECK(preset.auth_clients == TlsAuthClients::yes);
  CHECK_FALSE(preset.prefer_server_ciphers);
  CHECK(replikv::tls_options_of(Configuration{{{"tls-auth-clients", "no"}}}).auth_clients ==
        TlsAuthClients::no);
}

// ---- Whom a client believes -------------------------------------------------------------------------

TEST_CASE("TlsTransport: a server is known by its name and by its addresses") {
  for (const std::string host : {"127.0.0.1", "localhost", "LOCALHOST"}) {
    CAPTURE(host);
    CHECK(Encounter(showing("server"), showing("client"), host).works());
  }
}

TEST_CASE("TlsTransport: a server whose certificate is not good is refused, and both ends know why") {
  auto listening = showing("server");
  auto connecting = showing("client");
  std::string host = "127.0.0.1";
  int why = 0;
  std::string alert;
  SUBCASE("it is of an authority that we do not know") {
    listening.cert_file = certificates() / "stranger.crt";
    listening.key_file = certificates() / "stranger.key";
    why = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    alert = "unknown ca";
  }
  SUBCASE("it has expired") {
    listening = showing("expired");
    why = X509_V_ERR_CERT_HAS_EXPIRED;
    alert = "certificate expired";
  }
  SUBCASE("it is of another address") {
    listening = showing("elsewhere");
    why = X509_V_ERR_IP_ADDRESS_MISMATCH;
    alert = "certificate";
  }
  SUBCASE("it is of another name") {
    listening = showing("elsewhere");
    host = "localhost";
    why = X509_V_ERR_HOSTNAME_MISMATCH;
    alert = "certificate";
  }
  SUBCASE("the system trusts nobody who signed it") {
    connecting.ca_cert_file.clear();
    why = X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
    alert = "unknown ca";
  }
  for (const std::string protocols : {"TLSv1.2", "TLSv1.3"}) {
    CAPTURE(protocols);
    connecting.protocols = protocols;
    Encounter strict(listening, connecting, host);
    CHECK_MESSAGE(strict.client.error == certificate_error(why), strict.client.error.message());
    CHECK(says(strict.client.error.message(), X509_verify_cert_error_string(why)));
    const std::error_code far = strict.why_far();
    CHECK(far.category() == replikv::tls_category());
    CHECK_MESSAGE(says(far.message(), "the peer refuses"), far.message());
    CHECK_MESSAGE(says(far.message(), alert), far.message());
  }
  connecting.verify_peer = false;
  CHECK(Encounter(listening, connecting, host).works());
}

TEST_CASE("TlsTransport: without verify_host a certificate of our authority suffices, of any other not") {
  auto connecting = showing("client");
  connecting.verify_host = false;
  CHECK(Encounter(showing("elsewhere"), connecting).works());
  auto stranger = showing("stranger");
  CHECK(Encounter(stranger, connecting).client.error ==
        certificate_error(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
}

// ---- Whom a server lets in --------------------------------------------------------------------------

TEST_CASE("TlsTransport: a client without a good certificate is refused, and both ends know why") {
  auto connecting = showing("client");
  std::error_code why;
  std::string far_text;
  std::string alert;
  SUBCASE("it has none") {
    connecting.cert_file.clear();
    connecting.key_file.clear();
    far_text = "peer did not return a certificate";
  }
  SUBCASE("it is of an authority that the server does not know") {
    connecting = showing("stranger");
    far_text = "unable to get local issuer certificate";
    alert = "unknown ca";
  }
  SUBCASE("it has expired") {
    connecting = showing("expired");
    far_text = "certificate has expired";
    alert = "certificate expired";
  }
  for (const std::string protocols : {"TLSv1.2", "TLSv1.3"}) {
    CAPTURE(protocols);
    connecting.protocols = protocols;
    Encounter refused(showing("server"), connecting);
    CHECK_MESSAGE(says(refused.why_far().message(), far_text), refused.why_far().message());
    const std::error_code near = refused.why_near();
    CHECK_MESSAGE(says(near.message(), "TLS: the peer refuses: "), near.message());
    CHECK_MESSAGE(says(near.message(), alert), near.message());
    CHECK(refused.client.peer->bytes == 0);
  }
}

TEST_CASE("TlsTransport: a server may do without certificates of clients, or look at those they have") {
  auto listening = showing("server");
  auto bare = showing("client");
  bare.cert_file.clear();
  bare.key_file.clear();
  listening.auth_clients = TlsAuthClients::no;
  CHECK(Encounter(listening, bare).works());
  CHECK(Encounter(listening, showing("stranger")).works());
  listening.auth_clients = TlsAuthClients::optional;
  CHECK(Encounter(listening, bare).works());
  CHECK(Encounter(listening, showing("client")).works());
  CHECK(Encounter(listening, showing("stranger")).why_far() ==
        certificate_error(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
}

TEST_CASE("TlsTransport: peers that share no protocol or cipher say so") {
  auto listening = showing("server");
  auto connecting = showing("client");
  std::string far_text;
  std::string near_text;
  SUBCASE("protocol") {
    listening.protocols = "TLSv1.3";
    connecting.protocols = "TLSv1.2";
    far_text = "unsupported protocol";
    near_text = "alert protocol version";
  }
  SUBCASE("cipher") {
    listening.ciphersuites = "TLS_AES_128_GCM_SHA256";
    connecting.ciphersuites = "TLS_AES_256_GCM_SHA384";
    listening.protocols = connecting.protocols = "TLSv1.3";
    far_text = "no shared cipher";
    near_text = "handshake failure";
  }
  Encounter refused(listening, connecting);
  CHECK_MESSAGE(says(refused.why_far().message(), far_text), refused.why_far().message());
  CHECK_MESSAGE(says(refused.client.error.message(), near_text), refused.client.error.message());
}

// ---- Peers who speak something else, or nothing -----------------------------------------------------

TEST_CASE("TlsTransport: a client in plain text is closed at once, and others are served") {
  Tls harness;
  Server server(harness);
  for (const std::string text : {"PING\r\n", "*1\r\n$4\r\nPING\r\n", "GET / HTTP/1.1\r\n\r\n"}) {
    CAPTURE(text);
    Plain plain(server.address);
    plain.send(text);
    CHECK(plain.read_to_end().find("PONG") == std::string::npos);
    CHECK(eventually(harness, [&] { return !server.peers.empty() && server.peers.back()->closed == 1; }));
    in_context(harness, [&] {
      CHECK_MESSAGE(server.peers.back()->why == TlsErrc::not_tls, server.peers.back()->why.message());
      CHECK(server.peers.back()->bytes == 0);
      server.peers.back()->send("nobody");
      server.peers.clear();
    });
  }
  Client client(harness, server.address);
  CHECK(eventually(harness, [&] { return client.is_done && server.peers.size() == 1; }));
  CHECK_MESSAGE(!client.error, client.error.message());
}

TEST_CASE("TlsTransport: noise of any kind instead of a handshake ends that link alone") {
  Tls harness;
  Server server(harness);
  replikv::Random random(7);
  for (int round = 0; round != 200; ++round) {
    CAPTURE(round);
    std::string bytes(1 + random() % 600, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (round % 2 == 0) bytes.replace(0, std::min<std::size_t>(bytes.size(), 3), "\x16\x03\x01");
    Plain plain(server.address);
    plain.send(bytes);
    plain.socket.shutdown(asio::socket_base::shutdown_send);
    std::error_code ignored;
    std::string answer;
    asio::read(plain.socket, asio::dynamic_buffer(answer), ignored);
  }
  CHECK(eventually(harness, [&] { return server.peers.size() == 200; }));
  in_context(harness, [&] {
    for (const auto& peer : server.peers) {
      CHECK(peer->bytes == 0);
      CHECK(peer->closed == 1);
    }
  });
  Client client(harness, server.address);
  CHECK(eventually(harness, [&] { return client.is_done && !client.error; }));
}

TEST_CASE("TlsTransport: a server in plain text is recognized, a silent one runs out of time") {
  auto options = showing("client");
  options.handshake_max = 200ms;
  Tls harness(options);
  Tcp plain;
  SUBCASE("it answers") {
    Server server(plain, [](Peer& peer) { peer.when_bytes = [](Peer& mine) { mine.send("-ERR\r\n"); }; });
    Client client(harness, server.address);
    CHECK(eventually(harness, [&] { return client.is_done; }));
    CHECK_MESSAGE(client.error == TlsErrc::not_tls, client.error.message());
    server.registration.reset();
    in_context(plain, [] {});
  }
  SUBCASE("it is silent") {
    Server server(plain);
    Client client(harness, server.address);
    CHECK(eventually(harness, [&] { return client.is_done; }));
    CHECK_MESSAGE(client.error == TlsErrc::handshake_timeout, client.error.message());
    CHECK(eventually(plain, [&] { return server.peers.size() == 1 && server.peers.front()->closed == 1; }));
    server.registration.reset();
    in_context(plain, [] {});
  }
  SUBCASE("it hangs up") {
    Server server(plain, [](Peer& peer) { peer.when_bytes = [](Peer& mine) { mine.link->close(); }; });
    Client client(harness, server.address);
    CHECK(eventually(harness, [&] { return client.is_done; }));
    CHECK_MESSAGE(client.error == TlsErrc::handshake_cut, client.error.message());
    server.registration.reset();
    in_context(plain, [] {});
  }
}

TEST_CASE("TlsTransport: a client that stalls in its handshake holds up nobody, and is closed in time") {
  auto options = showing("server");
  options.handshake_max = 300ms;
  Tls harness(options);
  Server server(harness);
  Plain silent(server.address);
  Plain halfway(server.address);
  halfway.send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));  // the beginning of a ClientHello
  Client client(harness, server.address);
  REQUIRE(eventually(harness, [&] { return client.is_done; }));
  REQUIRE_MESSAGE(!client.error, client.error.message());
  CHECK(silent.read_to_end() == "");
  CHECK(halfway.read_to_end() == "");
  REQUIRE(eventually(harness, [&] { return server.peers.size() == 3; }));
  REQUIRE(eventually(harness, [&] {
    return std::count_if(server.peers.begin(), server.peers.end(), [](const auto& peer) {
             return peer->closed == 1 && peer->why == TlsErrc::handshake_timeout;
           }) == 2;
  }));
  in_context(harness, [&] {
    CHECK(client.peer->closed == 0);
    client.peer->send("still here");
  });
  CHECK(eventually(harness, [&] {
    return std::any_of(server.peers.begin(), server.peers.end(),
                       [](const auto& peer) { return peer->received == "still here"; });
  }));
}

TEST_CASE("TlsTransport: a client that leaves in the middle of its handshake is one ended link") {
  Tls harness;
  Server server(harness);
  {
    Plain halfway(server.address);
    halfway.send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
  }
  REQUIRE(eventually(harness, [&] { return server.peers.size() == 1 && server.peers.front()->closed == 1; }));
  CHECK(server.peers.front()->why == TlsErrc::handshake_cut);
}

TEST_CASE("TlsTransport: a thousand stalled handshakes push out the oldest, not the next") {
  constexpr std::size_t kept = 1000;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const rlimit before = files;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 3 * kept) return;
  {
    Tls harness;
    Server server(harness);
    std::deque<Plain> stalled;
    for (std::size_t i = 0; i != kept; ++i) stalled.emplace_back(server.address);
    Client client(harness, server.address);
    REQUIRE(eventually(harness, [&] { return client.is_done; }));
    CHECK_MESSAGE(!client.error, client.error.message());
    CHECK(stalled.front().read_to_end() == "");
    stalled.back().socket.non_blocking(true);
    std::array<char, 1> byte;
    std::error_code error;
    stalled.back().socket.read_some(asio::buffer(byte), error);
    CHECK(error == asio::error::would_block);
    // A client may be done before the server has its last word.
    CHECK(eventually(harness, [&] { return server.peers.size() == 1; }));
    server.registration.reset();
    CHECK(stalled.back().read_to_end() == "");  // those that wait end with their listener
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("TlsTransport: an attempt that is cancelled in its handshake is never reported, and leaves") {
  Tls harness(showing("client"));
  Tcp plain;
  Server silent(plain);
  int reported = 0;
  std::unique_ptr<replikv::Registration> attempt;
  in_context(harness,
             [&] { attempt = harness.engine()->connect(silent.address, [&](auto, auto) { ++reported; }); });
  REQUIRE(eventually(plain, [&] { return silent.peers.size() == 1 && silent.peers.front()->bytes > 0; }));
  SUBCASE("in the context") {
    in_context(harness, [&] { attempt.reset(); });
    CHECK(reported == 0);
  }
  SUBCASE("elsewhere") {
    attempt.reset();
    CHECK(reported == 0);
  }
  SUBCASE("by the end of the transport, which is told") {
    harness.transport.reset();
    CHECK(reported == 1);
  }
  CHECK(eventually(plain, [&] { return silent.peers.front()->closed == 1; }));
  silent.registration.reset();
  in_context(plain, [] {});
}

// ---- On the wire ------------------------------------------------------------------------------------

TEST_CASE("TlsTransport: small buffers share records, and the end is announced") {
  Tls harness;
  Server server(harness);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawClient client(server.address, version);
    REQUIRE(eventually(harness, [&] { return server.peers.size() == 1; }));
    in_context(harness, [&] {
      const replikv::SharedBytes small(std::string(100, 'x'));
      const std::vector<replikv::SharedBytes> many(1 + 6400, small);
      server.peers.front()->link->send(many);
      server.peers.front()->link->close();
    });
    std::size_t bytes = 0;
    std::size_t records = 0;
    for (std::string record; !(record = client.read()).empty(); ++records) bytes += record.size();
    CHECK(bytes == 640'100);
    CHECK(records == 1 + 100);  // 64 buffers at a time
    CHECK(client.was_told_the_end());
    in_context(harness, [&] { server.peers.clear(); });
  }
}

TEST_CASE("TlsTransport: a peer's announced end is the end of the link, an unannounced one as well") {
  Tls harness;
  Server server(harness);
  for (const bool is_announced : {true, false}) {
    RawClient client(server.address, TLS1_3_VERSION);
    client.send("bye");
    if (is_announced) SSL_shutdown(client.ssl.get());
    if (!is_announced) client.plain.socket.close();
    REQUIRE(
        eventually(harness, [&] { return server.peers.size() == 1 && server.peers.front()->closed == 1; }));
    CHECK(server.peers.front()->received == "bye");
    CHECK(server.peers.front()->why == Errc::link_closed);
    in_context(harness, [&] { server.peers.clear(); });
  }
}

TEST_CASE("TlsTransport: bytes that were changed on the way end the link") {
  Tls harness;
  Server server(harness);
  RawClient client(server.address, TLS1_3_VERSION);
  client.send("good");
  REQUIRE(eventually(harness,
                     [&] { return server.peers.size() == 1 && server.peers.front()->received == "good"; }));
  client.plain.send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  REQUIRE(eventually(harness, [&] { return server.peers.front()->closed == 1; }));
  CHECK(server.peers.front()->received == "good");
  CHECK_MESSAGE(says(server.peers.front()->why.message(), "bad record mac"),
                server.peers.front()->why.message());
}

TEST_CASE("TlsTransport: nobody renegotiates") {
  Tls harness;
  Server server(harness);
  RawClient client(server.address, TLS1_2_VERSION);
  REQUIRE(eventually(harness, [&] { return server.peers.size() == 1; }));
  CHECK(SSL_renegotiate(client.ssl.get()) == 1);
  SSL_do_handshake(client.ssl.get());  // sends it
  char byte = 0;
  CHECK(SSL_read(client.ssl.get(), &byte, 1) <= 0);
  CHECK(SSL_total_renegotiations(client.ssl.get()) <= 1);
  const unsigned long code = ERR_get_error();
  CHECK_MESSAGE(ERR_GET_REASON(code) == SSL_R_NO_RENEGOTIATION, replikv::detail::openssl_text(code));
}

TEST_CASE("TlsTransport: keys may be renewed in the middle of the stream") {
  Tls harness;
  Server server(harness);
  RawClient client(server.address, TLS1_3_VERSION);
  REQUIRE(eventually(harness, [&] { return server.peers.size() == 1; }));
  for (int i = 0; i != 10; ++i) {
    CHECK(SSL_key_update(client.ssl.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
    client.send("a");
    REQUIRE(eventually(
        harness, [&] { return server.peers.front()->received.size() == static_cast<std::size_t>(i) + 1; }));
    in_context(harness, [&] { server.peers.front()->send("b"); });
    CHECK(client.read() == "b");
  }
}

// Without sockets, whose buffers would take most of the answers first.
TEST_CASE("TlsTransport: one who demands new keys without end, and reads none of the answers, is closed") {
  using State = replikv::detail::TlsSession::State;
  auto options = showing("server");
  options.auth_clients = TlsAuthClients::no;
  const auto context = std::make_shared<const replikv::detail::TlsContext>(options);
  replikv::detail::TlsSession server(context, true);
  const std::unique_ptr<SSL, replikv::detail::OpensslFree<SSL_free>> client(SSL_new(context->incoming()));
  BIO* const to_client = BIO_new(BIO_s_mem());
  BIO* const to_server = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(to_client, -1);
  SSL_set_bio(client.get(), to_client, to_server);
  SSL_set_connect_state(client.get());

  std::array<std::byte, 20'000> bytes;
  const auto feed_server = [&] {
    const int count = BIO_read(to_server, bytes.data(), static_cast<int>(bytes.size()));
    server.feed({bytes.data(), static_cast<std::size_t>(std::max(count, 0))});
  };
  for (auto state = State::wants_input; state != State::done; state = server.shake_hands()) {
    REQUIRE(state == State::wants_input);
    BIO_write(to_client, server.output().data(), static_cast<int>(server.output().size()));
    server.output().clear();
    SSL_do_handshake(client.get());
    feed_server();
  }

  auto state = State::wants_input;
  std::array<std::byte, 100> out;
  std::size_t count = 0;
  int demands = 0;
  for (; state == State::wants_input && demands != 100'000; ++demands) {
    SSL_key_update(client.get(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(client.get());
    feed_server();
    state = server.read(out, count);
  }
  CHECK(demands > 1000);
  CHECK(state == State::failed);
  CHECK(server.error() == std::errc::not_enough_memory);
  CHECK(server.output().size() <= std::size_t{256} << 10);
}

TEST_CASE(
    "TlsTransport: a peer that never reads or leaves cannot keep a closed link for more than a second") {
  Tls harness;
  Server server(harness);
  RawClient client(server.address, TLS1_3_VERSION);
  REQUIRE(eventually(harness, [&] { return server.peers.size() == 1; }));
  auto owner = std::make_shared<const std::string>(std::size_t{64} << 20, 'x');
  in_context(harness, [&] {
    const replikv::SharedBytes much(owner, replikv::as_bytes(*owner));
    server.peers.front()->link->send({&much, 1});
    server.peers.front()->link->close();
  });
  CHECK(owner.use_count() > 1);
  CHECK(eventually(harness, [&] { return owner.use_count() == 1; }));
}

TEST_CASE("TlsTransport: the application's io_context may end before the nodes that used it") {
  auto io = std::make_unique<asio::io_context>();
  std::optional<TlsTransport> transport(std::in_place, *io, showing("server"));
  auto engine = transport->engine();
  std::string bound;
  std::error_code error;
  auto listener = engine->listen(
      "127.0.0.1:0", [](auto) {}, bound, error);
  auto peer = std::make_shared<Peer>();
  auto attempt = engine->connect(bound, [&](auto, auto link) { peer->attach(link); });
  while (peer->link == nullptr) io->run_one();
  peer->send("x");
  int reported = 0;
  auto unfinished = engine->connect(bound, [&](auto, auto) { ++reported; });
  for (int i = 0; i != 3; ++i) io->poll_one();
  transport.reset();
  io.reset();
  CHECK(peer->why == Errc::shut_down);
  CHECK(reported == 1);
  peer->link->close();
  peer.reset();
  attempt.reset();
  listener.reset();
  engine->post([] {});
}
