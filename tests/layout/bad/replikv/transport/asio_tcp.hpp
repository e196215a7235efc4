// No fault here, but asio.hpp forgets it.
#pragma once

#include <replikv/core/bytes.hpp>

#include <asio/ip/tcp.hpp>
