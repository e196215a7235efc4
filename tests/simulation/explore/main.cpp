// Plays seeds of the simulation until there are enough, or time is up, or it is stopped; reports what
// broke, made as short as it gets, and what was seen.
//
//   explore [--seeds N] [--minutes M] [--from SEED] [--threads T] [--until-first] [--brief]
//
// --brief is for programs that read it: each seed is named before it is played, and no story is told.
#include <replikv/core/random.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tests/simulation/run.hpp>
#include <thread>
#include <vector>

namespace {

using namespace simulation;

// What a signal handler may touch.
std::atomic<bool> is_stopped{false};
static_assert(std::atomic<bool>::is_always_lock_free);

struct Options {
  std::uint64_t seeds = std::numeric_limits<std::uint64_t>::max();
  double minutes = std::numeric_limits<double>::infinity();
  std::optional<std::uint64_t> from;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  bool until_first = false;
  bool brief = false;
};

std::optional<Options> read_options(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--until-first" || word == "--brief") {
      (word == "--brief" ? options.brief : options.until_first) = true;
      continue;
    }
    if (i + 1 == count) return std::nullopt;
    const char* const value = words[++i];
    char* end = nullptr;
    if (word == "--minutes") {
      options.minutes = std::strtod(value, &end);
    } else {
      const std::uint64_t number = std::strtoull(value, &end, 10);
      if (word == "--seeds") {
        options.seeds = number;
      } else if (word == "--from") {
        options.from = number;
      } else if (word == "--threads" && number > 0) {
        options.threads = static_cast<unsigned>(number);
      } else {
        return std::nullopt;
      }
    }
    if (end == value || *end != '\0') return std::nullopt;
  }
  return options;
}

/// Seeds dealt out to threads, and the sum of what came of them.
class Exploration {
 public:
  explicit Exploration(const Options& options)
      : options_(options), first_(options.from.value_or(fresh_seed())), began_(Clock::now()) {}

  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }

  void explore() {
    Census census;
    for (std::uint64_t n = dealt_++; n < options_.seeds && !is_over(); n = dealt_++) {
      if (options_.brief) say("playing " + word(first_ + n));
      const Outcome outcome = run(plan_of(first_ + n), &census);
      const bool twice = n % 100 == 0;  // some of them, to see that nothing but the seed decides
      const bool same = !twice || run(plan_of(first_ + n)).trace_hash == outcome.trace_hash;
      const std::lock_guard lock(mutex_);
      add(first_ + n, outcome, same);
    }
    const std::lock_guard lock(mutex_);
    census_.add(census);
  }

  // True when every seed was good.
  bool report() {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    const double hours = std::chrono::duration<double, std::ratio<3600>>(sum_.simulated).count();
    std::printf("%s", census_.table().c_str());
    for (std::size_t i = 0; i < Fault::kinds; ++i) {
      std::printf("%s%s %llu", i == 0 ? "faults: " : ", ",
                  std::string(text(static_cast<Fault::Kind>(i))).c_str(),
                  static_cast<unsigned long long>(sum_.faults[i]));
    }
    std::printf("\n%s", census_.never().c_str());
    std::printf(
        "seeds %s to %s: %s cluster-hours in %.0f s (%.0f a minute), %s events, %s writes, %s promotions, "
        "%s full and %s partial resyncs; agreement after %.1f s at most\n",
        word(first_).c_str(), word(first_ + done_ - 1).c_str(),
        word(static_cast<std::uint64_t>(hours)).c_str(), seconds, hours * 60 / seconds,
        word(sum_.events).c_str(), word(sum_.writes).c_str(), word(sum_.promotions).c_str(),
        word(sum_.full_resyncs).c_str(), word(sum_.partial_resyncs).c_str(),
        std::chrono::duration<double>(sum_.healing).count());
    std::printf("trace of all: %016llx\n", static_cast<unsigned long long>(sum_.trace_hash));
    if (first_bad_ && !options_.brief) tell(*first_bad_);
    std::printf("%s seeds, %zu bad\n", word(done_).c_str(), bad_);
    return bad_ == 0 && done_ > 0;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static std::uint64_t fresh_seed() { return Random::from_system()() >> 16; }
  static std::string word(std::uint64_t number) { return std::to_string(number); }
  static void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }

  [[nodiscard]] bool is_over() const {
    return is_stopped || (options_.until_first && first_bad_is_known_) ||
           std::chrono::duration<double, std::ratio<60>>(Clock::now() - began_).count() >= options_.minutes;
  }

  void add(std::uint64_t seed, const Outcome& outcome, bool same) {
    ++done_;
    sum_.simulated += outcome.simulated;
    sum_.healing = std::max(sum_.healing, outcome.healing);
    sum_.events += outcome.events;
    sum_.writes += outcome.writes;
    sum_.promotions += outcome.promotions;
    sum_.full_resyncs += outcome.full_resyncs;
    sum_.partial_resyncs += outcome.partial_resyncs;
    sum_.trace_hash += outcome.trace_hash;  // in whatever order they come
    for (std::size_t i = 0; i < Fault::kinds; ++i) sum_.faults[i] += outcome.faults[i];
    if (outcome.is_good() && same) return;
    ++bad_;
    say("seed " + word(seed) + ": " +
        (same ? outcome.violation : "two runs of it differ: something else decides, too"));
    if (!outcome.is_good() && (!first_bad_ || seed < *first_bad_)) first_bad_ = seed;
    first_bad_is_known_ = true;
  }

  static void tell(std::uint64_t seed) {
    Plan plan = plan_of(seed);
    plan = shrunk(plan, run(plan).invariant);
    const Outcome outcome = run_and_tell(plan);
    std::printf("\nThe least that breaks it:\n");
    for (const PlannedEvent& event : plan.events) std::printf("  %s\n", text_of(event).c_str());
    std::printf("%s%s\n`explore --from %s --seeds 1` repeats it.\n\n", outcome.story.c_str(),
                outcome.violation.c_str(), word(seed).c_str());
  }

  const Options options_;
  const std::uint64_t first_;
  const Clock::time_point began_;
  std::atomic<std::uint64_t> dealt_{0};
  std::atomic<bool> first_bad_is_known_{false};

  std::mutex mutex_;  // for the rest
  Outcome sum_;
  Census census_;
  std::uint64_t done_ = 0;
  std::size_t bad_ = 0;
  std::optional<std::uint64_t> first_bad_;
};

}  // namespace

int main(int count, char** words) {
  const auto options = read_options(count, words);
  if (!options) {
    std::fprintf(stderr,
                 "usage: explore [--seeds N] [--minutes M] [--from SEED] [--threads T] [--until-first] "
                 "[--brief]\n");
    return 2;
  }
  std::signal(SIGINT, [](int) { is_stopped = true; });
  std::signal(SIGTERM, [](int) { is_stopped = true; });
  Exploration exploration(*options);
  std::printf("first seed %llu\n", static_cast<unsigned long long>(exploration.first()));
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < options->threads; ++i) threads.emplace_back([&] { exploration.explore(); });
  exploration.explore();
  for (std::thread& thread : threads) thread.join();
  return exploration.report() ? 0 : 1;
}
