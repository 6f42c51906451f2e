// Who may cancel a message that handlers work on, also before it has come; and on which thread it ends.

#include "transports/common/live_deliveries.hpp"

#include <string>
#include <vector>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/runtime.hpp"
#include "serializers/json/json_serializer.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using transports::EarlyCancels;
using transports::LiveDeliveries;
using transports::LiveDelivery;

namespace {

/// Where messages ended: on the loop, or not.
using Ends = Watched<std::vector<bool>>;

class Delivery final : public LiveDelivery {
 public:
  Delivery(const std::shared_ptr<LiveDeliveries>& live, const spi::Serializer& serializer, std::string_view id, Ends& ends)
      : LiveDelivery(live, live->loop(), serializer), ends_(ends) {
    view_.has_id = true;
    view_.id = id;
  }
  ~Delivery() override {
    ends_.change([this](auto& all) { all.push_back(loop().in_loop()); });
  }
  void reply(spi::ReplyKind, std::string&) override { finished(); }

 private:
  Ends& ends_;
};

struct World {
  Runtime runtime{1, 1};
  const spi::Loop& loop = *runtime.loops().front();
  serializers::JsonSerializer serializer;
  std::shared_ptr<LiveDeliveries> live = std::make_shared<LiveDeliveries>(loop);
  Ends ends;

  ~World() {
    live->close();
    runtime.stop(1s);
  }
  spi::DeliveryPtr arrives(std::string_view id) {
    auto* const made = new Delivery(live, serializer, id, ends);
    spi::DeliveryPtr owner(made);
    made->enlist();
    return owner;
  }
  bool ended(const std::vector<bool>& on_loop) const {
    return ends.wait([&](const auto& all) { return all == on_loop; });
  }
  /// Runs it on the loop, and waits.
  template <class F>
  void on_loop(F function) {
    Counter done;
    loop.post([&] {
      function();
      done.add();
    });
    REQUIRE(done.reaches(1));
  }
};

std::string number(std::size_t n) { return "id-" + std::to_string(n); }

}  // namespace

TEST_CASE("live deliveries: a cancel reaches whoever works on that request, however often it came") {
  World world;
  world.on_loop([&] {
    const spi::DeliveryPtr one = world.arrives("1");
    const spi::DeliveryPtr other = world.arrives("2");
    const spi::DeliveryPtr again = world.arrives("1");
    int told = 0;
    one->on_abandoned([&] { ++told; });
    world.live->give_up("1");
    CHECK(told == 1);
    CHECK(one->abandoned());
    CHECK(again->abandoned());
    CHECK_FALSE(other->abandoned());
  });
}

TEST_CASE("live deliveries: a cancel may end other messages") {
  World world;
  world.on_loop([&] {
    spi::DeliveryPtr one = world.arrives("1");
    spi::DeliveryPtr again = world.arrives("1");
    one->on_abandoned([&] { again = {}; });
    again->on_abandoned([&] { one = {}; });
    world.live->give_up("1");
    CHECK(world.ended({true}));
  });
}

TEST_CASE("live deliveries: what has its answer is not cancelled") {
  World world;
  world.on_loop([&] {
    const spi::DeliveryPtr one = world.arrives("1");
    std::string payload;
    one->reply(spi::ReplyKind::end, payload);
    world.live->give_up("1");
    CHECK_FALSE(one->abandoned());
  });
}

TEST_CASE("live deliveries: a cancel that overtook its request counts") {
  World world;
  world.on_loop([&] {
    world.live->give_up("1");
    CHECK(world.arrives("1")->abandoned());
    CHECK_FALSE(world.arrives("2")->abandoned());
    CHECK(world.arrives("1")->abandoned());   // brought once more
  });
}

TEST_CASE("early cancels: the latest are kept, and no long id") {
  EarlyCancels cancels;
  const EarlyCancels::Time now{};
  for (std::size_t i = 0; i < EarlyCancels::most; ++i) cancels.add(number(i), now);
  cancels.add(number(7), now);   // is there
  CHECK(cancels.contains(number(0), now));
  cancels.add("new", now);
  CHECK_FALSE(cancels.contains(number(0), now));
  CHECK(cancels.contains(number(1), now));
  CHECK(cancels.contains("new", now));
  const std::string longest(EarlyCancels::longest_id, 'x');
  cancels.add(longest, now);
  cancels.add(longest + 'x', now);
  CHECK(cancels.contains(longest, now));
  CHECK_FALSE(cancels.contains(longest + 'x', now));
}

TEST_CASE("early cancels: they are forgotten before their ids return") {
  EarlyCancels cancels;
  const EarlyCancels::Time begin{};
  cancels.add("1", begin);
  cancels.add("2", begin + 1s);
  CHECK(cancels.contains("1", begin + EarlyCancels::lifetime - 1ms));
  CHECK_FALSE(cancels.contains("1", begin + EarlyCancels::lifetime));
  CHECK(cancels.contains("2", begin + EarlyCancels::lifetime));
}

TEST_CASE("live deliveries: a message ends on its loop, and anywhere once that may be gone") {
  World world;
  std::vector<spi::DeliveryPtr> owners;
  world.on_loop([&] {
    for (const char* id : {"1", "2", "3"}) owners.push_back(world.arrives(id));
    owners.pop_back();
  });
  CHECK(world.ended({true}));
  owners.pop_back();
  CHECK(world.ended({true, true}));
  world.live->close();
  owners.pop_back();
  CHECK(world.ended({true, true, false}));
}
