// Health and reflection, asked by clients with no ferry in them: messages of the two .proto files, which are read here as
// grpcurl reads them, from the service itself or from a text.

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <google/protobuf/descriptor.pb.h>

#include "../support/await.hpp"
#include "../support/catch.hpp"
#include "../support/scratch.hpp"
#include "contract_world.hpp"
#include "hero.pb.h"
#include "transports/grpc/wire.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// One call of any kind, a message at a time.
class Talk final : public ::grpc::ClientBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer> {
 public:
  Talk(const std::string& url, const std::string& path)
      : stub_(::grpc::CreateChannel(url, ::grpc::InsecureChannelCredentials())) {
    context_.set_deadline(std::chrono::system_clock::now() + 30s);
    stub_.PrepareBidiStreamingCall(&context_, path, {}, this);
    AddHold();
    StartRead(&in_);
    StartCall();
  }
  ~Talk() override {
    context_.TryCancel();
    RemoveHold();
    done_.wait([](const auto& status) { return status.has_value(); });
  }

  void say(const std::string& message) {
    const ::grpc::Slice slice(message.data(), message.size());
    out_ = ::grpc::ByteBuffer(&slice, 1);
    StartWrite(&out_);
    // An answer may be here before gRPC says that the question has left, and one write at a time is allowed.
    if (!written_.reaches(++said_)) throw std::runtime_error("not written");
  }
  /// The n-th message that came.
  std::string heard(std::size_t n) {
    if (!heard_.wait([n](const auto& all) { return all.size() > n; })) throw std::runtime_error("no answer");
    return heard_.get()[n];
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    std::vector<::grpc::Slice> slices;
    static_cast<void>(in_.Dump(&slices));
    std::string message;
    for (const auto& slice : slices) message.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    heard_.change([&](auto& all) { all.push_back(message); });
    StartRead(&in_);
  }
  void OnWriteDone(bool) override { written_.add(); }
  void OnDone(const ::grpc::Status& status) override {
    done_.change([&](auto& value) { value = status; });
  }

  ::grpc::GenericStub stub_;
  ::grpc::ClientContext context_;
  ::grpc::ByteBuffer in_;
  ::grpc::ByteBuffer out_;
  int said_ = 0;
  Counter written_;
  Watched<std::vector<std::string>> heard_;
  Watched<std::optional<::grpc::Status>> done_;
};

/// A call that says one thing, and reads nothing.
struct Deaf final : ::grpc::ClientBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer> {
  Deaf(const std::string& url, const std::string& path, const std::string& message)
      : stub(channel(url)) {
    context.set_deadline(std::chrono::system_clock::now() + 30s);
    const ::grpc::Slice slice(message.data(), message.size());
    out = ::grpc::ByteBuffer(&slice, 1);
    stub.PrepareBidiStreamingCall(&context, path, {}, this);
    StartWrite(&out);
    StartCall();
  }
  ~Deaf() override {
    context.TryCancel();
    ended.reaches(1);
  }
  static std::shared_ptr<::grpc::Channel> channel(const std::string& url) {
    ::grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);   // its window stays as small as it is
    return ::grpc::CreateCustomChannel(url, ::grpc::InsecureChannelCredentials(), arguments);
  }
  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) begun.add();
  }
  void OnDone(const ::grpc::Status&) override { ended.add(); }
  ::grpc::GenericStub stub;
  ::grpc::ClientContext context;
  ::grpc::ByteBuffer out;
  Counter begun;
  Counter ended;
};

std::string text_field(std::uint32_t number, std::string_view text) {
  std::string out;
  ferry::grpc::wire::append_bytes(out, number, text);
  return out;
}

/// The bytes of a field of a message; empty if it has none.
std::string_view field(std::string_view message, std::uint32_t number) {
  ferry::grpc::wire::Reader reader(message);
  std::string_view found;
  while (reader.next()) {
    if (reader.number() == number && reader.type() == ferry::grpc::wire::Type::length) reader.bytes(found);
    else reader.skip();
  }
  return found;
}

}  // namespace

TEST_CASE("the standard health service") {
  Application service = contract_service({{"health", true}});
  service.on_message("HeroService/FindOne", [](const json&) { return json::object(); });
  set_log_level(LogLevel::off);
  service.start();
  const std::string serving("\x08\x01");
  const std::string not_serving("\x08\x02");
  for (const std::string& name : {std::string(), std::string("hero.HeroService")}) {
    Talk check(url_of(service), "/grpc.health.v1.Health/Check");
    check.say(name.empty() ? "" : text_field(1, name));
    CHECK(check.heard(0) == serving);
  }
  Talk watch(url_of(service), "/grpc.health.v1.Health/Watch");
  watch.say("");
  CHECK(watch.heard(0) == serving);
  CHECK(service.stop());
  CHECK(watch.heard(1) == not_serving);
  set_log_level(LogLevel::error);
}

TEST_CASE("reflection tells of no file but those of the contract") {
  const ScratchDirectory scratch;
  const std::string head = "syntax = \"proto3\"; package hero; ";
  scratch.write("hero.proto", head + "message Hero {} service HeroService { rpc FindOne (Hero) returns (Hero); }");
  scratch.write("secret.proto", head + "message Secret {}");
  Application service = contract_service({{"reflection", true}, {"protoPath", scratch.path() + "/hero.proto"}});
  service.on_message("HeroService/FindOne", [](const json&) { return json::object(); });
  service.start();
  Talk talk(url_of(service), "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  std::size_t said = 0;
  const auto refused = [&](const std::string& name) {
    talk.say(text_field(3, name));
    const std::string answer = talk.heard(said++);
    return field(answer, 4).empty() && !field(answer, 7).empty();
  };
  CHECK_FALSE(refused("hero.proto"));
  CHECK(refused("secret.proto"));
  CHECK(refused(scratch.path() + "/secret.proto"));
  CHECK(refused("../" + scratch.path().substr(scratch.path().rfind('/') + 1) + "/secret.proto"));
  CHECK(refused("google/protobuf/api.proto"));
}

TEST_CASE("a caller that does not read what a service answers by itself does not hold its end") {
  const ScratchDirectory scratch;
  std::string fields;   // enough for an answer that no window holds
  for (int i = 1; i <= 5000; ++i) fields += "int32 a_field_of_a_large_message_" + std::to_string(i) + " = " + std::to_string(i) + "; ";
  scratch.write("hero.proto", "syntax = \"proto3\"; package hero; message Hero { " + fields + "} "
                              "service HeroService { rpc FindOne (Hero) returns (Hero); }");
  json settings = contract_options("127.0.0.1:0");
  settings["protoPath"] = scratch.path() + "/hero.proto";
  settings["reflection"] = true;
  Application service(Config::from_json({{"shutdownTimeout", "200ms"}, {"services", {{"heroes", {{"transport", "grpc"}, {"options", settings}}}}}}));
  service.on_message("HeroService/FindOne", [](const json&) { return json::object(); });
  set_log_level(LogLevel::off);
  service.start();
  Deaf call(url_of(service), "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", text_field(3, "hero.proto"));
  REQUIRE(call.begun.reaches(1));   // the answer is on its way
  service.stop();
  CHECK(std::chrono::system_clock::now() < call.context.deadline());   // which would have ended the call
  set_log_level(LogLevel::error);
}

TEST_CASE("reflection tells the contract") {
  Application service = contract_service({{"reflection", true}});
  service.on_message("HeroService/FindOne", [](const json&) { return json::object(); });
  set_log_level(LogLevel::off);
  service.start();
  for (const std::string version : {"v1", "v1alpha"}) {
    Talk talk(url_of(service), "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo");
    talk.say(text_field(7, "*"));
    const std::string services = talk.heard(0);
    CHECK(services.find("hero.HeroService") != std::string::npos);
    CHECK(services.find("hero.MathService") != std::string::npos);
    talk.say(text_field(4, "hero.HeroService.FindOne"));
    const std::string files = talk.heard(1);
    // The file itself and what it imports.
    std::vector<std::string> names;
    ferry::grpc::wire::Reader reader(field(files, 4));
    while (reader.next()) {
      std::string_view bytes;
      REQUIRE(reader.bytes(bytes));
      google::protobuf::FileDescriptorProto file;
      REQUIRE(file.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
      names.push_back(file.name());
    }
    CHECK(names == std::vector<std::string>{"hero.proto", "common/kinds.proto", "google/protobuf/empty.proto"});
    talk.say(text_field(4, "hero.Villain"));
    CHECK_FALSE(field(talk.heard(2), 7).empty());   // an error, and the call goes on
    talk.say(text_field(3, "hero.proto"));
    CHECK_FALSE(field(talk.heard(3), 4).empty());
  }
  set_log_level(LogLevel::error);
}
