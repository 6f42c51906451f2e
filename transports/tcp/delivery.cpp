#include "transports/tcp/delivery.hpp"

#include <utility>

#include "transports/common/extension.hpp"
#include "transports/tcp/peer.hpp"

namespace ferry::tcp {
TcpDelivery::TcpDelivery(std::shared_ptr<Peer> peer, ChunkPtr chunk)
    : Delivery(peer->loop(), peer->serializer()), peer_(std::move(peer)), chunk_(std::move(chunk)) {}

Headers TcpDelivery::headers() const {
  Headers headers = Delivery::headers();
  extension::strip_own_headers(headers);
  return headers;
}

void TcpDelivery::reply(spi::ReplyKind kind, std::string& payload) {
  if (kind != spi::ReplyKind::item) finished_.store(true, std::memory_order_release);
  if (!expects_reply()) return;
  peer_->reply(view(), kind, payload);
}

bool TcpDelivery::writable() const { return peer_->writable(); }
void TcpDelivery::when_writable(std::function<void()> ready) { peer_->when_writable(std::move(ready)); }

std::string TcpDelivery::remote_address() const { return peer_->peer_address().address; }
std::uint16_t TcpDelivery::remote_port() const { return peer_->peer_address().port; }
std::string TcpDelivery::local_address() const { return peer_->own_address().address; }
asio::generic::stream_protocol::socket* TcpDelivery::socket() noexcept { return peer_->socket(); }
bool TcpDelivery::secure() const { return peer_->secure(); }
std::string TcpDelivery::peer_certificate_subject() const { return peer_->peer_subject(); }

void TcpDelivery::dispose() noexcept {
  finished_.store(true, std::memory_order_release);
  const std::shared_ptr<Peer> peer = std::move(peer_);
  peer->bury(this);
}

}  // namespace ferry::tcp
