#include <replikv/stream/detail/block.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>

using replikv::as_bytes;
using replikv::as_text;
using replikv::Bytes;
using replikv::Offset;
using replikv::detail::Block;

TEST_CASE("Block: takes what fits and gives back the rest") {
  Block block{Offset{100}, 10};
  CHECK(block.start() == Offset{100});
  CHECK(block.end() == Offset{100});
  CHECK(block.capacity() == 10);
  CHECK(block.fill(as_bytes("abcdefg")).empty());
  CHECK(block.end() == Offset{107});
  CHECK(as_text(block.fill(as_bytes("hijkl"))) == "kl");
  CHECK(block.end() == Offset{110});
  CHECK(as_text(block.fill(as_bytes("m"))) == "m");
  CHECK(block.fill(Bytes{}).empty());
  CHECK(as_text(block.bytes_after(Offset{100})) == "abcdefghij");
  CHECK(as_text(block.bytes_after(Offset{107})) == "hij");
  CHECK(block.bytes_after(Offset{110}).empty());
}

TEST_CASE("Block: room is given out whole or not at all, and counts once it is committed") {
  Block block{Offset{0}, 8};
  CHECK(block.reserve(9) == nullptr);
  std::byte* place = block.reserve(8);
  REQUIRE(place != nullptr);
  std::memcpy(place, "12345", 5);
  CHECK(block.end() == Offset{0});
  block.commit(5);
  CHECK(block.end() == Offset{5});
  CHECK(block.reserve(4) == nullptr);
  CHECK(block.reserve(3) == place + 5);
  CHECK(as_text(block.bytes_after(Offset{0})) == "12345");
}

TEST_CASE("Block: bytes once written stay where they are while more come") {
  Block block{Offset{0}, 1'000};
  (void)block.fill(as_bytes("first"));
  const Bytes seen = block.bytes_after(Offset{0});
  while (block.fill(as_bytes("more")).empty()) {
  }
  CHECK(as_text(seen) == "first");
  CHECK(block.bytes_after(Offset{0}).data() == seen.data());
}

TEST_CASE("Block: who holds one holds all behind it, and none before it") {
  auto first = std::make_shared<Block>(Offset{0}, 1);
  auto second = std::make_shared<Block>(Offset{1}, 1);
  auto third = std::make_shared<Block>(Offset{2}, 1);
  first->link(second);
  second->link(third);
  const std::weak_ptr<Block> seen_first = first;
  const std::weak_ptr<Block> seen_third = third;
  third.reset();
  first.reset();
  CHECK(seen_first.expired());
  CHECK_FALSE(seen_third.expired());
  CHECK(second->next() == seen_third.lock());
  second.reset();
  CHECK(seen_third.expired());
}

TEST_CASE("Block: bytes that are shared outlive their block, and hold no other") {
  auto first = std::make_shared<Block>(Offset{0}, 16);
  auto second = std::make_shared<Block>(Offset{3}, 16);
  first->fill(as_bytes("abc"));
  first->link(second);
  const std::weak_ptr<Block> next = second;
  const auto shared = first->shared(first->bytes_after(Offset{1}));
  first.reset();
  second.reset();
  CHECK(next.expired());
  CHECK(as_text(shared.bytes()) == "bc");
}

TEST_CASE("Block: a chain too long for the call stack is destroyed, up to the first block somebody holds") {
  auto first = std::make_shared<Block>(Offset{0}, 1);
  auto last = first;
  std::shared_ptr<Block> held;
  for (std::uint64_t i = 1; i <= 200'000; ++i) {
    auto next = std::make_shared<Block>(Offset{i}, 1);
    last->link(next);
    last = std::move(next);
    if (i == 100'000) held = last;
  }
  const std::weak_ptr<Block> end = last;
  last.reset();
  first.reset();
  CHECK_FALSE(end.expired());
  CHECK(held.use_count() == 1);
  held.reset();
  CHECK(end.expired());
}
