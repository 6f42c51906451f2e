#pragma once
// A message as it comes: the method that announces it, its properties, its body in one frame or many.

#include <cstdint>
#include <string>
#include <string_view>

#include "transports/common/net/buffers.hpp"
#include "transports/rmq/frame.hpp"
#include "transports/rmq/properties.hpp"

namespace ferry::rmq {

/// Views into memory that it holds: keep the memory, keep the views.
struct Content {
  std::uint16_t channel = 0;
  bool returned = false;               ///< it came back: no queue took it
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange;
  std::string_view routing_key;
  std::string_view encoded_properties;
  Properties properties;
  std::string_view body;
  net::ChunkPtr method_memory, properties_memory, body_memory;   ///< mostly one and the same
};

/// Puts a message together. The frames are views into `memory`.
class ContentReader {
 public:
  enum class Step : std::uint8_t { more, complete, broken, too_large };

  bool idle() const noexcept { return state_ == State::idle; }
  void begin(const Method& method, const net::ChunkPtr& memory);
  Step take(const Frame& frame, const net::ChunkPtr& memory, std::size_t most);
  Content& content() noexcept { return content_; }
  void reset() noexcept {
    content_ = {};
    state_ = State::idle;
  }

 private:
  enum class State : std::uint8_t { idle, head, body };
  Step take_head(const Frame& frame, const net::ChunkPtr& memory, std::size_t most);
  Step take_body(const Frame& frame, const net::ChunkPtr& memory);

  State state_ = State::idle;
  Content content_;
  std::uint64_t size_ = 0;
  std::size_t filled_ = 0;             // of a body that comes in parts
};

}  // namespace ferry::rmq
