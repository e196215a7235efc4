// The cases of the race; each is described at the top of its own file.
#pragma once

#include <bench/race/figure.hpp>
#include <vector>

namespace race {

void run_apply(const Run& run);
void run_full_resync(const Run& run);
void run_write(const Run& run);
void run_read(const Run& run);
void run_visible(const Run& run);
void run_stall(const Run& run);
void run_memory(const Run& run);
void run_growth(const Run& run);
void run_crowd(const Run& run);
void run_endpoint(const Run& run);

/// The concurrent maps that are installed, beside our store.
[[nodiscard]] std::vector<Side> read_sides();

}  // namespace race
