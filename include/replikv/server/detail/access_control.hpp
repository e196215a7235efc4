// The users of an endpoint: who may come in, who may call what, and what was refused. Knows users and calls,
// not connections.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/core/error.hpp>
#include <replikv/resp/inline_request.hpp>
#include <replikv/server/detail/access_rules.hpp>
#include <replikv/server/detail/command_index.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

/// What was refused, to whom (ACL LOG). Long names are cut.
struct AccessLogEntry {
  std::uint64_t count = 1;
  std::string_view reason;   // "command", "key", "channel", "auth"
  std::string_view context;  // "toplevel", "multi"
  std::string object;
  std::string user;
  TimePoint at{};
  std::string client;
};

/// The last refusals, newest first. One that is repeated within a minute is counted instead.
class AccessLog {
 public:
  static constexpr std::size_t text_bytes_max = 1024;    ///< of what was refused, and to whom
  static constexpr std::size_t client_bytes_max = 4096;  ///< of who asked

  void add(AccessLogEntry entry, std::size_t entries_max) {
    const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(std::min(entries_.size(), looked_at));
    const auto same = std::find_if(entries_.begin(), end, [&entry](const AccessLogEntry& each) {
      return each.reason == entry.reason && each.context == entry.context && each.object == entry.object &&
             each.user == entry.user && entry.at - each.at <= std::chrono::minutes(1);
    });
    if (same != end) {
      entry.count += same->count;
      entries_.erase(same);
    }
    entries_.push_front(std::move(entry));
    while (entries_.size() > entries_max) entries_.pop_back();
  }
  void clear() noexcept { entries_.clear(); }
  [[nodiscard]] const std::deque<AccessLogEntry>& entries() const noexcept { return entries_; }

 private:
  static constexpr std::size_t looked_at = 10;  // for one that is repeated

  std::deque<AccessLogEntry> entries_;
};

class AccessControl {
 public:
  using Users = std::map<std::string, std::shared_ptr<User>, std::less<>>;

  /// `index` is that of the commands; more may come to it. At first there is the user "default", who may do
  /// everything without a password.
  explicit AccessControl(const CommandIndex& index) : index_(index) { make_default(users_); }

  [[nodiscard]] const Users& users() const noexcept { return users_; }  // in the order of their names
  [[nodiscard]] const User& default_user() const noexcept { return *default_; }
  [[nodiscard]] std::shared_ptr<const User> find(std::string_view name) const {
    const auto found = users_.find(name);
    return found == users_.end() ? nullptr : found->second;
  }

  /// Whether who has just come may do anything without a login.
  [[nodiscard]] bool lets_in_without_login() const noexcept {
    return default_->needs_no_password() && default_->is_enabled();
  }

  /// acl-pubsub-default: what users and selectors that are made from now on may hear before a rule says so.
  void start_with(NewChannels channels) noexcept { at_first_ = channels; }

  /// requirepass: the only password of the user "default". Empty: it needs none.
  void set_default_password(std::string_view password) {
    apply_known(*default_, "resetpass");
    apply_known(*default_, password.empty() ? "nopass" : ">" + std::string(password));
  }

  /// The user that name and password belong to; null where they belong to none that may log in.
  [[nodiscard]] std::shared_ptr<const User> log_in(std::string_view name, std::string_view password) const {
    auto user = find(name);
    if (!user) {  // as slow as with a user
      static_cast<void>(Sha256::hex_of(password));
      return nullptr;
    }
    return user->is_known_by(password) ? user : nullptr;
  }

  [[nodiscard]] static bool may_use_channel(const User& user, std::string_view channel,
                                            bool is_pattern = false) noexcept {
    return user.may_use_channel(channel, is_pattern);
  }

  // --- Changing users -------------------------------------------------------------------------------

  /// What was wrong: the rule, and why. Then nothing has changed.
  struct Refusal {
    std::string rule;
    std::string_view why;
  };

  /// Applies rules to a user, who is made if there is none of this name. All of them, or none.
  [[nodiscard]] Refusal set_user(std::string_view name, std::span<const std::string> rules) {
    const auto known = users_.find(name);
    User changed{std::string(name)};
    changed.start_with(at_first_);
    if (known != users_.end()) changed.assign(*known->second);
    for (const std::string& rule : rules) {
      if (const std::string_view why = changed.apply(rule, index_, at_first_); !why.empty())
        return {rule, why};
    }
    if (known != users_.end()) {
      known->second->assign(std::move(changed));
    } else {
      users_.emplace(std::string(name), std::make_shared<User>(std::move(changed)));
    }
    return {};
  }

  /// Deletes a user, who may do nothing from now on. False: there was none, or it is "default", who stays.
  bool remove(std::string_view name) {
    const auto found = users_.find(name);
    if (found == users_.end() || found->second == default_) return false;
    found->second->assign(User({}));
    users_.erase(found);
    return true;
  }

  /// Defines users by lines as configuration files have them, without the word "user": `default on >pw ~* &*
  /// +@all`. What is wrong, in the words of Redis; nothing has changed then, and `*wrong_at` is the place of
  /// the line.
  [[nodiscard]] std::string define(std::span<const std::string> lines, std::size_t* wrong_at = nullptr) {
    Users defined;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string wrong = define_one(lines[i], defined);
      if (wrong.empty()) continue;
      if (wrong_at != nullptr) *wrong_at = i;
      return wrong;
    }
    for (const auto& [name, user] : defined) put(users_, *user);
    return {};
  }

  /// What is wrong with the rules of a user's line, in the words of Redis; a command of an unknown name is
  /// not.
  [[nodiscard]] std::string wrong_with(std::string_view name, std::span<const std::string_view> words) const {
    if (has_space_or_null(name)) return "Spaces not allowed in ACL usernames";
    std::vector<std::string> rules;
    if (!join_selectors(words, rules))
      return "Unmatched parenthesis in acl selector starting at '" + rules.back() + "'.";
    const auto user = new_user(name);
    for (const std::string& rule : rules) {
      const std::string_view why = user->apply(rule, index_, at_first_);
      if (!why.empty() && why != rule_error::unknown_command) return std::string(why);
    }
    return {};
  }

  // --- The file of users ----------------------------------------------------------------------------

  /// Replaces all users by those of a file. What is wrong, in the words of Redis; nothing has changed then.
  [[nodiscard]] std::string load(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      return "Error loading ACLs, opening file '" + path +
             "': " + std::error_code(errno, std::generic_category()).message();
    }
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    Users loaded;
    const std::string errors = read(text, path, loaded);
    if (!errors.empty()) {
      return errors +
             "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
    }
    const auto found = loaded.find("default");
    if (found == loaded.end()) {
      default_->assign(*fresh_default());
    } else {
      default_->assign(*found->second);
    }
    loaded.insert_or_assign("default", default_);
    for (const auto& [name, user] : users_) {
      if (user != default_) user->assign(User({}));  // whoever is logged in as one may do nothing any more
    }
    users_ = std::move(loaded);
    return {};
  }

  /// Writes all users to a file, in the place of the one that is there. False: it could not be written.
  [[nodiscard]] bool save(const std::string& path) const {
    const std::string temporary = path + ".tmp";
    {
      std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
      for (const std::string& line : lines()) file << line << '\n';
      file.flush();
      if (!file) return false;
    }
    return std::rename(temporary.c_str(), path.c_str()) == 0;
  }

  /// The lines of ACL LIST.
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    lines.reserve(users_.size());
    for (const auto& [name, user] : users_) lines.push_back("user " + name + " " + user->text(index_));
    return lines;
  }

  /// A user as a line of a configuration file, and whether requirepass says the same without it.
  struct UserLine {
    std::string name;
    std::string text;
    bool is_implied = false;
  };
  [[nodiscard]] std::vector<UserLine> configuration_lines(std::string_view default_password) const {
    AccessControl plain(index_);
    plain.set_default_password(default_password);
    const std::string implied = plain.default_user().line_text(index_);
    std::vector<UserLine> lines;
    for (const auto& [name, user] : users_) {
      const std::string rules = user->line_text(index_);
      lines.push_back(
          {name, "user " + with_quotes(name) + " " + rules, user == default_ && rules == implied});
    }
    return lines;
  }

  [[nodiscard]] const CommandIndex& index() const noexcept { return index_; }

  AccessLog log;

 private:
  // A rule that cannot be wrong.
  void apply_known(User& user, std::string_view rule) {
    static_cast<void>(user.apply(rule, index_, at_first_));
  }

  [[nodiscard]] std::shared_ptr<User> new_user(std::string_view name) const {
    auto user = std::make_shared<User>(std::string(name));
    user->start_with(at_first_);
    return user;
  }
  [[nodiscard]] std::shared_ptr<User> fresh_default() {
    auto user = std::make_shared<User>("default");
    for (const std::string_view rule : {"+@all", "~*", "&*", "on", "nopass"}) apply_known(*user, rule);
    return user;
  }
  void make_default(Users& users) {
    default_ = fresh_default();
    users.emplace(default_->name, default_);
  }

  // Who is logged in stays logged in.
  static void put(Users& users, const User& user) {
    const auto known = users.find(user.name);
    if (known != users.end()) return known->second->assign(user);
    auto copy = std::make_shared<User>(user.name);
    copy->assign(user);
    users.emplace(user.name, std::move(copy));
  }

  [[nodiscard]] std::string define_one(const std::string& line, Users& defined) {
    std::vector<std::string_view> words;
    std::string arena;
    if (!resp::InlineSplitter::split(line, words, arena)) return "Unbalanced quotes in configuration line";
    if (words.empty()) return "Bad directive or wrong number of arguments";
    if (has_space_or_null(words[0])) return "Spaces not allowed in ACL usernames";
    const auto user = new_user(words[0]);
    if (user->name == default_->name) apply_known(*user, "reset");  // which shows, in Redis too
    if (std::string wrong = apply_line(*user, std::span(words).subspan(1)); !wrong.empty()) return wrong;
    if (defined.emplace(user->name, user).second) return {};
    return "Error in user declaration '" + user->name +
           "': Duplicate user found. A user can only be defined once in config files";
  }

  [[nodiscard]] std::string apply_line(User& user, std::span<const std::string_view> words) const {
    std::vector<std::string> rules;
    if (!join_selectors(words, rules)) {
      return "Error in user declaration '" + user.name +
             "': Unmatched parenthesis in acl selector starting at '" + rules.back() + "'.";
    }
    for (const std::string& rule : rules) {
      if (const std::string_view why = user.apply(rule, index_, at_first_); !why.empty()) {
        return "Error loading ACL rule '" + rule + "' for the user named '" + user.name +
               "': " + std::string(why);
      }
    }
    return {};
  }

  [[nodiscard]] std::string read(std::string_view text, const std::string& path, Users& users) const {
    std::string errors;
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = trimmed(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (!line.empty()) read_line(line, path + ":" + std::to_string(number), number, users, errors);
    }
    return errors;
  }

  void read_line(std::string_view line, const std::string& place, std::size_t number, Users& users,
                 std::string& errors) const {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at <= line.size();) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      words.push_back(trimmed(line.substr(at, end - at)));
      at = end + 1;
    }
    if (words[0] != "user" || words.size() < 2) {
      errors += place + " should start with user keyword followed by the username. ";
      return;
    }
    if (has_space_or_null(words[1])) {
      errors += "'" + place + ": username '" + std::string(words[1]) + "' contains invalid characters. ";
      return;
    }
    const auto user = new_user(words[1]);
    if (!users.emplace(user->name, user).second) {
      errors += "WARNING: Duplicate user '" + user->name + "' found on line " + std::to_string(number) + ". ";
      return;
    }
    std::vector<std::string> rules;
    if (!join_selectors(std::span(words).subspan(2), rules)) {
      errors += place + ": Unmatched parenthesis in selector definition.";
      return;
    }
    apply_all(*user, rules, place, errors);
  }

  // Every command that is not known is told, but only the first of other errors, which may cause the next.
  void apply_all(User& user, std::span<const std::string> rules, const std::string& place,
                 std::string& errors) const {
    bool is_told = false;
    for (const std::string& rule : rules) {
      const std::string_view why = user.apply(rule, index_, at_first_);
      if (why == rule_error::unknown_command) {
        errors += place + ": Error in applying operation '" + rule + "': " + std::string(why) + ". ";
      } else if (!why.empty() && !std::exchange(is_told, true)) {
        errors += place + ": " + std::string(why) + ". ";
      }
    }
  }

  [[nodiscard]] static std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view space = " \t\r\n";
    const std::size_t first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
  }

  const CommandIndex& index_;
  NewChannels at_first_ = NewChannels::none;
  Users users_;
  std::shared_ptr<User> default_;  // one of them
};

}  // namespace replikv::inline v0_1::detail
