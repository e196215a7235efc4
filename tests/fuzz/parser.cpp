// Requests: however the bytes are cut, the same commands and the same error come out, and a command
// written again reads as it was.

#include <replikv/resp/parser.hpp>
#include <replikv/resp/writer.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/heap.hpp>
#include <vector>

using fuzz::require;
using replikv::resp::CommandParser;
using replikv::resp::Parsed;
using replikv::resp::ParserLimits;
namespace resp = replikv::resp;

namespace {

/// What came out, in one string: that is quick. `each`: the same as commands.
struct Outcome {
  std::string text;
  std::string error;

  void add(resp::Arguments command, std::size_t consumed) {
    add(consumed);
    add(command.size());
    for (const std::string_view word : command) {
      add(word.size());
      text.append(word);
    }
  }
  void add(std::size_t number) {
    std::array<char, sizeof number> bytes;
    std::memcpy(bytes.data(), &number, sizeof number);
    text.append(bytes.data(), bytes.size());
  }

  /// Calls `f(words)` for each command that has words.
  template <class F>
  void each(F&& f) const {
    std::vector<std::string_view> words;
    for (std::string_view rest = text; !rest.empty();) {
      next(rest);
      words.clear();
      for (std::size_t count = next(rest); count > 0; --count) {
        const std::size_t size = next(rest);
        words.push_back(rest.substr(0, size));
        rest.remove_prefix(size);
      }
      if (!words.empty()) f(resp::Arguments(words));
    }
  }
  static std::size_t next(std::string_view& rest) {
    std::size_t number = 0;
    std::memcpy(&number, rest.data(), sizeof number);
    rest.remove_prefix(sizeof number);
    return number;
  }

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// `patient`: asks the parser again only when it has the bytes it said it needs.
Outcome parse(std::string_view text, const ParserLimits& limits, fuzz::Cuts cuts, bool patient) {
  CommandParser parser{limits};
  Outcome outcome;
  std::size_t done = 0;
  for (std::size_t arrived = 0; arrived < text.size();) {
    arrived += cuts.next(text.size() - arrived);
    if (patient && arrived - done < parser.bytes_needed()) continue;
    const fuzz::ExactCopy waiting(text.substr(done, arrived - done));
    std::size_t taken = 0;
    for (;;) {
      const auto parsed = parser.parse(waiting.bytes().subspan(taken));
      if (parsed.status == Parsed::Status::need_more) break;
      if (parsed.status == Parsed::Status::error) {
        outcome.error = parser.failure().detail;
        require(!outcome.error.empty(), "a failure says why");
        return outcome;
      }
      require(parsed.consumed > 0, "a command has bytes");
      require(parsed.consumed <= waiting.bytes().size() - taken, "a command ends within the bytes given");
      taken += parsed.consumed;
      outcome.add(parser.arguments(), parsed.consumed);
    }
    done += taken;
    require(parser.bytes_needed() > arrived - done, "an unfinished command needs more than is there");
  }
  return outcome;
}

void check_limits(const Outcome& outcome, const ParserLimits& limits) {
  outcome.each([&limits](resp::Arguments command) {
    require(command.size() <= limits.arguments_max, "no command exceeds the arguments allowed");
    for (const std::string_view word : command) {
      require(word.size() <= limits.bulk_bytes_max || word.size() <= limits.line_bytes_max,
              "no argument exceeds the bytes allowed");
    }
  });
}

void check_writing(const Outcome& outcome) {
  std::string text;
  Outcome written;
  outcome.each([&](resp::Arguments command) {
    const std::size_t before = text.size();
    resp::append_command(text, command);
    const std::size_t bytes = text.size() - before;
    require(bytes == resp::command_size(command), "command_size is what is written");
    written.add(command, bytes);
  });
  require(parse(text, {}, fuzz::Cuts(0), false) == written, "a command written reads as it was");
}

ParserLimits limits_of(std::uint8_t choice) {
  if ((choice & 3) == 1) return ParserLimits::unauthenticated();
  if ((choice & 3) == 2) return {64, 4, 32, true};
  if ((choice & 3) == 3) return {5, 2, 12, false};
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  const fuzz::Cuts cuts(input.byte());
  const std::string_view text = input.rest();
  const ParserLimits limits = limits_of(choice);

  const fuzz::HeapWatch heap;
  const Outcome whole = parse(text, limits, fuzz::Cuts(0), false);
  require(heap.peak_bytes() <= 4'096 + 64 * text.size(), "memory follows from the bytes received");
  require(parse(text, limits, cuts, (choice & 4) != 0) == whole, "cuts make no difference");
  check_limits(whole, limits);
  check_writing(whole);
  return 0;
}
