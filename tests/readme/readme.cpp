// The README's C++ is compiled: each of its blocks stands, but for indentation, in a program of
// tests/readme/ or examples/.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path top = fs::path(__FILE__).parent_path().parent_path().parent_path();

std::string without_indentation(const std::string& line) {
  const auto first = line.find_first_not_of(' ');
  return first == std::string::npos ? "\n" : line.substr(first) + "\n";
}

std::string read(const fs::path& file) {
  std::ifstream in(file);
  REQUIRE_MESSAGE(in, file);
  std::string text;
  for (std::string line; std::getline(in, line);) text += without_indentation(line);
  return text;
}

/// The contents of the blocks fenced as `language`.
std::vector<std::string> blocks(std::string_view language) {
  std::ifstream in(top / "README.md");
  REQUIRE(in);
  std::vector<std::string> found;
  bool inside = false;
  const std::string fence = "```" + std::string(language);
  for (std::string line; std::getline(in, line);) {
    if (inside && line == "```") {
      inside = false;
    } else if (inside) {
      found.back() += without_indentation(line);
    } else if (line == fence) {
      inside = true;
      found.emplace_back();
    }
  }
  CHECK_FALSE(inside);
  return found;
}

std::vector<std::string> programs() {
  std::vector<std::string> texts;
  for (const auto* folder : {"tests/readme", "examples"}) {
    for (const auto& file : fs::directory_iterator(top / folder)) {
      const bool is_this = file.path().filename() == "readme.cpp";
      if (file.path().extension() == ".cpp" && !is_this) texts.push_back(read(file.path()));
    }
  }
  return texts;
}

}  // namespace

TEST_CASE("README: each C++ block stands word for word in a program that is compiled") {
  const auto snippets = blocks("cpp");
  REQUIRE(snippets.size() >= 5);
  const auto texts = programs();
  for (const auto& snippet : snippets) {
    CAPTURE(snippet);
    bool is_compiled = false;
    for (const auto& text : texts) is_compiled = is_compiled || text.find(snippet) != std::string::npos;
    CHECK(is_compiled);
  }
}

TEST_CASE("README: the first program is the example hello, whole, and under 15 lines") {
  const auto snippets = blocks("cpp");
  REQUIRE_FALSE(snippets.empty());
  CHECK(snippets.front() == read(top / "examples/hello.cpp"));
  CHECK(std::count(snippets.front().begin(), snippets.front().end(), '\n') < 15);
}
