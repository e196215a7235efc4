// What tests of applications need: clusters in virtual time, faults and seeds, and the simulated transport.
#pragma once

#include <replikv/testing/cluster.hpp>
#include <replikv/testing/fault.hpp>
#include <replikv/testing/journal.hpp>
#include <replikv/testing/network.hpp>
#include <replikv/testing/node.hpp>
#include <replikv/testing/seed.hpp>
#include <replikv/testing/shrink.hpp>
#include <replikv/testing/simulated_network.hpp>
#include <replikv/testing/topology.hpp>
#include <replikv/transport/simulated.hpp>
