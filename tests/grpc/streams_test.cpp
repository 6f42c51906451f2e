// Streams of requests: plain clients and services that protoc generated, and ferry on both sides.

#include <thread>

#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>

#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "../support/outcome.hpp"
#include "../support/scratch.hpp"
#include "contract_world.hpp"
#include "hero.grpc.pb.h"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

json hero_of(int id) {
  json hero;
  hero["id"] = id;
  return hero;
}

/// Counts a stream, and gives a stream back.
void add_streams(Application& app) {
  app.on_message("StreamService/Count", [](RequestReader<json>& in) -> task<json> {
    int count = 0;
    while (co_await in.next()) ++count;
    co_return hero_of(count);
  });
  app.on_message("StreamService/Chat", [](RequestReader<json>& in, ReplyWriter<json>& out) -> task<void> {
    while (const auto hero = co_await in.next()) co_await out.write(*hero);
  });
}

struct CallContext : grpc::ClientContext {
  CallContext() { set_deadline(std::chrono::system_clock::now() + 30s); }
};

class Streams final : public hero::StreamService::Service {
 public:
  grpc::Status Count(grpc::ServerContext* context, grpc::ServerReader<hero::Hero>* reader, hero::HeroById* out) override {
    hero::Hero hero;
    int count = 0;
    while (reader->Read(&hero)) ++count;
    if (context->IsCancelled()) cancelled.add();
    out->set_id(count);
    return count == 13 ? grpc::Status(grpc::OUT_OF_RANGE, "unlucky") : grpc::Status::OK;
  }
  grpc::Status Chat(grpc::ServerContext*, grpc::ServerReaderWriter<hero::Hero, hero::Hero>* stream) override {
    hero::Hero hero;
    while (stream->Read(&hero)) {
      if (hero.id() < 0) return {grpc::NOT_FOUND, "enough"};
      stream->Write(hero);
    }
    return grpc::Status::OK;
  }
  Counter cancelled;
};

struct Plain {
  Plain() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&streams);
    server = builder.BuildAndStart();
    url = "127.0.0.1:" + std::to_string(port);
  }
  ~Plain() { server->Shutdown(std::chrono::system_clock::now()); }
  Streams streams;
  std::unique_ptr<grpc::Server> server;
  std::string url;
};

std::unique_ptr<hero::StreamService::Stub> stub_of(Application& service) {
  return hero::StreamService::NewStub(grpc::CreateChannel(url_of(service), grpc::InsecureChannelCredentials()));
}

/// Writes so many heroes, and counts those that were taken.
task<void> write_heroes(Duplex<json, json>& stream, int count, std::atomic<int>& written) {
  for (int i = 0; i < count; ++i) {
    if (!co_await stream.write(hero_of(i))) co_return;
    ++written;
  }
  co_await stream.end();
}

/// Reads to the end; -1 if they were not the heroes written.
task<int> read_heroes(Duplex<json, json>& stream) {
  int count = 0;
  while (const auto hero = co_await stream.next()) {
    if (hero->value("id", 0) != count++) co_return -1;
  }
  co_return count;
}

}  // namespace

TEST_CASE("a plain client's stream of requests") {
  Application service = contract_service();
  add_streams(service);
  set_log_level(LogLevel::error);
  service.start();
  const auto stub = stub_of(service);
  for (const int count : {0, 1, 1000}) {
    CallContext context;
    hero::HeroById reply;
    const auto writer = stub->Count(&context, &reply);
    hero::Hero hero;
    for (int i = 0; i < count; ++i) {
      hero.set_id(i);
      REQUIRE(writer->Write(hero));
    }
    writer->WritesDone();
    REQUIRE(writer->Finish().ok());
    CHECK(reply.id() == count);
  }
  CallContext context;
  const auto chat = stub->Chat(&context);
  hero::Hero hero;
  for (int i = 1; i <= 100; ++i) {   // each answered before the next
    hero.set_id(i);
    REQUIRE(chat->Write(hero));
    REQUIRE(chat->Read(&hero));
    CHECK(hero.id() == i);
  }
  chat->WritesDone();
  CHECK_FALSE(chat->Read(&hero));
  CHECK(chat->Finish().ok());
}

TEST_CASE("a caller that goes in its stream of requests is no end of it") {
  Counter begun;
  Watched<std::vector<std::error_code>> ends;
  Application service = contract_service();
  service.on_message("StreamService/Count", [&](RequestReader<json>& in) -> task<json> {
    try {
      while (co_await in.next()) begun.add();
      ends.change([](auto& all) { all.emplace_back(); });
    } catch (const Error& error) {
      ends.change([&](auto& all) { all.push_back(error.code()); });
      throw;
    }
    co_return json::object();
  });
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = stub_of(service);
  {
    CallContext context;
    hero::HeroById reply;
    const auto writer = stub->Count(&context, &reply);
    REQUIRE(writer->Write(hero::Hero()));
    REQUIRE(begun.reaches(1));
    context.TryCancel();
    CHECK(writer->Finish().error_code() == grpc::CANCELLED);
  }
  Application app = contract_client(url_of(service));
  {
    auto stream = app.client("HEROES").duplex<json, json>("StreamService/Count");
    REQUIRE(stream.write(hero_of(1)).get());
    REQUIRE(begun.reaches(2));
  }
  REQUIRE(ends.wait([](const auto& all) { return all.size() == 2; }));
  for (const std::error_code& code : ends.get()) CHECK(code == errc::cancelled);
  CHECK(service.stop());
  set_log_level(LogLevel::error);
}

TEST_CASE("streams of requests to a plain service") {
  Plain plain;
  Application app = contract_client(plain.url);
  const Client client = app.client("HEROES");
  for (const int count : {0, 1, 1000}) {
    auto stream = client.duplex<json, json>("StreamService/Count");
    for (int i = 0; i < count; ++i) REQUIRE(stream.write(hero_of(i)).get());
    CHECK(stream.result().get().value("id", 0) == count);
  }
  auto chat = client.duplex<json, json>("StreamService/Chat");
  for (int i = 1; i <= 100; ++i) {
    REQUIRE(chat.write(hero_of(i)).get());
    CHECK(chat.next().get() == hero_of(i));
  }
  REQUIRE(chat.end().get());
  CHECK_FALSE(chat.next().get());
  CHECK(client.in_flight() == 0);
}

TEST_CASE("streams of requests that a plain service ends") {
  Plain plain;
  Application app = contract_client(plain.url);
  const Client client = app.client("HEROES");
  auto unlucky = client.duplex<json, json>("StreamService/Count");
  for (int i = 0; i < 13; ++i) REQUIRE(unlucky.write(hero_of(i)).get());
  CHECK_THROWS_AS(unlucky.result().get(), RpcError);   // its reply came with a status that says otherwise
  auto chat = client.duplex<json, json>("StreamService/Chat");
  REQUIRE(chat.write(hero_of(1)).get());
  REQUIRE(chat.write(hero_of(-1)).get());
  CHECK(chat.next().get() == hero_of(1));
  CHECK_THROWS_AS(chat.next().get(), RpcError);
  CHECK_FALSE(chat.write(hero_of(2)).get());
  {
    auto left = client.duplex<json, json>("StreamService/Count");
    REQUIRE(left.write(hero_of(1)).get());
  }
  CHECK(plain.streams.cancelled.reaches(1));
  CHECK(client.in_flight() == 0);
}

TEST_CASE("calls of the wrong kind are refused") {
  Plain plain;
  Application app = contract_client(plain.url);
  const Client client = app.client("HEROES");
  CHECK(code_of([&] { client.send<json>("StreamService/Count", hero_of(1)).get(); }) == errc::unsupported);
  CHECK(code_of([&] { client.duplex<json, json>("HeroService/FindOne").result().get(); }) == errc::unsupported);
  const auto start_error = [](const auto& add) -> std::string {
    try {
      Application service = contract_service();
      add(service);
      service.start();
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  CHECK_THAT(start_error([](Application& to) { to.on_message("StreamService/Count", [](const json&) { return 1; }); }),
             Contains("/hero.StreamService/Count") && Contains("RequestReader"));
  CHECK_THAT(start_error([](Application& to) {
               to.on_message("HeroService/FindOne", [](RequestReader<json>&) -> task<int> { co_return 1; });
             }),
             Contains("/hero.HeroService/FindOne") && Contains("one request"));
  CHECK_THAT(start_error([](Application& to) {
               to.on_message("HeroService/FindOne", [](const json&, ReplyWriter<json>&) -> task<void> { co_return; });
             }),
             Contains("/hero.HeroService/FindOne") && Contains("one reply"));
}

TEST_CASE("a service that sends several messages for one reply") {
  // The client's contract says one hero; the service's says many.
  const ScratchDirectory scratch;
  scratch.write("one.proto", R"(syntax = "proto3"; package hero; message HeroById { int32 id = 1; } message Hero { int32 id = 1; }
    service HeroService { rpc FindMany (HeroById) returns (Hero); })");
  Application service = contract_service();
  service.on_message("HeroService/FindMany", [](const json& by, ReplyWriter<json>& out) -> task<void> {
    for (int i = 0; i < by.value("id", 0); ++i) co_await out.write(hero_of(i + 1));
  });
  service.start();
  Application app = contract_client(url_of(service), {{"protoPath", scratch.path() + "/one.proto"}});
  const Client client = app.client("HEROES");
  CHECK(client.send<json>("HeroService/FindMany", hero_of(1)).get() == hero_of(1));
  // gRPC tells no status while a message is there that nobody reads: the deadline ends it.
  const auto two = [&] { client.send<json>("HeroService/FindMany", hero_of(2), SendOptions().timeout(300ms)).get(); };
  CHECK(code_of(two) == errc::timed_out);
  CHECK(client.in_flight() == 0);
  CHECK(code_of([&] { client.send<json>("HeroService/FindMany", hero_of(0)).get(); }) == errc::bad_message);
}

TEST_CASE("a service that sends several messages for the one reply to a stream of requests") {
  const ScratchDirectory scratch;
  scratch.write("one.proto", R"(syntax = "proto3"; package hero; message Hero { int32 id = 1; }
    service StreamService { rpc Chat (stream Hero) returns (Hero); })");
  Application service = contract_service();
  add_streams(service);
  set_log_level(LogLevel::off);
  service.start();
  Application app = contract_client(url_of(service), {{"protoPath", scratch.path() + "/one.proto"}});
  auto chat = app.client("HEROES").duplex<json, json>("StreamService/Chat", SendOptions().timeout(1h));
  REQUIRE(chat.write(hero_of(1)).get());
  REQUIRE(chat.write(hero_of(2)).get());
  try {   // though the caller has not ended his stream
    chat.result().get(patience);
    FAIL("there are two replies");
  } catch (const RpcError& error) {
    CHECK(error.body().value("code", 0) == 13);
    CHECK_THAT(error.body().value("details", ""), Contains("several messages"));
  }
  CHECK(app.client("HEROES").in_flight() == 0);
  CHECK(service.stop());
  set_log_level(LogLevel::error);
}

TEST_CASE("without a contract: streams of requests in both directions, a slow reader holds the writer") {
  constexpr int items = 20000;
  std::atomic<bool> open{false};
  Counter begun;
  const auto options = [](const std::string& url) { return json{{"transport", "grpc"}, {"options", {{"url", url}}}}; };
  Application service(Config::from_json({{"threads", 2}, {"services", {{"S", options("127.0.0.1:0")}}}}));
  service.on_message("count", [](RequestReader<json>& in) -> task<int> {
    int count = 0;
    while (co_await in.next()) ++count;
    co_return count;
  });
  service.on_message("chat", [](RequestReader<json>& in, ReplyWriter<json>& out) -> task<void> {
    while (const auto hero = co_await in.next()) co_await out.write(*hero);
  });
  service.on_message("slow", [&](RequestReader<std::string>& in) -> task<int> {
    int count = 0;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (co_await in.next()) {
      if (++count == 1) begun.add();
      while (!open) {
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
      }
    }
    co_return count;
  });
  service.start();
  Application app(Config::from_json({{"clients", {{"C", options(url_of(service))}}}}));
  const Client client = app.client("C");
  for (const int count : {0, 1, 1000}) {
    auto stream = client.duplex<int, json>("count");
    for (int i = 0; i < count; ++i) REQUIRE(stream.write(hero_of(i)).get());
    CHECK(stream.result().get() == count);
  }
  {
    auto one = client.send<int>("count", hero_of(1));
    CHECK(std::move(one).get() == 1);   // one request is a stream of one
  }
  std::atomic<int> slow_written{0};
  auto slow = client.duplex<int, std::string>("slow");
  Counter ended;
  asio::co_spawn(client.loop().executor(), [&]() -> task<void> {
    const std::string page(1024, 'p');
    for (int i = 0; i < items; ++i) {
      if (!co_await slow.write(page)) co_return;
      ++slow_written;
    }
  }, [&](std::exception_ptr) { ended.add(); });
  REQUIRE(begun.reaches(1));
  // Another stream carries as much meanwhile.
  std::atomic<int> written{0};
  std::atomic<int> read{0};
  auto chat = client.duplex<json, json>("chat");
  asio::co_spawn(client.loop().executor(), write_heroes(chat, items, written), [&](std::exception_ptr) { ended.add(); });
  asio::co_spawn(client.loop().executor(), read_heroes(chat), [&](std::exception_ptr error, int count) {
    if (!error) read = count;
    ended.add();
  });
  REQUIRE(ended.reaches(2, 60s));
  CHECK(read == items);
  CHECK(slow_written < items / 2);
  open = true;
  REQUIRE(ended.reaches(3, 60s));
  CHECK(slow.result().get() == items);
  CHECK(client.in_flight() == 0);
}
