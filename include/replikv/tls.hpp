// Everything in asio.hpp, and TLS. Needs standalone Asio and OpenSSL (the CMake target replikv::tls).
#pragma once

#include <replikv/asio.hpp>
#include <replikv/transport/asio_tls.hpp>
#include <replikv/transport/asio_tls_options.hpp>
