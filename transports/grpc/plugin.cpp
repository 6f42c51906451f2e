#include "ferry/spi/plugin.hpp"

#include <memory>
#include <utility>

#include "transports/grpc/client.hpp"
#include "transports/grpc/contract.hpp"
#include "transports/grpc/options.hpp"
#include "transports/grpc/server.hpp"

namespace ferry::grpc {
namespace {

constexpr spi::Capabilities envelope_capabilities{
    .headers = true,
    .reply_streams = true,
    .request_streams = true,
    .ordered = true,
    .cancel = true,
    .deadline = true,
    .no_handler_reply = true,
    .custom_serializer = true,
    .sees_peer_loss = true,
};

spi::Capabilities capabilities_of(const spi::Options& options) {
  spi::Capabilities capabilities = envelope_capabilities;
  if (!Contract::wanted(options)) return capabilities;
  capabilities.ordered = false;             // each event is a call of its own
  capabilities.custom_serializer = false;   // the .proto says how messages are written
  return capabilities;
}

class GrpcTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "grpc"; }
  const spi::Capabilities& capabilities() const noexcept override { return envelope_capabilities; }
  spi::Capabilities capabilities(const spi::Options& options) const override { return capabilities_of(options); }
  bool offline_queue(const spi::Options& options) const override { return options.boolean("waitForReady"); }
  spi::OptionTable client_options() const noexcept override { return client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return grpc::options_from_url(url); }
  std::string address(const spi::Options& options) const override { return url_of(options); }

  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment,
                                                    spi::ClientSink& sink) const override {
    return std::make_unique<Client>(std::move(environment), sink);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment environment,
                                                    spi::ServerSink& sink) const override {
    return std::make_unique<Server>(std::move(environment), sink);
  }
};

std::unique_ptr<spi::Transport> make_grpc() { return std::make_unique<GrpcTransport>(); }

}  // namespace
}  // namespace ferry::grpc

FERRY_TRANSPORT_PLUGIN("grpc", FERRY_VERSION, ferry::grpc::make_grpc);
