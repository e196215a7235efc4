// Fault: it includes an umbrella. And testing.hpp forgets it.
#pragma once

#include <replikv/testing.hpp>
