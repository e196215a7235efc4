// Three databases, numbered 0, 1 and 2, and commands written as a line: what the tests of commands share.
#pragma once

#include <replikv/replication/detail/effects.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <tests/replication/fake_database.hpp>
#include <vector>

template <>
struct doctest::StringMaker<replikv::detail::commands::Verdict> {
  static String convert(const replikv::detail::commands::Verdict& verdict) {
    constexpr std::array names{"applied", "ignored", "not_mirrored", "diverged", "put_off"};
    const std::string why(replikv::detail::commands::text_of(verdict.reason));
    return (std::string(names[static_cast<std::size_t>(verdict.outcome)]) + " (" + why + ")").c_str();
  }
};

namespace replikv_tests {

using replikv::detail::Effects;
using replikv::detail::commands::applied;
using replikv::detail::commands::diverged;
using replikv::detail::commands::ignored;
using replikv::detail::commands::not_mirrored;
using replikv::detail::commands::Outcome;
using replikv::detail::commands::Reason;
using replikv::detail::commands::Verdict;

/// Wall time that stands at 1 000 000 milliseconds.
class StandingClock final : public replikv::ClockSource {
 public:
  [[nodiscard]] WallTime now() const noexcept override {
    return WallTime(std::chrono::milliseconds(1'000'000));
  }
};

/// The words of a line: between single spaces; \xHH is a byte, "" a word without any.
inline std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ' ') {
      words.emplace_back();
    } else if (line.substr(i, 2) == "\"\"") {
      ++i;
    } else if (line.substr(i, 2) == "\\x") {
      words.back().push_back(static_cast<char>(std::stoi(std::string(line.substr(i + 2, 2)), nullptr, 16)));
      i += 3;
    } else {
      words.back().push_back(line[i]);
    }
  }
  return words;
}

class World {
 public:
  ~World() { CHECK(zero.misuses + one.misuses + two.misuses == 0); }

  Verdict run(const std::vector<std::string>& words, Locks locks = Locks::take) {
    const std::vector<std::string_view> arguments(words.begin(), words.end());
    const auto result = effects.apply(arguments, locks);
    if (result.outcome == Outcome::applied || result.outcome == Outcome::ignored) {
      CHECK(result.why.reason() == Reason::none);
    } else {
      CHECK(result.why.text() != "");
    }
    return {result.outcome, result.why.reason()};
  }
  Verdict run(std::string_view line, Locks locks = Locks::take) { return run(words_of(line), locks); }

  /// Runs lines that must all be applied.
  void given(std::initializer_list<std::string_view> lines) {
    for (const std::string_view line : lines) {
      CAPTURE(line);
      REQUIRE(run(line) == applied);
    }
  }

  FakeDatabase zero, one;
  FakeDatabase two{1};  // of another type
  std::array<Database*, 3> databases{&zero, &one, &two};
  StandingClock clock;
  Effects effects{databases, replikv::Clock(clock)};
};

/// Lines to start from, a line that is applied, and what database 0 then holds.
struct Example {
  std::vector<std::string_view> given;
  std::string_view line;
  std::string_view keys;
};

inline void check(const std::vector<Example>& examples) {
  for (const Example& example : examples) {
    World world;
    for (const std::string_view line : example.given) REQUIRE(world.run(line) == applied);
    CAPTURE(example.line);
    CHECK(world.run(example.line) == applied);
    CHECK(world.zero.text() == example.keys);
  }
}

/// Lines to start from, a line that cannot be applied, and why; the keys stay as they are.
struct Failing {
  std::vector<std::string_view> given;
  std::string_view line;
  Reason reason;
};

inline void check_diverged(const std::vector<Failing>& examples) {
  for (const Failing& example : examples) {
    World world;
    for (const std::string_view line : example.given) REQUIRE(world.run(line) == applied);
    const std::string before = world.zero.text();
    CAPTURE(example.line);
    CHECK(world.run(example.line) == diverged(example.reason));
    CHECK(world.zero.text() == before);
  }
}

}  // namespace replikv_tests
