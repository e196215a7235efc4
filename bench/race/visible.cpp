// How long after a write returned its value can be read on the replica. One write in every 200 us on
// average, at no regular time; idle, and while somebody else writes 100 000 other values in a second (10 in
// a row every 100 us).
//
// What is measured, in one thread: the write; the clock; reads of the same key on the replica, again and
// again until the new value is there; the clock.
//
// ours    `set` on the master, `visit` on the replica's store. Inline: whoever writes delivers, so the first
//         read finds it. Background: a thread of the transport's. TCP: a thread for each node. The reading
//         thread offers its processor after each read that came too early, so that on two cores those
//         threads run as soon as they have something to do.
// theirs  a client's SET on the master, from its answer on; GETs on the replica, each a round trip, during
//         which the client sleeps. The last of them is in the figure, as it is in the life of any client.
#include <replikv/core/random.hpp>
#include <replikv/transport/in_process.hpp>

#include <algorithm>
#include <atomic>
#include <bench/race/cases.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/stopwatch.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <thread>
#include <utility>
#include <vector>

namespace race {
namespace {

constexpr std::size_t sample_keys = 1'000;
constexpr std::size_t load_keys = 10'000;

/// The kernel wakes a thread up to 50 us late unless it is told otherwise.
void sleep_precisely() { ::prctl(PR_SET_TIMERSLACK, 1'000); }

/// A pair of nodes of ours.
class OurPair {
 public:
  template <class Transport>
  OurPair(const Transport& from, const Transport& to, std::string_view address) {
    replica_.follow(to, master_.listen(from, address));
    await([&] { return is_in_step(replica_); }, "the replica is in step");
  }

  void set(const std::string& key, std::string_view value) { store_.set(key, value); }
  [[nodiscard]] bool shows(const std::string& key, std::string_view value) const {
    bool is_there = false;
    copy_.visit(key, [&](std::string_view held) { is_there = held == value; });
    if (!is_there) std::this_thread::yield();
    return is_there;
  }
  void set_many(const std::vector<std::string>& keys, std::string_view value) {
    for (const std::string& key : keys) store_.set(key, value);
  }

 private:
  Strings store_;
  Strings copy_;
  replikv::ReplicationMaster master_{store_, race_options()};
  replikv::ReplicationReplica replica_{copy_, race_options()};
};

/// And one of theirs, with a client for the samples and one for the load.
class ServerPair {
 public:
  explicit ServerPair(const Run& run) : master_(run.side()), replica_(run.side()) {
    replica_.follow(master_.port());
    await([&] { return replica_.is_online(); }, "the replica is in step");
  }

  void set(const std::string& key, std::string_view value) {
    require(master_.client().command("SET", key, value).text == "OK", "the server takes the write");
  }
  [[nodiscard]] bool shows(const std::string& key, std::string_view value) {
    return replica_.client().command("GET", key).text == value;
  }
  void set_many(const std::vector<std::string>& keys, std::string_view value) {
    std::string commands;
    for (const std::string& key : keys) replikv::resp::append_command(commands, "SET", key, value);
    load_.send_raw(commands);
    (void)load_.read_bytes(keys.size() * std::string_view("+OK\r\n").size());
  }

 private:
  Server master_;
  Server replica_;
  interop::RedisClient load_{master_.port()};
};

/// 100 000 writes in a second by a thread of its own, as long as this object lives.
template <class Pair>
class Load {
 public:
  explicit Load(Pair& pair) : pair_(pair) {}

  [[nodiscard]] double writes_per_second() const { return static_cast<double>(writes_) / watch_.seconds(); }

 private:
  void run(const std::stop_token& stop) {
    sleep_precisely();
    const Values values(value_bytes);
    std::vector<std::string> keys(10);
    auto next = std::chrono::steady_clock::now();
    for (std::size_t number = 0; !stop.stop_requested(); number += keys.size()) {
      for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = key_of(sample_keys + (number + i) % load_keys);
      pair_.set_many(keys, values[number]);
      writes_ += keys.size();
      next += std::chrono::microseconds(100);  // what was missed is made up for
      std::this_thread::sleep_until(next);
    }
  }

  Pair& pair_;
  std::atomic<std::uint64_t> writes_ = 0;
  Stopwatch watch_;
  std::jthread thread_{[this](const std::stop_token& stop) { run(stop); }};
};

template <class Pair>
void sample(Pair& pair, std::vector<std::uint64_t>& times, std::size_t samples) {
  sleep_precisely();
  replikv::Random random(3);
  std::string value(value_bytes, '.');
  auto next = std::chrono::steady_clock::now();
  // redis-server begins to stream with the first acknowledgement, up to a second after the replica is up.
  const std::size_t warm_up = samples / 10;
  for (std::size_t i = 0; i < warm_up + samples; ++i) {
    const std::string key = key_of(i % sample_keys);
    const std::string number = std::to_string(i);
    value.replace(0, number.size(), number);
    pair.set(key, value);
    const Stopwatch watch;
    while (!pair.shows(key, value)) require(watch.seconds() < 10, "the write gets to the replica");
    if (i >= warm_up) times.push_back(watch.nanoseconds());
    next =
        std::max(next, std::chrono::steady_clock::now()) + std::chrono::microseconds(100 + random.below(200));
    std::this_thread::sleep_until(next);
  }
}

template <class Pair>
void visible(const Run& run, std::string_view transport, Pair& pair) {
  const std::size_t samples = run.scaled(20'000);
  for (const bool is_loaded : {false, true}) {
    const Condition over{"transport", std::string(transport)};
    const Condition load{"load", is_loaded ? "100 k writes a second" : "idle"};
    std::vector<std::uint64_t> times;
    times.reserve(samples);
    if (is_loaded) {
      const Load<Pair> others(pair);
      sample(pair, times, samples);
      run.report({over, load}, "other_writes_done_per_second", others.writes_per_second());
    } else {
      sample(pair, times, samples);
    }
    run.report_percentiles({over, load}, times);
  }
}

void visible_ours(const Run& run) {
  for (const auto& [name, delivery] : {std::pair{"in process, inline", replikv::Delivery::immediate},
                                       std::pair{"in process, background", replikv::Delivery::background}}) {
    const replikv::InProcessTransport here(delivery);
    OurPair pair(here, here, "main");
    visible(run, name, pair);
  }
  const replikv::TcpTransport from;
  const replikv::TcpTransport to;
  OurPair pair(from, to, "127.0.0.1:0");
  visible(run, "tcp", pair);
}

}  // namespace

void run_visible(const Run& run) {
  if (run.is_ours()) return visible_ours(run);
  ServerPair pair(run);
  visible(run, "tcp", pair);
}

}  // namespace race
