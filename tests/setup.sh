# Shared by tests/run, examples/run and bench/run: installs what is missing, configures, builds.
# To be sourced, from the top folder of the project.

say() { printf '%s\n' "replikv: $*"; }
give_up() {
  say "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    return 1
  fi
}

# require PART:PACKAGE ...: installs each Debian package whose part is missing: a program, a header, or a file
# of Python's packages. On another system, says which are missing; CMake then fetches what it can.
require() {
  missing=
  for pair in "$@"; do
    part=${pair%%:*}
    package=${pair#*:}
    case $part in
      *.h | *.hpp) [ -e "/usr/include/$part" ] || [ -e "/usr/local/include/$part" ] && continue ;;
      *.py) [ -e "/usr/lib/python3/dist-packages/$part" ] && continue ;;
      *) have "$part" && continue ;;
    esac
    missing="$missing $package"
  done
  [ -n "$missing" ] || return 0

  if ! have apt-get; then
    say "not found here:$missing (names of Debian packages); CMake looks for them, and fetches the libraries"
    fetch=ON
    return 0
  fi
  say "installing$missing"
  apt_log=$(mktemp)
  # shellcheck disable=SC2086  # the list is meant to be split
  if as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >"$apt_log" 2>&1 &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
      >>"$apt_log" 2>&1; then
    rm -f "$apt_log"
  else
    tail -n 5 "$apt_log" >&2
    rm -f "$apt_log"
    give_up "could not install$missing; install them as root, then run this again"
  fi
}

require_compiler() {
  if [ -n "${CXX:-}" ]; then
    require "$CXX:g++" cmake:cmake ninja:ninja-build
  elif have c++; then
    require cmake:cmake ninja:ninja-build
  else
    require g++:g++ cmake:cmake ninja:ninja-build
  fi
}

# configure PRESET
configure() {
  have cmake || give_up "CMake 3.21 or newer is needed"
  jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
  export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$jobs}"
  export CTEST_PARALLEL_LEVEL="${CTEST_PARALLEL_LEVEL:-$jobs}"
  if have ninja && [ ! -e "build/$1/CMakeCache.txt" ]; then
    export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
  fi
  cmake --preset "$1" "-DREPLIKV_FETCH=${fetch:-OFF}"
}
