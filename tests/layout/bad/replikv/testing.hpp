// Faults: it leaves out testing/cluster.hpp, and lets Asio in.
#pragma once

#include <replikv/testing/asio_network.hpp>
#include <replikv/testing/seed.hpp>
