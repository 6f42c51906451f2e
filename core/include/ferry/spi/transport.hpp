#pragma once
// The whole contract between core and a transport. A plugin implements `Transport`, `ClientTransport`, `ServerTransport`
// and a `Delivery`; core implements `ClientSink` and `ServerSink`.
//
// Rules that hold for every function here:
// - No exception crosses, except `ConfigError` out of `make_client` and `make_server`.
// - A transport never calls user code, and never calls a sink from inside a call that core made.
// - Everything is bounded: what a transport queues it refuses (`errc::overloaded`) or pushes back at a limit.
// - Core owns ids, deadlines, cancel, reconnect, routing and the handlers; a transport owns bytes and the driver.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "ferry/needs.hpp"
#include "ferry/pattern.hpp"
#include "ferry/spi/dead_letters.hpp"
#include "ferry/spi/delivery.hpp"
#include "ferry/spi/loop.hpp"
#include "ferry/spi/options.hpp"
#include "ferry/spi/serializer.hpp"
#include "ferry/status.hpp"

namespace ferry::spi {

/// What users may rely on. The conformance suite tests both answers: a `false` is refused, never a hang.
struct Capabilities {
  bool headers = false;        ///< carries headers with requests and events
  bool reply_streams = false;  ///< more than one reply to a request
  bool request_streams = false;  ///< a request may be a stream of messages
  bool ordered = false;        ///< events of one client arrive in the order they were emitted
  bool ordered_by_key = false; ///< a service handles messages of one key one after another, in their order, by itself
  bool cancel = false;         ///< a caller's cancel reaches the handler, between ferry peers
  bool deadline = false;       ///< a caller's deadline reaches the handler, between ferry peers
  bool fanout = false;         ///< every service instance gets every event
  bool ack = false;            ///< `emit` is confirmed by the broker
  bool durable = false;        ///< an event waits for a service that is away
  bool wildcard = false;       ///< a pattern may match many routes
  bool no_handler_reply = false;  ///< an unknown pattern is answered, not left to the deadline
  bool at_least_once = false;  ///< `"delivery": "at-least-once"` can be given
  bool dead_letters = false;   ///< what a service gave up can be looked at and replayed
  bool custom_serializer = false;  ///< serializers other than json can be chosen
  bool sees_peer_loss = false;  ///< a client learns at once that its service is gone
  bool record_options = false;  ///< a message may have options of its own (`SendOptions::record`)
  bool in_process = false;     ///< a client reaches services of its own process only
  bool replies = true;         ///< a service answers requests
  bool broker = false;         ///< a broker stands between: calls wait for one that is away and comes back
};

/// When a lost connection is made again.
struct ReconnectPolicy {
  std::int64_t attempts = -1;   ///< after a failure or a loss; -1: without limit
  std::chrono::milliseconds backoff{100};   ///< before the first; doubles, with jitter
  std::chrono::milliseconds max_backoff{5000};
};

/// A driver's own object, for `unwrap<T>()`.
struct NativeHandle {
  const std::type_info* type = nullptr;
  void* object = nullptr;
  template <class T>
  static NativeHandle of(T* object) noexcept { return {&typeid(T), object}; }
};

// ---- client side -----------------------------------------------------------------------------------------------------

/// A request (`id` not empty) or an event. Valid during the call only.
struct OutgoingMessage {
  const Pattern* pattern = nullptr;
  bool has_payload = false;
  std::string* payload = nullptr;      ///< in the serializer's format; its contents may be taken over
  const Headers* headers = nullptr;    ///< never null
  std::string_view id = {};            ///< plain text, unique among all clients of all processes
  std::chrono::steady_clock::time_point deadline = {};
  const nlohmann::json* record = nullptr;   ///< the message's own options (`SendOptions::record`); null if it has none
  bool reply_stream = false;     ///< the caller takes many values: `deadline` is that of the next one, not of the call
  bool request_stream = false;   ///< the caller's messages follow by `ClientTransport::write`; there is no payload
};

/// Names an event until its outcome is reported.
using EmitToken = std::uint64_t;

/// Core's side of a client. Every call on the client's loop.
class ClientSink {
 public:
  virtual void on_connected(std::string_view peer) = 0;
  /// The attempt failed, or the connection went. Requests and events not yet answered or reported are ended by core.
  virtual void on_disconnected(Failure why) = 0;
  virtual void on_reply(const ReplyView& reply) = 0;
  /// A request that was taken, and that the broker then refused or has nobody for. Not for ids that were cancelled.
  virtual void on_request_failed(std::string_view id, const Failure& failure) = 0;
  /// A stream of requests that was not writable is so again.
  virtual void on_writable(std::string_view id) = 0;
  /// The outcome of an event: null when it was accepted (confirmed, with `Capabilities::ack`).
  virtual void on_emitted(EmitToken token, const Failure* failure) = 0;
  /// An error that belongs to no call and ends nothing: for `on_error`.
  virtual void on_error(const Failure& failure) = 0;
  virtual void on_status(StatusEvent event) = 0;

 protected:
  ~ClientSink() = default;
};

/// Patterns whose payloads are not of the client's own serializer's format, such as those a contract gives types to.
/// Threads: any. May outlive its transport.
class PayloadFormats {
 public:
  virtual ~PayloadFormats() = default;
  /// Null: the client's own. Lives as long as this.
  virtual const Serializer* find(const Pattern& pattern) const = 0;
};

/// Called by core on the client's loop only.
class ClientTransport {
 public:
  virtual ~ClientTransport() = default;

  /// One attempt; ends in `on_connected` or `on_disconnected`. Core decides when to try again.
  virtual void connect() = 0;
  /// Only while connected. Replies come to `on_reply`. Returns false, with `failure` set, if it was not taken.
  virtual bool request(const OutgoingMessage& message, Failure& failure) = 0;
  /// Only while connected. The outcome comes to `on_emitted`. Returns false, with `failure` set, if it was not taken.
  virtual bool emit(const OutgoingMessage& message, EmitToken token, Failure& failure) = 0;
  /// Nobody waits for the replies to `id` any more. Tells the peer where it can be told.
  virtual void cancel(std::string_view id) = 0;

  /// One more message of the stream of requests that `id` began, of a transport with `Capabilities::request_streams`. Only
  /// while it is writable. Returns false, with `failure` set, if it cannot be sent, which ends the request. What comes after
  /// the request has ended is dropped.
  virtual bool write(std::string_view id, std::string& payload, Failure& failure) {
    return static_cast<void>(id), static_cast<void>(payload), static_cast<void>(failure), true;
  }
  /// It has no more.
  virtual void end_writes(std::string_view id) { static_cast<void>(id); }
  /// False while so much is queued for the peer that it should wait for `on_writable`.
  virtual bool writable(std::string_view id) const { return static_cast<void>(id), true; }

  /// Of a transport that has formats of its own for some patterns; the same all its life. Null: none has.
  virtual std::shared_ptr<const PayloadFormats> formats() const { return nullptr; }
  /// Somebody does not consume his stream: stop, and go on, taking the replies to `id` alone. While it is held nothing of it
  /// comes to the sink, but its end, with what is left before that; when it has ended it is held no more. False: that cannot be
  /// done, and core pauses the whole client.
  virtual bool hold(std::string_view id, bool held) { return static_cast<void>(id), static_cast<void>(held), false; }
  /// Stop, and go on, taking replies from the peer.
  virtual void pause() = 0;
  virtual void resume() = 0;
  /// Sends what was taken, for at most `limit`, then disconnects. Calls `done` when the sink will not be called any more.
  virtual void close(std::chrono::milliseconds limit, std::function<void()> done) = 0;
  virtual NativeHandle native() noexcept { return {}; }
};

struct ClientEnvironment {
  std::string name;                 ///< the client's name, for logs
  Loop* loop = nullptr;
  const Serializer* serializer = nullptr;
  Options options;                  ///< checked against `Transport::client_options`
  std::string directory;            ///< relative file names in options are relative to it
  bool extensions = true;           ///< may tell a ferry peer what only ferry knows
};

// ---- service side ----------------------------------------------------------------------------------------------------

/// What handlers are registered for.
struct Subscription {
  std::string route;
  bool event = false;               ///< an event handler; otherwise a message handler
  nlohmann::json extras;            ///< NestJS's handler extras (`{"qos": 1}`), null if none
  bool request_stream = false;      ///< the handler reads a stream of requests
  bool reply_stream = false;        ///< it writes a stream of replies
  std::size_t batch = 0;            ///< how many messages it takes at once, as far as they are handed over; 0: one by one
  std::string_view request_type = {};   ///< what it takes, where that is of a type that formats know by name (Protobuf's)
  std::string_view reply_type = {};     ///< the same of what it gives
};

/// Core's side of a service. On any loop; calls for one connection on one loop.
class ServerSink {
 public:
  virtual void on_message(DeliveryPtr delivery) = 0;
  virtual void on_status(StatusEvent event) = 0;
  /// What the service listens on is gone: the connection to the broker. Core calls `listen` again when it is time.
  virtual void on_disconnected(Failure why) = 0;
  /// Something went wrong that ends no more than one peer: counted and logged.
  virtual void on_error(const Failure& failure) = 0;

 protected:
  ~ServerSink() = default;
};

/// Called by core on the service's main loop only.
class ServerTransport {
 public:
  virtual ~ServerTransport() = default;

  /// Starts taking messages: one attempt. Calls `done` once, with null or with what went wrong. Core may call it again
  /// after a failure, and after `ServerSink::on_disconnected`.
  virtual void listen(std::vector<Subscription> subscriptions, std::function<void(const Failure*)> done) = 0;
  /// Stop, and go on, taking messages: too many handlers run. Holds across `listen`.
  virtual void pause() = 0;
  virtual void resume() = 0;
  /// No new messages; what was taken is still answered. Calls `done` when nothing new can come. In any state.
  virtual void drain(std::function<void()> done) = 0;
  /// Sends replies that are still queued, for at most `limit`, then ends every connection. Calls `done` when the sink will
  /// not be called any more. In any state.
  virtual void close(std::chrono::milliseconds limit, std::function<void()> done) = 0;
  /// Where it can be reached, for people and for tests that asked for a free port: `tcp://127.0.0.1:3001`.
  virtual std::string endpoint() const { return {}; }
  virtual NativeHandle native() noexcept { return {}; }
};

struct ServerEnvironment {
  std::string name;
  Loop* loop = nullptr;             ///< the main loop
  std::vector<Loop*> loops;         ///< where connections may live, the main one included
  const Serializer* serializer = nullptr;
  Options options;                  ///< checked against `Transport::server_options`
  std::string directory;
  bool at_least_once = false;
  bool extensions = true;
};

// ---- the plugin ------------------------------------------------------------------------------------------------------

/// What a plugin is. Lives as long as the process; every function may be called from any thread.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual std::string_view name() const noexcept = 0;
  virtual const Capabilities& capabilities() const noexcept = 0;
  /// Of a client or service with these checked options, where a mode decides. The one above is that of the default mode.
  virtual Capabilities capabilities(const Options& options) const { return static_cast<void>(options), capabilities(); }
  /// What payloads are read and written with where `configured` was chosen. Lives as long as the process.
  virtual const Serializer& serializer(const Serializer& configured) const { return configured; }
  /// What holds in place of `configured` where the transport's own options say how to reconnect.
  virtual ReconnectPolicy reconnect_policy(const Options& options, ReconnectPolicy configured) const {
    return static_cast<void>(options), configured;
  }
  /// Which of its options would give a service what these do not promise, in words for people. Empty: none.
  virtual std::string_view option_for(Needs need) const { return static_cast<void>(need), std::string_view(); }
  /// Whether calls wait for a connection that could not be made, where `offlineQueue` is not given.
  virtual bool offline_queue(const Options& options) const { return static_cast<void>(options), false; }
  virtual OptionTable client_options() const noexcept = 0;
  virtual OptionTable server_options() const noexcept = 0;
  /// URL schemes of `options_from_url`: `tcp`, `tcps`.
  virtual std::span<const std::string_view> schemes() const noexcept = 0;
  /// The `options` a URL stands for. Throws `ConfigError` for one that makes no sense.
  virtual nlohmann::json options_from_url(std::string_view url) const = 0;
  /// Options, to be merged with others, with which a new service first hears what its broker has kept, disturbing no other
  /// service. Null: it has kept nothing.
  virtual nlohmann::json replay_options() const { return nullptr; }
  /// Where a client or service with these options connects to or listens: `tcp://127.0.0.1:3001`. For people and logs, so
  /// without passwords, keys and tokens. Empty if the transport has no word for it.
  virtual std::string address(const Options& options) const { return static_cast<void>(options), std::string(); }

  virtual std::unique_ptr<ClientTransport> make_client(ClientEnvironment environment, ClientSink& sink) const = 0;
  virtual std::unique_ptr<ServerTransport> make_server(ServerEnvironment environment, ServerSink& sink) const = 0;
  /// The dead letters of a service of this environment, which is at-least-once. Never null with `Capabilities::dead_letters`.
  virtual std::unique_ptr<DeadLetterStore> make_dead_letters(ServerEnvironment environment) const {
    return static_cast<void>(environment), nullptr;
  }
};

}  // namespace ferry::spi
