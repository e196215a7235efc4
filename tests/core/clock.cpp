#include <replikv/core/clock.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace {

class FixedSource : public replikv::ClockSource {
 public:
  [[nodiscard]] replikv::WallTime now() const noexcept override {
    return replikv::WallTime(std::chrono::milliseconds(42));
  }
};

TEST_CASE("Clock: shows its source's time") {
  const FixedSource source;
  CHECK(replikv::Clock(source).now().time_since_epoch().count() == 42);
}

TEST_CASE("Clock: without a source it shows the system's, in whole milliseconds") {
  const auto before = std::chrono::system_clock::now() - std::chrono::milliseconds(1);
  const replikv::WallTime now = replikv::Clock().now();
  CHECK(now >= before);
  CHECK(now <= std::chrono::system_clock::now());
}

}  // namespace
