// SUBSCRIBE, PUBLISH and their kin: messages between clients, also from a master's to its replicas'.
#pragma once

#include <replikv/server/command.hpp>
#include <replikv/server/detail/client.hpp>
#include <replikv/server/detail/command_table.hpp>
#include <replikv/server/detail/commands/help.hpp>
#include <replikv/server/detail/glob.hpp>
#include <replikv/server/detail/pub_sub.hpp>
#include <replikv/server/detail/server.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace replikv::inline v0_1::server::commands {

using detail::Subscribed;

inline constexpr std::size_t subscription_overhead_bytes = 256;

/// How many subscriptions of a client the replies of this kind count.
[[nodiscard]] inline std::size_t counted_with(const detail::Client& client, Subscribed kind) {
  if (kind == Subscribed::shard_channel) return client.subscribed(kind);
  return client.subscribed(Subscribed::channel) + client.subscribed(Subscribed::pattern);
}

inline void reply_subscription(Call& call, Subscribed kind, std::string_view word,
                               const std::string_view* name) {
  call.reply.push(3);
  call.reply.bulk(word);
  name != nullptr ? call.reply.bulk(*name) : call.reply.null();
  call.reply.integer(counted_with(call.client, kind));
}

inline void subscribe_to(Call& call, Subscribed kind, std::string_view word) {
  detail::Client& client = call.client;
  if (!client.subscriptions) client.subscriptions = std::make_unique<detail::Subscriptions>();
  for (const std::string_view name : call.words.subspan(1)) {
    if (call.server.pub_sub.subscribe(client, *client.subscriptions, kind, name)) {
      call.server.keep(client, client.subscription_bytes, name.size() + subscription_overhead_bytes);
    }
    reply_subscription(call, kind, word, &name);
  }
}

inline void unsubscribe_from(Call& call, Subscribed kind, std::string_view word) {
  detail::Client& client = call.client;
  std::vector<std::string> names;
  for (const std::string_view name : call.words.subspan(1)) names.emplace_back(name);
  if (names.empty() && client.subscriptions) {
    const auto& all = client.subscriptions->of(kind);
    names.assign(all.begin(), all.end());
  }
  for (const std::string_view name : names) {
    if (client.subscriptions && call.server.pub_sub.unsubscribe(client, *client.subscriptions, kind, name)) {
      client.subscription_bytes -= name.size() + subscription_overhead_bytes;
    }
    reply_subscription(call, kind, word, &name);
  }
  if (names.empty()) reply_subscription(call, kind, word, nullptr);
  if (!client.is_subscriber()) client.subscriptions = nullptr;
}

inline void subscribe(Call& call) { subscribe_to(call, Subscribed::channel, "subscribe"); }
inline void psubscribe(Call& call) { subscribe_to(call, Subscribed::pattern, "psubscribe"); }
inline void ssubscribe(Call& call) { subscribe_to(call, Subscribed::shard_channel, "ssubscribe"); }
inline void unsubscribe(Call& call) { unsubscribe_from(call, Subscribed::channel, "unsubscribe"); }
inline void punsubscribe(Call& call) { unsubscribe_from(call, Subscribed::pattern, "punsubscribe"); }
inline void sunsubscribe(Call& call) { unsubscribe_from(call, Subscribed::shard_channel, "sunsubscribe"); }

inline void publish(Call& call) {
  call.reply.integer(call.server.publish(Subscribed::channel, call[1], call[2]));
}
inline void spublish(Call& call) {
  call.reply.integer(call.server.publish(Subscribed::shard_channel, call[1], call[2]));
}

inline void reply_channels(Call& call, Subscribed kind) {
  if (call.size() > 3) wrong_subcommand(call, "PUBSUB");
  std::vector<std::string_view> names;
  for (const auto& [name, subscribers] : call.server.pub_sub.all(kind)) {
    if (call.size() == 2 || detail::glob_matches(call[2], name)) names.push_back(name);
  }
  call.reply.array(names.size());
  for (const std::string_view name : names) call.reply.bulk(name);
}

inline void reply_numbers(Call& call, Subscribed kind) {
  call.reply.array((call.size() - 2) * 2);  // no map in RESP3 either
  for (const std::string_view name : call.words.subspan(2)) {
    call.reply.bulk(name);
    call.reply.integer(call.server.pub_sub.subscribers(kind, name));
  }
}

inline void add_pub_sub(detail::CommandTable& table) {
  constexpr auto flags = "pubsub noscript loading stale";
  constexpr auto asking = "pubsub loading stale";
  table.add({"subscribe", -2, flags, "pubsub", {}, subscribe});
  table.add({"unsubscribe", -1, flags, "pubsub", {}, unsubscribe});
  table.add({"psubscribe", -2, flags, "pubsub", {}, psubscribe});
  table.add({"punsubscribe", -1, flags, "pubsub", {}, punsubscribe});
  table.add({"ssubscribe", -2, flags, "pubsub", {1, -1, 1}, ssubscribe});
  table.add({"sunsubscribe", -1, flags, "pubsub", {1, -1, 1}, sunsubscribe});
  table.add({"publish", 3, "pubsub loading stale fast", "pubsub", {}, publish});
  table.add({"spublish", 3, "pubsub loading stale fast", "pubsub", {1, 1, 1}, spublish});
  table.add({"pubsub", -2, "", "", {}, {}});
  table.add({"pubsub|channels", -2, asking, "pubsub", {}, [](Call& call) {
               reply_channels(call, Subscribed::channel);
             }});
  table.add({"pubsub|shardchannels", -2, asking, "pubsub", {}, [](Call& call) {
               reply_channels(call, Subscribed::shard_channel);
             }});
  table.add({"pubsub|numsub", -2, asking, "pubsub", {}, [](Call& call) {
               reply_numbers(call, Subscribed::channel);
             }});
  table.add({"pubsub|shardnumsub", -2, asking, "pubsub", {}, [](Call& call) {
               reply_numbers(call, Subscribed::shard_channel);
             }});
  table.add({"pubsub|numpat", 2, asking, "pubsub", {}, [](Call& call) {
               call.reply.integer(call.server.pub_sub.all(Subscribed::pattern).size());
             }});
  table.add({"pubsub|help", 2, "loading stale", "", {}, [](Call& call) {
               reply_help(call, "PUBSUB",
                          {"CHANNELS [<pattern>]", "Channels with subscribers, those that match.", "NUMPAT",
                           "Number of patterns subscribed to.", "NUMSUB [<channel> ...]",
                           "Subscribers of each channel, those by patterns not counted.",
                           "SHARDCHANNELS [<pattern>]", "Shard channels with subscribers.",
                           "SHARDNUMSUB [<shardchannel> ...]", "Subscribers of each shard channel."});
             }});
}

}  // namespace replikv::inline v0_1::server::commands
