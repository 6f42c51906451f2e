#include "ferry/spi/plugin.hpp"

#include <memory>
#include <utility>

#include "transports/tcp/client.hpp"
#include "transports/tcp/options.hpp"
#include "transports/tcp/server.hpp"

namespace ferry::tcp {
namespace {

constexpr spi::Capabilities tcp_capabilities{
    .headers = true,
    .reply_streams = true,
    .ordered = true,
    .cancel = true,
    .deadline = true,
    .no_handler_reply = true,
    .custom_serializer = true,
    .sees_peer_loss = true,
};

class TcpTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "tcp"; }
  const spi::Capabilities& capabilities() const noexcept override { return tcp_capabilities; }
  spi::OptionTable client_options() const noexcept override { return client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return tcp::options_from_url(url); }
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

std::unique_ptr<spi::Transport> make_tcp() { return std::make_unique<TcpTransport>(); }

}  // namespace
}  // namespace ferry::tcp

FERRY_TRANSPORT_PLUGIN("tcp", FERRY_VERSION, ferry::tcp::make_tcp);
