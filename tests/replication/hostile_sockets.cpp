// A master among hostile peers on real sockets: floods, stalls and peers that never read. Other replicas are
// served meanwhile, and memory stays within its limits.
#include <replikv/transport/asio_tcp.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <tests/interop/socket.hpp>
#include <tests/replication/cluster.hpp>
#include <tests/replication/memory.hpp>
#include <thread>

using namespace cluster;

namespace {

/// A socket that says what a test wants and reads only when told to.
class RawSocket {
 public:
  explicit RawSocket(const std::string& address, int receive_bytes = 0) : socket_(interop::make_socket()) {
    if (receive_bytes > 0) {
      ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    const auto port = resp::parse_unsigned(address.substr(address.rfind(':') + 1)).value();
    REQUIRE(interop::connect_loopback(socket_, static_cast<std::uint16_t>(port)));
    ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  }

  /// Sends what the system takes now; false when the other end is gone.
  bool send(std::string_view text) {
    const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent > 0) sent_bytes_ += static_cast<std::size_t>(sent);
    return sent >= 0 || errno == EAGAIN;
  }

  /// Reads what there is; false when the other end has closed.
  bool read() {
    char bytes[4096];
    for (;;) {
      const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
      if (got > 0) {
        received_.append(bytes, static_cast<std::size_t>(got));
        continue;
      }
      return got < 0 && errno == EAGAIN;
    }
  }

  [[nodiscard]] const std::string& received() const noexcept { return received_; }
  [[nodiscard]] std::size_t sent_bytes() const noexcept { return sent_bytes_; }

 private:
  interop::Descriptor socket_;
  std::string received_;
  std::size_t sent_bytes_ = 0;
};

template <class Condition>
bool eventually(Condition&& holds) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
    ::poll(nullptr, 0, 1);
  }
  return true;
}

/// A master and a replica of good faith over TCP, with times short enough to see them pass.
struct Served {
  explicit Served(ReplicationOptions options = {})
      : master(store, hasty(std::move(options))), replica(copy, hasty({})) {
    address = master.listen(network, "127.0.0.1:0");
    replica.follow(network, address);
    replica.wait_for(store.set("first", "1"), 60s);
  }

  static ReplicationOptions hasty(ReplicationOptions options) {
    options.timeout = 2s;
    options.ping_period = 100ms;
    options.ack_period = 100ms;
    options.reconnect_delay_min = 5ms;
    options.reconnect_delay_max = 20ms;
    return options;
  }

  /// The application writes, and the replica gets it.
  void check_served() {
    const std::string round = std::to_string(++rounds_);
    CHECK_NOTHROW(replica.wait_for(store.set("round", round), 60s));
    CHECK(copy.get("round") == round);
  }

  [[nodiscard]] bool is_alone() const { return master.info().replicas.size() == 1; }

  TcpTransport network;
  Strings store;
  Strings copy;
  ReplicationMaster master;
  ReplicationReplica replica;
  std::string address;

 private:
  int rounds_ = 0;
};

}  // namespace

TEST_CASE("a flood of connections is closed, at once beyond the limit and soon within it") {
  Served served{{.replicas_max = 40}};
  for (int wave = 0; wave < 3; ++wave) {
    std::vector<RawSocket> flood;
    for (int i = 0; i < 100; ++i) {
      flood.emplace_back(served.address);
      if (i % 20 == 0) served.check_served();
    }
    const auto closed = [&flood] {
      return std::count_if(flood.begin(), flood.end(), [](RawSocket& socket) { return !socket.read(); });
    };
    CHECK(eventually([&closed] { return closed() >= 61; }));
    served.check_served();
    if (wave == 0) CHECK(eventually([&closed] { return closed() == 100; }));  // or they go by themselves
  }
  Strings another;
  ReplicationReplica late{another, Served::hasty({})};
  late.follow(served.network, served.address);
  late.wait_for(served.store.set("late", "1"), 60s);
  CHECK(another.get("late") == "1");
  CHECK(served.replica.info().full_resyncs == 1);
}

TEST_CASE("when there are no descriptors left, accepting goes on as soon as there are") {
  Served served;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int next = ::dup(0);
  ::close(next);
  std::vector<RawSocket> flood;
  for (int i = 0; i < 20; ++i) flood.emplace_back(served.address);
  rlimit scarce = before;
  scarce.rlim_cur = static_cast<rlim_t>(next) + 50;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &scarce) == 0);
  std::vector<interop::Descriptor> all;  // leave none to accept with
  for (int made = ::dup(0); made >= 0; made = ::dup(0)) all.emplace_back(made);
  all.pop_back();
  RawSocket waiting{served.address};  // the system takes it, the master cannot
  served.check_served();
  all.clear();
  waiting.send("PING\r\n");
  CHECK(eventually([&waiting] { return waiting.read() && waiting.received() == "+PONG\r\n"; }));
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  served.check_served();
}

TEST_CASE("a request of a byte at a time ends with the handshake's time, and hinders nobody") {
  Served served;
  const std::string request = "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$500000\r\n";
  RawSocket slow{served.address};
  const auto begin = std::chrono::steady_clock::now();
  std::size_t at = 0;
  CHECK(eventually([&] {
    slow.send(at < request.size() ? request.substr(at, 1) : "7");
    ++at;
    served.check_served();
    return !slow.read();
  }));
  CHECK(std::chrono::steady_clock::now() - begin >= 1'900ms);
  CHECK(served.is_alone());
}

TEST_CASE("a peer that never reads its replies is closed, at a few KiB before it has authenticated") {
  std::size_t allowed = std::size_t{64} << 10;
  ReplicationOptions options;
  SUBCASE("without a password") { allowed = std::size_t{1} << 20; }
  SUBCASE("before authentication") { options.accepts = {{"", "secret"}}; }
  const bool has_password = !options.accepts.empty();
  TcpTransport network;
  Strings store;
  ReplicationMaster master{store, Served::hasty(options)};
  const std::string address = master.listen(network, "127.0.0.1:0");
  options = Served::hasty({});
  if (has_password) options.credentials = Credentials{"", "secret"};
  Strings copy;
  ReplicationReplica replica{copy, options};
  replica.follow(network, address);
  replica.wait_for(store.set("first", "1"), 60s);

  std::string pings;
  while (pings.size() < 60'000) pings += "PING\r\n";
  const HeapGrowth growth;
  std::size_t most = 0;
  RawSocket deaf{address, 4'096};
  CHECK(eventually([&] {
    most = std::max(most, growth.bytes());
    return !deaf.send(pings);
  }));
  const std::size_t buffers_of_the_link = std::size_t{1} << 20;  // what it reads into, and what it had kept
  CHECK(most < 2 * allowed + buffers_of_the_link);
  CHECK_NOTHROW(replica.wait_for(store.set("last", "1"), 60s));
}

TEST_CASE("a replica that does not read is dropped at its output limit, and hinders nobody") {
  Served served{{.backlog_bytes = 64 << 10, .output_limit = {.hard_bytes = 4 << 20}}};
  std::vector<RawSocket> deaf;
  const std::string id = served.master.info().history.id.text();
  for (int i = 0; i < 3; ++i) {
    deaf.emplace_back(served.address, 4'096);
    deaf.back().send("PSYNC " + id + " " + std::to_string(served.master.position().offset.bytes + 1) +
                     "\r\n");
  }
  CHECK(eventually([&served] { return served.master.info().replicas.size() == 4; }));
  const HeapGrowth growth;
  std::size_t most = 0;
  const std::string value(64 << 10, 'v');
  for (int i = 0; i < 400; ++i) {
    served.store.set("key", value);
    if (i % 10 == 0) served.check_served();
    for (RawSocket& one : deaf) one.send("\n");
    most = std::max(most, growth.bytes());
  }
  CHECK(eventually([&served] { return served.is_alone(); }));
  CHECK(most < (std::size_t{16} << 20));
  served.check_served();
  CHECK(served.replica.info().full_resyncs == 1);
}

TEST_CASE("a replica that says nothing more is dropped after the timeout") {
  Served served;
  RawSocket silent{served.address};
  const std::string id = served.master.info().history.id.text();
  silent.send("PSYNC " + id + " " + std::to_string(served.master.position().offset.bytes + 1) + "\r\n");
  CHECK(eventually([&served] { return served.master.info().replicas.size() == 2; }));
  std::size_t at = 0;
  CHECK(eventually([&] {
    silent.send(std::string_view("*3\r\n$8\r\nREPLCONF\r\n").substr(at++ % 17, 1));  // no whole command ever
    served.check_served();
    return !silent.read();
  }));
  CHECK(served.is_alone());
}

TEST_CASE("many peers that keep requests unfinished before authentication cost 64 KiB each") {
  ReplicationOptions options;
  options.accepts = {{"", "secret"}};
  TcpTransport network;
  Strings store;
  ReplicationMaster master{store, Served::hasty(options)};
  const std::string address = master.listen(network, "127.0.0.1:0");
  std::string unfinished = "*10\r\n";
  for (int i = 0; i < 3; ++i) unfinished += "$16384\r\n" + std::string(16'384, 'x') + "\r\n";
  unfinished += "$16384\r\n" + std::string(14'000, 'x');
  const HeapGrowth growth;
  std::vector<RawSocket> peers;
  constexpr std::size_t count = 50;
  for (std::size_t i = 0; i < count; ++i) {
    peers.emplace_back(address);
    for (std::size_t at = 0; at < unfinished.size();) {
      const std::size_t before = peers.back().sent_bytes();
      REQUIRE(peers.back().send(std::string_view(unfinished).substr(at)));
      at += peers.back().sent_bytes() - before;
    }
  }
  store.set("written", "meanwhile");
  constexpr std::size_t read_into = std::size_t{256} << 10;  // a socket's own
  CHECK(growth.bytes() < count * (read_into + 3 * (std::size_t{64} << 10)) + (std::size_t{4} << 20));
  const std::string more = std::string(2'384, 'x') + "\r\n$16384\r\n" + std::string(6'000, 'x');
  for (RawSocket& peer : peers) peer.send(more);
  CHECK(eventually(
      [&] { return std::none_of(peers.begin(), peers.end(), [](RawSocket& peer) { return peer.read(); }); }));
  CHECK(peers[0].received() == "-ERR Protocol error: request too large for a replica\r\n");
}
