#pragma once
// Faults: it does not open with a comment, and the umbrella forgets it.

#include <replikv/core/bytes.hpp>
