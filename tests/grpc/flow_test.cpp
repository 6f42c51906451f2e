// Who does not read holds who writes to him, and nobody else.

#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>

#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "../support/usage.hpp"
#include "contract_world.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr std::size_t page_bytes = 1024;

json hero_of(int id) {
  json hero;
  hero["id"] = id;
  hero["name"] = std::string(page_bytes, 'h');
  return hero;
}

/// All that is left; -1 if they do not come in order, from `first` on.
task<int> count_heroes(ReplyStream<json> stream, int first) {
  int id = first;
  while (const auto hero = co_await stream.next()) {
    if (hero->value("id", 0) != id++) co_return -1;
  }
  co_return id;
}

task<int> count_pages(ReplyStream<std::string> stream) {
  int count = 0;
  while (co_await stream.next()) ++count;
  co_return count;
}

}  // namespace

TEST_CASE("a contract: a caller that does not read holds the handler, and no other call of its client") {
  constexpr int items = 20000;
  std::atomic<int> slow_written{0};
  Application service = contract_service();
  service.on_message("HeroService/FindMany", [&](const json& by, ReplyWriter<json>& out) -> task<void> {
    const bool slow = by.value("id", 0) == 1;
    for (int i = 0; i < items; ++i) {
      co_await out.write(hero_of(i));
      if (slow) ++slow_written;
    }
  });
  service.on_message("HeroService/FindOne", [](const json& by) { return by; });
  service.start();
  json client_settings = contract_options(url_of(service));
  Application app(Config::from_json({{"clients", {{"C", {{"transport", "grpc"}, {"options", client_settings}, {"streamBuffer", 4}}}}}}));
  const Client client = app.client("C");
  const json slow_one{{"id", 1}};
  const json other_one{{"id", 2}};
  auto slow = client.stream<json>("HeroService/FindMany", slow_one);
  REQUIRE(slow.next().get().has_value());
  Watched<int> read{0};
  asio::co_spawn(client.loop().executor(), count_heroes(client.stream<json>("HeroService/FindMany", other_one), 0),
                 [&](std::exception_ptr error, int count) { read.change([&](int& value) { value = error ? -1 : count; }); });
  REQUIRE(read.wait([](int count) { return count != 0; }, 60s));   // as much, on the same connection
  CHECK(read.get() == items);
  CHECK(client.send<json>("HeroService/FindOne", other_one).get() == other_one);
  CHECK(slow_written < items / 2);
  asio::co_spawn(client.loop().executor(), count_heroes(std::move(slow), 1),
                 [&](std::exception_ptr error, int count) { read.change([&](int& value) { value = error ? -2 : -count; }); });
  REQUIRE(read.wait([](int count) { return count < 0; }, 60s));
  CHECK(read.get() == -items);
}

TEST_CASE("a contract: a handler that does not read holds its caller") {
  constexpr int items = 20000;
  Counter begun;
  Counter ended;
  std::atomic<bool> open{false};
  Application service = contract_service();
  service.on_message("StreamService/Count", [&](RequestReader<json>& in) -> task<json> {
    int count = 0;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (co_await in.next()) {
      if (++count == 1) begun.add();
      while (!open) {
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
      }
    }
    co_return json{{"id", count}};
  });
  service.on_message("StreamService/Tally", [](RequestReader<json>& in) -> task<json> {
    int count = 0;
    while (co_await in.next()) ++count;
    co_return json{{"id", count}};
  });
  service.start();
  Application app = contract_client(url_of(service));
  const Client client = app.client("HEROES");
  std::atomic<int> slow_written{0};
  std::atomic<int> written{0};
  auto slow = client.duplex<json, json>("StreamService/Count");
  auto quick = client.duplex<json, json>("StreamService/Tally");
  const auto write = [&](Duplex<json, json>& stream, std::atomic<int>& count) {
    asio::co_spawn(client.loop().executor(), [](Duplex<json, json>& to, std::atomic<int>& taken) -> task<void> {
      for (int i = 0; i < items; ++i) {
        if (!co_await to.write(hero_of(i))) co_return;
        ++taken;
      }
    }(stream, count), [&](std::exception_ptr) { ended.add(); });
  };
  write(slow, slow_written);
  REQUIRE(begun.reaches(1));
  write(quick, written);   // as much, on the same connection
  REQUIRE(ended.reaches(1, 60s));
  CHECK(quick.result().get().value("id", 0) == items);
  CHECK(slow_written < items / 2);
  open = true;
  REQUIRE(ended.reaches(2, 60s));
  CHECK(slow.result().get().value("id", 0) == items);
}

TEST_CASE("1000 streams that nobody reads hold their writers and nobody else, and all is there when they are read") {
  constexpr int streams = 1000;
  constexpr int pages = 250;   // a gigabyte, if nothing held it back
  std::atomic<int> written{0};
  Counter begun;
  Application service = envelope_service();
  service.on_message("pages", [&](ReplyWriter<std::string>& out) -> task<void> {
    const std::string page(4 * page_bytes, 'p');
    for (int i = 0; i < pages; ++i) {
      co_await out.write(page);
      if (i == 0) begun.add();
      ++written;
    }
  });
  service.start();
  const std::size_t before = usage_of(getpid()).resident_bytes;
  const bool measured = reset_peak(getpid()) && !sanitized;
  Application app = envelope_client(url_of(service), json::object(), {{"streamBuffer", 4}, {"timeout", "120s"}});
  const Client client = app.client("C");
  std::vector<ReplyStream<std::string>> all;
  for (int i = 0; i < streams; ++i) all.push_back(client.stream<std::string>("pages"));
  for (auto& stream : all) REQUIRE(stream.next().get().has_value());   // each has its first, whatever the others hold
  REQUIRE(begun.reaches(streams));
  for (int i = 0; i < 10; ++i) {   // the writers had the time
    auto other = client.stream<std::string>("pages");
    int count = 0;
    while (other.next().get()) ++count;
    CHECK(count == pages);
  }
  const int held = written;
  CHECK(held < streams * pages / 2);
  // One after the other: those that are not read yet hold nobody.
  int complete = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    int count = 1;
    while (all[i].next().get()) ++count;
    complete += count == pages ? 1 : 0;
  }
  CHECK(complete == 10);
  Counter whole;
  Counter ended;
  for (std::size_t i = 10; i < all.size(); ++i) {
    asio::co_spawn(client.loop().executor(), count_pages(std::move(all[i])), [&](std::exception_ptr error, int count) {
      if (!error && count == pages - 1) whole.add();
      ended.add();
    });
  }
  REQUIRE(ended.reaches(streams - 10, 120s));
  CHECK(whole.get() == streams - 10);
  CHECK(client.in_flight() == 0);
  const std::size_t grown = usage_of(getpid()).peak_bytes - before;
  INFO("pages written while nobody read: " << held << ", MiB at the most: " << grown / 1048576);
  if (measured) CHECK(grown < std::size_t{450} << 20);
}
