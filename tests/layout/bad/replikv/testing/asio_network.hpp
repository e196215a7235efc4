// No fault here; no umbrella has to include it.
#pragma once

#include <replikv/testing/seed.hpp>
#include <replikv/transport/asio_tcp.hpp>

#include <asio/io_context.hpp>
