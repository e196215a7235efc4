// Many threads at a few keys, and every answer they got: there is always an order of the operations that
// explains all of them. The judge of that is itself put to the test first.
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>
#include <tests/store/helper.hpp>
#include <tests/store/linearizability.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace store_tests;
using linearizability::History;
using linearizability::is_linearizable;

/// One key and what a thread can do with it; numbers, so that all operations meet.
struct KeyModel {
  enum class Kind { get, set, erase, increment, compare_and_set, set_if_absent };
  struct Input {
    Kind kind;
    std::string key;
    std::int64_t number = 0;
    std::int64_t expected = 0;
  };
  using State = std::optional<std::int64_t>;
  using Output = std::optional<std::int64_t>;  // what was read, the new number, or whether it changed

  static State initial() { return std::nullopt; }

  static Output step(State& state, const Input& input) {
    switch (input.kind) {
      case Kind::get: return state;
      case Kind::set: state = input.number; return 1;
      case Kind::erase: return std::exchange(state, std::nullopt).has_value() ? 1 : 0;
      case Kind::increment: state = state.value_or(0) + input.number; return state;
      case Kind::compare_and_set:
        if (state != input.expected) return 0;
        state = input.number;
        return 1;
      case Kind::set_if_absent:
        if (state) return 0;
        state = input.number;
        return 1;
    }
    return std::nullopt;
  }
};
using Kind = KeyModel::Kind;

template <class Store>
KeyModel::Output perform(Store& store, const KeyModel::Input& input) {
  const std::string number = std::to_string(input.number);
  const auto to_number = [](const std::optional<std::string>& text) {
    return text ? std::optional<std::int64_t>(std::stoll(*text)) : std::nullopt;
  };
  const auto& key = input.key;
  switch (input.kind) {
    case Kind::get: return to_number(store.get(key));
    case Kind::set: return store.set(key, number).changed ? 1 : 0;
    case Kind::erase: return store.erase(key).changed ? 1 : 0;
    case Kind::increment: return store.increment(key, input.number).value;
    case Kind::compare_and_set:
      return store.compare_and_set(key, std::to_string(input.expected), number).changed ? 1 : 0;
    case Kind::set_if_absent: return store.set_if_absent(key, number).changed ? 1 : 0;
  }
  return std::nullopt;
}

KeyModel::Input draw_key(replikv::Random& random, std::size_t) {
  return {static_cast<Kind>(random.below(6)), "key" + std::to_string(random.below(2)),
          static_cast<std::int64_t>(1 + random.below(3)), static_cast<std::int64_t>(random.below(4))};
}

/// A few keys at once.
struct TransactionModel {
  static constexpr std::size_t keys = 4;
  enum class Kind { read_all, move, set_two, get, increment };
  struct Input {
    Kind kind;
    std::size_t one = 0;
    std::size_t other = 0;
    std::int64_t number = 0;
  };
  using State = std::array<std::int64_t, keys>;
  using Output = State;  // what was read; zero where nothing was

  static State initial() { return {}; }

  static Output step(State& state, const Input& input) {
    Output seen{};
    switch (input.kind) {
      case Kind::read_all: return state;
      case Kind::move:
        seen[input.one] = state[input.one] -= input.number;
        seen[input.other] = state[input.other] += input.number;
        break;
      case Kind::set_two: state[input.one] = state[input.other] = input.number; break;
      case Kind::get: seen[input.one] = state[input.one]; break;
      case Kind::increment: seen[input.one] = state[input.one] += input.number; break;
    }
    return seen;
  }
};

template <class Store>
TransactionModel::Output perform(Store& store, const TransactionModel::Input& input) {
  using Act = TransactionModel::Kind;
  const auto name = [](std::size_t key) { return "account" + std::to_string(key); };
  const auto one = name(input.one);
  const auto other = name(input.other);
  TransactionModel::Output seen{};
  switch (input.kind) {
    case Act::read_all:
      store.transaction([&](auto& all) {
        for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = std::stoll(all.get(name(i)).value_or("0"));
      });
      break;
    case Act::move:
      store.transaction(std::vector{one, other}, [&](auto& all) {
        seen[input.one] = all.increment(one, -input.number);
        seen[input.other] = all.increment(other, input.number);
      });
      break;
    case Act::set_two: {
      const std::string number = std::to_string(input.number);
      store.set_many(std::vector<std::pair<std::string, std::string>>{{one, number}, {other, number}});
      break;
    }
    case Act::get: seen[input.one] = std::stoll(store.get(one).value_or("0")); break;
    case Act::increment: seen[input.one] = store.increment(one, input.number).value; break;
  }
  return seen;
}

TransactionModel::Input draw_transaction(replikv::Random& random, std::size_t) {
  const std::size_t one = random.below(TransactionModel::keys);
  const std::size_t other = (one + 1 + random.below(TransactionModel::keys - 1)) % TransactionModel::keys;
  return {static_cast<TransactionModel::Kind>(random.below(5)), one, other,
          static_cast<std::int64_t>(1 + random.below(100))};
}

std::uint64_t first_seed() {
  const char* const chosen = std::getenv("REPLIKV_SEED");
  return chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 1;
}

// Tries every order of the operations.
template <class Model>
bool some_order_explains(const History<Model>& history) {
  std::vector<std::size_t> order(history.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  do {
    bool explains = true;
    auto state = Model::initial();
    for (std::size_t i = 0; i < order.size() && explains; ++i) {
      for (std::size_t later = i + 1; later < order.size() && explains; ++later) {
        explains = history[order[later]].returned >= history[order[i]].called;
      }
      explains = explains && Model::step(state, history[order[i]].input) == history[order[i]].output;
    }
    if (explains) return true;
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

bool judge(const History<KeyModel>& history) { return is_linearizable<KeyModel>(history); }

}  // namespace

TEST_CASE("Linearizability: the judge accepts what some order explains") {
  CHECK(judge({}));
  // A reader that overlaps a writer may see it or not.
  CHECK(judge({{{Kind::set, "k", 1}, 1, 0, 10}, {{Kind::get, "k"}, 1, 5, 15}}));
  CHECK(judge({{{Kind::set, "k", 1}, 1, 0, 10}, {{Kind::get, "k"}, std::nullopt, 5, 15}}));
  // The later of two writers may have been first.
  CHECK(judge(
      {{{Kind::set, "k", 1}, 1, 0, 30}, {{Kind::set, "k", 2}, 1, 5, 10}, {{Kind::get, "k"}, 1, 40, 50}}));
  CHECK(judge(
      {{{Kind::set, "k", 1}, 1, 0, 30}, {{Kind::set, "k", 2}, 1, 5, 10}, {{Kind::get, "k"}, 2, 40, 50}}));
}

TEST_CASE("Linearizability: the judge rejects what none explains") {
  SUBCASE("a read of what was overwritten before") {
    CHECK(!judge(
        {{{Kind::set, "k", 1}, 1, 0, 10}, {{Kind::set, "k", 2}, 1, 20, 30}, {{Kind::get, "k"}, 1, 40, 50}}));
  }
  SUBCASE("a read of what nobody wrote") { CHECK(!judge({{{Kind::get, "k"}, 7, 0, 10}})); }
  SUBCASE("a lost increment") {
    CHECK(!judge({{{Kind::increment, "k", 1}, 1, 0, 10}, {{Kind::increment, "k", 1}, 1, 5, 15}}));
  }
  SUBCASE("a key that two have set first") {
    CHECK(!judge({{{Kind::set_if_absent, "k", 1}, 1, 0, 10}, {{Kind::set_if_absent, "k", 2}, 1, 0, 10}}));
  }
  SUBCASE("readers who disagree about the order") {
    CHECK(!judge({{{Kind::set, "k", 1}, 1, 0, 100},
                  {{Kind::get, "k"}, 1, 10, 20},
                  {{Kind::get, "k"}, std::nullopt, 30, 40}}));
  }
  SUBCASE("half a transaction") {
    using Act = TransactionModel::Kind;
    const auto history = [](std::int64_t left, std::int64_t right) {
      return History<TransactionModel>{{{Act::set_two, 0, 1, 5}, {}, 0, 10},
                                       {{Act::read_all}, {left, right, 0, 0}, 0, 10}};
    };
    CHECK(is_linearizable<TransactionModel>(history(5, 5)));
    CHECK(is_linearizable<TransactionModel>(history(0, 0)));
    CHECK(!is_linearizable<TransactionModel>(history(5, 0)));
  }
}

TEST_CASE("Linearizability: the judge agrees with trying every order") {
  int accepted = 0;
  int rejected = 0;
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    replikv::Random random(seed);
    History<KeyModel> history;
    for (int i = 0; i < 6; ++i) {
      auto input = draw_key(random, 0);
      auto output = random.below(4) == 0 ? KeyModel::Output() : KeyModel::Output(random.below(3));
      const auto called = static_cast<std::int64_t>(random.below(12));
      history.push_back({input, output, called, called + static_cast<std::int64_t>(1 + random.below(8))});
    }
    // Answers by chance explain themselves too rarely: half of the histories get them from some order.
    if (seed % 2 == 0) {
      auto state = KeyModel::initial();
      std::sort(history.begin(), history.end(),
                [](const auto& a, const auto& b) { return a.returned < b.returned; });
      for (auto& operation : history) operation.output = KeyModel::step(state, operation.input);
      if (seed % 4 == 0) std::swap(history[1].output, history[3].output);
    }
    CAPTURE(seed);
    const bool expected = some_order_explains<KeyModel>(history);
    REQUIRE(judge(history) == expected);
    ++(expected ? accepted : rejected);
  }
  CHECK(accepted > 500);
  CHECK(rejected > 500);
}

TEST_CASE("Linearizability: operations on a key happen at an instant each") {
  const std::uint64_t seed = first_seed();
  for (std::uint64_t run = seed; run < seed + 60; ++run) {
    CAPTURE(run);
    replikv::Store<std::string, std::string, SmallPolicy> store;
    const Role role(store);
    const auto history = linearizability::record<KeyModel>(
        4, 500, run, draw_key, [&store](const auto& input) { return perform(store, input); });
    const auto key_of = [](const auto& input) { return input.key; };
    for (const auto& part : linearizability::parted<KeyModel>(history, key_of)) {
      CAPTURE(part.first);
      REQUIRE(judge(part.second));
    }
  }
}

TEST_CASE("Linearizability: transactions happen at an instant each, with snapshots and splits under way") {
  const std::uint64_t seed = first_seed();
  for (std::uint64_t run = seed; run < seed + 10; ++run) {
    CAPTURE(run);
    replikv::Store<std::string, std::string, SmallPolicy> store;
    const Role role(store);
    std::atomic<bool> is_done{false};
    std::thread others([&] {
      for (int i = 0; !is_done; ++i) {
        static_cast<void>(contents_of(database_of(store)));
        store.set("other" + std::to_string(i % 1'000), "value");
      }
    });
    const auto history = linearizability::record<TransactionModel>(
        4, 250, run, draw_transaction, [&store](const auto& input) { return perform(store, input); });
    is_done = true;
    others.join();
    REQUIRE(is_linearizable<TransactionModel>(history));
  }
}
