// Options whose effect only a second party shows: keys, addresses, pings, gRPC's own.

#include <atomic>

#include <grpcpp/server_builder.h>

#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "../support/certificates.hpp"
#include "../support/gate.hpp"
#include "../support/outcome.hpp"
#include "contract_world.hpp"
#include "hero.grpc.pb.h"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

json nothing(const json&) { return json::object(); }

/// Refuses so many calls before it answers.
class Tired final : public hero::HeroService::Service {
 public:
  explicit Tired(int refusals) : refusals_(refusals) {}
  grpc::Status FindOne(grpc::ServerContext* context, const hero::HeroById* by, hero::Hero* hero) override {
    if (calls++ < refusals_) {
      context->AddTrailingMetadata("why", "tired");
      context->AddTrailingMetadata("proof-bin", std::string("\0\xff", 2));
      return {grpc::RESOURCE_EXHAUSTED, "later", "details"};
    }
    hero->set_id(by->id());
    return grpc::Status::OK;
  }
  std::atomic<int> calls{0};

 private:
  const int refusals_;
};

struct Plain {
  explicit Plain(int refusals) : heroes(refusals) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&heroes);
    server = builder.BuildAndStart();
    url = "127.0.0.1:" + std::to_string(port);
  }
  ~Plain() { server->Shutdown(std::chrono::system_clock::now()); }
  Tired heroes;
  std::unique_ptr<grpc::Server> server;
  std::string url;
};

}  // namespace

TEST_CASE("a contract over mutual TLS") {
  const std::string certs = certificates();
  Application service = contract_service({{"credentials", {{"key", certs + "/server.key"}, {"cert", certs + "/server.pem"},
                                                           {"ca", certs + "/ca.pem"}, {"requestCert", true}}}});
  service.on_message("HeroService/FindOne", nothing);
  set_log_level(LogLevel::off);
  service.start();
  {
    Application app = contract_client(url_of(service), {{"credentials", {{"key", certs + "/client.key"}, {"cert", certs + "/client.pem"},
                                                                         {"ca", certs + "/ca.pem"}}}});
    CHECK(app.client("HEROES").send<json>("HeroService/FindOne", json::object()).get() == json::object());
  }
  for (const json& keys : {json{{"ca", certs + "/ca.pem"}}, json{{"key", certs + "/client.key"}, {"cert", certs + "/client.pem"}}}) {
    CAPTURE(keys.dump());   // a client that shows none, and one that does not trust the service
    Application app = contract_client(url_of(service), {{"credentials", keys}, {"connectTimeout", "2s"}});
    CHECK(code_of([&] { app.client("HEROES").connect().get(); }) == errc::not_connected);
  }
  set_log_level(LogLevel::error);
}

TEST_CASE("calls are spread over addresses as loadBalancing says") {
  std::array<std::atomic<int>, 2> calls{};
  std::vector<Application> services;
  for (std::atomic<int>& count : calls) {
    services.push_back(contract_service());
    services.back().on_message("HeroService/FindOne", [&count](const json&) {
      ++count;
      return json::object();
    });
    services.back().start();
  }
  const json urls{url_of(services[0]), url_of(services[1])};
  const auto ask = [&](const Client& client) { client.send<json>("HeroService/FindOne", json::object()).get(); };
  SECTION("in turn") {
    Application app = contract_client("", {{"url", urls}});
    // The second address joins when it is connected.
    for (int i = 0; i < 10000 && (calls[0] == 0 || calls[1] == 0); ++i) ask(app.client("HEROES"));
    const int before = calls[0];
    for (int i = 0; i < 20; ++i) ask(app.client("HEROES"));
    CHECK(calls[0] == before + 10);
  }
  SECTION("the first that answers") {
    Application app = contract_client("", {{"url", urls}, {"loadBalancing", "pick_first"}});
    for (int i = 0; i < 20; ++i) ask(app.client("HEROES"));
    CHECK(calls[0] == 20);
    services[0].stop();
    CHECK(code_of([&] { ask(app.client("HEROES")); }) == std::error_code());
    CHECK(calls[1] == 1);
  }
}

TEST_CASE("keepalive finds a connection that is dead without a word") {
  Counter asked;
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [&](const json&) -> task<json> {
    asked.add();
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(asio::use_awaitable);
    co_return json::object();
  });
  set_log_level(LogLevel::off);
  service.start();
  Gate gate(port_of(service));
  Outcomes outcomes;
  Application app = contract_client("127.0.0.1:" + std::to_string(gate.port()),
                                    {{"keepalive", {{"keepaliveTimeMs", 200}, {"keepaliveTimeoutMs", 200}, {"http2MaxPingsWithoutData", 0}}}});
  const Client client = app.client("HEROES");
  outcomes.start(client, client.send<json>("HeroService/FindOne", json::object(), SendOptions().timeout(1h)));
  REQUIRE(asked.reaches(1));
  gate.stall(true);
  REQUIRE(outcomes.reach(1));
  CHECK(outcomes.codes()[0] == errc::connection_lost);
  gate.stall(false);
  set_log_level(LogLevel::error);
}

TEST_CASE("retries by gRPC's own policy, and what a failure says when they are used up") {
  const std::string policy = R"({"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.01s",
    "maxBackoff":"0.05s","backoffMultiplier":1,"retryableStatusCodes":["RESOURCE_EXHAUSTED"]}}]})";
  const json options{{"channelOptions", {{"grpc.service_config", policy}}}};
  {
    Plain plain(2);
    Application app = contract_client(plain.url, options);
    CHECK(app.client("HEROES").send<json>("HeroService/FindOne", json{{"id", 7}}).get() == json{{"id", 7}});
    CHECK(plain.heroes.calls == 3);
  }
  Plain plain(100);
  Application app = contract_client(plain.url, options);
  try {
    app.client("HEROES").send<json>("HeroService/FindOne", json{{"id", 7}}).get();
    FAIL("it is tired");
  } catch (const RpcError& error) {
    const json body = error.body();
    CHECK(body["code"] == 8);
    CHECK(body["details"] == "later");
    CHECK(body["metadata"]["why"] == "tired");
    CHECK(body["metadata"]["proof-bin"] == "AP8=");
    CHECK(body["metadata"]["grpc-status-details-bin"] == "ZGV0YWlscw==");
  }
  CHECK(plain.heroes.calls == 3);
}

TEST_CASE("waitForReady lets calls wait for a service that is not there yet") {
  const std::string url = "127.0.0.1:" + std::to_string(free_port());
  set_log_level(LogLevel::off);
  {
    Application app = contract_client(url);
    CHECK(code_of([&] { app.client("HEROES").send<json>("HeroService/FindOne", json::object()).get(); }) == errc::not_connected);
  }
  Outcomes outcomes;
  Counter failures;
  Application app = contract_client(url, {{"waitForReady", true}});
  const Client client = app.client("HEROES");
  client.on_status([&](const StatusEvent& event) {
    if (event.status == Status::disconnected) failures.add();
  });
  outcomes.start(client, client.send<json>("HeroService/FindOne", json::object()));
  REQUIRE(failures.reaches(2));
  CHECK(outcomes.codes().empty());
  Application service = contract_service({{"url", url}});
  service.on_message("HeroService/FindOne", nothing);
  service.start();
  REQUIRE(outcomes.reach(1));
  CHECK(outcomes.succeeded() == 1);
  // No longer than its deadline.
  REQUIRE(service.stop());
  CHECK(code_of([&] { client.send<json>("HeroService/FindOne", json::object(), SendOptions().timeout(200ms)).get(); }) == errc::timed_out);
  set_log_level(LogLevel::error);
}

TEST_CASE("maxMetadataSize bounds what is received") {
  const std::string large(4000, 'm');
  const auto serve = [&](Application& service) {
    service.on_message("HeroService/FindOne", [&](const json& by, GrpcContext& grpc) {
      if (by.value("id", 0) == 1) grpc.add_initial_metadata("large", large);
      return json::object();
    });
    service.start();
  };
  const auto code = [](const Client& client, const json& by, const SendOptions& options) -> int {
    try {
      client.send<json>("HeroService/FindOne", by, options).get();
      return 0;
    } catch (const RpcError& error) {
      return error.body().value("code", -1);
    }
  };
  const json plain = json::object();
  const json wanted{{"id", 1}};
  set_log_level(LogLevel::off);
  Application roomy = contract_service();
  Application narrow = contract_service({{"maxMetadataSize", 2048}});
  serve(roomy);
  serve(narrow);
  Application first = contract_client(url_of(roomy));
  CHECK(code(first.client("HEROES"), wanted, SendOptions().header("large", large)) == 0);
  Application second = contract_client(url_of(narrow));
  CHECK(code(second.client("HEROES"), plain, SendOptions().header("large", large)) == 8);
  CHECK(code(second.client("HEROES"), plain, SendOptions()) == 0);
  Application third = contract_client(url_of(roomy), {{"maxMetadataSize", 2048}});
  CHECK(code(third.client("HEROES"), wanted, SendOptions()) == 8);
  CHECK(code(third.client("HEROES"), plain, SendOptions()) == 0);
  set_log_level(LogLevel::error);
}
