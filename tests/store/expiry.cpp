#include <replikv/store/expiry.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using replikv::Expiry;
using replikv::WallTime;

constexpr WallTime now{1000ms};

TEST_CASE("Expiry: never, after a while, at a time") {
  CHECK(Expiry().at(now) == replikv::detail::never);
  CHECK(Expiry(2s).at(now) == WallTime(3000ms));
  CHECK(Expiry(WallTime(77ms)).at(now) == WallTime(77ms));
  CHECK(Expiry(-1h).at(now) < now);
}

TEST_CASE("Expiry: parts of a millisecond round up, so that no key goes too early") {
  CHECK(Expiry(1us).at(now) == WallTime(1001ms));
  CHECK(Expiry(std::chrono::duration<double>(0.0015)).at(now) == WallTime(1002ms));
}

TEST_CASE("Expiry: what wall time cannot count is never") {
  CHECK(Expiry(std::chrono::hours::max()).at(now) == replikv::detail::never);
  CHECK(Expiry(std::chrono::duration<double>(1e30)).at(now) == replikv::detail::never);
  CHECK(Expiry(std::chrono::milliseconds::max() / 2 - 1ms).at(replikv::detail::never - 1ms) ==
        replikv::detail::never);
  CHECK(Expiry(std::chrono::hours::min()).at(now) < now);
}

}  // namespace
