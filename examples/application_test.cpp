// A test suite to start from: a small shop whose data is replicated, and four stories that every such
// application should survive. A whole cluster runs in this thread, in virtual time: no sockets, no sleeps.
#include <replikv/replikv.hpp>
#include <replikv/testing.hpp>

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;
using replikv::testing::Cluster;

// ---- The application: it knows a store, and nothing of clusters -------------------------------------------

class Shop {
 public:
  using Data = replikv::Store<std::string, std::string>;
  enum class Answer { done, sold_out, try_again };

  explicit Shop(Data& data) : data_(data) {}

  void deliver(std::string_view item, std::int64_t count) { data_.increment(key("stock", item), count); }
  [[nodiscard]] std::int64_t stock(std::string_view item) const {
    return std::stoll(data_.get(key("stock", item)).value_or("0"));
  }

  /// Takes one piece from the stock and writes the order down: both, or nothing. A customer who got no
  /// answer may ask again with the same order number, also at another node.
  [[nodiscard]] Answer check_out(std::string_view number, std::string_view item, replikv::Token& receipt) {
    const std::string stock = key("stock", item), order = key("order", number);
    Answer answer = Answer::done;
    std::error_code error;
    receipt = data_.transaction(
        {stock, order},
        [&](auto& all) {
          if (all.contains(order)) return;  // the answer to the first attempt was lost
          if (all.get(stock).value_or("0") == "0") return void(answer = Answer::sold_out);
          all.increment(stock, -1);
          all.set(order, item);
        },
        error);
    return error ? Answer::try_again : answer;
  }
  [[nodiscard]] bool has_order(std::string_view number) const { return data_.contains(key("order", number)); }

  /// A visitor's basket; the token goes into the cookie, so that the next page can wait for it.
  [[nodiscard]] replikv::Token put_into_basket(std::string_view visitor, std::string_view item) {
    return data_.set(key("basket", visitor), item, 30min);
  }
  [[nodiscard]] std::optional<std::string> basket(std::string_view visitor) const {
    return data_.get(key("basket", visitor));
  }

  /// The front page has two halves, which are changed together.
  void publish(std::string_view headline, std::string_view price) {
    data_.transaction({"headline", "price"}, [&](auto& page) {
      page.set("headline", headline);
      page.set("price", price);
    });
  }
  [[nodiscard]] std::string front_page() const {
    return data_.get("headline").value_or("") + ", " + data_.get("price").value_or("");
  }

  void offer(std::string_view what, std::chrono::minutes lasts) { data_.set("offer", what, lasts); }
  [[nodiscard]] bool has_offer() const { return data_.contains("offer"); }

 private:
  [[nodiscard]] static std::string key(std::string_view kind, std::string_view name) {
    return std::string(kind).append(":").append(name);
  }

  Data& data_;
};

// ---- Its tests --------------------------------------------------------------------------------------------

// The office writes; two branches read. When a check fails, INFO prints the seed and what happened on the
// network; REPLIKV_SEED=... in the environment repeats a seed.
struct Chain {
  Cluster<> cluster{{.replicas = 2, .seed = 42}};
  Shop office{cluster.node(0).store()};
  Shop north{cluster.replica(0).store()};
  Shop south{cluster.replica(1).store()};
};

TEST_CASE_FIXTURE(Chain,
                  "read your own writes: the next page shows the basket, however far a branch is behind") {
  INFO(cluster.story());
  cluster.network().set_conditions(cluster.master(), cluster.replica(0), {2s, 3s, 0, 0});

  const replikv::Token cookie = office.put_into_basket("ada", "tea");
  CHECK_FALSE(north.basket("ada"));  // a page that does not wait shows an empty basket

  CHECK_FALSE(cluster.wait_for(cluster.replica(0), cookie, 10s));  // no error: it has come
  CHECK(north.basket("ada") == "tea");
}

TEST_CASE_FIXTURE(Chain,
                  "read your own writes: when a branch is cut off, the page falls back to the office") {
  INFO(cluster.story());
  cluster.network().partition(cluster.replica(0));
  const replikv::Token cookie = office.put_into_basket("ada", "tea");
  const std::error_code late = cluster.wait_for(cluster.replica(0), cookie, 1s);
  CHECK(late == replikv::Errc::timeout);
  CHECK((late ? office : north).basket("ada") == "tea");
}

TEST_CASE_FIXTURE(Chain,
                  "failover in the middle of a checkout: the customer asks again, and one piece is sold") {
  INFO(cluster.story());
  office.deliver("tea", 10);
  cluster.settle();

  // The office is cut off at the very moment it takes the order, so nobody else knows of it.
  cluster.network().partition(cluster.node(0));
  replikv::Token receipt;
  CHECK(office.check_out("A1", "tea", receipt) == Shop::Answer::done);
  CHECK(cluster.wait(cluster.node(0), 1, 5s, receipt) == 0);  // unconfirmed: the customer gets no answer

  cluster.fail_over(cluster.replica(0));
  CHECK_FALSE(north.has_order("A1"));
  CHECK(north.check_out("A1", "tea", receipt) == Shop::Answer::done);

  cluster.network().heal();  // the old office comes back, as a replica
  cluster.settle();
  CHECK(cluster.converged());
  CHECK(office.stock("tea") == 9);
  CHECK(office.check_out("A2", "tea", receipt) == Shop::Answer::try_again);  // it takes no orders now
}

TEST_CASE_FIXTURE(Chain, "failover in the middle of a checkout: a confirmed order survives") {
  INFO(cluster.story());
  office.deliver("tea", 10);
  replikv::Token receipt;
  REQUIRE(office.check_out("A1", "tea", receipt) == Shop::Answer::done);
  REQUIRE(cluster.wait(cluster.node(0), 2, 5s, receipt) == 2);  // both branches hold it: say thank you

  cluster.node(0).power_off();
  cluster.fail_over(cluster.replica(1));
  CHECK(south.has_order("A1"));
  CHECK(south.check_out("A1", "tea", receipt) == Shop::Answer::done);  // asked again: not sold again
  CHECK(south.stock("tea") == 9);
}

TEST_CASE("a cache never shows half an update, wherever the link is cut in the middle of it") {
  for (std::uint64_t command = 1; command <= 4; ++command) {  // MULTI, SET, SET, EXEC
    CAPTURE(command);
    Chain chain;
    auto& cluster = chain.cluster;
    INFO(cluster.story());
    chain.office.publish("old harvest", "2.50");
    cluster.settle();
    cluster.network().set_conditions({1ms, 5ms, 7, 0});  // in crumbs of at most seven bytes
    cluster.after_each_event([&] {
      const std::string page = chain.north.front_page();
      const bool is_whole = page == "old harvest, 2.50" || page == "new harvest, 3.90";
      CHECK(is_whole);
    });

    cluster.cut_at_command(cluster.replica(0), command);
    chain.office.publish("new harvest", "3.90");
    cluster.settle();
    CHECK(chain.north.front_page() == "new harvest, 3.90");
    CHECK(cluster.replica(0).heard<replikv::PartialResync>() == 1);
  }
}

TEST_CASE_FIXTURE(Chain,
                  "a time to live runs out while the link is down: the offer ends everywhere in time") {
  INFO(cluster.story());
  office.offer("tea at half price", 60min);
  cluster.settle();
  cluster.network().partition(cluster.replica(0));
  cluster.advance(59min);
  CHECK(north.has_offer());
  cluster.advance(1min);
  CHECK_FALSE(office.has_offer());
  CHECK_FALSE(north.has_offer());  // though nobody could tell it

  cluster.network().heal();
  cluster.settle();
  CHECK(cluster.converged());
}

TEST_CASE("whatever fails: with faults of all kinds, orders and stock agree in the end, for every seed") {
  replikv::testing::for_each_seed(1, 20, [](std::uint64_t seed) {
    CAPTURE(seed);
    replikv::Random random(seed);
    Cluster<> cluster{{.replicas = 2, .seed = seed}};
    INFO(cluster.story());
    Shop(cluster.master().store()).deliver("tea", 1000);
    cluster.settle();

    auto mix = replikv::testing::FaultMix::draw(random);    // some kinds of faults, at some rate
    mix[replikv::testing::Fault::Kind::corrupt_after] = 0;  // TCP has a checksum
    mix[replikv::testing::Fault::Kind::lose] = 0;           // and the computers have disks
    cluster.play(draw_faults(random, mix, cluster.size(), 60s));
    for (int order = 0; order < 100; ++order) {
      replikv::Token receipt;
      auto& node = cluster.node(random.below(cluster.size()));
      if (node.is_running() && !node.is_paused()) {
        static_cast<void>(Shop(node.store()).check_out(std::to_string(order), "tea", receipt));
      }
      cluster.advance(1s);
    }
    cluster.advance(1min);  // the last faults end

    cluster.fail_over(cluster.node(0));
    cluster.network().heal();
    cluster.settle();
    const Shop shop(cluster.master().store());
    int orders = 0;
    for (int order = 0; order < 100; ++order) orders += shop.has_order(std::to_string(order)) ? 1 : 0;
    CHECK(shop.stock("tea") + orders == 1000);
    CHECK(cluster.converged());
  });
}
