#include "ferry/config_check.hpp"

#include <exception>

#include <nlohmann/json.hpp>

#include "application_config.hpp"
#include "delivery_contract.hpp"
#include "ferry/runtime.hpp"

namespace ferry {
namespace {

using nlohmann::json;

/// For transports that are made, and never used.
struct DeafClient final : spi::ClientSink {
  void on_connected(std::string_view) override {}
  void on_disconnected(Failure) override {}
  void on_reply(const spi::ReplyView&) override {}
  void on_request_failed(std::string_view, const Failure&) override {}
  void on_writable(std::string_view) override {}
  void on_emitted(spi::EmitToken, const Failure*) override {}
  void on_error(const Failure&) override {}
  void on_status(StatusEvent) override {}
};
struct DeafServer final : spi::ServerSink {
  void on_message(spi::DeliveryPtr) override {}
  void on_status(StatusEvent) override {}
  void on_disconnected(Failure) override {}
  void on_error(const Failure&) override {}
};

template <class F>
std::string error_of(F function) {
  try {
    function();
    return {};
  } catch (const std::exception& error) {   // a plugin may throw more than it should
    return error.what();
  }
}

template <class Part>
void describe(const Part& from, CheckedPart& part) {
  part.transport = from.transport;
  part.serializer = from.serializer->name();
  part.promises = from.settings.promises;
  part.address = from.transport->address(from.options);
  part.extensions = from.extensions;
}

const json& section(const Config& config, const char* name) {
  static const json none = json::object();
  const auto found = config.root().find(name);
  return found != config.root().end() && found->is_object() ? *found : none;   // anything else is an error already
}

}  // namespace

std::vector<std::string> CheckedConfig::all_errors() const {
  std::vector<std::string> all = errors;
  for (const auto* parts : {&services, &clients}) {
    for (const CheckedPart& part : *parts) {
      if (!part.error.empty()) all.push_back(part.error);
    }
  }
  return all;
}

CheckedConfig check_config(const Config& config) {
  CheckedConfig checked;
  detail::ApplicationSettings settings;
  const std::string error = error_of([&] { settings = detail::read_application(config); });
  if (!error.empty()) checked.errors.push_back(error);
  const Plugins plugins(settings.plugin_path);
  DeafServer no_service;
  DeafClient no_client;
  Runtime runtime(1, 1);
  spi::Loop& loop = runtime.next_loop();
  for (const auto& [name, value] : section(config, "services").items()) {
    CheckedPart& part = checked.services.emplace_back();
    part.name = name;
    part.error = error_of([&, &key = name, &entry = value] {
      const detail::ServiceConfig service = detail::read_service(config, key, entry, plugins);
      describe(service, part);
      part.at_least_once = service.settings.at_least_once;
      part.at_once = service.settings.max_concurrency;
      part.adapts = service.settings.admission.least_concurrency != 0;
      part.grants = detail::grants_of(service);
      detail::make_server(service, config, loop, runtime.loops(), no_service);
    });
  }
  for (const auto& [name, value] : section(config, "clients").items()) {
    CheckedPart& part = checked.clients.emplace_back();
    part.name = name;
    part.error = error_of([&, &key = name, &entry = value] {
      const detail::ClientConfig client = detail::read_client(config, key, entry, plugins);
      describe(client, part);
      part.at_once = client.settings.max_in_flight;
      part.timeout = client.settings.timeout;
      detail::make_client(client, config, loop, no_client);
    });
  }
  return checked;
}

}  // namespace ferry
