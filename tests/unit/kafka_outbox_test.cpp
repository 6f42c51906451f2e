// When records leave for the driver, and as what. The driver has no broker: what it took stays in its queue.

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include "catch.hpp"
#include "test_loop.hpp"
#include "transports/kafka/outbox.hpp"

using namespace ferry;
using namespace ferry::kafka;
using test::TestLoop;

namespace {

struct OutboxWorld {
  explicit OutboxWorld(const Properties& properties = {}, Outbox::WhenFull when_full = Outbox::WhenFull::refuse) {
    Failure failure;
    producer = Handle::make(RD_KAFKA_PRODUCER, properties, RD_KAFKA_EVENT_DR, loop, failure);
    REQUIRE(producer);
    topic.reset(rd_kafka_topic_new(producer->get(), "orders", nullptr));
    box = std::make_shared<Outbox>(loop, producer, when_full, [this](RecordFields record, const Failure& why) {
      refused.emplace_back(static_cast<const char*>(record[2].u.mem.ptr), record[2].u.mem.size);
      told = why;
    });
  }
  ~OutboxWorld() { box->shut(); }

  void add(std::string_view value = "v") {
    OutgoingRecord record;
    record.start(topic.get());
    record.set_value({value, false, ValueForm::plain});
    box->add(record);
  }
  /// Records that the driver has.
  int taken() const { return rd_kafka_outq_len(producer->get()); }

  asio::io_context io;
  TestLoop loop{io};
  std::shared_ptr<Handle> producer;
  TopicPtr topic;
  std::vector<std::string> refused;
  std::optional<Failure> told;
  std::shared_ptr<Outbox> box;
};

}  // namespace

TEST_CASE("kafka outbox: what is added in one turn leaves at its end while nothing is unconfirmed") {
  OutboxWorld world;
  world.add();
  world.add();
  CHECK(world.taken() == 0);
  world.loop.run();
  CHECK(world.taken() == 2);
}

TEST_CASE("kafka outbox: while some are unconfirmed others gather until the last of those is reported") {
  OutboxWorld world;
  world.add();
  world.add();
  world.loop.run();
  for (int i = 0; i < 5; ++i) world.add();
  world.loop.run();
  CHECK(world.taken() == 2);
  world.box->reported();
  world.loop.run();
  CHECK(world.taken() == 2);
  world.box->reported();
  world.loop.run();
  CHECK(world.taken() == 7);
}

TEST_CASE("kafka outbox: what gathers waits for no more than a moment where nothing is reported") {
  OutboxWorld world;
  world.add();
  world.loop.run();
  const auto begin = std::chrono::steady_clock::now();
  world.add();
  while (world.taken() != 2 && std::chrono::steady_clock::now() < begin + std::chrono::seconds(20)) {
    world.io.restart();
    world.io.run_one_for(std::chrono::seconds(1));
  }
  CHECK(world.taken() == 2);
  CHECK(std::chrono::steady_clock::now() - begin >= Outbox::longest - std::chrono::milliseconds(1));
}

TEST_CASE("kafka outbox: a full batch leaves whatever is unconfirmed") {
  OutboxWorld world;
  world.add();
  world.loop.run();
  SECTION("of records") {
    for (std::size_t i = 0; i < Outbox::most_records; ++i) world.add();
    world.loop.run();
    CHECK(world.taken() == static_cast<int>(Outbox::most_records) + 1);
  }
  SECTION("of bytes") {
    world.add(std::string(Outbox::most_bytes, 'x'));
    world.loop.run();
    CHECK(world.taken() == 2);
  }
  SECTION("of records, added by another thread while they gather") {
    world.add();
    world.loop.run();
    std::thread([&world] {
      for (std::size_t i = 1; i < Outbox::most_records; ++i) world.add();
    }).join();
    world.loop.run();
    CHECK(world.taken() == static_cast<int>(Outbox::most_records) + 1);
  }
  SECTION("of records, added on the loop: within the turn") {
    world.loop.post([&world] {
      for (std::size_t i = 0; i < Outbox::most_records; ++i) world.add();
      CHECK(world.taken() == static_cast<int>(Outbox::most_records) + 1);
    });
    world.loop.run();
    CHECK(world.taken() == static_cast<int>(Outbox::most_records) + 1);
  }
}

TEST_CASE("kafka outbox: flush sends what gathers") {
  OutboxWorld world;
  world.add();
  world.loop.run();
  world.add();
  world.box->flush();
  CHECK(world.taken() == 2);
}

TEST_CASE("kafka outbox: what the driver refuses is told once, on the loop, and holds up nothing") {
  OutboxWorld world(Properties{{"queue.buffering.max.messages", "2"}});
  for (const char* value : {"a", "b", "c", "d"}) world.add(value);
  CHECK(world.refused.empty());
  world.loop.run();
  CHECK(world.taken() == 2);
  CHECK(world.refused == std::vector<std::string>{"c", "d"});
  REQUIRE(world.told);
  CHECK(world.told->code == errc::overloaded);
  CHECK(world.told->fate == Fate::not_sent);
  world.box->reported();
  world.box->reported();   // only those that were taken are waited for
  world.add("e");
  world.loop.run();
  CHECK(world.refused == std::vector<std::string>{"c", "d", "e"});
}

TEST_CASE("kafka outbox: or what the driver has no room for waits, in its order, until it has") {
  OutboxWorld world(Properties{{"queue.buffering.max.messages", "2"}}, Outbox::WhenFull::wait);
  for (const char* value : {"a", "b", "c", "d"}) world.add(value);
  world.loop.run();
  CHECK(world.taken() == 2);
  CHECK_FALSE(world.box->empty());
  rd_kafka_purge(world.producer->get(), RD_KAFKA_PURGE_F_QUEUE);
  while (world.taken() != 0) EventPtr(rd_kafka_queue_poll(world.producer->events(), 100));
  world.box->reported();
  world.box->reported();
  world.loop.run();
  CHECK(world.taken() == 2);
  CHECK(world.box->empty());
  CHECK(world.refused.empty());
}

TEST_CASE("kafka outbox: after shut nothing is told, and what is added leaves at once") {
  OutboxWorld world;
  world.add();
  world.box->shut();
  world.loop.run();
  CHECK(world.taken() == 0);
  world.add();
  CHECK(world.taken() == 1);
}

TEST_CASE("kafka outbox: a batch has copies of its records, null and empty told apart") {
  RecordBatch batch;
  for (int round = 0; round < 2; ++round) {
    {
      std::string name = "h";
      std::string text = "one";
      std::string key = "k";
      OutgoingRecord record;
      record.start(nullptr);
      record.set_key(key);
      record.set_value({"", false, ValueForm::plain});
      record.headers().add(name, text);
      record.headers().add("empty", std::string_view());
      batch.add(record.fields());
      record.start(nullptr);
      record.set_value({{}, true, ValueForm::plain});
      record.set_opaque(&batch);
      batch.add(record.fields());
      name = text = key = "-";
    }
    REQUIRE(batch.count() == 2);
    const RecordFields first = batch.record(0);
    REQUIRE(first.size() == 6);
    CHECK(std::string_view(static_cast<const char*>(first[2].u.mem.ptr), first[2].u.mem.size) == "k");
    CHECK(first[3].u.mem.ptr != nullptr);
    CHECK(first[3].u.mem.size == 0);
    CHECK(std::string_view(first[4].u.header.name) == "h");
    CHECK(std::string_view(static_cast<const char*>(first[4].u.header.val), 3) == "one");
    CHECK(std::string_view(first[5].u.header.name) == "empty");
    CHECK(first[5].u.header.size == 0);
    const RecordFields second = batch.record(1);
    REQUIRE(second.size() == 4);
    CHECK(second[2].u.mem.ptr == nullptr);
    CHECK(second[3].u.ptr == &batch);
    batch.clear();
    CHECK(batch.count() == 0);
    CHECK(batch.bytes() == 0);
  }
}
