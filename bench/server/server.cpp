// What a command of a client costs without a network: parsing, judging, running, replying. 64 in flight, as a
// pipelining client sends them.
#include <replikv/replication/node.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/server/endpoint.hpp>

#include <benchmark/benchmark.h>

#include <bench/race/data.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace {

using replikv::TimePoint;
using replikv::detail::Server;
using Strings = replikv::Store<std::string, std::string>;

constexpr std::size_t in_flight = 64;

/// A client without a link.
class BareClient final : public replikv::detail::Client {
 public:
  BareClient() : Client(1, "127.0.0.1:1", TimePoint{}) { authenticated = true; }
  void has_output() noexcept override {}
  void check_limits(Server&, TimePoint) override {}
  void close_link() noexcept override {}
};

/// Runs the same commands again and again, made by `append(out, key, number)`.
template <class Append>
void run(benchmark::State& state, Append append) {
  const auto keys = static_cast<std::size_t>(state.range(0));
  const race::Values values(64);
  Strings store;
  for (std::size_t i = 0; i < keys; ++i) store.set(race::key_of(i), values[i]);
  replikv::Node node{store};
  Server server({}, replikv::detail::NodeAccess::node(node), replikv::detail::keyspaces_of(node));
  replikv::server::commands::add_all(server.commands);
  BareClient client;

  const auto order = race::shuffled(keys);
  std::vector<std::string> batches(1 + keys / in_flight);
  for (std::size_t i = 0; i < keys; ++i) append(batches[i / in_flight], race::key_of(order[i]), values[i]);
  std::size_t next = 0;
  for (auto _ : state) {
    const Server::Turn turn(server);
    server.receive(client, replikv::as_bytes(batches[next]), TimePoint{});
    benchmark::DoNotOptimize(client.output.data());
    client.output.clear();
    next = next + 1 < keys / in_flight ? next + 1 : 0;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(in_flight));
}

void server_get(benchmark::State& state) {
  run(state, [](std::string& out, const std::string& key, std::string_view) {
    replikv::resp::append_command(out, "GET", key);
  });
}
BENCHMARK(server_get)->ArgName("keys")->Arg(1'000)->Arg(1'000'000);

void server_set(benchmark::State& state) {
  run(state, [](std::string& out, const std::string& key, std::string_view value) {
    replikv::resp::append_command(out, "SET", key, value);
  });
}
BENCHMARK(server_set)->ArgName("keys")->Arg(1'000)->Arg(1'000'000);

}  // namespace
