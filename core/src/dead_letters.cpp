#include "ferry/dead_letters.hpp"

#include <future>
#include <string>
#include <utility>

#include "application_config.hpp"
#include "ferry/plugins.hpp"
#include "ferry/runtime.hpp"
#include "ferry/spi/transport.hpp"

namespace ferry {
namespace {

using Answer = Result<std::vector<DeadLetter>>;

std::string transports_with_dead_letters(const Plugins& plugins) {
  std::string names;
  for (const PluginInfo& plugin : plugins.list()) {
    if (plugin.kind != "transport" || !plugin.refusal.empty() || !plugins.transport(plugin.name).capabilities().dead_letters) continue;
    names.append(names.empty() ? "" : ", ").append(plugin.name);
  }
  return names.empty() ? "none here can" : "those that can: " + names;
}

detail::ServiceConfig read(const Config& config, const std::string& name, const Plugins& plugins) {
  const auto services = config.root().find("services");
  const spi::ConfigPlace place{config.file(), "/services"};
  if (services == config.root().end() || !services->is_object() || !services->contains(name)) {
    spi::config_error(place, "there is no service \"" + name + '"', "name one of those in the file");
  }
  detail::ServiceConfig service = detail::read_service(config, name, services->at(name), plugins);
  if (service.settings.promises.dead_letters) return service;
  spi::config_error(place.member(name),
                    "the transport " + std::string(service.transport->name()) +
                        ", with these options, keeps no dead letters that could be looked at",
                    transports_with_dead_letters(plugins));
}

}  // namespace

struct DeadLetters::Impl {
  Impl(const Config& config, std::string_view name, std::chrono::milliseconds longest)
      : plugins(detail::read_application(config).plugin_path), limit(longest), runtime(1, 1), loop(runtime.next_loop()) {
    const detail::ServiceConfig service = read(config, std::string(name), plugins);
    spi::ServerEnvironment environment;
    environment.name = service.settings.name;
    environment.loop = &loop;
    environment.loops = runtime.loops();
    environment.serializer = service.serializer;
    environment.options = service.options;
    environment.directory = config.directory().string();
    environment.at_least_once = true;   // only such a service has dead letters
    environment.extensions = false;
    store = service.transport->make_dead_letters(std::move(environment));
  }

  ~Impl() {
    std::promise<void> closed;
    loop.post([this, &closed] {
      pending = nullptr;
      if (!opened) return closed.set_value();
      store->close(std::chrono::seconds(5), [&closed] { closed.set_value(); });
    });
    closed.get_future().wait();
    std::promise<void> freed;   // where all else of it happens
    loop.post([this, &freed] {
      store.reset();
      freed.set_value();
    });
    freed.get_future().wait();
  }

  /// Runs `start` on the loop and waits for what it is answered.
  template <class T, class Start>
  T ask(Start start) {
    open();
    return wait<T>([&](auto answer) { start(*store, std::move(answer)); });
  }

  void open() {
    if (opened) return;
    wait<bool>([this](std::function<void(Result<bool>)> answer) {
      opened = true;
      store->open([this, answer](const Failure* failure) { failure == nullptr ? answer(true) : end(*failure); },
                  [this](const Failure& why) { end(why); });
    });
  }

  template <class T, class Start>
  T wait(Start start) {
    const auto promise = std::make_shared<std::promise<Result<T>>>();
    auto answered = promise->get_future();
    loop.post([this, promise, start] {
      if (gone) return promise->set_value(*gone);
      pending = [promise](const Failure& why) { promise->set_value(why); };
      start(std::function<void(Result<T>)>([this, promise](Result<T> result) {
        if (!std::exchange(pending, nullptr)) return;
        promise->set_value(std::move(result));
      }));
    });
    if (answered.wait_for(limit) != std::future_status::ready) {
      loop.post([this] {   // unless it has meanwhile
        if (pending) end(Failure(errc::timed_out, "the broker did not answer within " + std::to_string(limit.count()) + " ms"));
      });
    }
    Result<T> result = answered.get();
    if (!result) throw_failure(std::move(result).failure());
    return std::move(result).value();
  }

  /// On the loop: nothing is answered any more.
  void end(const Failure& why) {
    if (!gone) gone = why;
    if (pending) std::exchange(pending, nullptr)(why);
  }

  const Plugins plugins;
  const std::chrono::milliseconds limit;
  Runtime runtime;
  spi::Loop& loop;
  std::unique_ptr<spi::DeadLetterStore> store;
  bool opened = false;
  // The loop's.
  std::optional<Failure> gone;
  std::function<void(const Failure&)> pending;   // ends the operation under way
};

DeadLetters::DeadLetters(const Config& config, std::string_view service, std::chrono::milliseconds limit)
    : impl_(std::make_unique<Impl>(config, service, limit)) {}
DeadLetters::~DeadLetters() = default;

std::vector<DeadLetter> DeadLetters::list(std::size_t most) {
  return impl_->ask<std::vector<DeadLetter>>(
      [most](spi::DeadLetterStore& store, std::function<void(Answer)> answer) { store.list(most, std::move(answer)); });
}

std::optional<DeadLetter> DeadLetters::find(std::string id) {
  auto found = impl_->ask<std::vector<DeadLetter>>(
      [id](spi::DeadLetterStore& store, std::function<void(Answer)> answer) { store.find(id, std::move(answer)); });
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

bool DeadLetters::replay(std::string id) {
  return impl_->ask<bool>(
      [id](spi::DeadLetterStore& store, std::function<void(Result<bool>)> answer) { store.replay(id, std::move(answer)); });
}

}  // namespace ferry
