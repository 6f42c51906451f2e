#pragma once
// How ferry is told where the broker is, or where to listen.

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace bench {

/// A config with one service or client, `role` says which, named bench.
inline std::string ferry_config(const char* role, const std::string& transport, std::uint16_t port) {
  nlohmann::json options{{"host", "127.0.0.1"}, {"port", port}};
  if (transport == "nats") options = {{"servers", {"nats://127.0.0.1:" + std::to_string(port)}}};
  if (transport == "mqtt") options = {{"url", "mqtt://127.0.0.1:" + std::to_string(port)}};
  if (transport == "rmq") options = {{"urls", {"amqp://127.0.0.1:" + std::to_string(port)}}, {"queue", "bench"}};
  if (transport == "kafka") {
    options = {{"client", {{"brokers", {"127.0.0.1:" + std::to_string(port)}}}}};
    if (std::string_view(role) == "clients") options["subscribeToResponseOf"] = {"sum", "echo", "raw", "count"};
    else options["subscribe"] = {{"fromBeginning", true}};
  }
  return nlohmann::json{{"threads", 1},
                        {"logLevel", "warn"},
                        {role, {{"bench", {{"transport", transport}, {"options", options}}}}}}
      .dump();
}

}  // namespace bench
