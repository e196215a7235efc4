// A batch of commands on its way into the stores and into the node's own stream.
#include <replikv/replication/detail/applier.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace replikv;

struct Node {
  explicit Node(ReplicationOptions chosen = {}) : options(std::move(chosen)) { applier.begin(0); }

  // The commands of `bytes`, as one batch.
  std::optional<Failure> apply(std::string_view bytes) {
    CommandBatch batch;
    resp::CommandParser parser;
    while (!bytes.empty()) {
      const auto parsed = parser.parse(as_bytes(bytes));
      REQUIRE(parsed.status == resp::Parsed::Status::command);
      REQUIRE(!batch.is_full());
      batch.add(parser.arguments(), as_bytes(bytes.substr(0, parsed.consumed)));
      bytes.remove_prefix(parsed.consumed);
    }
    return applier.apply(batch, [this](const StreamCommand&) { offsets.push_back(applier.applied().bytes); });
  }
  [[nodiscard]] std::string streamed() {
    std::vector<SharedBytes> pieces;
    stream.read(cursor, std::size_t{1} << 30, pieces);
    std::string text;
    for (const auto& piece : pieces) text += as_text(piece.bytes());
    return text;
  }

  ReplicationOptions options;
  Store<std::string, std::string> first;
  Store<std::string, std::string> second;
  std::array<detail::Database*, 2> databases{&detail::database_of(first), &detail::database_of(second)};
  CommandStream stream{ReplicationId::parse(std::string(40, 'a')).value(), 1 << 20};
  StreamCursor cursor = stream.cursor_at_end();
  detail::Applier applier{databases, stream, options};
  std::vector<std::uint64_t> offsets;  // applied before each command
};

template <class... Words>
std::string wire(const Words&... words) {
  std::string text;
  resp::append_command(text, words...);
  return text;
}

}  // namespace

TEST_CASE("Applier: a batch is in the stores and, byte for byte, in the stream") {
  Node node;
  const std::string batch = wire("SET", "a", "1") + wire("SET", "b", "2") + wire("DEL", "a");
  CHECK_FALSE(node.apply(batch));
  CHECK(node.streamed() == batch);
  CHECK(node.first.get("b") == "2");
  CHECK_FALSE(node.first.contains("a"));
}

TEST_CASE("Applier: messages in the stream are told, those of a transaction at its EXEC, and passed on") {
  Node node;
  std::vector<std::string> told;
  node.applier.on_message([&told, &node](resp::Arguments command) {
    told.push_back(std::string(command[1]) + "=" + std::string(command[2]) + "," +
                   node.first.get("a").value_or("?"));
  });
  const std::string batch = wire("PING") + wire("PUBLISH", "news", "one") + wire("MULTI") +
                            wire("SET", "a", "1") + wire("spublish", "shard", "two");
  CHECK_FALSE(node.apply(batch));
  CHECK(told == std::vector<std::string>{"news=one,?"});
  const std::string end = wire("EXEC") + wire("PUBLISH", "malformed");
  node.applier.on_message([&told](resp::Arguments command) { told.emplace_back(command[1]); });
  CHECK_FALSE(node.apply(end));
  CHECK(told == std::vector<std::string>{"news=one,?", "shard"});
  CHECK(node.streamed() == batch + end);
}

TEST_CASE("Applier: the applied offset moves with every command of a batch") {
  Node node;
  const std::string set = wire("SET", "a", "1");
  CHECK_FALSE(node.apply(set + set + set));
  CHECK(node.offsets == std::vector<std::uint64_t>{0, set.size(), 2 * set.size()});
  CHECK(node.applier.applied() == Offset{3 * set.size()});
  CHECK(node.stream.end() == node.applier.applied());
}

TEST_CASE("Applier: a command that fails leaves those before it applied and passed on, and none behind it") {
  Node node{{.unmirrored = Unmirrored::fail}};
  const std::string good = wire("SET", "a", "1") + wire("SET", "b", "2");
  const auto failure = node.apply(good + wire("LPUSH", "list", "x") + wire("SET", "c", "3"));
  REQUIRE(failure);
  CHECK(failure->code == Errc::not_mirrored);
  CHECK(node.streamed() == good);
  CHECK(node.first.size() == 2);
}

TEST_CASE("Applier: a transaction inside a batch keeps its place in the stream") {
  Node node;
  const std::string before = wire("SET", "a", "1");
  const std::string transaction =
      wire("MULTI") + wire("SET", "b", "2") + wire("SET", "c", "3") + wire("EXEC");
  const std::string batch = before + transaction + wire("SET", "d", "4");
  CHECK_FALSE(node.apply(batch));
  CHECK(node.streamed() == batch);
  CHECK(node.offsets == std::vector<std::uint64_t>{0, before.size(), before.size(), before.size(),
                                                   before.size(), before.size() + transaction.size()});
  CHECK(node.first.size() == 4);
}

TEST_CASE("Applier: a transaction may begin in one batch and end in the next") {
  Node node;
  const std::string begun = wire("SET", "a", "1") + wire("MULTI") + wire("SET", "b", "2");
  CHECK_FALSE(node.apply(begun));
  CHECK(node.streamed() == wire("SET", "a", "1"));
  CHECK_FALSE(node.first.contains("b"));
  CHECK_FALSE(node.apply(wire("EXEC")));
  CHECK(node.streamed() == wire("MULTI") + wire("SET", "b", "2") + wire("EXEC"));
  CHECK(node.first.get("b") == "2");
}

TEST_CASE("Applier: a batch that changes databases leaves the stream in the last one") {
  Node node;
  CHECK_FALSE(node.apply(wire("SET", "a", "1") + wire("SELECT", "1") + wire("SET", "a", "2")));
  CHECK(node.first.get("a") == "1");
  CHECK(node.second.get("a") == "2");
  CHECK(node.stream.database() == 1);
}
