#include "fixture.hpp"

#include "../support/certificates.hpp"
#include "ferry/config_check.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace ferry::test {
namespace {

std::string config_file;
std::shared_ptr<Broker> shared_broker;

nlohmann::json read_document() {
  std::ifstream file(config_file);
  if (!file) throw std::runtime_error("no config: give --ferry-config FILE");
  return nlohmann::json::parse(file, nullptr, true, true);
}

}  // namespace

void set_config_file(std::string path) { config_file = std::move(path); }
void end_shared_broker() { shared_broker.reset(); }

World::World(bool direct) : document_(read_document()) {
  static std::atomic<int> number{0};
  conformance_ = document_.value("conformance", nlohmann::json::object());
  document_.erase("conformance");
  broker_ = make_broker();
  const std::uint16_t port = broker_ ? broker_->port() : free_port();
  const auto gate = [&](const char* name) {
    return !direct && conformance_.value(name, false) ? std::make_unique<Gate>(port) : nullptr;
  };
  gate_ = gate("gate");
  service_gate_ = gate("serviceGate");
  // What a config file may name: an address of this case's own.
  const auto set = [](const char* name, const std::string& value) { setenv(name, value.c_str(), 1); };
  set("SUITE_ID", std::to_string(getpid()) + "-" + std::to_string(number++));
  set("SUITE_PORT", std::to_string(port));
  set("SUITE_CLIENT_PORT", std::to_string(gate_ ? gate_->port() : port));
  set("SUITE_SERVICE_PORT", std::to_string(service_gate_ ? service_gate_->port() : port));
  if (document_.dump().find("${SUITE_CERTS}") != std::string::npos) set("SUITE_CERTS", certificates());
  const CheckedConfig checked = check_config(config(false, nlohmann::json::object()));
  for (const std::string& error : checked.all_errors()) throw std::runtime_error(error);
  transport_ = checked.clients.front().transport->name();
  capabilities_ = checked.clients.front().promises;
  document_ = nlohmann::json::parse(Config::from_text(document_.dump(), config_file).root().dump());
}

World::~World() {
  close_client();
  if (!service_) return;
  // A handler that hangs costs a stop its whole shutdownTimeout, and no other check of a case would see it.
  CHECK(service_->stop());
  service_.reset();
}

std::shared_ptr<Broker> World::make_broker() const {
  if (!conformance_.contains("broker")) return nullptr;
  if (shared_broker) {
    if (!shared_broker->running()) shared_broker->start();
    return shared_broker;
  }
  std::string configuration = conformance_.value("brokerConfiguration", "");
  constexpr std::string_view variable = "${SUITE_CERTS}";
  for (std::size_t at = 0; (at = configuration.find(variable, at)) != std::string::npos;) {
    configuration.replace(at, variable.size(), certificates());
  }
  auto broker = std::make_shared<Broker>(conformance_["broker"].get<std::string>(), configuration);
  if (conformance_.value("sharedBroker", false)) shared_broker = broker;
  return broker;
}

Config World::config(bool services, const nlohmann::json& settings, int instance) const {
  nlohmann::json document = document_;
  document.erase(services ? "clients" : "services");
  (services ? document["services"]["suite"] : document["clients"]["SUITE"]).update(settings);
  std::string text = document.dump();
  constexpr std::string_view variable = "%INSTANCE%";
  for (std::size_t at = 0; (at = text.find(variable, at)) != std::string::npos;) {
    text.replace(at, variable.size(), std::to_string(instance));
  }
  return Config::from_text(text, config_file);
}

Application& World::serve(const std::function<void(Application&)>& handlers, const nlohmann::json& settings) {
  return start(config(true, settings), handlers);
}

Application& World::serve_and_call(const std::function<void(Application&)>& handlers, const nlohmann::json& settings) {
  nlohmann::json document = config(true, settings).root();
  document["clients"] = config(false, nlohmann::json::object(), ++others_).root().at("clients");
  return start(Config::from_text(document.dump(), config_file), handlers);
}

Application& World::start(Config config, const std::function<void(Application&)>& handlers) {
  service_ = std::make_unique<Application>(std::move(config));
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

void World::close_client() {
  client_.reset();
  if (capabilities_.broker) over_ = true;   // without one, handlers learn it by themselves
}

std::pair<std::string, std::string> World::wildcard() const {
  const nlohmann::json given = conformance_.value("wildcard", nlohmann::json::object());
  return {given.value("pattern", "wild.*.get"), given.value("route", "wild.42.get")};
}

nlohmann::json World::keyed(const std::string& key) const {
  const std::string option = conformance_.value("keyed", "");
  return option.empty() ? nlohmann::json() : nlohmann::json{{option, key}};
}

std::vector<Grant> World::grants() const {
  return check_config(config(true, nlohmann::json::object())).services.front().grants;
}

bool World::redelivers() const { return document_["services"]["suite"].value("delivery", "") == "at-least-once"; }

task<void> World::forever() {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!over_) {
    timer.expires_after(10ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  throw std::runtime_error("the case is over");
}

}  // namespace ferry::test
