#include "transports/redis/resp.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include <hiredis/read.h>

namespace ferry::redis {
namespace {

constexpr std::size_t usual_chunk = 32 * 1024;
constexpr std::size_t largest_kept_chunk = 256 * 1024;
constexpr std::size_t largest_kept_values = 4096;
constexpr std::size_t reader_keeps = 256 * 1024;   // an empty reader's buffer above this is given back

}  // namespace

const Value& Value::at(std::size_t index) const noexcept {
  static const Value none;
  Iterator element = begin();
  const Iterator last = end();
  for (; element != last; ++element, --index) {
    if (index == 0) return *element;
  }
  return none;
}

/// What hiredis calls for each value it meets, an array before its elements. It wants any pointer back but null, which
/// means that there is no memory. Nothing may be thrown through it.
struct RespReader::Callbacks {
  template <class F>
  static void* guarded(const redisReadTask* task, F add) noexcept {
    try {
      add(*static_cast<RespReader*>(task->privdata));
      return task->privdata;
    } catch (...) {
      return nullptr;
    }
  }

  static void* text(const redisReadTask* task, char* text, size_t size) {
    const auto type = task->type == REDIS_REPLY_ERROR    ? Value::Type::error
                      : task->type == REDIS_REPLY_STATUS ? Value::Type::status
                                                         : Value::Type::string;
    return guarded(task, [&](RespReader& self) { self.add_text(type, {text, size}); });
  }
  static void* array(const redisReadTask* task, int elements) {
    return guarded(task, [&](RespReader& self) { self.add(Value::Type::array, elements); });
  }
  static void* integer(const redisReadTask* task, long long value) {
    return guarded(task, [&](RespReader& self) { self.add(Value::Type::integer, value); });
  }
  static void* nil(const redisReadTask* task) {
    return guarded(task, [](RespReader& self) { self.add(Value::Type::nil, 0); });
  }
  static void free(void*) {}

  static redisReplyObjectFunctions* table() {
    static redisReplyObjectFunctions functions{text, array, integer, nil, free};
    return &functions;
  }
};

void RespReader::Free::operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }

RespReader::RespReader() : reader_(redisReaderCreateWithFunctions(Callbacks::table())) {
  if (!reader_) throw std::bad_alloc();
  reader_->privdata = this;
  reader_->maxbuf = reader_keeps;
}

RespReader::~RespReader() = default;

void RespReader::feed(std::string_view bytes) { redisReaderFeed(reader_.get(), bytes.data(), bytes.size()); }

RespReader::Step RespReader::next() {
  if (complete_) forget_reply();
  void* reply = nullptr;
  if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) return Step::broken;
  if (reply == nullptr) return Step::need_more;
  complete_ = true;
  measure(0);
  return Step::reply;
}

void RespReader::forget_reply() {
  complete_ = false;
  if (values_.capacity() > largest_kept_values) values_ = {};
  values_.clear();
  begin_ = end_;
  if (chunk_ && chunk_.unique()) {
    if (chunk_.capacity() > largest_kept_chunk) chunk_ = net::ChunkPtr();
    begin_ = end_ = 0;
  }
}

void RespReader::add(Value::Type type, std::int64_t number) {
  Value value;
  value.type = type;
  value.number = number;
  values_.push_back(value);
}

void RespReader::add_text(Value::Type type, std::string_view text) {
  if (!chunk_ || chunk_.capacity() - end_ < text.size()) make_room(text.size());
  char* at = chunk_.data() + end_;
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  end_ += text.size();
  Value value;
  value.type = type;
  value.text = {at, text.size()};
  values_.push_back(value);
}

/// All texts of a reply stay together, so that one chunk holds a message.
void RespReader::make_room(std::size_t bytes) {
  const std::size_t used = end_ - begin_;
  net::ChunkPtr fresh = net::ChunkPtr::make(std::max(usual_chunk, used + std::max(used, bytes)));
  if (used != 0) std::memcpy(fresh.data(), chunk_.data() + begin_, used);
  for (Value& value : values_) {
    if (value.text.data() == nullptr) continue;
    value.text = {fresh.data() + (value.text.data() - (chunk_.data() + begin_)), value.text.size()};
  }
  chunk_ = std::move(fresh);
  begin_ = 0;
  end_ = used;
}

/// Depth is hiredis's to bound.
std::uint32_t RespReader::measure(std::size_t index) {
  Value& value = values_[index];
  std::uint32_t span = 1;
  for (std::size_t i = 0; i < value.size(); ++i) span += measure(index + span);
  return value.span = span;
}

std::size_t RespReader::held() const noexcept { return reader_->len - reader_->pos; }

std::string_view RespReader::error() const noexcept { return reader_->errstr; }

}  // namespace ferry::redis
