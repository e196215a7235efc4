#include <replikv/rdb/writer.hpp>
#include <replikv/replication/replica_session.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using replikv::as_bytes;
using replikv::as_text;
using replikv::Bytes;
using replikv::CommandBatch;
using replikv::Credentials;
using replikv::Errc;
using replikv::Failure;
using replikv::MasterLinkState;
using replikv::Offset;
using replikv::ReplicaSession;
using replikv::ReplicationId;
using replikv::ReplicationOptions;
using replikv::SharedBytes;
using replikv::SyncPosition;
using replikv::TimePoint;
namespace rdb = replikv::rdb;
namespace resp = replikv::resp;
using State = ReplicaSession::State;

namespace {

const std::string id_text = "db0b4ca4c052353166ce46354d2b92a1477f3cb8";
const std::string own_text = "c90e3bbf00000000000000000000000000000001";
const std::string mark = "13b067db01ffaccfb1c9bd9ee1a8a109b460648d";
constexpr std::size_t chunks[] = {1, 7, 4096};
const TimePoint start = TimePoint{} + 1'000s;

template <class... Words>
std::string wire(const Words&... words) {
  std::string bytes;
  resp::append_command(bytes, words...);
  return bytes;
}

std::string snapshot() {
  rdb::Writer writer;
  writer.header();
  writer.auxiliary("redis-ver", "7.0.15");
  writer.auxiliary("repl-stream-db", "0");
  writer.select_database(0);
  writer.resize(2, 1);
  writer.key("k1", "v1");
  writer.key("k2", std::string(300, 'x'), 1'700'000'000'000);
  writer.end();
  return writer.take();
}

std::string with_length(const std::string& file) { return "$" + std::to_string(file.size()) + "\r\n" + file; }
std::string with_mark(const std::string& file) { return "$EOF:" + mark + "\r\n" + file + mark; }
std::string full_resync(std::uint64_t offset) {
  return "+FULLRESYNC " + id_text + " " + std::to_string(offset) + "\r\n";
}

// A replica's end with everything around it: the owner, the wire. `log` holds what the owner was told.
struct Replica final : ReplicaSession::Handler {
  explicit Replica(std::size_t chunk_bytes = 4096, std::optional<SyncPosition> position = std::nullopt,
                   ReplicationOptions chosen = {}, std::uint16_t port = 7101)
      : options(std::move(chosen)), chunk(chunk_bytes) {
    session.emplace(options, *this, position, port, now);
  }
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  std::optional<Failure> told(std::string what) {
    log.push_back(std::move(what));
    if (log.back().starts_with(objects_to)) return Failure{Errc::diverged, log.back()};
    return std::nullopt;
  }
  std::optional<Failure> on_full_resync(const ReplicationId& id, Offset offset) override {
    return told("full " + id.text() + " " + std::to_string(offset.bytes));
  }
  std::optional<Failure> on_snapshot_item(const rdb::Item& item) override {
    if (const auto* entry = std::get_if<rdb::Entry>(&item)) return told("key " + std::string(entry->key));
    return std::nullopt;
  }
  std::optional<Failure> on_snapshot_end() override { return told("end"); }
  std::optional<Failure> on_partial_resync(std::optional<ReplicationId> id) override {
    return told("partial " + (id ? id->text() : std::string("same")));
  }
  std::optional<Failure> on_commands(const CommandBatch& commands) override {
    largest_batch = std::max(largest_batch, commands.size());
    for (const auto& command : commands) {
      std::string text = "command";
      for (const std::string_view word : command.words) text += " " + std::string(word);
      raw += as_text(command.raw);
      applied = applied + command.raw.size();
      if (auto failure = told(std::move(text))) return failure;
    }
    return std::nullopt;
  }

  // The master says this; returns what it is answered.
  std::string hear(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); at += chunk)
      session->receive(as_bytes(text.substr(at, chunk)), now);
    return sent();
  }
  std::string sent() {
    std::vector<SharedBytes> out;
    session->collect(1 << 30, out);
    std::string text;
    for (const auto& piece : out) text += as_text(piece.bytes());
    return text;
  }
  std::string tick_at(TimePoint when) {
    now = when;
    session->tick(now, applied);
    return sent();
  }
  std::vector<std::string> take_log() { return std::exchange(log, {}); }
  State state() const { return session->state(); }
  std::error_code failure() const { return session->failure().code; }
  std::string detail() const { return session->failure().detail; }

  // With the link in this state already.
  void shake_hands() {
    sent();
    hear("+PONG\r\n");
    hear("+OK\r\n+OK\r\n");
    REQUIRE(state() == State::asking);
  }
  void begin_streaming(std::uint64_t offset) {
    shake_hands();
    hear(full_resync(offset) + with_length(snapshot()));
    REQUIRE(state() == State::streaming);
    applied = Offset{offset};
    log.clear();
  }

  ReplicationOptions options;
  std::size_t chunk;
  TimePoint now = start;
  std::optional<ReplicaSession> session;
  std::vector<std::string> log;
  std::string raw;
  std::string objects_to = "nothing";
  std::size_t largest_batch = 0;
  Offset applied;
};

using Log = std::vector<std::string>;
const Log snapshot_log{"key k1", "key k2", "end"};

SyncPosition held_at(std::uint64_t offset) {
  return {ReplicationId::parse(own_text).value(), Offset{offset}};
}

}  // namespace

// --- Dialogues -------------------------------------------------------------------------------------

TEST_CASE("ReplicaSession: a full resync with an end mark runs as between two real servers") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Replica replica{chunk, held_at(0)};
    CHECK(replica.state() == State::pinging);
    CHECK(replica.session->link_state() == MasterLinkState::handshake);
    CHECK(replica.sent() == "*1\r\n$4\r\nPING\r\n");
    CHECK(replica.hear("+PONG\r\n") ==
          "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n7101\r\n"
          "*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n");
    CHECK(replica.hear("+OK\r\n").empty());  // PSYNC waits for all replies
    CHECK(replica.hear("+OK\r\n") == "*3\r\n$5\r\nPSYNC\r\n$40\r\n" + own_text + "\r\n$1\r\n1\r\n");
    CHECK(replica.hear("\n\n\n\n\n\n").empty());
    CHECK(replica.state() == State::asking);
    CHECK(replica.hear(full_resync(14)).empty());
    CHECK(replica.take_log() == Log{"full " + id_text + " 14"});
    CHECK(replica.state() == State::awaiting_snapshot);
    CHECK(replica.session->link_state() == MasterLinkState::sync);
    CHECK(replica.session->received() == Offset{14});
    CHECK_FALSE(replica.session->sync_progress(replica.now).bytes_total);
    CHECK_FALSE(replica.session->sync_progress(replica.now).until_mark);

    const std::string file = snapshot();
    CHECK(replica.hear("$EOF:" + mark + "\r\n").empty());
    CHECK(replica.state() == State::loading);
    CHECK(replica.session->sync_progress(replica.now).until_mark);
    CHECK(replica.hear(file).empty());
    CHECK(replica.take_log() == Log{"key k1", "key k2"});
    CHECK(replica.state() == State::awaiting_mark);
    CHECK(replica.session->link_state() == MasterLinkState::sync);
    CHECK(replica.session->sync_progress(replica.now).bytes == file.size());
    CHECK(replica.hear(mark) == wire("REPLCONF", "ACK", "14"));
    CHECK(replica.take_log() == Log{"end"});
    CHECK(replica.state() == State::streaming);
    CHECK(replica.session->link_state() == MasterLinkState::connected);
    CHECK(replica.session->received() == Offset{14});

    const std::string stream = wire("SELECT", "0") + wire("set", "k2", "v2") + wire("ping");
    CHECK(replica.hear(stream).empty());
    CHECK(replica.take_log() == Log{"command SELECT 0", "command set k2 v2", "command ping"});
    CHECK(replica.raw == stream);
    CHECK(replica.session->received() == Offset{14 + stream.size()});
  }
}

TEST_CASE("ReplicaSession: a full resync with a length, and stream right behind it in the same piece") {
  const std::string stream = wire("SELECT", "0") + wire("set", "k2", "v2");
  for (const std::size_t chunk : {1UL, 7UL, 100UL, 4096UL, 100'000UL}) {
    CAPTURE(chunk);
    for (const bool marked : {false, true}) {
      Replica replica{chunk};
      replica.shake_hands();
      CHECK(replica.hear("\n" + full_resync(14) + "\n\n" +
                         (marked ? with_mark(snapshot()) : with_length(snapshot())) + stream +
                         "*1\r\n$4\r\npi") == wire("REPLCONF", "ACK", "14"));
      CHECK(replica.take_log() == Log{"full " + id_text + " 14", "key k1", "key k2", "end",
                                      "command SELECT 0", "command set k2 v2"});
      CHECK(replica.session->received() == Offset{14 + stream.size() + 10});
      replica.hear("ng\r\n");
      CHECK(replica.take_log() == Log{"command ping"});
      CHECK(replica.session->received() == Offset{14 + stream.size() + 14});
    }
  }
}

TEST_CASE("ReplicaSession: a partial resync keeps the position, with and without a replication id") {
  const std::string stream = wire("set", "k2", "v2");
  struct Reply {
    std::string line;
    std::string told;
  };
  for (const Reply& reply : {Reply{"+CONTINUE\r\n", "partial same"},
                             Reply{"+CONTINUE " + own_text + "\r\n", "partial " + own_text},
                             Reply{"+CONTINUE " + id_text + "\r\n", "partial " + id_text},
                             Reply{"\n\n+CONTINUE\n", "partial same"}}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(reply.line);
      CAPTURE(chunk);
      Replica replica{chunk, held_at(1'000)};
      replica.sent();
      replica.hear("+PONG\r\n");
      CHECK(replica.hear("+OK\r\n+OK\r\n") == wire("PSYNC", own_text, "1001"));
      CHECK(replica.hear(reply.line + stream).empty());  // no ACK until one is due
      CHECK(replica.take_log() == Log{reply.told, "command set k2 v2"});
      CHECK(replica.state() == State::streaming);
      CHECK(replica.session->received() == Offset{1'000 + stream.size()});
      CHECK(replica.session->deadline() == start + 1s);
    }
  }
}

// --- Handshake -------------------------------------------------------------------------------------

TEST_CASE("ReplicaSession: PING may be answered by PONG or by the wish for a password") {
  for (const std::string reply :
       {"+PONG", "+anything", "-NOAUTH Authentication required.",
        "-NOPERM this user has no permissions to run the 'ping' command", "-ERR operation not permitted"}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(reply);
      Replica replica{chunk};
      replica.sent();
      CHECK(replica.hear(reply + "\r\n").starts_with("*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port"));
      CHECK(replica.state() == State::introducing);
    }
  }
}

TEST_CASE("ReplicaSession: any other answer to PING ends the link and says which it was") {
  struct Reply {
    std::string line;
    Errc code;
  };
  for (const Reply& reply :
       {Reply{"-LOADING Redis is loading the dataset in memory", Errc::master_not_ready},
        Reply{"-ERR max number of clients reached", Errc::sync_refused},
        Reply{"-MISCONF something", Errc::sync_refused}, Reply{":1", Errc::protocol_error},
        Reply{"$4", Errc::protocol_error}, Reply{"HTTP/1.1 400 Bad Request", Errc::protocol_error},
        Reply{"*1", Errc::protocol_error}}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(reply.line);
      Replica replica{chunk};
      replica.sent();
      CHECK(replica.hear(reply.line + "\r\n+OK\r\n").empty());
      CHECK(replica.state() == State::failed);
      CHECK(replica.session->link_state() == MasterLinkState::connect);
      CHECK(replica.failure() == reply.code);
      CHECK(replica.detail().starts_with("PING was answered: "));
    }
  }
}

TEST_CASE("ReplicaSession: a password goes alone, a user with its password, both before anything else") {
  const std::string rest =
      wire("REPLCONF", "listening-port", "7101") + wire("REPLCONF", "capa", "eof", "capa", "psync2");
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Replica alone{chunk, std::nullopt, {.credentials = Credentials{"", "secret"}}};
    alone.sent();
    CHECK(alone.hear("-NOAUTH Authentication required.\r\n") == wire("AUTH", "secret") + rest);
    CHECK(alone.hear("+OK\r\n+OK\r\n").empty());
    CHECK(alone.hear("+OK\r\n") == wire("PSYNC", "?", "-1"));

    Replica user{chunk, std::nullopt, {.credentials = Credentials{"replica", "a b\r\n"}}};
    user.sent();
    CHECK(user.hear("+PONG\r\n") == wire("AUTH", "replica", "a b\r\n") + rest);
  }
}

TEST_CASE("ReplicaSession: a refused password ends the link") {
  struct Reply {
    std::string line;
    Errc code;
  };
  for (const Reply& reply :
       {Reply{"-WRONGPASS invalid username-password pair or user is disabled.", Errc::wrong_password},
        Reply{"-ERR AUTH <password> called without any password configured for the default user. Are you "
              "sure your "
              "configuration is correct?",
              Errc::unasked_password},
        Reply{"-ERR Client sent AUTH, but no password is set", Errc::unasked_password},
        Reply{"-ERR invalid password", Errc::wrong_password},
        Reply{"-ERR wrong number of arguments for 'auth' command", Errc::sync_refused},
        Reply{":1", Errc::protocol_error}}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(reply.line);
      Replica replica{chunk, std::nullopt, {.credentials = Credentials{"", "secret"}}};
      replica.hear("+PONG\r\n");
      CHECK(replica.hear(reply.line + "\r\n+OK\r\n+OK\r\n").empty());
      CHECK(replica.failure() == reply.code);
      CHECK(replica.detail() == "AUTH was answered: " + reply.line.substr(1));
    }
  }
}

TEST_CASE("ReplicaSession: a master that knows no REPLCONF option is asked for the sync all the same") {
  for (const std::size_t chunk : chunks) {
    Replica replica{chunk, std::nullopt, {.announce_ip = "10.0.0.7", .announce_port = 6400}};
    replica.sent();
    CHECK(replica.hear("+PONG\r\n") == wire("REPLCONF", "listening-port", "6400") +
                                           wire("REPLCONF", "ip-address", "10.0.0.7") +
                                           wire("REPLCONF", "capa", "eof", "capa", "psync2"));
    CHECK(replica.hear("-ERR unknown command 'REPLCONF'\r\n-ERR Unrecognized REPLCONF option: ip-address\r\n")
              .empty());
    CHECK(replica.hear("-ERR syntax error\r\n") == wire("PSYNC", "?", "-1"));
  }
}

TEST_CASE("ReplicaSession: without a password where one is required it gives up at REPLCONF") {
  for (const std::size_t chunk : chunks) {
    Replica replica{chunk};
    replica.hear("-NOAUTH Authentication required.\r\n");
    CHECK(replica.hear("-NOAUTH Authentication required.\r\n").empty());
    CHECK(replica.failure() == Errc::authentication_required);
  }
}

TEST_CASE("ReplicaSession: PSYNC asks for the byte after the last one applied") {
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{41}, replikv::offset_max.bytes}) {
    Replica replica{4096, held_at(offset)};
    replica.hear("+PONG\r\n");
    CHECK(replica.hear("+OK\r\n+OK\r\n") == wire("PSYNC", own_text, std::to_string(offset + 1)));
  }
  Replica fresh;
  fresh.hear("+PONG\r\n");
  CHECK(fresh.hear("+OK\r\n+OK\r\n") == wire("PSYNC", "?", "-1"));
}

TEST_CASE("ReplicaSession: errors in answer to PSYNC are told apart") {
  struct Reply {
    std::string line;
    Errc code;
  };
  for (const Reply& reply :
       {Reply{"-NOMASTERLINK Can't SYNC while not connected with my master", Errc::master_not_ready},
        Reply{"-LOADING Redis is loading the dataset in memory", Errc::master_not_ready},
        Reply{"-NOAUTH Authentication required.", Errc::authentication_required},
        Reply{"-NOPERM this user has no permissions to run the 'psync' command", Errc::no_permission},
        Reply{"-ERR unknown command 'PSYNC'", Errc::sync_refused}, Reply{"-READONLY x", Errc::sync_refused},
        Reply{"+OK", Errc::protocol_error}, Reply{"+DUALCHANNELSYNC", Errc::protocol_error},
        Reply{"+CONTINUED", Errc::protocol_error}, Reply{"+FULLRESYNC", Errc::protocol_error},
        Reply{"$5", Errc::protocol_error}, Reply{"+continue", Errc::protocol_error}}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(reply.line);
      Replica replica{chunk, held_at(5)};
      replica.shake_hands();
      CHECK(replica.hear("\n" + reply.line + "\r\n").empty());
      CHECK(replica.failure() == reply.code);
      CHECK(replica.detail().starts_with("PSYNC was answered: "));
      CHECK(replica.log.empty());
    }
  }
}

TEST_CASE("ReplicaSession: a +FULLRESYNC that cannot be read ends the link before anything is dropped") {
  const std::string id = id_text;
  for (const std::string& tail :
       {std::string(" 14"), id, id + " ", id + " x", id + " -1", id + " +1", id + " 014", id + " 14 ",
        id + " 14 x", id + "  14", id + "\t14", id.substr(1) + " 14", id + "0 14", "g" + id.substr(1) + " 14",
        id + " 4611686018427387905", id + " 18446744073709551616", id + " 99999999999999999999999"}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(tail);
      Replica replica{chunk};
      replica.shake_hands();
      replica.hear("+FULLRESYNC " + tail + "\r\n");
      CHECK(replica.failure() == Errc::protocol_error);
      CHECK(replica.detail().starts_with("unreadable reply to PSYNC: +FULLRESYNC "));
      CHECK(replica.log.empty());
    }
  }
  for (const std::string offset : {"0", "4611686018427387904"}) {
    Replica replica;
    replica.shake_hands();
    replica.hear("+FULLRESYNC " + id + " " + offset + "\r\n");
    CHECK(replica.state() == State::awaiting_snapshot);
    CHECK(replica.take_log() == Log{"full " + id + " " + offset});
  }
}

TEST_CASE("ReplicaSession: +CONTINUE with a bad id, or unasked, ends the link") {
  for (const std::size_t chunk : chunks) {
    for (const std::string& tail : {std::string(" "), std::string(" junk"), " " + id_text + "0",
                                    " " + id_text + " ", "  " + id_text, " " + id_text.substr(1)}) {
      CAPTURE(tail);
      Replica replica{chunk, held_at(5)};
      replica.shake_hands();
      replica.hear("+CONTINUE" + tail + "\r\n" + wire("ping"));
      CHECK(replica.failure() == Errc::protocol_error);
      CHECK(replica.log.empty());
    }
    Replica fresh{chunk};
    fresh.shake_hands();
    fresh.hear("+CONTINUE " + id_text + "\r\n" + wire("ping"));
    CHECK(fresh.failure() == Errc::protocol_error);
    CHECK(fresh.detail() == "+CONTINUE in answer to PSYNC ? -1");
    CHECK(fresh.log.empty());
  }
}

TEST_CASE(
    "ReplicaSession: a line without end is refused at 64 KiB, and hostile text is shown on one short line") {
  for (const std::size_t chunk : {7UL, 4096UL, 1'000'000UL}) {
    Replica replica{chunk};
    replica.hear("+" + std::string(70'000, 'x'));
    CHECK(replica.failure() == Errc::protocol_error);
  }
  Replica replica;
  replica.hear("-ERR \x1b[2J\r\x07" + std::string(5'000, 'x') + "\r\n");
  const std::string detail = replica.detail();
  CHECK(detail.size() < 300);
  CHECK(std::all_of(detail.begin(), detail.end(), [](char c) { return c >= ' ' && c < 0x7f; }));
}

// --- Snapshot --------------------------------------------------------------------------------------

TEST_CASE("ReplicaSession: the snapshot's header is read strictly, and an error in its place is an error") {
  struct Header {
    std::string line;
    Errc code;
  };
  for (const Header& header :
       {Header{"$-1", Errc::protocol_error}, Header{"$x", Errc::protocol_error},
        Header{"$", Errc::protocol_error}, Header{"$+5", Errc::protocol_error},
        Header{"$18446744073709551616", Errc::protocol_error},
        Header{"$9223372036854775808", Errc::protocol_error},
        Header{"$EOF:" + mark.substr(1), Errc::protocol_error},
        Header{"$EOF:" + mark + "0", Errc::protocol_error}, Header{"$EOF:", Errc::protocol_error},
        Header{"$eof:" + mark, Errc::protocol_error}, Header{"$ENDOFF:1 x 0 1", Errc::protocol_error},
        Header{"+OK", Errc::protocol_error}, Header{"REDIS0009", Errc::protocol_error},
        Header{"$0", Errc::snapshot_corrupt},
        Header{"-ERR BGSAVE failed, replication can't continue", Errc::sync_refused},
        Header{"-LOADING x", Errc::master_not_ready}}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(header.line);
      Replica replica{chunk};
      replica.shake_hands();
      replica.hear(full_resync(14) + "\n" + header.line + "\r\n");
      CHECK(replica.failure() == header.code);
      CHECK(replica.take_log() == Log{"full " + id_text + " 14"});
    }
  }
}

TEST_CASE("ReplicaSession: the end mark may be cut anywhere, and must be the one announced") {
  const std::string file = snapshot();
  for (std::size_t cut = 1; cut < mark.size(); ++cut) {
    CAPTURE(cut);
    Replica replica;
    replica.shake_hands();
    replica.hear(full_resync(14) + "$EOF:" + mark + "\r\n" + file + mark.substr(0, cut));
    CHECK(replica.state() == State::awaiting_mark);
    CHECK(replica.log.back() == "key k2");
    CHECK(replica.hear(mark.substr(cut) + wire("ping")) == wire("REPLCONF", "ACK", "14"));
    CHECK(replica.log.back() == "command ping");
  }
  for (const std::size_t wrong : {0UL, 20UL, 39UL}) {
    for (const std::size_t chunk : chunks) {
      std::string other = mark;
      other[wrong] = 'x';
      Replica replica{chunk};
      replica.shake_hands();
      CHECK(replica.hear(full_resync(14) + "$EOF:" + mark + "\r\n" + file + other).empty());
      CHECK(replica.failure() == Errc::snapshot_corrupt);
      CHECK(replica.log.back() == "key k2");
    }
  }
}

TEST_CASE("ReplicaSession: a length that is not the snapshot's is found out before the snapshot is taken") {
  const std::string file = snapshot();
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    for (const std::size_t length : {1UL, 9UL, file.size() - 9, file.size() - 1}) {
      CAPTURE(length);
      Replica replica{chunk};
      replica.shake_hands();
      replica.hear(full_resync(14) + "$" + std::to_string(length) + "\r\n" + file + wire("ping"));
      CHECK(replica.failure() == Errc::snapshot_corrupt);
      CHECK(replica.detail() == "its " + std::to_string(length) + " bytes end before it does");
      CHECK(std::count(replica.log.begin(), replica.log.end(), "end") == 0);
    }
    Replica longer{chunk};
    longer.shake_hands();
    longer.hear(full_resync(14) + "$" + std::to_string(file.size() + 1) + "\r\n" + file);
    CHECK(longer.failure() == Errc::snapshot_corrupt);
    CHECK(longer.detail() == "it ends after " + std::to_string(file.size()) + " of " +
                                 std::to_string(file.size() + 1) + " bytes");
    CHECK(longer.log.back() == "key k2");
  }
}

TEST_CASE("ReplicaSession: one flipped bit anywhere in the snapshot never lets it be taken") {
  const std::string file = snapshot();
  const auto take = [](const std::string& bytes, std::size_t chunk) {
    Replica replica{chunk};
    replica.shake_hands();
    replica.hear(full_resync(14) + with_length(bytes));
    const bool ended = std::count(replica.log.begin(), replica.log.end(), "end") != 0;
    return std::pair{ended, replica.failure()};
  };
  REQUIRE(take(file, 4096).first);
  for (std::size_t at = 0; at < file.size(); ++at) {
    CAPTURE(at);
    std::string bad = file;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    for (const std::size_t chunk : {7UL, 4096UL}) {
      const auto [ended, failure] = take(bad, chunk);
      CHECK_FALSE(ended);
      const bool named = failure == Errc::snapshot_corrupt || failure == Errc::snapshot_version || !failure;
      CHECK(named);  // no failure yet: it waits for bytes a larger length promises
    }
  }
  std::string bad = file;
  bad[file.size() - 20] = 'y';  // inside a value: only the checksum can tell
  CHECK(take(bad, 4096).second == Errc::snapshot_corrupt);
  CHECK(take("SIDER" + file.substr(5), 1).second == Errc::snapshot_version);
  CHECK(take("REDIS0013" + file.substr(9), 1).second == Errc::snapshot_version);
}

TEST_CASE("ReplicaSession: signs of life go out while it loads, and only then") {
  Replica replica;
  replica.shake_hands();
  const std::string file = snapshot();
  replica.hear(full_resync(14));
  CHECK(replica.session->deadline() == start + 60s);
  replica.hear("$EOF:" + mark + "\r\n" + file.substr(0, 20));
  CHECK(replica.session->deadline() <= replica.now);
  CHECK(replica.tick_at(start + 1s) == "\n");
  CHECK(replica.session->deadline() == start + 2s);
  CHECK(replica.tick_at(start + 1'999ms).empty());
  CHECK(replica.tick_at(start + 2s) == "\n");
  replica.hear(file.substr(20) + mark);
  CHECK(replica.session->deadline() == replica.now + 1s);
  CHECK(replica.tick_at(start + 3s) == wire("REPLCONF", "ACK", "0"));
}

TEST_CASE("ReplicaSession: the progress of a snapshot counts its bytes and knows its length") {
  Replica replica;
  replica.shake_hands();
  const std::string file = snapshot();
  replica.hear(full_resync(14) + "$" + std::to_string(file.size()) + "\r\n" + file.substr(0, 100));
  const auto progress = replica.session->sync_progress(start + 3'500ms);
  CHECK(progress.bytes == 100);
  CHECK(progress.bytes_total == file.size());
  CHECK_FALSE(progress.until_mark);
  CHECK(progress.last_io_ago == 3s);
}

// --- Stream ----------------------------------------------------------------------------------------

TEST_CASE("ReplicaSession: newlines before a command are part of it, byte for byte and in the offset") {
  const std::string stream =
      "\n" + wire("set", "a", "1") + "\r\n\n  \r\n" + wire("set", "b", "2") + wire("ping") + "\n\n";
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Replica replica{chunk};
    replica.begin_streaming(14);
    replica.hear(stream);
    CHECK(replica.take_log() == Log{"command set a 1", "command set b 2", "command ping"});
    CHECK(replica.raw == stream.substr(0, stream.size() - 2));
    CHECK(replica.session->received() == Offset{14 + stream.size()});
    CHECK(replica.applied == Offset{14 + stream.size() - 2});
    replica.hear(wire("ping"));
    CHECK(replica.raw == stream + wire("ping"));
    CHECK(replica.session->received() == replica.applied);
  }
}

TEST_CASE(
    "ReplicaSession: an inline command or garbage in the stream ends the link; what came before counts") {
  for (const std::string garbage :
       {"ping\r\n", "garbage\r\n", "+OK\r\n", "*1\r\n$-5\r\n", "*2\r\n$3\r\nSET\r\n:5\r\n", "*9999999999\r\n",
        "*1\r\n$99999999999\r\n", "*1\r\n$4\r\nPINGxx", "$5\r\n"}) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(garbage);
      CAPTURE(chunk);
      Replica replica{chunk};
      replica.begin_streaming(14);
      replica.hear(wire("set", "a", "1") + garbage + wire("set", "b", "2"));
      CHECK(replica.failure() == Errc::protocol_error);
      CHECK(replica.detail().starts_with("in the stream: "));
      CHECK(replica.detail().find("rotocol") == std::string::npos);  // the code says that already
      CHECK(replica.take_log() == Log{"command set a 1"});
      CHECK(replica.session->deadline() == TimePoint::max());
    }
  }
}

TEST_CASE("ReplicaSession: commands that arrive together are handed over together, and in order") {
  std::string stream;
  Log expected;
  for (int i = 0; i < 100; ++i) {
    stream += wire("del", std::to_string(i));
    expected.push_back("command del " + std::to_string(i));
  }
  std::vector<std::string_view> many(300, "k");
  many.front() = "del";
  resp::append_command(stream, many);
  stream += wire("ping");
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Replica replica{chunk};
    replica.begin_streaming(14);
    replica.hear(stream);
    CHECK((replica.raw == stream));
    REQUIRE(replica.log.size() == 102);
    CHECK(Log(replica.log.begin(), replica.log.begin() + 100) == expected);
    CHECK(replica.log[100].size() == std::string("command del").size() + 299 * 2);
    CHECK(replica.log[101] == "command ping");
    CHECK((chunk < 1000 || replica.largest_batch == CommandBatch::commands_max));
  }
}

TEST_CASE("ReplicaSession: an argument as large as the protocol allows arrives in pieces") {
  Replica replica{65'536};
  replica.begin_streaming(0);
  const std::string value(3'000'000, 'v');
  const std::string stream = wire("set", "k", value) + wire("ping");
  replica.hear(stream);
  CHECK((replica.raw == stream));
  CHECK(replica.log.size() == 2);
}

TEST_CASE("ReplicaSession: acknowledges what was applied each second, and at once when it is asked") {
  Replica replica;
  replica.begin_streaming(14);
  CHECK(replica.session->deadline() == start + 1s);
  replica.hear(wire("set", "a", "1") + "*3\r\n$3\r\nset");  // the last one is not applied
  CHECK(replica.tick_at(start + 999ms).empty());
  CHECK(replica.tick_at(start + 1s) ==
        wire("REPLCONF", "ACK", std::to_string(14 + wire("set", "a", "1").size())));
  CHECK(replica.session->deadline() == start + 2s);
  replica.session->acknowledge(Offset{20});
  CHECK(replica.sent() == wire("REPLCONF", "ACK", "20"));
  CHECK(replica.session->deadline() == start + 2s);
  for (int i = 2; i < 50; ++i) CHECK_FALSE(replica.tick_at(start + std::chrono::seconds(i)).empty());
}

TEST_CASE("ReplicaSession: of many acknowledgements that are due at once the last one goes out") {
  Replica replica;
  replica.begin_streaming(14);
  for (std::uint64_t offset = 14; offset < 10'000; ++offset) replica.session->acknowledge(Offset{offset});
  CHECK(replica.sent() == wire("REPLCONF", "ACK", "9999"));
  CHECK(replica.sent().empty());
}

TEST_CASE("ReplicaSession: acknowledges nothing before it is in step") {
  Replica replica;
  replica.sent();
  replica.session->acknowledge(Offset{5});
  CHECK(replica.tick_at(start + 5s).empty());
  replica.hear("+PONG\r\n+OK\r\n+OK\r\n" + full_resync(14));
  replica.session->acknowledge(Offset{5});
  CHECK(replica.tick_at(start + 10s).empty());
}

TEST_CASE("ReplicaSession: whatever its owner objects to ends the session at once") {
  const std::string everything =
      full_resync(14) + with_mark(snapshot()) + wire("set", "a", "1") + wire("set", "b", "2");
  const Log whole{"full " + id_text + " 14", "key k1", "key k2", "end", "command set a 1", "command set b 2"};
  for (std::size_t objection = 0; objection < whole.size(); ++objection) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(whole[objection]);
      Replica replica{chunk};
      replica.shake_hands();
      replica.objects_to = whole[objection];
      const std::string said = replica.hear(everything);
      CHECK((said.empty() || objection > 3));
      CHECK(replica.log == Log(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(objection) + 1));
      CHECK(replica.failure() == Errc::diverged);
      replica.hear(everything);
      CHECK(replica.log.size() == objection + 1);
      CHECK(replica.session->deadline() == TimePoint::max());
    }
  }
  Replica partial{4096, held_at(5)};
  partial.shake_hands();
  partial.objects_to = "partial";
  partial.hear("+CONTINUE\r\n" + wire("ping"));
  CHECK(partial.failure() == Errc::diverged);
  CHECK(partial.log.size() == 1);
}

// --- Time and floods -------------------------------------------------------------------------------

TEST_CASE("ReplicaSession: a silent master is given up after the timeout, whatever it was doing") {
  Replica replica{4096, held_at(5), {.timeout = 60s}};
  SUBCASE("answering PING") {}
  SUBCASE("answering REPLCONF") { replica.hear("+PONG\r\n"); }
  SUBCASE("answering PSYNC") { replica.shake_hands(); }
  SUBCASE("preparing its snapshot") { replica.shake_hands(), replica.hear(full_resync(14)); }
  SUBCASE("sending its snapshot") {
    replica.shake_hands(), replica.hear(full_resync(14) + "$1000\r\nREDIS0009");
  }
  SUBCASE("sending its end mark") {
    replica.shake_hands();
    replica.hear(full_resync(14) + "$EOF:" + mark + "\r\n" + snapshot());
  }
  SUBCASE("streaming") { replica.begin_streaming(14); }
  CHECK(replica.session->deadline() <= start + 60s);
  replica.tick_at(start + 60s - 1ms);
  CHECK(replica.state() != State::failed);
  replica.tick_at(start + 60s);
  CHECK(replica.failure() == Errc::link_timeout);
  CHECK(replica.detail() == "nothing heard for 60000 ms");
  CHECK(replica.session->deadline() == TimePoint::max());
}

TEST_CASE("ReplicaSession: every byte is a sign of life, but a sync has to end some time") {
  Replica replica{4096, std::nullopt, {.full_resync_max = 120min, .timeout = 60s}};
  replica.shake_hands();
  const auto trickle_until = [&replica](TimePoint end) {
    while (replica.now + 50s < end && replica.state() != State::failed) {
      replica.tick_at(replica.now + 50s);
      replica.hear("\n");
    }
  };
  trickle_until(start + 120min);
  CHECK(replica.state() == State::asking);
  CHECK(replica.session->deadline() == start + 120min);
  replica.tick_at(start + 120min);
  CHECK(replica.failure() == Errc::link_timeout);
  CHECK(replica.detail() == "not in step after 120 min");

  Replica streaming;
  streaming.begin_streaming(14);
  for (int i = 0; i < 1'000; ++i) {
    streaming.tick_at(streaming.now + 50s);
    streaming.hear(wire("ping"));
  }
  CHECK(streaming.state() == State::streaming);
}

TEST_CASE("ReplicaSession: until PSYNC is out nothing takes a master long; all of it has one timeout") {
  Replica replica{4096, std::nullopt, {.timeout = 60s}};
  std::string heard;
  SUBCASE("answering PING") {}
  SUBCASE("answering REPLCONF") { heard = "+PONG\r\n+OK\r\n"; }
  replica.hear(heard);
  for (int i = 0; i < 11; ++i) {
    CHECK(replica.session->deadline() == std::min(start + 60s, replica.now + 60s));
    replica.tick_at(replica.now + 5s);
    replica.hear("\n");
    REQUIRE(replica.state() != State::failed);
  }
  replica.tick_at(start + 60s);
  CHECK(replica.failure() == Errc::link_timeout);
  CHECK(replica.detail() == "not introduced within 60000 ms");
}

TEST_CASE("ReplicaSession: a flood of newlines costs neither stack nor memory before the stream") {
  for (const std::size_t chunk : {1UL, 1'000'000UL}) {
    Replica replica{chunk};
    const std::string flood(1'000'000, '\n');
    CHECK(replica.hear(flood).starts_with("*1\r\n$4\r\nPING"));
    replica.hear("+PONG\r\n");
    replica.hear(flood);
    replica.hear("+OK\r\n+OK\r\n");
    replica.hear(flood);
    replica.hear(full_resync(14));
    replica.hear(flood);
    CHECK(replica.hear(with_length(snapshot())) == wire("REPLCONF", "ACK", "14"));
  }
}

TEST_CASE("ReplicaSession: in the stream newlines and endless commands stop at the limit for one command") {
  constexpr std::size_t limit = 1 << 20;
  const auto flood = [](const std::string& begin, const std::string& piece) {
    Replica replica{4096, std::nullopt, {.command_bytes_max = limit}};
    replica.begin_streaming(14);
    replica.hear(wire("set", "a", "1") + begin);
    std::size_t taken = begin.size();
    while (replica.state() == State::streaming && taken < 4 * limit) {
      replica.hear(piece);
      taken += piece.size();
    }
    CHECK(replica.failure() == Errc::protocol_error);
    CHECK(replica.detail() == "a command of more than 1048576 bytes");
    CHECK(taken <= limit + piece.size() + begin.size());
    CHECK(replica.take_log() == Log{"command set a 1"});
  };
  flood("", std::string(4'096, '\n'));
  flood("*3\r\n$3\r\nset\r\n$1\r\nk\r\n$536870912\r\n", std::string(4'096, 'x'));
  flood("*1000000\r\n", "$1000\r\n" + std::string(1'000, 'x') + "\r\n");
}

TEST_CASE("ReplicaSession: failed from outside, it stays failed for that reason") {
  Replica replica;
  replica.begin_streaming(14);
  replica.session->fail(Errc::unfollowed, "told so");
  replica.session->fail(Errc::shut_down, "later");
  replica.hear(wire("ping"));
  CHECK(replica.tick_at(start + 1h).empty());
  CHECK(replica.log.empty());
  CHECK(replica.failure() == Errc::unfollowed);
  CHECK(replica.session->received() == Offset{14});
}
