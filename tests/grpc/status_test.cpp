// What a handler makes of the status of its call.

#include <grpcpp/create_channel.h>

#include "../support/catch.hpp"
#include "contract_world.hpp"
#include "hero.grpc.pb.h"
#include "transports/grpc/contract_method.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

json fails(const json&, GrpcContext& context) {
  context.set_status(9, "not now", "why");
  throw RpcError("boom");
}

json body_of(const Client& client, const Pattern& pattern) {
  try {
    client.send<json>(pattern, json::object()).get();
  } catch (const RpcError& error) {
    return error.body();
  }
  return nullptr;
}

}  // namespace

TEST_CASE("the status that a handler sets is what its caller gets, in both modes") {
  set_log_level(LogLevel::off);
  const json expected{{"code", 9}, {"details", "not now"}, {"message", "9 FAILED_PRECONDITION: not now"},
                      {"metadata", {{"grpc-status-details-bin", "d2h5"}}}};
  Application contract = contract_service();
  contract.on_message("HeroService/FindOne", fails);
  contract.start();
  Application of_contract = contract_client(url_of(contract));
  CHECK(body_of(of_contract.client("HEROES"), "HeroService/FindOne") == expected);
  const auto stub = hero::HeroService::NewStub(::grpc::CreateChannel(url_of(contract), ::grpc::InsecureChannelCredentials()));
  ::grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 30s);
  hero::Hero hero;
  const ::grpc::Status status = stub->FindOne(&context, hero::HeroById(), &hero);
  CHECK(status.error_code() == ::grpc::FAILED_PRECONDITION);
  CHECK(status.error_details() == "why");

  Application envelope = envelope_service();
  envelope.on_message("fails", fails);
  envelope.on_message("succeeds", [](GrpcContext& grpc) {
    grpc.set_status(9, "not now");   // of a failed call
    return 1;
  });
  envelope.on_message("nonsense", [](GrpcContext& grpc) -> int {
    try {
      grpc.set_status(0, "fine");
    } catch (const std::invalid_argument&) {
      return 1;
    }
    return 2;
  });
  envelope.start();
  Application of_envelope = envelope_client(url_of(envelope));
  CHECK(body_of(of_envelope.client("C"), "fails") == expected);
  CHECK(of_envelope.client("C").send<int>("succeeds").get() == 1);
  CHECK(of_envelope.client("C").send<int>("nonsense").get() == 1);
  set_log_level(LogLevel::error);
}

TEST_CASE("an error whose code is none of a failure is UNKNOWN") {
  const json thrown{{"code", 0}, {"message", "ok?"}};
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [&](const json&) -> json { throw RpcError(thrown); });
  service.on_message("HeroService/FindMany", [&](const json& by, ReplyWriter<json>& out) -> task<void> {
    co_await out.write(by);
    throw RpcError(thrown);
  });
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = hero::HeroService::NewStub(::grpc::CreateChannel(url_of(service), ::grpc::InsecureChannelCredentials()));
  hero::Hero hero;
  ::grpc::ClientContext one;
  one.set_deadline(std::chrono::system_clock::now() + 30s);
  const ::grpc::Status status = stub->FindOne(&one, hero::HeroById(), &hero);
  CHECK(status.error_code() == ::grpc::UNKNOWN);
  CHECK(status.error_message() == "ok?");
  ::grpc::ClientContext many;
  many.set_deadline(std::chrono::system_clock::now() + 30s);
  const auto reader = stub->FindMany(&many, hero::HeroById());
  CHECK(reader->Read(&hero));
  CHECK_FALSE(reader->Read(&hero));
  CHECK(reader->Finish().error_code() == ::grpc::UNKNOWN);
  set_log_level(LogLevel::error);
}

TEST_CASE("the metadata of an error passes through: names in any case, bytes, and the details of the status") {
  const json metadata{{"err-md", "v"}, {"proof-bin", "AP8="}, {"grpc-status-details-bin", "ZGV0YWlscw=="}};
  json thrown{{"code", 9}, {"message", "not now"}, {"metadata", {{"Err-Md", "v"}, {"Proof-Bin", "AP8="}, {"grpc-status-details-bin", "ZGV0YWlscw=="}}}};
  Application service = contract_service();
  service.on_message("HeroService/FindOne", [&](const json&) -> json { throw RpcError(thrown); });
  set_log_level(LogLevel::off);
  service.start();
  const auto stub = hero::HeroService::NewStub(::grpc::CreateChannel(url_of(service), ::grpc::InsecureChannelCredentials()));
  ::grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 30s);
  hero::Hero hero;
  const ::grpc::Status status = stub->FindOne(&context, hero::HeroById(), &hero);
  CHECK(status.error_details() == "details");
  const auto& trailers = context.GetServerTrailingMetadata();
  REQUIRE(trailers.count("err-md") == 1);
  REQUIRE(trailers.count("proof-bin") == 1);
  CHECK(trailers.find("proof-bin")->second == ::grpc::string_ref("\0\xff", 2));
  Application app = contract_client(url_of(service));
  const json body = body_of(app.client("HEROES"), "HeroService/FindOne");
  REQUIRE(body.is_object());
  CHECK(body.value("metadata", json()) == metadata);
  // What has an exception of its own says it in its text.
  thrown["code"] = 14;
  try {
    app.client("HEROES").send<json>("HeroService/FindOne", json::object()).get();
    FAIL("it answers UNAVAILABLE");
  } catch (const ConnectionError& error) {
    CHECK_THAT(error.what(), Catch::Matchers::Contains("not now") && Catch::Matchers::Contains(metadata.dump()));
  }
  set_log_level(LogLevel::error);
}

TEST_CASE("a second value where the method returns one ends the call with INTERNAL") {
  using namespace ferry::grpc;
  const Shape shape;
  Rpc rpc;
  rpc.response = &shape;
  Route route;
  route.rpc = &rpc;
  const ContractServerMethod method(nullptr, route);
  std::string payload = "one";
  const Answer first = method.answer(spi::ReplyKind::item, payload, true);
  CHECK(first.has_message);
  CHECK_FALSE(first.last);
  const Answer second = method.answer(spi::ReplyKind::item, payload, false);
  CHECK_FALSE(second.has_message);
  CHECK(second.last);
  CHECK(second.status.code == static_cast<int>(Code::internal));
}
