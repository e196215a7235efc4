// What a key costs beyond its own bytes: growth of resident memory while new keys are set, divided by them,
// less the 16 bytes of each key and the 64 of its value. Tables grow in steps, so one size would show a good
// day or a bad one: each size of a doubling (1.0, 1.3, 1.7 and 2.0 million) and three million are measured
// in processes of their own, and the mean of the doubling is reported beside them.
#include <array>
#include <bench/race/cases.hpp>
#include <bench/race/child.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/stopwatch.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unistd.h>

namespace race {
namespace {

/// A store, and nothing attached to it.
class OurStore {
 public:
  void fill(std::size_t keys) {
    const Values values(value_bytes);
    before_ = resident_bytes(::getpid());
    for (std::size_t number = 0; number < keys; ++number) store_.set(key_of(number), values[number]);
  }
  [[nodiscard]] std::uint64_t growth() const { return resident_bytes(::getpid()) - before_; }
  [[nodiscard]] std::size_t keys() const { return store_.size(); }
  [[nodiscard]] bool holds(std::uint64_t number) const {
    return store_.get(key_of(number)) == Values(value_bytes)[number];
  }

 private:
  Strings store_;
  std::uint64_t before_ = 0;
};

class ServerStore {
 public:
  explicit ServerStore(const Run& run) : server_(run.side()) {}

  void fill(std::size_t keys) {
    server_.fill(10, value_bytes);  // what it allocates once for any client is there already
    before_ = resident_bytes(server_.process());
    server_.fill(keys, value_bytes);
  }
  [[nodiscard]] std::uint64_t growth() const { return resident_bytes(server_.process()) - before_; }
  [[nodiscard]] std::size_t keys() { return server_.keys(); }
  [[nodiscard]] bool holds(std::uint64_t number) {
    return server_.get(key_of(number)) == Values(value_bytes)[number];
  }

 private:
  Server server_;
  std::uint64_t before_ = 0;
};

template <class Filled>
double bytes_beyond(Filled& filled, std::size_t keys) {
  filled.fill(keys);
  require(filled.keys() == keys && filled.holds(keys / 3), "every key is there, with its value");
  const auto growth = static_cast<double>(filled.growth());
  return growth / static_cast<double>(keys) - static_cast<double>(key_bytes + value_bytes);
}

double measure(const Run& run, std::size_t keys) {
  return in_child([&] {
    if (run.is_ours()) {
      OurStore store;
      return bytes_beyond(store, keys);
    }
    ServerStore store(run);
    return bytes_beyond(store, keys);
  });
}

}  // namespace

void run_memory(const Run& run) {
  const auto report = [&](const std::string& keys, double bytes) {
    run.report({{"keys", keys}, {"key_and_value_bytes", std::to_string(key_bytes + value_bytes)}},
               "bytes_per_key", bytes);
  };
  constexpr std::array<std::size_t, 4> doubling{1'000'000, 1'300'000, 1'700'000, 2'000'000};
  double sum = 0;
  for (const std::size_t keys : doubling) {
    const double bytes = measure(run, run.scaled(keys));
    report(std::to_string(run.scaled(keys)), bytes);
    sum += bytes;
  }
  report("mean of a doubling", sum / static_cast<double>(doubling.size()));
  report(std::to_string(run.scaled(3'000'000)), measure(run, run.scaled(3'000'000)));
}

}  // namespace race
