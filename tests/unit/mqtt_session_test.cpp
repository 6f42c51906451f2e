// transports/mqtt: the two halves of a session, topics and routes.

#include "catch.hpp"
#include "transports/mqtt/error.hpp"
#include "transports/mqtt/inflow.hpp"
#include "transports/mqtt/outflow.hpp"
#include "transports/mqtt/reply_topics.hpp"
#include "transports/mqtt/routes.hpp"
#include "transports/mqtt/topic.hpp"

namespace {

using namespace ferry;
using namespace ferry::mqtt;
using Step = Outflow::Step;
using Verdict = Inflow::Verdict;
using Acknowledged = std::vector<std::pair<PacketType, int>>;

Step answer(Outflow& flow, PacketType type, std::uint16_t id, Ticket& ticket, std::uint8_t code = 0) {
  return flow.answer(type, id, code, ticket);
}

Publish message(std::uint16_t id, std::uint8_t qos = 1, bool duplicate = false, std::string_view payload = "x") {
  Publish made;
  made.topic = "t";
  made.payload = payload;
  made.id = id;
  made.qos = qos;
  made.duplicate = duplicate;
  return made;
}

Acknowledged advance(Inflow& flow) {
  Acknowledged all;
  flow.advance([&](PacketType type, std::uint16_t id) { all.emplace_back(type, id); });
  return all;
}

TEST_CASE("mqtt: messages of QoS 1 end with PUBACK, in any order", "[mqtt]") {
  Outflow flow;
  flow.set_limit(2);
  CHECK(flow.add_message(1, {1, 10}).id == 1);
  CHECK(flow.add_message(1, {1, 11}).id == 2);
  CHECK_FALSE(flow.has_slot());
  Ticket ticket;
  CHECK(answer(flow, PacketType::puback, 3, ticket) == Step::unknown);
  CHECK(answer(flow, PacketType::pubcomp, 1, ticket) == Step::unknown);
  CHECK(answer(flow, PacketType::puback, 2, ticket) == Step::done);
  CHECK(ticket.token == 11);
  CHECK(flow.has_slot());
  CHECK(answer(flow, PacketType::puback, 2, ticket) == Step::unknown);
  CHECK(answer(flow, PacketType::puback, 1, ticket) == Step::done);
  CHECK(flow.empty());
  CHECK(answer(flow, PacketType::puback, 1, ticket) == Step::unknown);
}

TEST_CASE("mqtt: a message of QoS 2 ends with PUBCOMP, or with a PUBREC that refuses it", "[mqtt]") {
  Outflow flow;
  Ticket ticket;
  flow.add_message(2, {1, 10});
  CHECK(answer(flow, PacketType::puback, 1, ticket) == Step::unknown);
  CHECK(answer(flow, PacketType::pubrec, 1, ticket) == Step::release);
  CHECK(answer(flow, PacketType::pubrec, 1, ticket) == Step::release);   // it had not seen PUBREL
  CHECK(flow.messages() == 1);
  CHECK(answer(flow, PacketType::pubcomp, 1, ticket) == Step::done);
  CHECK(ticket.token == 10);
  CHECK(flow.messages() == 0);
  flow.add_message(2, {1, 11});
  CHECK(answer(flow, PacketType::pubrec, 2, ticket, 0x97) == Step::done);
  CHECK(ticket.token == 11);
  CHECK(flow.empty());
}

TEST_CASE("mqtt: ids go round, and those in use are skipped by nobody", "[mqtt]") {
  Outflow flow;
  Ticket ticket;
  for (int i = 0; i < 200000; ++i) {
    const std::uint16_t id = flow.add_message(1, {1, static_cast<std::uint64_t>(i)}).id;
    REQUIRE(id != 0);
    REQUIRE(answer(flow, PacketType::puback, id, ticket) == Step::done);
    REQUIRE(ticket.token == static_cast<std::uint64_t>(i));
  }
  while (flow.has_id()) flow.add_request({});
  CHECK_FALSE(flow.has_slot());
}

TEST_CASE("mqtt: a session that goes on sends again what was not acknowledged", "[mqtt]") {
  Outflow flow;
  Ticket ticket;
  for (const std::uint8_t qos : std::vector<std::uint8_t>{1, 1, 2, 2}) {
    Outflow::Entry& entry = flow.add_message(qos, {1, 1});
    append_publish_head(entry.packet, Version::v3_1_1, {"t", {}, entry.id, qos, false, false}, 0);
  }
  flow.add_request({2, 2});
  answer(flow, PacketType::puback, 2, ticket);
  answer(flow, PacketType::pubrec, 4, ticket);
  std::vector<std::pair<int, Outflow::State>> again;
  flow.resume([&](const Outflow::Entry& entry) {
    again.emplace_back(entry.id, entry.state);
    if (entry.state == Outflow::State::published) CHECK((entry.packet.front() & 8) != 0);   // DUP
  });
  CHECK(again == std::vector<std::pair<int, Outflow::State>>{
                     {1, Outflow::State::published}, {3, Outflow::State::published}, {4, Outflow::State::released}});
  ticket = {9, 9};
  CHECK(answer(flow, PacketType::puback, 1, ticket) == Step::done);
  CHECK(ticket.kind == 0);   // whoever sent it has had his answer
  CHECK(flow.messages() == 2);
  int dropped = 0;
  flow.drop_all([&](const Outflow::Entry&) { ++dropped; });
  CHECK(dropped == 2);
  CHECK(flow.messages() == 0);
}

TEST_CASE("mqtt: what nobody waits for is not sent again", "[mqtt]") {
  Outflow flow;
  const auto add = [&](std::uint8_t qos, std::uint32_t kind) {
    Outflow::Entry& entry = flow.add_message(qos, {kind, 1});
    append_publish_head(entry.packet, Version::v3_1_1, {"t", {}, entry.id, qos, false, false}, 0);
  };
  add(1, 7);
  add(1, 8);
  add(2, 7);
  flow.forget(7);
  CHECK(flow.messages() == 2);
  std::vector<int> again;
  flow.resume([&](const Outflow::Entry& entry) { again.push_back(entry.id); });
  CHECK(again == std::vector<int>{2, 3});
  Ticket ticket;
  CHECK(answer(flow, PacketType::puback, 1, ticket) == Step::unknown);   // late
  CHECK(answer(flow, PacketType::puback, 2, ticket) == Step::done);
  CHECK(flow.messages() == 1);
}

TEST_CASE("mqtt: acknowledgements go out in the order in which messages came", "[mqtt]") {
  Inflow flow;
  const auto first = flow.take(message(1)).arrival;
  const auto second = flow.take(message(2, 2)).arrival;
  const auto third = flow.take(message(3)).arrival;
  third->settled = true;
  second->settled = true;
  CHECK(advance(flow).empty());
  CHECK(flow.unacknowledged() == 3);
  first->settled = true;
  CHECK(advance(flow) == Acknowledged{{PacketType::puback, 1}, {PacketType::pubrec, 2}, {PacketType::puback, 3}});
  CHECK(flow.take(message(2, 2, true)).verdict == Verdict::received);   // until PUBREL
  flow.release(2);
  CHECK(flow.take(message(2, 2)).verdict == Verdict::fresh);
}

TEST_CASE("mqtt: what comes again in a session that goes on is known", "[mqtt]") {
  Inflow flow;
  const auto running = flow.take(message(1)).arrival;
  const auto handled = flow.take(message(2)).arrival;
  const auto other = flow.take(message(3)).arrival;
  const auto unanswered = flow.take(message(4)).arrival;
  handled->settled = true;
  unanswered->answered = false;
  flow.disconnected();
  flow.connected(true);
  const auto again = flow.take(message(1, 1, true));
  CHECK(again.verdict == Verdict::known);
  CHECK(again.arrival == running);
  CHECK(flow.take(message(2, 1, true)).arrival == handled);
  CHECK(flow.take(message(3, 1, true, "something else")).verdict == Verdict::fresh);   // the id is another message's now
  CHECK(flow.take(message(4, 1, true)).verdict == Verdict::fresh);
  running->settled = true;
  CHECK(advance(flow) == Acknowledged{{PacketType::puback, 1}, {PacketType::puback, 2}});
}

TEST_CASE("mqtt: a session that the server forgot begins anew", "[mqtt]") {
  Inflow flow;
  const auto second = flow.take(message(2, 2)).arrival;
  second->settled = true;
  advance(flow);
  flow.take(message(1));
  flow.disconnected();
  flow.connected(false);
  CHECK(flow.unacknowledged() == 0);
  CHECK(flow.take(message(1, 1, true)).verdict == Verdict::fresh);
  CHECK(flow.take(message(2, 2, true)).verdict == Verdict::fresh);
}

TEST_CASE("mqtt: topics and filters", "[mqtt]") {
  for (const char* good : {"a", "a/b", "/", "$SYS/x", R"({"cmd":"sum"})", "é 7"}) CHECK(is_topic(good));
  for (const char* bad : {"", "a/+", "#", "\xff"}) CHECK_FALSE(is_topic(bad));
  for (const char* good : {"a", "+", "#", "a/+/b", "a/#", "+/+", "$share/g/a/#", "/"}) CHECK(is_filter(good));
  for (const char* bad : {"", "a+", "a/#/b", "#a", "a/+b", "$share/g", "$share//a", "$share/g/", "$share/+/a"}) {
    INFO(bad);
    CHECK_FALSE(is_filter(bad));
  }
  const auto fits = [](const char* filter, std::initializer_list<const char*> yes, std::initializer_list<const char*> no) {
    INFO(filter);
    for (const char* topic : yes) CHECK(matches(filter, topic));
    for (const char* topic : no) CHECK_FALSE(matches(filter, topic));
  };
  fits("a/b", {"a/b"}, {"a", "a/b/c", "a/B", "a/b/"});
  fits("a/+", {"a/b", "a/"}, {"a", "a/b/c"});
  fits("a/#", {"a", "a/b", "a/b/c", "a/"}, {"b", "ab"});
  fits("#", {"a", "a/b", "/"}, {"$SYS/a"});
  fits("+/a", {"x/a", "/a"}, {"$x/a", "a"});
  fits("$SYS/#", {"$SYS/a", "$SYS"}, {"SYS"});
}

TEST_CASE("mqtt: the handler of a topic", "[mqtt]") {
  ServerSettings settings;
  Routes routes;
  Failure failure;
  REQUIRE(routes.read({{"ev/+", true, {}}, {"ev/x", true, {}}, {"all/#", false, {}}, {"$share/g/sh/+", true, {{"qos", 2}}}, {"all/a", false, {}}},
                      settings, failure));
  CHECK(routes.find("ev/y") == "ev/+");
  CHECK(routes.find("ev/x") == "ev/x");
  CHECK(routes.find("all/b/c") == "all/#");
  CHECK(routes.find("all/a") == "all/a");
  CHECK(routes.find("sh/1") == "$share/g/sh/+");
  CHECK(routes.find("none").empty());
  CHECK(routes.filters().at(3).filter == "$share/g/sh/+");
  CHECK(routes.filters().at(3).options.qos == 2);
  Routes shared;
  settings.group = "math";
  settings.subscribe.no_local = true;
  REQUIRE(shared.read({{"sum", false, {}}, {"$share/g/x", true, {}}}, settings, failure));
  CHECK(shared.filters().at(0).filter == "$share/math/sum");
  CHECK_FALSE(shared.filters().at(0).options.no_local);
  CHECK(shared.filters().at(1).filter == "$share/g/x");
  CHECK(shared.find("sum") == "sum");
  Routes bad;
  CHECK_FALSE(bad.read({{"a+b", false, {}}}, settings, failure));
  CHECK(failure.code == errc::bad_config);
  CHECK_FALSE(bad.read({{"a", true, {{"qos", 3}}}}, settings, failure));
  settings.at_least_once = true;
  CHECK_FALSE(bad.read({{"a", true, {{"qos", 0}}}}, settings, failure));
}

TEST_CASE("mqtt: reply topics go when they are many and idle", "[mqtt]") {
  ReplyTopics topics;
  bool fresh = false;
  ReplyTopic& a = topics.get("a", fresh);
  CHECK(fresh);
  ReplyTopic& b = topics.get("b", fresh);
  CHECK(&topics.get("a", fresh) == &a);
  CHECK_FALSE(fresh);
  topics.use(a);
  b.open = a.open = true;
  CHECK(topics.evict(0) == std::vector<std::string>{"b/reply"});
  topics.release(a);
  CHECK(topics.evict(1).empty());
  CHECK(topics.find(a.number) == &a);
  CHECK(topics.evict(0) == std::vector<std::string>{"a/reply"});
  topics.get("c", fresh);
  CHECK(topics.evict(0).empty());   // not confirmed yet
}

TEST_CASE("mqtt: the server's codes", "[mqtt]") {
  CHECK(connack_error(Version::v3_1_1, 4) == MqttError::bad_credentials);
  CHECK(connack_error(Version::v5, 0x87) == MqttError::not_authorized);
  CHECK(make_error_code(MqttError::bad_credentials) == errc::not_connected);
  CHECK(make_error_code(MqttError::no_matching_subscribers) == errc::no_handler);
  CHECK(make_error_code(MqttError::quota_exceeded) == errc::overloaded);
  CHECK(std::error_code(0xff, mqtt_category()) == errc::transport_failure);
  const Failure failure = refusal("the server refused the connection", MqttError::session_taken_over, "bye");
  CHECK_THAT(failure.detail, Catch::Contains("(bye)") && Catch::Contains("clientId of its own"));
}

}  // namespace
