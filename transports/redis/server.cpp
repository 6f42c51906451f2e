#include "transports/redis/server.hpp"

#include <utility>

#include "transports/redis/pubsub_service.hpp"
#include "transports/redis/stream_service.hpp"

namespace ferry::redis {

Server::Server(spi::ServerEnvironment environment, spi::ServerSink& sink) {
  ServerSettings settings = server_settings(environment);
  if (settings.mode == Mode::streams) service_ = std::make_shared<StreamService>(environment, sink, std::move(settings));
  else service_ = std::make_shared<PubSubService>(environment, sink, std::move(settings));
}

Server::~Server() {
  service_->silence();
  service_->loop().post([service = service_] { service->shut(); });
}

}  // namespace ferry::redis
