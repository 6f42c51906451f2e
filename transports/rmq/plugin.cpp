#include "ferry/spi/plugin.hpp"

#include <memory>
#include <utility>

#include "transports/rmq/client.hpp"
#include "transports/rmq/dead_letters.hpp"
#include "transports/rmq/options.hpp"
#include "transports/rmq/server.hpp"

namespace ferry::rmq {
namespace {

constexpr spi::Capabilities default_capabilities{
    .headers = true,
    .reply_streams = true,
    .ordered = true,
    .cancel = true,
    .deadline = true,
    .ack = true,
    .durable = true,
    .no_handler_reply = true,
    .at_least_once = true,
    .dead_letters = true,
    .custom_serializer = true,
    .record_options = true,
    .broker = true,
};

spi::Capabilities capabilities_of(const spi::Options& options) {
  spi::Capabilities capabilities = default_capabilities;
  capabilities.wildcard = options.boolean("wildcards");
  // What a queue keeps is nobody's but its service's; a queue of each instance's own goes with it.
  const spi::Options queue = options.object("queueOptions");
  const bool own_queue = options.string("queue").empty() || queue.boolean("exclusive");
  capabilities.durable = !own_queue && !queue.boolean("autoDelete");
  capabilities.fanout = own_queue && options.string("exchangeType") == "fanout";
  return capabilities;
}

class RmqTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "rmq"; }
  const spi::Capabilities& capabilities() const noexcept override { return default_capabilities; }
  spi::Capabilities capabilities(const spi::Options& options) const override { return capabilities_of(options); }
  spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured) const override {
    return reconnect_policy_of(options, configured);
  }
  std::string_view option_for(Needs need) const override {
    return need == needs::durable ? "a named \"queue\" in its options, neither exclusive nor autoDelete, gives it" : "";
  }
  spi::OptionTable client_options() const noexcept override { return client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return rmq::options_from_url(url); }
  std::string address(const spi::Options& options) const override { return urls_of(options); }

  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment,
                                                    spi::ClientSink& sink) const override {
    return std::make_unique<Client>(std::move(environment), sink);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment environment,
                                                    spi::ServerSink& sink) const override {
    return std::make_unique<Server>(environment, sink);
  }
  std::unique_ptr<spi::DeadLetterStore> make_dead_letters(spi::ServerEnvironment environment) const override {
    return std::make_unique<DeadLetters>(std::move(environment));
  }
};

std::unique_ptr<spi::Transport> make_rmq() { return std::make_unique<RmqTransport>(); }

}  // namespace
}  // namespace ferry::rmq

FERRY_TRANSPORT_PLUGIN("rmq", FERRY_VERSION, ferry::rmq::make_rmq);
