#include "application_impl.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <asio/co_spawn.hpp>

#include "delivery_contract.hpp"
#include "ferry/error.hpp"
#include "ferry/log.hpp"
#include "latch.hpp"
#include "pipelined_handler.hpp"

namespace ferry::detail {
namespace {

using Clock = ApplicationImpl::Clock;

std::chrono::milliseconds left_until(Clock::time_point limit) {
  return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now()));
}

/// Before plugins are loaded, for they may log.
ApplicationSettings apply(ApplicationSettings settings) {
  if (settings.log_level) set_log_level(*settings.log_level);
  return settings;
}

}  // namespace

ApplicationImpl::ApplicationImpl(Config c, std::optional<Plugins> p, std::optional<asio::any_io_executor> executor)
    : config(std::move(c)),
      settings(apply(read_application(config))),
      plugins(p ? std::move(*p) : Plugins(settings.plugin_path)),
      service_configs(read_services(config, plugins)),
      client_configs(read_clients(config, plugins)),
      foreign(executor.has_value()),
      runtime(executor ? std::make_unique<Runtime>(*executor) : std::make_unique<Runtime>(settings.threads, settings.pool_threads)) {}

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
  const std::vector<Grant> grants = grants_of(from);
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
    for (const Grant& grant : grants) {
      if (each.options.needs().includes(grant.need) && !grant.granted) {
        refuse("needs " + std::string(grant.name) + ", which it does not have here: " + grant.why);
      }
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
    service->dead_letters(dead_letters(from));
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

/// The client of that name, the same one at every call. `place`: where it is asked for.
std::shared_ptr<ClientCore> ApplicationImpl::client(std::string_view name, const std::string& place) {
  const std::lock_guard lock(clients_mutex);
  const auto open = clients.find(name);
  if (open != clients.end()) return open->second;
  if (state == State::stopped) throw std::logic_error("ferry: the application has stopped");
  std::string known;
  for (const ClientConfig& from : client_configs) {
    if (from.settings.name == name) return clients.emplace(std::string(name), open_client(from)).first->second;
    known += (known.empty() ? "" : ", ") + from.settings.name;
  }
  throw ConfigError(errc::bad_config, config.file() + ": " + place + ": there is no client \"" + std::string(name) +
                                          "\"; the clients here are: " + (known.empty() ? "none" : known), Fate::not_sent);
}

/// Null if the service has none. Throws `ConfigError` for a client that cannot send them.
DeadLetterSink ApplicationImpl::dead_letters(const ServiceConfig& from) {
  if (!from.dead_letter) return nullptr;
  const std::string place = "/services/" + from.settings.name + "/deadLetter/client";
  const std::shared_ptr<ClientCore> core = client(from.dead_letter->client, place);
  if (!core->settings().promises.headers) {
    throw ConfigError(errc::bad_config, config.file() + ": " + place + ": \"" + from.dead_letter->client +
                                            "\" is of a transport that carries no headers with these options, which say why a "
                                            "message was given up", Fate::not_sent);
  }
  return [to = Client(core), pattern = Pattern(from.dead_letter->pattern)](DeadLetter letter, std::function<void(const Failure*)> done) {
    const SendOptions options = SendOptions().headers(std::move(letter.headers));
    Emission emission = letter.payload.has_value() ? to.emit(pattern, letter.payload, options) : to.emit(pattern, nlohmann::json(), options);
    asio::co_spawn(to.loop().executor(), std::move(emission), [done = std::move(done)](std::exception_ptr error, Emitted) {
      if (!error) return done(nullptr);
      try {
        std::rethrow_exception(error);
      } catch (const Error& failure) {
        done(&failure.failure());
      } catch (const std::exception& failure) {
        const Failure other(errc::bad_payload, failure.what(), Fate::not_sent);
        done(&other);
      }
    });
  };
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

}  // namespace ferry::detail
