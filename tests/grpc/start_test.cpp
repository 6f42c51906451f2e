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
  const std::string no_name(300, 'x');   // longer than the name of any file
  CHECK_THAT(start_error({{"protoPath", no_name}}), Contains("there is no file") && Contains(no_name));
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
  CHECK_THAT(start_error(json::object(), "HeroService/FindOn"), Contains("HeroService/FindOn") && Contains("hero.HeroService/FindOne"));
  CHECK_THAT(start_error(json::object(), "hero.MathService/Add"), Contains("MathService/Add") && Contains("hero.MathService/Sum"));
  CHECK(start_error(json::object(), "orders/created").empty());   // no service of the contract: a pattern like any other
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
  scratch.write("heroes/types/hero_type.proto", head + "import public \"by_id.proto\"; import \"../../names/name.proto\"; " +
                                                    "message Hero { int32 id = 1; Name name = 2; }");
  scratch.write("heroes/types/by_id.proto", head + "message HeroById { int32 id = 1; }");
  scratch.write("names/name.proto", head + "message Name { string text = 1; }");
  CHECK(start_error({{"protoPath", scratch.path() + "/heroes/hero.proto"}}).empty());

  scratch.write("alone/hero.proto", head + "import \"name.proto\"; message HeroById {} message Hero { Name name = 1; } " + service);
  CHECK_THAT(start_error({{"protoPath", scratch.path() + "/alone/hero.proto"}}), Contains("name.proto") && Contains(scratch.path() + "/alone"));
  CHECK(start_error({{"protoPath", scratch.path() + "/alone/hero.proto"}, {"loader", {{"includeDirs", {scratch.path() + "/names"}}}}}).empty());
}

TEST_CASE("several files and packages, one of them within another") {
  const ScratchDirectory scratch;
  const std::string head = "syntax = \"proto3\"; ";
  const std::string thing = "message Thing { int32 id = 1; } ";
  scratch.write("shop.proto", head + "package acme; " + thing + "service Shop { rpc Buy (Thing) returns (Thing); }");
  scratch.write("bills.proto", head + "package acme.billing; " + thing + "service Bills { rpc Pay (Thing) returns (Thing); }");
  scratch.write("other.proto", head + "package other; " + thing + "service Other { rpc Do (Thing) returns (Thing); }");
  json settings{{"protoPath", {scratch.path() + "/shop.proto", scratch.path() + "/bills.proto", scratch.path() + "/other.proto"}}};
  const auto packages = GENERATE(json{"acme", "acme.billing", "other"}, json{"acme.billing", "other", "acme"}, json{"other", "acme"});
  CAPTURE(packages.dump());
  settings["package"] = packages;
  const bool inner = packages.size() != 2;   // its name is short below its own package only
  Application service = contract_service(settings);
  const auto answer = [&](const std::string& name, int id) {
    service.on_message(name, [id](const json&) { return json{{"id", id}}; });
  };
  answer("Shop/Buy", 1);
  answer(inner ? "Bills/Pay" : "billing.Bills/Pay", 2);
  answer("Other/Do", 3);
  service.start();
  Application app = contract_client(url_of(service), settings);
  const auto id_of = [&](const std::string& name) {
    return app.client("HEROES").send<json>(name, json::object()).get().value("id", 0);
  };
  CHECK(id_of("Shop/Buy") == 1);
  CHECK(id_of("billing.Bills/Pay") == 2);
  CHECK(id_of("acme.billing.Bills/Pay") == 2);
  if (inner) CHECK(id_of("Bills/Pay") == 2);
  CHECK(id_of("other.Other/Do") == 3);
}
