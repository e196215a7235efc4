#include <replikv/rdb/writer.hpp>
#include <replikv/replication/master_session.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using replikv::as_bytes;
using replikv::as_text;
using replikv::CommandStream;
using replikv::Credentials;
using replikv::Errc;
using replikv::MasterSession;
using replikv::Offset;
using replikv::PartialRefusal;
using replikv::ReplicaState;
using replikv::ReplicationId;
using replikv::ReplicationOptions;
using replikv::SharedBytes;
using replikv::StreamCursor;
using replikv::SyncRequest;
using replikv::TimePoint;
namespace resp = replikv::resp;
using State = MasterSession::State;

namespace {

constexpr std::string_view id_text = "db0b4ca4c052353166ce46354d2b92a1477f3cb8";
constexpr std::string_view own_text = "c90e3bbf00000000000000000000000000000001";
constexpr std::string_view mark = "13b067db01ffaccfb1c9bd9ee1a8a109b460648d";
constexpr std::size_t chunks[] = {1, 7, 4096};
const TimePoint start = TimePoint{} + 1'000s;

// The text of a command, as a replica sends it.
template <class... Words>
std::string wire(const Words&... words) {
  std::string bytes;
  resp::append_command(bytes, words...);
  return bytes;
}

// A master's end with everything around it: the stream, the owner, the wire.
struct Master final : MasterSession::Handler {
  explicit Master(std::size_t chunk_bytes = 4096, ReplicationOptions chosen = {})
      : options(std::move(chosen)), chunk(chunk_bytes) {
    stream.append_control({"ping"});  // 14 bytes, as in the trace
    session.emplace(options, *this, now);
  }
  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  void on_sync_requested(const SyncRequest& request) override { requests.push_back(request); }
  void on_acknowledged() override { ++acknowledgements; }
  void on_online() override { ++onlines; }

  // The peer says this; returns what it is answered.
  std::string hear(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); at += chunk)
      session->receive(as_bytes(text.substr(at, chunk)), now);
    return sent();
  }
  std::string sent(std::size_t bytes_max = 1 << 30) {
    std::vector<SharedBytes> out;
    const std::size_t bytes = session->collect(stream, bytes_max, out, now);
    std::string text;
    for (const auto& piece : out) text += as_text(piece.bytes());
    CHECK(text.size() == bytes);
    return text;
  }
  // Time passes with a tick at each deadline; returns what is sent.
  std::string wait(replikv::Duration duration) {
    std::string text;
    const TimePoint end = now + duration;
    while (session->deadline() <= end) {
      REQUIRE(session->deadline() >= now);
      now = session->deadline();
      session->tick(now);
      text += sent();
      if (session->state() == State::failed) return text;
    }
    now = end;
    return text;
  }
  void write() { stream.append(0, resp::Arguments(std::vector<std::string_view>{"DEL", "k"})); }
  void grant(std::uint64_t next_byte) {
    PartialRefusal why;
    auto cursor = stream.continue_from(id, next_byte, why);
    REQUIRE(cursor);
    session->continue_from(*cursor, id);
  }
  void begin_snapshot() { session->begin_snapshot(stream.cursor_at_end(), id, mark); }
  std::error_code failure() const { return session->failure().code; }

  const ReplicationId id = ReplicationId::parse(id_text).value();
  ReplicationOptions options;
  std::size_t chunk;
  TimePoint now = start;
  CommandStream stream{id, 1 << 20};
  std::optional<MasterSession> session;
  std::vector<SyncRequest> requests;
  int acknowledgements = 0;
  int onlines = 0;
};

const std::string handshake = wire("PING") + wire("REPLCONF", "listening-port", "7101") +
                              wire("REPLCONF", "capa", "eof", "capa", "psync2");
const std::string no_auth = "-NOAUTH Authentication required.\r\n";
const std::string wrong_password = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

}  // namespace

// --- Dialogues -------------------------------------------------------------------------------------

TEST_CASE("MasterSession: a full resync runs as between two real servers") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Master master{chunk};
    CHECK(master.hear(wire("PING")) == "+PONG\r\n");
    CHECK(master.hear(wire("REPLCONF", "listening-port", "7101")) == "+OK\r\n");
    CHECK(master.hear(wire("REPLCONF", "capa", "eof", "capa", "psync2")) == "+OK\r\n");
    CHECK(master.session->state() == State::handshake);
    CHECK_FALSE(master.session->is_replica());
    CHECK(master.hear(wire("PSYNC", own_text, "1")).empty());
    REQUIRE(master.requests.size() == 1);
    CHECK(master.requests[0].id == ReplicationId::parse(own_text));
    CHECK(master.requests[0].next_byte == 1);
    CHECK(master.session->state() == State::waiting);
    CHECK(master.session->replica_state() == ReplicaState::waiting_for_snapshot);
    CHECK(master.session->is_replica());
    CHECK_FALSE(master.session->pinned_from());

    CHECK(master.wait(5s) == "\n\n\n\n\n");
    master.begin_snapshot();
    CHECK(master.session->state() == State::sending_snapshot);
    CHECK(master.session->replica_state() == ReplicaState::receiving_snapshot);
    CHECK(master.session->pinned_from() == Offset{14});
    CHECK(master.sent() ==
          "+FULLRESYNC " + std::string(id_text) + " 14\r\n$EOF:" + std::string(mark) + "\r\n");
    master.session->add_snapshot(SharedBytes(std::string("REDIS0009 first ")));
    CHECK(master.sent() == "REDIS0009 first ");
    master.write();
    master.session->add_snapshot(SharedBytes(std::string("second")));
    master.session->end_snapshot();
    CHECK(master.session->state() == State::awaiting_ack);
    CHECK(master.session->replica_state() == ReplicaState::receiving_snapshot);
    CHECK(master.sent() == "second" + std::string(mark));

    master.write();  // nothing of it between the end mark and the first ACK
    CHECK(master.sent().empty());
    CHECK(master.wait(20s).empty());
    CHECK(master.onlines == 0);
    CHECK(master.hear(wire("REPLCONF", "ACK", "14")) ==
          "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
    CHECK(master.onlines == 1);
    CHECK(master.acknowledgements == 1);
    CHECK(master.session->is_online());
    CHECK(master.session->replica_state() == ReplicaState::online);
    CHECK(master.session->acknowledged() == Offset{14});
    CHECK(master.session->last_acknowledged() == master.now);
    CHECK(master.session->listening_port() == 7101);
    CHECK(master.session->pinned_from() == master.stream.end());

    master.stream.append_control({"ping"});
    CHECK(master.sent() == "*1\r\n$4\r\nping\r\n");
    CHECK(master.hear(wire("REPLCONF", "ACK", std::to_string(master.stream.end().bytes))).empty());
    CHECK(master.session->acknowledged() == master.stream.end());
    CHECK(master.onlines == 1);
  }
}

TEST_CASE("MasterSession: a replica without capa eof gets the length first, and the stream right behind") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Master master{chunk};
    CHECK(master.hear(wire("PING") + wire("PSYNC", "?", "-1")) == "+PONG\r\n");
    REQUIRE(master.requests.size() == 1);
    CHECK_FALSE(master.requests[0].id);
    master.begin_snapshot();
    CHECK(master.session->state() == State::collecting_snapshot);
    CHECK(master.session->replica_state() == ReplicaState::waiting_for_snapshot);
    CHECK(master.session->takes_snapshot());
    CHECK(master.sent() == "+FULLRESYNC " + std::string(id_text) + " 14\r\n");
    master.session->add_snapshot(SharedBytes(std::string("12345")));
    CHECK(master.wait(3s) == "\n\n\n");  // still patient: the length is not known yet
    master.write();
    master.session->add_snapshot(SharedBytes(std::string("678")));
    CHECK(master.sent().empty());
    master.session->end_snapshot();
    CHECK(master.onlines == 1);
    CHECK(master.session->is_online());
    CHECK(master.sent() == "$8\r\n12345678*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
    CHECK(master.wait(3s).empty());
    CHECK_FALSE(master.session->takes_snapshot());
  }
}

TEST_CASE(
    "MasterSession: SYNC is the same transfer without offsets, and never times out for want of an ACK") {
  for (const std::string& request : {std::string("SYNC\r\n"), wire("sync")}) {
    CAPTURE(request);
    Master master;
    CHECK(master.hear(request).empty());
    REQUIRE(master.requests.size() == 1);
    CHECK_FALSE(master.requests[0].id);
    CHECK(master.requests[0].next_byte == 0);
    master.begin_snapshot();
    master.session->add_snapshot(SharedBytes(std::string("12345")));
    master.session->end_snapshot();
    CHECK(master.sent() == "$5\r\n12345");
    CHECK_FALSE(master.session->acknowledges());
    CHECK(master.wait(1h).empty());
    CHECK(master.session->is_online());
    master.stream.append_control({"ping"});
    CHECK(master.sent() == "*1\r\n$4\r\nping\r\n");
    CHECK(master.hear(wire("REPLCONF", "ACK", "999999")).empty());  // redis-cli --replica; means nothing
    CHECK(master.session->is_online());
  }
}

TEST_CASE("MasterSession: SYNC takes an end mark from a peer that knows them") {
  Master master;
  CHECK(master.hear(wire("REPLCONF", "capa", "eof") + wire("REPLCONF", "rdb-only", "1") + "SYNC\r\n") ==
        "+OK\r\n+OK\r\n");
  master.begin_snapshot();
  master.session->end_snapshot();
  CHECK(master.sent() == "$EOF:" + std::string(mark) + "\r\n" + std::string(mark));
}

TEST_CASE("MasterSession: who filters all keys out gets a whole file without any at once, then the stream") {
  replikv::rdb::Writer writer;
  writer.header();
  writer.end();
  const std::string nothing = writer.take();
  for (const std::string parts : {"", "functions", "Functions"}) {
    CAPTURE(parts);
    Master master;
    CHECK(master.hear(wire("REPLCONF", "rdb-filter-only", parts) + "SYNC\r\n") == "+OK\r\n");
    master.begin_snapshot();
    CHECK_FALSE(master.session->takes_snapshot());  // of those who want all of it
    CHECK(master.sent() == "$" + std::to_string(nothing.size()) + "\r\n" + nothing);
    CHECK(master.session->is_online());
    master.stream.append_control({"ping"});
    CHECK(master.sent() == "*1\r\n$4\r\nping\r\n");
  }
  Master master;
  CHECK(master.hear(wire("REPLCONF", "capa", "eof", "rdb-filter-only", "functions") + "SYNC\r\n") ==
        "+OK\r\n");
  master.begin_snapshot();
  CHECK(master.sent() == "$EOF:" + std::string(mark) + "\r\n" + nothing + std::string(mark));
  CHECK(master.session->state() == State::awaiting_ack);
}

TEST_CASE("MasterSession: a SYNC that was refused does not spoil the PSYNC after it") {
  Master master;
  const std::string full = "+FULLRESYNC " + std::string(id_text) + " 14\r\n";
  SUBCASE("for its arguments") {
    CHECK(master.hear(wire("SYNC", "junk")) == "-ERR wrong number of arguments for 'sync' command\r\n");
  }
  SUBCASE("by the owner") {
    master.hear(wire("SYNC"));
    master.session->refuse_sync("NOMASTERLINK Can't SYNC while not connected with my master");
    CHECK(master.sent() == "-NOMASTERLINK Can't SYNC while not connected with my master\r\n");
  }
  CHECK(master.hear(wire("PSYNC", "?", "-1")).empty());
  master.begin_snapshot();
  CHECK(master.sent() == full);
  CHECK(master.session->acknowledges());
}

TEST_CASE("MasterSession: a partial resync names the replication id to those who understand it") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    for (const bool psync2 : {true, false}) {
      CAPTURE(psync2);
      Master master{chunk};
      master.write();
      master.hear(psync2 ? handshake : wire("PING") + wire("REPLCONF", "capa", "eof", "CAPA", "unknown"));
      CHECK(master.hear(wire("PSYNC", id_text, "15")).empty());
      REQUIRE(master.requests.size() == 1);
      CHECK(master.requests[0].id == master.id);
      CHECK(master.requests[0].next_byte == 15);
      master.grant(15);
      CHECK(master.onlines == 1);
      CHECK(master.session->acknowledged() == Offset{14});
      CHECK(master.sent() ==
            (psync2 ? "+CONTINUE " + std::string(id_text) + "\r\n" : std::string("+CONTINUE\r\n")) +
                "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
    }
  }
}

TEST_CASE("MasterSession: a refused sync leaves the replica in its handshake, free to ask again") {
  Master master;
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  master.session->refuse_sync("NOMASTERLINK Can't SYNC while not connected with my master");
  CHECK(master.sent() == "-NOMASTERLINK Can't SYNC while not connected with my master\r\n");
  CHECK_FALSE(master.session->is_replica());
  CHECK(master.hear(wire("PING")) == "+PONG\r\n");
  master.hear(wire("PSYNC", "?", "-1"));
  CHECK(master.requests.size() == 2);
}

TEST_CASE(
    "MasterSession: the whole handshake may come at once, with newlines, as inline lines, in any case") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Master master{chunk};
    CHECK(master.hear("\r\n\nping\r\n*0\r\n*-1\r\nrePLconf Listening-Port 65535 IP-Address \"10.0.0.7\"\n"
                      "replconf capa EOF capa PSYNC2\r\npsync ? -1\r\n") == "+PONG\r\n+OK\r\n+OK\r\n");
    CHECK(master.session->listening_port() == 65535);
    CHECK(master.session->announced_ip() == "10.0.0.7");
    CHECK(master.requests.size() == 1);
    master.begin_snapshot();
    CHECK(master.session->state() == State::sending_snapshot);
  }
}

TEST_CASE("MasterSession: output comes in amounts asked for, replies and snapshot before the stream") {
  Master master;
  for (int i = 0; i < 100; ++i) master.write();
  master.hear(handshake + wire("PSYNC", id_text, "1"));
  master.grant(1);
  CHECK(master.sent(1) == "+CONTINUE " + std::string(id_text) + "\r\n");
  CHECK(master.sent(10).size() == 10);
  CHECK(master.sent(0).empty());
  CHECK(master.session->pinned_from() == Offset{10});
  CHECK(master.sent().size() == master.stream.end().bytes - 10);
}

// --- PSYNC -----------------------------------------------------------------------------------------

TEST_CASE(
    "MasterSession: whatever PSYNC asks for that cannot be read is a wish for a full resync, not an error") {
  struct Asked {
    std::string id;
    std::string next_byte;
    bool has_id;
    std::uint64_t read;
  };
  const std::string id(id_text);
  const Asked all[] = {
      {"?", "-1", false, 0},
      {"?", "5", false, 5},
      {"junk", "1", false, 1},
      {"", "", false, 0},
      {std::string(41, 'a'), "1", false, 1},
      {std::string(40, 'g'), "1", false, 1},
      {id, "-5", true, 0},
      {id, "0", true, 0},
      {id, "x", true, 0},
      {id, "", true, 0},
      {id, "01", true, 0},
      {id, "+1", true, 0},
      {id, "1 ", true, 0},
      {id, "9223372036854775807", true, 9223372036854775807U},
      {id, "9223372036854775808", true, 9223372036854775808U},
      {id, "18446744073709551615", true, 18446744073709551615U},
      {id, "18446744073709551616", true, 0},
      {id, "99999999999999999999999999999999", true, 0},
      {"DB0B4CA4C052353166CE46354D2B92A1477F3CB8", "15", true, 15},
  };
  for (const Asked& asked : all) {
    CAPTURE(asked.id);
    CAPTURE(asked.next_byte);
    for (const std::size_t chunk : {1U, 4096U}) {
      Master master{chunk};
      CHECK(master.hear(wire("PSYNC", asked.id, asked.next_byte)).empty());
      CHECK(master.session->state() == State::waiting);
      REQUIRE(master.requests.size() == 1);
      CHECK(master.requests[0].id.has_value() == asked.has_id);
      CHECK(master.requests[0].next_byte == asked.read);
      if (asked.has_id) CHECK(master.requests[0].id == master.id);
    }
  }
}

TEST_CASE("MasterSession: PSYNC needs an id and an offset, and PSYNC FAILOVER is not for a master") {
  Master master;
  CHECK(master.hear(wire("PSYNC")) == "-ERR wrong number of arguments for 'psync' command\r\n");
  CHECK(master.hear(wire("PSYNC", "?")) == "-ERR wrong number of arguments for 'psync' command\r\n");
  CHECK(master.hear(wire("PSYNC", id_text, "15", "failover")) ==
        "-ERR PSYNC FAILOVER can't be sent to a master.\r\n");
  CHECK(master.requests.empty());
  CHECK(master.session->state() == State::handshake);
}

TEST_CASE("MasterSession: PSYNC on a link that is a replica's already is ignored") {
  Master master;
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  CHECK(master.hear(wire("PSYNC", "?", "-1") + wire("SYNC")).empty());
  master.begin_snapshot();
  master.sent();
  CHECK(master.hear(wire("PSYNC", "?", "-1")).empty());
  CHECK(master.session->state() == State::sending_snapshot);
  CHECK(master.requests.size() == 1);
}

// --- Authentication --------------------------------------------------------------------------------

TEST_CASE(
    "MasterSession: until it has authenticated a peer is told NOAUTH, but unknown commands and wrong arity "
    "first") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Master master{chunk, {.accepts = {{"", "secret"}}}};
    CHECK(master.hear(wire("PING")) == no_auth);
    CHECK(master.hear(wire("REPLCONF", "capa", "eof")) == no_auth);
    CHECK(master.hear(wire("REPLCONF", "capa")) == no_auth);
    CHECK(master.hear(wire("PSYNC", "?", "-1")) == no_auth);
    CHECK(master.hear("SYNC\r\n") == no_auth);
    CHECK(master.hear(wire("PSYNC")) == "-ERR wrong number of arguments for 'psync' command\r\n");
    CHECK(master.hear(wire("SYNC", "x")) == "-ERR wrong number of arguments for 'sync' command\r\n");
    CHECK(master.hear(wire("FOO", "a", "b")) ==
          "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n");
    CHECK(master.requests.empty());
    CHECK(master.hear(wire("AUTH", "secret")) == "+OK\r\n");
    CHECK(master.hear(handshake) == "+PONG\r\n+OK\r\n+OK\r\n");
    CHECK(master.hear(wire("PSYNC", "?", "-1")).empty());
    CHECK(master.requests.size() == 1);
  }
}

TEST_CASE("MasterSession: AUTH knows a password alone, the default user's, and users with theirs") {
  const ReplicationOptions options{.accepts = {{"", "first"}, {"replica", "second"}, {"empty", ""}}};
  const auto answer = [&options](const std::string& request) {
    Master master{4096, options};
    const std::string said = master.hear(request);
    const bool in = master.hear(wire("PING")) == "+PONG\r\n";
    CHECK(in == (said == "+OK\r\n"));
    return said;
  };
  CHECK(answer(wire("AUTH", "first")) == "+OK\r\n");
  CHECK(answer("auth first\r\n") == "+OK\r\n");
  CHECK(answer(wire("AUTH", "default", "first")) == "+OK\r\n");
  CHECK(answer(wire("AUTH", "replica", "second")) == "+OK\r\n");
  CHECK(answer(wire("AUTH", "empty", "")) == "+OK\r\n");

  CHECK(answer(wire("AUTH", "second")) == wrong_password);
  CHECK(answer(wire("AUTH", "")) == wrong_password);
  CHECK(answer(wire("AUTH", "replica", "first")) == wrong_password);
  CHECK(answer(wire("AUTH", "default", "second")) == wrong_password);
  CHECK(answer(wire("AUTH", "Replica", "second")) == wrong_password);
  CHECK(answer(wire("AUTH", "", "first")) == wrong_password);
  CHECK(answer(wire("AUTH", "nobody", "first")) == wrong_password);
  CHECK(answer(wire("AUTH", "first", "")) == wrong_password);

  CHECK(answer(wire("AUTH")) == "-ERR wrong number of arguments for 'auth' command\r\n");
  CHECK(answer(wire("AUTH", "default", "first", "x")) == "-ERR syntax error\r\n");
}

TEST_CASE("MasterSession: where no password is set, AUTH answers as redis-server does") {
  Master master;
  CHECK(master.hear(wire("AUTH", "x")) ==
        "-ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?\r\n");
  CHECK(master.hear(wire("AUTH", "default", "anything")) == "+OK\r\n");
  CHECK(master.hear(wire("AUTH", "other", "anything")) == wrong_password);
  CHECK(master.hear(wire("PING")) == "+PONG\r\n");
}

TEST_CASE("MasterSession: the third wrong password ends the link, after it was answered") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    Master master{chunk, {.accepts = {{"", "secret"}}}};
    CHECK(master.hear(wire("AUTH", "1")) == wrong_password);
    CHECK(master.hear(wire("AUTH", "default", "2")) == wrong_password);
    CHECK(master.session->state() == State::handshake);
    CHECK(master.hear(wire("AUTH", "3") + wire("AUTH", "secret") + wire("PING")) == wrong_password);
    CHECK(master.session->state() == State::failed);
    CHECK(master.failure() == Errc::wrong_password);
    CHECK(master.hear(wire("AUTH", "secret")).empty());
  }
}

// --- Requests --------------------------------------------------------------------------------------

TEST_CASE(
    "MasterSession: unknown commands are named with their first arguments, and hostile text stays on its "
    "line") {
  Master master;
  CHECK(master.hear(wire("FOO")) == "-ERR unknown command 'FOO', with args beginning with: \r\n");
  CHECK(master.hear(wire("")) == "-ERR unknown command '', with args beginning with: \r\n");
  CHECK(master.hear(wire("get", "a\r\n+OK", "b")) ==
        "-ERR unknown command 'get', with args beginning with: 'a  +OK' 'b' \r\n");
  CHECK(master.hear(wire("pingpingpingpingping")).starts_with("-ERR unknown command 'pingping"));
  const std::string answer = master.hear(wire(std::string(5'000, 'x'), std::string(5'000, 'y')));
  CHECK(answer.size() < 400);
  CHECK(master.session->state() == State::handshake);
}

TEST_CASE("MasterSession: REPLCONF takes what replicas say and names what it does not know") {
  Master master;
  const auto say = [&master](const auto&... words) { return master.hear(wire("REPLCONF", words...)); };
  CHECK(say() == "+OK\r\n");
  for (const std::string port : {"0", "1", "6379", "65535"}) {
    CHECK(say("listening-port", port) == "+OK\r\n");
    CHECK(std::to_string(master.session->listening_port()) == port);
  }
  for (const std::string port : {"65536", "-1", "x", "", "06379", "6379 ", "99999999999999999999"}) {
    CAPTURE(port);
    CHECK(say("listening-port", port) == "-ERR value is not an integer or out of range\r\n");
    CHECK(master.session->listening_port() == 65535);
  }
  CHECK(say("capa", "eof", "capa", "psync2", "capa", "dual-channel") == "+OK\r\n");
  CHECK(say("rdb-only", "0") == "+OK\r\n");
  CHECK(say("rdb-filter-only", "") == "+OK\r\n");
  CHECK(say("rdb-filter-only", "keys") == "-ERR Unsupported rdb-filter-only option: keys\r\n");
  CHECK(say("version", "8.0.1") == "+OK\r\n");
  CHECK(say("ack") == "-ERR syntax error\r\n");
  CHECK(say("capa", "eof", "listening-port") == "-ERR syntax error\r\n");
  CHECK(say("foo", "bar") == "-ERR Unrecognized REPLCONF option: foo\r\n");
  CHECK(say("FOO\r\n+OK", "bar") == "-ERR Unrecognized REPLCONF option: FOO  +OK\r\n");
  CHECK(say("foo", "1", "listening-port", "7") == "-ERR Unrecognized REPLCONF option: foo\r\n");
  CHECK(master.session->listening_port() == 65535);
}

TEST_CASE("MasterSession: REPLCONF ACK and GETACK are never answered") {
  Master master;
  CHECK(master.hear(wire("REPLCONF", "ACK", "0")).empty());
  CHECK(master.hear(wire("REPLCONF", "ack", "5", "FACK", "5")).empty());
  CHECK(master.hear(wire("REPLCONF", "GETACK", "*")).empty());
  CHECK(master.acknowledgements == 0);
  CHECK(master.session->state() == State::handshake);
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  CHECK(master.hear(wire("REPLCONF", "GETACK", "*") + wire("REPLCONF", "ack") + wire("REPLCONF", "foo", "x"))
            .empty());
  CHECK(master.hear(wire("REPLCONF", "ACK", "junk") + wire("REPLCONF", "ACK", "-1")).empty());
  CHECK(master.session->state() == State::waiting);
}

TEST_CASE("MasterSession: an announced address must not be able to break the lines of INFO") {
  Master master;
  for (const std::string good : {"10.0.0.1", "::1", "fe80::1%eth0", "db-1.example_x.org", ""}) {
    CHECK(master.hear(wire("REPLCONF", "ip-address", good)) == "+OK\r\n");
    CHECK(master.session->announced_ip() == good);
  }
  CHECK(master.hear(wire("REPLCONF", "ip-address", std::string(255, 'a'))) == "+OK\r\n");
  for (const std::string& bad : {std::string("a b"), std::string("a,port=1"), std::string("a\r\nrole:master"),
                                 std::string("a\0b", 3), std::string("\xff"), std::string(256, 'a')}) {
    CAPTURE(bad);
    CHECK(master.hear(wire("REPLCONF", "ip-address", bad)).starts_with("-ERR "));
    CHECK(master.session->announced_ip() == std::string(255, 'a'));
  }
}

TEST_CASE(
    "MasterSession: a replica's link carries acknowledgements only; a normal command closes it unanswered") {
  for (const std::size_t chunk : chunks) {
    CAPTURE(chunk);
    for (const std::string_view command : {"SET k v", "PING", "AUTH x", "QUIT", "GET k"}) {
      CAPTURE(command);
      for (const bool online : {true, false}) {
        Master master{chunk};
        master.hear(handshake + wire("PSYNC", id_text, "15"));
        if (online) master.grant(15);
        master.sent();
        master.write();
        CHECK(master.hear(std::string(command) + "\r\n").empty());
        CHECK(master.session->state() == State::failed);
        CHECK(master.failure() == Errc::protocol_error);
        CHECK(master.session->deadline() == TimePoint::max());
      }
    }
  }
}

TEST_CASE("MasterSession: QUIT is answered and ends the link") {
  Master master;
  CHECK(master.hear(wire("QUIT") + wire("PING")) == "+OK\r\n");
  CHECK(master.failure() == Errc::link_closed);
}

TEST_CASE(
    "MasterSession: bytes that are no protocol are answered in the protocol's words, then the link ends") {
  struct Case {
    std::string said;
    std::string answer;
  };
  const Case all[] = {
      {"*x\r\n", "invalid multibulk length"},
      {"*1\r\n:5\r\n", "expected '$', got ':'"},
      {"*1\r\n$-5\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999\r\n", "invalid bulk length"},
      {"*9999999999\r\n", "invalid multibulk length"},
      {"PING \"x\r\n", "unbalanced quotes in request"},
      {std::string(70'000, 'x'), "too big inline request"},
      {"*" + std::string(70'000, '1'), "too big mbulk count string"},
      {"*1\r\n$" + std::string(70'000, '1'), "too big bulk count string"},
  };
  for (const Case& one : all) {
    for (const std::size_t chunk : chunks) {
      CAPTURE(one.answer);
      CAPTURE(chunk);
      Master master{chunk};
      CHECK(master.hear(wire("PING") + one.said) == "+PONG\r\n-ERR Protocol error: " + one.answer + "\r\n");
      CHECK(master.failure() == Errc::protocol_error);
      CHECK(master.session->state() == State::failed);
      CHECK(master.hear(wire("PING")).empty());
    }
  }
}

TEST_CASE("MasterSession: before authentication a peer may send little") {
  const auto answer = [](const std::string& said, std::size_t chunk = 4096) {
    Master master{chunk, {.accepts = {{"", "secret"}}}};
    const std::string heard = master.hear(said);
    CHECK((master.session->state() == State::failed) == heard.starts_with("-ERR Protocol"));
    return heard;
  };
  for (const std::size_t chunk : chunks) {
    CHECK(answer("*11\r\n", chunk) == "-ERR Protocol error: unauthenticated multibulk length\r\n");
    CHECK(answer("*2\r\n$4\r\nAUTH\r\n$16385\r\n", chunk) ==
          "-ERR Protocol error: unauthenticated bulk length\r\n");
  }
  CHECK(answer(wire("AUTH", std::string(16'384, 'x'))) == wrong_password);
  CHECK(
      answer(wire("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")).starts_with("-ERR unknown command 'a'"));
  std::string large = "*10\r\n";  // each argument is legal, all together are too much
  for (int i = 0; i < 9; ++i) large += "$16384\r\n" + std::string(16'384, 'x') + "\r\n";
  CHECK(answer(large) == "-ERR Protocol error: request too large for a replica\r\n");
}

TEST_CASE("MasterSession: after authentication a request may be longer, and no more than any replica sends") {
  Master master{4096, {.accepts = {{"", "secret"}}}};
  CHECK(master.hear(wire("AUTH", "secret")) == "+OK\r\n");
  CHECK(master.hear(wire("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", std::string(20'000, 'k')))
            .starts_with("-ERR unknown command 'a'"));
  master.hear("*2\r\n$4\r\nPING\r\n$536870912\r\n");
  const std::string piece(4'096, 'x');
  std::size_t taken = 0;
  std::string heard;
  while (heard.empty() && taken < (std::size_t{4} << 20)) {
    heard = master.hear(piece);
    taken += piece.size();
  }
  CHECK(heard == "-ERR Protocol error: request too large for a replica\r\n");
  CHECK(taken <= (std::size_t{1} << 20) + 8'192);
}

TEST_CASE("MasterSession: garbage on a replica's link closes it without a word into the stream") {
  for (const std::size_t chunk : chunks) {
    Master master{chunk};
    master.hear(handshake + wire("PSYNC", id_text, "15"));
    master.grant(15);
    master.sent();
    CHECK(master.hear("*1\r\n:garbage").empty());
    CHECK(master.failure() == Errc::protocol_error);
    CHECK(master.session->failure().message() == "protocol error: expected '$', got ':'");
  }
}

TEST_CASE("MasterSession: half a command is waited for, and no longer than the timeout") {
  Master master;
  CHECK(master.hear("*1\r\n$4\r\nPI").empty());
  CHECK(master.hear("NG\r\n*1\r\n$4\r\nPING") == "+PONG\r\n");
  CHECK(master.wait(59s).empty());
  CHECK(master.hear("\r\n") == "+PONG\r\n");
  master.hear("*1\r");
  master.wait(61s);
  CHECK(master.failure() == Errc::link_timeout);
}

TEST_CASE("MasterSession: a peer that never reads its replies is dropped before they fill memory") {
  for (const std::string& request : {std::string("PING\r\n"), wire("REPLCONF"), wire("x")}) {
    CAPTURE(request);
    Master master;
    std::string many;
    while (many.size() < 60'000) many += request;
    for (int i = 0; i < 1'000 && master.session->state() != State::failed; ++i) {
      master.session->receive(as_bytes(many), master.now);
    }
    CHECK(master.failure() == Errc::output_limit);
    CHECK(master.session->queued_bytes() < (std::size_t{2} << 20));
  }
}

TEST_CASE("MasterSession: what the network has not taken counts among the replies not read") {
  for (const bool has_password : {false, true}) {
    CAPTURE(has_password);
    ReplicationOptions options;
    if (has_password) options.accepts = {{"", "secret"}};
    const std::size_t allowed = std::size_t{1} << (has_password ? 16 : 20);
    Master master{4096, options};
    std::size_t unsent = 0;
    while (master.session->state() != State::failed && unsent < 4 * allowed) {
      master.session->receive(as_bytes("PING\r\n"), master.now, unsent);
      unsent += master.sent().size();
    }
    CHECK(master.failure() == Errc::output_limit);
    CHECK(unsent <= allowed + 100);
  }
}

TEST_CASE("MasterSession: what is kept of requests is little before authentication, and given back") {
  Master master{4096, {.accepts = {{"", "secret"}}}};
  for (int i = 0; i < 100; ++i) {
    std::string large = "*4\r\n";
    for (int j = 0; j < 3; ++j) large += "$16384\r\n" + std::string(16'384, 'x') + "\r\n";
    master.hear(large);
    CHECK(master.session->received_capacity() <= std::size_t{128} << 10);
    master.hear("$1\r\ny\r\n");
    REQUIRE(master.session->state() == State::handshake);
  }
  master.hear(wire("AUTH", "secret") + "*2\r\n$4\r\nPING\r\n$900000\r\n" + std::string(900'000, 'x'));
  CHECK(master.session->received_capacity() >= 900'000);
  master.hear("\r\n");
  CHECK(master.session->received_capacity() <= std::size_t{64} << 10);
}

TEST_CASE("MasterSession: a browser's request ends the link unanswered, from its header on") {
  for (const std::size_t chunk : chunks) {
    Master post{chunk};
    CHECK(post.hear("POST / HTTP/1.1\r\nHost: x\r\n\r\nPSYNC ? -1\r\n").empty());
    CHECK(post.failure() == Errc::protocol_error);
    CHECK(post.requests.empty());
    Master get{chunk};
    CHECK(get.hear("GET / HTTP/1.1\r\nhOST: x\r\n\r\nPSYNC ? -1\r\n")
              .starts_with("-ERR unknown command 'GET'"));
    CHECK(get.failure() == Errc::protocol_error);
    CHECK(get.requests.empty());
  }
}

// --- Acknowledgements and time ---------------------------------------------------------------------

TEST_CASE("MasterSession: an acknowledgement of bytes never sent ends the link") {
  for (const std::uint64_t too_many : {std::uint64_t{1}, std::uint64_t{1} << 62}) {
    Master master{1};
    master.hear(handshake + wire("PSYNC", id_text, "15"));
    master.grant(15);
    master.write();
    CHECK(master.hear(wire("REPLCONF", "ACK", "14")).ends_with("DEL\r\n$1\r\nk\r\n"));
    const std::uint64_t sent = master.stream.end().bytes;
    const std::string forged = std::to_string(sent + too_many);
    master.write();  // written, but not sent yet
    master.session->receive(as_bytes(wire("REPLCONF", "ACK", std::to_string(sent))), master.now);
    CHECK(master.session->acknowledged() == Offset{sent});
    master.session->receive(as_bytes(wire("REPLCONF", "ACK", forged)), master.now);
    CHECK(master.session->state() == State::failed);
    CHECK(master.failure() == Errc::forged_ack);
    CHECK(master.session->failure().detail ==
          "acknowledged " + forged + ", was sent " + std::to_string(sent));
    CHECK(master.session->acknowledged() == Offset{sent});
    CHECK(master.acknowledgements == 2);
    CHECK(master.sent().empty());
  }
}

TEST_CASE("MasterSession: a snapshot's receiver cannot acknowledge past its beginning") {
  Master master;
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  master.begin_snapshot();
  master.session->end_snapshot();
  master.sent();
  master.write();
  master.hear(wire("REPLCONF", "ACK", "15"));
  CHECK(master.failure() == Errc::forged_ack);
  CHECK(master.onlines == 0);
}

TEST_CASE("MasterSession: what a replica acknowledged once it cannot take back") {
  Master master;
  master.write();
  master.hear(handshake + wire("PSYNC", id_text, "15"));
  master.grant(15);
  master.sent();
  master.hear(wire("REPLCONF", "ACK", "57"));
  master.now += 3s;
  master.hear(wire("REPLCONF", "ACK", "20"));
  CHECK(master.session->acknowledged() == Offset{57});
  CHECK(master.session->last_acknowledged() == master.now);  // it lives, all the same
  CHECK(master.session->is_online());
  master.hear(wire("REPLCONF", "ACK", "57x") + wire("REPLCONF", "ACK", ""));
  CHECK(master.session->acknowledged() == Offset{57});
}

TEST_CASE("MasterSession: a silent peer is dropped after the timeout, in its handshake as online") {
  Master master{4096, {.timeout = 60s}};
  SUBCASE("that never says anything") {}
  SUBCASE("in its handshake") { master.hear(handshake); }
  SUBCASE("that was refused") {
    master.hear(wire("PSYNC", "?", "-1"));
    master.session->refuse_sync("LOADING");
    master.sent();
  }
  SUBCASE("online") {
    master.hear(handshake + wire("PSYNC", id_text, "15"));
    master.grant(15);
    master.sent();
  }
  SUBCASE("between its snapshot and its first ACK") {
    master.hear(handshake + wire("PSYNC", "?", "-1"));
    master.begin_snapshot();
    master.session->end_snapshot();
    master.sent();
  }
  CHECK(master.session->deadline() == start + 60s);
  master.now = start + 60s - 1ms;
  master.session->tick(master.now);
  CHECK(master.session->state() != State::failed);
  master.now += 1ms;
  master.session->tick(master.now);
  CHECK(master.failure() == Errc::link_timeout);
  CHECK(master.session->failure().detail == "nothing heard for 60000 ms");
}

TEST_CASE("MasterSession: the stream's own traffic does not keep a dead replica alive, its ACKs do") {
  Master master{4096, {.timeout = 60s}};
  master.hear(handshake + wire("PSYNC", id_text, "15"));
  master.grant(15);
  master.sent();
  for (int i = 0; i < 30; ++i) {
    master.now += 5s;
    master.write();
    master.sent();
    master.hear(wire("REPLCONF", "ACK", "14"));
    if (master.now >= master.session->deadline()) master.session->tick(master.now);
  }
  REQUIRE(master.session->is_online());
  for (int i = 0; i < 12; ++i) {
    CHECK(master.session->is_online());
    master.now += 5s;
    master.write();
    master.sent();
    if (master.now >= master.session->deadline()) master.session->tick(master.now);
  }
  CHECK(master.failure() == Errc::link_timeout);
}

TEST_CASE("MasterSession: a replica that takes its snapshot for longer than the timeout, silently, is kept") {
  // As redis-server does: nothing is said while a snapshot is written to disk.
  Master master{4096, {.timeout = 60s}};
  const auto pass = [&master](replikv::Duration duration) {
    master.now += duration;
    if (master.now >= master.session->deadline()) master.session->tick(master.now);
  };
  SUBCASE("with an end mark") {
    master.hear(handshake + wire("PSYNC", "?", "-1"));
    master.begin_snapshot();
    for (int i = 0; i < 10; ++i) {
      master.session->add_snapshot(SharedBytes(std::string("piece")));
      CHECK_FALSE(master.sent().empty());
      pass(30s);
      REQUIRE(master.session->state() == State::sending_snapshot);
    }
    master.session->end_snapshot();
    CHECK(master.sent() == mark);
    CHECK(master.session->deadline() == master.now + 60s);
    pass(59s);
    REQUIRE(master.session->state() == State::awaiting_ack);
    master.hear("\n");  // it is loading
    pass(59s);
    REQUIRE(master.session->state() == State::awaiting_ack);
    master.hear(wire("REPLCONF", "ACK", "14"));
    CHECK(master.session->is_online());
    pass(60s);
    CHECK(master.failure() == Errc::link_timeout);
  }
  SUBCASE("with a length") {
    master.hear(wire("PSYNC", "?", "-1"));
    for (int i = 0; i < 100; ++i) pass(1s), master.sent();  // a long delay before it begins
    master.begin_snapshot();
    for (int i = 0; i < 100; ++i) {
      master.session->add_snapshot(SharedBytes(std::string(100, 'x')));
      pass(1s);
      master.sent();
    }
    master.session->end_snapshot();
    for (int i = 0; i < 10; ++i) {
      CHECK_FALSE(master.sent(1'000).empty());
      pass(30s);
      REQUIRE(master.session->is_online());
    }
    pass(30s);
    CHECK(master.failure() == Errc::link_timeout);
  }
}

TEST_CASE("MasterSession: a replica that stops taking its snapshot is dropped after the timeout") {
  for (const bool with_mark : {true, false}) {
    CAPTURE(with_mark);
    Master master{4096, {.timeout = 60s}};
    master.hear((with_mark ? handshake : wire("PING")) + wire("PSYNC", "?", "-1"));
    master.begin_snapshot();
    master.session->add_snapshot(SharedBytes(std::string("piece")));
    if (!with_mark) master.session->end_snapshot();
    master.now += 10s;
    CHECK_FALSE(master.sent(1).empty());
    master.session->add_snapshot(SharedBytes(std::string("never taken")));
    CHECK(master.session->deadline() == master.now + 60s);
    master.now += 60s;
    master.session->tick(master.now);
    CHECK(master.failure() == Errc::link_timeout);
  }
}

TEST_CASE("MasterSession: no sign of life replaces taking the snapshot") {
  for (const bool with_mark : {true, false}) {
    CAPTURE(with_mark);
    Master master{4096, {.timeout = 60s}};
    master.hear((with_mark ? handshake : wire("PING")) + wire("PSYNC", "?", "-1"));
    master.begin_snapshot();
    master.session->add_snapshot(SharedBytes(std::string("piece")));
    if (!with_mark) master.session->end_snapshot();
    CHECK_FALSE(master.sent(1).empty());
    master.session->add_snapshot(SharedBytes(std::string("never taken")));
    const auto end = master.now + 60s;
    while (master.session->state() != State::failed && master.now < start + 600s) {
      master.session->receive(as_bytes("\n"), master.now);
      master.session->receive(as_bytes(wire("REPLCONF", "ACK", "0")), master.now);
      master.now += 1s;
      if (master.now >= master.session->deadline()) master.session->tick(master.now);
    }
    CHECK(master.failure() == Errc::link_timeout);
    CHECK(master.now == end);
  }
}

TEST_CASE("MasterSession: with SYNC, too, a snapshot that nobody takes is given up") {
  Master master{4096, {.timeout = 60s}};
  master.hear(wire("SYNC"));
  master.begin_snapshot();
  master.session->add_snapshot(SharedBytes(std::string("piece")));
  master.session->end_snapshot();
  master.sent(1);
  CHECK(master.session->deadline() == start + 60s);
  master.sent();
  CHECK(master.session->deadline() == TimePoint::max());
}

TEST_CASE("MasterSession: a snapshot taken a little at a time has to be taken some time") {
  Master master{4096, {.full_resync_max = 120min, .timeout = 60s}};
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  master.begin_snapshot();
  while (master.session->state() != State::failed && master.now < start + 4h) {
    master.session->add_snapshot(SharedBytes(std::string("piece")));
    master.sent();
    master.now += 30s;
    if (master.now >= master.session->deadline()) master.session->tick(master.now);
  }
  CHECK(master.now == start + 120min);
  CHECK(master.session->failure().message() == "the link timed out: not in step after 120 min");
}

TEST_CASE("MasterSession: who has nothing to take because others are slow is not the one that is late") {
  Master master{4096, {.timeout = 60s}};
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  master.begin_snapshot();
  master.sent();
  CHECK(master.wait(10min).empty());
  CHECK(master.session->state() == State::sending_snapshot);
}

TEST_CASE("MasterSession: bytes that make no command are no sign of life") {
  Master master{4096, {.timeout = 60s}};
  master.hear(handshake + wire("PSYNC", id_text, "15"));
  master.grant(15);
  master.sent();
  const std::string trickle = "*3\r\n$8\r\nREPLCONF\r\n$1000\r\n" + std::string(900, 'x');
  for (const char byte : trickle) {
    master.hear(std::string(1, byte));
    master.now += 1s;
    if (master.now >= master.session->deadline()) master.session->tick(master.now);
    if (master.session->state() == State::failed) break;
  }
  CHECK(master.failure() == Errc::link_timeout);
  CHECK(master.now == start + 60s);
}

TEST_CASE("MasterSession: a replica without offsets cannot make any up") {
  Master master;
  master.hear(wire("SYNC"));
  master.begin_snapshot();
  master.session->end_snapshot();
  master.sent();
  master.hear(wire("REPLCONF", "ACK", "0"));
  CHECK(master.session->acknowledged() == Offset{});
  master.hear(wire("REPLCONF", "ACK", "18446744073709551615"));
  CHECK(master.session->acknowledged() == Offset{});
}

TEST_CASE("MasterSession: newlines come each second of waiting, and never on a link that is online") {
  Master master;
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  CHECK(master.session->deadline() == start + 1s);
  master.now += 999ms;
  master.session->tick(master.now);
  CHECK(master.sent().empty());
  master.now += 1ms;
  master.session->tick(master.now);
  CHECK(master.sent() == "\n");
  CHECK(master.session->deadline() == start + 2s);
  CHECK(master.wait(5min).size() == 300);  // for as long as it takes
  master.grant(15);
  CHECK(master.sent() == "+CONTINUE " + std::string(id_text) + "\r\n");
  CHECK(master.wait(50s).empty());
}

TEST_CASE("MasterSession: failed from outside it says no more, and a failure stays the first one") {
  Master master;
  master.hear(handshake + wire("PSYNC", "?", "-1"));
  master.begin_snapshot();
  master.session->add_snapshot(SharedBytes(std::string("piece")));
  master.session->fail(Errc::output_limit, "300 bytes behind");
  CHECK(master.sent().empty());
  CHECK(master.session->queued_bytes() == 0);
  CHECK_FALSE(master.session->pinned_from());
  master.session->fail(Errc::shut_down, "later");
  CHECK(master.failure() == Errc::output_limit);
  CHECK(master.session->failure().message() ==
        "the replica fell behind its output buffer limit: 300 bytes behind");
  master.now += 1h;
  master.session->tick(master.now);
  CHECK(master.failure() == Errc::output_limit);
}
