#pragma once
// The config file's own keys, around the options that belong to plugins.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/config.hpp"
#include "ferry/detail/client_core.hpp"
#include "ferry/log.hpp"
#include "ferry/plugins.hpp"
#include "ferry/spi/options.hpp"
#include "in_flight.hpp"
#include "service_core.hpp"

namespace ferry::detail {

struct ApplicationSettings {
  std::size_t threads = 0;
  std::size_t pool_threads = 0;
  std::chrono::milliseconds shutdown_timeout{10000};
  std::vector<std::filesystem::path> plugin_path;
  std::optional<LogLevel> log_level;
};

/// Where a service's dead letters go: a client of the same config, which need not be of the same transport.
struct DeadLetterConfig {
  std::string client;
  std::string pattern;
};

struct ServiceConfig {
  ServiceSettings settings;
  std::optional<DeadLetterConfig> dead_letter;
  const spi::Transport* transport = nullptr;
  const spi::Serializer* serializer = nullptr;
  spi::Options options;
  bool extensions = true;
};

struct ClientConfig {
  ClientSettings settings;
  const spi::Transport* transport = nullptr;
  const spi::Serializer* serializer = nullptr;
  spi::Options options;
  bool extensions = true;
};

spi::OptionTable application_table() noexcept;
spi::OptionTable service_table() noexcept;
spi::OptionTable client_table() noexcept;

/// All of these throw `ConfigError`.
ApplicationSettings read_application(const Config& config);
std::vector<ServiceConfig> read_services(const Config& config, const Plugins& plugins);
std::vector<ClientConfig> read_clients(const Config& config, const Plugins& plugins);
/// One of them: `value` is what stands at `/services/<name>` or `/clients/<name>`.
ServiceConfig read_service(const Config& config, const std::string& name, const nlohmann::json& value, const Plugins& plugins);
ClientConfig read_client(const Config& config, const std::string& name, const nlohmann::json& value, const Plugins& plugins);

std::unique_ptr<spi::ServerTransport> make_server(const ServiceConfig& from, const Config& config, spi::Loop& loop,
                                                  std::vector<spi::Loop*> loops, spi::ServerSink& sink);
std::unique_ptr<spi::ClientTransport> make_client(const ClientConfig& from, const Config& config, spi::Loop& loop,
                                                  spi::ClientSink& sink);

}  // namespace ferry::detail
