// Faults: it leaves out resp/parser.hpp, and lets Asio and what is for tests in.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/unguarded.hpp>
#include <replikv/detours/detour.hpp>
#include <replikv/fwd.hpp>
#include <replikv/store/store.hpp>
#include <replikv/testing/seed.hpp>
#include <replikv/transport/asio_tcp.hpp>
#include <replikv/version.hpp>
