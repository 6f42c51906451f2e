// What a transport promises and no other case looks at: what it has is used, what it has not is refused.

#include "../support/outcome.hpp"
#include "fixture.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

TEST_CASE("options of a single message are refused, unsent, by a transport that knows none") {
  Counter heard;
  World world;
  world.serve([&](Application& app) {
    add_echo(app);
    app.on_event("heard", [&](int) { heard.add(); });
  });
  const Client client = world.client();
  const auto with_record = [] { return SendOptions().record(json::object()); };
  if (world.capabilities().record_options) {
    CHECK(client.send<int>("echo", 1, with_record()).get() == 1);
    client.emit("heard", 1, with_record()).get();
    CHECK(heard.reaches(1));
    return;
  }
  const auto is_refused = [](auto call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code() == errc::unsupported && error.fate() == Fate::not_sent;
    }
    return false;
  };
  CHECK(is_refused([&] { client.send<int>("echo", 1, with_record()).get(); }));
  CHECK(is_refused([&] { client.emit("heard", 1, with_record()).get(); }));
  CHECK(client.send<int>("echo", 2).get() == 2);
}

TEST_CASE("another serializer carries what it should, or is refused at start-up") {
  World world;
  const json msgpack{{"serializer", "msgpack"}};
  if (world.capabilities().custom_serializer) {
    world.serve(add_echo, msgpack);
    const Bytes bytes(std::string("\0\xff", 2));
    CHECK(world.client(msgpack).send<Bytes>("echo", bytes).get() == bytes);
    return;
  }
  std::string why;
  try {
    world.client(msgpack);
  } catch (const ConfigError& error) {
    why = error.what();
  }
  CHECK(why.find("/clients/SUITE/serializer") != std::string::npos);
  CHECK_THROWS_AS(world.serve(add_echo, msgpack), ConfigError);
}
