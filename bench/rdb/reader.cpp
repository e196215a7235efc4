// How fast a snapshot is read, checksum included, and what share of that is the checksum.
#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace {

namespace rdb = replikv::rdb;
using replikv::as_bytes;

constexpr std::size_t keys = 100'000;

std::string snapshot(std::size_t value_bytes) {
  rdb::Writer writer;
  const std::string value(value_bytes, 'v');
  writer.header();
  writer.select_database(0);
  writer.resize(keys, 0);
  for (std::size_t i = 0; i < keys; ++i) writer.key("key:" + std::to_string(100'000'000'000 + i), value);
  writer.end();
  return writer.take();
}

// rdb_read: pieces of 256 KiB, as they come from a socket.
void rdb_read(benchmark::State& state) {
  const std::string file = snapshot(static_cast<std::size_t>(state.range(0)));
  std::uint64_t checksum = 0;
  for (auto _ : state) {
    rdb::Reader reader;
    for (std::string_view rest = file; !rest.empty();) {
      const std::string_view piece = rest.substr(0, 256 << 10);
      rest.remove_prefix(piece.size());
      reader.feed(as_bytes(piece));
      while (const auto item = reader.next()) {
        if (const auto* entry = std::get_if<rdb::Entry>(&*item))
          checksum += entry->value.size() + static_cast<unsigned char>(entry->key.back());
      }
    }
    if (!reader.finished()) return state.SkipWithError("the snapshot was not read to its end");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(keys));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(file.size()));
  state.counters["checksum"] = static_cast<double>(checksum);
}
BENCHMARK(rdb_read)->ArgName("value_bytes")->Arg(64)->Arg(1'024);

// rdb_encode: entries appended to a chunk, without the checksum.
void rdb_encode(benchmark::State& state) {
  const std::string value(static_cast<std::size_t>(state.range(0)), 'v');
  std::string chunk;
  std::uint64_t checksum = 0;
  for (auto _ : state) {
    chunk.clear();
    for (std::size_t i = 0; i < 1'000; ++i) rdb::append_key(chunk, "key:100000000000", value);
    checksum += chunk.size();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(1'000));
  state.counters["checksum"] = static_cast<double>(checksum);
}
BENCHMARK(rdb_encode)->ArgName("value_bytes")->Arg(64);

// rdb_crc64: pieces as large as the reader sums at once.
void rdb_crc64(benchmark::State& state) {
  const std::string piece(static_cast<std::size_t>(state.range(0)), 'x');
  rdb::Crc64 crc;
  for (auto _ : state) crc.update(as_bytes(piece));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(piece.size()));
  state.counters["checksum"] = static_cast<double>(crc.value() >> 32);
}
BENCHMARK(rdb_crc64)->ArgName("bytes")->Arg(64)->Arg(64 << 10);

}  // namespace
