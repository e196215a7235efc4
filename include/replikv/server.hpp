// Everything in replikv.hpp, and the Redis endpoint: for applications that let redis-cli, Sentinel, exporters and
// client libraries at their stores. For sockets include replikv/asio.hpp as well.
#pragma once

#include <replikv/replikv.hpp>
#include <replikv/server/command.hpp>
#include <replikv/server/configuration.hpp>
#include <replikv/server/endpoint.hpp>
#include <replikv/server/keyspace.hpp>
#include <replikv/server/options.hpp>
#include <replikv/server/reply.hpp>
