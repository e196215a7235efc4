// A full resync end to end: from the moment an empty replica is told whom to follow until it holds all keys.
#include <bench/race/cases.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/stopwatch.hpp>
#include <cstddef>

namespace race {
namespace {

template <class Master, class Replica>
void resync(const Run& run, Master& master, Replica& replica, std::size_t keys) {
  master.fill(keys, value_bytes);
  const Stopwatch watch;
  replica.follow(master.port());
  await([&] { return replica.is_online(); }, "the replica is in step");
  const double seconds = watch.seconds();
  run.report({{"value_bytes", std::to_string(value_bytes)}, {"keys", std::to_string(keys)}},
             "keys_per_second", static_cast<double>(keys) / seconds);
  require(replica.keys() == keys, "every key is there");
  require(replica.get(key_of(keys / 3)) == Values(value_bytes)[keys / 3], "with its value");
}

}  // namespace

void run_full_resync(const Run& run) {
  const std::size_t keys = run.scaled(3'000'000);
  if (run.is_ours()) {
    OurMaster master;
    OurReplica replica;
    resync(run, master, replica, keys);
  } else {
    Server master(run.side());
    Server replica(run.side());
    resync(run, master, replica, keys);
  }
}

}  // namespace race
