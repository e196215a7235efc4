// What writers feel of a full resync: the longest `set`, and p99.99, from the moment a replica asks for a
// snapshot until it has all of it, and how much memory the node needs beyond what it had before. Writes of
// 64 bytes to random keys that are there, at 20 000 in a second (20 in a row every millisecond) and one
// after the other without a pause. The replica takes its snapshot over TCP and throws it away.
//
// ours    `set` in process. Memory: growth of the process, which the replica is part of, at its peak.
// theirs  a client's round trip, one at a time. Memory: growth of the server, and those pages of its child
//         process that are not shared with it any more, at their peak.
//
// Memory is looked at every 50 ms.
#include <algorithm>
#include <array>
#include <bench/race/cases.hpp>
#include <bench/race/child.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/sinks.hpp>
#include <bench/race/stopwatch.hpp>
#include <bench/race/timings.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

namespace race {
namespace {

/// What a process has for itself alone, in bytes.
[[nodiscard]] std::uint64_t private_bytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/smaps_rollup");
  std::uint64_t kilobytes = 0;
  for (std::string word; file >> word;) {
    std::uint64_t value = 0;
    if ((word == "Private_Dirty:" || word == "Private_Clean:") && file >> value) kilobytes += value;
  }
  return kilobytes * 1024;
}

[[nodiscard]] std::uint64_t bytes_of_children(pid_t process) {
  const std::string id = std::to_string(process);
  std::ifstream file("/proc/" + id + "/task/" + id + "/children");
  std::uint64_t bytes = 0;
  for (pid_t child = 0; file >> child;) bytes += private_bytes(child);
  return bytes;
}

/// Follows the memory of a node from now on.
class Peak {
 public:
  Peak(pid_t process, bool has_children)
      : process_(process), has_children_(has_children), before_(resident_bytes(process)) {}

  /// Growth at its highest.
  [[nodiscard]] std::uint64_t stop() {
    thread_.request_stop();
    thread_.join();
    return highest_;
  }

 private:
  void follow(const std::stop_token& stop) {
    do {
      const std::uint64_t now = resident_bytes(process_) + (has_children_ ? bytes_of_children(process_) : 0);
      if (now > before_) highest_ = std::max(highest_, now - before_);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    } while (!stop.stop_requested());
  }

  pid_t process_;
  bool has_children_;
  std::uint64_t before_;
  std::uint64_t highest_ = 0;
  std::jthread thread_{[this](const std::stop_token& stop) { follow(stop); }};
};

struct OurWriter {
  explicit OurWriter(OurMaster& master) : store(master.store()) {}
  void set(const std::string& key, std::string_view value) { store.set(key, value); }

  Strings& store;
};

struct Client {
  explicit Client(Server& master) : link(master.port()) {}
  void set(const std::string& key, std::string_view value) {
    require(link.command("SET", key, value).text == "OK", "the server takes the write");
  }

  interop::RedisClient link;
};

/// Writes until `sink` has its snapshot. Keys are made before the time that counts.
template <class Writer>
void write_during(const SnapshotSink& sink, std::size_t keys, bool is_modest, Writer& writer,
                  Timings& timings) {
  constexpr std::size_t burst = 20;
  const Values values(value_bytes);
  replikv::Random random(5);
  std::array<std::string, burst> names;
  auto next = std::chrono::steady_clock::now();
  while (!sink.is_done()) {
    for (std::string& name : names) name = key_of(random.below(keys));
    for (const std::string& name : names) {
      timings.time([&] { writer.set(name, values[timings.count()]); });
    }
    if (!is_modest) continue;
    next = std::max(next + std::chrono::milliseconds(1), std::chrono::steady_clock::now());
    std::this_thread::sleep_until(next);
  }
}

template <class Master, class Writer>
void stall(const Run& run, std::size_t keys, bool is_modest) {
  Master master = make<Master>(run);
  master.fill(keys, value_bytes);
  Writer writer(master);
  Timings timings(run.is_ours() ? 0 : master.process());
  const std::string rate = is_modest ? "20000" : "unlimited";
  const std::string count = std::to_string(keys);
  Peak peak(master.process(), !run.is_ours());
  const Stopwatch watch;
  const SnapshotSink sink(master.port());
  write_during(sink, keys, is_modest, writer, timings);
  const double seconds = watch.seconds();
  const auto extra = static_cast<double>(peak.stop());
  require(sink.bytes() > keys * (key_bytes + value_bytes), "the replica got all keys");
  const auto writes = static_cast<double>(timings.count());
  run.report({{"keys", count}, {"writes_per_second", rate}}, "sets_per_second", writes / seconds);
  run.report({{"keys", count}, {"writes_per_second", rate}}, "resync_seconds", seconds);
  run.report({{"keys", count}, {"writes_per_second", rate}}, "extra_memory_bytes", extra);
  timings.report(run, {{"keys", count}, {"writes_per_second", rate}});
}

}  // namespace

void run_stall(const Run& run) {
  const std::size_t keys = run.scaled(5'000'000);
  for (const bool is_modest : {true, false}) {
    (void)in_child([&] {
      run.is_ours() ? stall<OurMaster, OurWriter>(run, keys, is_modest)
                    : stall<Server, Client>(run, keys, is_modest);
      return 0;
    });
  }
}

}  // namespace race
