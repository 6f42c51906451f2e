#include "ferry/application.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>

#include "application_config.hpp"
#include "ferry/error.hpp"
#include "ferry/log.hpp"
#include "latch.hpp"
#include "pipelined_handler.hpp"
#include "scope.hpp"
#include "service_core.hpp"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds left_until(Clock::time_point limit) {
  return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now()));
}

}  // namespace

namespace detail {

namespace {

/// Before plugins are loaded, for they may log.
ApplicationSettings apply(ApplicationSettings settings) {
  if (settings.log_level) set_log_level(*settings.log_level);
  return settings;
}

}  // namespace

struct ApplicationImpl {
  enum class State : std::uint8_t { configured, started, stopped };

  ApplicationImpl(Config c, std::optional<Plugins> p, std::optional<asio::any_io_executor> executor)
      : config(std::move(c)),
        settings(apply(read_application(config))),
        plugins(p ? std::move(*p) : Plugins(settings.plugin_path)),
        service_configs(read_services(config, plugins)),
        client_configs(read_clients(config, plugins)),
        foreign(executor.has_value()),
        runtime(executor ? std::make_unique<Runtime>(*executor)
                         : std::make_unique<Runtime>(settings.threads, settings.pool_threads)) {}

  ~ApplicationImpl();
  std::shared_ptr<Scope> scope_of(const std::string& service);
  void prepare_services();
  void add_handlers(ServiceCore& service, const ServiceConfig& from);
  std::shared_ptr<ClientCore> open_client(const ClientConfig& from);
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

ApplicationImpl::~ApplicationImpl() {
  // An order that matters where a handler was cut off: its coroutine is freed with the loops, and reports to its service
  // then. The transports' sockets and timers must be gone before the loops; the services themselves must not.
  clients.clear();
  for (const auto& service : services) service->detach();
  runtime.reset();
}

std::shared_ptr<Scope> ApplicationImpl::scope_of(const std::string& service) {
  auto& scope = service_scopes[service];
  if (!scope) scope = std::make_shared<Scope>(Scope{everywhere, service, {}, {}});
  return scope;
}

/// Those that are for it, behind their pipelines. Throws `ConfigError` for one that its transport cannot serve.
void ApplicationImpl::add_handlers(ServiceCore& service, const ServiceConfig& from) {
  const std::string& name = from.settings.name;
  const std::shared_ptr<Scope> scope = scope_of(name);
  for (const ScopedRegistration& each : registrations) {
    const std::string only = service_of(*each.scope);
    if (!only.empty() && only != name) continue;
    const Handler& handler = *each.registration.handler;
    const auto refuse = [&](const std::string& why) {
      throw ConfigError(errc::bad_config, config.file() + ": /services/" + name + ": the handler of " +
                                              each.registration.pattern.route() + ' ' + why, Fate::not_sent);
    };
    const std::string transport(from.transport->name());
    if (!handler.required_transport.empty() && handler.required_transport != transport) {
      refuse("takes the context of the transport " + std::string(handler.required_transport) + ", this service uses " + transport +
             "; take ferry::Context& and use ctx.as<...>() there");
    }
    if (handler.reads_stream && !from.settings.promises.request_streams) {
      refuse("reads a stream of requests, which the transport " + transport + " does not carry with these options");
    }
    Registration registration = each.registration;
    registration.handler = behind(stages_of(each, *scope), registration.handler);
    service.add(registration);
  }
}

void ApplicationImpl::prepare_services() {
  for (const ServiceConfig& from : service_configs) {
    spi::Loop& loop = runtime->next_loop();
    auto service = std::make_unique<ServiceCore>(from.settings, *from.transport, loop, *runtime);
    const std::string& name = from.settings.name;
    add_handlers(*service, from);
    for (const std::string& route : service->router().unreachable()) {
      log(LogLevel::warn, "service " + name,
          "no message can reach the handler of \"" + route +
              "\": a received pattern that is JSON text is looked up in canonical form");
    }
    if (status_handler) {
      service->on_status_change([this, name](const StatusEvent& event) { status_handler(name, event); });
    }
    if (error_handler) {
      service->on_error_report([this, name](const Failure& failure) { error_handler(name, failure); });
    }
    service->attach(make_server(from, config, loop, runtime->loops(), *service));
    services.push_back(std::move(service));
  }
}

std::shared_ptr<ClientCore> ApplicationImpl::open_client(const ClientConfig& from) {
  spi::Loop& loop = runtime->next_loop();
  auto core = std::make_shared<ClientCore>(from.settings, *from.transport, loop, *from.serializer);
  core->attach([&](spi::ClientSink& sink) { return make_client(from, config, loop, sink); });
  return core;
}

bool ApplicationImpl::drain_services(Clock::time_point limit) {
  const auto drained = std::make_shared<Latch>(services.size());
  for (const auto& service : services) service->drain([drained] { drained->count_down(); });
  if (drained->wait_until(limit)) return true;
  for (const auto& service : services) {
    if (service->active() != 0) {
      log(LogLevel::error, "service " + service->settings().name,
          std::to_string(service->active()) + " handlers still ran when shutdownTimeout passed");
    }
  }
  return false;
}

bool ApplicationImpl::close_services(Clock::time_point limit) {
  const auto closed = std::make_shared<Latch>(services.size());
  for (const auto& service : services) service->close(left_until(limit), [closed] { closed->count_down(); });
  return closed->wait_until(limit + std::chrono::milliseconds(500));
}

bool ApplicationImpl::close_clients(Clock::time_point limit) {
  std::vector<std::shared_ptr<ClientCore>> open;
  {
    const std::lock_guard lock(clients_mutex);
    for (const auto& [name, core] : clients) open.push_back(core);
  }
  const auto closed = std::make_shared<Latch>(open.size());
  for (const auto& core : open) core->close(left_until(limit), [closed] { closed->count_down(); });
  return closed->wait_until(limit + std::chrono::milliseconds(500));
}

bool ApplicationImpl::stop() {
  const std::lock_guard one_at_a_time(stop_mutex);   // a second caller waits, and gets the same answer
  if (state.exchange(State::stopped) == State::stopped) return stopped_clean;
  const auto limit = Clock::now() + settings.shutdown_timeout;
  const bool drained = drain_services(limit);
  // Clients go last: handlers that were finishing may still have called through them.
  const bool services_closed = close_services(limit);
  const bool clients_closed = close_clients(limit);
  const bool threads_ended = runtime->stop(std::max(left_until(limit), std::chrono::milliseconds(500)));
  left_behind = !services_closed || !clients_closed || !threads_ended;
  if (foreign) {   // the program's loops go on, with whatever handlers we could not wait for
    for (const auto& service : services) left_behind = left_behind || service->active() != 0;
  }
  stopped_clean = drained && !left_behind;
  return stopped_clean;
}

}  // namespace detail

namespace {

void refuse_if_started(const detail::ApplicationImpl& application) {
  if (application.state != detail::ApplicationImpl::State::configured) {
    throw std::logic_error("ferry: handlers are registered before the application starts");
  }
}

}  // namespace

HandlerScope::HandlerScope(detail::ApplicationImpl& application, std::shared_ptr<detail::Scope> scope)
    : application_(&application), scope_(std::move(scope)) {}

HandlerScope& HandlerScope::add(Pattern pattern, bool event, std::shared_ptr<detail::Handler> handler, HandlerOptions options) {
  refuse_if_started(*application_);
  detail::Registration registration{detail::prefixed(*scope_, std::move(pattern)), event, std::move(handler), options.extras()};
  application_->registrations.push_back({scope_, std::move(registration), std::move(options)});
  return *this;
}

HandlerScope& HandlerScope::use(const Pipeline& pipeline) {
  refuse_if_started(*application_);
  scope_->pipeline.use(pipeline);
  return *this;
}

HandlerScope HandlerScope::group(std::string_view prefix) const {
  return HandlerScope(*application_, std::make_shared<detail::Scope>(detail::Scope{scope_, {}, std::string(prefix), {}}));
}

void HandlerScope::keep(std::shared_ptr<void> controller) { application_->controllers.push_back(std::move(controller)); }

Application Application::from_file(const std::filesystem::path& path) { return Application(Config::from_file(path)); }

Application::Application(Config config)
    : impl_(std::make_unique<detail::ApplicationImpl>(std::move(config), std::nullopt, std::nullopt)) {}
Application::Application(Config config, asio::any_io_executor executor)
    : impl_(std::make_unique<detail::ApplicationImpl>(std::move(config), std::nullopt, std::move(executor))) {}
Application::Application(Config config, Plugins plugins)
    : impl_(std::make_unique<detail::ApplicationImpl>(std::move(config), std::move(plugins), std::nullopt)) {}
Application::Application(Application&&) noexcept = default;

Application::~Application() {
  if (!impl_) return;
  stop();
  // Code that did not return in time still uses it: leaked, rather than pulled from under it.
  if (impl_->left_behind) static_cast<void>(impl_.release());
}

HandlerScope Application::everywhere() { return HandlerScope(*impl_, impl_->everywhere); }

HandlerScope Application::service(std::string_view name) {
  for (const detail::ServiceConfig& service : impl_->service_configs) {
    if (service.settings.name == name) return HandlerScope(*impl_, impl_->scope_of(service.settings.name));
  }
  std::string known;
  for (const auto& service : impl_->service_configs) known += (known.empty() ? "" : ", ") + service.settings.name;
  throw ConfigError(errc::bad_config, impl_->config.file() + ": /services: there is no service \"" + std::string(name) +
                                          "\"; the services here are: " + (known.empty() ? "none" : known), Fate::not_sent);
}

Client Application::client(std::string_view name) {
  const std::lock_guard lock(impl_->clients_mutex);
  const auto open = impl_->clients.find(name);
  if (open != impl_->clients.end()) return Client(open->second);
  if (impl_->state == detail::ApplicationImpl::State::stopped) throw std::logic_error("ferry: the application has stopped");
  std::string known;
  for (const detail::ClientConfig& from : impl_->client_configs) {
    if (from.settings.name == name) {
      return Client(impl_->clients.emplace(std::string(name), impl_->open_client(from)).first->second);
    }
    known += (known.empty() ? "" : ", ") + from.settings.name;
  }
  throw ConfigError(errc::bad_config, impl_->config.file() + ": /clients: there is no client \"" + std::string(name) +
                                          "\"; the clients here are: " + (known.empty() ? "none" : known), Fate::not_sent);
}

void Application::start() {
  using State = detail::ApplicationImpl::State;
  State expected = State::configured;
  if (!impl_->state.compare_exchange_strong(expected, State::started)) {
    throw std::logic_error("ferry: an application starts once");
  }
  try {
    impl_->prepare_services();
  } catch (...) {
    impl_->services.clear();   // none listens yet
    throw;
  }
  std::mutex mutex;
  std::optional<Failure> first;   // with the file and the pointer of the service before the transport's own words
  const auto listening = std::make_shared<detail::Latch>(impl_->services.size());
  for (const auto& service : impl_->services) {
    service->listen([this, &mutex, &first, listening, name = service->settings().name](const Failure* failure) {
      if (failure != nullptr) {
        const std::lock_guard lock(mutex);
        if (!first) first = Failure(failure->code, impl_->config.file() + ": /services/" + name + "/options: " + failure->detail);
      }
      listening->count_down();
    });
  }
  listening->wait_until(Clock::time_point::max());   // a transport always answers: it has its own limits
  if (!first) return;
  stop();   // nothing half-started
  const bool away = first->code == errc::not_connected || first->code == errc::connection_lost;
  if (away) throw ConnectionError(std::move(*first));   // the broker's fault, not the config's
  throw ConfigError(std::move(*first));
}

bool Application::stop() { return impl_->stop(); }

int Application::run() {
  asio::signal_set signals(impl_->signals, SIGINT, SIGTERM);   // first: one that comes while we start must drain, too
  if (impl_->state == detail::ApplicationImpl::State::configured) start();
  signals.async_wait([this](std::error_code error, int number) {
    if (error) return;
    log(LogLevel::info, "application", std::string(number == SIGINT ? "SIGINT" : "SIGTERM") + ": draining");
    impl_->stop_requested = true;
    impl_->signals.stop();
  });
  if (!impl_->stop_requested) impl_->signals.run();
  const bool clean = stop();
  if (impl_->left_behind) {
    log(LogLevel::error, "application", "a handler did not end within shutdownTimeout; the process ends without it");
    std::_Exit(1);
  }
  return clean ? 0 : 1;
}

void Application::request_stop() {
  impl_->stop_requested = true;
  impl_->signals.stop();
}

std::vector<ServiceInfo> Application::services() const {
  std::vector<ServiceInfo> all;
  for (const auto& service : impl_->services) {
    const detail::ServiceCounters& counters = service->counters();
    all.push_back({service->settings().name, std::string(service->transport().name()), service->endpoint(),
                   service->status(), service->active(), counters.messages, counters.failed, counters.unhandled,
                   counters.peer_errors});
  }
  return all;
}

void Application::on_status(std::function<void(std::string_view, const StatusEvent&)> handler) {
  impl_->status_handler = std::move(handler);
}
void Application::on_error(std::function<void(std::string_view, const Failure&)> handler) {
  impl_->error_handler = std::move(handler);
}

Runtime& Application::runtime() noexcept { return *impl_->runtime; }
const Plugins& Application::plugins() const noexcept { return impl_->plugins; }

spi::NativeHandle Application::native(std::string_view service_name) {
  for (const auto& service : impl_->services) {
    if (service->settings().name == service_name) return service->native();
  }
  return {};
}

}  // namespace ferry
