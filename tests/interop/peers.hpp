#pragma once
// The NestJS programs of tests/interop/nest, where ferry meets them, and the cases they share with ferry's side.

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "../support/broker.hpp"
#include "../support/certificates.hpp"
#include "../support/process.hpp"

namespace ferry::test {

/// The transport of this run: `--transport`, or tcp.
const std::string& transport();
void set_transport(std::string name);

/// Ends the case as skipped, in CTest's words for it.
#define FERRY_NOT_APPLICABLE_IF(condition, why)          \
  do {                                                   \
    if (condition) {                                     \
      std::cout << "not applicable: " << why << std::endl; \
      SUCCEED("not applicable");                         \
      return;                                            \
    }                                                    \
  } while (false)

/// False, after saying why in CTest's words for a skipped test, if NestJS is not installed.
bool nest_is_installed();

/// tests/interop/nest/cases.json, as it is for this transport.
nlohmann::json nest_cases();

/// Where peers meet: at a broker of the case's own (RabbitMQ: at a queue of its own) or, over TCP, wherever the service listens.
class Place {
 public:
  Place();
  /// Over TCP: the service is here.
  void found(std::uint16_t port) { port_ = port; }
  /// What a NestJS program is told.
  std::vector<std::string> nest_arguments() const;
  /// What ferry is told: the `options` of a client or a service, `more` among them.
  nlohmann::json options(const nlohmann::json& more = nlohmann::json::object()) const;

 private:
  std::shared_ptr<Broker> broker_;
  std::string queue_;        // RabbitMQ's
  std::uint16_t port_ = 0;   // 0: a service chooses one
};

/// `node <program>.mjs arguments...`
std::unique_ptr<Process> start_nest(const std::string& program, std::vector<std::string> arguments);
/// A NestJS service, which listens when this returns.
std::unique_ptr<Process> start_nest_service(Place& place, const std::vector<std::string>& arguments = {});
/// Runs client.mjs to its end; its lines.
std::vector<nlohmann::json> run_nest_client(const Place& place, const std::vector<std::string>& arguments);

}  // namespace ferry::test
