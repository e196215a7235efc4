// Fault: a slow standard header, a later room, an include in quotes.
#pragma once

#include "limits.hpp"
#include <replikv/store/store.hpp>

#include <regex>
