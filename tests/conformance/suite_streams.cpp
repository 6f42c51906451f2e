// Streams of replies: order, completeness, back-pressure, ends.

#include <array>
#include <atomic>

#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

void add_streams(Application& app) {
  app.on_message("countdown", [](int from, ReplyWriter<int>& out) -> task<void> {
    for (int i = from; i > 0; --i) co_await out.write(i);
  });
  app.on_message("pauses", [](int count, ReplyWriter<int>& out) -> task<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (int i = 0; i < count; ++i) {
      timer.expires_after(1ms);
      co_await timer.async_wait(asio::use_awaitable);
      co_await out.write(i);
    }
  });
  app.on_message("breaks", [](ReplyWriter<int>& out) -> task<void> {
    co_await out.write(1);
    co_await out.write(2);
    throw RpcError("late");
  });
}

/// All values of a stream; what ended it leaves as an exception.
template <class T>
task<std::vector<T>> collect(ReplyStream<T> stream) {
  std::vector<T> values;
  while (auto value = co_await stream.next()) values.push_back(std::move(*value));
  co_return values;
}

}  // namespace

TEST_CASE("a stream of replies, in order and complete") {
  World world;
  FERRY_NEEDS(world, reply_streams);
  world.serve(add_streams);
  const Client client = world.client();
  for (const char* pattern : {"countdown", "pauses"}) {
    for (const int count : {0, 1, 2, 3, 70}) {
      CAPTURE(pattern, count);
      std::vector<int> values;
      for (auto stream = client.stream<int>(pattern, count); auto value = stream.next().get();) values.push_back(*value);
      REQUIRE(values.size() == static_cast<std::size_t>(count));
      for (int i = 0; i < count; ++i) {
        CHECK(values[static_cast<std::size_t>(i)] == (*pattern == 'c' ? count - i : i));
      }
    }
  }
  CHECK(client.in_flight() == 0);
}

TEST_CASE("streams under load") {
  World world;
  FERRY_NEEDS(world, reply_streams);
  world.serve(add_streams);
  const Client client = world.client();
  constexpr int streams = 16;
  constexpr int items = 2000;
  Counter done;
  std::atomic<int> complete{0};
  for (int i = 0; i < streams; ++i) {
    asio::co_spawn(client.loop().executor(), collect(client.stream<int>("countdown", items)),
                   [&](std::exception_ptr error, std::vector<int> values) {
                     bool ok = !error && values.size() == items;
                     for (int n = 0; ok && n < items; ++n) ok = values[static_cast<std::size_t>(n)] == items - n;
                     if (ok) ++complete;
                     done.add();
                   });
  }
  REQUIRE(done.reaches(streams));
  CHECK(complete == streams);
}

TEST_CASE("an error behind values comes behind them") {
  World world;
  FERRY_NEEDS(world, reply_streams);
  world.serve(add_streams);
  const Client client = world.client();
  auto stream = client.stream<int>("breaks");
  CHECK(stream.next().get() == 1);
  CHECK(stream.next().get() == 2);
  try {
    stream.next().get();
    FAIL("no error");
  } catch (const RpcError& error) {
    CHECK(error.body() == nlohmann::json{{"status", "error"}, {"message", "late"}});
  }
}

TEST_CASE("send takes the last value of a stream") {
  World world;
  FERRY_NEEDS(world, reply_streams);
  world.serve(add_streams);
  const Client client = world.client();
  CHECK(client.send<int>("countdown", 5).get() == 1);
  CHECK_THROWS_AS(client.send<int>("breaks").get(), RpcError);
}

TEST_CASE("a slow consumer gets all of its stream, late") {
  constexpr int items = 1000;   // 4 MiB
  World world;
  FERRY_NEEDS(world, reply_streams);
  world.serve([](Application& app) {
    app.on_message("pages", [](std::size_t, ReplyWriter<std::string>& out) -> task<void> {
      const std::string page(4096, 'p');
      for (int i = 0; i < items; ++i) co_await out.write(page);
    });
  });
  const Client client = world.client({{"streamBuffer", 16}});
  auto stream = client.stream<std::string>("pages", 0);
  REQUIRE(stream.next().get().has_value());
  // Somebody else takes as many pages meanwhile.
  Application other = world.another_client();
  int count = 0;
  for (auto pages = other.client("SUITE").stream<std::string>("pages", 1); pages.next().get();) ++count;
  CHECK(count == items);
  count = 1;
  while (stream.next().get()) ++count;
  CHECK(count == items);
}

TEST_CASE("a slow consumer holds its service back") {
  constexpr int items = 20000;   // 80 MiB; buffers of the system on the way take more than 20
  std::array<std::atomic<int>, 2> written{};
  World world;
  FERRY_NEEDS(world, reply_streams);
  if (world.capabilities().broker) FERRY_NOT_APPLICABLE("a broker takes what its consumer does not");
  world.serve([&](Application& app) {
    app.on_message("pages", [&](std::size_t reader, ReplyWriter<std::string>& out) -> task<void> {
      const std::string page(4096, 'p');
      for (int i = 0; i < items; ++i) {
        co_await out.write(page);
        ++written.at(reader);
      }
    });
    app.on_message("echo", [](Payload payload) { return payload; });
  });
  const Client client = world.client({{"streamBuffer", 16}});
  auto stream = client.stream<std::string>("pages", 0);
  REQUIRE(stream.next().get().has_value());
  // Somebody else takes as many pages, all of them: the writer for this one had the time, and stood still.
  Application other = world.another_client();
  int count = 0;
  for (auto pages = other.client("SUITE").stream<std::string>("pages", 1); pages.next().get();) ++count;
  CHECK(count == items);
  CHECK(written[1] == items);
  CHECK(written[0] < items / 2);   // what fits into buffers on the way is megabytes, not all of it
  count = 1;
  while (stream.next().get()) ++count;
  CHECK(count == items);
  CHECK(client.send<int>("echo", 1).get() == 1);
}

TEST_CASE("letting go of a stream ends it") {
  Counter ended;
  World world;
  FERRY_NEEDS(world, reply_streams);
  if (world.capabilities().broker) FERRY_NEEDS(world, cancel);   // else nothing ends it
  world.serve([&](Application& app) {
    app.on_message("endless", [&](ReplyWriter<int>& out) -> task<void> {
      try {
        for (int i = 0;; ++i) co_await out.write(i);
      } catch (...) {
        ended.add();
        throw;
      }
    });
    app.on_message("echo", [](Payload payload) { return payload; });
  });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  {
    auto stream = client.stream<int>("endless");
    CHECK(stream.next().get() == 0);
    CHECK(stream.next().get() == 1);
  }
  CHECK(client.send<int>("echo", 5).get() == 5);
  CHECK(client.in_flight() == 0);
  if (world.capabilities().cancel) CHECK(ended.reaches(1));
  world.close_client();
  CHECK(ended.reaches(1));   // at the latest when the caller is gone
  set_log_level(LogLevel::error);
}

TEST_CASE("a stream waits for its next value no longer than its timeout") {
  World world;
  FERRY_NEEDS(world, reply_streams);
  world.serve([&](Application& app) {
    app.on_message("stalls", [&](ReplyWriter<int>& out) -> task<void> {
      co_await out.write(1);
      co_await world.forever();
    });
  });
  set_log_level(LogLevel::off);
  const Client client = world.client();
  // Connecting may take as long, with TLS, and so may a pattern's first request.
  CHECK(client.stream<int>("stalls").next().get() == 1);
  auto stream = client.stream<int>("stalls", 1, SendOptions().timeout(300ms));
  CHECK(stream.next().get() == 1);
  CHECK_THROWS_AS(stream.next().get(), TimeoutError);
  world.close_client();
  set_log_level(LogLevel::error);
}
