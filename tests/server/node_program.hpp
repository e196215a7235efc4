// The node program, started as these tests start redis-server, and files to start it with.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tests/interop/eventually.hpp>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/redis_server.hpp>
#include <tests/interop/socket.hpp>
#include <vector>

namespace served {

/// Where it was built; the environment may name another.
[[nodiscard]] inline std::string node_program() {
  if (const char* const named = std::getenv("REPLIKV_NODE")) return named;
#ifdef REPLIKV_NODE
  return REPLIKV_NODE;
#else
  throw std::runtime_error("these tests start examples/node: set REPLIKV_NODE to its path");
#endif
}

[[nodiscard]] inline std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// A port that nobody uses, below those that outgoing connections get. No two calls return the same, as its
/// server may listen later than the next one asks.
///
/// Thread safety  from any thread
[[nodiscard]] inline std::uint16_t unused_port() {
  static constexpr unsigned first = 20'000;
  static constexpr unsigned count = 12'000;
  static std::atomic<unsigned> next = std::random_device{}() % count;
  for (unsigned attempt = 0; attempt < count; ++attempt) {
    const auto port = static_cast<std::uint16_t>(first + next++ % count);
    if (interop::bind_loopback(interop::make_socket(), port)) return port;
  }
  throw std::runtime_error("no free port on the loopback interface");
}

/// One field of a section of INFO.
[[nodiscard]] inline std::string info_field(interop::RedisClient& client, const std::string& section,
                                            const std::string& name) {
  const std::string text = "\n" + client.command("INFO", section).text;
  const std::size_t at = text.find("\n" + name + ":");
  if (at == std::string::npos) return {};
  const std::size_t from = at + name.size() + 2;
  return text.substr(from, text.find("\r\n", from) - from);
}

inline const std::string here = "127.0.0.1";

/// True as soon as a key has a value.
[[nodiscard]] inline bool has(interop::RedisClient& client, const std::string& key,
                              const std::string& value) {
  return interop::eventually([&] { return client.command("GET", key).text == value; });
}

/// True when the node of `client` follows and its link is up.
[[nodiscard]] inline bool is_in_step(interop::RedisClient& client) {
  return info_field(client, "replication", "master_link_status") == "up";
}

/// A server, of either program, that is started from a configuration file.
class ConfiguredServer {
 public:
  ConfiguredServer(std::string program, const std::string& configuration,
                   std::vector<std::string> more_words = {})
      : program_(interop::find_program(program, program)),
        port_(unused_port()),
        more_words_(std::move(more_words)) {
    write_file(file(), "port " + std::to_string(port_) + "\ndir " + directory_.path().string() + "\n" +
                           configuration);
    start();
  }

  void start() {
    std::vector<std::string> words{program_, file().string()};
    words.insert(words.end(), more_words_.begin(), more_words_.end());
    process_ = std::make_unique<interop::Process>(words, log_path().string());
    const bool answers = interop::eventually([this] { return is_answering() || !process_->is_running(); });
    if (!answers || !process_->is_running()) {
      throw std::runtime_error(program_ + " does not start; its log:\n" + log());
    }
  }
  void kill() { process_->kill(); }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] interop::RedisClient client() const { return interop::RedisClient(port_); }
  [[nodiscard]] interop::Process& process() noexcept { return *process_; }
  [[nodiscard]] std::filesystem::path file() const { return directory_.path() / "redis.conf"; }
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_.path(); }
  [[nodiscard]] std::string log() const { return contents_of(log_path()); }

 private:
  [[nodiscard]] std::filesystem::path log_path() const { return directory_.path() / "output"; }

  [[nodiscard]] bool is_answering() const noexcept {
    try {
      const auto reply = client().command("PING");
      return reply.text == "PONG" || reply.is_error();
    } catch (const std::exception&) {
      return false;
    }
  }

  std::string program_;
  interop::TemporaryDirectory directory_;
  std::uint16_t port_;
  std::vector<std::string> more_words_;
  std::unique_ptr<interop::Process> process_;
};

}  // namespace served
