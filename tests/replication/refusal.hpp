// What a role says to options it does not take.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <tests/replication/cluster.hpp>

namespace cluster {

/// Why these options are refused; empty: they are not.
inline std::string refusal(const ReplicationOptions& options) {
  Strings store;
  try {
    ReplicationMaster{store, options};
  } catch (const Error& error) {
    CHECK(error.code() == Errc::bad_option);
    return error.what();
  }
  return {};
}

}  // namespace cluster
