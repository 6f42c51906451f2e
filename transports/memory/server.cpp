#include "server.hpp"

#include <utility>

namespace ferry::memory {

Server::Server(spi::ServerEnvironment environment, spi::ServerSink& sink)
    : settings_(environment.options),
      loop_(*environment.loop),
      listener_(std::make_shared<Listener>(environment, sink, settings_.max_queue)) {}

Server::~Server() { Hub::instance().remove(settings_.name, *listener_); }

void Server::listen(std::vector<spi::Subscription>, std::function<void(const Failure*)> done) {
  Hub::instance().add(settings_.name, listener_);
  loop_.post([done = std::move(done)] { done(nullptr); });
}

void Server::drain(std::function<void()> done) {
  Hub::instance().remove(settings_.name, *listener_);
  listener_->drain(std::move(done));
}

void Server::close(std::chrono::milliseconds, std::function<void()> done) {
  Hub::instance().remove(settings_.name, *listener_);
  listener_->close(std::move(done));   // replies are in the clients' mailboxes already
}

}  // namespace ferry::memory
