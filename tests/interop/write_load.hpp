// Writers that never pause: one that sends a server every command for strings and keys that there is, and
// one that calls every function of a store. Random; a failing test prints the seed, REPLIKV_SEED repeats it.
#pragma once

#include <replikv/core/random.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tests/interop/load.hpp>
#include <tests/interop/nodes.hpp>

namespace interop {

/// Whether some of the keys that expire do so within the test. A history of which they are part never rests:
/// the master adds DELs to it when it likes.
enum class Expiries : bool { some_soon, all_far };

/// Random words for random writes.
class Dice {
 public:
  explicit Dice(std::uint64_t seed, Expiries expiries = Expiries::some_soon)
      : random_(seed), nearest_ms_(expiries == Expiries::some_soon ? 1 : 1'000'000) {}

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  [[nodiscard]] bool one_in(std::uint64_t count) { return below(count) == 0; }
  template <std::size_t Count>
  [[nodiscard]] std::string_view any_of(const std::string_view (&words)[Count]) {
    return words[below(Count)];
  }

  [[nodiscard]] std::string key(std::string_view kind = "key:") {
    return std::string(kind) + std::to_string(below(keys));
  }

  /// How long a key lives, in milliseconds or in seconds.
  [[nodiscard]] std::uint64_t short_ms() { return nearest_ms_ + below(300); }
  [[nodiscard]] std::uint64_t long_ms() { return nearest_ms_ + below(5'000'000); }
  [[nodiscard]] std::uint64_t long_s() { return nearest_ms_ / 1000 + 1 + below(5000); }

  /// An integer of any size, bytes that compress well, bytes that do not, or none.
  [[nodiscard]] std::string value() {
    switch (below(8)) {
      case 0: return std::to_string(static_cast<std::int64_t>(random_() >> below(64)));
      case 1: return "-" + std::to_string(random_() >> (1 + below(63)));
      case 2: return std::string(below(400), static_cast<char>('a' + below(26)));
      case 3: return {};
      case 4: return bytes(below(2000));
      default: return bytes(below(64));
    }
  }

  [[nodiscard]] std::string bytes(std::size_t count) {
    std::string out(count, '\0');
    for (char& each : out) each = static_cast<char>(below(256));
    return out;
  }

 private:
  static constexpr std::uint64_t keys = 2000;
  Random random_;
  std::uint64_t nearest_ms_;
};

/// Adds random writes to a client's pipeline.
class RandomCommands {
 public:
  RandomCommands(std::uint64_t seed, std::size_t databases, Expiries expiries)
      : dice_(seed, expiries), databases_(databases) {}

  /// Adds one command, or the few of a transaction.
  void add(RedisClient& to) {
    switch (dice_.below(24)) {
      case 0: return add_transaction(to);
      case 1: return add_script(to);
      case 2: return add_between_databases(to);
      default: return add_one(to);
    }
  }

 private:
  void add_transaction(RedisClient& to) {
    to.add("MULTI");
    for (auto more = dice_.below(5); more > 0; --more) add_one(to);
    to.add("EXEC");
  }

  void add_script(RedisClient& to) {
    static constexpr std::string_view script =
        "redis.call('SET', KEYS[1], ARGV[1], 'EX', 1000)\n"
        "redis.call('RESTORE', KEYS[2], 500000, redis.call('DUMP', KEYS[1]), 'REPLACE')\n"
        "redis.call('APPEND', KEYS[2], ARGV[1])\n"
        "redis.call('DEL', KEYS[3])\n"
        "return redis.call('INCR', 'n:script')";
    to.add("EVAL", script, 3, dice_.key(), dice_.key(), dice_.key(), dice_.value());
  }

  void add_between_databases(RedisClient& to) {
    const auto first = dice_.below(databases_);
    const auto second = dice_.below(databases_);
    to.add("SELECT", first);
    if (databases_ == 1) return;
    switch (dice_.below(8)) {
      case 0: return to.add("SWAPDB", first, second);
      case 1:
      case 2: return to.add("MOVE", dice_.key(), second);
      case 3: return to.add("COPY", dice_.key(), dice_.key(), "DB", second, "REPLACE");
      case 4: return to.add("COPY", dice_.key(), dice_.key(), "DB", second);
      default: return;
    }
  }

  void add_one(RedisClient& to) {
    switch (dice_.below(6)) {
      case 0:
      case 1: return add_set(to);
      case 2: return add_number(to);
      case 3: return add_part(to);
      case 4: return add_expiry(to);
      default: return add_keys(to);
    }
  }

  std::string ms_from_now() {
    const std::uint64_t ahead = dice_.one_in(3) ? dice_.short_ms() : 3'600'000;
    return std::to_string(Clock().now().time_since_epoch().count() + static_cast<std::int64_t>(ahead));
  }
  std::string seconds_from_now() {
    return std::to_string(Clock().now().time_since_epoch().count() / 1000 + 3600);
  }

  void add_set(RedisClient& to) {
    const std::string key = dice_.key();
    const std::string value = dice_.value();
    switch (dice_.below(16)) {
      case 0: return to.add("SET", key, value, "EX", dice_.long_s());
      case 1: return to.add("SET", key, value, "PX", dice_.short_ms());
      case 2: return to.add("SET", key, value, "EXAT", seconds_from_now());
      case 3: return to.add("SET", key, value, "PXAT", ms_from_now(), "GET");
      case 4: return to.add("SET", key, value, "NX");
      case 5: return to.add("SET", key, value, "XX", "KEEPTTL");
      case 6: return to.add("SET", key, value, "NX", "PX", 1'000'000);
      case 7: return to.add("SET", key, value, "KEEPTTL", "GET");
      case 8: return to.add("SETEX", key, dice_.long_s(), value);
      case 9: return to.add("PSETEX", key, dice_.long_ms(), value);
      case 10: return to.add("SETNX", key, value);
      case 11: return to.add("GETSET", key, value);
      case 12: return to.add("MSET", key, value, dice_.key(), dice_.value(), dice_.key(), "1");
      case 13: return to.add("MSETNX", key, value, dice_.key(), dice_.value());
      default: return to.add("SET", key, value);
    }
  }

  void add_number(RedisClient& to) {
    const std::string key = dice_.key("n:");
    switch (dice_.below(8)) {
      case 0: return to.add("INCR", key);
      case 1: return to.add("DECR", key);
      case 2: return to.add("INCRBY", key, dice_.below(1'000'000'000'000));
      case 3: return to.add("DECRBY", key, dice_.below(1'000'000'000'000));
      case 4: return to.add("INCRBYFLOAT", dice_.key("f:"), "3.25e-3");
      case 5: return to.add("INCRBYFLOAT", dice_.key("f:"), "-12345.5");
      case 6: return to.add("EXPIRE", key, 5000);
      default: return to.add("SET", key, dice_.below(1000));
    }
  }

  void add_part(RedisClient& to) {
    const std::string key = dice_.key();
    switch (dice_.below(12)) {
      case 0:
      case 1: return to.add("APPEND", key, dice_.value());
      case 2:
      case 3: return to.add("SETRANGE", key, dice_.below(300), dice_.value());
      case 4: return to.add("SETBIT", key, dice_.below(4000), dice_.below(2));
      case 5: return to.add("BITFIELD", key, "SET", "u7", dice_.below(100), dice_.below(128));
      case 6:
        return to.add("BITFIELD", key, "OVERFLOW", "SAT", "INCRBY", "i5", "#3", dice_.below(20), "GET", "u4",
                      0);
      case 7:
        return to.add("BITFIELD", key, "INCRBY", "u8", dice_.below(64), 200, "OVERFLOW", "FAIL", "INCRBY",
                      "u2", 7, 1, "SET", "i64", "#1", -5);
      case 8:
        return to.add("BITOP", dice_.any_of({"AND", "OR", "XOR"}), key, dice_.key(), dice_.key(),
                      dice_.key());
      case 9: return to.add("BITOP", "NOT", key, dice_.key());
      case 10: return to.add("SETRANGE", key, dice_.below(10), "");
      default: return to.add("GETDEL", key);
    }
  }

  void add_expiry(RedisClient& to) {
    const std::string key = dice_.key();
    const std::string_view condition = dice_.any_of({"NX", "XX", "GT", "LT"});
    switch (dice_.below(14)) {
      case 0: return to.add("EXPIRE", key, dice_.long_s());
      case 1: return to.add("EXPIRE", key, dice_.long_s() - 1, condition);
      case 2: return to.add("PEXPIRE", key, dice_.short_ms());
      case 3: return to.add("PEXPIRE", key, 1'000'000 + dice_.below(1'000'000), condition);
      case 4: return to.add("EXPIREAT", key, seconds_from_now(), condition);
      case 5: return to.add("PEXPIREAT", key, ms_from_now());
      case 6: return to.add("PEXPIREAT", key, ms_from_now(), condition);
      case 7: return to.add("EXPIRE", key, -1);
      case 8:
      case 9: return to.add("PERSIST", key);
      case 10: return to.add("GETEX", key, "EX", dice_.long_s());
      case 11: return to.add("GETEX", key, "PXAT", ms_from_now());
      case 12: return to.add("GETEX", key, "PERSIST");
      default: return to.add("PUBLISH", "channel", dice_.value());
    }
  }

  void add_keys(RedisClient& to) {
    const std::string key = dice_.key();
    switch (dice_.below(10)) {
      case 0: return to.add("DEL", key, dice_.key());
      case 1: return to.add("UNLINK", key, dice_.key(), dice_.key());
      case 2:
      case 3: return to.add("RENAME", key, dice_.key());
      case 4: return to.add("RENAMENX", key, dice_.key());
      case 5: return to.add("COPY", key, dice_.key(), "REPLACE");
      case 6: return to.add("COPY", key, dice_.key());
      default: return to.add("SET", key, dice_.value());
    }
  }

  Dice dice_;
  std::size_t databases_;
};

/// Writes to a server in pipelines. What is refused (a number that is none, a key that is not there) is part
/// of the mix.
class ServerLoad : public Load {
 public:
  ServerLoad(std::uint16_t port, std::uint64_t seed, std::size_t databases = 1,
             Expiries expiries = Expiries::some_soon)
      : Load([client = std::make_shared<RedisClient>(port),
              commands = std::make_shared<RandomCommands>(seed, databases, expiries)] {
          while (client->pipelined() < 50) commands->add(*client);
          return client->flush().size();
        }) {}
};

/// Calls everything that writes to the stores of a master.
class StoreLoad : public Load {
 public:
  StoreLoad(Databases& data, std::uint64_t seed, Expiries expiries = Expiries::some_soon)
      : Load([&data, dice = std::make_shared<Dice>(seed, expiries)] {
          for (int i = 0; i < 50; ++i) write(data[dice->below(data.count())], *dice);
          return std::size_t{50};
        }) {}

 private:
  static void write(Strings& store, Dice& dice) {
    std::error_code refused;  // a number that is none
    const std::string key = dice.key();
    switch (dice.below(22)) {
      case 0: store.set(key, dice.value(), 1h); break;
      case 1: store.set(key, dice.value(), std::chrono::milliseconds(dice.short_ms())); break;
      case 2: store.set(key, dice.value(), Clock().now() + 2h); break;
      case 3: store.set_if_absent(key, dice.value()); break;
      case 4: store.set_if_present(key, dice.value(), 3h); break;
      case 5: store.compare_and_set(key, store.get(key).value_or("?"), dice.value()); break;
      case 6:
        store.update(key, [&dice](std::optional<std::string>& value) {
          value = value.value_or("") + dice.value().substr(0, 9);
        });
        break;
      case 7: store.update(key, [](std::optional<std::string>& value) { value.reset(); }); break;
      case 8:
      case 9: store.increment(dice.key("n:"), static_cast<std::int64_t>(dice.below(1000)) - 500); break;
      case 10: store.increment(key, 1, refused); break;
      case 11: store.erase(key); break;
      case 12:
        store.expire(key, std::chrono::milliseconds(dice.below(2) * 1'000'000 + dice.short_ms()));
        break;
      case 13: store.expire_at(key, Clock().now() + std::chrono::milliseconds(dice.long_ms())); break;
      case 14: store.persist(key); break;
      case 15: store.set_many({{key, "one"}, {dice.key(), dice.value()}, {dice.key(), ""}}); break;
      case 16: transact(store, dice, key); break;
      case 17:
        if (dice.one_in(2000)) store.clear();
        break;
      default: store.set(key, dice.value()); break;
    }
  }

  static void transact(Strings& store, Dice& dice, const std::string& key) {
    const std::string other = dice.key();
    store.transaction({key, other}, [&](auto& transaction) {
      const auto value = transaction.get(key);
      if (value) transaction.set(other, *value, 10h);
      transaction.erase(key);
      if (dice.one_in(3)) transaction.set(key, dice.value());
    });
  }
};

}  // namespace interop
