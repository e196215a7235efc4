// Fault: nothing keeps it from being included twice, and it includes what is not there.

#include <replikv/core/nowhere.hpp>
