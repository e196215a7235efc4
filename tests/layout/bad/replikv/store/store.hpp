// Faults: an umbrella, and Asio, both directly and by way of one of our own headers; OpenSSL.
#pragma once

#include <replikv/replikv.hpp>
#include <replikv/transport/asio_tcp.hpp>

#include <asio/io_context.hpp>
#include <openssl/ssl.h>
