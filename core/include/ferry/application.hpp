#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <nlohmann/json.hpp>

#include "ferry/batch.hpp"
#include "ferry/client.hpp"
#include "ferry/config.hpp"
#include "ferry/detail/batch_handler.hpp"
#include "ferry/detail/handler.hpp"
#include "ferry/pattern.hpp"
#include "ferry/plugins.hpp"
#include "ferry/runtime.hpp"
#include "ferry/status.hpp"

namespace ferry {

namespace detail {
struct ApplicationImpl;

/// A member function bound to its object, as a function object with a deducible signature.
template <class Object, class C, class R, class... A>
auto bind_member(Object object, R (C::*function)(A...)) {
  return [object = std::move(object), function](A... arguments) -> R {
    return ((*object).*function)(std::forward<A>(arguments)...);
  };
}
template <class Object, class C, class R, class... A>
auto bind_member(Object object, R (C::*function)(A...) const) {
  return [object = std::move(object), function](A... arguments) -> R {
    return ((*object).*function)(std::forward<A>(arguments)...);
  };
}
}  // namespace detail

/// Registers handlers: for every service of the application, or for one.
///
/// A handler is a function, a lambda, or a member function with its object (a pointer or shared_ptr), synchronous or a
/// coroutine (`ferry::task<T>`). Its parameters, in any order and each optional: the payload (by value or const reference),
/// `ferry::Context&`, `ferry::RequestContext`, a transport's context (`ferry::TcpContext&`: then it can only be started on that
/// transport), `ferry::ReplyWriter<T>&` (a coroutine returning `ferry::task<void>`, which writes a stream of replies), and in
/// place of the payload `ferry::RequestReader<T>&` (a coroutine, which reads a stream of requests).
///
/// Where it runs: on the loop that read the message, or with `"handlers": "pool"` on a worker thread. Several runs of one
/// handler may be at work at once.
///
/// Throws `std::logic_error` once the application has started.
class HandlerScope {
 public:
  /// Answers requests. Of several for one pattern the last wins, as in NestJS.
  template <class F>
  HandlerScope& on_message(Pattern pattern, F handler, nlohmann::json extras = {}) {
    return add(std::move(pattern), false, wrap(std::move(handler)), std::move(extras));
  }
  template <class Object, class M>
    requires std::is_member_function_pointer_v<M>
  HandlerScope& on_message(Pattern pattern, Object object, M function, nlohmann::json extras = {}) {
    return on_message(std::move(pattern), detail::bind_member(std::move(object), function), std::move(extras));
  }

  /// Hears events. Several handlers may share one event; they run concurrently.
  template <class F>
  HandlerScope& on_event(Pattern pattern, F handler, nlohmann::json extras = {}) {
    return add(std::move(pattern), true, wrap(std::move(handler)), std::move(extras));
  }
  template <class Object, class M>
    requires std::is_member_function_pointer_v<M>
  HandlerScope& on_event(Pattern pattern, Object object, M function, nlohmann::json extras = {}) {
    return on_event(std::move(pattern), detail::bind_member(std::move(object), function), std::move(extras));
  }

  /// Hears events several at once: `handler` takes a `std::vector` of their payloads and, if it likes, `ferry::BatchContext&`,
  /// and returns nothing (or `ferry::task<void>`). Batches of one service run one after another, in the order of the events. If
  /// it throws, every event of the batch has failed; one whose payload cannot be read fails alone.
  /// Needs room to gather: `maxConcurrency`, and what the transport hands over at once (prefetch), at or above `options.max`;
  /// with less a batch is what has come when `options.wait` is over.
  template <class F>
  HandlerScope& on_batch(Pattern pattern, BatchOptions options, F handler, nlohmann::json extras = {}) {
    return add(std::move(pattern), true, std::make_shared<detail::BatchHandlerFor<F>>(options, std::move(handler)),
               std::move(extras));
  }
  template <class Object, class M>
    requires std::is_member_function_pointer_v<M>
  HandlerScope& on_batch(Pattern pattern, BatchOptions options, Object object, M function, nlohmann::json extras = {}) {
    return on_batch(std::move(pattern), options, detail::bind_member(std::move(object), function), std::move(extras));
  }

 protected:
  HandlerScope(detail::ApplicationImpl& application, std::string service)
      : application_(&application), service_(std::move(service)) {}

 private:
  friend class Application;

  template <class F>
  static std::shared_ptr<detail::Handler> wrap(F handler) {
    return std::make_shared<detail::HandlerFor<F>>(std::move(handler));
  }
  HandlerScope& add(Pattern pattern, bool event, std::shared_ptr<detail::Handler> handler, nlohmann::json extras);

  detail::ApplicationImpl* application_;
  std::string service_;   // empty: all
};

/// What is known of one service while it runs.
struct ServiceInfo {
  std::string name;
  std::string transport;
  std::string endpoint;   ///< `tcp://127.0.0.1:3001`; empty before it listens
  Status status = Status::idle;
  std::size_t active = 0;               ///< handlers running
  std::uint64_t messages = 0;
  std::uint64_t failed = 0;             ///< handlers that threw
  std::uint64_t unhandled = 0;
  std::uint64_t peer_errors = 0;
};

/// The services and clients of one config file.
///
/// Lifetime: owns them all; clients got from it are closed with it.
/// Threads:  `client`, `services`, `stop` and `request_stop` from any thread; the rest from the one that made it.
/// Close:    `stop` and the destructor drain, and end within `shutdownTimeout`.
class Application {
 public:
  /// Throws `ConfigError`: naming file, JSON pointer, what was found and what to do. Plugins are loaded here.
  static Application from_file(const std::filesystem::path& path);
  explicit Application(Config config);
  /// On the program's own executor, which the program runs: ferry starts no loop threads of its own.
  Application(Config config, asio::any_io_executor executor);
  /// With plugins of the program's own (serializers, transports) beside those found in directories.
  Application(Config config, Plugins plugins);
  ~Application();
  Application(Application&&) noexcept;
  Application& operator=(Application&&) = delete;

  /// Handlers for every service. See `HandlerScope`.
  template <class... A>
  Application& on_message(Pattern pattern, A&&... handler) {
    everywhere().on_message(std::move(pattern), std::forward<A>(handler)...);
    return *this;
  }
  template <class... A>
  Application& on_event(Pattern pattern, A&&... handler) {
    everywhere().on_event(std::move(pattern), std::forward<A>(handler)...);
    return *this;
  }
  template <class... A>
  Application& on_batch(Pattern pattern, BatchOptions options, A&&... handler) {
    everywhere().on_batch(std::move(pattern), options, std::forward<A>(handler)...);
    return *this;
  }
  /// Handlers for one service of the config. Throws `ConfigError` if it has none of that name.
  HandlerScope service(std::string_view name);

  /// The client of that name in the config; the same one at every call. Throws `ConfigError` if there is none.
  Client client(std::string_view name);

  /// Starts every service, or none: throws `ConfigError` if one cannot listen, with the transport's own code, or
  /// `ConnectionError` if its broker cannot be reached. Returns when all listen; one with `waitOnFirstConnect` may still
  /// be trying to.
  void start();
  /// Drains: takes no new work, finishes what runs, flushes replies, closes clients. False if `shutdownTimeout` cut it off.
  bool stop();
  /// `start`, waits for SIGINT, SIGTERM or `request_stop`, then `stop`. What `main` returns: 0, or 1 if the drain was cut off.
  int run();
  void request_stop();

  std::vector<ServiceInfo> services() const;
  /// Called at every change of a service's status, on a loop. Before `start`.
  void on_status(std::function<void(std::string_view service, const StatusEvent&)> handler);
  /// Errors of services that belong to no handler: bytes that are no message, limits passed.
  void on_error(std::function<void(std::string_view service, const Failure&)> handler);
  Runtime& runtime() noexcept;
  const Plugins& plugins() const noexcept;

  /// The driver's own object of a running service, null if it has none of that type.
  template <class T>
  T* unwrap(std::string_view service_name) {
    const spi::NativeHandle handle = native(service_name);
    return handle.type != nullptr && *handle.type == typeid(T) ? static_cast<T*>(handle.object) : nullptr;
  }

 private:
  HandlerScope everywhere();
  spi::NativeHandle native(std::string_view service_name);

  std::unique_ptr<detail::ApplicationImpl> impl_;
};

}  // namespace ferry
