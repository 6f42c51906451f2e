#pragma once
// The untyped part of `ReplyWriter`: back-pressure, and the value that is held back so that the end can travel with it.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "ferry/detail/invocation.hpp"
#include "ferry/task.hpp"

namespace ferry::detail {

class ReplyStreamState {
 public:
  explicit ReplyStreamState(Invocation& invocation);
  ReplyStreamState(const ReplyStreamState&) = delete;
  ReplyStreamState& operator=(const ReplyStreamState&) = delete;
  ~ReplyStreamState();

  const spi::Serializer& serializer() const noexcept { return invocation_.delivery()->serializer(); }
  task<void> write(std::string payload);
  /// The handler has returned: the last value leaves with the end, as NestJS sends it.
  void end();
  /// The handler threw: values written before go first.
  void release();

 private:
  struct Held;   // shared with the posted release, which may come after the handler's end

  Invocation& invocation_;
  std::shared_ptr<Held> held_;
  std::size_t since_yield_ = 0;
};

}  // namespace ferry::detail
