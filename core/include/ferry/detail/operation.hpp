#pragma once
// One `send`, stream or `emit` under way: what the client core knows of it. The typed part derives from it.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "ferry/detail/clock.hpp"
#include "ferry/detail/pool.hpp"
#include "ferry/error.hpp"
#include "ferry/headers.hpp"
#include "ferry/pattern.hpp"
#include "ferry/spi/serializer.hpp"

namespace ferry::detail {

/// What is to be sent, owned: a call is cold, and may wait for a connection.
struct Message {
  Pattern pattern;
  std::string payload = {};
  bool has_payload = false;
  Headers headers = {};
  nlohmann::json record = {};      ///< null: no options of its own
  std::chrono::milliseconds timeout{};
  std::exception_ptr fault = {};   ///< the payload could not be encoded
  std::chrono::steady_clock::time_point not_after = std::chrono::steady_clock::time_point::max();   ///< whatever the timeout
  std::optional<bool> idempotent = {};   ///< unset: as the client's config says
  std::uint8_t attempts = 0;       ///< at most, the first one included; 0: as the client's config says
};

inline std::chrono::steady_clock::time_point deadline_of(const Message& message) noexcept {
  return std::min(deadline_in(message.timeout), message.not_after);
}

/// How far an operation has come on its way through retries, circuit breaker and limit. Of a client without them, and of
/// a connection, it stays as it begins.
struct Course {
  enum class Stage : std::uint8_t {
    beginning,
    queued,       ///< for a place among those that may be under way at once
    running,      ///< an attempt is made: with the transport, or waiting for a connection
    backing_off,  ///< the next attempt is due at the deadline that the table of what is under way has
  };
  Stage stage = Stage::beginning;
  bool answered = false;      ///< a value has come
  bool has_place = false;     ///< among those that may be under way at once
  std::uint8_t attempts = 0;  ///< begun
  Fate past = Fate::not_sent; ///< of the attempts that have failed
  std::uint32_t pass = 0;     ///< of the circuit breaker; 0: none
  std::uint64_t ticket = 0;   ///< of one that is queued
};

/// Counted by `OperationPtr`; the core holds one while it is under way. Everything but the counter is touched on the client's
/// loop only, unless it says otherwise.
class Operation : public Pooled {
 public:
  enum class Kind : std::uint8_t { request, stream, duplex, event, connect };

  Operation(Kind k, Message&& m) : message(std::move(m)), kind(k) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  /// A value has come. False: it could not be decoded (`failure` says why), which ends the operation.
  virtual bool on_value(const spi::Serializer& serializer, std::string_view payload, bool present, Failure& failure) = 0;
  /// The one outcome: null for success. `inside_call` is true while the call that started it has not returned.
  virtual void on_done(Failure* failure, bool inside_call) = 0;
  /// A stream that has as much as it may hold: the core stops reading until `ClientCore::drained`.
  virtual bool full() const { return false; }
  /// Of a duplex: it was transmitted, or may be written to again.
  virtual void on_writable() {}
  bool takes_stream() const noexcept { return kind == Kind::stream || kind == Kind::duplex; }

  Message message;
  const Kind kind;
  bool transmitted = false;   ///< handed to the transport
  bool holds_reading = false;  ///< nothing of it is read
  bool holds_others = false;   ///< nor of any other: it is one of those for which the client is paused
  std::uint64_t key = 0;      ///< in the table of what is under way; 0: not in it
  std::chrono::steady_clock::time_point deadline;
  Course course;

 protected:
  virtual ~Operation() = default;

 private:
  friend class OperationPtr;
  std::atomic<std::uint32_t> references_{0};
};

class OperationPtr {
 public:
  OperationPtr() = default;
  explicit OperationPtr(Operation* operation) noexcept : operation_(operation) { acquire(); }
  OperationPtr(const OperationPtr& other) noexcept : operation_(other.operation_) { acquire(); }
  OperationPtr(OperationPtr&& other) noexcept : operation_(std::exchange(other.operation_, nullptr)) {}
  OperationPtr& operator=(OperationPtr other) noexcept {
    std::swap(operation_, other.operation_);
    return *this;
  }
  ~OperationPtr() {
    if (operation_ == nullptr) return;
    // The only reference left needs no atomic subtraction: nobody can be copying it.
    if (operation_->references_.load(std::memory_order_acquire) == 1 ||
        operation_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete operation_;
    }
  }
  Operation* get() const noexcept { return operation_; }
  Operation* operator->() const noexcept { return operation_; }
  explicit operator bool() const noexcept { return operation_ != nullptr; }

  /// The table of what is under way holds a plain pointer that counts: given to it, and taken back from it.
  void release_to_table() noexcept { operation_ = nullptr; }
  static OperationPtr take_from_table(Operation* operation) noexcept {
    OperationPtr pointer;
    pointer.operation_ = operation;
    return pointer;
  }

 private:
  void acquire() noexcept {
    if (operation_ != nullptr) operation_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  Operation* operation_ = nullptr;
};

}  // namespace ferry::detail
