// Rules of access in the field's own language: what one user may do. Reads them, applies them, writes them
// down again, and judges calls by them.
#pragma once

#include <replikv/core/detail/secret.hpp>
#include <replikv/resp/command.hpp>
#include <replikv/resp/inline_request.hpp>
#include <replikv/server/detail/command_index.hpp>
#include <replikv/server/detail/glob.hpp>
#include <replikv/server/detail/quoted.hpp>
#include <replikv/server/detail/sha256.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// What is wrong with a rule, in the words of Redis; no rule fails with an empty text.
namespace rule_error {
inline constexpr std::string_view syntax = "Syntax error";
inline constexpr std::string_view unknown_command = "Unknown command or category name in ACL";
inline constexpr std::string_view after_all_keys =
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. "
    "Try 'resetkeys' to start with an empty list of patterns";
inline constexpr std::string_view after_all_channels =
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any "
    "effect. Try 'resetchannels' to start with an empty list of channels";
inline constexpr std::string_view no_such_password =
    "The password you are trying to remove from the user does not exist";
inline constexpr std::string_view not_a_hash =
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
inline constexpr std::string_view part_of_part = "Allowing first-arg of a subcommand is not supported";
}  // namespace rule_error

/// True when two words are the same but for letter case.
[[nodiscard]] inline bool is_same_word(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&lower](char x, char y) { return lower(x) == lower(y); });
}

[[nodiscard]] inline bool has_space_or_null(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == 0 || c == ' ' || (c >= '\t' && c <= '\r'); });
}

[[nodiscard]] inline std::string in_quotes(std::string_view text) {
  std::string quoted;
  append_quoted(quoted, text);
  return quoted;
}

/// Words with quotes around those that a configuration file would not read as they are.
[[nodiscard]] inline std::string with_quotes(std::string_view words) {
  const auto is_special = [](char c) { return c == '"' || c == '\'' || c <= ' ' || c > '~'; };
  std::string line;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    if (!line.empty()) line += ' ';
    line += std::any_of(word.begin(), word.end(), is_special) ? in_quotes(word) : std::string(word);
    words.remove_prefix(std::min(word.size() + 1, words.size()));
  }
  return line;
}

/// Texts of rules in the order in which they came, each once. Adding many takes no longer each than a few do.
class RuleTexts {
 public:
  struct Text {
    std::string text;
    KeyAccess access = KeyAccess::none;  // of patterns of keys
  };

  RuleTexts() = default;
  RuleTexts(const RuleTexts& other) : all_(other.all_) {}
  RuleTexts(RuleTexts&&) = default;
  RuleTexts& operator=(const RuleTexts& other) {
    all_ = other.all_;
    places_.clear();
    return *this;
  }
  RuleTexts& operator=(RuleTexts&&) = default;
  ~RuleTexts() = default;

  void add(std::string_view text, KeyAccess access = KeyAccess::none) {
    const std::size_t at = find(text);
    if (at < all_.size()) {
      all_[at].access = static_cast<KeyAccess>(static_cast<int>(all_[at].access) | static_cast<int>(access));
      return;
    }
    all_.push_back({std::string(text), access});
    if (!places_.empty()) places_.emplace(all_.back().text, at);
  }
  /// False: it was not there.
  bool remove(std::string_view text) {
    const std::size_t at = find(text);
    if (at == all_.size()) return false;
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(at));
    places_.clear();
    return true;
  }
  void clear() noexcept {
    all_.clear();
    places_.clear();
  }

  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] auto begin() const noexcept { return all_.begin(); }
  [[nodiscard]] auto end() const noexcept { return all_.end(); }

 private:
  static constexpr std::size_t few = 32;

  // Its place, or the number of texts.
  [[nodiscard]] std::size_t find(std::string_view text) {
    if (all_.size() <= few) {
      const auto is_it = [text](const Text& each) { return each.text == text; };
      return static_cast<std::size_t>(std::find_if(all_.begin(), all_.end(), is_it) - all_.begin());
    }
    if (places_.empty()) {
      for (std::size_t i = 0; i < all_.size(); ++i) places_.emplace(all_[i].text, i);
    }
    const auto found = places_.find(std::string(text));
    return found == places_.end() ? all_.size() : found->second;
  }

  std::vector<Text> all_;
  std::unordered_map<std::string, std::size_t> places_;  // of many
};

/// Why a call is refused. Of the reasons that several selectors have, the last named here is told.
enum class Denied : std::uint8_t { nothing, command, key, channel };

struct Verdict {
  Denied what = Denied::nothing;
  std::size_t place = 0;      // among keys or channels
  std::string_view object{};  // the key or channel
};

/// A call that asks for permission.
struct JudgedCall {
  CommandIndex::Number number;
  const CommandIndex::Entry& command;
  bool is_for_everyone;  // also before login: AUTH, QUIT
  resp::Arguments words;
  std::span<const std::string_view> keys;

  /// What it does to a key, by the key's place among its keys.
  ///
  /// Source  Redis 7.0: the key specifications of commands; SET and BITFIELD by their options
  [[nodiscard]] KeyAccess access(std::size_t place) const noexcept {
    if (command.name == "set") return set_reads() ? KeyAccess::read_write : KeyAccess::write;
    if (command.name == "bitfield") return bitfield_writes() ? KeyAccess::read_write : KeyAccess::read;
    return place == 0 ? command.first_key : command.other_keys;
  }

 private:
  [[nodiscard]] bool set_reads() const noexcept {
    return words.size() > 3 && std::any_of(words.begin() + 3, words.end(),
                                           [](std::string_view word) { return is_same_word(word, "get"); });
  }
  // What is not understood might write.
  [[nodiscard]] bool bitfield_writes() const noexcept {
    for (std::size_t i = 2; i < words.size(); ++i) {
      const std::size_t left = words.size() - i - 1;
      if (is_same_word(words[i], "get") && left >= 2) {
        i += 2;
      } else if (is_same_word(words[i], "overflow") && left >= 1) {
        i += 1;
      } else {
        return true;
      }
    }
    return false;
  }
};

/// What users and selectors may hear before a rule says so (Redis: acl-pubsub-default).
enum class NewChannels : std::uint8_t { none, all };

/// Commands, keys and channels that may be used together.
class Selector {
 public:
  /// What is wrong with the rule; nothing has changed then.
  [[nodiscard]] std::string_view apply(std::string_view rule, const CommandIndex& index) {
    if (is_same_word(rule, "allkeys") || rule == "~*") return set_all_keys(true), std::string_view();
    if (is_same_word(rule, "resetkeys")) return set_all_keys(false), std::string_view();
    if (is_same_word(rule, "allchannels") || rule == "&*") return set_all_channels(true), std::string_view();
    if (is_same_word(rule, "resetchannels")) return set_all_channels(false), std::string_view();
    if (is_same_word(rule, "allcommands") || is_same_word(rule, "+@all"))
      return set_all_commands(true), std::string_view();
    if (is_same_word(rule, "nocommands") || is_same_word(rule, "-@all"))
      return set_all_commands(false), std::string_view();
    if (rule.starts_with('~') || rule.starts_with('%')) return add_keys(rule);
    if (rule.starts_with('&')) return add_channels(rule.substr(1));
    if (rule.starts_with("+@") || rule.starts_with("-@")) {
      return set_category(rule.substr(2), rule.starts_with('+'), index);
    }
    if (rule.starts_with('+')) return add_command(rule.substr(1), index);
    if (rule.starts_with('-')) {
      const auto number = index.find(rule.substr(1));
      if (!number) return rule_error::unknown_command;
      put_command(*number, false, index);
      return {};
    }
    return rule_error::syntax;
  }

  [[nodiscard]] bool allows_everything() const noexcept {
    return all_commands_ && all_keys_ && all_channels_;
  }
  [[nodiscard]] bool allows_all_channels() const noexcept { return all_channels_; }
  void set_all_channels(bool all) noexcept {
    all_channels_ = all;
    channels_.clear();
  }

  [[nodiscard]] Verdict judge(const JudgedCall& call) const {
    if (!all_commands_ && !call.is_for_everyone && !commands_.has(call.number) && !allows_first(call)) {
      return {Denied::command};
    }
    if (!all_keys_) {
      for (std::size_t i = 0; i < call.keys.size(); ++i) {
        if (!allows_key(call.keys[i], call.access(i))) return {Denied::key, i, call.keys[i]};
      }
    }
    return judge_channels(call);
  }

  /// Whether there is no key that may not be accessed so.
  [[nodiscard]] bool allows_any_key(KeyAccess wanted) const noexcept {
    const auto needed = static_cast<int>(wanted);
    return all_keys_ || std::any_of(keys_.begin(), keys_.end(), [needed](const RuleTexts::Text& rule) {
             return rule.text == "*" && (static_cast<int>(rule.access) & needed) == needed;
           });
  }

  /// A pattern that is subscribed to must be one of the rules', word for word.
  [[nodiscard]] bool allows_channel(std::string_view channel, bool is_pattern) const noexcept {
    return all_channels_ || std::any_of(channels_.begin(), channels_.end(), [=](const RuleTexts::Text& rule) {
             return is_pattern ? rule.text == channel : glob_matches(rule.text, channel);
           });
  }

  // --- As text --------------------------------------------------------------------------------------

  [[nodiscard]] std::string keys_text() const {
    if (all_keys_) return "~*";
    std::string text;
    for (const auto& [pattern, access] : keys_) {
      if (!text.empty()) text += ' ';
      text += access == KeyAccess::read_write ? "~" : access == KeyAccess::read ? "%R~" : "%W~";
      text += pattern;
    }
    return text;
  }

  [[nodiscard]] std::string channels_text() const {
    if (all_channels_) return "&*";
    std::string text;
    for (const auto& channel : channels_) text.append(text.empty() ? "&" : " &").append(channel.text);
    return text;
  }

  /// The commands by as few rules as the categories allow; written again, they mean the same.
  [[nodiscard]] std::string commands_text(const CommandIndex& index) const {
    const bool adds = !commands_.has_rest();
    std::string text = adds ? "-@all" : "+@all";
    if (commands_.is_simple() && first_words_.empty()) return text;
    Selector described;
    described.set_all_commands(!adds);
    describe_categories(index, adds, text, described);
    for (CommandIndex::Number i = 0; i < index.size(); ++i) {
      if (index[i].container) continue;
      describe_command(i, index, text, described);
      for (const CommandIndex::Number part : index[i].parts) describe_command(part, index, text, described);
    }
    return text;
  }

  /// As ACL LIST has it.
  [[nodiscard]] std::string text(const CommandIndex& index) const {
    std::string text = keys_text();
    if (!text.empty()) text += ' ';
    if (!all_channels_) text += "resetchannels ";
    if (const std::string channels = channels_text(); !channels.empty()) text += channels + " ";
    return text + commands_text(index);
  }

 private:
  // --- Applying -------------------------------------------------------------------------------------

  void set_all_keys(bool all) noexcept {
    all_keys_ = all;
    keys_.clear();
  }
  void set_all_commands(bool all) noexcept {
    all_commands_ = all;
    commands_.put_all(all);
    first_words_.clear();
  }

  // "~pattern", or "%R~pattern": the pattern follows the letters, or the end does.
  [[nodiscard]] std::string_view add_keys(std::string_view rule) {
    if (all_keys_) return rule_error::after_all_keys;
    int access = 0;
    std::size_t at = 1;
    if (rule.front() == '~') access = static_cast<int>(KeyAccess::read_write);
    for (bool goes_on = rule.front() == '%'; goes_on && at < rule.size(); ++at) {
      const bool reads = rule[at] == 'R' || rule[at] == 'r';
      const int letter = reads ? 1 : rule[at] == 'W' || rule[at] == 'w' ? 2 : 0;
      goes_on = letter != 0 && (access & letter) == 0;
      if (!goes_on && rule[at] != '~') return rule_error::syntax;
      access |= letter;
    }
    if (access == 0) return rule_error::syntax;
    const std::string_view pattern = rule.substr(at);
    if (has_space_or_null(pattern)) return rule_error::syntax;
    keys_.add(pattern, static_cast<KeyAccess>(access));
    return {};
  }

  [[nodiscard]] std::string_view add_channels(std::string_view pattern) {
    if (all_channels_) return rule_error::after_all_channels;
    if (has_space_or_null(pattern)) return rule_error::syntax;
    channels_.add(pattern);
    return {};
  }

  [[nodiscard]] std::string_view set_category(std::string_view name, bool is_allowed,
                                              const CommandIndex& index) {
    for (std::size_t i = 0; i < category_names.size(); ++i) {
      if (!is_same_word(name, category_names[i])) continue;
      commands_.put(index.reach(i), is_allowed);
      all_commands_ = all_commands_ && is_allowed;
      std::erase_if(first_words_, [&index, i](const auto& each) { return index.reach(i).has(each.first); });
      return {};
    }
    return rule_error::unknown_command;
  }

  void put_command(CommandIndex::Number number, bool is_allowed, const CommandIndex& index) {
    commands_.put(number, is_allowed);
    for (const CommandIndex::Number part : index[number].parts) commands_.put(part, is_allowed);
    all_commands_ = all_commands_ && is_allowed;
    first_words_.erase(number);
  }

  // "get", "config|get", or "select|0": a command with this first argument only.
  [[nodiscard]] std::string_view add_command(std::string_view name, const CommandIndex& index) {
    const std::size_t bar = name.rfind('|');
    const auto number = index.find(name.substr(0, bar));
    if (!number) return rule_error::unknown_command;
    if (bar == std::string_view::npos) return put_command(*number, true, index), std::string_view();
    const CommandIndex::Entry& container = index[*number];
    const std::string_view word = name.substr(bar + 1);
    if (container.container) return rule_error::part_of_part;
    if (word.empty() || has_space_or_null(word)) return rule_error::syntax;  // it could not be read back
    if (container.parts.empty()) return add_first_word(*number, word), std::string_view();
    const auto part = index.find(name);
    if (!part) return rule_error::unknown_command;
    put_command(*part, true, index);
    return {};
  }

  void add_first_word(CommandIndex::Number number, std::string_view word) {
    FirstWords& words = first_words_[number];
    std::string lower(word);
    for (char& letter : lower) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    const std::size_t before = words.lower.size();
    words.lower.add(lower);
    if (words.lower.size() > before) words.as_given.emplace_back(word);
  }

  // --- Judging --------------------------------------------------------------------------------------

  [[nodiscard]] bool allows_first(const JudgedCall& call) const noexcept {
    if (first_words_.empty() || call.words.size() < 2) return false;
    const auto found = first_words_.find(call.number);
    return found != first_words_.end() &&
           std::any_of(found->second.as_given.begin(), found->second.as_given.end(),
                       [&call](const std::string& word) { return is_same_word(word, call.words[1]); });
  }

  [[nodiscard]] bool allows_key(std::string_view key, KeyAccess wanted) const noexcept {
    const auto needed = static_cast<int>(wanted);
    return std::any_of(keys_.begin(), keys_.end(), [&](const RuleTexts::Text& rule) {
      return (static_cast<int>(rule.access) & needed) == needed && glob_matches(rule.text, key);
    });
  }

  [[nodiscard]] Verdict judge_channels(const JudgedCall& call) const noexcept {
    const ChannelUse use = call.command.channels;
    if (use == ChannelUse::none || all_channels_) return {};
    const std::size_t end =
        use == ChannelUse::first ? std::min<std::size_t>(call.words.size(), 2) : call.words.size();
    for (std::size_t i = 1; i < end; ++i) {
      if (!allows_channel(call.words[i], use == ChannelUse::all_patterns)) {
        return {Denied::channel, i, call.words[i]};
      }
    }
    return {};
  }

  // --- As text --------------------------------------------------------------------------------------

  // The category with the fewest exceptions first, as long as one holds more of what is to be said than not.
  void describe_categories(const CommandIndex& index, bool adds, std::string& text,
                           Selector& described) const {
    CommandSet rest = commands_;
    std::array<bool, category_names.size()> is_used{};
    for (;;) {
      std::size_t best = category_names.size();
      std::size_t fewest = std::numeric_limits<std::size_t>::max();
      std::size_t most = 0;
      for (std::size_t i = 0; i < category_names.size(); ++i) {
        const std::size_t on = index.members(i).shared_with(rest);
        const std::size_t off = index.members(i).size() - on;
        const std::size_t same = adds ? on : off;
        const std::size_t different = adds ? off : on;
        if (is_used[i] || same <= different) continue;
        if (different > fewest || (different == fewest && same <= most)) continue;
        best = i, fewest = different, most = same;
      }
      if (best == category_names.size()) return;
      is_used[best] = true;
      rest.put(index.reach(best), !adds);
      described.commands_.put(index.reach(best), adds);
      text.append(adds ? " +@" : " -@").append(category_names[best]);
    }
  }

  void describe_command(CommandIndex::Number number, const CommandIndex& index, std::string& text,
                        Selector& described) const {
    const bool is_allowed = commands_.has(number);
    if (is_allowed != described.commands_.has(number)) {
      text.append(is_allowed ? " +" : " -").append(index[number].name);
      described.put_command(number, is_allowed, index);
    }
    if (is_allowed) return;
    const auto found = first_words_.find(number);
    if (found == first_words_.end()) return;
    for (const std::string& word : found->second.as_given) {
      text.append(" +").append(index[number].name).append("|").append(word);
    }
  }

  struct FirstWords {
    RuleTexts lower;
    std::vector<std::string> as_given;
  };

  bool all_commands_ = false;
  bool all_keys_ = false;
  bool all_channels_ = false;
  CommandSet commands_;
  std::map<CommandIndex::Number, FirstWords> first_words_;
  RuleTexts keys_;
  RuleTexts channels_;
};

/// A user: whether it may log in, with which passwords, and what it may do then.
class User {
 public:
  explicit User(std::string its_name) : name(std::move(its_name)) {}

  const std::string name;

  /// Applies one rule; `at_first` is what whoever is new may hear. What is wrong with it; nothing has changed
  /// then.
  [[nodiscard]] std::string_view apply(std::string_view rule, const CommandIndex& index,
                                       NewChannels at_first = NewChannels::none) {
    const std::string_view wrong = apply_any(rule, index, at_first);
    is_unrestricted_ = root_.allows_everything();
    return wrong;
  }

  /// May hear this, as whoever is new.
  void start_with(NewChannels channels) {
    if (channels == NewChannels::all) root_.set_all_channels(true);
    is_unrestricted_ = root_.allows_everything();
  }

  /// Becomes as free as another, and as safe.
  void assign(User other) {
    is_enabled_ = other.is_enabled_;
    needs_no_password_ = other.needs_no_password_;
    is_unrestricted_ = other.is_unrestricted_;
    payload_ = other.payload_;
    passwords_ = std::move(other.passwords_);
    root_ = std::move(other.root_);
    selectors_ = std::move(other.selectors_);
  }

  [[nodiscard]] bool is_enabled() const noexcept { return is_enabled_; }
  [[nodiscard]] bool needs_no_password() const noexcept { return needs_no_password_; }
  /// Every command, key and channel: nothing else has to be asked.
  [[nodiscard]] bool is_unrestricted() const noexcept { return is_unrestricted_; }

  /// Whether it may log in with this password. The time it takes does not tell how much of it was right.
  [[nodiscard]] bool is_known_by(std::string_view password) const {
    if (!is_enabled_) return false;
    if (needs_no_password_) return true;
    const std::string digest = Sha256::hex_of(password);
    bool is_known = false;
    for (const auto& [stored, unused] : passwords_) {
      if (equal_in_constant_time(stored, digest)) is_known = true;
    }
    return is_known;
  }

  /// A call is allowed when one selector allows all of it.
  [[nodiscard]] Verdict judge(const JudgedCall& call) const {
    Verdict verdict = root_.judge(call);
    for (const Selector& selector : selectors_) {
      if (verdict.what == Denied::nothing) break;
      const Verdict other = selector.judge(call);
      const bool says_more =
          other.what > verdict.what || (other.what == verdict.what && other.place > verdict.place);
      if (other.what == Denied::nothing || says_more) verdict = other;
    }
    return verdict;
  }

  /// Whether one selector allows all of a call, and to read whatever keys it comes upon.
  [[nodiscard]] bool may_read_any_key(const JudgedCall& call) const {
    const auto allows = [&call](const Selector& selector) {
      return selector.allows_any_key(KeyAccess::read) && selector.judge(call).what == Denied::nothing;
    };
    return allows(root_) || std::any_of(selectors_.begin(), selectors_.end(), allows);
  }

  [[nodiscard]] bool may_use_channel(std::string_view channel, bool is_pattern) const noexcept {
    return root_.allows_channel(channel, is_pattern) ||
           std::any_of(selectors_.begin(), selectors_.end(), [=](const Selector& selector) {
             return selector.allows_channel(channel, is_pattern);
           });
  }

  // --- As text --------------------------------------------------------------------------------------

  [[nodiscard]] std::vector<std::string_view> flags() const {
    std::vector<std::string_view> words{is_enabled_ ? "on" : "off"};
    if (needs_no_password_) words.push_back("nopass");
    if (payload_ == Payload::skipped) words.push_back("skip-sanitize-payload");
    if (payload_ == Payload::checked) words.push_back("sanitize-payload");
    return words;
  }
  [[nodiscard]] const RuleTexts& passwords() const noexcept { return passwords_; }  // their digests
  [[nodiscard]] const Selector& root() const noexcept { return root_; }
  [[nodiscard]] const std::vector<Selector>& selectors() const noexcept { return selectors_; }

  /// Its rules, as ACL LIST has them after the name.
  [[nodiscard]] std::string text(const CommandIndex& index) const {
    std::string text = root_text(index);
    for (const Selector& selector : selectors_) text += " (" + selector.text(index) + ")";
    return text;
  }
  /// The same, quoted where a line of a configuration file would be read differently.
  [[nodiscard]] std::string line_text(const CommandIndex& index) const {
    std::string line = with_quotes(root_text(index));
    for (const Selector& selector : selectors_) {
      const std::string rules = selector.text(index);
      const std::string quoted = with_quotes(rules);
      const bool is_plain = quoted == rules && rules.find(')') == std::string::npos;
      line += is_plain ? " (" + rules + ")" : " " + in_quotes("(" + quoted + ")");
    }
    return line;
  }

 private:
  /// Whether values of RESTORE are checked; kept and shown, since that is the field's, but all are checked
  /// here.
  enum class Payload : std::uint8_t { unsaid, skipped, checked };

  [[nodiscard]] std::string root_text(const CommandIndex& index) const {
    std::string text;
    for (const std::string_view flag : flags()) text.append(flag).append(" ");
    for (const auto& [digest, unused] : passwords_) text.append("#").append(digest).append(" ");
    return text + root_.text(index);
  }

  [[nodiscard]] std::string_view apply_any(std::string_view rule, const CommandIndex& index,
                                           NewChannels at_first) {
    if (rule.empty() || set_flag(rule, index, at_first)) return {};
    switch (rule.front()) {
      case '>': return add_password(Sha256::hex_of(rule.substr(1)));
      case '<': return remove_password(Sha256::hex_of(rule.substr(1)));
      case '#': return is_digest(rule.substr(1)) ? add_password(rule.substr(1)) : rule_error::not_a_hash;
      case '!': return is_digest(rule.substr(1)) ? remove_password(rule.substr(1)) : rule_error::not_a_hash;
      case '(':
        return rule.ends_with(')') && rule.size() > 1 ? add_selector(rule, index, at_first)
                                                      : rule_error::syntax;
      default: return root_.apply(rule, index);
    }
  }

  // False: it is another rule.
  bool set_flag(std::string_view rule, const CommandIndex& index, NewChannels at_first) {
    const auto is = [rule](std::string_view word) { return is_same_word(rule, word); };
    if (is("on") || is("off")) {
      is_enabled_ = is("on");
    } else if (is("nopass") || is("resetpass")) {
      needs_no_password_ = is("nopass");
      passwords_.clear();
    } else if (is("sanitize-payload") || is("skip-sanitize-payload")) {
      payload_ = is("sanitize-payload") ? Payload::checked : Payload::skipped;
    } else if (is("clearselectors")) {
      selectors_.clear();
    } else if (is("reset")) {
      for (const std::string_view part : {"resetpass", "resetkeys", "resetchannels", "off",
                                          "sanitize-payload", "clearselectors", "-@all"}) {
        static_cast<void>(apply_any(part, index, at_first));
      }
      start_with(at_first);
    } else {
      return false;
    }
    return true;
  }

  [[nodiscard]] static bool is_digest(std::string_view text) noexcept {
    return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
  }

  std::string_view add_password(std::string_view digest) {
    passwords_.add(digest);
    needs_no_password_ = false;
    return {};
  }
  std::string_view remove_password(std::string_view digest) {
    return passwords_.remove(digest) ? std::string_view() : rule_error::no_such_password;
  }

  std::string_view add_selector(std::string_view rule, const CommandIndex& index, NewChannels at_first) {
    std::vector<std::string_view> words;
    std::string arena;
    if (!resp::InlineSplitter::split(rule.substr(1, rule.size() - 2), words, arena))
      return rule_error::syntax;
    Selector selector;
    selector.set_all_channels(at_first == NewChannels::all);
    for (const std::string_view word : words) {
      if (const std::string_view wrong = selector.apply(word, index); !wrong.empty()) return wrong;
    }
    selectors_.push_back(std::move(selector));
    return {};
  }

  bool is_enabled_ = false;
  bool needs_no_password_ = false;
  bool is_unrestricted_ = false;
  Payload payload_ = Payload::unsaid;
  RuleTexts passwords_;
  Selector root_;
  std::vector<Selector> selectors_;
};

/// The words of a user's rules, with each selector that was split at its spaces in one piece again. A
/// selector that is never closed: false, and `rules` ends with it.
[[nodiscard]] inline bool join_selectors(std::span<const std::string_view> words,
                                         std::vector<std::string>& rules) {
  bool is_open = false;
  for (const std::string_view word : words) {
    if (is_open) {
      rules.back().append(" ").append(word);
    } else {
      rules.emplace_back(word);
      is_open = word.starts_with('(');
    }
    if (is_open && word.ends_with(')')) is_open = false;
  }
  return !is_open;
}

}  // namespace replikv::inline v0_1::detail
