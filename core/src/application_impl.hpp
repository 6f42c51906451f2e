#pragma once
// What an `Application` consists of.

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/io_context.hpp>

#include "application_config.hpp"
#include "ferry/application.hpp"
#include "scope.hpp"
#include "service_core.hpp"

namespace ferry::detail {

struct ApplicationImpl {
  enum class State : std::uint8_t { configured, started, stopped };

  using Clock = std::chrono::steady_clock;

  ApplicationImpl(Config c, std::optional<Plugins> p, std::optional<asio::any_io_executor> executor);
  ~ApplicationImpl();
  std::shared_ptr<Scope> scope_of(const std::string& service);
  void prepare_services();
  void add_handlers(ServiceCore& service, const ServiceConfig& from);
  std::shared_ptr<ClientCore> client(std::string_view name, const std::string& place);
  std::shared_ptr<ClientCore> open_client(const ClientConfig& from);
  DeadLetterSink dead_letters(const ServiceConfig& from);
  bool drain_services(Clock::time_point limit);
  bool close_services(Clock::time_point limit);
  bool close_clients(Clock::time_point limit);
  bool stop();

  Config config;
  ApplicationSettings settings;
  Plugins plugins;
  std::vector<ServiceConfig> service_configs;
  std::vector<ClientConfig> client_configs;
  const std::shared_ptr<Scope> everywhere = std::make_shared<Scope>();
  std::map<std::string, std::shared_ptr<Scope>> service_scopes;
  std::vector<ScopedRegistration> registrations;
  std::vector<std::shared_ptr<void>> controllers;   // whose member functions are handlers
  std::function<void(std::string_view, const StatusEvent&)> status_handler;
  std::function<void(std::string_view, const Failure&)> error_handler;
  const bool foreign;   // loops of the program's own
  std::unique_ptr<Runtime> runtime;
  std::vector<std::unique_ptr<ServiceCore>> services;
  std::mutex clients_mutex;
  std::map<std::string, std::shared_ptr<ClientCore>, std::less<>> clients;
  std::atomic<State> state{State::configured};
  std::mutex stop_mutex;
  bool stopped_clean = true;
  bool left_behind = false;   // something of this still runs: never freed

  asio::io_context signals{1};   // run by `run`
  std::atomic<bool> stop_requested{false};
};

}  // namespace ferry::detail
