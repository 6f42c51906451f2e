// ferry send through a contract: gRPC's methods, by a URL alone.

#include "ferry_test_paths.hpp"
#include "support/catch.hpp"
#include "tool_test_support.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

TEST_CASE("send calls the methods of a .proto") {
  if (!has_transport("grpc")) return;
  const std::string proto = FERRY_TESTS_DIR "/grpc/proto/hero.proto";
  Application service(Config::from_json({{"services", {{"S", {{"transport", "grpc"}, {"options", {{"url", "127.0.0.1:0"}, {"protoPath", proto}, {"package", "hero"}}}}}}}}));
  service.on_message("HeroService/FindOne", [](const json& by) -> json {
    if (by.value("id", 0) == 0) throw RpcError(json{{"code", 5}, {"message", "no hero"}});
    return {{"id", by.at("id")}, {"name", "hero"}};
  });
  service.on_message("HeroService/FindMany", [](const json& by, ReplyWriter<json>& out) -> task<void> {
    json hero;
    for (int i = 1; i <= by.value("id", 0); ++i) {
      hero["id"] = i;
      co_await out.write(hero);
    }
  });
  set_log_level(LogLevel::off);   // of methods that nobody handles
  service.start();
  set_log_level(LogLevel::error);
  const std::string url = service.services().front().endpoint + "?protoPath=" + proto;
  const auto send = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"send", url});
    return ferry_tool(arguments);
  };
  CHECK(send({"HeroService/FindOne", R"({"id":7})"}).out == "{\"id\":7,\"name\":\"hero\"}\n");
  CHECK(send({R"({"service":"HeroService","rpc":"FindOne"})", R"({"id":7})"}).out == "{\"id\":7,\"name\":\"hero\"}\n");
  CHECK(send({"hero.HeroService/FindMany", R"({"id":2})"}).out == "{\"id\":1}\n{\"id\":2}\n");
  const Finished failed = send({"HeroService/FindOne"});
  CHECK(has(failed.err, "5 NOT_FOUND: no hero"));
  CHECK(failed.out.empty());
  CHECK(failed.code != 0);
  const Finished unknown = send({"HeroService/FindOn", "1"});
  CHECK(has(unknown.err, "hero.HeroService/FindOne"));   // what there is
  CHECK(unknown.code != 0);
}
