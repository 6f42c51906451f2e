// Services that are killed, callers that go, messages that are too long, peers that speak no gRPC, and streams that nobody
// reads: every call ends with a typed error, nothing else is harmed, memory stays bounded.

#include <csignal>

#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include "../faults/bad_peers.hpp"
#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "../support/gate.hpp"
#include "../support/load.hpp"
#include "../support/outcome.hpp"
#include "../support/process.hpp"
#include "../support/scratch.hpp"
#include "../support/usage.hpp"
#include "contract_world.hpp"
#include "ferry_test_paths.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

Payload echo(Payload payload) { return payload; }

/// A call that brings nothing, and ends.
struct Wordless final : ::grpc::ClientBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer> {
  Wordless(::grpc::GenericStub& stub, const std::string& path) {
    context.set_deadline(std::chrono::system_clock::now() + 30s);
    stub.PrepareBidiStreamingCall(&context, path, {}, this);
    StartWritesDone();
    StartCall();
  }
  void OnDone(const ::grpc::Status& status) override {
    ended.change([&](auto& value) { value = status.error_code(); });
  }
  ::grpc::ClientContext context;
  Watched<std::optional<::grpc::StatusCode>> ended;
};

struct Quiet {
  Quiet() { set_log_level(LogLevel::off); }
  ~Quiet() { set_log_level(LogLevel::error); }
};

}  // namespace

TEST_CASE("grpc: a service that is killed in streams and under load") {
  const Quiet quiet;
  const ScratchDirectory scratch;
  const std::string url = "127.0.0.1:" + std::to_string(free_port());
  scratch.write("service.json", json{{"services", {{"S", {{"transport", "grpc"}, {"options", {{"url", url}}}}}}}}.dump());
  const std::string config = scratch.path() + "/service.json";
  const auto start = [&] {
    auto service = std::make_unique<Process>(std::vector<std::string>{FERRY_BUILD_PROGRAM_DIR "/ferry_echo_service", config});
    service->line_of_stdout("READY");
    return service;
  };
  EchoLoad load;
  auto service = start();
  Application app = envelope_client(url, json::object(), {{"timeout", "10s"}});
  const Client client = app.client("C");
  load.start(client, [](const Error&) { return true; });   // one of the outcomes there are
  for (int i = 0; i < 3; ++i) {
    REQUIRE(load.answered(200));
    auto pages = client.stream<std::string>("pages");
    REQUIRE(pages.next().get().has_value());
    service->signal(SIGKILL);
    service->wait();
    CHECK(code_of([&] { while (pages.next().get()) {} }) == errc::connection_lost);
    service = start();
  }
  CHECK(load.answered(200));
  REQUIRE(load.stop());   // none is stuck
  CHECK(load.wrong() == 0);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("grpc: a caller that goes in a stream ends its handler") {
  const Quiet quiet;
  Counter started;
  Counter ended;
  Application service = envelope_service();
  service.on_message("pages", [&](ReplyWriter<std::string>& out) -> task<void> {
    const std::string page(4096, 'p');
    try {
      for (;;) co_await out.write(page);
    } catch (...) {
      ended.add();
      throw;
    }
  });
  service.on_message("sleeps", [&]() -> task<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    started.add();
    try {
      co_await timer.async_wait(asio::use_awaitable);
    } catch (...) {
      ended.add();
      throw;
    }
    co_return 1;
  });
  service.on_message("echo", echo);
  service.start();
  Gate gate(port_of(service));
  Outcomes sleeps;
  Application app = envelope_client("127.0.0.1:" + std::to_string(gate.port()));
  const Client client = app.client("C");
  auto pages = client.stream<std::string>("pages");
  REQUIRE(pages.next().get().has_value());
  sleeps.start(client, client.send<int>("sleeps"));
  REQUIRE(started.reaches(1));
  gate.cut();
  CHECK(code_of([&] { while (pages.next().get()) {} }) == errc::connection_lost);
  REQUIRE(sleeps.reach(1));
  CHECK(sleeps.codes()[0] == errc::connection_lost);
  CHECK(ended.reaches(2));
  CHECK(client.send<int>("echo", 5).get() == 5);
  CHECK(service.stop());   // nothing is left to wait for
}

TEST_CASE("grpc: messages over a limit") {
  const Quiet quiet;
  const std::string large(100000, 'x');
  SECTION("of what the service receives") {
    Application service = envelope_service({{"maxReceiveMessageLength", 50000}});
    service.on_message("echo", echo);
    service.start();
    Application app = envelope_client(url_of(service));
    const Client client = app.client("C");
    CHECK(code_of([&] { client.send<std::string>("echo", large).get(); }) == errc::bad_payload);
    CHECK(client.send<int>("echo", 5).get() == 5);
  }
  SECTION("of what the client receives") {
    Application service = envelope_service();
    service.on_message("echo", echo);
    service.start();
    Application app = envelope_client(url_of(service), {{"maxReceiveMessageLength", 50000}});
    const Client client = app.client("C");
    CHECK(code_of([&] { client.send<std::string>("echo", large).get(); }) == errc::bad_payload);
    CHECK(client.send<int>("echo", 5).get() == 5);
  }
  SECTION("of what the client sends") {
    Application service = envelope_service();
    service.on_message("echo", echo);
    service.start();
    Application app = envelope_client(url_of(service), {{"maxSendMessageLength", 50000}});
    const Client client = app.client("C");
    CHECK(code_of([&] { client.send<std::string>("echo", large).get(); }) == errc::bad_payload);
    CHECK(code_of([&] { client.emit("echo", large).get(); }) == errc::bad_payload);
    CHECK(client.send<int>("echo", 5).get() == 5);
  }
  SECTION("of what the service sends") {
    Application service = envelope_service({{"maxSendMessageLength", 50000}});
    service.on_message("echo", echo);
    service.start();
    Application app = envelope_client(url_of(service));
    const Client client = app.client("C");
    CHECK(code_of([&] { client.send<std::string>("echo", large).get(); }) == errc::bad_payload);
    CHECK(client.send<int>("echo", 5).get() == 5);
  }
}

TEST_CASE("grpc: peers that speak no gRPC") {
  const Quiet quiet;
  Application service = envelope_service();
  service.on_message("echo", echo);
  service.start();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string noise = [] {
    std::string bytes;
    for (int i = 0; i < 4096; ++i) bytes += static_cast<char>(i * 167 % 251);
    return bytes;
  }();
  for (const std::string& bytes : {noise, std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), preface + noise, preface + settings + noise}) {
    BadPeers bad(port_of(service));
    bad.connect(20);
    bad.send_all(bytes);
    CHECK(bad.wait_closed(20));
  }
  Application app = envelope_client(url_of(service));
  CHECK(app.client("C").send<int>("echo", 5).get() == 5);
}

TEST_CASE("grpc: calls whose messages are no messages of ferry's") {
  const Quiet quiet;
  Counter reported;
  Application service = envelope_service();
  service.on_error([&](std::string_view, const Failure&) { reported.add(); });
  service.on_message("echo", echo);
  service.start();
  ::grpc::GenericStub stub(::grpc::CreateChannel(url_of(service), ::grpc::InsecureChannelCredentials()));
  const std::string text_only("\x0a\x7f", 2);   // longer than the message
  for (const char* path : {"/ferry.v1.Envelope/Send", "/ferry.v1.Envelope/Emit"}) {
    for (const std::string& bytes : {std::string("garbage"), text_only, std::string("\xff\xff\xff", 3)}) {
      CAPTURE(path, bytes);
      ::grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + 30s);
      const ::grpc::Slice slice(bytes.data(), bytes.size());
      const ::grpc::ByteBuffer request(&slice, 1);
      ::grpc::ByteBuffer response;
      Watched<std::optional<::grpc::Status>> ended;
      stub.UnaryCall(&context, path, {}, &request, &response, [&](const ::grpc::Status& status) {
        ended.change([&](auto& value) { value = status; });
      });
      REQUIRE(ended.wait([](const auto& status) { return status.has_value(); }));
      CHECK(ended.get()->error_code() == ::grpc::INTERNAL);
    }
  }
  CHECK(reported.reaches(6));
  CHECK(service.services().front().peer_errors == 6);
  Application app = envelope_client(url_of(service));
  CHECK(app.client("C").send<int>("echo", 5).get() == 5);
}

TEST_CASE("grpc: calls that bring no request") {
  const Quiet quiet;
  Application envelope = envelope_service();
  envelope.start();
  Application contract = contract_service();
  contract.on_message("HeroService/FindOne", [](const json& by) { return by; });
  contract.on_message("HeroService/FindMany", [](const json&, ReplyWriter<json>&) -> task<void> { co_return; });
  contract.start();
  const std::vector<std::pair<std::string, std::string>> calls{{url_of(envelope), "/ferry.v1.Envelope/Send"},
                                                               {url_of(contract), "/hero.HeroService/FindOne"},
                                                               {url_of(contract), "/hero.HeroService/FindMany"}};
  for (const auto& [url, path] : calls) {
    CAPTURE(path);
    ::grpc::GenericStub stub(::grpc::CreateChannel(url, ::grpc::InsecureChannelCredentials()));
    Wordless call(stub, path);
    REQUIRE(call.ended.wait([](const auto& code) { return code.has_value(); }));
    CHECK(call.ended.get() == ::grpc::INTERNAL);
  }
  Application app = contract_client(url_of(contract));
  CHECK(app.client("HEROES").send<json>("HeroService/FindOne", json{{"id", 3}}).get() == json{{"id", 3}});
}
