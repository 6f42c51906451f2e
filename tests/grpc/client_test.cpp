// A ferry client of a service that protoc generated.

#include <grpcpp/server_builder.h>

#include "../support/catch.hpp"
#include "../support/outcome.hpp"
#include "contract_world.hpp"
#include "hero.grpc.pb.h"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

class Heroes final : public hero::HeroService::Service {
 public:
  grpc::Status FindOne(grpc::ServerContext* context, const hero::HeroById* by, hero::Hero* hero) override {
    const auto tenant = context->client_metadata().find("tenant");
    if (by->id() < 0) return {static_cast<grpc::StatusCode>(-by->id()), "no hero"};
    hero->set_id(by->id());
    if (tenant != context->client_metadata().end()) hero->set_name({tenant->second.data(), tenant->second.size()});
    timed = context->deadline() != std::chrono::system_clock::time_point::max();
    return grpc::Status::OK;
  }
  grpc::Status FindMany(grpc::ServerContext*, const hero::HeroById* by, grpc::ServerWriter<hero::Hero>* writer) override {
    for (int i = 0; i < by->id(); ++i) {
      hero::Hero hero;
      hero.set_id(i);
      if (!writer->Write(hero)) return grpc::Status::CANCELLED;
    }
    return by->id() == 3 ? grpc::Status(grpc::NOT_FOUND, "no more") : grpc::Status::OK;
  }
  grpc::Status Echo(grpc::ServerContext*, const common::Kinds* kinds, common::Kinds* out) override {
    *out = *kinds;
    return grpc::Status::OK;
  }
  std::atomic<bool> timed{false};
};

struct Plain {
  Plain() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&heroes);
    server = builder.BuildAndStart();
    url = "127.0.0.1:" + std::to_string(port);
  }
  ~Plain() { server->Shutdown(std::chrono::system_clock::now()); }
  Heroes heroes;
  std::unique_ptr<grpc::Server> server;
  std::string url;
};

}  // namespace

TEST_CASE("calls of a plain service") {
  Plain plain;
  Application app = contract_client(plain.url);
  const Client client = app.client("HEROES");
  CHECK(client.send<json>({{"service", "HeroService"}, {"rpc", "FindOne"}}, json{{"id", 7}}).get() == json{{"id", 7}});
  CHECK(plain.heroes.timed);   // ferry's deadline is gRPC's
  CHECK(client.send<json>("HeroService/FindOne", json{{"id", 1}}, SendOptions().header("Tenant", "acme")).get() ==
        json{{"id", 1}, {"name", "acme"}});
  client.emit("HeroService/FindOne", json{{"id", 1}}).get();
  int count = 0;
  auto many = client.stream<json>("HeroService/FindMany", json{{"id", 500}});
  while (auto next = many.next().get()) CHECK(next->value("id", 0) == count++);
  CHECK(count == 500);
}

TEST_CASE("errors of a plain service") {
  Plain plain;
  Application app = contract_client(plain.url);
  const Client client = app.client("HEROES");
  try {
    client.send<json>("HeroService/FindOne", json{{"id", -5}}).get();
    FAIL("it answers NOT_FOUND");
  } catch (const RpcError& error) {
    CHECK(json::parse(error.body_text()) == json{{"code", 5}, {"details", "no hero"}, {"message", "5 NOT_FOUND: no hero"}});
  }
  auto many = client.stream<json>("HeroService/FindMany", json{{"id", 3}});
  for (int i = 0; i < 3; ++i) CHECK(many.next().get().has_value());
  CHECK_THROWS_AS(many.next().get(), RpcError);
  CHECK(code_of([&] { client.send<json>("HeroService/Missing", json::object()).get(); }) == errc::no_handler);
  CHECK(code_of([&] { client.send<json>("HeroService/FindOne", json{{"id", "x"}}).get(); }) == errc::bad_payload);
  CHECK(code_of([&] { client.send<json>("HeroService/Nothing", 1).get(); }) == errc::bad_pattern);
  CHECK(code_of([&] { client.emit("HeroService/FindOne", json{{"id", -3}}).get(); }) == errc::transport_failure);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("the loader's options decide how messages look") {
  Plain plain;
  const json message{{"int64Value", "9007199254740993"}, {"colour", "BLUE"}, {"data", "AP8="}, {"chosenText", "x"}, {"byNumber", {{"-1", {{"level", 2}}}}}};
  {
    Application app = contract_client(plain.url);
    const json got = app.client("HEROES").send<json>("HeroService/Echo", message).get();
    CHECK(got == json{{"int64Value", 9007199254740993}, {"colour", 5}, {"data", {{"type", "Buffer"}, {"data", {0, 255}}}},
                      {"chosenText", "x"}, {"byNumber", {{"-1", {{"level", 2}}}}}});
  }
  Application app = contract_client(plain.url, {{"loader", {{"keepCase", true}, {"longs", "String"}, {"enums", "String"},
                                                            {"bytes", "String"}, {"defaults", true}, {"oneofs", true}}}});
  const json got = app.client("HEROES").send<json>("HeroService/Echo", message).get();
  CHECK(got.at("int64_value") == "9007199254740993");
  CHECK(got.at("uint64_value") == "0");
  CHECK(got.at("colour") == "BLUE");
  CHECK(got.at("data") == "AP8=");
  CHECK(got.at("choice") == "chosen_text");
  CHECK(got.at("words") == json::array());
  CHECK(got.at("counts") == json::object());
  CHECK(got.at("power").is_null());
  CHECK_FALSE(got.contains("chosen_number"));
  CHECK_FALSE(got.contains("maybe"));
}
