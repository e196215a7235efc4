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
#include <replikv/rdb/crc64.hpp>
#include <replikv/rdb/item.hpp>
#include <replikv/rdb/lzf.hpp>
#include <replikv/rdb/opcodes.hpp>
#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/inline_request.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/resp/reply.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/stream/block.hpp>
#include <replikv/stream/command_stream.hpp>
#include <replikv/stream/offset.hpp>
#include <replikv/stream/replication_id.hpp>
#include <replikv/stream/token.hpp>
#include <replikv/transport/in_process.hpp>
#include <replikv/transport/simulated.hpp>
#include <replikv/transport/transport.hpp>
#include <replikv/version.hpp>
