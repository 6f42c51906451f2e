#include "contract_world.hpp"

#include "ferry_test_paths.hpp"

namespace ferry::test {

using nlohmann::json;

std::string proto_directory() { return FERRY_TESTS_DIR "/grpc/proto"; }

json contract_options(const std::string& url) {
  return {{"url", url}, {"protoPath", proto_directory() + "/hero.proto"}, {"package", "hero"}};
}

Application contract_service(const json& settings) {
  json options = contract_options("127.0.0.1:0");
  options.update(settings);
  return Application(Config::from_text(json{{"services", {{"heroes", {{"transport", "grpc"}, {"options", options}}}}}}.dump(), "heroes.json"));
}

std::string url_of(Application& service) {
  const std::string endpoint = service.services().front().endpoint;
  return endpoint.substr(endpoint.find("://") + 3);
}

std::uint16_t port_of(Application& service) {
  const std::string url = url_of(service);
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

Application contract_client(const std::string& url, const json& settings) {
  json options = contract_options(url);
  options.update(settings);
  return Application(Config::from_text(json{{"clients", {{"HEROES", {{"transport", "grpc"}, {"options", options}}}}}}.dump(), "heroes.json"));
}

Application envelope_service(const json& options) {
  json all{{"url", "127.0.0.1:0"}};
  all.update(options);
  return Application(Config::from_json({{"services", {{"S", {{"transport", "grpc"}, {"options", all}}}}}}));
}

Application envelope_client(const std::string& url, const json& options, const json& settings) {
  json all{{"url", url}};
  all.update(options);
  json client{{"transport", "grpc"}, {"options", all}, {"reconnect", {{"backoff", "10ms"}, {"maxBackoff", "50ms"}}}};
  client.update(settings);
  return Application(Config::from_json({{"clients", {{"C", client}}}}));
}

}  // namespace ferry::test
