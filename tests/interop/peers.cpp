#include "peers.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "ferry_test_paths.hpp"

namespace ferry::test {
namespace {

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

nlohmann::json nest_cases() { return nlohmann::json::parse(std::ifstream(nest_directory + "/cases.json")); }

std::unique_ptr<Process> start_nest(const std::string& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {find_program("node"), nest_directory + "/" + program + ".mjs"});
  return std::make_unique<Process>(std::move(arguments));
}

std::unique_ptr<Process> start_nest_service(std::uint16_t& port, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--port", "0"});
  auto service = start_nest("service", std::move(arguments));
  const std::string ready = service->line_of_stdout("READY ");
  port = nlohmann::json::parse(ready.substr(ready.find('{')))["port"].get<std::uint16_t>();
  return service;
}

std::vector<nlohmann::json> run_nest_client(std::uint16_t port, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--port", std::to_string(port)});
  const Finished finished = start_nest("client", std::move(arguments))->wait();
  if (finished.code != 0) throw std::runtime_error("client.mjs ended with " + std::to_string(finished.code) + ": " + finished.err);
  std::vector<nlohmann::json> lines;
  std::istringstream out(finished.out);
  for (std::string line; std::getline(out, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

}  // namespace ferry::test
