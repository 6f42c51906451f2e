#include "fixture.hpp"

#include "../support/certificates.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace ferry::test {
namespace {

std::string config_file;

nlohmann::json read_document() {
  std::ifstream file(config_file);
  if (!file) throw std::runtime_error("no config: give --ferry-config FILE");
  return nlohmann::json::parse(file, nullptr, true, true);
}

}  // namespace

void set_config_file(std::string path) { config_file = std::move(path); }

World::World(bool direct) : document_(read_document()) {
  static std::atomic<int> number{0};
  conformance_ = document_.value("conformance", nlohmann::json::object());
  document_.erase("conformance");
  const std::uint16_t port = free_port();
  const std::string unique = std::to_string(getpid()) + "-" + std::to_string(number++);
  if (!direct && conformance_.value("gate", false)) gate_ = std::make_unique<Gate>(port);
  // What a config file may name: an address of this case's own.
  setenv("SUITE_ID", unique.c_str(), 1);
  setenv("SUITE_PORT", std::to_string(port).c_str(), 1);
  setenv("SUITE_CLIENT_PORT", std::to_string(gate_ ? gate_->port() : port).c_str(), 1);
  if (document_.dump().find("${SUITE_CERTS}") != std::string::npos) setenv("SUITE_CERTS", certificates().c_str(), 1);
  const Application probe(config(false, nlohmann::json::object()));
  transport_ = document_["services"]["suite"]["transport"].get<std::string>();
  capabilities_ = probe.plugins().transport(transport_).capabilities();
  document_ = nlohmann::json::parse(Config::from_text(document_.dump(), config_file).root().dump());
}

World::~World() {
  client_.reset();
  service_.reset();
}

Config World::config(bool services, const nlohmann::json& client_settings) const {
  nlohmann::json document = document_;
  document.erase(services ? "clients" : "services");
  if (!services) document["clients"]["SUITE"].update(client_settings);
  return Config::from_text(document.dump(), config_file);
}

Application& World::serve(const std::function<void(Application&)>& handlers) {
  service_ = std::make_unique<Application>(config(true, {}));
  handlers(*service_);
  service_->start();
  return *service_;
}

bool World::stop_service() {
  const bool clean = service_->stop();
  service_.reset();
  return clean;
}

Client World::client(const nlohmann::json& settings) {
  if (!client_) client_ = std::make_unique<Application>(config(false, settings));
  return client_->client("SUITE");
}

Gate* World::gate() { return gate_.get(); }

}  // namespace ferry::test
