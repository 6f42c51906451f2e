#pragma once
// The engine behind `Client`: what is under way, deadlines, cancel, connecting and reconnecting. No transport's name.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/circuit.hpp"
#include "ferry/detail/operation.hpp"
#include "ferry/detail/resilience_settings.hpp"
#include "ferry/spi/loop.hpp"
#include "ferry/spi/serializer.hpp"
#include "ferry/spi/transport.hpp"
#include "ferry/status.hpp"

namespace ferry::detail {

struct ClientSettings {
  std::string name;
  std::chrono::milliseconds timeout{30000};        ///< of a request
  std::chrono::milliseconds emit_timeout{5000};
  std::size_t max_in_flight = 65536;               ///< requests and events not yet ended
  std::size_t stream_buffer = 1024;                ///< values a stream holds before the peer is slowed down
  std::optional<bool> offline_queue = {};          ///< calls wait for a connection until their deadline; unset: for a
                                                   ///< broker that was connected before
  spi::ReconnectPolicy reconnect = {};
  spi::Capabilities promises = {};
  ResilienceSettings resilience = {};
};

/// Counters, for metrics and tests. Read from any thread.
struct ClientCounters {
  std::atomic<std::uint64_t> late_replies{0};      ///< to requests that had ended: dropped
  std::atomic<std::uint64_t> connects{0};
  std::atomic<std::uint64_t> timeouts{0};
  std::atomic<std::uint64_t> retries{0};           ///< attempts beyond the first
  std::atomic<std::uint64_t> retries_refused{0};   ///< that the budget did not allow
  std::atomic<std::uint64_t> circuit_openings{0};
  std::atomic<std::uint64_t> circuit_refusals{0};  ///< requests refused because the circuit was open
  std::atomic<std::uint64_t> limit_refusals{0};    ///< requests refused because the limit's queue was full
};

/// Threads: `start`, `cancel`, `drained`, `close`, `status` and the handlers' setters from any; the rest on the loop.
/// Lifetime: shared; `close` must have completed before the last pointer goes.
class ClientCore final : public spi::ClientSink, public std::enable_shared_from_this<ClientCore> {
 public:
  using MakeTransport = std::function<std::unique_ptr<spi::ClientTransport>(spi::ClientSink&)>;

  ClientCore(ClientSettings settings, const spi::Transport& transport, spi::Loop& loop, const spi::Serializer& serializer);
  ~ClientCore();
  /// Once, before any other call. `make` runs in the caller's thread; what it throws leaves.
  void attach(const MakeTransport& make);

  const ClientSettings& settings() const noexcept { return settings_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  /// Of what is sent to the pattern.
  const spi::Serializer& serializer_for(const Pattern& pattern) const;
  const spi::Transport& transport() const noexcept { return transport_; }
  spi::Loop& loop() const noexcept { return loop_; }
  const ClientCounters& counters() const noexcept { return counters_; }
  std::size_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }

  /// Takes the operation on; it ends exactly once, no later than its deadline.
  void start(OperationPtr operation);
  /// Ends it with `errc::cancelled`, unless it has ended.
  void cancel(OperationPtr operation);
  /// On the loop, of a duplex that was transmitted: its next message, or null for the end of its messages. False: not
  /// before its `on_writable`. What it cannot send ends it.
  bool write(Operation& operation, std::string* payload);
  /// A stream that was full has room again.
  void drained(OperationPtr operation);
  /// Ends everything with `errc::closed`, sends what was taken, disconnects, calls `done`. At most `limit`.
  void close(std::chrono::milliseconds limit, std::function<void()> done);

  Status status() const noexcept { return status_.load(std::memory_order_relaxed); }
  void on_status_change(StatusHandler handler);
  Circuit circuit() const noexcept { return circuit_.load(std::memory_order_relaxed); }
  void on_circuit_change(CircuitHandler handler);
  void on_error(ErrorHandler handler);
  spi::NativeHandle native();

  // spi::ClientSink
  void on_connected(std::string_view peer) override;
  void on_disconnected(Failure why) override;
  void on_reply(const spi::ReplyView& reply) override;
  void on_request_failed(std::string_view id, const Failure& failure) override;
  void on_writable(std::string_view id) override;
  void on_emitted(spi::EmitToken token, const Failure* failure) override;
  void on_error(const Failure& failure) override;
  void on_status(StatusEvent event) override;

 private:
  struct State;

  void run_queue();
  void admit(OperationPtr operation, bool inside_call);
  void enter(Operation& operation, bool inside_call);
  void dispatch(Operation& operation, bool inside_call);
  void transmit(Operation& operation, bool inside_call);
  bool tried_again(Operation& operation, Failure* failure);
  void admit_queued();
  void circuit_may_have_changed();
  void finish(Operation& operation, Failure* failure, bool inside_call = false);
  void fail(Operation& operation, errc code, std::string_view what, Fate fate, bool inside_call = false);
  void fail_all(const std::error_code& code, const std::string& why);
  void connect();
  bool waits_offline() const;   ///< calls, for a connection that could not be made
  void connect_after(std::chrono::milliseconds delay, const std::string& why);
  void progressed(Operation& operation);
  void arm_deadline();
  void deadline_passed();
  void hold_reading(Operation& operation);
  void release_reading(Operation& operation);
  void set_status(Status status, std::string detail);

  const ClientSettings settings_;
  const spi::Transport& transport_;
  spi::Loop& loop_;
  const spi::Serializer& serializer_;
  ClientCounters counters_;
  std::atomic<Status> status_{Status::idle};
  std::atomic<Circuit> circuit_{Circuit::closed};
  std::atomic<std::size_t> in_flight_{0};
  std::shared_ptr<const spi::PayloadFormats> formats_;   // null: every pattern has the serializer's
  std::unique_ptr<State> state_;
};

}  // namespace ferry::detail
