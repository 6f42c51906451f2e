#include "ferry/spi/plugin.hpp"

#include <memory>
#include <utility>

#include "transports/nats/client.hpp"
#include "transports/nats/dead_letters.hpp"
#include "transports/nats/options.hpp"
#include "transports/nats/server.hpp"

namespace ferry::nats {
namespace {

constexpr spi::Capabilities core_capabilities{
    .headers = true,
    .reply_streams = true,
    .ordered = true,
    .cancel = true,
    .deadline = true,
    .fanout = true,
    .wildcard = true,
    .no_handler_reply = true,
    .at_least_once = true,   // a service that asks for it gets JetStream
    .dead_letters = true,    // the same
    .custom_serializer = true,
    .broker = true,
};

spi::Capabilities capabilities_of(const spi::Options& options) {
  spi::Capabilities capabilities = core_capabilities;
  const bool jetstream = uses_jetstream(options);
  capabilities.ack = jetstream;
  capabilities.durable = jetstream;
  capabilities.at_least_once = capabilities.dead_letters = jetstream || !options.given("mode");
  capabilities.fanout = !jetstream;   // instances of one service share its consumers
  return capabilities;
}

class NatsTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "nats"; }
  const spi::Capabilities& capabilities() const noexcept override { return core_capabilities; }
  spi::Capabilities capabilities(const spi::Options& options) const override { return capabilities_of(options); }
  spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured) const override {
    return reconnect_policy_of(options, configured);
  }
  std::string_view option_for(Needs need) const override {
    return need == needs::durable ? "\"mode\": \"jetstream\" in its options gives it" : "";
  }
  spi::OptionTable client_options() const noexcept override { return client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return nats::options_from_url(url); }
  std::string address(const spi::Options& options) const override { return url_of(options); }

  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment,
                                                    spi::ClientSink& sink) const override {
    return std::make_unique<Client>(std::move(environment), sink);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment environment,
                                                    spi::ServerSink& sink) const override {
    return std::make_unique<Server>(std::move(environment), sink);
  }
  std::unique_ptr<spi::DeadLetterStore> make_dead_letters(spi::ServerEnvironment environment) const override {
    return std::make_unique<DeadLetters>(std::move(environment));
  }
};

std::unique_ptr<spi::Transport> make_nats() { return std::make_unique<NatsTransport>(); }

}  // namespace
}  // namespace ferry::nats

FERRY_TRANSPORT_PLUGIN("nats", FERRY_VERSION, ferry::nats::make_nats);
