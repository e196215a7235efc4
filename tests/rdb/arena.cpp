#include <replikv/rdb/detail/arena.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <vector>

using replikv::rdb::detail::Arena;

TEST_CASE("Arena: allocations of all sizes keep their bytes until clear") {
  Arena arena;
  arena.clear();
  for (int round = 0; round < 3; ++round) {
    std::vector<char*> given;
    const std::vector<std::size_t> sizes{200'000, 0, 1, 65'536, 65'537, 11, 60'000, 60'000, 1'000'000, 11};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      given.push_back(arena.allocate(sizes[i]));
      if (sizes[i] > 0) std::memset(given[i], static_cast<int>('a' + i), sizes[i]);
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      CAPTURE(i);
      for (std::size_t at = 0; at<sizes[i]; at += sizes[i]> 1 ? sizes[i] - 1 : 1)
        REQUIRE(given[i][at] == static_cast<char>('a' + i));
    }
    arena.clear();
  }
}
