// follow: keeps a live copy of a running Redis or Valkey in this process, and shows how it keeps up.
#include <replikv/asio.hpp>
#include <replikv/replikv.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <iostream>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;
using Strings = replikv::Store<std::string, std::string>;

constexpr std::string_view usage = R"(usage: follow HOST PORT [OPTION]...

Keeps a live copy of database 0 of a running Redis or Valkey: connects as a replica, loads a snapshot, then
applies what the master writes. Prints a line whenever something has changed, until Ctrl-C.

  --user U        user name; needs --password
  --password P    password
  --once          exit as soon as the copy is in step: the link has been up for a second, and everything
                  that came over it has been applied
  --timeout S     with --once: give up after S seconds in which nothing moved (default: 30)
  --get KEY       print this key's value once in step, and again when it changes
  --dump FILE     at the end write all keys to FILE ("-": standard output), one KEY<TAB>VALUE a line, sorted
                  by key; backslash and all outside printable ASCII as in C: \\ \t \n \r, else \ooo (octal)
  --help          print this

What is printed: the link's state; the offset (bytes of the master's stream applied so far); the lag (bytes
received and not applied yet); the number of keys; and, if there are any, how many commands and snapshot
entries could not be mirrored, because they are no strings or in another database. Problems go to standard
error.

exit status: 0 in step, or ended by Ctrl-C; 1 it could not be brought in step, or FILE not be written;
             2 wrong usage; 3 --once --get KEY, and there is no such key
)";

// ---- The command line -----------------------------------------------------------------------------

struct Arguments {
  std::string address;
  std::optional<replikv::Credentials> credentials;
  bool once = false;
  std::chrono::seconds timeout = 30s;
  std::optional<std::string> key;
  std::optional<std::string> dump_file;
};

struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

unsigned number(std::string_view what, std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > max) {
    throw WrongUsage(std::string(what) + " must be a number from 1 to " + std::to_string(max) + ", not '" +
                     std::string(text) + "'");
  }
  return value;
}

std::string address_of(std::string_view host, std::string_view port) {
  const std::string name = host.find(':') != std::string_view::npos && !host.starts_with('[')
                               ? "[" + std::string(host) + "]"  // a bare IPv6 address
                               : std::string(host);
  return name + ":" + std::to_string(number("PORT", port, 65535));
}

Arguments parse(const std::vector<std::string_view>& words) {
  Arguments arguments;
  std::vector<std::string_view> positional;
  std::optional<std::string> user, password;
  for (auto word = words.begin(); word != words.end(); ++word) {
    const auto value = [&] {
      if (word + 1 == words.end()) throw WrongUsage(std::string(*word) + " needs a value");
      return std::string(*++word);
    };
    if (*word == "--user")
      user = value();
    else if (*word == "--password")
      password = value();
    else if (*word == "--once")
      arguments.once = true;
    else if (*word == "--timeout")
      arguments.timeout = std::chrono::seconds(number("--timeout", value(), 86'400));
    else if (*word == "--get")
      arguments.key = value();
    else if (*word == "--dump")
      arguments.dump_file = value();
    else if (word->starts_with("--"))
      throw WrongUsage("there is no option " + std::string(*word));
    else
      positional.push_back(*word);
  }
  if (positional.size() != 2) throw WrongUsage("HOST and PORT are needed, and nothing else without --");
  if (user && !password) throw WrongUsage("--user needs --password");
  if (password) arguments.credentials = replikv::Credentials{user.value_or(""), *password};
  arguments.address = address_of(positional[0], positional[1]);
  return arguments;
}

// ---- What the replica reports, in a thread of its transport ------------------------------------------

class Watch {
 public:
  void take(const replikv::Event& event) {
    const std::lock_guard lock(mutex_);
    if (const auto* down = std::get_if<replikv::LinkDown>(&event)) {
      is_hopeless_ = is_hopeless_ || cannot_be_helped(down->why.code);
      if (down->why.code != replikv::Errc::unfollowed) tell(down->peer + ": " + down->why.message());
    } else if (const auto* partial = std::get_if<replikv::PartialResync>(&event)) {
      std::cerr << "follow: goes on from offset " << partial->offset.bytes << std::endl;
    } else if (const auto* progress = std::get_if<replikv::FullResyncProgress>(&event)) {
      keys_loaded_ = progress->keys;
    } else if (std::holds_alternative<replikv::FullResyncStarted>(event)) {
      keys_loaded_ = 0;
    } else if (std::holds_alternative<replikv::LinkUp>(event)) {
      told_.clear();
    }
  }

  [[nodiscard]] std::uint64_t keys_loaded() const {
    const std::lock_guard lock(mutex_);
    return keys_loaded_;
  }
  [[nodiscard]] bool is_hopeless() const {
    const std::lock_guard lock(mutex_);
    return is_hopeless_;
  }

 private:
  static bool cannot_be_helped(std::error_code why) {
    using replikv::Errc;
    return why == Errc::wrong_password || why == Errc::authentication_required ||
           why == Errc::no_permission || why == Errc::bad_address;
  }

  // The same failure again and again is told once.
  void tell(std::string line) {
    if (line == told_) return;
    std::cerr << "follow: " << line << std::endl;
    told_ = std::move(line);
  }

  mutable std::mutex mutex_;
  std::uint64_t keys_loaded_ = 0;
  bool is_hopeless_ = false;
  std::string told_;
};

// ---- What is printed ------------------------------------------------------------------------------

std::string escaped(std::string_view text) {
  constexpr std::string_view special = "\\\t\n\r", letters = "\\tnr";
  std::string out;
  for (const char c : text) {
    const auto octal_digit = [byte = static_cast<unsigned char>(c)](int place) {
      return static_cast<char>('0' + (byte >> 3 * place & 7));
    };
    if (const auto at = special.find(c); at != std::string_view::npos) {
      out.append({'\\', letters[at]});
    } else if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      out.append({'\\', octal_digit(2), octal_digit(1), octal_digit(0)});
    }
  }
  return out;
}

std::string_view text(replikv::MasterLinkState state) {
  switch (state) {
    case replikv::MasterLinkState::none:
    case replikv::MasterLinkState::connect: return "down";
    case replikv::MasterLinkState::connecting: return "connecting";
    case replikv::MasterLinkState::handshake: return "handshake";
    case replikv::MasterLinkState::sync: return "full resync";
    case replikv::MasterLinkState::connected: return "up";
  }
  return "";
}

std::string status_line(const replikv::ReplicationInfo& info, const Watch& watch, std::size_t keys) {
  const auto& master = *info.master;
  const std::string link = "link " + std::string(text(master.state)) + ", ";
  if (master.sync) {
    const auto& sync = *master.sync;
    const std::string of_all = sync.bytes_total ? " of " + std::to_string(*sync.bytes_total) : std::string();
    return link + "loaded " + std::to_string(sync.bytes) + of_all + " bytes, " +
           std::to_string(watch.keys_loaded()) + " keys; " + std::to_string(keys) + " keys held";
  }
  const std::uint64_t lag = master.received - std::min(master.received, info.history.end);
  std::string line = link + "offset " + std::to_string(info.history.end.bytes) + ", lag " +
                     std::to_string(lag) + " bytes, " + std::to_string(keys) + " keys";
  if (info.unmirrored > 0) line += ", " + std::to_string(info.unmirrored) + " not mirrored";
  return line;
}

std::string value_line(const std::string& key, const std::optional<std::string>& value) {
  return escaped(key) + (value ? " = " + escaped(*value) : " is not there");
}

bool dump(const Strings& copy, const std::string& file) {
  std::vector<std::pair<std::string, std::string>> pairs;
  copy.for_each([&](std::string_view key, std::string_view value) { pairs.emplace_back(key, value); });
  std::sort(pairs.begin(), pairs.end());
  std::ofstream stream;
  if (file != "-") stream.open(file, std::ios::binary);
  std::ostream& out = file == "-" ? std::cout : stream;
  for (const auto& [key, value] : pairs) out << escaped(key) << '\t' << escaped(value) << '\n';
  out.flush();
  if (!out) std::cerr << "follow: cannot write " << file << std::endl;
  return static_cast<bool>(out);
}

// ---- The program ----------------------------------------------------------------------------------

// Ctrl-C as something to wait for. Made before any other thread, so that all inherit the blocked signals.
class Interrupt {
 public:
  Interrupt() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  [[nodiscard]] bool came_within(std::chrono::milliseconds time) const {
    const timespec limit{0, static_cast<long>(std::chrono::nanoseconds(time).count())};
    return sigtimedwait(&signals_, nullptr, &limit) > 0;
  }

 private:
  sigset_t signals_{};
};

int run(const Arguments& arguments) {
  const Interrupt interrupt;
  Watch watch;
  replikv::ReplicationOptions options;
  options.credentials = arguments.credentials;
  options.observer = [&watch](const replikv::Event& event) { watch.take(event); };

  replikv::TcpTransport network;
  Strings copy;
  replikv::ReplicationReplica replica{copy, options};
  replica.follow(network, arguments.address);

  std::string status_printed, value_printed;
  SteadyClock::time_point moved_at = SteadyClock::now(), down_at = moved_at;
  bool was_in_step = false;
  int status = 0;
  while (!interrupt.came_within(200ms)) {
    const auto info = replica.info();
    const auto now = SteadyClock::now();
    if (auto line = status_line(info, watch, copy.size()); line != status_printed) {
      std::cout << line << std::endl;
      status_printed = std::move(line);
      moved_at = now;
    }
    const bool is_up = info.master->state == replikv::MasterLinkState::connected;
    if (!is_up) down_at = now;
    const bool in_step = is_up && now - down_at >= 1s && info.master->received == info.history.end;
    was_in_step = was_in_step || in_step;

    if (arguments.key && in_step) {
      if (auto line = value_line(*arguments.key, copy.get(*arguments.key)); line != value_printed) {
        std::cout << line << std::endl;
        value_printed = std::move(line);
      }
    }
    if (arguments.once && in_step) {
      if (arguments.key && !copy.contains(*arguments.key)) status = 3;
      break;
    }
    if (watch.is_hopeless()) return 1;
    if (arguments.once && !is_up && now - moved_at > arguments.timeout) {
      std::cerr << "follow: gave up: nothing moved for " << arguments.timeout.count() << " s" << std::endl;
      return 1;
    }
  }
  if (arguments.dump_file && !was_in_step) {
    std::cerr << "follow: no dump: the copy has never been in step" << std::endl;
    return 1;
  }
  if (arguments.dump_file && !dump(copy, *arguments.dump_file)) return 1;
  return status;
}

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (std::find(words.begin(), words.end(), "--help") != words.end()) {
    std::cout << usage;
    return 0;
  }
  try {
    return run(parse(words));
  } catch (const WrongUsage& error) {
    std::cerr << "follow: " << error.what() << "; see follow --help" << std::endl;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "follow: " << error.what() << std::endl;
    return 1;
  }
}
