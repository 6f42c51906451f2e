#include "ferry/spi/plugin.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "transports/kafka/client.hpp"
#include "transports/kafka/options.hpp"
#include "transports/kafka/server.hpp"
#include "transports/kafka/text_scalars.hpp"

namespace ferry::kafka {
namespace {

constexpr spi::Capabilities all_capabilities{
    .headers = true,
    .reply_streams = true,
    .deadline = true,
    .ack = true,
    .durable = true,
    .at_least_once = true,
    .record_options = true,
    .broker = true,
};

class KafkaTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "kafka"; }
  const spi::Capabilities& capabilities() const noexcept override { return all_capabilities; }
  spi::Capabilities capabilities(const spi::Options& options) const override;
  std::string_view option_for(Needs need) const override {
    if (need == needs::ordered_by_key) return "\"order\": \"partition\" or \"key\" in its options gives it";
    return need == needs::reply ? "\"observe\": false in its options gives it" : "";
  }
  spi::ReconnectPolicy reconnect_policy(const spi::Options& options, spi::ReconnectPolicy configured) const override {
    return reconnect_policy_of(options, configured);
  }
  spi::OptionTable client_options() const noexcept override { return client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return kafka::options_from_url(url); }
  nlohmann::json replay_options() const override { return kafka::replay_options(); }
  std::string address(const spi::Options& options) const override { return url_of(options); }

  /// NestJS peers send numbers and booleans as text.
  const spi::Serializer& serializer(const spi::Serializer& configured) const override {
    const std::lock_guard lock(mutex_);
    auto& found = serializers_[&configured];
    if (!found) found = std::make_unique<TextScalars>(configured);
    return *found;
  }

  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment,
                                                    spi::ClientSink& sink) const override {
    return std::make_unique<Client>(std::move(environment), sink);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment environment,
                                                    spi::ServerSink& sink) const override {
    return std::make_unique<Server>(std::move(environment), sink);
  }

 private:
  mutable std::mutex mutex_;
  mutable std::map<const spi::Serializer*, std::unique_ptr<const spi::Serializer>> serializers_;
};

spi::Capabilities KafkaTransport::capabilities(const spi::Options& options) const {
  spi::Capabilities result = all_capabilities;
  try {
    result.ordered_by_key = options.string("order") != "none";
    result.replies = !options.boolean("observe");
  } catch (const std::logic_error&) {}   // a client's, which has no such options
  return result;
}

std::unique_ptr<spi::Transport> make_kafka() { return std::make_unique<KafkaTransport>(); }

}  // namespace
}  // namespace ferry::kafka

FERRY_TRANSPORT_PLUGIN("kafka", FERRY_VERSION, ferry::kafka::make_kafka);
