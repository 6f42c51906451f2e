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

Application contract_client(const std::string& url, const json& settings) {
  json options = contract_options(url);
  options.update(settings);
  return Application(Config::from_text(json{{"clients", {{"HEROES", {{"transport", "grpc"}, {"options", options}}}}}}.dump(), "heroes.json"));
}

}  // namespace ferry::test
