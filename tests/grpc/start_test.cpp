// What a contract does not allow is told at start-up.

#include "../support/catch.hpp"
#include "../support/outcome.hpp"
#include "../support/scratch.hpp"
#include "contract_world.hpp"

using namespace ferry;
using namespace ferry::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

json nothing(const json&) { return json::object(); }

/// The words of the error that starting a service ends with; empty if it starts.
std::string start_error(const json& settings, const Pattern& pattern = "HeroService/FindOne") {
  try {
    Application service = contract_service(settings);
    service.on_message(pattern, nothing);
    service.start();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a contract that cannot be read") {
  CHECK_THAT(start_error({{"protoPath", "/nowhere/hero.proto"}}), Contains("/nowhere/hero.proto"));
  CHECK_THAT(start_error({{"package", "villain"}}),
             Contains("The invalid gRPC package (package \"villain\" not found)") && Contains("hero"));
  CHECK_THAT(start_error({{"protoPath", {proto_directory() + "/common/kinds.proto"}}, {"package", "common"}}), Contains("no service"));
  CHECK_THAT(start_error({{"routes", {{{"pattern", "x"}, {"method", "HeroService/Findone"}}}}}),
             Contains("HeroService/Findone") && Contains("hero.HeroService/FindOne"));
  CHECK_THAT(start_error({{"routes", {{{"pattern", "x"}, {"method", "MathService/Sum"}, {"request", "number"}}}}}),
             Contains("has no field \"number\"") && Contains("numbers"));
}

TEST_CASE("handlers and methods that do not meet") {
  set_log_level(LogLevel::off);
  CHECK_THAT(start_error(json::object(), {{"service", "HeroService"}, {"rpc", "FindNobody"}}),
             Contains("FindNobody") && Contains("hero.HeroService/FindMany"));
  CHECK_THAT(start_error({{"strict", true}}), Contains("hero.HeroService/Missing"));
  CHECK(start_error(json::object()).empty());
  CHECK(start_error(json::object(), {{"service", "hero.HeroService"}, {"rpc", "FindOne"}, {"streaming", "no_stream"}}).empty());
  set_log_level(LogLevel::error);
}

TEST_CASE("imports are found beside the contract, in includeDirs, and beside who imports them") {
  const ScratchDirectory scratch;
  const std::string head = "syntax = \"proto3\"; package hero; ";
  const std::string service = "service HeroService { rpc FindOne (HeroById) returns (Hero); } ";
  scratch.write("heroes/hero.proto", head + "import \"types/hero_type.proto\"; " + service);
  scratch.write("heroes/types/hero_type.proto", head + "import public \"by_id.proto\"; import \"../../shared/name.proto\"; " +
                                                    "message Hero { int32 id = 1; Name name = 2; }");
  scratch.write("heroes/types/by_id.proto", head + "message HeroById { int32 id = 1; }");
  scratch.write("shared/name.proto", head + "message Name { string text = 1; }");
  CHECK(start_error({{"protoPath", scratch.path() + "/heroes/hero.proto"}}).empty());

  scratch.write("alone/hero.proto", head + "import \"name.proto\"; message HeroById {} message Hero { Name name = 1; } " + service);
  CHECK_THAT(start_error({{"protoPath", scratch.path() + "/alone/hero.proto"}}), Contains("name.proto") && Contains(scratch.path() + "/alone"));
  CHECK(start_error({{"protoPath", scratch.path() + "/alone/hero.proto"}, {"loader", {{"includeDirs", {scratch.path() + "/shared"}}}}}).empty());
}
