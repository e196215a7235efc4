// The backlog by time: what was written recently is kept, however much it is, up to a limit.
#include <replikv/core/random.hpp>
#include <replikv/stream/backlog_size.hpp>
#include <replikv/stream/command_stream.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using replikv::BacklogSize;
using replikv::CommandStream;
using replikv::Duration;
using replikv::History;
using replikv::Offset;
using replikv::PartialRefusal;
using replikv::Random;
using replikv::ReplicationId;
using replikv::TimePoint;
using replikv::detail::RecentEnds;

constexpr std::uint64_t kibibyte = 1024;
constexpr std::uint64_t block_max = replikv::detail::Block::capacity_max;

const ReplicationId own_id = ReplicationId::parse("1000000000000000000000000000000000000001").value();
const ReplicationId next_id = ReplicationId::parse("2000000000000000000000000000000000000002").value();

/// A stream that is told the time by hand.
struct Scene {
  explicit Scene(const BacklogSize& size) : stream(own_id, size) {}

  void write(std::uint64_t bytes) { stream.append_verbatim(replikv::as_bytes(std::string(bytes, 'x')), 0); }
  /// Lets time pass, told every so often.
  void pass(Duration time, Duration every = 1s) {
    for (const TimePoint end = now + time; now < end;) {
      now += std::min(every, end - now);
      stream.tell_time(now);
    }
  }
  [[nodiscard]] History history() const { return stream.history(); }
  [[nodiscard]] bool serves(std::uint64_t next_byte) const {
    PartialRefusal why;
    return stream.continue_from(own_id, next_byte, why).has_value();
  }

  CommandStream stream;
  TimePoint now{1h};
};

}  // namespace

TEST_CASE("RecentEnds: finds the end as it was a span ago, or a sixty-fourth of it earlier") {
  RecentEnds ends{64s};
  TimePoint now{};
  for (std::uint64_t i = 0; i < 1'000; ++i, now += 250ms) {
    ends.note(now, Offset{i});
    const std::uint64_t a_span_ago = i < 256 ? 0 : i - 256;
    REQUIRE(ends.oldest().bytes <= a_span_ago);
    REQUIRE(ends.oldest().bytes + 4 >= a_span_ago);
  }
}

TEST_CASE("RecentEnds: whatever the pace of the calls and the span, there is room for what it needs") {
  for (const Duration span :
       {Duration(1), Duration(63), Duration(64), Duration(65), Duration(127), Duration(1s)}) {
    for (const std::int64_t step : {1, 2, 3, 7, 1'000'000}) {
      RecentEnds ends{span};
      for (std::int64_t i = 0; i < 400; ++i) {
        ends.note(TimePoint(Duration(i * step)), Offset{static_cast<std::uint64_t>(i)});
        const std::int64_t age = i - static_cast<std::int64_t>(ends.oldest().bytes);
        REQUIRE((age * step >= span.count() || ends.oldest().bytes == 0));
      }
    }
  }
}

TEST_CASE("a backlog with a duration grows with a burst at once, and shrinks as the burst becomes old") {
  Scene scene{{64 * kibibyte, 60s, 64 << 20}};
  scene.pass(120s);
  CHECK(scene.history().backlog_bytes_max == 64 * kibibyte);
  for (int i = 0; i < 1'000; ++i) scene.write(4 * kibibyte);  // between two looks at the clock
  const History burst = scene.history();
  CHECK(burst.backlog_first_byte == 1);
  CHECK(burst.backlog_bytes_max == 4'000 * kibibyte);
  CHECK(scene.stream.backlog_bytes_max() == burst.backlog_bytes_max);
  scene.pass(59s);
  CHECK(scene.serves(1));
  CHECK(scene.history().backlog_bytes_max == 4'000 * kibibyte);
  scene.pass(3s);
  CHECK_FALSE(scene.serves(1));
  const History later = scene.history();
  CHECK(later.backlog_bytes_max == 64 * kibibyte);
  CHECK(later.backlog_bytes >= 64 * kibibyte);
  CHECK(later.backlog_bytes <= 64 * kibibyte + block_max);
}

TEST_CASE("a backlog with a duration never grows beyond its limit, nor below its size in bytes") {
  Scene scene{{64 * kibibyte, 60s, 1 << 20}};
  scene.pass(1s);
  for (int i = 0; i < 1'000; ++i) {
    scene.write(4 * kibibyte);
    REQUIRE(scene.history().backlog_bytes_max <= 1 << 20);
    REQUIRE(scene.history().backlog_bytes <= (1 << 20) + block_max);
  }
  CHECK(scene.history().backlog_bytes >= 1 << 20);
  CHECK(scene.stream.tell_time(scene.now) == 4'000 * kibibyte);  // what it asks for, for all that
  scene.stream.set_backlog_bytes(2 << 20);                       // the size in bytes has no such limit
  CHECK(scene.history().backlog_bytes_max == 2 << 20);
}

TEST_CASE("without a duration, and before the time is known, a backlog has its size in bytes") {
  for (const Duration duration : {Duration{}, Duration{60s}}) {
    Scene scene{{64 * kibibyte, duration, 64 << 20}};
    if (duration == Duration{}) scene.pass(10s);
    for (int i = 0; i < 1'000; ++i) scene.write(4 * kibibyte);
    CHECK(scene.history().backlog_bytes_max == 64 * kibibyte);
    CHECK(scene.history().backlog_bytes <= 64 * kibibyte + block_max);
  }
}

TEST_CASE("a smaller size in bytes does not take what the duration promises") {
  Scene scene{{1 << 20, 60s, 64 << 20}};
  scene.pass(1s);
  scene.write(512 * kibibyte);
  scene.stream.set_backlog_bytes(0);
  CHECK(scene.serves(1));
  CHECK(scene.history().backlog_bytes_max == 512 * kibibyte);
}

TEST_CASE("a history that begins anew, further on or further back, keeps what is written from there on") {
  for (const std::uint64_t begin : {std::uint64_t{100}, std::uint64_t{1} << 40}) {
    CAPTURE(begin);
    Scene scene{{kibibyte, 60s, 64 << 20}};
    for (int i = 0; i < 300; ++i) {
      scene.pass(1s);
      scene.write(10 * kibibyte);
    }
    scene.stream.restart(next_id, Offset{begin}, 0);
    CHECK(scene.history().backlog_bytes_max == kibibyte);
    for (int i = 0; i < 50; ++i) {
      scene.write(10 * kibibyte);
      scene.pass(1s);
    }
    CHECK(scene.history().backlog_first_byte == begin + 1);
    CHECK(scene.history().backlog_bytes_max == 500 * kibibyte);
    scene.pass(70s);
    CHECK(scene.history().backlog_bytes_max == kibibyte);
  }
}

TEST_CASE("what was written within the duration is served, whatever the rate and the pace of the clock") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random{seed};
    const Duration duration = std::chrono::seconds(1 + random.below(300));
    const std::uint64_t bytes_max = 1 << (14 + random.below(10));
    Scene scene{{random.below(bytes_max), duration, bytes_max}};
    scene.stream.tell_time(scene.now);
    const TimePoint begin = scene.now;
    std::vector<std::pair<TimePoint, std::uint64_t>> written;  // when, up to where
    for (int i = 0; i < 1'000; ++i) {
      if (random.below(3) == 0) scene.write(1 + random.below(random.below(10) == 0 ? 50'000 : 500));
      written.emplace_back(scene.now, scene.history().end.bytes);
      scene.now += std::chrono::milliseconds(random.below(random.below(20) == 0 ? 30'000 : 1'200));
      if (random.below(2) == 0) scene.stream.tell_time(scene.now);
      const History history = scene.history();
      std::uint64_t promised_from = 0;  // the last place that is old enough to be forgotten
      for (const auto& [when, end] : written) {
        if (when <= scene.now - duration && when >= begin) promised_from = end;
      }
      const std::uint64_t promised = std::min(history.end.bytes - promised_from, bytes_max);
      REQUIRE(history.backlog_bytes >= promised);
      REQUIRE(history.backlog_bytes_max >= promised);
      REQUIRE(history.backlog_bytes >= std::min(history.backlog_bytes_max, history.end.bytes));
    }
  }
}
