// How the line that says how a command is called becomes the tree of its arguments.
#include <replikv/server/detail/command_docs.hpp>
#include <replikv/server/detail/command_usage.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using replikv::detail::CommandArgument;
using replikv::detail::UsageReader;

/// "name:type", what stands before it, how often it comes, and what is in it.
std::string text_of(const std::vector<CommandArgument>& arguments) {
  std::string all;
  for (const auto& each : arguments) {
    all += all.empty() ? "" : " ";
    if (!each.token.empty()) all += each.token + "=";
    all += each.name + ":" + std::string(each.type);
    if (each.kind_of_key) all += "#" + std::to_string(*each.kind_of_key);
    if (each.is_optional) all += "?";
    if (each.is_multiple) all += "*";
    if (each.repeats_token) all += "+";
    if (!each.parts.empty()) all += "{" + text_of(each.parts) + "}";
  }
  return all;
}
std::string read(std::string_view usage) { return text_of(UsageReader::read(usage)); }

TEST_CASE("A command without arguments has an empty usage") {
  CHECK(read("").empty());
  CHECK(read("  ").empty());
}

TEST_CASE("The type of a value follows from its name, or stands behind it") {
  CHECK(read("key value") == "key:key#0 value:string");
  CHECK(read("source destination#1") == "source:key#0 destination:key#1");
  CHECK(read("seconds unix-time-seconds pattern") ==
        "seconds:integer unix-time-seconds:unix-time pattern:pattern");
  CHECK(read("value:integer increment:double thing:key#2") == "value:integer increment:double thing:key#2");
  CHECK(read("ip:port yes/no") == "ip:port:string yes/no:string");  // no type
  CHECK(read("pattern#1") == "pattern:pattern#1");
}

TEST_CASE("A word in capitals stands for itself, or before its value") {
  CHECK(read("NO ONE") == "NO=no:pure-token ONE=one:pure-token");
  CHECK(read("EX seconds") == "EX=seconds:integer");
  CHECK(read("[REPLACE] [LIB-NAME name]") == "REPLACE=replace:pure-token? LIB-NAME=name:string?");
  CHECK(read("LIMIT (offset count)") == "LIMIT=offset_count:block{offset:integer count:integer}");
  CHECK(read("ID all=(id)") == "ID=all:block{id:string}");
  CHECK(read("sorting=ALPHA") == "ALPHA=sorting:pure-token");
}

TEST_CASE("Brackets join, leave a choice, or leave out") {
  CHECK(read("[a]") == "a:string?");
  CHECK(read("(a)") == "a:string");
  CHECK(read("[a b]") == "a_b:block?{a:string b:string}");
  CHECK(read("all=[a b]") == "all:block?{a:string b:string}");
  CHECK(read("all=(a)") == "all:block{a:string}");
  CHECK(read("(a|B)") == "a_b:oneof{a:string B=b:pure-token}");
  CHECK(read("x=[a | b c | d=(e)]") == "x:oneof?{a:string b_c:block{b:string c:string} d:block{e:string}}");
  CHECK(read("[a [b [c]]]") == "a_b_c:block?{a:string b_c:block?{b:string c:string?}}");
}

TEST_CASE("Dots follow what may come several times") {
  CHECK(read("key...") == "key:key#0*");
  CHECK(read("key ...") == "key:key#0*");
  CHECK(read("[key...]") == "key:key#0?*");
  CHECK(read("(key value)...") == "key_value:block*{key:key#0 value:string}");
  CHECK(read("[GET pattern...]") == "GET=pattern:pattern?*");   // GET once
  CHECK(read("[GET pattern]...") == "GET=pattern:pattern?*+");  // GET each time
  CHECK(read("[a|b]...") == "a_b:oneof?*{a:string b:string}");
}

TEST_CASE("A text that is no usage is refused") {
  for (const std::string_view wrong :
       {"(",  "[a", "a)",  "a]", "(a]", "[a)", "()",      "[]",    "(|a)",    "[a|]",      "a|b",
        "=a", "a=", "...", "a#", "a#x", "#1",  "A (B c)", "a=...", "a......", "(((((((((("}) {
    CAPTURE(std::string(wrong));
    CHECK_THROWS_AS((void)read(wrong), std::invalid_argument);
  }
}

TEST_CASE("No part of a usage that was cut off does harm") {
  for (const auto& group : replikv::detail::docs::groups) {
    for (const auto& doc : group.commands) {
      CAPTURE(std::string(doc.name));
      CHECK_NOTHROW((void)read(doc.usage));
      for (std::size_t size = 0; size < doc.usage.size(); ++size) {
        const std::string part(doc.usage.substr(0, size));  // a buffer of its own, for sanitizers
        try {
          (void)read(part);
        } catch (const std::invalid_argument&) {
        }
      }
    }
  }
}

}  // namespace
