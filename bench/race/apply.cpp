// How fast a replica applies its master's stream: SETs of keys it does not have, then of the same keys again.
#include <replikv/rdb/writer.hpp>

#include <bench/race/cases.hpp>
#include <bench/race/data.hpp>
#include <bench/race/feeder.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/stopwatch.hpp>
#include <chrono>
#include <memory>
#include <string>

namespace race {
namespace {

[[nodiscard]] std::string empty_snapshot() {
  replikv::rdb::Writer writer;
  writer.header();
  writer.end();
  return writer.take();
}

/// A handful of keys, all over the stream.
template <class Replica>
void check_values(Replica& replica, std::size_t keys, std::size_t bytes_each) {
  require(replica.keys() == keys, "every key is there");
  const Values values(bytes_each);
  for (std::size_t number = 0; number < keys; number += keys / 100) {
    require(replica.get(key_of(number)) == values[number], "the values are those of the stream");
  }
}

void report(const Run& run, std::string_view transport, std::string_view keys, std::size_t bytes_each,
            std::size_t commands, double seconds) {
  run.report({{"transport", std::string(transport)},
              {"bytes_each", std::to_string(bytes_each)},
              {"keys", std::string(keys)}},
             "commands_per_second", static_cast<double>(commands) / seconds);
}

template <class Replica>
void apply_over_tcp(const Run& run, Replica& replica, const std::string& stream, std::size_t keys,
                    std::size_t bytes_each) {
  TcpFeeder feeder;
  replica.follow(feeder.port());
  feeder.accept(empty_snapshot());
  await([&] { return replica.is_online(); }, "the replica is in step");
  for (const std::string_view pass : {"new", "known"}) {
    const Stopwatch watch;
    feeder.feed(stream);
    report(run, "tcp", pass, bytes_each, keys, watch.seconds());
  }
  check_values(replica, keys, bytes_each);
}

struct InProcessReplica {
  [[nodiscard]] std::size_t keys() const { return store.size(); }
  [[nodiscard]] std::optional<std::string> get(std::string_view key) const { return store.get(key); }

  replikv::InProcessTransport transport{replikv::Delivery::background};
  Strings store;
  replikv::ReplicationReplica role{store, race_options()};
};

void apply_in_process(const Run& run, const std::string& stream, std::size_t keys, std::size_t bytes_each) {
  InProcessReplica replica;
  const auto feeder = InProcessFeeder::serve(replica.transport, "main", empty_snapshot());
  replica.role.follow(replica.transport, "main");
  await([&] { return is_in_step(replica.role); }, "the replica is in step");
  const auto shared = std::make_shared<const std::string>(stream);
  std::uint64_t offset = 0;
  for (const std::string_view pass : {"new", "known"}) {
    const Stopwatch watch;
    feeder->feed(shared);
    offset += stream.size();
    const auto id = replikv::ReplicationId::parse(fed_replication_id());
    replica.role.wait_for({id.value(), replikv::Offset{offset}}, std::chrono::minutes(5));
    report(run, "in process", pass, bytes_each, keys, watch.seconds());
  }
  check_values(replica, keys, bytes_each);
}

}  // namespace

void run_apply(const Run& run) {
  const std::size_t keys = run.scaled(1'000'000);
  for (const std::size_t bytes_each : {16U, 64U, 1024U}) {
    const std::string stream = stream_of_sets(keys, bytes_each);
    if (run.is_ours()) {
      OurReplica replica;
      apply_over_tcp(run, replica, stream, keys, bytes_each);
    } else {
      Server replica(run.side());
      apply_over_tcp(run, replica, stream, keys, bytes_each);
    }
    if (run.is_ours()) apply_in_process(run, stream, keys, bytes_each);
  }
}

}  // namespace race
