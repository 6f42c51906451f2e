#pragma once
// Handlers that are given several events at once.

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include "ferry/batch.hpp"
#include "ferry/detail/codec.hpp"
#include "ferry/detail/handler.hpp"
#include "ferry/detail/invocation.hpp"
#include "ferry/detail/signature.hpp"
#include "ferry/task.hpp"

namespace ferry::detail {

/// Gathers the events of each service. The batches of one service run one after another: its events are handled in the order
/// in which they came.
class BatchCollector : public Handler, public std::enable_shared_from_this<BatchCollector> {
 public:
  /// Throws `std::invalid_argument` if `options` make no sense.
  explicit BatchCollector(BatchOptions options);
  ~BatchCollector() override;

  void invoke(Invocation invocation) final;
  void flush(const ServiceHooks& service) final;
  void discard(const ServiceHooks& service) final;

 protected:
  using Batch = std::vector<Invocation>;
  /// Ends each of the invocations. On its service's executor.
  virtual task<void> run(Batch events) = 0;

 private:
  struct Group;
  Group& group_of(ServiceHooks& service);
  void launch(Group& group);                       // mutex held
  task<void> drive(Group& group, Batch taken);
  void arm(Group& group);                          // mutex held
  void due(Group& group, std::uint64_t number);

  const BatchOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Group>> groups_;
};

template <class P>
inline constexpr bool is_batch_context = std::is_same_v<Bare<P>, BatchContext>;

template <class P>
struct BatchValue {
  using Type = void;
};
template <class T, class A>
struct BatchValue<std::vector<T, A>> {
  using Type = T;
};

template <class S>
struct BatchTraits;
template <class R, class... P>
struct BatchTraits<Signature<R, P...>> {
  static constexpr bool is_coroutine = TaskResult<R>::is_task;
  using Values = typename PayloadOf<std::conditional_t<is_batch_context<P>, Context, P>...>::Type;
  using Value = typename BatchValue<Values>::Type;

  static_assert(!std::is_void_v<Value> && ((is_batch_context<P> || std::is_same_v<Bare<P>, Values>) && ...),
                "ferry: a batch handler takes a std::vector of the events' payloads and, if it likes, ferry::BatchContext&");
  static_assert(((!is_batch_context<P> || std::is_lvalue_reference_v<P>) && ...),
                "ferry: take the batch's context by reference: ferry::BatchContext&");
  static_assert(((is_batch_context<P> || !std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>) && ...),
                "ferry: take the values by value or by const reference");
  static_assert(std::is_void_v<typename TaskResult<R>::Type>,
                "ferry: a batch handler returns nothing: void or ferry::task<void>");
};

template <class F>
class BatchHandlerFor final : public BatchCollector {
  using Sig = typename SignatureOf<F>::Type;
  using T = BatchTraits<Sig>;
  using Values = typename T::Values;

 public:
  BatchHandlerFor(BatchOptions options, F function) : BatchCollector(options), function_(std::move(function)) {}

 private:
  task<void> run(Batch events) override {
    BatchContext context;
    Values values;
    decode(events, values, context);
    if (events.empty()) co_return;
    std::exception_ptr error;
    try {
      co_await call(values, context, static_cast<Sig*>(nullptr));
    } catch (...) {
      error = std::current_exception();
    }
    for (std::size_t i = 0; i < events.size(); ++i) {
      const std::exception_ptr& own = context.error(i) ? context.error(i) : error;
      if (own) events[i].fail(own);
      else events[i].end();
    }
  }

  /// What cannot be read fails alone.
  static void decode(Batch& events, Values& values, BatchContext& context) {
    Batch readable;
    readable.reserve(events.size());
    values.reserve(events.size());
    for (Invocation& each : events) {
      std::optional<typename T::Value> value;
      try {
        decode_payload(each, value);
      } catch (...) {
        each.fail(std::current_exception());
        continue;
      }
      values.push_back(std::move(*value));
      context.add(each.delivery(), each.service().transport_name(), each.service().service_name(), each.route());
      readable.push_back(std::move(each));
    }
    events.swap(readable);
  }

  template <class P>
  static decltype(auto) pick(Values& values, BatchContext& context) {
    if constexpr (is_batch_context<P>) return static_cast<BatchContext&>(context);
    else return static_cast<Values&&>(values);
  }
  template <class R, class... P>
  task<void> call(Values& values, BatchContext& context, Signature<R, P...>*) {
    if constexpr (T::is_coroutine) co_await function_(pick<P>(values, context)...);
    else function_(pick<P>(values, context)...);
  }

  F function_;
};

}  // namespace ferry::detail
