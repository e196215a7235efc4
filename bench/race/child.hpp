// A measurement in a process of its own: memory that one has freed would serve the next one again.
#pragma once

#include <array>
#include <bench/race/sides.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace race {

/// What `measure()`, a number, is in a child process. To be called while this process has one thread.
template <class F>
[[nodiscard]] double in_child(F&& measure) {
  std::array<int, 2> pipe{};
  require(::pipe(pipe.data()) == 0, "there is a pipe");
  const pid_t child = ::fork();
  require(child >= 0, "there is a process");
  double result = 0;
  if (child == 0) {
    int status = EXIT_FAILURE;
    try {
      result = measure();
      if (::write(pipe[1], &result, sizeof result) == ssize_t{sizeof result}) status = EXIT_SUCCESS;
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "race: %s\n", failure.what());
    }
    ::_exit(status);
  }
  ::close(pipe[1]);
  const bool is_told = ::read(pipe[0], &result, sizeof result) == ssize_t{sizeof result};
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  require(is_told && status == 0, "the measuring process ends in good order");
  return result;
}

}  // namespace race
