#include <replikv/replication/info.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using replikv::History;
using replikv::MasterLinkInfo;
using replikv::MasterLinkState;
using replikv::Offset;
using replikv::ReplicaInfo;
using replikv::ReplicaState;
using replikv::ReplicationId;
using replikv::ReplicationInfo;
using replikv::Role;
using replikv::SyncProgress;

namespace {

constexpr std::string_view id_text = "75bfeacfa584c0a41b9971936d42adb80a96ba8b";
constexpr std::string_view second_text = "2e820c07b00d5cf88c26caa82e0f6f277faddf28";

// A node with 714 bytes written, of which it holds 500.
ReplicationInfo node(Role role) {
  ReplicationInfo info;
  info.role = role;
  info.history.id = ReplicationId::parse(id_text).value();
  info.history.end = Offset{714};
  info.history.backlog_first_byte = 215;
  info.history.backlog_bytes = 500;
  info.history.backlog_bytes_max = 1'048'576;
  return info;
}

ReplicationInfo replica(MasterLinkState state) {
  ReplicationInfo info = node(Role::replica);
  MasterLinkInfo& link = info.master.emplace();
  link.host = "127.0.0.1";
  link.port = 6379;
  link.state = state;
  link.received = Offset{720};
  return info;
}

// What redis-server 7.0.15 prints, without the carriage returns.
std::string lines(const ReplicationInfo& info) {
  std::string out;
  const std::string text = info.text();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    const std::string_view line = std::string_view(text).substr(at, end - at);
    CHECK(line.find_first_of("\r\n") == std::string_view::npos);
    out.append(line).append("\n");
    at = end + 2;
  }
  return out;
}

const std::string tail =
    "master_failover_state:no-failover\n"
    "master_replid:75bfeacfa584c0a41b9971936d42adb80a96ba8b\n"
    "master_replid2:0000000000000000000000000000000000000000\n"
    "master_repl_offset:714\n"
    "second_repl_offset:-1\n"
    "repl_backlog_active:1\n"
    "repl_backlog_size:1048576\n"
    "repl_backlog_first_byte_offset:215\n"
    "repl_backlog_histlen:500\n";

const std::string up_head =
    "# Replication\n"
    "role:slave\n"
    "master_host:127.0.0.1\n"
    "master_port:6379\n"
    "master_link_status:up\n";
const std::string down_head =
    "# Replication\n"
    "role:slave\n"
    "master_host:127.0.0.1\n"
    "master_port:6379\n"
    "master_link_status:down\n"
    "master_last_io_seconds_ago:-1\n";
const std::string replica_settings =
    "slave_priority:100\n"
    "slave_read_only:1\n"
    "replica_announced:1\n";

}  // namespace

TEST_CASE("INFO replication of a master without replicas") {
  CHECK(lines(node(Role::master)) == "# Replication\nrole:master\nconnected_slaves:0\n" + tail);
}

TEST_CASE("INFO replication of a master with replicas in every state") {
  ReplicationInfo info = node(Role::master);
  info.replicas.push_back({"127.0.0.1", 7101, ReplicaState::online, Offset{700}, 14, 1'999ms});
  CHECK(lines(info) ==
        "# Replication\nrole:master\nconnected_slaves:1\n"
        "slave0:ip=127.0.0.1,port=7101,state=online,offset=700,lag=1\n" +
            tail);
  info.replicas.push_back({"10.0.0.7", 0, ReplicaState::waiting_for_snapshot, Offset{0}, 714, 0ms});
  info.replicas.push_back({"::1", 65535, ReplicaState::receiving_snapshot, Offset{0}, 714, 0ms});
  CHECK(lines(info) ==
        "# Replication\nrole:master\nconnected_slaves:3\n"
        "slave0:ip=127.0.0.1,port=7101,state=online,offset=700,lag=1\n"
        "slave1:ip=10.0.0.7,port=0,state=wait_bgsave,offset=0,lag=0\n"
        "slave2:ip=::1,port=65535,state=send_bulk,offset=0,lag=0\n" +
            tail);
}

TEST_CASE("INFO replication counts the good replicas where writes need them") {
  ReplicationInfo info = node(Role::master);
  info.good_replicas = 2;
  info.replicas.push_back({"127.0.0.1", 7101, ReplicaState::online, Offset{714}, 0, 0ms});
  info.replicas.push_back({"127.0.0.1", 7102, ReplicaState::online, Offset{714}, 0, 10'000ms});
  CHECK(lines(info) ==
        "# Replication\nrole:master\nconnected_slaves:2\nmin_slaves_good_slaves:2\n"
        "slave0:ip=127.0.0.1,port=7101,state=online,offset=714,lag=0\n"
        "slave1:ip=127.0.0.1,port=7102,state=online,offset=714,lag=10\n" +
            tail);
}

TEST_CASE("INFO replication names the history a promoted master continues") {
  ReplicationInfo info = node(Role::master);
  info.history.second_id = ReplicationId::parse(second_text).value();
  info.history.second_next_byte = 601;
  CHECK(lines(info) ==
        "# Replication\nrole:master\nconnected_slaves:0\n"
        "master_failover_state:no-failover\n"
        "master_replid:75bfeacfa584c0a41b9971936d42adb80a96ba8b\n"
        "master_replid2:2e820c07b00d5cf88c26caa82e0f6f277faddf28\n"
        "master_repl_offset:714\n"
        "second_repl_offset:601\n"
        "repl_backlog_active:1\n"
        "repl_backlog_size:1048576\n"
        "repl_backlog_first_byte_offset:215\n"
        "repl_backlog_histlen:500\n");
}

TEST_CASE("INFO replication of a replica in step") {
  ReplicationInfo info = replica(MasterLinkState::connected);
  info.master->last_io_ago = 3s;
  info.master->down_since = 5s;  // of no interest while the link is up
  CHECK(lines(info) == up_head +
                           "master_last_io_seconds_ago:3\n"
                           "master_sync_in_progress:0\n"
                           "slave_read_repl_offset:720\n"
                           "slave_repl_offset:714\n" +
                           replica_settings + "connected_slaves:0\n" + tail);
}

TEST_CASE("INFO replication of a replica with sub-replicas has both halves") {
  ReplicationInfo info = replica(MasterLinkState::connected);
  info.master->last_io_ago = 0s;
  info.priority = 0;
  info.read_only = false;
  info.replicas.push_back({"127.0.0.1", 7103, ReplicaState::online, Offset{714}, 0, 0ms});
  CHECK(lines(info) == up_head +
                           "master_last_io_seconds_ago:0\n"
                           "master_sync_in_progress:0\n"
                           "slave_read_repl_offset:720\n"
                           "slave_repl_offset:714\n"
                           "slave_priority:0\n"
                           "slave_read_only:0\n"
                           "replica_announced:1\n"
                           "connected_slaves:1\n"
                           "slave0:ip=127.0.0.1,port=7103,state=online,offset=714,lag=0\n" +
                           tail);
}

TEST_CASE("INFO replication of a replica whose link is down, once up or never") {
  for (const MasterLinkState state : {MasterLinkState::none, MasterLinkState::connect,
                                      MasterLinkState::connecting, MasterLinkState::handshake}) {
    ReplicationInfo info = replica(state);
    info.master->last_io_ago = 2s;  // of a link that carries no stream: redis-server does not show it
    const std::string head = down_head +
                             "master_sync_in_progress:0\n"
                             "slave_read_repl_offset:720\n"
                             "slave_repl_offset:714\n";
    const std::string rest = replica_settings + "connected_slaves:0\n" + tail;
    CHECK(lines(info) == head + "master_link_down_since_seconds:-1\n" + rest);
    info.master->down_since = 17s;
    CHECK(lines(info) == head + "master_link_down_since_seconds:17\n" + rest);
  }
}

TEST_CASE("INFO replication of a replica that loads a snapshot, in both framings") {
  ReplicationInfo info = replica(MasterLinkState::sync);
  info.master->down_since = 4s;
  SyncProgress& sync = info.master->sync.emplace();
  const auto shown = [&info](const std::string& progress) {
    CHECK(lines(info) == down_head +
                             "master_sync_in_progress:1\n"
                             "slave_read_repl_offset:720\n"
                             "slave_repl_offset:714\n" +
                             progress + "master_link_down_since_seconds:4\n" + replica_settings +
                             "connected_slaves:0\n" + tail);
  };
  SUBCASE("before the length is known") {
    sync.last_io_ago = 1s;
    shown(
        "master_sync_total_bytes:-1\nmaster_sync_read_bytes:0\nmaster_sync_left_bytes:-1\n"
        "master_sync_perc:0.00\nmaster_sync_last_io_seconds_ago:1\n");
  }
  SUBCASE("with a length") {
    sync.bytes_total = 3'000;
    sync.bytes = 2'000;
    sync.last_io_ago = 3s;
    shown(
        "master_sync_total_bytes:3000\nmaster_sync_read_bytes:2000\nmaster_sync_left_bytes:1000\n"
        "master_sync_perc:66.67\nmaster_sync_last_io_seconds_ago:3\n");
  }
  SUBCASE("until a mark") {
    sync.until_mark = true;
    sync.bytes = 2'000;
    shown(
        "master_sync_total_bytes:0\nmaster_sync_read_bytes:2000\nmaster_sync_left_bytes:-2000\n"
        "master_sync_perc:0.00\nmaster_sync_last_io_seconds_ago:0\n");
  }
}

TEST_CASE("INFO replication shows per cent with two digits, rounded, for sizes of any magnitude") {
  const auto per_cent = [](std::uint64_t bytes, std::uint64_t total) {
    ReplicationInfo info = replica(MasterLinkState::sync);
    SyncProgress& sync = info.master->sync.emplace();
    sync.bytes = bytes;
    sync.bytes_total = total;
    const std::string text = info.text();
    const std::size_t at = text.find("master_sync_perc:") + 17;
    return text.substr(at, text.find('\r', at) - at);
  };
  CHECK(per_cent(0, 10) == "0.00");
  CHECK(per_cent(10, 10) == "100.00");
  CHECK(per_cent(1, 3) == "33.33");
  CHECK(per_cent(2, 3) == "66.67");
  CHECK(per_cent(1, 100'000) == "0.00");
  CHECK(per_cent(6, 100'000) == "0.01");
  CHECK(per_cent(7, 100) == "7.00");
  CHECK(per_cent(70'007, 1'000'000) == "7.00");
  CHECK(per_cent(199'999, 200'000) == "100.00");
  CHECK(per_cent(std::uint64_t{1} << 60, std::uint64_t{1} << 61) == "50.00");
  CHECK(per_cent(0, 0) == "0.00");
  CHECK(per_cent(5, ~std::uint64_t{0}) == "0.00");
}
