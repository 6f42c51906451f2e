#include "transports/grpc/outbox.hpp"

#include <utility>

namespace ferry::grpc {
namespace {

constexpr std::size_t high_water_bytes = std::size_t{64} * 1024;
constexpr std::size_t high_water_messages = 64;

}  // namespace

void Outbox::put(::grpc::ByteBuffer&& message) {
  waiting_bytes_ += message.Length();
  messages_.emplace_back(message);
}

const ::grpc::ByteBuffer& Outbox::only(::grpc::ByteBuffer&& message) {
  current_.Swap(&message);
  return current_;
}

const ::grpc::ByteBuffer& Outbox::next() {
  current_.Swap(&messages_[first_].bytes);
  messages_[first_++].bytes.Clear();   // the one before
  waiting_bytes_ -= current_.Length();
  if (waiting() == 0) {
    clear();
  } else if (first_ >= high_water_messages) {   // it may never be empty
    messages_.erase(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  return current_;
}

::grpc::WriteOptions Outbox::options() const {
  return empty() ? ::grpc::WriteOptions() : ::grpc::WriteOptions().set_buffer_hint();
}

void Outbox::clear() {
  messages_.clear();
  first_ = 0;
  waiting_bytes_ = 0;
}

bool Outbox::full() const noexcept { return waiting_bytes_ >= high_water_bytes || waiting() >= high_water_messages; }

bool Outbox::low() const noexcept { return waiting_bytes_ <= high_water_bytes / 2 && waiting() <= high_water_messages / 2; }

}  // namespace ferry::grpc
