// LZF: what was compressed comes back; what claims to be compressed is measured rightly, and never writes
// or reads beyond its memory.

#include <replikv/rdb/lzf.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tests/fuzz/fuzz.hpp>
#include <vector>

using fuzz::require;
namespace rdb = replikv::rdb;

namespace {

void decompress(std::string_view bytes) {
  const fuzz::ExactCopy compressed(bytes);
  const auto size = rdb::lzf_decompressed_size(compressed.text());
  if (!size) {
    std::vector<char> out(bytes.size() * 4 + 1);
    require(!rdb::lzf_decompress(compressed.text(), out.data(), out.size()), "what is cut short is refused");
    return;
  }
  require(*size <= 88 * bytes.size(), "no output is more than 88 times its input");
  std::vector<char> out(*size);
  const bool sound = rdb::lzf_decompress(compressed.text(), out.data(), out.size());
  if (*size > 0) {
    std::vector<char> less(*size - 1);
    require(!rdb::lzf_decompress(compressed.text(), less.data(), less.size()), "a smaller size is refused");
  }
  std::vector<char> more(*size + 1);
  require(!rdb::lzf_decompress(compressed.text(), more.data(), more.size()), "a greater size is refused");
  if (!sound) return;
  std::string again;
  const std::string_view text(out.data(), out.size());
  if (rdb::lzf_compress(text, again)) {
    std::vector<char> back(text.size());
    require(rdb::lzf_decompress(again, back.data(), back.size()) &&
                std::equal(back.begin(), back.end(), out.begin()),
            "what was compressed again comes back");
  }
}

void compress(std::string_view bytes) {
  const fuzz::ExactCopy text(bytes);
  std::string out = "before";
  if (!rdb::lzf_compress(text.text(), out))
    return require(out == "before", "what does not pay leaves no trace");
  const std::string_view compressed = std::string_view(out).substr(6);
  require(compressed.size() + 4 <= bytes.size(), "compression pays");
  require(rdb::lzf_decompressed_size(compressed) == bytes.size(), "the size is that of the text");
  std::string back(bytes.size(), '\0');
  require(rdb::lzf_decompress(compressed, back.data(), back.size()) && back == bytes, "the text comes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::Input(data, size).rest();
  decompress(bytes);
  compress(bytes);
  return 0;
}
