// The cases of the race; each is described at the top of its own file.
#pragma once

#include <bench/race/figure.hpp>

namespace race {

void run_apply(const Run& run);
void run_full_resync(const Run& run);
void run_write(const Run& run);

}  // namespace race
