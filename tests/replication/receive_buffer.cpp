#include <replikv/core/random.hpp>
#include <replikv/replication/detail/outbox.hpp>
#include <replikv/replication/detail/receive_buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using replikv::as_bytes;
using replikv::as_text;
using replikv::Bytes;
using replikv::Random;
using replikv::SharedBytes;
using replikv::detail::Outbox;
using replikv::detail::ReceiveBuffer;

TEST_CASE("ReceiveBuffer: what is whole is seen where it arrived, without a copy") {
  ReceiveBuffer buffer;
  const std::string arrived = "abcdef";
  buffer.feed(as_bytes(arrived), [&arrived](Bytes all) {
    CHECK(static_cast<const void*>(all.data()) == arrived.data());
    CHECK(all.size() == 6);
    return all.size();
  });
  CHECK(buffer.size() == 0);
}

TEST_CASE("ReceiveBuffer: what was not consumed comes again, with what arrives next behind it") {
  ReceiveBuffer buffer;
  std::vector<std::string> seen;
  const auto feed = [&](std::string_view arrived, std::size_t consumed) {
    buffer.feed(as_bytes(arrived), [&](Bytes all) {
      seen.emplace_back(as_text(all));
      return consumed;
    });
  };
  feed("abc", 1);
  CHECK(buffer.size() == 2);
  feed("", 0);
  feed("def", 0);
  feed("g", 4);
  CHECK(buffer.size() == 2);
  feed("h", 3);
  CHECK(buffer.size() == 0);
  feed("i", 1);
  CHECK(seen == std::vector<std::string>{"abc", "bc", "bcdef", "bcdefg", "fgh", "i"});
}

TEST_CASE("ReceiveBuffer: once what was cut is whole, the rest is seen where it arrived") {
  ReceiveBuffer buffer;
  const auto lines = [](Bytes all) { return as_text(all).rfind('\n') + 1; };
  buffer.feed(as_bytes("begun"), lines);
  std::string arrived = " line\n";
  while (arrived.size() < 100'000) arrived += "another line\n";
  std::size_t copied = 0;
  std::size_t seen = 0;
  buffer.feed(as_bytes(arrived), [&](Bytes all) {
    const auto* const begin = reinterpret_cast<const char*>(all.data());
    const bool is_in_place = begin >= arrived.data() && begin < arrived.data() + arrived.size();
    const std::size_t taken = lines(all);
    seen += taken;
    copied += is_in_place ? 0 : taken;
    return taken;
  });
  CHECK(seen == std::string_view("begun").size() + arrived.size());
  CHECK(copied < 2'000);
  CHECK(buffer.size() == 0);
}

TEST_CASE("ReceiveBuffer: clear forgets what was kept") {
  ReceiveBuffer buffer;
  buffer.feed(as_bytes("abc"), [](Bytes) { return std::size_t{0}; });
  buffer.clear();
  CHECK(buffer.size() == 0);
  buffer.feed(as_bytes("d"), [](Bytes all) {
    CHECK(as_text(all) == "d");
    return all.size();
  });
}

TEST_CASE("ReceiveBuffer: in any pieces, with anything consumed of each, no byte is lost or seen twice") {
  constexpr std::uint64_t seed = 31;
  CAPTURE(seed);
  Random random{seed};
  for (int round = 0; round < 200; ++round) {
    std::string sent(random.below(5'000), '\0');
    for (char& c : sent) c = static_cast<char>(random());
    ReceiveBuffer buffer;
    std::string consumed;
    for (std::size_t at = 0; at < sent.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random.below(300), sent.size() - at);
      buffer.feed(as_bytes(std::string_view(sent).substr(at, size)), [&](Bytes all) {
        const std::size_t taken = random.below(all.size() + 1);
        consumed += as_text(all.first(taken));
        return taken;
      });
      at += size;
      REQUIRE(consumed.size() + buffer.size() == at);
    }
    buffer.feed({}, [&](Bytes all) {
      consumed += as_text(all);
      return all.size();
    });
    REQUIRE((consumed == sent));
  }
}

TEST_CASE("ReceiveBuffer: the memory of a giant goes with it, though there are always a few bytes more") {
  ReceiveBuffer buffer;
  const std::string giant(20'000'000, 'x');
  buffer.feed(as_bytes(giant), [](Bytes) { return std::size_t{0}; });
  CHECK(buffer.capacity() >= giant.size());
  const auto finish = [&giant](Bytes all) { return all.size() > giant.size() ? giant.size() : 0; };
  buffer.feed(as_bytes("tail"), finish);
  CHECK(buffer.size() == 4);
  CHECK(buffer.capacity() < 1'000);

  ReceiveBuffer small{1'000};
  small.feed(as_bytes(giant), [](Bytes) { return std::size_t{0}; });
  small.feed({}, [](Bytes all) { return all.size(); });
  CHECK(small.capacity() < 1'000);
}

TEST_CASE("Outbox: gives back what was put, in order, whole buffers up to the amount asked for") {
  Outbox outbox;
  CHECK(outbox.empty());
  outbox.put(std::string("abc"));
  outbox.put(std::string());  // nothing to send
  outbox.put(SharedBytes());
  outbox.put(SharedBytes(std::string("defg")));
  outbox.put(std::string("h"));
  CHECK(outbox.queued_bytes() == 8);

  std::vector<SharedBytes> out;
  CHECK(outbox.take(0, out) == 0);
  CHECK(outbox.take(4, out) == 7);
  CHECK(outbox.queued_bytes() == 1);
  CHECK_FALSE(outbox.empty());
  CHECK(outbox.take(100, out) == 1);
  CHECK(outbox.empty());
  CHECK(outbox.take(100, out) == 0);
  std::vector<std::string> texts;
  for (const SharedBytes& bytes : out) texts.emplace_back(as_text(bytes.bytes()));
  CHECK(texts == std::vector<std::string>{"abc", "defg", "h"});
}

TEST_CASE("Outbox: many small texts are one buffer, in order with others") {
  Outbox outbox;
  for (int i = 0; i < 1'000; ++i) outbox.put("+OK\r\n");
  outbox.put(SharedBytes(std::string("block")));
  outbox.put("+OK\r\n");
  CHECK(outbox.queued_bytes() == 5'010);
  std::vector<SharedBytes> out;
  CHECK(outbox.take(1, out) == 5'000);
  CHECK(outbox.take(100, out) == 10);
  REQUIRE(out.size() == 3);
  CHECK(as_text(out[1].bytes()) == "block");
  outbox.put("x");
  outbox.clear();
  CHECK(outbox.empty());
  CHECK(outbox.take(100, out) == 0);
}
