#include "transports/grpc/outbox.hpp"

#include <utility>

namespace ferry::grpc {
namespace {

constexpr std::size_t high_water_bytes = std::size_t{64} * 1024;
constexpr std::size_t high_water_messages = 64;

}  // namespace

void Outbox::put(::grpc::ByteBuffer message) {
  waiting_bytes_ += message.Length();
  waiting_.push_back(std::move(message));
}

const ::grpc::ByteBuffer& Outbox::next() {
  current_ = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= current_.Length();
  return current_;
}

::grpc::WriteOptions Outbox::options() const {
  return waiting_.empty() ? ::grpc::WriteOptions() : ::grpc::WriteOptions().set_buffer_hint();
}

void Outbox::clear() {
  waiting_.clear();
  waiting_bytes_ = 0;
}

bool Outbox::full() const noexcept { return waiting_bytes_ >= high_water_bytes || waiting_.size() >= high_water_messages; }

bool Outbox::low() const noexcept { return waiting_bytes_ <= high_water_bytes / 2 && waiting_.size() <= high_water_messages / 2; }

}  // namespace ferry::grpc
