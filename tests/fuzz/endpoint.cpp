// A Redis endpoint and two clients that may say anything: however their bytes are cut, the same is answered,
// and in whole replies; who has not given the password changes nothing; and a replica that folds the stream
// holds what the endpoint's stores hold.

#include <replikv/replication/detail/applier.hpp>
#include <replikv/server/endpoint.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/world.hpp>
#include <tests/simulation/whole_reply.hpp>
#include <utility>
#include <vector>

using fuzz::Contents;
using fuzz::require;
using replikv::TimePoint;
using replikv::detail::Server;

namespace {

constexpr std::string_view password = "kYp3-unguessable";
constexpr std::size_t databases = 3;

struct SmallPolicy : replikv::SingleThreadPolicy {
  static constexpr unsigned shard_bits = 1;
  static constexpr std::size_t segment_buckets = 2;
};
using Strings = replikv::Store<std::string, std::string, SmallPolicy>;
using Stores = std::deque<Strings>;

/// Stores on a clock that stands still.
std::unique_ptr<Stores> make_stores(const fuzz::ManualClock& clock) {
  auto stores = std::make_unique<Stores>();
  for (std::size_t i = 0; i < databases; ++i) stores->emplace_back(replikv::Clock(clock));
  return stores;
}

std::vector<fuzz::Database*> databases_of(Stores& stores) {
  std::vector<fuzz::Database*> all;
  for (Strings& store : stores) all.push_back(&replikv::detail::database_of(store));
  return all;
}

std::vector<Contents> contents_of(Stores& stores) {
  std::vector<Contents> all;
  for (fuzz::Database* const database : databases_of(stores)) all.push_back(fuzz::contents_of(*database));
  return all;
}

/// A client without a link.
class BareClient final : public replikv::detail::Client {
 public:
  explicit BareClient(std::uint64_t number) : Client(number, "127.0.0.1:1", TimePoint{}) {}
  void has_output() noexcept override {}
  void check_limits(Server&, TimePoint) override {}
  void close_link() noexcept override { closing = Closing::now; }
};

class World {
 public:
  explicit World(bool has_password)
      : stores_(make_stores(clock_)),
        node_(options(), *stores_),
        server_(endpoint_options(has_password), replikv::detail::NodeAccess::node(node_),
                replikv::detail::keyspaces_of(node_)) {
    replikv::server::commands::add_all(server_.commands);
    const Server::Turn turn(server_);
    for (auto& client : clients_) {
      client = std::make_shared<BareClient>(server_.next_client_id());
      client->authenticated = !has_password;
      server_.add(client);
    }
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() {
    const Server::Turn turn(server_);
    for (auto& client : clients_) server_.remove(*client);
  }

  void receive(std::size_t client, std::string_view text) {
    const fuzz::ExactCopy copy(text);
    const Server::Turn turn(server_);
    server_.receive(*clients_[client], copy.bytes(), TimePoint{});
  }

  [[nodiscard]] const std::string& answered(std::size_t client) const { return clients_[client]->output; }
  [[nodiscard]] bool is_authenticated() const {
    return std::any_of(clients_.begin(), clients_.end(),
                       [](const auto& each) { return each->authenticated; });
  }
  [[nodiscard]] std::vector<Contents> contents() const { return contents_of(*stores_); }

  /// What a replica holds that had the stream from its beginning.
  [[nodiscard]] std::vector<Contents> folded() const {
    const auto stores = make_stores(clock_);
    const auto targets = databases_of(*stores);
    const replikv::ReplicationOptions chosen;
    replikv::CommandStream own(server_.node->stream->position().id, std::uint64_t{1} << 20);
    replikv::detail::Applier applier(targets, own, chosen);
    applier.begin(replikv::CommandStream::no_database);
    const std::string stream = bytes_of_stream();
    replikv::resp::CommandParser parser;
    for (std::string_view rest = stream; !rest.empty();) {
      const auto parsed = parser.parse(replikv::as_bytes(rest));
      require(parsed.status == replikv::resp::Parsed::Status::command, "the stream is made of commands");
      replikv::CommandBatch batch;
      batch.add(parser.arguments(), replikv::as_bytes(rest.substr(0, parsed.consumed)));
      require(!applier.apply(batch, [](const auto&) {}), "the stream can be applied");
      rest.remove_prefix(parsed.consumed);
    }
    return contents_of(*stores);
  }

 private:
  static replikv::ReplicationOptions options() {
    replikv::ReplicationOptions chosen;
    chosen.seed = 1;
    chosen.backlog_bytes = std::uint64_t{1} << 30;
    chosen.output_limit.hard_bytes = std::uint64_t{1} << 30;
    return chosen;
  }
  static replikv::EndpointOptions endpoint_options(bool has_password) {
    replikv::EndpointOptions chosen;
    if (has_password) chosen.password = password;
    return chosen;
  }

  [[nodiscard]] std::string bytes_of_stream() const {
    const auto& stream = *server_.node->stream;
    replikv::PartialRefusal why;
    auto cursor = stream.continue_from(stream.position().id, 1, why);
    require(cursor.has_value(), "the backlog has all of it");
    std::vector<replikv::SharedBytes> pieces;
    while (stream.read(*cursor, std::size_t{1} << 20, pieces) > 0) {
    }
    std::string bytes;
    for (const auto& piece : pieces) bytes.append(replikv::as_text(piece.bytes()));
    return bytes;
  }

  fuzz::ManualClock clock_;
  std::unique_ptr<Stores> stores_;
  replikv::Node<Stores> node_;
  Server server_;
  std::array<std::shared_ptr<BareClient>, 2> clients_;
};

/// Legal, and slow or never twice the same: long values made by short arguments, and what depends on the
/// time, on chance, on addresses.
bool is_out_of_scope(std::string_view input) {
  std::size_t digits = 0;
  std::string lower;
  for (const char c : input) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 5) return true;
    lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  constexpr std::array words{"time",     "info",   "randomkey", "client",   "latency",   "slowlog",
                             "memory",   "debug",  "monitor",   "shutdown", "replicaof", "slaveof",
                             "failover", "stats",  "lastsave",  "hello",    "wait",      "object",
                             "lolwut",   "config", "sync",      "role",     "id",        "commands"};
  return std::any_of(words.begin(), words.end(),
                     [&lower](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choices = input.byte();
  fuzz::Cuts cuts(input.byte());
  const bool has_password = (choices & 1) != 0;
  if (is_out_of_scope(input.rest())) return 0;

  World whole(has_password);
  World cut(has_password);
  for (std::size_t client = 0; !input.empty(); client = 1 - client) {
    const std::string_view text = input.take((choices & 2) != 0 ? 1 + input.byte() : size);
    whole.receive(client, text);
    for (std::size_t at = 0; at < text.size();) {
      const std::string_view piece = text.substr(at, cuts.next(text.size() - at));
      cut.receive(client, piece);
      at += piece.size();
    }
  }
  for (const std::size_t client : {0U, 1U}) {
    require(whole.answered(client) == cut.answered(client), "the answers do not depend on the cuts");
    const std::string& answered = whole.answered(client);
    const char* const end = answered.data() + answered.size();
    for (const char* next = answered.data(); next != end;) {
      next = simulation::behind_reply(next, end);
      require(next != nullptr, "a reply is whole");
    }
  }
  const auto contents = whole.contents();
  require(contents == cut.contents(), "the contents do not depend on the cuts");
  require(contents == whole.folded(), "the stream tells what is there");
  if (has_password && !whole.is_authenticated()) {
    require(contents == std::vector<Contents>(databases), "without the password nothing changes");
  }
  return 0;
}
