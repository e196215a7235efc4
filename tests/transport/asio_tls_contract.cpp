// The contract of transport.hpp, held against TLS: the tests of contract.cpp once more.
#include "contract_tls.hpp"

#define ALL_TRANSPORTS Tls, Tls12, TlsShared, TlsPolled
#include "contract.cpp"
