#pragma once
// Settings of the Kafka transport, made of options as a config has them.

#include <string>

#include <nlohmann/json.hpp>

#include "refusal.hpp"
#include "transports/kafka/options.hpp"

namespace ferry::test::kafka_options {

using nlohmann::json;
using test::refusal;

inline kafka::ServerSettings service(const json& options, bool at_least_once = false) {
  spi::ServerEnvironment environment;
  environment.name = "math";
  environment.options = spi::Options::parse(options, kafka::server_option_table(), {"app.json", "/services/math/options"});
  environment.at_least_once = at_least_once;
  return kafka::server_settings(environment);
}

inline kafka::ClientSettings client(const json& options) {
  spi::ClientEnvironment environment;
  environment.name = "MATH";
  environment.options = spi::Options::parse(options, kafka::client_option_table(), {"app.json", "/clients/MATH/options"});
  return kafka::client_settings(environment);
}

/// The last one wins, as with the driver.
inline std::string property(const kafka::Properties& properties, const std::string& name) {
  std::string found = "none";
  for (const auto& [each, value] : properties) {
    if (each == name) found = value;
  }
  return found;
}

}  // namespace ferry::test::kafka_options
