// Handlers and callers whose types are classes that protoc generated: what they get is what was on the wire.

#include "../support/catch.hpp"
#include "../support/outcome.hpp"
#include "contract_world.hpp"
#include "ferry/protobuf.hpp"
#include "hero.grpc.pb.h"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

hero::Hero hero_of(int id) {
  hero::Hero hero;
  hero.set_id(id);
  return hero;
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
