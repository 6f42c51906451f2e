#include "transports/common/net/writer.hpp"

#include <sys/uio.h>

#include <array>

#include <asio/error.hpp>

namespace ferry::net {
namespace {

constexpr std::size_t most_buffers = 64;   // of one gathered write

}  // namespace

bool Writer::write(Wire& wire) {
  untried_ = 0;
  tried_ = queue_.appended();
  std::array<iovec, most_buffers> buffers;
  while (!queue_.empty() && !blocked_ && !error_) {
    const std::size_t count = queue_.gather(buffers);
    const Wire::Written written = wire.write({buffers.data(), count});
    if (written.bytes != 0) queue_.consume(written.bytes);
    if (!written.error) continue;
    if (written.error == asio::error::would_block) {
      blocked_ = true;
      return true;
    }
    error_ = written.error;
  }
  return false;
}

void Writer::judge_congestion() noexcept {
  if (high_water_ == 0) return;
  congested_.store(queue_.bytes() > (congested() ? high_water_ / 2 : high_water_), std::memory_order_relaxed);
}

void Writer::clear() {
  queue_.clear();
  congested_.store(false, std::memory_order_relaxed);
}

}  // namespace ferry::net
