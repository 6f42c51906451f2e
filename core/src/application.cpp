#include "ferry/application.hpp"

#include <csignal>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include <asio/signal_set.hpp>

#include "application_impl.hpp"
#include "ferry/error.hpp"
#include "ferry/log.hpp"
#include "latch.hpp"

namespace ferry {
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

Client Application::client(std::string_view name) { return Client(impl_->client(name, "/clients")); }

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
  listening->wait_until(detail::ApplicationImpl::Clock::time_point::max());   // a transport always answers: it has its own limits
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
                   counters.peer_errors, counters.retried, counters.dead, counters.expired});
  }
  return all;
}

std::vector<ClientInfo> Application::clients() const {
  const std::lock_guard lock(impl_->clients_mutex);
  std::vector<ClientInfo> all;
  for (const auto& [name, client] : impl_->clients) {
    const detail::ClientCounters& counters = client->counters();
    all.push_back({name, std::string(client->transport().name()), client->status(), client->circuit(), client->in_flight(),
                   counters.connects, counters.timeouts, counters.retries, counters.retries_refused,
                   counters.circuit_openings, counters.circuit_refusals, counters.limit_refusals, counters.late_replies});
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
