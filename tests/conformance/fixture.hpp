#pragma once
// One service and one client, made from the config file of the transport under test.

#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../support/await.hpp"
#include "../support/broker.hpp"
#include "../support/gate.hpp"
#include "catch.hpp"
#include "ferry/config_check.hpp"
#include "ferry/ferry.hpp"

namespace ferry::test {

using namespace std::chrono_literals;

/// The config file of this run: `--ferry-config`. Its `conformance` member says what the suite itself must know:
///
/// - `"gate": true`: faults can be made on the way from the client: to the service, or to the broker.
/// - `"serviceGate": true`: and on the way from the service to the broker.
/// - `"pool": true`: handlers run concurrently.
/// - `"wholeHandshake": true`: nothing splits what the broker says while a client connects (nats.c 3.4.1 does not see the end
///   of a line whose CR and LF come in two reads, and waits for its time limit).
/// - `"broker": "redis"`: each case has a broker of its own; `"brokerConfiguration"` is added to the broker's own.
/// - `"sharedBroker": true`: all cases of a process have one broker, which takes long to start. One that a case has ended
///   is started again for the next.
/// - `"requestsWait": true`: the broker keeps a request until there is a service.
/// - `"keyed": "key"`: the option of a single message (`SendOptions::record`) by which messages of one key keep their order.
/// - `"wildcard": {"pattern": "wild.*.get", "route": "wild.42.get"}`: how this transport writes one, and what it matches.
///
/// It may name `${SUITE_PORT}`, where the service listens or the broker is, `${SUITE_CLIENT_PORT}` and
/// `${SUITE_SERVICE_PORT}`, the same through the gates, `${SUITE_ID}`, unique to a case, and `${SUITE_CERTS}`. `%INSTANCE%` is
/// 0 in the service and the client of a case, and another number in `another_service` and `another_client`.
void set_config_file(std::string path);
/// After the last case.
void end_shared_broker();

/// A case's own world: an address nobody else uses, a service and a client that can come and go.
class World {
 public:
  /// `direct`: no gates in between, so that who is away is seen to be away.
  explicit World(bool direct = false);
  ~World();

  /// Starts the service with these handlers. Again after `stop_service`: at the same address. `settings` are merged into
  /// its config.
  Application& serve(const std::function<void(Application&)>& handlers,
                     const nlohmann::json& settings = nlohmann::json::object());
  /// The same, with a client `SUITE` of the service's own.
  Application& serve_and_call(const std::function<void(Application&)>& handlers, const nlohmann::json& settings);
  /// One more instance, for the case to give handlers and start. It ends before this world.
  Application another_service() { return Application(config(true, nlohmann::json::object(), ++others_)); }
  /// Drains and stops the service; false if that was cut off.
  bool stop_service();
  Application& service() { return *service_; }

  /// The client, made at the first call. `settings` are merged into its config.
  Client client(const nlohmann::json& settings = nlohmann::json::object());
  void close_client();
  /// One more, with connections of its own: `client("SUITE")` of it. It ends before this world.
  Application another_client() { return Application(config(false, nlohmann::json::object(), ++others_)); }
  /// The application that has the client, for its runtime.
  Application& client_application() { return *client_; }

  const spi::Capabilities& capabilities() const { return capabilities_; }
  const std::string& transport() const { return transport_; }
  /// What `ferry check` says of the needs of the service's handlers.
  std::vector<Grant> grants() const;
  /// Between the client and what it connects to, if this transport's config lets it be.
  Gate* gate() { return gate_.get(); }
  /// Between the service and its broker.
  Gate* service_gate() { return service_gate_.get(); }
  /// Null if the transport has none.
  Broker* broker() { return broker_.get(); }
  /// The pattern, then a route that it matches.
  std::pair<std::string, std::string> wildcard() const;
  /// What an event is given so that it keeps its order with others of its key. Null: nothing is needed, or would help.
  nlohmann::json keyed(const std::string& key) const;
  /// An event whose handler failed comes again.
  bool redelivers() const;
  /// Never ends, but by an exception: when its handler is cancelled, or at the end of the case. A broker does not tell a
  /// service that its client has gone.
  task<void> forever();
  bool requests_wait() const { return conformance_.value("requestsWait", false); }
  /// A client connects before bytes are split.
  bool whole_handshake() const { return conformance_.value("wholeHandshake", false); }
  /// Handlers run on worker threads: several at once, in no order.
  bool pool() const { return conformance_.value("pool", false); }

 private:
  Application& start(Config config, const std::function<void(Application&)>& handlers);
  Config config(bool services, const nlohmann::json& settings, int instance = 0) const;
  std::shared_ptr<Broker> make_broker() const;

  nlohmann::json document_;
  nlohmann::json conformance_;
  spi::Capabilities capabilities_;
  std::string transport_;
  int others_ = 0;
  std::atomic<bool> over_{false};
  std::shared_ptr<Broker> broker_;   // before who uses it: it goes last
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Gate> service_gate_;
  std::unique_ptr<Application> service_;
  std::unique_ptr<Application> client_;
};

/// Ends the case as skipped: it cannot apply to this transport. CTest shows it as skipped, by this text.
#define FERRY_NOT_APPLICABLE(why)                                  \
  do {                                                             \
    std::cout << "not applicable: " << why << std::endl;           \
    SUCCEED("not applicable");                                     \
    return;                                                        \
  } while (false)
#define FERRY_NEEDS(world, capability)                                                        \
  if (!(world).capabilities().capability) FERRY_NOT_APPLICABLE("the transport has no " #capability)

#define FERRY_NEEDS_GATE(world) \
  if ((world).gate() == nullptr) FERRY_NOT_APPLICABLE("nothing lies between client and service")

#define FERRY_NEEDS_SERVICE_GATE(world) \
  if ((world).service_gate() == nullptr) FERRY_NOT_APPLICABLE("nothing lies between the service and a broker")

#define FERRY_NEEDS_BROKER(world) \
  if ((world).broker() == nullptr) FERRY_NOT_APPLICABLE("the transport has no broker")

/// A handler that answers with what it was sent.
inline void add_echo(Application& app) {
  app.on_message("echo", [](Payload payload) { return payload; });
}

/// Runs a coroutine on the client's runtime and waits for it.
template <class F>
void run_on(Application& application, F coroutine) {
  auto done = std::make_shared<Watched<std::optional<std::exception_ptr>>>();
  asio::co_spawn(application.runtime().next_loop().executor(), std::move(coroutine), [done](std::exception_ptr error) {
    done->change([&](auto& value) { value = error; });
  });
  REQUIRE(done->wait([](const auto& value) { return value.has_value(); }));
  const auto error = done->get();
  if (*error) std::rethrow_exception(*error);
}

}  // namespace ferry::test
