// What only two ferry peers tell each other.

#include "tcp_fixture.hpp"
#include "transports/common/extension.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

TEST_CASE("tcp client: a NestJS service sees one header of ours, once", "[tcp]") {
  TestIo io;
  RawService nest(io);
  Caller caller(io, {{"port", nest.port()}});
  caller.connect();
  Raw peer = nest.accept();
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  CHECK(caller.emit(1, "evt", "0"));
  CHECK(caller.request("A", "echo", "1", {}, deadline));
  CHECK(caller.request("B", "echo", "2", Headers().set("k", "v"), deadline));
  CHECK(caller.request("C", "echo", "3", {}, deadline));
  caller.client->cancel("A");
  const std::string expected = framed(R"({"pattern":"evt","data":0})") +
                               framed(R"({"pattern":"echo","data":1,"metadata":{"ferry-peer":"1"},"id":"A"})") +
                               framed(R"({"pattern":"echo","data":2,"metadata":{"k":"v"},"id":"B"})") +
                               framed(R"({"pattern":"echo","data":3,"id":"C"})");
  peer.wait_for(expected.size());
  caller.close();
  CHECK(peer.read_to_end() == expected);
}

TEST_CASE("tcp: ferry peers tell each other deadlines and cancels", "[tcp]") {
  TestIo io;
  const bool extensions = GENERATE(true, false);
  Service service(io, json::object(), extensions);
  std::vector<spi::DeliveryPtr> waiting;
  service.log.handle = [&](spi::DeliveryPtr delivery) {
    if (delivery->view().pattern == "echo") return echo(delivery);
    waiting.push_back(std::move(delivery));
  };
  service.start();
  Caller caller(io, {{"port", service.port()}});
  caller.connect();
  CHECK(caller.request("1", "echo", "1"));
  CHECK(caller.reply() == "1 1");
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  CHECK(caller.request("2", "slow", "1", Headers().set("k", "v"), deadline));
  CHECK(caller.request("3", "slow", "1", {}, deadline));
  CHECK(caller.request("4", "slow", "1"));
  run_until(io, [&] { return waiting.size() == 3; });
  CHECK(waiting[0]->headers() == Headers().set("k", "v"));
  CHECK(waiting[1]->headers().empty());
  CHECK(waiting[0]->deadline().has_value() == extensions);
  CHECK_FALSE(waiting[2]->deadline());
  if (extensions) CHECK(std::chrono::abs(*waiting[1]->deadline() - deadline) < 2s);
  CHECK(caller.log.replies.size() == 1);   // not what the peers say to each other
  bool told = false;
  waiting[1]->on_abandoned([&told] { told = true; });
  caller.client->cancel("3");
  caller.client->cancel("unknown");
  CHECK(caller.request("5", "echo", "5"));
  CHECK(caller.reply(1) == "5 5");
  CHECK(told == extensions);
  CHECK_FALSE(waiting[0]->abandoned());
  CHECK(waiting.size() == 3);   // a cancel is no message
}

TEST_CASE("tcp: a timeout is told when it is another one", "[tcp]") {
  extension::TimeoutNotice client;
  extension::TimeoutNotice service;
  const auto none = extension::TimeoutNotice::none;
  CHECK_FALSE(client.must_tell(none));
  CHECK(client.must_tell(30000ms));
  CHECK_FALSE(client.must_tell(30000ms));
  CHECK_FALSE(client.must_tell(29999ms));
  CHECK_FALSE(client.must_tell(30001ms));
  CHECK(client.must_tell(2000ms));
  CHECK(client.must_tell(2100ms));
  CHECK(client.must_tell(none));
  CHECK(client.must_tell(0ms));
  const auto read = [&](const std::string& text) {
    service.read(json_serializer, R"({"a":"ferry-timeout","ferry-timeout":")" + text + "\"}");
    return service.value();
  };
  CHECK(read("30000") == 30000ms);
  service.read(json_serializer, R"({"a":"\"ferry-timeout\":\"1"})");
  CHECK(service.value() == 30000ms);
  CHECK(read("none") == none);
  CHECK(read("1") == 1ms);
  CHECK(read("-1") == none);
  CHECK(read("99999999999999999999999") == none);
}

TEST_CASE("tcp service: a ferry client that ends its side waits for nothing", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  spi::DeliveryPtr waiting;
  service.log.handle = [&](spi::DeliveryPtr delivery) { waiting = std::move(delivery); };
  service.start();
  const bool ferry = GENERATE(true, false);
  Raw raw(io, service.port());
  const std::string says = ferry ? R"("metadata":{"ferry-peer":"1"},)" : "";
  raw.send(framed(R"({"pattern":"slow",)" + says + R"("id":"A"})"));
  run_until(io, [&] { return static_cast<bool>(waiting); });
  raw.end();
  if (ferry) {
    raw.read_to_end();
    CHECK(waiting->abandoned());
  } else {   // who knows: it may have ended its side only
    run_until(io, [&] { return io.poll() == 0; });
    CHECK_FALSE(waiting->abandoned());
    answer(waiting, ReplyKind::last_item, "2");
    waiting = {};
    CHECK(raw.read_to_end() == framed(R"({"response":2,"isDisposed":true,"id":"A"})"));
  }
  waiting = {};
}

}  // namespace
