// What the tests of this room share: policies that make a table crowded, and a store with a stream to write
// into.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/random.hpp>
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tests/store/contents.hpp>
#include <utility>
#include <vector>

namespace store_tests {

using namespace std::chrono_literals;
using replikv::Errc;
using replikv::detail::database_of;
using replikv::detail::Locks;
using replikv::detail::never;
using replikv::detail::WriteMode;

inline replikv::WallTime at_ms(std::int64_t ms) { return replikv::WallTime(std::chrono::milliseconds(ms)); }

/// Small segments in few shards, so that little data makes them split.
struct SmallPolicy : replikv::DefaultPolicy {
  static constexpr unsigned shard_bits = 2;
  static constexpr std::size_t segment_buckets = 2;
};

/// Every key has one of three hashes, which differ in their lowest bits alone.
struct CollidingPolicy : SmallPolicy {
  struct Hash {
    std::uint64_t operator()(std::string_view key) const noexcept { return key.size() % 3; }
  };
};

/// Good hashes, but for the bits that choose the shard and the segment.
struct CrowdedPolicy : SmallPolicy {
  struct Hash {
    std::uint64_t operator()(std::string_view key) const noexcept {
      return replikv::DefaultPolicy::Hash{}(key) >> 24;
    }
  };
};

using Strings = replikv::Store<std::string, std::string>;

/// A store's role, without the role.
class Role {
 public:
  template <class Store>
  explicit Role(Store& store, WriteMode mode = WriteMode::streamed, std::uint32_t database = 0)
      : database_(&database_of(store)),
        stream(std::make_shared<replikv::CommandStream>(replikv::ReplicationId::random(random_), 1 << 20)),
        gate(std::make_shared<replikv::detail::WriteGate>(mode)),
        cursor_(stream->cursor_at_end()) {
    auto attachment = std::make_shared<replikv::detail::Attachment>();
    attachment->stream = stream;
    attachment->gate = gate;
    attachment->database = database;
    const auto error = database_->attach(std::move(attachment));
    REQUIRE(!error);
  }
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;
  ~Role() { database_->detach(); }

  /// What was appended since the last call, as the commands' words: "SET k v; DEL k".
  std::string effects() {
    const std::string bytes = bytes_appended();
    std::string text;
    for (std::size_t next = 0; next < bytes.size();) {
      if (bytes[next] == '*') {
        if (!text.empty()) text += "; ";
      } else {  // '$'
        const std::size_t size = std::stoul(bytes.substr(next + 1, 20));
        const std::size_t start = bytes.find('\n', next) + 1;
        if (!text.empty() && text.back() != ' ') text += ' ';
        text += bytes.substr(start, size);
        next = start + size;
      }
      next = bytes.find('\n', next) + 1;
    }
    return text;
  }

  std::string bytes_appended() {
    std::vector<replikv::SharedBytes> pieces;
    stream->read(cursor_, SIZE_MAX, pieces);
    std::string bytes;
    for (const auto& piece : pieces) bytes += replikv::as_text(piece.bytes());
    return bytes;
  }

 private:
  replikv::Random random_{7};
  Database* database_;

 public:
  std::shared_ptr<replikv::CommandStream> stream;
  std::shared_ptr<replikv::detail::WriteGate> gate;

 private:
  replikv::StreamCursor cursor_;
};

}  // namespace store_tests
