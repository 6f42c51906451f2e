#pragma once
// The NestJS programs of tests/interop/nest, and the cases they share with ferry's side.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "../support/certificates.hpp"
#include "../support/process.hpp"

namespace ferry::test {

/// False, after saying why in CTest's words for a skipped test, if NestJS is not installed.
bool nest_is_installed();

/// tests/interop/nest/cases.json
nlohmann::json nest_cases();

/// `node <program>.mjs arguments...`
std::unique_ptr<Process> start_nest(const std::string& program, std::vector<std::string> arguments);
/// A NestJS service; `port` is where it listens.
std::unique_ptr<Process> start_nest_service(std::uint16_t& port, std::vector<std::string> arguments = {});
/// Runs client.mjs to its end; its lines.
std::vector<nlohmann::json> run_nest_client(std::uint16_t port, std::vector<std::string> arguments);

}  // namespace ferry::test
