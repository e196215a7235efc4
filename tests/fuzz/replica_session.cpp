// The replica's end of a link, and a master that may say anything: however its bytes are cut, the owner is
// told the same, in an order that makes sense; every byte of the stream is passed on once; memory follows
// from what was received.

#include <replikv/replication/replica_session.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/heap.hpp>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using fuzz::require;
using replikv::Failure;
using replikv::Offset;
using replikv::ReplicaSession;
using replikv::ReplicationId;
using replikv::SharedBytes;
using replikv::SyncPosition;
using replikv::TimePoint;
using State = ReplicaSession::State;
namespace rdb = replikv::rdb;

namespace {

const replikv::ReplicationOptions& options(bool with_password) {
  static const replikv::ReplicationOptions plain;
  static const replikv::ReplicationOptions full = [] {
    replikv::ReplicationOptions chosen;
    chosen.credentials = {"replicator", "secret"};
    chosen.announce_ip = "10.0.0.1";
    return chosen;
  }();
  return with_password ? full : plain;
}

/// An owner that writes down what it is told, and checks the order.
class Owner final : public ReplicaSession::Handler {
 public:
  Owner(bool with_password, bool with_position)
      : session_(options(with_password), *this,
                 with_position ? std::optional(SyncPosition{id_, Offset{14}}) : std::nullopt, 7101, now_) {
    applied_ = Offset{with_position ? std::uint64_t{14} : 0};
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  std::optional<Failure> on_full_resync(const ReplicationId& id, Offset offset) override {
    require(step_ == Step::handshake, "a full resync is the answer to PSYNC");
    require(offset <= replikv::offset_max, "offsets leave room for sums");
    step_ = Step::snapshot;
    applied_ = offset;
    log_ += "full " + id.text() + " " + std::to_string(offset.bytes) + "\n";
    return std::nullopt;
  }
  std::optional<Failure> on_snapshot_item(const rdb::Item& item) override {
    require(step_ == Step::snapshot, "items come after the answer to PSYNC");
    log_ += "item " + std::to_string(item.index());
    if (const auto* entry = std::get_if<rdb::Entry>(&item)) {
      (log_ += entry->key).append(" ").append(entry->value);
      if (entry->key == "refused") return Failure{replikv::Errc::not_mirrored, "as asked"};
    }
    log_ += "\n";
    return std::nullopt;
  }
  std::optional<Failure> on_snapshot_end() override {
    require(step_ == Step::snapshot, "a snapshot ends once");
    step_ = Step::stream;
    log_ += "end\n";
    return std::nullopt;
  }
  std::optional<Failure> on_partial_resync(std::optional<ReplicationId> id) override {
    require(step_ == Step::handshake, "a partial resync is the answer to PSYNC");
    step_ = Step::stream;
    log_ += "partial " + (id ? id->text() : std::string()) + "\n";
    return std::nullopt;
  }
  std::optional<Failure> on_commands(const replikv::CommandBatch& commands) override {
    require(step_ == Step::stream, "commands come in the stream");
    require(!commands.empty(), "a batch has commands");
    for (const auto& [words, raw] : commands) {
      if (auto failure = on_command(words, raw)) return failure;
    }
    return std::nullopt;
  }

  std::optional<Failure> on_command(replikv::resp::Arguments command, replikv::Bytes raw) {
    require(!command.empty() && !raw.empty(), "a command has words and bytes");
    check_raw(command, raw);
    applied_ = applied_ + raw.size();
    stream_ += replikv::as_text(raw);
    for (const std::string_view word : command) (log_ += word) += ' ';
    log_ += "\n";
    if (command[0] == "refused") return Failure{replikv::Errc::diverged, "as asked"};
    return std::nullopt;
  }

  void receive(std::string_view text) {
    const fuzz::ExactCopy copy(text);
    session_.receive(copy.bytes(), now_);
    check();
  }

  void pass(std::chrono::milliseconds time) {
    now_ += time;
    if (now_ >= session_.deadline()) session_.tick(now_, applied_);
    require(session_.deadline() > now_, "after a tick, the next one is later");
    check();
  }

  void send() {
    std::vector<SharedBytes> out;
    session_.collect(SIZE_MAX, out);
    for (const auto& piece : out) sent_ += replikv::as_text(piece.bytes());
  }

  /// What the master said must end with the stream, but for a command that is unfinished.
  void check_stream(std::string_view text) const {
    require(text.find(stream_) != std::string_view::npos, "the stream is passed on as it came");
    if (session_.state() != State::streaming) return;
    const std::uint64_t unfinished = session_.received() - applied_;
    require(text.substr(0, text.size() - unfinished).ends_with(stream_), "all of the stream is passed on");
  }

  [[nodiscard]] std::string result() {
    send();
    return std::to_string(static_cast<int>(session_.state())) + session_.failure().detail + "\n" + log_ +
           sent_;
  }

 private:
  enum class Step : std::uint8_t { handshake, snapshot, stream };

  /// The bytes passed on are those of the command, whole, with nothing but empty commands before it.
  static void check_raw(replikv::resp::Arguments command, replikv::Bytes raw) {
    replikv::resp::CommandParser parser;
    while (!raw.empty()) {
      const auto parsed = parser.parse(raw);
      require(parsed.status == replikv::resp::Parsed::Status::command, "raw bytes are whole commands");
      raw = raw.subspan(parsed.consumed);
      require(parser.arguments().empty() == !raw.empty(), "raw bytes end with the command");
    }
    require(std::equal(command.begin(), command.end(), parser.arguments().begin(), parser.arguments().end()),
            "raw bytes are those of the command");
  }

  void check() {
    const bool failed = session_.state() == State::failed;
    require(!failed || session_.failure().code, "a failure says why");
    require(!failed || session_.deadline() == TimePoint::max(), "a failed session waits for nothing");
    require(!was_failed_ || failed, "a failed session stays failed");
    if (session_.state() == State::streaming)
      require(applied_ <= session_.received(), "nothing is applied that was not received");
    static_cast<void>(session_.sync_progress(now_));
    static_cast<void>(session_.link_state());
    was_failed_ = failed;
  }

  const ReplicationId id_ = ReplicationId::parse("c90e3bbf00000000000000000000000000000001").value();
  TimePoint now_ = TimePoint{} + 1'000s;
  Step step_ = Step::handshake;
  std::string log_;
  std::string stream_;
  std::string sent_;
  Offset applied_;
  bool was_failed_ = false;
  ReplicaSession session_;
};

std::string hear(std::string_view text, bool with_password, bool with_position, fuzz::Cuts cuts) {
  Owner owner(with_password, with_position);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = cuts.next(text.size() - at);
    owner.receive(text.substr(at, size));
    at += size;
  }
  owner.check_stream(text);
  return owner.result();
}

/// Bytes with time between them.
void act(fuzz::Input input, bool with_password, bool with_position) {
  Owner owner(with_password, with_position);
  while (!input.empty()) {
    const std::uint8_t what = input.byte();
    switch (what % 8) {
      case 0: owner.pass(std::chrono::milliseconds(what * 20)); break;
      case 1: owner.pass(std::chrono::seconds(what)); break;
      case 2: owner.send(); break;
      default: owner.receive(input.take(what)); break;
    }
  }
  static_cast<void>(owner.result());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  const fuzz::Cuts cuts(input.byte());
  const bool with_password = (choice & 1) != 0;
  const bool with_position = (choice & 2) != 0;
  if ((choice & 128) != 0) {
    act(input, with_password, with_position);
    return 0;
  }
  const fuzz::HeapWatch heap;
  const std::string whole = hear(input.rest(), with_password, with_position, fuzz::Cuts(0));
  require(heap.peak_bytes() <= 300'000 + 600 * input.rest().size(), "memory follows from the bytes received");
  require(hear(input.rest(), with_password, with_position, cuts) == whole, "cuts make no difference");
  return 0;
}
