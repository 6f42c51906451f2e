#include "transports/tcp/delivery.hpp"

#include <new>
#include <utility>

#include "transports/tcp/extension.hpp"
#include "transports/tcp/peer.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FERRY_TCP_KEEP_BLOCKS 0
#else
#define FERRY_TCP_KEEP_BLOCKS 1
#endif

namespace ferry::tcp {
namespace {

// Blocks of one size, of one thread.
struct FreeBlocks {
  static constexpr unsigned most = FERRY_TCP_KEEP_BLOCKS ? 1024 : 0;
  struct Block { Block* next; };

  ~FreeBlocks() {
    while (head != nullptr) ::operator delete(std::exchange(head, head->next));
    count = most;   // what comes later, when the thread is ending, is not kept
  }

  Block* head = nullptr;
  unsigned count = 0;
};
thread_local FreeBlocks free_blocks;

}  // namespace

TcpDelivery::TcpDelivery(std::shared_ptr<Peer> peer, ChunkPtr chunk)
    : Delivery(peer->loop(), peer->serializer()), peer_(std::move(peer)), chunk_(std::move(chunk)) {}

void* TcpDelivery::operator new(std::size_t size) {
  FreeBlocks& blocks = free_blocks;
  if (blocks.head == nullptr) return ::operator new(size);
  --blocks.count;
  return std::exchange(blocks.head, blocks.head->next);
}

void TcpDelivery::operator delete(void* memory) noexcept {
  FreeBlocks& blocks = free_blocks;
  if (blocks.count >= FreeBlocks::most) return ::operator delete(memory);
  ++blocks.count;
  blocks.head = new (memory) FreeBlocks::Block{blocks.head};
}

Headers TcpDelivery::headers() const {
  Headers headers = Delivery::headers();
  strip_own_headers(headers);
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
bool TcpDelivery::secure() const { return peer_->secure(); }
std::string TcpDelivery::peer_certificate_subject() const { return peer_->peer_subject(); }

void TcpDelivery::dispose() noexcept {
  finished_.store(true, std::memory_order_release);
  const std::shared_ptr<Peer> peer = std::move(peer_);
  peer->bury(this);
}

}  // namespace ferry::tcp
