// Redis's own programs, and redis-py, at our endpoint: they must find there what they find at a redis-server.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/programs.hpp>
#include <tests/server/served.hpp>
#include <utility>
#include <vector>

namespace tools {
namespace {

using interop::eventually;
using interop::RedisClient;
using interop::RedisServer;
using served::has_program;
using served::run_redis_py;
using served::Running;
using served::Served;
using served::Words;

bool has_redis_cli() { return has_program("redis-cli", "redis-tools"); }

Words cli(std::uint16_t port, const Words& more) {
  Words words{"redis-cli", "-p", std::to_string(port)};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// What redis-cli prints, errors first, once it has ended; with a word that says when it did not end well.
std::string printed(std::uint16_t port, const Words& more, std::string_view input = {}) {
  Running program(cli(port, more), input);
  const bool succeeded = program.succeeds();
  return program.errors() + program.output() + (succeeded ? "" : "(failed)");
}

Words lines_of(const std::string& text) {
  Words lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  return lines;
}
std::string sorted(const std::string& text) {
  Words lines = lines_of(text);
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return all;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

/// An endpoint and a redis-server, asked by the same program.
struct Both {
  Served ours;
  RedisServer theirs;

  void same(const Words& words, std::string_view input = {}) const {
    std::string all;
    for (const auto& word : words) all += " " + word;
    INFO("redis-cli" << all);
    const Words our_lines = lines_of(printed(ours.port(), words, input));
    const Words their_lines = lines_of(printed(theirs.port(), words, input));
    const auto [a, b] =
        std::mismatch(our_lines.begin(), our_lines.end(), their_lines.begin(), their_lines.end());
    CHECK((a == our_lines.end() ? "(end)" : *a) == (b == their_lines.end() ? "(end)" : *b));
  }
  void same(std::initializer_list<std::string> words, std::string_view input = {}) const {
    same(Words(words), input);
  }
  /// The same keys for both: key:0, key:1..., each longer than the one before.
  void fill(std::size_t count) const {
    for (const std::uint16_t port : {ours.port(), theirs.port()}) {
      RedisClient client(port);
      for (std::size_t i = 0; i < count; ++i)
        client.add("SET", "key:" + std::to_string(i), std::string(i, 'v'));
      REQUIRE(errors_of(client.flush()).empty());
    }
  }
};

const std::string session = R"(FLUSHALL
SET a 1
GET a
get nope
INCR a
SET a b c d
MGET a nope
KEYS *
APPEND a text
INCR a
CLIENT SETNAME me
CLIENT GETNAME
SET f 1.5 EXAT 33177117420
INCRBYFLOAT f 2
EXPIRETIME f
EXISTS a f a
STRLEN a
SET c 12
OBJECT ENCODING c
BITFIELD b SET u8 0 255 GET u4 2
TYPE a
TYPE nope
NOSUCH bar
GET
CONFIG GET maxclients
CONFIG GET maxmemory
COMMAND GETKEYS MSET a 1 b 2
COMMAND INFO get nosuch
COMMAND LIST FILTERBY PATTERN getb*
COMMAND LIST FILTERBY ACLCAT @nosuch
SELECT 3
DBSIZE
SET elsewhere x
MOVE elsewhere 0
SELECT 99
SELECT 0
MULTI
SET x 1
GET x
KEYS elsewhere
EXEC
MULTI
NOSUCH
EXEC
MULTI
DISCARD
EXEC
SET "quo ted" "a\x00\xff\n\"b"
GET "quo ted"
GETRANGE "quo ted" 0 0
LCS a f
ECHO "\xe2\x82\xac"
WAIT 0 10
PUBLISH channel message
PUBSUB NUMSUB channel
SCAN 0 COUNT 10000 MATCH nosuch
3 PING
FLUSHALL
)";

TEST_CASE("redis-cli prints the same at our endpoint as at a redis-server, whatever the form") {
  if (!has_redis_cli()) return;
  const Both both;
  for (const Words& form :
       std::vector<Words>{{}, {"--no-raw"}, {"--csv"}, {"--json"}, {"-3", "--no-raw"}, {"-2", "--json"}}) {
    both.same(form, session);
  }
}

TEST_CASE("redis-cli runs single commands at our endpoint") {
  if (!has_redis_cli()) return;
  const Both both;
  both.same({"SET", "a", "1"});
  both.same({"GET", "a"});
  both.same({"--no-raw", "GET", "nope"});
  both.same({"-r", "3", "-i", "0.01", "INCR", "a"});
  both.same({"-n", "3", "SET", "b", "2"});
  both.same({"-n", "3", "GET", "b"});
  both.same({"-n", "99", "GET", "b"});
  both.same({"-e", "INCR", "nope", "many"});
  both.same({"-x", "SET", "file"}, std::string("\0\r\n\xff", 4));
  both.same({"--no-raw", "GET", "file"});
  both.same({"-X", "tag", "MSET", "x", "tag", "y", "z"}, "text");
  both.same({"-d", ",", "MGET", "x", "y"});
  both.same({"--quoted-input", "SET", R"("null\x00")", R"("\xff")"});
  both.same({"--quoted-input", "--no-raw", "GET", R"("null\x00")"});
  both.same({"-3", "HELLO", "2", "SETNAME"});
  both.same({"--no-raw", "PTTL", "a"});
  for (const std::string parts : {"", "functions", "FUNCTIONS", "keys"}) {
    both.same({"REPLCONF", "rdb-filter-only", parts});  // as its --functions-rdb and --replica ask
  }
}

TEST_CASE("redis-cli copies a value from our endpoint to a redis-server and back by DUMP and RESTORE") {
  if (!has_redis_cli()) return;
  const Both both;
  RedisClient ours = both.ours.client();
  REQUIRE(ours.command("SET", "from", std::string(3000, 'v') + "\r\nend").text == "OK");
  const std::uint16_t our_port = both.ours.port();
  const std::uint16_t their_port = both.theirs.port();
  const std::string dumped = printed(our_port, {"-D", "", "--raw", "DUMP", "from"});
  CHECK(printed(their_port, {"-X", "dump", "RESTORE", "to", "0", "dump"}, dumped) == "OK\n");
  const std::string dumped_again = printed(their_port, {"-D", "", "--raw", "DUMP", "to"});
  CHECK(printed(our_port, {"-X", "dump", "RESTORE", "back", "0", "dump"}, dumped_again) == "OK\n");
  CHECK(ours.command("GET", "back").text == ours.command("GET", "from").text);
}

TEST_CASE("redis-cli at a terminal converses with our endpoint as with a redis-server") {
  if (!has_redis_cli() || !has_program("script", "bsdutils")) return;
  const Both both;
  const auto conversation = [](std::uint16_t port) {
    const std::string input =
        "set k v\nget k\nincr k\nselect 2\nget k\nmulti\nset k 2\nget k\nexec\nselect 0\nhello 3\n"
        "nosuch\nclient no-evict on\nwatch k\nexit\n";
    Running program(
        {"script", "--quiet", "--command", "TERM=dumb redis-cli -p " + std::to_string(port), "typed"}, input);
    CHECK(program.succeeds());
    std::string all = program.output();
    replace_all(all, ":" + std::to_string(port), ":PORT");
    // The number of the client is its own.
    if (const std::size_t at = all.find("\"id\" => "); at != std::string::npos) {
      all.erase(at, all.find('\n', at) - at);
    }
    return all;
  };
  const std::string ours = conversation(both.ours.port());
  CHECK(ours == conversation(both.theirs.port()));
  CHECK(ours.find("(TX)> QUEUED") != std::string::npos);
}

TEST_CASE("redis-cli help tells how to call each of our endpoint's commands as at a redis-server") {
  if (!has_redis_cli()) return;
  const Both both;
  const std::string title = "\x1b[1m";  // bold
  std::size_t described = 0;
  for (const char* group :
       {"@bitmap", "@connection", "@generic", "@pubsub", "@server", "@string", "@transactions"}) {
    const Words theirs = lines_of(printed(both.theirs.port(), {"help", group}));
    for (const std::string& line : lines_of(printed(both.ours.port(), {"help", group}))) {
      if (line.find(title) == std::string::npos) continue;
      ++described;
      if (line.find("CLIENT SETINFO") != std::string::npos) continue;  // of Redis 7.2
      INFO(line);
      CHECK(std::find(theirs.begin(), theirs.end(), line) != theirs.end());
    }
  }
  CHECK(described > 150);
  const std::string set = printed(both.ours.port(), {"help", "SET"});
  INFO(set);
  CHECK(set.find("key value [NX|XX] [GET] [EX seconds|PX milliseconds|") != std::string::npos);
  CHECK(set.find("Writes the value of a key") != std::string::npos);
  CHECK(printed(both.ours.port(), {"help", "config", "set"}).find("parameter value [parameter value ...]") !=
        std::string::npos);
}

TEST_CASE("redis-cli --scan finds at our endpoint what it finds at a redis-server") {
  if (!has_redis_cli()) return;
  const Both both;
  both.fill(3000);
  const auto scan = [](std::uint16_t port, const Words& more) {
    Words words{"--scan"};
    words.insert(words.end(), more.begin(), more.end());
    return sorted(printed(port, words));
  };
  for (const Words& more : std::vector<Words>{{},
                                              {"--pattern", "key:1*"},
                                              {"--pattern", "key:??[5-7]"},
                                              {"--pattern", "nosuch*"},
                                              {"--quoted-pattern", R"("key:29\x39*")"}}) {
    CHECK(scan(both.ours.port(), more) == scan(both.theirs.port(), more));
  }
  CHECK(lines_of(scan(both.ours.port(), {})).size() == 3000);
}

TEST_CASE("redis-cli --bigkeys and --memkeys sum up our endpoint's keys as a redis-server's") {
  if (!has_redis_cli()) return;
  const Both both;
  both.fill(500);
  const auto summary = [](std::uint16_t port, const std::string& what) {
    const std::string all = printed(port, {what});
    const std::size_t at = all.find("-------- summary");
    return at == std::string::npos ? all : all.substr(at);
  };
  const std::string big = summary(both.ours.port(), "--bigkeys");
  CHECK(big == summary(both.theirs.port(), "--bigkeys"));
  CHECK(big.find("Biggest string found '\"key:499\"' has 499 bytes") != std::string::npos);

  const std::string memory = summary(both.ours.port(), "--memkeys");  // how much it takes is ours to say
  INFO(memory);
  CHECK(memory.find("Sampled 500 keys in the keyspace!") != std::string::npos);
  CHECK(memory.find("Biggest string found '\"key:4") != std::string::npos);
  CHECK(memory.find("500 strings with ") != std::string::npos);
}

TEST_CASE("redis-cli --latency and --stat measure our endpoint") {
  if (!has_redis_cli()) return;
  const Both both;
  both.fill(100);
  double least = -1;
  double most = -1;
  double average = -1;
  std::size_t samples = 0;
  std::istringstream latency(printed(both.ours.port(), {"-i", "0.2", "--latency"}));
  latency >> least >> most >> average >> samples;
  CHECK(least >= 0);
  CHECK(most >= average);
  CHECK(average >= least);
  CHECK(samples > 0);

  // It goes on for ever, and what it prints comes in blocks.
  const Running rolling(cli(both.ours.port(), {"-i", "0.001", "--stat"}));
  REQUIRE(rolling.prints("------- data ------"));
  const Words lines = lines_of(rolling.output());
  REQUIRE(lines.size() > 3);
  std::istringstream line(lines[3]);
  std::string keys;
  std::string memory;
  std::string clients;
  std::string blocked;
  std::string requests;
  std::string more;
  std::string connections;
  line >> keys >> memory >> clients >> blocked >> requests >> more >> connections;
  INFO(lines[3]);
  CHECK(keys == "100");
  CHECK((memory.ends_with("K") || memory.ends_with("M")));
  CHECK(std::stoul(clients) >= 1);
  CHECK(blocked == "0");
  CHECK(std::stoul(requests) > 100);
  CHECK(more == "(+1)");  // its own INFO
  CHECK(std::stoul(connections) >= 3);
}

TEST_CASE("redis-cli --pipe loads ten thousand commands into our endpoint") {
  if (!has_redis_cli()) return;
  const Both both;
  const int count = 10'000;
  std::string commands;
  for (int i = 0; i < count; ++i) {
    const std::string key = "key:" + std::to_string(i);
    const std::string value(static_cast<std::size_t>(i % 100), 'v');
    commands += "*3\r\n$3\r\nSET\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n$" +
                std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }
  both.same({"--pipe"}, commands);
  RedisClient ours = both.ours.client();
  CHECK(ours.command("DBSIZE").number == count);
  CHECK(ours.command("STRLEN", "key:9999").number == 99);

  // Errors are counted and named; inline commands are commands too.
  both.same({"--pipe"}, "INCR key:9999\r\nSET b 1\r\nNOSUCH\r\nINCR b\r\n");
  CHECK(ours.command("GET", "b").text == "2");
}

TEST_CASE("redis-cli --rdb fetches a file from our endpoint that a redis-server starts with") {
  if (!has_redis_cli()) return;
  Served served;
  RedisClient ours = served.client();
  for (int i = 0; i < 2000; ++i) ours.add("SET", "key:" + std::to_string(i), "value " + std::to_string(i));
  ours.add("SET", "brief", "v", "EX", "1000");
  ours.add("SET", "number", "12345");
  ours.add("SET", "long", std::string(100'000, 'v'));
  ours.add("SELECT", "9");
  ours.add("SET", "elsewhere", std::string("\0\xff", 2));
  ours.add("SELECT", "0");
  REQUIRE(errors_of(ours.flush()).empty());

  Running fetching(cli(served.port(), {"--rdb", "fetched.rdb"}));
  REQUIRE(fetching.succeeds());
  INFO(fetching.errors());
  CHECK(fetching.errors().find("Transfer finished with success") != std::string::npos);

  const RedisServer redis({"--dir", fetching.file("").parent_path().string(), "--dbfilename", "fetched.rdb",
                           "--appendonly", "no"});
  RedisClient theirs = redis.client();
  for (const std::string database : {"0", "9"}) {
    CHECK(ours.command("SELECT", database).text == "OK");
    CHECK(theirs.command("SELECT", database).text == "OK");
    CHECK(ours.command("DBSIZE").number == theirs.command("DBSIZE").number);
    for (const auto& key : ours.command("KEYS", "*").items) {
      ours.add("GET", key.text), ours.add("PEXPIRETIME", key.text);
      theirs.add("GET", key.text), theirs.add("PEXPIRETIME", key.text);
    }
    const auto our_replies = ours.flush();
    const auto their_replies = theirs.flush();
    CHECK(std::equal(our_replies.begin(), our_replies.end(), their_replies.begin(), their_replies.end(),
                     [](const auto& a, const auto& b) { return a.text == b.text && a.number == b.number; }));
  }
}

TEST_CASE("redis-cli --functions-rdb gets a file without keys from our endpoint") {
  if (!has_redis_cli()) return;
  const Served served;
  CHECK(served.client().command("SET", "k", std::string(1000, 'v')).text == "OK");
  Running fetching(cli(served.port(), {"--functions-rdb", "fetched.rdb"}));
  REQUIRE(fetching.succeeds());
  const RedisServer redis({"--dir", fetching.file("").parent_path().string(), "--dbfilename", "fetched.rdb"});
  CHECK(redis.client().command("DBSIZE").number == 0);
}

TEST_CASE("redis-cli --replica, MONITOR and SUBSCRIBE show what happens at our endpoint") {
  if (!has_redis_cli()) return;
  Served served;
  RedisClient client = served.client();
  const Running replica(cli(served.port(), {"--replica"}));
  const Running monitor(cli(served.port(), {"MONITOR"}));
  const Running subscriber(cli(served.port(), {"SUBSCRIBE", "news"}));
  const Running listener(cli(served.port(), {"-3", "PSUBSCRIBE", "n*"}));
  REQUIRE(replica.prints("SYNC done"));
  REQUIRE(monitor.prints("OK"));
  REQUIRE(subscriber.prints("subscribe\nnews\n1\n"));
  REQUIRE(listener.prints("psubscribe\nn*\n1\n"));

  CHECK(client.command("SET", "streamed", "a value").text == "OK");
  CHECK(client.command("PUBLISH", "news", "heard").number == 2);
  CHECK(replica.prints("\"SET\",\"streamed\",\"a value\"\n"));
  CHECK(replica.prints("\"PUBLISH\",\"news\",\"heard\"\n"));
  CHECK(monitor.prints("\"SET\" \"streamed\" \"a value\"\n"));
  CHECK(subscriber.prints("message\nnews\nheard\n"));
  CHECK(listener.prints("pmessage\nn*\nnews\nheard\n"));
}

TEST_CASE("redis-cli logs in at our endpoint") {
  if (!has_redis_cli()) return;
  replikv::EndpointOptions options;
  options.password = "secret";
  const Served ours(options);
  const RedisServer theirs({"--requirepass", "secret"});
  for (const Words& words :
       std::vector<Words>{{"PING"},
                          {"-a", "secret", "PING"},
                          {"-a", "wrong", "PING"},
                          {"--no-auth-warning", "-a", "secret", "PING"},
                          {"--no-auth-warning", "--user", "default", "-a", "secret", "PING"},
                          {"--no-auth-warning", "--user", "nobody", "-a", "secret", "PING"},
                          {"--no-auth-warning", "-3", "-a", "secret", "-n", "3", "PING"},
                          {"--no-auth-warning", "-a", "secret", "--scan"}}) {
    CHECK(printed(ours.port(), words) == printed(theirs.port(), words));
  }
  const std::string address = "redis://default:secret@127.0.0.1:";
  CHECK(printed(ours.port(), {"-u", address + std::to_string(ours.port()) + "/2", "PING"}) ==
        printed(theirs.port(), {"-u", address + std::to_string(theirs.port()) + "/2", "PING"}));
}

// ---- redis-benchmark --------------------------------------------------------------------------------

/// Runs it over all that strings have; every test must have its result, and nothing may have failed.
void benchmark(const Served& served, Words more) {
  more.insert(more.begin(), {"redis-benchmark", "-p", std::to_string(served.port())});
  for (const char* const word : {"-t", "ping_inline,ping_mbulk,set,get,incr,mset", "-n", "2000", "--csv"}) {
    more.emplace_back(word);
  }
  Running program(more);
  CHECK(program.succeeds());
  INFO(program.output() << program.errors());
  const std::string errors = program.errors();
  CHECK((errors.empty() || errors.starts_with("WARNING: Keepalive disabled.")));  // which was asked for
  CHECK(program.output().find("rror") == std::string::npos);
  CHECK(program.output().find("WARN") == std::string::npos);
  Words measured;
  for (const auto& line : lines_of(program.output())) measured.push_back(line.substr(0, line.find(',')));
  CHECK(measured == Words{"\"test\"", "\"PING_INLINE\"", "\"PING_MBULK\"", "\"SET\"", "\"GET\"", "\"INCR\"",
                          "\"MSET (10 keys)\""});
}

TEST_CASE("redis-benchmark runs all its tests of strings at our endpoint") {
  if (!has_program("redis-benchmark", "redis-tools")) return;
  const Served served;
  RedisClient client = served.client();
  benchmark(served, {});
  CHECK(client.command("GET", "counter:__rand_int__").text == "2000");  // each was counted, and once
  CHECK(client.command("GET", "key:__rand_int__").text == "VXK");
  benchmark(served, {"-P", "16"});
  CHECK(client.command("GET", "counter:__rand_int__").text == "4000");
  benchmark(served, {"-P", "16", "-r", "1000", "-d", "300", "-c", "20", "--threads", "2"});
  CHECK(client.command("DBSIZE").number > 500);
  benchmark(served, {"-3", "--dbnum", "7"});
  benchmark(served, {"-k", "0", "-c", "5"});  // a connection for each command
}

TEST_CASE("redis-benchmark logs in at our endpoint") {
  if (!has_program("redis-benchmark", "redis-tools")) return;
  replikv::EndpointOptions options;
  options.password = "secret";
  benchmark(Served(options), {"-a", "secret"});
}

// ---- redis-py -----------------------------------------------------------------------------------------

TEST_CASE("programs that use redis-py work with our endpoint") {
  const Served served;
  run_redis_py({std::to_string(served.port())});
}

TEST_CASE("programs that use redis-py log in at our endpoint") {
  replikv::EndpointOptions options;
  options.password = "secret";
  const Served served(options);
  run_redis_py({std::to_string(served.port()), "secret"});
}

TEST_CASE("what programs that use redis-py expect of our endpoint, a redis-server has") {
  const RedisServer redis({"--requirepass", "secret"});
  run_redis_py({std::to_string(redis.port()), "secret"});
}

}  // namespace
}  // namespace tools
