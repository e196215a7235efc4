// How many commands of clients a node serves in a second: redis-benchmark, 50 connections, values of 64 bytes
// under 100 000 random keys, one command at a time and 64 in flight. The same client for both sides, on the
// core that the server leaves it; ours is one thread of this process.
#include <replikv/replication/node.hpp>
#include <replikv/server/endpoint.hpp>

#include <array>
#include <bench/race/cases.hpp>
#include <bench/race/sides.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace race {
namespace {

/// What a program prints.
[[nodiscard]] std::string output_of(const std::string& command) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  require(pipe != nullptr, "redis-benchmark can be started");
  std::string output;
  std::array<char, 4096> piece;
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe.get())) {
    output.append(piece.data(), got);
  }
  return output;
}

/// The second column of the line that begins with "TEST".
[[nodiscard]] double figure_of(const std::string& csv, std::string_view test) {
  const std::string mark = "\"" + std::string(test) + "\",\"";
  const std::size_t at = csv.find(mark);
  require(at != std::string::npos, "redis-benchmark has done the test");
  return std::stod(csv.substr(at + mark.size()));
}

void measure(const Run& run, std::uint16_t port) {
  for (const auto& [in_flight, commands] : {std::pair{"1", 200'000}, std::pair{"64", 5'000'000}}) {
    const std::string csv =
        output_of("redis-benchmark -p " + std::to_string(port) + " -c 50 -d 64 -r 100000 -n " +
                  std::to_string(run.scaled(static_cast<std::size_t>(commands))) + " -P " + in_flight +
                  " -t set,get --csv");
    for (const std::string_view test : {"SET", "GET"}) {
      run.report({{"command", std::string(test)}, {"in_flight", in_flight}}, "commands_per_second",
                 figure_of(csv, test));
    }
  }
}

}  // namespace

void run_endpoint(const Run& run) {
  if (!run.is_ours()) {
    Server server(run.side());
    measure(run, server.port());
    return require(server.keys() > 1'000, "the keys are there");
  }
  replikv::TcpTransport transport;
  Strings store;
  replikv::Node node{store};
  replikv::RedisEndpoint endpoint{node};
  const std::string address = endpoint.listen(transport, "127.0.0.1:0");
  measure(run, static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
  require(store.size() > 1'000, "the keys are there");
}

}  // namespace race
