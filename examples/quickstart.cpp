// A master and two replicas in this process, then a third replica over TCP; the third becomes the master.
#include <replikv/asio.hpp>
#include <replikv/replikv.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using Strings = replikv::Store<std::string, std::string>;

int main() {
  replikv::InProcessTransport here;  // delivers inside the writer's call
  replikv::TcpTransport network;     // runs on a thread of its own

  Strings store;
  store.set("motto", "written before there was a master");
  replikv::ReplicationMaster master{store};
  master.listen(here, "main");
  const std::string address = master.listen(network, "127.0.0.1:0");  // 0: any free port

  Strings first_copy, second_copy;
  replikv::ReplicationReplica first{first_copy}, second{second_copy};
  first.follow(here, "main");
  second.follow(here, "main");
  store.set("name", "haicoder");
  std::cout << "In this process, at once: " << *first_copy.get("name") << ", " << *second_copy.get("name")
            << "; and " << *first_copy.get("motto") << "\n";

  Strings third_copy;
  replikv::ReplicationReplica third{third_copy};
  third.follow(network, address);
  const auto written = store.set("name", "haicoder, over TCP");  // the write's place in the stream
  third.wait_for(written, 30s);                                  // so that the copy holds it
  std::cout << "At " << address << ", after wait_for: " << *third_copy.get("name") << "\n";

  try {
    third_copy.set("name", "somebody else");
  } catch (const replikv::Error& error) {
    std::cout << "A replica refuses writes: " << error.what() << "\n";
  }

  const unsigned confirmed = master.wait(3, 30s, written);
  const auto info = master.info();
  std::cout << confirmed << " replicas have confirmed the write at offset " << written.offset.bytes
            << "; asking them took the stream to " << info.history.end.bytes << ":\n";
  for (const auto& replica : info.replicas) {
    std::cout << "  " << replica.ip << ": offset " << replica.acknowledged.bytes << ", lag "
              << replica.lag_bytes << " bytes\n";
  }

  const replikv::ReplicationMaster promoted = std::move(third).promote();
  third_copy.set("name", "now written here");
  std::cout << "Promoted: " << *third_copy.get("name") << "; history " << promoted.info().history.id.text()
            << " continues " << promoted.info().history.second_id.text() << "\n";
}
