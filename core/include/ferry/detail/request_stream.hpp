#pragma once
// The untyped part of `RequestReader`: the messages of one stream of requests, asked for one at a time.

#include <memory>
#include <optional>
#include <string>

#include "ferry/spi/delivery.hpp"
#include "ferry/task.hpp"

namespace ferry::detail {

class RequestStreamState {
 public:
  explicit RequestStreamState(const spi::DeliveryPtr& delivery);
  RequestStreamState(const RequestStreamState&) = delete;
  RequestStreamState& operator=(const RequestStreamState&) = delete;
  ~RequestStreamState();

  const spi::Serializer& serializer() const noexcept;
  /// The next message, or nothing at the end. Throws what ended the stream.
  task<std::optional<std::string>> next();

 private:
  struct Source;
  template <class Token>
  static auto async_arrived(const std::shared_ptr<Source>& source, Token&& token);

  std::shared_ptr<Source> source_;   // shared with what the delivery was asked for
};

/// Stands for it where a handler reads none.
struct NoRequestStream {
  explicit NoRequestStream(const spi::DeliveryPtr&) {}
};

}  // namespace ferry::detail
