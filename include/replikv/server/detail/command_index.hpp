// Numbers for commands, so that a set of them is a row of bits: those of Redis, and those that exist here
// besides.
#pragma once

#include <replikv/resp/command.hpp>
#include <replikv/server/detail/command_catalogue.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// Which of its words a command uses as channels.
enum class ChannelUse : std::uint8_t { none, first, all, all_patterns };

/// A set of commands by their numbers. It says of commands that are not known yet, too, whether they belong
/// to it.
class CommandSet {
 public:
  [[nodiscard]] bool has(std::size_t number) const noexcept {
    return number / 64 < words_.size() ? (words_[number / 64] >> (number % 64) & 1) != 0 : has_rest_;
  }
  /// Whether commands that will be known some day belong to it.
  [[nodiscard]] bool has_rest() const noexcept { return has_rest_; }

  /// Every command, or none.
  [[nodiscard]] bool is_simple() const noexcept { return words_.empty(); }

  void put(std::size_t number, bool is_in) {
    if (number / 64 >= words_.size()) words_.resize(number / 64 + 1, filler());
    const std::uint64_t bit = std::uint64_t{1} << (number % 64);
    words_[number / 64] = is_in ? words_[number / 64] | bit : words_[number / 64] & ~bit;
  }
  /// Every command, known or not; or none.
  void put_all(bool is_in) noexcept {
    words_.clear();
    has_rest_ = is_in;
  }
  void put(const CommandSet& others, bool is_in) {
    if (others.words_.size() > words_.size()) words_.resize(others.words_.size(), filler());
    for (std::size_t i = 0; i < others.words_.size(); ++i) {
      words_[i] = is_in ? words_[i] | others.words_[i] : words_[i] & ~others.words_[i];
    }
  }

  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  /// How many of this one's are in `other`.
  [[nodiscard]] std::size_t shared_with(const CommandSet& other) const noexcept {
    std::size_t count = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::uint64_t theirs = i < other.words_.size() ? other.words_[i] : other.filler();
      count += static_cast<std::size_t>(std::popcount(words_[i] & theirs));
    }
    return count;
  }

 private:
  [[nodiscard]] std::uint64_t filler() const noexcept { return has_rest_ ? ~std::uint64_t{0} : 0; }

  std::vector<std::uint64_t> words_;
  bool has_rest_ = false;
};

class CommandIndex {
 public:
  using Number = std::size_t;

  struct Entry {
    std::string name;  // "config|get"
    std::uint32_t categories = 0;
    KeyAccess first_key = KeyAccess::none;
    KeyAccess other_keys = KeyAccess::none;
    ChannelUse channels = ChannelUse::none;
    std::optional<Number> container{};
    std::vector<Number> parts{};
  };

  CommandIndex() {
    for (const CataloguedCommand& each : catalogue::commands) {
      Entry& entry = entries_[learn(each.name, each.categories, KeyAccess::none)];
      entry.first_key = access_of(each.first_key);
      entry.other_keys = access_of(each.other_keys);
      entry.channels = channels_of(each.name);
    }
  }

  /// The number of a command, which is of these categories from now on. What one that is not Redis's does to
  /// its keys is `access`.
  Number learn(std::string_view name, std::uint32_t categories, KeyAccess access) {
    const auto known = by_name_.find(name);
    const Number number = known != by_name_.end() ? known->second : entries_.size();
    if (number == entries_.size()) {
      entries_.push_back({std::string(name), 0, access, access});
      by_name_.emplace(name, number);
      join_container(number);
    }
    entries_[number].categories = categories;
    put_in_categories(number);
    return number;
  }

  /// By its full name in any letter case.
  [[nodiscard]] std::optional<Number> find(std::string_view name) const {
    std::string lower(name);
    for (char& letter : lower) {
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    }
    const auto found = by_name_.find(lower);
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }

  [[nodiscard]] const Entry& operator[](Number number) const noexcept { return entries_[number]; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  /// The commands of a category, by its place among `category_names`.
  [[nodiscard]] const CommandSet& members(std::size_t category) const noexcept { return members_[category]; }
  /// Those, and all that are parts of them: what a rule about the category changes.
  [[nodiscard]] const CommandSet& reach(std::size_t category) const noexcept { return reach_[category]; }

 private:
  struct Hash {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };

  [[nodiscard]] static KeyAccess access_of(std::string_view letters) noexcept {
    const bool reads = letters.find('r') != std::string_view::npos;
    const bool writes = letters.find('w') != std::string_view::npos;
    return static_cast<KeyAccess>((reads ? 1 : 0) | (writes ? 2 : 0));
  }

  [[nodiscard]] static ChannelUse channels_of(std::string_view name) noexcept {
    if (name == "publish" || name == "spublish") return ChannelUse::first;
    if (name == "subscribe" || name == "ssubscribe") return ChannelUse::all;
    return name == "psubscribe" ? ChannelUse::all_patterns : ChannelUse::none;
  }

  void join_container(Number number) {
    const std::string& name = entries_[number].name;
    const std::size_t bar = name.find('|');
    if (bar == std::string::npos) return;
    const auto container = by_name_.find(std::string_view(name).substr(0, bar));
    if (container == by_name_.end()) return;
    entries_[number].container = container->second;
    entries_[container->second].parts.push_back(number);
  }

  void put_in_categories(Number number) {
    const Entry& entry = entries_[number];
    const std::uint32_t of_container = entry.container ? entries_[*entry.container].categories : 0;
    for (std::size_t i = 0; i < category_names.size(); ++i) {
      const std::uint32_t category = std::uint32_t{1} << i;
      members_[i].put(number, (entry.categories & category) != 0);
      reach_[i].put(number, ((entry.categories | of_container) & category) != 0);
      for (const Number part : entry.parts) {
        reach_[i].put(part, ((entries_[part].categories | entry.categories) & category) != 0);
      }
    }
  }

  std::vector<Entry> entries_;
  std::unordered_map<std::string, Number, Hash, std::equal_to<>> by_name_;
  std::array<CommandSet, category_names.size()> members_;
  std::array<CommandSet, category_names.size()> reach_;
};

}  // namespace replikv::inline v0_1::detail
