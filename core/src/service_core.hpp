#pragma once
// The engine of one service: routing, running handlers, errors to callers, settling, drain. No transport's name.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/steady_timer.hpp>

#include "admission.hpp"
#include "ferry/detail/invocation.hpp"
#include "ferry/runtime.hpp"
#include "ferry/spi/transport.hpp"
#include "ferry/status.hpp"
#include "reconnect.hpp"
#include "retries.hpp"
#include "router.hpp"

namespace ferry::detail {

struct ServiceSettings {
  std::string name;
  bool pool = false;                      ///< handlers run on worker threads
  std::size_t max_concurrency = 10000;    ///< messages taken and not over, running or waiting, before the transport is held back
  bool at_least_once = false;             ///< an event whose handler failed is delivered again
  bool wait_on_first_connect = false;     ///< start although the broker is away
  AdmissionSettings admission = {};
  std::optional<RetrySettings> retry = {};
  spi::ReconnectPolicy reconnect = {};
  spi::Capabilities promises = {};
};

struct ServiceCounters {
  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::uint64_t> failed{0};        ///< handlers that threw
  std::atomic<std::uint64_t> retried{0};       ///< handled again after that
  std::atomic<std::uint64_t> dead{0};          ///< given up
  std::atomic<std::uint64_t> unhandled{0};     ///< no handler for the pattern
  std::atomic<std::uint64_t> expired{0};       ///< arrived behind their caller's deadline or cancel
  std::atomic<std::uint64_t> peer_errors{0};   ///< bytes that were no message, limits passed
};

/// Threads: `on_message`, `finished` and `error_payload` from any loop or worker; the rest from the application's thread.
/// Lifetime: shared by the runs of its handlers through `Application`, which waits for them before it lets go.
class ServiceCore final : public spi::ServerSink, public ServiceHooks {
 public:
  ServiceCore(ServiceSettings settings, const spi::Transport& transport, spi::Loop& loop, Runtime& runtime);

  void add(const Registration& registration) { router_.add(registration); }
  const Router& router() const noexcept { return router_; }
  const ServiceSettings& settings() const noexcept { return settings_; }
  const spi::Transport& transport() const noexcept { return transport_; }
  const ServiceCounters& counters() const noexcept { return counters_; }

  void attach(std::unique_ptr<spi::ServerTransport> server) { server_ = std::move(server); }
  /// Where events go that are given up. Before `listen`.
  void dead_letters(DeadLetterSink sink) { dead_letters_ = std::move(sink); }
  /// Frees the transport. After `close`, when no loop runs any more.
  void detach() {
    for (const auto& entry : router_.entries()) {
      for (const auto& handler : entry->events) handler->discard(*this);
    }
    if (admission_) admission_->detach();
    reconnect_timer_.reset();
    server_.reset();
  }
  /// Starts taking messages, and from then on sees to it that it stays so. `done` is called once: with the failure of the
  /// first attempt, unless the service may start without its broker.
  void listen(std::function<void(const Failure*)> done);
  /// Calls `done` once no new message can come and no handler runs.
  void drain(std::function<void()> done);
  void close(std::chrono::milliseconds limit, std::function<void()> done);
  std::string endpoint() const;
  std::size_t active() const noexcept { return active_.load(std::memory_order_acquire); }
  Status status() const noexcept { return status_.load(std::memory_order_relaxed); }
  void on_status_change(StatusHandler handler);
  void on_error_report(ErrorHandler handler);
  spi::NativeHandle native() { return server_ ? server_->native() : spi::NativeHandle(); }

  // spi::ServerSink
  void on_message(spi::DeliveryPtr delivery) override;
  void on_status(StatusEvent event) override;
  void on_disconnected(Failure why) override;
  void on_error(const Failure& failure) override;

  // ServiceHooks
  std::string_view transport_name() const noexcept override { return transport_.name(); }
  std::string_view service_name() const noexcept override { return settings_.name; }
  asio::any_io_executor handler_executor(const spi::Loop& loop) override;
  std::string error_payload(const std::exception_ptr& error, const spi::Delivery& delivery, std::string_view route) override;
  bool may_retry(const spi::Delivery& delivery) override;
  void failed_with(const spi::Delivery& delivery, const std::exception_ptr& error) override;
  void finished(const spi::Delivery& delivery, bool succeeded, bool again) noexcept override;

 private:
  bool expired(const spi::Delivery& delivery);
  void start(spi::DeliveryPtr delivery);
  void dispatch(const RouteEntry& entry, spi::DeliveryPtr delivery);
  std::string error_body(const std::exception_ptr& error, const spi::Delivery& delivery, std::string_view route);
  void failed(spi::DeliveryPtr delivery);
  bool can_go_back(const spi::Delivery& delivery) const;
  void put_back(const spi::DeliveryPtr& delivery);
  void follow(const spi::DeliveryPtr& delivery);
  void give_up(const spi::DeliveryPtr& delivery);
  void bury(const spi::DeliveryPtr& delivery, const std::string& route, const std::string& cause);
  void settle(spi::Delivery& delivery, spi::Settlement outcome);
  spi::Settlement unsettled() const noexcept;
  void run(const std::shared_ptr<Handler>& handler, Invocation invocation);
  void unhandled(const spi::DeliveryPtr& delivery);
  /// Why the transport is held back: several may be.
  enum class Hold : unsigned { taken = 1, admission = 2, retries = 4 };
  void hold_back(Hold why, bool hold);
  bool held_back(Hold why) const noexcept { return (held_back_.load() & static_cast<unsigned>(why)) != 0; }
  void too_many_taken();
  void attempt(std::function<void(const Failure*)> done);
  void retry(const Failure& why);
  void stop_reconnecting();
  void transport_drained(std::function<void()> done);
  void flush_handlers();
  void drained_if_idle();

  const ServiceSettings settings_;
  const spi::Transport& transport_;
  spi::Loop& loop_;
  Runtime& runtime_;
  Router router_;
  ServiceCounters counters_;
  std::unique_ptr<Admission> admission_;   // null: what comes may run
  std::unique_ptr<Retries> retries_;       // null: what failed is settled so
  DeadLetterSink dead_letters_;
  std::unique_ptr<spi::ServerTransport> server_;
  Reconnect reconnect_;                                // on the main loop, and the timer as well
  std::unique_ptr<asio::steady_timer> reconnect_timer_;
  const std::size_t max_taken_;
  std::atomic<std::size_t> active_{0};
  std::atomic<unsigned> held_back_{0};   // by which of `Hold`
  std::atomic<Status> status_{Status::idle};
  std::mutex mutex_;
  std::function<void()> when_drained_;   // set once the transport has drained
  std::vector<StatusHandler> status_handlers_;
  std::vector<ErrorHandler> error_handlers_;
};

}  // namespace ferry::detail
