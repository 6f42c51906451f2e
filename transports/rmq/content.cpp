#include "transports/rmq/content.hpp"

#include <algorithm>
#include <cstring>

namespace ferry::rmq {

void ContentReader::begin(const Method& method, const net::ChunkPtr& memory) {
  content_.channel = method.channel;
  content_.method_memory = memory;
  if (method.id == AMQP_BASIC_DELIVER_METHOD) {
    const auto& deliver = method.as<amqp_basic_deliver_t>();
    content_.delivery_tag = deliver.delivery_tag;
    content_.redelivered = deliver.redelivered != 0;
    content_.exchange = text_of(deliver.exchange);
    content_.routing_key = text_of(deliver.routing_key);
  } else if (method.id == AMQP_BASIC_GET_OK_METHOD) {
    const auto& got = method.as<amqp_basic_get_ok_t>();
    content_.delivery_tag = got.delivery_tag;
    content_.redelivered = got.redelivered != 0;
    content_.exchange = text_of(got.exchange);
    content_.routing_key = text_of(got.routing_key);
  } else {
    const auto& returned = method.as<amqp_basic_return_t>();
    content_.returned = true;
    content_.exchange = text_of(returned.exchange);
    content_.routing_key = text_of(returned.routing_key);
  }
  state_ = State::head;
}

ContentReader::Step ContentReader::take(const Frame& frame, const net::ChunkPtr& memory, std::size_t most) {
  if (frame.type == AMQP_FRAME_HEADER && state_ == State::head) return take_head(frame, memory, most);
  if (frame.type == AMQP_FRAME_BODY && state_ == State::body) return take_body(frame, memory);
  return Step::broken;
}

ContentReader::Step ContentReader::take_head(const Frame& frame, const net::ChunkPtr& memory, std::size_t most) {
  if (!read_content_head(frame, size_, content_.encoded_properties)) return Step::broken;
  if (!read_properties(content_.encoded_properties, content_.properties)) return Step::broken;
  if (size_ > most) return Step::too_large;
  content_.properties_memory = memory;
  filled_ = 0;
  state_ = State::body;
  return size_ == 0 ? Step::complete : Step::more;
}

/// The size that was announced is not believed at once: the room grows with what has come.
ContentReader::Step ContentReader::take_body(const Frame& frame, const net::ChunkPtr& memory) {
  const std::string_view part = frame.payload;
  if (part.size() > size_ - filled_) return Step::broken;
  if (filled_ == 0 && part.size() == size_) {
    content_.body = part;
    content_.body_memory = memory;
    return Step::complete;
  }
  const std::size_t total = filled_ + part.size();
  net::ChunkPtr& room = content_.body_memory;
  if (filled_ == 0) room = net::ChunkPtr::make(std::min<std::size_t>(size_, std::max<std::size_t>(total * 2, 256 * 1024)));
  else if (total > room.capacity()) room.grow(std::min<std::size_t>(size_, total * 2));
  std::memcpy(room.data() + filled_, part.data(), part.size());
  filled_ = total;
  if (filled_ < size_) return Step::more;
  content_.body = {room.data(), filled_};
  return Step::complete;
}

}  // namespace ferry::rmq
