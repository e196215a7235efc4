// Judges what many threads saw: a history is linearizable if every operation can be given one instant between
// its call and its return so that a plain sequential object, asked in that order, answers the same.
// The search is that of Wing and Gong (1993), with the memory of Lowe (2017).
#pragma once

#include <replikv/core/random.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace linearizability {

/// What a thread asked and was answered, and when, in nanoseconds of a monotonic clock.
template <class Input, class Output>
struct Operation {
  Input input;
  Output output;
  std::int64_t called = 0;
  std::int64_t returned = 0;
};

/// A Model has Input, Output, an ordered State, `initial()`, and `step(state, input)`, which changes the
/// state and returns the Output.
template <class Model>
using OperationOf = Operation<typename Model::Input, typename Model::Output>;
template <class Model>
using History = std::vector<OperationOf<Model>>;

/// True when some order explains the history. Exponential in the number of operations under way at once only.
template <class Model>
class Judge {
 public:
  explicit Judge(std::span<const OperationOf<Model>> history)
      : history_(history),
        next_(2 * history.size() + 1),
        previous_(next_.size()),
        done_(history.size() / 64 + 1) {
    link_moments();
  }

  [[nodiscard]] bool is_linearizable() {
    auto state = Model::initial();
    for (std::size_t at = next_[head()]; next_[head()] != end();) {
      if (is_call(at)) {
        if (auto after = take(operation(at), state)) {
          taken_.push_back({at, std::exchange(state, std::move(*after))});
          unlink(operation(at));
          at = next_[head()];
        } else {
          at = next_[at];
        }
        continue;
      }
      // Somebody has returned, and none of those that were called before can have been first.
      if (taken_.empty()) return false;
      auto [last, before] = std::move(taken_.back());
      taken_.pop_back();
      state = std::move(before);
      relink(operation(last));
      at = next_[last];
    }
    return true;
  }

 private:
  using State = typename Model::State;

  struct Taken {
    std::size_t call;
    State before;
  };

  // Moments are numbered by time; the list runs from head() through those not taken yet to end().
  [[nodiscard]] std::size_t head() const noexcept { return 2 * history_.size(); }
  [[nodiscard]] std::size_t end() const noexcept { return 2 * history_.size() + 1; }
  [[nodiscard]] bool is_call(std::size_t moment) const noexcept { return moments_[moment].is_call; }
  [[nodiscard]] std::size_t operation(std::size_t moment) const noexcept {
    return moments_[moment].operation;
  }

  void link_moments() {
    for (std::size_t i = 0; i < history_.size(); ++i) {
      moments_.push_back({history_[i].called, true, i});
      moments_.push_back({history_[i].returned, false, i});
    }
    // At one time calls come before returns: what may have overlapped did.
    std::sort(moments_.begin(), moments_.end(), [](const Moment& a, const Moment& b) {
      return std::pair(a.at, !a.is_call) < std::pair(b.at, !b.is_call);
    });
    calls_.resize(history_.size());
    returns_.resize(history_.size());
    std::size_t before = head();
    for (std::size_t moment = 0; moment < moments_.size(); ++moment) {
      (is_call(moment) ? calls_ : returns_)[operation(moment)] = moment;
      next_[before] = moment;
      previous_[moment] = before;
      before = moment;
    }
    next_[before] = end();
  }

  // The state after the operation, unless it would have answered something else, or the same operations have
  // led to the same state before.
  [[nodiscard]] std::optional<State> take(std::size_t operation, const State& state) {
    State after = state;
    if (Model::step(after, history_[operation].input) != history_[operation].output) return std::nullopt;
    auto done = done_;
    done[operation / 64] |= std::uint64_t{1} << operation % 64;
    if (!seen_.emplace(std::move(done), after).second) return std::nullopt;
    return after;
  }

  void unlink(std::size_t operation) {
    done_[operation / 64] |= std::uint64_t{1} << operation % 64;
    for (const std::size_t moment : {calls_[operation], returns_[operation]}) {
      next_[previous_[moment]] = next_[moment];
      if (next_[moment] != end()) previous_[next_[moment]] = previous_[moment];
    }
  }

  void relink(std::size_t operation) {
    done_[operation / 64] &= ~(std::uint64_t{1} << operation % 64);
    for (const std::size_t moment : {returns_[operation], calls_[operation]}) {
      next_[previous_[moment]] = moment;
      if (next_[moment] != end()) previous_[next_[moment]] = moment;
    }
  }

  struct Moment {
    std::int64_t at;
    bool is_call;
    std::size_t operation;
  };

  std::span<const OperationOf<Model>> history_;
  std::vector<Moment> moments_;
  std::vector<std::size_t> calls_;
  std::vector<std::size_t> returns_;
  std::vector<std::size_t> next_;
  std::vector<std::size_t> previous_;
  std::vector<std::uint64_t> done_;  // a bit for each operation
  std::vector<Taken> taken_;
  std::set<std::pair<std::vector<std::uint64_t>, State>> seen_;
};

template <class Model>
[[nodiscard]] bool is_linearizable(const History<Model>& history) {
  return Judge<Model>(history).is_linearizable();
}

/// The parts of a history that each concern one object: a history is linearizable if each of them is.
template <class Model, class ObjectOf>
[[nodiscard]] auto parted(const History<Model>& history, ObjectOf&& object_of) {
  std::map<std::decay_t<decltype(object_of(history.front().input))>, History<Model>> parts;
  for (const auto& operation : history) parts[object_of(operation.input)].push_back(operation);
  return parts;
}

[[nodiscard]] inline std::int64_t now_ns() noexcept {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Has threads draw inputs and perform them, and returns all they saw.
template <class Model, class Draw, class Perform>
[[nodiscard]] History<Model> record(std::size_t threads, int operations, std::uint64_t seed, Draw draw,
                                    Perform perform) {
  std::vector<History<Model>> seen(threads);
  std::vector<std::thread> running;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      replikv::Random random(seed * 1'000 + thread);
      for (int i = 0; i < operations; ++i) {
        auto input = draw(random, thread);
        const std::int64_t called = now_ns();
        auto output = perform(input);
        seen[thread].push_back({std::move(input), std::move(output), called, now_ns()});
        if (random.below(4) == 0) std::this_thread::yield();
      }
    });
  }
  for (auto& thread : running) thread.join();
  History<Model> all;
  for (auto& one : seen) all.insert(all.end(), one.begin(), one.end());
  return all;
}

}  // namespace linearizability
