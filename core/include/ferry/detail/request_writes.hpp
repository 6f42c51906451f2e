#pragma once
// The untyped part of what `Duplex` writes: one message at a time, when the peer keeps up.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ferry/detail/client_core.hpp"
#include "ferry/detail/operation.hpp"
#include "ferry/detail/waiter.hpp"
#include "ferry/task.hpp"

namespace ferry::detail {

/// Part of its operation, which every wait keeps alive. On the loop, but for `write`.
class RequestWrites {
 public:
  explicit RequestWrites(std::shared_ptr<ClientCore> core) : core_(std::move(core)) {}

  /// Hands over one message, or without a payload the end of them; `start`s the operation if it has not begun. Gives false
  /// once the operation has ended.
  static task<bool> write(OperationPtr operation, RequestWrites& self, std::function<void()> start,
                          std::optional<std::string> payload);
  /// The operation was transmitted, or may be written to again.
  void go_on(Operation& operation);
  /// It has ended.
  void end();

 private:
  template <class Token>
  static auto async_write(OperationPtr operation, RequestWrites& self, std::function<void()> start,
                          std::optional<std::string> payload, Token&& token);
  void complete(bool taken);

  const std::shared_ptr<ClientCore> core_;
  std::optional<std::string> payload_;
  std::unique_ptr<Waiter> waiter_;   // null: nothing waits to be written
  bool taken_ = false;               // of the last; the writer's between its completion and the next
  bool over_ = false;
};

}  // namespace ferry::detail
