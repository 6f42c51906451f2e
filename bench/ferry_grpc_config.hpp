#pragma once
// How ferry is told where the contract is, and where to listen.

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace bench {

inline std::string ferry_grpc_config(const char* role, std::uint16_t port) {
  const nlohmann::json options{{"url", "127.0.0.1:" + std::to_string(port)}, {"protoPath", FERRY_BENCH_PROTO}};
  return nlohmann::json{{"threads", 1}, {"logLevel", "warn"}, {role, {{"bench", {{"transport", "grpc"}, {"options", options}}}}}}.dump();
}

}  // namespace bench
