#pragma once

#include <memory>

#include "ferry/detail/handler.hpp"
#include "ferry/detail/passage.hpp"
#include "ferry/detail/stages.hpp"

namespace ferry::detail {

/// A handler with a pipeline before it.
class PipelinedHandler final : public Handler {
 public:
  PipelinedHandler(Stages stages, std::shared_ptr<Handler> handler);

  void invoke(Invocation invocation) override;
  void flush(const ServiceHooks& service) override { handler_->flush(service); }
  void discard(const ServiceHooks& service) override { handler_->discard(service); }

 private:
  const Stages stages_;
  const bool coroutine_;
  const std::shared_ptr<Handler> handler_;
};

/// The handler itself where there are no stages: then nothing of a pipeline is left.
std::shared_ptr<Handler> behind(Stages stages, std::shared_ptr<Handler> handler);

}  // namespace ferry::detail
