// Health and reflection, asked by clients with no ferry in them: messages of the two .proto files, which are read here as
// grpcurl reads them, from the service itself or from a text.

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <google/protobuf/descriptor.pb.h>

#include "../support/await.hpp"
#include "../support/catch.hpp"
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
