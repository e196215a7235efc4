// What was seen in runs: every message of the protocol in either direction, how often, and how often a link
// was lost right after it. What never happened is as telling as what did.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/transport/simulated.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace simulation {

class Census {
 public:
  struct Count {
    std::uint64_t seen = 0;
    std::uint64_t lost_there = 0;
  };

  // In the order of a link's life, to the replica and to the master. The first match names a message.
  struct Message {
    std::string_view name;
    std::string_view begins;
    bool to_master;
  };
  static constexpr std::array messages{
      Message{"PING of the handshake", "*1\r\n$4\r\nPING", true},
      Message{"REPLCONF listening-port", "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port", true},
      Message{"REPLCONF capa", "*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa", true},
      Message{"PSYNC ? -1", "*3\r\n$5\r\nPSYNC\r\n$1\r\n?", true},
      Message{"PSYNC id offset", "*3\r\n$5\r\nPSYNC\r\n$40", true},
      Message{"REPLCONF ACK", "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK", true},
      Message{"newline while loading", "\n", true},
      Message{"+PONG", "+PONG", false},
      Message{"+OK", "+OK", false},
      Message{"-NOMASTERLINK", "-NOMASTERLINK", false},
      Message{"+FULLRESYNC", "+FULLRESYNC", false},
      Message{"+CONTINUE", "+CONTINUE", false},
      Message{"newline while waiting", "\n", false},
      Message{"$EOF: mark", "$EOF:", false},
      Message{"snapshot", "REDIS", false},
      Message{"SELECT", "*2\r\n$6\r\nSELECT", false},
      Message{"MULTI", "*1\r\n$5\r\nMULTI", false},
      Message{"SET", "*3\r\n$3\r\nSET", false},
      Message{"SET KEEPTTL", "*4\r\n$3\r\nSET", false},
      Message{"SET PXAT", "*5\r\n$3\r\nSET", false},
      Message{"DEL", "*2\r\n$3\r\nDEL", false},
      Message{"PEXPIREAT", "*3\r\n$9\r\nPEXPIREAT", false},
      Message{"PERSIST", "*2\r\n$7\r\nPERSIST", false},
      Message{"FLUSHDB", "*1\r\n$7\r\nFLUSHDB", false},
      Message{"ping of the stream", "*1\r\n$4\r\nping", false},
  };

  /// Directions are told by who connected, so `opened` comes first.
  void note(const replikv::Traffic& traffic) {
    using Kind = replikv::Traffic::Kind;
    if (traffic.kind == Kind::opened) {
      replicas_[traffic.link] = std::string(traffic.from);
    } else if (traffic.kind == Kind::closed) {
      lost(traffic.link);
    } else if (const auto replica = replicas_.find(traffic.link); replica != replicas_.end()) {
      seen(traffic.link, replica->second == traffic.from, replikv::as_text(traffic.bytes));
    }
  }

  void add(const Census& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      counts_[i].seen += other.counts_[i].seen;
      counts_[i].lost_there += other.counts_[i].lost_there;
    }
    fragments_.seen += other.fragments_.seen;
    fragments_.lost_there += other.fragments_.lost_there;
  }

  /// A line for each message, and one for pieces that begin inside one.
  [[nodiscard]] std::string table() const {
    std::string out;
    const auto row = [&out](std::string name, std::string_view way, const Count& count) {
      name.resize(26, ' ');
      out += name + std::string(way) + "  " + std::to_string(count.seen) + " seen, " +
             std::to_string(count.lost_there) + " links lost there\n";
    };
    for (std::size_t i = 0; i < messages.size(); ++i) {
      row(std::string(messages[i].name), messages[i].to_master ? "to master " : "to replica", counts_[i]);
    }
    row("inside a message", "          ", fragments_);
    return out;
  }

  /// The names of what never happened, one a line; empty when there is nothing.
  [[nodiscard]] std::string never() const {
    std::string out;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (counts_[i].seen == 0) out += "never seen: " + std::string(messages[i].name) + "\n";
      if (counts_[i].lost_there == 0) out += "no link lost at: " + std::string(messages[i].name) + "\n";
    }
    return out;
  }

 private:
  void seen(std::uint64_t link, bool to_master, std::string_view bytes) {
    const auto found = std::find_if(messages.begin(), messages.end(), [&](const Message& message) {
      return message.to_master == to_master && bytes.starts_with(message.begins);
    });
    Count& count =
        found == messages.end() ? fragments_ : counts_[static_cast<std::size_t>(found - messages.begin())];
    ++count.seen;
    last_[link] = &count;
  }

  void lost(std::uint64_t link) {
    if (const auto last = last_.find(link); last != last_.end()) {
      ++last->second->lost_there;
      last_.erase(last);
    }
    replicas_.erase(link);
  }

  std::array<Count, messages.size()> counts_;
  Count fragments_;
  std::map<std::uint64_t, std::string> replicas_;
  std::map<std::uint64_t, Count*> last_;
};

}  // namespace simulation
