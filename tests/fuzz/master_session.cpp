// The master's end of a link, and a replica that may say anything: however its bytes are cut, the same is
// answered; nobody gets the stream without the password; no acknowledgement is beyond what was sent;
// memory follows from what was received.

#include <replikv/replication/master_session.hpp>
#include <replikv/stream/command_stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/heap.hpp>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using fuzz::require;
using replikv::MasterSession;
using replikv::Offset;
using replikv::SharedBytes;
using replikv::TimePoint;
using State = MasterSession::State;

namespace {

constexpr std::string_view password = "kYp3-unguessable";
constexpr std::string_view mark = "13b067db01ffaccfb1c9bd9ee1a8a109b460648d";

const replikv::ReplicationOptions& options(bool with_password) {
  static const replikv::ReplicationOptions open;
  static const replikv::ReplicationOptions closed = [] {
    replikv::ReplicationOptions chosen;
    chosen.accepts = {{"", std::string(password)}, {"replicator", std::string(password)}};
    return chosen;
  }();
  return with_password ? closed : open;
}

/// An owner that grants what it can, as a master does.
class Owner final : public MasterSession::Handler {
 public:
  Owner(const replikv::ReplicationOptions& chosen, std::uint8_t way)
      : way_(way), session_(chosen, *this, now_) {
    stream_.append_control({"PING"});
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  void on_sync_requested(const replikv::SyncRequest& request) override {
    require(session_.state() == State::waiting, "a sync is asked for once");
    replikv::PartialRefusal why;
    if ((way_ & 1) != 0) return session_.refuse_sync("NOMASTERLINK Can't SYNC while not connected");
    if (request.id) {
      if (auto cursor = stream_.continue_from(*request.id, request.next_byte, why))
        return session_.continue_from(std::move(*cursor), id_);
      require(!why.why.empty(), "a refusal says why");
    }
    if ((way_ & 2) == 0) begin_snapshot();
  }
  void on_acknowledged() override { require(session_.is_replica(), "only a replica acknowledges"); }
  void on_online() override {
    require(session_.is_online(), "online is online");
    ++onlines_;
  }

  void begin_snapshot() {
    session_.begin_snapshot(stream_.cursor_at_end(), id_, mark);
    session_.add_snapshot(SharedBytes(std::string("REDIS0009")));
    if ((way_ & 4) == 0) session_.end_snapshot();
  }

  void receive(std::string_view text) {
    const fuzz::ExactCopy copy(text);
    session_.receive(copy.bytes(), now_);
    check();
  }

  void pass(std::chrono::milliseconds time) {
    now_ += time;
    if (now_ >= session_.deadline()) session_.tick(now_);
    require(session_.deadline() > now_, "after a tick, the next one is later");
    check();
  }

  /// What a sender does: more of the stream, and of what is queued.
  void send(std::size_t bytes_max) {
    std::vector<SharedBytes> out;
    stream_.append_control({"PING"});
    const std::size_t bytes = session_.collect(stream_, bytes_max, out, now_);
    std::size_t total = 0;
    for (const auto& piece : out) {
      total += piece.size();
      sent_ += replikv::as_text(piece.bytes());
    }
    require(total == bytes, "collect says how much it gave");
    check();
  }

  void decide() {
    if (session_.state() == State::waiting) return begin_snapshot();
    if (session_.takes_snapshot()) session_.end_snapshot();
  }

  [[nodiscard]] std::string result() {
    send(SIZE_MAX);
    return std::to_string(static_cast<int>(session_.state())) + " " + session_.failure().detail + " " +
           std::to_string(session_.acknowledged().bytes) + " " + std::to_string(onlines_) + " " +
           session_.announced_ip() + " " + std::to_string(session_.listening_port()) + " " + sent_;
  }

  [[nodiscard]] const MasterSession& session() const noexcept { return session_; }

 private:
  void check() {
    const bool failed = session_.state() == State::failed;
    require(!failed || session_.deadline() == TimePoint::max(), "a failed session waits for nothing");
    require(!failed || session_.failure().code, "a failure says why");
    require(!was_failed_ || failed, "a failed session stays failed");
    require(acknowledged_ <= session_.acknowledged(), "acknowledgements do not fall");
    if (const auto pinned = session_.pinned_from(); pinned && session_.acknowledges()) {
      require(session_.acknowledged() <= *pinned, "nothing is acknowledged that was not sent");
    }
    was_failed_ = failed;
    acknowledged_ = session_.acknowledged();
  }

  const replikv::ReplicationId id_ =
      replikv::ReplicationId::parse("db0b4ca4c052353166ce46354d2b92a1477f3cb8").value();
  std::uint8_t way_;
  TimePoint now_ = TimePoint{} + 1'000s;
  replikv::CommandStream stream_{id_, 1 << 10};
  MasterSession session_;
  std::string sent_;
  int onlines_ = 0;
  bool was_failed_ = false;
  Offset acknowledged_;
};

std::string hear(std::string_view text, bool with_password, std::uint8_t way, fuzz::Cuts cuts) {
  Owner owner(options(with_password), way);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = cuts.next(text.size() - at);
    owner.receive(text.substr(at, size));
    at += size;
  }
  const bool knows = text.find(password) != std::string_view::npos;
  require(!with_password || knows || !owner.session().is_replica(), "no stream without the password");
  return owner.result();
}

/// Bytes with all else that happens on a link between them.
void act(fuzz::Input input, bool with_password, std::uint8_t way) {
  Owner owner(options(with_password), way);
  while (!input.empty()) {
    const std::uint8_t what = input.byte();
    switch (what % 8) {
      case 0: owner.pass(std::chrono::milliseconds(what * 20)); break;
      case 1: owner.pass(std::chrono::seconds(what)); break;
      case 2: owner.send(what); break;
      case 3: owner.send(SIZE_MAX); break;
      case 4: owner.decide(); break;
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
  const auto way = static_cast<std::uint8_t>((choice >> 1) & 7);
  if ((choice & 128) != 0) {
    act(input, with_password, way);
    return 0;
  }
  const fuzz::HeapWatch heap;
  const std::string whole = hear(input.rest(), with_password, way, fuzz::Cuts(0));
  require(heap.peak_bytes() <= (std::size_t{1} << 16) + 400 * input.rest().size(),
          "memory follows from the bytes received");
  require(hear(input.rest(), with_password, way, cuts) == whole, "cuts make no difference");
  return 0;
}
