// race list               names every case and who takes part
// race CASE SIDE [quick]  runs one of them and prints its figures, a line of JSON each
#include <array>
#include <bench/race/cases.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

namespace {

using race::Case;

const std::array cases{
    Case{"apply", {"replikv", "redis-server", "valkey-server"}, race::run_apply},
    Case{"full_resync", {"replikv", "redis-server", "valkey-server"}, race::run_full_resync},
    Case{"write", {"replikv", "redis-server", "valkey-server"}, race::run_write},
    Case{"read", race::read_sides(), race::run_read},
    Case{"visible", {"replikv", "redis-server", "valkey-server"}, race::run_visible},
    Case{"stall", {"replikv", "redis-server", "valkey-server"}, race::run_stall},
    Case{"memory", {"replikv", "redis-server", "valkey-server"}, race::run_memory},
    Case{"growth", {"replikv", "redis-server", "valkey-server"}, race::run_growth},
    Case{"crowd", {"replikv", "redis-server", "valkey-server"}, race::run_crowd},
    Case{"endpoint", {"replikv", "redis-server", "valkey-server"}, race::run_endpoint},
};

int list() {
  for (const Case& each : cases) {
    std::printf("%s", std::string(each.name).c_str());
    for (const race::Side side : each.sides) std::printf(" %s", std::string(side).c_str());
    std::printf("\n");
  }
  return EXIT_SUCCESS;
}

int run(std::string_view name, std::string_view side, bool quick) {
  for (const Case& each : cases) {
    if (each.name != name) continue;
    each.run(race::Run(name, side, quick));
    return EXIT_SUCCESS;
  }
  std::fprintf(stderr, "race: there is no such case\n");
  return EXIT_FAILURE;
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::string_view(words[1]) == "list") return list();
  if (count < 3) {
    std::fprintf(stderr, "usage: race list | race CASE SIDE [quick]\n");
    return EXIT_FAILURE;
  }
  try {
    return run(words[1], words[2], count > 3 && std::string_view(words[3]) == "quick");
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "race: %s on %s: %s\n", words[1], words[2], failure.what());
    return EXIT_FAILURE;
  }
}
