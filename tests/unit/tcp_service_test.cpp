// A tcp service: packets in, replies out, and how connections end.

#include <fstream>

#include "tcp_fixture.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

json vectors(const char* file) {
  std::ifstream in(std::string(FERRY_VECTOR_DIR) + "/" + file);
  return json::parse(in).at("vectors");
}

TEST_CASE("tcp service: raw bytes in, NestJS's bytes out", "[tcp]") {
  TestIo io;
  Service wide(io, json::object());
  Service narrow(io, {{"maxBufferSize", 64}, {"incompleteMessageTimeout", 300}});
  wide.start();
  narrow.start();
  for (const auto& vector : vectors("tcp-framing.json")) {
    const std::string name = vector.at("name");
    INFO(name);
    const bool limited = name.starts_with("max_") || name.starts_with("incomplete");
    Service& service = limited ? narrow : wide;
    service.log.errors.clear();
    Raw raw(io, service.port());
    const bool ends = vector.at("serverSendsFin");
    const std::string expected = from_hex(vector.at("replyHex"));
    for (const auto& part : vector.at("sendHex")) {
      raw.send(from_hex(part));
      io.poll();
    }
    if (!ends) {
      raw.wait_for(expected.size());
      raw.end();
    }
    CHECK(raw.read_to_end() == expected);
    CHECK_FALSE(raw.reset);
    CHECK(service.log.errors.size() == (ends ? 1U : 0U));
  }
}

TEST_CASE("tcp service: odd packets are read as NestJS reads them", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  service.start();
  for (const auto& vector : vectors("tcp-server-incoming.json")) {
    const std::string body = vector.at("body");
    INFO(body);
    Raw raw(io, service.port());
    raw.send(framed(body));
    raw.end();
    const json& reply = vector.at("reply");
    CHECK(raw.read_to_end() == (reply.is_null() ? "" : framed(reply)));
    CHECK(service.log.errors.empty());
  }
}

TEST_CASE("tcp service: a peer that breaks a rule still gets what it is owed", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  spi::DeliveryPtr waiting;
  service.log.handle = [&waiting](spi::DeliveryPtr delivery) { waiting = std::move(delivery); };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"slow","data":1,"id":"A"})") + "3#abc" + framed(R"({"pattern":"late","data":1,"id":"B"})"));
  run_until(io, [&] { return service.log.errors.size() == 1; });
  CHECK(service.log.errors[0].starts_with("Could not parse JSON: "));
  REQUIRE(waiting);
  CHECK(waiting->view().pattern == "slow");
  answer(waiting, ReplyKind::last_item, "2");
  waiting = {};
  CHECK(raw.read_to_end() == framed(R"({"response":2,"isDisposed":true,"id":"A"})"));
}

TEST_CASE("tcp service: a handler learns that its caller is gone", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::vector<spi::DeliveryPtr> waiting;
  service.log.handle = [&](spi::DeliveryPtr delivery) { waiting.push_back(std::move(delivery)); };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"slow","id":"A"})") + framed(R"({"pattern":"event"})"));
  run_until(io, [&] { return waiting.size() == 2; });
  bool told = false;
  waiting[0]->on_abandoned([&told] { told = true; });
  raw.socket.set_option(asio::socket_base::linger(true, 0));
  raw.socket.close();
  run_until(io, [&] { return told; });
  CHECK(waiting[0]->abandoned());
  CHECK_FALSE(waiting[1]->abandoned());   // nobody ever waited for an event
  answer(waiting[0], ReplyKind::last_item, "1");
  CHECK(waiting[0]->view().pattern == "slow");   // the views live on
}

TEST_CASE("tcp service: what is answered is delivered before the end", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  service.start();
  Raw raw(io, service.port());
  const std::string request = framed(R"({"pattern":"echo","data":")" + std::string(1000, 'x') + R"(","id":"A"})");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += request;
  raw.send(many);
  bool drained = false;
  service.server->drain([&drained] { drained = true; });
  run_until(io, [&] { return drained; });
  raw.send(request);   // comes too late, and its bytes must not turn the end into a reset
  bool closed = false;
  service.server->close(10s, [&closed] { closed = true; });
  service.closed = true;
  raw.read_to_end();
  CHECK_FALSE(raw.reset);
  const std::string reply = framed(R"({"response":")" + std::string(1000, 'x') + R"(","isDisposed":true,"id":"A"})");
  CHECK(raw.received.size() % reply.size() == 0);
  raw.socket.close();
  run_until(io, [&] { return closed; });
}

TEST_CASE("tcp service: while it drains a peer is heard, and what it asks is not taken up", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::vector<spi::DeliveryPtr> waiting;
  service.log.handle = [&](spi::DeliveryPtr delivery) { waiting.push_back(std::move(delivery)); };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"slow","metadata":{"ferry-peer":"1"},"id":"A"})") + framed(R"({"pattern":"slow","id":"B"})"));
  run_until(io, [&] { return waiting.size() == 2; });
  bool drained = false;
  service.server->drain([&drained] { drained = true; });
  run_until(io, [&] { return drained; });
  raw.send(framed(R"({"pattern":"late","id":"C"})") + framed(R"({"pattern":"ferry.cancel","data":"A"})"));
  run_until(io, [&] { return waiting[0]->abandoned(); });
  CHECK_FALSE(waiting[1]->abandoned());
  raw.socket.close();
  run_until(io, [&] { return waiting[1]->abandoned(); });
  CHECK(waiting.size() == 2);
}

TEST_CASE("tcp service: pause holds frames that are read already", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::vector<std::string> seen;
  service.log.handle = [&](const spi::DeliveryPtr& delivery) {
    seen.emplace_back(delivery->view().pattern);
    if (seen.size() == 1) service.server->pause();
  };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"a"})"));
  run_until(io, [&] { return seen.size() == 1; });
  raw.send(framed(R"({"pattern":"b"})") + framed(R"({"pattern":"c"})"));
  for (int i = 0; i < 50; ++i) io.poll();
  CHECK(seen.size() == 1);
  service.server->resume();
  run_until(io, [&] { return seen.size() == 3; });
  CHECK(seen == std::vector<std::string>{"a", "b", "c"});
}

}  // namespace
