// What an application does to a master: every operation, on hot and cold keys, and what each must have done,
// worked out from the reference.
#pragma once

#include <replikv/core/random.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tests/simulation/invariants.hpp>
#include <tests/simulation/reference.hpp>
#include <utility>
#include <vector>

namespace simulation {

/// One operation; what it does in detail is drawn from `seed`.
struct Write {
  enum class Kind : std::uint8_t {
    set,
    set_expiring,
    set_if_absent,
    set_if_present,
    compare_and_set,
    append,
    erase,
    expire,
    persist,
    increment,
    set_many,
    transaction,
    set_big,
    read,
    clear,
  };
  static constexpr std::size_t kinds = 15;

  replikv::Duration at{};
  Kind kind = Kind::set;
  std::uint64_t seed = 0;
};

/// How the keys of a run are used.
struct KeySpace {
  std::uint64_t keys = 40;
  std::uint64_t hot = 4;  ///< every second operation is on one of these
  std::uint64_t value_bytes_max = 100;
  std::uint64_t big_bytes_max = 5000;
  /// Big values are larger than any link takes at once, and have keys of their own, so that they add up: a
  /// snapshot of them takes its time.
  bool is_large = false;
};

/// Performs writes on a master, and checks what each of them did.
class Workload {
 public:
  Workload(const KeySpace& space, const replikv::ReplicationOptions& options)
      : space_(space), options_(options) {}

  void perform(const Write& write, Watched& master) {
    replikv::Random random(write.seed);
    master.check(false);
    Doing doing{random, master, master.node(), key(random), {}};
    expected_.clear();
    carry_out(write.kind, doing);
    master.check(false);
    for (const auto& [where, entry] : expected_) {
      if (live(doing, where.first, where.second) != entry && !doing.error)
        throw Violation("an operation does what it says",
                        "kind " + std::to_string(static_cast<int>(write.kind)) + " on " + where.second);
    }
    if (write.kind != Write::Kind::read) judge_refusal(write.at, doing);
  }

  /// Tries to write on a replica, which must refuse. The checkers see that nothing has changed.
  void try_on_replica(const Write& write, Watched& replica) {
    replikv::Random random(write.seed);
    std::error_code error;
    replica.node().store<0>().set(key(random), "not here", error);
    if (error != replikv::Errc::read_only)
      throw Violation("a replica takes no writes", replica.node().name());
    replica.check(true);
  }

  /// A node that does nothing at present is not judged by what it did before.
  void forget(const SimulatedNode& node) { lonely_since_.erase(node.name()); }

 private:
  struct Doing {
    replikv::Random& random;
    Watched& watched;
    SimulatedNode& node;
    std::string key;
    std::error_code error;
  };

  // A master refuses if it has too few good replicas, and only then.
  void judge_refusal(replikv::Duration now, const Doing& doing) {
    const std::string& name = doing.node.name();
    if (options_.min_replicas_to_write == 0) {
      if (doing.error) throw Violation("a master takes writes", name + ": " + doing.error.message());
      return;
    }
    const replikv::ReplicationInfo info = doing.node.info();
    if (doing.error && info.good_replicas >= options_.min_replicas_to_write)
      throw Violation("a master takes writes", name + ": " + doing.error.message());
    const auto good = std::count_if(info.replicas.begin(), info.replicas.end(), [this](const auto& replica) {
      return replica.state == replikv::ReplicaState::online &&
             std::chrono::floor<std::chrono::seconds>(replica.lag) <= options_.min_replicas_max_lag;
    });
    if (doing.error || good >= options_.min_replicas_to_write) return forget(doing.node);
    const auto since = lonely_since_.emplace(name, now).first->second;
    if (now - since > std::chrono::seconds(2)) throw Violation("too few replicas, no writes", name);
  }

  std::string key(replikv::Random& random) const {
    const bool hot = random.below(2) == 0;
    return "key:" + std::to_string(random.below(hot ? space_.hot : space_.keys));
  }

  std::string value(replikv::Random& random, std::uint64_t bytes_max) const {
    std::string text = std::to_string(random());
    text.resize(std::max<std::size_t>(text.size(), random.below(bytes_max + 1)), 'x');
    return text;
  }

  // What a reader on this master sees of a key before the operation.
  static std::optional<Entry> live(const Doing& doing, std::size_t database, std::string_view key) {
    const Entry* const entry = doing.watched.state().find(database, key);
    const auto now = doing.node.wall_time().time_since_epoch().count();
    if (entry == nullptr || (entry->expires_at_ms && *entry->expires_at_ms <= now)) return std::nullopt;
    return *entry;
  }

  void expect(std::size_t database, std::string_view key, std::optional<Entry> entry) {
    expected_[{database, std::string(key)}] = std::move(entry);
  }

  void carry_out(Write::Kind kind, Doing& doing) {
    switch (kind) {
      case Write::Kind::set: return set(doing, space_.value_bytes_max, false);
      case Write::Kind::set_big: return set_big(doing);
      case Write::Kind::set_expiring: return set(doing, space_.value_bytes_max, true);
      case Write::Kind::set_if_absent: return set_where(doing, true);
      case Write::Kind::set_if_present: return set_where(doing, false);
      case Write::Kind::compare_and_set: return compare_and_set(doing);
      case Write::Kind::append: return append(doing);
      case Write::Kind::erase: return erase(doing);
      case Write::Kind::expire: return expire(doing);
      case Write::Kind::persist: return persist(doing);
      case Write::Kind::increment: return increment(doing);
      case Write::Kind::set_many: return set_many(doing);
      case Write::Kind::transaction: return transaction(doing);
      case Write::Kind::read: return read(doing);
      case Write::Kind::clear: return clear(doing);
    }
  }

  void set(Doing& doing, std::uint64_t bytes_max, bool expires) {
    const std::string text = value(doing.random, bytes_max);
    if (!expires) {
      doing.node.store<0>().set(doing.key, text, doing.error);
      return expect(0, doing.key, Entry{text, {}});
    }
    const auto at = expiry(doing);
    doing.node.store<0>().set(doing.key, text, replikv::Expiry(at), doing.error);
    const bool is_over = at <= doing.node.wall_time();
    expect(0, doing.key, is_over ? std::nullopt : std::optional(Entry{text, at.time_since_epoch().count()}));
  }

  void set_big(Doing& doing) {
    if (space_.is_large) doing.key = "large:" + std::to_string(doing.random.below(24));
    set(doing, space_.big_bytes_max, false);
  }

  replikv::WallTime expiry(Doing& doing) const {
    return doing.node.wall_time() + std::chrono::milliseconds(doing.random.below(20'000)) -
           std::chrono::milliseconds(200);
  }

  void set_where(Doing& doing, bool absent) {
    const auto before = live(doing, 0, doing.key);
    const std::string text = value(doing.random, space_.value_bytes_max);
    auto& store = doing.node.store<0>();
    absent ? store.set_if_absent(doing.key, text, doing.error)
           : store.set_if_present(doing.key, text, doing.error);
    expect(0, doing.key, before.has_value() == absent ? before : std::optional(Entry{text, {}}));
  }

  void compare_and_set(Doing& doing) {
    const auto before = live(doing, 0, doing.key);
    const std::string text = value(doing.random, space_.value_bytes_max);
    const std::string expected = before && doing.random.below(4) != 0 ? before->value : "something else";
    doing.node.store<0>().compare_and_set(doing.key, expected, text, doing.error);
    const bool matches = before && before->value == expected;
    expect(0, doing.key, matches ? std::optional(Entry{text, before->expires_at_ms}) : before);
  }

  void append(Doing& doing) {
    const auto before = live(doing, 0, doing.key);
    doing.node.store<0>().update(
        doing.key, [](std::optional<std::string>& text) { text = text.value_or("").substr(0, 200) + "+"; },
        doing.error);
    const std::string text = (before ? before->value : "").substr(0, 200) + "+";
    expect(0, doing.key, Entry{text, before ? before->expires_at_ms : std::nullopt});
  }

  void erase(Doing& doing) {
    doing.node.store<0>().erase(doing.key, doing.error);
    expect(0, doing.key, std::nullopt);
  }

  void expire(Doing& doing) {
    const auto before = live(doing, 0, doing.key);
    const auto at = expiry(doing);
    doing.node.store<0>().expire_at(doing.key, at, doing.error);
    const bool stays = before && at > doing.node.wall_time();
    expect(0, doing.key,
           stays ? std::optional(Entry{before->value, at.time_since_epoch().count()}) : std::nullopt);
  }

  void persist(Doing& doing) {
    const auto before = live(doing, 0, doing.key);
    doing.node.store<0>().persist(doing.key, doing.error);
    expect(0, doing.key, before ? std::optional(Entry{before->value, {}}) : std::nullopt);
  }

  void increment(Doing& doing) {
    const auto before = live(doing, 1, doing.key);
    const auto by = static_cast<std::int64_t>(doing.random.below(100)) - 50;
    doing.node.store<1>().increment(doing.key, by, doing.error);
    const std::int64_t number = (before ? std::stoll(before->value) : 0) + by;
    expect(1, doing.key, Entry{std::to_string(number), before ? before->expires_at_ms : std::nullopt});
  }

  void set_many(Doing& doing) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (std::uint64_t i = 0; i < 1 + doing.random.below(5); ++i) {
      std::string name = key(doing.random);  // arguments would be drawn in any order
      pairs.emplace_back(std::move(name), value(doing.random, space_.value_bytes_max));
    }
    doing.node.store<0>().set_many(pairs, doing.error);
    for (const auto& [key, text] : pairs) expect(0, key, Entry{text, {}});
  }

  void transaction(Doing& doing) {
    const std::string text = value(doing.random, space_.value_bytes_max);
    const std::string erased = key(doing.random);
    doing.node.store<0>().transaction(
        [&](auto& all) {
          all.set("left", text);
          all.erase(erased);
          all.set("right", text);
        },
        doing.error);
    expect(0, erased, std::nullopt);
    expect(0, "left", Entry{text, {}});
    expect(0, "right", Entry{text, {}});
  }

  void read(Doing& doing) {
    const auto before = live(doing, 0, doing.key);
    const auto held = doing.node.store<0>().get(doing.key);
    if (held.has_value() != before.has_value() || (held && *held != before->value))
      throw Violation("an operation does what it says", "a read of " + doing.key);
  }

  void clear(Doing& doing) {
    const std::size_t database = doing.random.below(2);
    for (const auto& [key, entry] : doing.watched.state().keys(database)) expect(database, key, std::nullopt);
    database == 0 ? doing.node.store<0>().clear(doing.error) : doing.node.store<1>().clear(doing.error);
  }

  KeySpace space_;
  replikv::ReplicationOptions options_;
  std::map<std::string, replikv::Duration> lonely_since_;  // takes writes though it has too few good replicas
  std::map<std::pair<std::size_t, std::string>, std::optional<Entry>> expected_;
};

/// Writes during `span`, so many a second, in the order of time. `weights` by kind.
[[nodiscard]] inline std::vector<Write> draw_writes(replikv::Random& random, replikv::Duration span,
                                                    unsigned per_second) {
  std::vector<unsigned> weights(Write::kinds);
  unsigned sum = 0;
  for (unsigned& weight : weights) sum += weight = static_cast<unsigned>(random.below(4));
  weights[0] += 1, sum += 1;
  const auto seconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(span).count());
  std::vector<Write> writes;
  for (std::uint64_t i = 0; i < seconds * per_second; ++i) {
    Write write;
    std::uint64_t pick = random.below(sum);
    std::size_t kind = 0;
    while (pick >= weights[kind]) pick -= weights[kind++];
    write.kind = static_cast<Write::Kind>(kind);
    if (write.kind == Write::Kind::clear && random.below(20) != 0) write.kind = Write::Kind::set;
    write.at = replikv::Duration{
        static_cast<replikv::Duration::rep>(random.below(static_cast<std::uint64_t>(span.count())))};
    write.seed = random();
    writes.push_back(write);
  }
  std::stable_sort(writes.begin(), writes.end(),
                   [](const Write& one, const Write& other) { return one.at < other.at; });
  return writes;
}

}  // namespace simulation
