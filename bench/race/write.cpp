// What a write costs its writer while replicas are attached. They are sockets that throw away what comes, as
// fast as the kernel can: what is measured is the master alone.
#include <bench/race/cases.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/sinks.hpp>
#include <bench/race/stopwatch.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace race {
namespace {

/// One writing thread sets its share of the keys over and over, `writes` in all.
class Writing {
 public:
  Writing(std::size_t keys, std::size_t writes, std::size_t thread, std::size_t threads)
      : writes_(writes / threads) {
    for (const std::uint32_t number : shuffled(keys)) {
      if (number % threads == thread) keys_.push_back(key_of(number));
    }
  }

  void run(OurMaster& master) const {
    std::size_t at = 0;
    for (std::size_t i = 0; i < writes_; ++i) {
      master.store().set(keys_[at], values_[i]);
      if (++at == keys_.size()) at = 0;
    }
  }

  /// A client that pipelines, as the fastest do: 100 commands, then their answers.
  void run(Server& master) const {
    interop::RedisClient client(master.port());
    constexpr std::size_t depth = 100;
    std::string commands;
    std::size_t at = 0;
    for (std::size_t i = 0; i < writes_; i += depth) {
      commands.clear();
      for (std::size_t j = 0; j < depth; ++j) {
        replikv::resp::append_command(commands, "SET", keys_[at], values_[i + j]);
        if (++at == keys_.size()) at = 0;
      }
      client.send_raw(commands);
      (void)client.read_bytes(depth * std::string_view("+OK\r\n").size());
    }
  }

 private:
  std::size_t writes_;
  std::vector<std::string> keys_;
  Values values_{value_bytes};
};

template <class Master>
void write(const Run& run, std::size_t keys, std::size_t replicas, std::size_t threads) {
  Master master = make<Master>(run);
  const Sinks sinks(master.port(), replicas);
  master.fill(keys, value_bytes);
  if (replicas > 0) sinks.await(replicas * keys * value_bytes);
  const std::size_t writes = run.scaled(run.is_ours() ? 10'000'000 : 1'000'000);
  std::vector<Writing> work;
  for (std::size_t i = 0; i < threads; ++i) work.emplace_back(keys, writes, i, threads);
  const Stopwatch watch;
  const std::uint64_t cpu_before = thread_nanoseconds();
  std::uint64_t cpu_time = 0;
  {
    std::vector<std::jthread> writers;
    for (std::size_t i = 1; i < threads; ++i) writers.emplace_back([&, i] { work[i].run(master); });
    work[0].run(master);
    cpu_time = thread_nanoseconds() - cpu_before;
  }
  const double seconds = watch.seconds();
  const auto report = [&](std::string_view metric, double value) {
    run.report({{"keys", std::to_string(keys)},
                {"replicas", std::to_string(replicas)},
                {"threads", std::to_string(threads)}},
               metric, value);
  };
  report("sets_per_second", static_cast<double>(writes) / seconds);
  // Of ours alone: a client's own time says nothing about its server.
  if (run.is_ours())
    report("writer_cpu_ns", static_cast<double>(cpu_time * threads) / static_cast<double>(writes));
  if (replicas > 0) sinks.await(replicas * (keys + writes) * value_bytes);
}

template <class Master>
void write_all(const Run& run) {
  for (const std::size_t replicas : {0U, 1U, 4U, 8U, 9U}) write<Master>(run, 10'000, replicas, 1);
  for (const std::size_t replicas : {0U, 1U}) write<Master>(run, 1'000'000, replicas, 1);
  for (const std::size_t replicas : {0U, 1U}) write<Master>(run, 10'000, replicas, 2);
}

}  // namespace

void run_write(const Run& run) { run.is_ours() ? write_all<OurMaster>(run) : write_all<Server>(run); }

}  // namespace race
