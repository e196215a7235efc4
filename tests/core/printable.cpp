#include <replikv/core/detail/printable.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using replikv::detail::printable;
using namespace std::string_view_literals;

TEST_CASE("printable: whatever could do more than be read is escaped") {
  CHECK(printable("plain text, \"quoted\" ~", 100) == "plain text, \"quoted\" ~");
  CHECK(printable("a\r\n\0\t\x1b\x7f"sv, 100) == "a\\x0d\\x0a\\x00\\x09\\x1b\\x7f");
  CHECK(printable("\xc2\x9b\xff", 100) == "\\xc2\\x9b\\xff");
  CHECK(printable("\\x0a", 100) == "\\x5cx0a");
  for (int byte = 0; byte < 256; ++byte) {
    for (const char character : printable(std::string(1, static_cast<char>(byte)), 1)) {
      CHECK(character >= 0x20);
      CHECK(character < 0x7f);
    }
  }
}

TEST_CASE("printable: long texts are cut, and say so") {
  CHECK(printable("abc", 3) == "abc");
  CHECK(printable("abcd", 3) == "abc...");
  CHECK(printable("", 0).empty());
}
