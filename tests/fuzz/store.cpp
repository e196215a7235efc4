// A store, against a std::map that knows the rules: every answer is the same, a snapshot under way shows
// what was there when it began, and whoever folds the effects streamed holds the same as the store.

#include <replikv/replication/detail/applier.hpp>
#include <replikv/store/store.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/world.hpp>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using fuzz::Contents;
using fuzz::Database;
using fuzz::require;
using replikv::Expiry;
using replikv::WallTime;

namespace {

/// Few shards and small segments, so that little data makes them split.
struct SmallPolicy : replikv::SingleThreadPolicy {
  static constexpr unsigned shard_bits = 1;
  static constexpr std::size_t segment_buckets = 2;
};

/// The same, and every key has one of three hashes.
struct CollidingPolicy : SmallPolicy {
  struct Hash {
    std::uint64_t operator()(std::string_view key) const noexcept { return key.size() % 3; }
  };
};

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

/// What a store must do, in the plainest way. A write returns whether it changed anything.
class Reference {
 public:
  explicit Reference(const fuzz::ManualClock& clock) : clock_(clock) {}

  [[nodiscard]] std::optional<std::string> get(const std::string& key) const {
    const auto found = find(key);
    return found == held_.end() ? std::nullopt : std::optional(found->second.first);
  }
  [[nodiscard]] std::int64_t expiry(const std::string& key) const {
    const auto found = find(key);
    return found == held_.end() ? never : found->second.second;
  }
  bool set(const std::string& key, std::string value, std::int64_t at) {
    const bool was = get(key).has_value();
    if (at <= now()) return held_.erase(key), was;
    held_[key] = {std::move(value), at};
    return true;
  }
  bool erase(const std::string& key) {
    const bool was = get(key).has_value();
    held_.erase(key);
    return was;
  }
  bool expire(const std::string& key, std::int64_t at) {
    return get(key) && expiry(key) != at && set(key, *get(key), at);
  }
  void clear() { held_.clear(); }

  [[nodiscard]] Contents live() const {
    Contents all;
    for (const auto& [key, held] : held_) {
      if (held.second > now()) all.emplace(key, held);
    }
    return all;
  }
  [[nodiscard]] std::int64_t now() const { return clock_.now().time_since_epoch().count(); }

 private:
  [[nodiscard]] Contents::const_iterator find(const std::string& key) const {
    const auto found = held_.find(key);
    return found != held_.end() && found->second.second > now() ? found : held_.end();
  }

  const fuzz::ManualClock& clock_;
  Contents held_;
};

/// One store with a stream, its reference, a copy that follows, and a snapshot at times.
template <class Policy>
class Game {
 public:
  using Strings = replikv::Store<std::string, std::string, Policy>;

  explicit Game(fuzz::Input input) : input_(input) {
    auto attachment = std::make_shared<replikv::detail::Attachment>();
    attachment->stream = stream_;
    attachment->gate = std::make_shared<replikv::detail::WriteGate>(replikv::detail::WriteMode::streamed);
    require(!database_->attach(std::move(attachment)), "a store takes a role");
    applier_.begin(0);
  }
  Game(const Game&) = delete;
  Game& operator=(const Game&) = delete;
  ~Game() {
    snapshot_.reset();
    database_->detach();
  }

  void play() {
    for (int moves = 0; !input_.empty() && moves < 120; ++moves) move();
    end_snapshot();
    compare();
    while (store_.expire_due(1s) > 0) {
    }
    compare();
    require(store_.size() == reference_.live().size(), "when all that is due is gone, size is exact");
  }

 private:
  void move() {
    const std::uint8_t what = input_.byte();
    switch (what % 20) {
      case 0:
      case 1: return set(key(), value(), expiry());
      case 2: return set_if(key(), value(), expiry(), what >= 128);
      case 3: return compare_and_set(key(), value(), value());
      case 4: return update(key(), value(), what >= 200, what < 50);
      case 5: return increment(key());
      case 6:
      case 7: return erase(key());
      case 8: return expire(key(), expiry());
      case 9: return set_many();
      case 10: return transaction(what >= 128);
      case 11: return clock_.advance(std::chrono::milliseconds(input_.byte()));
      case 12: return static_cast<void>(store_.expire_due(std::chrono::nanoseconds(input_.byte())));
      case 13: return begin_snapshot();
      case 14: return advance_snapshot();
      case 15: return end_snapshot();
      case 16: return look(key());
      case 17: return fill(input_.byte() % 24);
      case 18: return what >= 240 ? clear() : look(key());
      default: return compare();
    }
  }

  // --- Choices ------------------------------------------------------------------------------------

  std::string key() {
    const std::uint8_t choice = input_.byte();
    if (choice == 255) return std::string(input_.take(64));
    return std::string(choice % 5, 'k') + std::to_string(choice % 32);
  }
  std::string value() {
    const std::uint8_t choice = input_.byte();
    if (choice < 64) return std::to_string(choice);
    if (choice == 64) return std::to_string(std::numeric_limits<std::int64_t>::max());
    if (choice < 128) return std::string(input_.take(choice - 64U));
    return std::string(static_cast<std::size_t>(choice - 128) * 3, 'v');
  }
  std::int64_t expiry() {
    const std::uint8_t choice = input_.byte();
    if (choice < 128) return never;
    if (choice == 128) return 0;
    if (choice == 129) return -5;
    if (choice == 130) return never - 1;
    return reference_.now() + choice - 140;
  }
  static Expiry at(std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

  // --- Writes -------------------------------------------------------------------------------------

  void agree(const replikv::Written& written, bool changed) {
    require(written.changed == changed, "a write says whether it changed anything");
    require(written.offset == stream_->end(), "a write says where the stream stands");
  }

  void set(const std::string& key, const std::string& value, std::int64_t expires_at) {
    agree(store_.set(key, value, at(expires_at)), reference_.set(key, value, expires_at));
  }
  void set_if(const std::string& key, const std::string& value, std::int64_t expires_at, bool present) {
    const bool does = reference_.get(key).has_value() == present;
    const auto written = present ? store_.set_if_present(key, value, at(expires_at))
                                 : store_.set_if_absent(key, value, at(expires_at));
    agree(written, does && reference_.set(key, value, expires_at));
  }
  void compare_and_set(const std::string& key, const std::string& expected, const std::string& desired) {
    const bool does = reference_.get(key) == expected;
    const auto written = store_.compare_and_set(key, expected, desired);
    agree(written, does && reference_.set(key, desired, reference_.expiry(key)));
  }
  void update(const std::string& key, const std::string& value, bool erases, bool keeps) {
    const auto before = reference_.get(key);
    const auto written = store_.update(key, [&](std::optional<std::string>& held) {
      require(held == before, "update sees what is there");
      if (erases) held.reset();
      if (!erases && !keeps) held = value;
    });
    if (erases) return agree(written, reference_.erase(key));
    agree(written, !keeps && before != value && reference_.set(key, value, reference_.expiry(key)));
  }
  void increment(const std::string& key) {
    const std::int64_t by = static_cast<std::int8_t>(input_.byte());
    const auto before = reference_.get(key);
    const auto number = before ? replikv::resp::parse_integer(*before) : std::optional<std::int64_t>(0);
    std::int64_t sum = 0;
    const bool fits = number && !__builtin_add_overflow(*number, by, &sum);
    std::error_code error;
    const auto written = store_.increment(key, by, error);
    require((error == replikv::Errc::not_a_number) == !fits, "only numbers are counted");
    if (!fits) return;
    require(written.value == sum, "increment adds");
    agree(written, (!before || by != 0) && reference_.set(key, std::to_string(sum), reference_.expiry(key)));
  }
  void erase(const std::string& key) { agree(store_.erase(key), reference_.erase(key)); }
  void expire(const std::string& key, std::int64_t expires_at) {
    const auto written = expires_at == never
                             ? store_.persist(key)
                             : store_.expire_at(key, WallTime(std::chrono::milliseconds(expires_at)));
    agree(written, reference_.expire(key, expires_at));
  }
  void set_many() {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (int count = input_.byte() % 6; count > 0; --count) {
      pairs.emplace_back(key(), value());
    }
    const auto written = store_.set_many(pairs);
    for (const auto& [key, value] : pairs) reference_.set(key, value, never);
    require(written.changed == !pairs.empty(), "set_many changes what it names");
  }
  void clear() {
    const bool was = store_.size() != 0;
    agree(store_.clear(), was);
    reference_.clear();
  }
  void fill(int count) {
    for (int i = 0; i < count; ++i) set("fill:" + std::to_string(i), "v", never);
  }

  /// Several writes, and at times a failure that undoes them.
  void transaction(bool fails) {
    Reference after = reference_;
    struct Undo {};
    try {
      store_.transaction([&](auto& all) {
        for (int count = input_.byte() % 8; count > 0; --count) step(all, after);
        if (fails) throw Undo{};
      });
      swap_live(after);
    } catch (const Undo&) {
    } catch (const replikv::Error& error) {
      require(error.code() == replikv::Errc::not_a_number, "only increment fails here");
    }
  }
  template <class Transaction>
  void step(Transaction& all, Reference& after) {
    const std::uint8_t what = input_.byte();
    const std::string key = this->key();
    require(all.get(key) == after.get(key), "a transaction reads its own writes");
    switch (what % 4) {
      case 0: {
        const std::string value = this->value();
        const std::int64_t expires_at = expiry();
        all.set(key, value, at(expires_at));
        return static_cast<void>(after.set(key, value, expires_at));
      }
      case 1: return require(all.erase(key) == after.erase(key), "erase says whether it was there");
      case 2: {
        const std::int64_t expires_at = expiry();
        all.expire_at(key, WallTime(std::chrono::milliseconds(expires_at)));
        return static_cast<void>(after.expire(key, expires_at));
      }
      default: {
        const auto number = all.increment(key, what);
        return static_cast<void>(after.set(key, std::to_string(number), after.expiry(key)));
      }
    }
  }
  void swap_live(const Reference& after) {
    reference_.clear();
    for (const auto& [key, held] : after.live()) reference_.set(key, held.first, held.second);
  }

  // --- Snapshots ------------------------------------------------------------------------------------

  void begin_snapshot() {
    end_snapshot();
    expected_ = fuzz::contents_of(*database_);
    snapshot_ = fuzz::begin_snapshot(*database_);
    require(snapshot_->keys() == expected_.size(), "a snapshot knows its keys");
    entries_.clear();
  }
  void advance_snapshot() {
    if (snapshot_) static_cast<void>(snapshot_->next(entries_));
  }
  void end_snapshot() {
    if (!snapshot_) return;
    while (snapshot_->next(entries_)) {
    }
    require(fuzz::decode(entries_) == expected_, "a snapshot shows what was there when it began");
    snapshot_.reset();
  }

  // --- Reads ----------------------------------------------------------------------------------------

  void look(const std::string& key) {
    const auto value = reference_.get(key);
    require(store_.get(key) == value, "get finds what is there");
    std::string copy = "before";
    require(store_.get(key, copy) == value.has_value(), "get into a string agrees");
    require(copy == value.value_or("before"), "get into a string assigns what is there");
    require(store_.contains(key) == value.has_value(), "contains agrees");
    const auto many = store_.get_many({key, "fill:1", key});
    require(many[0] == value && many[2] == value && many[1] == reference_.get("fill:1"), "get_many agrees");
    const auto ttl = store_.ttl(key);
    require(ttl.key_exists == value.has_value(), "ttl finds what is there");
    const std::int64_t expires_at = reference_.expiry(key);
    require(ttl.left.has_value() == (expires_at != never), "ttl knows what expires");
    if (ttl.left) require(ttl.left->count() == expires_at - reference_.now(), "ttl is exact");
  }

  void follow() {
    std::vector<replikv::SharedBytes> pieces;
    stream_->read(cursor_, SIZE_MAX, pieces);
    std::string bytes;
    for (const auto& piece : pieces) bytes += replikv::as_text(piece.bytes());
    replikv::resp::CommandParser parser;
    replikv::CommandBatch batch;
    for (std::string_view rest = bytes; !rest.empty();) {
      const auto parsed = parser.parse(replikv::as_bytes(rest));
      require(parsed.status == replikv::resp::Parsed::Status::command, "a stream is whole commands");
      batch.add(parser.arguments(), replikv::as_bytes(rest.substr(0, parsed.consumed)));
      rest.remove_prefix(parsed.consumed);
      if (!batch.is_full() && !rest.empty()) continue;
      require(!applier_.apply(batch, [](const auto&) {}), "every effect can be applied");
      batch.clear();
    }
    require(applier_.unmirrored() == 0, "every effect is mirrored");
  }

  void compare() {
    Contents seen;
    store_.for_each([&](std::string_view key, std::string_view value) {
      const std::string held(key);
      require(seen.emplace(held, std::pair(std::string(value), reference_.expiry(held))).second,
              "for_each sees each key once");
    });
    require(seen == reference_.live(), "for_each sees what is there");
    follow();
    if (snapshot_) return;  // a store has one at a time
    require(fuzz::contents_of(*copy_database_[0]) == fuzz::contents_of(*database_),
            "the effects make the same contents");
  }

  fuzz::Input input_;
  fuzz::ManualClock clock_;
  Reference reference_{clock_};
  Strings store_{replikv::Clock(clock_)};
  Strings copy_{replikv::Clock(clock_)};
  Database* database_ = &replikv::detail::database_of(store_);
  std::array<Database*, 1> copy_database_{&replikv::detail::database_of(copy_)};
  const replikv::ReplicationId id_ =
      replikv::ReplicationId::parse("db0b4ca4c052353166ce46354d2b92a1477f3cb8").value();
  std::shared_ptr<replikv::CommandStream> stream_ = std::make_shared<replikv::CommandStream>(id_, 1 << 16);
  replikv::StreamCursor cursor_ = stream_->cursor_at_end();
  replikv::CommandStream copy_stream_{id_, 1 << 10};
  replikv::ReplicationOptions options_;
  replikv::detail::Applier applier_{copy_database_, copy_stream_, options_};
  std::unique_ptr<replikv::detail::DatabaseSnapshot> snapshot_;
  Contents expected_;
  std::string entries_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  if (input.byte() % 2 == 0) {
    Game<SmallPolicy>(input).play();
  } else {
    Game<CollidingPolicy>(input).play();
  }
  return 0;
}
