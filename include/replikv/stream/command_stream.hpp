// The command stream of one node: every effect since the history began, as RESP bytes under 64-bit
// offsets; how far back it is kept (the backlog); and the names of the history. A store writes into
// it, every replica is a cursor over it. It knows neither keys nor links.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/stream/backlog_size.hpp>
#include <replikv/stream/detail/block.hpp>
#include <replikv/stream/offset.hpp>
#include <replikv/stream/partial_refusal.hpp>
#include <replikv/stream/replication_id.hpp>
#include <replikv/stream/token.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {

/// The names of a history and what of it is held: the numbers INFO prints.
struct History {
  ReplicationId id;
  ReplicationId second_id;                        ///< the history this one continues, if any
  std::optional<std::uint64_t> second_next_byte;  ///< PSYNC under `second_id` may ask up to this byte
  Offset end;                                     ///< written so far
  std::uint64_t backlog_first_byte = 1;           ///< the oldest byte still held
  std::uint64_t backlog_bytes = 0;                ///< how many are held
  std::uint64_t backlog_bytes_max = 0;            ///< how many are meant to be held at present
};

/// A reader's place in a stream. Holds the bytes it has not read yet, and only those.
class StreamCursor {
 public:
  StreamCursor() = default;

  /// Everything up to here has been read.
  [[nodiscard]] Offset offset() const noexcept { return offset_; }

 private:
  friend class CommandStream;
  std::shared_ptr<detail::Block> block_;
  Offset offset_;
};

/// An append-only stream of commands with a bounded past.
///
/// Thread safety  every call from any thread
/// Cost           append: a lock and a copy of the command, no allocation but once a block
/// Source         Redis 7.0: feedReplicationBuffer, PSYNC2
class CommandStream {
 public:
  /// The database a stream is "in" before its first SELECT.
  static constexpr std::uint32_t no_database = ~std::uint32_t{0};

  CommandStream(ReplicationId id, std::uint64_t backlog_bytes)
      : CommandStream(id, BacklogSize{backlog_bytes, {}, 0}) {}

  CommandStream(ReplicationId id, const BacklogSize& backlog)
      : id_(id), backlog_(backlog), recent_ends_(backlog.duration) {
    start_blocks(Offset{});
  }

  CommandStream(const CommandStream&) = delete;
  CommandStream& operator=(const CommandStream&) = delete;

  // --- Writing ---------------------------------------------------------------------------------

  /// Appends one effect on `database`, with the SELECT it needs.
  Token append(std::uint32_t database, resp::Arguments command) {
    const std::lock_guard lock(mutex_);
    select(database);
    put(command);
    return finish();
  }

  /// Appends effects that belong together: two or more are wrapped in MULTI and EXEC, one is not, as
  /// Redis does. SELECT goes before MULTI (Redis 7.0.15). No effects: nothing is appended.
  Token append(std::uint32_t database, std::span<const resp::Arguments> commands) {
    const std::lock_guard lock(mutex_);
    if (commands.empty()) return {id_, end_};
    if (commands.size() == 1) {
      select(database);
      put(commands.front());
      return finish();
    }
    // Whole or not at all, whatever memory says half-way.
    scratch_.clear();
    if (database != database_) resp::append_command(scratch_, "SELECT", std::to_string(database));
    resp::append_command(scratch_, "MULTI");
    for (const auto& command : commands) resp::append_command(scratch_, command);
    resp::append_command(scratch_, "EXEC");
    put_scratch();
    database_ = database;
    return finish();
  }

  /// Appends a command that belongs to no database: `ping`, `REPLCONF GETACK *`.
  Token append_control(std::initializer_list<std::string_view> command) {
    const std::lock_guard lock(mutex_);
    put_words(command);
    return finish();
  }

  /// Passes on bytes received from this node's own master; they leave the stream in `database`.
  Token append_verbatim(Bytes bytes, std::uint32_t database) {
    const std::lock_guard lock(mutex_);
    put_bytes(bytes);
    database_ = database;
    return finish();
  }

  /// Forgets which database the stream is in: the next effect starts with SELECT. Needed whenever a
  /// snapshot begins and after a promotion.
  void forget_database() {
    const std::lock_guard lock(mutex_);
    database_ = no_database;
  }

  // --- Reading ---------------------------------------------------------------------------------

  [[nodiscard]] History history() const {
    const std::lock_guard lock(mutex_);
    return {id_,
            second_id_,
            second_id_.is_set() ? std::optional(second_next_byte_) : std::nullopt,
            end_,
            oldest_->start().next_byte(),
            end_ - oldest_->start(),
            bytes_to_keep()};
  }

  [[nodiscard]] Token position() const {
    const std::lock_guard lock(mutex_);
    return {id_, end_};
  }

  [[nodiscard]] Offset end() const {
    const std::lock_guard lock(mutex_);
    return end_;
  }

  /// How many bytes of the past are meant to be kept at present.
  [[nodiscard]] std::uint64_t backlog_bytes_max() const {
    const std::lock_guard lock(mutex_);
    return bytes_to_keep();
  }

  /// The database the stream is in, or `no_database`.
  [[nodiscard]] std::uint32_t database() const {
    const std::lock_guard lock(mutex_);
    return database_;
  }

  /// A cursor at the end: what a snapshot taken now is followed by.
  [[nodiscard]] StreamCursor cursor_at_end() const {
    const std::lock_guard lock(mutex_);
    return cursor(newest_, end_);
  }

  /// A cursor for a peer that holds history `id` and asks for `next_byte` (PSYNC), or the reason why
  /// it needs a full resync: another history, or a byte outside the window.
  [[nodiscard]] std::optional<StreamCursor> continue_from(const ReplicationId& id, std::uint64_t next_byte,
                                                          PartialRefusal& refusal) const {
    const std::lock_guard lock(mutex_);
    if (!names_this_history(id, next_byte, refusal) || !holds(id, next_byte, refusal)) return std::nullopt;
    const Offset wanted{next_byte - 1};
    auto block = oldest_;
    while (wanted > block->end() && block->next()) block = block->next();
    return cursor(std::move(block), wanted);
  }

  /// Appends to `out` spans of what follows the cursor, `bytes_max` in all at most, and advances it.
  /// Returns the number of bytes. The spans stay valid for as long as they live.
  std::size_t read(StreamCursor& cursor, std::size_t bytes_max, std::vector<SharedBytes>& out) const {
    const std::lock_guard lock(mutex_);
    std::size_t total = 0;
    while (total < bytes_max) {
      Bytes bytes = cursor.block_->bytes_after(cursor.offset_);
      if (bytes.empty()) {
        if (!cursor.block_->next()) break;
        cursor.block_ = cursor.block_->next();
        continue;
      }
      bytes = bytes.first(std::min(bytes.size(), bytes_max - total));
      out.push_back(cursor.block_->shared(bytes));
      cursor.offset_ = cursor.offset_ + bytes.size();
      total += bytes.size();
    }
    return total;
  }

  // --- The history's name and length -------------------------------------------------------------

  /// Begins another history at `end`, in `database`: after a full resync. Nothing is held of it yet.
  void restart(ReplicationId id, Offset end, std::uint32_t database) {
    const std::lock_guard lock(mutex_);
    start_blocks(end);  // may throw: before anything has changed
    recent_ends_.restart(end);
    kept_from_ = end;
    id_ = id;
    second_id_ = {};
    database_ = database;
  }

  /// Continues this history under a new id from here on: a promotion, or a master that was promoted
  /// (`+CONTINUE <id>`). The old id stays good for what was written until now.
  void continue_as(ReplicationId id) {
    const std::lock_guard lock(mutex_);
    second_id_ = std::exchange(id_, id);
    second_next_byte_ = end_.next_byte();
  }

  /// Changes how many bytes of the past are always kept. What is already gone does not come back.
  void set_backlog_bytes(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    backlog_.bytes = bytes;
    trim();
  }

  /// Tells the stream what time it is; it has no clock. To be called from time to time where the backlog has
  /// a duration: what was written within that before the latest call is kept, and so is what comes after it.
  /// Nothing is kept for the duration's sake before the first call. `now` never goes back.
  /// Returns how many bytes the duration asks for, which may be more than are kept for it.
  std::uint64_t tell_time(TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (backlog_.duration.count() == 0) return 0;
    recent_ends_.note(now, end_);
    kept_from_ = recent_ends_.oldest();
    bytes_max_of_duration_ = backlog_.bytes_max;
    trim();
    return end_ - kept_from_;
  }

  // --- Waking who sends --------------------------------------------------------------------------

  /// Sets who is told that there is something new to send. Called by `wake`, at most once between two
  /// calls of `sleep_from_now`.
  void set_waker(std::function<void()> waker) {
    const std::lock_guard lock(waker_mutex_);
    waker_ = waker ? std::make_shared<const std::function<void()>>(std::move(waker)) : nullptr;
    asleep_.store(waker_ != nullptr);
  }

  /// True when the sender has to be woken; the caller that gets true calls `wake` once it holds no lock.
  [[nodiscard]] bool claim_wake() noexcept {
    if (!asleep_.load(std::memory_order_relaxed)) return false;
    if (hushes_.load() != 0) {
      missed_.store(true);
      if (hushes_.load() != 0) return false;  // its end sees what was missed
    }
    return asleep_.exchange(false);
  }

  /// While one lives nobody is woken, by whatever thread; at its end whoever has to be is. For writes to
  /// several stores at once, of which some are still locked when others have written.
  class Hush {
   public:
    explicit Hush(std::shared_ptr<CommandStream> stream) noexcept : stream_(std::move(stream)) {
      stream_->hushes_.fetch_add(1);
    }
    ~Hush() {
      if (stream_->hushes_.fetch_sub(1) != 1 || !stream_->missed_.exchange(false)) return;
      if (stream_->claim_wake()) stream_->wake();
    }
    Hush(const Hush&) = delete;
    Hush& operator=(const Hush&) = delete;

   private:
    std::shared_ptr<CommandStream> stream_;
  };

  void wake() {
    std::shared_ptr<const std::function<void()>> waker;
    {
      const std::lock_guard lock(waker_mutex_);
      waker = waker_;
    }
    if (waker) (*waker)();
  }

  /// The sender says, before it reads on: what is appended from now on needs a wake.
  void sleep_from_now() noexcept { asleep_.store(true); }

 private:
  void start_blocks(Offset at) {
    oldest_ = newest_ = std::make_shared<detail::Block>(at, detail::Block::first_capacity);
    end_ = at;
  }

  static StreamCursor cursor(std::shared_ptr<detail::Block> block, Offset offset) {
    StreamCursor made;
    made.block_ = std::move(block);
    made.offset_ = offset;
    return made;
  }

  bool names_this_history(const ReplicationId& id, std::uint64_t next_byte, PartialRefusal& refusal) const {
    if (id == id_) return true;
    if (!second_id_.is_set() || id != second_id_) {
      refusal = refused(PartialRefusal::Reason::unknown_id, id, next_byte);
      refusal.why = "asked for history " + id.text() + " from byte " + std::to_string(next_byte) + ", have " +
                    id_.text() +
                    (second_id_.is_set() ? " and, up to byte " + std::to_string(second_next_byte_ - 1) +
                                               ", " + second_id_.text()
                                         : "");
      return false;
    }
    if (next_byte > second_next_byte_) {
      refusal = refused(PartialRefusal::Reason::parted, id, next_byte);
      refusal.why = "asked for byte " + std::to_string(next_byte) + " of history " + id.text() +
                    ", which went another way after byte " + std::to_string(second_next_byte_ - 1);
      return false;
    }
    return true;
  }

  bool holds(const ReplicationId& id, std::uint64_t next_byte, PartialRefusal& refusal) const {
    const std::uint64_t first = oldest_->start().next_byte();
    if (next_byte >= first && next_byte <= end_.next_byte()) return true;
    using Reason = PartialRefusal::Reason;
    const std::string asked = "asked for byte " + std::to_string(next_byte) + ", have " +
                              std::to_string(first) + " to " + std::to_string(end_.bytes);
    if (next_byte == 0) {
      refusal = refused(Reason::not_a_byte, id, next_byte);
      refusal.why = asked;
    } else if (next_byte < first) {
      refusal = refused(Reason::no_longer_held, id, next_byte);
      refusal.needed_bytes = end_.next_byte() - next_byte;
      refusal.missing_bytes = first - next_byte;
      refusal.why = asked + ": " + std::to_string(refusal.needed_bytes) + " bytes of history needed, " +
                    std::to_string(refusal.held_bytes) + " held";
    } else {
      refusal = refused(Reason::not_yet_there, id, next_byte);
      refusal.missing_bytes = next_byte - end_.next_byte();
      refusal.why = asked + ": " + std::to_string(refusal.missing_bytes) + " bytes ahead of this history";
    }
    return false;
  }

  [[nodiscard]] PartialRefusal refused(PartialRefusal::Reason reason, const ReplicationId& asked_id,
                                       std::uint64_t asked_next_byte) const {
    PartialRefusal refusal;
    refusal.reason = reason;
    refusal.asked_id = asked_id;
    refusal.asked_next_byte = asked_next_byte;
    refusal.id = id_;
    refusal.second_id = second_id_;
    if (second_id_.is_set()) refusal.second_next_byte = second_next_byte_;
    refusal.backlog_first_byte = oldest_->start().next_byte();
    refusal.end = end_;
    refusal.held_bytes = end_ - oldest_->start();
    return refusal;
  }

  void select(std::uint32_t database) {
    if (database == database_) return;
    put_words({"SELECT", std::to_string(database)});
    database_ = database;
  }

  void put_words(std::initializer_list<std::string_view> words) {
    put(resp::Arguments(words.begin(), words.size()));
  }

  void put(resp::Arguments command) {
    const std::size_t size = resp::command_size(command);
    if (std::byte* place = newest_->reserve(size)) {
      resp::write_command(place, command);
      newest_->commit(size);
      end_ = end_ + size;
      return;
    }
    scratch_.clear();
    resp::append_command(scratch_, command);
    put_scratch();
  }

  void put_scratch() {
    put_bytes(as_bytes(scratch_));
    if (scratch_.capacity() > detail::Block::capacity_max) scratch_ = {};
  }

  // Memory first: when there is none the stream is as it was.
  void put_bytes(Bytes bytes) {
    auto more = blocks_for(bytes.size());
    end_ = end_ + bytes.size();
    bytes = newest_->fill(bytes);
    newest_->link(std::move(more));
    while (!bytes.empty()) {
      newest_ = newest_->next();
      bytes = newest_->fill(bytes);
    }
  }

  // A chain of blocks for what `size` bytes need beyond the room there is; null when they fit.
  [[nodiscard]] std::shared_ptr<detail::Block> blocks_for(std::size_t size) const {
    std::shared_ptr<detail::Block> first;
    const detail::Block* before = newest_.get();
    detail::Block* last = nullptr;
    for (std::size_t room = newest_->room(); room < size; room += last->capacity()) {
      const std::size_t capacity = std::min(before->capacity() * 2, detail::Block::capacity_max);
      auto block = std::make_shared<detail::Block>(before->start() + before->capacity(), capacity);
      detail::Block* made = block.get();
      last == nullptr ? void(first = std::move(block)) : last->link(std::move(block));
      before = last = made;
    }
    return first;
  }

  Token finish() {
    trim();
    return {id_, end_};
  }

  // As the stream grows between two looks at the clock, so does this: nothing recent is lost in a burst.
  [[nodiscard]] std::uint64_t bytes_to_keep() const noexcept {
    return std::max(backlog_.bytes, std::min(end_ - kept_from_, bytes_max_of_duration_));
  }

  // Whole blocks only, and never below the size asked for.
  void trim() {
    while (oldest_ != newest_ && end_ - oldest_->end() >= bytes_to_keep()) oldest_ = oldest_->next();
  }

  mutable std::mutex mutex_;
  ReplicationId id_;
  ReplicationId second_id_;
  std::uint64_t second_next_byte_ = 0;
  std::uint32_t database_ = no_database;
  Offset end_;
  BacklogSize backlog_;
  detail::RecentEnds recent_ends_;
  Offset kept_from_;                         // what is younger than `backlog_.duration` begins behind this
  std::uint64_t bytes_max_of_duration_ = 0;  // until the time is known
  std::shared_ptr<detail::Block> oldest_;
  std::shared_ptr<detail::Block> newest_;
  std::string scratch_;

  std::atomic<bool> asleep_{false};
  std::atomic<unsigned> hushes_{0};
  std::atomic<bool> missed_{false};  // a wake, while it was hushed
  std::mutex waker_mutex_;
  std::shared_ptr<const std::function<void()>> waker_;
};

}  // namespace replikv::inline v0_1
