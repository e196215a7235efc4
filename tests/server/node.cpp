// The node program: started, configured and ended as redis-server is.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <sstream>
#include <string>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/node_program.hpp>
#include <utility>
#include <vector>

namespace {

using interop::eventually;
using interop::Process;
using interop::RedisClient;
using interop::RedisServer;
using interop::TemporaryDirectory;
using served::ConfiguredServer;
using served::contents_of;
using served::has;
using served::info_field;
using served::is_in_step;
using served::node_program;
using served::write_file;

/// What a program says of a configuration that it does not start with.
std::string complaint_of(const std::string& program, const std::string& configuration,
                         const std::vector<std::string>& more_words = {}) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "conf", configuration);
  std::vector<std::string> words{interop::find_program(program, program),
                                 (directory.path() / "conf").string()};
  words.insert(words.end(), more_words.begin(), more_words.end());
  Process process(words, (directory.path() / "output").string());
  CHECK(eventually([&] { return !process.is_running(); }));
  return contents_of(directory.path() / "output");
}

TEST_CASE("the configuration files of a tutorial start a master and two replicas") {
  const std::string password = "requirepass s3cret\nmasterauth s3cret\nprotected-mode no\n";
  ConfiguredServer master(node_program(), "bind 127.0.0.1\n" + password +
                                              "# writes need both replicas\nmin-slaves-to-write 2\n"
                                              "min-slaves-max-lag 15\nsave 900 1\nappendonly yes\n");
  const std::string follows = "bind 127.0.0.1 -::1\n" + password + "slaveof 127.0.0.1 " +
                              std::to_string(master.port()) + "\nslave-serve-stale-data yes\n";
  auto at_master = master.client();
  CHECK(at_master.command("GET", "k").text == "NOAUTH Authentication required.");
  CHECK(at_master.command("AUTH", "s3cret").text == "OK");
  CHECK(at_master.command("SET", "k", "v").text == "NOREPLICAS Not enough good replicas to write.");

  ConfiguredServer first(node_program(), follows + "slave-read-only yes\n");
  ConfiguredServer second(node_program(), follows + "slave-read-only no\n");
  REQUIRE(eventually([&] { return at_master.command("SET", "k", "v").text == "OK"; }));
  CHECK(info_field(at_master, "replication", "min_slaves_good_slaves") == "2");
  CHECK(info_field(at_master, "replication", "connected_slaves") == "2");

  auto at_first = first.client();
  auto at_second = second.client();
  at_first.command("AUTH", "s3cret");
  at_second.command("AUTH", "s3cret");
  CHECK(has(at_first, "k", "v"));
  CHECK(has(at_second, "k", "v"));
  CHECK(at_first.command("SET", "k", "w").text == "READONLY You can't write against a read only replica.");
  CHECK(at_second.command("SET", "own", "w").text == "OK");
  CHECK(at_master.command("GET", "own").is_nil());

  // What has no effect is said, a line each, and kept.
  CHECK(master.log().find("'save'") != std::string::npos);
  CHECK(master.log().find("'appendonly'") != std::string::npos);
  CHECK(at_master.command("CONFIG", "GET", "save").items[1].text == "900 1");

  master.kill();
  CHECK(eventually([&] { return info_field(at_first, "replication", "master_link_status") == "down"; }));
  CHECK_FALSE(info_field(at_first, "replication", "master_link_down_since_seconds").empty());
  CHECK(at_first.command("GET", "k").text == "v");
}

TEST_CASE("a configuration that cannot be used stops the start in the words of redis-server") {
  for (const char* configuration : {"port 7000\n# fine\nnonsense 1\n",
                                    "maxmemory lots\n",
                                    "\n\nslave-read-only perhaps\n",
                                    "timeout 1 2\n",
                                    "maxmemory-policy whatever\n",
                                    "port \"700\n",
                                    "slaveof 127.0.0.1\n",
                                    "hz x\n",
                                    "repl-timeout 0\n",
                                    "client-output-buffer-limit normal 0\n",
                                    "\nuser\n",
                                    "user a on\nuser b on what\n",
                                    "user a on \">x\n",
                                    "user a on #12\n",
                                    "user a on <x\n",
                                    "user a on (+get foo)\n",
                                    "user a (+nope) foo\n",
                                    "user a on\n\nuser a off\n",
                                    "user a ~* ~x\n",
                                    "acl-pubsub-default all\n",
                                    "aclfile\n",
                                    "acllog-max-len x\n"}) {
    CAPTURE(configuration);
    const std::string ours = complaint_of(node_program(), configuration);
    const std::string theirs = complaint_of("redis-server", configuration);
    CHECK_FALSE(ours.empty());
    CHECK(ours.substr(ours.find("***")) == theirs.substr(theirs.find("***")));
  }
}

TEST_CASE("users that cannot be read stop the start, with the place and the reason") {
  const std::string unknown = complaint_of(node_program(), "# who\nuser a on +nope\n");
  CHECK(
      unknown.find("at line 2\n>>> 'user a on +nope'\nError loading ACL rule '+nope' for the user named 'a': "
                   "Unknown command or category name in ACL\n") != std::string::npos);
  const std::string space = complaint_of(node_program(), "user \"a b\" on\n");
  CHECK(space.find("at line 1\n>>> 'user \"a b\" on'\n") != std::string::npos);
  CHECK(space.find("Spaces not allowed in ACL usernames") != std::string::npos);
  const std::string open = complaint_of(node_program(), "user a (+get\n");
  CHECK(open.find("Unmatched parenthesis in acl selector starting at '(+get'") != std::string::npos);

  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "users.acl").string();
  const std::string names_file = "dir " + directory.path().string() + "\naclfile users.acl\n";
  CHECK(complaint_of(node_program(), names_file).find("opening file 'users.acl': No such file") !=
        std::string::npos);
  write_file(file, "user a on\nuser b what\n\nwhat\n");
  const std::string lines = complaint_of(node_program(), names_file);
  CHECK(lines.find("users.acl:2: Syntax error.") != std::string::npos);
  CHECK(lines.find("users.acl:4 should start with user keyword") != std::string::npos);
  CHECK(complaint_of(node_program(), names_file + "user c on\n").find("both given") != std::string::npos);
}

/// The lines of a configuration file that define users, in the order of their names.
std::vector<std::string> user_lines_of(const ConfiguredServer& server) {
  std::istringstream text(contents_of(server.file()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("user ")) lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> texts_of(const interop::Reply& reply) {
  std::vector<std::string> texts;
  for (const auto& each : reply.items) texts.push_back(each.text);
  return texts;
}

TEST_CASE("CONFIG REWRITE writes the users, as redis-server does, and who was there is there again") {
  const std::string configuration =
      "bind 127.0.0.1\n# The accounts\nuser bob on >pw ~* &* +@all\n# Moves out\nuser gone off\n"
      "timeout 5\nUSER carl on nopass ~x*\n# The end\n";
  ConfiguredServer ours(node_program(), configuration);
  ConfiguredServer theirs("redis-server", configuration);
  for (ConfiguredServer* const server : {&ours, &theirs}) {
    auto client = server->client();
    CHECK(client.command("ACL", "SETUSER", "new", "on", ">a b", "%R~k*", "+get", "(+set %W~b ~c)").text ==
          "OK");
    CHECK(client.command("ACL", "SETUSER", "bob", "-del", ">more", "&news.*").is_error());
    CHECK(client.command("ACL", "SETUSER", "bob", "resetchannels", "&news.*", "-flushall").text == "OK");
    CHECK(client.command("ACL", "SETUSER", "default", "reset", "on", "nopass", "+@all", "~*", "&*").text ==
          "OK");
    CHECK(client.command("ACL", "DELUSER", "gone").number == 1);
    CHECK(client.command("CONFIG", "REWRITE").text == "OK");
  }
  CHECK(user_lines_of(ours) == user_lines_of(theirs));

  auto client = ours.client();
  const auto users = texts_of(client.command("ACL", "LIST"));
  REQUIRE(users.size() == 4);
  // Each in its own line, below the comment about it; who is new comes last.
  CHECK(contents_of(ours.file())
            .find("\n# The accounts\n" + users[0] + "\n# Moves out\ntimeout 5\n" + users[1] +
                  "\n# The end\n# Generated by CONFIG REWRITE\n" + users[2] + "\n" + users[3] + "\n") !=
        std::string::npos);
  ours.process().stop();
  ours.start();
  auto again = ours.client();
  CHECK(texts_of(again.command("ACL", "LIST")) == users);
  CHECK(again.command("AUTH", "new", "a b").text == "OK");
  CHECK(again.command("SET", "c", "1").text == "OK");
  CHECK(again.command("SET", "k", "1").text.starts_with("NOPERM"));
}

TEST_CASE("names and patterns of users survive CONFIG REWRITE whatever they are made of") {
  ConfiguredServer node(node_program(), "bind 127.0.0.1\nacl-pubsub-default allchannels\nrequirepass old\n");
  auto client = node.client();
  CHECK(client.command("AUTH", "old").text == "OK");
  CHECK(client.command("ACL", "SETUSER", "we\"ird'", "on", "~a\"b", "~(c", "%R~d'\x01\xff", "~e\\").text ==
        "OK");
  CHECK(client.command("ACL", "SETUSER", "(x", "on", "resetchannels", "(+get ~x)", "(+set \"~a\\\"b\" ~c)")
            .text == "OK");
  CHECK(client.command("ACL", "SETUSER", "y", "(~a) +get)", "(&*)").text == "OK");
  CHECK(client.command("ACL", "SETUSER", "default", "sanitize-payload", ">new", "-flushall").text == "OK");
  CHECK(client.command("CONFIG", "REWRITE").text == "OK");
  const auto users = texts_of(client.command("ACL", "LIST"));
  CAPTURE(contents_of(node.file()));
  node.process().stop();
  node.start();
  auto again = node.client();
  CHECK(again.command("AUTH", "new").text == "OK");
  CHECK(texts_of(again.command("ACL", "LIST")) == users);
}

TEST_CASE("users of a file of their own stay out of the configuration file") {
  const TemporaryDirectory directory;
  write_file(directory.path() / "users.acl", "user a on nopass ~* +@all\n");
  const std::string names_file =
      "bind 127.0.0.1\naclfile " + (directory.path() / "users.acl").string() + "\n";
  ConfiguredServer ours(node_program(), names_file);
  ConfiguredServer theirs("redis-server", names_file);
  for (ConfiguredServer* const server : {&ours, &theirs}) {
    auto client = server->client();
    CHECK(client.command("ACL", "SETUSER", "b", "on").text == "OK");
    CHECK(client.command("CONFIG", "REWRITE").text == "OK");
    CHECK(user_lines_of(*server).empty());
  }
  auto client = ours.client();
  CHECK(client.command("ACL", "SAVE").text == "OK");
  const auto users = texts_of(client.command("ACL", "LIST"));
  ours.process().stop();
  ours.start();
  auto again = ours.client();
  CHECK(texts_of(again.command("ACL", "LIST")) == users);
  CHECK(users.size() == 3);
}

TEST_CASE("a node that listens nowhere, or was promised a TLS that it does not have, does not start") {
  CHECK(complaint_of(node_program(), "port 0\n").find("Configured to not listen anywhere") !=
        std::string::npos);
  CHECK(complaint_of("redis-server", "port 0\n").find("Configured to not listen anywhere") !=
        std::string::npos);
  for (const std::string directive : {"tls-port 7001\n", "tls-replication yes\n"}) {
    const std::string complaint = complaint_of(node_program(), "port 0\nunixsocket s\n" + directive);
    const bool is_without = complaint.find("was built without OpenSSL and has no TLS") != std::string::npos;
    const bool lacks_one = complaint.find("No tls-cert-file configured!") != std::string::npos;
    CHECK_MESSAGE((is_without || lacks_one), complaint);
  }
}

TEST_CASE("CONFIG REWRITE keeps comments and order, and what it wrote starts the node again") {
  ConfiguredServer node(node_program(),
                        "# Who may come in\n  bind 127.0.0.1  \n\nslave-priority 50\n# Memory\n"
                        "maxmemory 100mb\n\n# The end\n");
  auto client = node.client();
  const std::string before = contents_of(node.file());
  CHECK(client.command("CONFIG", "SET", "maxmemory", "209715200", "timeout", "33").text == "OK");
  CHECK(client.command("REPLICAOF", "127.0.0.1", "1").text == "OK");
  CHECK(client.command("CONFIG", "REWRITE").text == "OK");
  const std::string after = contents_of(node.file());
  CHECK(after ==
        "port " + std::to_string(node.port()) + "\ndir \"" + node.directory().string() +
            "\"\n# Who may come in\nbind 127.0.0.1\n\nreplica-priority 50\n# Memory\nmaxmemory "
            "200mb\n\n# The end\n# Generated by CONFIG REWRITE\nreplicaof 127.0.0.1 1\ntimeout 33\n");

  CHECK(client.command("REPLICAOF", "NO", "ONE").text == "OK");
  CHECK(client.command("CONFIG", "REWRITE").text == "OK");
  CHECK(contents_of(node.file()).find("replicaof") == std::string::npos);

  node.process().stop();
  node.start();
  auto again = node.client();
  CHECK(again.command("CONFIG", "GET", "timeout").items[1].text == "33");
  CHECK(again.command("CONFIG", "GET", "maxmemory").items[1].text == "209715200");
  CHECK(again.command("CONFIG", "REWRITE").text == "OK");
  CHECK(contents_of(node.file()).find("# Generated by CONFIG REWRITE") ==
        contents_of(node.file()).rfind("# Generated by CONFIG REWRITE"));
}

TEST_CASE("the command line goes on where the file ends") {
  ConfiguredServer node(node_program(), "bind 127.0.0.1\ntimeout 5\n",
                        {"--timeout", "6", "--slave-priority", "7"});
  auto client = node.client();
  CHECK(client.command("CONFIG", "GET", "timeout").items[1].text == "6");
  CHECK(info_field(client, "replication", "role") == "master");
  CHECK(client.command("CONFIG", "GET", "replica-priority").items[1].text == "7");
  CHECK(info_field(client, "server", "config_file") == node.file().string());
}

TEST_CASE("the program ends in good order by signal and by SHUTDOWN, and takes its pid file along") {
  const TemporaryDirectory elsewhere;
  const auto pid_file = elsewhere.path() / "pid";
  ConfiguredServer node(node_program(), "bind 127.0.0.1\npidfile " + pid_file.string() + "\n");
  CHECK(contents_of(pid_file) == std::to_string(node.process().id()) + "\n");
  SUBCASE("SIGTERM") { node.process().signal(SIGTERM); }
  SUBCASE("SIGINT") { node.process().signal(SIGINT); }
  SUBCASE("SHUTDOWN") {
    auto client = node.client();
    client.add("SHUTDOWN", "NOSAVE");
    client.send_pipeline();
  }
  CHECK(node.process().succeeds());
  CHECK_FALSE(std::filesystem::exists(pid_file));
  CHECK(node.log().find("bye bye") != std::string::npos);
}

TEST_CASE("a daemon leaves its pid and writes its log to a file") {
  const TemporaryDirectory directory;
  const auto in = [&directory](const char* name) { return (directory.path() / name).string(); };
  const std::uint16_t port = served::unused_port();
  Process parent(
      {node_program(), "--port", std::to_string(port), "--bind", "127.0.0.1", "--daemonize", "yes", "--dir",
       directory.path().string(), "--pidfile", in("pid"), "--logfile", "log", "--unixsocket", in("socket")},
      in("output"));
  CHECK(parent.succeeds());
  REQUIRE(eventually(
      [&] { return contents_of(in("log")).find("Ready to accept connections") != std::string::npos; }));
  CHECK(std::filesystem::is_socket(in("socket")));
  RedisClient client(port);
  CHECK(info_field(client, "server", "process_id") + "\n" == contents_of(in("pid")));
  CHECK(client.command("CONFIG", "GET", "dir").items[1].text == directory.path().string());
  client.add("SHUTDOWN");
  client.send_pipeline();
  CHECK(eventually([&] { return !std::filesystem::exists(in("pid")); }));
}

TEST_CASE("a node started as a replica of a redis-server follows it, and its log says so") {
  RedisServer redis;
  redis.client().command("SET", "k", "v");
  ConfiguredServer node(node_program(),
                        "bind 127.0.0.1\nreplicaof 127.0.0.1 " + std::to_string(redis.port()) + "\n");
  auto client = node.client();
  REQUIRE(eventually([&] { return is_in_step(client); }));
  CHECK(client.command("GET", "k").text == "v");
  CHECK(node.log().find("Connecting to MASTER 127.0.0.1:" + std::to_string(redis.port())) !=
        std::string::npos);
  CHECK(node.log().find("MASTER <-> REPLICA sync: Finished with success") != std::string::npos);
  client.command("REPLICAOF", "NO", "ONE");
  CHECK(eventually([&] { return node.log().find("MASTER MODE enabled") != std::string::npos; }));
}

TEST_CASE("redis-server follows a node that was started from a file") {
  ConfiguredServer node(node_program(), "bind 127.0.0.1\n");
  auto client = node.client();
  client.command("SELECT", "9");
  client.command("SET", "k", "v");
  RedisServer redis({"--replicaof", "127.0.0.1 " + std::to_string(node.port())});
  auto at_redis = redis.client();
  at_redis.command("SELECT", "9");
  CHECK(has(at_redis, "k", "v"));
}

}  // namespace
