// Everything in replikv.hpp, and sockets. Needs standalone Asio (the CMake target replikv::asio).
#pragma once

#include <replikv/replikv.hpp>
#include <replikv/transport/asio_engine.hpp>
#include <replikv/transport/asio_tcp.hpp>
#include <replikv/transport/asio_unix.hpp>
