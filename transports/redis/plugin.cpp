#include "ferry/spi/plugin.hpp"

#include <memory>
#include <utility>

#include "transports/redis/client.hpp"
#include "transports/redis/dead_letters.hpp"
#include "transports/redis/options.hpp"
#include "transports/redis/server.hpp"

namespace ferry::redis {
namespace {

constexpr spi::Capabilities pubsub_capabilities{
    .headers = true,
    .reply_streams = true,
    .ordered = true,
    .cancel = true,
    .deadline = true,
    .fanout = true,
    .ack = true,
    .wildcard = true,
    .no_handler_reply = true,
    .at_least_once = true,   // by mode streams, which "delivery" chooses
    .dead_letters = true,    // the same
    .custom_serializer = true,
    .broker = true,
};

class RedisTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "redis"; }
  const spi::Capabilities& capabilities() const noexcept override { return pubsub_capabilities; }
  spi::Capabilities capabilities(const spi::Options& options) const override;
  spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured) const override {
    return redis::reconnect_policy(options, configured);
  }
  std::string_view option_for(Needs need) const override {
    if (need == needs::durable) return "\"mode\": \"streams\" in its options gives it";
    return need == needs::ordered_by_key ? "\"mode\": \"pubsub\" in its options keeps the order" : "";
  }
  spi::OptionTable client_options() const noexcept override { return client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return redis::options_from_url(url); }
  std::string address(const spi::Options& options) const override { return url_of(options); }

  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment,
                                                    spi::ClientSink& sink) const override {
    return redis::make_client(std::move(environment), sink);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment environment,
                                                    spi::ServerSink& sink) const override {
    return std::make_unique<Server>(std::move(environment), sink);
  }
  std::unique_ptr<spi::DeadLetterStore> make_dead_letters(spi::ServerEnvironment environment) const override {
    return std::make_unique<DeadLetters>(std::move(environment));
  }
};

spi::Capabilities RedisTransport::capabilities(const spi::Options& options) const {
  spi::Capabilities result = pubsub_capabilities;
  if (mode_of(options) == Mode::streams) {
    result.ordered = false;          // of one route yes, if all goes well; what is tried again comes later
    result.fanout = false;           // instances share the work
    result.durable = true;
    result.wildcard = false;
    result.no_handler_reply = false; // a request waits for a service
  } else {
    result.at_least_once = result.dead_letters = !options.given("mode");
    result.no_handler_reply = !options.given("nodes");
    result.wildcard = options.boolean("wildcards");
  }
  return result;
}

std::unique_ptr<spi::Transport> make_redis() { return std::make_unique<RedisTransport>(); }

}  // namespace
}  // namespace ferry::redis

FERRY_TRANSPORT_PLUGIN("redis", FERRY_VERSION, ferry::redis::make_redis);
