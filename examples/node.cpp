// node: a store with the command line and the configuration file of redis-server, for redis-cli, Sentinel and
// whatever else starts one. Replicas and masters may be redis-servers.
#include <replikv/asio.hpp>
#include <replikv/server.hpp>
#ifdef NODE_HAS_TLS
#include <replikv/tls.hpp>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <variant>
#include <vector>

namespace fs = std::filesystem;
using Strings = replikv::Store<std::string, std::string>;

constexpr std::string_view usage = R"(usage: node [CONFIG-FILE | -] [--DIRECTIVE VALUE...]...

A store that speaks the protocol of Redis, on port 6379. Configuration file and directives are those of
redis-server: node --port 7000 --replicaof 127.0.0.1 6379
-: the configuration comes from standard input.

  -v, --version   print the version of the Redis that it stands in for
  -h, --help      print this
)";

// --- The log ---------------------------------------------------------------------------------------------

enum class Level { debug, verbose, notice, warning };

/// Lines as redis-server writes them: process, role, time, level, text.
class Log {
 public:
  void open(const std::string& path, std::string_view least) {
    const std::array names{"debug", "verbose", "notice", "warning"};
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (least == names[i]) least_ = static_cast<Level>(i);
    }
    path_ = path;
  }

  void write(Level level, std::string_view text) {
    if (level < least_) return;
    using namespace std::chrono;
    const auto now = system_clock::now();
    const std::time_t seconds = system_clock::to_time_t(now);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    std::array<char, 64> time{};
    std::strftime(time.data(), time.size(), "%d %b %Y %H:%M:%S", &local);
    const auto ms = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
    std::ostringstream line;
    line << ::getpid() << (is_replica_ ? ":S " : ":M ") << time.data() << '.'
         << std::to_string(1000 + ms).substr(1) << ' ' << ".-*#"[static_cast<int>(level)] << ' ' << text
         << '\n';
    const std::lock_guard lock(mutex_);
    if (path_.empty()) {
      std::cout << line.str() << std::flush;
    } else {
      std::ofstream(path_, std::ios::app) << line.str();  // by name each time: it may have been rotated
    }
  }
  void notice(std::string_view text) { write(Level::notice, text); }
  void warning(std::string_view text) { write(Level::warning, text); }

  void tell_role(bool is_replica) { is_replica_ = is_replica; }

 private:
  std::mutex mutex_;
  std::string path_;
  Level least_ = Level::notice;
  std::atomic<bool> is_replica_ = false;
};

// --- What is logged of replication -------------------------------------------------------------------------

/// What happens at links and roles, in redis-server's words where it has them.
struct EventLines {
  Log& log;

  void operator()(const replikv::LinkUp& up) const {
    if (up.side == replikv::LinkSide::to_replica)
      log.notice("Synchronization with replica " + up.peer + " succeeded");
  }
  void operator()(const replikv::LinkDown& down) const {
    if (down.side == replikv::LinkSide::to_replica) {
      log.warning("Connection with replica " + down.peer + " lost: " + down.why.message());
    } else {
      log.warning("Connection with master " + down.peer + " lost: " + down.why.message());
    }
  }
  void operator()(const replikv::FullResyncStarted& full) const {
    if (full.side == replikv::LinkSide::to_replica) {
      log.notice("Replica " + full.peer + " asks for synchronization");
      log.notice("Full resync requested by replica " + full.peer + ": " + full.why);
    } else {
      log.notice("MASTER <-> REPLICA sync started");
      log.notice("Full resync from master: " + full.id.text() + ":" + std::to_string(full.offset.bytes));
    }
  }
  void operator()(const replikv::FullResyncProgress& progress) const {
    log.notice("MASTER <-> REPLICA sync: received " + std::to_string(progress.bytes) +
               " bytes from master, " + std::to_string(progress.keys) + " keys");
  }
  void operator()(const replikv::FullResyncDone& done) const {
    if (done.side == replikv::LinkSide::to_master) {
      log.notice("MASTER <-> REPLICA sync: Finished with success, " + std::to_string(done.keys) + " keys");
    }
  }
  void operator()(const replikv::FullResyncOutgrown& outgrown) const {
    log.warning("Full resync of replica " + outgrown.peer +
                " scheduled to be closed ASAP for overcoming of output "
                "buffer limits: " +
                std::to_string(outgrown.bytes_written) + " bytes behind");
  }
  void operator()(const replikv::PartialResync& partial) const {
    if (partial.side == replikv::LinkSide::to_replica) {
      log.notice("Replica " + partial.peer + " asks for synchronization");
      log.notice("Partial resynchronization request from " + partial.peer +
                 " accepted. Sending backlog starting from offset " +
                 std::to_string(partial.offset.bytes + 1) + ".");
    } else {
      log.notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
    }
  }
  void operator()(const replikv::Promoted& promoted) const {
    log.tell_role(false);
    log.warning("Setting secondary replication ID, valid up to offset: " +
                std::to_string(promoted.offset.bytes + 1) + ". New replication ID is " + promoted.id.text());
    log.notice("MASTER MODE enabled (user request)");
  }
  void operator()(const replikv::Demoted&) const {
    log.tell_role(true);
    log.notice(
        "Before turning into a replica, using my own master parameters to synthesize a cached master: I may "
        "be able "
        "to synchronize with the new master with just a partial transfer.");
    log.notice("REPLICAOF enabled (user request)");
  }
  void operator()(const replikv::WritesRejected& rejected) const {
    log.write(Level::verbose, std::to_string(rejected.count) + " writes were refused");
  }
  void operator()(const replikv::SnapshotRefused&) const {}
  void operator()(const replikv::Diverged& diverged) const {
    log.warning("The stream of the master cannot be applied: " + diverged.why);
  }
};

// --- Starting ----------------------------------------------------------------------------------------------

struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Words of the command line as lines of a configuration file.
std::string lines_of(const std::vector<std::string>& words) {
  std::string lines;
  for (const std::string& word : words) {
    if (word.starts_with("--")) {
      lines += "\n" + word.substr(2);
      continue;
    }
    lines += " \"";
    for (const char letter : word)
      lines += letter == '"' || letter == '\\' ? std::string{'\\', letter} : std::string{letter};
    lines += "\"";
  }
  return lines;
}

/// Throws ConfigurationError, Failed.
replikv::RedisConfiguration configure(std::vector<std::string> words) {
  replikv::RedisConfiguration configuration;
  if (!words.empty() && (words[0] == "-" || !words[0].starts_with("--"))) {
    if (words[0] == "-") {
      std::ostringstream input;
      input << std::cin.rdbuf();
      configuration.read(input.str());
    } else {
      try {
        configuration.read_file(fs::absolute(words[0]).string());
      } catch (const std::system_error& error) {
        throw Failed("Fatal error, can't open config file '" + words[0] + "': " + error.code().message());
      }
    }
    words.erase(words.begin());
  }
  configuration.read(lines_of(words));
  return configuration;
}

std::string value(const replikv::RedisConfiguration& configuration, std::string_view name) {
  return configuration.value(name).value_or("");
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// A daemon of its own session, with the terminal left behind.
void become_daemon() {
  if (::fork() != 0) std::_Exit(0);
  ::setsid();
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const int each : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, each);
  if (nothing > STDERR_FILENO) ::close(nothing);
}

/// Directives that this program acts on; the library knows them by name only.
constexpr std::array own_directives{"bind",     "daemonize",       "databases",  "dir",
                                    "logfile",  "loglevel",        "pidfile",    "port",
                                    "tls-port", "tls-replication", "unixsocket", "unixsocketperm"};
#ifdef NODE_HAS_TLS
constexpr std::array tls_directives{
    "tls-auth-clients",     "tls-ca-cert-dir",     "tls-ca-cert-file",
    "tls-cert-file",        "tls-ciphers",         "tls-ciphersuites",
    "tls-client-cert-file", "tls-client-key-file", "tls-client-key-file-pass",
    "tls-key-file",         "tls-key-file-pass",   "tls-prefer-server-ciphers",
    "tls-protocols"};
#else
constexpr std::array<const char*, 0> tls_directives{};
#endif

void warn_of_the_rest(const replikv::RedisConfiguration& configuration, Log& log) {
  const auto is_among = [](const auto& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& name : configuration.without_meaning()) {
    if (is_among(own_directives, name) || is_among(tls_directives, name)) continue;
    log.warning("The directive '" + name + "' has no effect in this server");
  }
}

/// Of several, the one that INFO shows too.
std::string first_port(const replikv::RedisConfiguration& configuration) {
  const std::string port = value(configuration, "port");
  return port != "0" ? port : value(configuration, "tls-port");
}

/// What cannot be had must not be promised.
void refuse_what_is_missing(const replikv::RedisConfiguration& configuration) {
  if (value(configuration, "cluster-enabled") == "yes") {
    throw Failed("Fatal error, this server has no cluster mode: remove cluster-enabled");
  }
  if (first_port(configuration) == "0" && value(configuration, "unixsocket").empty()) {
    throw Failed("Configured to not listen anywhere, exiting.");
  }
}

void change_directory(replikv::RedisConfiguration& configuration) {
  const std::string directory = value(configuration, "dir");
  if (!directory.empty() && ::chdir(directory.c_str()) != 0) {
    throw Failed("Can't chdir to '" + directory + "': " + std::generic_category().message(errno));
  }
  configuration.set("dir", fs::current_path().string());
}

// --- Listening ---------------------------------------------------------------------------------------------

/// "127.0.0.1" "::1" "*" "-::*", as bind has them, as an address with the port.
std::string address_of(std::string_view host, const std::string& port) {
  if (host.starts_with('-')) host.remove_prefix(1);
  if (host == "*") host = "0.0.0.0";
  if (host == "::*") host = "::";
  return (host.find(':') != std::string_view::npos ? "[" + std::string(host) + "]" : std::string(host)) +
         ":" + port;
}

/// At every address of bind. `kind` is what redis-server calls the transport.
template <class T>
void listen_to(const std::string& port, const std::string& kind, const T& transport,
               const replikv::RedisConfiguration& configuration, replikv::RedisEndpoint& endpoint, Log& log) {
  const auto fail = [&] { throw Failed("Failed listening on port " + port + " (" + kind + "), aborting."); };
  unsigned listening = 0;
  for (const std::string& host : words_of(value(configuration, "bind"))) {
    std::error_code error;
    endpoint.listen(transport, address_of(host, port), error);
    if (!error) {
      ++listening;
    } else if (!host.starts_with('-')) {  // a dash: it may be missing
      log.warning("Warning: Could not create server TCP listening socket " + host + ":" + port +
                  ": bind: " + error.message());
      fail();
    }
  }
  if (listening == 0) fail();
}

void listen_to_unix(const replikv::RedisConfiguration& configuration, replikv::RedisEndpoint& endpoint,
                    const replikv::UnixTransport& local) {
  const std::string path = value(configuration, "unixsocket");
  if (path.empty()) return;
  ::unlink(path.c_str());  // of a server that has not cleaned up
  std::error_code error;
  endpoint.listen(local, path, error);
  if (error) throw Failed("Failed opening Unix socket: bind: " + error.message());
  const auto mode = std::strtoul(value(configuration, "unixsocketperm").c_str(), nullptr, 8);
  if (mode != 0) ::chmod(path.c_str(), static_cast<::mode_t>(mode));
}

/// The process id in a file, for as long as this exists.
class PidFile {
 public:
  PidFile(std::string path, bool is_daemon)
      : path_(path.empty() && is_daemon ? "/var/run/redis.pid" : std::move(path)) {
    if (!path_.empty()) std::ofstream(path_) << ::getpid() << '\n';
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  ~PidFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

 private:
  std::string path_;
};

// --- TLS ---------------------------------------------------------------------------------------------------

#ifdef NODE_HAS_TLS
using SecureTransport = replikv::TlsTransport;

replikv::TlsOptions tls_options(const replikv::RedisConfiguration& configuration) {
  for (const char* needed : {"tls-cert-file", "tls-key-file"}) {
    if (value(configuration, needed).empty())
      throw Failed(std::string("Failed to configure TLS: No ") + needed + " configured!");
  }
  if (value(configuration, "tls-ca-cert-file").empty() && value(configuration, "tls-ca-cert-dir").empty() &&
      (value(configuration, "tls-auth-clients") != "no" || value(configuration, "tls-replication") == "yes"))
    throw Failed(
        "Failed to configure TLS: Either tls-ca-cert-file or tls-ca-cert-dir must be specified when "
        "tls-replication or tls-auth-clients are enabled!");
  return replikv::tls_options_of(configuration);
}

/// What cannot work is said before there is a daemon, whom nobody would hear. Throws Failed.
void check_tls(const replikv::RedisConfiguration& configuration) {
  try {
    asio::io_context never_run;
    const SecureTransport tried(never_run, tls_options(configuration));
  } catch (const replikv::Error& error) {
    throw Failed(std::string("Failed to configure TLS: ") + error.what());
  }
}

std::unique_ptr<SecureTransport> secure_transport(const replikv::RedisConfiguration& configuration) {
  return std::make_unique<SecureTransport>(tls_options(configuration));
}
#else
using SecureTransport = replikv::TcpTransport;  // there never is one

void check_tls(const replikv::RedisConfiguration&) {
  throw Failed(
      "Fatal error, this server was built without OpenSSL and has no TLS: remove tls-port and "
      "tls-replication");
}

std::unique_ptr<SecureTransport> secure_transport(const replikv::RedisConfiguration&) { return nullptr; }
#endif

bool has_tls(const replikv::RedisConfiguration& configuration) {
  return value(configuration, "tls-port") != "0" || value(configuration, "tls-replication") == "yes";
}

// --- Running -----------------------------------------------------------------------------------------------

/// The signals that end the program; blocked in every thread, for `wait_for_end` to take.
sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void wait_for_end(Log& log, const std::atomic<bool>& was_asked) {
  const sigset_t signals = ending_signals();
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  if (!was_asked)
    log.warning(std::string("Received ") + (signal == SIGINT ? "SIGINT" : "SIGTERM") +
                " scheduling shutdown...");
  log.warning("User requested shutdown...");
}

/// Users are read only now; a daemon has nothing but its log to say what is wrong with them.
void use(const replikv::RedisConfiguration& configuration, replikv::RedisEndpoint& endpoint, Log& log) {
  try {
    endpoint.use(configuration);
  } catch (const replikv::ConfigurationError& error) {
    log.warning("Line " + std::to_string(error.line()) + " of the configuration, '" + error.text() +
                "': " + error.what());
    throw;
  }
}

void serve(const replikv::RedisConfiguration& configuration, Log& log) {
  const std::string port = value(configuration, "port");
  const std::string tls_port = value(configuration, "tls-port");
  const bool replicates_by_tls = value(configuration, "tls-replication") == "yes";
  replikv::TcpTransport tcp;
  replikv::UnixTransport local;
  const auto secure = has_tls(configuration) ? secure_transport(configuration) : nullptr;
  std::deque<Strings> stores(static_cast<std::size_t>(std::stoul(value(configuration, "databases"))));
  replikv::ReplicationOptions options;
  options.observer = [&log](const replikv::Event& event) { std::visit(EventLines{log}, event); };
  options.logger = [&log](replikv::LogLevel level, std::string_view line) {
    log.write(level == replikv::LogLevel::warning ? Level::warning : Level::verbose, line);
  };
  replikv::Node node{options, stores};
  std::atomic<bool> was_asked = false;
  replikv::RedisEndpoint endpoint{node};
  use(configuration, endpoint, log);
  replicates_by_tls ? endpoint.reach_masters_over(*secure) : endpoint.reach_masters_over(tcp);
  endpoint.on_shutdown([&was_asked] {
    was_asked = true;
    ::kill(::getpid(), SIGTERM);
  });
  if (port != "0") listen_to(port, "TCP", tcp, configuration, endpoint, log);
  if (tls_port != "0") listen_to(tls_port, "TLS", *secure, configuration, endpoint, log);
  listen_to_unix(configuration, endpoint, local);
  log.notice("Server initialized");
  if (const auto master = words_of(value(configuration, "replicaof")); master.size() == 2) {
    const std::string address = address_of(master[0], master[1]);
    replicates_by_tls ? node.replicate_from(*secure, address) : node.replicate_from(tcp, address);
    log.notice("Connecting to MASTER " + master[0] + ":" + master[1]);
  }
  log.notice("Ready to accept connections");
  wait_for_end(log, was_asked);
}

int run(std::vector<std::string> words, Log& log) {
  replikv::RedisConfiguration configuration = configure(std::move(words));
  refuse_what_is_missing(configuration);
  log.open(value(configuration, "logfile"), value(configuration, "loglevel"));
  change_directory(configuration);
  if (has_tls(configuration)) check_tls(configuration);
  const bool is_daemon = value(configuration, "daemonize") == "yes";
  if (is_daemon) become_daemon();
  const PidFile pid_file(value(configuration, "pidfile"), is_daemon);
  log.notice("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
  log.notice("Configuration loaded");
  warn_of_the_rest(configuration, log);
  log.notice("Running mode=standalone, port=" + first_port(configuration) + ".");
  serve(configuration, log);
  log.warning("Redis is now ready to exit, bye bye...");
  return 0;
}

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && (words[0] == "-h" || words[0] == "--help")) return std::cout << usage, 0;
  if (!words.empty() && (words[0] == "-v" || words[0] == "--version")) {
    std::cout << "Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64 build=replikv-"
              << replikv::version_major << '.' << replikv::version_minor << '\n';
    return 0;
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  const sigset_t signals = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Log log;
  try {
    return run(std::move(words), log);
  } catch (const replikv::ConfigurationError& error) {
    std::cerr << "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line "
              << error.line() << "\n>>> '" << error.text() << "'\n"
              << error.what() << '\n';
  } catch (const std::exception& error) {
    log.warning(error.what());
    std::cerr << error.what() << '\n';
  }
  return 1;
}
