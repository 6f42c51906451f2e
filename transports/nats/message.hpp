#pragma once
// A message of nats.c's, and its headers as ours.

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <nats/nats.h>

#include "ferry/error.hpp"
#include "ferry/headers.hpp"

namespace ferry::nats {

struct MessageDeleter {
  void operator()(natsMsg* message) const noexcept { natsMsg_Destroy(message); }
};
using MessagePtr = std::unique_ptr<natsMsg, MessageDeleter>;

inline std::string_view body_of(const natsMsg* message) noexcept {
  return {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))};
}
/// Null if there is none.
inline const char* reply_subject_of(const natsMsg* message) noexcept { return natsMsg_GetReply(message); }

/// All headers; of several with one name their values in one, separated by ", ". Parses them: call it once, on one thread.
Headers headers_of(natsMsg* message);
/// The status of a message the server made: "404"; empty if it has none.
std::string_view status_of(natsMsg* message);

/// False, with `failure` set, if one of them cannot be a NATS header.
bool are_sendable(const Headers& headers, Failure& failure);
/// The block's size on the wire.
std::size_t wire_size(const Headers& headers) noexcept;

/// Keeps spent messages, and frees many at once: nats.c hands each to a thread of its own, and wakes that.
/// Threads: one.
class SpentMessages {
 public:
  void add(MessagePtr message) {
    bytes_ += static_cast<std::size_t>(natsMsg_GetDataLength(message.get()));
    messages_.push_back(std::move(message));
    if (bytes_ >= most_bytes || messages_.size() >= 8 * enough) clear();
  }
  /// To be called when there is time.
  void tidy() {
    if (messages_.size() >= enough) clear();
  }
  void clear() {
    messages_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr std::size_t enough = 512;
  static constexpr std::size_t most_bytes = std::size_t{1} << 20;
  std::vector<MessagePtr> messages_;
  std::size_t bytes_ = 0;
};

}  // namespace ferry::nats
