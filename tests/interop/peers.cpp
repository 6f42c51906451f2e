#include "peers.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "ferry_test_paths.hpp"

namespace ferry::test {
namespace {

std::string transport_name = "tcp";
const std::string nest_directory = FERRY_TESTS_DIR "/interop/nest";

std::string find_program(const char* name) {
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string directory; std::getline(path, directory, ':');) {
    const std::string candidate = directory + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace

const std::string& transport() { return transport_name; }
void set_transport(std::string name) { transport_name = std::move(name); }

bool nest_is_installed() {
  if (find_program("node").empty()) {
    std::cout << "not applicable: node is not installed; run scripts/setup --tests" << std::endl;
    return false;
  }
  if (!std::filesystem::exists(nest_directory + "/node_modules/@nestjs/microservices")) {
    std::cout << "not applicable: NestJS is not installed; run scripts/setup --tests" << std::endl;
    return false;
  }
  return true;
}

nlohmann::json nest_cases() {
  nlohmann::json cases = nlohmann::json::array();
  for (nlohmann::json& each : nlohmann::json::parse(std::ifstream(nest_directory + "/cases.json"))) {
    const nlohmann::json on = each.value("on", nlohmann::json::array({transport()}));
    if (std::find(on.begin(), on.end(), transport()) == on.end()) continue;
    const nlohmann::json differs = each.value("expectOn", nlohmann::json::object());
    if (differs.contains(transport())) each["expect"] = differs[transport()];
    cases.push_back(std::move(each));
  }
  return cases;
}

// ---- Place -----------------------------------------------------------------------------------------------------------

Place::Place() {
  if (transport() == "tcp") return;
  if (transport() == "mqtt") broker_ = std::make_shared<Broker>("mosquitto", "set_tcp_nodelay true\nmax_queued_messages 0");
  else if (transport() != "rmq") broker_ = std::make_shared<Broker>(transport());
  if (broker_) return;
  static const auto shared = std::make_shared<Broker>("rabbitmq");   // it takes long to start
  static int number = 0;
  broker_ = shared;
  queue_ = "nest-" + std::to_string(++number);
}

std::vector<std::string> Place::nest_arguments() const {
  if (!broker_) return {"--port", std::to_string(port_)};
  std::vector<std::string> arguments{"--transport", transport(), "--url", broker_->url()};
  if (!queue_.empty()) arguments.insert(arguments.end(), {"--queue", queue_});
  return arguments;
}

nlohmann::json Place::options(const nlohmann::json& more) const {
  nlohmann::json options{{"host", "127.0.0.1"}, {"port", broker_ ? broker_->port() : port_}};
  if (transport() == "nats") options = {{"servers", {broker_->url()}}};
  if (transport() == "mqtt") options = {{"url", broker_->url()}, {"protocolVersion", 5}};
  if (transport() == "rmq") options = {{"urls", {broker_->url()}}, {"queue", queue_}};
  options.update(more);
  return options;
}

// ---- NestJS ----------------------------------------------------------------------------------------------------------

std::unique_ptr<Process> start_nest(const std::string& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {find_program("node"), nest_directory + "/" + program + ".mjs"});
  return std::make_unique<Process>(std::move(arguments));
}

std::unique_ptr<Process> start_nest_service(Place& place, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = place.nest_arguments();
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto service = start_nest("service", std::move(all));
  const std::string ready = service->line_of_stdout("READY ");
  const auto where = nlohmann::json::parse(ready.substr(ready.find('{')));
  if (where.contains("port")) place.found(where["port"].get<std::uint16_t>());
  return service;
}

std::vector<nlohmann::json> run_nest_client(const Place& place, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = place.nest_arguments();
  all.insert(all.end(), arguments.begin(), arguments.end());
  const Finished finished = start_nest("client", std::move(all))->wait();
  if (finished.code != 0) throw std::runtime_error("client.mjs ended with " + std::to_string(finished.code) + ": " + finished.err);
  std::vector<nlohmann::json> lines;
  std::istringstream out(finished.out);
  for (std::string line; std::getline(out, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

}  // namespace ferry::test
