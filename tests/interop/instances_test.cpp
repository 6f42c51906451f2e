// A ferry and a NestJS instance of one service, behind one broker.

#include <map>

#include "catch.hpp"
#include "handlers.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

TEST_CASE("ferry and NestJS share the requests of a queue group") {
  FERRY_NOT_APPLICABLE_IF(transport() != "nats", "the transport has no queue groups");
  if (!nest_is_installed()) return;
  Place place;
  const FerryService ours(place, {{"queue", "q"}});
  const auto theirs = start_nest_service(place, {"--queue", "q"});
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  std::map<std::string, int> answers;
  std::map<std::string, int> runs;   // as each counts them itself
  for (int i = 0; i < 64; ++i) {
    const json who = client.send<json>("who", i).get();
    ++answers[who.at(0)];
    runs[who.at(0)] = who.at(1);
  }
  CHECK(answers == runs);   // none ran for a request that the other one answered
  CHECK(answers["ferry"] > 0);
  CHECK(answers["nest"] > 0);
}

TEST_CASE("every instance hears every event, ferry's and NestJS's") {
  FERRY_NOT_APPLICABLE_IF(transport() == "tcp", "one port has one service");
  FERRY_NOT_APPLICABLE_IF(transport() == "rmq", "instances share a queue");
  if (!nest_is_installed()) return;
  constexpr int count = 20;
  Place place;
  const FerryService ours(place);
  const auto theirs = start_nest_service(place);
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  json expected = json::array();
  for (int i = 0; i < count; ++i) {
    client.emit("one", i).get();
    expected.push_back({{"event", "one"}, {"data", i}});
  }
  REQUIRE(ours.heard.wait([](const json& all) { return all.size() >= std::size_t{count}; }));
  for (int i = 0; i < count; ++i) {
    CHECK_NOTHROW(theirs->line_of_stdout("{\"event\":\"one\",\"data\":" + std::to_string(i) + "}"));
  }
  run_nest_client(place, {"--emit", "\"one\"", "\"from NestJS\""});
  expected.push_back({{"event", "one"}, {"data", "from NestJS"}});
  CHECK(ours.heard.wait([&](const json& all) { return all == expected; }));
  CHECK_NOTHROW(theirs->line_of_stdout("{\"event\":\"one\",\"data\":\"from NestJS\"}"));
}

TEST_CASE("two instances answer, and the caller has one answer") {
  FERRY_NOT_APPLICABLE_IF(transport() == "tcp", "one port has one service");
  if (!nest_is_installed()) return;
  Place place;
  const FerryService ours(place);
  const auto theirs = start_nest_service(place);
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  for (int i = 0; i < 50; ++i) CHECK(client.send<int>("echo", i).get() == i);
  const auto lines = run_nest_client(place, {"--concurrent", "200", "--call", "{\"cmd\":\"sum\"}", "[1,2,3]"});
  CHECK(lines.at(0) == json{{"ok", 200}, {"failed", 0}});
}
