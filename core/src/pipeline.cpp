#include "ferry/pipeline.hpp"

#include <algorithm>
#include <utility>

#include "pipelined_handler.hpp"

namespace ferry {

Filtered Filtered::error(nlohmann::json body) {
  Filtered result;
  result.body_ = std::move(body);
  return result;
}

Filtered Filtered::value(Payload value) {
  Filtered result;
  result.value_ = std::move(value);
  result.failed_ = false;
  return result;
}

Pipeline& Pipeline::use(const Pipeline& other) {
  stages_.append(other.stages_);
  return *this;
}

namespace detail {
namespace {

template <class T>
void append_all(std::vector<T>& to, const std::vector<T>& from) {
  const std::vector<T> copy = from;   // may be the same
  to.insert(to.end(), copy.begin(), copy.end());
}

template <class T>
bool has_coroutine(const std::vector<T>& stages) {
  return std::any_of(stages.begin(), stages.end(), [](const T& stage) { return stage.index() == 1; });
}

}  // namespace

bool Stages::empty() const noexcept {
  return guards.empty() && interceptors.empty() && pipes.empty() && filters.empty() && !scoped;
}

void Stages::append(const Stages& other) {
  append_all(guards, other.guards);
  append_all(interceptors, other.interceptors);
  append_all(pipes, other.pipes);
  append_all(filters, other.filters);
  scoped = scoped || other.scoped;
}

bool Stages::any_coroutine() const noexcept {
  return has_coroutine(guards) || has_coroutine(interceptors) || has_coroutine(pipes) ||
         std::any_of(filters.begin(), filters.end(), [](const FilterStage& filter) { return filter.coroutine != nullptr; });
}

const spi::Serializer& serializer_of(const Context& context) { return context.delivery()->serializer(); }

Filtered filtered(nlohmann::json body) { return Filtered::error(std::move(body)); }
Filtered filtered(Filtered result) { return result; }

std::shared_ptr<Handler> behind(Stages stages, std::shared_ptr<Handler> handler) {
  if (stages.empty()) return handler;
  return std::make_shared<PipelinedHandler>(std::move(stages), std::move(handler));
}

PipelinedHandler::PipelinedHandler(Stages stages, std::shared_ptr<Handler> handler)
    : stages_(std::move(stages)), coroutine_(stages_.any_coroutine()), handler_(std::move(handler)) {
  required_transport = handler_->required_transport;
  reads_stream = handler_->reads_stream;
  writes_stream = handler_->writes_stream;
  batch = handler_->batch;
  if (stages_.pipes.empty()) request_type = handler_->request_type;   // else the pipes decide what they read
  reply_type = handler_->reply_type;
}

void PipelinedHandler::invoke(Invocation invocation) {
  const auto passage = std::make_shared<Passage>(stages_, *handler_, std::move(invocation));
  coroutine_ ? passage->spawn() : passage->run();
}

}  // namespace detail
}  // namespace ferry
