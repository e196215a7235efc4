// A user's program with TLS: replikv::tls brings Asio and OpenSSL with it.
#include <replikv/transport/asio_tls.hpp>

int main() {
  const replikv::TlsTransport transport{replikv::TlsOptions{}};
  return transport.engine() != nullptr ? 0 : 1;
}
