// A user's program: what it needs is found, and compiles, from outside the project.
#include <replikv/version.hpp>

int main() { return replikv::version_major == 0 && replikv::version_minor == 1 ? 0 : 1; }
