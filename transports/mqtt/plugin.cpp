#include "ferry/spi/plugin.hpp"

#include <memory>
#include <utility>

#include "transports/mqtt/client.hpp"
#include "transports/mqtt/options.hpp"
#include "transports/mqtt/server.hpp"

namespace ferry::mqtt {
namespace {

constexpr spi::Capabilities usual_capabilities{
    .headers = true,
    .reply_streams = true,
    .ordered = true,
    .cancel = true,
    .deadline = true,
    .fanout = true,
    .wildcard = true,
    .at_least_once = true,
    .custom_serializer = true,
    .record_options = true,
    .broker = true,
};

class MqttTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "mqtt"; }
  const spi::Capabilities& capabilities() const noexcept override { return usual_capabilities; }
  spi::Capabilities capabilities(const spi::Options& options) const override {
    const Promises promises = promises_of(options);
    spi::Capabilities result = usual_capabilities;
    result.fanout = !promises.shared;
    result.ack = promises.confirmed;
    result.durable = promises.kept;
    result.no_handler_reply = promises.unheard;
    return result;
  }
  spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured) const override {
    return mqtt::reconnect_policy(options, configured);
  }
  std::string_view option_for(Needs need) const override {
    return need == needs::durable ? "\"clean\": false with a clientId, and QoS 1 or 2, in its options give it" : "";
  }
  spi::OptionTable client_options() const noexcept override { return client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return mqtt::options_from_url(url); }
  std::string address(const spi::Options& options) const override { return url_of(options); }

  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment,
                                                    spi::ClientSink& sink) const override {
    return std::make_unique<Client>(std::move(environment), sink);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment environment,
                                                    spi::ServerSink& sink) const override {
    return std::make_unique<Server>(environment, sink);
  }
};

std::unique_ptr<spi::Transport> make_mqtt() { return std::make_unique<MqttTransport>(); }

}  // namespace
}  // namespace ferry::mqtt

FERRY_TRANSPORT_PLUGIN("mqtt", FERRY_VERSION, ferry::mqtt::make_mqtt);
