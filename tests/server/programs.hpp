// Programs of others that tests run at our endpoint: started in a directory of their own, their output read.
#pragma once

#include <doctest/doctest.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/server/node_program.hpp>
#include <vector>

namespace served {

using Words = std::vector<std::string>;

/// False, and says so, where a program is not installed: then its test has nothing to test.
[[nodiscard]] inline bool has_program(const std::string& program, const std::string& package) {
  try {
    (void)interop::find_program(program, package);
    return true;
  } catch (const std::exception& missing) {
    MESSAGE("left out: " << std::string(missing.what()));
    return false;
  }
}

/// A program that runs in a directory of its own, `input` at its standard input.
class Running {
 public:
  explicit Running(const Words& words, std::string_view input = {}) {
    write_file(file("input"), input);
    Words all{interop::find_program("sh", "dash"), "-c", "cd \"$0\" && exec \"$@\" <input 2>errors",
              directory_.path().string()};
    all.insert(all.end(), words.begin(), words.end());
    process_ = std::make_unique<interop::Process>(all, file("output").string());
  }

  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] std::string output() const { return contents_of(file("output")); }
  [[nodiscard]] std::string errors() const { return contents_of(file("errors")); }
  [[nodiscard]] bool succeeds() { return process_->succeeds(); }
  [[nodiscard]] bool ends() {
    return interop::eventually([this] { return !process_->is_running(); });
  }
  /// True once it has printed `text`, wherever to.
  [[nodiscard]] bool prints(const std::string& text) const {
    return interop::eventually(
        [&] { return output().find(text) != std::string::npos || errors().find(text) != std::string::npos; });
  }

 private:
  interop::TemporaryDirectory directory_;
  std::unique_ptr<interop::Process> process_;
};

/// The Python that has redis-py: Debian's own, or the first on the path; empty, and a message, if there is
/// none.
[[nodiscard]] inline std::string python_with_redis() {
  for (const std::string program : {"/usr/bin/python3", "python3"}) {
    if (Running({program, "-c", "import redis"}).succeeds()) return program;
  }
  MESSAGE("left out: no Python that has redis-py (Debian: apt install python3-redis)");
  return {};
}

/// What redis-py is used for, at a port; see redis_py.py for the arguments.
inline void run_redis_py(const Words& arguments) {
  const std::string python = python_with_redis();
  if (python.empty()) return;
  const auto script = std::filesystem::absolute(__FILE__).parent_path() / "redis_py.py";
  Words words{python, script.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  Running program(words);
  CHECK(program.succeeds());
  INFO(program.output() << program.errors());
  CHECK(program.output().ends_with("all as expected\n"));
}

}  // namespace served
