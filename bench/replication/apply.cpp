// What a replica does with its master's stream, without a network: bytes arrive in the pieces a socket gives,
// are parsed, applied to the store and appended to the replica's own stream.
#include <replikv/core/random.hpp>
#include <replikv/replication/detail/applier.hpp>
#include <replikv/replication/replica_session.hpp>
#include <replikv/store/store.hpp>
#include <replikv/stream/command_stream.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <bench/race/data.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace replikv;
using Strings = Store<std::string, std::string>;

/// A replica that is in step from the start.
class Replica final : public ReplicaSession::Handler {
 public:
  explicit Replica(detail::Database& database)
      : databases_{&database},
        stream_(ReplicationId::random(random_), options_.backlog_bytes),
        applier_(databases_, stream_, options_),
        session_(options_, *this, SyncPosition{stream_.position().id, Offset{}}, 0, TimePoint{}) {
    session_.receive(as_bytes("+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n"), TimePoint{});
  }

  void receive(std::string_view bytes) { session_.receive(as_bytes(bytes), TimePoint{}); }
  [[nodiscard]] bool has_failed() const { return session_.state() != ReplicaSession::State::streaming; }

  std::optional<Failure> on_full_resync(const ReplicationId&, Offset) override { return std::nullopt; }
  std::optional<Failure> on_snapshot_item(const rdb::Item&) override { return std::nullopt; }
  std::optional<Failure> on_snapshot_end() override { return std::nullopt; }
  std::optional<Failure> on_partial_resync(std::optional<ReplicationId>) override {
    applier_.begin(CommandStream::no_database);
    return std::nullopt;
  }
  std::optional<Failure> on_commands(const CommandBatch& commands) override {
    return applier_.apply(commands, [](const StreamCommand&) {});
  }

 private:
  Random random_{1};
  ReplicationOptions options_;
  std::array<detail::Database*, 1> databases_;
  CommandStream stream_;
  detail::Applier applier_;
  ReplicaSession session_;
};

void replication_apply_sets(benchmark::State& state) {
  const auto keys = static_cast<std::size_t>(state.range(0));
  const std::string stream = race::stream_of_sets(keys, static_cast<std::size_t>(state.range(1)));
  Strings store;
  Replica replica(detail::database_of(store));
  constexpr std::size_t piece = std::size_t{256} << 10;
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      replica.receive(std::string_view(stream).substr(at, piece));
    }
  }
  if (replica.has_failed() || store.size() != keys) state.SkipWithError("the stream was not applied");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(replication_apply_sets)
    ->ArgNames({"keys", "value_bytes"})
    ->Args({1'000, 64})
    ->Args({1'000'000, 16})
    ->Args({1'000'000, 64})
    ->Args({1'000'000, 1024})
    ->Unit(benchmark::kMillisecond);

}  // namespace
