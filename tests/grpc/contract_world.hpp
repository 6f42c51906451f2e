#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ferry/ferry.hpp"

namespace ferry::test {

/// Where the tests' .proto files are.
std::string proto_directory();

/// Options of contract mode for the tests' hero.proto.
nlohmann::json contract_options(const std::string& url);

/// A ferry service of hero.proto that is not started. `settings` are merged into its options.
Application contract_service(const nlohmann::json& settings = nlohmann::json::object());
/// "127.0.0.1:41234", of a service that was started.
std::string url_of(Application& service);
std::uint16_t port_of(Application& service);
Application contract_client(const std::string& url, const nlohmann::json& settings = nlohmann::json::object());

/// The same without a contract; `settings` of the client are merged beside its options.
Application envelope_service(const nlohmann::json& options = nlohmann::json::object());
Application envelope_client(const std::string& url, const nlohmann::json& options = nlohmann::json::object(),
                            const nlohmann::json& settings = nlohmann::json::object());

}  // namespace ferry::test
