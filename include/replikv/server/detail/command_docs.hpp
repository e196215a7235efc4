// What COMMAND DOCS, and with it `help` of redis-cli, says of each command. Read when a client asks, only.
#pragma once

#include <replikv/server/command.hpp>

#include <array>
#include <span>
#include <string_view>

namespace replikv::inline v0_1::detail {

/// What to call instead of a command that is only kept for those who know it.
struct Deprecation {
  std::string_view since{};
  std::string_view replaced_by{};
};

struct CommandDoc {
  std::string_view name;
  std::string_view usage;  ///< as command_usage.hpp says
  std::string_view summary;
  std::string_view since;                ///< of Redis
  std::string_view complexity = "O(1)";  ///< of calling it on strings
  Deprecation deprecation{};
  bool is_internal = false;  ///< servers and tools call it, people do not
};

namespace docs {

inline constexpr std::string_view restore_usage =
    "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]";
inline constexpr std::string_view replicaof_usage = "args=(host-port=(host port)|no-one=(NO ONE))";
inline constexpr std::string_view help = "Lists the subcommands and what they do";
inline constexpr std::string_view by_part = "Depends on the subcommand";

inline constexpr std::array bitmap{
    CommandDoc{"bitcount", "key index=[start end index_unit=[BYTE|BIT]]",
               "Counts the bits that are set, in all of a string or a part of it", "2.6.0", "O(N)"},
    CommandDoc{
        "bitfield",
        "key operation=[GET (encoding offset)|write=([OVERFLOW (WRAP|SAT|FAIL)] "
        "write_operation=(SET (encoding offset value:integer)|INCRBY (encoding offset increment)))]...",
        "Reads, writes and counts up integers of any width within a string", "3.2.0",
        "O(1) for each operation"},
    CommandDoc{"bitfield_ro", "key [GET (encoding offset)]...", "Reads integers of any width within a string",
               "6.0.0", "O(1) for each operation"},
    CommandDoc{"bitop", "operation destkey key#1...", "Stores the AND, OR, XOR or NOT of strings, bit by bit",
               "2.6.0", "O(N)"},
    CommandDoc{"bitpos", "key bit index=[start end_index=[end index_unit=[BYTE|BIT]]]",
               "Finds the first bit that is set, or that is not", "2.8.7", "O(N)"},
    CommandDoc{"getbit", "key offset", "Returns one bit of a string", "2.2.0"},
    CommandDoc{"setbit", "key offset value:integer", "Writes one bit of a string, and returns what it was",
               "2.2.0"},
};

inline constexpr std::array connection{
    CommandDoc{"auth", "[username] password", "Logs this connection in", "1.0.0",
               "O(N) with N passwords of the user"},
    CommandDoc{"client", "", "Looks at connections and steers them", "2.4.0", by_part},
    CommandDoc{"client|caching", "mode=(YES|NO)",
               "Says whether the keys of the next command are to be tracked", "6.0.0"},
    CommandDoc{"client|getname", "", "Returns the name that this connection has given itself", "2.6.9"},
    CommandDoc{"client|getredir", "", "Returns the connection that hears of this one's tracked keys",
               "6.0.0"},
    CommandDoc{"client|help", "", help, "5.0.0"},
    CommandDoc{"client|id", "", "Returns the number of this connection", "5.0.0"},
    CommandDoc{"client|info", "", "Describes this connection in the form of CLIENT LIST", "6.2.0"},
    CommandDoc{"client|kill",
               "filter=(ip:port|new-format=([ID client-id]|"
               "[TYPE normal_master_slave_pubsub=(NORMAL|MASTER|SLAVE|REPLICA|PUBSUB)]|"
               "[USER username]|[ADDR ip:port]|[LADDR ip:port]|[SKIPME yes/no])...)",
               "Closes the connections that a filter picks", "2.4.0", "O(N) with N connections"},
    CommandDoc{"client|list", "[TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID id=(client-id...)]",
               "Describes every connection in a line of its own", "2.4.0", "O(N) with N connections"},
    CommandDoc{"client|no-evict", "enabled=(ON|OFF)",
               "Exempts this connection from being closed when connections use too much memory", "7.0.0"},
    CommandDoc{"client|pause", "timeout mode=[WRITE|ALL]",
               "Holds back commands of all clients for a while, or writes only", "2.9.50"},
    CommandDoc{"client|reply", "(ON|OFF|SKIP)", "Switches the replies to this connection off and on",
               "3.2.0"},
    CommandDoc{"client|setinfo", "attr=(LIB-NAME libname|LIB-VER libver)",
               "Tells which client library this connection is made with", "7.2.0"},
    CommandDoc{"client|setname", "connection-name", "Gives this connection a name", "2.6.9"},
    CommandDoc{"client|tracking",
               "status=(ON|OFF) [REDIRECT client-id] [PREFIX prefix]... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
               "Switches messages about changes of the keys that this connection has read", "6.0.0",
               "O(1), and more with some of the options"},
    CommandDoc{"client|trackinginfo", "", "Tells how this connection tracks keys", "6.2.0"},
    CommandDoc{"client|unblock", "client-id [TIMEOUT|ERROR]",
               "Ends the wait of another connection's blocking command", "5.0.0",
               "O(log N) with N connections"},
    CommandDoc{"client|unpause", "", "Lets go what CLIENT PAUSE holds back", "6.2.0",
               "O(N) with N clients held back"},
    CommandDoc{"echo", "message", "Returns what it is given", "1.0.0"},
    CommandDoc{"hello", "arguments=[protover [AUTH (username password)] [SETNAME clientname]]",
               "Chooses the version of the protocol, may log in, and describes the server", "6.0.0"},
    CommandDoc{"ping", "[message]", "Answers PONG, or what it is given", "1.0.0"},
    CommandDoc{"quit", "", "Asks the server to close this connection", "1.0.0"},
    CommandDoc{"reset", "", "Puts this connection back to how it began", "6.2.0"},
    CommandDoc{"select", "index", "Chooses the database of this connection", "1.0.0"},
};

inline constexpr std::array generic{
    CommandDoc{"copy", "source destination#1 [DB destination-db] [REPLACE]",
               "Copies a value and its expiry to another key", "6.2.0", "O(N) with a value of N bytes"},
    CommandDoc{"del", "key...", "Deletes keys, and returns how many there were", "1.0.0", "O(N) with N keys"},
    CommandDoc{"dump", "key", "Returns a value in the form that RESTORE reads", "2.6.0",
               "O(1) to find it, O(N) to copy its N bytes"},
    CommandDoc{"exists", "key...", "Counts how many of the keys exist", "1.0.0", "O(N) with N keys"},
    CommandDoc{"expire", "key seconds condition=[NX|XX|GT|LT]", "Lets a key expire so many seconds from now",
               "1.0.0"},
    CommandDoc{"expireat", "key unix-time-seconds condition=[NX|XX|GT|LT]",
               "Lets a key expire at a Unix time in seconds", "1.2.0"},
    CommandDoc{"expiretime", "key", "Returns the Unix time in seconds at which a key expires", "7.0.0"},
    CommandDoc{"keys", "pattern", "Returns every key that matches a pattern", "1.0.0",
               "O(N) with N keys in the database"},
    CommandDoc{"move", "key db", "Moves a key to another database, unless there is one of its name", "1.0.0"},
    CommandDoc{"object", "", "Looks at how a value is kept", "2.2.3", by_part},
    CommandDoc{"object|encoding", "key", "Returns the encoding that a value is kept in", "2.2.3"},
    CommandDoc{"object|freq", "key", "Returns how often a key is used, on a logarithmic scale", "4.0.0"},
    CommandDoc{"object|help", "", help, "6.2.0"},
    CommandDoc{"object|idletime", "key", "Returns the seconds since a key was last used", "2.2.3"},
    CommandDoc{"object|refcount", "key", "Returns how many references a value has", "2.2.3"},
    CommandDoc{"persist", "key", "Takes the expiry off a key", "2.2.0"},
    CommandDoc{"pexpire", "key milliseconds condition=[NX|XX|GT|LT]",
               "Lets a key expire so many milliseconds from now", "2.6.0"},
    CommandDoc{"pexpireat", "key unix-time-milliseconds condition=[NX|XX|GT|LT]",
               "Lets a key expire at a Unix time in milliseconds", "2.6.0"},
    CommandDoc{"pexpiretime", "key", "Returns the Unix time in milliseconds at which a key expires", "7.0.0"},
    CommandDoc{"pttl", "key", "Returns the milliseconds that a key has left", "2.6.0"},
    CommandDoc{"randomkey", "", "Returns some key of the database", "1.0.0"},
    CommandDoc{"rename", "key newkey#1", "Gives a key another name, in place of a key that has it", "1.0.0"},
    CommandDoc{"renamenx", "key newkey#1", "Gives a key another name, unless a key has it", "1.0.0"},
    CommandDoc{"restore", restore_usage, "Creates a key from what DUMP has returned", "2.6.0",
               "O(1) to create it, O(N) to read its N bytes"},
    CommandDoc{"scan", "cursor [MATCH pattern] [COUNT count] [TYPE type]",
               "Returns some of the keys, and the cursor to go on from", "2.8.0",
               "O(1) a call, O(N) for all of N keys"},
    CommandDoc{"sort",
               "key [BY pattern#1] [LIMIT (offset count)] [GET pattern#1]... order=[ASC|DESC] "
               "[sorting=ALPHA] [STORE destination#2]",
               "Sorts the members of a list, a set or a sorted set", "1.0.0",
               "O(N+M*log(M)) with N members, of which M are returned"},
    CommandDoc{"sort_ro",
               "key [BY pattern#1] [LIMIT (offset count)] [GET pattern#1]... order=[ASC|DESC] "
               "[sorting=ALPHA]",
               "Sorts the members of a list, a set or a sorted set, and stores nothing", "7.0.0",
               "O(N+M*log(M)) with N members, of which M are returned"},
    CommandDoc{"touch", "key...", "Marks keys as used now, and returns how many exist", "3.2.1",
               "O(N) with N keys"},
    CommandDoc{"ttl", "key", "Returns the seconds that a key has left", "1.0.0"},
    CommandDoc{"type", "key", "Returns the type of a value", "1.0.0"},
    CommandDoc{"unlink", "key...", "Deletes keys without waiting until their memory is free", "4.0.0",
               "O(1) for each key"},
    CommandDoc{"wait", "numreplicas timeout",
               "Waits until so many replicas have what this connection has written", "3.0.0"},
};

inline constexpr std::array pubsub{
    CommandDoc{"psubscribe", "pattern=(pattern)...", "Subscribes to the channels that match patterns",
               "2.0.0", "O(N) with N patterns of this connection"},
    CommandDoc{"publish", "channel message", "Sends a message to those who have subscribed to a channel",
               "2.0.0", "O(N+M) with N clients that receive it and M patterns in all"},
    CommandDoc{"pubsub", "", "Looks at channels and who has subscribed to them", "2.8.0", by_part},
    CommandDoc{"pubsub|channels", "[pattern]", "Returns the channels that somebody has subscribed to",
               "2.8.0", "O(N) with N channels"},
    CommandDoc{"pubsub|help", "", help, "6.2.0"},
    CommandDoc{"pubsub|numpat", "", "Returns how many patterns clients have subscribed to", "2.8.0"},
    CommandDoc{"pubsub|numsub", "[channel...]", "Returns how many have subscribed to each of the channels",
               "2.8.0", "O(N) with N channels asked for"},
    CommandDoc{"pubsub|shardchannels", "[pattern]",
               "Returns the shard channels that somebody has subscribed to", "7.0.0",
               "O(N) with N shard channels"},
    CommandDoc{"pubsub|shardnumsub", "[shardchannel...]",
               "Returns how many have subscribed to each of the shard channels", "7.0.0",
               "O(N) with N shard channels asked for"},
    CommandDoc{"punsubscribe", "[pattern...]", "Ends subscriptions to patterns, or to all of them", "2.0.0",
               "O(N+M) with N patterns of this connection and M in all"},
    CommandDoc{"spublish", "shardchannel message",
               "Sends a message to those who have subscribed to a shard channel", "7.0.0",
               "O(N) with N clients that receive it"},
    CommandDoc{"ssubscribe", "shardchannel...", "Subscribes to shard channels", "7.0.0",
               "O(N) with N shard channels"},
    CommandDoc{"subscribe", "channel...", "Subscribes to channels", "2.0.0", "O(N) with N channels"},
    CommandDoc{"sunsubscribe", "[shardchannel...]", "Ends subscriptions to shard channels, or to all of them",
               "7.0.0", "O(N) with N subscribers of a shard channel"},
    CommandDoc{"unsubscribe", "[channel...]", "Ends subscriptions to channels, or to all of them", "2.0.0",
               "O(N) with N subscribers of a channel"},
};

inline constexpr std::array server{
    CommandDoc{"acl", "", "Keeps users, and what they may do", "6.0.0", by_part},
    CommandDoc{"acl|cat", "[categoryname]", "Returns the categories of commands, or the commands of one",
               "6.0.0"},
    CommandDoc{"acl|deluser", "username...", "Removes users, and closes their connections", "6.0.0"},
    CommandDoc{"acl|dryrun", "username command [arg...]",
               "Tells whether a user may call a command, without calling it", "7.0.0"},
    CommandDoc{"acl|genpass", "[bits]", "Returns a random password in hexadecimal digits", "6.0.0"},
    CommandDoc{"acl|getuser", "username", "Returns the rules of a user, part by part", "6.0.0",
               "O(N) with N rules of the user"},
    CommandDoc{"acl|help", "", help, "6.0.0"},
    CommandDoc{"acl|list", "", "Describes each user in a line of rules", "6.0.0", "O(N) with N users"},
    CommandDoc{"acl|load", "", "Takes all users from the file of users", "6.0.0", "O(N) with N users"},
    CommandDoc{"acl|log", "operation=[count|RESET]", "Returns what users were refused of late, or forgets it",
               "6.0.0", "O(N) with N entries returned"},
    CommandDoc{"acl|save", "", "Writes all users to the file of users", "6.0.0", "O(N) with N users"},
    CommandDoc{"acl|setuser", "username [rule...]", "Applies rules to a user, who may be a new one", "6.0.0",
               "O(N) with N rules"},
    CommandDoc{"acl|users", "", "Returns the names of the users", "6.0.0", "O(N) with N users"},
    CommandDoc{"acl|whoami", "", "Returns the user this connection is logged in as", "6.0.0"},
    CommandDoc{"command", "", "Describes every command for client libraries", "2.8.13",
               "O(N) with N commands"},
    CommandDoc{"command|count", "", "Returns how many commands there are", "2.8.13"},
    CommandDoc{"command|docs", "[command-name...]",
               "Describes commands for people: how to call them and what they do", "7.0.0",
               "O(N) with N commands described"},
    CommandDoc{"command|getkeys", "", "Returns the keys among the words of a whole command", "2.8.13",
               "O(N) with N words"},
    CommandDoc{"command|getkeysandflags", "",
               "Returns the keys among the words of a whole command, and how it uses them", "7.0.0",
               "O(N) with N words"},
    CommandDoc{"command|help", "", help, "5.0.0"},
    CommandDoc{"command|info", "[command-name...]", "Describes some commands for client libraries, or all",
               "2.8.13", "O(N) with N commands described"},
    CommandDoc{"command|list", "[FILTERBY filterby=(MODULE module-name|ACLCAT category|PATTERN pattern)]",
               "Returns the names of commands", "7.0.0", "O(N) with N commands"},
    CommandDoc{"config", "", "Reads and changes the parameters of the server", "2.0.0", by_part},
    CommandDoc{"config|get", "parameter=(parameter)...",
               "Returns the values of the parameters whose names match", "2.0.0", "O(N) with N patterns"},
    CommandDoc{"config|help", "", help, "5.0.0"},
    CommandDoc{"config|resetstat", "", "Sets the counts that INFO shows back to zero", "2.0.0"},
    CommandDoc{"config|rewrite", "", "Writes the parameters as they are now to the configuration file",
               "2.8.0"},
    CommandDoc{"config|set", "(parameter value)...", "Changes parameters, all of those named or none",
               "2.0.0", "O(N) with N parameters"},
    CommandDoc{"dbsize", "", "Returns how many keys the database has", "1.0.0"},
    CommandDoc{"debug", "", "Helps those who test a server", "1.0.0", by_part, {}, true},
    CommandDoc{"failover", "[TO target=(host port [FORCE])] [ABORT] [TIMEOUT milliseconds]",
               "Hands the role of master to a replica that is in step", "6.2.0"},
    CommandDoc{"flushall", "async=[ASYNC|SYNC]", "Deletes every key of every database", "1.0.0",
               "O(N) with N keys"},
    CommandDoc{"flushdb", "async=[ASYNC|SYNC]", "Deletes every key of the database", "1.0.0",
               "O(N) with N keys"},
    CommandDoc{"info", "[section...]", "Describes the server and counts what it has done", "1.0.0"},
    CommandDoc{"lastsave", "", "Returns the Unix time of the last snapshot on disk", "1.0.0"},
    CommandDoc{"latency", "", "Tells what took long, and how long", "2.8.13", by_part},
    CommandDoc{"latency|doctor", "", "Explains in words what took long", "2.8.13"},
    CommandDoc{"latency|graph", "event", "Draws how long an event has taken of late", "2.8.13"},
    CommandDoc{"latency|help", "", help, "2.8.13"},
    CommandDoc{"latency|histogram", "[command...]",
               "Returns how many calls of commands took up to how many microseconds", "7.0.0",
               "O(N) with N commands described"},
    CommandDoc{"latency|history", "event", "Returns when an event took long, and how long", "2.8.13"},
    CommandDoc{"latency|latest", "", "Returns of each event the last time that it took long", "2.8.13"},
    CommandDoc{"latency|reset", "[event...]", "Forgets the history of events, or of all", "2.8.13"},
    CommandDoc{"lolwut", "[VERSION version]", "Shows the version, with art on some servers", "5.0.0", ""},
    CommandDoc{"memory", "", "Tells what takes how much memory", "4.0.0", by_part},
    CommandDoc{"memory|help", "", help, "4.0.0"},
    CommandDoc{"memory|usage", "key [SAMPLES count]", "Estimates the bytes that a key and its value take",
               "4.0.0", "O(N) with N samples"},
    CommandDoc{"monitor", "", "Shows this connection every command that the server runs", "1.0.0", ""},
    CommandDoc{"psync", "replicationid offset:integer",
               "Asks for the command stream from an offset on, as replicas do", "2.8.0", ""},
    CommandDoc{
        "replconf", "", "Passes what a replica and its master tell each other", "3.0.0", "O(1)", {}, true},
    CommandDoc{"replicaof", replicaof_usage, "Makes this server the replica of another, or a master",
               "5.0.0"},
    CommandDoc{"restore-asking",
               restore_usage,
               "Creates a key from what DUMP has returned, while a cluster moves it",
               "3.0.0",
               "O(1) to create it, O(N) to read its N bytes",
               {},
               true},
    CommandDoc{"role", "", "Returns the role of this server in replication, and its counterparts", "2.8.12"},
    CommandDoc{"shutdown", "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]", "Ends the server", "1.0.0",
               "O(N) with N keys when it saves them, else O(1)"},
    CommandDoc{"slaveof",
               replicaof_usage,
               "Does what REPLICAOF does, under its former name",
               "1.0.0",
               "O(1)",
               {"5.0.0", "`REPLICAOF`"}},
    CommandDoc{"slowlog", "", "Keeps the calls that took longest", "2.2.12", by_part},
    CommandDoc{"slowlog|get", "[count]", "Returns the calls that took longer than a limit, newest first",
               "2.2.12", "O(N) with N entries returned"},
    CommandDoc{"slowlog|help", "", help, "6.2.0"},
    CommandDoc{"slowlog|len", "", "Returns how many calls the log holds", "2.2.12"},
    CommandDoc{"slowlog|reset", "", "Empties the log", "2.2.12", "O(N) with N entries"},
    CommandDoc{"swapdb", "index1 index2", "Swaps the keys of two databases", "4.0.0",
               "O(N) with N clients that watch keys of them"},
    CommandDoc{"sync", "", "Asks for a snapshot and the command stream after it", "1.0.0", ""},
    CommandDoc{"time", "", "Returns the Unix time of the server, in seconds and microseconds", "2.6.0"},
};

inline constexpr std::array string{
    CommandDoc{"append", "key value", "Adds bytes at the end of a string, and returns its length", "2.0.0"},
    CommandDoc{"decr", "key", "Takes one from the integer of a key", "1.0.0"},
    CommandDoc{"decrby", "key decrement", "Takes a number from the integer of a key", "1.0.0"},
    CommandDoc{"get", "key", "Returns the value of a key", "1.0.0"},
    CommandDoc{"getdel", "key", "Returns the value of a key, and deletes it", "6.2.0"},
    CommandDoc{"getex",
               "key expiration=[EX seconds|PX milliseconds|EXAT unix-time-seconds|"
               "PXAT unix-time-milliseconds|PERSIST]",
               "Returns the value of a key, and changes when it expires", "6.2.0"},
    CommandDoc{"getrange", "key start end", "Returns the bytes of a string from one place to another",
               "2.4.0", "O(N) with N bytes returned"},
    CommandDoc{"getset",
               "key value",
               "Writes a value, and returns the one before",
               "1.0.0",
               "O(1)",
               {"6.2.0", "`SET` with the `!GET` argument"}},
    CommandDoc{"incr", "key", "Adds one to the integer of a key", "1.0.0"},
    CommandDoc{"incrby", "key increment", "Adds a number to the integer of a key", "1.0.0"},
    CommandDoc{"incrbyfloat", "key increment:double", "Adds a number to the decimal number of a key",
               "2.6.0"},
    CommandDoc{"lcs", "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]",
               "Finds the longest common subsequence of two strings", "7.0.0",
               "O(N*M) with strings of N and M bytes"},
    CommandDoc{"mget", "key...", "Returns the values of several keys", "1.0.0", "O(N) with N keys"},
    CommandDoc{"mset", "(key value)...", "Writes several keys at once", "1.0.1", "O(N) with N keys"},
    CommandDoc{"msetnx", "(key value)...", "Writes several keys at once, unless one of them exists", "1.0.1",
               "O(N) with N keys"},
    CommandDoc{"psetex", "key milliseconds value",
               "Writes a value that expires so many milliseconds from now", "2.6.0"},
    CommandDoc{"set",
               "key value condition=[NX|XX] [GET] expiration=[EX seconds|PX milliseconds|"
               "EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
               "Writes the value of a key, and when it expires", "1.0.0"},
    CommandDoc{"setex", "key seconds value", "Writes a value that expires so many seconds from now", "2.0.0"},
    CommandDoc{"setnx", "key value", "Writes a value, unless the key exists", "1.0.0"},
    CommandDoc{"setrange", "key offset value", "Writes bytes over those of a string from an offset on",
               "2.2.0", "O(1) for short values, O(N) for N bytes"},
    CommandDoc{"strlen", "key", "Returns the length of a string", "2.2.0"},
    CommandDoc{"substr",
               "key start end",
               "Does what GETRANGE does, under its former name",
               "1.0.0",
               "O(N) with N bytes returned",
               {"2.0.0", "`GETRANGE`"}},
};

inline constexpr std::array transactions{
    CommandDoc{"discard", "", "Drops the commands since MULTI", "2.0.0", "O(N) with N commands"},
    CommandDoc{"exec", "", "Runs the commands since MULTI, with no others between", "1.2.0",
               "Depends on the commands in the transaction"},
    CommandDoc{"multi", "", "Begins a transaction: commands wait for EXEC from here on", "1.2.0"},
    CommandDoc{"unwatch", "", "Forgets the keys of WATCH", "2.2.0"},
    CommandDoc{"watch", "key...", "Makes EXEC fail when one of the keys changes before it", "2.2.0",
               "O(1) for each key"},
};

/// Commands about the same things.
struct Group {
  std::string_view name;
  std::span<const CommandDoc> commands;
};
inline constexpr std::array groups{
    Group{"bitmap", bitmap},
    Group{"connection", connection},
    Group{"generic", generic},
    Group{"pubsub", pubsub},
    Group{"server", server},
    Group{"string", string},
    Group{"transactions", transactions},
};

}  // namespace docs

/// What is said of a command, and the group it is in.
struct DocumentedCommand {
  std::string_view group;
  CommandDoc doc;
};

/// By a name in lower case. Of an application's own command it is what the application says.
[[nodiscard]] inline DocumentedCommand docs_of(const server::Command& command) noexcept {
  if (command.summary.empty() && command.usage.empty()) {
    for (const auto& [group, commands] : docs::groups) {
      for (const CommandDoc& doc : commands) {
        if (doc.name == command.name) return {group, doc};
      }
    }
  }
  return {"module", {command.name, command.usage, command.summary, {}, {}}};
}

}  // namespace replikv::inline v0_1::detail
