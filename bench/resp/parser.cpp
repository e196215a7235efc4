// How fast requests are cut out of a contiguous buffer, as a replica's stream or a client's pipeline is.
#include <replikv/resp/parser.hpp>
#include <replikv/resp/writer.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace {

namespace resp = replikv::resp;

std::string pipeline_of_sets(std::size_t commands, std::size_t value_bytes) {
  std::string text;
  const std::string value(value_bytes, 'v');
  for (std::size_t i = 0; i < commands; ++i) {
    std::string key = "key:" + std::to_string(100'000'000'000 + i);  // 16 bytes
    resp::append_command(text, "SET", key, value);
  }
  return text;
}

// resp_parse_set: 1000 commands in a buffer that stays in the cache.
void resp_parse_set(benchmark::State& state) {
  constexpr std::size_t commands = 1'000;
  const std::string text = pipeline_of_sets(commands, static_cast<std::size_t>(state.range(0)));
  resp::CommandParser parser;
  std::uint64_t checksum = 0;
  for (auto _ : state) {
    replikv::Bytes bytes = replikv::as_bytes(text);
    while (!bytes.empty()) {
      const auto parsed = parser.parse(bytes);
      if (parsed.status != resp::Parsed::Status::command) return state.SkipWithError("not a command");
      checksum += parser.arguments()[1].size() + static_cast<unsigned char>(parser.arguments()[1].back());
      bytes = bytes.subspan(parsed.consumed);
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(commands));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.counters["checksum"] = static_cast<double>(checksum);
}
BENCHMARK(resp_parse_set)->ArgName("value_bytes")->Arg(64)->Arg(1'024);

}  // namespace
