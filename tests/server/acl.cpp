// Users and their rules: the language in which they are written, what it permits, and who is let in.
#include <replikv/server/detail/access_control.hpp>
#include <replikv/server/detail/command_catalogue.hpp>
#include <replikv/server/detail/sha256.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>
#include <utility>
#include <vector>

namespace {

using interop::eventually;
using interop::RedisClient;
using replikv::EndpointOptions;
using replikv::Errc;
using replikv::detail::AccessControl;
using replikv::detail::AccessLog;
using replikv::detail::CommandIndex;
using replikv::detail::Sha256;
using replikv::detail::User;
using served::BesideRedis;
using served::Served;

/// The words of a text in alphabetical order: Redis names single commands in an order of its own each time.
std::vector<std::string> sorted_words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
  std::sort(words.begin(), words.end());
  return words;
}

/// As `BesideRedis::same`, but for the order of words.
void same_words(BesideRedis& both, std::string_view line) {
  const auto replies = both.both(line);
  INFO(std::string(line));
  INFO(replies.first);
  INFO(replies.second);
  CHECK(sorted_words(replies.first) == sorted_words(replies.second));
}

/// Another client of each of the two.
struct Pair {
  explicit Pair(BesideRedis& both) : ours(both.ours().client()), theirs(both.theirs().client()) {}

  void same(std::string_view line) {
    const auto words = served::words_of(line);
    std::string replies[2];
    for (int i = 0; i < 2; ++i) {
      RedisClient& client = i == 0 ? ours : theirs;
      client.add_words(words);
      client.send_pipeline();
      replies[i] = served::raw_reply(client);
    }
    INFO(std::string(line));
    CHECK(replies[0] == replies[1]);
  }
  void same(const std::vector<std::string_view>& lines) {
    for (const std::string_view line : lines) same(line);
  }

  RedisClient ours;
  RedisClient theirs;
};

const std::string some_digest(64, '0');

// --- Passwords ------------------------------------------------------------------------------------------

TEST_CASE("digests are those of the standard's examples") {
  CHECK(Sha256::hex_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256::hex_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256::hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(Sha256::hex_of(
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrl"
            "mnopqrsmnopqrstnopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(Sha256::hex_of(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("digests around the ends of blocks are right") {
  CHECK(Sha256::hex_of(std::string(55, 'a')) ==
        "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  CHECK(Sha256::hex_of(std::string(56, 'a')) ==
        "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  CHECK(Sha256::hex_of(std::string(64, 'a')) ==
        "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST_CASE("passwords are added, removed and told as redis-server does") {
  BesideRedis both;
  both.same({"ACL SETUSER a on >one >two >one", "ACL GETUSER a", "ACL SETUSER a <one", "ACL LIST",
             "ACL SETUSER a <one", "ACL SETUSER a nopass", "ACL LIST", "ACL SETUSER a >three",
             "ACL GETUSER a", "ACL SETUSER a resetpass", "ACL LIST", "ACL SETUSER a #abc", "ACL SETUSER a #",
             "ACL SETUSER a !abc", "ACL SETUSER a >", "ACL LIST"});
  both.same("ACL SETUSER a #" + some_digest);
  both.same("ACL LIST");
  both.same("ACL SETUSER a !" + some_digest);
  both.same("ACL SETUSER a !" + some_digest);
  both.same("ACL LIST");
}

// --- The language ---------------------------------------------------------------------------------------

TEST_CASE("every rule is taken, refused and shown as redis-server does") {
  BesideRedis both;
  for (const std::string_view rule : {"on",
                                      "off",
                                      "ON",
                                      "~k*",
                                      "~",
                                      "%R~r*",
                                      "%W~r*",
                                      "%rw~x",
                                      "%R",
                                      "%",
                                      "%~a",
                                      "%X~a",
                                      "%RR~a",
                                      "%R~r",
                                      "&c*",
                                      "&",
                                      "&c*",
                                      "+get",
                                      "+GET",
                                      "-get",
                                      "+nope",
                                      "-nope",
                                      "+@nope",
                                      "-@nope",
                                      "+",
                                      "-",
                                      "+@",
                                      "-@",
                                      "foo",
                                      "",
                                      "\"~a b\"",
                                      "\"&a b\"",
                                      "\"~a\\x00b\"",
                                      "+config|get",
                                      "-config|get",
                                      "+config|nope",
                                      "-config|nope",
                                      "+config|",
                                      "+config|get|x",
                                      "+config",
                                      "-config|set",
                                      "resetkeys",
                                      "allkeys",
                                      "~x",
                                      "resetkeys",
                                      "~x",
                                      "~*",
                                      "%R~x",
                                      "resetkeys",
                                      "%RW~*",
                                      "~y",
                                      "allchannels",
                                      "&x",
                                      "resetchannels",
                                      "&x",
                                      "&*",
                                      "+@read",
                                      "-@read",
                                      "+@READ",
                                      "-@all",
                                      "+select|1",
                                      "+SELECT|1",
                                      "-select|1",
                                      "+select|",
                                      "+@all|x",
                                      "allcommands",
                                      "-select",
                                      "nocommands",
                                      "+@all",
                                      "sanitize-payload",
                                      "skip-sanitize-payload",
                                      "(",
                                      "()",
                                      "(+get ~x)",
                                      "(+get",
                                      ")",
                                      "(+nope)",
                                      "(on)",
                                      "(>p)",
                                      "(nopass)",
                                      "((+get))",
                                      "(+get foo)",
                                      "clearselectors",
                                      "\"a\\x0d\\x0ab\"",
                                      "reset",
                                      "+@string",
                                      "+@hash",
                                      "+hget",
                                      "+script|kill",
                                      "-@all"}) {
    both.same("ACL SETUSER a " + (rule.find(' ') == std::string_view::npos || rule.starts_with('"')
                                      ? rule.empty() ? std::string("\"\"") : std::string(rule)
                                      : "\"" + std::string(rule) + "\""));
    same_words(both, "ACL LIST");
    same_words(both, "ACL GETUSER a");
  }
}

TEST_CASE("what remains of many rules is told in the fewest words, as redis-server does") {
  BesideRedis both;
  for (const std::string_view rules :
       {"+@all -@admin -@dangerous", "+@read -get", "+@all -get",
        "+@string -@write +config -config|set +object|help", "+@all -@write +set",
        "-@all +@keyspace +@string -@dangerous", "+@connection +@transaction -multi", "+@all -@all +get",
        "+@fast -@write", "+@slow", "+@pubsub +@admin", "+@write -@list -@set -@hash",
        "+@all -@scripting -config +config|get", "+client -client|kill", "-@all +get +set +del +ping +auth",
        "+@all -client +client|id +client|list", "+@geo +@stream +@bitmap +@hyperloglog +@sortedset"}) {
    both.same("ACL SETUSER a reset " + std::string(rules));
    INFO(std::string(rules));
    same_words(both, "ACL LIST");
    same_words(both, "ACL GETUSER a");
  }
}

TEST_CASE("categories that say all that is to be said are told byte for byte as redis-server does") {
  BesideRedis both;
  for (const std::string_view rules :
       {"+@read", "+@all -@dangerous", "+@read +@write", "+@string", "+@all -get", "+get",
        "+@keyspace +@transaction", "+@admin", "+@all -@write"}) {
    both.same("ACL SETUSER a reset " + std::string(rules));
    both.same("ACL LIST");
    both.same("ACL GETUSER a");
  }
}

TEST_CASE("rules that are written again mean the same") {
  const CommandIndex index;
  for (const std::string_view rules :
       {"+@read -get ~a %R~b &c", "+@all -@admin +config|get -set", "+select|1 on",
        "+config -config|set >p nopass", "(+get ~x) (+@write &y) ~* &*"}) {
    AccessControl first(index);
    CHECK(first.define(std::vector{"a " + std::string(rules)}).empty());
    const std::string text = first.find("a")->text(index);
    AccessControl second(index);
    CHECK(second.define(std::vector{"a " + text}).empty());
    CHECK(second.find("a")->text(index) == text);
  }
}

TEST_CASE("selectors may be split at their spaces") {
  BesideRedis both;
  both.same({"ACL SETUSER a (+get ~x) ( +set %W~y )", "ACL LIST", "ACL GETUSER a", "ACL SETUSER a (+get",
             "ACL SETUSER a on (+get ~x", "ACL SETUSER a (+get foo)",
             "ACL SETUSER a (allkeys) (&c allcommands)", "ACL LIST", "ACL SETUSER a \"(+get ~x)(+set)\"",
             "ACL LIST", "ACL SETUSER a clearselectors", "ACL GETUSER a"});
}

TEST_CASE("a command with rules that are wrong changes nothing") {
  BesideRedis both;
  both.same({"ACL SETUSER a on ~x", "ACL SETUSER a off ~y +nope", "ACL LIST", "ACL SETUSER b on +nope",
             "ACL USERS", "ACL SETUSER \"a b\" on", "ACL SETUSER \"\" on", "ACL USERS", "ACL DELUSER \"\""});
}

// --- The commands ---------------------------------------------------------------------------------------

TEST_CASE("the subcommands of ACL answer as redis-server does") {
  BesideRedis both;
  both.same({"ACL HELP",
             "ACL HELP x",
             "ACL",
             "ACL NOPE",
             "ACL WHOAMI",
             "ACL WHOAMI x",
             "ACL CAT",
             "ACL CAT a b",
             "ACL CAT nope",
             "ACL LIST",
             "ACL USERS",
             "ACL GETUSER default",
             "ACL GETUSER nope",
             "ACL SETUSER",
             "ACL SETUSER a",
             "ACL LIST",
             "ACL DELUSER",
             "ACL DELUSER default",
             "ACL DELUSER nope a a",
             "ACL USERS",
             "ACL GENPASS x",
             "ACL GENPASS 0",
             "ACL GENPASS -1",
             "ACL GENPASS 4097",
             "ACL GENPASS 1 2",
             "ACL SAVE",
             "ACL LOAD",
             "ACL LOG",
             "ACL LOG RESET",
             "ACL LOG x",
             "ACL LOG 1 2",
             "ACL LOG -1",
             "ACL DRYRUN a",
             "ACL DRYRUN a get",
             "ACL DRYRUN default nope",
             "ACL DRYRUN default get",
             "ACL DRYRUN default get a"});
}

TEST_CASE("the subcommands of ACL answer in RESP3 as redis-server does") {
  BesideRedis both;
  for (const std::string_view line : {"HELLO 3"}) static_cast<void>(both.both(line));
  both.same({"ACL SETUSER a on >p ~k* (+get ~x)", "ACL GETUSER a", "ACL GETUSER nope", "ACL LIST", "ACL CAT",
             "ACL WHOAMI", "ACL LOG"});
}

TEST_CASE("generated passwords have the length that was asked for, and differ") {
  Served served;
  auto client = served.client();
  for (const auto& [bits, digits] :
       {std::pair{1, 1}, std::pair{5, 2}, std::pair{256, 64}, std::pair{4096, 1024}}) {
    CHECK(client.command("ACL", "GENPASS", bits).text.size() == static_cast<std::size_t>(digits));
  }
  const std::string first = client.command("ACL", "GENPASS").text;
  CHECK(first.size() == 64);
  CHECK(first.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(first != client.command("ACL", "GENPASS").text);
}

bool is_of_redis(std::string_view name) {
  const auto& all = replikv::detail::catalogue::commands;
  return std::any_of(all.begin(), all.end(), [name](const auto& each) { return each.name == name; });
}

TEST_CASE("commands that exist here are of the categories that they have in redis-server") {
  BesideRedis both;
  auto ours = both.ours().client();
  auto theirs = both.theirs().client();
  std::vector<std::string> existing;
  for (const std::string_view category : replikv::detail::category_names) {
    for (const auto& name : ours.command("ACL", "CAT", category).items) existing.push_back(name.text);
  }
  std::sort(existing.begin(), existing.end());
  CHECK(existing.size() > 20);
  for (const std::string_view category : replikv::detail::category_names) {
    std::vector<std::string> here;
    for (const auto& name : ours.command("ACL", "CAT", category).items) {
      if (is_of_redis(name.text)) here.push_back(name.text);  // CLIENT SETINFO is of a later one
    }
    std::vector<std::string> there;
    for (const auto& name : theirs.command("ACL", "CAT", category).items) {
      if (std::binary_search(existing.begin(), existing.end(), name.text)) there.push_back(name.text);
    }
    std::sort(here.begin(), here.end());
    std::sort(there.begin(), there.end());
    INFO(std::string(category));
    CHECK(here == there);
  }
}

TEST_CASE("the commands that rules may name are those of redis-server, with its categories") {
  interop::RedisServer redis;
  auto client = redis.client();
  const auto& all = replikv::detail::catalogue::commands;
  CHECK(std::is_sorted(all.begin(), all.end(), [](auto& a, auto& b) { return a.name < b.name; }));
  std::size_t memberships = 0;
  for (const auto& each : all) {
    for (std::uint32_t rest = each.categories; rest != 0; rest &= rest - 1) ++memberships;
  }
  for (const std::string_view category : replikv::detail::category_names) {
    for (const auto& name : client.command("ACL", "CAT", category).items) {
      const auto found =
          std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name.text; });
      INFO(name.text);
      REQUIRE(found != all.end());
      CHECK((found->categories & replikv::detail::category_of(category)) != 0);
      --memberships;
    }
  }
  CHECK(memberships == 0);
}

// --- What is permitted ----------------------------------------------------------------------------------

TEST_CASE("what a user may not do is refused in the words of redis-server") {
  BesideRedis both;
  both.same("ACL SETUSER u on >p ~k* %R~r* %W~w* +get +set +acl|whoami +hello +select|1");
  Pair user(both);
  user.same({"AUTH u wrong", "AUTH u p", "ACL WHOAMI", "GET k1",   "SET k1 v", "GET r1",         "SET r1 v",
             "SET w1 v",     "GET w1",   "GET x",      "SET x v",  "ACL LIST", "acl list",       "PING",
             "AUTH",         "NOPE",     "GET",        "SELECT 1", "SELECT 2", "AUTH default x", "GET x"});
}

TEST_CASE("a selector permits what it permits alone, and not together with others") {
  BesideRedis both;
  both.same("ACL SETUSER u on nopass +get ~a (+set ~b) (+@all -set ~c)");
  Pair user(both);
  user.same(
      {"AUTH u x", "GET a", "GET b", "GET c", "SET a 1", "SET b 1", "SET c 1", "ECHO x", "GET d", "SET d 1"});
}

TEST_CASE("whether a call is permitted can be asked ahead, and is told as redis-server does") {
  BesideRedis both;
  both.same("ACL SETUSER d on nopass ~k* %R~r +@string +echo (%W~w +set)");
  both.same({"ACL DRYRUN d get k", "ACL DRYRUN d get r", "ACL DRYRUN d get w", "ACL DRYRUN d set r 1",
             "ACL DRYRUN d set w 1", "ACL DRYRUN d set w 1 get", "ACL DRYRUN d set k 1 get",
             "ACL DRYRUN d ping", "ACL DRYRUN d auth x", "ACL DRYRUN d auth", "ACL DRYRUN d acl whoami",
             "ACL DRYRUN d acl nope", "ACL DRYRUN d acl", "ACL DRYRUN nope get a", "ACL DRYRUN d nope"});
}

TEST_CASE("commands need the permissions to read and write keys that they need in redis-server") {
  BesideRedis both;
  both.same("ACL SETUSER reads on +@all %R~*");
  both.same("ACL SETUSER writes on +@all %W~*");
  both.same("ACL SETUSER copies on +@all %R~a %W~b");
  for (const std::string_view call : {"get a",
                                      "set a 1",
                                      "set a 1 get",
                                      "set a 1 ex 5",
                                      "setnx a 1",
                                      "setex a 1 1",
                                      "psetex a 1 1",
                                      "append a 1",
                                      "strlen a",
                                      "del a",
                                      "del b a",
                                      "unlink a",
                                      "exists a",
                                      "setbit a 1 1",
                                      "getbit a 1",
                                      "bitfield a get u8 0",
                                      "bitfield a set u8 0 1",
                                      "bitfield a get u8 0 incrby u8 0 1",
                                      "bitfield_ro a get u8 0",
                                      "setrange a 1 x",
                                      "getrange a 0 1",
                                      "substr a 0 1",
                                      "incr a",
                                      "decr a",
                                      "mget a b",
                                      "mget b a",
                                      "mset a 1 b 2",
                                      "msetnx b 1",
                                      "incrby a 1",
                                      "decrby a 1",
                                      "incrbyfloat a 1",
                                      "getset a 1",
                                      "getdel a",
                                      "getex a",
                                      "getex a persist",
                                      "rename a b",
                                      "rename b a",
                                      "renamenx a b",
                                      "copy a b",
                                      "copy b a",
                                      "expire a 1",
                                      "expireat a 1",
                                      "pexpire a 1",
                                      "pexpireat a 1",
                                      "persist a",
                                      "ttl a",
                                      "pttl a",
                                      "expiretime a",
                                      "touch a",
                                      "type a",
                                      "move a 1",
                                      "dump a",
                                      "restore a 0 x",
                                      "object encoding a",
                                      "bitop and b a a",
                                      "bitop and a b",
                                      "bitcount a",
                                      "bitpos a 1",
                                      "lcs a b",
                                      "watch a",
                                      "keys *",
                                      "scan 0",
                                      "dbsize",
                                      "flushall",
                                      "randomkey",
                                      "memory usage a",
                                      "ping",
                                      "publish a b"}) {
    for (const std::string_view user : {"reads", "writes", "copies"}) {
      both.same("ACL DRYRUN " + std::string(user) + " " + std::string(call));
    }
  }
}

TEST_CASE("an application's own command needs the permissions that its flags tell") {
  Served served;
  served.endpoint.add(
      {"double", 2, "write denyoom fast", "string", {1, 1, 1}, [](auto& call) { call.reply.ok(); }});
  served.endpoint.add({"peek", 2, "readonly fast", "string", {1, 1, 1}, [](auto& call) { call.reply.ok(); }});
  served.endpoint.define_user("own on nopass +double +peek ~a %R~b");
  auto client = served.client();
  CHECK(client.command("AUTH", "own", "x").text == "OK");
  CHECK(client.command("DOUBLE", "a").text == "OK");
  CHECK(client.command("PEEK", "b").text == "OK");
  CHECK(client.command("DOUBLE", "b").text.starts_with("NOPERM"));
  CHECK(client.command("PEEK", "c").text.starts_with("NOPERM"));
  CHECK(served.client().command("ACL", "GETUSER", "own").items[5].text.find("+double") != std::string::npos);
  CHECK_THROWS_WITH_AS(served.endpoint.define_user("own +nope"), doctest::Contains("Unknown command"),
                       replikv::Error);
}

TEST_CASE("channels are permitted by pattern, patterns word for word, several only together") {
  const CommandIndex index;
  AccessControl access(index);
  CHECK(access.define(std::vector<std::string>{"a on nopass +@all &news.* (&other.*)"}).empty());
  const auto user = access.find("a");
  CHECK(AccessControl::may_use_channel(*user, "news.today"));
  CHECK(AccessControl::may_use_channel(*user, "other.x"));
  CHECK(!AccessControl::may_use_channel(*user, "new"));
  CHECK(AccessControl::may_use_channel(*user, "news.*", true));
  CHECK(!AccessControl::may_use_channel(*user, "news.today", true));
  const auto judged = [&](std::vector<std::string_view> words) {
    const auto number = *index.find(words[0]);
    return user->judge({number, index[number], false, words, {}});
  };
  using replikv::detail::Denied;
  CHECK(judged({"subscribe", "news.a", "news.b"}).what == Denied::nothing);
  CHECK(judged({"subscribe", "news.a", "secret"}).object == "secret");
  CHECK(judged({"psubscribe", "news.*"}).what == Denied::nothing);
  CHECK(judged({"psubscribe", "*"}).what == Denied::channel);
  CHECK(judged({"publish", "news.a", "secret"}).what == Denied::nothing);
  CHECK(judged({"publish", "secret", "news.a"}).what == Denied::channel);
  CHECK(judged({"unsubscribe", "secret"}).what == Denied::nothing);
}

TEST_CASE("acl-pubsub-default says what new users and selectors may hear, as in redis-server") {
  for (const std::string preset : {"allchannels", "resetchannels"}) {
    EndpointOptions options;
    options.new_users_hear_all_channels = preset == "allchannels";
    options.users = {"early on nopass +@all", "default on nopass +@all (+get)"};
    BesideRedis both(options, {"--acl-pubsub-default", preset, "--user", "early", "on", "nopass", "+@all",
                               "--user", "default", "on", "nopass", "+@all", "(+get)"});
    both.same({"CONFIG GET acl-pubsub-default", "ACL LIST", "ACL SETUSER first", "ACL SETUSER early reset",
               "ACL SETUSER first (+get) (~x resetchannels &y)", "ACL GETUSER first", "ACL LIST"});
    both.same({"CONFIG SET acl-pubsub-default ALLchannels", "CONFIG GET acl-pubsub-default", "ACL LIST",
               "ACL SETUSER second +publish nopass on", "ACL SETUSER third &x",
               "ACL SETUSER third resetchannels &x", "ACL SETUSER first reset", "ACL SETUSER early (+get)",
               "ACL LIST", "ACL DRYRUN second publish c m"});
    both.same({"CONFIG SET acl-pubsub-default resetchannels", "ACL SETUSER fourth",
               "ACL SETUSER second reset", "ACL LIST", "ACL DRYRUN second publish c m",
               "CONFIG SET acl-pubsub-default nobody", "CONFIG GET acl-pubsub-default"});
  }
  replikv::RedisConfiguration configuration;
  configuration.read("user a on\nacl-pubsub-default allchannels\n");  // whichever comes first
  Served served;
  served.endpoint.use(configuration);
  CHECK(served.client().command("ACL", "LIST").items[0].text == "user a on &* -@all");
}

TEST_CASE("changed rules hold at once, for those who are logged in as well") {
  Served served;
  auto admin = served.client();
  admin.command("ACL", "SETUSER", "u", "on", ">p", "+get", "~*");
  auto user = served.client();
  CHECK(user.command("AUTH", "u", "p").text == "OK");
  CHECK(user.command("GET", "a").is_nil());
  admin.command("ACL", "SETUSER", "u", "-get");
  CHECK(user.command("GET", "a").text.starts_with("NOPERM"));
  admin.command("ACL", "SETUSER", "u", "+get", "resetpass", ">q", "off");
  CHECK(user.command("GET", "a").is_nil());  // a login outlives its password
  CHECK(served.client().command("AUTH", "u", "q").text.starts_with("WRONGPASS"));
  admin.command("ACL", "SETUSER", "default", "-@all", "+acl");
  CHECK(admin.command("GET", "a").text.starts_with("NOPERM"));
}

TEST_CASE("what a transaction may do is judged when it is queued, and again when it runs") {
  BesideRedis both;
  both.same("ACL SETUSER m on nopass ~* &* +@all");
  Pair user(both);
  user.same({"AUTH m x", "MULTI", "GET a", "SET k 1", "PUBLISH k 1", "PING"});
  both.same("ACL SETUSER m -get resetkeys ~z resetchannels");
  user.same({"EXEC", "GET z", "MULTI", "SET z 1", "SET k 1", "EXEC", "SET z 2"});
  auto ours = both.ours().client();
  auto theirs = both.theirs().client();
  CHECK(ours.command("ACL", "LOG").items[0].items[5].text == "multi");
  CHECK(ours.command("ACL", "LOG").items.size() == theirs.command("ACL", "LOG").items.size());
}

TEST_CASE("channels are refused, and subscribers end when they may no longer listen, as redis-server does") {
  BesideRedis both;
  both.same("ACL SETUSER p on nopass +@all &news.* &*x");
  Pair user(both);
  user.same({"AUTH p x", "PUBLISH news.a 1", "PUBLISH secret 1", "SUBSCRIBE news.a secret", "PSUBSCRIBE *",
             "PSUBSCRIBE news.*", "SUBSCRIBE secret", "SUBSCRIBE news.b"});
  both.same("ACL SETUSER p &more");
  user.same("PING");
  both.same("ACL SETUSER p resetchannels &news.*");
  user.same("PING");
  both.same("ACL SETUSER p resetchannels &news.a");
  CHECK(interop::is_closed(user.ours));
  CHECK(interop::is_closed(user.theirs));
}

TEST_CASE("a client that is reset is the user it was when it came") {
  BesideRedis both;
  both.same("ACL SETUSER u on nopass +@all ~*");
  Pair user(both);
  user.same({"AUTH u x", "ACL WHOAMI", "RESET", "ACL WHOAMI"});
  both.same("ACL SETUSER default resetpass >secret");
  user.same({"ACL WHOAMI", "RESET", "ACL WHOAMI", "AUTH secret", "ACL WHOAMI"});
}

TEST_CASE("requirepass is the password of the user default, also when it is set later") {
  BesideRedis both;
  both.same({"CONFIG SET requirepass secret", "ACL LIST", "GET a", "CONFIG GET requirepass"});
  Pair late(both);
  late.same({"GET a", "AUTH wrong", "AUTH secret", "GET a", "CONFIG SET requirepass \"\"", "ACL LIST"});
  Pair last(both);
  last.same("GET a");
  last.same("AUTH x");
}

TEST_CASE("a configuration file defines users, with quotes where their passwords need them") {
  replikv::RedisConfiguration configuration;
  configuration.read("user default on >pw ~* &* +@all\nuser a on \">a b\" (+get ~x)\nacllog-max-len 7\n");
  Served served;
  served.endpoint.use(configuration);
  auto client = served.client();
  CHECK(client.command("GET", "x").text == "NOAUTH Authentication required.");
  CHECK(client.command("AUTH", "a", "a b").text == "OK");
  CHECK(client.command("GET", "x").is_nil());
  CHECK(client.command("GET", "y").text.starts_with("NOPERM"));
  replikv::RedisConfiguration wrong;
  wrong.read("user b on +nope\nmaxclients 1\n");
  CHECK_THROWS_WITH_AS(served.endpoint.use(wrong), doctest::Contains("Unknown command"),
                       replikv::ConfigurationError);
  CHECK(client.command("AUTH", "pw").text == "OK");
  CHECK(client.command("CONFIG", "GET", "maxclients").items[1].text == "10000");
}

TEST_CASE("a client is told by the name of its user, and may be ended by it") {
  Served served;
  auto admin = served.client();
  admin.command("ACL", "SETUSER", "u", "on", "nopass", "+@all");
  auto user = served.client();
  CHECK(user.command("AUTH", "u", "x").text == "OK");
  CHECK(user.command("CLIENT", "INFO").text.find(" user=u ") != std::string::npos);
  CHECK(admin.command("CLIENT", "KILL", "USER", "u").number == 1);
  CHECK(interop::is_closed(user));
  CHECK(admin.command("CLIENT", "KILL", "USER", "nobody").is_error());
}

// --- Who is let in --------------------------------------------------------------------------------------

TEST_CASE("logins are granted and refused as redis-server does, with a password for everyone") {
  BesideRedis both({.password = "secret"}, {"--requirepass", "secret"});
  both.same({"ACL WHOAMI", "AUTH", "AUTH wrong", "AUTH nobody secret", "AUTH default wrong",
             "HELLO 2 AUTH default no", "AUTH secret", "ACL WHOAMI", "ACL LIST", "ACL GETUSER default",
             "ACL SETUSER u on >p +acl|whoami", "ACL SETUSER o >p", "AUTH o p", "AUTH u P", "AUTH u p",
             "ACL WHOAMI", "GET a"});
}

TEST_CASE(
    "when the password is dropped, those who have not logged in may go on, and larger requests are taken") {
  EndpointOptions options;
  options.password = "secret";
  Served served(options);
  auto early = served.client();
  CHECK(early.command("GET", "a").text == "NOAUTH Authentication required.");
  auto admin = served.client();
  CHECK(admin.command("AUTH", "secret").text == "OK");
  CHECK(admin.command("ACL", "SETUSER", "default", "nopass").text == "OK");
  CHECK(early.command("GET", "a").is_nil());
  CHECK(early.command("SET", "a", std::string(100'000, 'v')).text == "OK");
  CHECK(admin.command("ACL", "SETUSER", "default", ">other").text == "OK");
  CHECK(early.command("GET", "a").text == "NOAUTH Authentication required.");
  CHECK(admin.command("GET", "a").text.size() == 100'000);  // a login outlives its password
}

TEST_CASE("users are defined by options as by lines of a configuration file") {
  EndpointOptions options;
  options.users = {"default on >pw ~* &* +@all", "master_user on >pw ~* &* +@all",
                   "a on #" + some_digest + " (+get ~x)"};
  std::vector<std::string> redis_options;
  for (const std::string& line : options.users) {
    redis_options.emplace_back("--user");
    for (const std::string& word : served::words_of(line)) redis_options.push_back(word);
  }
  BesideRedis both(options, redis_options);
  both.same({"GET a", "AUTH pw", "ACL LIST", "ACL GETUSER default", "ACL GETUSER a", "AUTH master_user pw",
             "GET a", "ACL WHOAMI"});
}

TEST_CASE("users that cannot be read stop the endpoint from being made, with the reason") {
  const auto made_with = [](std::vector<std::string> users, std::string password = {},
                            std::string file = {}) -> std::string {
    EndpointOptions options;
    options.users = std::move(users);
    options.password = std::move(password);
    options.acl_file = std::move(file);
    try {
      Served served(options);
    } catch (const replikv::Error& error) {
      CHECK(error.code() == Errc::bad_option);
      return error.what();
    }
    return {};
  };
  CHECK(made_with({"a on"}).empty());
  CHECK(made_with({"a +nope"})
            .find("Error loading ACL rule '+nope' for the user named 'a': Unknown command or "
                  "category name in ACL") != std::string::npos);
  CHECK(made_with({"a on", "a off"})
            .find("Error in user declaration 'a': Duplicate user found. A user can only be "
                  "defined once in config files") != std::string::npos);
  CHECK(made_with({"\"a b\" on"}).find("Spaces not allowed in ACL usernames") != std::string::npos);
  CHECK(made_with({"a (+get"}).find("Unmatched parenthesis") != std::string::npos);
  CHECK(!made_with({""}).empty());
  CHECK(!made_with({"a \"on"}).empty());
  CHECK(!made_with({"a on"}, {}, "users.acl").empty());
  CHECK(made_with({}, {}, "/nowhere/users.acl")
            .find("Error loading ACLs, opening file '/nowhere/users.acl': No such file or directory") !=
        std::string::npos);
}

TEST_CASE("when a user is deleted, the connections that are logged in as it are closed") {
  Served served;
  auto admin = served.client();
  admin.command("ACL", "SETUSER", "u", "on", ">p", "+@all");
  admin.command("ACL", "SETUSER", "v", "on", ">p", "+@all", "~*");
  RedisClient gone = served.client();
  RedisClient stays = served.client();
  CHECK(gone.command("AUTH", "u", "p").text == "OK");
  CHECK(stays.command("AUTH", "v", "p").text == "OK");
  CHECK(admin.command("ACL", "DELUSER", "u").number == 1);
  CHECK(interop::is_closed(gone));
  CHECK(stays.command("ACL", "WHOAMI").text == "v");
  CHECK(stays.command("ACL", "DELUSER", "v").number == 1);  // itself: after its reply
  CHECK(interop::is_closed(stays));
  CHECK(admin.command("ACL", "USERS").items.size() == 1);
}

// --- The file -------------------------------------------------------------------------------------------

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("users are loaded from a file and saved to it as redis-server does") {
  const interop::TemporaryDirectory directory;
  const auto our_file = directory.path() / "ours.acl";
  const auto their_file = directory.path() / "their.acl";  // as long a name, since errors tell it
  const auto write = [&](std::string_view text) {
    std::ofstream(our_file) << text;
    std::ofstream(their_file) << text;
  };
  write("\n  user a on >p  \n\nuser b on\t\nuser c (+get ~x) ( +set ~y )\n");
  EndpointOptions options;
  options.acl_file = our_file.string();
  BesideRedis both(options, {"--aclfile", their_file.string()});
  both.same("ACL LIST");
  for (const std::string_view text :
       {"user a on foo\nuser b on\nuser c ~* ~x\nwhat\nuser a on\nuser d (+get\nuser\n", "# x\n",
        "user c on +nope foo -nada bar\n", "user default off\nuser a on\nuser \"b\" on\n", "user c \"on\n",
        "user default on nopass +@all -get ~* &*\nuser a on (+get ~x) (+set)\nuser b off nopass", ""}) {
    write(text);
    auto [ours, theirs] = both.both("ACL LOAD");
    for (std::size_t at = 0; (at = ours.find("ours.acl")) != std::string::npos;) ours.replace(at, 8, "X.acl");
    for (std::size_t at = 0; (at = theirs.find("their.acl")) != std::string::npos;)
      theirs.replace(at, 9, "X.acl");
    INFO(std::string(text));
    CHECK(ours == theirs);
    both.same("ACL LIST");
    both.same("ACL SETUSER default on");
    both.same("ACL SAVE");
    CHECK(contents(our_file) == contents(their_file));
  }
}

TEST_CASE("who is logged in as a user of a file that is loaded again has to log in again") {
  const interop::TemporaryDirectory directory;
  EndpointOptions options;
  options.acl_file = (directory.path() / "users.acl").string();
  std::ofstream(options.acl_file) << "user u on >p +@all ~*\n";
  Served served(options);
  auto user = served.client();
  auto admin = served.client();
  CHECK(user.command("AUTH", "u", "p").text == "OK");
  CHECK(admin.command("ACL", "LOAD").text == "OK");
  CHECK(interop::is_closed(user));
  CHECK(admin.command("AUTH", "default", "x").text == "OK");
  CHECK(admin.command("ACL", "LOAD").text == "OK");
  CHECK(admin.command("PING").text == "PONG");
}

TEST_CASE("a file that cannot be written is told of, and the old one stays") {
  const interop::TemporaryDirectory directory;
  EndpointOptions options;
  options.acl_file = (directory.path() / "folder" / "users.acl").string();
  std::filesystem::create_directory(directory.path() / "folder");
  std::ofstream(options.acl_file) << "user u on >p +@all ~*\n";
  Served served(options);
  std::filesystem::remove_all(directory.path() / "folder");
  CHECK(served.client()
            .command("ACL", "SAVE")
            .text.starts_with("ERR There was an error trying to save the ACLs."));
}

// --- The log --------------------------------------------------------------------------------------------

/// What ACL LOG tells, but for the times and the client.
std::string log_text(RedisClient& client) {
  std::string text;
  for (const auto& entry : client.command("ACL", "LOG", 100).items) {
    for (std::size_t i = 0; i < 10; ++i)
      text += entry.items[i].text + (i == 1 ? std::to_string(entry.items[i].number) : "") + " ";
    CHECK(entry.items.size() == 14);
    CHECK(std::stod(entry.items[11].text) < 60);
    CHECK(entry.items[13].text.starts_with("id="));
    text += "\n";
  }
  return text;
}

/// "id=1 addr=x" as "id addr".
std::string field_names_of(const std::string& client) {
  std::istringstream in(client);
  std::string names;
  for (std::string word; in >> word;) names += word.substr(0, word.find('=')) + " ";
  return names;
}

TEST_CASE("refusals are recorded, and repeated ones counted, as redis-server does") {
  BesideRedis both;
  both.same("ACL SETUSER u on >p ~k* +get +set");
  Pair user(both);
  user.same({"AUTH u wrong", "auth nobody wrong", "AUTH u p", "GET x", "GET x", "ACL LIST", "get x", "PING",
             "GET y", "HELLO 3 AUTH u no"});
  auto ours = both.ours().client();
  auto theirs = both.theirs().client();
  CHECK(log_text(ours) == log_text(theirs));
  CHECK(field_names_of(ours.command("ACL", "LOG").items[0].items[13].text) ==
        field_names_of(theirs.command("ACL", "LOG").items[0].items[13].text));
  CHECK(ours.command("ACL", "LOG").items[1].items[13].text.find(" cmd=get user=u ") != std::string::npos);
  CHECK(theirs.command("ACL", "LOG").items[1].items[13].text.find(" cmd=get user=u ") != std::string::npos);
  both.same("ACL LOG RESET");
  both.same("ACL LOG");
}

TEST_CASE("the log keeps the last refusals, and no more than so many bytes of each") {
  EndpointOptions options;
  options.acl_log_entries_max = 5;
  Served served(options);
  auto client = served.client();
  client.command("ACL", "SETUSER", "u", "on", "nopass", "+get", "+acl");
  CHECK(client.command("AUTH", "u", "x").text == "OK");
  for (int i = 0; i < 40; ++i) client.command("GET", std::string(100'000, 'k') + std::to_string(i));
  for (int i = 0; i < 40; ++i) client.command("GET", std::to_string(i));
  client.command("HELLO", "2", "SETNAME", std::string(100'000, 'n'));
  client.command("GET", std::string(100'000, 'k'));
  const auto log = client.command("ACL", "LOG", 1000);
  CHECK(log.items[0].items[13].text.size() == AccessLog::client_bytes_max);
  CHECK(log.items.size() == 5);
  CHECK(log.items[0].items[7].text == std::string(AccessLog::text_bytes_max, 'k'));
  CHECK(log.items[1].items[7].text == "39");
  CHECK(log.items[4].items[7].text == "36");
}

// --- Replicas and Sentinel ------------------------------------------------------------------------------

TEST_CASE("a user with +psync +replconf +ping is enough for a redis-server to follow") {
  EndpointOptions options;
  options.users = {"default on >secret ~* &* +@all", "follower on >pw +psync +replconf +ping"};
  Served served(options);
  auto admin = served.client();
  CHECK(admin.command("AUTH", "secret").text == "OK");
  served.stores[0].set("name", "one");
  interop::RedisServer redis({"--masteruser", "follower", "--masterauth", "pw", "--replicaof", "127.0.0.1",
                              std::to_string(served.port())});
  auto replica = redis.client();
  CHECK(eventually([&] { return replica.command("GET", "name").text == "one"; }));
  served.stores[0].set("name", "two");
  CHECK(eventually([&] { return replica.command("GET", "name").text == "two"; }));
  const auto is_up = [&] {
    return interop::info_field(replica.info("replication"), "master_link_status") == "up";
  };
  CHECK(is_up());
  CHECK(admin.command("ACL", "DELUSER", "follower").number == 1);
  CHECK(eventually([&] { return !is_up(); }));
}

TEST_CASE("the rules that Sentinel's documentation has for its user are understood") {
  BesideRedis both;
  both.same(
      "ACL SETUSER sentinel on >pw allchannels +multi +slaveof +ping +exec +subscribe +config|rewrite +role "
      "+publish "
      "+info +client|setname +client|kill +script|kill");
  same_words(both, "ACL LIST");
  same_words(both, "ACL GETUSER sentinel");
}

// --- Hostile --------------------------------------------------------------------------------------------

TEST_CASE("a megabyte of rules takes no longer than it should") {
  Served served;
  auto client = served.client();
  const auto began = std::chrono::steady_clock::now();
  const auto rules = [&](std::string_view before, std::string_view after, int count) {
    std::vector<std::string> words{"ACL", "SETUSER", "u"};
    for (int i = 0; i < count; ++i)
      words.push_back(std::string(before) + std::to_string(i) + std::string(after));
    client.add_words(words);
    return client.flush().back().text;
  };
  CHECK(rules("~", "", 40'000) == "OK");
  CHECK(rules("&", "", 40'000) == "OK");
  CHECK(rules("+select|", "", 40'000) == "OK");
  CHECK(rules(">", "", 20'000) == "OK");
  CHECK(rules("(~", ")", 20'000) == "OK");
  CHECK(client.command("ACL", "SETUSER", "u", "~" + std::string(1 << 20, '*')).text == "OK");
  CHECK(client.command("ACL", "SETUSER", "u", "(" + std::string(1 << 20, '(')).is_error());
  CHECK(client.command("ACL", "SETUSER", "u", std::string(1 << 20, '+')).is_error());
  std::string text = "(";
  for (int i = 0; i < 80'000; ++i) text += "~k" + std::to_string(i) + " ";
  CHECK(client.command("ACL", "SETUSER", "u", text + ")").text == "OK");
  CHECK(client.command("ACL", "LIST").items.size() == 2);
  CHECK(client.command("ACL", "GETUSER", "u").items.size() == 12);
  CHECK(client.command("ACL", "DELUSER", "u").number == 1);
  // Were it quadratic, it would take minutes.
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(30));
}

TEST_CASE("ten thousand users are made, listed, used and deleted") {
  Served served;
  auto client = served.client();
  for (int i = 0; i < 10'000; ++i)
    client.add("ACL", "SETUSER", "user" + std::to_string(i), "on", ">p", "~k*", "+@read");
  CHECK(interop::errors_of(client.flush()).empty());
  CHECK(client.command("ACL", "LIST").items.size() == 10'001);
  auto user = served.client();
  CHECK(user.command("AUTH", "user9999", "p").text == "OK");
  CHECK(user.command("GET", "k").is_nil());
  CHECK(user.command("SET", "k", "1").text.starts_with("NOPERM"));
  for (int i = 0; i < 10'000; ++i) client.add("ACL", "DELUSER", "user" + std::to_string(i));
  CHECK(interop::errors_of(client.flush()).empty());
  CHECK(client.command("ACL", "USERS").items.size() == 1);
  CHECK(interop::is_closed(user));
}

TEST_CASE("random rules are applied or refused, and change nothing when they are refused") {
  const auto seed = std::chrono::steady_clock::now().time_since_epoch().count();
  CAPTURE(seed);
  replikv::Random random(static_cast<std::uint64_t>(seed));
  const CommandIndex index;
  const std::vector<std::string> pieces{"+",       "-",
                                        "@",       "~",
                                        "%",       "R",
                                        "W",       "&",
                                        "(",       ")",
                                        " ",       "|",
                                        "get",     "config",
                                        "all",     "read",
                                        "set",     "*",
                                        ">",       "<",
                                        "#",       "!",
                                        "on",      "off",
                                        "reset",   "nopass",
                                        "keys",    "channels",
                                        "allkeys", "+@all",
                                        "-@all",   "\"",
                                        "\\",      std::string(1, '\0')};
  for (int round = 0; round < 200; ++round) {
    User user("u");
    for (int i = 0; i < 50; ++i) {
      std::string rule;
      for (auto size = random.below(7); size > 0; --size) rule += pieces[random.below(pieces.size())];
      const std::string before = user.text(index);
      if (!user.apply(rule, index).empty()) CHECK(user.text(index) == before);
    }
  }
}

}  // namespace
