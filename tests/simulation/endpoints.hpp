// Nodes with endpoints on a simulated network, and clients of them: in virtual time, in one thread, and the
// same for the same seed.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/random.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/server.hpp>
#include <replikv/testing.hpp>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <tests/simulation/whole_reply.hpp>
#include <utility>
#include <vector>

namespace simulation {

using namespace std::chrono_literals;

/// A process that serves its own stores, on a host of its own. Checkers know it as they know a node of a
/// cluster.
class ServedNode final : public replikv::testing::Member {
 public:
  using Strings = replikv::Store<std::string, std::string>;
  using Stores = std::deque<Strings>;
  static constexpr std::size_t databases = 2;

  ServedNode(replikv::testing::SimulatedNetwork& network, std::string its_name,
             replikv::ReplicationOptions replication, replikv::EndpointOptions served)
      : Member(std::move(its_name)),
        network_(network),
        replication_(std::move(replication)),
        served_(std::move(served)) {
    network_.add_host(name());
    start_empty();
  }
  ServedNode(const ServedNode&) = delete;
  ServedNode& operator=(const ServedNode&) = delete;

  /// Where clients and replicas connect; REPLICAOF takes the name and this port.
  static constexpr int port = 6379;
  [[nodiscard]] std::string address() const { return name() + ":" + std::to_string(port); }

  // --- Life -------------------------------------------------------------------------------------------

  /// As a redis-server does that was told nothing: it begins as a master, with a history of its own.
  void start() {
    assert(!is_running());
    network_.resume(name());
    is_paused_ = false;
    ++lives_;
    auto options = replication_;
    options.seed = replikv::Random(options.seed.value_or(0) + lives_)();
    options.observer = [this](const replikv::Event& event) {
      if (observer_) observer_(event);
    };
    process_ = std::make_unique<Process>(std::move(options), *stores_, served_);
    process_->endpoint.listen(Host{network_.engine(name())}, address());
  }
  void start_empty() {
    process_ = nullptr;
    stores_ = std::make_unique<Stores>();
    for (std::size_t i = 0; i < databases; ++i) {
      stores_->emplace_back(replikv::Clock(network_.wall_clock(name())));
    }
    start();
  }
  void crash() {
    network_.crash(name());
    process_ = nullptr;
  }
  void pause() {
    network_.pause(name());
    is_paused_ = true;
  }
  void resume() {
    network_.resume(name());
    is_paused_ = false;
  }

  [[nodiscard]] bool is_running() const noexcept { return process_ != nullptr; }
  [[nodiscard]] bool is_paused() const noexcept { return is_paused_; }
  [[nodiscard]] std::uint64_t lives() const noexcept { return lives_; }

  // --- State; precondition of all: it is running --------------------------------------------------------

  [[nodiscard]] replikv::RedisEndpoint& endpoint() noexcept { return process_->endpoint; }
  [[nodiscard]] bool is_master() const {
    return replikv::detail::NodeAccess::node(process_->node)->role == replikv::Role::master;
  }
  [[nodiscard]] bool is_replica() const { return !is_master(); }
  [[nodiscard]] replikv::Token position() const { return process_->node.position(); }
  [[nodiscard]] replikv::ReplicationInfo info() const { return process_->node.info(); }
  [[nodiscard]] const replikv::CommandStream& stream() const {
    return *replikv::detail::NodeAccess::node(process_->node)->stream;
  }
  template <std::size_t I = 0>
  [[nodiscard]] Strings& store() const noexcept {
    return (*stores_)[I];
  }
  [[nodiscard]] replikv::WallTime wall_time() const { return network_.wall_clock(name()).now(); }
  void set_observer(replikv::Observer observer) { observer_ = std::move(observer); }

  /// Keys, values and expiries, whatever the clocks say.
  [[nodiscard]] bool has_same_data(const ServedNode& other) const {
    for (std::size_t i = 0; i < databases; ++i) {
      auto& here = replikv::detail::database_of((*stores_)[i]);
      auto& there = replikv::detail::database_of((*other.stores_)[i]);
      if (here.size() != there.size()) return false;
      bool is_same = true;
      (*stores_)[i].for_each([&](std::string_view key, std::string_view) {
        const auto mine = here.read(key, replikv::detail::Locks::take);
        const auto theirs = there.read(key, replikv::detail::Locks::take);
        is_same = is_same && mine && theirs && mine->value == theirs->value &&
                  mine->expires_at == theirs->expires_at;
      });
      if (!is_same) return false;
    }
    return true;
  }

 private:
  struct Host {
    std::shared_ptr<replikv::TransportEngine> held;
    [[nodiscard]] std::shared_ptr<replikv::TransportEngine> engine() const { return held; }
  };
  struct Process {
    Process(replikv::ReplicationOptions replication, Stores& stores, replikv::EndpointOptions served)
        : node(std::move(replication), stores), endpoint(node, std::move(served)) {}
    replikv::Node<Stores> node;
    replikv::RedisEndpoint endpoint;
  };

  replikv::testing::SimulatedNetwork& network_;
  replikv::ReplicationOptions replication_;
  replikv::EndpointOptions served_;
  replikv::Observer observer_;
  std::unique_ptr<Stores> stores_;
  std::unique_ptr<Process> process_;
  bool is_paused_ = false;
  std::uint64_t lives_ = 0;
};

/// A client, on a host of its own.
class SimulatedClient final : public replikv::testing::Member {
 public:
  SimulatedClient(replikv::testing::SimulatedNetwork& network, std::string its_name)
      : Member(std::move(its_name)), network_(network) {
    network_.add_host(name());
  }
  SimulatedClient(const SimulatedClient&) = delete;
  SimulatedClient& operator=(const SimulatedClient&) = delete;
  ~SimulatedClient() { close(); }

  /// Leaves where it is, and connects there.
  void connect(const ServedNode& node) {
    close();
    session_ = std::make_shared<Session>();
    session_->owner = this;
    session_->attempt = network_.engine(name())->connect(
        node.address(),
        [weak = std::weak_ptr(session_)](std::error_code error, const std::shared_ptr<replikv::Link>& link) {
          if (const auto session = weak.lock()) session->begin(error, link);
        });
  }
  void close() {
    if (session_ && session_->link) session_->link->close();
    session_ = nullptr;
  }

  /// Words with blanks between them, as a command.
  void send(std::string_view line) { send_raw(command(line)); }
  void send_raw(std::string_view bytes) {
    if (session_) session_->send(bytes);
  }
  [[nodiscard]] static std::string command(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
      const std::size_t end = std::min(line.find(' '), line.size());
      words.push_back(line.substr(0, end));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    std::string bytes;
    replikv::resp::append_array_header(bytes, words.size());
    for (const std::string_view word : words) replikv::resp::append_bulk(bytes, word);
    return bytes;
  }

  [[nodiscard]] bool is_connected() const noexcept { return session_ && session_->link && !session_->why; }
  /// Why there is no link, once there was to be one.
  [[nodiscard]] std::error_code why_closed() const { return session_ ? session_->why : std::error_code{}; }

  /// Whole replies since it connected, as they came.
  [[nodiscard]] std::size_t replies() const { return session_ ? session_->replies.size() : 0; }
  [[nodiscard]] const std::string& reply(std::size_t i) const { return session_->replies.at(i); }
  [[nodiscard]] const std::string& last_reply() const { return session_->replies.back(); }
  /// What came behind the last whole reply.
  [[nodiscard]] std::string_view rest() const { return session_ ? session_->rest : std::string_view(); }

  /// Called for each reply.
  std::function<void(std::string_view)> on_reply{};
  /// Called when it has lost its link, or could not get one.
  std::function<void(std::error_code)> on_lost{};

 private:
  struct Session final : replikv::LinkEvents, std::enable_shared_from_this<Session> {
    void begin(std::error_code error, std::shared_ptr<replikv::Link> got) {
      if (error) return on_closed(error);
      link = std::move(got);
      link->start(weak_from_this());
      send(std::exchange(early, {}));
    }
    void send(std::string_view bytes) {
      if (!link) {
        early += bytes;
      } else if (!bytes.empty()) {
        const replikv::SharedBytes shared{std::string(bytes)};
        link->send({&shared, 1});
      }
    }
    void on_bytes(replikv::Bytes bytes) override {
      const auto held = shared_from_this();
      rest += replikv::as_text(bytes);
      for (;;) {
        const char* const end = behind_reply(rest.data(), rest.data() + rest.size());
        if (end == nullptr) return;
        const auto size = static_cast<std::size_t>(end - rest.data());
        replies.push_back(rest.substr(0, size));
        rest.erase(0, size);
        if (owner->on_reply) owner->on_reply(replies.back());
      }
    }
    void on_writable() override {}
    void on_closed(std::error_code error) override {
      const auto held = shared_from_this();
      why = error;
      if (owner->on_lost) owner->on_lost(error);
    }

    SimulatedClient* owner = nullptr;
    std::unique_ptr<replikv::Registration> attempt;
    std::shared_ptr<replikv::Link> link;
    std::string early;  // sent before there is a link
    std::string rest;
    std::vector<std::string> replies;
    std::error_code why;
  };

  replikv::testing::SimulatedNetwork& network_;
  std::shared_ptr<Session> session_;
};

/// Some nodes, all masters at first, and the clients of a test.
class Served {
 public:
  explicit Served(std::uint64_t seed, std::size_t count = 3,
                  const replikv::ReplicationOptions& replication = {}, replikv::EndpointOptions options = {})
      : network_(seed) {
    options.protected_mode = false;  // clients come from other hosts
    for (std::size_t i = 0; i < count; ++i) {
      auto its_replication = replication;
      its_replication.seed = replikv::Random(seed + i)();
      nodes_.emplace_back(network_, std::string(1, static_cast<char>('a' + i)), std::move(its_replication),
                          options);
    }
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  ~Served() {
    network_.set_observer(nullptr);
    checks_.clear();
  }

  [[nodiscard]] replikv::testing::SimulatedNetwork& network() noexcept { return network_; }
  [[nodiscard]] ServedNode& node(std::size_t i) { return nodes_.at(i); }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

  /// A client that connects to a node. Lives as long as this.
  SimulatedClient& client(const ServedNode& node) {
    clients_.emplace_back(network_, "client" + std::to_string(clients_.size() + 1));
    clients_.back().connect(node);
    return clients_.back();
  }

  // --- Time -------------------------------------------------------------------------------------------

  [[nodiscard]] replikv::Duration elapsed() const { return network_.now() - start_; }
  /// Checks that run after each event.
  void after_each_event(std::function<void()> check) { checks_.push_back(std::move(check)); }
  /// Plans something, from now on.
  void after(replikv::Duration delay, std::function<void()> action) {
    planned_.emplace(network_.now() + delay, std::move(action));
  }

  void run_for(replikv::Duration duration) {
    const auto limit = network_.now() + duration;
    while (step(limit)) {
    }
  }
  template <class Condition>
  [[nodiscard]] bool run_until(Condition&& condition, replikv::Duration duration_max = 60s) {
    const auto limit = network_.now() + duration_max;
    while (!condition()) {
      if (!step(limit)) return condition();
    }
    return true;
  }

  /// Sends a command and waits for its reply: as it came, or empty where none does.
  std::string ask(SimulatedClient& client, std::string_view line, replikv::Duration patience = 60s) {
    const std::size_t before = client.replies();
    client.send(line);
    const bool has_come =
        run_until([&] { return client.replies() > before || client.why_closed(); }, patience);
    return has_come && client.replies() > before ? client.last_reply() : std::string();
  }

  /// What each node's own master says of it: they are where it is.
  [[nodiscard]] bool is_settled() {
    for (const ServedNode& each : nodes_) {
      if (!each.is_running() || each.is_paused()) return false;
      const auto info = each.info();
      if (!info.master) continue;
      const ServedNode* const master = find(info.master->host);
      if (info.master->state != replikv::MasterLinkState::connected || master == nullptr) return false;
      if (!master->is_running() || master->position() != each.position()) return false;
    }
    return true;
  }
  [[nodiscard]] bool settle(replikv::Duration duration_max = 60s) {
    return run_until([this] { return is_settled(); }, duration_max);
  }
  /// Has them follow one another by REPLICAOF, the first being the master of all, or each of the next.
  [[nodiscard]] bool follow(const std::vector<std::pair<std::size_t, std::size_t>>& replica_and_master) {
    for (const auto& [replica, master] : replica_and_master) {
      SimulatedClient& admin = client(node(replica));
      if (ask(admin, replicaof(node(master))) != "+OK\r\n") return false;
      admin.close();
    }
    return settle();
  }
  [[nodiscard]] static std::string replicaof(const ServedNode& master) {
    return "REPLICAOF " + master.name() + " " + std::to_string(ServedNode::port);
  }

 private:
  [[nodiscard]] const ServedNode* find(std::string_view name) const {
    for (const ServedNode& each : nodes_) {
      if (each.name() == name) return &each;
    }
    return nullptr;
  }

  bool step(replikv::TimePoint limit) {
    const bool has_plan = !planned_.empty() && planned_.begin()->first <= limit;
    const bool happened = network_.step(has_plan ? planned_.begin()->first : limit);
    if (!happened && has_plan) {
      const auto action = std::move(planned_.extract(planned_.begin()).mapped());
      action();
    }
    if (!happened && !has_plan) return false;
    for (const auto& check : checks_) check();
    return true;
  }

  replikv::testing::SimulatedNetwork network_;
  replikv::TimePoint start_ = network_.now();
  std::deque<ServedNode> nodes_;
  std::deque<SimulatedClient> clients_;
  std::multimap<replikv::TimePoint, std::function<void()>> planned_;
  std::vector<std::function<void()>> checks_;
};

/// The value of a field in the text of INFO; empty when it is not there.
[[nodiscard]] inline std::string info_value(std::string_view info, std::string_view field) {
  const std::string mark = "\n" + std::string(field) + ":";
  const std::size_t begin = info.find(mark);
  if (begin == std::string_view::npos) return {};
  const std::size_t from = begin + mark.size();
  return std::string(info.substr(from, info.find_first_of("\r\n", from) - from));
}

}  // namespace simulation
