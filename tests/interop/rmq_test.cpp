// What only RabbitMQ has, between ferry and NestJS, in both directions.

#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "handlers.hpp"

using namespace ferry;
using namespace ferry::test;
using nlohmann::json;

namespace {

#define FERRY_NEEDS_RMQ() FERRY_NOT_APPLICABLE_IF(transport() != "rmq", "only RabbitMQ has it")

const json through_topics{{"wildcards", true}};

json fanout(const std::string& exchange) { return {{"exchange", exchange}, {"exchangeType", "fanout"}}; }

json call(const Place& place, std::vector<std::string> arguments) {
  json line = run_nest_client(place, arguments).at(0);
  line.erase("name");
  return line;
}

json completed(const json& value) { return {{"emitted", {value}}, {"completed", true}}; }

}  // namespace

TEST_CASE("ferry client, NestJS service: wildcards through a topic exchange") {
  FERRY_NEEDS_RMQ();
  if (!nest_is_installed()) return;
  Place place;
  const auto service = start_nest_service(place, {"--wildcards"});
  Application app = ferry_client(place, through_topics);
  const Client client = app.client("NEST");
  CHECK(client.send<json>("wild.42.get", 1).get() == json{{"route", "wild.42.get"}, {"data", 1}});
  CHECK(client.send<json>("deep.a.b", 1).get() == "deep.a.b");
  CHECK(client.send<json>("deep", 1).get() == "deep");
  CHECK(client.send<double>({{"cmd", "sum"}}, std::array<int, 3>{1, 2, 3}).get() == 6);
  CHECK_THROWS_AS(client.send<json>("no.such.route", 1).get(), NoHandlerError);   // no queue takes it
  client.emit("wild.7.seen", "x").get();
  CHECK_NOTHROW(service->line_of_stdout("{\"event\":\"wild.7.seen\",\"data\":\"x\"}"));
}

TEST_CASE("NestJS client, ferry service: wildcards through a topic exchange") {
  FERRY_NEEDS_RMQ();
  if (!nest_is_installed()) return;
  Place place;
  FerryService service(place, through_topics);
  CHECK(call(place, {"--wildcards", "--call", "\"wild.42.get\"", "1"}) == completed({{"route", "wild.42.get"}, {"data", 1}}));
  CHECK(call(place, {"--wildcards", "--call", "\"deep.a.b\"", "1"}) == completed("deep.a.b"));
  CHECK(call(place, {"--wildcards", "--call", R"({"cmd":"sum"})", "[1,2,3]"}) == completed(6));
  call(place, {"--wildcards", "--emit", "\"wild.7.seen\"", "\"x\""});
  CHECK(service.heard.wait([](const json& all) { return all == json::array({{{"event", "wild.7.seen"}, {"data", "x"}}}); }));
}

TEST_CASE("an event through a fanout exchange reaches ferry and NestJS") {
  FERRY_NEEDS_RMQ();
  if (!nest_is_installed()) return;
  Place ours_at;
  Place theirs_at;
  FerryService ours(ours_at, fanout("everybody"));
  const auto theirs = start_nest_service(theirs_at, {"--fanout", "everybody"});
  Application app = ferry_client(ours_at, fanout("everybody"));
  app.client("NEST").emit("one", "from ferry").get();
  call(ours_at, {"--fanout", "everybody", "--emit", "\"one\"", "\"from NestJS\""});
  const json expected = json::array({{{"event", "one"}, {"data", "from ferry"}}, {{"event", "one"}, {"data", "from NestJS"}}});
  CHECK(ours.heard.wait([&](const json& all) { return all == expected; }));
  for (const json& line : expected) CHECK_NOTHROW(theirs->line_of_stdout("\"data\":" + line["data"].dump() + "}"));
}

TEST_CASE("ferry client, NestJS service: records, headers, and acknowledgement by hand") {
  FERRY_NEEDS_RMQ();
  if (!nest_is_installed()) return;
  Place place;
  const auto service = start_nest_service(place, {"--manual-ack"});
  Application app = ferry_client(place);
  const Client client = app.client("NEST");
  const SendOptions options = SendOptions().header("tenant", "ac\u00e9").record({{"priority", 3}, {"messageId", "m-1"}, {"persistent", true}});
  json expected{{"pattern", "properties"}, {"headers", {{"tenant", "ac\u00e9"}}}, {"priority", 3}, {"messageId", "m-1"}, {"deliveryMode", 2}};
  for (int i = 0; i < 5; ++i) {   // one at a time: each was acknowledged
    json got = client.send<json>("properties", i, options).get();
    got["headers"].erase("ferry-peer");
    CHECK(got == expected);
  }
  client.emit("at.second", 7).get();
  CHECK_NOTHROW(service->line_of_stdout(R"({"event":"second","data":7})"));
}

TEST_CASE("NestJS client, ferry service: records, headers, and acknowledgement by hand") {
  FERRY_NEEDS_RMQ();
  if (!nest_is_installed()) return;
  Place place;
  FerryService service(place, {{"noAck", false}, {"prefetchCount", 1}});
  const ScratchDirectory scratch;
  const json record{{"headers", {{"tenant", "ac\u00e9"}}}, {"priority", 3}, {"messageId", "m-1"}, {"persistent", true}};
  const json expected{{"pattern", "properties"}, {"headers", record["headers"]}, {"priority", 3}, {"messageId", "m-1"}, {"deliveryMode", 2}};
  json cases = json::array({{{"name", "second"}, {"kind", "emit"}, {"pattern", "at.second"}, {"data", 7}},
                            {{"name", "unknown"}, {"kind", "emit"}, {"pattern", "no.such"}, {"data", 1}}});
  for (int i = 0; i < 5; ++i) {
    cases.push_back({{"name", "record"}, {"kind", "send"}, {"pattern", "properties"}, {"data", 1}, {"record", record}});
  }
  scratch.write("cases.json", cases.dump());
  auto lines = run_nest_client(place, {"--cases", scratch.path() + "/cases.json"});
  REQUIRE(lines.size() == cases.size());
  for (std::size_t i = 2; i < lines.size(); ++i) CHECK(lines[i]["emitted"] == json::array({expected}));
  CHECK(service.heard.wait([](const json& all) { return all == json::array({{{"event", "second"}, {"data", 7}}}); }));
}
