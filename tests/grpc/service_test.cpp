// A ferry service, called by clients that protoc generated.

#include <fstream>
#include <map>
#include <thread>

#include <asio/steady_timer.hpp>
#include <grpcpp/create_channel.h>

#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "contract_world.hpp"
#include "ferry_test_paths.hpp"
#include "hero.grpc.pb.h"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

std::unique_ptr<hero::HeroService::Stub> stub_of(Application& service) {
  return hero::HeroService::NewStub(grpc::CreateChannel(url_of(service), grpc::InsecureChannelCredentials()));
}

/// Every call ends, whatever happens.
struct CallContext : grpc::ClientContext {
  CallContext() { set_deadline(std::chrono::system_clock::now() + 30s); }
};

grpc::Status find_one(hero::HeroService::Stub& stub, int id, hero::Hero* out = nullptr) {
  CallContext context;
  hero::HeroById request;
  request.set_id(id);
  hero::Hero reply;
  return stub.FindOne(&context, request, out != nullptr ? out : &reply);
}

}  // namespace

TEST_CASE("a unary call") {
  Application service = contract_service();
  service.on_message({{"service", "HeroService"}, {"rpc", "FindOne"}}, [](const json& by) {
    return json{{"id", by.at("id")}, {"name", "hero " + std::to_string(by.at("id").get<int>())}};
  });
  service.start();
  const auto stub = stub_of(service);
  hero::Hero hero;
  REQUIRE(find_one(*stub, 7, &hero).ok());
  CHECK(hero.id() == 7);
  CHECK(hero.name() == "hero 7");
}

TEST_CASE("a stream of replies") {
  Application service = contract_service();
  service.on_message("HeroService/FindMany", [](const json& by, ReplyWriter<json>& out) -> task<void> {
    json hero;
    for (int i = 0; i < by.at("id").get<int>(); ++i) {
      hero["id"] = i;
      co_await out.write(hero);
    }
  });
  service.start();
  const auto stub = stub_of(service);
  CallContext context;
  hero::HeroById request;
  request.set_id(1000);
  const auto reader = stub->FindMany(&context, request);
  hero::Hero hero;
  int count = 0;
  while (reader->Read(&hero)) CHECK(hero.id() == count++);
  CHECK(reader->Finish().ok());
  CHECK(count == 1000);
}

TEST_CASE("every kind of field comes and goes") {
  Application service = contract_service();
  service.on_message("hero.HeroService/Echo", [](Payload payload) { return payload; });
  service.start();
  const auto stub = stub_of(service);
  common::Kinds kinds;
  kinds.set_float64(1.5);
  kinds.set_float32(-0.25F);
  kinds.set_int32_value(-7);
  kinds.set_int64_value(std::numeric_limits<std::int64_t>::min());
  kinds.set_uint32_value(std::numeric_limits<std::uint32_t>::max());
  kinds.set_uint64_value(std::numeric_limits<std::uint64_t>::max());
  kinds.set_sint32_value(std::numeric_limits<std::int32_t>::min());
  kinds.set_sint64_value(-9007199254740993);
  kinds.set_fixed32_value(1);
  kinds.set_fixed64_value(2);
  kinds.set_sfixed32_value(-3);
  kinds.set_sfixed64_value(-4);
  kinds.set_truth(true);
  kinds.set_text("é€😀");
  kinds.set_data(std::string("\0\xff\x7f", 3));
  kinds.set_colour(common::BLUE);
  kinds.mutable_power()->set_name("flight");
  for (int i = 1; i < 4; ++i) {
    kinds.add_powers()->set_level(i);
    kinds.add_numbers(i * 100);
    kinds.add_words(std::string(static_cast<std::size_t>(i), 'w'));
    kinds.add_loose(-i);
    (*kinds.mutable_counts())["n" + std::to_string(i)] = i;
    (*kinds.mutable_by_number())[-i].set_level(i);
  }
  kinds.add_colours(common::RED);
  kinds.set_chosen_number(0);
  kinds.set_maybe(0);
  CallContext context;
  common::Kinds reply;
  REQUIRE(stub->Echo(&context, kinds, &reply).ok());
  CHECK(reply.DebugString() == kinds.DebugString());
  CHECK(reply.choice_case() == common::Kinds::kChosenNumber);
  CHECK(reply.has_maybe());

  CallContext again;
  REQUIRE(stub->Echo(&again, common::Kinds(), &reply).ok());
  CHECK(reply.ByteSizeLong() == 0);
}

TEST_CASE("what a handler throws is a status, as NestJS's") {
  // What stands for what NestJS threw when its answers were recorded; null: an exception that is none of ferry's.
  const std::map<std::string, json> bodies{
      {"RpcException('boom')", "boom"},
      {"RpcException({code:5,message:'nf'})", {{"code", 5}, {"message", "nf"}}},
      {"RpcException({code:7,message:'m',details:'d'})", {{"code", 7}, {"message", "m"}, {"details", "d"}}},
      {"RpcException({status:5,message:'st'})", {{"status", 5}, {"message", "st"}}},
      {"Error('secret')", nullptr},
      {"RpcException({code:'x',message:'strcode'})", {{"code", "x"}, {"message", "strcode"}}},
      {"RpcException({foo:1})", json{{"foo", 1}}},
      {"RpcException({code:3,message:'withmd',metadata:{err-md: v}})", {{"code", 3}, {"message", "withmd"}, {"metadata", {{"err-md", "v"}}}}},
      {"RpcException({code:99,message:'big'})", {{"code", 99}, {"message", "big"}}}};
  const json vectors = json::parse(std::ifstream(FERRY_TESTS_DIR "/vectors/grpc.json"));
  Application service = contract_service();
  json thrown;
  service.on_message("HeroService/FindOne", [&](const json&) -> json {
    if (thrown.is_null()) throw std::runtime_error("secret");
    throw RpcError(thrown);
  });
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = stub_of(service);
  std::size_t checked = 0;
  for (const json& vector : vectors.at("errors")) {
    const auto body = bodies.find(vector.at("thrown").get<std::string>());
    if (body == bodies.end()) continue;   // of JavaScript's or of another filter's
    CAPTURE(vector.dump());
    ++checked;
    thrown = body->second;
    CallContext context;
    hero::Hero reply;
    const grpc::Status status = stub->FindOne(&context, hero::HeroById(), &reply);
    CHECK(static_cast<int>(status.error_code()) == vector.at("default").at(0));
    CHECK(status.error_message() == vector.at("default").at(1));
    const json trailer = vector.value("trailer", json::object());
    for (const auto& [name, value] : trailer.items()) {
      const auto found = context.GetServerTrailingMetadata().find(name);
      REQUIRE(found != context.GetServerTrailingMetadata().end());
      CHECK(found->second == value.get<std::string>());
    }
  }
  CHECK(checked == bodies.size());
  set_log_level(LogLevel::error);
}

TEST_CASE("maxConcurrentCalls: one more call is refused, until one has ended") {
  Counter begun;
  Application service = contract_service({{"maxConcurrentCalls", 2}});
  service.on_message("HeroService/FindMany", [&](const json&, ReplyWriter<json>& out) -> task<void> {
    begun.add();
    json page;
    page["name"] = std::string(4096, 'p');
    for (;;) co_await out.write(page);   // until its caller goes
  });
  service.on_message("HeroService/FindOne", [](const json& by) { return by; });
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = stub_of(service);
  std::vector<std::unique_ptr<CallContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<hero::Hero>>> readers;
  for (int i = 0; i < 2; ++i) {
    contexts.push_back(std::make_unique<CallContext>());
    readers.push_back(stub->FindMany(contexts.back().get(), hero::HeroById()));
  }
  REQUIRE(begun.reaches(2));
  const grpc::Status refused = find_one(*stub, 1);
  CHECK(refused.error_code() == grpc::RESOURCE_EXHAUSTED);
  CHECK(refused.error_message() == "maxConcurrentCalls calls are open");
  CallContext streamed;
  hero::Hero hero;
  const auto more = stub->FindMany(&streamed, hero::HeroById());
  CHECK_FALSE(more->Read(&hero));
  CHECK(more->Finish().error_code() == grpc::RESOURCE_EXHAUSTED);
  contexts[0]->TryCancel();
  readers[0]->Finish();
  // The service hears of the cancel when it does; until then it refuses.
  const auto limit = std::chrono::steady_clock::now() + patience;
  grpc::Status again = find_one(*stub, 1);
  while (!again.ok() && std::chrono::steady_clock::now() < limit) again = find_one(*stub, 1);
  CHECK(again.ok());
  contexts[1]->TryCancel();
  readers[1]->Finish();
  CHECK(service.stop());
  set_log_level(LogLevel::error);
}

TEST_CASE("calls that outlast shutdownTimeout end with UNAVAILABLE") {
  Counter begun;
  json options = contract_options("127.0.0.1:0");
  Application service(Config::from_json({{"shutdownTimeout", "100ms"}, {"services", {{"heroes", {{"transport", "grpc"}, {"options", options}}}}}}));
  service.on_message("HeroService/FindOne", [&](const json&) -> task<json> {
    begun.add();
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(asio::use_awaitable);
    co_return json::object();
  });
  service.on_message("HeroService/FindMany", [&](const json&, ReplyWriter<json>&) -> task<void> {
    begun.add();
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(asio::use_awaitable);
  });
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = stub_of(service);
  std::vector<std::thread> callers;
  Watched<std::vector<grpc::StatusCode>> codes;
  const auto ended = [&](const grpc::Status& status) { codes.change([&](auto& all) { all.push_back(status.error_code()); }); };
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] { ended(find_one(*stub, 1)); });
    callers.emplace_back([&] {
      CallContext context;
      const auto reader = stub->FindMany(&context, hero::HeroById());
      hero::Hero hero;
      reader->Read(&hero);
      ended(reader->Finish());
    });
  }
  CHECK(begun.reaches(8));
  service.stop();
  for (std::thread& caller : callers) caller.join();
  CHECK(codes.get() == std::vector<grpc::StatusCode>(8, grpc::UNAVAILABLE));
  set_log_level(LogLevel::error);
}

TEST_CASE("methods nobody handles, values that do not fit, and none at all") {
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [](const json&) { return json{{"id", "seven"}}; });
  service.on_message("HeroService/Clear", [](const json&) {});
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = stub_of(service);
  CallContext context;
  hero::Hero reply;
  const grpc::Status missing = stub->Missing(&context, hero::HeroById(), &reply);
  CHECK(missing.error_code() == grpc::UNIMPLEMENTED);
  CHECK(missing.error_message() == "The server does not implement the method Missing");
  const grpc::Status unfit = find_one(*stub, 1);
  CHECK(unfit.error_code() == grpc::INTERNAL);
  CHECK(unfit.error_message() == "Error serializing response: hero.Hero.id: expected an integer of 32 bits, got \"seven\"");
  CallContext clear;
  google::protobuf::Empty nothing;
  CHECK(stub->Clear(&clear, nothing, &nothing).ok());
  set_log_level(LogLevel::error);
}

TEST_CASE("a handler that knows nothing of gRPC answers by config alone") {
  Application service = contract_service(
      {{"routes", {{{"pattern", {{"cmd", "sum"}}}, {"method", "MathService/Sum"}, {"request", "numbers"}, {"response", "value"}}}}});
  service.on_message({{"cmd", "sum"}}, [](const std::vector<double>& xs) {
    double sum = 0;
    for (const double x : xs) sum += x;
    return sum;
  });
  service.start();
  const auto stub = hero::MathService::NewStub(grpc::CreateChannel(url_of(service), grpc::InsecureChannelCredentials()));
  CallContext context;
  hero::Numbers numbers;
  for (int i = 1; i <= 3; ++i) numbers.add_numbers(i);
  hero::Total total;
  REQUIRE(stub->Sum(&context, numbers, &total).ok());
  CHECK(total.value() == 6);
  CallContext empty;
  REQUIRE(stub->Sum(&empty, hero::Numbers(), &total).ok());
  CHECK(total.value() == 0);
}

TEST_CASE("metadata both ways, the deadline and a cancel reach the handler") {
  Counter started;
  Counter cancelled;
  Watched<std::optional<std::chrono::steady_clock::time_point>> deadline;
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [&](const json&, GrpcContext& grpc, Context& context) {
    grpc.add_initial_metadata("Begins", "b");
    grpc.add_trailing_metadata("ends", context.headers().get("tenant").value_or("none"));
    deadline.change([&](auto& value) { value = context.deadline(); });
    return json{{"name", grpc.method()}};
  });
  service.on_message("HeroService/FindMany", [&](const json&, ReplyWriter<json>& out) -> task<void> {
    const json nothing = json::object();
    co_await out.write(nothing);
    started.add();
    try {
      asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
      co_await timer.async_wait(asio::use_awaitable);
    } catch (...) {
      cancelled.add();
      throw;
    }
  });
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = stub_of(service);
  CallContext context;
  context.AddMetadata("tenant", "acme");
  hero::Hero hero;
  REQUIRE(stub->FindOne(&context, hero::HeroById(), &hero).ok());
  CHECK(hero.name() == "/hero.HeroService/FindOne");
  REQUIRE(context.GetServerInitialMetadata().count("begins") == 1);
  REQUIRE(context.GetServerTrailingMetadata().count("ends") == 1);
  CHECK(context.GetServerTrailingMetadata().find("ends")->second == "acme");
  REQUIRE(deadline.get().has_value());
  CHECK(*deadline.get() < std::chrono::steady_clock::now() + 31s);

  CallContext stream;
  const auto reader = stub->FindMany(&stream, hero::HeroById());
  REQUIRE(reader->Read(&hero));
  REQUIRE(started.reaches(1));
  stream.TryCancel();
  CHECK(cancelled.reaches(1));
  CHECK(reader->Finish().error_code() == grpc::CANCELLED);
  set_log_level(LogLevel::error);
}
