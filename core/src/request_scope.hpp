#pragma once
// Which message's context is current on this thread.

#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>

#include "ferry/context.hpp"

namespace ferry::detail {

/// While it lives, `current_context()` is that of `context` on this thread; null: as before.
class ScopeGuard {
 public:
  explicit ScopeGuard(Context* context) noexcept;
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;
  ~ScopeGuard();

 private:
  Context* before_;
};

/// Runs what it is given on another executor, with the context current. It is the executor of a handler's coroutine, and so of
/// all that resumes it.
class ScopedExecutor {
 public:
  ScopedExecutor(asio::any_io_executor inner, std::shared_ptr<Context> context)
      : inner_(std::move(inner)), context_(std::move(context)) {}

  template <class F>
  void execute(F&& function) const {
    inner_.execute([context = context_, function = std::forward<F>(function)]() mutable {
      const ScopeGuard scope(context.get());
      std::move(function)();
    });
  }
  template <class P>
    requires asio::can_query<const asio::any_io_executor&, P>::value
  decltype(auto) query(const P& property) const { return asio::query(inner_, property); }
  template <class P>
    requires asio::can_require<const asio::any_io_executor&, P>::value
  ScopedExecutor require(const P& property) const { return {asio::require(inner_, property), context_}; }
  template <class P>
    requires asio::can_prefer<const asio::any_io_executor&, P>::value
  ScopedExecutor prefer(const P& property) const { return {asio::prefer(inner_, property), context_}; }
  friend bool operator==(const ScopedExecutor&, const ScopedExecutor&) noexcept = default;

 private:
  asio::any_io_executor inner_;
  std::shared_ptr<Context> context_;
};

}  // namespace ferry::detail
