// serve: a master inside a program. Takes commands on standard input, so that anything can be made to follow
// it: `redis-cli replicaof`, Redis or Valkey, examples/follow.
#include <replikv/asio.hpp>
#include <replikv/replikv.hpp>

#include <charconv>
#include <cstdint>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

using Strings = replikv::Store<std::string, std::string>;

constexpr std::string_view usage = R"(usage: serve PORT [OPTION]...

A replication master on PORT (0: any free port) that takes commands on standard input and answers on
standard output. Replicas that come and go are told on standard error.

  --bind ADDRESS   the address to listen on (default: 127.0.0.1, this machine only)
  --password P     replicas must present this password
  --user U         and this user name; needs --password
  --help           print this

exit status: 0 after quit or the end of input; 1 it could not listen; 2 wrong usage
)";

constexpr std::string_view help = R"(set KEY VALUE   VALUE is the rest of the line    -> OK
get KEY                                          -> the value, or (nil)
del KEY                                          -> 1, or 0 if it was not there
fill N          sets key:0 ... key:N-1           -> OK
info            INFO replication, as redis-server prints it
help            this list
quit            or the end of input
)";

struct Arguments {
  std::string address;
  std::vector<replikv::Credentials> accepts;
};

struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

Arguments parse(const std::vector<std::string_view>& words) {
  std::optional<std::string> port, user, password;
  std::string host = "127.0.0.1";
  for (auto word = words.begin(); word != words.end(); ++word) {
    const auto value = [&] {
      if (word + 1 == words.end()) throw WrongUsage(std::string(*word) + " needs a value");
      return std::string(*++word);
    };
    if (*word == "--bind")
      host = value();
    else if (*word == "--user")
      user = value();
    else if (*word == "--password")
      password = value();
    else if (word->starts_with("--"))
      throw WrongUsage("there is no option " + std::string(*word));
    else if (port)
      throw WrongUsage("one PORT is enough");
    else
      port = *word;
  }
  if (!port) throw WrongUsage("PORT is needed");
  if (!number<std::uint16_t>(*port))
    throw WrongUsage("PORT must be a number from 0 to 65535, not '" + *port + "'");
  if (user && !password) throw WrongUsage("--user needs --password");
  const bool is_bare_ipv6 = host.find(':') != std::string::npos && !host.starts_with('[');
  Arguments arguments{(is_bare_ipv6 ? "[" + host + "]" : host) + ":" + *port, {}};
  if (password) arguments.accepts = {{user.value_or(""), *password}};
  return arguments;
}

void report(const replikv::Event& event) {
  if (const auto* up = std::get_if<replikv::LinkUp>(&event)) {
    std::cerr << "serve: replica " << up->peer << " is in step" << std::endl;
  } else if (const auto* down = std::get_if<replikv::LinkDown>(&event)) {
    std::cerr << "serve: replica " << down->peer << " is gone: " << down->why.message() << std::endl;
  } else if (const auto* full = std::get_if<replikv::FullResyncStarted>(&event)) {
    std::cerr << "serve: replica " << full->peer << " gets a full resync: " << full->why << std::endl;
  } else if (const auto* partial = std::get_if<replikv::PartialResync>(&event)) {
    std::cerr << "serve: replica " << partial->peer << " goes on from offset " << partial->offset.bytes
              << std::endl;
  }
}

/// The first word of `rest`, which then begins at what follows.
std::string_view take_word(std::string_view& rest) {
  const auto end = rest.find(' ');
  const auto word = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return word;
}

std::string answer(Strings& store, const replikv::ReplicationMaster& master, std::string_view line) {
  std::string_view rest = line;
  const auto command = take_word(rest);
  if (command == "info" && rest.empty()) return master.info().text();
  if (command == "help" && rest.empty()) return std::string(help);
  if (command == "fill") {
    const auto count = number<std::uint64_t>(rest);
    if (!count) return "ERR usage: fill N\n";
    for (std::uint64_t i = 0; i < *count; ++i)
      store.set("key:" + std::to_string(i), "value:" + std::to_string(i));
    return "OK\n";
  }
  const auto key = take_word(rest);
  if (command == "set" && !key.empty() && line.size() > command.size() + 1 + key.size()) {
    store.set(key, rest);
    return "OK\n";
  }
  if (command == "get" && !key.empty() && rest.empty()) return store.get(key).value_or("(nil)") + "\n";
  if (command == "del" && !key.empty() && rest.empty()) return store.erase(key) ? "1\n" : "0\n";
  if (command == "set") return "ERR usage: set KEY VALUE\n";
  if (command == "get" || command == "del") return "ERR usage: " + std::string(command) + " KEY\n";
  return "ERR unknown command '" + std::string(command) + "'; try help\n";
}

int run(Arguments arguments) {
  replikv::TcpTransport network;
  Strings store;
  replikv::ReplicationOptions options;
  options.accepts = std::move(arguments.accepts);
  options.observer = report;
  replikv::ReplicationMaster master{store, options};
  std::error_code error;
  const std::string address = master.listen(network, arguments.address, error);
  if (error) {
    std::cerr << "serve: cannot listen on " << arguments.address << ": " << error.message() << std::endl;
    return 1;
  }
  std::cout << "serving on " << address << std::endl;

  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    try {
      std::cout << answer(store, master, line) << std::flush;
    } catch (const replikv::Error& refused) {
      std::cout << refused.what() << std::endl;
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  for (const auto word : words) {
    if (word == "--help") return std::cout << usage, 0;
  }
  try {
    return run(parse(words));
  } catch (const WrongUsage& error) {
    std::cerr << "serve: " << error.what() << "; see serve --help" << std::endl;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "serve: " << error.what() << std::endl;
    return 1;
  }
}
