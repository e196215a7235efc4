// Many threads at once: what each may rely on still holds. Run under the thread sanitizer this is also the
// proof that they do not race.
#include <replikv/store/store.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <tests/store/helper.hpp>
#include <thread>
#include <vector>

namespace {

using namespace store_tests;

using SmallStore = replikv::Store<std::string, std::string, SmallPolicy>;

std::string account(std::uint64_t number) { return "account" + std::to_string(number); }

TEST_CASE("Threads: no increment is lost, and the stream has them in order") {
  SmallStore store;
  Role role(store);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&store] {
      for (int i = 0; i < 500; ++i) store.increment("n" + std::to_string(i % 3));
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(store.get("n0") == "668");
  CHECK(store.get("n1") == "668");
  CHECK(store.get("n2") == "664");
  // Of a key, every number once, in order.
  const std::string effects = role.effects() + ";";
  std::size_t at = 0;
  for (int i = 1; i <= 668; ++i) {
    const std::string set = "SET n0 " + std::to_string(i) + ";";
    at = effects.find(set, at);
    REQUIRE_MESSAGE(at != std::string::npos, set);
  }
}

TEST_CASE("Threads: transactions move, readers and snapshots see the sum unchanged") {
  constexpr std::uint64_t accounts = 200;
  SmallStore store;
  for (std::uint64_t i = 0; i < accounts; ++i) store.set(account(i), "100");
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};

  std::vector<std::thread> threads;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    threads.emplace_back([&store, seed] {
      replikv::Random random(seed);
      for (int i = 0; i < 600; ++i) {
        const std::vector<std::string> keys{account(random.below(accounts)), account(random.below(accounts))};
        store.transaction(keys, [&](auto& transaction) {
          transaction.increment(keys[0], -1);
          transaction.increment(keys[1], 1);
        });
        store.set("noise" + std::to_string(i * 7 + static_cast<int>(seed)), "noise");  // segments split
      }
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      long sum = 0;
      store.transaction([&](auto& transaction) {
        for (std::uint64_t i = 0; i < accounts; ++i) sum += std::stol(*transaction.get(account(i)));
      });
      if (sum != 100 * static_cast<long>(accounts)) ++wrong;
    }
  });
  threads.emplace_back([&] {
    while (!done) {
      long sum = 0;
      for (const auto& [key, stored] : contents_of(database_of(store))) {
        if (key.starts_with("account")) sum += std::stol(stored.first);
      }
      if (sum != 100 * static_cast<long>(accounts)) ++wrong;
    }
  });
  threads.emplace_back([&] {
    while (!done) {
      std::size_t seen = 0;
      store.for_each(
          [&](std::string_view key, std::string_view) { seen += key.starts_with("account") ? 1U : 0U; });
      if (seen != accounts) ++wrong;
      std::vector<std::string> keys;
      for (std::uint64_t i = 0; i < accounts; ++i) keys.push_back(account(i));
      for (const auto& value : store.get_many(keys)) wrong += value ? 0 : 1;
    }
  });
  threads[0].join();
  threads[1].join();
  done = true;
  for (std::size_t i = 2; i < threads.size(); ++i) threads[i].join();
  CHECK(wrong == 0);
}

TEST_CASE("Threads: a snapshot survives clear, adopt and swap at any moment") {
  SmallStore one;
  SmallStore other;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  // At every instant a store holds the keys of one generation, all of them.
  const auto replace = [](SmallStore& store, int generation) {
    const auto load = database_of(store).begin_load();
    for (int i = 0; i < 100; ++i) {
      CHECK(!load->insert("key" + std::to_string(i), std::to_string(generation), never));
    }
    const std::lock_guard lock(database_of(store));
    database_of(store).adopt(*load);
  };
  replace(one, 0);
  replace(other, 1);
  std::thread writer([&] {
    for (int generation = 2; generation < 150; ++generation) {
      replace(generation % 2 == 0 ? one : other, generation);
      const std::lock_guard lock_one(database_of(one));
      const std::lock_guard lock_other(database_of(other));
      database_of(one).swap_contents(database_of(other));
    }
    done = true;
  });
  std::thread reader([&] {
    while (!done) {
      const Contents contents = contents_of(database_of(one));
      if (contents.size() != 100) ++wrong;
      for (const auto& [key, stored] : contents) wrong += stored == contents.begin()->second ? 0 : 1;
      static_cast<void>(one.get("key1"));
      static_cast<void>(one.size());
      static_cast<void>(database_of(other).next_expiry());
    }
  });
  writer.join();
  reader.join();
  CHECK(wrong == 0);
}

TEST_CASE("Threads: keys are fetched ahead while the table grows, loses them and is emptied") {
  SmallStore store;
  std::atomic<bool> done{false};
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < 1'000; ++i) names.push_back(account(i));
  const std::vector<std::string_view> keys(names.begin(), names.end());
  std::thread writer([&] {
    for (int round = 0; round < 20; ++round) {
      for (const auto& name : names) store.set(name, "1");
      for (std::size_t i = 0; i < names.size(); i += 2) CHECK(store.erase(names[i]).changed);
      if (round % 4 == 0) store.clear();
    }
    done = true;
  });
  std::thread fetcher([&] {
    while (!done) database_of(store).fetch(keys, replikv::detail::Locks::take);
  });
  writer.join();
  fetcher.join();
  CHECK(store.size() == 500);
  CHECK(store.get(names[1]) == "1");
}

TEST_CASE("Threads: keys expire under readers and writers") {
  class AtomicClock : public replikv::ClockSource {
   public:
    [[nodiscard]] replikv::WallTime now() const noexcept override { return at_ms(now_ms++ / 4); }
    mutable std::atomic<std::int64_t> now_ms{4'000'000};
  };
  const AtomicClock clock;
  SmallStore store{replikv::Clock(clock)};
  Role role(store);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 3000; ++i)
      store.set("k" + std::to_string(i % 50), "v", std::chrono::milliseconds(i % 20));
    done = true;
  });
  std::thread expirer([&] {
    while (!done) static_cast<void>(store.expire_due(1ms));
  });
  std::thread reader([&] {
    for (int i = 0; !done; ++i) static_cast<void>(store.get("k" + std::to_string(i % 50)));
  });
  for (auto* thread : {&writer, &expirer, &reader}) thread->join();
  while (store.size() > 0) static_cast<void>(store.expire_due(1h));
  CHECK(database_of(store).expiring() == 0);
}

}  // namespace
