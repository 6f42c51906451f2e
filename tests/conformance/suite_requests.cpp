// Streams of requests: order, completeness, back-pressure, cancel; and that transports without them say so.

#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

task<std::int64_t> sum_up(RequestReader<std::int64_t>& in) {
  std::int64_t sum = 0;
  while (const auto value = co_await in.next()) sum += *value;
  co_return sum;
}

task<void> double_each(RequestReader<std::int64_t>& in, ReplyWriter<std::int64_t>& out) {
  while (const auto value = co_await in.next()) co_await out.write(2 * *value);
}

}  // namespace

TEST_CASE("a stream of requests is answered by one value") {
  World world;
  FERRY_NEEDS(world, request_streams);
  world.serve([](Application& app) { app.on_message("sum up", sum_up); });
  const Client client = world.client();
  for (const std::int64_t count : {0, 1, 1000}) {
    CAPTURE(count);
    auto call = client.duplex<std::int64_t, std::int64_t>("sum up");
    for (std::int64_t i = 1; i <= count; ++i) REQUIRE(call.write(i).get());
    CHECK(call.result().get() == count * (count + 1) / 2);
  }
  CHECK(client.in_flight() == 0);
}

TEST_CASE("a stream of requests and a stream of replies, together") {
  World world;
  FERRY_NEEDS(world, request_streams);
  world.serve([](Application& app) { app.on_message("double", double_each); });
  const Client client = world.client();
  auto call = client.duplex<std::int64_t, std::int64_t>("double");
  for (std::int64_t i = 0; i < 100; ++i) {   // each answer before the next question
    REQUIRE(call.write(i).get());
    CHECK(call.next().get() == 2 * i);
  }
  CHECK(call.end().get());
  CHECK(call.next().get() == std::nullopt);
  CHECK_FALSE(call.write(1).get());   // it has ended
}

TEST_CASE("a handler that does not read holds its caller back") {
  World world;
  FERRY_NEEDS(world, request_streams);
  world.serve([&](Application& app) {
    app.on_message("sleeps", [&](RequestReader<std::string>&) -> task<int> {
      co_await world.forever();
      co_return 0;
    });
  });
  const Client client = world.client({{"timeout", "500ms"}});
  auto call = client.duplex<int, std::string>("sleeps");
  const std::string message(64 * 1024, 'x');
  constexpr int far_too_many = 20000;   // 1.2 GiB
  int written = 0;
  while (written < far_too_many && call.write(message).get()) ++written;
  CHECK(written < far_too_many);
  CHECK_THROWS_AS(call.next().get(), TimeoutError);
}

TEST_CASE("a handler learns that the caller of its stream has cancelled") {
  World world;
  FERRY_NEEDS(world, request_streams);
  Counter begun, cancelled;
  world.serve([&](Application& app) {
    app.on_message("reads on", [&](RequestReader<int>& in) -> task<int> {
      try {
        while (co_await in.next()) begun.add();
      } catch (const CancelledError&) {
        cancelled.add();
        throw;
      }
      co_return 0;
    });
  });
  const Client client = world.client();
  {
    auto call = client.duplex<int, int>("reads on");
    REQUIRE(call.write(1).get());
    REQUIRE(begun.reaches(1));
  }
  CHECK(cancelled.reaches(1));
}

TEST_CASE("a handler that ends early ends its caller's stream") {
  World world;
  FERRY_NEEDS(world, request_streams);
  world.serve([](Application& app) {
    app.on_message("first only", [](RequestReader<int>& in) -> task<int> {
      const auto first = co_await in.next();
      co_return first.value_or(-1);
    });
    app.on_message("fails", [](RequestReader<int>& in) -> task<int> {
      co_await in.next();
      throw RpcError("enough");
    });
  });
  const Client client = world.client();
  auto call = client.duplex<int, int>("first only");
  REQUIRE(call.write(7).get());
  CHECK(call.next().get() == 7);
  CHECK(call.next().get() == std::nullopt);
  CHECK_FALSE(call.write(8).get());
  auto failing = client.duplex<int, int>("fails");
  REQUIRE(failing.write(1).get());
  CHECK_THROWS_AS(failing.next().get(), RpcError);
  CHECK_FALSE(failing.write(2).get());
}

TEST_CASE("a message of a stream that is of another type") {
  World world;
  FERRY_NEEDS(world, request_streams);
  world.serve([](Application& app) { app.on_message("sum up", sum_up); });
  const Client client = world.client();
  auto call = client.duplex<std::int64_t, std::string>("sum up");
  REQUIRE(call.write("three").get());
  CHECK_THROWS_AS(call.result().get(), RpcError);
}

TEST_CASE("streams of requests where the transport carries none") {
  World world;
  if (world.capabilities().request_streams) FERRY_NOT_APPLICABLE("the transport carries them");
  world.serve([](Application& app) { app.on_message("sum", [](std::int64_t value) { return value; }); });
  const Client client = world.client();
  auto call = client.duplex<std::int64_t, std::int64_t>("sum");
  CHECK_FALSE(call.write(1).get());
  try {
    call.next().get();
    FAIL("it was taken");
  } catch (const Error& error) {
    CHECK(error.code() == errc::unsupported);
  }
  Application refused = world.another_service();
  refused.on_message("sum up", sum_up);
  CHECK_THROWS_AS(refused.start(), ConfigError);
}
