#pragma once
// One run of one handler: what it was called with, and where its results go.

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <asio/any_io_executor.hpp>

#include "ferry/spi/delivery.hpp"

namespace ferry::detail {

class EventChain;
class Passage;

/// What a running handler needs of its service. Implemented by the service's engine; called from any thread.
class ServiceHooks {
 public:
  virtual std::string_view transport_name() const noexcept = 0;
  virtual std::string_view service_name() const noexcept = 0;
  /// Where coroutine handlers run whose message was read on `loop`.
  virtual asio::any_io_executor handler_executor(const spi::Loop& loop) = 0;
  /// A handler threw: logs it and gives the body of the error that the caller is to see, in the serializer's format.
  virtual std::string error_payload(const std::exception_ptr& error, const spi::Delivery& delivery,
                                    std::string_view route) = 0;
  /// The service itself handles it again, if asked to.
  virtual bool may_retry(const spi::Delivery& delivery) = 0;
  /// A handler threw, and a filter dealt with it: what is known of it where the message ends up.
  virtual void failed_with(const spi::Delivery& delivery, const std::exception_ptr& error) = 0;
  /// The run is over. A request that has no answer may be handled `again`.
  virtual void finished(const spi::Delivery& delivery, bool succeeded, bool again = false) noexcept = 0;

 protected:
  ~ServiceHooks() = default;
};

/// Ends in exactly one of `last`, `end` and `fail`; one that is let go of before that fails by itself.
/// Threads: one caller at a time.
class Invocation {
 public:
  Invocation(spi::DeliveryPtr delivery, ServiceHooks& service, const std::string& route,
             std::shared_ptr<EventChain> chain = nullptr, std::size_t chain_index = 0)
      : delivery_(std::move(delivery)),
        service_(&service),
        route_(&route),
        chain_(std::move(chain)),
        chain_index_(chain_index) {}
  /// Behind a pipeline, which sees what comes of it.
  explicit Invocation(std::shared_ptr<Passage> passage);
  Invocation(Invocation&& other) noexcept = default;
  Invocation& operator=(Invocation&&) = delete;
  ~Invocation();

  const spi::DeliveryPtr& delivery() const noexcept { return delivery_; }
  ServiceHooks& service() const noexcept { return *service_; }
  const std::string& route() const noexcept { return *route_; }
  bool wants_reply() const noexcept { return delivery_->expects_reply(); }

  void item(std::string& payload);      ///< a value, more may follow
  void last(std::string& payload);      ///< a value, and the end
  void end();                           ///< the end, no value
  void fail(const std::exception_ptr& error);
  /// The end: an error that was dealt with, its body as the caller is to see it.
  void reject(const std::exception_ptr& error, std::string& body);

  /// True if a request that fails with `error` is not answered, but handled again.
  bool may_run_again(const std::exception_ptr& error) const;
  /// Null without a pipeline.
  Passage* passage() const noexcept { return passage_.get(); }
  /// Where a coroutine of the handler is to run.
  asio::any_io_executor executor() const;

 private:
  void done(bool succeeded, bool again = false);
  std::shared_ptr<Passage> leave();

  spi::DeliveryPtr delivery_;   // null: over, or moved from
  ServiceHooks* service_;
  const std::string* route_;
  std::shared_ptr<EventChain> chain_;
  std::size_t chain_index_;
  std::shared_ptr<Passage> passage_;
  bool replied_ = false;
};

/// Calls `hook` on the delivery's loop when nobody waits for its answer any more; in place of a hook set before.
void when_abandoned(const spi::DeliveryPtr& delivery, std::function<void()> hook);

}  // namespace ferry::detail
