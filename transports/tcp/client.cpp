#include "transports/tcp/client.hpp"

#include <utility>

#include "transports/tcp/error.hpp"
#include "transports/common/net/tls.hpp"

namespace ferry::tcp {
namespace {

/// "tcp://host:port", "tcps://host:port" or "tcp+unix:///path", as configured.
std::string url_of(const ClientSettings& settings) {
  const Place& place = settings.place;
  Address address;
  address.path = place.path;
  if (place.path.empty()) address.address = place.host;
  address.port = place.port;
  address.v6 = place.host.find(':') != std::string::npos;
  return address.url(settings.tls != nullptr);
}

Failure not_connected(const ClientSettings& settings) {
  return Failure(errc::not_connected, "not connected to " + url_of(settings), Fate::not_sent);
}

}  // namespace

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink)
    : environment_(std::move(environment)), sink_(sink), settings_(client_settings(environment_)) {}

Client::~Client() {
  if (dialer_) dialer_->cancel();
  if (!link_) return;
  link_->disown();
  link_->destroy(Failure(errc::closed, "the client was closed"));
}

void Client::connect() {
  if (link_ || dialer_) return;
  dialer_ = std::make_shared<Dialer>(
      *environment_.loop, settings_.place, settings_.connect_timeout, url_of(settings_),
      [this](const Failure* failure, Socket socket, std::chrono::milliseconds left) {
        dialled(failure, std::move(socket), left);
      });
  environment_.loop->post([dialer = dialer_] { dialer->start(); });
}

void Client::dialled(const Failure* failure, Socket socket, std::chrono::milliseconds left) {
  dialer_.reset();
  if (failure != nullptr) return sink_.on_disconnected(*failure);
  std::unique_ptr<Wire> wire;
  if (settings_.tls) wire = std::make_unique<TlsWire>(std::move(socket), *settings_.tls);
  else wire = std::make_unique<Wire>(std::move(socket));
  link_ = std::make_shared<Link>(*environment_.loop, *environment_.serializer, settings_.limits, std::move(wire),
                                 environment_.extensions, static_cast<Link::Owner&>(*this));
  if (held_) link_->hold(true);
  link_->start(left);
}

void Client::on_link_open() {
  open_ = true;
  sink_.on_connected(link_->peer_name());
}

void Client::on_link_gone(const Failure& why) {
  link_.reset();
  if (std::exchange(open_, false)) return sink_.on_disconnected(why);
  sink_.on_disconnected(
      Failure(why.code, "cannot connect to " + url_of(settings_) + ": " + why.detail, Fate::not_sent));
}

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) {
  if (open_) return link_->send(message, failure);
  failure = not_connected(settings_);
  return false;
}

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (open_) return link_->send_event(message, token, failure);
  failure = not_connected(settings_);
  return false;
}

void Client::cancel(std::string_view id) {
  if (open_) link_->cancel(id);
}

void Client::hold(bool held) {
  held_ = held;
  if (link_) link_->hold(held);
}

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  open_ = false;
  if (dialer_) std::exchange(dialer_, nullptr)->cancel();
  if (!link_) return environment_.loop->post(std::move(done));
  // Later, because it may be gone before this returns.
  link_->close(limit, [loop = environment_.loop, done = std::move(done)] { loop->post(done); });
}

spi::NativeHandle Client::native() noexcept {
  Socket* socket = link_ ? link_->socket() : nullptr;
  return socket == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(socket);
}

}  // namespace ferry::tcp
