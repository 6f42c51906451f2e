// A handler and a call of classes that protoc generated, by the installed header.

#include <chrono>
#include <cstdio>
#include <exception>

#include <google/protobuf/wrappers.pb.h>

#include <ferry/ferry.hpp>
#include <ferry/protobuf.hpp>

using google::protobuf::DoubleValue;
using google::protobuf::Int32Value;

int main() {
  try {
    ferry::Application service(ferry::Config::from_text(
        R"({ "services": { "half": { "transport": "tcp", "options": { "host": "127.0.0.1", "port": 0 } } } })"));
    service.on_message("half", [](const Int32Value& whole) {
      DoubleValue half;
      half.set_value(whole.value() / 2.0);
      return half;
    });
    service.start();

    ferry::Application app(ferry::Config::from_json({{"clients", {{"HALF", {{"url", service.services().front().endpoint}}}}}}));
    Int32Value seven;
    seven.set_value(7);
    std::printf("%g\n", app.client("HALF").send<DoubleValue>("half", seven).get(std::chrono::seconds(5)).value());
    return service.stop() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
