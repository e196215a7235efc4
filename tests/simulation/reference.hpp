// What a store must hold, said a second time and as simply as possible: a command stream, read by a parser
// of its own and folded into maps. The judge of the simulation; it uses nothing of what it judges.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace simulation {

struct Entry {
  std::string value;
  std::optional<std::int64_t> expires_at_ms;

  friend bool operator==(const Entry&, const Entry&) = default;
};

/// Some keys of databases, as (database, key).
using KeyList = std::vector<std::pair<std::size_t, std::string>>;

/// A stream that cannot be right by itself.
class BadStream : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Reference {
 public:
  static constexpr std::size_t databases = 2;
  using Keys = std::map<std::string, Entry, std::less<>>;

  /// Folds whole commands. Appends the keys they name to `touched`. Throws BadStream when the bytes end
  /// inside a command or a transaction, or hold something a master never streams.
  void fold(std::string_view bytes, KeyList& touched) {
    bool in_transaction = false;
    while (!bytes.empty()) {
      const auto command = take_command(bytes);
      if (command[0] == "MULTI") {
        if (std::exchange(in_transaction, true)) throw BadStream("MULTI inside MULTI");
      } else if (command[0] == "EXEC") {
        if (!std::exchange(in_transaction, false)) throw BadStream("EXEC without MULTI");
      } else {
        apply(command, touched);
      }
    }
    if (in_transaction) throw BadStream("the bytes end inside a transaction");
  }

  [[nodiscard]] const Keys& keys(std::size_t database) const { return keys_.at(database); }

  [[nodiscard]] const Entry* find(std::size_t database, std::string_view key) const {
    const auto found = keys_.at(database).find(key);
    return found == keys_.at(database).end() ? nullptr : &found->second;
  }

  void forget_database() { database_ = none; }

  friend bool operator==(const Reference&, const Reference&) = default;

 private:
  using Words = std::vector<std::string_view>;
  static constexpr std::size_t none = ~std::size_t{0};

  static std::size_t take_number(std::string_view& bytes, char mark) {
    if (bytes.empty() || bytes.front() != mark)
      throw BadStream("no " + std::string(1, mark) + " where one must be");
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(bytes.data() + 1, bytes.data() + bytes.size(), number);
    if (error != std::errc{}) throw BadStream("a length that is no number");
    bytes.remove_prefix(static_cast<std::size_t>(end - bytes.data()));
    if (!bytes.starts_with("\r\n")) throw BadStream("a line without its end");
    bytes.remove_prefix(2);
    return number;
  }

  static Words take_command(std::string_view& bytes) {
    Words words(take_number(bytes, '*'));
    if (words.empty()) throw BadStream("an empty command");
    for (auto& word : words) {
      const std::size_t size = take_number(bytes, '$');
      if (bytes.size() < size + 2) throw BadStream("the bytes end inside a command");
      word = bytes.substr(0, size);
      if (bytes.substr(size, 2) != "\r\n") throw BadStream("a word without its end");
      bytes.remove_prefix(size + 2);
    }
    return words;
  }

  static std::int64_t number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) throw BadStream("not a number");
    return value;
  }

  void apply(const Words& words, KeyList& touched) {
    const std::string_view name = words[0];
    if (name == "ping" || name == "PUBLISH" || (name == "REPLCONF" && words[1] == "GETACK")) return;
    if (name == "SELECT") {
      database_ = static_cast<std::size_t>(number(words[1]));
      if (database_ >= databases) throw BadStream("a database nobody has");
      return;
    }
    if (database_ == none) throw BadStream("a write before the first SELECT");
    Keys& keys = keys_[database_];
    const auto touch = [&](std::string_view key) { touched.emplace_back(database_, key); };
    if (name == "FLUSHDB") {
      for (const auto& [key, entry] : keys) touch(key);
      return keys.clear();
    }
    if (name == "MSET") {
      for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
        touch(words[i]);
        keys.insert_or_assign(std::string(words[i]), Entry{std::string(words[i + 1]), {}});
      }
      return;
    }
    touch(words[1]);
    if (name == "SET") return set(keys, words);
    if (name == "DEL") {
      for (std::size_t i = 1; i < words.size(); ++i) keys.erase(std::string(words[i]));
      return;
    }
    const auto found = keys.find(words[1]);
    if (found == keys.end()) throw BadStream(std::string(name) + " of a key that is not there");
    if (name == "PERSIST") {
      found->second.expires_at_ms.reset();
    } else if (name == "PEXPIREAT") {
      found->second.expires_at_ms = number(words[2]);
    } else {
      throw BadStream("a command no master streams: " + std::string(name));
    }
  }

  static void set(Keys& keys, const Words& words) {
    Entry& entry = keys[std::string(words[1])];
    entry.value = words[2];
    if (words.size() == 4 && words[3] == "KEEPTTL") return;
    entry.expires_at_ms.reset();
    if (words.size() == 5 && words[3] == "PXAT") entry.expires_at_ms = number(words[4]);
  }

  std::array<Keys, databases> keys_;
  std::size_t database_ = none;
};

}  // namespace simulation
