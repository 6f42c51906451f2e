#include <memory>
#include <utility>

#include "client.hpp"
#include "ferry/spi/plugin.hpp"
#include "options.hpp"
#include "server.hpp"

namespace {

using namespace ferry;

class MemoryTransport final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "memory"; }
  const spi::Capabilities& capabilities() const noexcept override {
    static constexpr spi::Capabilities has{.headers = true, .reply_streams = true, .request_streams = true, .ordered = true, .cancel = true,
                                           .deadline = true, .no_handler_reply = true, .custom_serializer = true,
                                           .sees_peer_loss = true, .in_process = true};
    return has;
  }
  spi::OptionTable client_options() const noexcept override { return memory::client_option_table(); }
  spi::OptionTable server_options() const noexcept override { return memory::server_option_table(); }
  std::span<const std::string_view> schemes() const noexcept override { return memory::url_schemes(); }
  nlohmann::json options_from_url(std::string_view url) const override { return memory::options_from_url(url); }
  std::string address(const spi::Options& options) const override { return memory::url_of(options.string("name")); }

  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment,
                                                    spi::ClientSink& sink) const override {
    return std::make_unique<memory::Client>(std::move(environment), sink);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment environment,
                                                    spi::ServerSink& sink) const override {
    return std::make_unique<memory::Server>(std::move(environment), sink);
  }
};

}  // namespace

FERRY_TRANSPORT_PLUGIN("memory", FERRY_VERSION, std::make_unique<MemoryTransport>);
