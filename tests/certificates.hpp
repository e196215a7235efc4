// Certificates for tests of TLS, made when they run, so that there are no keys in the repository and none
// that expires: an authority, what it signed for servers and clients, and what must not be trusted.
#pragma once

#include <filesystem>
#include <memory>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <string>
#include <tests/temporary_directory.hpp>

namespace replikv_tests {

/// An authority of a test's own, which signs into a folder: NAME.crt, NAME.key.
class CertificateAuthority {
 public:
  CertificateAuthority(std::filesystem::path folder, const std::string& name)
      : folder_(std::move(folder)),
        name_(name),
        key_(make_key()),
        certificate_(make(name, 3600, key_.get())) {
    extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    sign(certificate_.get());
    write(name, certificate_.get(), key_.get(), "");
  }

  struct Particulars {
    std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";  // subjectAltName
    long seconds_left = 3600;
    std::string key_file_pass{};
  };

  void issue(const std::string& name, const Particulars& particulars) const {
    const Key key = make_key();
    const Certificate made = make(name, particulars.seconds_left, key.get());
    extend(made.get(), NID_subject_alt_name, particulars.names);
    sign(made.get());
    write(name, made.get(), key.get(), particulars.key_file_pass);
  }
  void issue(const std::string& name) const { issue(name, Particulars()); }

 private:
  struct Free {
    void operator()(EVP_PKEY* object) const noexcept { EVP_PKEY_free(object); }
    void operator()(EVP_PKEY_CTX* object) const noexcept { EVP_PKEY_CTX_free(object); }
    void operator()(X509* object) const noexcept { X509_free(object); }
    void operator()(X509_EXTENSION* object) const noexcept { X509_EXTENSION_free(object); }
    void operator()(BIO* object) const noexcept { BIO_free(object); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;

  static void demand(bool succeeded, const char* what) {
    if (!succeeded) throw std::runtime_error(std::string("OpenSSL cannot make a certificate: ") + what);
  }

  static Key make_key() {
    const std::unique_ptr<EVP_PKEY_CTX, Free> context(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr));
    EVP_PKEY* key = nullptr;
    demand(EVP_PKEY_keygen_init(context.get()) == 1, "key");
    demand(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context.get(), NID_X9_62_prime256v1) == 1, "curve");
    demand(EVP_PKEY_keygen(context.get(), &key) == 1, "key");
    return Key(key);
  }

  Certificate make(const std::string& name, long seconds_left, EVP_PKEY* key) const {
    static long serial = 0;
    Certificate made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -7200);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), seconds_left);
    X509_set_pubkey(made.get(), key);
    set_name(X509_get_subject_name(made.get()), name);
    set_name(X509_get_issuer_name(made.get()), name_);
    return made;
  }

  static void set_name(X509_NAME* entry, const std::string& name) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(name.c_str());
    demand(X509_NAME_add_entry_by_txt(entry, "CN", MBSTRING_ASC, bytes, -1, -1, 0) == 1, "name");
  }

  static void extend(X509* certificate, int kind, const std::string& value) {
    const std::unique_ptr<X509_EXTENSION, Free> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
    demand(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
  }

  void sign(X509* certificate) const { demand(X509_sign(certificate, key_.get(), EVP_sha256()) > 0, "sign"); }

  void write(const std::string& name, X509* certificate, EVP_PKEY* key, const std::string& pass) const {
    const auto open = [&](const char* ending) {
      return std::unique_ptr<BIO, Free>(BIO_new_file((folder_ / (name + ending)).c_str(), "w"));
    };
    demand(PEM_write_bio_X509(open(".crt").get(), certificate) == 1, "write");
    std::string copy = pass;
    demand(PEM_write_bio_PrivateKey(open(".key").get(), key, pass.empty() ? nullptr : EVP_aes_128_cbc(),
                                    nullptr, 0, nullptr, pass.empty() ? nullptr : copy.data()) == 1,
           "write");
  }

  std::filesystem::path folder_;
  std::string name_;
  Key key_;
  Certificate certificate_;
};

/// What the tests of a program share: `certificates() / "server.crt"`.
class Certificates {
 public:
  Certificates() {
    const CertificateAuthority ours(folder_.path(), "ca");
    const CertificateAuthority strange(folder_.path(), "strange_ca");
    ours.issue("server");
    ours.issue("client", {.names = "DNS:client", .seconds_left = 3600, .key_file_pass = {}});
    ours.issue("expired", {.seconds_left = -60, .key_file_pass = {}});
    ours.issue("elsewhere",
               {.names = "DNS:elsewhere.example,IP:192.0.2.1", .seconds_left = 3600, .key_file_pass = {}});
    ours.issue("locked", {.seconds_left = 3600, .key_file_pass = "open sesame"});
    strange.issue("stranger");
  }

  [[nodiscard]] std::string operator/(const std::string& file) const { return folder_ / file; }
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }

 private:
  TemporaryDirectory folder_;
};

inline const Certificates& certificates() {
  static const Certificates made;
  return made;
}

}  // namespace replikv_tests
