// Handlers and callers whose types are classes that protoc generated: what they get is what was on the wire.

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "../support/outcome.hpp"
#include "contract_world.hpp"
#include "ferry/protobuf.hpp"
#include "hero.grpc.pb.h"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

hero::Hero hero_of(int id) {
  hero::Hero hero;
  hero.set_id(id);
  return hero;
}

/// The words of the error that starting a service ends with; empty if it starts.
template <class F>
std::string start_error(const char* pattern, F handler, const json& settings = json::object()) {
  try {
    Application service = contract_service(settings);
    service.on_message(pattern, std::move(handler));
    service.start();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

/// The status of a unary call with these bytes.
::grpc::Status status_of(::grpc::GenericStub& stub, const char* path, const std::string& bytes) {
  ::grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 30s);
  const ::grpc::Slice slice(bytes.data(), bytes.size());
  const ::grpc::ByteBuffer request(&slice, 1);
  ::grpc::ByteBuffer response;
  Watched<std::optional<::grpc::Status>> ended;
  stub.UnaryCall(&context, path, {}, &request, &response, [&](const ::grpc::Status& status) {
    ended.change([&](auto& value) { value = status; });
  });
  REQUIRE(ended.wait([](const auto& status) { return status.has_value(); }));
  return *ended.get();
}

}  // namespace

TEST_CASE("classes that protoc generated, in all four kinds of call") {
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [](const hero::HeroById& by) {
    hero::Hero hero = hero_of(by.id());
    *hero.mutable_name() = std::to_string(by.GetReflection()->GetUnknownFields(by).field_count());
    return hero;
  });
  service.on_message("HeroService/FindMany", [](const hero::HeroById& by, ReplyWriter<hero::Hero>& out) -> task<void> {
    for (int i = 0; i < by.id(); ++i) co_await out.write(hero_of(i));
  });
  service.on_message("HeroService/Echo", [](common::Kinds kinds) { return kinds; });
  service.on_message("StreamService/Count", [](RequestReader<hero::Hero>& in) -> task<hero::HeroById> {
    hero::HeroById count;
    while (const auto hero = co_await in.next()) count.set_id(count.id() + hero->id());
    co_return count;
  });
  service.on_message("StreamService/Chat", [](RequestReader<hero::Hero>& in, ReplyWriter<hero::Hero>& out) -> task<void> {
    while (const auto hero = co_await in.next()) co_await out.write(*hero);
  });
  set_log_level(LogLevel::error);
  service.start();
  Application app = contract_client(url_of(service));
  const Client client = app.client("HEROES");

  hero::HeroById by;
  by.set_id(3);
  // A field that the contract does not know survives only where nobody makes JSON of the message.
  by.GetReflection()->MutableUnknownFields(&by)->AddVarint(99, 1);
  CHECK(client.send<hero::Hero>("HeroService/FindOne", by).get().name() == "1");
  // The two sides need not use the same types.
  CHECK(client.send<json>("HeroService/FindOne", json{{"id", 3}}).get() == json{{"id", 3}, {"name", "0"}});

  int count = 0;
  for (auto many = client.stream<hero::Hero>("HeroService/FindMany", by); const auto hero = many.next().get();) {
    CHECK(hero->id() == count++);
  }
  CHECK(count == 3);

  auto sum = client.duplex<hero::HeroById, hero::Hero>("StreamService/Count");
  for (int i = 1; i <= 10; ++i) REQUIRE(sum.write(hero_of(i)).get());
  CHECK(sum.result().get().id() == 55);
  auto chat = client.duplex<hero::Hero, hero::Hero>("StreamService/Chat");
  REQUIRE(chat.write(hero_of(7)).get());
  CHECK(chat.next().get()->id() == 7);
  REQUIRE(chat.end().get());
  CHECK_FALSE(chat.next().get());
}

TEST_CASE("the bytes of a message, and bytes that are none") {
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [](Bytes message) { return message; });   // id is 1 in both
  service.on_message("HeroService/Echo", [](const common::Kinds&) { return Bytes("\xff\xff", 2); });
  set_log_level(LogLevel::off);
  service.start();
  Application app = contract_client(url_of(service));
  const Client client = app.client("HEROES");
  CHECK(client.send<json>("HeroService/FindOne", json{{"id", 3}}).get() == json{{"id", 3}});
  CHECK(client.send<Bytes>("HeroService/FindOne", json{{"id", 3}}).get().view() == "\x08\x03");
  CHECK(code_of([&] { client.send<common::Kinds>("HeroService/Echo", common::Kinds()).get(); }) == errc::bad_payload);
  CHECK(code_of([&] { client.send<json>("HeroService/Echo", common::Kinds()).get(); }) == errc::bad_payload);
  CHECK_THROWS_AS(client.send<json>("HeroService/FindOne", Bytes("\xff\xff", 2)).get(), SerializationError);
  set_log_level(LogLevel::error);
}

TEST_CASE("a request that cannot be parsed is INTERNAL, whatever the handler takes") {
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [](const hero::HeroById&) { return hero::Hero(); });
  service.on_message("HeroService/Echo", [](json kinds) { return kinds; });
  set_log_level(LogLevel::off);
  service.start();
  ::grpc::GenericStub stub(::grpc::CreateChannel(url_of(service), ::grpc::InsecureChannelCredentials()));
  for (const char* path : {"/hero.HeroService/FindOne", "/hero.HeroService/Echo"}) {
    CAPTURE(path);
    const ::grpc::Status status = status_of(stub, path, "\xff\xff");
    CHECK(status.error_code() == ::grpc::INTERNAL);
    CHECK_FALSE(status.error_message().empty());
    CHECK(status_of(stub, path, "").ok());
  }
  set_log_level(LogLevel::error);
}

TEST_CASE("a handler of classes that are not those of its method is refused at start-up") {
  set_log_level(LogLevel::off);
  const auto refused = [](const char* method, const char* pattern, auto handler, const char* of_method, const char* of_handler) {
    CHECK_THAT(start_error(pattern, std::move(handler)), Contains(method) && Contains(of_method) && Contains(of_handler));
  };
  refused("/hero.HeroService/FindOne", "HeroService/FindOne", [](const hero::Hero& hero) { return hero; },
          "its request is hero.HeroById", "the handler hero.Hero");
  refused("/hero.HeroService/FindOne", "HeroService/FindOne", [](hero::HeroById by) -> task<hero::HeroById> { co_return by; },
          "its response is hero.Hero", "the handler hero.HeroById");
  refused("/hero.HeroService/FindMany", "HeroService/FindMany", [](ReplyWriter<hero::HeroById>&) -> task<void> { co_return; },
          "its response is hero.Hero", "the handler hero.HeroById");
  refused("/hero.StreamService/Count", "StreamService/Count",
          [](RequestReader<hero::HeroById>&) -> task<hero::HeroById> { co_return hero::HeroById(); }, "its request is hero.Hero",
          "the handler hero.HeroById");
  // Where a field stands for the message, JSON lies in between.
  CHECK(start_error("sum", [](const json&) { return hero::Total(); },
                    {{"routes", {{{"pattern", "sum"}, {"method", "MathService/Sum"}, {"request", "numbers"}}}}}).empty());
  set_log_level(LogLevel::error);
}
