// Writes inputs for each fuzz target to begin with: what our own writers make, and, where there is a
// recording of a redis-server, what that made. `seeds FOLDER [RECORDING]`, see record.

#include <replikv/core/random.hpp>
#include <replikv/rdb/lzf.hpp>
#include <replikv/rdb/writer.hpp>
#include <replikv/replication/replica_session.hpp>
#include <replikv/resp/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;
namespace rdb = replikv::rdb;
namespace resp = replikv::resp;

namespace {

constexpr std::string_view id = "db0b4ca4c052353166ce46354d2b92a1477f3cb8";
constexpr std::string_view own_id = "c90e3bbf00000000000000000000000000000001";
constexpr std::string_view mark = "13b067db01ffaccfb1c9bd9ee1a8a109b460648d";
constexpr std::string_view whole("\0\0", 2);  // the two bytes of choices that many targets begin with
constexpr std::string_view in_threes("\0\3", 2);
constexpr std::string_view at_random("\0\x55", 2);
constexpr std::string_view watched("\2\0", 2);
class Folder {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}

  void put(std::string_view target, std::string_view bytes) {
    const fs::path folder = path_ / target;
    fs::create_directories(folder);
    std::ofstream file(folder / ("seed-" + std::to_string(++count_)), std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) std::fprintf(stderr, "cannot write to %s\n", folder.c_str()), std::exit(1);
  }
  void put_cut(std::string_view target, std::string_view bytes) {
    for (const std::string_view choice : {whole, in_threes, at_random, watched}) {
      put(target, std::string(choice).append(bytes));
    }
  }

 private:
  fs::path path_;
  int count_ = 0;
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

template <class... Words>
std::string command(const Words&... words) {
  std::string bytes;
  resp::append_command(bytes, words...);
  return bytes;
}

std::string snapshot(bool compress) {
  rdb::Writer writer{{compress}};
  writer.header();
  writer.auxiliary("redis-ver", "7.0.15");
  writer.auxiliary("repl-stream-db", "0");
  writer.select_database(0);
  writer.resize(4, 1);
  writer.key("k1", "v1");
  writer.key("number", "-70000");
  writer.key("expiring", std::string(100, 'x'), 1'700'000'000'000);
  writer.key("text", "to be or not to be, that is the question: to be or not to be, that is the question");
  writer.select_database(1);
  writer.resize(1, 0);
  writer.key("5", "127");
  writer.end();
  return writer.take();
}

/// One value of each type that is passed over, without a checksum.
std::string foreign_values() {
  std::string file = "REDIS0011";
  const auto put = [&file](std::string_view bytes) { file.append(bytes); };
  put(std::string_view("\xfe\0", 2));
  put(std::string_view("\1\4list\2\1a\1b", 10));                   // a list
  put(std::string_view("\2\3set\1\1a", 7));                        // a set
  put(std::string_view("\4\4hash\1\1f\1v", 10));                   // a hash
  put(std::string_view("\5\4zset\1\1m\0\0\0\0\0\0\xf0\x3f", 17));  // a sorted set
  put(
      std::string_view("\3\3old\1\1m\3"
                       "1.5",
                       11));                                            // the same, older
  put(std::string_view("\xf8\5\xf9\7\xfd\1\2\3\4\x10\3zip\3abc", 17));  // idle, frequency, expiry
  put(std::string_view("\xf5\3lib", 5));                                // a function
  put(std::string_view("\xff\0\0\0\0\0\0\0\0", 9));
  return file;
}

void put_parser(Folder& folder) {
  folder.put_cut("parser", command("PING") + command("SET", "k", "v") + command("SELECT", "0"));
  folder.put_cut("parser", command("MSET", "", "\r\n", std::string(100, 'x'), "y") + "\r\n*0\r\n*-1\r\n");
  folder.put_cut("parser", "PING\r\nSET \"a b\" 'c d'\n\n");
  folder.put_cut("parser", "*2\r\n$536870912\r\n*3\r\n");
  folder.put("parser", std::string("\1\3", 2) + command("AUTH", "a", "b"));
  folder.put("parser", std::string("\6\3", 2) + command("SET", "k", "v"));
  for (const std::string_view line :
       {"SET key value", "a \"b\\x41\\n\\\"\" 'c\\'d'", "\"open", "a\"b\"c", ""}) {
    folder.put("inline_request", line);
  }
}

void put_rdb(Folder& folder) {
  for (const bool compress : {false, true}) folder.put_cut("rdb_reader", snapshot(compress));
  folder.put_cut("rdb_reader", foreign_values());
  for (const std::string& text : {std::string(100, 'a'), snapshot(false) + snapshot(false)}) {
    folder.put("lzf", text);
    std::string compressed;
    if (rdb::lzf_compress(text, compressed)) folder.put("lzf", compressed);
  }
}

void put_sessions(Folder& folder) {
  const std::string hello = command("PING") + command("REPLCONF", "listening-port", "7101") +
                            command("REPLCONF", "capa", "eof", "capa", "psync2");
  const std::string login = command("AUTH", "replicator", "kYp3-unguessable");
  const std::string full = command("PSYNC", "?", "-1") + command("REPLCONF", "ACK", "14");
  const std::string partial = command("PSYNC", id, "15") + command("REPLCONF", "ACK", "14");
  folder.put_cut("master_session", hello + full);
  folder.put_cut("master_session", hello + partial);
  folder.put_cut("master_session", "PING\r\nSYNC\r\n\n");
  folder.put("master_session", std::string("\1\5", 2) + hello + login + hello + full);
  folder.put("master_session", std::string("\x80\0\xf5", 3) + hello + full + "\4\3\1\0");

  const std::string greeting = "+PONG\r\n+OK\r\n+OK\r\n";
  const std::string resync = "+FULLRESYNC " + std::string(id) + " 14\r\n";
  const std::string file = snapshot(true);
  const std::string stream = command("SELECT", "0") + "\n" + command("SET", "k", "v") + command("PING");
  folder.put_cut("replica_session",
                 greeting + resync + "\n$" + std::to_string(file.size()) + "\r\n" + file + stream);
  folder.put_cut("replica_session", greeting + resync + "$EOF:" + std::string(mark) + "\r\n" + file +
                                        std::string(mark) + stream);
  folder.put("replica_session",
             "\2" + std::string("\7") + greeting + "+CONTINUE " + std::string(own_id) + "\r\n" + stream);
  folder.put("replica_session",
             "\1" + std::string("\7") + "-NOAUTH\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n-LOADING\r\n");
  folder.put("replica_session",
             std::string("\x80\0\xfd", 3) + greeting + resync + "$EOF:" + std::string(mark) + "\r\n" + file);
}

void put_effects(Folder& folder) {
  for (const std::string_view lines :
       {"SET a 1 PX 500\nINCR a\nAPPEND a x\nGETEX a PERSIST\nSETRANGE a 3 yy\nRENAME a b\nCOPY b c DB 1 "
        "REPLACE\n",
        "SETBIT bits 7 1\nBITOP NOT other bits\nBITFIELD bits SET u8 #1 255 OVERFLOW SAT INCRBY i5 3 9\n",
        "SET k v KEEPTTL GET\nSETEX e 10 v\nPSETEX p 10 v\nEXPIRE k 100 NX\nPEXPIREAT k "
        "1700000000000\nPERSIST k\n",
        "MULTI\nMSET a 1 b 2\nSELECT 1\nSET c 3\nMOVE c 0\nEXEC\nSWAPDB 0 1\nFLUSHDB\nFLUSHALL ASYNC\n",
        "SELECT 2\nSET n 12\nINCRBY n 30\nDECR n\nINCRBYFLOAT n 1.5\nSET n word\nSELECT 0\nINCRBYFLOAT f "
        "1e3\n",
        "LPUSH l a\nSORT l STORE d\nPFADD h x\nSUNIONSTORE d l\nXADD s * f v\nEVAL x 0\nGETDEL d\nUNLINK d "
        "l\n"}) {
    folder.put_cut("effects", lines);
  }
  // A payload of RESTORE: type, value, version; the target puts the checksum right when told so by a 1.
  const std::string payload("\0\5hello\x09\0\0\0\0\0\0\0\0\0", 17);
  folder.put("effects", std::string("\1\0", 2) + command("RESTORE", "k", "0", payload) +
                            command("RESTORE", "k", "5000", payload, "REPLACE", "ABSTTL"));
}

/// Moves at random: the targets that play games read each byte as something.
void put_endpoint(Folder& folder) {
  const std::string session =
      "SET a 1\nGET a\nINCR a\nSET b x EX 100\nTTL b\nAPPEND b yz\nMGET a b c\nSELECT 1\nSETRANGE c 3 abc\n"
      "GETBIT c 5\nMULTI\nSET d 4\nINCR d\nEXEC\nWATCH d\nRENAME d e\nDEL a\nKEYS *\nSCAN 0 COUNT 2\nEXPIRE "
      "b 5\n"
      "PERSIST b\nCOPY b f\nMOVE b 2\nSWAPDB 0 1\nDUMP f\nSUBSCRIBE x\nPUBLISH x y\nUNSUBSCRIBE\nFLUSHALL\n";
  for (const char choices : {'\0', '\1', '\2', '\3'}) {
    for (const char cuts : {'\0', '\5', '\x55'}) folder.put("endpoint", std::string{choices, cuts} + session);
  }
  std::string commands;
  resp::append_command(commands, "SET", "key", "value", "PX", "1000");
  resp::append_command(commands, "SETBIT", "bits", "7", "1");
  resp::append_command(commands, "BITFIELD", "bits", "INCRBY", "u5", "0", "9");
  folder.put("endpoint", std::string(whole) + "AUTH kYp3-unguessable\n" + commands);
}

void put_games(Folder& folder) {
  replikv::Random random(2024);
  for (const std::string_view target : {"store", "pair"}) {
    for (int i = 0; i < 24; ++i) {
      std::string moves;
      for (int j = 0; j < 20 + 8 * i; ++j) moves.push_back(static_cast<char>(random.below(256)));
      folder.put(target, moves);
    }
  }
}

void put_codec(Folder& folder) {
  for (int type = 0; type < 17; ++type) {
    for (const std::string_view text : {"0", "-1", "255", "3.25", "1e300", "-inf", "nan"}) {
      folder.put("codec", std::string(1, static_cast<char>(type)).append(text));
    }
  }
  folder.put("codec", std::string("\x10\1", 2) + std::string(32, '\0'));
}

/// Keeps the stream of what a master said.
struct Listener final : replikv::ReplicaSession::Handler {
  using Result = std::optional<replikv::Failure>;
  Result on_full_resync(const replikv::ReplicationId&, replikv::Offset) override { return {}; }
  Result on_snapshot_item(const rdb::Item&) override { return {}; }
  Result on_snapshot_end() override { return {}; }
  Result on_partial_resync(std::optional<replikv::ReplicationId>) override { return {}; }
  Result on_commands(const replikv::CommandBatch& commands) override {
    for (const auto& command : commands) stream += replikv::as_text(command.raw);
    return {};
  }
  std::string stream;
};

void put_recording(Folder& folder, const fs::path& recording) {
  if (const std::string dump = read(recording / "dump.rdb"); !dump.empty())
    folder.put_cut("rdb_reader", dump);
  const std::string said = read(recording / "psync");
  if (said.empty()) return;
  folder.put_cut("replica_session", said);
  const replikv::ReplicationOptions options;
  Listener listener;
  replikv::ReplicaSession session(options, listener, std::nullopt, 0, {});
  session.receive(replikv::as_bytes(said), {});
  if (listener.stream.empty()) std::fprintf(stderr, "the recording holds no stream\n"), std::exit(1);
  folder.put_cut("effects", listener.stream);
  folder.put_cut("parser", listener.stream);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "seeds FOLDER [RECORDING]\n"), 2;
  Folder folder{arguments[1]};
  put_parser(folder);
  put_rdb(folder);
  put_sessions(folder);
  put_effects(folder);
  put_endpoint(folder);
  put_games(folder);
  put_codec(folder);
  if (count > 2) put_recording(folder, arguments[2]);
  return 0;
}
