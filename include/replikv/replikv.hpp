// The whole library but its sockets: one include for applications. Sockets are in replikv/asio.hpp, so
// that only those who use them need Asio.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/codec.hpp>
#include <replikv/core/error.hpp>
#include <replikv/core/limits.hpp>
#include <replikv/core/random.hpp>
#include <replikv/core/secret.hpp>
#include <replikv/version.hpp>
