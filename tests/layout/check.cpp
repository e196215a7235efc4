// Checks the rules about the headers that no compiler checks: which room may include which, where Asio
// may appear, what the umbrella headers hold, and how a file opens. Knows nothing of what is in them.
//
//   layout_check INCLUDE_DIR                 prints each fault as file:line: reason
//   layout_check INCLUDE_DIR --expect FILE   succeeds if the faults are exactly those listed in FILE

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

// A room may include itself and those before it.
constexpr std::array<std::string_view, 12> rooms{"core",   "resp",      "rdb",         "stream",
                                                 "store",  "transport", "replication", "persistence",
                                                 "values", "server",    "failover",    "testing"};
constexpr std::array<std::string_view, 7> root_headers{"asio.hpp",    "fwd.hpp", "replikv.hpp", "server.hpp",
                                                       "testing.hpp", "tls.hpp", "version.hpp"};
constexpr std::array<std::string_view, 5> umbrellas{"asio.hpp", "replikv.hpp", "server.hpp", "testing.hpp",
                                                    "tls.hpp"};
constexpr std::array<std::string_view, 3> slow_standard_headers{"future", "iostream", "regex"};

const std::string misplaced_asio =
    "Asio belongs in transport/asio_*.hpp, testing/asio_*.hpp and asio.hpp only";
const std::string misplaced_openssl = "OpenSSL belongs in transport/asio_tls*.hpp and tls.hpp only";

struct Fault {
  std::string file;
  std::size_t line;
  std::string reason;

  auto operator<=>(const Fault&) const = default;
};

struct Include {
  std::string target;  // as written, without the brackets
  bool angled;
  std::size_t line;
};

struct Header {
  bool opens_with_comment = false;
  bool has_pragma_once = false;
  std::vector<Include> includes;
};

using Headers = std::map<std::string, Header>;  // by name below replikv/: "core/bytes.hpp"

bool contains(const auto& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string trimmed(const std::string& line) {
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

std::string room_of(const std::string& name) {
  const auto slash = name.find('/');
  return slash == std::string::npos ? std::string{} : name.substr(0, slash);
}

std::size_t rank(std::string_view room) {
  return static_cast<std::size_t>(std::find(rooms.begin(), rooms.end(), room) - rooms.begin());
}

bool is_private(const std::string& name) { return name.find("/detail/") != std::string::npos; }
bool is_for_tests(const std::string& name) { return name == "testing.hpp" || room_of(name) == "testing"; }
/// Whether testing.hpp holds it.
bool serves_tests(const std::string& name) { return is_for_tests(name) || name == "transport/simulated.hpp"; }
bool serves_clients(const std::string& name) { return room_of(name) == "server"; }
bool may_use_openssl(const std::string& name) {
  return name == "tls.hpp" || name.starts_with("transport/asio_tls");
}
bool may_use_asio(const std::string& name) {
  return name == "asio.hpp" || name.starts_with("transport/asio_") || name.starts_with("testing/asio_") ||
         may_use_openssl(name);
}

Header read_header(const fs::path& path) {
  Header header;
  std::ifstream file(path);
  std::string text;
  for (std::size_t line = 1; std::getline(file, text); ++line) {
    text = trimmed(text);
    if (line == 1) header.opens_with_comment = text.starts_with("//") || text.starts_with("/*");
    if (!text.starts_with('#')) continue;
    const std::string directive = trimmed(text.substr(1));
    if (directive.starts_with("pragma once")) header.has_pragma_once = true;
    if (!directive.starts_with("include")) continue;
    const auto open = directive.find_first_of("<\"");
    if (open == std::string::npos) continue;
    const bool angled = directive[open] == '<';
    const auto close = directive.find(angled ? '>' : '"', open + 1);
    if (close == std::string::npos) continue;
    header.includes.push_back({directive.substr(open + 1, close - open - 1), angled, line});
  }
  return header;
}

Headers read_headers(const fs::path& include_dir) {
  Headers headers;
  const fs::path root = include_dir / "replikv";
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    headers.emplace(entry.path().lexically_relative(root).generic_string(), read_header(entry.path()));
  }
  return headers;
}

/// Why `from` must not include our own header `to`; empty if it may.
std::string why_not_ours(const Headers& headers, const std::string& from, const std::string& to) {
  if (!headers.contains(to)) return "there is no replikv/" + to;
  if ((from == "asio.hpp" || from == "server.hpp") && to == "replikv.hpp") return {};
  if (from == "tls.hpp" && to == "asio.hpp") return {};
  if (contains(umbrellas, to)) return "replikv/" + to + " is for users, no header includes it";
  if (may_use_asio(to) && !may_use_asio(from)) return misplaced_asio;
  if (may_use_openssl(to) && !may_use_openssl(from)) return misplaced_openssl;
  if (is_for_tests(to) && !is_for_tests(from)) return "testing/ is for tests, which include it themselves";
  const std::string room = room_of(to);
  if (room.empty() || contains(umbrellas, from)) return {};
  if (from == "version.hpp") return "version.hpp includes nothing of ours";
  if (from == "fwd.hpp") return room == "core" ? "" : "fwd.hpp includes nothing of ours but core/";
  const std::string own_room = room_of(from);
  if (rank(room) > rank(own_room)) return own_room + "/ must not include " + room + "/, a later room";
  return {};
}

std::string why_not(const Headers& headers, const std::string& from, const Include& include) {
  constexpr std::string_view ours = "replikv/";
  if (!include.angled) return "write #include <replikv/room/file.hpp>, not \"" + include.target + "\"";
  if (include.target.starts_with(ours)) {
    return why_not_ours(headers, from, include.target.substr(ours.size()));
  }
  if ((include.target == "asio.hpp" || include.target.starts_with("asio/")) && !may_use_asio(from)) {
    return misplaced_asio;
  }
  if (include.target.starts_with("openssl/") && !may_use_openssl(from)) return misplaced_openssl;
  if (contains(slow_standard_headers, include.target)) {
    return "<" + include.target + "> is too slow to compile for a header";
  }
  return {};
}

void check_header(const Headers& headers, const std::string& name, std::vector<Fault>& faults) {
  const Header& header = headers.at(name);
  const std::string room = room_of(name);
  if (!name.ends_with(".hpp")) faults.push_back({name, 1, "only .hpp files belong here"});
  if (room.empty() ? !contains(root_headers, name) : !contains(rooms, room)) {
    faults.push_back({name, 1,
                      room.empty() ? "no header of this name belongs at the root"
                                   : "there is no room called " + room + "/"});
  }
  if (!header.opens_with_comment)
    faults.push_back({name, 1, "a header opens with a comment: what it is for"});
  if (!header.has_pragma_once) faults.push_back({name, 1, "#pragma once is missing"});
  for (const Include& include : header.includes) {
    if (std::string reason = why_not(headers, name, include); !reason.empty()) {
      faults.push_back({name, include.line, std::move(reason)});
    }
  }
}

/// `umbrella` must include every public header for which `belongs` holds.
void check_umbrella(const Headers& headers, const std::string& umbrella, auto belongs,
                    std::vector<Fault>& faults) {
  std::set<std::string> included;
  if (const auto found = headers.find(umbrella); found != headers.end()) {
    for (const Include& include : found->second.includes) included.insert(include.target);
  }
  for (const auto& [name, header] : headers) {
    if (is_private(name) || contains(umbrellas, name) || !belongs(name)) continue;
    if (!included.contains("replikv/" + name))
      faults.push_back({umbrella, 1, "does not include replikv/" + name});
  }
}

std::vector<Fault> check(const Headers& headers) {
  std::vector<Fault> faults;
  for (const auto& [name, header] : headers) check_header(headers, name, faults);
  const auto belongs = [](bool for_tests, bool with_asio) {
    return [=](const auto& name) {
      return serves_tests(name) == for_tests && may_use_asio(name) == with_asio && !may_use_openssl(name) &&
             !serves_clients(name);
    };
  };
  check_umbrella(headers, "replikv.hpp", belongs(false, false), faults);
  check_umbrella(headers, "asio.hpp", belongs(false, true), faults);
  check_umbrella(headers, "server.hpp", serves_clients, faults);
  check_umbrella(headers, "testing.hpp", belongs(true, false), faults);
  check_umbrella(headers, "tls.hpp", may_use_openssl, faults);
  std::sort(faults.begin(), faults.end());
  return faults;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool expects = arguments.size() == 3 && arguments[1] == "--expect";
  if (arguments.size() != 1 && !expects) {
    std::cerr << "usage: layout_check INCLUDE_DIR [--expect FILE]\n";
    return 2;
  }

  const Headers headers = read_headers(arguments[0]);
  std::ostringstream report;
  for (const auto& [file, line, reason] : check(headers)) {
    report << "replikv/" << file << ':' << line << ": " << reason << '\n';
  }
  std::cout << report.str();

  if (expects) {
    const bool same = report.str() == read_file(arguments[2]);
    std::cout << (same ? "as expected\n" : "not what " + arguments[2] + " says\n");
    return same ? 0 : 1;
  }
  std::cout << headers.size() << " headers checked\n";
  return report.str().empty() && !headers.empty() ? 0 : 1;
}
