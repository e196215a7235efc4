// Random clients at three endpoints that lose links, hosts and roles, all of it from one seed: what each
// client is told must be whole, in order and true, the nodes must be what their histories say, and what all
// had confirmed must be there in the end.
#pragma once

#include <replikv/core/random.hpp>
#include <replikv/resp/number.hpp>
#include <replikv/testing/fault.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <tests/simulation/chronicle.hpp>
#include <tests/simulation/endpoints.hpp>
#include <tests/simulation/invariants.hpp>
#include <utility>
#include <vector>

namespace simulation {

using replikv::Random;
using replikv::testing::Fault;
using WatchedEndpoint = BasicWatched<ServedNode>;

/// The nodes, as the rules see them.
class WatchedEndpoints {
 public:
  WatchedEndpoints(Served& served, const replikv::ReplicationOptions& options) : served_(served) {
    for (std::size_t i = 0; i < served.size(); ++i) {
      watched_.push_back(std::make_unique<WatchedEndpoint>(
          served.node(i), chronicle_, options,
          [this](const WatchedEndpoint&, const replikv::Event& event) { hear(event); }));
    }
  }

  /// After an event. Masters first: what they wrote is the measure of all others.
  void check() {
    const bool thoroughly = ++events_ % 64 == 0;
    for (const bool master : {true, false}) {
      for (std::size_t i = 0; i < watched_.size(); ++i) {
        if (served_.node(i).is_running() && served_.node(i).is_master() == master)
          watched_[i]->check(thoroughly);
      }
    }
    for (std::size_t i = 0; i < watched_.size(); ++i) {
      const ServedNode& node = served_.node(i);
      const bool is_master = node.is_running() && node.is_master();
      const std::uint64_t reign = is_master ? node.lives() * 1000 + promotions_ : 0;
      if (reign != 0 && reigns_[i] == 0) forget_what_it_lacks(node);
      reigns_[i] = reign;
    }
  }

  /// How often anything has happened after which a node may hold something else than before.
  [[nodiscard]] std::uint64_t upheavals() const {
    std::uint64_t sum = promotions_ + resyncs_;
    for (std::size_t i = 0; i < served_.size(); ++i) {
      sum += 2 * served_.node(i).lives() + (served_.node(i).is_running() ? 0 : 1);
    }
    return sum;
  }
  [[nodiscard]] std::uint64_t promotions() const noexcept { return promotions_; }
  [[nodiscard]] std::uint64_t resyncs() const noexcept { return resyncs_; }
  [[nodiscard]] std::uint64_t full_resyncs(std::size_t i) const { return watched_[i]->full_resyncs(); }

  /// All nodes have confirmed this key. Until it is overwritten by a history that begins without it, it
  /// stays. False: one lacks it.
  [[nodiscard]] bool confirm(const std::string& key) {
    for (std::size_t i = 0; i < served_.size(); ++i) {
      if (!served_.node(i).is_running() || !served_.node(i).store().contains(key)) return false;
    }
    confirmed_.insert(key);
    return true;
  }
  [[nodiscard]] const std::set<std::string>& confirmed() const noexcept { return confirmed_; }

 private:
  void hear(const replikv::Event& event) {
    if (std::holds_alternative<replikv::Promoted>(event)) ++promotions_;
    if (std::holds_alternative<replikv::FullResyncDone>(event)) ++resyncs_;
  }

  // What a new master lacks may be lost everywhere: replication is asynchronous.
  void forget_what_it_lacks(const ServedNode& node) {
    std::erase_if(confirmed_, [&node](const std::string& key) { return !node.store().contains(key); });
  }

  Served& served_;
  Chronicle chronicle_;
  std::vector<std::unique_ptr<WatchedEndpoint>> watched_;
  std::array<std::uint64_t, 3> reigns_{};
  std::set<std::string> confirmed_;
  std::uint64_t events_ = 0;
  std::uint64_t promotions_ = 0;
  std::uint64_t resyncs_ = 0;
};

/// One client that does anything, in bursts, and judges each reply.
class RandomClient {
 public:
  RandomClient(Served& served, WatchedEndpoints& nodes, std::size_t number, std::uint64_t seed)
      : served_(served),
        nodes_(nodes),
        number_(number),
        random_(seed),
        client_(served.client(served.node(0))) {
    client_.on_reply = [this](std::string_view reply) { hear(reply); };
    client_.on_lost = [this](std::error_code why) {
      if (why == replikv::Errc::link_closed && !client_.rest().empty())
        complain("a reply is whole", client_.rest());
      is_lost_ = true;
    };
    connect();
  }

  /// Does something, if it is time for it.
  void act() {
    const auto now = served_.elapsed();
    if (now < next_) return;
    const bool gives_up = !awaited_.empty() && now - sent_at_ > 20s;
    if (is_lost_ || gives_up || random_.below(40) == 0) return connect();
    next_ = now + std::chrono::milliseconds(1 + random_.below(150));
    if (!awaited_.empty()) return;
    const std::uint64_t commands = 1 + random_.below(5);
    for (std::uint64_t i = 0; i < commands; ++i) add();
    sent_at_ = now;
    client_.send_raw(std::exchange(pipeline_, {}));
  }
  void leave() { client_.close(); }

  [[nodiscard]] SimulatedClient& client() noexcept { return client_; }
  /// What it was told that cannot be; empty: nothing.
  [[nodiscard]] const std::string& complaint() const noexcept { return complaint_; }
  [[nodiscard]] std::uint64_t replies() const noexcept { return replies_; }

 private:
  enum class Expected : std::uint8_t { exactly, written, number, value, queued, executed, waited, info };

  struct Awaited {
    Expected what;
    std::string text{};           // that it is, exactly; or the key that is waited for
    std::uint64_t upheavals = 0;  // when it was sent
    std::uint64_t full_resyncs = 0;
  };

  void connect() {
    at_ = random_.below(served_.size());
    client_.connect(served_.node(at_));
    awaited_.clear();
    last_info_.reset();
    is_lost_ = false;
    next_ = served_.elapsed() + std::chrono::milliseconds(1 + random_.below(300));
  }

  void add(std::string_view line, Awaited awaited) {
    pipeline_ += SimulatedClient::command(line);
    awaited.upheavals = nodes_.upheavals();
    awaited.full_resyncs = nodes_.full_resyncs(at_);
    awaited_.push_back(std::move(awaited));
  }

  [[nodiscard]] std::string drawn(std::string_view kind, std::uint64_t count) {
    return std::string(kind) + std::to_string(random_.below(count));
  }
  [[nodiscard]] std::string unique() {
    return std::to_string(number_) + ":" + std::to_string(++last_unique_);
  }

  void add() {
    switch (random_.below(14)) {
      case 0:
      case 1: return add("SET " + drawn("key", 10) + " " + unique(), {Expected::written});
      case 2: return add("SET " + drawn("key", 10) + " brief PX " + drawn("1", 1000), {Expected::written});
      case 3: return add("GET " + drawn("key", 10), {Expected::value});
      case 4: return add("INCR " + drawn("count", 4), {Expected::number});
      case 5: return add("DEL " + drawn("key", 10) + " " + drawn("key", 10), {Expected::number});
      case 6: return add("PEXPIRE " + drawn("key", 10) + " " + drawn("1", 1000), {Expected::number});
      case 7: return add("PUBLISH news " + unique(), {Expected::number});
      case 8: return add_transaction();
      case 9: return add("INFO replication", {Expected::info});
      case 10: return add("APPEND " + drawn("text", 3) + " +", {Expected::number});
      case 11: return add_in_other_database();
      case 12: return add_confirmed();
      default: return add_echo();
    }
  }

  void add_echo() {
    const std::string text = unique();
    std::string reply;
    replikv::resp::append_bulk(reply, text);
    add("ECHO " + text, {Expected::exactly, reply});
  }

  void add_transaction() {
    const std::string value = unique();
    add("MULTI", {Expected::exactly, "+OK\r\n"});
    add("SET left " + value, {Expected::queued});
    add("INCR transactions", {Expected::queued});
    add("SET right " + value, {Expected::queued});
    add("EXEC", {Expected::executed});
  }

  void add_in_other_database() {
    add("SELECT 1", {Expected::exactly, "+OK\r\n"});
    add("INCR " + drawn("count", 4), {Expected::number});
    add("SELECT 0", {Expected::exactly, "+OK\r\n"});
  }

  void add_confirmed() {
    const std::string key = "own:" + unique();
    add("SET " + key + " there", {Expected::written, key});
    add("WAIT 2 " + drawn("1", 1000), {Expected::waited, key});
  }

  void complain(std::string_view rule, std::string_view reply) {
    if (complaint_.empty()) complaint_ = std::string(rule) + ": " + std::string(reply);
  }

  void hear(std::string_view reply) {
    ++replies_;
    if (awaited_.empty()) return complain("a reply for each command", reply);
    const Awaited awaited = std::move(awaited_.front());
    awaited_.pop_front();
    if (!is_as(awaited, reply)) complain("a reply of its command", reply);
    if (awaited.what == Expected::written && !awaited.text.empty()) is_written_ = reply == "+OK\r\n";
    if (awaited.what == Expected::waited && reply == ":2\r\n" && is_written_) hear_confirmed(awaited);
    if (awaited.what == Expected::info) hear_info(awaited, reply);
  }

  [[nodiscard]] static bool is_as(const Awaited& awaited, std::string_view reply) {
    const bool is_refused = reply.starts_with("-READONLY") || reply.starts_with("-NOREPLICAS");
    switch (awaited.what) {
      case Expected::exactly: return reply == awaited.text;
      case Expected::written: return reply == "+OK\r\n" || is_refused;
      case Expected::number: return reply.starts_with(':') || is_refused;
      case Expected::value: return reply.starts_with('$');
      case Expected::queued: return reply == "+QUEUED\r\n" || is_refused;
      case Expected::executed: return reply.starts_with("*3\r\n+OK\r\n:") || reply.starts_with("-EXECABORT");
      case Expected::waited:
        return (reply.size() == 4 && reply >= ":0\r\n" && reply <= ":2\r\n") ||
               reply.starts_with("-ERR WAIT cannot be used with replica") || reply.starts_with("-UNBLOCKED");
      case Expected::info: return reply.find("role:") != std::string_view::npos;
    }
    return false;
  }

  // Two replicas are all there are.
  void hear_confirmed(const Awaited& awaited) {
    if (!nodes_.confirm(awaited.text) && awaited.upheavals == nodes_.upheavals()) {
      complain("WAIT counts who holds it", awaited.text);
    }
  }

  // A node goes back where its master was not as far, which is a full resync; else never.
  void hear_info(const Awaited& awaited, std::string_view reply) {
    const std::string id = info_value(reply, "master_replid");
    const std::uint64_t offset =
        replikv::resp::parse_unsigned(info_value(reply, "master_repl_offset")).value_or(0);
    if (last_info_ && last_info_->id == id && last_info_->full_resyncs == nodes_.full_resyncs(at_) &&
        offset < last_info_->offset) {
      complain("offsets do not go back", reply);
    }
    last_info_ = LastInfo{id, offset, awaited.full_resyncs};
  }

  struct LastInfo {
    std::string id;
    std::uint64_t offset;
    std::uint64_t full_resyncs;
  };

  Served& served_;
  WatchedEndpoints& nodes_;
  std::size_t number_;
  Random random_;
  SimulatedClient& client_;
  std::size_t at_ = 0;
  std::string pipeline_;
  std::deque<Awaited> awaited_;
  std::optional<LastInfo> last_info_;
  std::uint64_t last_unique_ = 0;
  std::uint64_t replies_ = 0;
  replikv::Duration next_{};
  replikv::Duration sent_at_{};
  bool is_written_ = false;
  bool is_lost_ = false;
  std::string complaint_;
};

/// What came of a run.
struct ClientsOutcome {
  std::string violation;  ///< empty: every rule held
  std::uint64_t trace_hash = 0;
  std::uint64_t replies = 0;
  std::uint64_t promotions = 0;
  std::uint64_t full_resyncs = 0;
  std::size_t confirmed = 0;  ///< of those writes that had to be there in the end
  replikv::Duration simulated{};
};

/// Some time of three nodes and some clients, from a seed.
class ClientsRun {
 public:
  explicit ClientsRun(std::uint64_t seed)
      : random_(seed),
        options_(draw_options(random_)),
        served_(seed, 3, options_, endpoint_options()),
        nodes_(served_, options_) {
    for (std::size_t i = 0; i < 6; ++i) clients_.emplace_back(served_, nodes_, i, random_());
    served_.after_each_event([this] { check(); });
    draw_conditions();
  }

  [[nodiscard]] ClientsOutcome play() {
    ClientsOutcome outcome;
    try {
      command(1, Served::replicaof(served_.node(0)));
      command(2, Served::replicaof(served_.node(0)));
      plan();
      for (replikv::Duration now{}; now < span; now += 5ms) {
        served_.run_for(5ms);
        for (RandomClient& each : clients_) each.act();
      }
      heal();
      outcome.confirmed = nodes_.confirmed().size();
    } catch (const Violation& violation) {
      outcome.violation = violation.what();
    }
    outcome.trace_hash = served_.network().trace_hash();
    outcome.promotions = nodes_.promotions();
    outcome.full_resyncs = nodes_.resyncs();
    outcome.simulated = served_.elapsed();
    for (const RandomClient& each : clients_) outcome.replies += each.replies();
    return outcome;
  }

 private:
  static constexpr auto span = 20s;
  static constexpr auto idle_timeout = 25s;

  static replikv::ReplicationOptions draw_options(Random& random) {
    replikv::ReplicationOptions options;
    options.backlog_bytes = std::uint64_t{256} << random.below(12);
    options.ping_period = std::chrono::milliseconds(500 + random.below(2'000));
    options.ack_period = std::chrono::milliseconds(100 + random.below(1'000));
    options.timeout = std::chrono::milliseconds(4'000 + random.below(4'000));
    options.min_replicas_to_write = random.below(6) == 0 ? 1 : 0;
    options.min_replicas_max_lag = 3s;
    return options;
  }
  static replikv::EndpointOptions endpoint_options() {
    replikv::EndpointOptions options;
    options.idle_timeout = idle_timeout;
    return options;
  }
  void draw_conditions() {
    replikv::LinkConditions conditions;
    conditions.delay_max = std::chrono::microseconds(200 << random_.below(9));
    conditions.chunk_bytes_max = random_.below(2) == 0 ? 0 : 1 + random_.below(200);
    served_.network().set_conditions(conditions);
  }

  void check() {
    nodes_.check();
    for (const RandomClient& each : clients_) {
      if (!each.complaint().empty()) throw Violation("what clients are told", each.complaint());
    }
  }

  // --- What happens -----------------------------------------------------------------------------------

  // A command by itself, over a link of its own, which nobody waits for.
  void command(std::size_t node, std::string_view line) {
    SimulatedClient& admin = served_.client(served_.node(node));
    admin.send(line);
    served_.after(10s, [&admin] { admin.close(); });
  }

  void plan() {
    using Kind = Fault::Kind;
    replikv::testing::FaultMix mix = replikv::testing::FaultMix::draw(random_);
    for (const Kind kind : {Kind::corrupt_after, Kind::refuse, Kind::power_off, Kind::fail_over, Kind::follow,
                            Kind::jump, Kind::drift}) {
      mix[kind] = 0;
    }
    mix.lasts_max = std::min<replikv::Duration>(mix.lasts_max, 12s);
    const std::size_t members = served_.size() + clients_.size();
    for (const Fault& fault : replikv::testing::draw_faults(random_, mix, members, span)) {
      served_.after(fault.at, [this, fault] { begin(fault); });
    }
    const std::uint64_t changes = random_.below(30);
    for (std::uint64_t i = 0; i < changes; ++i) {
      const auto at = std::chrono::milliseconds(random_.below(20'000));
      served_.after(at, [this, seed = random_()] { change_roles(Random(seed)); });
    }
  }

  void change_roles(Random random) {
    const std::size_t node = random.below(served_.size());
    const std::size_t other = (node + 1 + random.below(served_.size() - 1)) % served_.size();
    switch (random.below(4)) {
      case 0: return command(node, Served::replicaof(served_.node(other)));
      case 1: return command(node, "REPLICAOF NO ONE");
      case 2: return command(node, "FAILOVER TIMEOUT 2000");
      default:
        command(node, "REPLICAOF NO ONE");
        for (std::size_t i = 0; i < served_.size(); ++i) {
          if (i != node) command(i, Served::replicaof(served_.node(node)));
        }
    }
  }

  [[nodiscard]] const replikv::testing::Member& member(std::size_t i) {
    if (i < served_.size()) return served_.node(i);
    return clients_[i - served_.size()].client();
  }

  void begin(const Fault& fault) {
    using Kind = Fault::Kind;
    auto& network = served_.network();
    const auto& one = member(fault.node);
    const auto& other = member(fault.other);
    if (fault.kind >= Kind::pause) return begin_on_node(fault, served_.node(fault.node % served_.size()));
    replikv::LinkConditions worse = network.conditions();
    switch (fault.kind) {
      case Kind::cut: return network.cut(one, other);
      case Kind::half_open: return network.half_open(one, other);
      case Kind::cut_after: return network.cut_after(one, other, fault.amount % 2'000);
      case Kind::block: network.block(one, other); break;
      case Kind::part: network.partition(one, other); break;
      case Kind::isolate: network.partition(one); break;
      case Kind::slow: worse.bytes_per_second_max = fault.amount; break;
      case Kind::crumble: worse.chunk_bytes_max = static_cast<std::size_t>(fault.amount % 64 + 1); break;
      default: worse.delay_max += std::chrono::microseconds(fault.amount);
    }
    if (fault.kind >= Kind::slow) network.set_conditions(one, other, worse);
    served_.after(fault.lasts, [this, fault, &one, &other] {
      auto& healed = served_.network();
      if (fault.kind >= Kind::slow) return healed.set_conditions(one, other, healed.conditions());
      if (fault.kind == Kind::isolate) return healed.partition(one, false);
      healed.partition(one, other, false);
    });
  }

  void begin_on_node(const Fault& fault, ServedNode& node) {
    if (!node.is_running() || node.is_paused()) return;
    if (fault.kind == Fault::Kind::pause) {
      node.pause();
      return served_.after(fault.lasts, [&node] {
        if (node.is_paused()) node.resume();
      });
    }
    node.crash();
    served_.after(fault.lasts, [&node, loses = fault.kind == Fault::Kind::lose] {
      if (!node.is_running()) loses ? node.start_empty() : node.start();
    });
  }

  // --- The end ----------------------------------------------------------------------------------------

  // All faults end and one node becomes the master of all: now they must agree, and have freed what is gone.
  void heal() {
    served_.network().heal();
    for (std::size_t i = 0; i < served_.size(); ++i) {
      ServedNode& node = served_.node(i);
      if (!node.is_running()) node.start();
      if (node.is_paused()) node.resume();
    }
    check();  // from here on their new histories are known
    for (RandomClient& each : clients_) each.leave();
    served_.run_for(15s);  // what is on its way arrives, and a failover under way ends
    const std::size_t master = random_.below(served_.size());
    obey(master, "REPLICAOF NO ONE");
    for (std::size_t i = 0; i < served_.size(); ++i) {
      if (i != master) obey(i, Served::replicaof(served_.node(master)));
    }
    if (!served_.settle(120s)) throw Violation("all agree in the end", "they do not");
    for (std::size_t i = 0; i < served_.size(); ++i) {
      if (!served_.node(i).has_same_data(served_.node(master)))
        throw Violation("all agree in the end", "equal offsets, but other data");
    }
    for (const std::string& key : nodes_.confirmed()) {
      if (!served_.node(master).store().contains(key))
        throw Violation("what all had confirmed is there", key);
    }
    check_clients_are_gone();
  }

  // Half-open ones as well, a timeout later.
  void check_clients_are_gone() {
    served_.run_for(idle_timeout + 1s);
    for (std::size_t i = 0; i < served_.size(); ++i) {
      const std::string info = served_.ask(served_.client(served_.node(i)), "INFO clients");
      if (info_value(info, "connected_clients") != "1")
        throw Violation("clients that are gone are freed", info);
    }
  }

  void obey(std::size_t node, std::string_view line) {
    const std::string reply = served_.ask(served_.client(served_.node(node)), line);
    if (!reply.starts_with("+OK")) throw Violation("a healed node obeys", reply);
  }

  Random random_;
  replikv::ReplicationOptions options_;
  Served served_;
  WatchedEndpoints nodes_;
  std::deque<RandomClient> clients_;
};

[[nodiscard]] inline ClientsOutcome run_clients(std::uint64_t seed) { return ClientsRun(seed).play(); }

}  // namespace simulation
