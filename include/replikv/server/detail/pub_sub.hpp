// Who has subscribed to which channels and patterns, and what a message looks like. Knows no keys and no
// replication; it hands messages to whoever it is told by.
#pragma once

#include <replikv/server/detail/glob.hpp>
#include <replikv/server/detail/text_map.hpp>
#include <replikv/server/reply.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::detail {

class Client;

/// The three kinds of names one subscribes to; they do not know of each other.
enum class Subscribed : std::uint8_t { channel, pattern, shard_channel };
inline constexpr std::size_t kinds_of_subscriptions = 3;

/// What one client has subscribed to.
struct Subscriptions {
  std::array<TextSet, kinds_of_subscriptions> names;

  [[nodiscard]] TextSet& of(Subscribed kind) noexcept { return names[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] std::size_t count(Subscribed kind) const noexcept {
    return names[static_cast<std::size_t>(kind)].size();
  }
  [[nodiscard]] bool empty() const noexcept {
    return std::all_of(names.begin(), names.end(), [](const TextSet& each) { return each.empty(); });
  }
};

/// A message on its way to many: encoded once for each protocol that somebody speaks.
class EncodedMessage {
 public:
  EncodedMessage(std::string_view kind, std::string_view pattern, std::string_view channel,
                 std::string_view message) noexcept
      : kind_(kind), pattern_(pattern), channel_(channel), message_(message) {}

  [[nodiscard]] std::string_view bytes(server::Protocol protocol) {
    std::string& encoded = encoded_[protocol == server::Protocol::resp3 ? 1 : 0];
    if (!encoded.empty()) return encoded;
    server::Reply reply(encoded, protocol);
    const bool has_pattern = kind_ == "pmessage";
    reply.push(has_pattern ? 4 : 3);
    reply.bulk(kind_);
    if (has_pattern) reply.bulk(pattern_);
    reply.bulk(channel_);
    reply.bulk(message_);
    return encoded;
  }

 private:
  std::string_view kind_;
  std::string_view pattern_;
  std::string_view channel_;
  std::string_view message_;
  std::array<std::string, 2> encoded_;
};

/// Source  Redis 7.0 pubsub.c: who hears what, and in which order
class PubSub {
 public:
  using Subscribers = std::vector<Client*>;

  /// False: it was so already. The same for `unsubscribe`.
  bool subscribe(Client& client, Subscriptions& own, Subscribed kind, std::string_view name) {
    if (!own.of(kind).emplace(name).second) return false;
    auto& known = of(kind);
    auto place = known.find(name);
    if (place == known.end()) place = known.emplace(std::string(name), Subscribers{}).first;
    place->second.push_back(&client);
    return true;
  }

  bool unsubscribe(Client& client, Subscriptions& own, Subscribed kind, std::string_view name) {
    const auto mine = own.of(kind).find(name);
    if (mine == own.of(kind).end()) return false;
    leave(client, kind, name);
    own.of(kind).erase(mine);
    return true;
  }

  void remove(Client& client, Subscriptions& own) noexcept {
    for (std::size_t kind = 0; kind < kinds_of_subscriptions; ++kind) {
      for (const std::string& name : own.names[kind]) leave(client, static_cast<Subscribed>(kind), name);
      own.names[kind].clear();
    }
  }

  [[nodiscard]] std::size_t subscribers(Subscribed kind, std::string_view name) const {
    const auto place = of(kind).find(name);
    return place == of(kind).end() ? 0 : place->second.size();
  }
  [[nodiscard]] const TextMap<Subscribers>& all(Subscribed kind) const noexcept { return of(kind); }

  /// Whether nobody at all would hear a message to any channel.
  [[nodiscard]] bool is_idle() const noexcept {
    return of(Subscribed::channel).empty() && of(Subscribed::pattern).empty();
  }

  /// How many will hear a message; a client counts once for each way it has subscribed.
  [[nodiscard]] std::size_t receivers(Subscribed kind, std::string_view channel) const {
    std::size_t count = subscribers(kind, channel);
    if (kind != Subscribed::channel) return count;
    for (const auto& [pattern, clients] : of(Subscribed::pattern)) {
      if (fits(pattern, channel)) count += clients.size();
    }
    return count;
  }

  /// Calls `hand(client, message)` for each who hears it; `hand` must not come back here.
  template <class Hand>
  void deliver(Subscribed kind, std::string_view channel, std::string_view message, Hand&& hand) const {
    const bool is_shard = kind == Subscribed::shard_channel;
    if (const auto place = of(kind).find(channel); place != of(kind).end()) {
      EncodedMessage encoded(is_shard ? "smessage" : "message", {}, channel, message);
      for (Client* const client : place->second) hand(*client, encoded);
    }
    if (is_shard) return;
    for (const auto& [pattern, clients] : of(Subscribed::pattern)) {
      if (!fits(pattern, channel)) continue;
      EncodedMessage encoded("pmessage", pattern, channel, message);
      for (Client* const client : clients) hand(*client, encoded);
    }
  }

 private:
  // An empty name is a channel too, and `*` means all.
  [[nodiscard]] static bool fits(std::string_view pattern, std::string_view channel) noexcept {
    return glob_matches(pattern, channel) || (channel.empty() && pattern == "*");
  }

  [[nodiscard]] TextMap<Subscribers>& of(Subscribed kind) noexcept {
    return subscribers_[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] const TextMap<Subscribers>& of(Subscribed kind) const noexcept {
    return subscribers_[static_cast<std::size_t>(kind)];
  }

  void leave(Client& client, Subscribed kind, std::string_view name) noexcept {
    const auto place = of(kind).find(name);
    std::erase(place->second, &client);
    if (place->second.empty()) of(kind).erase(place);
  }

  std::array<TextMap<Subscribers>, kinds_of_subscriptions> subscribers_;
};

}  // namespace replikv::inline v0_1::detail
