// What a `set` of a new key costs while a store grows from 10^4 keys to 10^7, and the longest on the way.
//
// ours    one thread, in process; every `set` is timed by itself.
// theirs  the mean with 100 commands in flight, in a server of its own; the longest and p99.99 of single
//         round trips, in another, whose keys between the timed ones arrive in pipelines: at every
//         thousandth of a step 100 round trips, and all of those around each doubling of the table, where
//         it grows.
//
// The longest is told as it was and as it was undisturbed; timings.hpp says what that is.
#include <algorithm>
#include <bench/race/cases.hpp>
#include <bench/race/data.hpp>
#include <bench/race/sides.hpp>
#include <bench/race/stopwatch.hpp>
#include <bench/race/timings.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace race {
namespace {

/// New keys in no order, as they come to a hash table anyway; made outside the time that counts.
class NewKeys {
 public:
  [[nodiscard]] const std::string& operator[](std::size_t number) {
    if (number >= first_ + keys_.size()) {
      keys_.clear();
      first_ = number;
      for (std::size_t i = 0; i < ahead; ++i) keys_.push_back(key_of(number + i));
    }
    return keys_[number - first_];
  }

 private:
  static constexpr std::size_t ahead = 1'000;

  std::size_t first_ = 0;
  std::vector<std::string> keys_;
};

void grow_ours(const Run& run, std::size_t keys_max) {
  const Values values(value_bytes);
  for (const bool is_mean : {true, false}) {
    Strings store;
    NewKeys keys;
    Timings timings;
    for (std::size_t first = 0, last = 10'000; last <= keys_max; first = last, last *= 10) {
      std::uint64_t mean_time = 0;
      for (std::size_t number = first; number < last;) {
        constexpr std::size_t batch = 1'000;
        (void)keys[number];
        const Stopwatch watch;
        for (const std::size_t end = number + batch; number < end; ++number) {
          const auto set = [&] { store.set(keys[number], values[number]); };
          is_mean ? set() : timings.time(set);
        }
        mean_time += watch.nanoseconds();
      }
      if (is_mean) {
        run.report({{"keys", std::to_string(last)}}, "ns",
                   static_cast<double>(mean_time) / static_cast<double>(last - first));
      } else {
        timings.report(run, {{"keys", std::to_string(last)}});
      }
    }
    require(store.size() == keys_max, "every key is there");
    require(store.get(key_of(keys_max / 3)) == values[keys_max / 3], "with its value");
  }
}

/// A connection whose round trips are as short as a client can make them.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : client_(port) {}

  void set(const std::string& key, std::string_view value) {
    begin();
    append(key, value);
    flush();
  }
  void begin() {
    commands_.clear();
    count_ = 0;
  }
  void append(std::string_view key, std::string_view value) {
    replikv::resp::append_command(commands_, "SET", key, value);
    ++count_;
  }
  void flush() {
    client_.send_raw(commands_);
    const std::string answers = client_.read_bytes(count_ * std::string_view("+OK\r\n").size());
    require(answers.starts_with("+OK\r\n"), "the server takes the write");
  }

 private:
  interop::RedisClient client_;
  std::string commands_;
  std::size_t count_ = 0;
};

/// redis-server's table begins to grow at a power of two.
[[nodiscard]] bool is_near_power_of_two(std::size_t number) {
  std::size_t power = 1;
  while (power * 2 <= number + 50) power *= 2;
  return number + 50 >= power && number <= power + 1'000;
}

void grow_theirs(const Run& run, std::size_t keys_max) {
  const Values values(value_bytes);
  for (const bool is_mean : {true, false}) {
    Server server(run.side());
    Connection connection(server.port());
    NewKeys keys;
    Timings timings(server.process());
    for (std::size_t first = 0, last = 10'000; last <= keys_max; first = last, last *= 10) {
      const Stopwatch watch;
      const std::size_t stretch = std::max<std::size_t>((last - first) / run.scaled(1'000), 100);
      for (std::size_t number = first; number < last;) {
        const bool is_timed = !is_mean && ((number - first) % stretch < 100 || is_near_power_of_two(number));
        constexpr std::size_t depth = 100;
        if (is_timed) {
          timings.time([&] { connection.set(keys[number], values[number]); });
          ++number;
          continue;
        }
        connection.begin();
        const std::size_t end = std::min(number + depth - number % depth, last);
        for (; number < end; ++number) connection.append(keys[number], values[number]);
        connection.flush();
      }
      if (is_mean) {
        run.report({{"keys", std::to_string(last)}}, "ns",
                   static_cast<double>(watch.nanoseconds()) / static_cast<double>(last - first));
      } else {
        timings.report(run, {{"keys", std::to_string(last)}});
      }
    }
    require(server.keys() == keys_max, "every key is there");
    require(server.get(key_of(keys_max / 3)) == values[keys_max / 3], "with its value");
  }
}

}  // namespace

void run_growth(const Run& run) {
  const std::size_t keys_max = run.scaled(10'000'000);
  run.is_ours() ? grow_ours(run, keys_max) : grow_theirs(run, keys_max);
}

}  // namespace race
