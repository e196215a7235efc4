// RDB files: however the bytes are cut, the same items and the same error come out; memory follows from
// the bytes received; what was read can be written and read again.

#include <replikv/rdb/reader.hpp>
#include <replikv/rdb/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <tests/fuzz/heap.hpp>
#include <utility>
#include <variant>
#include <vector>

using fuzz::require;
namespace rdb = replikv::rdb;

namespace {

/// An item with text of its own.
struct Held {
  std::size_t kind = 0;
  std::string key{};
  std::string value{};
  std::uint64_t number = 0;
  std::optional<std::int64_t> expire_at_ms{};

  friend bool operator==(const Held&, const Held&) = default;
};

Held hold(const rdb::Item& item) {
  Held held{item.index()};
  if (const auto* entry = std::get_if<rdb::Entry>(&item)) {
    held.key = entry->key;
    held.value = entry->value;
    held.expire_at_ms = entry->expire_at_ms;
  } else if (const auto* fact = std::get_if<rdb::Auxiliary>(&item)) {
    held.key = fact->key;
    held.value = fact->value;
  } else if (const auto* select = std::get_if<rdb::SelectDatabase>(&item)) {
    held.number = select->database;
  } else if (const auto* resize = std::get_if<rdb::ResizeDatabase>(&item)) {
    held.number = resize->keys * 31 + resize->expires;
  } else if (const auto* skipped = std::get_if<rdb::SkippedEntry>(&item)) {
    held.key = skipped->key;
    held.number = skipped->type;
    held.expire_at_ms = skipped->expire_at_ms;
  } else if (const auto* end = std::get_if<rdb::End>(&item)) {
    held.number = end->checksum_verified ? 1 : 0;
  }
  return held;
}

struct Outcome {
  std::vector<Held> items;
  std::string error;
  bool finished = false;
  std::uint64_t bytes = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(std::string_view file, rdb::ReaderLimits limits, fuzz::Cuts cuts) {
  rdb::Reader reader{limits};
  Outcome outcome;
  for (std::size_t at = 0; at < file.size() && !reader.finished() && reader.failure() == nullptr;) {
    const std::size_t size = cuts.next(file.size() - at);
    const fuzz::ExactCopy piece(file.substr(at, size));
    reader.feed(piece.bytes());
    std::vector<rdb::Item> batch;  // looked at when the piece is used up: views live as long
    while (auto item = reader.next()) batch.push_back(*item);
    for (const auto& item : batch) outcome.items.push_back(hold(item));
    require(reader.consumed() <= size, "no more is read than was fed");
    if (!reader.finished() && reader.failure() == nullptr) {
      require(reader.consumed() == size, "a reader that wants more has read all");
    }
    at += size;
  }
  outcome.finished = reader.finished();
  outcome.bytes = reader.total_bytes();
  if (const auto* failure = reader.failure()) outcome.error = failure->detail;
  require(!(outcome.finished && reader.failure() != nullptr), "a file is whole or corrupt");
  return outcome;
}

void check_writing(const Outcome& outcome, bool compress) {
  rdb::Writer writer{{compress}};
  std::vector<Held> entries;
  writer.header();
  for (const auto& item : outcome.items) {
    if (item.kind != rdb::Item(rdb::Entry{}).index()) continue;
    entries.push_back(item);
    writer.key(item.key, item.value, item.expire_at_ms);
  }
  writer.end();
  auto again = read(writer.take(), {}, fuzz::Cuts(0));
  require(again.finished, "a file written is whole");
  again.items.pop_back();  // the end
  require(again.items == entries, "a file written reads as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  const fuzz::Cuts cuts(input.byte());
  const std::string_view file = input.rest();
  rdb::ReaderLimits limits;
  if ((choice & 1) != 0) limits.bulk_bytes_max = 40;

  const fuzz::HeapWatch heap;
  const Outcome whole = read(file, limits, fuzz::Cuts(0));
  // One block of the arena, and LZF, which may make 88 bytes of one: once in the arena, once held here.
  require(heap.peak_bytes() <= 256'000 + 256 * file.size(), "memory follows from the bytes received");
  require(read(file, limits, cuts) == whole, "cuts make no difference");
  for (const auto& item : whole.items) {
    require(item.key.size() <= limits.bulk_bytes_max && item.value.size() <= limits.bulk_bytes_max,
            "no string exceeds the bytes allowed");
  }
  if (whole.finished) check_writing(whole, (choice & 2) != 0);
  return 0;
}
