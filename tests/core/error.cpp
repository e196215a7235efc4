#include <replikv/core/error.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <set>
#include <string>
#include <system_error>

namespace {

using replikv::Errc;

TEST_CASE("Errc: every code has words of its own") {
  std::set<std::string> words;
  for (int code = 1; code <= static_cast<int>(Errc::not_mirrored); ++code) {
    const std::string message = make_error_code(static_cast<Errc>(code)).message();
    CAPTURE(code);
    CHECK(message != "unknown error");
    CHECK(words.insert(message).second);
  }
  CHECK(make_error_code(static_cast<Errc>(9999)).message() == "unknown error");
}

TEST_CASE("Errc: converts to an error code of the category replikv") {
  const std::error_code error = Errc::read_only;
  CHECK(error);
  CHECK(error == Errc::read_only);
  CHECK(error != Errc::timeout);
  CHECK(error.category() == replikv::error_category());
  CHECK(std::string(error.category().name()) == "replikv");
  CHECK(error.message() == "READONLY You can't write against a read only replica.");
}

TEST_CASE("Failure: says the particulars behind the code's words") {
  CHECK(replikv::Failure{Errc::refused, ""}.message() == "connection refused");
  CHECK(replikv::Failure{Errc::refused, "port 1"}.message() == "connection refused: port 1");
  const std::string quoted = "AUTH was answered: " + make_error_code(Errc::wrong_password).message();
  CHECK(replikv::Failure{Errc::wrong_password, quoted}.message() == quoted);  // once is enough
}

TEST_CASE("Error: is thrown for a code and carries it") {
  CHECK_NOTHROW(replikv::detail::throw_if({}));
  try {
    replikv::detail::throw_if(Errc::too_large);
    FAIL("nothing was thrown");
  } catch (const replikv::Error& error) {
    CHECK(error.code() == Errc::too_large);
  }
}

}  // namespace
