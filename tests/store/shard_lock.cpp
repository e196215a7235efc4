// The lock of one shard, alone and under contention.
#include <replikv/store/shard_lock.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

using replikv::ShardLock;

TEST_CASE("ShardLock: writers exclude each other and all readers") {
  ShardLock lock;
  int left = 0;
  int right = 0;  // equal whenever nobody writes
  std::atomic<int> torn{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 3; ++writer) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const std::lock_guard held(lock);
        ++left;
        ++right;
      }
    });
  }
  for (int reader = 0; reader < 3; ++reader) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const std::shared_lock held(lock);
        if (left != right) ++torn;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(left == 60'000);
  CHECK(right == 60'000);
  CHECK(torn == 0);
}

TEST_CASE("ShardLock: readers do not exclude each other") {
  ShardLock lock;
  lock.lock_shared();
  std::thread other([&lock] {
    lock.lock_shared();
    lock.unlock_shared();
  });
  other.join();  // would never end otherwise
  lock.unlock_shared();
}

TEST_CASE("ShardLock: a writer gets its turn although readers never pause") {
  ShardLock lock;
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        lock.lock_shared();
        std::this_thread::yield();  // so that one of them always holds it
        lock.unlock_shared();
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    lock.lock();
    lock.unlock();
  }
  stop = true;
  for (auto& reader : readers) reader.join();
}

TEST_CASE("ShardLock: everyone who sleeps is woken") {
  ShardLock lock;
  lock.lock();
  std::atomic<int> done{0};
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 8; ++i) {
    sleepers.emplace_back([&, i] {
      if (i % 2 == 0) {
        const std::lock_guard held(lock);
        ++done;
      } else {
        const std::shared_lock held(lock);
        ++done;
      }
    });
  }
  lock.unlock();
  for (auto& sleeper : sleepers) sleeper.join();
  CHECK(done == 8);
}
