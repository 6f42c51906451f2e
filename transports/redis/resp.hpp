#pragma once
// What a Redis server says, taken apart by hiredis's reader into flat memory: no tree of allocations a reply.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "transports/common/net/buffers.hpp"

struct redisReader;

namespace ferry::redis {

/// One value of a reply. The elements of an array follow it in memory, each with its own behind it.
struct Value {
  enum class Type : std::uint8_t { string, status, error, integer, nil, array };

  Type type = Type::nil;
  std::uint32_t span = 1;          ///< how many values it takes, its elements included
  std::int64_t number = 0;         ///< an integer's value; how many elements an array has
  std::string_view text = {};      ///< of strings, statuses and errors

  bool is(Type t) const noexcept { return type == t; }
  bool is_text() const noexcept { return type == Type::string || type == Type::status; }
  std::size_t size() const noexcept { return type == Type::array ? static_cast<std::size_t>(number) : 0; }

  class Iterator {
   public:
    explicit Iterator(const Value* at) noexcept : at_(at) {}
    const Value& operator*() const noexcept { return *at_; }
    const Value* operator->() const noexcept { return at_; }
    Iterator& operator++() noexcept {
      at_ += at_->span;
      return *this;
    }
    bool operator==(const Iterator&) const noexcept = default;

   private:
    const Value* at_;
  };
  Iterator begin() const noexcept { return Iterator(this + 1); }
  Iterator end() const noexcept { return Iterator(this + span); }
  /// An array's element; a nil where there is none.
  const Value& at(std::size_t index) const noexcept;
};

/// Bytes in, replies out. Texts lie in counted chunks, so that a message may outlive the reader's next one.
///
/// Threads: one at a time.
class RespReader {
 public:
  enum class Step : std::uint8_t { reply, need_more, broken };

  RespReader();
  ~RespReader();
  RespReader(const RespReader&) = delete;
  RespReader& operator=(const RespReader&) = delete;

  /// What is left over of earlier bytes is moved to the front after each kilobyte of replies: feed moderate pieces.
  void feed(std::string_view bytes);
  Step next();
  /// After `Step::reply`, until the next call to `next`.
  const Value& reply() const noexcept { return values_.front(); }
  /// Holds the texts of the reply.
  const net::ChunkPtr& memory() const noexcept { return chunk_; }
  /// Bytes of replies that have begun.
  std::size_t held() const noexcept;
  /// After `Step::broken`.
  std::string_view error() const noexcept;

 private:
  struct Callbacks;
  struct Free { void operator()(redisReader* reader) const noexcept; };

  void forget_reply();
  void add(Value::Type type, std::int64_t number);
  void add_text(Value::Type type, std::string_view text);
  void make_room(std::size_t bytes);
  std::uint32_t measure(std::size_t index);

  std::unique_ptr<redisReader, Free> reader_;
  std::vector<Value> values_;     // of the reply at hand
  net::ChunkPtr chunk_;
  std::size_t begin_ = 0;         // in the chunk: the texts of the reply at hand
  std::size_t end_ = 0;
  bool complete_ = false;
};

}  // namespace ferry::redis
