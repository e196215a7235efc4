// One instant of all stores of a role: while it lives, nobody else reads or writes any of them.
#pragma once

#include <replikv/store/detail/database.hpp>

#include <span>

namespace replikv::inline v0_1::detail {

class LockedDatabases {
 public:
  // By database number, everywhere, so that two of these cannot wait for each other.
  explicit LockedDatabases(std::span<Database* const> databases) : databases_(databases) {
    for (Database* database : databases_) database->lock();
  }
  ~LockedDatabases() {
    for (Database* database : databases_) database->unlock();
  }
  LockedDatabases(const LockedDatabases&) = delete;
  LockedDatabases& operator=(const LockedDatabases&) = delete;

 private:
  std::span<Database* const> databases_;
};

}  // namespace replikv::inline v0_1::detail
