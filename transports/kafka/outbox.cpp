#include "transports/kafka/outbox.hpp"

#include <cstring>
#include <type_traits>
#include <utility>

namespace ferry::kafka {

// --- RecordBatch ----------------------------------------------------------------------------------------------------

void RecordBatch::add(RecordFields record) {
  const auto keep = [this](auto& pointer, std::size_t size) {
    if (pointer == nullptr) return;
    const std::size_t offset = bytes_.size();
    bytes_.append(static_cast<const char*>(pointer), size);
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(offset + 1);
  };
  for (rd_kafka_vu_t field : record) {
    if (field.vtype == RD_KAFKA_VTYPE_VALUE || field.vtype == RD_KAFKA_VTYPE_KEY) {
      keep(field.u.mem.ptr, field.u.mem.size);
    } else if (field.vtype == RD_KAFKA_VTYPE_HEADER) {
      keep(field.u.header.name, std::strlen(field.u.header.name) + 1);
      keep(field.u.header.val, static_cast<std::size_t>(field.u.header.size));
    }
    fields_.push_back(field);
  }
  ends_.push_back(fields_.size());
}

RecordFields RecordBatch::record(std::size_t index) {
  const auto place = [this](auto& pointer) {
    if (pointer != nullptr) pointer = bytes_.data() + (reinterpret_cast<std::uintptr_t>(pointer) - 1);
  };
  const auto begin = fields_.begin() + static_cast<std::ptrdiff_t>(index == 0 ? 0 : ends_[index - 1]);
  record_.assign(begin, fields_.begin() + static_cast<std::ptrdiff_t>(ends_[index]));
  for (rd_kafka_vu_t& field : record_) {
    if (field.vtype == RD_KAFKA_VTYPE_VALUE || field.vtype == RD_KAFKA_VTYPE_KEY) {
      place(field.u.mem.ptr);
    } else if (field.vtype == RD_KAFKA_VTYPE_HEADER) {
      place(field.u.header.name);
      place(field.u.header.val);
    }
  }
  return record_;
}

void RecordBatch::clear() {
  constexpr std::size_t kept = 1U << 20;   // bytes: one large record is not remembered for ever
  if (bytes_.capacity() > kept) std::string().swap(bytes_);
  bytes_.clear();
  fields_.clear();
  ends_.clear();
}

// --- Outbox ---------------------------------------------------------------------------------------------------------

Outbox::Outbox(const spi::Loop& loop, std::shared_ptr<Handle> producer, WhenFull when_full, Refused refused)
    : producer_(std::move(producer)), when_full_(when_full), refused_(std::move(refused)), loop_(&loop) {}

/// With the lock.
void Outbox::post() {
  state_ = State::posted;
  loop_->post([self = weak_from_this()] {
    if (const auto box = self.lock()) box->turn(false);
  });
}

void Outbox::add(const OutgoingRecord& record) {
  bool now = false;
  {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) {
      Failure nobody_asks;
      produce(producer_->get(), record.fields(), nobody_asks);
      return;
    }
    batch_.add(record.fields());
    now = full() && loop_->in_loop();
    if (!now && (state_ == State::idle || (state_ == State::holding && full()))) post();
  }
  if (now) send();
}

/// `due`: it has waited long enough.
void Outbox::turn(bool due) {
  {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) return;
    state_ = State::idle;
    if (batch_.count() != 0 && unconfirmed_ != 0 && !due && !full()) return hold();
  }
  send();
  const auto self = shared_from_this();   // what is told may end this
  for (auto& [record, failure] : std::exchange(refusals_, {})) {
    if (!is_shut()) refused_(record.record(0), failure);
  }
}

bool Outbox::is_shut() {
  const std::lock_guard lock(mutex_);
  return loop_ == nullptr;
}

bool Outbox::empty() {
  const std::lock_guard lock(mutex_);
  return batch_.count() == 0;
}

/// With the lock, on the loop.
void Outbox::hold() {
  state_ = State::holding;
  if (timer_) return;
  timer_.emplace(loop_->executor(), longest);
  timer_->async_wait([self = weak_from_this()](std::error_code error) {
    const auto box = error ? nullptr : self.lock();
    if (!box) return;
    box->timer_.reset();
    box->turn(true);
  });
}

void Outbox::send() {
  timer_.reset();
  {
    const std::lock_guard lock(mutex_);
    std::swap(batch_, leaving_);
    no_room_ = false;
  }
  for (std::size_t i = 0; i < leaving_.count(); ++i) {
    const RecordFields record = leaving_.record(i);
    Failure failure;
    if (produce(producer_->get(), record, failure)) {
      ++unconfirmed_;
      continue;
    }
    if (when_full_ == WhenFull::wait && failure.code == errc::overloaded) {
      keep(i);
      break;
    }
    refusals_.emplace_back(RecordBatch(), std::move(failure)).first.add(record);
  }
  leaving_.clear();
  if (refusals_.empty()) return;
  const std::lock_guard lock(mutex_);
  if (loop_ != nullptr && state_ != State::posted) post();   // to tell them
}

/// Of those that are leaving, for which there is no room now.
void Outbox::keep(std::size_t from) {
  RecordBatch rest;
  for (std::size_t i = from; i < leaving_.count(); ++i) rest.add(leaving_.record(i));
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < batch_.count(); ++i) rest.add(batch_.record(i));   // that came since
  std::swap(batch_, rest);
  no_room_ = true;
  if (loop_ != nullptr) hold();
}

void Outbox::reported() {
  if (--unconfirmed_ != 0) return;
  const std::lock_guard lock(mutex_);
  if (loop_ != nullptr && state_ == State::holding) post();
}

void Outbox::shut() {
  timer_.reset();
  refusals_.clear();
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
  batch_.clear();
}

}  // namespace ferry::kafka
