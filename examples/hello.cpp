#include <replikv/replikv.hpp>

#include <iostream>

int main() {
  replikv::InProcessTransport here;
  replikv::Store<std::string, std::string> store, copy;
  replikv::ReplicationMaster master{store};
  replikv::ReplicationReplica replica{copy};
  master.listen(here, "main");
  replica.follow(here, "main");
  store.set("name", "haicoder");
  std::cout << copy.get("name").value() << '\n';
}
