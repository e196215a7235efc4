// What TLS is told: certificates, keys, whom to trust; and the words for how it fails. The links are in
// asio_tls.hpp.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string>
#include <string_view>
#include <strings.h>
#include <sys/stat.h>
#include <system_error>
#include <utility>

namespace replikv::inline v0_1 {

/// Whether those who connect to us must present a certificate that one of our CAs signed.
enum class TlsAuthClients : std::uint8_t {
  yes,       ///< they must
  no,        ///< they are not asked
  optional,  ///< they need not, but one that they present must be good
};

/// What a TlsTransport is told; each field under the name that it has in redis.conf. Files are PEM. One
/// certificate serves both directions, unless another is named for connecting.
struct TlsOptions {
  /// tls-cert-file: our certificate, followed by those between it and the CA. Needed to listen, and to
  /// connect to whoever demands one.
  std::string cert_file{};
  std::string key_file{};       ///< tls-key-file
  std::string key_file_pass{};  ///< tls-key-file-pass

  /// tls-client-cert-file: shown instead to those we connect to, where the first one is for servers only by
  /// its extended key usage. Empty: there is one for both.
  std::string client_cert_file{};
  std::string client_key_file{};       ///< tls-client-key-file
  std::string client_key_file_pass{};  ///< tls-client-key-file-pass

  /// tls-ca-cert-file, tls-ca-cert-dir: whom we trust. Without either, those whom the system trusts, which
  /// is for connecting only: listening then takes `auth_clients = no`.
  std::string ca_cert_file{};
  std::string ca_cert_dir{};

  TlsAuthClients auth_clients = TlsAuthClients::yes;  ///< tls-auth-clients
  std::string protocols = "TLSv1.2 TLSv1.3";          ///< tls-protocols, in any case; no older ones here
  std::string ciphers{};                              ///< tls-ciphers, of TLS 1.2; empty: OpenSSL's
  std::string ciphersuites{};                         ///< tls-ciphersuites, of TLS 1.3; empty: OpenSSL's
  bool prefer_server_ciphers = false;                 ///< tls-prefer-server-ciphers

  /// When connecting: whether the server's certificate must come from a CA that we trust. Without that, an
  /// attacker between the two reads and writes everything.
  bool verify_peer = true;

  /// When connecting: whether the certificate must name the host, or have the IP address, that we connect
  /// to. redis-server does not look at it when it replicates, so its deployments may have certificates
  /// without names; then turn this off, and trust a CA that signs nothing else. On by default, because with
  /// a CA of many customers any of them could stand in for the server.
  bool verify_host = true;

  /// A handshake that takes longer is over.
  Duration handshake_max = std::chrono::seconds{10};
};

/// What a configuration says of TLS in the words of redis.conf: a RedisConfiguration, or whatever else has
/// `value(name)` as that has it. As redis-server, it has masters show a certificate that we trust and does
/// not look for their names in it; see `verify_host`.
template <class Configuration>
[[nodiscard]] TlsOptions tls_options_of(const Configuration& configuration) {
  const auto text = [&configuration](std::string_view name) -> std::string {
    return configuration.value(name).value_or("");
  };
  TlsOptions options;
  options.cert_file = text("tls-cert-file");
  options.key_file = text("tls-key-file");
  options.key_file_pass = text("tls-key-file-pass");
  options.client_cert_file = text("tls-client-cert-file");
  options.client_key_file = text("tls-client-key-file");
  options.client_key_file_pass = text("tls-client-key-file-pass");
  options.ca_cert_file = text("tls-ca-cert-file");
  options.ca_cert_dir = text("tls-ca-cert-dir");
  const std::string auth_clients = text("tls-auth-clients");
  if (auth_clients == "no") options.auth_clients = TlsAuthClients::no;
  if (auth_clients == "optional") options.auth_clients = TlsAuthClients::optional;
  if (std::string protocols = text("tls-protocols"); !protocols.empty())
    options.protocols = std::move(protocols);
  options.ciphers = text("tls-ciphers");
  options.ciphersuites = text("tls-ciphersuites");
  options.prefer_server_ciphers = text("tls-prefer-server-ciphers") == "yes";
  options.verify_host = false;
  return options;
}

/// How TLS fails where OpenSSL has no word for it.
enum class TlsErrc {
  handshake_timeout = 1,   ///< the peer did not complete its handshake within `handshake_max`
  handshake_cut,           ///< the peer closed the connection in the middle of its handshake
  not_tls,                 ///< the peer sent what is no TLS
  no_certificate_to_show,  ///< to listen takes cert_file and key_file
  nobody_to_trust,         ///< to demand certificates of clients takes ca_cert_file or ca_cert_dir
};

namespace detail {

/// The text of an error of OpenSSL's queue.
[[nodiscard]] inline std::string openssl_text(unsigned long code) {
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  if (ERR_GET_LIB(code) == ERR_LIB_SYS) return std::generic_category().message(ERR_GET_REASON(code));
  return "error " + std::to_string(code);
}

class TlsCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tls"; }

  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<TlsErrc>(code)) {
      case TlsErrc::handshake_timeout: return "TLS: the handshake timed out; does the peer speak TLS?";
      case TlsErrc::handshake_cut: return "TLS: the peer closed the connection during the handshake";
      case TlsErrc::not_tls: return "TLS: the peer does not speak TLS";
      case TlsErrc::no_certificate_to_show: return "TLS: listening takes a certificate and its key";
      case TlsErrc::nobody_to_trust:
        return "TLS: certificates of clients cannot be demanded without ca_cert_file or ca_cert_dir";
    }
    const auto openssl = static_cast<unsigned long>(code);
    const bool is_alert = ERR_GET_REASON(openssl) >= SSL_AD_REASON_OFFSET;
    return (is_alert ? "TLS: the peer refuses: " : "TLS: ") + openssl_text(openssl);
  }
};

class CertificateCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "certificate"; }

  [[nodiscard]] std::string message(int code) const override {
    return std::string("TLS: the peer's certificate is not accepted: ") + X509_verify_cert_error_string(code);
  }
};

inline const TlsCategory tls_category_instance{};
inline const CertificateCategory certificate_category_instance{};

}  // namespace detail

/// The category of `TlsErrc` and, as larger numbers, of OpenSSL's own errors (`ERR_get_error`).
[[nodiscard]] inline const std::error_category& tls_category() noexcept {
  return detail::tls_category_instance;
}

/// The category of what is wrong with a peer's certificate: X509_V_ERR_CERT_HAS_EXPIRED and its kind.
[[nodiscard]] inline const std::error_category& certificate_category() noexcept {
  return detail::certificate_category_instance;
}

[[nodiscard]] inline std::error_code make_error_code(TlsErrc code) noexcept {
  return {static_cast<int>(code), tls_category()};
}

}  // namespace replikv::inline v0_1

template <>
struct std::is_error_code_enum<replikv::TlsErrc> : std::true_type {};

namespace replikv::inline v0_1::detail {

/// Frees an object of OpenSSL.
template <auto free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};

/// The options as OpenSSL keeps them; what all links of a transport share. Immutable once made, so any
/// thread may use it.
class TlsContext {
 public:
  /// Throws `Error` with `Errc::bad_option`, which says which file, and what OpenSSL says of it.
  explicit TlsContext(const TlsOptions& options)
      : auth_clients_(options.auth_clients),
        verify_peer_(options.verify_peer),
        verify_host_(options.verify_host),
        handshake_max_(options.handshake_max),
        has_certificate_(!options.cert_file.empty()),
        has_authority_(!options.ca_cert_file.empty() || !options.ca_cert_dir.empty()) {
    if (options.handshake_max <= Duration::zero()) refuse("handshake_max must be positive");
    incoming_ = make(options);
    load_certificate(incoming_.get(), "tls-", options.cert_file, options.key_file, options.key_file_pass);
    if (!options.client_cert_file.empty() || !options.client_key_file.empty()) {
      outgoing_ = make(options);
      load_certificate(outgoing_.get(), "tls-client-", options.client_cert_file, options.client_key_file,
                       options.client_key_file_pass);
    }
    ERR_clear_error();
  }

  /// What the two directions use; the same unless they have certificates of their own.
  [[nodiscard]] SSL_CTX* incoming() const noexcept { return incoming_.get(); }
  [[nodiscard]] SSL_CTX* outgoing() const noexcept { return outgoing_ ? outgoing_.get() : incoming_.get(); }
  [[nodiscard]] bool verify_peer() const noexcept { return verify_peer_; }
  [[nodiscard]] bool verify_host() const noexcept { return verify_peer_ && verify_host_; }
  [[nodiscard]] Duration handshake_max() const noexcept { return handshake_max_; }

  [[nodiscard]] int verify_mode_of_clients() const noexcept {
    if (auth_clients_ == TlsAuthClients::no) return SSL_VERIFY_NONE;
    const int demanded = auth_clients_ == TlsAuthClients::yes ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    return SSL_VERIFY_PEER | demanded;
  }

  /// What is missing to be a server. Not before somebody listens: who only connects may do without.
  [[nodiscard]] std::error_code why_not_listen() const noexcept {
    if (!has_certificate_) return TlsErrc::no_certificate_to_show;
    if (!has_authority_ && auth_clients_ != TlsAuthClients::no) return TlsErrc::nobody_to_trust;
    return {};
  }

 private:
  [[noreturn]] static void refuse(const std::string& what) {
    const unsigned long code = ERR_peek_error();
    const std::string why = code != 0 ? openssl_text(code) : "";
    ERR_clear_error();
    throw_error(Errc::bad_option, why.empty() ? what : what + ": " + why);
  }

  using Context = std::unique_ptr<SSL_CTX, OpensslFree<SSL_CTX_free>>;

  /// All but the certificate.
  [[nodiscard]] Context make(const TlsOptions& options) const {
    Context context(SSL_CTX_new(TLS_method()));
    if (context == nullptr) throw std::bad_alloc();
    set_policy(context.get(), options);
    set_protocols(context.get(), options.protocols);
    set_ciphers(context.get(), options);
    load_authorities(context.get(), options);
    return context;
  }

  // Links live long and are few: resuming sessions would save nothing, and tickets would weaken them.
  static void set_policy(SSL_CTX* context, const TlsOptions& options) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    if (options.prefer_server_ciphers) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_num_tickets(context, 0) != 1) refuse("tickets");
  }

  static void set_protocols(SSL_CTX* context, std::string_view names) {
    int oldest = TLS1_3_VERSION;
    int newest = 0;
    while (!names.empty()) {
      const std::string name(names.substr(0, names.find(' ')));
      names.remove_prefix(std::min(name.size() + 1, names.size()));
      if (name.empty()) continue;
      const int version = ::strcasecmp(name.c_str(), "TLSv1.2") == 0   ? TLS1_2_VERSION
                          : ::strcasecmp(name.c_str(), "TLSv1.3") == 0 ? TLS1_3_VERSION
                                                                       : 0;
      if (version == 0) refuse("tls-protocols: \"" + name + "\" is not TLSv1.2 or TLSv1.3");
      oldest = std::min(oldest, version);
      newest = std::max(newest, version);
    }
    if (newest == 0) refuse("tls-protocols names none");
    SSL_CTX_set_min_proto_version(context, oldest);
    SSL_CTX_set_max_proto_version(context, newest);
  }

  static void set_ciphers(SSL_CTX* context, const TlsOptions& options) {
    ERR_clear_error();
    if (!options.ciphers.empty() && SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) != 1)
      refuse("tls-ciphers " + options.ciphers);
    if (!options.ciphersuites.empty() && SSL_CTX_set_ciphersuites(context, options.ciphersuites.c_str()) != 1)
      refuse("tls-ciphersuites " + options.ciphersuites);
  }

  /// The directives are called `prefix` + "cert-file" and so on.
  static void load_certificate(SSL_CTX* context, const std::string& prefix, const std::string& cert_file,
                               const std::string& key_file, std::string pass) {
    const std::string cert = prefix + "cert-file";
    const std::string key = prefix + "key-file";
    if (cert_file.empty() != key_file.empty()) refuse(cert + " and " + key + " go together");
    if (cert_file.empty()) return;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1) refuse(cert + " " + cert_file);
    // Without a callback OpenSSL would ask at the terminal.
    SSL_CTX_set_default_passwd_cb(context, give_pass);
    SSL_CTX_set_default_passwd_cb_userdata(context, &pass);
    const bool is_loaded = SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
    OPENSSL_cleanse(pass.data(), pass.size());
    if (!is_loaded) refuse(key + " " + key_file);
    if (SSL_CTX_check_private_key(context) != 1)
      refuse(key + " " + key_file + " is not the key of " + cert + " " + cert_file);
  }

  static int give_pass(char* out, int size, int, void* pass) noexcept {
    const auto* const text = static_cast<const std::string*>(pass);
    if (text == nullptr || size < 0 || text->size() > static_cast<std::size_t>(size)) return -1;
    std::memcpy(out, text->data(), text->size());
    return static_cast<int>(text->size());
  }

  void load_authorities(SSL_CTX* context, const TlsOptions& options) const {
    ERR_clear_error();
    if (!has_authority_) {
      SSL_CTX_set_default_verify_paths(context);
      return;
    }
    if (!options.ca_cert_file.empty() &&
        SSL_CTX_load_verify_locations(context, options.ca_cert_file.c_str(), nullptr) != 1)
      refuse("tls-ca-cert-file " + options.ca_cert_file);
    if (options.ca_cert_dir.empty()) return;
    struct stat folder {};  // OpenSSL looks into it no sooner than it needs a certificate
    if (::stat(options.ca_cert_dir.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode) ||
        SSL_CTX_load_verify_locations(context, nullptr, options.ca_cert_dir.c_str()) != 1)
      refuse("tls-ca-cert-dir " + options.ca_cert_dir + " is not a folder");
  }

  Context incoming_;
  Context outgoing_;  // none: as incoming
  TlsAuthClients auth_clients_;
  bool verify_peer_;
  bool verify_host_;
  Duration handshake_max_;
  bool has_certificate_;
  bool has_authority_;
};

}  // namespace replikv::inline v0_1::detail
