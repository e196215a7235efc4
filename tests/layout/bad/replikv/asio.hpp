// Fault: it leaves out transport/asio_tcp.hpp.
#pragma once
