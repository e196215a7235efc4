// The commands of a stream, whatever they are: a replica that applies them one by one and one that takes
// them as bytes hold the same, whenever they do it; a command that diverged changed nothing; and what is
// held survives a full resync. The input is a stream, its commands as RESP or as lines.

#include <replikv/replication/detail/applier.hpp>
#include <replikv/replication/detail/effects.hpp>
#include <replikv/store/store.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/world.hpp>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using fuzz::Contents;
using fuzz::Database;
using fuzz::require;
using replikv::detail::Effects;
using replikv::detail::Locks;
using Outcome = Effects::Outcome;
namespace commands = replikv::detail::commands;
namespace resp = replikv::resp;

namespace {

using Words = std::vector<std::string>;

/// Few shards and small segments, so that little data makes them split.
struct SmallPolicy : replikv::SingleThreadPolicy {
  static constexpr unsigned shard_bits = 1;
  static constexpr std::size_t segment_buckets = 2;
};

/// Databases 0 and 1 of strings, 2 of numbers.
struct World {
  using Strings = replikv::Store<std::string, std::string, SmallPolicy>;
  Strings zero, one;
  replikv::Store<std::string, std::int64_t, SmallPolicy> two;
  std::array<Database*, 3> databases{&replikv::detail::database_of(zero), &replikv::detail::database_of(one),
                                     &replikv::detail::database_of(two)};

  [[nodiscard]] std::array<Contents, 3> contents() const {
    return {fuzz::contents_of(*databases[0]), fuzz::contents_of(*databases[1]),
            fuzz::contents_of(*databases[2])};
  }
};

/// Commands that make long values from short arguments are legal, and slow: none that makes more than a
/// megabyte.
bool is_lengthy(resp::Arguments command) {
  const auto is = [&](std::string_view name) { return commands::is_word(command[0], name); };
  if (!is("SETRANGE") && !is("SETBIT") && !is("BITFIELD")) return false;
  for (const std::string_view word : command) {
    std::size_t digits = 0;
    for (const char c : word) {
      digits = c >= '0' && c <= '9' ? digits + 1 : 0;
      if (digits > 5) return true;
    }
  }
  return false;
}

/// A payload of RESTORE with the checksum it should have: no mutation finds that by itself.
void seal(Words& command) {
  if (command.size() < 4 || !commands::is_word(command[0], "RESTORE") || command[3].size() < 11) return;
  std::string& payload = command[3];
  replikv::rdb::Crc64 crc;
  crc.update(replikv::as_bytes(std::string_view(payload).substr(0, payload.size() - 8)));
  for (std::size_t i = 0; i < 8; ++i) {
    payload[payload.size() - 8 + i] = static_cast<char>(crc.value() >> (8 * i) & 0xff);
  }
}

std::vector<Words> read(std::string_view text, bool sealed) {
  std::vector<Words> all;
  resp::CommandParser parser;
  std::size_t done = 0;
  while (done < text.size() && all.size() < 64) {
    const auto parsed = parser.parse(replikv::as_bytes(text.substr(done)));
    if (parsed.status == resp::Parsed::Status::error) {  // a bad line costs that line
      parser.reset();
      const std::size_t end = text.find('\n', done);
      if (end == std::string_view::npos) break;
      done = end + 1;
      continue;
    }
    if (parsed.status != resp::Parsed::Status::command) break;
    done += parsed.consumed;
    if (parser.arguments().empty() || is_lengthy(parser.arguments())) continue;
    all.emplace_back(parser.arguments().begin(), parser.arguments().end());
    if (sealed) seal(all.back());
  }
  return all;
}

/// Applies commands as Effects does, and transactions as the words mean it.
class OneByOne {
 public:
  OneByOne(World& world, bool watches)
      : world_(world), watches_(watches), effects_(world.databases, replikv::Clock(clock_)) {}

  /// False when the stream cannot go on.
  bool apply(const Words& command) {
    const bool multi = commands::is_word(command[0], "MULTI");
    if (!queueing_ && multi) return queueing_ = true;
    if (queueing_ && !commands::is_word(command[0], "EXEC")) {
      if (!multi) queue_.push_back(command);
      return true;
    }
    if (!std::exchange(queueing_, false)) return apply(command, Locks::take);
    const replikv::detail::LockedDatabases locked(world_.databases);
    for (const auto& queued : std::exchange(queue_, {})) {
      if (!apply(queued, Locks::held)) return false;
    }
    return true;
  }

 private:
  bool apply(const Words& command, Locks locks) {
    const std::vector<std::string_view> words(command.begin(), command.end());
    const auto before = watches_ && locks == Locks::take ? std::optional(world_.contents()) : std::nullopt;
    const auto result = effects_.apply(words, locks);
    const bool has_reason = result.outcome == Outcome::not_mirrored || result.outcome == Outcome::diverged;
    require((result.why.reason() != commands::Reason::none) == has_reason,
            "what was not applied has a reason");
    require(!has_reason || !result.why.text().empty(), "a reason has words");
    if (before && (result.outcome == Outcome::diverged || result.outcome == Outcome::ignored)) {
      require(world_.contents() == *before, "a command that diverged, or was ignored, changed nothing");
    }
    return result.outcome != Outcome::diverged;
  }

  World& world_;
  bool watches_;  // what each command leaves: slow
  fuzz::ManualClock clock_;
  Effects effects_;
  bool queueing_ = false;
  std::vector<Words> queue_;
};

/// But for expiries that count from now.
std::array<Contents, 3> without_expiries(std::array<Contents, 3> all) {
  for (auto& contents : all) {
    for (auto& [key, held] : contents) held.second = 0;
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  const fuzz::Cuts cuts(input.byte());
  const auto stream = read(input.rest(), (choice & 1) != 0);

  static const replikv::ReplicationOptions options;
  replikv::Random random(1);
  replikv::CommandStream own(replikv::ReplicationId::random(random), 1 << 20);
  World world, other;
  OneByOne one_by_one(world, (choice & 2) != 0);
  replikv::detail::Applier applier(other.databases, own, options);
  applier.begin(0);

  std::string passed_on;
  for (const auto& command : stream) {
    const std::vector<std::string_view> words(command.begin(), command.end());
    std::string raw;
    resp::append_command(raw, resp::Arguments(words));
    const fuzz::ExactCopy bytes(raw);
    const bool goes_on = one_by_one.apply(command);
    replikv::CommandBatch batch;
    batch.add(words, bytes.bytes());
    const auto failure = applier.apply(batch, [](const auto&) {});
    require(!failure == goes_on, "both ways go on, or neither");
    if (!goes_on) break;
    passed_on += raw;
    require(own.end().bytes <= passed_on.size(), "no byte is passed on twice");
  }
  require(without_expiries(other.contents()) == without_expiries(world.contents()),
          "both ways hold the same");

  World copy;
  fuzz::resync(world.databases, own, copy.databases, cuts);
  require(copy.contents() == world.contents(), "what is held survives a full resync");
  return 0;
}
