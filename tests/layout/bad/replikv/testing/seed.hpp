// Fault: Asio has files of its own here, too.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/testing/asio_network.hpp>
