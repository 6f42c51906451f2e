#include "transports/redis/server.hpp"

#include <utility>

#include "transports/redis/pubsub_service.hpp"

namespace ferry::redis {

Server::Server(spi::ServerEnvironment environment, spi::ServerSink& sink) {
  ServerSettings settings = server_settings(environment);
  service_ = std::make_shared<PubSubService>(environment, sink, std::move(settings));
}

Server::~Server() {
  service_->silence();
  service_->loop().post([service = service_] { service->shut(); });
}

}  // namespace ferry::redis
