// A redis-server of a test's own: a process on a free port of the loopback interface, in a directory of its
// own, gone when the object is, whatever becomes of the test.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/socket.hpp>
#include <tests/temporary_directory.hpp>
#include <utility>
#include <vector>

namespace interop {

using replikv_tests::TemporaryDirectory;

/// The full path of a program, which may be given already; throws, and says what to install, when there is
/// none.
[[nodiscard]] inline std::string find_program(std::string_view name, std::string_view debian_package) {
  if (name.find('/') != std::string_view::npos) return std::string(name);
  const char* const variable = std::getenv("PATH");
  std::string_view folders = variable != nullptr ? variable : "/usr/bin:/bin";
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    const std::string path = std::string(folder) + "/" + std::string(name);
    if (::access(path.c_str(), X_OK) == 0) return path;
    folders.remove_prefix(std::min(folder.size() + 1, folders.size()));
  }
  throw std::runtime_error(std::string(name) +
                           " is not installed, and these tests run against it (Debian: apt install " +
                           std::string(debian_package) + ")");
}

/// A child process with its output in a file. Killed when this object, or the thread that made it, ends.
class Process {
 public:
  Process(const std::vector<std::string>& words, const std::string& output) {
    std::vector<char*> arguments;
    for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    id_ = ::fork();
    if (id_ < 0) throw_errno("fork");
    if (id_ == 0) become(arguments.data(), output.c_str());
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { stop(); }

  [[nodiscard]] pid_t id() const noexcept { return id_; }

  [[nodiscard]] bool is_running() {
    if (id_ > 0 && ::waitpid(id_, &status_, WNOHANG) == id_) id_ = 0;
    return id_ > 0;
  }

  /// True when it ended by itself, in good order.
  [[nodiscard]] bool succeeds() {
    return eventually([this] { return !is_running(); }) && WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
  }

  void signal(int number) const noexcept {
    if (id_ > 0) ::kill(id_, number);
  }

  void stop() noexcept {
    signal(SIGTERM);
    if (!eventually([this] { return !is_running(); }, std::chrono::seconds(10))) {
      signal(SIGKILL);
      ::waitpid(id_, nullptr, 0);
      id_ = 0;
    }
  }

  void kill() noexcept {
    signal(SIGKILL);
    if (id_ > 0) ::waitpid(id_, nullptr, 0);
    id_ = 0;
  }

 private:
  // Only what is safe between fork and exec.
  [[noreturn]] static void become(char** arguments, const char* output) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file = ::open(output, O_CREAT | O_WRONLY | O_APPEND, 0600);
    if (file >= 0) {
      ::dup2(file, STDOUT_FILENO);
      ::dup2(file, STDERR_FILENO);
    }
    // The test's sockets are not the server's: a link must end when the test closes it.
    ::close_range(3, ~0U, 0);
    ::execv(arguments[0], arguments);
    ::_exit(127);
  }

  pid_t id_ = 0;
  int status_ = 0;
};

class RedisServer {
 public:
  /// Starts it and waits until it answers. `options` as on its command line: {"--requirepass", "secret"}.
  explicit RedisServer(std::vector<std::string> options = {}, std::string_view program = "redis-server")
      : program_(find_program(program, program)), options_(std::move(options)) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      port_ = free_port();
      if (start()) return;
    }
    throw std::runtime_error("redis-server does not start; its log:\n" + log());
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] pid_t process() const noexcept { return process_->id(); }
  [[nodiscard]] RedisClient client() const { return RedisClient(port_); }
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_.path(); }

  /// Ends it, by force where asked.
  void stop() { process_.reset(); }
  void kill() {
    process_->kill();
    process_.reset();
  }

  /// Starts it again after `stop`, on the same port, with what is in its directory.
  void start_again() {
    if (!eventually([this] { return start(); })) {
      throw std::runtime_error("redis-server does not start again; its log:\n" + log());
    }
  }

  /// Stops it in the middle of everything, and lets it go on.
  void freeze() { process_->signal(SIGSTOP); }
  void thaw() { process_->signal(SIGCONT); }

  /// All it has printed.
  [[nodiscard]] std::string log() const {
    std::ifstream file(log_path());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  /// Below the range of ports that outgoing connections get, so that nobody takes it while a server restarts.
  [[nodiscard]] static std::uint16_t free_port() {
    std::random_device random;
    std::uniform_int_distribution<int> ports(20'000, 32'000);
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const auto port = static_cast<std::uint16_t>(ports(random));
      if (bind_loopback(make_socket(), port)) return port;
    }
    throw std::runtime_error("no free port on the loopback interface");
  }

 private:
  [[nodiscard]] std::string log_path() const { return (directory() / "log").string(); }

  bool start() {
    std::vector<std::string> words{
        program_, "--port", std::to_string(port_), "--bind",      "127.0.0.1", "--save",
        "",       "--dir",  directory().string(),  "--daemonize", "no",        "--repl-diskless-sync-delay",
        "0"};
    words.insert(words.end(), options_.begin(), options_.end());
    process_ = std::make_unique<Process>(words, log_path());
    bool answers = false;
    const auto settled = [this, &answers] { return !process_->is_running() || (answers = is_answering()); };
    if (eventually(settled) && answers) return true;
    process_.reset();
    return false;
  }

  // Asked for a password is an answer too; that it still loads a file is not yet.
  [[nodiscard]] bool is_answering() const noexcept {
    try {
      const Reply reply = client().command("PING");
      return reply.text == "PONG" || reply.text.starts_with("NOAUTH");
    } catch (const std::exception&) {
      return false;
    }
  }

  std::string program_;
  std::vector<std::string> options_;
  TemporaryDirectory directory_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace interop
