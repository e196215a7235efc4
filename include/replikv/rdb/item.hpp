// What an RDB file consists of, as `Reader` hands it out.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace replikv::inline v0_1::rdb {

/// A fact about the file or its writer; unknown ones are to be ignored.
struct Auxiliary {
  std::string_view key;
  std::string_view value;

  friend bool operator==(const Auxiliary&, const Auxiliary&) = default;
};

/// The database of the entries that follow.
struct SelectDatabase {
  std::uint64_t database;

  friend bool operator==(const SelectDatabase&, const SelectDatabase&) = default;
};

/// A hint, to be distrusted: how many keys the database holds, and how many of them expire.
struct ResizeDatabase {
  std::uint64_t keys;
  std::uint64_t expires;

  friend bool operator==(const ResizeDatabase&, const ResizeDatabase&) = default;
};

/// A key with a string value.
struct Entry {
  std::string_view key;
  std::string_view value;
  std::optional<std::int64_t> expire_at_ms;  ///< milliseconds since the Unix epoch

  friend bool operator==(const Entry&, const Entry&) = default;
};

/// A key with a value of another type, which was passed over whole.
struct SkippedEntry {
  std::uint8_t type;  ///< see `value_type`
  std::string_view key;
  std::optional<std::int64_t> expire_at_ms;

  friend bool operator==(const SkippedEntry&, const SkippedEntry&) = default;
};

/// A library of server-side functions, passed over.
struct SkippedFunction {
  friend bool operator==(const SkippedFunction&, const SkippedFunction&) = default;
};

/// Data of a module that belongs to no key, passed over.
struct SkippedModuleAuxiliary {
  friend bool operator==(const SkippedModuleAuxiliary&, const SkippedModuleAuxiliary&) = default;
};

/// The file ended as it should.
struct End {
  bool checksum_verified;  ///< false: the writer had not computed one

  friend bool operator==(const End&, const End&) = default;
};

using Item = std::variant<Entry, Auxiliary, SelectDatabase, ResizeDatabase, SkippedEntry, SkippedFunction,
                          SkippedModuleAuxiliary, End>;

}  // namespace replikv::inline v0_1::rdb
