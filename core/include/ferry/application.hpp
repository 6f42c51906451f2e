#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include "ferry/circuit.hpp"
#include "ferry/client.hpp"
#include "ferry/config.hpp"
#include "ferry/handler_scope.hpp"
#include "ferry/pattern.hpp"
#include "ferry/plugins.hpp"
#include "ferry/runtime.hpp"
#include "ferry/status.hpp"

namespace ferry {

namespace detail {
struct ApplicationImpl;
}

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
  std::uint64_t retried = 0;            ///< events handled again by `retry`
  std::uint64_t dead = 0;               ///< events given up by `retry` or `deadLetter`
  std::uint64_t expired = 0;            ///< messages whose caller had given up before their turn came
};

/// What is known of one client that is in use.
struct ClientInfo {
  std::string name;
  std::string transport;
  Status status = Status::idle;
  Circuit circuit = Circuit::closed;
  std::size_t in_flight = 0;            ///< requests and events not yet ended
  std::uint64_t connects = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t retries = 0;            ///< attempts beyond the first
  std::uint64_t retries_refused = 0;    ///< that the budget did not allow
  std::uint64_t circuit_openings = 0;
  std::uint64_t circuit_refusals = 0;   ///< requests refused because the circuit was open
  std::uint64_t limit_refusals = 0;     ///< requests refused because the limit's queue was full
  std::uint64_t late_replies = 0;       ///< to requests that had ended: dropped
};

/// The services and clients of one config file.
///
/// Lifetime: owns them all; clients got from it are closed with it.
/// Threads:  `client`, `services`, `clients`, `stop` and `request_stop` from any thread; the rest from the one that made it.
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
  /// Around every handler. See `Pipeline`.
  Application& use(const Pipeline& pipeline) {
    everywhere().use(pipeline);
    return *this;
  }
  HandlerScope group(std::string_view prefix = {}) { return everywhere().group(prefix); }
  template <class C>
  Application& controller(std::shared_ptr<C> controller) {
    everywhere().controller(std::move(controller));
    return *this;
  }
  template <class C, class... Dependencies>
  Application& controller(Dependencies&&... dependencies) {
    everywhere().controller<C>(std::forward<Dependencies>(dependencies)...);
    return *this;
  }
  /// Handlers for one service of the config; its pipeline stands around all that this service handles. Throws `ConfigError` if
  /// there is none of that name.
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
  /// Those that `client` was asked for, and those that dead letters go to.
  std::vector<ClientInfo> clients() const;
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
