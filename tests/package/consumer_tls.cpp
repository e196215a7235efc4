// A user's program with TLS: replikv::tls brings Asio and OpenSSL with it.
#include <replikv/version.hpp>

#include <asio/io_context.hpp>
#include <openssl/ssl.h>

int main() {
  asio::io_context context;
  SSL_CTX* const tls = SSL_CTX_new(TLS_method());
  SSL_CTX_free(tls);
  return tls != nullptr && !context.stopped() ? 0 : 1;
}
