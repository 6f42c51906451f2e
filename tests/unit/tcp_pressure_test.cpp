// Peers that write much and read little: nobody locks up, and nothing grows without a bound.

#include "tcp_fixture.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

TEST_CASE("tcp service: a peer that writes everything before it reads does not lock up", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  service.start();
  Raw raw(io, service.port());
  const std::string body = R"({"pattern":"echo","data":")" + std::string(65536, 'x') + R"(","id":"A"})";
  std::string all;
  for (int i = 0; i < 256; ++i) all += framed(body);
  raw.send(all);   // 16 MiB, nothing of the 16 MiB that come back is read meanwhile
  const std::string reply = framed(R"({"response":")" + std::string(65536, 'x') + R"(","isDisposed":true,"id":"A"})");
  raw.wait_for(256 * reply.size());
  CHECK(raw.received.substr(raw.received.size() - reply.size()) == reply);
}

TEST_CASE("tcp service: a peer that never reads is dropped", "[tcp]") {
  TestIo io;
  Service service(io, {{"maxSendBufferSize", "4MiB"}});
  service.start();
  Raw raw(io, service.port());
  const std::string frame = framed(R"({"pattern":"echo","data":")" + std::string(65536, 'x') + R"(","id":"A"})");
  std::string_view rest;
  run_until(io, [&] {
    if (rest.empty()) rest = frame;
    raw.send_some(rest);
    return !service.log.errors.empty();
  });
  CHECK(service.log.errors[0].starts_with("The remote peer is not reading its responses: "));
  CHECK(service.log.errors[0].find("exceeds the maximum allowed 4194304") != std::string::npos);
}

TEST_CASE("tcp service: a stream waits for its reader", "[tcp]") {
  TestIo io;
  Service service(io, {{"sendHighWaterMark", "64KiB"}});
  spi::DeliveryPtr stream;
  service.log.handle = [&](spi::DeliveryPtr delivery) { stream = std::move(delivery); };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"stream","id":"A"})"));
  run_until(io, [&] { return static_cast<bool>(stream); });
  std::size_t written = 0;
  const std::string item = '"' + std::string(1000, 'x') + '"';
  const auto fill = [&] {
    for (; stream->writable(); ++written) answer(stream, ReplyKind::item, item);
  };
  for (int round = 0; round < 3; ++round) {
    run_until(io, [&] {
      fill();
      return !stream->writable();
    });
    bool ready = false;
    stream->when_writable([&ready] { ready = true; });
    io.poll();
    const std::size_t before = written;
    run_until(io, [&] { return raw.read_some() || ready; });
    CHECK(written == before);
    CHECK(stream->writable());
  }
}

TEST_CASE("tcp client: a service that does not read is refused more", "[tcp]") {
  TestIo io;
  RawService nest(io);
  Caller caller(io, {{"port", nest.port()}, {"maxSendBufferSize", "1MiB"}});
  caller.connect();
  Raw peer = nest.accept();
  const std::string payload = '"' + std::string(100000, 'x') + '"';
  int sent = 0;
  run_until(io, [&] {
    if (!caller.request("A", "echo", payload)) return true;
    ++sent;
    return false;
  });
  CHECK(caller.refusal.code == errc::overloaded);
  CHECK(caller.refusal.fate == Fate::not_sent);
  CHECK(sent > 8);
}

TEST_CASE("tcp service: small requests for large replies stop at the bound", "[tcp]") {
  TestIo io;
  Service service(io, {{"maxSendBufferSize", "4MiB"}, {"sendHighWaterMark", "64MiB"}});
  std::size_t answered = 0;
  service.log.handle = [&](const spi::DeliveryPtr& delivery) {
    ++answered;
    answer(delivery, ReplyKind::last_item, '"' + std::string(1 << 20, 'x') + '"');
  };
  service.start();
  Raw raw(io, service.port());
  std::string many;
  for (int i = 0; i < 1000; ++i) many += framed(R"({"pattern":"make","id":"A"})");
  raw.send(many);   // one read brings all of them
  run_until(io, [&] { return !service.log.errors.empty(); });
  CHECK(service.log.errors[0].starts_with("The remote peer is not reading its responses: "));
  CHECK(answered < 32);   // 4 MiB, and what the system's buffers take
}

TEST_CASE("tcp service: too much for all together is taken from who has most", "[tcp]") {
  TestIo io;
  Service service(io, {{"maxTotalBufferSize", "1MiB"}});
  service.start();
  Raw small(io, service.port());
  const std::string request = framed(R"({"pattern":"echo","data":")" + std::string(50000, 'x') + R"(","id":"A"})");
  small.send(request.substr(0, 40000));
  Raw large(io, service.port());
  large.send("2000000#" + std::string(1500000, 'x'));
  large.read_to_end();
  REQUIRE(service.log.errors.size() == 1);
  CHECK(service.log.errors[0].find("exceeds the maximum allowed 1048576 (maxTotalBufferSize)") != std::string::npos);
  small.send(request.substr(40000));
  small.wait_for(50000);
  CHECK(service.log.errors.size() == 1);
}

}  // namespace
