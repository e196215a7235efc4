// Many replicas of one master: what each costs in memory, that bytes on their way to all of them are held
// once, and how long it takes until all are in step with 10 000 writes of 64 bytes over 100 keys.
//
// simulated  10 000 replicas of ours in this process, each with a store of its own, on links that take a
//            second of virtual time. Memory is that of both ends of a link and of the replica's store;
//            what such a store is by itself is told beside it.
// tcp        64 sockets that throw away what comes. Memory is the node's; what the kernel holds is not in
//            it. For bytes in flight the sockets read nothing while 200 000 values are written: the kernel
//            takes a part of that for each socket, and the node holds the rest.
//
// `held_per_stream_byte` is growth of resident memory while bytes are in flight, divided by the stream's
// bytes: 1 when all replicas share one stream, as many as there are replicas when each has a copy.
#include <replikv/transport/simulated.hpp>

#include <bench/race/cases.hpp>
#include <bench/race/child.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/sinks.hpp>
#include <bench/race/stopwatch.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace race {
namespace {

constexpr std::size_t key_count = 100;

[[nodiscard]] std::uint64_t growth_since(std::uint64_t before, pid_t process) {
  const std::uint64_t now = resident_bytes(process);
  return now > before ? now - before : 0;
}

[[nodiscard]] double ratio(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// One of a crowd.
struct Member {
  explicit Member(const replikv::SimulatedTransport& network) { role.follow(network, "main"); }

  Strings store;
  replikv::ReplicationReplica role{store, race_options()};
};

using Crowd = std::vector<std::unique_ptr<Member>>;

/// Whether `holds` of all, asking only those again of which it did not hold before.
template <class Predicate>
[[nodiscard]] auto all_of(const Crowd& crowd, Predicate holds) {
  return [&crowd, holds, at = std::size_t{0}]() mutable {
    while (at < crowd.size() && holds(*crowd[at])) ++at;
    return at == crowd.size();
  };
}

/// What one store alone is, with the keys that each member will have.
[[nodiscard]] double bytes_per_store(std::size_t count) {
  return in_child([count] {
    const Values values(value_bytes);
    const std::uint64_t before = resident_bytes(::getpid());
    const std::unique_ptr<Strings[]> stores(new Strings[count]);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t number = 0; number < key_count; ++number) stores[i].set(key_of(number), values[number]);
    }
    return ratio(growth_since(before, ::getpid()), count);
  });
}

template <class Set>
void write_values(std::size_t writes, Set&& set) {
  const Values values(value_bytes);
  for (std::size_t i = 0; i < writes; ++i) set(key_of(i % key_count), values[i]);
}

void crowd_simulated(const Run& run) {
  using namespace std::chrono_literals;
  constexpr std::size_t writes = 10'000;
  const std::size_t replicas = run.scaled(10'000);
  const Condition transport{"transport", "simulated"};
  const Condition count{"replicas", std::to_string(replicas)};
  run.report({transport, count}, "bytes_per_store", bytes_per_store(replicas));
  const pid_t here = ::getpid();
  replikv::SimulatedTransport network(1);
  network.set_delay(1s, 1s);
  replikv::ReplicationOptions options = race_options();
  options.replicas_max = replicas;
  Strings store;
  replikv::ReplicationMaster master(store, options);
  master.listen(network, "main");
  write_values(key_count, [&](const std::string& key, std::string_view value) { store.set(key, value); });

  std::uint64_t before = resident_bytes(here);
  Crowd crowd;
  for (std::size_t i = 0; i < replicas; ++i) crowd.push_back(std::make_unique<Member>(network));
  const auto attached = [](const Member& each) { return is_in_step(each.role); };
  require(network.run_until(all_of(crowd, attached), 10min), "all replicas are in step");
  run.report({transport, count}, "bytes_per_replica", ratio(growth_since(before, here), replicas));

  before = resident_bytes(here);
  const std::uint64_t stream_begin = master.position().offset.bytes;
  const Stopwatch watch;
  write_values(writes, [&](const std::string& key, std::string_view value) { store.set(key, value); });
  network.run_for(500ms);  // all is sent, nothing has arrived
  const std::uint64_t held = growth_since(before, here);
  const std::uint64_t end = master.position().offset.bytes;
  require(crowd.back()->role.position().offset.bytes < end, "the bytes are in flight");
  const auto in_step = [end](const Member& each) { return each.role.position().offset.bytes >= end; };
  require(network.run_until(all_of(crowd, in_step), 10min), "all replicas are in step");
  run.report({transport, count}, "in_step_seconds", watch.seconds());
  run.report({transport, count}, "held_per_stream_byte", ratio(held, end - stream_begin));
  const std::string key = key_of(key_count - 1);
  for (const auto& each : crowd) require(each->store.get(key) == store.get(key), "each holds what it must");
}

/// How both kinds of masters are written to: 100 values and then their answers, where there are any.
void write_to(OurMaster& master, std::size_t writes) {
  write_values(writes,
               [&](const std::string& key, std::string_view value) { master.store().set(key, value); });
}

void write_to(Server& master, std::size_t writes) {
  constexpr std::size_t depth = 100;
  std::string commands;
  std::size_t count = 0;
  write_values(writes, [&](const std::string& key, std::string_view value) {
    replikv::resp::append_command(commands, "SET", key, value);
    if (++count % depth != 0) return;
    master.client().send_raw(commands);
    (void)master.client().read_bytes(depth * std::string_view("+OK\r\n").size());
    commands.clear();
  });
}

[[nodiscard]] std::uint64_t stream_bytes(std::size_t writes) {
  std::string command;
  replikv::resp::append_command(command, "SET", key_of(0), std::string(value_bytes, '.'));
  return command.size() * writes;
}

template <class Master>
void crowd_over_tcp(const Run& run) {
  constexpr std::size_t replicas = 64;
  const Condition transport{"transport", "tcp"};
  const Condition count{"replicas", std::to_string(replicas)};
  Master master = make<Master>(run);
  write_to(master, key_count);
  const std::uint64_t before_all = resident_bytes(master.process());
  Sinks sinks(master.port(), replicas);
  std::uint64_t expected = replicas * stream_bytes(1'000);
  write_to(master, 1'000);
  sinks.await(expected);
  run.report({transport, count}, "bytes_per_replica",
             ratio(growth_since(before_all, master.process()), replicas));

  const std::size_t writes = 10'000;
  const Stopwatch watch;
  write_to(master, writes);
  expected += replicas * stream_bytes(writes);
  while (sinks.bytes() < expected) {
    require(watch.seconds() < 60, "the replicas were sent everything");
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  run.report({transport, count}, "in_step_seconds", watch.seconds());

  sinks.pause();
  const std::uint64_t before = resident_bytes(master.process());
  const std::size_t held_writes = run.scaled(200'000);
  write_to(master, held_writes);
  const std::uint64_t held = growth_since(before, master.process());
  run.report({transport, count}, "held_per_stream_byte", ratio(held, stream_bytes(held_writes)));
  sinks.resume();
  sinks.await(expected + replicas * stream_bytes(held_writes));
}

}  // namespace

void run_crowd(const Run& run) {
  (void)in_child([&] {
    run.is_ours() ? crowd_over_tcp<OurMaster>(run) : crowd_over_tcp<Server>(run);
    return 0;
  });
  if (run.is_ours()) crowd_simulated(run);
}

}  // namespace race
