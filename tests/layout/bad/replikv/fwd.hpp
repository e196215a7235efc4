// Fault: declarations need no room but core.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/version.hpp>
