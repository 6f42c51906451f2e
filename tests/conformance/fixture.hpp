#pragma once
// One service and one client, made from the config file of the transport under test.

#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "../support/await.hpp"
#include "../support/gate.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"

namespace ferry::test {

using namespace std::chrono_literals;

/// The config file of this run: `--ferry-config`. Its `conformance` member says what the suite itself must know:
/// `"gate": true`, faults can be made on the way between client and service; `"pool": true`, handlers run concurrently.
void set_config_file(std::string path);

/// A case's own world: an address nobody else uses, a service and a client that can come and go.
class World {
 public:
  /// `direct`: no gate in between, so that a service that is away is seen to be away.
  explicit World(bool direct = false);
  ~World();

  /// Starts the service with these handlers. Again after `stop_service`: at the same address.
  Application& serve(const std::function<void(Application&)>& handlers);
  /// Drains and stops the service; false if that was cut off.
  bool stop_service();
  Application& service() { return *service_; }

  /// The client, made at the first call. `settings` are merged into its config.
  Client client(const nlohmann::json& settings = nlohmann::json::object());
  void close_client() { client_.reset(); }
  /// One more, with connections of its own: `client("SUITE")` of it. It ends before this world.
  Application another_client() const { return Application(config(false, nlohmann::json::object())); }
  /// The application that has the client, for its runtime.
  Application& client_application() { return *client_; }

  const spi::Capabilities& capabilities() const { return capabilities_; }
  const std::string& transport() const { return transport_; }
  /// Between client and service, if this transport's config lets it be. Before the first `client()`.
  Gate* gate();
  /// Handlers run on worker threads: several at once, in no order.
  bool pool() const { return conformance_.value("pool", false); }

 private:
  Config config(bool services, const nlohmann::json& client_settings) const;

  nlohmann::json document_;
  nlohmann::json conformance_;
  spi::Capabilities capabilities_;
  std::string transport_;
  std::unique_ptr<Gate> gate_;
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
