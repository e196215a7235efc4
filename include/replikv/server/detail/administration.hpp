// What an endpoint knows of itself beside its clients and data: since when it runs and under which id, what
// was configured, what INFO counts over time, and what SHUTDOWN and REPLICAOF need from whoever made it.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/random.hpp>
#include <replikv/replication/detail/node.hpp>
#include <replikv/server/detail/configuration.hpp>
#include <replikv/stream/replication_id.hpp>
#include <replikv/transport/transport.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// The version of the Redis whose commands these are, as HELLO and INFO say it.
inline constexpr std::string_view redis_version = "7.0.15";

/// The largest of the last seconds (Redis: client_recent_max_...).
class RecentPeak {
 public:
  void note(std::size_t size) noexcept { seconds_[now_] = std::max(seconds_[now_], size); }
  /// To be called from time to time.
  void pass(TimePoint now) noexcept {
    if (now - since_ < std::chrono::seconds(1)) return;
    since_ = now;
    now_ = (now_ + 1) % seconds_.size();
    seconds_[now_] = 0;
  }
  [[nodiscard]] std::size_t largest() const noexcept {
    return *std::max_element(seconds_.begin(), seconds_.end());
  }

 private:
  std::array<std::size_t, 8> seconds_{};
  std::size_t now_ = 0;
  TimePoint since_{};
};

/// How fast a count grows: the mean of the last sixteen samples (Redis: instantaneous metrics).
class Rate {
 public:
  void sample(std::uint64_t count, TimePoint now) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - sampled_at_).count();
    if (ms <= 0) return;
    per_second_[next_] = sampled_at_ == TimePoint{} || count < count_
                             ? 0
                             : (count - count_) * 1000 / static_cast<std::uint64_t>(ms);
    next_ = (next_ + 1) % per_second_.size();
    count_ = count;
    sampled_at_ = now;
  }
  [[nodiscard]] std::uint64_t per_second() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : per_second_) sum += each;
    return sum / per_second_.size();
  }

 private:
  std::array<std::uint64_t, 16> per_second_{};
  std::size_t next_ = 0;
  std::uint64_t count_ = 0;
  TimePoint sampled_at_{};
};

/// One limit of memory for several databases: each may take what the others leave. Looked at from time to
/// time, so that databases which grow at the same moment may together exceed it until the next look.
class SharedMemory {
 public:
  /// From now on the limit of all databases is `limit`.
  void use(const Node& node, const MemoryOptions& limit) {
    limit_ = limit;
    is_used_ = true;
    for (Database* database : node.databases) database->set_eviction_samples(limit.samples);
    share(node);
  }

  /// Gives each database its present part.
  void share(const Node& node) const {
    if (!is_used_) return;
    const std::uint64_t all = bytes(node);
    for (Database* database : node.databases) {
      const DatabaseUse use = database->use();
      const std::uint64_t others = all - std::min<std::uint64_t>(all, use.bytes);
      const std::uint64_t left = limit_.bytes > others ? limit_.bytes - others : 1;
      const std::size_t mine = limit_.bytes == 0 ? 0 : static_cast<std::size_t>(left);
      if (use.bytes_limit != mine || use.eviction != limit_.eviction) {
        database->limit_memory(mine, limit_.eviction);
      }
    }
  }

  /// What is in force: what was configured, or what the stores were made with.
  [[nodiscard]] MemoryOptions options(const Node& node) const {
    if (is_used_ || node.databases.empty()) return limit_;
    const DatabaseUse first = node.databases.front()->use();
    MemoryOptions all{0, first.eviction, first.eviction_samples};
    for (const Database* database : node.databases) {
      const std::uint64_t limit = database->use().bytes_limit;
      if (limit == 0) return {0, first.eviction, first.eviction_samples};
      all.bytes += limit;
    }
    return all;
  }

  [[nodiscard]] static std::uint64_t bytes(const Node& node) {
    std::uint64_t sum = 0;
    for (const Database* database : node.databases) sum += database->use().bytes;
    return sum;
  }

 private:
  MemoryOptions limit_{};
  bool is_used_ = false;
};

/// A FAILOVER under way.
struct FailoverRequest {
  std::string host{};  ///< of the replica that is to take over; empty: whichever is ready first
  std::uint16_t port = 0;
  bool is_forced = false;  ///< it takes over when the time is up, whatever it lacks
  std::optional<std::chrono::milliseconds> timeout{};  ///< for a replica to become ready
  std::optional<TimePoint> ends_at{};
  std::optional<TimePoint> gives_up_at{};  ///< set once a replica was asked to take over
};

/// Every use inside the server's turn.
struct Administration {
  /// `seed`: that of the node, whose replication ids are not to be the same.
  explicit Administration(std::optional<std::uint64_t> seed = {})
      : run_id([seed] {
          Random random = seed ? Random(~*seed) : Random::from_system();
          return ReplicationId::random(random).text();
        }()) {}

  const std::string run_id;
  TimePoint started_at = std::chrono::steady_clock::now();
  WallTime started_on = Clock().now();

  /// Parameters without a meaning here that differ from their presets.
  std::map<std::string, std::string, std::less<>> texts{};
  std::string configuration_file{};  ///< absolute; empty: there is none
  std::uint16_t port = 0;            ///< the first that was listened on

  /// Ports that are listened on, each by its transport.
  std::vector<std::pair<const TransportEngine*, std::uint16_t>> ports{};
  /// Of those, the one that masters are told; 0: there is none.
  std::uint16_t announced_port = 0;

  /// Over this REPLICAOF connects.
  std::shared_ptr<TransportEngine> towards_master{};
  std::optional<FailoverRequest> failover{};
  /// Writes of clients are held up, not refused.
  [[nodiscard]] bool waits_for_successor() const noexcept { return failover && !failover->gives_up_at; }
  /// What SHUTDOWN calls; none: it is refused.
  std::function<void()> shut_down{};

  SharedMemory memory{};
  std::uint64_t memory_bytes_peak = 0;
  Rate commands{};
  Rate bytes_in{};
  Rate bytes_out{};
  Rate bytes_from_masters{};
  Rate bytes_to_replicas{};
  RecentPeak client_input{};   ///< received of one client and not yet run
  RecentPeak client_output{};  ///< made for one client and not yet read by it

  /// Error replies by their code (Redis: INFO errorstats). So many codes at most: a command of the
  /// application's may make them up.
  std::map<std::string, std::uint64_t, std::less<>> errors{};
  static constexpr std::size_t errors_max = 128;

  /// What stores and node have counted before CONFIG RESETSTAT.
  struct Counted {
    std::uint64_t expired_keys = 0;
    std::uint64_t evicted_keys = 0;
    std::uint64_t full_resyncs = 0;
    std::uint64_t partial_resyncs = 0;
    std::uint64_t partial_refusals = 0;
    std::uint64_t bytes_from_masters = 0;
    std::uint64_t bytes_to_replicas = 0;
  };
  Counted counted_before{};

  [[nodiscard]] static Counted count(Node& node) {
    Counted all;
    for (const Database* database : node.databases) {
      const DatabaseUse use = database->use();
      all.expired_keys += use.expired_keys;
      all.evicted_keys += use.evicted_keys;
    }
    const ReplicationInfo info = node.info();
    all.full_resyncs = info.full_resyncs_served;
    all.partial_resyncs = info.partial_resyncs_served;
    all.partial_refusals = info.partial_resyncs_refused;
    all.bytes_from_masters = node.bytes_from_masters.load(std::memory_order_relaxed);
    all.bytes_to_replicas = node.bytes_to_replicas.load(std::memory_order_relaxed);
    return all;
  }
  /// Since the last `reset_counts`.
  [[nodiscard]] Counted counted(Node& node) const {
    Counted all = count(node);
    all.expired_keys -= counted_before.expired_keys;
    all.evicted_keys -= counted_before.evicted_keys;
    all.full_resyncs -= counted_before.full_resyncs;
    all.partial_resyncs -= counted_before.partial_resyncs;
    all.partial_refusals -= counted_before.partial_refusals;
    all.bytes_from_masters -= counted_before.bytes_from_masters;
    all.bytes_to_replicas -= counted_before.bytes_to_replicas;
    return all;
  }
  void reset_counts(Node& node) { counted_before = count(node); }

  void count_error(std::string_view text) {
    const std::string_view code = text.substr(0, text.find(' '));
    const auto known = errors.find(code);
    if (known != errors.end()) {
      ++known->second;
    } else if (errors.size() < errors_max) {
      errors.emplace(code, 1);
    }
  }
};

}  // namespace replikv::inline v0_1::detail
